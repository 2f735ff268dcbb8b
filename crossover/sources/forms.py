"""Which module reads a table of patients."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from crossover.sources.findings import Finding
from crossover.sources.settings import OpenKbpSource, VolumesSource


class CaseRow(NamedTuple):
    """One case of a table."""

    patient: str
    """As cases are named: a pseudonym, or the table's own identifier where that is public."""
    row: dict[str, str]
    """Column -> value as it stands in the table; it stays in memory."""


class Rows(NamedTuple):
    """The cases of a cohort by their names, and what is to be told of the table as a whole."""

    cases: dict[str, CaseRow]
    findings: list[Finding]


def form_of(source: VolumesSource | OpenKbpSource) -> ModuleType:
    """The module that knows a table's form: `rows`, `patient_files`, `read_patient`."""
    # Imported here: pandas and nibabel, which DICOM doesn't need.
    if isinstance(source, OpenKbpSource):
        from crossover.sources import openkbp

        return openkbp
    from crossover.sources import volumes

    return volumes
