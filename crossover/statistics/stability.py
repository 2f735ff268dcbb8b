"""Does a model depend on which patients it was trained on? Its scores across k folds."""

from __future__ import annotations

import pandas as pd

from crossover.statistics.comparisons import one_way

STABILITY = [
    "family", "strategy", "level", "n_train", "structure", "folds",
    "fold", "cases", "mean", "sd", "F", "df_between", "df_within", "p",
]  # fmt: skip


def stability(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One-way ANOVA of a metric across the folds of each family that has folds.

    Returns one row for each family, structure and fold: family, strategy, level, n_train,
    structure, folds (how many), fold, cases, mean, sd (of the cases left out in that fold), and
    F, df_between, df_within, p of the family's folds, the same in all its rows. A small p says that
    the folds differ. F and p are NaN where a fold has fewer than two cases, there is one fold, or
    no variance inside any fold. Empty, with these columns, for a table without folds.

    Raises:
        ValueError: the table has no such metric.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    rows = []
    by = ["family", "strategy", "level", "n_train", "structure"]
    folded = table[table["fold"].notna()].dropna(subset=metric)
    for place, part in folded.groupby(by, sort=False):
        folds = {fold: values for fold, values in part.groupby("fold")[metric]}
        found = one_way({str(fold): v.to_numpy(float) for fold, v in folds.items()})
        for fold, values in folds.items():
            own = {"folds": len(folds), "fold": int(fold), "cases": len(values)}
            own |= {"mean": values.mean(), "sd": values.std()}
            rows.append(dict(zip(by, place, strict=True)) | own | found)
    return pd.DataFrame(rows, columns=STABILITY)
