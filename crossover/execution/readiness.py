"""Whether a study can run on the patients that are there, and what its design can settle: `crossover check`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import yaml

from crossover.core.configuration import ConfigError, merge
from crossover.core.wording import counted, duration, first_few, patients_and_cases
from crossover.execution import requirements
from crossover.execution.estimate import CPU, Cut, estimate, savings, stage_steps, within
from crossover.execution.preflight import check, check_weights
from crossover.execution.workflow import read_workflow
from crossover.networks import declared
from crossover.sources.findings import allowed
from crossover.sources.inspection.would_take import Taken, would_take
from crossover.sources.settings import DicomSource, IngestRules, OpenKbpSource, Phantom, VolumesSource
from crossover.statistics.papers.planner import PrintedPair, smallest_settled
from crossover.statistics.study_planning.planning import Rules
from crossover.study import backends, parameters
from crossover.study.config import SCALES, Settings, data_of, load_settings, load_study, of_scale, place_of, scale_of
from crossover.study.plan import Plan, plan
from crossover.study.schema import Study
from crossover.study.sections import Network
from crossover.study.splits import alike_in_cohorts, divided, read_splits, shared, tested_patients, too_few
from crossover.study.suggested import FEWEST_SIZES, more_sizes
from crossover.training.devices import claim, gpus
from crossover.training.step_time import measured, measured_side_by_side, taken

PATIENTS_SD, TRAININGS_SD = 0.10, 0.02
"""The SDs of the DSC between patients and between trainings of one recipe: usual values, as in docs/planning.md."""
BEGUN = 0.05
"""The share of their initial values that running statistics may keep: with more left, a trained network predicted
nothing of small structures, or nothing at all (docs/limits.md)."""
FASTER = 1.15
"""How many times as fast another number of threads has to be to be told: measurements vary by less."""
LONG = 600
"""Seconds of all trainings from which on other numbers of threads are tried: that takes a minute or more itself."""
HOURS = 2 * 3600
"""Seconds of all trainings from which on is told what would make them shorter."""
SLOWED = 1.5
"""`Measured.slowed` from which on it is told of a busy machine: threads wait for each other on an idle one, too."""
SHOWN = 5
"""The number of cases left out that are named."""


@dataclass
class Readiness:
    """What was found of a study: notes, what would stop its run, and what its design can settle; a sentence each."""

    study: Study
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What would stop the run."""
    settles: list[str] = field(default_factory=list)
    """What the design can settle, if the SDs are as assumed."""


def readiness(name: str, values: dict[str, str], workers: int) -> Readiness:
    """Check a study as far as it can be before its images are read.

    Args:
        name: the study's.
        values: the run's settings: studies, scale and data, as far as they are given.
        workers: how many processes read headers.

    Raises:
        ConfigError: the study's file is wrong; the message has every finding at every scale.
    """
    settings = load_settings({"studies": name, "scale": "demo"} | values)
    study = load_study(name, settings.scale, real=bool(data_of(name, settings)))
    out = Readiness(study)
    try:
        check({name: study})
        out.notes += check_weights({name: study})
    except ConfigError as error:
        out.wrong += str(error).splitlines()
    needed, tested, of_cohorts = parameters.needed(study), {}, {}
    alike: dict[str, str] = {}
    for cohort, about in study.cohorts.items():
        patients = _patients(study, cohort, settings, workers, out, alike)
        if patients is not None:
            of_cohorts[cohort], n = patients, len(patients)
            out.wrong += too_few(cohort, n, about.test, needed[cohort])
            out.notes += _other_test_patients(study, cohort, patients)
            tested[cohort] = tested_patients(about.test, n)
            if cohort == study.target and not isinstance(about.source, Phantom) and study.scale != SCALES[0]:
                where = place_of("sizes", name, study.scale)
                out.notes += more_sizes(name, study.sizes, n - tested[cohort], about.label, where)
    out.wrong += [*shared(of_cohorts), *alike_in_cohorts(of_cohorts, alike)]
    out.notes += _of_a_paper(study)
    out.settles = _settles(study, tested.get(study.target, 0))
    return out


def _other_test_patients(study: Study, cohort: str, patients: Collection[str]) -> list[str]:
    """Say how many test patients of a study's results would be trained on, where patients were added since.

    Args:
        patients: those that the cohort would have.
    """
    results = Path("results", study.study)
    if scale_of(results) != study.scale or not (results / "splits.csv").exists():
        return []
    splits = read_splits(results / "splits.csv")
    before = splits[splits.cohort == cohort]
    tested = {*before.patient[before.part == "test"]}
    added = {*patients} - {*before.patient}
    _, others = divided(patients, study.cohorts[cohort].test, study.splits.seed, cohort)
    if not added or not (moved := tested & {*others}):
        return []
    return [
        f"cohort {cohort}: {counted(len(added), 'patient')} added since the last run; of its "
        f"{counted(len(tested), 'test patient')}, {len(moved)} would be trained on instead, so that scores before and "
        "after are of different patients (docs/own-data.md): copy results/ to keep the earlier answer"
    ]


