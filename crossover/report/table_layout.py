"""Tables as a reader sees them: labels for names, rounded numbers, numbers to the right."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.formats import number, p_value, whole
from crossover.statistics.scores.metrics_table import MEAN_NAME, POOLED
from crossover.study.families import families
from crossover.study.plan import plan
from crossover.study.schema import Study

NUMBER = re.compile(r"^[<>≥≤]?\s*[-+−]?\d")
LETTERS, WORD = re.compile(r"[^\W\d_]"), 12
"""More letters than these behind a number are a sentence."""
HEADS = {
    "a": "Model", "b": "Compared with", "family_a": "Model", "family_b": "Compared with",
    "ci_low": "CI low", "ci_high": "CI high", "df_between": "df between", "df_within": "df within",
    "eta_squared": "η²", "n_train": "n", "model_label": "Model", "ahead": "Was ahead", "rank_biserial": "r",
    "cohen_dz": "dz", "p_wilcoxon": "p, signed rank", "p_wilcoxon_asymptotic": "p, asymptotic",
    "p_wilcoxon_exact": "p, exact", "p_t": "p, paired t", "p_holm": "p, Holm", "p_theirs": "p, theirs",
    "p_westfall_young": "p, Westfall-Young", "label": "Cohort", "test_cases": "of them for testing",
    "ci": "CI, patients", "ci_wide": "CI, and trainings",
    "better": "Better", "worse": "Worse", "best_fold_gain": "Best folds",
}  # fmt: skip
"""Column of a frame -> its head; other names are written as words, "published_" as ", published"."""
FORMATS = {
    **dict.fromkeys(("difference", "ci_low", "ci_high"), lambda value: number(value, 3)),
    **dict.fromkeys(("statistic", "rank_biserial", "cohen_dz"), number),
    "W": lambda rank_sum: number(rank_sum, 1),
}
"""Column of a frame -> the form of its numbers; p values have theirs, and others have two decimals."""
Labels = dict[str, Callable[[str], str]]


@dataclass(frozen=True)
class TextTable:
    """A table whose cells are text.

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
        """Whether rows may change places, which they may not where some are indented under others."""
        return len(self.rows) > 2 and not any(row[0].startswith(" ") for row in self.rows)


def table(frame: pd.DataFrame, study: Study, wraps: bool = False) -> TextTable:
    """Return any frame as text; what names a model, family, test set or structure gets its label.

    Columns without text in any row are left out, and the structure where there is only one.
    """
    if "structure" in frame and len(study.structures) == 1:
        frame = frame.drop(columns="structure")
    labels = _labels(study)
    cells = {name: [_cell(name, v, labels) for v in frame[name]] for name in frame}
    columns = {name: texts for name, texts in cells.items() if any(texts)}
    head = [_head(str(name)) for name in columns]
    rows = [[_unbroken(v) for v in row] for row in zip(*columns.values(), strict=True)]
    numeric = [_numeric(texts) for texts in columns.values()]
    return TextTable([_unbroken(h) for h in head], rows, numeric, wraps)


def across(frame: pd.DataFrame, keys: Sequence[str], cells: Callable[[Any], Mapping[str, str]]) -> pd.DataFrame:
    """Return one row for each value of the keys, with the cells (head -> text) of all of its rows.

    Heads stand in the order in which they first come; a cell that no row gives is "".
    """
    lines: dict[tuple, dict[str, str]] = {}
    for row in frame.itertuples():
        key = tuple(getattr(row, name) for name in keys)
        lines.setdefault(key, {}).update(cells(row))
    rows = [dict(zip(keys, key, strict=True)) | line for key, line in lines.items()]
    return pd.DataFrame(rows).fillna("") if rows else pd.DataFrame(columns=list(keys))


def _cell(column: str, value: Any, labels: Labels) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, str):
        return labels.get(column, lambda v: v)(value)
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    if column == "p" or column.startswith("p_"):
        return p_value(float(value))
    if column in FORMATS:
        return FORMATS[column](value)
    if float(value).is_integer() and (pd.api.types.is_integer(value) or abs(value) >= 1):
        return whole(value)
    return number(value, 2 if abs(value) < 100 else 0)


def _labels(study: Study) -> Labels:
    """Return column -> what its names read as; a name that the study doesn't know stays as it is."""
    models = {m.name: m for m in plan(study).models.values()}
    known = {name: style.family_label(study, name) for name in families(study)}
    sets = {name: style.test_set_label(study, name) for name in style.test_sets(study)}
    structures = {name: s.label for name, s in study.structures.items()} | {POOLED: MEAN_NAME.capitalize()}

    def model(name: str) -> str:
        if name not in models:
            return known.get(name, name)
        label, n = known[models[name].family], models[name].n_train
        return f"{label}, n = {n}" if n else label

    def in_words(names: dict[str, str]) -> Callable[[str], str]:
        return lambda name: names.get(name, name)

    labels = {"structure": structures, "test_set": sets, "cohort": sets}
    labels |= dict.fromkeys(("family", "family_a", "family_b", "ahead", "overtakes"), known)
    return {"model": model, "a": model, "b": model} | {c: in_words(n) for c, n in labels.items()}


def _unbroken(text: str) -> str:
    """Return "n = 64" on one line."""
    return text.replace(" = ", "\u00a0=\u00a0")


def _numeric(values: list[str]) -> bool:
    written = [v for v in values if v not in ("", "–")]
    return bool(written) and all(NUMBER.match(v) and len(LETTERS.findall(v)) <= WORD for v in written)


def _head(name: str) -> str:
    """Return a column's name as a head; what is written as text already stays."""
    if name.startswith("published_"):
        return f"{_head(name.removeprefix('published_'))}, published"
    if name in HEADS or not (name.isidentifier() and name.islower() and len(name) > 1):
        return HEADS.get(name, name)
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
