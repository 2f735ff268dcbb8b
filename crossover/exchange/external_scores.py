"""Masks that another tool predicted, scored as the study scores its own: `crossover score`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core import incremental
from crossover.core.configuration import ConfigError
from crossover.core.files import file_digest
from crossover.core.wording import first_few
from crossover.evaluation.metrics import COLUMNS, score
from crossover.exchange.external_tables import evaluation_of, tested_cases, training_digest
from crossover.exchange.predicted_files import LABEL_MAP, CaseNames, Found, find
from crossover.exchange.study_cases import StudyCase, splits_of, study_cases
from crossover.exchange.trained_on import TrainedOn, read_trained_on
from crossover.exchange.training_sets import training_sets
from crossover.imaging.grids import GeometryError, reoriented, same_grid
from crossover.imaging.volumes import on_grid, read, structure_path
from crossover.study.families import families
from crossover.study.parameters import scoring
from crossover.study.schema import Study

DATASET = "dataset.json"
_some = partial(first_few, most=5)  # files or cases of a finding
Values = Mapping[str, tuple[int, ...]]
"""Structure -> the values of a label map that are part of it."""


@dataclass
class Scored:
    """The table of one model, in the form of metrics.csv, and what there is to tell of it, a sentence each.

    Attributes:
        record: what the scores follow from, see `crossover.exchange.external_tables`.
    """

    table: pd.DataFrame
    record: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def score_predictions(
    folder: Path, study: Study, results: Path, name: str, n: int | None, trained_on: Path | None, fold: int | None,
    workers: int,
) -> Scored:  # fmt: skip
    """Score the predictions of a study's test cases.

    Args:
        folder: the predictions.
        study, results: the study and the folder of all studies' results.
        name: the model's.
        n: how many patients of the target it was trained on, where no file says which.
        trained_on: see `read_trained_on`; `fold` is the one in it, or by its number alone the model's own.
        workers: how many processes score.

    Raises:
        ConfigError: the model's name is one of the study's, it was trained on test patients, or nothing is
        there to score; else each prediction that is on another grid or holds what is no label.
    """
    _check_name(study, name)
    cases = study_cases(study, results, [*study.structures])
    about, notes, splits = TrainedOn(n or 0, fold=fold), list[str](), splits_of(study, results)
    if trained_on is not None:
        sets = training_sets(study, splits)
        about, notes = read_trained_on(trained_on, fold, study, cases, sets)
    values, known_by = read_labels(folder, study, trained_on)
    found = find(folder, CaseNames(cases), [*study.structures], study.channels)
    if not found.files:
        raise ConfigError(_nothing(folder, cases, found))
    jobs = [(case, files) for case, files in sorted(found.files.items(), key=lambda item: item[0].name)]
    done = incremental.call_each(partial(_score_case, study, values), jobs, workers)
    if wrong := [finding for _, findings, _ in done for finding in findings]:
        raise ConfigError("\n".join(wrong))
    tested = _structures_of(found, values)
    rows = [row for own, _, _ in done for row in own]
    turned = [case.name for (case, _), (_, _, moved) in zip(jobs, done) if moved]
    notes += [known_by] if known_by and any(LABEL_MAP in files for files in found.files.values()) else []
    notes += [*_missing(cases, tested, rows), *_extra(found), *_turned(turned)]
    record = _record(study, splits, found, tested, trained_on is not None)
    return Scored(_table(rows, name, about), record, notes)


def _record(
    study: Study, splits: pd.DataFrame, found: Found, structures: Sequence[str], listed: bool
) -> dict[str, Any]:
    """Return what scores follow from.

    Args:
        structures: those that are scored.
        listed: whether a file told which cases the model was trained on.
    """

    def masks(case: StudyCase) -> dict[str, str]:
        return {(path := structure_path(case.folder, s)).name: file_digest(path) for s in structures}

    return {
        "test": tested_cases(splits),
        "training": training_digest(splits) if listed else None,
        "evaluation": evaluation_of(scoring(study), structures),
        "masks": {f"{case.cohort}/{case.case}": masks(case) for case in found.files},
        "predictions": {
            f"{case.cohort}/{case.case}": {s: file_digest(path) for s, (path,) in files.items()}
            for case, files in found.files.items()
        },
    }


def _check_name(study: Study, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        what = "begin with a letter, and use letters, digits and underscores (--model)"
        raise ConfigError(f"{name!r} cannot be a model's name: {what}")
    if name in {f.strategy for f in families(study).values()}:
        raise ConfigError(f"{name!r} is a strategy of study {study.study}: give the model another name (--model)")


def read_labels(folder: Path, study: Study, trained_on: Path | None = None) -> tuple[Values, str]:
    """Return which values of a label map are which structure, and what there is to tell of it.

    nnU-Net's dataset.json says so, which it puts beside its predictions, or MONAI's datalist. Else structures count
    from 1 in the study's order, as exports of all structures number them.

    Args:
        trained_on: a datalist, or splits_final.json with dataset.json beside it, where the folder has none.

    Raises:
        ConfigError: the file is neither, or has a label that is no structure of the study.
    """
    path = folder / DATASET
    if not path.exists() and trained_on is not None:
        path = next((p for p in (trained_on.with_name(DATASET), trained_on) if p.exists()), path)
    labels = _labels(path, [*study.structures])
    if labels is None:
        values = {name: (place,) for place, name in enumerate(study.structures, start=1)}
        labels_of_cases = ", ".join(f"{own[0]} is {name}" for name, own in values.items())
        why = (
            f"{path} has no labels of a label map"
            if path.exists()
            else f"there is no {DATASET} next to the predictions"
        )
        return values, f"{why}: in label maps, {labels_of_cases}"
    if wrong := [name for name in labels if name not in study.structures]:
        there = ", ".join(study.structures)
        what = f"label {', '.join(wrong)} is not a structure of study {study.study}, which has {there}"
        raise ConfigError(f"{path}: {what}")
    return labels, ""


def _labels(path: Path, structures: Sequence[str]) -> Values | None:
    """Return the labels of a file of nnU-Net (name -> value or values) or MONAI (value -> name); None for none.

    The value 0 is the background, whatever it is called.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
        labels = {} if isinstance(content, list) else content.get("labels", {})
        if all(name.isdigit() for name in labels):
            labels = {name: int(value) for value, name in labels.items()}
        values = {n: tuple(np.atleast_1d(v).astype(int).tolist()) for n, v in labels.items()}
    except (ValueError, TypeError, AttributeError):
        raise ConfigError(f"{path}: this is neither nnU-Net's {DATASET} nor a datalist of MONAI") from None
    values = {name: own for name, own in values.items() if name in structures or own != (0,)}
    if any(0 in own for own in values.values()):  # the channels of masks apart, which are no values of a label map
        return None
    return values or None


