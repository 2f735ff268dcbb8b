"""Intervals that stay on the scale of what they are of (docs/intervals.md).

A mean of scores on a scale with ends is estimated on a scale without: the logit log((m - a) / (b - m)) between two
ends, the logarithm log(m - a) above one. By the delta method the half-width there is Student's divided by the slope,
t(n - 1) · sd / √n / (dm / d transform), and the ends are transformed back (Agresti 2013, section 3.1; Hosmer, Lemeshow
& May 2008). A difference of two means keeps its symmetric interval, since its p is of the same t.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from crossover.statistics.scores.scales import Scale


def half_width(sd: ArrayLike, cases: ArrayLike, confidence: float) -> np.ndarray:
    """Return half of Student's confidence interval of a mean, t((1 + confidence) / 2; n - 1) · sd / √n.

    All arguments broadcast; the result is NaN for fewer than two cases.
    """
    cases = np.asarray(cases, float)
    enough = np.where(cases > 1, cases, np.nan)
    return stats.t.ppf((1 + confidence) / 2, enough - 1) * sd / np.sqrt(enough)


def mean_interval(
    mean: ArrayLike, sd: ArrayLike, cases: ArrayLike, confidence: float, scale: Scale
) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence interval of a mean of `cases` values on a scale; NaN for fewer than two cases.

    Args:
        mean, sd, cases: of the values; sd has n - 1 below the line. All three broadcast.
        confidence: from 0 to 1.
        scale: the lowest and highest value that the metric can have.
    """
    return interval_around(mean, half_width(sd, cases, confidence), scale)


def interval_around(mean: ArrayLike, half: ArrayLike, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high) of a mean whose symmetric interval would be mean ± half, both on the scale.

    The interval is the mean itself where half is 0, mean ± half on a scale without ends, and NaN where either
    is.

    Args:
        mean, half: of the same shape, in the metric's unit.
        scale: with two ends, a lowest value only, or none; the module says how each is transformed.
    """
    mean, half = np.broadcast_arrays(np.asarray(mean, float), np.asarray(half, float))
    lowest, highest = scale
    # a mean at an end of the scale has no spread, but for rounding
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if np.isinf(lowest) and np.isinf(highest):
            low, high = mean - half, mean + half
        elif np.isinf(highest):
            factor = np.exp(half / (mean - lowest))
            low, high = lowest + (mean - lowest) / factor, lowest + (mean - lowest) * factor
        else:
            odds = (mean - lowest) / (highest - mean)
            factor = np.exp(half * (highest - lowest) / ((mean - lowest) * (highest - mean)))
            ends = (odds / factor, odds * factor)
            low, high = (lowest + (highest - lowest) * x / (1 + x) for x in ends)
            high = np.where(np.isinf(factor), highest, high)
    return np.where(half == 0, mean, low), np.where(half == 0, mean, high)


def to_unbounded(mean: ArrayLike, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return a mean on the scale without ends (logit, logarithm, or as it is), and the slope of the transform there."""
    mean, (lowest, highest) = np.asarray(mean, float), scale
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.isinf(lowest) and np.isinf(highest):
            return mean, np.ones_like(mean)
        if np.isinf(highest):
            return np.log(mean - lowest), 1 / (mean - lowest)
        if np.isinf(lowest):
            return -np.log(highest - mean), 1 / (highest - mean)
        slope = (highest - lowest) / ((mean - lowest) * (highest - mean))
        return np.log(mean - lowest) - np.log(highest - mean), slope


def from_unbounded(value: ArrayLike, scale: Scale) -> np.ndarray:
    """Return the mean whose place on the scale without ends is `value`, as `to_unbounded` gives it."""
    value, (lowest, highest) = np.asarray(value, float), scale
    if np.isinf(lowest) and np.isinf(highest):
        return value
    if np.isinf(highest):
        return lowest + np.exp(value)
    if np.isinf(lowest):
        return highest - np.exp(-value)
    return lowest + (highest - lowest) * special.expit(value)


def clip_to_scale(low: ArrayLike, high: ArrayLike, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return an interval cut to the ends of the scale."""
    return np.clip(low, *scale), np.clip(high, *scale)


def of_differences(scale: Scale) -> Scale:
    """Return the scale of a difference of two values."""
    lowest, highest = scale
    return lowest - highest, highest - lowest
