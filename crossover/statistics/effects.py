"""Effects of models from the tidy table of metrics, by the model of chance (`statistics.chance`).

Where every model was trained once, the spread between trainings is taken from what else the study has
(`resampling.study_spread`); where nothing tells it, an effect is one of these trained models only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from crossover.statistics.chance import Effect, Spread, effect
from crossover.statistics.resampling import study_spread

CASE = ["cohort", "case"]


def with_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `metrics_table.tested` with column `run`, "replicate/fold": the training of each row.

    The fold is empty outside k-fold.
    """
    fold = table["fold"].astype("string").fillna("")
    return table.assign(run=table["replicate"].astype(str) + "/" + fold)


def by_training(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the scores of one model (family and size) on one structure: cases by (cohort, case) x trainings.

    Args:
        rows: of `with_runs`; cases without a score are left out.
    """
    return rows.dropna(subset=metric).pivot(index=CASE, columns="run", values=metric)


def effect_of(
    models: Sequence[pd.DataFrame],
    weights: Sequence[float],
    spread: Callable[[], Spread | None],
) -> Effect:
    """Estimate a weighted sum of models' means over the same cases.

    A model that lacks a case in some training counts by each case's mean over its trainings. Folds are paired, since
    the models of a fold are trained on the same patients.

    Args:
        models: cases by (cohort, case) x trainings, with one index; finite or missing.
        spread: asked for the spread between trainings where every model has one.
    """
    complete = [m if m.notna().all(axis=None) else m.mean(axis=1).to_frame("mean") for m in models]
    known = spread() if all(m.shape[1] == 1 for m in complete) else None
    runs = {tuple(map(str, m)) for m in complete}
    if len(complete) > 1 and len(runs) == 1 and all(not run.endswith("/") for run in min(runs)):
        first, *others = (w * m for w, m in zip(weights, complete, strict=True))
        complete, weights = [sum(others, start=first)], [1.0]
    strata = models[0].index.get_level_values("cohort").to_numpy()
    return effect([m.to_numpy(float) for m in complete], weights, strata, known)


class Spreads:
    """The spread between trainings of each structure of a test set, worked out when first asked for.

    Args:
        table: of `with_runs`, of one test set.
    """

    def __init__(self, table: pd.DataFrame, metric: str) -> None:
        self._table, self._metric = table, metric
        self._known: dict[str | None, Spread | None] = {}

    def of(self, structure: str | None) -> Callable[[], Spread | None]:
        """Return what `effect_of` asks; None stands for each case's mean over the structures."""

        def ask() -> Spread | None:
            if structure not in self._known:
                rows = self._table.dropna(subset=self._metric)
                rows = rows if structure is None else rows[rows["structure"] == structure]
                self._known[structure] = study_spread(rows, self._metric)
            return self._known[structure]

        return ask
