"""What a scheduler is asked for, for each job: memory, time and disk.

What an earlier run of the same job at the same scale used, by its provenance record, tells most. Else memory and time
follow from the study: the measured memory of its trainings (`config/memory.csv`), their steps times measured seconds a
step (`config/step_times.csv`), the voxels of its cases. Both are asked for with room to spare, and doubled at each
further attempt, since a job that a scheduler ended may have lacked either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from crossover.core.provenance import read_record
from crossover.execution.cohort_size import Amount, amount
from crossover.execution.estimate import kinds, read_times, stage_steps, step_seconds, total_of
from crossover.execution.requirements import output_bytes, peak_bytes, weight_bytes
from crossover.study.config import scale_of
from crossover.study.plan import Plan
from crossover.study.schema import Study

TABLE_MB, LARGEST_TRAINING_MB = 2_000, 10_000
"""The memory (MB) of a job from tables to tables or figures, and of a training whose network was not measured."""
WORKER_MB, COPIES = 400, 8
"""The memory (MB) of a process of an image rule without images, and the most float32 copies of a case that it holds."""
SPARE = 1.5
TABLE_MINUTES, UNKNOWN_MINUTES = 60, 1440
SECONDS_A_CASE = {"bias_field": 180.0, "bias_field_part": 180.0}
"""The seconds of one process for a case, at the published sizes: N4 takes minutes, what else is made of a case
takes seconds."""
OTHER_SECONDS_A_CASE = 20.0
MASK_VOXELS = 20_000_000
"""The voxels of masks that one process evaluates in a second."""
SLOWER = {"radiomics": 5.0, "radiomics_manual": 5.0}
"""How many times as long as an evaluation radiomics take."""
OF_COHORT = ("receive", "cases", "bias_field", "bias_field_part", "slices")


class Request(NamedTuple):
    """What one attempt of a job is given."""

    mem_mb: int
    runtime: int
    """The time in minutes."""
    disk_mb: int


def request(
    rule: str, wildcards: Mapping[str, str], output: Path, study: Study | None, plan: Plan | None, threads: int,
    attempt: int, gpu: bool = False,
) -> Request:  # fmt: skip
    """Return what a job is to be given.

    Args:
        rule, wildcards: of the job. output: the first of its outputs.
        study, plan: whose job it is; None where it is of all studies.
        threads: of the job. attempt: 1 for the first. gpu: whether the job is given a GPU.
    """
    memory, seconds = _before(output) if study is None or _is_of_scale(study) else (None, None)
    memory = memory or _memory_mb(rule, wildcards, study, threads)
    minutes = UNKNOWN_MINUTES
    seconds = seconds or _seconds(rule, wildcards, study, plan, threads, gpu)
    if seconds is not None:
        minutes = 10 + round(2 * seconds / 60)
    more = 2 ** (attempt - 1)
    weights = _known(study).weights if study else None
    whole = rule.removesuffix("_part")  # of the cohort: no part writes more
    disk = output_bytes(whole, wildcards, study, plan, weights) or 0.0
    return Request(round(SPARE * memory * more), minutes * more, 100 + round(SPARE * disk / 1e6))


def _is_of_scale(study: Study) -> bool:
    """Whether the study's results that are there, if any are, were made at its scale: others tell nothing."""
    return scale_of(Path("results", study.study)) in ("", study.scale)


def _before(output: Path) -> tuple[float | None, float | None]:
    """Return MB and seconds that the job took when its output was made; None where that isn't known."""
    record = read_record(output) or {}
    peak = record.get("peak_bytes")
    return (peak / 1e6 if peak else None), record.get("seconds")


