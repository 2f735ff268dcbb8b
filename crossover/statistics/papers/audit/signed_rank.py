"""Which p values can Wilcoxon's signed-rank test give for n cases, and in which of its forms?

The forms: exact, or the normal approximation with or without continuity correction. Differences of zero
are left out (Wilcoxon 1945), equal ones share their mean rank; the variance is corrected for them.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from crossover.statistics.papers.audit.interval import Interval

FORMS = ("exact", "asymptotic", "asymptotic with continuity correction")


@dataclass(frozen=True)
class Attainable:
    """A two-sided p, the form that gives it, and how many cases are tied or without a difference."""

    p: float
    form: str
    tied: int


@cache
def attainable(n: int) -> tuple[Attainable, ...]:
    """Return all p values of n paired cases: each form, every pattern of ties, zeros and signs.

    For each p of a form the fewest tied or zero cases that give it.
    """
    fewest: dict[tuple[str, float], int] = {}
    for counted in range(1, n + 1):
        for groups in compositions(counted):
            tied = n - counted + sum(g for g in groups if g > 1)
            for form, p in _of_groups(groups):
                key = (form, round(p, 12))
                fewest[key] = min(fewest.get(key, n), tied)
    return tuple(Attainable(p, form, tied) for (form, p), tied in sorted(fewest.items()))


def all_improve(n: int) -> dict[str, Interval]:
    """Return the p values of n cases that all improve, by form: ties lower the asymptotic ones."""
    found: dict[str, list[float]] = {}
    for groups in compositions(n):
        ranks = mean_ranks(groups)
        for form, p in _p_values(sum(ranks), ranks, _sums(groups)):
            found.setdefault(form, []).append(p)
    return {form: Interval(min(ps), max(ps)) for form, ps in found.items()}


def compositions(n: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to tie n cases: the sizes of the groups of equal differences, smallest difference first."""
    if n == 0:
        yield ()
    for first in range(1, n + 1):
        for rest in compositions(n - first):
            yield (first, *rest)


def mean_ranks(groups: tuple[int, ...]) -> list[float]:
    """Return the rank of each group of ties: the mean of the places that it takes."""
    ranks, below = [], 0
    for size in groups:
        ranks += [below + (size + 1) / 2] * size
        below += size
    return ranks


def _sums(groups: tuple[int, ...]) -> Counter[float]:
    """Return each sum of positive ranks -> the number of sign patterns that give it."""
    sums: Counter[float] = Counter({0.0: 1})
    for rank in mean_ranks(groups):
        moved: Counter[float] = Counter(sums)
        for total, count in sums.items():
            moved[total + rank] += count
        sums = moved
    return sums


def _of_groups(groups: tuple[int, ...]) -> Iterator[tuple[str, float]]:
    ranks, sums = mean_ranks(groups), _sums(groups)
    for total in sums:
        yield from _p_values(total, ranks, sums)


def _p_values(total: float, ranks: list[float], sums: Counter[float]) -> Iterator[tuple[str, float]]:
    middle = sum(ranks) / 2
    away = abs(total - middle)
    as_far = sum(count for s, count in sums.items() if abs(s - middle) >= away - 1e-9)
    yield FORMS[0], as_far / 2 ** len(ranks)
    sd = math.sqrt(sum(r * r for r in ranks) / 4)
    yield FORMS[1], math.erfc(away / sd / math.sqrt(2))
    yield FORMS[2], math.erfc(max(0.0, away - 0.5) / sd / math.sqrt(2))
