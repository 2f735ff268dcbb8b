"""Whether the left one of two structures lies on the patient's left."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from crossover.core.paired_names import pairs_of
from crossover.sources.findings import Finding


def swapped_sides(structures: Mapping[str, sitk.Image]) -> list[Finding]:
    """Return a finding for each pair of structures that lie on each other's side of the patient.

    A pair has names that differ by one word, "left" and "right" or "l" and "r": parotid_left, parotid_right. Each is
    where its centroid is, along the first axis of patient coordinates, which points to the patient's left (DICOM
    PS3.3, C.7.6.2.1.1). The names may be exchanged, or the image's orientation; which of the two isn't known.

    Args:
        structures: masks by name, of which an empty one is compared with none.
    """
    pairs = pairs_of(structures)
    leftward = {name: _leftward_mm(structures[name]) for name in {*pairs, *pairs.values()}}
    return [
        Finding("sides-swapped", f"it lies {mm:.0f} mm to the patient's right of {right}", f"structure {left}")
        for left, right, mm in misplaced(leftward)
    ]


def misplaced(leftward: Mapping[str, float]) -> list[tuple[str, str, float]]:
    """Return the pairs that lie on each other's side: the left one, the right one, and by how many mm.

    Args:
        leftward: structure -> how far to the patient's left its centroid is, mm; NaN if it is empty.
    """
    apart = [(left, right, leftward[right] - leftward[left]) for left, right in pairs_of(leftward).items()]
    return [(left, right, mm) for left, right, mm in apart if mm > 0]  # not where one is empty


def _leftward_mm(mask: sitk.Image) -> float:
    """Return the first patient coordinate of a mask's centroid; NaN if it is empty."""
    inside = sitk.GetArrayViewFromImage(mask) != 0
    counts = [inside.sum(axis=tuple({0, 1, 2} - {axis})) for axis in (2, 1, 0)]
    if not counts[0].any():
        return math.nan
    index = [float(np.average(np.arange(len(own)), weights=own)) for own in counts]
    return float(mask.TransformContinuousIndexToPhysicalPoint(index)[0])
