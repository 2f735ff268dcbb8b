"""What a scheduler is asked for, for each job: memory, time and disk.

What an earlier run of the same job used, by its provenance record, tells most; of trainings and predictions, one with
the same settings, but for the number of steps. Else memory and time follow from the study: the measured memory of its
trainings (`config/memory.csv`), their steps times measured seconds a step (`config/step_times.csv`), the voxels of its
cases (counted, drawn, or by the sizes of the files), the rows of its scores. Both are asked for with room to spare, and
doubled after an attempt that lacked them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import NamedTuple

from crossover.core.configuration import canonical
from crossover.core.files import read_json_or_none
from crossover.core.incremental import RECORD
from crossover.core.paths import folder_of
from crossover.core.provenance import read_record
from crossover.execution.cohort_size import LARGEST_CASE, Amount, amount
from crossover.execution.estimate import costs_of_step, kinds, read_times, stage_steps, step_seconds, total_of
from crossover.execution.requirements import output_bytes, peak_bytes, weight_bytes
from crossover.sources.redaction import without_places
from crossover.study import parameters
from crossover.study.plan import Batch, Model, Plan, Stage
from crossover.study.schema import Study

TABLE_MB, LARGEST_TRAINING_MB = 2_000, 10_000
"""The memory (MB) of a job from tables to tables or figures, and of a training whose network was not measured."""
FRAMEWORK_MB = 1_000
"""The least memory (MB) of a process that trains or predicts: that of an imported framework."""
MOSTLY = 0.5
"""The share of the processor seconds of a job's trainings from which on the job itself has trained."""
WORKER_MB, COPIES = 400, 8
"""The memory (MB) of a process of an image rule without images, and the most float32 copies of a case that it holds."""
SPARE = 1.5
START_MINUTES, STEP_MINUTES = 10, 3
"""The minutes beside its own work of a job that is submitted alone or makes images, and of each other job of a group:
Snakemake starts twice there, and a framework is imported, perhaps from a slow file system. Slurm is told the sum of a
group's steps, of which the tables have some 17 in turn."""
ALONE = ("splits", "bias_field_part", "train", "predict", "selection", "evaluate", "radiomics", "radiomics_manual")
"""The rules whose jobs are submitted alone; the others are in groups."""
UNKNOWN_MINUTES = 1440
"""The minutes of a job whose work is not known, and the most for one whose network's step was not measured."""
MOST_GUESSED = 60 * (UNKNOWN_MINUTES - START_MINUTES) / 2
"""The most seconds that are estimated of it: with their spare time, no more than a day is asked for."""
N4_SECONDS, N4_VOXELS = 180.0, 320 * 320 * 24
"""The seconds of one process for the bias field of a case of so many voxels, about as the published ones, or less. More
take longer, and files in one folder may be of more patients than they are taken to be."""
CASE_SECONDS, VOXELS_A_SECOND = 5.0, 1_000_000
"""The seconds of one process for what else is made of a case, beside the voxels of it that take a second: a CT of 150
slices is given 44, a prostate with three channels 18, and both twice that."""
REPORT_SECONDS, TABLE_SECONDS, SCORES = 600.0, 60.0, 1_500_000 / 1800
"""The seconds of the report, of another job of tables or figures, and the rows of scores for which it gets one more. A
figure of a few rows took 26 on a busy machine. Of 1.5 million rows (500 patients, 255 models, 12 structures) `repeated`
takes 20 minutes, others that were measured three or less (docs/performance.md)."""
MASK_VOXELS = 20_000_000
"""The voxels of masks that one process evaluates in a second."""
SLOWER = {"radiomics": 5.0, "radiomics_manual": 5.0}
"""How many times as long as an evaluation radiomics take."""
OF_COHORT = ("receive", "cases", "bias_field", "bias_field_part", "slices")
OF_IMAGES = (*OF_COHORT, "evaluate", "radiomics", "radiomics_manual")
"""The rules whose memory follows from the voxels of images."""


class Request(NamedTuple):
    """What one attempt of a job is given."""

    mem_mb: int
    runtime: int
    """The time in minutes."""
    disk_mb: int


