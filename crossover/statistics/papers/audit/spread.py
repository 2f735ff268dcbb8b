"""Scores, standard deviations, intervals, quartiles and numbers of cases: do they go together?"""

import math
from collections.abc import Iterator
from dataclasses import replace

from crossover.statistics.papers.audit.interval import Interval, exactly, gap, unrounded
from crossover.statistics.papers.audit.lookup import key_of, key_text
from crossover.statistics.papers.audit.scores import (
    bootstrap_widths,
    cases_of,
    error_behind_t,
    normal_quantile,
    scale_of,
    sd_of,
    t_quantile,
)
from crossover.statistics.papers.audit.verdicts import AuditRow, Interpretation, judged, numbers_of, unchecked
from crossover.statistics.papers.printed import Pair, PrintedDifference, Value
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.scales import AGREEMENT, UNKNOWN, Scale

CHECK = "interval and spread"


def largest_sd(mean: Interval, n: int, scale: Scale = (0.0, 1.0)) -> float:
    """Return the largest SD (unbiased form) of n values with a mean in the interval; infinite without a lowest value.

    By Bhatia & Davis (2000) it is (highest - mean) (mean - lowest) n / (n - 1). Nor can one of n values above
    the lowest be further from it than n times their mean is: (mean - lowest) sqrt(n), which holds without a
    highest, too.
    """
    low, high = scale
    if math.isinf(low):
        return math.inf
    one_case = max(0.0, mean.high - low) * math.sqrt(n)
    if math.isinf(high):
        return one_case
    at = min(max((low + high) / 2, mean.low), mean.high)
    return min(one_case, math.sqrt(max(0.0, (high - at) * (at - low)) * n / (n - 1)))


def spread(published: Published) -> list[AuditRow]:
    """Check scores against their scales, intervals and quartiles against means, and SDs against scales."""
    rows = [*_off_scale(published)]
    for value in published.values:
        n = cases_of(value, published)
        several = value.structure == POOLED and value.sd is not None  # not over cases alone
        if value.ci:
            rows.append(symmetric(f"{key_text(key_of(value))} about its mean", value, value.mean, value.ci))
        if value.iqr and value.statistic == "median":
            rows.append(_median(value, value.iqr))
        if n and n > 1 and not several:
            rows += _possible(value, n, published)
        elif not n and _printed_spread(value) and not several and value.statistic == "mean":
            printed = " to ".join(x.text for x in _printed_spread(value))
            why = "the number of cases isn't printed"
            rows.append(unchecked(CHECK, f"SD of {key_text(key_of(value))}", value.where, printed, why))
        rows += _together(value, n, published)
    return rows


def _off_scale(published: Published) -> Iterator[AuditRow]:
    """Yield printed scores, ends of intervals and ICCs that no such measure can have.

    There is no row for those on their scale.
    """
    for value in published.values:
        scale = scale_of(value.metric, published)
        about = key_text(key_of(value))
        for row in _beyond(f"Mean of {about}", value.where, (value.mean,), scale):
            yield replace(row, rests_on=numbers_of(value))
        yield from _beyond(f"Quartile of {about}", value.where, value.iqr or (), scale)
    for icc in published.icc:
        about = f"ICC of {icc.model.family} at n = {icc.model.n_train}"
        yield from _beyond(about, icc.where, icc.range, AGREEMENT)
    if published.grid:
        grid = published.grid
        scale = scale_of(grid.metric, published)
        for cell in grid.cells:
            about = f"Mean of {cell.architecture} with {cell.encoder}, {grid.metric}"
            yield from _beyond(about, grid.where, (cell.mean,), scale)


def _beyond(about: str, where: str, numbers: tuple[Printed, ...], scale: Scale) -> Iterator[AuditRow]:
    low, high = scale
    for number in numbers:
        off = max(low - unrounded(number).high, unrounded(number).low - high)
        if off > 0:
            yield judged(
                CHECK, about, where, number.text, f"values from {low:g} to {high:g}", unrounded(number),
                [Interpretation("", Interval(low, high))],
            )  # fmt: skip


def symmetric(about: str, printed: Value | PrintedDifference, mean: Printed, ci: Pair) -> AuditRow:
    """Return the row of a mean against the middle of its interval."""
    low, high = ci
    ends = Interval(unrounded(low).low, unrounded(high).high)
    middle = (unrounded(low) + unrounded(high)) * exactly(0.5)
    return judged(
        CHECK, f"Interval of {about}", printed.where, mean.text,
        f"the middle of {low.text} to {high.text}", unrounded(mean), [
            Interpretation("a symmetric interval (t, normal)", middle),
            Interpretation("an asymmetric interval (bootstrap, transformed)", ends),
        ],
        rests_on=_numbers(about, printed, printed.statistic if isinstance(printed, Value) else "mean", "interval"),
    )  # fmt: skip


def _median(value: Value, iqr: Pair) -> AuditRow:
    low, high = iqr
    return judged(
        CHECK, f"Median of {key_text(key_of(value))} between its quartiles", value.where, value.mean.text,
        f"between {low.text} and {high.text}", unrounded(value.mean),
        [Interpretation("", Interval(unrounded(low).low, unrounded(high).high))],
    )  # fmt: skip


