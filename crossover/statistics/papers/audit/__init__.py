"""Checks of a paper's printed numbers against each other; see docs/audit.md.

Each module has one kind of check, a pure function from the printed numbers to rows of the audit.
"""

import math
from collections import Counter
from dataclasses import asdict, replace

import pandas as pd

from crossover.statistics.papers.audit.averages import averages
from crossover.statistics.papers.audit.counts import counts
from crossover.statistics.papers.audit.cut_off import cut_off, under
from crossover.statistics.papers.audit.design import design
from crossover.statistics.papers.audit.gains import gains
from crossover.statistics.papers.audit.group_tests import group_tests
from crossover.statistics.papers.audit.orderings import orderings
from crossover.statistics.papers.audit.overlap import overlap
from crossover.statistics.papers.audit.paired_t import paired_t
from crossover.statistics.papers.audit.paired_tests import paired_tests
from crossover.statistics.papers.audit.places import same_numbers
from crossover.statistics.papers.audit.pooling import pooled
from crossover.statistics.papers.audit.spread import spread
from crossover.statistics.papers.audit.stated_differences import stated_differences
from crossover.statistics.papers.audit.stated_tests import stated_tests
from crossover.statistics.papers.audit.statements import statements
from crossover.statistics.papers.audit.units import in_either_unit, in_one_unit, in_other_unit
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED, AuditRow
from crossover.statistics.papers.published import Published

CHECKS = (
    same_numbers, counts, statements, pooled, averages, gains, overlap, spread, group_tests, paired_tests, paired_t,
    stated_tests, stated_differences, orderings, design,
)  # fmt: skip
OF_SCORES = (statements, gains, stated_differences)
"""Checks of numbers that may be printed in another unit than the scores that they follow from."""
COLUMNS = [
    "study", "check", "about", "where", "printed", "follows_from", "verdict", "low", "high", "interpretation",
    "off_by", "note", "group",
]  # fmt: skip


def audit_table(published: Published) -> pd.DataFrame:
    """Return the audit of a paper, a row for each check, with `COLUMNS`.

    `low` and `high` are the recomputed interval over all numbers that round to the printed ones; `off_by`
    is how far the printed one lies beyond it, NaN unless the verdict is "does not follow".
    """
    rows = [{"study": published.study, **asdict(row)} for row in audit(published)]
    return pd.DataFrame(rows, columns=COLUMNS)


FOLLOWING = 6
"""The number of checks of a number that follow which make it as little suspicious as one that doesn't makes it so."""


def audit(published: Published) -> list[AuditRow]:
    """Return all rows of the audit, in the order of `CHECKS`.

    Scores are in one unit before (`units.in_one_unit`). Where numbers do not follow as rounded ones, and fewer do not
    if all were cut off, the paper is read so (`cut_off.under`). Findings that share a number have one `group`.

    Raises:
        ExpressionError: a statement names something that isn't printed.
    """
    published, units = in_one_unit(published)
    rounded = _found(published)
    failed = _failed(rounded)
    if failed:
        cut = _found(cut_off(published))
        rounded = under(rounded, cut) if _failed(cut) < failed else rounded
    return _one_cause([*units, *rounded])


def _one_cause(rows: list[AuditRow]) -> list[AuditRow]:
    """Return the rows, those that don't follow and share a number in one group, as one wrong number may cause them.

    The number that is in most such findings, and in few checks that follow, makes the first group, and so on.
    """
    left = [row for row in rows if row.verdict == NOT and row.rests_on]
    right = Counter(number for row in rows if row.verdict == FOLLOWS for number in {*row.rests_on})
    named: dict[int, str] = {}
    while left:
        wrong = Counter(number for row in left for number in {*row.rests_on})
        several = [number for number, n in wrong.items() if n > 1]
        if not several:
            break
        cause = max(several, key=lambda number: (wrong[number] - right[number] / FOLLOWING, number))
        group = [row for row in left if cause in row.rests_on]
        shared = [number for number in group[0].rests_on if all(number in row.rests_on for row in group)]
        named |= {id(row): "; ".join(dict.fromkeys((cause, *shared))) for row in group}
        left = [row for row in left if row not in group]
    return [replace(row, group=named[id(row)]) if id(row) in named else row for row in rows]


def _found(published: Published) -> list[AuditRow]:
    rows = [row for check in CHECKS for row in check(published)]
    if other := in_other_unit(published):
        rows = in_either_unit(rows, [row for check in OF_SCORES for row in check(other)])
    return _one_way(rows)


def _one_way(rows: list[AuditRow]) -> list[AuditRow]:
    """Return the rows, those that don't follow as what they assume may not hold under that interpretation.

    A paper has one way throughout. Where four other checks of the kind follow for each that doesn't, what they all
    assume holds.
    """
    kinds = Counter((row.check, row.assumes, row.verdict == NOT) for row in rows if row.verdict != UNCHECKED)

    def holds(row: AuditRow) -> bool:
        follow, fail = (kinds[row.check, row.assumes, wrong] for wrong in (False, True))
        return not row.assumes or follow >= 4 * fail

    return [
        row
        if row.verdict != NOT or holds(row)
        else replace(row, verdict=DEPENDS, interpretation=row.assumes, off_by=math.nan)
        for row in rows
    ]


def _failed(rows: list[AuditRow]) -> int:
    return sum(row.verdict == NOT for row in rows)