def _patients(
    study: Study, cohort: str, settings: Settings, workers: int, out: Readiness, alike: dict[str, str]
) -> set[str] | None:
    """Return the patients that a cohort would have; None where that can't be known, and `out` says why.

    Args:
        alike: patient -> what the identifier has in common with others that may be the same person's; it grows.
    """
    about = study.cohorts[cohort]
    if isinstance(about.source, Phantom):
        return {f"phantom {k} of {cohort}" for k in range(about.source.patients)}
    data = data_of(study.study, settings)
    if data is None:
        out.wrong.append(
            f"cohort {cohort} comes from a folder: give it with --data FOLDER, or write `{study.study}: FOLDER` into "
            "config/folders.yaml"
        )
        return None
    rules = IngestRules(**{key: getattr(study, key) for key in IngestRules.model_fields})
    try:
        taken = would_take(about.source, rules, Path(data), workers)
    except ValueError as error:
        out.wrong += [f"cohort {cohort}: {line}" for line in str(error).splitlines()]
        return None
    alike |= taken.alike
    _tell(cohort, taken, about.source, out)
    return taken.patients


def _of_a_paper(study: Study) -> list[str]:
    """Return what a study that has other patients than phantoms still says of a paper, as where it was copied."""
    keys = [f"`{key}`" for key in ("paper", "published") if getattr(study, key)]
    if not keys or all(isinstance(cohort.source, Phantom) for cohort in study.cohorts.values()):
        return []
    whose = f" ({study.paper.authors} {study.paper.year})" if study.paper else ""
    return [
        f"The study names a paper{whose}, and its report compares your results with it. If these are not the "
        f"paper's patients, remove {' and '.join(keys)} and rewrite title, question, data and assumptions, which the "
        "report quotes."
    ]


def _tell(cohort: str, taken: Taken, source: VolumesSource | DicomSource | OpenKbpSource, out: Readiness) -> None:
    may = allowed(source.allow)
    there = taken.cases | {patient: patient for patient in taken.lacking}
    count = patients_and_cases(there, taken.left_out.keys() | taken.lacking.keys())
    lacking = [f"{patient} ({why})" for patient, why in taken.lacking.items()]
    others = f"; and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    left = f"; left out: {'; '.join(lacking[:SHOWN])}{others}" if lacking else ""
    unread = "" if source.kind == "dicom" or taken.read else ", if their masks can be used (this reads none of them)"
    out.notes.append(f"cohort {cohort}: {count} would be taken{unread}{left}")
    out.notes += [f"cohort {cohort}: {what}" for what in taken.notes]
    out.wrong += [f"cohort {cohort}: {what}" for what in taken.wrong]
    of_code: dict[tuple[str, bool], list[str]] = {}
    for case, why in taken.left_out.items():
        code, _, what = why.partition(", ")
        of_code.setdefault((code, bool(may & {code, case})), []).append(f"{taken.called.get(case, case)}: {what[:240]}")
    for (code, may_lack), told in of_code.items():
        some = first_few(told, SHOWN, "; ")
        if may_lack:
            out.notes.append(f"cohort {cohort}: {counted(len(told), 'case')} would be left out ({code}): {some}")
        else:
            remedy = f"Correct this, or exclude these cases with `allow: [{code}]` in the source of the cohort"
            out.wrong.append(
                f"cohort {cohort}: {counted(len(told), 'case')} would stop the run ({code}): {some}. {remedy}"
            )


