"""Stages by the own loop over patches of volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crossover.core.wording import counted
from crossover.evaluation.overlap import dice_of
from crossover.study.backends import patches_of
from crossover.study.plan import Stage
from crossover.study.sections import PatchTraining, Recipe
from crossover.study.splits import stage_cases
from crossover.training import engines
from crossover.training.backends import Job
from crossover.training.backends.patches import volumes
from crossover.training.backends.patches.batches import PatchBatches
from crossover.training.backends.patches.volumes import StoredCase
from crossover.training.batches import Moments
from crossover.training.failure import USES, Collapsed, TrainingFailed
from crossover.training.inputs import LOWER_RATE
from crossover.training.loop import Loop
from crossover.training.monai_names import by_own_names
from crossover.training.stage_files import Cases, places


def stages(job: Job) -> PatchTrainer:
    """Return what trains the stages of a job."""
    return PatchTrainer(PatchTraining.model_validate(job.settings), Cases(job.cases, job.corrected), job)


class _Data(NamedTuple):
    """Cases by use, their volumes, and by what these are standardised."""

    cases: dict[str, pd.DataFrame]
    training: list[StoredCase]
    validation: list[StoredCase]
    moments: Moments | None

    @property
    def drawn(self) -> np.ndarray:
        return np.array([[len(of) > 0 for of in volume.places] for volume in self.validation])


class PatchTrainer(Loop):
    """See `crossover.training.loop.Loop`."""

    settings: PatchTraining
    batch = "network.patches.batch or size"

    def __init__(self, settings: PatchTraining, cases: Cases, job: Job) -> None:
        super().__init__(
            settings, job.splits, job.out, job.cache, job.threads, job.initial, job.watch, gpu_share=job.gpu_share
        )
        self._cases, self._patches = cases, patches_of(settings.network)

    def digests(self, cases: pd.DataFrame, structures: Sequence[str]) -> dict[str, list[str]]:
        """See `Stages`."""
        return self._cases.digests(cases, self.settings.channels, structures)

    def _size(self) -> tuple[int, ...]:
        return self._patches.size

    def _data(self, stage: Stage, key: str) -> _Data:
        """Write the volumes that a stage is trained and validated on, where they aren't there since before a kill.

        Raises:
            TrainingFailed: no volume to train on that shows a structure, or none to validate on.
        """
        s, root = self.settings, self.cache / stage.name / f"{key[:24]}-volumes"
        cases = stage_cases(self.splits, stage, s.validation)
        used = {use: cases[cases.use == use] for use in ("train", "validation")}
        sets = {
            use: [
                volumes.write(
                    root / place.cohort / place.case, self._cases, place, s.channels, stage.structures, self._patches,
                    s.normalisation,
                )
                for place in places(own)
            ]
            for use, own in used.items()
        }  # fmt: skip
        shown = any(len(of) for volume in sets["train"] for of in volume.places)
        for use, own in sets.items():
            if not own:
                raise TrainingFailed(f"it has no case to {USES[use]}", "more patients (sizes)")
        if not shown:
            what = f"none of its {counted(len(used['train']), 'case')} to {USES['train']} has the structure"
            raise TrainingFailed(what, "more patients (sizes)")
        standardise = s.normalisation.method == "training"
        moments = volumes.moments(sets["train"]) if standardise else None
        return _Data(used, sets["train"], sets["validation"], moments)

    def _seen(self, data: _Data) -> dict[str, Any]:
        voxels = sum(int(np.prod(volume.shape)) for volume in data.training)
        return {"volumes": {"train": len(data.training), "voxels": voxels}}

    def _batches(self, data: _Data, recipe: Recipe, seed: int) -> PatchBatches:
        size, background = self._patches.size, recipe.background_slices
        return PatchBatches(data.training, size, recipe.batch, recipe.augmentation, background, seed, data.moments)

    def _validation(self, engine: engines.Engine, data: _Data, name: str, stack: ExitStack) -> Callable[[], np.ndarray]:
        return lambda: np.array([self._dsc(engine, volume, data) for volume in data.validation])

    def _dsc(self, engine: engines.Engine, volume: StoredCase, data: _Data) -> list[float]:
        """Return the DSC of each structure of a volume on the network's voxels.

        Raises:
            Collapsed: some probabilities are no number.
        """
        from crossover.training.backends.patches.windows import probabilities

        images = volume.images()
        found = probabilities(engine, data.moments.apply(images) if data.moments else images, self._patches)
        if not np.isfinite(found).all():
            raise Collapsed("some predictions are not finite numbers", LOWER_RATE)
        drawn, predicted = volume.masks() > 0, found >= self.settings.threshold
        counts = (np.count_nonzero(mask, axis=(0, 1, 2)).tolist() for mask in (drawn, predicted, drawn & predicted))
        return [dice_of(*of) for of in zip(*counts, strict=True)]

    def _model(self, stage: Stage, structures: int) -> engines.Arrays | None:
        """See `Loop`; weights by MONAI's names are those of the same layers here."""
        given, channels = super()._model(stage, structures), len(self.settings.channels)
        return given and by_own_names(given, self.settings.network, (*self._size(), channels), structures)
