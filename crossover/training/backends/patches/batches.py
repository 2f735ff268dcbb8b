"""Patches of volumes: batches that follow from a seed and the step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from crossover.study.sections import Augmentation
from crossover.training.augmentation import augmenter, widened
from crossover.training.backends.patches.volumes import IMAGES, MASKS, StoredCase
from crossover.training.batches import Moments

ANYWHERE = -1
"""In place of a structure: the patch lies anywhere in its volume."""


def margin(augmentation: Augmentation, rows: int, columns: int) -> tuple[int, int]:
    """Return rows and columns on either side of a patch that its augmented versions may show."""
    drawn = augmentation.drawn
    angles = [drawn.rotation_deg] if drawn else [abs(angle) for angle in augmentation.rotations_deg]
    angle = math.radians(max(angles, default=0.0))

    def beyond(along: int, across: int) -> int:
        turned = min(angle, math.atan2(across, along))  # at which the most of what lies along is needed
        reach = along * math.cos(turned) + across * math.sin(turned)
        # a scale other than 1 comes with a place, up to half of what it is more or less
        most = max(reach * (1 + abs(scale - 1)) / scale for scale in (drawn.scales if drawn else [1.0]))
        return max(0, math.ceil((most - along) / 2 - 1e-9))

    return beyond(rows, columns), beyond(columns, rows)


class _Epoch(NamedTuple):
    """The patches of an epoch in their order, each by volume, structure or `ANYWHERE`, and version."""

    number: int
    items: np.ndarray


class PatchBatches:
    """Batch `step` of a training, a function of the seed and the step alone, as `crossover.training.batches.Batches`.

    An epoch has as many patches as hold all voxels of the volumes once, each in all versions, in random order. Of `1 +
    background` patches one has its middle in a structure, an equal share in each, in a voxel and a volume drawn for it;
    the others lie anywhere, in volumes drawn by their voxels. A patch at a volume's edge is moved into the volume. The
    last batch of an epoch is filled from its beginning.

    Args:
        size: slices, rows, columns. batch: patches in a batch.
        moments: by which images are standardised, if at all.
    """

    def __init__(
        self, volumes: Sequence[StoredCase], size: tuple[int, int, int], batch: int, augmentation: Augmentation,
        background: float, seed: int, moments: Moments | None = None,
    ) -> None:  # fmt: skip
        self._volumes, self._size, self.size, self._seed = list(volumes), size, batch, seed
        self._margin = margin(augmentation, *size[1:])
        self.versions = augmenter(augmentation, size[1:], self._margin)
        self._moments = moments
        held = [math.ceil(math.prod(volume.shape) / math.prod(size)) for volume in volumes]
        self._by_size = np.repeat(np.arange(len(held)), held)
        structures = range(len(volumes[0].places))
        with_structure = {s: [v for v, volume in enumerate(volumes) if len(volume.places[s])] for s in structures}
        self._with = {s: own for s, own in with_structure.items() if own}
        anywhere = round(sum(held) * background / (1 + background))
        self._anywhere = min(anywhere, sum(held) - 1)  # at least one has its middle in a structure
        self._in_structures = sum(held) - self._anywhere
        self.epoch_items = sum(held) * self.versions.count
        self.epoch_steps = -(-self.epoch_items // batch)
        self._epoch = _Epoch(-1, np.empty((0, 3), int))  # one value, since two threads ask

    def images(self, step: int) -> np.ndarray:
        """Return (batch, slices, rows, columns, channels) float32 of a step."""
        windows = self._windows(step, IMAGES)
        windows = self._moments.apply(windows) if self._moments else windows
        return self._augmented(windows, step, self.versions.images)

    def masks(self, step: int) -> np.ndarray:
        """Return (batch, slices, rows, columns, structures) float32 of a step."""
        return self._augmented(self._windows(step, MASKS), step, self.versions.masks).astype(np.float32)

    def _augmented(self, windows: np.ndarray, step: int, way: Callable[..., np.ndarray]) -> np.ndarray:
        _, versions = self._items(step)
        draws = [([self._seed, step], place) for place in range(self.size)]
        (down, across), (rows, columns) = self._margin, self._size[1:]
        return np.ascontiguousarray(
            way(windows, versions, draws)[..., down : down + rows, across : across + columns, :]
        )  # fmt: skip

    def _windows(self, step: int, name: str) -> np.ndarray:
        """Return the patches of a step with their margin, not yet augmented."""
        places, _ = self._items(step)
        around = np.array([0, *self._margin])
        size = (self._size[0], *widened(self._size[1:], self._margin))
        return np.stack([volume.window(name, begin - around, size) for volume, begin in places])

    def _items(self, step: int) -> tuple[list[tuple[StoredCase, np.ndarray]], np.ndarray]:
        """Return, of each patch of a batch, its volume and its first slice, row and column; and its version."""
        number, place = divmod(step, self.epoch_steps)
        epoch = self._epoch
        if epoch.number != number:
            epoch = self._epoch = self._drawn(number)
        indices = [(place * self.size + i) % self.epoch_items for i in range(self.size)]
        chosen = epoch.items[indices]
        places = [
            # numbers that no augmentation draws from, whose seeds are the seed, the step and the patch
            (self._volumes[v], self._begin(self._volumes[v], s, [self._seed, number, 0, 1 + i]))
            for i, (v, s, _) in zip(indices, chosen.tolist(), strict=True)
        ]
        return places, chosen[:, 2]

    def _begin(self, volume: StoredCase, structure: int, seed: list[int]) -> np.ndarray:
        rng = np.random.default_rng(seed)
        last = np.subtract(volume.shape, self._size)
        if structure == ANYWHERE:
            return rng.integers(0, last + 1)
        of = volume.places[structure]
        middle = np.array(np.unravel_index(of[rng.integers(len(of))], volume.shape))
        return np.clip(middle - np.array(self._size) // 2, 0, last)

    def _drawn(self, number: int) -> _Epoch:
        rng = np.random.default_rng([self._seed, number])
        # where there are not as many for each structure, those with one more are drawn
        shares = Counter(np.resize(rng.permutation(list(self._with)), self._in_structures).tolist())
        rows = [(v, s) for s, own in self._with.items() for v in np.resize(rng.permutation(own), shares[s])]
        rows += [(v, ANYWHERE) for v in rng.choice(self._by_size, self._anywhere)]
        count = self.versions.count
        items = np.column_stack([np.repeat(rows, count, axis=0), np.tile(np.arange(count), len(rows))])
        return _Epoch(number, rng.permutation(items))