def request(
    rule: str, wildcards: Mapping[str, str], output: Path, study: Study | None, plan: Plan | None, threads: int,
    lacked: Mapping[str, int] = MappingProxyType({}), gpu: bool = False,
) -> Request:  # fmt: skip
    """Return what a job is to be given.

    Args:
        rule, wildcards: of the job. output: the first of its outputs.
        study, plan: whose job it is; None where it is of all studies.
        threads: of the job. gpu: whether the job is given a GPU.
        lacked: of `mem_mb` and `runtime`, how many earlier attempts of the job lacked them.
    """
    memory, seconds = _before(rule, wildcards, output, study, plan)
    if memory is None or rule in OF_IMAGES:  # the images may be others, or more, than they were
        memory = max(memory or 0.0, _memory_mb(rule, wildcards, study, threads))
    if rule in ("train", "predict"):
        memory = max(memory, FRAMEWORK_MB)
    minutes = UNKNOWN_MINUTES
    start = START_MINUTES if rule in ALONE + OF_COHORT else STEP_MINUTES
    if seconds is None or rule != "train":  # likewise
        seconds = max((s for s in (seconds, _seconds(rule, wildcards, study, plan, threads, gpu)) if s), default=None)
    if seconds is not None:
        minutes = start + round(2 * seconds / 60)
    larger, longer = (2 ** lacked.get(what, 0) for what in ("mem_mb", "runtime"))
    weights = _known(study).weights if study else None
    whole = rule.removesuffix("_part")  # of the cohort: no part writes more
    disk = output_bytes(whole, wildcards, study, plan, weights) or 0.0
    return Request(round(SPARE * memory * larger), minutes * longer, 100 + round(SPARE * disk / 1e6))


def _before(
    rule: str, wildcards: Mapping[str, str], output: Path, study: Study | None, plan: Plan | None
) -> tuple[float | None, float | None]:
    """Return MB and seconds that the job took when its output was made; None where that isn't known.

    Those of a job with other settings tell nothing, where time and memory follow from them.
    """
    record = read_record(output) or {}
    peak, seconds = record.get("peak_bytes"), record.get("seconds")
    memory = peak / 1e6 if peak else None
    if study is None or plan is None or not record:
        return memory, seconds
    if rule == "train":
        return _trained(output, record, study, plan.batches[wildcards["batch"]], memory)
    if rule == "predict":
        now = canonical(without_places(parameters.predict(study, plan.groups[wildcards["group"]])))
        return (memory, seconds) if canonical(record["settings"]) == now else (None, None)
    return memory, seconds


def _trained(
    output: Path, record: dict, study: Study, batch: Batch, memory: float | None
) -> tuple[float | None, float | None]:
    """Return MB and seconds of trainings: of as many steps as now, by those of the stages' records.

    A job that only found most of its trainings done is a later attempt. Its memory tells nothing of one that trains.

    Args:
        output, record: of the job, next to the folders of its stages. memory: that it took.
        batch: of the job.
    """
    if costs_of_step(record["settings"]) != costs_of_step(parameters.train(study, batch)):
        return None, None
    done = {stage: read_json_or_none(output.parent / stage.name / RECORD) or {} for stage in batch.stages}
    trained = sum(own.get("cpu_seconds") or 0.0 for own in done.values())
    seconds = total_of(_seconds_now(stage, own, study) for stage, own in done.items())
    return memory if (record.get("cpu_seconds") or 0.0) >= MOSTLY * trained else None, seconds


def _seconds_now(stage: Stage, done: dict, study: Study) -> float | None:
    """Return the seconds of a stage's training of as many steps as now; None where none like it is there."""
    if not done.get("steps"):
        return None
    steps = stage_steps(stage, study)
    return float(done["seconds"] * (steps / done["steps"] if steps else 1))


def _memory_mb(rule: str, wildcards: Mapping[str, str], study: Study | None, threads: int) -> float:
    if study is None or rule not in (*OF_IMAGES, "train", "predict"):
        return TABLE_MB
    if rule in ("train", "predict"):
        peak = _known(study).peak
        return LARGEST_TRAINING_MB if peak is None else peak / 1e6
    cohorts = [wildcards["cohort"]] if rule in OF_COHORT else study.cohorts
    held = [amount_of(study, name, files=False) for name in cohorts]  # files may be of more or fewer cases than folders
    voxels = max((own.slices * own.pixels for own in held if own), default=float(LARGEST_CASE))
    return threads * (WORKER_MB + voxels * len(study.channels) * 4 * COPIES / 1e6)


def _seconds(
    rule: str, wildcards: Mapping[str, str], study: Study | None, plan: Plan | None, threads: int, gpu: bool
) -> float | None:
    if study is None or plan is None:
        return REPORT_SECONDS
    if rule in OF_COHORT:
        return _image_seconds(rule, study, wildcards["cohort"], threads)
    if rule == "train":
        return _training_seconds(study, plan, wildcards["batch"], gpu)
    if rule in ("evaluate", *SLOWER):
        voxels = mask_voxels(study, plan, wildcards.get("group"))
        return None if voxels is None else voxels / MASK_VOXELS / threads * SLOWER.get(rule, 1.0)
    if rule == "predict":
        return _prediction_seconds(study, plan, wildcards["group"], gpu)
    tested = total_of(held and n for held, n in _tested(study))
    return None if tested is None else TABLE_SECONDS + tested * _masks(study, plan.models.values()) / SCORES


