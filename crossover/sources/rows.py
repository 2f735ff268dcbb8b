"""The cases of a table of patients, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from crossover.sources.findings import Finding


class CaseRow(NamedTuple):
    """One case of a table."""

    patient: str
    """The name that cases are given: a pseudonym, or the table's own identifier where that is public."""
    row: dict[str, str]
    """Column -> value as it stands in the table; it stays in memory."""
    alike: str
    """What the identifier has in common with others that may be the same person's (`alike_name`)."""


class Rows(NamedTuple):
    """The cases of a cohort by their names, and what is to be told of the table as a whole."""

    cases: dict[str, CaseRow]
    findings: list[Finding]
    left_out: Mapping[str, str] = MappingProxyType({})
    """The patient's own identifier -> why none of its cases is taken."""
