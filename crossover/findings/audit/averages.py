"""A printed average over structures against the rows that it averages, and its spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crossover.findings.audit.finding import Finding, Reading, judged, places
from crossover.findings.audit.interval import (
    TAIL,
    Interval,
    average,
    exactly,
    gap,
    likely_average,
    unrounded,
)
from crossover.findings.audit.lookup import POOLED_STRUCTURE, first_values, key_of, told
from crossover.findings.audit.spread import short_range
from crossover.findings.printed import Value
from crossover.findings.published import Published

CHECK = "average of rows"


def averages(published: Published) -> list[Finding]:
    """Every value of "all" structures whose rows are printed."""
    findings = []
    for value in published.values:
        rows = rows_of(value, published) if value.structure == POOLED_STRUCTURE else []
        if len(rows) > 1:
            findings.append(_mean(value, rows))
            sds = [row.sd for row in rows]
            known = published.test_sets.get(value.test_set)
            if value.sd is not None and all(sd is not None for sd in sds) and known:
                findings.append(_sd(value, rows, known.cases))
    return findings


def rows_of(value: Value, published: Published) -> list[Value]:
    """The values of the single structures of the same model, test set and metric."""
    family, n, _, test_set, metric = key_of(value)
    return [
        row
        for key, row in first_values(published).items()
        if key[2] not in (None, POOLED_STRUCTURE)
        and (*key[:2], *key[3:]) == (family, n, test_set, metric)
    ]


def _mean(value: Value, rows: list[Value]) -> Finding:
    terms = [unrounded(row.mean) for row in rows]
    return judged(
        CHECK, f"Mean of {told(key_of(value))}", places(value.where, *(r.where for r in rows)),
        value.mean.text, f"mean of {len(rows)} rows, {average(terms).middle:.4f}", unrounded(value.mean), [
            Reading("rows rounded to either side", likely_average(terms)),
            Reading("rows nearly all rounded to one side", average(terms)),
        ],
        note=f"rows rounded to either side: {short_range(likely_average(terms))} in 99.9% of cases",
    )  # fmt: skip


def _sd(value: Value, rows: list[Value], cases: int) -> Finding:
    over_rows, over_all = spreads = _over_rows(rows), _over_cases(rows, cases)
    assert value.sd is not None, "only values with an SD are averaged"
    mean_sd = average([unrounded(row.sd) for row in rows if row.sd is not None])
    names = ("over the rows' means", "over all rows and cases")
    printed = unrounded(value.sd)
    readings = [
        *(Reading(name, s.likely) for name, s in zip(names, spreads)),
        Reading("mean of the rows' SDs", mean_sd),
    ]
    if all(gap(printed, "equals", r.value) for r in readings):
        readings += [
            Reading(f"{name}, roundings nearly all widening or narrowing it", s.worst)
            for name, s in zip(names, spreads)
        ]
    return judged(
        CHECK, f"SD of {told(key_of(value))}", places(value.where, *(r.where for r in rows)),
        value.sd.text, "SDs and means of the rows", printed, readings,
        note=f"over the rows' means {over_rows.sd:.3f}, over rows and cases {over_all.sd:.3f}, "
        f"mean of the SDs {mean_sd.middle:.3f}; each case's own average isn't printed",
    )  # fmt: skip


@dataclass(frozen=True)
class _Spread:
    """An SD and how far rounding may have moved it: at most, and in 99.9% of cases if independent."""

    sd: float
    most: float
    usual: float

    @property
    def worst(self) -> Interval:
        return exactly(self.sd).widened(self.most).clipped()

    @property
    def likely(self) -> Interval:
        return exactly(self.sd).widened(min(self.usual, self.most)).clipped()


def _over_rows(rows: list[Value]) -> _Spread:
    """The SD is a norm of the centred numbers: rounding moves it by at most the norm of the errors."""
    k = len(rows)
    middle = math.fsum(row.mean for row in rows) / k
    sd = math.sqrt(math.fsum((row.mean - middle) ** 2 for row in rows) / (k - 1))
    most = math.sqrt(math.fsum(row.mean.half_unit**2 for row in rows) / (k - 1))
    moved = math.fsum(((row.mean - middle) * row.mean.half_unit) ** 2 for row in rows)
    return _Spread(sd, most, _usual(moved, k - 1, sd, most))


def _over_cases(rows: list[Value], cases: int) -> _Spread:
    """Of every row's cases together: their SDs within, the distance of the means between."""
    total, inner = len(rows) * cases, cases - 1
    middle = math.fsum(row.mean for row in rows) / len(rows)
    squares, errors, moved = 0.0, 0.0, 0.0
    for row in rows:
        assert row.sd is not None, "only values with an SD are averaged"
        away = row.mean - middle
        squares += inner * row.sd**2 + cases * away**2
        errors += inner * row.sd.half_unit**2 + cases * row.mean.half_unit**2
        moved += (inner * row.sd * row.sd.half_unit) ** 2 + (cases * away * row.mean.half_unit) ** 2
    sd, most = math.sqrt(squares / (total - 1)), math.sqrt(errors / (total - 1))
    return _Spread(sd, most, _usual(moved, total - 1, sd, most))


def _usual(moved: float, freedom: int, sd: float, most: float) -> float:
    """First order in uniform errors, whose SD is the half unit over the root of 3."""
    return TAIL * math.sqrt(moved / 3) / (freedom * sd) if sd > 0 else most
