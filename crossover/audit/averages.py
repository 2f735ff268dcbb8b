"""A printed average over structures against the rows that it averages, and its spread."""

from __future__ import annotations

import math

from crossover.audit.finding import Finding, Reading, judged, places
from crossover.audit.interval import Interval, average, exactly, likely_average, unrounded
from crossover.audit.lookup import POOLED_STRUCTURE, first_values, key_of, told
from crossover.printed import Value
from crossover.published import Published

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
    )  # fmt: skip


def _sd(value: Value, rows: list[Value], cases: int) -> Finding:
    over_rows, over_all, mean_sd = _over_rows(rows), _over_cases(rows, cases), _mean_sd(rows)
    return judged(
        CHECK, f"SD of {told(key_of(value))}", places(value.where, *(r.where for r in rows)),
        value.sd.text, "SDs and means of the rows", unrounded(value.sd), [
            Reading("over the rows' means", over_rows),
            Reading("over all rows and cases", over_all),
            Reading("mean of the rows' SDs", mean_sd),
        ],
        note=f"over the rows' means {over_rows.middle:.3f}, over rows and cases {over_all.middle:.3f}, "
        f"mean of the SDs {mean_sd.middle:.3f}; each case's own average isn't printed",
    )  # fmt: skip


def _over_rows(rows: list[Value]) -> Interval:
    """The SD is a norm of the centred numbers: rounding moves it by at most that of the errors."""
    k = len(rows)
    middle = math.fsum(row.mean for row in rows) / k
    sd = math.sqrt(math.fsum((row.mean - middle) ** 2 for row in rows) / (k - 1))
    error = math.sqrt(math.fsum(row.mean.half_unit**2 for row in rows) / (k - 1))
    return exactly(sd).widened(error).clipped()


def _over_cases(rows: list[Value], cases: int) -> Interval:
    total = len(rows) * cases
    middle = math.fsum(row.mean for row in rows) / len(rows)
    squares = math.fsum(
        (cases - 1) * row.sd**2 + cases * (row.mean - middle) ** 2 for row in rows
    )
    errors = math.fsum(
        (cases - 1) * row.sd.half_unit**2 + cases * row.mean.half_unit**2 for row in rows
    )
    return exactly(math.sqrt(squares / (total - 1))).widened(math.sqrt(errors / (total - 1))).clipped()


def _mean_sd(rows: list[Value]) -> Interval:
    return average([unrounded(row.sd) for row in rows])
