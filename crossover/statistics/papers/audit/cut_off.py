"""A paper's numbers read as cut off instead of rounded: 0.70 for 0.70 to 0.71, where programs truncate.

The middle of what such a number stands for is half a unit of its last decimal further from 0, and what it stands for
reaches half a unit to either side of that: a `Printed` number with its digits and this middle as its value goes
through every check like a rounded one.
"""

import math
from dataclasses import replace
from typing import Any

from crossover.core.configuration import ConfigSection
from crossover.statistics.papers.audit.verdicts import NOT, READING, AuditRow
from crossover.statistics.papers.printed import CohortRow, Fact
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published

WAY = "all of the paper's numbers cut off, not rounded"
EXACT = ("alpha", "p_below")
"""The fields that hold thresholds, whose digits are all that there are."""


def cut_off(published: Published) -> Published:
    """Return the paper with each cut-off number moved to the middle of what it may stand for; exact ones stay."""
    return _moved(published)


def under(rounded: list[AuditRow], cut: list[AuditRow]) -> list[AuditRow]:
    """Return the rows of a paper that is read as cutting off, beside those of the same checks as rounding."""
    failed = {(f.check, f.about, f.where) for f in rounded if f.verdict == NOT}
    return [
        replace(f, verdict=READING, reading=f"{WAY}; {f.reading}" if f.reading else WAY)
        if f.verdict != NOT and (f.check, f.about, f.where) in failed
        else f
        for f in cut
    ]


def _moved(part: Any) -> Any:
    if isinstance(part, Printed):
        moved = float.__new__(Printed, part + math.copysign(part.half_unit, part))
        moved.text = part.text
        return moved
    if isinstance(part, list | tuple):
        return type(part)(_moved(one) for one in part)
    if isinstance(part, dict):
        return {name: _moved(one) for name, one in part.items()}
    if isinstance(part, ConfigSection) and not _exact(part):
        below = getattr(part, "p_below", None) is True
        kept = (*EXACT, "p") if below else EXACT
        return part.model_copy(update={name: _moved(one) for name, one in part if name not in kept})
    return part


def _exact(part: ConfigSection) -> bool:
    if isinstance(part, Fact):
        return part.exact or (part.value.decimals == 0 and part.unit != "%")
    return isinstance(part, CohortRow)
