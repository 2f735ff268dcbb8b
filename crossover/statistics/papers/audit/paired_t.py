"""Printed p values of the paired t test against the means and SDs of the same cases."""

import math
from itertools import product

from crossover.statistics.papers.audit.interval import TOLERANCE, Interval, gap, unrounded
from crossover.statistics.papers.audit.lookup import first_values, key_in, key_text, pair_text
from crossover.statistics.papers.audit.scores import (
    cases_of,
    least_correlation,
    no_sd,
    sd_of,
    sd_over_n,
    spread_text,
    t_quantile,
)
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    FOLLOWS,
    NOT,
    AuditRow,
    Verdict,
    numbers_of,
    p_interval,
    p_text,
    places,
    sd_assumed,
    unchecked,
)
from crossover.statistics.papers.printed import PairedTest, PrintedDifference, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED

CHECK = "paired t test"
CORRELATED = "scores of the two models that correlate with"
USUAL = 0.9
"""The correlation of two models' scores above which a p depends on interpretation, which is then told."""
RARE = 0.001
"""The probability of a correlation by chance below which only that it is below is told."""


def paired_t(published: Published) -> list[AuditRow]:
    """Check each p of a paired t test against its models' means and their SDs, standard errors or intervals."""
    return [p_of_any_correlation(test, published) for test in published.paired if test.test == "t"]


def usual_correlations(n: int) -> Interval:
    """Return the correlations of two models' scores on n cases beyond which a p depends on interpretation.

    Those of many cases are from 0 to `USUAL`. Where the true one is 0, that of a few cases is negative half of the
    time: as Fisher's z it has a standard error of 1 / sqrt(n - 3), and two of them are allowed for.
    """
    return Interval(-math.tanh(2 / math.sqrt(n - 3)) if n > 3 else -1.0, USUAL)


def implied_correlation(difference: Interval, a: Interval, b: Interval, p: Interval, n: int) -> Interval | None:
    """Return the correlations of two models' scores with which the paired t test of n cases gives a p.

    The p tells the SD of the differences, |difference| sqrt(n) / t(p), and that tells the correlation.

    Args:
        difference: of the means. a, b: the SDs. p: two-sided. n: cases.

    Returns:
        All that rounding allows; None where no correlation from -1 to 1 does.
    """
    from scipy import stats

    size = abs(difference)
    small, large = (float(stats.t.isf(end / 2, n - 1)) for end in (p.high, p.low))
    widest = size.high * math.sqrt(n) / small if small > 0 else math.inf
    narrowest = size.low * math.sqrt(n) / large if large > 0 else (math.inf if size.low else 0.0)
    return correlations(a, b, Interval(narrowest, widest))


def correlations(a: Interval, b: Interval, spread: Interval) -> Interval | None:
    """Return the correlations of two models' scores, with SDs a and b, whose differences have one of the SDs `spread`.

    w² = a² + b² - 2 r a b tells r. None where no correlation from -1 to 1 does.
    """
    low = max(least_correlation(a, b, spread.high), -1.0)
    ends = [
        (x * x + y * y - spread.low**2) / (2 * x * y) if x and y else math.copysign(math.inf, x + y - spread.low)
        for x, y in product((a.low, a.high), (b.low, b.high))
    ]
    high = min(max(ends), 1.0)
    return Interval(min(low, high), high) if low <= high + TOLERANCE else None


def p_of_any_correlation(test: PairedTest | PrintedDifference, published: Published) -> AuditRow:
    """Check a p, which grows with the SD of the differences; that depends on the correlation of the scores."""
    assert test.p is not None, "a difference without a p isn't checked"
    values = first_values(published)
    a, b = (values.get(key_in(test, model)) for model in (test.a, test.b))
    about, printed = f"p of {pair_text(test)}", p_text(test.p, test.p_below)
    n = cases_of(a, published) if a else None
    if why := _why_not(test, a, b, published):
        return unchecked(CHECK, about, test.where, printed, why)
    assert a and b and n, "else `_why_not` says so"
    s, r = (sd_of(v, n, t_quantile(n, published.confidence)) for v in (a, b))
    assert s and r, "else `_why_not` says so"
    difference, p = unrounded(a.mean) - unrounded(b.mean), p_interval(test.p, test.p_below)
    if test.corrected:
        p = Interval(0.0, p.high)
    given, way = implied_correlation(difference, s, r, p, n), ""
    if given is None:
        given, way = _of_other_ways(difference, s, r, p, n)
    most_often = usual_correlations(n)
    ends = most_often if given else Interval(-1.0, 1.0)  # not those that the p needs: they give it by themselves
    found = p_of_difference(difference, spreads(s, r, ends.low, ends.high), n)
    verdict, interpretation, note = _verdict(given, most_often, n)
    if way:
        verdict, interpretation = DEPENDS, "; ".join(filter(None, (way, interpretation)))
    source = f"{spread_text(a)} and {spread_text(b)} of {n} cases"
    if given is None:
        source += ", whatever the correlation of the two models' scores on the same cases"
    if given is None and p.low > found.high:
        note = "A p corrected for several comparisons may be larger: where the paper says so, write `corrected: true`"
    off_by = gap(p, "equals", found) if given is None else math.nan
    if given is None and (assumed := sd_assumed(a, b)):
        verdict, interpretation, off_by = DEPENDS, assumed, math.nan
    return AuditRow(
        CHECK, about, places(test.where, a.where, b.where), printed, source, verdict, found.low, found.high,
        interpretation, off_by, note,
        (f"p {printed} of {pair_text(test)}", *numbers_of(a, b, spreads=True)),
    )  # fmt: skip


