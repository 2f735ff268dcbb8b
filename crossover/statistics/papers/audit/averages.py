"""A printed average over structures against the rows that it averages, and its spread."""

import math
from dataclasses import dataclass, replace

from crossover.statistics.papers.audit.interval import (
    TAIL,
    Interval,
    average,
    exactly,
    gap,
    likely_average,
    unrounded,
)
from crossover.statistics.papers.audit.lookup import first_values, key_of, key_text
from crossover.statistics.papers.audit.scores import cases_of, scale_of
from crossover.statistics.papers.audit.spread import short_range
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    NOT,
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    places,
    unchecked,
)
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED

CHECK = "average of rows"
OF_CASES = "the mean of each case's average over the structures that the case has, where some cases lack some"
OTHERS = 2
"""The number of other averages that must follow for one that doesn't to be wrong."""


def averages(published: Published) -> list[AuditRow]:
    """Check every value of "all" structures against the rows of the single ones, where these are printed."""
    out = []
    averaged = [(v, rows) for v in published.values if v.statistic == "mean" and len(rows := rows_of(v, published)) > 1]
    possible = [_of_cases(value, rows, published) for value, rows in averaged]
    found = [_mean(value, rows, published, of_cases) for (value, rows), of_cases in zip(averaged, possible)]
    means = _one_way([value for value, _ in averaged], found, possible)
    for (value, rows), mean in zip(averaged, means):
        out.append(mean)
        sds = [row.sd for row in rows]
        cases = [cases_of(row, published) for row in rows]
        of_runs = any(one.sd_of == "runs" for one in (value, *rows))
        told_all = value.sd is not None and all(sd is not None for sd in sds) and all(cases)
        if told_all and not of_runs:
            same = len(set(cases)) == 1 and mean.interpretation != OF_CASES
            out.append(_sd(value, rows, [n for n in cases if n], same))
    return out


def _one_way(values: list[Value], found: list[AuditRow], possible: list[bool]) -> list[AuditRow]:
    """Return the rows of averages, of which those that don't follow may average something else than the rows.

    Papers seldom print of which structures a case has none. Where some do lack one, the mean of each case's average is
    neither that of the rows nor weighted by their cases. A paper averages in one way throughout: where two or more
    other averages of a metric on a test set all follow, one that doesn't is wrong.

    Args:
        values, found: the averages, and their rows. possible: of `_of_cases`.
    """
    out = []
    for value, row, of_cases in zip(values, found, possible):
        alike = [
            r
            for v, r in zip(values, found)
            if v is not value and (v.test_set, v.metric) == (value.test_set, value.metric)
        ]
        others = [r.verdict for r in alike]
        sure = len(others) >= OTHERS and NOT not in others and OF_CASES not in {r.interpretation for r in alike}
        if row.verdict == NOT and of_cases and not sure:
            row = replace(row, verdict=DEPENDS, interpretation=OF_CASES, off_by=math.nan)
        out.append(row)
    return out


def _of_cases(value: Value, rows: list[Value], published: Published) -> bool:
    """Return whether an average may be the mean of each case's average over the structures that the case has.

    Such an average is that over all cases and structures if each missing score is the average of the case's others. So
    it lies between those with each missing score the lowest or the highest possible one. Of rows that don't say their
    cases, all but a few may be missing, but each case has a structure.
    """
    low, high = scale_of(value.metric, published)
    if math.isinf(low):
        return True
    n = cases_of(value, published)
    shares = [min(1.0, row.cases / n) if row.cases and n else None for row in rows]
    means = [unrounded(row.mean).clipped(low, high) for row in rows]
    above = _least_sum([m.low - low for m in means], shares) / len(rows)
    below = _least_sum([high - m.high for m in means], shares) / len(rows)
    most = math.fsum(m.high for m in means) if math.isinf(high) else high - below
    return gap(unrounded(value.mean), "equals", Interval(low + above, most)) == 0


