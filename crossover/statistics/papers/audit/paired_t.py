"""Printed p values of the paired t test against the means and SDs of the same cases."""

import math

from crossover.statistics.papers.audit.interval import Interval, unrounded
from crossover.statistics.papers.audit.lookup import POOLED_STRUCTURE, first_values
from crossover.statistics.papers.audit.scores import cases_of, least_correlation, sd_of, spread_text, t_quantile
from crossover.statistics.papers.audit.verdicts import AuditRow, Interpretation, judged, p_interval, p_text, places
from crossover.statistics.papers.printed import PairedTest, Value
from crossover.statistics.papers.published import Published

CHECK = "paired t test"
USUAL = 0.9
"""The correlation of two models' scores above which a p follows only under that reading, which is then told."""


def paired_t(published: Published) -> list[AuditRow]:
    """Check each p of a paired t test whose models' means are printed with their SDs, standard errors or intervals."""
    values = first_values(published)
    rows = []
    for test in published.paired:
        pair = [values.get((m.family, m.n_train, test.structure, test.test_set, test.metric)) for m in (test.a, test.b)]
        if test.test == "t" and pair[0] and pair[1] and test.structure != POOLED_STRUCTURE:
            rows += _p(test, pair[0], pair[1], published)
    return rows


def _p(test: PairedTest, a: Value, b: Value, published: Published) -> list[AuditRow]:
    """Check a p, which grows with the SD of the differences; that depends on the correlation of the scores."""
    n = cases_of(a, published)
    if not n or n < 2 or n != cases_of(b, published):
        return []
    s, r = (sd_of(v, n, t_quantile(n, published.confidence)) for v in (a, b))
    if s is None or r is None:
        return []
    difference = unrounded(a.mean) - unrounded(b.mean)
    readings = [
        Interpretation(name, _p_range(difference, Interval(_spread(s, r, high).low, _spread(s, r, low).high), n))
        for name, low, high in (
            (f"correlation of the scores 0 to {USUAL}", 0.0, USUAL),
            ("correlation of the scores 0 or more", 0.0, 1.0),
            ("any correlation of the scores", -1.0, 1.0),
        )
    ]
    p = p_interval(test.p, test.p_below)
    return [judged(
        CHECK, f"p of {test.structure or test.test_set}, {test.a.family} against {test.b.family}",
        places(test.where, a.where, b.where), p_text(test.p, test.p_below),
        f"{spread_text(a)} and {spread_text(b)} of {n} cases", p, readings,
        note=_correlation_text(difference, s, r, p, n),
    )]  # fmt: skip


def _spread(a: Interval, b: Interval, correlation: float) -> Interval:
    """Return the SD of the differences, the root of sa^2 + sb^2 - 2 r sa sb, from the SDs and the correlation r."""
    ends = [(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    ends += [(min(max(correlation * y, a.low), a.high), y) for _, y in ends]  # between them it may be smaller
    ends += [(x, min(max(correlation * x, b.low), b.high)) for x, _ in ends]
    squares = [max(0.0, x * x + y * y - 2 * correlation * x * y) for x, y in ends]
    return Interval(math.sqrt(min(squares)), math.sqrt(max(squares)))


def _correlation_text(difference: Interval, a: Interval, b: Interval, p: Interval, n: int) -> str:
    """Say with which correlation of the scores, at least, the p can be had; nothing where any above 0 will do."""
    from scipy import stats

    wanted = float(stats.t.isf(p.high / 2, n - 1))
    sd = max(abs(difference.low), abs(difference.high)) * math.sqrt(n) / wanted if wanted > 0 else math.inf
    least = least_correlation(a, b, sd)
    return f"The p needs scores of the two models that correlate with {least:.2f} or more" if 0 < least <= 1 else ""


def _p_range(difference: Interval, spread: Interval, n: int) -> Interval:
    """Return the two-sided p from the SD of the differences."""
    from scipy import stats

    sizes = abs(difference.low), abs(difference.high)
    near = 0.0 if difference.low <= 0 <= difference.high else min(sizes)
    ends = [
        2 * float(stats.t.sf(d * math.sqrt(n) / sd, n - 1)) if sd else float(d == 0)
        for d, sd in ((max(sizes), spread.low), (near, spread.high))
    ]
    return Interval(*ends)
