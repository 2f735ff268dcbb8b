"""Training data: slices in memory, and batches that follow from a seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crossover.training.augmentation import Cuts, Draws, Versions


@dataclass(frozen=True)
class SliceSet:
    """Slices of several cases.

    Attributes:
        images: (slices, rows, columns, channels) float32.
        masks: (slices, rows, columns, structures) uint8.
        case: (slices,) index of each slice's case.
        large: (slices, structures) bool, whether the slice counts as one with the structure.
        sources: digest of each case's slices, in hexadecimal; empty where nobody asks for it.
    """

    images: np.ndarray
    masks: np.ndarray
    case: np.ndarray
    large: np.ndarray
    sources: tuple[str, ...] = ()

    @property
    def place(self) -> np.ndarray:
        """(slices,) index of each slice within its case."""
        return np.arange(len(self.case)) - np.searchsorted(self.case, self.case)

    @property
    def has_structure(self) -> np.ndarray:
        return self.large.any(axis=1)

    @property
    def background(self) -> np.ndarray:
        """Slices without a pixel of any structure."""
        return ~self.masks.any(axis=(1, 2, 3))

    def only(self, structures: Sequence[int]) -> SliceSet:
        """With the masks of these structures alone, by their places."""
        places = list(structures)
        return replace(self, masks=self.masks[..., places], large=self.large[:, places])

    def standardised(self, moments: Moments) -> SliceSet:
        return replace(self, images=moments.apply(self.images))


class Moments(NamedTuple):
    """Mean and SD of each channel, by which slices are standardised."""

    mean: list[float]
    sd: list[float]

    @classmethod
    def of(cls, images: np.ndarray) -> Moments:
        """Of all pixels of slices (n, rows, columns, channels); a constant channel has SD 1."""
        images = images.astype(np.float64)
        sd = images.std(axis=(0, 1, 2))
        return cls(images.mean(axis=(0, 1, 2)).tolist(), np.where(sd > 0, sd, 1.0).tolist())

    def apply(self, images: np.ndarray) -> np.ndarray:
        """float32, mean 0 and SD 1 where the slices are those of `of`."""
        return ((images - np.array(self.mean)) / np.array(self.sd)).astype(np.float32)


def load(files: Sequence[Path], sources: Sequence[str] = ()) -> SliceSet:
    """Read the slices of cases, one npz file each (see the rule `slices`), and their digests."""
    parts = [np.load(file) for file in files]
    return SliceSet(
        np.concatenate([p["images"] for p in parts]),
        np.concatenate([p["masks"] for p in parts]),
        np.repeat(np.arange(len(parts)), [len(p["images"]) for p in parts]),
        np.concatenate([p["large"] for p in parts]),
        tuple(sources),
    )


class Batches:
    """Batch `step` of a training, a function of the seed and the step alone, so that a resumed
    training sees what an unbroken one would have seen.

    An epoch is all versions of all slices with a structure and `background` times as many of slices
    without any (drawn anew each epoch), in random order. The last batch of an epoch is filled from its
    beginning. An *item* is a slice in a version: slice * versions + version.

    Args:
        draws: seed of cuts that are drawn once; the same for all trainings of a recipe.
    """

    def __init__(
        self, slices: SliceSet, versions: Versions | Cuts, size: int, background: float, seed: int,
        draws: int = 0,
    ) -> None:  # fmt: skip
        self.slices, self.versions, self.size, self.seed = slices, versions, size, seed
        self._draws, self._place = draws, slices.place
        self._with = np.flatnonzero(slices.has_structure)
        self._without = np.flatnonzero(slices.background)
        wanted = round(background * len(self._with))
        self._background = min(wanted, len(self._without))
        self.epoch_items = (len(self._with) + self._background) * versions.count
        self.epoch_steps = -(-self.epoch_items // size)
        self._epoch = (-1, np.empty(0, int))  # one value, since two threads ask

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (batch, rows, columns, channels) and masks (batch, rows, columns, structures), float32."""
        return self.images(step), self.masks(step)

    def images(self, step: int) -> np.ndarray:
        index, version = divmod(self.items(step), self.versions.count)
        images = self.versions.images(self.slices.images[index], version, self._seeds(step))
        return images.astype(np.float32, copy=False)

    def masks(self, step: int) -> np.ndarray:
        index, version = divmod(self.items(step), self.versions.count)
        masks = self.versions.masks(self.slices.masks[index], version, self._seeds(step))
        return masks.astype(np.float32)

    def items(self, step: int) -> np.ndarray:
        """(batch,) the items of a batch."""
        epoch, place = divmod(step, self.epoch_steps)
        drawn, order = self._epoch
        if epoch != drawn:
            order = self._draw(epoch)
            self._epoch = epoch, order
        return np.take(order, range(place * self.size, (place + 1) * self.size), mode="wrap")

    def distinct(self, steps: int) -> np.ndarray:
        """All items of the first `steps` batches, each once."""
        whole, rest = divmod(steps, self.epoch_steps)
        orders = [self._draw(epoch) for epoch in range(whole)]
        orders += [self._draw(whole)[: rest * self.size]] if rest else []
        return np.unique(np.concatenate(orders))

    def _seeds(self, step: int) -> Draws:
        if self.versions.drawn != "once":
            return [([self.seed, step], place) for place in range(self.size)]
        index, version = divmod(self.items(step), self.versions.count)
        cases = [int(self.slices.sources[c], 16) for c in self.slices.case[index]]
        places = self._place[index].tolist()
        return [([self._draws, c, p], v) for c, p, v in zip(cases, places, version.tolist())]

    def _draw(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        extra = rng.choice(self._without, self._background, replace=False)
        chosen = np.concatenate([self._with, extra])
        items = (chosen[:, None] * self.versions.count + np.arange(self.versions.count)).ravel()
        return rng.permutation(items)
