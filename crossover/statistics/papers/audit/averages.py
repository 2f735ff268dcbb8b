"""A printed average over structures against the rows that it averages, and its spread."""

import math
from dataclasses import dataclass

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
from crossover.statistics.papers.audit.scores import cases_of
from crossover.statistics.papers.audit.spread import short_range
from crossover.statistics.papers.audit.verdicts import NOT, AuditRow, Interpretation, judged, places, unchecked
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED

CHECK = "average of rows"


def averages(published: Published) -> list[AuditRow]:
    """Check every value of "all" structures against the rows of the single ones, where these are printed."""
    out = []
    for value in published.values:
        rows = rows_of(value, published) if value.statistic == "mean" else []
        if len(rows) > 1:
            out.append(_mean(value, rows, published))
            sds = [row.sd for row in rows]
            cases = [cases_of(row, published) for row in rows]
            of_runs = any(one.sd_of == "runs" for one in (value, *rows))
            told_all = value.sd is not None and all(sd is not None for sd in sds) and all(cases)
            if told_all and not of_runs:
                out.append(_sd(value, rows, [n for n in cases if n]))
    return out


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


def _mean(value: Value, rows: list[Value], published: Published) -> AuditRow:
    terms = [unrounded(row.mean) for row in rows]
    readings = [
        Interpretation("the rows rounded in either direction", likely_average(terms)),
        Interpretation("nearly all rows rounded in the same direction", average(terms)),
    ]
    cases = [n for row in rows if (n := cases_of(row, published))]
    if len(cases) == len(rows) and len(set(cases)) > 1:
        readings.append(Interpretation("the rows weighted by their numbers of cases", average(terms, cases)))
    about, where = f"Mean of {key_text(key_of(value))}", places(value.where, *(r.where for r in rows))
    if len(set(cases)) > 1 and value.sd_of == "averages":
        why = "it is the mean of each case's average over the rows that the case has, which the printed rows don't tell"
        return unchecked(CHECK, about, where, value.mean.text, why)
    return judged(
        CHECK, about, where, value.mean.text, f"the mean of {len(rows)} rows, {average(terms).middle:.4f}",
        unrounded(value.mean), readings,
        note="If the rows' rounding errors are independent, their mean is within "
        f"{short_range(likely_average(terms))} with a probability of 99.9%",
    )  # fmt: skip


def _sd(value: Value, rows: list[Value], cases: list[int]) -> AuditRow:
    """Return the SD over the rows' means, over all rows and cases, or of each case's average over the rows."""
    over_rows, over_all = spreads = _over_rows(rows), _over_cases(rows, cases)
    assert value.sd is not None, "only values with an SD are averaged"
    mean_sd = average([unrounded(row.sd) for row in rows if row.sd is not None])
    names = ("the SD over the rows' means", "the SD over all rows and cases")
    printed = unrounded(value.sd)
    readings = [
        *(Interpretation(name, s.likely) for name, s in zip(names, spreads)),
        Interpretation("the mean of the rows' SDs", mean_sd),
    ]
    if all(gap(printed, "equals", r.value) for r in readings):
        readings += [
            Interpretation(f"{name}, with nearly all rounding errors in the direction that changes it most", s.worst)
            for name, s in zip(names, spreads)
        ]
    about, where = f"SD of {key_text(key_of(value))}", places(value.where, *(r.where for r in rows))
    found = judged(
        CHECK, about, where, value.sd.text, "the SDs and means of the rows", printed, readings,
        note=f"The SD over the rows' means is {over_rows.sd:.3f}, that over all rows and cases {over_all.sd:.3f}, and "
        f"the mean of the rows' SDs {mean_sd.middle:.3f}; the average of each case over the rows isn't printed",
    )  # fmt: skip
    if value.sd_of == "averages" or (value.sd_of is None and found.verdict == NOT):
        possible = Interval(_least_of_averages(rows), mean_sd.high)
        return _of_averages(found, printed, possible, len(set(cases)) == 1, value.sd_of == "averages")
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
            CHECK, found.about, found.where, found.printed, source, printed, [Interpretation("", possible)]
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


def _over_rows(rows: list[Value]) -> _Spread:
    """Return the SD over the rows: it is a norm, so that rounding moves it by at most the norm of the errors."""
    k = len(rows)
    middle = math.fsum(row.mean for row in rows) / k
    sd = math.sqrt(math.fsum((row.mean - middle) ** 2 for row in rows) / (k - 1))
    most = math.sqrt(math.fsum(row.mean.half_unit**2 for row in rows) / (k - 1))
    moved = math.fsum(((row.mean - middle) * row.mean.half_unit) ** 2 for row in rows)
    return _Spread(sd, most, _usual(moved, k - 1, sd, most))


def _over_cases(rows: list[Value], cases: list[int]) -> _Spread:
    """Return the SD of all rows' cases together, from their SDs within rows and the means between them."""
    total = sum(cases)
    middle = math.fsum(n * row.mean for row, n in zip(rows, cases)) / total
    squares, errors, moved = 0.0, 0.0, 0.0
    for row, n in zip(rows, cases):
        assert row.sd is not None, "only values with an SD are averaged"
        away = row.mean - middle
        squares += (n - 1) * row.sd**2 + n * away**2
        errors += (n - 1) * row.sd.half_unit**2 + n * row.mean.half_unit**2
        moved += ((n - 1) * row.sd * row.sd.half_unit) ** 2 + (n * away * row.mean.half_unit) ** 2
    sd, most = math.sqrt(squares / (total - 1)), math.sqrt(errors / (total - 1))
    return _Spread(sd, most, _usual(moved, total - 1, sd, most))


def _usual(moved: float, freedom: int, sd: float, most: float) -> float:
    """Return how far the SD moves usually, to first order in uniform errors, whose SD is the half unit over √3."""
    return TAIL * math.sqrt(moved / 3) / (freedom * sd) if sd > 0 else most
