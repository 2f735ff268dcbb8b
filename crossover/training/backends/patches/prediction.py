"""Masks by 3D networks of the own loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import SimpleITK as sitk
from safetensors.numpy import load_file

from crossover.imaging.slices import mask_on_case
from crossover.imaging.volumes import image_path, read_grid
from crossover.study.backends import patches_of
from crossover.study.sections import PatchPrediction
from crossover.training.backends import Job
from crossover.training.backends.patches.volumes import images_of
from crossover.training.batches import Moments
from crossover.training.prediction import OwnPredictor
from crossover.training.stage_files import WEIGHTS, Cases, Place, record_of


def predictor(job: Job) -> PatchPredictor:
    """Return what predicts with stages."""
    settings = PatchPrediction.model_validate(job.settings)
    return PatchPredictor(settings, Cases(job.cases, job.corrected), job.threads)


class PatchPredictor(OwnPredictor):
    """See `crossover.training.prediction.Predictor`: of volumes, by windows."""

    def __init__(self, settings: PatchPrediction, cases: Cases, threads: int) -> None:
        self.settings, self._cases, self._patches = settings, cases, patches_of(settings.network)
        super().__init__(settings.network, (*self._patches.size, len(settings.channels)), threads)

    def digests(self, cases: pd.DataFrame) -> dict[str, list[str]]:
        """See `Predictor`."""
        return self._cases.digests(cases, self.settings.channels)

    def masks(self, stage: Path, structures: Sequence[str], cases: Sequence[Place]) -> Iterator[list[sitk.Image]]:
        """See `Predictor`."""
        from crossover.training.backends.patches.windows import probabilities

        s, engine = self.settings, self._engine(len(structures))
        engine.load(load_file(stage / WEIGHTS))
        standardised = record_of(stage.parent, stage.name)["standardised"]
        for place in cases:
            images, grid = images_of(self._cases, place, s.channels, self._patches, s.normalisation)
            if standardised:
                images = Moments(**standardised).apply(images)
            found = probabilities(engine, images, self._patches)
            own = read_grid(image_path(self._cases.folder(place), s.channels[0]))
            yield [mask_on_case(found[..., i], grid, own, s.threshold) for i in range(len(structures))]
