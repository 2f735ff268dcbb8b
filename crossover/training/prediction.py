"""Predict with the models of one job."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

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
from crossover.study.sections import Prediction
from crossover.study.splits import evaluation_cases
from crossover.training import engines
from crossover.training.data import Moments, Standardised, in_turn
from crossover.training.files import WEIGHTS, Place, Slices, record_of


def predict_models(
    settings: Prediction, models: list[Model], slices: Slices, splits: pd.DataFrame, cases: Path,
    stages: Sequence[Path], manifest: Path, code: str, threads: int,
) -> None:  # fmt: skip
    """Write every model's masks of the cases that it is evaluated on, on their own grids.

    Models whose stage failed are listed under `failed` in the manifest, and older masks of theirs removed. A model's
    record has how many slices were predicted, and the seconds from the stored slices to the written masks.

    Args:
        cases: data/cases. stages: manifests of the models' stages, in results/<study>/stages.
    """
    missing = incremental.failed_of(stages)
    failed = {model.name: missing[model.stage] | {"stage": model.stage} for model in models if model.stage in missing}
    for name in failed:
        shutil.rmtree(manifest.parent / name, ignore_errors=True)
    models = [model for model in models if model.name not in failed]
    folder_of = stages[0].parent
    by_name = {model.name: model for model in models}
    shape = (*settings.slices.size, len(settings.channels))

    @functools.cache
    def create(structures: int) -> engines.Engine:
        new = partial(engines.create, settings.network, shape, structures, threads)
        return timed("create", new)

    def make(name: str, folder: Path) -> dict:
        structures = by_name[name].structures
        engine = create(len(structures))
        stage = by_name[name].stage
        engine.load(load_file(folder_of / stage / WEIGHTS))
        evaluated = list(evaluation_cases(splits, by_name[name]).itertuples())
        files = [slices.file(Place(c.cohort, c.case), IMAGES) for c in evaluated]
        folders = [cases / c.cohort / c.case for c in evaluated]
        moments = record_of(folder_of, stage)["standardised"]
        begun, predicted = perf_counter(), 0
        for case, masks in zip(evaluated, predict_cases(engine, files, folders, settings, moments)):
            for structure, mask in zip(structures, masks, strict=True):
                write(mask, prediction_path(folder.parent, name, case.cohort, case.case, structure))
            predicted += masks[0].GetDepth()
        return {"model": name, "slices": predicted, "seconds": round(perf_counter() - begun, 3)}

    keys = {}
    for model in models:
        made = record_of(folder_of, model.stage)
        begun = [made["files"][WEIGHTS]["sha256"], made["standardised"]]
        inputs = slices.digests(evaluation_cases(splits, model))
        keys[model.name] = digest([begun, inputs, settings.model_dump(mode="json"), code])
    records = incremental.refresh(manifest.parent, keys, make, prune=False)
    incremental.write_manifest(manifest, records, failed)


def predict_cases(
    engine: engines.Engine, files: list[Path], cases: list[Path], settings: Prediction,
    moments: dict[str, list[float]] | None,
) -> Iterator[list[sitk.Image]]:  # fmt: skip
    """The masks of each case, one for each output of the engine's network, on the case's own grid.

    Args:
        files: images of each case's slices. cases: its folder.
        moments: by which the slices that the network was trained on were standardised.
    """
    stored = Stored(files)
    images = Standardised(stored, Moments(**moments)) if moments else stored
    batches = in_turn(len(images), engine.at_once)  # filled across cases
    probabilities = (engine.predict(images[places]) for places in batches)
    for case, own in zip(cases, _cut(probabilities, stored.counts), strict=True):
        yield [_on_case(own[..., s], case, settings) for s in range(own.shape[-1])]


def _cut(parts: Iterator[np.ndarray], counts: Sequence[int]) -> Iterator[np.ndarray]:
    """Arrays one after the other, cut anew into so many rows each."""
    held = [next(parts)]
    for count in counts:
        while sum(map(len, held)) < count:
            held.append(next(parts))
        together = np.concatenate(held)
        yield together[:count]
        held = [together[count:].copy()]


def _on_case(probability: np.ndarray, case: Path, settings: Prediction) -> sitk.Image:
    own = read_grid(image_path(case, settings.channels[0]))
    grid = network_grid(own, settings.slices)
    mask = to_case(probability, grid, own) >= settings.threshold
    return on_grid(mask.astype(np.uint8), own)
