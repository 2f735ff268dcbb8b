"""A table of scores with the columns that it lacks: what is filled in is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from crossover.compare.formats import ALIASES, read_scores
from crossover.statistics.metrics_table import METRICS, POOLED, TableError, check_metrics

DEFAULTS = {
    "level": "", "n_train": 0, "replicate": 0, "fold": None, "cohort": "test", "structure": "structure",
}  # fmt: skip
_SAID = {
    "n_train": "no column n_train: models have no training sizes",
    "cohort": "no column cohort: all cases are one test set, 'test'",
    "structure": "no column structure: every case has one, 'structure'",
}
_NEEDED = ("model", "case")
_TRAININGS = ["level", "n_train", "replicate", "fold"]


def read_all(sources: Sequence[str], metric: str) -> tuple[pd.DataFrame, list[str]]:
    """Read files as `formats.read_scores` does, put them together and complete them.

    Returns:
        A table as of `metrics_table.check_metrics`, whose only certain metric is `metric`; and what was
        understood and filled in, a sentence each.

    Raises:
        TableError: all that is wrong with all files.
    """
    tables, notes, findings = {}, [], []
    for source in sources:
        try:
            tables[source], told = read_scores(source)
            notes += told
        except TableError as error:
            findings.append(str(error))
    for source, table in tables.items():
        findings += [f"{source}: {finding}" for finding in _lacking(table, metric, tables.values())]
    if findings:  # what else is wrong with each by itself
        for source, table in tables.items():
            findings += [f"{source}: {finding}" for finding in _wrong(table)]
        raise TableError("\n".join(dict.fromkeys(findings)))
    place = f"{sources[0]}: " if len(tables) == 1 else ""
    try:
        completed, told = _complete(_joined(list(tables.values())))
    except TableError as error:
        lines = str(error).splitlines()
        raise TableError("\n".join(place + line for line in lines)) from None
    return completed, [*notes, *told]


def _wrong(table: pd.DataFrame) -> list[str]:
    try:
        _complete(table)
    except TableError as error:
        return str(error).splitlines()
    return []


def _lacking(table: pd.DataFrame, metric: str, tables: Iterable[pd.DataFrame]) -> list[str]:
    """Columns that a file lacks; the metric may stand in another file of the same models."""
    found = []
    for column in _NEEDED:
        if column not in table:
            others = [name for name, ours in ALIASES.items() if ours == column]
            found.append(f"no column {column} (nor {', '.join(others)})")
    elsewhere = {m for t in tables if metric in t and "model" in t for m in t["model"]}
    if metric not in table and not ("model" in table and set(table["model"]) <= elsewhere):
        there = [m for m in METRICS if m in table]
        have = f"it has {', '.join(there)}" if there else f"known are {', '.join(METRICS)}"
        found.append(f"no column {metric}; {have}")
    if table.empty:
        found.append("the table has no rows")
    return found


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Files of one model with different metrics stand side by side, all others one below the other."""
    out = tables[0]
    for table in tables[1:]:
        keys = [c for c in table if c not in METRICS and c in out]
        own = [c for c in table if c in METRICS]
        same = set(own).isdisjoint(out.columns) and set(map(tuple, table[keys].to_numpy())) <= set(
            map(tuple, out[keys].to_numpy())
        )
        out = out.merge(table, "left", keys) if same else pd.concat([out, table], ignore_index=True)
    return out


def _complete(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    notes = [text for column, text in _SAID.items() if column not in table]
    for column, value in DEFAULTS.items():
        if column not in table:
            table = table.assign(**{column: value})
        elif column in _SAID:
            table = table.assign(**{column: table[column].fillna(str(value))})
    # to tell all else that is wrong where these are missing
    table = table.assign(**{
        column: [f"row {i + 2}" for i in range(len(table))] if column == "case" else "model"
        for column in _NEEDED if column not in table
    })  # fmt: skip
    if (table["structure"] == POOLED).any() and table["structure"].nunique() > 1:
        raise TableError(
            "structure: 'all' is the name of all structures together; leave these rows out"
        )
    several = table.groupby("model")[_TRAININGS].nunique(dropna=False).max(axis=1) > 1
    if several.any() and "family" not in table:
        table = _with_trainings(table)
        notes.append(
            "a model with several n_train, replicates, folds or levels is a family of such"
        )
    required = ("model", "level", "n_train", "replicate", "fold", "cohort", "case", "structure")
    return check_metrics(table, required), notes


def _with_trainings(table: pd.DataFrame) -> pd.DataFrame:
    """One name for each training: the model is what the others are the same for, the family."""
    names = table["model"].astype(str)
    levels = table["level"].fillna("").astype(str)
    family = names + ("-" + levels).where(levels != "", "")
    model = family.copy()
    for column, letter in (("n_train", "n"), ("replicate", "r"), ("fold", "f")):
        values = table[column].astype("string").fillna("")
        first = values == "" if column == "fold" else values.isin(["", "0"])
        model += ("-" + letter + values).where(~first, "")
    return table.assign(model=model, family=family, strategy=names)