def _training_seconds(study: Study, plan: Plan, batch: str, gpu: bool) -> float | None:
    """Return the seconds of a batch's steps; a step that was not measured counts as the slowest of any study."""
    seconds, total, guessed = _step_seconds(study, gpu), 0.0, False
    for stage in plan.batches[batch].stages:
        steps, own = stage_steps(stage, study), kinds(stage, study)
        if steps is None:
            return None
        guessed |= any(kind not in seconds for kind in own)
        total += steps * mean(seconds.get(kind, _known(study).slowest) for kind in own)
    return min(total, MOST_GUESSED) if guessed else total


def _image_seconds(rule: str, study: Study, cohort: str, threads: int) -> float | None:
    held = amount_of(study, cohort)
    if held is None:
        return None
    jobs = study.execution.bias_field_jobs if rule == "bias_field_part" else 1
    each = CASE_SECONDS + held.slices * held.pixels * len(study.channels) / VOXELS_A_SECOND
    if rule.startswith("bias_field"):
        each += N4_SECONDS * max(1.0, held.slices * held.pixels / N4_VOXELS)
    return math.ceil(held.patients / jobs) * each / threads


def mask_voxels(study: Study, plan: Plan, group: str | None) -> float | None:
    """Return the voxels of all masks of test cases; None where a cohort's cases aren't known.

    Args:
        group: of the models whose masks they are; None for the manual masks.
    """
    masks = _masks(study, plan.groups[group]) if group else len(study.structures)
    return total_of(held and held.voxels / held.patients * n * masks for held, n in _tested(study))


def _masks(study: Study, models: Iterable[Model]) -> int:
    """Return the number of masks that models predict of a case."""
    return sum(len(model.structures) for model in models)


def _prediction_seconds(study: Study, plan: Plan, group: str, gpu: bool) -> float | None:
    """Return seconds by those of a step: a slice is predicted in less time than it takes to train on it."""
    slices = total_of(held and held.slices * n for held, n in _tested(study))
    if slices is None:
        return None
    known, models = _step_seconds(study, gpu), plan.groups[group]
    cells = {cell for model in models for cell in kinds(plan.stages[model.stage], study)}
    each = [known.get((architecture, encoder, "")) for architecture, encoder, _ in cells]
    total = slices * len(models) * mean(s or _known(study).slowest for s in each) / study.recipe.batch
    return total if all(each) else min(total, MOST_GUESSED)


def _tested(study: Study) -> list[tuple[Amount | None, float]]:
    """Return what each cohort holds, and the number of its cases that are tested."""
    out = []
    for name, cohort in study.cohorts.items():
        held = amount_of(study, name)
        out.append((held, cohort.test * held.patients if held and cohort.test < 1 else cohort.test))
    return out


def _step_seconds(study: Study, gpu: bool) -> dict:
    """Return the seconds of a step on the device that a job is given: a GPU's, as far as they were measured."""
    known = _known(study)
    return known.cpu_seconds | (known.gpu_seconds if gpu else {})


class _Known(NamedTuple):
    """What is the same for every job of a study: thousands of them ask."""

    peak: float | None
    weights: float | None
    cpu_seconds: dict
    gpu_seconds: dict
    slowest: float
    """The seconds of the slowest step that was measured of any study, on a processor."""


_KNOWN: dict[tuple[str, str], _Known] = {}


def _known(study: Study) -> _Known:
    key = (study.study, study.scale)
    if key not in _KNOWN:
        times = read_times()
        cpu, gpu = (step_seconds(study, times, on_gpu) for on_gpu in (False, True))
        slowest = float(times["seconds"].max())
        _KNOWN[key] = _Known(peak_bytes(study), weight_bytes(study), cpu, gpu, slowest)
    return _KNOWN[key]


_AMOUNTS: dict[tuple[str, str, str, bool], Amount | None] = {}


def amount_of(study: Study, cohort: str, files: bool = True) -> Amount | None:
    """Return what is known of a cohort, also by the files of its folder if these may tell; None where nothing is.

    It is looked at once: every job of it asks, and its cases may be many.
    """
    key = (study.study, study.scale, cohort, files)
    if key not in _AMOUNTS:
        _AMOUNTS[key] = amount(study, cohort, received=folder_of(cohort) if files else None)
    return _AMOUNTS[key]
