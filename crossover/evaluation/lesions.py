"""Detection of lesions: connected components of two masks."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_NEIGHBOURS = np.ones((3, 3, 3), bool)  # 26: voxels that share a face, an edge or a corner


def detection(manual: np.ndarray, predicted: np.ndarray) -> tuple[float, float, int]:
    """Return lesion-wise F1 and sensitivity, and the number of false lesions.

    A lesion is a connected component of voxels that share a face, an edge or a corner. A manual lesion is
    found where the prediction has a voxel of it; a predicted one is false where no voxel of it is in a manual
    one. With found, missed and false lesions F1 is 2 found / (2 found + missed + false), and sensitivity
    found / (found + missed), as in the ISLES challenge of 2022 (Hernandez Petzsche et al. 2022).

    Args:
        manual, predicted: bool, (slices, rows, columns).

    Returns:
        (1, NaN, 0) where both are empty; where there is no manual lesion, F1 is 0 and sensitivity NaN.
    """
    lesions, count = ndimage.label(manual, _NEIGHBOURS)
    others, other = ndimage.label(predicted, _NEIGHBOURS)
    both = manual & predicted
    found = len(np.unique(lesions[both]))
    false = other - len(np.unique(others[both]))
    parts = 2 * found + count - found + false
    return 2 * found / parts if parts else 1.0, found / count if count else float("nan"), false
