"""Tables as a reader sees them: labels for names, rounded numbers, numbers to the right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.tables import p_value
from crossover.study.families import families
from crossover.study.plan import plan
from crossover.study.schema import Study

NUMBER = re.compile(r"^[<>≥≤]?\s*[-+−]?\d")
LETTERS, WORD = re.compile(r"[^\W\d_]"), 12
"""More letters than these behind a number are a sentence."""
HEADS = {
    "p": "p", "F": "F", "df_between": "df between", "df_within": "df within", "a": "Model",
    "b": "Compared with", "ci_low": "CI low", "ci_high": "CI high", "eta_squared": "η²",
    "n_train": "n", "sd": "SD", "dz": "dz",
}  # fmt: skip
Labels = dict[str, Callable[[str], str]]


@dataclass(frozen=True)
class Table:
    """Text cells.

    Attributes:
        numeric: which columns hold numbers.
        wraps: its first column is text in lines, not a name.
    """

    head: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    wraps: bool = False

    @property
    def sortable(self) -> bool:
        """Whether rows may change places: not where some are indented under others."""
        return len(self.rows) > 2 and not any(row[0].startswith(" ") for row in self.rows)


def table(frame: pd.DataFrame, study: Study, wraps: bool = False) -> Table:
    """Any frame as text; what names a model, family, test set or structure gets its label."""
    shown = frame.copy()
    if "structure" in shown and len(study.structures) == 1:
        shown = shown.drop(columns="structure")
    labels = _labels(study)
    columns = {name: [_cell(name, v, labels) for v in shown[name]] for name in shown}
    numeric = [_numeric(values) for values in columns.values()]
    head = [HEADS.get(name, _sentence(str(name))) for name in columns]
    rows = [[_unbroken(v) for v in row] for row in zip(*columns.values(), strict=True)]
    return Table([_unbroken(h) for h in head], rows, numeric, wraps)


def stability_by_fold(stability: pd.DataFrame) -> pd.DataFrame:
    """The folds of a family side by side, mean (SD), with F and p over them; the cohort where several
    are tested on."""
    rows = []
    by = ["family", "structure", "cohort"]
    for place, part in stability.groupby(by, sort=False):
        folds = {
            f"Fold {int(r.fold) + 1}": f"{r.mean:.2f}" + ("" if pd.isna(r.sd) else f" ({r.sd:.2f})")
            for r in part.itertuples()
        }
        first = part.iloc[0]
        row = dict(zip(by, place, strict=True)) | folds
        rows.append(row | {"F": first["F"], "p": first["p"]})
    table = pd.DataFrame(rows)
    return table if stability["cohort"].nunique() > 1 else table.drop(columns="cohort")


def _cell(column: str, value: Any, labels: Labels) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, str):
        return labels.get(column, lambda v: v)(value)
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    if column == "p":
        return p_value(float(value))
    if float(value).is_integer() and (pd.api.types.is_integer(value) or abs(value) >= 1):
        return f"{int(value)}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def _labels(study: Study) -> Labels:
    """Column -> what its names read as; a name that the study doesn't know stays as it is."""
    models = {m.name: m for m in plan(study).models.values()}
    known = {name: style.family_label(study, name) for name in families(study)}
    sets = {name: style.test_set_label(study, name) for name in style.test_sets(study)}

    def model(name: str) -> str:
        if name not in models:
            return name
        label = known[models[name].family]
        return f"{label}, n = {models[name].n_train}" if models[name].n_train else label

    def family(name: str) -> str:
        return known.get(name, name)

    def structure(name: str) -> str:
        return study.structures[name].label if name in study.structures else name

    return {
        "model": model, "a": model, "b": model, "family": family, "structure": structure,
        "test_set": lambda name: sets.get(name, name),
        "cohort": lambda name: sets.get(name, name),
    }  # fmt: skip


def _unbroken(text: str) -> str:
    """ "n = 64" on one line."""
    return text.replace(" = ", "\u00a0=\u00a0")


def _numeric(values: list[str]) -> bool:
    written = [v for v in values if v not in ("", "–")]
    return bool(written) and all(
        NUMBER.match(v) and len(LETTERS.findall(v)) <= WORD for v in written
    )


def _sentence(name: str) -> str:
    """A column's name as a head; what is written as text already stays."""
    if not (name.isidentifier() and name.islower() and len(name) > 1):
        return name
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
