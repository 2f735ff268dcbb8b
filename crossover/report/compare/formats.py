"""Scores as other tools write them: a table, nnU-Net's summary.json, MONAI's <metric>_raw.csv.

nnU-Net 2 (`nnUNetv2_evaluate_folder`, validation of a fold): {"metric_per_case": [{"reference_file",
"prediction_file", "metrics": {label or region: {"Dice", "IoU", ...}}}], ...}. nnU-Net 1 (`nnUNet_evaluate_folder`):
{"results": {"all": [{label: {"Dice", "Jaccard", ...}, "reference", "test"}], ...}}, the background as label 0.
A label that is in neither mask has no score (NaN). MONAI (`MetricsSaver`, `write_metrics_reports`): a column
`filename`, one for each class, and their `mean`; what is measured stands in the file's name alone. Separated by
commas, before MONAI 0.9 by tabs.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from crossover.core.tables import Table, TableError, named_rows, numbers, read_table
from crossover.report.compare.roles import ROLES, Said, assign, hint
from crossover.statistics.metrics_table import METRICS
from crossover.statistics.scales import DIAGONAL

_SUFFIXES = (
    ".nii.gz",
    ".nii",
    ".nrrd",
    ".mha",
    ".mhd",
    ".npz",
    ".png",
    ".tif",
    ".tiff",
    ".mgz",
    ".nii.zip",
)
_WHOLE = ("n_train", "replicate", "draw", "fold")
_NO_NAME = "the model has no name: give it as NAME=PATH"
_HAUSDORFF = {"Hausdorff Distance": "hd_mm"}  # nnU-Net 1 has both, and says which is the percentile


@dataclass
class Scores:
    """What one file says.

    Attributes:
        rows: text columns by role (`roles.ROLES`), and metrics.
        called: the file's own names of columns and metrics.
    """

    rows: pd.DataFrame
    called: set[str]
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def read_scores(source: str, said: Said) -> Scores:
    """Read one file, `PATH` or `NAME=PATH`; NAME is the model where the file names none.

    Returns:
        Its scores; notes and findings name the file.

    Raises:
        TableError: naming the file that is none of these or can't be read, and why.
    """
    name, path = _named(source)
    try:
        scores = _read(path, name, said)
    except (TableError, OSError) as error:
        raise TableError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    scores.notes = [f"{path}: {note}" for note in scores.notes]
    scores.findings = [f"{path}: {finding}" for finding in scores.findings]
    return scores


def _named(source: str) -> tuple[str, Path]:
    name, equals, path = source.partition("=")
    return (name.strip(), Path(path)) if equals and not Path(source).exists() else ("", Path(source))


def _read(path: Path, name: str, said: Said) -> Scores:
    if not path.is_file():
        raise TableError("a folder, not a file" if path.is_dir() else "there is no such file")
    if path.suffix.lower() == ".json":
        return _nnunet(_json(path), path, name, said)
    table = read_table(path, repeated=("mean",))
    if list(table.rows)[:1] == ["filename"] and "mean" in table.rows:
        return _monai(table, path, name, said)
    return _tidy(table, name, said)


def _json(path: Path) -> Any:
    """UTF-8, UTF-16 or UTF-32, with or without a byte order mark; NaN and Infinity may stand in it."""
    try:
        return json.loads(path.read_bytes())
    except UnicodeDecodeError as error:
        raise TableError(f"byte {error.start + 1} is no {error.encoding}: save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise TableError(f"no JSON, so that it is no summary of nnU-Net: {error}") from None


def _tidy(table: Table, name: str, said: Said) -> Scores:
    rows, notes, findings = assign(table.rows, said)
    for column in rows:
        if column in ROLES and column not in (*_WHOLE, DIAGONAL):
            continue
        rows[column], wrong = numbers(rows[column], table.decimal)
        findings += wrong
        if column in _WHOLE and (rows[column].dropna() % 1 == 0).all():
            rows[column] = rows[column].astype("Int64")
    for column in ("model", "case", "structure", "cohort"):
        if column in rows and (blank := rows.index[rows[column] == ""].tolist()):
            findings.append(f"{column}: empty in {named_rows(blank)}")
    if name and "model" not in rows:
        rows, notes = rows.assign(model=name), [*notes, f"the model is {name!r}"]
    return Scores(rows, set(table.rows), table.notes + notes, findings)


def _nnunet(content: Any, path: Path, name: str, said: Said) -> Scores:
    cases, first = _cases(content)
    findings = [] if name else [_NO_NAME]
    rows: list[dict] = []
    called: set[str] = set()
    for place, case in enumerate(cases):
        try:
            for about, metrics in _labels(case, first):
                called |= set(metrics)
                rows.append(about | _known(metrics, said))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            findings.append(f"{'results.all' if first else 'metric_per_case'}[{place}]: {_why(error)}")
    table = pd.DataFrame(rows).assign(model=name or path.name)
    if table.empty or set(table) <= {"model", "case", "structure"}:
        findings = findings or ["no case with a score that is known"]
        return Scores(table, called, [], findings)
    notes = [f"nnU-Net {1 if first else 2}'s summary; a structure is a label or region"]
    if (background := table["structure"] == "label 0").any():
        table = table[~background]
        notes.append("label 0 is the background and left out")
    return Scores(table.reset_index(drop=True), called, notes, findings)


def _cases(content: Any) -> tuple[list, bool]:
    """The list of cases, and whether it is nnU-Net 1's."""
    if isinstance(content, dict):
        if isinstance(cases := content.get("metric_per_case"), list) and cases:
            return cases, False
        results = content.get("results")
        if isinstance(results, dict) and isinstance(cases := results.get("all"), list) and cases:
            return cases, True
    raise TableError(
        "no list of cases, metric_per_case (nnU-Net 2) or results.all (nnU-Net 1): not a summary.json of nnU-Net"
    )


