"""Predictions against manual masks: the tidy table that statistics begin with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core import incremental
from crossover.evaluation.lesions import detection
from crossover.evaluation.overlap import dice, iou
from crossover.evaluation.surface import surface_metrics
from crossover.imaging.grids import GeometryError, difference, same_grid
from crossover.imaging.slices import large
from crossover.imaging.volumes import prediction_path, read, structure_path
from crossover.study.plan import Model
from crossover.study.splits import evaluation_cases

COLUMNS = [
    "model", "family", "strategy", "level", "n_train", "replicate", "draw", "fold",
    "cohort", "patient", "case", "structure",
    "dsc", "iou", "hd95_mm", "nsd", "dsc_structure_slices", "iou_structure_slices", "dsc_mean_of_slices", "assd_mm",
    "volume_error_percent", "lesion_f1", "lesion_sensitivity", "lesions_false",
    "volume_manual_ml", "volume_predicted_ml", "diagonal_mm",
]  # fmt: skip


def score(
    manual: sitk.Image, predicted: sitk.Image, nsd_tolerance_mm: float, smallest_mask_px: int = 0
) -> dict[str, float]:
    """Return the metrics of one structure on the case's own grid, by the names of `COLUMNS` (docs/metrics.md).

    They are of the whole volume, but `*_structure_slices` of the slices alone where the manual mask has more
    than `smallest_mask_px` pixels, all together, and `dsc_mean_of_slices` is the mean of the DSC of each
    slice with any; these are missing where there is no such slice. See `overlap`, `surface` and `lesions` for
    empty masks.

    Args:
        manual, predicted: masks, non-zero inside.
        nsd_tolerance_mm: the tolerance of the NSD.
        smallest_mask_px: pixels of a slice's manual mask.

    Raises:
        GeometryError: the two are on different grids; the message says how they differ.
    """
    if not same_grid(manual, predicted):
        raise GeometryError(f"the prediction is not on the manual mask's grid: {difference(predicted, manual)}")
    nan = float("nan")
    a, b = _cropped(sitk.GetArrayFromImage(manual) > 0, sitk.GetArrayFromImage(predicted) > 0)
    spacing = manual.GetSpacing()[::-1]
    if manual.GetSize()[2] == 1:
        hd95, nsd, assd = surface_metrics(a[0], b[0], spacing[1:], nsd_tolerance_mm)
    else:
        hd95, nsd, assd = surface_metrics(a, b, spacing, nsd_tolerance_mm)
    f1, sensitivity, false = detection(a, b)
    with_structure = large(a, smallest_mask_px)
    shown = a[with_structure], b[with_structure]
    voxels, others = int(a.sum()), int(b.sum())
    millilitre = float(np.prod(spacing)) / 1000
    return {
        "dsc": dice(a, b),
        "iou": iou(a, b),
        "hd95_mm": hd95,
        "nsd": nsd,
        "dsc_structure_slices": dice(*shown) if with_structure.any() else nan,
        "iou_structure_slices": iou(*shown) if with_structure.any() else nan,
        "dsc_mean_of_slices": _mean_of_slices(a, b),
        "assd_mm": assd,
        "volume_error_percent": 100 * (others - voxels) / voxels if voxels else nan,
        "lesion_f1": f1,
        "lesion_sensitivity": sensitivity,
        "lesions_false": false,
        "volume_manual_ml": float(voxels) * millilitre,
        "volume_predicted_ml": float(others) * millilitre,
        "diagonal_mm": float(np.linalg.norm(np.multiply(manual.GetSize(), manual.GetSpacing()))),
    }


def _cropped(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut both masks to the box around their union: what is measured stays, and takes less time."""
    union = a | b
    axes = range(union.ndim)
    shown = [np.flatnonzero(union.any(axis=tuple(o for o in axes if o != axis))) for axis in axes]
    if not len(shown[0]):
        return a[:1], b[:1]
    box = tuple(slice(places[0], places[-1] + 1) for places in shown)
    return a[box], b[box]


def _mean_of_slices(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean DSC of the slices that the first mask has pixels in; NaN where there is none."""
    pixels, others, both = (mask.sum((1, 2)) for mask in (a, b, a & b))
    here = pixels > 0
    return float((2 * both[here] / (pixels + others)[here]).mean()) if here.any() else float("nan")


def score_models(
    models: list[Model], splits: pd.DataFrame, cases: Path, predictions: Path,
    nsd_tolerance_mm: Mapping[str, float], smallest_mask_px: int, workers: int,
) -> list[dict]:  # fmt: skip
    """Return the metrics table's rows of some models, in the order of models, cases and structures.

    The draw and the patient are not among the columns. Each manual mask is read once for all models.

    Args:
        models: the models that predicted.
        splits: says which cases each is evaluated on.
        cases: data/cases. predictions: results/<study>/predictions.
        nsd_tolerance_mm: of each structure.
        smallest_mask_px: see `score`.
        workers: how many processes score.
    """
    wanted = [
        (model, (case.cohort, case.case, structure))
        for model in models
        for case in evaluation_cases(splits, model).itertuples()
        for structure in model.structures
    ]
    jobs: dict[tuple[str, str, str], list[Model]] = {}
    for model, mask in wanted:
        jobs.setdefault(mask, []).append(model)
    score_ = partial(_score_mask, cases, predictions, nsd_tolerance_mm, smallest_mask_px)
    found = dict(zip(jobs, incremental.call_each(score_, jobs.items(), workers)))
    return [found[mask][model.name] for model, mask in wanted]


def _score_mask(
    cases: Path, predictions: Path, nsd_tolerance_mm: Mapping[str, float], smallest_mask_px: int,
    job: tuple[tuple[str, str, str], list[Model]],
) -> dict[str, dict]:  # fmt: skip
    """Return the rows of the metrics table, by model, that belong to one manual mask; see `score_models`.

    Args:
        job: cohort, case and structure of the mask, and the models that predicted it.
    """
    (cohort, case, structure), models = job
    manual = read(structure_path(cases / cohort / case, structure))
    where, rows = {"cohort": cohort, "case": case, "structure": structure}, {}
    for model in models:
        predicted = read(prediction_path(predictions, model.name, cohort, case, structure))
        about = {c: getattr(model, c) for c in ("family", "strategy", "level", "n_train", "replicate", "fold")}
        scores = score(manual, predicted, nsd_tolerance_mm[structure], smallest_mask_px)
        rows[model.name] = {**about, "model": model.name, **where, **scores}
    return rows
