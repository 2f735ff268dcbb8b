"""What a printed score tells of its cases: their scale, how many they are, their standard deviation."""

import math
from functools import cache

from crossover.statistics.papers.audit.interval import Interval, exactly, unrounded
from crossover.statistics.papers.audit.lookup import key_of, key_text
from crossover.statistics.papers.printed import Pair, PrintedDifference, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.scales import Scale, scale

SIGNED = {"volumetric_similarity": (-2.0, 2.0)}
"""Scales of metrics whose name is also that of a signed one: SimpleITK's similarity is 2 (S - T) / (S + T)."""


def bootstrap_widths(n: int) -> Interval:
    """Return the widths that a bootstrap interval of n cases has as multiples of that of the normal or t interval.

    Resampling and skew make it wider or narrower (of 300 made means of 8 to 44 cases, some with failures, none was
    outside); and the bootstrap's variance is one over n, as that of an SD that doesn't correct it may be.
    """
    over_n = math.sqrt(n / max(n - 1, 1))
    return Interval((0.9 - 0.4 / n) / over_n, 1.15 * over_n)


@cache
def t_quantile(n: int, confidence: float | None) -> float:
    """Return Student's t quantile for a two-sided interval of a mean of n; NaN where the paper has no intervals."""
    from scipy import stats

    return math.nan if confidence is None else float(stats.t.ppf((1 + confidence) / 2, n - 1))


@cache
def normal_quantile(n: int, confidence: float | None) -> float:
    """Return the normal quantile for the same interval; it does not depend on n."""
    from scipy import stats

    return math.nan if confidence is None else float(stats.norm.ppf((1 + confidence) / 2))


def scale_of(metric: str, published: Published) -> Scale:
    """Return the lowest and highest value of a metric as the paper prints it: up to 100 where it prints per cent."""
    low, high = SIGNED.get(metric, scale(metric))
    by = unit_of(metric, published)
    return low * by, high * by


def unit_of(metric: str, published: Published) -> float:
    """Return what 1 is printed as: 100 where the paper prints per cent."""
    return 100.0 if published.in_per_cent(metric) else 1.0


def cases_of(value: Value | PrintedDifference, published: Published) -> int | None:
    """Return the cases behind a score or a difference; where none are printed, those that a difference's df tells."""
    cases = printed_cases(value, published)
    if cases is None and isinstance(value, PrintedDifference) and value.df is not None and not value.df.decimals:
        return int(value.df) + 1
    return cases


def printed_cases(value: Value | PrintedDifference, published: Published) -> int | None:
    """Return the cases that a score or a difference names, else those of its test set."""
    known = published.test_sets.get(value.test_set)
    return value.cases or (known.cases if known else None)


def error_behind_t(said: PrintedDifference) -> Interval | None:
    """Return the standard error |difference / t|; None where no t is printed, or one that may be 0."""
    t = abs(unrounded(said.t)) if said.t is not None else exactly(0)
    return abs(unrounded(said.difference)) / t if t.low > 0 else None


def sd_of_interval(ci: Pair, n: int, quantile: float) -> Interval:
    """Return the SD of n independent cases whose mean has this interval: mean ± quantile x SD / sqrt(n)."""
    width = unrounded(ci[1]) - unrounded(ci[0])
    scale = math.sqrt(n) / (2 * quantile)
    return (width * exactly(scale)).clipped()


def sd_over_n(sd: Interval, n: int) -> Interval:
    """Return the SD over n - 1 of n values where the printed one is over n, as numpy's is by itself."""
    return sd * exactly(math.sqrt(n / max(n - 1, 1)))


def sd_of(value: Value, n: int, quantile: float) -> Interval | None:
    """Return the SD over n cases: printed, or behind the standard error or the interval of a mean.

    None where it doesn't follow: no spread is printed, or one of runs, or it is a median's.
    """
    return None if value.statistic == "median" or value.sd_of == "runs" or n < 2 else sd_behind(value, n, quantile)


def sd_behind(printed: Value | PrintedDifference, n: int, quantile: float) -> Interval | None:
    """Return the SD of n cases that is printed, or stands behind a standard error, a t or an interval; else None."""
    if printed.sd is not None:
        return unrounded(printed.sd).clipped()
    if printed.se is not None:
        return unrounded(printed.se).clipped() * exactly(math.sqrt(n))
    if isinstance(printed, PrintedDifference) and (error := error_behind_t(printed)):
        return error * exactly(math.sqrt(n))
    return sd_of_interval(printed.ci, n, quantile) if printed.ci else None


def spread_text(value: Value) -> str:
    """Return the mean with what is printed of its spread, as text."""
    if value.ci and value.sd is None and value.se is None:
        return f"{value.mean.text}, interval {value.ci[0].text} to {value.ci[1].text}"
    spread = value.sd if value.sd is not None else value.se
    name = "" if value.sd is not None else " (standard error)"
    return value.mean.text if spread is None else f"{value.mean.text} ± {spread.text}{name}"


def no_sd(value: Value, n: int | None) -> str:
    """Say why no SD over cases follows from what is printed (`sd_of`)."""
    name = key_text(key_of(value))
    if value.statistic == "median":
        return f"{name} is a median"
    if value.sd_of == "runs":
        return f"the spread of {name} is that of runs"
    if not n or n < 2:
        return f"the number of cases of {name} isn't printed" if not n else f"{name} is of a single case"
    return f"no SD, standard error or interval of {name} is printed"


def least_correlation(a: Interval, b: Interval, wanted: float) -> float:
    """Return the least correlation at which the difference of two numbers has the wanted standard error or less."""
    if not a.low or not b.low:
        return -1.0
    found = []
    for one, other in ((a, b), (b, a)):
        for s in (one.low, one.high):
            # (s^2 + t^2 - wanted^2) / 2st falls to t = root(s^2 - wanted^2), then it rises.
            t = min(max(math.sqrt(max(0.0, s * s - wanted * wanted)), other.low), other.high)
            found.append((s * s + t * t - wanted * wanted) / (2 * s * t))
    return min(found)
