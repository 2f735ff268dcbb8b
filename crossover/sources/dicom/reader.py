"""A patient's DICOM files -> channels and structures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import SimpleITK as sitk

from crossover.sources.dicom import series as dicom_series
from crossover.sources.dicom.contours import structure_mask
from crossover.sources.settings import SeriesRule, Structure


def read_patient(
    files: list[Path], rules: Mapping[str, SeriesRule], structures: Mapping[str, Structure]
) -> tuple[dict[str, sitk.Image], dict[str, sitk.Image], dict]:
    """Channels chosen by rule, structures by name, and what may be told of the scanner.

    Raises:
        DicomError: with every finding of this patient.
    """
    datasets = dicom_series.read(files)
    found = dicom_series.image_series(datasets)
    channels, masks, findings = {}, {}, []
    for name, rule in rules.items():
        try:
            channels[name] = dicom_series.to_image(dicom_series.choose(found, rule, name))
        except Exception as error:  # whatever one channel has, the others are looked at too
            findings.append(_told(error, f"channel {name}"))
    for name, structure in structures.items() if channels else ():
        try:
            grid = next(iter(channels.values()))
            masks[name] = structure_mask(datasets, structure.names or [name], grid)
        except Exception as error:
            findings.append(_told(error, f"structure {name}"))
    if findings:
        raise dicom_series.DicomError("; ".join(findings))
    first = found[0].first
    scanner = str(first.get("ManufacturerModelName", "unknown"))
    return channels, masks, {"scanner": scanner}


def _told(error: Exception, what: str) -> str:
    known = isinstance(error, dicom_series.DicomError)
    return str(error) if known else f"{what}: {type(error).__name__}: {error}"