def _settles(study: Study, tested: int) -> list[str]:
    """Return which difference of two strategies at one size the test patients and trainings settle."""
    if tested < 2:
        return []
    trainings, rules = study.splits.replicates.count, Rules(alpha=study.statistics.alpha)
    several = trainings > 1
    between = TRAININGS_SD if several else None
    printed = PrintedPair(sds=(PATIENTS_SD,), between_runs=between)
    least = smallest_settled(tested, trainings, printed, rules)
    of = f"{counted(tested, 'test patient')} and {counted(trainings, 'training')} of each model"
    about = "two strategies" if several else "two trained models (one training says nothing about the strategy)"
    found = f"a difference of {least:.3f} DSC or more" if least else "no difference in DSC"
    assumed = f"an SD of {PATIENTS_SD:g} between patients"
    assumed += f" and of {TRAININGS_SD:g} between trainings" if several else ""
    lines = [
        f"With {of}, the design settles {found} between {about} at one size in {rules.assurance:.0%} of such studies, "
        f"if there is {assumed}; `crossover design` plans with the SDs of a pilot."
    ]
    if len(study.sizes) < 3:
        lines.append("Fewer than three sizes can't show at which size one strategy overtakes another.")
    if len(study.sizes) < FEWEST_SIZES:
        lines.append("Fewer than four sizes can't show what further labels would bring.")
    if study.splits.replicates.draws < 2 and study.sizes:
        lines.append("One draw of the labelled patients can't show at which size one strategy overtakes another.")
    return lines


def costs(study: Study, values: dict[str, str], cores: int, tell: Callable[[str], object]) -> None:
    """Tell what a run takes of jobs, disk and memory, a line each; nothing is measured.

    Raises:
        ConfigError: the run would be refused.
    """
    workflow = read_workflow({"studies": study.study} | values, cores)
    trainings = counted(len(plan(study).stages), "training")
    tell(f"The study has {counted(workflow.counted, 'job')} with {trainings}.")
    disk = requirements.disk(workflow.jobs, workflow.studies, workflow.plans, cores)
    memory = requirements.memory(workflow.studies, workflow.plans, cores)
    refused = requirements.refusal(disk)
    for line in (requirements.disk_in_short(disk), *requirements.memory_in_short(memory, cores), refused):
        if line:
            tell(line)


def measure(study: Study, values: dict[str, str], cores: int, tell: Callable[[str], object], load: float = 0.0) -> None:
    """Try the networks, measure a step of each, and tell what follows for the run, a line each, once it is known.

    Args:
        study: the study.
        values: as `readiness` takes them.
        cores: that a run may use.
        tell: is given the lines.
        load: the machine's load average before the command did anything itself.

    Raises:
        ConfigError: a network can't be built or returns something else than it must, or a file does not fit it.
    """
    own = plan(study)
    if kinds := len(_kinds(study, own)):
        tell(
            f"Trying the networks, and measuring some steps of {counted(kinds, 'kind')} of training on this machine: "
            "seconds for each of a small network, a minute or more for a large one (--no-measure leaves this out)."
        )
    if load > (there := os.cpu_count() or 1):
        tell(
            f"This machine is busy: its load average was {load:.1f} on {counted(there, 'core')} before this command "
            "measured anything. On an idle machine, the times will be shorter than those below."
        )
    seconds = _step_seconds(study, own, tell=tell)
    slowed = seconds["slowed"].max()
    if load > there and slowed >= SLOWED:
        tell(
            f"Under this load, steps took up to {slowed:.1f} times as long as their processor time on the "
            f"threads of a training: the times here may be {slowed:.1f} times too long."
        )
    about = estimate(study, own, seconds, gpu=False)
    beside = _beside(seconds, study, cores)
    taking = None if about.hours is None else 3600 * about.hours / beside
    if about.untimed:
        untimed = " and ".join(about.untimed)
        tell(f"The trainings' time is not known, since {untimed} can't be timed before it is planned.")
    elif taking is None:
        tell(UNKNOWN)
    else:
        tell(f"The trainings take about {duration(taking)} {_clock(seconds, beside)}.")
        if taking >= HOURS and (cuts := savings(study, own, seconds)):
            ways = "; ".join(f"{cut} saves {duration(share * taking)}" for cut, share in cuts.items())
            tell(
                f"To shorten the training, change in config/studies/{study.study}.yaml: {ways}. Each change makes "
                "the answer less certain."
            )
            for line in _within_an_hour(study, own, seconds, beside):
                tell(line)
    for line in (*_given(study, own), *_statistics(study, own, seconds)):
        tell(line)
    if taking is None or taking >= LONG:
        for line in _threads(study, own, seconds, cores, tell):
            tell(line)
    for line in _at_paper_scale(study, values, cores, tell):
        tell(line)


def _within_an_hour(study: Study, own: Plan, seconds: pd.DataFrame, beside: int) -> list[str]:
    """Return the lines to write for trainings of an hour at most, where a smaller scale can be had in that time.

    Args:
        seconds: of `_step_seconds`.
        beside: how many trainings run side by side.
    """
    found = None if study.scale == SCALES[-1] else within(study, own, seconds, beside)
    if found is None:
        return []
    cuts, hours = found
    return [
        f"For about {duration(3600 * hours / beside)} of training, write into config/studies/{study.study}.yaml, below "
        f"`scales:` and `{study.scale}:` (in place of lines that begin alike):",
        *(f"    {line}" for line in _lines(cuts, of_scale(study.study, study.scale))),
        *(f"  and remove {cut.key}" for cut in cuts if not cut.value),
    ]


