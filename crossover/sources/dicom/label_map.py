"""Label maps beside the images: NIfTI, NRRD or MHA on the image's voxels, or a folder of DICOM slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.files import FileRef
from crossover.sources.dicom.landing import inside, landed
from crossover.sources.dicom.mask_series import mask_series
from crossover.sources.findings import Finding, Refused


def label_map_mask(
    path: Path, labels: list[int] | None, grid: sitk.Image
) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Voxels (slices, rows, columns) of an image with one of `labels` in a label map; None: any but 0.

    The map has the image's voxels; its axes may be permuted or flipped, and it may cover a part, or more.

    Args:
        path: a file, or a folder of DICOM slices, which findings name by their files' names.

    Raises:
        Refused: structure-refused (no readable volume of whole numbers; another lattice than the
            image's, saying how it differs), structure-outside, structure-empty; of a folder, what
            `mask_series` refuses.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file())
        return mask_series([FileRef(str(p), None, p.name, p.name) for p in files], labels, grid)
    image = _read(path)
    chosen = inside(sitk.GetArrayViewFromImage(image), labels)
    if not chosen.any():
        which = "with any label" if labels is None else f"with one of {len(labels)} labels"
        raise Refused("structure-empty", f"a label map without a voxel {which}")
    return landed(on_grid(chosen.astype(np.uint8), image), grid)


def _read(path: Path) -> sitk.Image:
    """A volume with one number a voxel; messages of SimpleITK hold the path, so they are kept back."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        axes, numbers = reader.GetDimension(), reader.GetNumberOfComponents()
        image = reader.Execute() if (axes, numbers) == (3, 1) else None
    except RuntimeError:
        raise Refused("structure-refused", "a label map that can't be read") from None
    if image is None:
        what = f"a label map with {axes} axes and {numbers} numbers a voxel; it should be 3 and 1"
        raise Refused("structure-refused", what)
    return image
