"""Parts of claims about scores, from the tidy table of metrics: differences and means over the same cases.

A case's effect is its mean over the trainings of a model (replicates or folds). Where models were trained
several times, the interval is for other patients and other trainings (`statistics.crossed`), each training
paired with that of the same replicate and fold; else Student's over the cases. p is that of the signed-rank
test, exact, and of Student's two one-sided tests where a region has two ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from crossover.claims.parts import Interval, Missing, Part
from crossover.claims.statements import (
    Above,
    Below,
    Better,
    Comparison,
    Majority,
    NoDifference,
    Rises,
    Within,
)
from crossover.statistics.crossed import crossed
from crossover.statistics.metrics_table import POOLED, on_test_cases
from crossover.statistics.paired import DECIMALS, exact_p
from crossover.statistics.summary import half_width

Sizes = Mapping[int, int]
"""The paper's training size -> ours."""
Compared = Better | Majority | NoDifference
Values = Above | Below | Within


class Scores:
    """Scores by case and training.

    Args:
        metrics: of `metrics_table.read_metrics`.
        published: of `published.Published.table`; None without a paper.
        sizes: the paper's training size -> ours.
    """

    def __init__(self, metrics: pd.DataFrame, published: pd.DataFrame | None, sizes: Sizes) -> None:
        table = on_test_cases(metrics)
        fold = table["fold"].astype("string").fillna("")
        self._table = table.assign(run=table["replicate"].astype(str) + "/" + fold)
        self._printed = _printed(published)
        self.sizes = sizes
        self.structures = list(dict.fromkeys(table["structure"]))
        self._families = set(table["family"])
        self._trained = set(zip(table["family"], table["n_train"], strict=True))
        self._known: dict[tuple, pd.DataFrame] = {}

    def of(self, family: str, n: int, test_set: str, metric: str, structure: str) -> pd.DataFrame:
        """Cases, by cohort and name, x trainings. `n` is the paper's; a family without sizes has one model.

        Raises:
            Missing: the tables have no such scores.
        """
        place = (family, self._size(family, n), test_set, metric, structure)
        if place not in self._known:
            self._known[place] = self._scores(*place)
        return self._known[place]

    def _size(self, family: str, n: int) -> int:
        if family not in self._families:
            raise Missing(f"no model {family}")
        if (family, 0) in self._trained:
            return 0
        if n not in self.sizes:
            raise Missing(f"no training size here stands for n = {n}")
        if (family, self.sizes[n]) not in self._trained:
            raise Missing(f"no model {family} at n = {self.sizes[n]}")
        return self.sizes[n]

    def _scores(
        self, family: str, n: int, test_set: str, metric: str, structure: str
    ) -> pd.DataFrame:
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
        keys = ["cohort", "case", "structure", "run"]
        return rows.groupby(keys)[metric].mean().unstack("run")

    def printed(self, family: str, n: int, test_set: str, metric: str, structure: str) -> float:
        """The paper's mean, NaN where it prints none; the first where it prints several."""
        metric = metric.removesuffix("_structure_slices")
        for size in (n, 0):
            for of in (structure, None):
                found = self._printed.get((family, size, test_set, metric, of))
                if found is not None:
                    return found
        return math.nan


def differences(statement: Compared, scores: Scores) -> Iterator[Part]:
    """The parts of a comparison, as `combine` says."""
    places = _places(statement, scores)
    if statement.combine == "each":
        for of, structure, n in places:
            for a in of.a:
                for b in of.b:
                    pair = Comparison(test_set=of.test_set, a=[a], b=[b])
                    yield _part([(pair, structure, n)], statement, scores)
    elif statement.combine == "sides":
        for place in places:
            yield _part([place], statement, scores)
    else:
        yield _part(places, statement, scores)


def values(statement: Values, scores: Scores) -> Iterator[Part]:
    """Every family's mean on every place."""
    metric, test_set = statement.metric, statement.test_set
    for structure in statement.structures or scores.structures:
        for n in statement.sizes or [0]:
            for family in statement.families:
                name = _named(family, scores, [family], test_set, structure, n)
                table = _by_case(scores.of(family, n, test_set, metric, structure))
                printed = scores.printed(family, n, test_set, metric, structure)
                yield part(name, table, statement.region, printed)


def rises(statement: Rises, scores: Scores) -> Iterator[Part]:
    """Every family at each size against itself at the one before."""
    metric, test_set = statement.metric, statement.test_set
    for structure in statement.structures or scores.structures:
        for family in statement.families:
            for fewer, more in zip(statement.sizes, statement.sizes[1:]):
                sides = [(family, n, test_set, metric, structure) for n in (more, fewer)]
                table = _apart(*(scores.of(*side) for side in sides))
                printed = scores.printed(*sides[0]) - scores.printed(*sides[1])
                name = f"{family}, n = {more} minus n = {fewer}, on {test_set}"
                name += f", {structure}" if len(scores.structures) > 1 else ""
                yield part(name, table, statement.region, printed)


