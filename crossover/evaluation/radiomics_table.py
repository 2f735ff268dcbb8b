"""Radiomics of manual and predicted masks of the test cases, as one tidy table."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import SimpleITK as sitk

from crossover.core import incremental
from crossover.evaluation.radiomics import first_order
from crossover.imaging.volumes import image_path, prediction_path, structure_path
from crossover.study.plan import Model

ABOUT = ("family", "strategy", "level", "n_train", "replicate")
COLUMNS = ["model", *ABOUT, "cohort", "case", "structure", "feature", "value"]


def radiomics_rows(
    models: list[Model] | None, splits: pd.DataFrame, structures: list[str], cases: Path,
    predictions: Path | None, settings: dict, workers: int,
) -> list[dict]:  # fmt: skip
    """Return one row for each model, test case, structure and feature.

    Args:
        models: None stands for the manual masks, as the model "manual".
        cases: data/cases. predictions: results/<study>/predictions.
        settings: channel, bin_width and features of the study's `radiomics`.
    """
    test = splits[splits.part == "test"].sort_values(["cohort", "case"])
    manual_or_models: list[Model] | list[None] = [None] if models is None else models
    jobs = [
        (model, case.cohort, case.case, structure)
        for model in manual_or_models
        for case in test.itertuples()
        for structure in (model.structures if model else structures)
    ]
    make = partial(_rows, cases=cases, predictions=predictions, settings=settings)
    if workers == 1:
        return [row for job in jobs for row in make(job)]
    with incremental.pool(workers) as processes:
        return [r for rows in processes.map(make, jobs, chunksize=incremental.CHUNK) for r in rows]


def _rows(job: tuple, cases: Path, predictions: Path | None, settings: dict) -> list[dict]:
    model, cohort, case, structure = job
    folder = cases / cohort / case
    image = sitk.ReadImage(str(image_path(folder, settings["channel"])))
    path = structure_path(folder, structure)
    if model is not None and predictions is not None:
        path = prediction_path(predictions, model.name, cohort, case, structure)
    values = first_order(image, sitk.ReadImage(str(path)), settings["features"], settings["bin_width"])
    about = {"model": model.name if model else "manual"}
    about |= {column: getattr(model, column, None) for column in ABOUT}
    about |= {"cohort": cohort, "case": case, "structure": structure}
    return [{**about, "feature": name, "value": value} for name, value in values.items()]
