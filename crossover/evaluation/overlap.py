"""Overlap of two masks."""

from __future__ import annotations

import numpy as np


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice similarity coefficient 2|A∩B| / (|A| + |B|) of two masks; 1 where both are empty.

    Args:
        a, b: bool, of one shape.
    """
    return dice_of(int(a.sum()), int(b.sum()), int((a & b).sum()))


def dice_of(a: int, b: int, both: int) -> float:
    """Return the Dice similarity coefficient from numbers of pixels: of a, of b, and of both."""
    return 2 * both / (a + b) if a + b else 1.0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union |A∩B| / |A∪B| of two masks; 1 where both are empty.

    Args:
        a, b: bool, of one shape.
    """
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0