def _least_sum(distances: list[float], shares: list[float | None]) -> float:
    """Return the least sum of the rows' distances from an end of the scale, each times its share of all cases.

    Unknown shares are as small as they may be: all shares together are one or more.
    """
    told = math.fsum(d * share for d, share in zip(distances, shares) if share is not None)
    missing = max(0.0, 1 - math.fsum(share for share in shares if share is not None))
    return told + missing * min((d for d, share in zip(distances, shares) if share is None), default=0.0)


def rows_of(value: Value, published: Published) -> list[Value]:
    """Return the values of the single structures of the same model, test set and metric; none for a single one's."""
    if value.structure != POOLED:
        return []
    family, n, _, test_set, quantity = key_of(value)
    return [
        row
        for key, row in first_values(published).items()
        if key[2] not in (None, POOLED) and (*key[:2], *key[3:]) == (family, n, test_set, quantity)
    ]


def _mean(value: Value, rows: list[Value], published: Published, of_cases: bool) -> AuditRow:
    terms = [unrounded(row.mean) for row in rows]
    interpretations = [
        Interpretation("the rows rounded in either direction", likely_average(terms)),
        Interpretation("nearly all rows rounded in the same direction", average(terms)),
    ]
    cases = [n for row in rows if (n := cases_of(row, published))]
    apart = len(set(cases)) > 1
    if len(cases) == len(rows) and apart:
        interpretations.append(Interpretation("the rows weighted by their numbers of cases", average(terms, cases)))
    about, where = f"Mean of {key_text(key_of(value))}", places(value.where, *(r.where for r in rows))
    if apart and of_cases and value.sd_of == "averages":
        why = "it is the mean of each case's average over the rows that the case has, which the printed rows don't show"
        return unchecked(CHECK, about, where, value.mean.text, why)
    return judged(
        CHECK, about, where, value.mean.text, f"the mean of {len(rows)} rows, {average(terms).middle:.4f}",
        unrounded(value.mean), interpretations,
        note="If the rows' rounding errors are independent, their mean is within "
        f"{short_range(likely_average(terms))} with a probability of 99.9%",
        otherwise=OF_CASES if apart and of_cases else "",
        rests_on=numbers_of(value, *rows),
    )  # fmt: skip


def _sd(value: Value, rows: list[Value], cases: list[int], same_cases: bool) -> AuditRow:
    """Return the SD over the rows' means, over all rows and cases, or of each case's average over the rows.

    Args:
        same_cases: whether all rows seem to be of the same cases.
    """
    over_rows, over_all = spreads = _over_rows(rows), _over_cases(rows, cases)
    over_n = _over_rows(rows, freedom=0), _over_cases(rows, cases, freedom=0)
    assert value.sd is not None, "only values with an SD are averaged"
    mean_sd = average([unrounded(row.sd) for row in rows if row.sd is not None])
    names = ("the SD over the rows' means", "the SD over all rows and cases")
    printed = unrounded(value.sd)
    interpretations = [
        *(Interpretation(name, s.likely) for name, s in zip(names, spreads)),
        Interpretation("the mean of the rows' SDs", mean_sd),
    ]
    if all(gap(printed, "equals", r.value) for r in interpretations):
        interpretations += [Interpretation(f"{name}, over n", s.likely) for name, s in zip(names, over_n)]
    if all(gap(printed, "equals", r.value) for r in interpretations):
        interpretations += [
            Interpretation(f"{name}, with nearly all rounding errors in the direction that changes it most", s.worst)
            for name, s in zip(names, spreads)
        ]
    about, where = f"SD of {key_text(key_of(value))}", places(value.where, *(r.where for r in rows))
    found = judged(
        CHECK, about, where, value.sd.text, "the SDs and means of the rows", printed, interpretations,
        note=f"The SD over the rows' means is {over_rows.sd:.3f}, that over all rows and cases {over_all.sd:.3f}, and "
        f"the mean of the rows' SDs {mean_sd.middle:.3f}; the average of each case over the rows isn't printed",
        rests_on=(*numbers_of(value, means=False, spreads=True), *numbers_of(*rows, spreads=True)),
    )  # fmt: skip
    if value.sd_of == "averages" or (value.sd_of is None and found.verdict == NOT):
        possible = Interval(_least_of_averages(rows), mean_sd.high)
        return _of_averages(found, printed, possible, same_cases, value.sd_of == "averages")
    return found