def _possible(value: Value, n: int, published: Published) -> Iterator[AuditRow]:
    about = f"SD of {key_text(key_of(value))}"
    printed = " to ".join(x.text for x in _printed_spread(value))
    if value.sd_of == "runs":
        why = "it is the SD of averages of runs, and the number of runs isn't printed"
        yield unchecked(CHECK, about, value.where, printed, why)
        return
    sd, scale = (
        sd_of(value, n, t_quantile(n, published.confidence)),
        scale_of(value.metric, published),
    )
    if sd is None:
        return
    if scale == UNKNOWN:
        yield unchecked(CHECK, about, value.where, printed, f"the scale of {value.metric} is not known")
        return
    most = largest_sd(unrounded(value.mean).clipped(*scale), n, scale)
    kind = f"scores from {scale[0]:g} to {scale[1]:g}" if math.isfinite(scale[1]) else "distances"
    row = judged(
        CHECK, about, value.where, printed, f"at most what {n} {kind} can have, whose mean is rounded to this", sd,
        [Interpretation("", exactly(most))], relation="at_most",
        note="" if value.sd is not None else f"The SD that belongs to it is {short_range(sd)}",
    )  # fmt: skip
    yield replace(row, rests_on=numbers_of(value, spreads=True))


def _together(value: Value, n: int | None, published: Published) -> Iterator[AuditRow]:
    """Yield rows for a standard error and an interval that stand beside an SD, or beside each other."""
    about = key_text(key_of(value))
    spreads = [x for x in (value.sd, value.se) if x is not None]
    if len(spreads) + bool(value.ci) < 2 or value.statistic == "median":
        return
    if why := _not_together(value, n):
        printed = " and ".join(x.text for x in spreads)
        yield unchecked(CHECK, f"SD, standard error and interval of {about}", value.where, printed, why)
        return
    assert n, "else `_not_together` says so"
    yield from errors_together(about, value, n, published)


def errors_together(about: str, value: Value | PrintedDifference, n: int, published: Published) -> Iterator[AuditRow]:
    """Yield rows for a standard error and an interval by the SD of n cases, and for the interval by the error.

    SE = SD / sqrt(n), or |difference / t| where only a t stands beside the interval. The interval is mean ± quantile x
    SE, by Student's t with n - 1 degrees of freedom or the normal distribution.
    """
    if value.se is not None and value.sd is not None:
        error = unrounded(value.sd).clipped() * exactly(1 / math.sqrt(n))
        own, interpretations = unrounded(value.se), [Interpretation("an SD over n - 1", error)]
        if gap(own, "equals", error):
            interpretations.append(Interpretation("an SD over n", error * exactly(math.sqrt(n / (n - 1)))))
        yield judged(
            CHECK, f"Standard error of {about}", value.where, value.se.text,
            f"an SD of {value.sd.text} over the root of {n} cases", own, interpretations,
            rests_on=_numbers(about, value, "SD", "standard error"),
        )  # fmt: skip
    if value.ci and (found := error_of(value, n)):
        yield _width(about, value, value.ci, found, n, published)


def error_of(value: Value | PrintedDifference, n: int) -> tuple[Interval, str, tuple[str, ...]] | None:
    """Return the standard error of n cases, what it is from, and the names of these numbers.

    None where no SD, standard error or t is printed.
    """
    if value.sd is not None:
        return unrounded(value.sd).clipped() * exactly(1 / math.sqrt(n)), f"an SD of {value.sd.text}", ("SD",)
    if value.se is not None:
        return unrounded(value.se).clipped(), f"a standard error of {value.se.text}", ("standard error",)
    if isinstance(value, PrintedDifference) and value.t is not None and (error := error_behind_t(value)):
        return error, f"a standard error of {value.difference.text} / {value.t.text}", ("mean", "t")
    return None


def _numbers(about: str, printed: Value | PrintedDifference, *names: str) -> tuple[str, ...]:
    """Return numbers that stand beside each other in words, as `numbers_of` does those of a value."""
    if isinstance(printed, Value):
        own = numbers_of(printed, spreads=True)
        return tuple(text for text in own if text.startswith(names))
    return tuple(f"{name} of {about}" for name in names)


def _not_together(value: Value, n: int | None) -> str:
    """Say why a standard error or interval can't be had from an SD, or from each other; "" where it can."""
    if value.sd_of == "runs":
        return "they are of runs, and the number of runs isn't printed"
    if value.structure == POOLED and value.sd_of != "averages":
        return "an SD over several structures isn't one of independent cases"
    return "" if n and n > 1 else "the number of cases isn't printed"


def _width(
    about: str,
    value: Value | PrintedDifference,
    ci: Pair,
    found: tuple[Interval, str, tuple[str, ...]],
    n: int,
    published: Published,
) -> AuditRow:
    """Return the row for half the width of an interval, by a standard error and what it is from."""
    error, of, _ = found
    t, normal = (quantile(n, published.confidence) for quantile in (t_quantile, normal_quantile))
    usual = Interval(error.low * normal, error.high * t)
    half = (unrounded(ci[1]) - unrounded(ci[0])) * exactly(0.5)
    interpretations = [Interpretation("a t or normal interval", usual)]
    if gap(half, "equals", usual):
        name = "a bootstrap or transformed interval, about ± quantile × standard error"
        interpretations.append(Interpretation(name, usual * bootstrap_widths(n)))
    return judged(
        CHECK, f"Width of the interval of {about}", value.where,
        f"{ci[0].text} to {ci[1].text} (± {(ci[1] - ci[0]) / 2:.3g})", f"{of} of {n} cases", half, interpretations,
        note="The numbers compared are half the width of the interval",
        rests_on=_numbers(about, value, "interval", *found[2]),
    )  # fmt: skip


def _printed_spread(value: Value) -> tuple[Printed, ...]:
    return tuple(x for x in (value.sd, value.se) if x is not None)[:1] or (value.ci or ())


def short_range(interval: Interval) -> str:
    """Return an interval as text with few digits."""
    return f"{interval.low:.3f} to {interval.high:.3f}"
