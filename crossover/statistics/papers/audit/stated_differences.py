"""Printed mean differences of two models on the same cases, against the models' means and SDs and the printed p."""

import math
from collections.abc import Iterator

from crossover.statistics.papers.audit.freedom import degrees
from crossover.statistics.papers.audit.interval import Interval, exactly, gap, unrounded
from crossover.statistics.papers.audit.lookup import first_values, key_in, key_text, pair_text
from crossover.statistics.papers.audit.paired_t import (
    correlations,
    p_of_any_correlation,
    p_of_difference,
    spreads,
    unusual_correlation,
    usual_correlations,
)
from crossover.statistics.papers.audit.scores import (
    bootstrap_widths,
    cases_of,
    error_behind_t,
    normal_quantile,
    printed_cases,
    sd_behind,
    sd_of,
    sd_over_n,
    spread_text,
    t_quantile,
    unit_of,
)
from crossover.statistics.papers.audit.spread import error_of, errors_together, symmetric
from crossover.statistics.papers.audit.stated_tests import p_of_t
from crossover.statistics.papers.audit.verdicts import (
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    p_interval,
    p_text,
    places,
    sd_assumed,
    unchecked,
)
from crossover.statistics.papers.printed import RANK_TESTS, PrintedDifference, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED

CHECK = "difference of two models"


def stated_differences(published: Published) -> list[AuditRow]:
    """Check each printed difference: its means, its interval, its SD by those of the two models, and its p."""
    values = first_values(published)
    rows = []
    for said in published.differences:
        a, b = (values.get(key_in(said, model)) for model in (said.a, said.b))
        said = _with_cases(said, a, b, published)
        n, told = cases_of(said, published), printed_cases(said, published)
        rows.append(_of_means(said, a, b, published))
        if said.ci:
            rows.append(symmetric(f"the difference, {pair_text(said)}", said, said.difference, said.ci))
        rows += _of_t(said, n)
        if told and said.df:
            about = f"Degrees of freedom of the difference, {pair_text(said)}"
            rows.append(
                degrees(CHECK, about, said.where, "t", [said.df], told, same_cases=True, paired_t=said.test == "t")
            )
        if n and n > 1:
            rows += errors_together(f"the difference, {pair_text(said)}", said, n, published)
        rows += _of_spreads(said, a, b, n, published)
        rows += _of_p(said, n, published)
    return rows


def _with_cases(said: PrintedDifference, a: Value | None, b: Value | None, published: Published) -> PrintedDifference:
    """Return the difference with the number of cases of its two means, if these have one and it names none."""
    known = {printed_cases(v, published) if v else None for v in (a, b)}
    return said if said.cases or len(known) > 1 else said.model_copy(update={"cases": known.pop()})


def _of_means(said: PrintedDifference, a: Value | None, b: Value | None, published: Published) -> AuditRow:
    """Return the row of the difference by the printed means; if it fails, its reverse is an interpretation."""
    about = f"Difference, {pair_text(said)}"
    if a is None or b is None:
        missing = key_text(key_in(said, said.a if a is None else said.b))
        return unchecked(CHECK, about, said.where, said.difference.text, f"no mean of {missing} is printed")
    counts = {n for n in (printed_cases(a, published), printed_cases(b, published), said.cases) if n}
    if len(counts) > 1:
        of = f"the models' means and the difference are of {' and '.join(map(str, sorted(counts)))} cases"
        return unchecked(CHECK, about, said.where, said.difference.text, of)
    points = exactly(_points(said, published))
    value, found = unrounded(said.difference), (unrounded(a.mean) - unrounded(b.mean)) * points
    interpretations = [Interpretation("the first minus the second", found)]
    if gap(value, "equals", found):
        interpretations.append(Interpretation("the second minus the first", -found))
    return judged(
        CHECK, about, places(said.where, a.where, b.where), said.difference.text,
        f"{a.mean.text} - {b.mean.text}", value, interpretations, rests_on=(_name("mean", said), *numbers_of(a, b)),
    )  # fmt: skip


