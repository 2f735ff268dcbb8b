"""Predict with the models of one job."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import pandas as pd
import SimpleITK as sitk
from safetensors.numpy import load_file

from crossover.core import incremental
from crossover.core.files import digest
from crossover.core.provenance import timed
from crossover.imaging.slices import network_grid, to_case
from crossover.imaging.stored import IMAGES, Stored
from crossover.imaging.volumes import image_path, on_grid, prediction_path, read_grid, write
from crossover.study.plan import Model
from crossover.study.sections import Network, Prediction
from crossover.study.splits import evaluation_cases
from crossover.training import engines
from crossover.training.batches import Moments, Standardised, in_turn
from crossover.training.stage_files import WEIGHTS, Cases, Place, SliceFiles, places, record_of


class Predictor(Protocol):
    """Masks by the stages of one backend, for cases of the study."""

    settings: Any
    """All that masks follow from, beside the weights, the cases and the code: a section of settings."""

    def begins(self, record: Mapping[str, Any]) -> Any:
        """Return what it reads of a stage, by the stage's record: digests of files, and values."""

    def digests(self, cases: pd.DataFrame) -> dict[str, list[str]]:
        """Return case -> digests of all that it reads of a case; columns cohort and case."""

    def masks(self, stage: Path, structures: Sequence[str], cases: Sequence[Place]) -> Iterator[list[sitk.Image]]:
        """Yield the masks (uint8, 0 or 1) of each case, one for each structure, on the case's own grid.

        Args:
            stage: the folder of a stage, with its weights and its record.
        """


def predict_models(
    predictor: Predictor, models: list[Model], splits: pd.DataFrame, stages: Sequence[Path], manifest: Path, code: str
) -> None:
    """Write every model's masks of the cases that it is evaluated on, on their own grids.

    Models whose stage failed are listed under `failed` in the manifest, and older masks of theirs removed. A model's
    record has how many slices were predicted, and the seconds from what is stored of the cases to the written masks.

    Args:
        stages: manifests of the models' stages, in results/<study>/stages.
    """
    missing = incremental.failed_of(stages)
    failed = {model.name: missing[model.stage] | {"stage": model.stage} for model in models if model.stage in missing}
    for name in failed:
        shutil.rmtree(manifest.parent / name, ignore_errors=True)
    models = [model for model in models if model.name not in failed]
    folder_of = stages[0].parent
    by_name = {model.name: model for model in models}

    def make(name: str, folder: Path) -> dict:
        model = by_name[name]
        evaluated = places(evaluation_cases(splits, model))
        begun, predicted = perf_counter(), 0
        found = predictor.masks(folder_of / model.stage, model.structures, evaluated)
        for case, masks in zip(evaluated, found, strict=True):
            for structure, mask in zip(model.structures, masks, strict=True):
                write(mask, prediction_path(folder.parent, name, case.cohort, case.case, structure))
            predicted += masks[0].GetDepth()
        return {"model": name, "slices": predicted, "seconds": round(perf_counter() - begun, 3)}

    keys = {}
    for model in models:
        begins = predictor.begins(record_of(folder_of, model.stage))
        inputs = predictor.digests(evaluation_cases(splits, model))
        keys[model.name] = digest([begins, inputs, predictor.settings.model_dump(mode="json"), code])
    records = incremental.refresh(manifest.parent, keys, make, prune=False)
    incremental.write_manifest(manifest, records, failed)


class OwnPredictor:
    """What predictors by the networks of the own loop share: an engine for each number of structures."""

    def __init__(self, network: Network, shape: tuple[int, ...], threads: int) -> None:
        """Take the network, and the shape of what it sees, channels last."""
        self._network, self._shape, self._threads = network, shape, threads
        self._engines: dict[int, engines.Engine] = {}

    def begins(self, record: Mapping[str, Any]) -> Any:
        """See `Predictor`."""
        return [record["files"][WEIGHTS]["sha256"], record["standardised"]]

    def _engine(self, structures: int) -> engines.Engine:
        if structures not in self._engines:
            new = partial(engines.create, self._network, self._shape, structures, self._threads)
            self._engines[structures] = timed("create", new)
        return self._engines[structures]


class SlicePredictor(OwnPredictor):
    """See `Predictor`: of slices."""

    def __init__(self, settings: Prediction, slices: SliceFiles, cases: Cases, threads: int) -> None:
        super().__init__(settings.network, (*settings.slices.size, len(settings.channels)), threads)
        self.settings, self._slices, self._cases = settings, slices, cases

    def digests(self, cases: pd.DataFrame) -> dict[str, list[str]]:
        """See `Predictor`: of the slices, and of the image on whose grid the masks are written."""
        slices, grids = self._slices.digests(cases), self._cases.digests(cases, self.settings.channels[:1])
        return {case: [*own, *grids[case]] for case, own in slices.items()}

    def masks(self, stage: Path, structures: Sequence[str], cases: Sequence[Place]) -> Iterator[list[sitk.Image]]:
        """See `Predictor`."""
        engine = self._engine(len(structures))
        engine.load(load_file(stage / WEIGHTS))
        files = [self._slices.file(place, IMAGES) for place in cases]
        folders = [self._cases.folder(place) for place in cases]
        moments = record_of(stage.parent, stage.name)["standardised"]
        return predict_cases(engine, files, folders, self.settings, moments)


def predict_cases(
    engine: engines.Engine, files: list[Path], cases: list[Path], settings: Prediction,
    moments: dict[str, list[float]] | None,
) -> Iterator[list[sitk.Image]]:  # fmt: skip
    """Yield the masks of each case, one for each output of the engine's network, on the case's own grid.

    Probabilities are held of one batch at a time: those of a whole case with many structures are gigabytes.

    Args:
        files: images of each case's slices. cases: its folder.
        moments: by which the slices that the network was trained on were standardised.
    """
    stored = Stored(files)
    images = Standardised(stored, Moments(**moments)) if moments else stored
    batches = in_turn(len(images), engine.at_once)  # filled across cases
    predicted = (engine.predict(images[batch]) for batch in batches)
    for k, begin, probabilities in _cut(predicted, stored.counts):
        if begin == 0:
            own = read_grid(image_path(cases[k], settings.channels[0]))
            network = network_grid(own, settings.slices)
            masks = [np.zeros(own.GetSize()[::-1], np.uint8) for _ in range(probabilities.shape[-1])]
        end = begin + len(probabilities)
        grids = network[:, :, begin:end], own[:, :, begin:end]  # both have the same slices
        for s, mask in enumerate(masks):
            mask[begin:end] = to_case(probabilities[..., s], *grids) >= settings.threshold
        if end == stored.counts[k]:
            yield [on_grid(masks.pop(0), own) for _ in range(len(masks))]


def _cut(parts: Iterable[np.ndarray], counts: Sequence[int]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Cut arrays that follow each other where a case ends, each of which has so many rows.

    Yields:
        The case, by its place in `counts`; the place of the first row in it; and the rows.
    """
    k = begin = 0
    for part in parts:
        while len(part):
            rows, part = part[: counts[k] - begin], part[counts[k] - begin :]
            yield k, begin, rows
            begin += len(rows)
            if begin == counts[k]:
                k, begin = k + 1, 0
