"""What would run, why, and for how long, before anything runs: the workflow's graph against the provenance records."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from pydantic import TypeAdapter

from crossover.core.files import file_digest, read_json, read_json_or_none
from crossover.core.incremental import RECORD
from crossover.core.paths import folder_of
from crossover.core.provenance import read_last_record, record_path
from crossover.core.source_code import sources
from crossover.execution.estimate import costs_of_step, kinds, read_times, stage_steps, step_seconds, total_of
from crossover.execution.workflow import GraphJob, Workflow
from crossover.sources.folder_state import changes
from crossover.sources.redaction import without_places
from crossover.sources.settings import DicomSource, OpenKbpSource, Phantom, Source, VolumesSource
from crossover.sources.table_readers import form_of
from crossover.study.plan import Stage

ABSENT = "(none)"
NOWHERE = Path("/nonexistent")


@dataclass(frozen=True)
class Reason:
    """Why a job would run: what is missing or differs from when its outputs were made, or what runs before it."""

    kind: Literal["missing", "record", "setting", "code", "input", "follows"]
    what: str
    before: str = ""
    now: str = ""


@dataclass(frozen=True)
class Planned:
    """A job that would run.

    Attributes:
        job: its place in the workflow's list.
        stages: of a training job those that would be trained. kept: those that would not.
        last_s: seconds of computing that it took last time, None where it never ran.
        expected_s: that it will take; None where nothing like it has run and no time is known.
        after: places of the jobs that run before it.
    """

    job: int
    rule: str
    study: str | None
    cohort: str | None
    outputs: list[str]
    stages: list[str]
    kept: list[str]
    why: list[Reason]
    last_s: float | None
    expected_s: float | None
    threads: int
    after: list[int]


def forecast(workflow: Workflow) -> list[Planned]:
    """Return the jobs that would run, in order."""
    records = {i: read_last_record(job.outputs[0]) for i, job in enumerate(workflow.jobs)}
    own = {i: list(reasons(job, records[i])) for i, job in enumerate(workflow.jobs) if job.needed}
    clock = _Clock(workflow, records, own)
    rows = []
    for i, job in enumerate(workflow.jobs):
        if job.needed:
            why = list(own[i])
            after = [k for k in job.depends if workflow.jobs[k].needed]
            why += [Reason("follows", str(workflow.jobs[k].outputs[0])) for k in after]
            stages, kept = _stages(job, records[i], why)
            planned = Planned(
                job=i, rule=job.rule, study=job.wildcards.get("study"), cohort=job.wildcards.get("cohort"),
                outputs=[str(path) for path in job.outputs], stages=stages, kept=kept,
                why=why or [Reason("input", job.reason)], last_s=(records[i] or {}).get("seconds"),
                expected_s=clock.expected(i, job, stages), threads=job.threads, after=after,
            )  # fmt: skip
            rows.append(planned)
    return rows


def reasons(job: GraphJob, record: dict | None) -> Iterable[Reason]:
    """Yield what of a job itself differs from when its outputs were made; not what runs before it."""
    missing = [path for path in job.outputs if not path.exists()]
    yield from (Reason("missing", str(path)) for path in missing)
    if record is None:
        if not missing:
            yield Reason("record", str(record_path(job.outputs[0])), "", ABSENT)
        return
    for key, before, now in differences(record["settings"], without_places(job.settings)):
        own = key.removeprefix("settings.")
        yield _of_folder(job) if own == "listing" else Reason("setting", own, before, now)
    code = sources(*job.code["entries"])
    for path in sorted(set(code) | set(record["code"]["files"])):
        then, today = record["code"]["files"].get(path), code.get(path)
        if then != today:
            now = "changed" if today else "no longer used"
            yield Reason("code", path, "" if then else ABSENT, now)
    inputs = {str(path) for path in job.inputs}
    for path in sorted(inputs ^ set(record["inputs"])):
        what = (ABSENT, "read") if path in inputs else ("read", "no longer read")
        yield Reason("input", path, *what)
    for path, before in record["inputs"].items():
        if path in inputs and Path(path).exists() and file_digest(Path(path)) != before:
            yield Reason("input", path, "", "changed")


def _of_folder(job: GraphJob) -> Reason:
    """Say how the files of a cohort's folder differ from those that were received."""
    source = TypeAdapter(Source).validate_python(job.settings["source"])
    data = folder_of(job.wildcards["cohort"])
    if data is None or isinstance(source, Phantom):
        return Reason("setting", "files of its folder", "as received", "changed")
    taken = None if isinstance(source, DicomSource) else _taken(source, data)
    now = changes(source, data, job.outputs[0], taken) or "others, but none that this cohort takes"
    return Reason("setting", "files of its folder", "as received", now)


def _taken(source: VolumesSource | OpenKbpSource, data: Path) -> set[Path] | None:
    """Return the files that a table or patterns of a source name; None where something is wrong with them."""
    form = form_of(source)
    try:
        rows = [own.row for own in form.rows(source, data).cases.values()]
        return {data / file for row in rows for file in form.patient_files(source, row, data).values()}
    except (ValueError, KeyError, OSError):
        return None


def differences(before: Any, now: Any, place: str = "") -> Iterable[tuple[str, str, str]]:
    """Yield (key, before, now) of each leaf in which two JSON-like values differ.

    Lists of one length are compared place by place, of different lengths as wholes; lists of mappings
    that have names by these.
    """
    if before == now:
        return
    before, now = _named(before), _named(now)
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            at = f"{place}.{key}" if place else str(key)
            yield from differences(before.get(key, ABSENT), now.get(key, ABSENT), at)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, (one, other) in enumerate(zip(before, now)):
            yield from differences(one, other, f"{place}[{i}]")
    else:
        yield place, _short(before), _short(now)


