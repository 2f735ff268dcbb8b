"""Seconds of an optimisation step on this machine, measured: what estimates multiply with the number of steps."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import numpy as np

from crossover.core.configuration import ConfigError
from crossover.study import backends
from crossover.study.schema import Study
from crossover.study.sections import Network
from crossover.training import engines

LARGEST_BATCH = 2
"""Slices or patches of a step that is measured; a larger batch takes as many times as long, on a processor."""


def measured(study: Study, network: Network, level: str | None, structures: int, threads: int, times: int = 3) -> float:
    """Return the seconds of a step of a network at its size and batch: the median of some after the first.

    Args:
        level: from which the network is trained; None for all of it.
        structures: number of channels of the masks.

    Raises:
        ConfigError: the network can't be built, fails, or returns another shape than that of the masks.
    """
    step = backends.backend_of(network).step(study, network)
    assert step, "its plan tells what a step sees"
    size, recipe = step
    batch = min(recipe.batch, LARGEST_BATCH)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, *size, len(study.channels))).astype("float32")
    masks = (rng.random((batch, *size, structures)) > 0.9).astype("float32")
    engine = engines.create(network, images.shape[1:], structures, threads)
    _check_output(engine, network.architecture, images, structures)
    engine.start(recipe, 0, None, level)
    engines.whole_step(engine, images, masks, recipe.learning_rate)
    taken = []
    for _ in range(times):
        start = perf_counter()
        engines.whole_step(engine, images, masks, recipe.learning_rate)
        taken.append(perf_counter() - start)
    return median(taken) * recipe.batch / batch


def _check_output(engine: engines.Engine, architecture: str, images: np.ndarray, structures: int) -> None:
    wanted = (1, *images.shape[1:-1], structures)
    try:
        got = engine.predict(images[:1]).shape
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        place = f"images of {images.shape[1:-1]} pixels and {images.shape[-1]} channels"
        raise ConfigError(
            f"network.architecture: {architecture} fails on {place}: {type(error).__name__}: {error}"
        ) from error
    if got != wanted:
        raise ConfigError(
            f"network.architecture: {architecture} returns {got} of an image, in place of {wanted} (images, pixels, "
            "structures)"
        )
