"""Radiomics of manual and predicted masks of the test cases, as one tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from crossover.core import incremental
from crossover.core.configuration import ConfigError
from crossover.evaluation.radiomics import first_order
from crossover.imaging.volumes import image_path, prediction_path, read, structure_path
from crossover.study.plan import Model

ABOUT = ("family", "strategy", "level", "n_train", "replicate")
SINGLE_BIN = {"Entropy": 0.0, "Uniformity": 1.0}
"""The features that depend on the bin width -> their value where all values are in one bin."""
COLUMNS = ["model", *ABOUT, "cohort", "patient", "case", "structure", "feature", "value"]


def radiomics_rows(
    models: list[Model] | None, splits: pd.DataFrame, structures: list[str], cases: Path,
    predictions: Path | None, settings: dict, workers: int,
) -> list[dict]:  # fmt: skip
    """Return one row for each model, test case, structure and feature.

    Args:
        models: None stands for the manual masks, as the model "manual".
        splits: says which cases are test cases.
        structures: those that the manual masks have.
        cases: data/cases. predictions: results/<study>/predictions.
        settings: channel, bin_width and features of the study's `radiomics`.
        workers: how many processes compute.

    Raises:
        ConfigError: the histogram of every manual mask has a single bin, so that features of it say nothing.
    """
    test = splits[splits.part == "test"].sort_values(["cohort", "case"])
    which: list[Model] | list[None] = [None] if models is None else models
    make = partial(
        _rows_of_case, models=which, structures=structures, cases=cases, predictions=predictions, settings=settings
    )
    jobs = list(zip(test["cohort"], test["patient"], test["case"], strict=True))
    of_jobs = incremental.call_each(make, jobs, workers)
    rows = [row for of_model in zip(*of_jobs, strict=True) for rows in of_model for row in rows]
    if models is None:
        _refuse_a_single_bin(rows, settings)
    return rows


def _refuse_a_single_bin(rows: list[dict], settings: dict) -> None:
    """Refuse a bin width that puts all values of each mask into one bin, as one in another unit than the image's."""
    table = pd.DataFrame(rows, columns=COLUMNS).dropna(subset="value")
    found = {name: table.loc[table["feature"] == name, "value"] for name in SINGLE_BIN}
    if any(len(own) > 1 and (own - SINGLE_BIN[name]).abs().max() < 1e-9 for name, own in found.items()):
        raise ConfigError(
            f"radiomics.bin_width: a width of {settings['bin_width']:g} puts all values of channel "
            f"{settings['channel']} inside each manual mask into one bin, so that {' and '.join(SINGLE_BIN)} are the "
            "same for all; give a width in the unit of the channel, well below the range of values in a mask"
        )


def _rows_of_case(
    job: tuple[str, str, str], models: Sequence[Model | None], structures: list[str], cases: Path,
    predictions: Path | None, settings: dict,
) -> list[list[dict]]:  # fmt: skip
    """Return each model's rows of one case, whose image is read once for all of them."""
    cohort, patient, case = job
    folder = cases / cohort / case
    image = read(image_path(folder, settings["channel"]))
    feature_rows: list[list[dict]] = []
    for model in models:
        about: dict = {"model": model.name if model else "manual"}
        about |= {column: getattr(model, column, None) for column in ABOUT}
        rows = []
        for structure in model.structures if model else structures:
            path = structure_path(folder, structure)
            if model is not None and predictions is not None:
                path = prediction_path(predictions, model.name, cohort, case, structure)
            values = first_order(image, read(path), settings["features"], settings["bin_width"])
            where = {"cohort": cohort, "patient": patient, "case": case, "structure": structure}
            rows += [{**about, **where, "feature": name, "value": value} for name, value in values.items()]
        feature_rows.append(rows)
    return feature_rows
