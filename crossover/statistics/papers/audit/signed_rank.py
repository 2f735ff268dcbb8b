"""Which p values can Wilcoxon's signed-rank test give for n cases, and in which of its forms?

The forms: exact, or the normal approximation with or without continuity correction. Differences of zero
are left out (Wilcoxon 1945), equal ones share their mean rank; the variance is corrected for them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

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


@cache
def by_form(n: int) -> dict[str, tuple[list[float], list[Attainable]]]:
    """Return form -> the p values of `attainable`, from the smallest to the largest, and what gives each."""
    found: dict[str, list[Attainable]] = {}
    for one in attainable(n):
        found.setdefault(one.form, []).append(one)
    return {form: ([one.p for one in own], own) for form, own in found.items()}


def all_improve(n: int) -> dict[str, Interval]:
    """Return the p values of n cases that all improve, by form: ties lower the asymptotic ones."""
    found: dict[str, list[float]] = {}
    for groups in compositions(n):
        for form, p in islice(_of_groups(groups), len(FORMS)):  # the sum that is farthest from the middle comes first
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


def _patterns(groups: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of sign patterns for each sum of positive ranks; its place is twice the sum, a whole number."""
    ranks = mean_ranks(groups)
    patterns = np.zeros(round(2 * sum(ranks)) + 1, np.int64)
    patterns[0] = 1
    for rank in ranks:
        twice = round(2 * rank)
        patterns[twice:] += patterns[:-twice].copy()
    return patterns


def _of_groups(groups: tuple[int, ...]) -> Iterator[tuple[str, float]]:
    """Yield each p value and its form; the sums above the middle give the p values of those below it."""
    ranks, patterns = mean_ranks(groups), _patterns(groups)
    middle, every = sum(ranks) / 2, 2 ** len(ranks)
    sd = math.sqrt(sum(r * r for r in ranks) / 4)
    below = patterns[: len(patterns) // 2 + 1]
    as_low = np.cumsum(below)
    for place in np.flatnonzero(below).tolist():
        away = middle - place / 2
        yield FORMS[0], (2 * int(as_low[place]) if away else every) / every
        yield FORMS[1], math.erfc(away / sd / math.sqrt(2))
        yield FORMS[2], math.erfc(max(0.0, away - 0.5) / sd / math.sqrt(2))
