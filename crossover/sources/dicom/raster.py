"""Polygons -> pixels of one plane: even-odd, with the pixels that an edge passes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3
"""How near, in pixels, an edge passes a pixel's centre to take the pixel in."""
_SNAP = 2.0**-12
"""Points are rounded to this part of a pixel, so that what coincides in the file does so exactly."""
_PORTION = 2_000_000
"""The number of crossings computed at a time, which bounds the memory."""


def rasterise(rings: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Find the pixels (rows, columns) whose centres lie inside the rings of one plane, or on an edge.

    Each ring is (n, 2), x = column and y = row, in continuous pixel index: the first pixel's centre is
    (0, 0). It is closed, whether or not its last point repeats the first. What leaves the matrix is cut off.

    Inside is even-odd over all rings together, so a ring in a ring is a hole, and a hole that is joined
    to its outer ring by a channel (key-hole) is one too. A centre within `TOLERANCE` of an edge is inside,
    an inner ring's too: some tools (rt-utils, OpenCV) draw through the centres of the outermost pixels.

    A channel's edges don't count: those that one ring walks back and forth. Where such a path ends
    dead it is no channel but a part one pixel wide, and stays.

    Not handled: a channel whose way back has other points than its way there (its pixels are inside);
    a bridge one pixel wide between two parts of one ring, drawn through the centres, which
    looks like a channel and is lost; rings that overlap in part, whose overlap is outside.
    """
    start, end, ring = _edges(rings)
    kept = ~_channels(start, end, ring)
    start, end = start[kept], end[kept]
    mask = _inside(start, end, shape)
    for axis in (0, 1):
        _take_edges(mask, start, end, axis)
    return mask


def filled(rings: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Find the pixels inside rings by the even-odd rule alone: of two rings with a common edge none is inside both.

    Args:
        rings, shape: see `rasterise`.
    """
    start, end, _ = _edges(rings)
    return _inside(start, end, shape)


def _edges(rings: Sequence[NDArray]) -> tuple[NDArray, NDArray, NDArray[np.intp]]:
    """Return start and end (edges, 2) of all rings' edges, and the ring of each."""
    lengths = np.array([len(r) for r in rings], np.intp)
    start = np.concatenate([np.reshape(r, (-1, 2)) for r in rings] or [np.zeros((0, 2))])
    start = np.round(start / _SNAP) * _SNAP
    following = np.arange(1, len(start) + 1)
    ends = np.cumsum(lengths)[lengths > 0]
    following[ends - 1] = ends - lengths[lengths > 0]
    return start, start[following], np.repeat(np.arange(len(rings)), lengths)


def _channels(start: NDArray, end: NDArray, ring: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which edges one ring walks as often back as forth, on a way that doesn't end dead."""
    points = np.column_stack([np.tile(ring, 2), np.concatenate([start, end])])
    names, vertex = np.unique(points, axis=0, return_inverse=True)
    a, b = vertex.reshape(2, -1)
    if len(names) == len(start):  # no point comes twice
        return np.zeros(len(start), bool)
    pairs, edge = np.unique(np.minimum(a, b) * len(names) + np.maximum(a, b), return_inverse=True)
    a, b, forth = *np.divmod(pairs, len(names)), np.bincount(edge, weights=np.sign(b - a))
    real = a != b
    degree = np.bincount(np.concatenate([a[real], b[real]]), minlength=len(names))
    channel = real & (forth == 0)
    while True:
        dead = np.flatnonzero(channel & ((degree[a] == 1) | (degree[b] == 1)))
        if not len(dead):
            return channel[edge]
        channel[dead] = False
        np.subtract.at(degree, np.concatenate([a[dead], b[dead]]), 1)


def _inside(start: NDArray, end: NDArray, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels inside by the even-odd rule: those after an odd number of crossings along their row."""
    rows, columns = shape
    # From low to high, so that an edge walked both ways crosses a row at the very same place.
    up = (start[:, 1] <= end[:, 1])[:, None]
    low, high = np.where(up, start, end), np.where(up, end, start)
    flips = np.zeros((rows, columns + 1), bool)
    first, last = (np.clip(np.ceil(p[:, 1]), 0, rows).astype(int) for p in (low, high))
    for edge, row in _integers(first, last):
        (x0, y0), (x1, y1) = low[edge].T, high[edge].T
        column = np.ceil(x0 + (row - y0) * ((x1 - x0) / (y1 - y0)))
        np.logical_xor.at(flips, (row, np.clip(column, 0, columns).astype(int)), True)
    return np.logical_xor.accumulate(flips[:, :columns], axis=1)


def _take_edges(mask: NDArray[np.bool_], start: NDArray, end: NDArray, axis: int) -> None:
    """Set pixels whose centres lie on edges that run mainly along x (axis 0) or y (axis 1)."""
    steps = np.abs(end - start)
    mine = steps[:, 0] >= steps[:, 1] if axis == 0 else steps[:, 0] < steps[:, 1]
    start, end = start[mine], end[mine]
    limits, across = mask.shape[1 - axis], mask.shape[axis]
    low = np.minimum(start[:, axis], end[:, axis]) - TOLERANCE
    high = np.maximum(start[:, axis], end[:, axis]) + TOLERANCE
    first = np.clip(np.ceil(low), 0, limits).astype(int)
    last = np.clip(np.floor(high) + 1, 0, limits).astype(int)
    for edge, k in _integers(first, last):
        from_, way = start[edge], (end - start)[edge]
        part = (k - from_[:, axis]) / np.where(way[:, axis] == 0, 1, way[:, axis])
        beside = from_[:, 1 - axis] + np.clip(part, 0, 1) * way[:, 1 - axis]
        nearest = np.round(beside)
        hit = (np.abs(beside - nearest) <= TOLERANCE) & (nearest >= 0) & (nearest < across)
        at = (nearest[hit].astype(int), k[hit])
        mask[at if axis == 0 else at[::-1]] = True


def _integers(first: NDArray[np.int_], last: NDArray[np.int_]) -> Iterator[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """Yield all (i, k) with first[i] <= k < last[i], in portions of about `_PORTION`."""
    count = np.maximum(last - first, 0)
    total = np.cumsum(count)
    cuts = np.searchsorted(total, np.arange(_PORTION, total[-1] if len(total) else 0, _PORTION))
    for some in np.split(np.arange(len(count)), cuts):
        i = np.repeat(some, count[some])
        before = np.repeat(np.cumsum(count[some]) - count[some], count[some])
        yield i, first[i] + np.arange(len(i)) - before
