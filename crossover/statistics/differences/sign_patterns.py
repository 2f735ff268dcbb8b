"""The exact signed-rank test, whatever ties there are: what share of all sign patterns is as extreme?"""

from functools import lru_cache

import numpy as np
from scipy import fft, optimize, special, stats

NEGLIGIBLE = 1e-18
"""The probability below which terms are left out: a sum of numbers near 1 would not keep it."""
TABLE = 1000
"""The number of cases up to which all probabilities are held in a table and summed rank by rank, which takes the
time of n³."""
TOGETHER = 100_000
"""The number of factors of characteristic functions that are held at once."""


def exact_p(d: np.ndarray) -> float:
    """Return the two-sided p over all 2^n sign patterns of the ranks found; NaN without a difference.

    It is twice the probability of a sum as small as the smaller one, at most 1, since the distribution is
    symmetric. Sums of doubled ranks are whole numbers.

    Args:
        d: differences of the cases, shape (n,).
    """
    d = d[d != 0]
    if not len(d):
        return np.nan
    doubled = np.rint(2 * stats.rankdata(np.abs(d))).astype(int)
    ranks = doubled // np.gcd.reduce(doubled)
    smaller = int(min(ranks[d > 0].sum(), ranks[d < 0].sum()))
    tail = by_table if len(d) <= TABLE else by_transform
    return float(min(1.0, 2 * tail(ranks, smaller)))


def by_table(ranks: np.ndarray, at_most: int) -> float:
    """Return what `by_transform` returns, for few ranks: the distribution is built rank by rank.

    Args:
        ranks, at_most: see `by_transform`.
    """
    return float(_distribution(np.sort(ranks).tobytes())[: at_most + 1].sum())


@lru_cache(maxsize=16)
def _distribution(ordered: bytes) -> np.ndarray:
    """Return the probability of each sum up to half of the largest, of ranks in ascending order.

    It is kept for the pairs of models that follow: without ties all of them have the ranks 1 to n.
    """
    ranks = np.frombuffer(ordered, int)
    probability = np.zeros(int(ranks.sum()) // 2 + 1)  # larger sums are not asked for
    probability[0] = 1.0
    reached = 1
    for rank in ranks:  # small ones first: sums stay few for long
        before = probability[:reached] / 2
        reached = min(reached + int(rank), len(probability))
        probability[: len(before)] = before
        if rank < len(probability):
            probability[rank:reached] += before[: reached - rank]
    return probability


def by_transform(ranks: np.ndarray, at_most: int) -> float:
    """Return the probability that a sum of `ranks`, each in it with probability 1/2, is `at_most` or less.

    Small probabilities are as exact as large ones, to 12 digits: the coins are made unfair (exponential
    tilting, as of a saddlepoint), until `at_most` is the mean, and each sum k is weighed back by M exp(t k).
    The tilted distribution is the Fourier transform of a product, on a circle that is so long that what is
    beyond has a probability below NEGLIGIBLE (Bernstein's inequality).

    Args:
        ranks: whole numbers above 0, shape (n,).
        at_most: from 0 to half of their sum.
    """
    if at_most == 0:
        return 0.5 ** len(ranks)
    tilt = _tilt(ranks, at_most)
    share = special.expit(-tilt * ranks)
    spread = (ranks**2 * share * (1 - share)).sum()
    reach = np.log(2 / NEGLIGIBLE) * np.array([ranks.max() / 3, 2 * spread])
    away = int(np.ceil(reach[0] + np.sqrt(reach[0] ** 2 + reach[1])))
    size = min(fft.next_fast_len(2 * away, real=True), int(ranks.sum()) + 1)
    sums = np.arange(max(0, at_most - away), at_most + 1)
    tilted = fft.irfft(_characteristic(ranks, share, size), size)[sums % size]
    weighed = tilted @ np.exp(tilt * (sums - at_most))
    # log of M exp(t k), with M = product of (1 + exp(-t r)) / 2
    scale = np.log1p(np.exp(-tilt * ranks)).sum() - len(ranks) * np.log(2) + tilt * at_most
    return float(weighed * np.exp(scale))


def _tilt(ranks: np.ndarray, mean: int) -> float:
    """Return the t at which sums have this mean where rank r is in them with the odds exp(-t r)."""

    def beyond(tilt: float) -> float:
        return float(ranks @ special.expit(-tilt * ranks)) - mean

    if beyond(0.0) <= 0:
        return 0.0
    high = 1 / ranks.max()
    while beyond(high) > 0:
        high *= 2
    return float(optimize.brentq(beyond, 0.0, high, rtol=1e-6))


def _characteristic(ranks: np.ndarray, share: np.ndarray, size: int) -> np.ndarray:
    """Return E exp(-2 pi i j sum / size) for j = 0 .. size // 2, where each rank is in the sum with its share.

    Factors have absolute values of 1 or less: frequencies at which the product has become negligible are left
    out, which a few dozen ranks make all but a few.
    """
    circle = np.exp(-2j * np.pi * np.arange(size) / size)
    out = np.zeros(size // 2 + 1, complex)
    left, product = np.arange(len(out)), np.ones(len(out), complex)
    order = np.argsort(-(ranks**2) * share * (1 - share), kind="stable")
    while len(order) and len(left):
        many = max(1, TOGETHER // len(left))
        own, order = order[:many], order[many:]
        turned = circle[np.outer(left, ranks[own]) % size]
        product *= np.prod(1 - share[own] + share[own] * turned, axis=1)
        kept = np.abs(product) > NEGLIGIBLE / size
        left, product = left[kept], product[kept]
    out[left] = product
    return out
