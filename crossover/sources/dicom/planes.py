"""Planes of a mask, each with its place -> a volume, whatever planes are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.imaging.grids import TOLERANCE_MM
from crossover.sources.findings import Refused

MOST_SLICES = 2000
"""The number of slices that a mask may reach over, whatever the image's size; more are a mistake, unless the image
has half as many."""


class PlaneGeometry(Protocol):
    """Where a plane lies: the first pixel's centre, directions along a row and a column, spacing (mm)."""

    @property
    def position(self) -> tuple[float, ...]:
        """The centre of the first pixel in mm, patient axes."""

    @property
    def orientation(self) -> tuple[float, ...]:
        """The direction cosines along a row and along a column."""

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distances of rows and of columns in mm."""


def directions(plane: PlaneGeometry) -> NDArray[np.float64]:
    """Return three columns of unit vectors, (3, 3): along a row, along a column, and the normal."""
    row, column = np.reshape(plane.orientation, (2, 3))
    return np.stack([row, column, np.cross(row, column)], axis=1)


def step_of(grid: sitk.Image, plane: PlaneGeometry) -> float:
    """Return the grid's spacing in mm along the axis that is nearest to the plane's normal."""
    own = np.reshape(grid.GetDirection(), (3, 3))
    return grid.GetSpacing()[int(np.abs(own.T @ directions(plane)[:, 2]).argmax())]


def assembled(planes: Sequence[tuple[PlaneGeometry, NDArray[np.bool_]]], step: float, grid: sitk.Image) -> sitk.Image:
    """Stack planes into a volume of 0 and 1, from the first to the last of them.

    Args:
        planes: the place of each, and its mask (rows, columns).
        step: the distance of slices in mm, as `step_of` gives it.
        grid: the image's grid.

    Raises:
        Refused: structure-refused, where they make no regular volume.
    """
    turned = directions(planes[0][0])
    ordered = sorted(planes, key=lambda p: float(np.array(p[0].position) @ turned[:, 2]))
    first, values = ordered[0]
    if abs(np.linalg.det(turned) - 1) > 1e-3:
        raise Refused("structure-refused", "the rows and columns of its planes are not at right angles")
    steps = np.array([np.subtract(p.position, first.position) @ turned for p, _ in ordered])
    ks = np.round(steps[:, 2] / step).astype(int)
    off = np.abs(steps - ks[:, None] * [0, 0, step]).max()
    if off > TOLERANCE_MM or len(set(ks)) < len(ks):
        why = f"they are up to {off:.2f} mm off their places" if off > TOLERANCE_MM else "several have the same place"
        raise Refused("structure-refused", f"its {len(ks)} planes form no regular volume: {why}")
    if ks[-1] >= max(MOST_SLICES, 2 * max(grid.GetSize())):
        raise Refused("structure-refused", f"its {len(ks)} planes extend over {ks[-1] + 1} slices")
    out = np.zeros((ks[-1] + 1, *values.shape), np.uint8)
    for k, (_, inside) in zip(ks, ordered):
        out[k] = inside
    image = sitk.GetImageFromArray(out)
    image.SetOrigin(first.position)
    image.SetSpacing((first.spacing[1], first.spacing[0], step))
    image.SetDirection(turned.ravel())
    return image
