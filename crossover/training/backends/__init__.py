"""Backends, which make stages.

`slices` is this library's own loop over slices, `patches` the same over patches of volumes, `nnunet` is nnU-Net.

A backend is a package of this one with two modules, so that how it predicts is no part of what a training follows from:

- `training`, whose `stages(job)` returns a `crossover.training.job.Stages`, which trains: given a stage, its cases and
  a key it leaves `weights.safetensors`, `history.csv` (step, loss, validation_dsc) and the facts of the stage's record
  in a folder. Seeds, copies of equal stages, what failed, manifests and provenance are the same for all.
- `prediction`, whose `predictor(job)` returns a `crossover.training.prediction.Predictor`: given a stage's folder and
  cases it gives masks on the cases' own grids.

What the workflow must know before any job runs stands in `crossover.study.backends`: whether a backend reads slices or
cases, its settings, and its source files. Nothing else asks which backend a network has. Splits, subsets, replicates,
scores, statistics, figures, claims and plans never learn it.

Begin with `slices`, which is short; `part` finds the one that a job's network names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pandas as pd

from crossover.study import backends
from crossover.study.sections import Network
from crossover.training.cache import Cache
from crossover.training.job import Initials

OFF = Cache(0)


@dataclass(frozen=True)
class Job:
    """What a job gives its backend.

    Attributes:
        settings: those that `crossover.study.backends` derived, as plain values.
        slices, cases, corrected: cohort -> manifest, of those kinds that the backend reads.
        splits: of `crossover.study.splits`.
        threads: CPU threads.
        selection: the file with the network that a selection chose.
        out: the folder of the stages. cache: of what a stage that is not done yet keeps.
        initial: what first stages begin with.
        watch: told of a training's course: the stage's name, then what a `crossover.training.stage.Watch` is told.
        activations: room for frozen activations. gpu_share: of a GPU, where there is one.
    """

    settings: Mapping[str, Any]
    slices: Mapping[str, Path]
    cases: Mapping[str, Path]
    corrected: Mapping[str, Path]
    splits: pd.DataFrame
    threads: int
    selection: Path | None = None
    out: Path = Path()
    cache: Path = Path()
    initial: Initials = field(default_factory=lambda: Initials({}, ""))
    watch: Callable[..., None] = lambda *told: None
    activations: Cache = OFF
    gpu_share: float = 1.0


def part(job: Job, name: Literal["training", "prediction"]) -> ModuleType:
    """Return a module of the backend of a job's network; large libraries are imported when they are needed."""
    backend = Network.model_validate(job.settings["network"]).backend
    return importlib.import_module(f"crossover.training.backends.{backend}.{name}")


def files(network: Network, name: Literal["training", "prediction"]) -> tuple[str, ...]:
    """Return the source files that what a network's backend makes follows from, beside those of the script."""
    return backends.backend_of(network).files(name, network.architecture, network)