def part(name: str, table: pd.DataFrame, region: Interval, published: float) -> Part:
    """Of effects of cases (by cohort and name) x trainings."""
    means = table.mean(axis=1).round(DECIMALS)
    effects = means.to_numpy(float)

    def interval(confidence: float) -> Interval:
        if (
            np.ptp(table.to_numpy(float)) == 0
        ):  # as where no model finds anything: no spread to judge by
            return math.nan, math.nan
        if table.shape[1] > 1:
            return crossed([own for _, own in table.groupby(level="cohort")], 1 - confidence)
        half = float(half_width(np.array(means.std()), np.array(len(means)), confidence))
        return float(means.mean()) - half, float(means.mean()) + half

    return Part(name, float(means.mean()), interval, _p(effects, region), published)


def _part(
    places: Sequence[tuple[Comparison, str, int]], statement: Compared, scores: Scores
) -> Part:
    """One effect: of a case its mean over the places on whose test set it is."""
    metric, tables, printed = statement.metric, [], []
    for of, structure, n in places:
        at = (n, of.test_set, metric, structure)
        a, b = (_mean([scores.of(family, *at) for family in side]) for side in (of.a, of.b))
        tables.append(_apart(a, b))
        means = [np.mean([scores.printed(f, *at) for f in side]) for side in (of.a, of.b)]
        printed.append(means[0] - means[1])
    stacked = pd.concat(tables)
    stacked = stacked if stacked.notna().all(axis=None) else stacked.mean(axis=1).to_frame()
    table = stacked.groupby(level=["cohort", "case"]).mean()
    of, structure, n = places[0]
    pair = f"{' + '.join(of.a)} minus {' + '.join(of.b)}"
    name = _named(pair, scores, [*of.a, *of.b], of.test_set, structure, n)
    return part(name if len(places) == 1 else "", table, statement.region, float(np.mean(printed)))


def _places(statement: Compared, scores: Scores) -> list[tuple[Comparison, str, int]]:
    return [
        (of, structure, n)
        for of in statement.pairs
        for structure in statement.structures or scores.structures
        for n in statement.sizes or [0]
    ]


def _mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Over families; their trainings are paired where all have the same."""
    same = all(set(table) == set(tables[0]) for table in tables)
    tables = tables if same else [table.mean(axis=1).to_frame("mean") for table in tables]
    return sum(tables[1:], start=tables[0]) / len(tables)


def _apart(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """a - b by case, over the structures that both have; one column where trainings can't be paired."""
    apart = a - b if set(a) == set(b) else pd.DataFrame()
    apart = apart.dropna(how="all")
    if apart.empty or apart.isna().any(axis=None):
        apart = (a.mean(axis=1) - b.mean(axis=1)).dropna().to_frame("mean")
    if apart.empty:
        raise Missing("no case is scored under both models")
    return _by_case(apart)


def _by_case(table: pd.DataFrame) -> pd.DataFrame:
    whole = table if table.notna().all(axis=None) else table.mean(axis=1).to_frame("mean")
    return whole.groupby(level=["cohort", "case"]).mean()


def _p(effects: np.ndarray, region: Interval) -> float:
    least, most = region
    if math.isinf(most):
        return exact_p((effects - least).round(DECIMALS))
    if math.isinf(least):
        return exact_p((effects - most).round(DECIMALS))
    return one_sided(effects, region)


def one_sided(effects: np.ndarray, region: Interval) -> float:
    """The larger p of two one-sided t tests (Schuirmann 1987): that the mean is at or beyond an end."""
    from scipy import stats

    if len(effects) < 2 or np.ptp(effects) == 0:
        return math.nan
    tests: list[Callable] = [
        stats.ttest_1samp(effects, end, alternative=side)
        for end, side in zip(region, ("greater", "less"), strict=True)
    ]
    return float(max(test.pvalue for test in tests))


def _named(
    what: str, scores: Scores, families: Sequence[str], test_set: str, structure: str, n: int
) -> str:
    name = f"{what} on {test_set}"
    name += f", {structure}" if len(scores.structures) > 1 else ""
    return f"{name}, n = {n}" if n else name


def _printed(published: pd.DataFrame | None) -> dict[tuple, float]:
    if published is None:
        return {}
    out: dict[tuple, float] = {}
    for row in published.itertuples():
        structure = row.structure if isinstance(row.structure, str) else None
        place = (row.family, int(row.n_train), row.test_set, row.metric, structure)
        out.setdefault(place, row.mean)
    return out