def _of_t(said: PrintedDifference, n: int | None) -> Iterator[AuditRow]:
    """Yield the row of a t by the difference and its SD or standard error; an interval is checked against t itself."""
    if said.t is None or n is None or n < 2 or (said.sd is None and said.se is None):
        return
    found = error_of(said, n)
    assert found, "an SD or a standard error is printed"
    error, of, names = found
    if error.low <= 0:
        return
    value, size = abs(unrounded(said.t)), abs(unrounded(said.difference))
    interpretations = [Interpretation("an SD over n - 1", size / error)]
    if gap(value, "equals", interpretations[0].value):
        interpretations.append(Interpretation("an SD over n", size / error * exactly(math.sqrt((n - 1) / n))))
    yield judged(
        CHECK, f"t of the difference, {pair_text(said)}", said.where, said.t.text,
        f"a difference of {said.difference.text} and {of} of {n} cases", value, interpretations,
        rests_on=_numbers(said, "mean", "t", *names),
    )  # fmt: skip


def _name(name: str, said: PrintedDifference) -> str:
    """Return a number that stands beside a difference in words: "interval of the difference, A against B, ..."."""
    return f"{name} of the difference, {pair_text(said)}"


def _numbers(said: PrintedDifference, *names: str) -> tuple[str, ...]:
    """Return numbers that stand beside a difference in words, each once."""
    return tuple(dict.fromkeys(_name(name, said) for name in names))


def _behind_sd(said: PrintedDifference) -> tuple[str, ...]:
    """Return the names of the numbers that tell the SD of the differences (`sd_behind`)."""
    if said.sd is not None or said.se is not None:
        return ("SD",) if said.sd is not None else ("standard error",)
    return ("mean", "t") if said.t is not None and error_behind_t(said) else ("interval",)


def _points(said: PrintedDifference, published: Published) -> float:
    """Return what a difference of 1, of scores as the paper prints them, is in the unit of the printed difference."""
    return 100 / unit_of(said.metric, published) if said.unit else 1.0


def _of_spreads(
    said: PrintedDifference, a: Value | None, b: Value | None, n: int | None, published: Published
) -> Iterator[AuditRow]:
    """Yield the row of the SD of the differences by those of the two models, at usual correlations or at any.

    w² = a² + b² - 2 r a b. There is no row where no SD of the differences is printed, nor any of the two models.
    """
    if a is None or b is None or n is None or n < 2 or said.structure == POOLED:
        return
    if {cases_of(v, published) for v in (a, b)} != {n}:
        return
    quantile = t_quantile(n, published.confidence)
    own, one, two = sd_behind(said, n, quantile), sd_of(a, n, quantile), sd_of(b, n, quantile)
    if own is None or one is None or two is None:
        return
    points = exactly(_points(said, published))
    one, two, usual = one * points, two * points, usual_correlations(n)
    interpretations = [Interpretation("", spreads(one, two, usual.low, usual.high))]
    if gap(own, "equals", interpretations[0].value):
        given = correlations(one, two, own)
        name = unusual_correlation(given, usual, n) if given else "any correlation"
        interpretations.append(Interpretation(name, spreads(one, two, -1.0, 1.0)))
    yield judged(
        CHECK, f"SD of the differences, {pair_text(said)}", places(said.where, a.where, b.where), _printed(said),
        f"{spread_text(a)} and {spread_text(b)} of {n} cases", own, interpretations,
        note="" if said.sd is not None else f"The SD that belongs to it is {own.low:.3g} to {own.high:.3g}",
        rests_on=(*_numbers(said, *_behind_sd(said)), *numbers_of(a, b, means=False, spreads=True)),
        otherwise=sd_assumed(a, b),
    )  # fmt: skip