def _memory_mb(rule: str, wildcards: Mapping[str, str], study: Study | None, threads: int) -> float:
    if study is None or rule not in (*OF_COHORT, "train", "predict", "evaluate", "radiomics", "radiomics_manual"):
        return TABLE_MB
    if rule in ("train", "predict"):
        peak = _known(study).peak
        return LARGEST_TRAINING_MB if peak is None else peak / 1e6
    held = [_amount(study, name) for name in ([wildcards["cohort"]] if rule in OF_COHORT else study.cohorts)]
    voxels = max((own.slices * own.pixels for own in held if own), default=512.0**2 * 150)
    return threads * (WORKER_MB + voxels * len(study.channels) * 4 * COPIES / 1e6)


def _seconds(
    rule: str, wildcards: Mapping[str, str], study: Study | None, plan: Plan | None, threads: int, gpu: bool
) -> float | None:
    if study is None or plan is None:
        return TABLE_MINUTES * 30.0
    if rule in OF_COHORT:
        held = _amount(study, wildcards["cohort"])
        jobs = study.execution.bias_field_jobs if rule == "bias_field_part" else 1
        each = SECONDS_A_CASE.get(rule, OTHER_SECONDS_A_CASE)
        return None if held is None else math.ceil(held.patients / jobs) * each / threads
    if rule == "train":
        seconds, total = _step_seconds(study, gpu), 0.0
        for stage in plan.batches[wildcards["batch"]].stages:
            steps, own = stage_steps(stage, study), [seconds.get(kind) for kind in kinds(stage, study)]
            known = [each for each in own if each is not None]
            if steps is None or len(known) < len(own):
                return None
            total += steps * mean(known)
        return total
    if rule in ("evaluate", *SLOWER):
        voxels = mask_voxels(study, plan, wildcards.get("group"))
        return None if voxels is None else voxels / MASK_VOXELS / threads * SLOWER.get(rule, 1.0)
    if rule == "predict":
        return _prediction_seconds(study, plan, wildcards["group"], gpu)
    return TABLE_MINUTES * 30.0


def mask_voxels(study: Study, plan: Plan, group: str | None) -> float | None:
    """Return the voxels of all masks of test cases; None where a cohort's cases aren't known.

    Args:
        group: of the models whose masks they are; None for the manual masks.
    """
    models = plan.groups[group] if group else ()
    masks = sum(len(model.structures) for model in models) or len(study.structures)
    return total_of(held and held.voxels / held.patients * n * masks for held, n in _tested(study))


def _prediction_seconds(study: Study, plan: Plan, group: str, gpu: bool) -> float | None:
    """Return seconds by those of a step: a slice is predicted in less time than it takes to train on it."""
    slices = total_of(held and held.slices * n for held, n in _tested(study))
    known, models = _step_seconds(study, gpu), plan.groups[group]
    cells = {cell for model in models for cell in kinds(plan.stages[model.stage], study)}
    each = [known.get((architecture, encoder, "")) for architecture, encoder, _ in cells]
    there = [seconds for seconds in each if seconds is not None]
    if slices is None or len(there) < len(each):
        return None
    return slices * len(models) * mean(there) / study.recipe.batch


def _tested(study: Study) -> list[tuple[Amount | None, float]]:
    """Return what each cohort holds, and the number of its cases that are tested."""
    out = []
    for name, cohort in study.cohorts.items():
        held = _amount(study, name)
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


_KNOWN: dict[tuple[str, str], _Known] = {}


def _known(study: Study) -> _Known:
    key = (study.study, study.scale)
    if key not in _KNOWN:
        times = read_times()
        seconds = [step_seconds(study, times, gpu) for gpu in (False, True)]
        _KNOWN[key] = _Known(peak_bytes(study), weight_bytes(study), *seconds)
    return _KNOWN[key]


_AMOUNTS: dict[tuple[str, str, str], Amount | None] = {}


def _amount(study: Study, cohort: str) -> Amount | None:
    """Look at a cohort once: every job of it asks, and its cases may be many."""
    key = (study.study, study.scale, cohort)
    if key not in _AMOUNTS:
        _AMOUNTS[key] = amount(study, cohort)
    return _AMOUNTS[key]
