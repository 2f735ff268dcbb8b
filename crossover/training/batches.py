"""Training data: slices, read as they are needed, and batches that follow from a seed and the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from crossover.imaging.stored import IMAGES, SliceArray, Stored, StoredMasks, mask_name
from crossover.training.augmentation import Cuts, Draws, Versions
from crossover.training.stage_files import Place, SliceFiles

GOLDEN = (5**0.5 - 1) / 2
"""Of whose multiples the fractions fill the unit interval evenly."""

PIXELS_AT_ONCE = 2**21
"""That are in memory at a time where all pixels of a set are gone through."""


@dataclass(frozen=True)
class SliceSet:
    """SliceFiles of several cases.

    Attributes:
        images: (slices, rows, columns, channels) float32.
        masks: (slices, rows, columns, structures) uint8.
        case: (slices,) index of each slice's case.
        large: (slices, structures) bool, whether the slice counts as one with the structure.
        sources: digest of each case's images, in hexadecimal; empty where nobody asks for it.
        shown: (slices, structures) bool, whether the mask has a pixel; None where masks in memory tell it.
    """

    images: SliceArray
    masks: SliceArray
    case: np.ndarray
    large: np.ndarray
    sources: tuple[str, ...] = ()
    shown: np.ndarray | None = None

    @property
    def place(self) -> np.ndarray:
        """(slices,) index of each slice within its case."""
        return np.arange(len(self.case)) - np.searchsorted(self.case, self.case)

    @property
    def has_structure(self) -> np.ndarray:
        """(slices,) whether the slice counts as one with any structure."""
        return np.any(self.large, axis=1)

    @property
    def background(self) -> np.ndarray:
        """SliceFiles without a pixel of any structure."""
        return ~np.any(self._shown, axis=1)

    @property
    def drawn(self) -> np.ndarray:
        """(cases, structures) whether a case has a pixel of a structure."""
        shown = self._shown
        return np.array([shown[self.case == case].any(axis=0) for case in np.unique(self.case)])

    @property
    def _shown(self) -> np.ndarray:
        # in memory, `masks` is an array
        return np.any(np.asarray(self.masks), axis=(1, 2)) if self.shown is None else self.shown

    def standardised(self, moments: Moments) -> SliceSet:
        """Return the set with images that are standardised as they are read."""
        return replace(self, images=Standardised(self.images, moments))


class Moments(NamedTuple):
    """Mean and SD of each channel, by which slices are standardised."""

    mean: list[float]
    sd: list[float]

    @classmethod
    def of(cls, images: SliceArray, which: np.ndarray | None = None) -> Moments:
        """Return the moments of slices (n, rows, columns, channels), or of some pixels; a constant channel has SD 1.

        They are NumPy's `mean` and `std` of all in one array of float64, to the bit: the sums are taken in
        its order.
        """
        places = np.arange(len(images)) if which is None else np.arange(len(images))[which]
        count = len(places) * int(np.prod(images.shape[1:3]))
        mean = _sum(images, places, np.zeros(1)) / count
        sd = np.sqrt(_sum(images, places, mean, squared=True) / count)
        return cls(mean.tolist(), np.where(sd > 0, sd, 1.0).tolist())

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Return float32 with mean 0 and SD 1 where the slices are those of `of`."""
        return ((images - np.array(self.mean)) / np.array(self.sd)).astype(np.float32)


def _sum(images: SliceArray, places: np.ndarray, minus: np.ndarray, squared: bool = False) -> np.ndarray:
    """Return the sum of all values less `minus`, or of their squares, by channel.

    NumPy adds several channels pixel after pixel, and one in halves, each a multiple of 8 pixels.
    """
    of_slice = int(np.prod(images.shape[1:3]))

    def values(begin: int, end: int) -> np.ndarray:
        """Return the pixels' values, (pixels, channels) float64."""
        first, last = begin // of_slice, -(-end // of_slice)
        own = images[places[first:last]].reshape(-1, images.shape[-1]).astype(np.float64)
        own = own[begin - first * of_slice : end - first * of_slice] - minus
        return own * own if squared else own

    def halves(begin: int, end: int) -> np.ndarray:
        if end - begin <= PIXELS_AT_ONCE:
            return values(begin, end).ravel().sum(keepdims=True)
        middle = (end - begin) // 2
        middle = begin + middle - middle % 8
        return halves(begin, middle) + halves(middle, end)

    pixels = len(places) * of_slice
    if images.shape[-1] == 1:
        return halves(0, pixels)
    total = np.zeros((1, images.shape[-1]))
    for begin in range(0, pixels, PIXELS_AT_ONCE):
        own = values(begin, min(begin + PIXELS_AT_ONCE, pixels))
        total = np.concatenate([total, own]).sum(axis=0, keepdims=True)
    return total[0]


