"""Printed p values of the paired t test against the means and SDs of the same cases."""

import math

from crossover.statistics.papers.audit.finding import Finding, Reading, judged, p_interval, p_text, places
from crossover.statistics.papers.audit.interval import Interval, unrounded
from crossover.statistics.papers.audit.lookup import POOLED_STRUCTURE, first_values
from crossover.statistics.papers.audit.scores import cases_of, sd_of, spread_text, t_quantile
from crossover.statistics.papers.printed import PairedTest, Value
from crossover.statistics.papers.published import Published

CHECK = "paired t test"


def paired_t(published: Published) -> list[Finding]:
    """Check each p of a paired t test whose models' means are printed with their SDs, standard errors or intervals."""
    values = first_values(published)
    findings = []
    for test in published.paired:
        pair = [values.get((m.family, m.n_train, test.structure, test.test_set, test.metric)) for m in (test.a, test.b)]
        if test.test == "t" and pair[0] and pair[1] and test.structure != POOLED_STRUCTURE:
            findings += _p(test, pair[0], pair[1], published)
    return findings


def _p(test: PairedTest, a: Value, b: Value, published: Published) -> list[Finding]:
    """Check a p, which grows with the SD of the differences; that depends on the correlation of the scores.

    It goes from |sa - sb| where it is 1, over the root of sa^2 + sb^2 where it is 0, to sa + sb where it is
    -1.
    """
    n = cases_of(a, published)
    if not n or n < 2 or n != cases_of(b, published):
        return []
    s, r = (sd_of(v, n, t_quantile(n, published.confidence)) for v in (a, b))
    if s is None or r is None:
        return []
    difference = unrounded(a.mean) - unrounded(b.mean)
    least = max(0.0, s.low - r.high, r.low - s.high)
    readings = [
        Reading("correlation of the scores 0 or more", _p_range(difference, (least, math.hypot(s.high, r.high)), n)),
        Reading("any correlation of the scores", _p_range(difference, (least, s.high + r.high), n)),
    ]  # fmt: skip
    return [judged(
        CHECK, f"p of {test.structure or test.test_set}, {test.a.family} against {test.b.family}",
        places(test.where, a.where, b.where), p_text(test.p, test.p_below),
        f"{spread_text(a)} and {spread_text(b)} of {n} cases", p_interval(test.p, test.p_below), readings,
    )]  # fmt: skip


def _p_range(difference: Interval, spread: tuple[float, float], n: int) -> Interval:
    """Return the two-sided p from the smallest and largest SD of the differences."""
    from scipy import stats

    sizes = abs(difference.low), abs(difference.high)
    near = 0.0 if difference.low <= 0 <= difference.high else min(sizes)
    ends = [
        2 * float(stats.t.sf(d * math.sqrt(n) / sd, n - 1)) if sd else float(d == 0)
        for d, sd in ((max(sizes), spread[0]), (near, spread[1]))
    ]
    return Interval(*ends)
