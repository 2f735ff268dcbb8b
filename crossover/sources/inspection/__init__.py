"""What a folder of somebody's images holds, and the source of a study that would take most of its patients.

`inspect` is what `crossover inspect` and `crossover new` call. What it tells quotes the files (descriptions of series,
names of structures), so it is for the eyes of whoever has the data, and part of no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

from crossover.sources.inspection.inventory import Inventory

LOOKED_AT = 50
"""The files of an archive that are looked at for whether it holds DICOM."""


def inspect(path: Path, workers: int) -> Inventory:
    """Return what a folder, an archive or a DICOMDIR's folder holds; see `inspect_cohorts`."""
    return inspect_cohorts([path], workers)[0]


def inspect_cohorts(paths: Sequence[Path], workers: int) -> list[Inventory]:
    """Return what each of several folders, archives or DICOMDIRs' folders holds.

    A folder with volumes and no DICOM image is one of volumes; with both, the volumes are label maps beside
    DICOM. DICOM exports get the same rules, those that take most of all patients.

    Raises:
        ValueError: nothing is there that can be read as images of patients; the message says what is.
    """
    from crossover.sources.inspection.dicom import inventories, read_export
    from crossover.sources.inspection.volumes import inspect_volumes

    found = {path: inspect_volumes(path, workers) for path in paths if holds_volumes(path)}
    exports = {path: read_export(path, workers) for path in dict.fromkeys(paths) if path not in found}
    found |= dict(zip(exports, inventories([*exports.values()])))
    return [found[path] for path in paths]


def folder_of(path: Path) -> Path:
    """Return the folder of a DICOMDIR, and any other path as it is.

    Raises:
        ValueError: where there is nothing.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist: give the folder or archive that contains the images")
    return path.parent if path.is_file() and path.name.upper() == "DICOMDIR" else path


def holds_volumes(path: Path) -> bool:
    """Return whether a folder has volumes, and no file that may be DICOM."""
    from crossover.core.image_names import is_volume
    from crossover.sources.file_patterns import paths_below

    if path.is_file():
        return False
    paths = paths_below(path)
    return any(map(is_volume, paths)) and not any(_may_be_dicom(path / p) for p in paths if not is_volume(p))


def _may_be_dicom(path: Path) -> bool:
    """Return whether a file, or one of the first in an archive, has the prefix of DICOM's part 10."""
    try:
        with path.open("rb") as file:
            if _has_prefix(file):
                return True
        if path.suffix.lower() != ".zip":
            return False
        with ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()][:LOOKED_AT]
            return any(_has_prefix(archive.open(member)) for member in members)
    except (OSError, BadZipFile, RuntimeError, NotImplementedError):  # the last: encrypted, or packed in another way
        return False


def _has_prefix(file: IO[bytes]) -> bool:
    return file.read(132)[128:] == b"DICM"
