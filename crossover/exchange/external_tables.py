"""Tables of scores of other tools' masks, each with a record beside it of what its scores follow from.

A study goes on after such a table was made: patients join, masks are corrected. The record tells whether the table
still belongs to the study, wherever it is read, and whether another table is of the same predictions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crossover.core.configuration import ConfigError
from crossover.core.files import digest, file_digest, read_json, read_json_or_none, write_json
from crossover.core.wording import counted
from crossover.study.splits import read_splits


def record_path(table: Path) -> Path:
    """Return where the record of a table lies: "nnunet-n13.csv.json"."""
    return table.with_name(f"{table.name}.json")


def tested_cases(splits: pd.DataFrame) -> list[str]:
    """Return the test cases of a study's splits, "<cohort>/<case>" each."""
    own = splits[splits.part == "test"]
    return sorted(own.cohort + "/" + own.case)


def training_digest(splits: pd.DataFrame) -> str:
    """Return a digest of who is trained on, and in which draw, subset and fold."""
    own = splits[splits.part != "test"].astype(str)
    return digest(sorted(own.to_numpy().tolist()))


def evaluation_of(evaluation: Mapping[str, Any], structures: Iterable[str]) -> dict[str, Any]:
    """Return the settings by which some structures are scored; None as the tolerance of one that is none any more.

    Args:
        evaluation: of all structures, see `crossover.study.parameters.scoring`.
    """
    tolerances = evaluation["nsd_tolerance_mm"]
    return {**evaluation, "nsd_tolerance_mm": {s: tolerances.get(s) for s in structures}}


def keep(table: pd.DataFrame, record: Mapping[str, Any], path: Path) -> None:
    """Write a table and its record, each whole or not at all.

    Raises:
        ConfigError: there is a table of other predictions at `path`.
    """
    if path.exists() and not _same_predictions(read_json_or_none(record_path(path)) or {}, record):
        raise ConfigError(
            f"{path} has the scores of other predictions: name the fold or the training that these are of (--fold, "
            f"--trained-on, --model), or remove {path.name} if these replace it"
        )
    part = path.with_name(f".{path.name}.part")
    try:
        table.to_csv(part, index=False)
        write_json(record_path(path), {**record, "table": file_digest(part)})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _same_predictions(earlier: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Return whether all cases that both have were predicted alike; the study may have gained or lost some since."""
    before, now = earlier.get("predictions", {}), record["predictions"]
    both = before.keys() & now.keys()
    return bool(both) and all(before[case] == now[case] for case in both)


def check_tables(
    tables: Sequence[Path], splits: Path, manifests: Iterable[Path], evaluation: Mapping[str, Any]
) -> None:
    """Refuse tables that were made for another state of the study than the present one.

    Args:
        splits: the study's splits.csv.
        manifests: of the cohorts' cases, each in a folder called as its cohort.
        evaluation: see `crossover.study.parameters.scoring`.

    Raises:
        ValueError: naming each of them, why, and what to do.
    """
    now = read_splits(splits)
    items = {path.parent.name: read_json(path)["items"] for path in manifests}
    masks = {f"{cohort}/{case}": record["files"] for cohort, own in items.items() for case, record in own.items()}
    wrong = {path: [*_changes(path, now, masks, evaluation)] for path in tables}
    findings = [f"{path}: {'; '.join(why)}" for path, why in wrong.items() if why]
    if findings:
        what = (
            "scores of other tools' masks are not of the study as it is now: score these masks again "
            "(crossover score), or remove the tables with their .json files:"
        )
        raise ValueError("\n".join([what, *findings]))


def _changes(
    path: Path, splits: pd.DataFrame, masks: Mapping[str, Mapping], evaluation: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what has changed since a table was made."""
    record = read_json_or_none(record_path(path))
    if record is None:
        yield f"its record {record_path(path).name}, which says what was scored, is not in its folder"
        return
    if record["table"] != file_digest(path):
        yield "the table is not as it was written"
    tested, before = {*tested_cases(splits)}, {*record["test"]}
    if gone := before - tested:
        yield f"{counted(len(gone), 'case')} of the test cases then {'is' if len(gone) == 1 else 'are'} none now"
    if new := tested - before:
        yield f"{counted(len(new), 'test case')} joined since"
    if record["training"] not in (None, training_digest(splits)):
        yield "the training cases, or their subsets or folds, have changed: the model may have seen test patients"
    redrawn = [
        case
        for case, own in record["masks"].items()
        if case in tested and any(masks[case].get(name, {}).get("sha256") != was for name, was in own.items())
    ]
    if redrawn:
        yield f"the manual masks of {counted(len(redrawn), 'case')} have changed"
    if evaluation_of(evaluation, record["evaluation"]["nsd_tolerance_mm"]) != record["evaluation"]:
        yield "the study's tolerances or its smallest mask have changed"
