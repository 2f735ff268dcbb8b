"""p of a printed W of Wilcoxon's signed-rank test, or U of Mann and Whitney's, from the numbers of cases."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from crossover.core.wording import counted
from crossover.statistics.papers.audit.interval import Interval
from crossover.statistics.papers.audit.verdicts import Interpretation

MOST_EXACT = 50
"""The number of cases, of each group, above which programs give no exact p."""
TIED = 0.75
"""The share of the variance of W that ties leave at least: all differences tied."""


def largest(statistic: str, cases: list[int]) -> float:
    """Return the largest value that a W or U may have."""
    return cases[0] * (cases[0] + 1) / 2 if statistic == "W" else math.prod(cases)


def interpretations(
    statistic: str, value: float, cases: list[int]
) -> tuple[list[Interpretation], Iterator[Interpretation]]:
    """Return what the two-sided p usually is, and what else it may be; nothing usual of an impossible value.

    Args:
        cases: one number for W, two for U.
    """
    possible = 0 <= value <= largest(statistic, cases)
    return _usual(statistic, value, cases) if possible else [], _unusual(statistic, value, cases, possible)


def _usual(statistic: str, value: float, cases: list[int]) -> list[Interpretation]:
    """Return p: exact without ties, and of the normal distribution with and without continuity correction.

    A half, as ties make it, has the exact p of one of its neighbours.
    """
    ends = sorted({math.floor(value), math.ceil(value)})
    exact = [_exact(statistic, end, *cases) for end in ends] if max(cases) <= MOST_EXACT else []
    found = [Interpretation("the exact test", Interval(min(exact), max(exact)))] if exact else []
    for name, correction in (("the normal distribution", 0.0), ("the normal distribution, continuity corrected", 0.5)):
        p = _normal(statistic, value, cases, correction)
        found.append(Interpretation(name, Interval(p, p)))
    return found


def _unusual(statistic: str, value: float, cases: list[int], possible: bool) -> Iterator[Interpretation]:
    """Yield p with ties, with cases that have no difference, and of other sums of ranks that have the same name."""
    if statistic == "U":
        if possible:
            least = _least_variance(value, cases)
            tied = _normal(statistic, value, cases, 0.0, least), _normal(statistic, value, cases, 0.5)
            yield Interpretation("cases that are tied", Interval(*tied))
        for n in cases:
            own = value - n * (n + 1) / 2
            if 0 <= own <= largest("U", cases):
                yield Interpretation(f"U is the sum of the ranks of the {n} cases", _all("U", own, cases))
        return
    n = cases[0]
    if possible:
        yield Interpretation("cases that are tied", _tied(value, n, 0, pratt=False))
    signed = (largest("W", cases) - abs(value)) / 2
    if signed >= 0:
        yield Interpretation("W is the sum of the signed ranks", _all("W", signed, cases))
    for none in range(1, n):
        name = f"{counted(none, 'case')} without a difference, and cases that are tied"
        if 0 <= value <= largest("W", [n - none]):
            yield Interpretation(name, _tied(value, n - none, 0, pratt=False))
        if 0 <= value <= _sum_of_ranks(n, none):
            yield Interpretation(f"{name} (Pratt's ranks)", _tied(value, n, none, pratt=True))


def _sum_of_ranks(n: int, none: int) -> float:
    """Return the sum of the ranks of n cases but those without a difference, which have the lowest."""
    return (n * (n + 1) - none * (none + 1)) / 2


def _tied(value: float, n: int, none: int, pratt: bool) -> Interval:
    """Return p of a W for all patterns of ties: exact without any, or of the normal distribution.

    Args:
        none: the number of cases without a difference among the n, whose ranks Pratt (1959) leaves out.
    """
    from scipy import stats

    squares = (n * (n + 1) * (2 * n + 1) - none * (none + 1) * (2 * none + 1)) / 6
    away = abs(value - _sum_of_ranks(n, none) / 2)
    ends = [
        float(2 * stats.norm.sf(max(0.0, away - correction) / math.sqrt(squares / 4 * share)))
        for correction, share in ((0.0, TIED), (0.5, 1.0))
    ]
    exact = [] if pratt or n > MOST_EXACT else [_exact("W", end, n) for end in (math.floor(value), math.ceil(value))]
    return Interval(min(*ends, *exact), max(*ends, *exact))


def _least_variance(value: float, cases: list[int]) -> float:
    """Return the least share of U's variance that ties leave: of two values, the rarer as rare as this U allows."""
    n = sum(cases)
    apart = abs(2 * value / math.prod(cases) - 1)
    rare = max(1.0, apart * min(cases))
    return max(1e-6, 1 - sum(k**3 - k for k in (rare, n - rare)) / (n**3 - n))


def _all(statistic: str, value: float, cases: list[int]) -> Interval:
    found = [interpretation.value for interpretation in _usual(statistic, value, cases)]
    return Interval(min(p.low for p in found), max(p.high for p in found))


def _normal(statistic: str, value: float, cases: list[int], correction: float, of_variance: float = 1.0) -> float:
    from scipy import stats

    n = sum(cases)
    variance = n * (n + 1) * (2 * n + 1) / 24 if statistic == "W" else math.prod(cases) * (n + 1) / 12
    away = max(0.0, abs(value - largest(statistic, cases) / 2) - correction)
    return float(2 * stats.norm.sf(away / math.sqrt(variance * of_variance)))


@cache
def _exact(statistic: str, value: int, *cases: int) -> float:
    """Return scipy's exact p of scores without ties that have this statistic."""
    from scipy import stats

    if statistic == "U":
        n, m = cases
        above, more = divmod(value, n)  # the cases of the other group that each of this group's is above
        x = np.array([above] * (n - more) + [above + 1] * more) + np.linspace(0.25, 0.75, n)
        return float(stats.mannwhitneyu(x, np.arange(1, m + 1), method="exact").pvalue)
    ranks = np.arange(1, cases[0] + 1)
    left = value
    for k in range(cases[0], 0, -1):
        if k > left:
            ranks[k - 1] = -k
        else:
            left -= k
    return float(stats.wilcoxon(ranks, method="exact").pvalue)
