"""Scores of a run by case and training, and the paper's printed means beside them."""

import math
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from crossover.statistics.estimates.chance import Spread
from crossover.statistics.estimates.resampling import study_spread
from crossover.statistics.papers.claims.parts import Missing
from crossover.statistics.scores.metrics_table import POOLED, tested, with_runs
from crossover.statistics.scores.scales import DIAGONAL

Sizes = Mapping[int, int]
"""The paper's training size -> ours."""


class RunScores:
    """Scores by case and training.

    Args:
        metrics: of `metrics_table.read_metrics`.
        published: of `published.Published.table`; None without a paper.
        sizes: the paper's training size -> ours.
    """

    def __init__(self, metrics: pd.DataFrame, published: pd.DataFrame | None, sizes: Sizes) -> None:
        table = tested(metrics)
        self._table = with_runs(table)
        self._printed = _printed(published)
        self.sizes = sizes
        self.structures = list(dict.fromkeys(table["structure"]))
        self.families = set(table["family"])
        self._trained = set(zip(table["family"], table["n_train"], strict=True))
        self._known: dict[tuple, pd.DataFrame] = {}
        self._spreads: dict[tuple[str, str, frozenset[str]], Spread | None] = {}

    def of(self, family: str, n: int, test_set: str, metric: str, structure: str) -> pd.DataFrame:
        """Return scores, cases x trainings. `n` is the paper's; a family without sizes has one model.

        Raises:
            Missing: the tables have no such scores.
        """
        place = (family, self._size(family, n), test_set, metric, structure)
        if place not in self._known:
            self._known[place] = self._scores(*place)
        return self._known[place]

    def _size(self, family: str, n: int) -> int:
        if family not in self.families:
            raise Missing(f"no model {family}")
        if (family, 0) in self._trained:
            return 0
        if n not in self.sizes:
            raise Missing(f"the study has no training size for the paper's n = {n}")
        if (family, self.sizes[n]) not in self._trained:
            raise Missing(f"no model {family} at n = {self.sizes[n]}")
        return self.sizes[n]

    def _scores(self, family: str, n: int, test_set: str, metric: str, structure: str) -> pd.DataFrame:
        rows = self._table
        if metric not in rows:
            raise Missing(f"no metric {metric}")
        rows = rows[(rows["family"] == family) & (rows["n_train"] == n)]
        rows = rows[(rows["structure"] == structure)] if structure != POOLED else rows
        rows = rows[rows["cohort"] == test_set] if test_set != POOLED else rows
        rows = rows.dropna(subset=metric)
        if rows.empty:
            of = f", {structure}" if structure != POOLED else ""
            raise Missing(f"no {metric} of {family} on {test_set}{of}")
        if np.isinf(rows[metric]).any():
            raise Missing(f"{metric} of {family} on {test_set} is infinite in places, and the table has no {DIAGONAL}")
        keys = ["cohort", "case", "structure", "run"]
        return rows.groupby(keys)[metric].mean().unstack("run")

    def spread(self, test_sets: Collection[str], metric: str, structures: Collection[str]) -> Spread | None:
        """Return how much means over these structures differ from training to training, as far as the models tell it.

        Of several test sets it is the largest, since a model may be scored on any one of them.
        It is pooled over the models that were trained several times, else judged by how far the means of
        several sizes stray from smooth curves (`estimates.resampling`); None where neither is there.
        """
        found = [self._spread(test_set, metric, frozenset(structures)) for test_set in test_sets]
        known = [spread for spread in found if spread is not None]
        return max(known, key=lambda spread: spread.variance) if len(known) == len(found) else None

    def _spread(self, test_set: str, metric: str, structures: frozenset[str]) -> Spread | None:
        place = (test_set, metric, structures)
        if place not in self._spreads:
            rows = self._table.dropna(subset=metric)
            rows = rows[rows["cohort"] == test_set] if test_set != POOLED else rows
            rows = rows[rows["structure"].isin(structures)] if POOLED not in structures else rows
            self._spreads[place] = study_spread(rows, metric)
        return self._spreads[place]

    def printed(self, family: str, n: int, test_set: str, metric: str, structure: str) -> float:
        """Return the paper's mean, NaN where it prints none; the first where it prints several."""
        metric = metric.removesuffix("_structure_slices")
        for size in (n, 0):
            for of in (structure, None):
                found = self._printed.get((family, size, test_set, metric, of))
                if found is not None:
                    return found
        return math.nan


def _printed(published: pd.DataFrame | None) -> dict[tuple, float]:
    if published is None:
        return {}
    out: dict[tuple, float] = {}
    for row in published.itertuples():
        structure = row.structure if isinstance(row.structure, str) else None
        place = (row.family, int(row.n_train), row.test_set, row.metric, structure)
        out.setdefault(place, row.mean)
    return out