def _lines(cuts: Sequence[Cut], there: dict) -> list[str]:
    """Return cuts as lines of YAML: "recipe: {batch: 8, steps: [600, 600]}".

    Args:
        there: what the study's file says in the same place: the lines keep what else it says of their keys.
    """
    values: dict = {}
    for cut in (cut for cut in cuts if cut.value):
        own = yaml.safe_load(cut.value)
        for name in reversed(cut.key.split(".")):
            own = {name: own}
        values = merge(values, own)
    merged = merge({key: there[key] for key in values if key in there}, values)
    dumped = (
        yaml.safe_dump({key: value}, default_flow_style=True, sort_keys=False, width=10**6)
        for key, value in merged.items()
    )
    return [text.strip()[1:-1] for text in dumped]


def _kinds(study: Study, own: Plan) -> Counter[tuple]:
    """Count the trainings of each (cell of a selection, level, name of a network) whose step is known before a run."""
    kinds = Counter(
        (cell, stage.level, stage.network)
        for stage in own.stages.values()
        for cell in study.cells_of(stage.cell, stage.network)
    )
    for kind in [*kinds]:
        network = study.network_of(kind[-1])
        if backends.backend_of(network).step(study, network) is None:  # what it takes follows from a plan of cases
            del kinds[kind]
    return kinds


def _network(study: Study, architecture: str, encoder: str, called: str | None) -> Network:
    """Return the network of one of `_kinds`."""
    network = study.network_of(called)
    return network.cell(architecture, encoder) if encoder else network


def _step_seconds(
    study: Study, own: Plan, times: int = 3, tell: Callable[[str], object] = lambda line: None
) -> pd.DataFrame:
    """Return the seconds of a step of each network of a study, measured here, as `estimate` reads them.

    Beside them `kept`, `slowed` and, as `on`, the device; see `crossover.training.step_time.Measured`.

    Args:
        tell: is given a line for each, as soon as it is measured.
    """
    structures = 1 if study.network.per_structure else len(study.structures)
    rows, devices, slowed = [], [], []
    for (architecture, encoder), level, called in sorted(_kinds(study, own), key=str):
        network = _network(study, architecture, encoder, called)
        with claim(gpus(), tickets=0):
            found = measured(study, network, level, structures, study.execution.threads, times)
        rows.append((study.study, study.scale, architecture, encoder, level or "", found.seconds, CPU, found.kept))
        devices.append(found.device)
        slowed.append(found.slowed if found.device == CPU else 1.0)
        part = f"{level} trained" if level else "all of it trained"
        tell(f"  {architecture} {encoder}".rstrip() + f", {part}: {found.seconds:.2g} s a step")
    names = ["study", "scale", "architecture", "encoder", "level", "seconds", "device", "kept"]
    return pd.DataFrame(rows, columns=names).assign(on=devices, slowed=slowed)


def _statistics(study: Study, own: Plan, found: pd.DataFrame) -> list[str]:
    """Return which networks' running statistics hardly follow in the shortest training from scratch, a line each.

    Args:
        found: of `_step_seconds`.
    """
    scratch = [stage for stage in own.stages.values() if stage.parent is None and stage.initial != "model"]
    steps = [n for n in (stage_steps(stage, study) for stage in scratch) if n is not None]
    return [
        f"{f'{row.architecture} {row.encoder}'.strip()}: after the {min(steps)} steps of the shortest training, "
        f"{row.kept ** min(steps):.0%} of the initial values are left in the running statistics of its batch "
        "normalisation. Predictions use these statistics, so that the network may predict nothing, whatever it has "
        f"learnt. Train for more steps (recipe.steps){_quicker(row.architecture)}."
        for row in found[found.level == ""].fillna("").itertuples()
        if steps and row.kept ** min(steps) > BEGUN
    ]


def _quicker(architecture: str) -> str:
    """Return the settings that a network has by which its running statistics may follow in fewer steps."""
    ways = {"batchnorm_momentum": "lower network.settings.batchnorm_momentum",
            "encoder": "take another network.settings.encoder"}  # fmt: skip
    own = declared(architecture).settings.model_fields
    return "".join(f", or {way}" for name, way in ways.items() if name in own)


