"""Parts of claims about scores, from the tidy table of metrics: differences and means over the same cases.

A case's effect is its mean over the trainings of a model (replicates or folds). Where models were trained
several times, the interval is for other patients and other trainings (`statistics.crossed`), each training
paired with that of the same replicate and fold; else Student's over the cases. That of a mean is made on the
logit (of a distance: the logarithm), that of a difference ends where the metric's scale does
(`statistics.intervals`). p is that of the signed-rank
test, exact, and of Student's two one-sided tests where a region has two ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crossover.findings.claims.parts import Interval, Missing, Part
from crossover.findings.claims.scores import Scores
from crossover.findings.claims.statements import (
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
from crossover.statistics.intervals import around, ended, half_width, of_differences
from crossover.statistics.paired import DECIMALS, exact_p
from crossover.statistics.scales import Scale, scale

Compared = Better | Majority | NoDifference
Values = Above | Below | Within


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
                yield mean_part(name, table, statement.region, printed, scale(metric))


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
                yield part(name, table, statement.region, printed, scale(metric))


def part(name: str, table: pd.DataFrame, region: Interval, published: float, scale: Scale) -> Part:
    """Of differences of cases (by cohort and name) x trainings, of values on a scale."""

    def interval(confidence: float) -> Interval:
        low, high = ended(*_symmetric(table, confidence), of_differences(scale))
        return float(low), float(high)

    return _part_of(name, table, region, published, interval)


def mean_part(
    name: str, table: pd.DataFrame, region: Interval, published: float, scale: Scale
) -> Part:
    """Of values of cases (by cohort and name) x trainings, on a scale."""

    def interval(confidence: float) -> Interval:
        low, high = _symmetric(table, confidence)
        ends = around((low + high) / 2, (high - low) / 2, scale)
        return float(ends[0]), float(ends[1])

    return _part_of(name, table, region, published, interval)


def _part_of(
    name: str, table: pd.DataFrame, region: Interval, published: float,
    interval: Callable[[float], Interval],
) -> Part:  # fmt: skip
    means = table.mean(axis=1).round(DECIMALS)
    return Part(name, float(means.mean()), interval, _p(means.to_numpy(float), region), published)


def _symmetric(table: pd.DataFrame, confidence: float) -> Interval:
    """Of the mean of cases x trainings; NaN where all are alike."""
    if (
        np.ptp(table.to_numpy(float)) == 0
    ):  # as where no model finds anything: no spread to judge by
        return math.nan, math.nan
    if table.shape[1] > 1:
        return crossed([own for _, own in table.groupby(level="cohort")], 1 - confidence)
    means = table.mean(axis=1).round(DECIMALS)
    half = float(half_width(means.std(), len(means), confidence))
    return float(means.mean()) - half, float(means.mean()) + half


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
    name = name if len(places) == 1 else ""
    return part(name, table, statement.region, float(np.mean(printed)), scale(metric))


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
    tests: list[Any] = [
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
