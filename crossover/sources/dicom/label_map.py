"""Label maps beside the images: NIfTI, NRRD or MHA on the image's voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.landing import land
from crossover.sources.findings import Finding, Refused


def label_map_mask(
    path: Path, labels: list[int] | None, grid: sitk.Image
) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Voxels (slices, rows, columns) of an image with one of `labels` in a label map; None: any but 0.

    The map has the image's voxels; its axes may be permuted or flipped, and it may cover a part, or more.

    Raises:
        Refused: structure-refused (no readable volume of whole numbers; another lattice than the
            image's, saying how it differs), structure-outside, structure-empty.
    """
    image = _read(path)
    values = sitk.GetArrayViewFromImage(image)
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise Refused("structure-refused", "a label map with values that are no whole numbers")
    chosen = values != 0 if labels is None else np.isin(values, labels)
    there = int(chosen.sum())
    if not there:
        which = "with any label" if labels is None else f"with one of {len(labels)} labels"
        raise Refused("structure-empty", f"a label map without a voxel {which}")
    mask, clipped = land(on_grid(chosen.astype(np.uint8), image), grid)
    inside = int(mask.sum())
    if not inside:
        raise Refused("structure-outside", f"all of {there} voxels lie outside the image")
    beyond = f"{there - inside} of {there} voxels lie beyond the image"
    return mask, [Finding("structure-clipped", beyond)] if clipped else []


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
