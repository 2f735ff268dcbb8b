"""What a run would throw away that another scale, other patients or another study made, said before it begins.

All results of a study, and all cases of a cohort, lie in one place: what is made anew replaces what has the same name.
"""

from collections.abc import Mapping
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.core.files import read_json_or_none
from crossover.core.incremental import RECORD
from crossover.core.provenance import read_last_record, read_record
from crossover.core.wording import counted, duration
from crossover.execution.forecast import Planned, forecast
from crossover.execution.made import call_of, command, has_file
from crossover.execution.preflight import check
from crossover.execution.workflow import Workflow
from crossover.sources.settings import PHANTOM_KINDS
from crossover.study.config import SCALES, Settings, load_studies, scale_of
from crossover.study.schema import Study

LITTLE_S = 300
"""Trainings that took no longer together, in seconds, are thrown away without a question."""


def refusal(workflow: Workflow, call: Mapping[str, str], results: Path = Path("results")) -> str:
    """Say what a run would throw away that is worth a question; "" where nothing is.

    That are trainings, where the run has a smaller scale than the results or patients from another kind of source, and
    cases of real patients, where the kind of source is another. A larger scale is the way that studies go. And
    cases that results of a study which is not in the run were made from, and which that study defines otherwise.

    Args:
        workflow: the graph.
        call: what the run was told.
        results: the folder with a folder for each study.
    """
    whys = {name: [*_scales(study, results), *_sources(study)] for name, study in workflow.studies.items()}
    rows = forecast(workflow) if any(whys.values()) else []
    said, kept = [], {}
    for name, why in whys.items():
        if why and (lost := [*_cases(workflow, workflow.studies[name]), *_trainings(name, rows, results)]):
            said.append(f"{name}: {', and '.join(why)}. The run would delete {' and '.join(lost)}")
            before = call_of(name, results)
            if any("real patients" in what for what in lost):
                before.setdefault("data", "FOLDER")
            kept[name] = command(before)
    said += _of_others(workflow, call, results)
    if not said:
        return ""
    goes_on = "; ".join(f"`{of}`" for of in dict.fromkeys(kept.values()))
    ways = [f"The call that goes on with what is there: {goes_on}"] if kept else []
    ways.append(f"The call that replaces it: `{command({**call, 'replace': 'true'})}`")
    return "\n".join([*said, f"Nothing was changed. {'. '.join(ways)}"])


def _of_others(workflow: Workflow, call: Mapping[str, str], results: Path) -> list[str]:
    """Say of which other studies the run would replace the cases, because they define the cohort otherwise."""
    replaced = {job.wildcards["cohort"] for job in workflow.jobs if job.rule == "cases" and job.needed}
    scale = next((study.scale for study in workflow.studies.values()), "")
    said = []
    for splits in sorted(results.glob("*/splits.csv")):
        name = splits.parent.name
        lost = sorted(
            cohort for cohort in replaced if _is_made_from(splits, Path(f"data/cases/{cohort}/manifest.json"))
        )
        if not lost or name in workflow.studies or not has_file(name):
            continue
        try:
            other = load_studies(Settings(studies=[name], scale=scale, data=call.get("data")))
            check({**other, **workflow.studies})
        except ConfigError as error:
            said.append(
                f"{error}. The run would replace the cases of {', '.join(lost)} that results of {name} came from"
            )
    return said


def _is_made_from(splits: Path, manifest: Path) -> bool:
    """Return whether a study's results were made from the cases that were last made of a cohort."""
    read = (read_record(splits) or {}).get("inputs", {}).get(str(manifest))
    return read is not None and read == (read_last_record(manifest) or {}).get("outputs", {}).get(str(manifest))


def _scales(study: Study, results: Path) -> list[str]:
    """Say at which larger scale a study's results were made, or are being made."""
    own = {call_of(study.study, results).get("scale", ""), scale_of(results / study.study)}
    larger = [scale for scale in SCALES[SCALES.index(study.scale) + 1 :] if scale in own]
    return [f"its results are of scale {larger[-1]}, and this run is of scale {study.scale}"] if larger else []


def _sources(study: Study) -> list[str]:
    """Say which cohorts came from a source of another kind; phantoms are one kind."""
    return [
        f"cohort {name} came from {then}, and now comes from {cohort.source.kind}"
        for name, cohort in study.cohorts.items()
        if (then := _kind(name)) and then != cohort.source.kind and not {then, cohort.source.kind} <= {*PHANTOM_KINDS}
    ]


def _kind(cohort: str) -> str:
    """Return the kind of the source that a cohort came from, as its last record tells; "" where none does."""
    records = (read_last_record(Path(f"data/{made}/{cohort}/manifest.json")) for made in ("raw", "cases"))
    return next((record["settings"].get("source", {}).get("kind", "") for record in records if record), "")


def _cases(workflow: Workflow, study: Study) -> list[str]:
    """Say how many cases of real patients would be replaced by those of a source of another kind."""
    made = {job.wildcards["cohort"] for job in workflow.jobs if job.rule == "cases" and job.needed}
    lost = 0
    for cohort in made & {*study.cohorts}:
        if _kind(cohort) not in ("", *PHANTOM_KINDS, study.cohorts[cohort].source.kind):
            lost += len((read_json_or_none(Path(f"data/cases/{cohort}/manifest.json")) or {}).get("items", ()))
    return [f"{counted(lost, 'case')} of real patients"] if lost else []


def _trainings(study: str, rows: list[Planned], results: Path) -> list[str]:
    """Say how many trainings would be made again, and what they took, where that is more than a little."""
    stages = [stage for row in rows if row.rule == "train" and row.study == study for stage in row.stages]
    records = [read_json_or_none(results / study / "stages" / stage / RECORD) for stage in stages]
    seconds = [float(record["seconds"]) for record in records if record]
    if sum(seconds) <= LITTLE_S:
        return []
    return [f"{counted(len(seconds), 'training')} that took {duration(sum(seconds))}"]
