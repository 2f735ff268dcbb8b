"""Predictions against manual masks: the tidy table that statistics begin with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core import incremental
from crossover.evaluation.overlap import dice, iou
from crossover.evaluation.surface import surface_metrics
from crossover.imaging.grids import GeometryError, difference, same_grid
from crossover.imaging.slices import large
from crossover.imaging.volumes import prediction_path, structure_path
from crossover.study.plan import Model
from crossover.study.splits import evaluation_cases

COLUMNS = [
    "model", "family", "strategy", "level", "n_train", "replicate", "fold", "cohort", "case", "structure",
    "dsc", "iou", "hd95_mm", "nsd", "dsc_structure_slices", "iou_structure_slices",
    "volume_manual_ml", "volume_predicted_ml",
]  # fmt: skip


def score(
    manual: sitk.Image, predicted: sitk.Image, nsd_tolerance_mm: float, smallest_mask_px: int = 0
) -> dict[str, float]:
    """Metrics of one structure on the case's own grid: whole volume, and (`*_structure_slices`) only the
    slices where the manual mask has more than `smallest_mask_px` pixels (missing where there is none).
    See `overlap` and `surface` for empty masks.

    Raises:
        GeometryError: the two are on different grids, saying how they differ.
    """
    if not same_grid(manual, predicted):
        raise GeometryError(
            f"the prediction is not on the manual mask's grid: {difference(predicted, manual)}"
        )
    nan = float("nan")
    a = sitk.GetArrayFromImage(manual) > 0
    b = sitk.GetArrayFromImage(predicted) > 0
    spacing = manual.GetSpacing()[::-1]
    hd95, nsd = surface_metrics(a, b, spacing, nsd_tolerance_mm)
    with_structure = large(a, smallest_mask_px)
    shown = a[with_structure], b[with_structure]
    millilitre = float(np.prod(spacing)) / 1000
    return {
        "dsc": dice(a, b),
        "iou": iou(a, b),
        "hd95_mm": hd95,
        "nsd": nsd,
        "dsc_structure_slices": dice(*shown) if with_structure.any() else nan,
        "iou_structure_slices": iou(*shown) if with_structure.any() else nan,
        "volume_manual_ml": float(a.sum()) * millilitre,
        "volume_predicted_ml": float(b.sum()) * millilitre,
    }


def score_models(
    models: list[Model], splits: pd.DataFrame, cases: Path, predictions: Path,
    nsd_tolerance_mm: float, smallest_mask_px: int, workers: int,
) -> list[dict]:  # fmt: skip
    """The metrics table's rows of some models, in the order of models, cases and structures."""
    jobs = [
        (model, case.cohort, case.case, structure, cases, predictions)
        for model in models
        for case in evaluation_cases(splits, model).itertuples()
        for structure in model.structures
    ]
    score_ = partial(_score_job, nsd_tolerance_mm, smallest_mask_px)
    if workers == 1:
        return [score_(job) for job in jobs]
    with incremental.pool(workers) as processes:
        return list(processes.map(score_, jobs, chunksize=incremental.CHUNK))


def _score_job(
    tolerance: float, smallest_mask_px: int, job: tuple[Model, str, str, str, Path, Path]
) -> dict:
    return score_case(*job, tolerance, smallest_mask_px)


def score_case(
    model: Model, cohort: str, case: str, structure: str, cases: Path, predictions: Path,
    tolerance: float, smallest_mask_px: int,
) -> dict:  # fmt: skip
    """One row of the metrics table.

    Args:
        cases: data/cases, with a folder for each cohort.
        predictions: results/<study>/predictions.
    """
    manual = sitk.ReadImage(str(structure_path(cases / cohort / case, structure)))
    path = prediction_path(predictions, model.name, cohort, case, structure)
    predicted = sitk.ReadImage(str(path))
    about = {
        c: getattr(model, c)
        for c in ("family", "strategy", "level", "n_train", "replicate", "fold")
    }
    where = {"model": model.name, "cohort": cohort, "case": case, "structure": structure}
    return {**about, **where, **score(manual, predicted, tolerance, smallest_mask_px)}
