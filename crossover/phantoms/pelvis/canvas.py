"""Labels painted on the samples of a distorted sagittal stack.

Arrays are (slices, rows, columns): slices run to the patient's right (-x), rows to the feet (-z), columns to
the back (+y), which is a right-handed stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.canvas import Box
from crossover.phantoms.kit.shapes import Leveled, Points, Union, Vector


@dataclass(frozen=True)
class Grid:
    """Where the samples lie, in mm. `y` is full-size since distortion moves samples along y; `y_axis` is where
    they are in the image, and no sample is moved by more than `margin_mm`."""

    x: NDArray[np.float32]  # (slices, 1, 1)
    y: NDArray[np.float32]  # (slices, rows, columns)
    z: NDArray[np.float32]  # (1, rows, 1)
    y_axis: NDArray[np.float32]  # (columns,)
    margin_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns of samples."""
        return self.y.shape

    def box(self, low: Vector, high: Vector) -> Box | None:
        """Return the part of the grid between two corners (x, y, z), or None where there is none."""
        reach = np.array([0.0, self.margin_mm, 0.0])
        low, high = low - reach, high + reach
        axes = (self.x.ravel(), self.z.ravel(), self.y_axis)
        parts = []
        for axis, k in zip(axes, (0, 2, 1), strict=True):
            inside = np.flatnonzero((axis >= low[k]) & (axis <= high[k]))
            if inside.size == 0:
                return None
            parts.append(slice(int(inside[0]), int(inside[-1]) + 1))
        return parts[0], parts[1], parts[2]

    def points(self, box: Box) -> Points:
        """Return x, y and z of the samples in a box, ready to broadcast."""
        slices, rows, _ = box
        return self.x[slices], self.y[box], self.z[:, rows]


@dataclass(frozen=True)
class Canvas:
    """A label for every sample; later paint covers earlier paint."""

    grid: Grid
    labels: NDArray[np.uint8]

    def paint(self, shape: Leveled | Union, label: int, only: Sequence[int] = ()) -> None:
        """Label the inside of a shape, or of each part of a union; with `only`, where one of those labels is now."""
        for part in shape.parts if isinstance(shape, Union) else (shape,):
            box = self.grid.box(*part.bounds())
            if box is None:
                continue
            view = self.labels[box]
            inside = part.level(self.grid.points(box)) <= 1
            if only:
                inside &= np.isin(view, only)
            view[inside] = label