def _labels(case: dict, first: bool) -> Iterator[tuple[dict, dict]]:
    """(case and structure, its metrics); in nnU-Net 1 labels stand beside the files' names."""
    labels = case if first else case["metrics"]
    name = (case.get("reference") or case["test"]) if first else case["reference_file"]
    if not isinstance(name, str):
        raise ValueError(f"the case's file is no name: {name!r}")
    for label, metrics in labels.items():
        if isinstance(metrics, dict):
            yield {"case": stem(name), "structure": f"label {label}"}, metrics


def _known(metrics: dict, said: Said) -> dict[str, float]:
    ours = {theirs: said.metric(theirs) or _HAUSDORFF.get(theirs, "") for theirs in metrics}
    return {m: _number(metrics[theirs], theirs) for theirs, m in ours.items() if m}


def _number(value: Any, name: str) -> float:
    if value is None:
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is no number: {value!r}") from None


def _why(error: Exception) -> str:
    return (
        f"no {error}" if isinstance(error, KeyError) else str(error) if isinstance(error, ValueError) else "no mapping"
    )


def _monai(table: Table, path: Path, name: str, said: Said) -> Scores:
    called = path.name.split(".")[0].removesuffix("_raw")
    metric = said.metric(called)
    findings = [] if name else [_NO_NAME]
    if not metric:
        findings.append(
            f"the file's name tells no metric that is known ({', '.join(METRICS)}): "
            + (hint(called) or f"say --metric {called} to have it compared as what it is")
        )
        return Scores(pd.DataFrame(), {called}, [], findings)
    wide = table.rows
    classes = [c for c in wide if c not in ("filename", "mean")]
    short = {file: stem(file) for file in wide["filename"]}
    if len(set(short.values())) < len(short):  # the folders tell the cases apart
        short = {file: file for file in short}
    parts = []
    for structure in classes:
        values, wrong = numbers(wide[structure], table.decimal)
        findings += wrong
        part = {"case": wide["filename"].map(short), "structure": structure, metric: values}
        parts.append(pd.DataFrame(part))
    rows = pd.concat(parts, ignore_index=True).assign(model=name or path.name)
    note = f"MONAI's raw scores, {called} is {metric}, of {', '.join(classes)}; the first may be the background"
    return Scores(rows, {called}, [*table.notes, note], findings)


def stem(file: str) -> str:
    """A file's name without folders and without the extension of an image."""
    name = PurePosixPath(file.replace("\\", "/")).name.strip()
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)]
