"""What a folder of somebody's images holds, and the source of a study that would take most of its patients.

`inspect` is what `crossover inspect` and `crossover new` call. What it tells quotes the files (descriptions of series,
names of structures), so it is for the eyes of whoever has the data, and part of no result.
"""

from __future__ import annotations

from pathlib import Path

from crossover.sources.inspection.inventory import Inventory


def inspect(path: Path, workers: int) -> Inventory:
    """Return what a folder, an archive or a DICOMDIR's folder holds.

    A folder with volumes and no DICOM image is one of volumes; with both, the volumes are label maps beside DICOM.

    Raises:
        ValueError: nothing is there that can be read as images of patients, saying what is.
    """
    from crossover.sources.file_patterns import paths_below
    from crossover.sources.inspection.dicom import inspect_dicom
    from crossover.sources.inspection.volumes import inspect_volumes, is_volume

    if not path.exists():
        raise ValueError(f"{path} does not exist: give the folder or archive with the images")
    if path.is_file() and path.name.upper() == "DICOMDIR":
        path = path.parent
    if path.is_file():
        return inspect_dicom(path, workers)
    paths = paths_below(path)
    if any(map(is_volume, paths)) and not any(_may_be_dicom(path / p) for p in paths if not is_volume(p)):
        return inspect_volumes(path, workers)
    return inspect_dicom(path, workers)


def _may_be_dicom(path: Path) -> bool:
    """Whether a file has the prefix of DICOM's part 10, or is an archive, which may hold such files."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[128:] == b"DICM" or head[:4] == b"PK\3\4" and path.suffix.lower() == ".zip"
