"""Slices: a case on the grid that a network sees, and predictions back on the case's own grid."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from crossover.imaging.settings import Normalisation, Slices
from crossover.imaging.volumes import on_grid


def network_grid(image: sitk.Image, settings: Slices) -> sitk.Image:
    """Return an empty image on the network's grid: same slices and orientation, centred in plane.

    Its in-plane spacing is the settings' (mm) or the image's own; its size is the settings'. With the
    image's own spacing and sizes of one parity the grids share their pixels and nothing is blurred.
    """
    rows, columns = settings.size
    own = image.GetSpacing()
    spacing = (settings.spacing_mm or own[0], settings.spacing_mm or own[1], own[2])
    size = (columns, rows, image.GetSize()[2])
    shift = [
        _half_extent(n_own, s_own) - _half_extent(n, s)
        for n_own, s_own, n, s in zip(image.GetSize()[:2], own[:2], size[:2], spacing[:2])
    ]
    origin = image.TransformContinuousIndexToPhysicalPoint([shift[0] / own[0], shift[1] / own[1], 0.0])
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(origin)
    return grid


def _half_extent(n: int, spacing: float) -> float:
    """Return the distance from the centre of the first pixel to the middle, rounded down to whole pixels."""
    return (n // 2) * spacing


def to_network(image: sitk.Image, grid: sitk.Image, mask: bool = False) -> np.ndarray:
    """Resample an image onto the network's grid: (slices, rows, columns), linearly or (masks) by nearest neighbour.

    Outside the image it is filled with the image's minimum, or 0 for masks.
    """
    fill = 0.0 if mask else float(sitk.GetArrayViewFromImage(image).min())
    how = sitk.sitkNearestNeighbor if mask else sitk.sitkLinear
    image = image if mask else sitk.Cast(image, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), how, fill))


def seen(grid: sitk.Image, other: sitk.Image) -> np.ndarray:
    """Return whether a voxel of the second grid lies within the first: (slices, rows, columns) bool."""
    inside = sitk.Resample(grid * 0 + 1, other, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt8)
    return sitk.GetArrayFromImage(inside) > 0


def to_case(probability: np.ndarray, grid: sitk.Image, case_grid: sitk.Image) -> np.ndarray:
    """Resample probabilities (slices, rows, columns) on the network's grid linearly onto the case's.

    Outside the network's field of view they are 0.
    """
    image = sitk.GetImageFromArray(probability.astype(np.float32))
    image.CopyInformation(grid)
    back = sitk.Resample(image, case_grid, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.GetArrayFromImage(back)


def mask_on_case(probability: np.ndarray, grid: sitk.Image, case_grid: sitk.Image, threshold: float) -> sitk.Image:
    """Return where a probability, as `to_case` takes it, reaches a threshold: a mask (uint8) on the case's grid."""
    mask = to_case(probability, grid, case_grid) >= threshold
    return on_grid(mask.astype(np.uint8), case_grid)


def large(mask: np.ndarray, smallest_px: int) -> np.ndarray:
    """Return whether a mask (slices, rows, columns) has more than `smallest_px` pixels on a slice: (slices,) bool."""
    return np.count_nonzero(mask, axis=(1, 2)) > smallest_px


def normalise(channel: np.ndarray, settings: Normalisation, of: np.ndarray | None = None) -> np.ndarray:
    """Return one channel (slices, rows, columns) as float32, normalised from its own unit; see `Normalisation`.

    A constant slice or case is 0 under zscore. Under "training" it is left as it is: the mean and SD are
    those of a stage's training slices.

    Args:
        of: the voxels (bool) whose mean and SD are taken under zscore; None for all. Of a slice without any, all are.
    """
    if settings.method == "training":
        return channel.astype(np.float32)
    channel = channel.astype(np.float64)  # a constant slice must have its own value as its mean
    if settings.method == "window":
        low, high = settings.window
        return np.clip((channel - low) / (high - low), 0, 1).astype(np.float32)
    axes = (0, 1, 2) if settings.per == "case" else (1, 2)
    # NumPy adds in another order where it is told which, so the last digits would differ from those of all voxels.
    where = True if of is None or of.all() else of | ~of.any(axes, keepdims=True)
    mean = channel.mean(axes, keepdims=True, where=where)
    sd = channel.std(axes, keepdims=True, where=where)
    flat = sd < 1e-9 * (1 + np.abs(mean))
    return np.where(flat, 0, (channel - mean) / np.where(flat, 1, sd)).astype(np.float32)
