"""Closed contours of one plane: which of them stand there twice, and which overlap in part."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossover.sources.dicom.raster import filled

REDRAWN = 0.9
"""Two rings that aren't one in the other, and share this much of what they enclose, are one outline drawn
twice: what even-odd would leave of it are slivers."""
PARTLY = 0.05
"""The share of the smaller ring by which two may overlap in part without a finding: holes touch their outer ring."""
MOST_PIXELS = 1024
"""The most pixels along a side, where overlaps are counted."""
_PORTION = 1_000_000
"""The number of distances computed at a time, which bounds the memory."""

Ring = NDArray[np.float64]


def without_copies(rings: Sequence[Ring], tolerance: float) -> list[int]:
    """Return the numbers of the rings (n, 2) to keep so that each is there once.

    Two are the same where their lines are, within `tolerance`: whatever the points that they start from,
    their direction, a last point that repeats the first, and points added on a line.
    """
    kept: list[int] = []
    boxes = _boxes(rings)
    for i, ring in enumerate(rings):
        alike = np.abs(boxes[kept] - boxes[i]).max(axis=(1, 2), initial=0) <= tolerance
        if not any(same_line(ring, rings[kept[k]], tolerance) for k in np.flatnonzero(alike)):
            kept.append(i)
    return kept


def _boxes(rings: Sequence[Ring]) -> NDArray[np.float64]:
    """Return the least and the largest coordinates of each ring, (rings, 2, 2)."""
    return np.array([(ring.min(axis=0), ring.max(axis=0)) for ring in rings])


def same_line(a: Ring, b: Ring, tolerance: float) -> bool:
    """Return whether two rings (n, 2) are one line, within `tolerance`."""
    if a.shape == b.shape and (a == b).all():
        return True
    if abs(_area(a) - _area(b)) > tolerance * max(_length(a), _length(b)):
        return False
    return _along(a, b, tolerance) and _along(b, a, tolerance)


def _area(ring: Ring) -> float:
    x, y = (ring - ring[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _length(ring: Ring) -> float:
    return float(np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1).sum())


def _along(points: Ring, ring: Ring, tolerance: float) -> bool:
    """Return whether a ring's points, and the middles between them, lie on another ring's line."""
    points = np.concatenate([points, (points + np.roll(points, -1, axis=0)) / 2])
    way = np.roll(ring, -1, axis=0) - ring
    length = (way**2).sum(axis=1)
    length[length == 0] = 1
    portions = np.array_split(points, 1 + len(points) * len(ring) // _PORTION)
    for some in portions:
        from_start = some[:, None] - ring
        part = ((from_start * way).sum(axis=-1) / length).clip(0, 1)
        off = np.linalg.norm(from_start - part[..., None] * way, axis=-1).min(axis=1)
        if (off > tolerance).any():
            return False
    return True


def overlaps(rings: Sequence[Ring]) -> tuple[int, int]:
    """Count the pairs of rings (n, 2) that are one outline drawn twice, and the others that overlap in part.

    One pixel is 1 x 1. A ring in a ring is a hole, and rings that touch are neighbours: both are right.
    """
    boxes = _boxes(rings)
    low, high = boxes[:, 0], boxes[:, 1]
    scale = min(1.0, MOST_PIXELS / max((high - low).max(), 1.0))
    area = functools.cache(lambda i: _Area.of(rings[i] * scale))
    redrawn = partly = 0
    for i in range(len(rings)):
        meet = ((low[:i] <= high[i]) & (high[:i] >= low[i])).all(axis=1)
        for k in np.flatnonzero(meet).tolist():
            both = area(i).common(area(k))
            smaller, either = min(area(i).size, area(k).size), area(i).size + area(k).size - both
            hole = both == smaller < either
            if both >= REDRAWN * either > 0 and not hole:
                redrawn += 1
            elif min(both, smaller - both) > PARTLY * smaller:
                partly += 1
    return redrawn, partly


class _Area(NamedTuple):
    """The pixels that a ring encloses: first and last + 1 of rows and columns, which of them, how many."""

    low: NDArray[np.int_]
    high: NDArray[np.int_]
    inside: NDArray[np.bool_]
    size: int

    @classmethod
    def of(cls, ring: Ring) -> _Area:
        low, high = np.floor(ring.min(axis=0)), np.ceil(ring.max(axis=0)) + 1
        columns, rows = (high - low).astype(int)
        inside = filled([ring - low], (rows, columns))
        return cls(low[::-1].astype(int), high[::-1].astype(int), inside, int(inside.sum()))

    def common(self, other: _Area) -> int:
        """Count the pixels that lie in both rings."""
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        if (low >= high).any():
            return 0
        parts = (a.inside[tuple(slice(*ends) for ends in zip(low - a.low, high - a.low))] for a in (self, other))
        return int(np.logical_and(*parts).sum())