def _threads(study: Study, own: Plan, found: pd.DataFrame, cores: int, tell: Callable[[str], object]) -> list[str]:
    """Return which `execution.threads` trains faster here than the study's: fewer trainings at once; or that none does.

    Of the network and level that most trainings have, measured with 1, 2, 4 times as many threads and so on; with
    fewer threads there might be more trainings at once than the memory holds.

    Args:
        found: of `_step_seconds`.
    """
    threads, kinds = study.execution.threads, _kinds(study, own)
    if not kinds or not _gpus_of(found).empty or cores < 2 * threads:
        return []
    [(((architecture, encoder), level, called), _)] = kinds.most_common(1)
    network = _network(study, architecture, encoder, called)
    structures = 1 if study.network.per_structure else len(study.structures)
    tried = [threads * 2**i for i in range(cores.bit_length()) if threads * 2**i <= cores]
    tell(
        f"Measuring {architecture} with {', '.join(map(str, tried))} threads, each with as many at once as cores allow."
    )
    seconds = {t: measured_side_by_side(study, network, level, structures, t, cores // t) for t in tried}
    best = min(seconds, key=lambda t: seconds[t])
    if seconds[threads] < FASTER * seconds[best]:
        return [f"No other number of threads is clearly faster than the study's, execution: {{threads: {threads}}}."]
    return [
        f"Trainings of {architecture} would take {seconds[best] / seconds[threads]:.2f} of this time with "
        f"execution: {{threads: {best}}}, {cores // best} at once instead of {cores // threads} (measured here)."
    ]


def _given(study: Study, own: Plan) -> list[str]:
    """Return which parts of its networks a study's file of weights gives, a line for each network and level.

    Raises:
        ConfigError: it does not fit one of them.
    """
    kinds = {(stage.network, stage.level) for stage in own.stages.values() if stage.initial == "model"}
    structures = 1 if study.network.per_structure else len(study.structures)
    lines = []
    for called, level in sorted(kinds, key=str):
        network = study.network_of(called)
        if backends.backend_of(network).step(study, network) is None:
            continue
        given, random = taken(study, network, level, structures)
        others = f", and {', '.join(random)} at random" if random else ""
        where = f" with {level} trained" if level else ""
        lines.append(
            f"Of {network.architecture}{where}, {', '.join(given)} would begin with {network.initial.file}{others}."
        )
    return lines


def _at_paper_scale(study: Study, values: dict[str, str], cores: int, tell: Callable[[str], object]) -> list[str]:
    """Return the time at the largest scale, where the study has it and it is not the one that is checked."""
    settings = load_settings({"studies": study.study, "scale": study.scale} | values)
    try:
        whole = load_study(study.study, SCALES[-1], real=bool(data_of(study.study, settings)))
    except ConfigError:  # no such scale: what is wrong at others was told before
        return []
    if whole.scale == study.scale:
        return []
    own = plan(whole)
    none = pd.DataFrame(columns=["study", "scale", "architecture", "encoder", "level", "seconds", "device"])
    if estimate(whole, own, none, gpu=False).steps is None:
        return [f"At the {whole.scale} scale, the time is not known before a run has counted the slices."]
    tell(
        f"Measuring {counted(len(_kinds(whole, own)), 'kind')} of training at the {whole.scale} scale, a step of each."
    )
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # TensorFlow's number of threads is that of a process
        seconds = pool.submit(_step_seconds, whole, own, times=1).result()
    hours = estimate(whole, own, seconds, gpu=False).hours
    if hours is None:
        return [f"At the {whole.scale} scale, the time is not known before its networks are planned."]
    beside = _beside(seconds, whole, cores)
    long = duration(3600 * hours / beside)
    trainings = counted(len(own.stages), "training")
    return [f"At the {whole.scale} scale there are {trainings}: about {long} {_clock(seconds, beside)}."]


def _beside(seconds: pd.DataFrame, study: Study, cores: int) -> int:
    """Return how many trainings are as fast side by side as each alone: one on a GPU, whose steps take turns.

    Args:
        seconds: of `_step_seconds`.
    """
    return max(1, cores // study.execution.threads) if _gpus_of(seconds).empty else max(1, len(gpus()))


def _clock(seconds: pd.DataFrame, beside: int) -> str:
    found = _gpus_of(seconds)
    on = "this machine without a GPU" if found.empty else f"this machine's {' and '.join(found.unique())}"
    return f"of wall-clock time on {on}, {beside} side by side"


def _gpus_of(seconds: pd.DataFrame) -> pd.Series:
    return seconds["on"][seconds["on"] != CPU]


UNKNOWN = (
    "The trainings' time is not known until the cases are made, since the number of steps follows from their slices."
)
