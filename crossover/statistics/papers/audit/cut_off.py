"""A paper's numbers read as cut off instead of rounded: 0.70 for 0.70 to 0.71, where programs truncate.

The middle of what such a number stands for is half a unit of its last decimal further from 0, and what it stands for
reaches half a unit to either side of that: a `Printed` number with its digits and this middle as its value goes
through every check like a rounded one.
"""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

from crossover.core.configuration import ConfigSection
from crossover.statistics.papers.audit.verdicts import DEPENDS, NOT, AuditRow
from crossover.statistics.papers.printed import CohortRow, Fact
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published

WAY = "all of the paper's numbers truncated, not rounded"
ROUNDED = "the numbers of this check rounded, although others of the paper follow only as truncated ones"
EXACT = ("alpha", "p_below", "df")
"""The fields that hold thresholds and degrees of freedom, whose digits are all that there are."""


def cut_off(published: Published) -> Published:
    """Return the paper with each cut-off number moved to the middle of what it may stand for; exact ones stay."""
    return _moved(published)


def under(rounded: list[AuditRow], cut: list[AuditRow]) -> list[AuditRow]:
    """Return the rows of a paper that is read as cutting off: what each check finds in one of the two ways.

    What follows as rounded in either way stands as it does there, and so does what follows in none; what follows in
    one of them only says in which.
    """
    there = numbered(cut)
    return [_either(row, there.get(key)) for key, row in numbered(rounded).items()]


def numbered(rows: list[AuditRow]) -> dict[tuple, AuditRow]:
    """Return the rows by their check, subject and place, those alike in all of these counted: one check in two ways."""
    seen: Counter[tuple] = Counter()
    found = {}
    for row in rows:
        key = (row.check, row.about, row.where)
        found[(*key, seen[key])] = row
        seen[key] += 1
    return found


def _either(rounded: AuditRow, cut: AuditRow | None) -> AuditRow:
    if cut is None or (rounded.verdict == NOT) == (cut.verdict == NOT):
        return rounded
    found, way = (cut, WAY) if rounded.verdict == NOT else (rounded, ROUNDED)
    return replace(
        found, verdict=DEPENDS, interpretation=f"{way}; {found.interpretation}" if found.interpretation else way
    )


def _moved(part: Any) -> Any:
    if isinstance(part, Printed):
        return part.at(part + math.copysign(part.half_unit, part))
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
        return part.is_exact
    return isinstance(part, CohortRow)