def _named(value: Any) -> Any:
    """Return a list of mappings with names, as stages or studies, as a mapping by name."""
    for name in ("name", "study"):
        listed = value if isinstance(value, list) else []
        if listed and all(isinstance(v, dict) and name in v for v in listed):
            return {v[name]: {k: w for k, w in v.items() if k != name} for v in value}
    return value


def _short(value: Any, most: int = 60) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _stages(job: GraphJob, record: dict | None, why: list[Reason]) -> tuple[list[str], list[str]]:
    """Return the stages that a training job would train and those that it would keep.

    Only where nothing but the list of its stages has changed is it known before that a stage stays.
    """
    if job.rule != "train":
        return [], []
    names = [stage["name"] for stage in job.settings["stages"]]
    listed = {"missing", "setting"}
    if not record or not all(w.kind in listed and _only_lists(w) for w in why):
        return names, []
    before = {stage["name"]: stage for stage in record["settings"]["stages"]}
    folder = job.outputs[0].parent
    kept = [
        stage["name"]
        for stage in job.settings["stages"]
        if stage == before.get(stage["name"]) and (folder / stage["name"] / RECORD).exists()
    ]
    return [name for name in names if name not in kept], kept


def _only_lists(why: Reason) -> bool:
    return why.kind == "missing" or why.what.startswith("stages")


class _Clock:
    """Seconds that jobs will take: as they took, as others of their rule took, or by measured step times.

    A job whose patients come from another source than last time, or have other phantoms, is not timed by it.
    """

    def __init__(self, workflow: Workflow, records: dict[int, dict | None], why: dict[int, list[Reason]]) -> None:
        self._workflow = workflow
        self._times = read_times()
        self._trained: dict[str, list[tuple[str | None, dict, dict]]] = {}
        others: set[int] = set()
        for i, job in enumerate(workflow.jobs):  # inputs stand before what reads them
            changed = [w.what for w in why.get(i, []) if w.kind == "setting"]
            if any(key.startswith("source") for key in changed) or others & set(job.depends):
                others.add(i)
        self._records = {i: record for i, record in records.items() if record and i not in others}
        took: dict[str, list[float]] = {}
        for i, record in self._records.items():
            took.setdefault(workflow.jobs[i].rule, []).append(record["seconds"])
        self._mean = {rule: mean(seconds) for rule, seconds in took.items()}

    def expected(self, i: int, job: GraphJob, stages: list[str]) -> float | None:
        """Return the seconds that a job will take; None where nothing like it has run and no time is known."""
        if job.rule == "train":
            each = [self._training(job, name, self._records.get(i)) for name in stages]
            return total_of(each)
        if i in self._records:
            return self._records[i]["seconds"]
        return self._mean.get(job.rule)

    def _training(self, job: GraphJob, name: str, record: dict | None) -> float | None:
        of = job.wildcards["study"]
        study, stage = self._workflow.studies[of], self._workflow.plans[of].stages[name]
        steps = stage_steps(stage, study, Path("data") if record else NOWHERE)
        trained = job.outputs[0].parent / name / RECORD
        if record and trained.exists() and costs_of_step(record["settings"]) == costs_of_step(job.settings):
            done = read_json(trained)
            return done["seconds"] * (steps / done["steps"] if steps else 1)
        if steps is None:
            return None
        if alike := self._step_of_others(job, stage):
            return steps * mean(alike)
        seconds = step_seconds(study, self._times)
        own = [seconds.get(kind) for kind in kinds(stage, study)]
        known = [each for each in own if each is not None]
        return None if len(known) < len(own) else steps * mean(known)

    def _step_of_others(self, job: GraphJob, stage: Stage) -> list[float]:
        """Return the seconds of a step of each training of the study whose steps cost as much as those of a stage."""
        there = [
            own for own in self._trainings(job.wildcards["study"]) if own[0] == stage.level and own[2].get("steps")
        ]
        wanted = costs_of_step(job.settings) if there else None
        return [done["seconds"] / done["steps"] for _, costs, done in there if costs == wanted]

    def _trainings(self, study: str) -> list[tuple[str | None, dict, dict]]:
        """Return of each finished training of a study its level, what a step's seconds follow from, and its record."""
        if study not in self._trained:
            jobs = {i: job for i, job in enumerate(self._workflow.jobs) if job.rule == "train" and i in self._records}
            self._trained[study] = [
                (stage.get("level"), costs_of_step(self._records[i]["settings"]), done)
                for i, job in jobs.items()
                if job.wildcards["study"] == study
                for stage in self._records[i]["settings"]["stages"]
                if (done := read_json_or_none(job.outputs[0].parent / stage["name"] / RECORD))
            ]
        return self._trained[study]


def wall_seconds(rows: list[Planned], cores: int) -> float | None:
    """Return how long the jobs will take on this number of cores, in seconds.

    Each starts as soon as its inputs and cores are there. Jobs whose time is unknown count nothing; None
    where all are.
    """
    if rows and all(row.expected_s is None for row in rows):
        return None
    waiting = {row.job: set(row.after) for row in rows}
    about = {row.job: row for row in rows}
    running: list[tuple[float, int]] = []
    now, free = 0.0, cores
    while waiting or running:
        for job in [j for j, after in waiting.items() if not after]:
            threads = min(about[job].threads, cores)
            if threads <= free:
                free -= threads
                heapq.heappush(running, (now + (about[job].expected_s or 0.0), job))
                del waiting[job]
        now, done = heapq.heappop(running)
        free += min(about[done].threads, cores)
        for after in waiting.values():
            after.discard(done)
    return now
