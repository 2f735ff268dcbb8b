"""Checks of a paper's printed numbers against each other; see docs/audit.md.

Each module has one kind of check, a pure function from the printed numbers to rows of the audit.
"""

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
from crossover.statistics.papers.audit.verdicts import NOT, AuditRow
from crossover.statistics.papers.published import Published

CHECKS = (
    same_numbers, counts, statements, pooled, averages, gains, overlap, spread, group_tests, paired_tests, paired_t,
    stated_tests, stated_differences, orderings, design,
)  # fmt: skip
COLUMNS = [
    "study", "check", "about", "where", "printed", "follows_from", "verdict", "low", "high", "reading",
    "off_by", "note",
]  # fmt: skip


def audit_table(published: Published) -> pd.DataFrame:
    """Return the audit of a paper, a row for each check, with `COLUMNS`.

    `low` and `high` are the recomputed interval over all numbers that round to the printed ones; `off_by`
    is how far the printed one lies beyond it, NaN unless the verdict is "does not follow".
    """
    rows = [{"study": published.study, **asdict(row)} for row in audit(published)]
    return pd.DataFrame(rows, columns=COLUMNS)


def audit(published: Published) -> list[AuditRow]:
    """Return all rows of the audit, in the order of `CHECKS`.

    Where numbers do not follow as rounded ones, and fewer do not if all were cut off, the paper is read so
    (`cut_off.under`). A finding that rests on a number which doesn't follow itself says so.

    Raises:
        ExpressionError: a statement names something that isn't printed.
    """
    rounded = _found(published)
    failed = _failed(rounded)
    if not failed:
        return rounded
    cut = _found(cut_off(published))
    return _one_cause(under(rounded, cut) if _failed(cut) < failed else rounded)


def _one_cause(rows: list[AuditRow]) -> list[AuditRow]:
    """Return the rows, those that rest on a number with a finding of its own with a remark."""
    wrong = {row.about for row in rows if row.verdict == NOT}
    return [
        replace(
            row,
            note=". ".join(filter(None, (row.note, f"It is computed from a number with its own finding: {causes}"))),
        )
        if row.verdict == NOT and (causes := ", ".join(c for c in dict.fromkeys(row.rests_on) if c in wrong))
        else row
        for row in rows
    ]


def _found(published: Published) -> list[AuditRow]:
    return [row for check in CHECKS for row in check(published)]


def _failed(rows: list[AuditRow]) -> int:
    return sum(row.verdict == NOT for row in rows)
