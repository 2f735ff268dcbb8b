"""Scores of one metric in per cent at one place of a paper, and as fractions at another.

A table prints 84.4 and the abstract 0.84, or the other way round. All checks compare numbers in one unit, so the others
are converted before any check, where they are surely in another one; each has a row that says so.
"""

from dataclasses import replace

from crossover.statistics.papers.audit.cut_off import numbered
from crossover.statistics.papers.audit.interval import gap, unrounded
from crossover.statistics.papers.audit.lookup import Key, key_of, key_text
from crossover.statistics.papers.audit.verdicts import DEPENDS, NOT, AuditRow
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.scales import SHARE, scale

CHECK = "interval and spread"
OTHER_UNIT = "the unit in which the paper prints these scores elsewhere (per cent, or fractions)"
LEAST_PER_CENT = 10.0
"""The smallest mean of a metric of fractions that is taken for one in per cent where nothing else tells."""


def in_one_unit(published: Published) -> tuple[Published, list[AuditRow]]:
    """Return the paper with the scores of each metric in one unit, and a row for each that seems to be in another."""
    prints: dict[Key, list[Value]] = {}
    for value in published.values:
        prints.setdefault(key_of(value), []).append(value)
    values, rows = [], []
    for value in published.values:
        others = [v for v in prints[key_of(value)] if v is not value]
        power = _power(value, others, published)
        if power:
            rows.append(_row(value, power))
        elif row := _may_be_fraction(value, published):
            rows.append(row)
        values.append(_times(value, power) if power else value)
    return (published.model_copy(update={"values": values}) if rows else published), rows


def in_other_unit(published: Published) -> Published | None:
    """Return the paper with the scores of the metrics that it prints in both units in the other one; None without any.

    Which of the two a difference, a gain or a sentence about scores is printed in, nothing tells but the scores.
    """
    both = {v.metric: published.in_per_cent(v.metric) for v in published.values if v.mean.power}
    if not both:
        return None
    values = [_times(v, -2 if both[v.metric] else 2) if v.metric in both else v for v in published.values]
    per_cent = [*(m for m in published.per_cent if m not in both), *(m for m, now in both.items() if not now)]
    return published.model_copy(update={"values": values, "per_cent": per_cent})


def in_either_unit(rows: list[AuditRow], other: list[AuditRow]) -> list[AuditRow]:
    """Return the rows, those that don't follow from scores in one unit as what they are by those in the other."""
    there = numbered(other)
    return [_by_other(row, there.get(key)) for key, row in numbered(rows).items()]


def _by_other(row: AuditRow, other: AuditRow | None) -> AuditRow:
    if row.verdict != NOT or other is None or other.verdict == NOT:
        return row
    return replace(
        other,
        verdict=DEPENDS,
        interpretation=f"{OTHER_UNIT}; {other.interpretation}" if other.interpretation else OTHER_UNIT,
    )


def _power(value: Value, others: list[Value], published: Published) -> int:
    """Return the power of ten that a value is to be multiplied by: 2 of a fraction, -2 of per cent, else 0."""
    if scale(value.metric) != SHARE:
        return 0
    per_cent = published.in_per_cent(value.metric)
    odd = 0 < value.mean <= 1 if per_cent else value.mean > 1
    if not odd:
        return 0
    power = 2 if per_cent else -2
    moved = unrounded(value.mean.times(power))
    if others:
        return power if any(gap(moved, "equals", unrounded(v.mean)) == 0 for v in others) else 0
    if not per_cent:
        return power if LEAST_PER_CENT <= value.mean <= 100 else 0
    alike = [v.mean.decimals for v in published.values if v.metric == value.metric and v.mean > 1]
    return power if value.mean.decimals > max(alike, default=0) else 0


def _times(value: Value, power: int) -> Value:
    """Return the value with its mean and spread in the other unit."""

    def moved(number: Printed | tuple[Printed, Printed] | None) -> Printed | tuple[Printed, ...] | None:
        if isinstance(number, tuple):
            return tuple(x.times(power) for x in number)
        return None if number is None else number.times(power)

    return value.model_copy(update={name: moved(getattr(value, name)) for name in ("mean", "sd", "se", "ci", "iqr")})


def _row(value: Value, power: int) -> AuditRow:
    kind, unit, other = ("a fraction", "per cent", "%") if power > 0 else ("in per cent", "fractions", "")
    printed = value.mean.text
    stands = f"{float(value.mean.times(power)):.4g}{other}"
    own = unrounded(value.mean.times(power))
    return AuditRow(
        CHECK, f"Unit of the mean of {key_text(key_of(value))}", value.where, printed,
        f"{value.metric} in {unit} elsewhere", DEPENDS, own.low, own.high, kind, note=f"It then stands for {stands}",
    )  # fmt: skip


def _may_be_fraction(value: Value, published: Published) -> AuditRow | None:
    """Return the row of a mean or SD of a metric in per cent that looks like a fraction, and may be none.

    An SD below 1 does only where it has more decimals than its mean.
    """
    if not published.in_per_cent(value.metric):
        return None
    sd, name, number = value.sd, "mean", value.mean
    if not 0 < value.mean <= 1:
        if sd is None or not 0 < sd < 1 or sd.decimals <= value.mean.decimals:
            return None
        name, number = "SD", sd
    own, note = unrounded(number), f"If it is a fraction, it stands for {100 * number:.3g}%"
    return AuditRow(
        CHECK, f"Unit of the {name} of {key_text(key_of(value))}", value.where, number.text,
        f"{value.metric} in per cent elsewhere", DEPENDS, own.low, own.high, f"{number.text}%", note=note,
    )  # fmt: skip
