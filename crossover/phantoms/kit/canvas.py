"""Sample points of a scan in anatomical coordinates, and the HU or signal painted on them.

Edges are painted soft over the width that pixel and kernel blur them by, so that one sample a pixel
gives the partial volume in plane; through the slice there are several layers of samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.shapes import Points, Shape, Union

Box = tuple[slice, slice, slice]
EVERYWHERE = (slice(None),) * 3


@dataclass(frozen=True)
class Field:
    """Anatomical x, y and z of the samples in mm, each (layers of all slices, rows, columns)."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    z: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of layers, rows and columns of samples."""
        return self.x.shape

    @cached_property
    def _ranges(self) -> tuple[NDArray, ...]:
        """The least and most y and z of each row, x of each column, z of each layer.

        The arrays are (layers, rows or columns), the last two (layers,). They are found from every fourth
        sample and 2 mm wider, since coordinates change smoothly.
        """
        along_x, along_y = slice(None, None, 4), slice(None, None, 4)
        rows = [a[:, :, along_x] for a in (self.y, self.z)]
        columns = self.x[:, along_y]
        found = [f(a, axis=2) for a in rows for f in (np.min, np.max)]
        found += [columns.min(axis=1), columns.max(axis=1)]
        found += [found[2].min(axis=1), found[3].max(axis=1)]
        return tuple(a + (2 if k % 2 else -2) for k, a in enumerate(found))

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box | None:
        """Return the samples that may lie between two corners (x, y, z in mm), or None where there are none."""
        y0, y1, z0, z1, x0, x1, lowest, highest = self._ranges
        near = np.flatnonzero((highest >= low[2]) & (lowest <= high[2]))
        if near.size == 0:
            return None
        k = slice(int(near[0]), int(near[-1]) + 1)
        rows = (y1[k] >= low[1]) & (y0[k] <= high[1]) & (z1[k] >= low[2]) & (z0[k] <= high[2])
        columns = (x1[k] >= low[0]) & (x0[k] <= high[0])
        spans = [np.flatnonzero(a) for a in (rows.any(axis=1), rows.any(axis=0), columns.any(axis=0))]
        if any(span.size == 0 for span in spans):
            return None
        layers, *plane = (slice(int(s[0]), int(s[-1]) + 1) for s in spans)
        return slice(k.start + layers.start, k.start + layers.stop), plane[0], plane[1]

    def points(self, box: Box) -> Points:
        """Return x, y and z of the samples in a box, mm."""
        return self.x[box], self.y[box], self.z[box]


@dataclass(frozen=True)
class Canvas:
    """The value of every sample; later paint covers earlier paint."""

    field: Field
    values: NDArray[np.float32]
    texture: NDArray[np.float32]  # mean 0, SD 1, smooth over some mm
    edge_mm: float

    def paint(self, shape: Shape, value: float, uneven: float = 0) -> None:
        """Fill a shape with a value; `uneven` is by how much one SD of the texture moves the value."""
        for box, distance in near(shape, self.field, self.edge_mm / 2):
            self.fill(distance, box, value, uneven)

    def fill(self, distance: NDArray[np.float32], box: Box, value: float, uneven: float = 0) -> None:
        """Fill the inside of a signed distance (mm) that is known already, as `paint` does."""
        share = cover(distance, self.edge_mm)
        view = self.values[box]
        change = value - view
        if uneven:
            change += uneven * self.texture[box]
        change *= share
        view += change


def near(shape: Shape, field: Field, reach_mm: float) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """Yield the samples that may lie within `reach_mm` of a shape, and their signed distances to it, mm.

    A union without blending comes part by part, since each part is near fewer samples.
    """
    for part in shape.parts if isinstance(shape, Union) and not shape.blend else (shape,):
        low, high = part.bounds()
        box = field.box(low - reach_mm, high + reach_mm)
        if box is not None:
            yield box, part.distance(field.points(box))


def lower(distance: NDArray[np.float32], shape: Shape, field: Field, reach_mm: float) -> NDArray[np.float32]:
    """Take a shape into a field of signed distances (mm), in place, and return the field.

    Beyond `reach_mm` from the shape the distances stay as they are.
    """
    for box, found in near(shape, field, reach_mm):
        view = distance[box]
        np.minimum(view, found, out=view)
    return distance


def cover(distance: NDArray[np.float32], edge_mm: float) -> NDArray[np.float32]:
    """Return the share of a sample that is inside, 0 to 1, from its signed distance to the surface (mm)."""
    share = distance * (-1 / edge_mm)
    share += 0.5
    return np.clip(share, 0, 1, out=share)