def _least_of_averages(rows: list[Value]) -> float:
    """Return the least SD of each case's average over the rows: the others may offset all but the largest's excess."""
    sds = [unrounded(row.sd) for row in rows if row.sd is not None]
    largest = max(sds, key=lambda sd: sd.low)
    others = math.fsum(sd.high for sd in sds if sd is not largest)
    return max(0.0, largest.low - others) / len(sds)


def _of_averages(found: AuditRow, printed: Interval, possible: Interval, same_cases: bool, told: bool) -> AuditRow:
    """Check whether an SD of each case's average over the rows is possible, which is all that can be checked.

    By the triangle inequality it is at most the mean of the rows' SDs.

    Args:
        found: the row of what else the SD may be. printed: the SD. possible: SDs of averages that the rows allow.
        same_cases: whether all rows have as many cases. told: whether the paper says that it is of averages.
    """
    if same_cases and gap(printed, "equals", possible):
        source = "what the rows' SDs allow an SD of each case's average to be"
        return found if found.verdict == NOT else judged(
            CHECK, found.about, found.where, found.printed, source, printed, [Interpretation("", possible)],
            rests_on=found.rests_on,
        )  # fmt: skip
    why = "it is the SD of each case's average over the rows, and these averages aren't printed"
    if not told:
        why = f"it seems to be the SD of each case's average over the rows. {found.note}"
    return unchecked(CHECK, found.about, found.where, found.printed, why)


@dataclass(frozen=True)
class _Spread:
    """An SD and how far rounding may have moved it: at most, and in 99.9% of cases if independent."""

    sd: float
    most: float
    usual: float

    @property
    def worst(self) -> Interval:
        """All values that the SD may have, whatever the rounding was."""
        return exactly(self.sd).widened(self.most).clipped()

    @property
    def likely(self) -> Interval:
        """The values that the SD has in 99.9% of cases, if rounding errors are independent."""
        return exactly(self.sd).widened(min(self.usual, self.most)).clipped()


def _over_rows(rows: list[Value], freedom: int = 1) -> _Spread:
    """Return the SD over the rows: it is a norm, so that rounding moves it by at most the norm of the errors.

    Args:
        freedom: what it takes off the number of rows; 0 for an SD over n, as numpy's is.
    """
    k = len(rows) - freedom
    middle = math.fsum(row.mean for row in rows) / len(rows)
    sd = math.sqrt(math.fsum((row.mean - middle) ** 2 for row in rows) / k)
    most = math.sqrt(math.fsum(row.mean.half_unit**2 for row in rows) / k)
    moved = math.fsum(((row.mean - middle) * row.mean.half_unit) ** 2 for row in rows)
    return _Spread(sd, most, _usual(moved, k, sd, most))


def _over_cases(rows: list[Value], cases: list[int], freedom: int = 1) -> _Spread:
    """Return the SD of all rows' cases together, from their SDs within rows and the means between them."""
    total = sum(cases)
    middle = math.fsum(n * row.mean for row, n in zip(rows, cases)) / total
    squares, errors, moved = 0.0, 0.0, 0.0
    for row, n in zip(rows, cases):
        assert row.sd is not None, "only values with an SD are averaged"
        away = row.mean - middle
        squares += (n - freedom) * row.sd**2 + n * away**2
        errors += (n - freedom) * row.sd.half_unit**2 + n * row.mean.half_unit**2
        moved += ((n - freedom) * row.sd * row.sd.half_unit) ** 2 + (n * away * row.mean.half_unit) ** 2
    left = total - freedom
    sd, most = math.sqrt(squares / left), math.sqrt(errors / left)
    return _Spread(sd, most, _usual(moved, left, sd, most))


def _usual(moved: float, freedom: int, sd: float, most: float) -> float:
    """Return how far the SD moves usually, to first order in uniform errors, whose SD is the half unit over √3."""
    return TAIL * math.sqrt(moved / 3) / (freedom * sd) if sd > 0 else most