def _of_other_ways(difference: Interval, a: Interval, b: Interval, p: Interval, n: int) -> tuple[Interval | None, str]:
    """Return the correlations that give a one-sided p, or a p with SDs over n, and that interpretation; else None."""
    over_n = sd_over_n(a, n), sd_over_n(b, n)
    ways = {"SDs over n": (*over_n, p)}
    if p.low <= 0.5:
        double = Interval(2 * p.low, min(2 * p.high, 1.0))
        ways |= {"one-sided": (a, b, double), "one-sided, SDs over n": (*over_n, double)}
    for way, given in ways.items():
        if (found := implied_correlation(difference, *given, n)) is not None:
            return found, way
    return None, ""


def _verdict(given: Interval | None, most_often: Interval, n: int) -> tuple[Verdict, str, str]:
    """Return verdict, interpretation and note, from the correlations that give a p, the usual ones and the cases."""
    if given is None:
        return NOT, "", ""
    if given.low > most_often.high or given.high < most_often.low:
        note = f"The p recomputed is that of a correlation of {most_often.low:.2f} to {most_often.high:.2f}"
        return DEPENDS, unusual_correlation(given, most_often, n), note
    return FOLLOWS, "", f"The p needs {CORRELATED} {given.low:.2f} or more" if given.low > 0 else ""


def unusual_correlation(given: Interval, usual: Interval, n: int) -> str:
    """Return the interpretation of correlations on n cases that are all above the usual ones, or all below them."""
    if given.low > usual.high:
        return f"{CORRELATED} {given.low:.2f} or more{rarity(given.low, n)}"
    return f"{CORRELATED} {given.high:.2f} or less{rarity(-given.high, n, 0.0)}"


def rarity(least: float, n: int, true: float = USUAL) -> str:
    """Say how rarely n cases show a correlation of `least` or more where the true one is `true`, by Fisher's z.

    Returns:
        Words to follow the correlation; "" where it isn't above the true one, or of three cases or fewer.
    """
    from scipy import stats

    if least <= true or n <= 3:
        return ""
    z = (math.inf if least >= 1 else math.atanh(least)) - math.atanh(true)
    chance = float(stats.norm.sf(z * math.sqrt(n - 3)))
    told = f"of {chance:.2g}" if chance >= RARE else f"below {RARE:g}"
    return f" (where the true correlation is {true:g}, {n} cases show this with a probability {told})"


def _why_not(test: PairedTest | PrintedDifference, a: Value | None, b: Value | None, published: Published) -> str:
    """Say why a p can't be recomputed; "" where it can."""
    for model, value in ((test.a, a), (test.b, b)):
        if value is None:
            return f"no mean of {key_text(key_in(test, model))} is printed"
    assert a and b
    if test.structure == POOLED:
        return "the spread over all structures together does not give that over cases"
    counts = [cases_of(v, published) for v in (a, b)]
    for value, n in zip((a, b), counts):
        if not n or sd_of(value, n, t_quantile(n, published.confidence)) is None:
            return no_sd(value, n)
    if isinstance(test, PrintedDifference) and (n := cases_of(test, published)) not in counts:
        return f"the difference is of {n} cases, and the models' scores of {counts[0]}"
    return "" if counts[0] == counts[1] else f"the models have different numbers of cases, {counts[0]} and {counts[1]}"


def spreads(a: Interval, b: Interval, low: float, high: float) -> Interval:
    """Return the SD of the differences for correlations from low to high."""
    return Interval(_spread(a, b, high).low, _spread(a, b, low).high)


def _spread(a: Interval, b: Interval, correlation: float) -> Interval:
    """Return the SD of the differences, the root of sa^2 + sb^2 - 2 r sa sb, from the SDs and the correlation r."""
    ends = [(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    ends += [(min(max(correlation * y, a.low), a.high), y) for _, y in ends]  # between them it may be smaller
    ends += [(x, min(max(correlation * x, b.low), b.high)) for x, _ in ends]
    squares = [max(0.0, x * x + y * y - 2 * correlation * x * y) for x, y in ends]
    return Interval(math.sqrt(min(squares)), math.sqrt(max(squares)))


def p_of_difference(difference: Interval, spread: Interval, n: int) -> Interval:
    """Return the two-sided p from the SD of the differences."""
    from scipy import stats

    size = abs(difference)
    ends = [
        2 * float(stats.t.sf(d * math.sqrt(n) / sd, n - 1)) if sd else float(d == 0)
        for d, sd in ((size.high, spread.low), (size.low, spread.high))
    ]
    return Interval(*ends)
