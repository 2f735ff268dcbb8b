"""How much a cohort holds.

As its phantoms will be drawn, whatever is there of another scale; else as counted where its cases are there, or as the
sizes of received files tell about.
"""

import functools
import math
import os
from pathlib import Path
from typing import NamedTuple

from crossover.core.files import read_json_or_none
from crossover.sources.settings import DicomSource, Phantom, VolumesSource
from crossover.sources.table_readers import form_of
from crossover.study.schema import Study

LARGEST_IMAGE = 512**2
"""The most pixels of a received image, where a file has several images, or is compressed."""
LARGEST_CASE = LARGEST_IMAGE * 150
"""The most voxels of a received case: a folder may hold many."""
PACKED_BYTES = 1.35
"""The bytes of a voxel in a .nii.gz or .nrrd."""
DICOM_BYTES = 2.0


class Amount(NamedTuple):
    """A cohort's cases."""

    patients: int
    """The number of cases; a patient may have several."""
    slices: float
    """The slices of a case, on average."""
    pixels: float
    """The pixels of a slice as it was acquired, on average."""

    @property
    def voxels(self) -> float:
        """The number of voxels of one channel of all cases."""
        return self.patients * self.slices * self.pixels


def amount(study: Study, cohort: str, data: Path = Path("data"), received: Path | None = None) -> Amount | None:
    """Return what is known of a cohort; None of real patients who are not cases yet, unless their folder is given."""
    own = phantom_amount(study, cohort) or count_cases(data / "cases" / cohort)
    return estimate_from_files(study, cohort, received) if own is None and received else own


def count_cases(cases: Path) -> Amount | None:
    """Count cases that are there; None where there is none, or none that can be read."""
    names = (read_json_or_none(cases / "manifest.json") or {}).get("items", {})
    about = [read_json_or_none(cases / name / "case.json") for name in names]
    sizes = [own["size"] for own in about if own]
    if not about or len(sizes) < len(about):
        return None
    slices = sum(size[2] for size in sizes)
    pixels = sum(size[0] * size[1] * size[2] for size in sizes)
    return Amount(len(sizes), slices / len(sizes), pixels / slices)


def phantom_amount(study: Study, cohort: str) -> Amount | None:
    """Return the amounts of phantoms; None for other sources."""
    source = study.cohorts[cohort].source
    if not isinstance(source, Phantom):
        return None
    return Amount(source.patients, sum(source.slices) / 2, source.matrix**2)


def estimate_from_files(study: Study, cohort: str, received: Path) -> Amount | None:
    """Estimate the amounts by the sizes of received files, rather too much than too little.

    DICOM is taken to be all images that become channels, two bytes a pixel, a patient for each folder or
    more, where a folder has more than a patient's images may; volumes are taken to be compressed.
    """
    source, channels = study.cohorts[cohort].source, len(study.channels)
    if isinstance(source, DicomSource):
        files, bytes_, patients = _below(received / source.folder)
        pixels = min(bytes_ / DICOM_BYTES / max(files, 1), LARGEST_IMAGE)
        voxels = bytes_ / DICOM_BYTES / channels
        patients = max(patients, math.ceil(voxels / LARGEST_CASE))
    elif isinstance(source, VolumesSource):
        try:
            form = form_of(source)
            rows = [own.row for own in form.rows(source, received).cases.values()]
            named = {f for row in rows for f in form.patient_files(source, row, received).values()}
            bytes_ = sum((received / file).stat().st_size for file in named)
        except (
            ValueError,
            KeyError,
            OSError,
        ):  # what is wrong with them is told when they are received
            return None
        patients, pixels, voxels = len(rows), LARGEST_IMAGE, bytes_ / PACKED_BYTES / channels
    else:
        return None
    return Amount(patients, voxels / pixels / patients, pixels) if patients and pixels else None


@functools.cache
def _below(folder: Path) -> tuple[int, int, int]:
    """Return the number of files, their bytes, and the number of folders or files at the first level."""
    sizes = [os.stat(Path(at, file)).st_size for at, _, files in os.walk(folder) for file in files]
    if folder.is_file():
        return 1, folder.stat().st_size, 1
    inside = list(folder.iterdir()) if folder.is_dir() else []
    return len(sizes), sum(sizes), len([p for p in inside if p.is_dir()] or inside)
