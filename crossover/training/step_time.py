"""What an optimisation step does on this machine, measured: its seconds, and how slowly running statistics follow."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from crossover import networks
from crossover.core.configuration import ConfigError
from crossover.study import backends
from crossover.study.initial_weights import of_file
from crossover.study.schema import Study
from crossover.study.sections import Network, Recipe
from crossover.training import engines
from crossover.training.loop import fitting, trained_for_others
from crossover.training.monai_names import by_own_names
from crossover.training.network_output import check_output, named

CPU = "CPU"
"""How engines call a processor."""
LARGEST_BATCH = 2
"""Slices or patches of a step that is measured on a processor, where a larger batch takes as many times as long; on a
GPU it does not, and the whole batch is measured."""
BEFORE, BEFORE_ON_GPU = 1, 4
"""Steps that are not measured: on a GPU the first ones also choose kernels, and are recorded."""
RUNNING = ("running_mean", "moving_mean")
"""How PyTorch and Keras call the running mean of a batch normalisation, at the end of its name."""


class Measured(NamedTuple):
    """What was found of a step of a network.

    Attributes:
        seconds: at its size and batch, the median of some after the first.
        kept: the share of its running statistics that a step keeps, the largest of all layers; 0 where it has none.
        device: by its engine's name: a GPU's, or `CPU`.
        slowed: how many times as long it took as its processor seconds would on all of its threads: about 1 where
            nothing else computes, several times that on a busy machine. On a GPU it tells nothing.
    """

    seconds: float
    kept: float
    device: str = CPU
    slowed: float = 1.0


def measured(
    study: Study, network: Network, level: str | None, structures: int, threads: int, times: int = 3
) -> Measured:
    """Measure a step of a network.

    Args:
        level: from which the network is trained; None for all of it.
        structures: number of channels of the masks.

    Raises:
        ConfigError: the network can't be built, fails, or `check_output` refuses it.
    """
    engine, recipe, images, masks = _ready(study, network, structures, threads)
    check_output(engine, network.architecture, images, structures, recipe)
    with named(network.architecture, images):
        kept = _kept(engine, recipe, images, masks)
        seconds, busy = _seconds(engine, recipe, level, images, masks, times)
    return Measured(seconds, kept, engine.device, threads * seconds / busy if busy else 1.0)


def _ready(
    study: Study, network: Network, structures: int, threads: int
) -> tuple[engines.Engine, Recipe, np.ndarray, np.ndarray]:
    """Return an engine, the recipe, and a batch of random images and masks."""
    size, recipe = _seen(study, network)
    engine = engines.create(network, (*size, len(study.channels)), structures, threads)
    batch = recipe.batch if engine.device != CPU else min(recipe.batch, LARGEST_BATCH)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, *size, len(study.channels))).astype("float32")
    masks = (rng.random((batch, *size, structures)) > 0.9).astype("float32")
    return engine, recipe, images, masks


def _seconds(
    engine: engines.Engine, recipe: Recipe, level: str | None, images: np.ndarray, masks: np.ndarray, times: int
) -> tuple[float, float]:
    """Return the seconds of a step of a whole batch, and those of processors: medians of some after the first."""
    engine.start(recipe, 0, None, level)
    for _ in range(BEFORE if engine.device == CPU else BEFORE_ON_GPU):
        engines.whole_step(engine, images, masks, recipe.learning_rate)
    taken, busy = [], []
    for _ in range(times):
        start, begun = perf_counter(), process_time()
        engines.whole_step(engine, images, masks, recipe.learning_rate)
        taken.append(perf_counter() - start)
        busy.append(process_time() - begun)
    whole = recipe.batch / len(images)
    return median(taken) * whole, median(busy) * whole


def measured_side_by_side(
    study: Study, network: Network, level: str | None, structures: int, threads: int, beside: int
) -> float:
    """Measure a step of trainings that run at the same time, a process each.

    Args:
        level: from which the network is trained; None for all of it.
        structures: number of channels of the masks.
        threads: of each training.
        beside: how many trainings run.

    Returns:
        The seconds of a step of one of them in a long queue: those at the same time count as one each.

    """
    with ProcessPoolExecutor(beside, multiprocessing.get_context("spawn")) as pool:
        given = (study, network, level, structures, threads)
        seconds = [done.result() for done in [pool.submit(_seconds_of_one, *given) for _ in range(beside)]]
    return sum(seconds) / beside**2


def _seconds_of_one(study: Study, network: Network, level: str | None, structures: int, threads: int) -> float:
    engine, recipe, images, masks = _ready(study, network, structures, threads)
    return _seconds(engine, recipe, level, images, masks, times=2)[0]


def _kept(engine: engines.Engine, recipe: Recipe, images: np.ndarray, masks: np.ndarray) -> float:
    """Return `Measured.kept`: by how much running means that begin 1 higher are higher after a step of all parts."""
    engine.start(recipe, 0, None, None)
    begun = engine.weights()
    running = [name for name in begun if name.endswith(RUNNING)]
    after = []
    for value in (0.0, 1.0) if running else ():
        engine.start(recipe, 0, begun | {name: np.full_like(begun[name], value) for name in running}, None)
        engines.whole_step(engine, images, masks, recipe.learning_rate)
        after.append(engine.weights())
    kept = (float(np.mean(after[1][name] - after[0][name])) for name in running)
    return max((share for share in kept if share < 1), default=0.0)  # 1: a layer that takes no part, as a classifier's


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
    shape = (*size, len(study.channels))
    engine = engines.create(network, shape, structures, study.execution.threads)
    engine.start(recipe, 0, None, level)
    own = engine.weights()
    try:
        given = load_file(str(network.initial.file))
        if networks.declared(network.architecture).dimensions == 3:
            given = by_own_names(given, network, shape, structures)
        whole_study = structures == len(study.structures)  # else a network for each structure
        others = whole_study and trained_for_others(of_file(network.initial), study.structures)
        given = fitting(given, own, engine.frozen(), others)
    except (OSError, SafetensorError, ValueError) as error:
        raise ConfigError(f"{network.initial.file}: {error}") from error
    whole = {name.split(".")[0] for name in given}
    parts = list(dict.fromkeys(name.split(".")[0] for name in own))
    return [part for part in parts if part in whole], [part for part in parts if part not in whole]
