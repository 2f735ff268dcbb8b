"""Training data: slices in memory, their fixed set of augmented versions, seeded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossover.study import Augmentation


@dataclass(frozen=True)
class SliceSet:
    """Slices of several cases.

    Attributes:
        images: (slices, rows, columns, channels) float32.
        masks: (slices, rows, columns, structures) uint8.
        case: (slices,) index of each slice's case.
    """

    images: np.ndarray
    masks: np.ndarray
    case: np.ndarray

    @property
    def has_structure(self) -> np.ndarray:
        return self.masks.any(axis=(1, 2, 3))


def load(files: Sequence[Path]) -> SliceSet:
    """Read the slices of cases, one npz file each (see the rule `slices`)."""
    parts = [np.load(file) for file in files]
    return SliceSet(
        np.concatenate([p["images"] for p in parts]),
        np.concatenate([p["masks"] for p in parts]),
        np.repeat(np.arange(len(parts)), [len(p["images"]) for p in parts]),
    )


class Versions:
    """The fixed set of versions of a slice: the original, rotations about its centre, the mirror image.

    Rotations are bilinear for images and nearest for masks; outside the slice the image is continued
    by its edge and the mask is empty.
    """

    def __init__(self, augmentation: Augmentation, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._maps = [_rotation(angle, shape) for angle in augmentation.rotations_deg]
        self._flip = augmentation.flip
        self.count = 1 + len(self._maps) + self._flip

    def apply(
        self, images: np.ndarray, masks: np.ndarray, version: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Version `version` (0 is the original) of slices (n, rows, columns, channels) and their masks."""
        if version == 0:
            return images, masks
        if version <= len(self._maps):
            corners, weights, nearest, inside = self._maps[version - 1]
            flat = images.reshape(len(images), -1, images.shape[-1])
            turned = sum(flat[:, c] * w[:, None] for c, w in zip(corners, weights))
            masked = masks.reshape(len(masks), -1, masks.shape[-1])[:, nearest] * inside[:, None]
            return turned.reshape(images.shape), masked.reshape(masks.shape)
        return images[:, :, ::-1], masks[:, :, ::-1]


def _rotation(angle_deg: float, shape: tuple[int, int]):
    """Where each pixel of the rotated slice comes from: corners and weights, nearest, inside."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns].astype(np.float64)
    cy, cx = (rows - 1) / 2, (columns - 1) / 2
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    source_y = cos * (y - cy) - sin * (x - cx) + cy
    source_x = sin * (y - cy) + cos * (x - cx) + cx
    inside = (source_y >= -0.5) & (source_y <= rows - 0.5)
    inside &= (source_x >= -0.5) & (source_x <= columns - 0.5)
    source_y, source_x = source_y.clip(0, rows - 1), source_x.clip(0, columns - 1)
    y0, x0 = np.floor(source_y).astype(int), np.floor(source_x).astype(int)
    y1, x1 = np.minimum(y0 + 1, rows - 1), np.minimum(x0 + 1, columns - 1)
    fy, fx = source_y - y0, source_x - x0
    corners = [(yy * columns + xx).ravel() for yy in (y0, y1) for xx in (x0, x1)]
    weights = [(wy * wx).ravel().astype(np.float32) for wy in (1 - fy, fy) for wx in (1 - fx, fx)]
    nearest = (np.rint(source_y).astype(int) * columns + np.rint(source_x).astype(int)).ravel()
    return corners, weights, nearest, inside.ravel().astype(np.uint8)


class Batches:
    """Batch `step` of a training, a function of the seed and the step alone, so that a resumed
    training sees what an unbroken one would have seen.

    An epoch is all versions of all slices with a structure and `background` times as many of slices
    without (drawn anew each epoch), in random order. The last batch of an epoch is filled from its
    beginning.
    """

    def __init__(
        self, slices: SliceSet, versions: Versions, size: int, background: float, seed: int
    ) -> None:
        self.slices, self.versions, self.size, self.seed = slices, versions, size, seed
        self._with = np.flatnonzero(slices.has_structure)
        self._without = np.flatnonzero(~slices.has_structure)
        wanted = round(background * len(self._with))
        self._background = min(wanted, len(self._without))
        self.epoch_items = (len(self._with) + self._background) * versions.count
        self.epoch_steps = -(-self.epoch_items // size)
        self._epoch, self._order = -1, np.empty(0, int)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (batch, rows, columns, channels) and masks (batch, rows, columns, structures), float32."""
        epoch, place = divmod(step, self.epoch_steps)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._draw(epoch)
        items = np.take(self._order, range(place * self.size, (place + 1) * self.size), mode="wrap")
        index, version = items // self.versions.count, items % self.versions.count
        shape = (self.size, *self.slices.images.shape[1:])
        images = np.empty(shape, np.float32)
        masks = np.empty((*shape[:3], self.slices.masks.shape[-1]), np.float32)
        for v in np.unique(version):
            at = np.flatnonzero(version == v)
            chosen = index[at]
            images[at], masks[at] = self.versions.apply(
                self.slices.images[chosen], self.slices.masks[chosen], int(v)
            )
        return images, masks

    def _draw(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        extra = rng.choice(self._without, self._background, replace=False)
        chosen = np.concatenate([self._with, extra])
        items = (chosen[:, None] * self.versions.count + np.arange(self.versions.count)).ravel()
        return rng.permutation(items)
