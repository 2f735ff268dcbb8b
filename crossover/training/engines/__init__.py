"""The one protocol that training and prediction know of a learning framework.

Here and in the folders of `crossover.networks` that are named as an engine is a framework imported, and nowhere else;
`create` imports the one that a study names.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Protocol, SupportsFloat

import numpy as np

from crossover.study.sections import Network, Recipe
from crossover.training.freed_memory import keep_freed_memory

Arrays = dict[str, np.ndarray]
Features = Any
"""What the frozen part of a network gives the trained one, in the framework's own form."""
Loss = SupportsFloat
"""A number that may still be computed on a device: whoever needs it waits."""


class Engine(Protocol):
    """A network with its loss and optimiser, for one input shape and one fine-tune level at a time.

    Images are (n, rows, columns, channels) float32, masks and probabilities (n, rows, columns, structures) float32;
    those of a network of volumes have the slices before the rows.
    """

    versions: dict[str, str]
    device: str

    def start(self, recipe: Recipe, seed: int, weights: Arrays | None, level: str | None) -> None:
        """Begin a training: random weights from the seed, or the given ones; frozen before the level."""

    def begin_from(self, weights: Arrays) -> None:
        """Set, after `start`, the weights of some whole parts, an encoder's; the others stay as they are.

        Raises:
            ValueError: where they don't fit the network, or the engine has no such weights.
        """

    at_once: int
    """Slices, or patches, that are predicted together."""

    def fixed(self) -> bool:
        """Return whether some part is frozen whose output follows from the image alone.

        It is the part before one level, without a batch normalisation that takes a batch's own statistics.
        """

    def frozen(self) -> Arrays:
        """Return the weights of the frozen part."""

    def features(self, images: np.ndarray) -> Features:
        """Return the frozen part's output, rounded as the recipe says; the images where nothing is frozen."""

    def arrays(self, features: Features) -> list[np.ndarray]:
        """Return features as arrays, slices first, to be kept."""

    def kept(self, arrays: list[np.ndarray]) -> Features:
        """Return the features that `arrays` gave, to the bit; after a first call of `features`."""

    def same_layout(self, one: Features, other: Features) -> bool:
        """Return whether features lie alike in memory: kernels differ by that, and so may the last bit."""

    def step(self, features: Features, masks: np.ndarray, learning_rate: float) -> Loss:
        """Take one optimisation step of what is trained; return the loss before it."""

    def validate(self, features: Features) -> np.ndarray:
        """Return probabilities of the training's network, in inference mode."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities of the whole network, in inference mode."""

    def load(self, weights: Arrays) -> None:
        """Set the weights, for prediction."""

    def weights(self) -> Arrays:
        """Return copies of all weights by name, running statistics included."""

    def state(self) -> Arrays:
        """Return weights, optimiser and random state: all that a resumed training needs."""

    def restore(self, state: Arrays) -> None:
        """Set what `state` gave."""

    def parameters(self) -> dict[str, int]:
        """Return numbers of parameters: "total", and "trained" at the present level."""


def create(network: Network, shape: tuple[int, ...], structures: int, threads: int) -> Engine:
    """Return the engine that `network.engine` names.

    Args:
        shape: rows, columns, channels; of a network of volumes the slices before them.
        threads: CPU threads of one operation; results repeat to the last bit at one number.
    """
    keep_freed_memory()
    return module(network).create(network, shape, structures, threads)


def module(network: Network) -> ModuleType:
    """Return the module of a network's engine; the first call imports the framework, which takes seconds."""
    return importlib.import_module(f"crossover.training.engines.{network.engine}")


def whole_step(engine: Engine, images: np.ndarray, masks: np.ndarray, learning_rate: float) -> float:
    """Take one optimisation step from the images on; return the loss before it."""
    return float(engine.step(engine.features(images), masks, learning_rate))


def out_of_memory(error: Exception) -> bool:
    """Return whether an error of any framework means that there was no memory left.

    So does one that followed from such an error: the end of a recording that lacked memory fails in its own words.
    """
    named = type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError")
    texts = ("allocate memory", "out of memory", "ALLOC_FAILED")
    if isinstance(error, MemoryError) or named or any(text in str(error) for text in texts):
        return True
    before = error.__cause__ or error.__context__
    return isinstance(before, Exception) and out_of_memory(before)


def check_fit(shapes: dict[str, tuple[int, ...]], arrays: Arrays) -> None:
    """Check that arrays have the shapes of a network's variables.

    Raises:
        ValueError: counting the names that are missing or differ in shape, naming the first.
    """
    wrong = [n for n, shape in shapes.items() if n not in arrays or arrays[n].shape != shape]
    if wrong:
        raise ValueError(
            f"the weights do not fit the network: {len(wrong)} of its {len(shapes)} arrays are missing or have another "
            f"shape, the first of them {wrong[0]}; they may have been made with other network settings"
        )
