"""Shapes as signed distances in mm: negative inside, 0 on the surface.

Coordinates are anatomical: x to the patient's left, y to the back, z to the head, in mm. `Points`
are three float32 arrays of one shape. Distances of ellipsoids are first-order (exact on the
surface), and those of unions and cuts are bounds; a few mm from the surface all are right to some
per cent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.geometry import Triple

Vector = NDArray[np.float64]
"""A point or a size: x, y, z in mm."""
Points = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]
FAR = 1e4


class Shape(Protocol):
    """A region of space with a signed distance."""

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the signed distance of each point, mm."""


@dataclass(frozen=True)
class Ellipsoid:
    """The points with sum |u_i / half_i|^power <= 1, where u is in the frame whose axes are the rows of `frame`.

    Power 2 is an ellipsoid, 4 a rounded box; no frame means the axes of the coordinates.
    """

    centre: Triple | Vector
    half: Triple | Vector  # mm
    frame: NDArray[np.float64] | None = None
    power: int = 2

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""
        frame = np.eye(3) if self.frame is None else self.frame
        reach = np.abs(frame * np.array(self.half)[:, None])
        extent = np.sqrt((reach**2).sum(0)) if self.power == 2 else reach.sum(0)
        return np.array(self.centre) - extent, np.array(self.centre) + extent

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return (k - 1) / |grad k|, mm, with k the root of the sum above."""
        frame = np.eye(3) if self.frame is None else self.frame
        total = np.full(points[0].shape, 1e-12, np.float32)
        slope = np.full(points[0].shape, 1e-12, np.float32)
        for axis, half in zip(frame, self.half, strict=True):
            square = _combined(points, axis / half, float(axis @ np.array(self.centre)) / half)
            square *= square
            if self.power == 4:
                slope += square**3 * float(half**-2)
                square *= square
                total += square
            else:
                total += square
                square *= float(half**-2)
                slope += square
        root = np.sqrt(total)
        np.sqrt(slope, out=slope)
        if self.power == 4:
            np.sqrt(root, out=root)
            return (root - 1) * root**3 / slope
        total -= root
        total /= slope
        return total


def _combined(points: Points, weights: NDArray[np.float64], less: float) -> NDArray[np.float32]:
    """Return a weighted sum of the coordinates, less a constant."""
    terms = [(float(w), p) for w, p in zip(weights, points, strict=True) if w != 0]
    if not terms:
        return np.full(points[0].shape, -less, np.float32)
    found = terms[0][1] * terms[0][0]
    for weight, p in terms[1:]:
        found += p * weight
    found -= less
    return found


@dataclass(frozen=True)
class Segment:
    """A straight, tapered piece of a tube with round ends.

    Along an axis the cross-section is stretched by 1 / `squeeze`: it is a plate where one of the three is small.
    """

    start: Triple
    end: Triple
    radius: tuple[float, float]  # mm at the two ends
    squeeze: Triple = (1, 1, 1)

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""
        ends = np.array([self.start, self.end])
        reach = max(self.radius) / np.array(self.squeeze)
        return ends.min(0) - reach, ends.max(0) + reach

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the distance from the axis less the radius there, mm."""
        squeeze, start = np.array(self.squeeze), np.array(self.start)
        along = (np.array(self.end) - start) * squeeze
        weights = along * squeeze / max(float(along @ along), 1e-6)
        t = _combined(points, weights, float(weights @ start))
        np.clip(t, 0, 1, out=t)
        total = np.zeros_like(t)
        for p, s, a, c in zip(points, squeeze.tolist(), along.tolist(), start.tolist(), strict=True):
            away = p * s if s != 1 else p - c
            if s != 1:
                away -= c * s
            if a != 0:
                away -= a * t
            away *= away
            total += away
        np.sqrt(total, out=total)
        first, last = map(float, self.radius)
        if first != last:
            t *= last - first
            total -= t
        total -= first
        return total


