"""Reading and writing cases: image channels and structures of one patient on one grid.

`<case>/image_<channel>.nii.gz` (float32 or int16, the channel's own unit), `<case>/structure_<name>.nii.gz`
(uint8, 0 or 1), `<case>/case.json`. The third axis of each image counts the acquired slices; all are upright, see
`crossover.imaging.grids.upright`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from isal import igzip

from crossover.imaging.grids import GeometryError, difference, same_grid

# ITK's warnings name the file they are about, and a file's name may be a patient's.
sitk.ProcessObject.GlobalWarningDisplayOff()

FORMAT = "NiftiImageIO"
"""What SimpleITK calls the reader of NIfTI files."""


def image_path(case: Path, channel: str) -> Path:
    """Return where a case has the image of a channel."""
    return case / f"image_{channel}.nii.gz"


def structure_path(case: Path, structure: str) -> Path:
    """Return where a case has the mask of a structure."""
    return case / f"structure_{structure}.nii.gz"


def prediction_path(predictions: Path, model: str, cohort: str, case: str, structure: str) -> Path:
    """Return the path of a prediction; case names are unique in their cohort only, so the cohort is in it."""
    return predictions / model / f"{cohort}_{case}_{structure}.nii.gz"


def write_case(folder: Path, channels: dict[str, sitk.Image], structures: dict[str, sitk.Image]) -> None:
    """Write a case's images.

    Raises:
        GeometryError: images are not on the first channel's grid; the message names each.
    """
    check_grids(channels, structures)
    for name, image in channels.items():
        write(image, image_path(folder, name))
    for name, image in structures.items():
        write(sitk.Cast(image, sitk.sitkUInt8), structure_path(folder, name))


def check_grids(channels: dict[str, sitk.Image], structures: dict[str, sitk.Image]) -> None:
    """Check that all images of a case lie on the first channel's grid.

    Raises:
        GeometryError: some don't; the message names each and says how it differs.
    """
    grid = next(iter(channels.values()))
    named = {f"channel {n}": i for n, i in channels.items()}
    named |= {f"structure {n}": i for n, i in structures.items()}
    wrong = {n: difference(i, grid) for n, i in named.items() if not same_grid(grid, i)}
    if wrong:
        first = next(iter(channels))
        listed = "; ".join(f"{name}: its grid is not that of channel {first}: {how}" for name, how in wrong.items())
        raise GeometryError(listed)


def write(image: sitk.Image, path: Path) -> None:
    """Write an image as `<name>.nii.gz` without metadata: headers of received files may say whose they are.

    Raises:
        OSError: the disk is full.
    """
    image = sitk.Image(image)
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    plain = path.with_suffix("")
    sitk.WriteImage(image, str(plain))
    if plain.stat().st_size < image.GetNumberOfPixels() * image.GetSizeOfPixelComponent():
        # ITK's writer of NIfTI says nothing where the disk fills up
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(plain))
    # A fifth of the time of ITK's own compression, which was half of an ingest.
    packed = igzip.compress(plain.read_bytes(), compresslevel=1, mtime=0)
    path.write_bytes(packed)
    plain.unlink()


def read(path: Path) -> sitk.Image:
    """Read an image that `write` wrote. Naming the format spares SimpleITK from trying all that it knows."""
    return sitk.ReadImage(str(path), imageIO=FORMAT)


def read_grid(path: Path) -> sitk.Image:
    """Return an empty image (uint8) on the grid of a file that `write` wrote; only the file's header is read."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO(FORMAT)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    grid = sitk.Image(reader.GetSize(), sitk.sitkUInt8)
    grid.SetSpacing(reader.GetSpacing())
    grid.SetOrigin(reader.GetOrigin())
    grid.SetDirection(reader.GetDirection())
    return grid


def on_grid(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    """Return an array (slices, rows, columns) as an image on the grid of another."""
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(grid)
    return image