def _score_case(
    study: Study, values: Values, job: tuple[StudyCase, dict[str, list[Path]]]
) -> tuple[list[dict], list[str], bool]:
    """Return a case's rows, what is wrong with its files, and whether a file's axes were stored in another order."""
    case, files = job
    several = [", ".join(map(str, paths)) for paths in files.values() if len(paths) > 1]
    if several or (LABEL_MAP in files and len(files) > 1):
        every = several or [", ".join(str(path) for paths in files.values() for path in paths)]
        return [], [f"{case.name}: several files for one prediction: {each}" for each in every], False
    rows, wrong, moved = [], [], False
    manual = {s: read(structure_path(case.folder, s)) for s in study.structures}
    for structure, (path,) in files.items():
        try:
            masks, turned = _masks(path, structure, values, next(iter(manual.values())))
        except (GeometryError, ValueError, RuntimeError) as error:
            wrong.append(f"{path}: {_first_line(error)}")
            continue
        moved = moved or turned
        for name, mask in masks.items():
            metrics = score(
                manual[name], mask, study.evaluation.tolerance(name), study.preparation.slices.smallest_mask_px
            )
            rows.append(
                {"cohort": case.cohort, "patient": case.patient, "case": case.case, "structure": name, **metrics}
            )
    return rows, wrong, moved


