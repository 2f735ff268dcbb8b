"""Which patients a folder of DICOM files holds."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError


def scan(folder: Path, root: Path) -> dict[str, list[str]]:
    """Files by PatientID (0010,0020), as paths relative to `root`, in any layout below `folder`.

    Files that are not DICOM are passed over; a DICOMDIR is an index, not an image.

    Raises:
        ValueError: where the folder holds no DICOM file.
    """
    patients: dict[str, list[str]] = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "DICOMDIR"):
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["PatientID"])
        except InvalidDicomError:
            continue
        patients.setdefault(str(header.get("PatientID", "")), []).append(
            str(file.relative_to(root))
        )
    if not patients:
        raise ValueError(f"{folder}: no DICOM file in it")
    return patients
