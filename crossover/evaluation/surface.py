"""Distances between the surfaces of two masks, by DeepMind's surface-distance."""

from __future__ import annotations

import numpy as np
import surface_distance


def surface_metrics(
    a: np.ndarray, b: np.ndarray, spacing_mm: tuple[float, float, float], tolerance_mm: float
) -> tuple[float, float]:
    """HD95 in mm and NSD of boolean volumes.

    HD95 is the larger of the two directed 95th percentiles of surface distances, weighted by surface
    area; NSD is the share of both surfaces within the tolerance of the other (Nikolov et al. 2021).
    Definitions differ between packages: these are surface-distance's, with surface elements between
    voxels.

    Both empty: (nan, 1). One empty: (nan, 0).
    """
    if not (a.any() and b.any()):
        return float("nan"), float(a.any() == b.any())
    a, b = _crop(a, b)
    distances = surface_distance.compute_surface_distances(a, b, spacing_mm)
    hd95 = surface_distance.compute_robust_hausdorff(distances, 95)
    nsd = surface_distance.compute_surface_dice_at_tolerance(distances, tolerance_mm)
    return float(hd95), float(nsd)


def _crop(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both masks cut to the box around their union: distances stay, time doesn't."""
    where = np.argwhere(a | b)
    box = tuple(slice(low, high + 1) for low, high in zip(where.min(0), where.max(0)))
    return a[box], b[box]