def _masks(path: Path, structure: str, values: Values, grid: sitk.Image) -> tuple[dict[str, sitk.Image], bool]:
    """Return the masks that a file holds on the case's grid, and whether its axes were stored in another order.

    Raises:
        GeometryError: it is on another grid.
        ValueError: it is no volume of labels.
    """
    image = sitk.ReadImage(str(path))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() > 1:
        raise ValueError(
            "the file does not contain a single volume: save a label map (the class with the highest probability), or "
            "a file for each structure"
        )
    try:
        own = reoriented(image, grid)
    except GeometryError as error:
        what = "its grid is not that of the case's manual masks, so that it must be resampled to theirs"
        raise GeometryError(f"{what}: {error}") from None
    there = sitk.GetArrayFromImage(own)
    held = {float(value) for value in np.unique(there)} - {0.0}
    if structure == LABEL_MAP:
        known = {float(value) for each in values.values() for value in each}
        if held - known:
            raise ValueError(f"the file has the values {_numbers(held - known)}, but the labels are {_numbers(known)}")
        masks = {name: np.isin(there, each) for name, each in values.items()}
    else:
        if len(held) > 1:
            what = f"the mask of {structure} has the values {_numbers(held)}"
            raise ValueError(f"{what}: save 0 outside and one value inside")
        masks = {structure: there != 0}
    return {name: on_grid(mask.astype(np.uint8), grid) for name, mask in masks.items()}, not same_grid(image, grid)


def _numbers(values: set[float]) -> str:
    shown = [f"{value:g}" for value in sorted(values)]
    return _some(shown, what="values")


def _first_line(error: Exception) -> str:
    """Return what an error says; ITK's errors are many lines, of which the last says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _structures_of(found: Found, values: Values) -> list[str]:
    """Return the structures that the model is tested on: those that some file is of."""
    named = {structure for files in found.files.values() for structure in files}
    return [*values] if LABEL_MAP in named else sorted(named)


def _missing(cases: Sequence[StudyCase], tested: Sequence[str], rows: Sequence[dict]) -> list[str]:
    """Return messages about predictions that are missing: single ones of a cohort, and whole cohorts."""
    there = {(row["cohort"], row["case"], row["structure"]) for row in rows}
    cohorts = {cohort for cohort, _, _ in there}
    test = [case for case in cases if case.test]
    notes = [
        f"no prediction of cohort {cohort}: the model is not tested on it"
        for cohort in dict.fromkeys(case.cohort for case in test)
        if cohort not in cohorts
    ]
    for structure in tested:
        gone = [c.name for c in test if c.cohort in cohorts and (c.cohort, c.case, structure) not in there]
        if gone:
            notes.append(
                f"{structure}: {len(gone)} test cases have no prediction, "
                f"which `crossover compare` counts as the worst: {_some(gone)}"
            )
    return notes


def _extra(found: Found) -> list[str]:
    """Return messages about files that are not scored."""
    left_out = {"of training cases": found.training, "with no name of a case or structure of the study": found.unknown}
    return [f"not scored, {what}: {_some([p.name for p in paths])}" for what, paths in left_out.items() if paths]


def _turned(cases: list[str]) -> list[str]:
    return (
        [f"axes stored in another order or direction, and turned to those of the case: {_some(cases)}"] if cases else []
    )


def _nothing(folder: Path, cases: Sequence[StudyCase], found: Found) -> str:
    test = [case.name for case in cases if case.test]
    there = [path.name for path in [*found.unknown, *found.training]]
    what = f"there are {_some(there)}" if there else "there is no image file"
    return f"{folder}: no prediction of a test case; {what}. Files are called after the cases: {_some(test)}"


def _table(rows: Sequence[dict], name: str, about: TrainedOn) -> pd.DataFrame:
    table = pd.DataFrame(rows).assign(
        model=about.model(name), family=name, strategy=name, level="", n_train=about.n_train,
        replicate=about.replicate, draw=about.draw, fold=about.fold,
    )  # fmt: skip
    return table[COLUMNS].sort_values(["cohort", "case", "structure"], ignore_index=True)
