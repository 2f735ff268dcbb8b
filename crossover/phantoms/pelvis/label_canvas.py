"""Labels painted on the samples of a distorted sagittal stack.

Arrays are (slices, rows, columns): slices run to the patient's right (-x), rows to the feet (-z), columns to
the back (+y), which is a right-handed stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit import shapes
from crossover.phantoms.kit.canvas import Box
from crossover.phantoms.kit.shapes import Points, Vector


@dataclass(frozen=True)
class Grid:
    """Where the samples lie, in mm.

    `y` is full-size since distortion moves samples along y; `y_axis` is where they are in the image, and no
    sample is moved by more than `margin_mm`.
    """

    x: NDArray[np.float32]  # (slices, 1, 1)
    y: NDArray[np.float32]  # (slices, rows, columns)
    z: NDArray[np.float32]  # (1, rows, 1)
    y_axis: NDArray[np.float32]  # (columns,)
    margin_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of slices, rows and columns of samples."""
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
class Ellipsoid(shapes.Ellipsoid):
    """An ellipsoid, or with power 4 a rounded box, that is drawn where its level is at most 1."""

    centre: Vector
    half: Vector  # mm
    frame: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    def level(self, points: Points) -> NDArray[np.float32]:
        """Return sum |u_i / half_i|^power at each point, with u in the frame: it grows outwards."""
        offset = [p - np.float32(c) for p, c in zip(points, self.centre, strict=True)]
        total: Any = np.float32(0)
        for axis in self.frame / self.half[:, None]:
            # Zero components are skipped so that unrotated shapes stay cheap to broadcast.
            u: Any = sum(np.float32(a) * d for a, d in zip(axis, offset, strict=True) if a != 0)
            total = total + (u * u if self.power == 2 else u**self.power)
        return total

    def scaled(self, factor: float) -> "Ellipsoid":
        """Return the same shape, larger or smaller about its centre."""
        return replace(self, half=self.half * factor)

    def shrunk(self, wall_mm: float) -> "Ellipsoid":
        """Return what is left inside a wall of this thickness, with half-sizes of 0.5 mm at least."""
        return replace(self, half=np.maximum(self.half - wall_mm, 0.5))


def segment_level(segment: shapes.Shape, points: Points) -> NDArray[np.float32]:
    """Return the squared distance from the axis of a part of a tube over its squared radius."""
    assert isinstance(segment, shapes.Segment), "unions are tubes"
    along = (np.array(segment.end) - np.array(segment.start)).astype(np.float32)
    offset = [p - np.float32(c) for p, c in zip(points, segment.start, strict=True)]
    length2 = float(along @ along)
    t: Any = sum(a * d for a, d in zip(along, offset, strict=True)) / max(length2, 1e-6)
    t = np.clip(t, 0, 1)
    distance2: Any = sum((d - t * a) ** 2 for a, d in zip(along, offset, strict=True))
    return distance2 / np.float32(segment.radius[0] ** 2)


@dataclass(frozen=True)
class Canvas:
    """A label for every sample; later paint covers earlier paint."""

    grid: Grid
    labels: NDArray[np.uint8]

    def paint(self, shape: Ellipsoid | shapes.Union, label: int, only: Sequence[int] = ()) -> None:
        """Label the inside of a shape, or of each part of a union; with `only`, where one of those labels is now."""
        for part in shape.parts if isinstance(shape, shapes.Union) else (shape,):
            box = self.grid.box(*part.bounds())
            if box is None:
                continue
            view = self.labels[box]
            points = self.grid.points(box)
            level = part.level(points) if isinstance(part, Ellipsoid) else segment_level(part, points)
            inside = level <= 1
            if only:
                inside &= np.isin(view, only)
            view[inside] = label
