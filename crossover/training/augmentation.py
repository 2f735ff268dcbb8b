"""Augmentation of slices: a fixed set of versions, or parameters drawn and then applied.

Turned and scaled slices are bilinear for images and nearest for masks; outside the slice the image is
continued by its edge and the mask is empty.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from crossover.study import Augmentation, Drawn


class Versions:
    """The fixed set of versions of a slice: the original, rotations about its centre, the mirror image."""

    def __init__(self, augmentation: Augmentation, shape: tuple[int, int]) -> None:
        self._maps = [_Map(shape, Cut(1.0, angle)) for angle in augmentation.rotations_deg]
        self._flip = augmentation.flip
        self.count = 1 + len(self._maps) + self._flip

    def batch(
        self, images: np.ndarray, masks: np.ndarray, versions: np.ndarray, seed: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each slice in its version; nothing is drawn."""
        out = np.empty_like(images), np.empty_like(masks)
        for version in np.unique(versions):
            at = np.flatnonzero(versions == version)
            out[0][at], out[1][at] = self.apply(images[at], masks[at], int(version))
        return out

    def apply(
        self, images: np.ndarray, masks: np.ndarray, version: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Version `version` (0 is the original) of slices (n, rows, columns, channels) and their masks."""
        if version == 0:
            return images, masks
        if version <= len(self._maps):
            return self._maps[version - 1].apply(images, masks)
        return images[:, :, ::-1], masks[:, :, ::-1]


class Cut(NamedTuple):
    """How a slice is cut out of itself, scaled and rotated.

    Attributes:
        place: rows and columns between the middles of the two, in pixels of the cut.
    """

    scale: float
    angle_deg: float
    place: tuple[float, float] = (0.0, 0.0)


class Cuts:
    """Cuts whose parameters follow from the seed, the step and the place in the batch alone."""

    count = 1

    def __init__(self, drawn: Drawn, shape: tuple[int, int]) -> None:
        self._drawn, self._shape = drawn, shape

    def draw(self, seed: list[int], place: int) -> Cut:
        """The cut of the slice at a place of a batch: the scale, the angle, then where in the slack."""
        rng = np.random.default_rng([*seed, 1 + place])  # a last 0 would be as none
        scale = float(rng.choice(self._drawn.scales))
        angle = rng.uniform(-self._drawn.rotation_deg, self._drawn.rotation_deg)
        slack = [abs(scale - 1) * n / 2 for n in self._shape]
        return Cut(scale, angle, tuple(rng.uniform(-1, 1) * s for s in slack))

    def batch(
        self, images: np.ndarray, masks: np.ndarray, versions: np.ndarray, seed: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each slice with a cut of its own; `versions` are all 0."""
        out = np.empty_like(images), np.empty_like(masks)
        for i in range(len(images)):
            sources = _Map(self._shape, self.draw(seed, i))
            out[0][i], out[1][i] = sources.apply(images[i], masks[i])
        return out


def augmenter(augmentation: Augmentation, shape: tuple[int, int]) -> Versions | Cuts:
    """What makes the batches of a recipe, for slices of `shape` (rows, columns)."""
    if augmentation.drawn:
        return Cuts(augmentation.drawn, shape)
    return Versions(augmentation, shape)


class _Map:
    """Where each pixel of a cut comes from."""

    def __init__(self, shape: tuple[int, int], cut: Cut) -> None:
        rows, columns = shape
        middle = (rows - 1) / 2, (columns - 1) / 2
        y = (np.arange(rows)[:, None] - middle[0] + cut.place[0]) / cut.scale
        x = (np.arange(columns)[None, :] - middle[1] + cut.place[1]) / cut.scale
        angle = np.deg2rad(cut.angle_deg)
        cos, sin = np.cos(angle), np.sin(angle)
        source_y = cos * y - sin * x + middle[0]
        source_x = sin * y + cos * x + middle[1]
        inside = (source_y >= -0.5) & (source_y <= rows - 0.5)
        inside &= (source_x >= -0.5) & (source_x <= columns - 0.5)
        source_y, source_x = source_y.clip(0, rows - 1), source_x.clip(0, columns - 1)
        y0, x0 = source_y.astype(int), source_x.astype(int)
        y1, x1 = np.minimum(y0 + 1, rows - 1), np.minimum(x0 + 1, columns - 1)
        fy, fx = source_y - y0, source_x - x0
        self._corners = [(yy * columns + xx).ravel() for yy in (y0, y1) for xx in (x0, x1)]
        self._weights = [
            (wy * wx).ravel().astype(np.float32) for wy in (1 - fy, fy) for wx in (1 - fx, fx)
        ]
        nearest = np.rint(source_y).astype(int) * columns + np.rint(source_x).astype(int)
        self._nearest, self._inside = nearest.ravel(), inside.ravel().astype(np.uint8)

    def apply(self, images: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of slices (..., rows, columns, channels) and their masks."""
        flat = images.reshape(*images.shape[:-3], -1, images.shape[-1])
        out = sum(
            flat.take(corners, axis=-2) * weights[:, None]
            for corners, weights in zip(self._corners, self._weights)
        )
        masked = masks.reshape(*masks.shape[:-3], -1, masks.shape[-1])
        masked = masked.take(self._nearest, axis=-2) * self._inside[:, None]
        return out.reshape(images.shape), masked.reshape(masks.shape)
