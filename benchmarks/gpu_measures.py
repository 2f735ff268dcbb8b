"""What `benchmarks.gpu` measures, each in a process of its own: functions that give rows of a table."""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks.frozen_activations import slices
from benchmarks.training import keras_fit, torch_loop
from crossover.study.config import load_study
from crossover.study.schema import Study
from crossover.study.sections import Device, Network
from crossover.training import engines
from crossover.training.augmentation import augmenter
from crossover.training.batches import Batches
from crossover.training.clock import Clock
from crossover.training.devices import TICKETS, claim, gpus
from crossover.training.inputs import BatchQueue

THREADS = min(4, os.cpu_count() or 1)
WARM = 4
"""Steps before any is timed: the first ones compile, choose kernels and record them."""
BLOCKS = 5
Row = dict[str, Any]


class Subject(NamedTuple):
    """A network of a study at a scale, by an engine."""

    study: str
    scale: str
    engine: str
    architecture: str
    encoder: str = ""

    def settings(self, **device) -> tuple[Study, Network]:
        study = load_study(self.study, self.scale)
        network = study.network.model_copy(update={"engine": self.engine, "device": Device(**device)})
        if self.encoder:
            network = network.cell(self.architecture, self.encoder)
        return study.model_copy(update={"network": network}), network

    @property
    def row(self) -> Row:
        network = " ".join(filter(None, (self.architecture, self.encoder)))
        return {"study": self.study, "scale": self.scale, "engine": self.engine, "network": network}


class Data(NamedTuple):
    """One batch of random slices, (n, rows, columns, channels or structures)."""

    images: np.ndarray
    masks: np.ndarray

    @classmethod
    def of(cls, study: Study, n: int) -> Data:
        structures = 1 if study.network.per_structure else len(study.structures)
        made = slices(study, n, structures)
        return cls(made.images, made.masks.astype("float32"))


def create(study: Study, network: Network) -> tuple[engines.Engine, Data]:
    batch = Data.of(study, study.recipe.batch)
    shape, structures = batch.images.shape[1:], batch.masks.shape[-1]
    return engines.create(network, shape, structures, THREADS), batch


def block(one: Callable[[], Any], steps: int) -> float:
    """Seconds of a step, several begun one after the other; the last result is waited for."""
    start = time.perf_counter()
    for _ in range(steps):
        last = one()
    if last is not None:
        float(last)
    return (time.perf_counter() - start) / steps


def timed(one: Callable[[], Any], steps: int) -> float:
    """Milliseconds of a step: the median of `BLOCKS` blocks of `steps`."""
    return round(1000 * median(block(one, steps) for _ in range(BLOCKS)), 2)


def memory(engine: str, reset: bool = False) -> float | None:
    """Return the most device memory that tensors took since the last reset, in GB; None without a GPU.

    Before the engine is there TensorFlow is not asked, since it takes no settings once it has looked at a GPU; a
    process measures it once.
    """
    if not gpus() or (reset and engine == "keras"):
        return None
    if engine == "keras":
        import tensorflow as tf

        return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9, 2)
    import torch

    peak = torch.cuda.max_memory_allocated()
    if reset:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return round(peak / 1e9, 2)


def busy(one: Callable[[], Any], step_ms: float) -> float | None:
    """Share of a step in which the GPU computes: its kernels' time, over that of a step without the profiler."""
    if not gpus():
        return None
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        block(one, 3)
    kernels = sum(event.self_device_time_total for event in seen.key_averages()) / 3000
    return round(kernels / step_ms, 2)


def step_row(subject: Subject, steps: int, **device) -> Row:
    """Return a training step of the whole network with some settings; an error where it can't be made."""
    study, network = subject.settings(**device)
    row = subject.row | network.device.model_dump()
    memory(subject.engine, reset=True)
    try:
        engine, (images, masks) = create(study, network)
        engine.start(study.recipe, 1, None, None)

        def one() -> Any:
            return engine.step(engine.features(images), masks, 1e-5)

        row["first s"] = round(block(one, 1), 2)
        block(one, WARM)
        row["step ms"] = timed(one, steps)
        row["peak GB"] = memory(subject.engine)
        if subject.engine == "torch":
            row["busy"] = busy(one, row["step ms"])
    except Exception as error:  # one that can't be made is a result too
        row["error"] = f"{type(error).__name__}: {str(error)[:200]}"
    return row


def plain_row(subject: Subject, steps: int, precision: str) -> Row:
    """Return a step of the loop that the papers' authors would have written.

    At the framework's defaults (`default`: a GPU's convolutions in tf32) or in true float32.
    """
    study, network = subject.settings()
    row = subject.row | {"precision": precision}
    memory(subject.engine, reset=True)
    batch = study.recipe.batch
    images, masks = Data.of(study, batch)
    if subject.engine == "keras":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "default")
        one, _ = keras_fit(study, network, None, images, masks, batch)
    else:
        import torch

        if precision != "default":
            torch.backends.cuda.matmul.fp32_precision = "ieee"
            torch.backends.cudnn.conv.fp32_precision = "ieee"
        device = "cuda" if gpus() else "cpu"
        one, _ = torch_loop(study, network, None, images, masks, batch, device)
    block(lambda: one() and None, WARM)
    row["step ms"] = timed(lambda: one() and None, steps)
    return row | {"peak GB": memory(subject.engine)}


