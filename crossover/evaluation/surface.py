"""Distances between the surfaces of two masks, by DeepMind's surface-distance."""

from __future__ import annotations

import functools

import numpy as np
import surface_distance
from surface_distance import lookup_tables

# Made anew for each pair of masks, it is a third of the time; it follows from the spacing alone and is only read.
lookup_tables.create_table_neighbour_code_to_surface_area = functools.cache(
    lookup_tables.create_table_neighbour_code_to_surface_area
)


def surface_metrics(
    a: np.ndarray, b: np.ndarray, spacing_mm: tuple[float, ...], tolerance_mm: float
) -> tuple[float, float, float]:
    """Return HD95 in mm, NSD (from 0 to 1), and ASSD in mm of two masks.

    HD95 is the larger of the two directed 95th percentiles of surface distances, weighted by surface area;
    NSD is the share of both surfaces within the tolerance of the other (Nikolov et al. 2021). ASSD is the
    mean distance of all elements of both surfaces to the other surface, weighted by their area, so that the
    larger surface counts more, as in MetricsReloaded; not the mean of the two directed means. Definitions
    differ between packages: these are surface-distance's, with surface elements between voxels.

    Two-dimensional masks have outlines in place of surfaces, weighted by length.

    Args:
        a, b: bool, (slices, rows, columns), or (rows, columns) of an image that has one slice: as a volume, the front
            and the back of the slice would count as surface.
        spacing_mm: along these axes.
        tolerance_mm: of the NSD.

    Returns:
        (NaN, 1, NaN) where both are empty, (NaN, 0, NaN) where one is.
    """
    if not (a.any() and b.any()):
        return float("nan"), float(a.any() == b.any()), float("nan")
    distances = surface_distance.compute_surface_distances(a, b, spacing_mm)
    hd95 = surface_distance.compute_robust_hausdorff(distances, 95)
    nsd = surface_distance.compute_surface_dice_at_tolerance(distances, tolerance_mm)
    sides = [("gt_to_pred", "gt"), ("pred_to_gt", "pred")]
    area = [distances[f"surfel_areas_{side}"] for _, side in sides]
    total = sum(float((distances[f"distances_{way}"] * own).sum()) for (way, _), own in zip(sides, area))
    return float(hd95), float(nsd), total / sum(float(own.sum()) for own in area)
