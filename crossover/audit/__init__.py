"""Checks of a paper's printed numbers against each other; see docs/audit.md.

Each module has one kind of check, a pure function from the printed numbers to findings.
"""

from __future__ import annotations

from crossover.audit.averages import averages
from crossover.audit.counts import counts
from crossover.audit.design import design
from crossover.audit.finding import Finding
from crossover.audit.gains import gains
from crossover.audit.group_tests import group_tests
from crossover.audit.orderings import orderings
from crossover.audit.overlap import overlap
from crossover.audit.paired_tests import paired_tests
from crossover.audit.places import same_numbers
from crossover.audit.pooling import pooled
from crossover.audit.spread import spread
from crossover.audit.statements import statements
from crossover.published import Published

CHECKS = (
    same_numbers, counts, statements, pooled, averages, gains, overlap, spread, group_tests, paired_tests,
    orderings, design,
)  # fmt: skip


def audit(published: Published) -> list[Finding]:
    """All findings, in the order of `CHECKS`.

    Raises:
        ExpressionError: a statement names something that isn't printed.
    """
    return [finding for check in CHECKS for finding in check(published)]