class Standardised:
    """SliceFiles as `Moments` standardise them."""

    def __init__(self, images: SliceArray, moments: Moments) -> None:
        self._images, self._moments, self.shape = images, moments, images.shape

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, which: np.ndarray) -> np.ndarray:
        return self._moments.apply(self._images[which])


def load(slices: SliceFiles, cases: Sequence[Place], structures: Sequence[str]) -> SliceSet:
    """Return the slices of cases, with the masks of some structures; nothing is read before it is asked for."""
    images = Stored([slices.file(place, IMAGES) for place in cases])
    masks = [Stored([slices.file(place, mask_name(s)) for place in cases]) for s in structures]
    counts = [slices.record(place)["slices"] for place in cases]
    return SliceSet(
        images,
        StoredMasks(masks, images.shape[2]),
        np.repeat(np.arange(len(counts)), counts),
        _told(slices, cases, structures, "large"),
        tuple(slices.sha256(place, IMAGES) for place in cases),
        _told(slices, cases, structures, "shown"),
    )


def _told(slices: SliceFiles, cases: Sequence[Place], structures: Sequence[str], what: str) -> np.ndarray:
    """(slices, structures) bool."""
    columns = ["".join(slices.record(place)[what][s] for place in cases) for s in structures]
    return np.array([[bit == "1" for bit in column] for column in columns]).T


def in_turn(count: int, at_once: int) -> Iterator[np.ndarray]:
    """Yield the places of so many slices, some at once."""
    for begin in range(0, count, at_once):
        yield np.arange(begin, min(begin + at_once, count))


class Batches:
    """The batches of a training, functions of the seed and the step alone.

    So a resumed training sees what an unbroken one would have seen.

    An epoch is all versions of as many slices as have a structure, an equal share with each structure, and `background`
    times as many of slices without any (drawn anew each epoch), in random order. The last batch of an epoch is filled
    from its beginning. An *item* is a slice in a version: slice * versions + version.

    Of several structures, one that few slices show (a brain stem beside the spinal cord) would hardly be trained on if
    every slice came once. With one structure every slice does.

    Args:
        draws: seed of cuts that are drawn once; the same for all trainings of a recipe.
    """

    def __init__(
        self, slices: SliceSet, versions: Versions | Cuts, size: int, background: float, seed: int,
        draws: int = 0,
    ) -> None:  # fmt: skip
        self.slices, self.versions, self.size, self.seed = slices, versions, size, seed
        self._draws, self._place = draws, slices.place
        of_structure = (np.flatnonzero(shown) for shown in slices.large.T)
        self._with = [places for places in of_structure if len(places)]
        total = int(slices.has_structure.sum())
        self._share = -(-total // len(self._with))
        self._without = np.flatnonzero(slices.background)
        self._background = min(round(background * total), len(self._without))
        self.epoch_items = (self._share * len(self._with) + self._background) * versions.count
        self.epoch_steps = -(-self.epoch_items // size)
        self._epoch = (-1, np.empty(0, int))  # one value, since two threads ask

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (batch, rows, columns, channels) and masks (batch, rows, columns, structures), float32."""
        return self.images(step), self.masks(step)

    def images(self, step: int) -> np.ndarray:
        """Return (batch, rows, columns, channels) float32 of a step."""
        index, version = divmod(self.items(step), self.versions.count)
        images = self.versions.images(self.slices.images[index], version, self._seeds(step))
        return images.astype(np.float32, copy=False)

    def masks(self, step: int) -> np.ndarray:
        """Return (batch, rows, columns, structures) float32 of a step."""
        index, version = divmod(self.items(step), self.versions.count)
        masks = self.versions.masks(self.slices.masks[index], version, self._seeds(step))
        return masks.astype(np.float32)

    def items(self, step: int) -> np.ndarray:
        """Return (batch,) the items of a batch."""
        epoch, place = divmod(step, self.epoch_steps)
        drawn, order = self._epoch
        if epoch != drawn:
            order = self._draw(epoch)
            self._epoch = epoch, order
        return np.take(order, range(place * self.size, (place + 1) * self.size), mode="wrap")

    def distinct(self, steps: int) -> np.ndarray:
        """Return all items of the first `steps` batches, each once."""
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
        chosen = np.concatenate([*(self._even(places, epoch) for places in self._with), extra])
        items = (chosen[:, None] * self.versions.count + np.arange(self.versions.count)).ravel()
        return rng.permutation(items)

    def _even(self, places: np.ndarray, epoch: int) -> np.ndarray:
        """Return a structure's share of slices, evenly spaced, from another place in each epoch."""
        begin = epoch * GOLDEN % 1
        return places[((np.arange(self._share) + begin) * len(places) / self._share).astype(int)]