def repeats(subject: Subject, steps: int, **device) -> Row:
    """Whether a training gives the same bits twice, resumed, and computed kernel by kernel."""
    study, network = subject.settings(**device)
    engine, batch = create(study, network)

    def trained(steps: int, seed: int = 1) -> str:
        engine.start(study.recipe, seed, None, None)
        return go_on(steps)

    def go_on(steps: int) -> str:
        for _ in range(steps):
            loss = engine.step(engine.features(batch.images), batch.masks, 1e-4)
        return digest(engine, float(loss))

    once, again = trained(2 * steps), trained(2 * steps)
    trained(steps)
    state = {name: value.copy() for name, value in engine.state().items()}
    trained(1, seed=2)
    engine.restore(state)
    row = {"twice": once == again, "resumed": once == go_on(steps)}
    if subject.engine == "torch" and gpus():
        from crossover.networks.torch import replay

        before, replay.BEFORE = replay.BEFORE, 10**9
        row["kernel by kernel"] = once == trained(2 * steps)
        replay.BEFORE = before
    return subject.row | network.device.model_dump() | row


def digest(engine: engines.Engine, loss: float) -> str:
    """Of the weights' and the loss' bits."""
    out = hashlib.sha256(np.float64(loss).tobytes())
    for name, value in sorted(engine.weights().items()):
        out.update(name.encode() + np.ascontiguousarray(value).tobytes())
    return out.hexdigest()


def predicts(subject: Subject, batches: int, **device) -> Row:
    """Slices predicted in a second, copies from and to the GPU included."""
    study, network = subject.settings(**device)
    engine, batch = create(study, network)
    count = batches * engine.at_once
    images = np.resize(batch.images, (count, *batch.images.shape[1:]))
    engine.predict(images[: engine.at_once])
    seconds = median(block(lambda: engine.predict(images) is None, 1) for _ in range(3))
    return subject.row | network.device.model_dump() | {
        "slices": count, "slices a second": round(count / seconds, 1), "peak GB": memory(subject.engine),
    }  # fmt: skip


def level_row(subject: Subject, level: str | None, steps: int) -> Row:
    """Return a step as a training of the study does it: with its own settings, its batches made beside it."""
    study, network = subject.settings(**load_study(subject.study, subject.scale).network.device.model_dump())
    memory(subject.engine, reset=True)
    engine, _ = create(study, network)
    recipe = study.recipe
    structures = 1 if network.per_structure else len(study.structures)
    data = slices(study, 2 * recipe.batch, structures)
    versions = augmenter(recipe.augmentation, data.images.shape[1:3])
    inputs = BatchQueue(engine, Batches(data, versions, recipe.batch, 0, 1))
    engine.start(recipe, 1, None, level)
    clock, places = Clock(), iter(range(10**9))

    def one() -> Any:
        features, masks = inputs.of(next(places), 10**9, clock)
        return engine.step(features, masks, 1e-5)

    block(one, WARM)
    clock.seconds.clear()
    ms = timed(one, steps)
    waited = 1000 * clock.seconds["batch"] / (BLOCKS * steps)
    inputs.close()
    return subject.row | {
        "level": level or "", "step ms": ms, "waiting for batches ms": round(waited, 2), "device": engine.device,
    }  # fmt: skip


def small_training(pipe, subject: Subject, tickets: int, locks) -> None:
    """In a process of its own, one of several on a device: get ready, then train whenever told to.

    It is told for how many steps, and tells the seconds and the digest of the weights.
    """
    with claim(gpus(), tickets, locks):
        study, network = subject.settings()
        engine, (images, masks) = create(study, network)

        def one() -> Any:
            return engine.step(engine.features(images), masks, 1e-4)

        engine.start(study.recipe, 1, None, None)
        block(one, WARM)
        pipe.send(None)
        while steps := pipe.recv():
            engine.start(study.recipe, 1, None, None)
            block(one, WARM)
            pipe.send("ready")
            pipe.recv()
            seconds = block(one, steps) * steps
            pipe.send((seconds, digest(engine, float(one())), memory(subject.engine)))


def shares(subject: Subject, counts: list[int], steps: int, context, locks) -> Iterator[Row]:
    """Yield steps a second of 1, 2, ... trainings at once, all processes there from the beginning."""
    most = max(counts)
    tickets = TICKETS // next(n for n in (1, 2, 3, 4, 6, 12) if n >= most)
    pipes, first, all_bits = [], None, set()
    for _ in range(most):
        here, there = context.Pipe()
        given = (there, subject, tickets, locks)
        context.Process(target=small_training, args=given, daemon=True).start()
        pipes.append(here)
    for pipe in pipes:
        pipe.recv()
    for count in counts:
        for message in (steps, "go"):
            for pipe in pipes[:count]:
                pipe.send(message)
            told = [pipe.recv() for pipe in pipes[:count]]
        slowest = max(seconds for seconds, *_ in told)
        rate = count * steps / slowest
        all_bits |= {bits for _, bits, _ in told}
        first = first or rate
        yield subject.row | {
            "at once": count, "steps a second": round(rate, 1), "x one": round(rate / first, 2),
            "same bits": len(all_bits) == 1, "peak GB each": told[0][2],
        }  # fmt: skip
    for pipe in pipes:
        pipe.send(0)


def kept_rows(subject: Subject, slices: int) -> Row:
    """Return the rows of `benchmarks.frozen_activations` for a study."""
    from benchmarks.frozen_activations import compare

    study, _ = subject.settings()
    return compare(study, slices, 3, THREADS)


def time_row(row: Row) -> Row:
    """Return a row of `levels` as one of config/step_times.csv."""
    architecture, _, encoder = row["network"].partition(" ")
    return {
        "study": row["study"], "scale": row["scale"], "architecture": architecture, "encoder": encoder,
        "level": row["level"], "seconds": round(row["step ms"] / 1000, 4), "threads": THREADS,
        "machine": platform.machine(), "engine": row["engine"], "device": row["device"],
    }  # fmt: skip
