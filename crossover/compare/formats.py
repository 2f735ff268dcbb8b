"""Scores as other tools write them: a tidy CSV, nnU-Net's summary.json, MONAI's <metric>_raw.csv.

nnU-Net v2 (`nnUNetv2_evaluate_folder`, validation of a fold): {"metric_per_case": [{"reference_file",
"prediction_file", "metrics": {label or region: {"Dice", "IoU", ...}}}], ...}. A label that is in neither mask has
no score (NaN). MONAI (`MetricsSaver`, `write_metrics_reports`): a column `filename`, one for each class, and their
`mean`; what is measured stands in the file's name alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from crossover.statistics.metrics_table import METRICS, TableError

ALIASES = {
    "method": "model", "case_id": "case", "patient": "case", "subject": "case", "label": "structure",
    "organ": "structure", "class": "structure", "site": "cohort", "center": "cohort", "dataset": "cohort",
    "n": "n_train", "seed": "replicate", "dice": "dsc", "jaccard": "iou", "hd95": "hd95_mm",
    "surface_dice": "nsd",
}  # fmt: skip
"""Other tools' names of columns, in lower case."""
COLUMNS = ("model", "family", "strategy", "level", "n_train", "replicate", "fold", "cohort", "case",
           "structure", *METRICS)  # fmt: skip
_NNUNET = {"Dice": "dsc", "IoU": "iou"}
_MONAI = (("surface_dice", "nsd"), ("dice", "dsc"), ("iou", "iou"))
_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".npz", ".png", ".tif", ".tiff")
_UNKNOWN = {"", "NA", "NaN", "nan", "None"}


def read_scores(source: str) -> tuple[pd.DataFrame, list[str]]:
    """Read one file, `PATH` or `NAME=PATH`; NAME is the model where the file names none.

    Returns:
        The columns of `COLUMNS` that it has, text and numbers as text, no score missing; and what was
        understood, a sentence each.

    Raises:
        TableError: naming the file and all that is wrong with it.
    """
    name, path = _named(source)
    try:
        table, notes = _read(path, name)
    except TableError as error:
        raise TableError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    return table, [f"{path}: {note}" for note in notes]


def _named(source: str) -> tuple[str, Path]:
    name, equals, path = source.partition("=")
    return (
        (name.strip(), Path(path)) if equals and not Path(source).exists() else ("", Path(source))
    )


def _read(path: Path, name: str) -> tuple[pd.DataFrame, list[str]]:
    if not path.is_file():
        raise TableError("there is no such file")
    try:
        if path.suffix == ".json":
            return _nnunet(json.loads(path.read_text()), name)
        with path.open(newline="", encoding="utf-8-sig") as file:
            head = next(csv.reader(file), [])
        if head[:1] == ["filename"] and "mean" in head:
            return _monai(path, name)
        return _tidy(path, name)
    except (UnicodeDecodeError, json.JSONDecodeError, pd.errors.ParserError) as error:
        raise TableError(f"neither a table nor nnU-Net's summary: {error}") from None


def _tidy(path: Path, name: str) -> tuple[pd.DataFrame, list[str]]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise TableError("the table is empty") from None
    called = {column: str(column).strip().lower() for column in table}
    taken = {c for c in called.values() if c in COLUMNS}
    called = {
        column: ALIASES[own] if ALIASES.get(own, own) not in {own, *taken} else own
        for column, own in called.items()
    }
    notes = [f"{a} is {b}" for a, b in called.items() if b in COLUMNS and a.lower() != b]
    if ignored := [str(a) for a, b in called.items() if b not in COLUMNS]:
        notes.append(f"ignored: {', '.join(ignored)}")
    table = table.rename(columns=called)
    table = table.loc[:, ~table.columns.duplicated()]
    table = table[[column for column in COLUMNS if column in table]]
    if name and "model" not in table:
        table, notes = table.assign(model=name), [*notes, f"model is {name!r}"]
    return table, notes


def _nnunet(content: Any, name: str) -> tuple[pd.DataFrame, list[str]]:
    cases = content.get("metric_per_case") if isinstance(content, dict) else None
    if not isinstance(cases, list) or not cases:
        raise TableError("no metric_per_case: not nnU-Net's summary.json")
    findings = [] if name else ["the model has no name: give it as NAME=PATH"]
    rows: list[dict] = []
    for place, case in enumerate(cases):
        try:
            rows += _of_case(case)
        except (KeyError, TypeError, AttributeError) as error:
            findings.append(f"metric_per_case[{place}]: no {error}, or it is no mapping")
    if findings:
        raise TableError("\n".join(findings))
    table = pd.DataFrame(rows).assign(model=name)
    scored = table.dropna(subset="dsc")
    notes = ["nnU-Net's summary; a structure is a label or region"]
    if empty := len(table) - len(scored):
        notes.append(f"{empty} scores of labels that are in neither mask are left out")
    return scored, notes


def _of_case(case: dict) -> Iterator[dict]:
    about = {"case": _stem(case["reference_file"])}
    for label, metrics in case["metrics"].items():
        scores = {ours: metrics[theirs] for theirs, ours in _NNUNET.items() if theirs in metrics}
        scores.setdefault("dsc", metrics["Dice"])
        yield about | {"structure": f"label {label}"} | scores


def _monai(path: Path, name: str) -> tuple[pd.DataFrame, list[str]]:
    metric = next((ours for word, ours in _MONAI if word in path.stem.lower()), None)
    findings = [] if name else ["the model has no name: give it as NAME=PATH"]
    if metric is None:
        words = ", ".join(word for word, _ in _MONAI)
        findings.append(f"the file's name tells no metric that we know: {words}")
    if findings:
        raise TableError("\n".join(findings))
    wide = pd.read_csv(path, dtype=str, keep_default_na=False)
    # a second metric's header has `mean` twice in some versions
    classes = [c for c in wide if c != "filename" and not str(c).startswith("mean")]
    long = wide.melt(["filename"], classes, "structure", metric)
    long = long[~long[metric].isin(_UNKNOWN)]
    short = {file: _stem(file) for file in wide["filename"]}
    if len(set(short.values())) < len(short):  # the folders tell the cases apart
        short = {file: file for file in short}
    table = long.assign(case=long["filename"].map(short), model=name).drop(columns="filename")
    note = f"MONAI's raw scores of {', '.join(classes)}; the first may be the background"
    return table, [note]


def _stem(file: str) -> str:
    name = PurePosixPath(str(file).replace("\\", "/")).name
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name.removesuffix(name[len(name) - len(suffix) :]) if suffix else name