@dataclass(frozen=True)
class Union:
    """All of the parts; the seams between them are rounded over a width of `blend` mm."""

    parts: tuple[Shape, ...]
    blend: float = 0

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""
        lows, highs = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the smallest distance, or its polynomial smooth version, mm."""
        found = self.parts[0].distance(points)
        for part in self.parts[1:]:
            other = part.distance(points)
            if self.blend:
                # Half-way between the two they are joined at most blend / 4 further out.
                found -= other
                near = np.clip(0.5 - found * (0.5 / self.blend), 0, 1)
                found *= near
                found += other
                found -= self.blend * near * (1 - near)
            else:
                np.minimum(found, other, out=found)
        return found


@dataclass(frozen=True)
class Within:
    """What of a shape lies inside all of the limits."""

    shape: Shape
    limits: tuple[Shape, ...]

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""
        lows, highs = zip(*(s.bounds() for s in (self.shape, *self.limits)), strict=True)
        low = np.max(lows, axis=0)
        return low, np.maximum(np.min(highs, axis=0), low)

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the largest distance, mm."""
        found = self.shape.distance(points)
        for limit in self.limits:
            np.maximum(found, limit.distance(points), out=found)
        return found


@dataclass(frozen=True)
class Without:
    """What of a shape lies outside the holes."""

    shape: Shape
    holes: tuple[Shape, ...]

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""
        return self.shape.bounds()

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the shape's distance, or how deep in a hole the point is, mm."""
        found = self.shape.distance(points)
        for hole in self.holes:
            np.maximum(found, -hole.distance(points), out=found)
        return found


@dataclass(frozen=True)
class Grown:
    """A shape with its surface moved outwards, or inwards where `by_mm` is negative."""

    shape: Shape
    by_mm: float

    def bounds(self) -> Bounds:
        """Return two corners (x, y, z in mm) of a box around the shape."""
        low, high = self.shape.bounds()
        return low - self.by_mm, high + self.by_mm

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the shape's distance less the shift, mm."""
        found = self.shape.distance(points)
        found -= self.by_mm
        return found


@dataclass(frozen=True)
class Below:
    """The half-space normal . p < limit; the normal is made a unit vector."""

    normal: Triple
    through: Triple

    def bounds(self) -> Bounds:
        """Return two corners of a box, which is bounded only across a coordinate axis."""
        low, high = np.full(3, -FAR), np.full(3, FAR)
        axis = int(np.argmax(np.abs(self.normal)))
        if np.count_nonzero(self.normal) == 1:
            (high if self.normal[axis] > 0 else low)[axis] = self.through[axis]
        return low, high

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the distance from the plane, mm."""
        normal = np.array(self.normal) / np.linalg.norm(self.normal)
        offset = float(normal @ np.array(self.through))
        return _combined(points, normal, offset)


def tube(
    points: Sequence[Sequence[float]] | NDArray,
    radius: float | Sequence[float],
    squeeze: Triple = (1, 1, 1),
) -> Union:
    """Return a tube through points; `radius` (mm) is one for all or one for each point."""
    radii = np.broadcast_to(radius, len(points)).tolist()
    nodes = [tuple(map(float, point)) for point in points]
    ends = zip(pairwise(nodes), pairwise(radii), strict=True)
    return Union(tuple(Segment(a, b, r, squeeze) for (a, b), r in ends))


def turned(pitch_deg: float = 0, yaw_deg: float = 0, roll_deg: float = 0) -> NDArray[np.float64]:
    """Return a frame, whose rows are axes, turned about x, then z, then y.

    About x the front end of y goes down, about z to the left; about y the left end of x goes up.
    """
    p, w, r = np.radians([pitch_deg, yaw_deg, roll_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(w), np.sin(w), 0], [-np.sin(w), np.cos(w), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(r), 0, np.sin(r)], [0, 1, 0], [-np.sin(r), 0, np.cos(r)]])
    return about_y @ about_z @ about_x


def ball_radius(volume_ml: float) -> float:
    """Return the radius in mm of a ball of this volume in ml."""
    return float(np.cbrt(3000 * volume_ml / (4 * np.pi)))
