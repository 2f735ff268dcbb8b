"""Scores of segmentations as other tools write them: nnU-Net's summary.json, MONAI's <metric>_raw.csv.

nnU-Net 2 (`nnUNetv2_evaluate_folder`, validation of a fold): {"metric_per_case": [{"reference_file", "prediction_file",
"metrics": {label or region: {"Dice", "IoU", ...}}}], ...}. nnU-Net 1 (`nnUNet_evaluate_folder`): {"results": {"all":
[{label: {"Dice", "Jaccard", ...}, "reference", "test"}], ...}}, the background as label 0. A label that is in neither
mask has no score (NaN); one in the prediction alone has 0, and n_ref is 0. MONAI (`MetricsSaver`,
`write_metrics_reports`): a column `filename`, one for each class, and their `mean`; what is measured stands in the
file's name alone. Separated by commas, before MONAI 0.9 by tabs.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from crossover.core.cells import TableError, numbers
from crossover.core.image_names import stem
from crossover.core.tables import RawTable

MetricOf = Callable[[str], str]
"""A tool's name for a metric -> ours; "" for one that isn't known."""
_NO_NAME = "the model has no name: give it as NAME=PATH"
MANUAL = "volume_manual_ml"
_REFERENCE = ("n_ref", "Total Positives Reference")
"""What nnU-Net 2 and 1 call the number of voxels that a label has in the reference."""
_HAUSDORFF = {"Hausdorff Distance": "hd_mm"}  # nnU-Net 1 has both, and says which is the percentile


@dataclass
class ScoreFile:
    """What one file says.

    Attributes:
        rows: a row for each model, case and structure, with a column for each metric.
        called: the file's own names of columns and metrics.
        notes: how the file was read, a sentence each.
        findings: what is wrong with it, a sentence each.
    """

    rows: pd.DataFrame
    called: set[str]
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def nnunet(path: Path, name: str, metric_of: MetricOf) -> ScoreFile:
    """Read a summary.json of nnU-Net 1 or 2.

    Args:
        name: the model's; "" gives a finding, since the file names none.

    Raises:
        TableError: the file is no JSON, or no summary of nnU-Net.
    """
    cases, first = _cases(_json(path))
    findings = [] if name else [_NO_NAME]
    rows: list[dict] = []
    called: set[str] = set()
    for place, case in enumerate(cases):
        try:
            for about, metrics in _labels(case, first):
                called |= set(metrics)
                rows.append(about | _known(metrics, metric_of) | _reference(metrics))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            findings.append(f"{'results.all' if first else 'metric_per_case'}[{place}]: {_why(error)}")
    table = pd.DataFrame(rows).assign(model=name or path.name)
    if table.empty or set(table) <= {"model", "case", "structure", MANUAL}:
        findings = findings or ["no case with a score that is known"]
        return ScoreFile(table, called, [], findings)
    notes = [f"nnU-Net {1 if first else 2}'s summary; a structure is a label or region"]
    if (background := table["structure"] == "label 0").any():
        table = table[~background]
        notes.append("label 0 is the background and left out")
    return ScoreFile(table.reset_index(drop=True), called, notes, findings)


def is_monai(table: RawTable) -> bool:
    """Return whether a table has the columns of MONAI's raw scores."""
    return list(table.rows)[:1] == ["filename"] and "mean" in table.rows


def monai_metric(path: Path) -> str:
    """Return what MONAI calls the metric of a file, which stands in its name alone."""
    return path.name.split(".")[0].removesuffix("_raw")


def monai(table: RawTable, path: Path, name: str, metric: str) -> ScoreFile:
    """Return the scores of a table that `is_monai`.

    Args:
        name: the model's; "" gives a finding, since the file names none.
        metric: our name of the file's metric; "" for one that isn't known, of which no row is read.
    """
    called = monai_metric(path)
    findings = [] if name else [_NO_NAME]
    if not metric:
        return ScoreFile(pd.DataFrame(), {called}, [], findings)
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
    return ScoreFile(rows, {called}, [*table.notes, note], findings)


def _json(path: Path) -> Any:
    """Read JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark; NaN and Infinity may stand in it."""
    try:
        return json.loads(path.read_bytes())
    except UnicodeDecodeError as error:
        raise TableError(f"byte {error.start + 1} is not valid {error.encoding}: save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise TableError(f"this is not JSON, and so not a summary of nnU-Net: {error}") from None


def _cases(content: Any) -> tuple[list, bool]:
    """Return the list of cases, and whether it is nnU-Net 1's."""
    if isinstance(content, dict):
        if isinstance(cases := content.get("metric_per_case"), list) and cases:
            return cases, False
        results = content.get("results")
        if isinstance(results, dict) and isinstance(cases := results.get("all"), list) and cases:
            return cases, True
    raise TableError(
        "this is not a summary.json of nnU-Net: it has no cases in metric_per_case (nnU-Net 2) or results.all "
        "(nnU-Net 1)"
    )


def _labels(case: dict, first: bool) -> Iterator[tuple[dict, dict]]:
    """Yield (case and structure, its metrics); in nnU-Net 1 labels stand beside the files' names."""
    labels = case if first else case["metrics"]
    name = (case.get("reference") or case["test"]) if first else case["reference_file"]
    if not isinstance(name, str):
        raise ValueError(f"the case's file is not a name: {name!r}")
    for label, metrics in labels.items():
        if isinstance(metrics, dict):
            yield {"case": stem(name), "structure": f"label {label}"}, metrics


def _known(metrics: dict, metric_of: MetricOf) -> dict[str, float]:
    ours = {theirs: metric_of(theirs) or _HAUSDORFF.get(theirs, "") for theirs in metrics}
    return {m: _number(metrics[theirs], theirs) for theirs, m in ours.items() if m}


def _reference(metrics: dict) -> dict[str, float]:
    """Return a volume of 0 where the reference has no voxel of a label; nothing tells that of others in ml."""
    return {MANUAL: 0.0 if any(metrics.get(name) == 0 for name in _REFERENCE) else float("nan")}


def _number(value: Any, name: str) -> float:
    if value is None:
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not a number: {value!r}") from None


def _why(error: Exception) -> str:
    return (
        f"it has no {error}"
        if isinstance(error, KeyError)
        else str(error)
        if isinstance(error, ValueError)
        else "it is not a JSON object of the expected form"
    )
