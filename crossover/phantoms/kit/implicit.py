"""Implicit shapes on a sampled, possibly distorted, stack of slices.

Coordinates are the patient's in mm, as in DICOM: x to the left, y to the back, z to the head.
Arrays are (slices, rows, columns): slices run to the patient's right (-x), rows to the feet (-z),
columns to the back (+y), which is a right-handed sagittal stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Box = tuple[slice, slice, slice]
IDENTITY = np.eye(3)


@dataclass(frozen=True)
class Grid:
    """Sample points. `y` is full-size since distortion moves samples along y; `y_axis` is where
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
        """The part of the grid between two corners (x, y, z), or None where there is none."""
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

    def points(self, box: Box) -> tuple[NDArray, NDArray, NDArray]:
        """x, y and z of the samples in a box, ready to broadcast."""
        slices, rows, _ = box
        return self.x[slices], self.y[box], self.z[:, rows]


@dataclass(frozen=True)
class Ellipsoid:
    """sum |u_i / half_i|^power <= 1, with u in the frame whose axes are the rows of `frame`.
    Power 2 is an ellipsoid, 4 a rounded box."""

    centre: Vector
    half: Vector  # mm
    frame: NDArray[np.float64] = field(default_factory=lambda: IDENTITY)
    power: int = 2

    def bounds(self) -> tuple[Vector, Vector]:
        """Two corners of a box around the shape."""
        reach = np.abs(self.frame * self.half[:, None])
        extent = np.sqrt((reach**2).sum(0)) if self.power == 2 else reach.sum(0)
        return self.centre - extent, self.centre + extent

    def level(self, grid: Grid, box: Box) -> NDArray[np.float32]:
        """The sum above at each sample of a box: below 1 inside, growing outwards."""
        offset = [p - np.float32(c) for p, c in zip(grid.points(box), self.centre, strict=True)]
        total: Any = np.float32(0)
        for axis in self.frame / self.half[:, None]:
            # Zero components are skipped so that unrotated shapes stay cheap to broadcast.
            u = sum(np.float32(a) * d for a, d in zip(axis, offset, strict=True) if a != 0)
            total = total + (u * u if self.power == 2 else u**self.power)
        return total

    def scaled(self, factor: float) -> "Ellipsoid":
        """The same shape, larger or smaller about its centre."""
        return Ellipsoid(self.centre, self.half * factor, self.frame, self.power)

    def shrunk(self, wall_mm: float) -> "Ellipsoid":
        """What is left inside a wall of this thickness."""
        half = np.maximum(self.half - wall_mm, 0.5)
        return Ellipsoid(self.centre, half, self.frame, self.power)


@dataclass(frozen=True)
class Segment:
    """A straight piece of a tube with round ends."""

    start: Vector
    end: Vector
    radius: float  # mm

    def bounds(self) -> tuple[Vector, Vector]:
        """Two corners of a box around the shape."""
        low, high = np.minimum(self.start, self.end), np.maximum(self.start, self.end)
        return low - self.radius, high + self.radius

    def level(self, grid: Grid, box: Box) -> NDArray[np.float32]:
        """Squared distance from the axis over squared radius."""
        along = (self.end - self.start).astype(np.float32)
        offset = [p - np.float32(c) for p, c in zip(grid.points(box), self.start, strict=True)]
        length2 = float(along @ along)
        t = sum(a * d for a, d in zip(along, offset, strict=True)) / max(length2, 1e-6)
        t = np.clip(t, 0, 1)
        distance2 = sum((d - t * a) ** 2 for a, d in zip(along, offset, strict=True))
        return distance2 / np.float32(self.radius**2)


Shape = Ellipsoid | Segment


def tube(points: Sequence[Sequence[float]] | NDArray, radius: float) -> list[Segment]:
    """A tube through points (x, y, z)."""
    nodes = np.asarray(points, float)
    return [Segment(a, b, radius) for a, b in pairwise(nodes)]


def turned(angle_deg: float) -> NDArray[np.float64]:
    """A frame turned about x: its second axis points from the back to the head by the angle."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


@dataclass(frozen=True)
class Canvas:
    """A label for every sample; later paint covers earlier paint."""

    grid: Grid
    labels: NDArray[np.uint8]

    def paint(self, shape: Shape, label: int, only: Sequence[int] = ()) -> None:
        """Label the inside of a shape; with `only`, where one of those labels is now."""
        box = self.grid.box(*shape.bounds())
        if box is None:
            return
        view = self.labels[box]
        inside = shape.level(self.grid, box) <= 1
        if only:
            inside &= np.isin(view, only)
        view[inside] = label
