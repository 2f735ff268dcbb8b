"""Standard deviations, confidence intervals and numbers of cases: do they go together?"""

from __future__ import annotations

import math
from functools import cache

from crossover.findings.audit.finding import Finding, Reading, judged
from crossover.findings.audit.interval import Interval, exactly, unrounded
from crossover.findings.audit.lookup import key_of, told
from crossover.findings.printed import Pair, Value
from crossover.findings.published import Published

CHECK = "interval and spread"


@cache
def t_quantile(n: int, confidence: float) -> float:
    """Of a two-sided interval for a mean of n."""
    from scipy import stats

    return float(stats.t.ppf((1 + confidence) / 2, n - 1))


@cache
def normal_quantile(n: int, confidence: float) -> float:
    """The same for the normal approximation, which is one for every n."""
    from scipy import stats

    return float(stats.norm.ppf((1 + confidence) / 2))


def sd_of_interval(ci: Pair, n: int, quantile: float) -> Interval:
    """The SD of n independent cases whose mean has this interval: mean ± quantile x SD / sqrt(n)."""
    width = unrounded(ci[1]) - unrounded(ci[0])
    scale = math.sqrt(n) / (2 * quantile)
    return (width * exactly(scale)).clipped()


def largest_sd(mean: Interval, n: int) -> float:
    """Of n values from 0 to 1 with a mean in the interval (Bhatia & Davis 2000), unbiased form."""
    at = min(max(0.5, mean.low), mean.high)
    return math.sqrt(max(0.0, at * (1 - at)) * n / (n - 1))


def spread(published: Published) -> list[Finding]:
    """Symmetry of printed intervals; SDs, printed or behind intervals, against what scores allow."""
    findings = []
    for value in published.values:
        known = published.test_sets.get(value.test_set)
        if value.ci:
            findings.append(_symmetric(value))
        if known and known.cases > 1 and (value.ci or value.sd is not None):
            several = (
                value.structure == "all" and value.sd is not None
            )  # over other units than cases
            if not several:
                findings.append(_possible(value, known.cases, published.confidence))
    return findings


def _symmetric(value: Value) -> Finding:
    assert value.ci is not None, "only intervals are looked at"
    low, high = value.ci
    middle = (unrounded(low) + unrounded(high)) * exactly(0.5)
    return judged(
        CHECK, f"Interval of {told(key_of(value))} about its mean", value.where, value.mean.text,
        f"the middle of {low.text} to {high.text}", unrounded(value.mean), [
            Reading("a symmetric interval (t, normal)", middle),
            Reading("an asymmetric one (bootstrap, transformed)", Interval(low, high)),
        ],
    )  # fmt: skip


def _sd(value: Value, n: int, confidence: float) -> Interval:
    if value.sd is not None:
        return unrounded(value.sd)
    assert value.ci is not None, "a value has an SD or an interval"
    return sd_of_interval(value.ci, n, t_quantile(n, confidence))


def _possible(value: Value, n: int, confidence: float) -> Finding:
    sd = _sd(value, n, confidence)
    printed = " to ".join(n.text for n in ([value.sd] if value.sd is not None else value.ci or ()))
    most = largest_sd(unrounded(value.mean).clipped(0, 1), n)
    return judged(
        CHECK, f"SD of {told(key_of(value))}", value.where, printed,
        f"at most what {n} scores from 0 to 1 with this mean can have", sd, [Reading("", exactly(most))],
        relation="at_most",
        note="" if value.sd is not None else f"SD behind the interval {short_range(sd)}",
    )  # fmt: skip


def short_range(interval: Interval) -> str:
    """Return an interval as text with few digits."""
    return f"{interval.low:.3f} to {interval.high:.3f}"
