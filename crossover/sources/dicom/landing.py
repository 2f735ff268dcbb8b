"""Masks that were made on an image's voxels: laid on its grid without resampling."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.sources.findings import Finding, Refused

TOLERANCE_MM = 0.1
"""How far a voxel may lie off the grid's, or a fifth of the smallest voxel. Images may lie as far off their
regular grid themselves, and NIfTI's rotations off DICOM's: 0.04 mm in masks of a real archive (PI-CAI)."""


def inside(values: NDArray, labels: list[int] | None) -> NDArray[np.bool_]:
    """Where values are one of the labels; None: any but 0.

    Raises:
        Refused: structure-refused, where they are no whole numbers.
    """
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise Refused("structure-refused", "a label map with values that are no whole numbers")
    return values != 0 if labels is None else np.isin(values, labels)


def land(mask_image: sitk.Image, grid: sitk.Image) -> tuple[NDArray[np.bool_], bool]:
    """A mask (non-zero is inside) on the voxels of a grid, and whether any of it lay beyond the grid.

    The mask's voxels must be the grid's, all corners within `TOLERANCE_MM`; its axes may be permuted or
    flipped, and it may cover a part of the grid, or more.

    Returns:
        (slices, rows, columns); voxels that the mask doesn't cover are outside.

    Raises:
        Refused: structure-refused, saying how the mask's lattice differs.
    """
    turn, start = _match(mask_image, grid)
    axes = np.abs(turn).argmax(axis=1)  # of the mask, in the order of the grid's
    values = sitk.GetArrayViewFromImage(mask_image).T != 0
    values = np.transpose(values, axes)
    for axis, flipped in enumerate(turn.sum(axis=1) < 0):
        if flipped:
            values = np.flip(values, axis)
            start[axis] -= values.shape[axis] - 1
    size = np.array(grid.GetSize())
    first = np.clip(start, 0, size)
    last = np.clip(start + values.shape, 0, size)
    inner = values[tuple(slice(a, b) for a, b in zip(first - start, last - start))]
    out = np.zeros(size[::-1], bool)
    out.T[tuple(slice(a, b) for a, b in zip(first, last))] = inner
    return out, int(np.count_nonzero(inner)) < int(np.count_nonzero(values))


def landed(mask_image: sitk.Image, grid: sitk.Image) -> tuple[NDArray[np.bool_], list[Finding]]:
    """As `land`, and how many of a mask's voxels lie beyond the grid.

    Raises:
        Refused: structure-outside, where all do; structure-refused.
    """
    mask, clipped = land(mask_image, grid)
    if not clipped:
        return mask, []
    there = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask_image)))
    inside = int(mask.sum())
    if not inside:
        raise Refused("structure-outside", f"all of {there} voxels lie outside the image")
    beyond = f"{there - inside} of {there} voxels lie beyond the image"
    return mask, [Finding("structure-clipped", beyond)]


def _match(mask: sitk.Image, grid: sitk.Image) -> tuple[NDArray, NDArray]:
    """Voxel index of the mask -> of the grid: a signed permutation (3, 3) and a start (3,), whole numbers."""
    own, other = (np.reshape(i.GetDirection(), (3, 3)) for i in (grid, mask))
    spacing = np.array(grid.GetSpacing())
    exact = (own.T @ other) * mask.GetSpacing() / spacing[:, None]
    origin = (np.array(mask.GetOrigin()) - grid.GetOrigin()) @ own / spacing
    turn, start = np.round(exact).astype(int), np.round(origin).astype(int)
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(mask.GetSize()) - 1)
    off = (corners @ (exact - turn).T + origin - start) * spacing
    whole = (turn @ turn.T == np.eye(3)).all()
    if not whole or np.abs(off).max() > min(TOLERANCE_MM, 0.2 * spacing.min()):
        raise Refused("structure-refused", _difference(mask, grid, origin - start))
    return turn, start


def _difference(mask: sitk.Image, grid: sitk.Image, off: NDArray) -> str:
    """How two lattices differ: spacing, angle and offset in mm; `off` is the offset in the grid's voxels."""
    own, other = (np.reshape(i.GetDirection(), (3, 3)) for i in (grid, mask))
    nearest = np.abs(own.T @ other).max(axis=0).clip(0, 1)
    angle = float(np.degrees(np.arccos(nearest)).max())
    spacings = (" x ".join(f"{s:.4g}" for s in i.GetSpacing()) for i in (mask, grid))
    offset = ", ".join(f"{v:.2f}" for v in np.abs(off * grid.GetSpacing()))
    return (
        "its voxels aren't the image's: {} mm against {} mm, ".format(*spacings)
        + f"axes {angle:.2f} degrees apart, centres ({offset}) mm off at its first voxel"
    )
