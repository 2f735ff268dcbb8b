"""Label maps beside the images: NIfTI, NRRD or MHA on the image's voxels, or a folder of DICOM slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.landing import contradictory, land_file
from crossover.sources.dicom.mask_series import mask_series
from crossover.sources.findings import Finding
from crossover.sources.volume_file import read_mask


def label_map_mask(
    path: Path, labels: Sequence[int | str] | None, grid: sitk.Image
) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Return the voxels (slices, rows, columns) of an image with one of `labels` in a label map.

    The map has the image's voxels; its axes may be permuted or flipped, and it may cover a part, or more.

    Args:
        path: a file, or a folder of DICOM slices, which findings name by their files' names.
        labels: values that stand for the structure, and names of segments in a .seg.nrrd; None: any value but 0.
        grid: the image.

    Raises:
        Refused: what `read_mask` refuses; structure-refused (another lattice than the image's, saying how it
            differs), structure-outside; of a folder, what `mask_series` refuses.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file())
        return mask_series([FileRef(str(p), None, p.name, p.name) for p in files], labels, grid)
    image, findings = read_mask(path, labels)
    mask, more = land_file(image, grid, contradictory(findings))
    return mask, findings + more
