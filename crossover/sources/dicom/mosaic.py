"""Siemens mosaics: a whole volume as tiles of one image.

How many tiles there are and which way they run stands in the CSA image header (0029,1010), which NiBabel reads. The
tiles fill a square of so many a side that all fit, row by row; the mosaic's position is that of a single slice as large
as the mosaic with the same centre (NiBabel's "DICOM mosaic" page; dcm2niix does the same).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

from crossover.sources.dicom.elements import csa_items, number, numbers

if TYPE_CHECKING:
    from crossover.sources.dicom.header import Frame

MOST = 4096
"""The most tiles in one image."""
ALONG = 0.99
"""The least cosine between the images' normal and the tiles' direction."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a mosaic is tiled."""

    count: int
    across: int
    """The number of tiles in a row, and of rows of tiles."""
    rows: int
    columns: int
    """The columns of a tile."""
    reversed: bool
    """Whether slices follow each other against the normal of the images."""
    spacing_mm: float
    touching: bool = False
    """Whether only the slices' thickness is known, so that they are taken to lie without gaps."""

    def cut(self, mosaic: np.ndarray, index: int) -> np.ndarray:
        """Return a tile of a whole mosaic (rows, columns); tiles are counted from 0."""
        row, column = divmod(index, self.across)
        first, left = row * self.rows, column * self.columns
        return mosaic[first : first + self.rows, left : left + self.columns]


def tiles(d: Dataset) -> Tiles | str:
    """Return how an image is tiled, or why that can't be told."""
    csa = csa_items(d)
    counts = {int(n) for n in (*_all(csa, "NumberOfImagesInMosaic")[:1], *_in_tag(d)) if n}
    if len(counts) > 1:
        return f"its header gives several numbers of slices: {' and '.join(map(str, sorted(counts)))}"
    count = next(iter(counts), 0)
    if not 1 <= count <= MOST:
        return "the number of slices is neither in (0019,100A) nor in a complete CSA header (0029,1010)"
    rows, columns = int(number(d, "Rows", 0)), int(number(d, "Columns", 0))
    across = math.ceil(math.sqrt(count))
    if rows % across or columns % across:
        return f"{rows} x {columns} pixels cannot be divided into {across} x {across} tiles, for {count} slices"
    orientation, normal = numbers(d, "ImageOrientationPatient", 6), _all(csa, "SliceNormalVector")
    if orientation is None or len(normal) != 3:
        return "its header does not give the direction in which the slices follow each other"
    along = float(np.dot(np.cross(orientation[:3], orientation[3:]), normal))
    if abs(along) < ALONG:
        return "the slices do not follow each other along the normal of the image"
    apart = number(d, "SpacingBetweenSlices", 0.0)
    spacing = apart or number(d, "SliceThickness", 0.0)
    if spacing <= 0:
        return "its header does not give the distance between slices"
    return Tiles(count, across, rows // across, columns // across, along < 0, spacing, not apart)


def frames(whole: Frame, tiled: Tiles) -> tuple[Frame, ...]:
    """Return the planes of a mosaic, of the frame that its header gives; without places where it has none."""
    if not (whole.position and whole.orientation and whole.spacing):
        return tuple(replace(whole, index=k) for k in range(tiled.count))
    row, column = np.reshape(whole.orientation, (2, 3))
    down_mm, right_mm = whole.spacing
    beside = (tiled.across - 1) / 2 * np.array([tiled.columns * right_mm, tiled.rows * down_mm])
    first = np.array(whole.position) + beside[0] * row + beside[1] * column
    step = np.cross(row, column) * tiled.spacing_mm * (-1 if tiled.reversed else 1)
    places = (first + k * step for k in range(tiled.count))
    return tuple(replace(whole, index=k, position=tuple(map(float, at))) for k, at in enumerate(places))


def _in_tag(d: Dataset) -> list[int]:
    """Return NumberOfImagesInMosaic (0019,100A), of the creator SIEMENS MR HEADER; nothing where it is no number."""
    try:
        value = d.private_block(0x19, "SIEMENS MR HEADER")[0x0A].value
        return [int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)]
    except Exception:  # no such block or tag, or damage
        return []


def _all(csa: dict[str, list], name: str) -> list[float]:
    try:
        found = [float(value) for value in csa[name]]
    except (KeyError, TypeError, ValueError):
        return []
    return found if all(map(math.isfinite, found)) else []
