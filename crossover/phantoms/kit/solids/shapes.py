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

Points = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]
Triple = tuple[float, ...]
"""x, y, z in mm."""
FAR = 1e4


class Shape(Protocol):
    """A region of space."""

    def bounds(self) -> Bounds:
        """Two corners (x, y, z) of a box around it."""

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Signed distance of each point, mm."""


@dataclass(frozen=True)
class Ellipsoid:
    """sum |u_i / half_i|^power <= 1 with u in the frame whose axes are the rows of `frame`; power 2
    is an ellipsoid, 4 a rounded box."""

    centre: Triple
    half: Triple
    frame: NDArray[np.float64] | None = None
    power: int = 2

    def bounds(self) -> Bounds:
        """Two corners of a box around it."""
        frame = np.eye(3) if self.frame is None else self.frame
        reach = np.abs(frame * np.array(self.half)[:, None])
        extent = np.sqrt((reach**2).sum(0)) if self.power == 2 else reach.sum(0)
        return np.array(self.centre) - extent, np.array(self.centre) + extent

    def distance(self, points: Points) -> NDArray[np.float32]:
        """(k - 1) / |grad k| with k the root of the sum above."""
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
    """Weighted sum of the coordinates, less a constant."""
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
    """A straight, tapered piece of a tube with round ends. Along an axis the cross-section is
    stretched by 1 / `squeeze`: a plate, where one of the three is small."""

    start: Triple
    end: Triple
    radius: tuple[float, float]  # mm at the two ends
    squeeze: Triple = (1, 1, 1)

    def bounds(self) -> Bounds:
        """Two corners of a box around it."""
        ends = np.array([self.start, self.end])
        reach = max(self.radius) / np.array(self.squeeze)
        return ends.min(0) - reach, ends.max(0) + reach

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Distance from the axis less the radius there."""
        squeeze, start = np.array(self.squeeze), np.array(self.start)
        along = (np.array(self.end) - start) * squeeze
        weights = along * squeeze / max(float(along @ along), 1e-6)
        t = _combined(points, weights, float(weights @ start))
        np.clip(t, 0, 1, out=t)
        total = np.zeros_like(t)
        for p, s, a, c in zip(
            points, squeeze.tolist(), along.tolist(), start.tolist(), strict=True
        ):
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
    """All of the parts; `blend` mm wide, the seams between them are rounded."""

    parts: tuple[Shape, ...]
    blend: float = 0

    def bounds(self) -> Bounds:
        """Two corners of a box around it."""
        lows, highs = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def distance(self, points: Points) -> NDArray[np.float32]:
        """The smallest, or its polynomial smooth version."""
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
        """Two corners of a box around it."""
        lows, highs = zip(*(s.bounds() for s in (self.shape, *self.limits)), strict=True)
        low = np.max(lows, axis=0)
        return low, np.maximum(np.min(highs, axis=0), low)

    def distance(self, points: Points) -> NDArray[np.float32]:
        """The largest."""
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
        """Two corners of a box around it."""
        return self.shape.bounds()

    def distance(self, points: Points) -> NDArray[np.float32]:
        """The shape's, or how deep in a hole."""
        found = self.shape.distance(points)
        for hole in self.holes:
            np.maximum(found, -hole.distance(points), out=found)
        return found


@dataclass(frozen=True)
class Grown:
    """A shape with its surface moved outwards, or inwards where negative."""

    shape: Shape
    by_mm: float

    def bounds(self) -> Bounds:
        """Two corners of a box around it."""
        low, high = self.shape.bounds()
        return low - self.by_mm, high + self.by_mm

    def distance(self, points: Points) -> NDArray[np.float32]:
        """The shape's, less the shift."""
        found = self.shape.distance(points)
        found -= self.by_mm
        return found


@dataclass(frozen=True)
class Below:
    """The half-space normal . p < limit; the normal is made a unit vector."""

    normal: Triple
    through: Triple

    def bounds(self) -> Bounds:
        """Bounded only across a coordinate axis."""
        low, high = np.full(3, -FAR), np.full(3, FAR)
        axis = int(np.argmax(np.abs(self.normal)))
        if np.count_nonzero(self.normal) == 1:
            (high if self.normal[axis] > 0 else low)[axis] = self.through[axis]
        return low, high

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Distance from the plane."""
        normal = np.array(self.normal) / np.linalg.norm(self.normal)
        offset = float(normal @ np.array(self.through))
        return _combined(points, normal, offset)


def tube(
    points: Sequence[Sequence[float]] | NDArray,
    radius: float | Sequence[float],
    squeeze: Triple = (1, 1, 1),
) -> Union:
    """A tube through points, of one radius or of one for each point."""
    radii = np.broadcast_to(radius, len(points)).tolist()
    nodes = [tuple(map(float, point)) for point in points]
    ends = zip(pairwise(nodes), pairwise(radii), strict=True)
    return Union(tuple(Segment(a, b, r, squeeze) for (a, b), r in ends))


def turned(pitch_deg: float = 0, yaw_deg: float = 0, roll_deg: float = 0) -> NDArray[np.float64]:
    """Frame (rows are axes) turned about x (front end of y goes down), then z (to the left), then y
    (left end of x goes up)."""
    p, w, r = np.radians([pitch_deg, yaw_deg, roll_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(w), np.sin(w), 0], [-np.sin(w), np.cos(w), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(r), 0, np.sin(r)], [0, 1, 0], [-np.sin(r), 0, np.cos(r)]])
    return about_y @ about_z @ about_x
