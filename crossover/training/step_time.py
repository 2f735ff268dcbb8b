"""Seconds of an optimisation step on this machine, measured: what estimates multiply with the number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from crossover.core.configuration import ConfigError
from crossover.study import backends
from crossover.study.schema import Study
from crossover.study.sections import Network, Recipe
from crossover.training import engines
from crossover.training.loop import fitting

LARGEST_BATCH = 2
"""Slices or patches of a step that is measured; a larger batch takes as many times as long, on a processor."""


def measured(study: Study, network: Network, level: str | None, structures: int, threads: int, times: int = 3) -> float:
    """Return the seconds of a step of a network at its size and batch: the median of some after the first.

    Args:
        level: from which the network is trained; None for all of it.
        structures: number of channels of the masks.

    Raises:
        ConfigError: the network can't be built, fails, or `check_output` refuses it.
    """
    size, recipe = _seen(study, network)
    batch = min(recipe.batch, LARGEST_BATCH)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, *size, len(study.channels))).astype("float32")
    masks = (rng.random((batch, *size, structures)) > 0.9).astype("float32")
    engine = engines.create(network, images.shape[1:], structures, threads)
    check_output(engine, network.architecture, images, structures, recipe)
    with _named(network.architecture, images):
        engine.start(recipe, 0, None, level)
        engines.whole_step(engine, images, masks, recipe.learning_rate)
    taken = []
    for _ in range(times):
        start = perf_counter()
        engines.whole_step(engine, images, masks, recipe.learning_rate)
        taken.append(perf_counter() - start)
    return median(taken) * recipe.batch / batch


def _seen(study: Study, network: Network) -> tuple[tuple[int, ...], Recipe]:
    """Return the size of what a step of a network sees, and its recipe."""
    step = backends.backend_of(network).step(study, network)
    assert step, "its plan tells what a step sees"
    return step


def taken(study: Study, network: Network, level: str | None, structures: int) -> tuple[list[str], list[str]]:
    """Return the parts of a network that begin with the weights of the study's file, and those that begin at random.

    Args:
        level: from which the network is trained; None for all of it.
        structures: number of channels of the masks.

    Raises:
        ConfigError: the file can't be read, or does not fit the network.
    """
    size, recipe = _seen(study, network)
    engine = engines.create(network, (*size, len(study.channels)), structures, study.execution.threads)
    engine.start(recipe, 0, None, level)
    own = engine.weights()
    try:
        given = fitting(load_file(str(network.initial.file)), own, engine.frozen())
    except (OSError, SafetensorError, ValueError) as error:
        raise ConfigError(f"{network.initial.file}: {error}") from error
    whole = {name.split(".")[0] for name in given}
    parts = list(dict.fromkeys(name.split(".")[0] for name in own))
    return [part for part in parts if part in whole], [part for part in parts if part not in whole]


def check_output(
    engine: engines.Engine, architecture: str, images: np.ndarray, structures: int, recipe: Recipe
) -> None:
    """Check what a network returns in inference mode.

    Raises:
        ConfigError: it fails; returns another shape than that of the masks, another map each time, one that depends on
            the batch's other images, or probabilities; or its maps don't follow the bias of its last convolution, and
            the recipe has an initial probability.
    """
    wanted = (1, *images.shape[1:-1], structures)
    fault = f"network.architecture: {architecture} "
    one = images[:1]
    two = np.concatenate([one, 5 * one + 3])
    rare = recipe.model_copy(update={"initial_probability": _RARE})
    even = recipe.model_copy(update={"initial_probability": 0.5})
    with _named(architecture, images):
        engine.start(even, 0, None, None)
        maps = [engine.predict(one), engine.predict(one)]
        if maps[0].shape != wanted:
            raise ConfigError(
                f"{fault}returns {maps[0].shape} of an image, in place of {wanted} (images, pixels, structures)"
            )
        beside = engine.predict(two)[:1]
        engine.start(rare, 0, None, None)
        lowered = engine.predict(one)
    if not np.array_equal(maps[0], maps[1]):
        raise ConfigError(
            f"{fault}returns another map of the same image each time: nothing may be drawn outside of training, "
            "which `self.training` tells"
        )
    if not np.allclose(beside, maps[0], atol=_BATCH_TOLERANCE):
        raise ConfigError(
            f"{fault}returns a map that depends on the other images of the batch: outside of training a "
            "normalisation takes running statistics, or those of the image alone"
        )
    before, after = _logits(maps[0]), _logits(lowered)
    both = np.stack([before, after])
    if both.min() >= -_ROUNDED and both.max() <= 1 + _ROUNDED:
        raise ConfigError(f"{fault}returns numbers between 0 and 1: it must return logits, without sigmoid or softmax")
    moved = (after - before - _logits(np.array(_RARE)))[np.abs(before) < _UNSATURATED]
    if recipe.initial_probability is not None and np.abs(moved).max(initial=0) > 1:
        raise ConfigError(
            f"{fault}returns maps that don't follow the bias of its last convolution, in which "
            "recipe.initial_probability is put: build the convolution that makes the logits last, after those of "
            "auxiliary heads, or set recipe.initial_probability: null"
        )


_RARE, _UNSATURATED, _BATCH_TOLERANCE, _ROUNDED = 1e-6, 8.0, 0.02, 1e-3
"""An initial probability; the largest logit of which a probability in float32 tells enough; a probability; a logit."""


def _logits(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(probabilities.astype(float), 1e-12, 1 - 1e-12)
    return np.log(p / (1 - p))


@contextmanager
def _named(architecture: str, images: np.ndarray) -> Iterator[None]:
    """Say of an error that a network raises which network it is, and on what."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        if isinstance(error, ConfigError):
            raise
        place = f"images of {images.shape[1:-1]} pixels and {images.shape[-1]} channels"
        raise ConfigError(
            f"network.architecture: {architecture} fails on {place}: {type(error).__name__}: {error}"
        ) from error
