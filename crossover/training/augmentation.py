"""Augmentation of slices: a fixed set of versions, or parameters drawn and then applied.

A stack of slices, as a patch of a volume, is augmented as one: each of its slices alike.

Turned and scaled slices are bilinear for images and nearest for masks; outside the slice the image is
continued by its edge and the mask is empty.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from crossover.study.sections import Augmentation, Drawn


class Versions:
    """The fixed set of versions of a slice: the original, rotations about its centre, the mirror image."""

    drawn = "never"

    def __init__(self, augmentation: Augmentation, shape: tuple[int, int]) -> None:
        self._cuts = [Cut(1.0, angle) for angle in augmentation.rotations_deg]
        self._flip, self._shape = augmentation.flip, shape
        self.count = 1 + len(self._cuts) + self._flip

    def images(self, images: np.ndarray, versions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return each slice, or stack of them, (n, ..., rows, columns, channels) in its version; nothing is drawn."""
        return self._of_versions(images, versions, _Map.image)

    def masks(self, masks: np.ndarray, versions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return the masks of a batch as augmented: the nearest pixel, with the same draws as its images."""
        return self._of_versions(masks, versions, _Map.mask)

    def _of_versions(self, slices: np.ndarray, versions: np.ndarray, way: Callable[..., np.ndarray]) -> np.ndarray:
        out = np.empty_like(slices)
        for version in np.unique(versions):
            at = np.flatnonzero(versions == version)
            if version == 0:
                out[at] = slices[at]
            elif version <= len(self._cuts):
                out[at] = way(_map(self._shape, self._cuts[version - 1]), slices[at])
            else:
                out[at] = slices[at][..., ::-1, :]
        return out


class Cut(NamedTuple):
    """How a slice is cut out of itself, scaled and rotated.

    Attributes:
        place: rows and columns between the middles of the two, in pixels of the cut.
    """

    scale: float
    angle_deg: float
    place: tuple[float, float] = (0.0, 0.0)


Draws = Sequence[tuple[list[int], int]]
"""What each slice's cut is drawn from: a seed, and the cut's place under that seed."""


class Cuts:
    """Cuts whose parameters follow from seeds alone.

    They are drawn for each batch anew, or `versions` of each slice once: then they are a finite set, as `Versions` are.
    """

    def __init__(self, drawn: Drawn, shape: tuple[int, int], margin: tuple[int, int] = (0, 0)) -> None:
        """`margin`: see `augmenter`."""
        self._settings, self._shape, self._around = drawn, shape, widened(shape, margin)
        self.drawn = "once" if drawn.versions else "anew"
        self.count = drawn.versions or 1

    def draw(self, seed: list[int], place: int) -> Cut:
        """Return the cut at a place under a seed: the scale, the angle, then where in the slack."""
        rng = np.random.default_rng([*seed, 1 + place])  # a last 0 would be as none
        scale = float(rng.choice(self._settings.scales))
        angle = rng.uniform(-self._settings.rotation_deg, self._settings.rotation_deg)
        down, across = (rng.uniform(-1, 1) * (abs(scale - 1) * n / 2) for n in self._shape)
        return Cut(scale, angle, (down, across))

    def images(self, images: np.ndarray, versions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return each slice, or stack of them, (n, ..., rows, columns, channels) with its own cut."""
        return np.stack([self._map(d).image(i) for d, i in zip(draws, images, strict=True)])

    def masks(self, masks: np.ndarray, versions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return the masks of a batch as augmented: the nearest pixel, with the same draws as its images."""
        return np.stack([self._map(d).mask(m) for d, m in zip(draws, masks, strict=True)])

    def _map(self, draw: tuple[list[int], int]) -> _Map:
        return _map(self._around, self.draw(*draw))


def augmenter(
    augmentation: Augmentation, shape: tuple[int, int], margin: tuple[int, int] = (0, 0)
) -> Versions | Cuts:  # fmt: skip
    """Return what makes the batches of a recipe, for slices of `shape` (rows, columns).

    Args:
        margin: rows and columns on either side by which what is augmented is larger than what is used of it, so that a
            patch of a volume is turned together with what lies around it.
    """
    if augmentation.drawn:
        return Cuts(augmentation.drawn, shape, margin)
    return Versions(augmentation, widened(shape, margin))


def widened(shape: tuple[int, int], margin: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns with a margin on either side of each."""
    return shape[0] + 2 * margin[0], shape[1] + 2 * margin[1]


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
        self._weights = [(wy * wx).ravel().astype(np.float32) for wy in (1 - fy, fy) for wx in (1 - fx, fx)]
        nearest = np.rint(source_y).astype(int) * columns + np.rint(source_x).astype(int)
        self._nearest, self._inside = nearest.ravel(), inside.ravel().astype(np.uint8)

    def image(self, images: np.ndarray) -> np.ndarray:
        """Return slices (..., rows, columns, channels) in the version."""
        flat = images.reshape(*images.shape[:-3], -1, images.shape[-1])
        out = sum(
            flat.take(corners, axis=-2) * weights[:, None] for corners, weights in zip(self._corners, self._weights)
        )
        return out.reshape(images.shape)

    def mask(self, masks: np.ndarray) -> np.ndarray:
        """Return masks (..., rows, columns, structures) in the version."""
        masked = masks.reshape(*masks.shape[:-3], -1, masks.shape[-1])
        masked = masked.take(self._nearest, axis=-2) * self._inside[:, None]
        return masked.reshape(masks.shape)


@functools.lru_cache(64)  # a version of every slice, and a batch's images and then its masks
def _map(shape: tuple[int, int], cut: Cut) -> _Map:
    return _Map(shape, cut)
