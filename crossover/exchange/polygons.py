"""Pixels of one plane -> polygons around them, one for each part, with its holes joined to it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]
"""A corner of pixels: x and y, of which pixel (row y, column x) has its upper left one there."""
RIGHT, DOWN, LEFT, UP = (1, 0), (0, 1), (-1, 0), (0, -1)
CLOCKWISE = {RIGHT: DOWN, DOWN: LEFT, LEFT: UP, UP: RIGHT}


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return polygons (n, 2), x = column and y = row in continuous pixel index, that enclose a mask (rows, columns).

    They run along the pixels' edges, so each holds as much area as its pixels, and no pixel's centre is nearer to them
    than half a pixel: whatever rule a reader fills them by, it finds the same pixels. Pixels that only touch at a
    corner are parts of their own. A hole is joined to what lies above it by a channel without width, walked there and
    back (the key-hole technique, PS3.3, C.8.8.6.3), also between the centres of pixels.
    """
    rings = _rings(mask)
    holes = sorted((ring for ring in rings if _area(ring) < 0), key=_first)
    joined = _joined([ring for ring in rings if _area(ring) > 0], holes)
    return [np.array(_corners(part), float) - 0.5 for part in joined]


def _rings(mask: NDArray[np.bool_]) -> list[list[Point]]:
    """Return the closed ways along pixels' edges that have the mask on their right, corner by corner."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    beyond = {RIGHT: padded[:-2, 1:-1], DOWN: padded[1:-1, 2:], LEFT: padded[2:, 1:-1], UP: padded[1:-1, :-2]}
    start = {RIGHT: (0, 0), DOWN: (1, 0), LEFT: (1, 1), UP: (0, 1)}
    leaving: dict[Point, set[Point]] = defaultdict(set)
    for way, other in beyond.items():
        rows, columns = np.nonzero(inside & ~other)
        for x, y in zip((columns + start[way][0]).tolist(), (rows + start[way][1]).tolist()):
            leaving[x, y].add(way)
    rings = []
    corners = sorted(leaving, reverse=True)
    while leaving:
        while corners[-1] not in leaving:  # a corner at which two rings touch may begin both
            corners.pop()
        ring, point = [], corners[-1]
        way = next(iter(leaving[point]))
        while way in leaving.get(point, ()):
            ring.append(point)
            leaving[point].remove(way)
            if not leaving[point]:
                del leaving[point]
            point = point[0] + way[0], point[1] + way[1]
            onward = leaving.get(point, set())
            # Where two pixels touch at a corner, around the same pixel.
            way = CLOCKWISE[way] if CLOCKWISE[way] in onward else next(iter(onward), way)
        rings.append(ring)
    return rings


def _area(ring: list[Point]) -> int:
    """Return twice the area, which is below zero for a hole."""
    return sum(a * d - c * b for (a, b), (c, d) in zip(ring, ring[1:] + ring[:1]))


def _first(ring: list[Point]) -> Point:
    """Return the topmost corner's y and x, of several the leftmost's."""
    return min((y, x) for x, y in ring)


def _joined(parts: list[list[Point]], holes: list[list[Point]]) -> list[list[Point]]:
    """Make each hole a part of what lies straight above its first corner: its part's edge, or a hole of it.

    Args:
        holes: from the top on, so that what lies above one is joined before it.
    """
    points: list[Point] = []
    after: list[int] = []  # place of the corner that follows, in `points`
    for ring in (*parts, *holes):
        first = len(points)
        points += ring
        after += [*range(first + 1, len(points)), first]
    place = {point: k for k, point in enumerate(points)}
    first = sum(map(len, parts))
    for hole in holes:
        y, x = _first(hole)
        begin, above = place[x, y], y - 1
        while (x, above) not in place:
            above -= 1
        end, from_ = begin - 1 if begin > first else first + len(hole) - 1, place[x, above]
        points += [(x, y), (x, above)]
        after += [len(points) - 1, after[from_]]
        after[end], after[from_] = len(points) - 2, begin
        first += len(hole)
    return [_followed(points, after, start) for start in np.cumsum([0, *map(len, parts)])[:-1].tolist()]


def _followed(points: list[Point], after: list[int], start: int) -> list[Point]:
    ring, k = [points[start]], after[start]
    while k != start:
        ring.append(points[k])
        k = after[k]
    return ring


def _corners(ring: list[Point]) -> list[Point]:
    """Leave out what lies on a straight line between others, but for the ends of channels."""
    times: dict[Point, int] = defaultdict(int)
    for point in ring:
        times[point] += 1
    around = zip(ring[-1:] + ring[:-1], ring, ring[1:] + ring[:1])
    return [b for a, b, c in around if times[b] > 1 or _way(a, b) != _way(b, c)]


def _way(a: Point, b: Point) -> Point:
    dx, dy = b[0] - a[0], b[1] - a[1]
    return (dx > 0) - (dx < 0), (dy > 0) - (dy < 0)
