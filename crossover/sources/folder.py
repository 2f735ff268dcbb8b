"""What a folder of real data holds, patient by patient."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from crossover.sources import volumes
from crossover.sources.dicom.scan import scan
from crossover.sources.settings import DicomSource, VolumesSource


class Found(NamedTuple):
    """One patient's files, relative to the folder, and row of the table (empty for DICOM)."""

    files: list[str]
    row: dict[str, str]


def find(source: VolumesSource | DicomSource, data: Path) -> dict[str, Found]:
    """Patients by their own identifiers. These stay in memory: what is written has case names.

    Raises:
        ValueError: with everything that is wrong with the folder or its table.
    """
    if isinstance(source, DicomSource):
        return {p: Found(files, {}) for p, files in scan(data / source.folder, data).items()}
    table = volumes.read_table(source, data)
    rows = {str(p): {str(k): v for k, v in row.items()} for p, row in table.iterrows()}
    return {p: Found(volumes.patient_files(source, row), row) for p, row in rows.items()}