def _of_p(said: PrintedDifference, n: int | None, published: Published) -> Iterator[AuditRow]:
    """Yield the row of a p beside the difference: by its t, by its SD, or by the SDs of the two models."""
    if said.p is None:
        return
    about, printed = f"p of the difference, {pair_text(said)}", p_text(said.p, said.p_below)
    own = sd_behind(said, n, t_quantile(n, published.confidence)) if n and n > 1 else None
    by_t, by_sd = _by_t(said, n), _by_sd(said, own, n)
    if why := _no_p(said, bool(by_t or by_sd)):
        yield unchecked(CHECK, about, said.where, printed, why)
    elif told := by_t or by_sd:
        value, relation = p_interval(said.p, said.p_below), "at_least" if said.corrected else "equals"
        interpretations = [Interpretation("the paired t test", told[0])]
        if gap(value, relation, told[0]):
            if not by_t and own and n:
                interpretations += _of_other_sds(said, own, n, published)
            last = interpretations[-1].value
            interpretations.append(Interpretation("one-sided", Interval(last.low / 2, last.high / 2)))
            if said.test is None:
                interpretations.append(Interpretation("another test than the paired t test", Interval(0.0, 1.0)))
        yield judged(
            CHECK, about, said.where, printed, told[1], value, interpretations, relation,
            rests_on=_numbers(said, "p", *(("t",) if by_t else ("mean", *_behind_sd(said)))),
        )  # fmt: skip
    elif not _in_paired(said, published):
        yield p_of_any_correlation(said, published)


def _by_t(said: PrintedDifference, n: int | None) -> tuple[Interval, str] | None:
    """Return the p of the printed t and what it is from; None without one, or without its degrees of freedom."""
    if said.t is None or not (said.df or n):
        return None
    df = unrounded(said.df, exact=said.df.decimals == 0) if said.df else exactly((n or 0) - 1)
    freedom = said.df.text if said.df else f"{n} - 1"
    return p_of_t(unrounded(said.t), df), f"t({freedom}) = {said.t.text}"


def _by_sd(said: PrintedDifference, sd: Interval | None, n: int | None) -> tuple[Interval, str] | None:
    """Return the p of the difference and its SD, and what it is from; None without an SD."""
    if sd is None or n is None or math.isnan(sd.low):
        return None
    source = f"{said.difference.text}, {_printed(said)}, of {n} cases"
    return p_of_difference(unrounded(said.difference), sd, n), source


def _in_paired(said: PrintedDifference, published: Published) -> bool:
    """Return whether the p stands among the paired tests, too, where `paired_t` checks it."""
    own = ({said.a, said.b}, said.structure, said.test_set, said.metric, said.p, said.p_below, said.corrected)
    return any(
        own == ({t.a, t.b}, t.structure, t.test_set, t.metric, t.p, t.p_below, t.corrected)
        for t in published.paired
        if t.test == "t"
    )


def _of_other_sds(said: PrintedDifference, sd: Interval, n: int, published: Published) -> Iterator[Interpretation]:
    """Yield the p where the printed SD is one over n, or the interval another than that of Student's t."""
    if said.sd is not None or said.se is not None:
        name, sd = "an SD over n", Interval(sd.low, sd_over_n(sd, n).high)
    else:
        t, normal = (quantile(n, published.confidence) for quantile in (t_quantile, normal_quantile))
        name = "a normal, bootstrap or transformed interval"
        sd = sd * bootstrap_widths(n) * Interval(1, t / normal)
    yield Interpretation(name, p_of_difference(unrounded(said.difference), sd, n))


def _no_p(said: PrintedDifference, told: bool) -> str:
    """Say why the p can't be recomputed; "" where its t or SD tells it, or it can be at all correlations."""
    if said.test in RANK_TESTS or said.test == "other":
        return f"the p of this test ({said.test}) doesn't follow from a mean difference"
    if said.test == "anova":
        return "the p of an ANOVA doesn't follow from one difference"
    if told or said.test == "t":
        return ""
    if {said.sd, said.se, said.ci, said.t} != {None}:
        return "the number of cases isn't printed"
    return "the paper names no test, and prints no SD, standard error, interval or t of the difference"


def _printed(said: PrintedDifference) -> str:
    """Return what is printed of the spread of the differences."""
    if said.sd is not None:
        return f"SD {said.sd.text}"
    if said.se is not None:
        return f"standard error {said.se.text}"
    if said.t is not None and error_behind_t(said):
        return f"t {said.t.text}"
    return f"interval {said.ci[0].text} to {said.ci[1].text}" if said.ci else ""
