"""Which network, and which of a model's folds: validation scores, from the stages' records.

A record is what results/<study>/stages/<stage>/record.json holds of a training. Its validation score is the
DSC on the patients of the fold that the stage left out, by which its weights were chosen, so it is a
little better than that of patients who chose nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from crossover.study.plan import Model

CELLS = [
    "architecture", "encoder", "initial", "fold", "stage", "validation_dsc", "best_step", "steps",
    "seconds",
]  # fmt: skip
VALIDATION = [
    "model", "family", "strategy", "fold", "stage", "initial", "validation_dsc", "best_step", "steps",
    "seconds",
]  # fmt: skip

Record = Mapping[str, Any]


def cross_validation(records: Iterable[Record], cells: Sequence[tuple[str, str]] = ()) -> pd.DataFrame:
    """Return the validation scores of the selection, one row for each cell and fold.

    Args:
        records: of any stages; those that belong to no cell are left out.
        cells: (architecture, encoder) as the study orders them; by default those of the records, as they
            come. The order decides between equals (`select`).

    Returns:
        The columns `CELLS`: `validation_dsc` from 0 to 1; `initial` is the kind of weights that the training
            began with; `seconds` of the whole training. A cell whose training of a fold failed has no row of
            it.
    """
    rows = [_cell(record) for record in records if record["stage"].get("cell")]
    there = list(dict.fromkeys((row["architecture"], row["encoder"]) for row in rows))
    order = [tuple(cell) for cell in cells] or there
    kept = [row for row in rows if (row["architecture"], row["encoder"]) in order]
    kept.sort(key=lambda r: (order.index((r["architecture"], r["encoder"])), r["fold"]))
    return pd.DataFrame(kept, columns=CELLS)


def by_cell(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and SD over the folds of each cell, in the table's order.

    Args:
        table: of `cross_validation`.

    Returns:
        architecture, encoder, initial, folds, mean, sd (n - 1 below the line; NaN of one fold).
    """
    cells = table.groupby(["architecture", "encoder", "initial"], sort=False, dropna=False)
    found = cells["validation_dsc"].agg(folds="count", mean="mean", sd="std")
    return found.reset_index()


def select(table: pd.DataFrame, cells: Sequence[tuple[str, str]] = (), folds: int | None = None) -> dict[str, Any]:
    """Return the cell with the highest mean validation DSC over the folds; of equals the first.

    Cells that lack a fold's score can't be chosen: a mean over other folds is no comparison.

    Args:
        table: of `cross_validation`. cells, folds: all that were to be tried; by default those of the table.

    Returns:
        architecture, encoder, initial, validation_dsc (mean), sd, folds, how many cells it was chosen from,
            and where there are any the `incomplete` ones: their architecture, encoder and the folds that they
            lack.

    Raises:
        ValueError: no cell has every fold; the message names what each lacks.
    """
    scored = table.dropna(subset="validation_dsc")
    known = table[["architecture", "encoder"]].drop_duplicates().itertuples(index=False, name=None)
    tried = [tuple(cell) for cell in cells] or list(known)
    asked = set(range(folds) if folds else table["fold"])
    own = scored.groupby(["architecture", "encoder"], sort=False)["fold"].agg(set).to_dict()
    lacking = {cell: asked - own.get(cell, set()) for cell in tried}
    incomplete = {cell: sorted(map(int, lacks)) for cell, lacks in lacking.items() if lacks}
    if len(incomplete) == len(tried):
        lacks = "; ".join(f"{' with '.join(c)} lacks fold {_listed(f)}" for c, f in incomplete.items())
        raise ValueError(f"no network to choose from has a validation score of every fold: {lacks}")
    means = by_cell(scored)
    place = zip(means["architecture"], means["encoder"], strict=True)
    means = means[[cell in lacking and cell not in incomplete for cell in place]]
    best = means.loc[means["mean"].idxmax()]
    without = [{"architecture": a, "encoder": e, "folds": f} for (a, e), f in incomplete.items()]
    return {
        "architecture": best["architecture"],
        "encoder": best["encoder"],
        "initial": best["initial"],
        "validation_dsc": float(best["mean"]),
        "sd": None if pd.isna(best["sd"]) else float(best["sd"]),
        "folds": len(asked),
        "cells": len(means),
        **({"incomplete": without} if without else {}),
    }


def validation(records: Iterable[Record], models: Iterable[Model], failed: Collection[str] = ()) -> pd.DataFrame:
    """Return each model's score on the fold that chose its weights, with the columns `VALIDATION`.

    Args:
        records: of the models' stages and of those that they start from.
        models: of the study's plan.
        failed: stages that failed; their models have no row.

    Returns:
        One row for each model; `initial` is the kind of weights that the chain's first training began with.

    Raises:
        ValueError: a stage that did not fail has no record; the message names these stages.
    """
    by_stage = {record["stage"]["name"]: record for record in records}
    models = [model for model in models if model.stage not in failed]
    if missing := sorted({m.stage for m in models} - set(by_stage)):
        raise ValueError(f"no record of stage {', '.join(missing)}")
    rows = [_model(model, by_stage) for model in models]
    return pd.DataFrame(rows, columns=VALIDATION).astype({"fold": "Int64"})


def _cell(record: Record) -> dict[str, Any]:
    architecture, encoder = record["stage"]["cell"]
    about = {"architecture": architecture, "encoder": encoder, "initial": _initial(record)}
    return about | {"fold": record["stage"]["fold"]} | _training(record)


def _model(model: Model, by_stage: Mapping[str, Record]) -> dict[str, Any]:
    record = first = by_stage[model.stage]
    while first["stage"]["parent"] in by_stage:
        first = by_stage[first["stage"]["parent"]]
    about = {"model": model.name, "family": model.family, "strategy": model.strategy}
    return about | {"fold": model.fold, "initial": _initial(first)} | _training(record)


def _training(record: Record) -> dict[str, Any]:
    return {
        "stage": record["stage"]["name"],
        "validation_dsc": record["best_validation_dsc"],
        "best_step": record["best_step"],
        "steps": record["steps"],
        "seconds": record["seconds"],
    }


def _initial(record: Record) -> str | None:
    return (record.get("initial") or {}).get("weights")


def _listed(folds: Iterable[int]) -> str:
    return ", ".join(str(int(fold)) for fold in sorted(folds))
