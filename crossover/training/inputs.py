"""What the trained part of a network is given, step by step.

It is the frozen part's output, computed in each step or read from where it is kept. Both give the same, to the bit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np

from crossover.imaging.stored import SliceArray
from crossover.training.activations import Activations, Spill, kinds
from crossover.training.batches import Batches, in_turn
from crossover.training.cache import Cache
from crossover.training.clock import Clock
from crossover.training.engines import Engine, Features
from crossover.training.failure import Collapsed

log = logging.getLogger(__name__)
LOWER_RATE = "a lower recipe.learning_rate, and check the images for values out of range"
USES = 1.5
"""Activations are kept where each that must be computed will be used so many times or more."""


class BatchQueue:
    """Batches of a training, made one step ahead by another thread.

    Args:
        kept: where the frozen part's activations are; None computes them in every step.
    """

    def __init__(
        self, engine: Engine, batches: Batches, kept: Activations | None = None
    ) -> None:  # fmt: skip
        self.engine, self.batches, self.kept = engine, batches, kept
        self.counts = {"computed": 0, "read": 0}
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future] | None = None

    def of(self, step: int, last: int, clock: Clock) -> tuple[Features, np.ndarray]:
        """Return features and masks of a step; the next step's are begun unless this is the last."""
        with clock("batch"):
            images, arrays, masks = self._ahead(step).result()
        self._next = (step + 1, self._begin(step + 1)) if step + 1 < last else None
        with clock("frozen"):
            if arrays is not None:
                self.counts["read"] += 1
                return self.engine.kept(arrays), masks
            self.counts["computed"] += 1
            features = self.engine.features(images)
            if self.kept:
                self._keep(step, features)
        return features, masks

    def close(self) -> None:
        """End the work ahead, and close what is open."""
        self._thread.shutdown()

    def _ahead(self, step: int) -> Future:
        begun = self._next
        return begun[1] if begun and begun[0] == step else self._begin(step)

    def _begin(self, step: int) -> Future:
        return self._thread.submit(self._make, step)

    def _make(self, step: int) -> tuple[np.ndarray | None, list[np.ndarray] | None, np.ndarray]:
        masks = self.batches.masks(step)
        arrays = self._read(step)
        images = self.batches.images(step) if arrays is None else None
        return images, arrays, masks

    def _read(self, step: int) -> list[np.ndarray] | None:
        kept = self.kept  # may be given up meanwhile
        try:
            return kept.read(self.batches.items(step)) if kept else None
        except OSError as error:
            log.warning("activations: no more are read: %s", error)
            self.kept = None
            return None

    def _keep(self, step: int, features: Features) -> None:
        assert self.kept
        try:
            self.kept.write(self.batches.items(step), self.engine.arrays(features))
        except OSError as error:
            log.warning("activations: no more are kept: %s", error.strerror)
            self.kept = None


@contextmanager
def inputs(engine: Engine, batches: Batches, steps: int, cache: Cache, name: str) -> Iterator[BatchQueue]:
    """Yield the inputs of a training that the engine has begun, from the cache where that pays and fits.

    Args:
        name: digest of all that a frozen activation follows from, beside slice and version.
    """
    with ExitStack() as stack:
        try:
            kept = _kept(engine, batches, steps, cache, name, stack) if engine.fixed() else None
        except (_NotKept, OSError) as why:
            log.info("activations: not kept, %s", why)
            kept = None
        new = BatchQueue(engine, batches, kept)
        stack.callback(new.close)
        yield new


class _NotKept(Exception):
    """Why activations are computed in every step."""


def _kept(engine: Engine, batches: Batches, steps: int, cache: Cache, name: str, stack: ExitStack) -> Activations:
    if not cache.limit:
        raise _NotKept("since activations_gb is 0")
    if batches.versions.drawn == "anew":
        raise _NotKept("since the images are augmented again in every batch (augmentation.drawn.versions)")
    images, slices = batches.images(0), batches.slices
    features = engine.features(images)
    first = engine.arrays(features)
    if not engine.same_layout(engine.kept(first), features):
        raise _NotKept("since their layout in memory cannot be restored")
    if not _alike(engine, images, first):
        raise _NotKept("since on this machine they depend on their place in a batch")
    with ExitStack() as trial:
        part = trial.enter_context(cache.part(name))
        count = batches.versions.count
        kept = Activations(part.folder, slices.sources, slices.case, slices.place, count, kinds(first))
        trial.callback(kept.close)
        items = batches.distinct(steps)
        missing, size = kept.missing(items), kept.item_bytes
        if steps * batches.size < USES * missing:
            raise _NotKept(f"since {missing} would be computed, and each used less than {USES} times on average")
        if not part.ask(missing * size):
            raise _NotKept(f"since they need {missing * size / 1e9:.1f} GB more than activations_gb allows")
        stack.push(trial.pop_all())
    log.info("activations: %d of %d to compute, %.2f MB each", missing, len(items), size / 1e6)
    return kept


def _alike(engine: Engine, images: np.ndarray, first: list[np.ndarray]) -> bool:
    """Whether slices of a batch give the same to the bit at other places of it."""
    again = engine.arrays(engine.features(np.roll(images, 1, axis=0)))
    return all(np.array_equal(np.roll(a, 1, axis=0), b) for a, b in zip(first, again, strict=True))


class Validation:
    """Validation slices; where a part is frozen, its output for them is computed once a training."""

    def __init__(self, engine: Engine, images: SliceArray, which: np.ndarray, cache: Cache, name: str) -> None:
        """`which`: the places of the slices that are predicted."""
        self._engine, self._images, self._which = engine, images, which
        self._cache, self._name = cache, name
        self._stack = ExitStack()
        self._spill: Spill | None = None
        self._before = True  # the first prediction

    def predict(self) -> Iterator[np.ndarray]:
        """Yield probabilities in inference mode, of as many slices at once as the engine takes, in order.

        Raises:
            Collapsed: some are no number.
        """
        parts = (
            map(self._engine.validate, self._features())
            if self._engine.fixed()
            else map(self._engine.predict, self._parts())
        )
        for probabilities in parts:
            if not np.isfinite(probabilities).all():
                raise Collapsed("some predictions are not finite numbers", LOWER_RATE)
            yield probabilities

    def close(self) -> None:
        """End the work ahead, and close what is open."""
        self._stack.close()

    def _parts(self) -> Iterator[np.ndarray]:
        for places in in_turn(len(self._which), self._engine.at_once):
            yield self._images[self._which[places]]

    def _features(self) -> Iterator[Features]:
        first, self._before = self._before, False
        if not first and self._spill:
            yield from map(self._engine.kept, self._spill)
            return
        for i, images in enumerate(self._parts()):
            features = self._engine.features(images)
            if first:
                self._keep(features, i)
            yield features

    def _keep(self, features: Features, part: int) -> None:
        try:
            arrays = self._engine.arrays(features)
            if part == 0 and self._cache.limit:
                size = sum(kind.bytes for kind in kinds(arrays)) * len(self._which)
                room = self._stack.enter_context(self._cache.part(self._name))
                if room.ask_beside(size):
                    self._spill = Spill(room.folder)
                    self._stack.callback(self._spill.close)
            if self._spill:
                self._spill.append(arrays)
        except OSError as error:
            log.warning("activations of validation slices are not kept: %s", error)
            self._spill = None
