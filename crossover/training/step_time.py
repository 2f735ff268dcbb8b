"""Seconds of an optimisation step on this machine, measured: what estimates multiply with the number of steps."""

from __future__ import annotations

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
from crossover.training.network_output import check_output, named

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
    with named(network.architecture, images):
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
