"""The one protocol that training and prediction know of a learning framework.

Nothing outside this folder imports a framework; `create` imports the one that a study names.
"""

from __future__ import annotations

import importlib
from typing import Protocol

import numpy as np

from crossover.study import Network, Recipe

Arrays = dict[str, np.ndarray]


class Engine(Protocol):
    """A network with its loss and optimiser, for one input shape and one fine-tune level at a time.

    Images are (n, rows, columns, channels) float32, masks and probabilities (n, rows, columns,
    structures) float32.
    """

    versions: dict[str, str]
    device: str

    def start(self, recipe: Recipe, seed: int, weights: Arrays | None, level: str | None) -> None:
        """Begin a training: random weights from the seed, or the given ones; frozen before the level."""

    def begin_from(self, weights: Arrays) -> None:
        """After `start`: set the weights of some whole parts, an encoder's; the others stay as they are.

        Raises:
            ValueError: where they don't fit the network, or the engine has no such weights.
        """

    def step(self, images: np.ndarray, masks: np.ndarray, learning_rate: float) -> float:
        """One optimisation step; returns the loss before it."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities, in inference mode."""

    def load(self, weights: Arrays) -> None:
        """Set the weights, for prediction."""

    def weights(self) -> Arrays:
        """Copies of all weights by name, running statistics included."""

    def state(self) -> Arrays:
        """Weights, optimiser and random state: all that a resumed training needs."""

    def restore(self, state: Arrays) -> None:
        """Set what `state` gave."""

    def parameters(self) -> dict[str, int]:
        """Numbers of parameters: "total", and "trained" at the present level."""


def create(network: Network, shape: tuple[int, int, int], structures: int, threads: int) -> Engine:
    """The engine that `network.engine` names.

    Args:
        shape: rows, columns, channels.
        threads: CPU threads of one operation; results repeat to the last bit at one number.
    """
    module = importlib.import_module(f"crossover.training.engines.{network.engine}")
    return module.create(network, shape, structures, threads)


def check_fit(shapes: dict[str, tuple[int, ...]], arrays: Arrays) -> None:
    """Check that arrays have the shapes of a network's variables.

    Raises:
        ValueError: counting the names that are missing or differ in shape, naming the first.
    """
    wrong = [n for n, shape in shapes.items() if n not in arrays or arrays[n].shape != shape]
    if wrong:
        raise ValueError(
            f"weights don't fit the network: {len(wrong)} of {len(shapes)} differ or are missing, "
            f"first {wrong[0]}; were they made with other network settings?"
        )
