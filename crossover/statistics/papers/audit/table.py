"""The audit as a table."""

from dataclasses import asdict

import pandas as pd

from crossover.statistics.papers.audit import audit
from crossover.statistics.papers.published import Published

COLUMNS = [
    "study", "check", "about", "where", "printed", "follows_from", "verdict", "low", "high", "reading",
    "off_by", "note", "group",
]  # fmt: skip


def audit_table(published: Published) -> pd.DataFrame:
    """Return the audit of a paper, a row for each check, with `COLUMNS`.

    `low` and `high` are the recomputed interval over all numbers that round to the printed ones; `off_by`
    is how far the printed one lies beyond it, NaN unless the verdict is "does not follow".
    """
    rows = [{"study": published.study, **asdict(row)} for row in audit(published)]
    return pd.DataFrame(rows, columns=COLUMNS)
