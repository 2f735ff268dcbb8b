"""Our step and epoch beside the loops that the papers' authors would have written.

Each in a process of its own with its framework's defaults, in turn, one at a time.

    .venv/bin/python -m benchmarks.training [--threads 2] [--rounds 5] [--steps 6] [uterus prostate nasopharynx]
    .venv/bin/python -m benchmarks.training --queue 1 2        # whole machine against whole machine

The same network, batches, loss and optimiser, at the published size of a slice and of a batch:

- uterus: Keras' `fit` over arrays in memory (a step: `train_on_batch`), versions made beforehand, frozen layers
  by `trainable = False`;
- prostate: UNet++ of segmentation_models_pytorch with a DataLoader over arrays in memory and torch's Adam;
- nasopharynx: the same plain loop with torch's SGD, `requires_grad = False` in frozen parts.

`step` is of one batch that is at hand; `epoch` with making the batches (rotations and cuts included in ours,
none in theirs). Medians over rounds; ratios above 1 where ours is faster. Kept activations are not in this
table (see `benchmarks.frozen_activations`).

`--queue` takes numbers of threads. For each, as many of ours as the cores allow run at the same time with so many
threads, as Snakemake runs a queue of trainings; theirs is one after the other with its framework's own number of
threads, thus all cores. Seconds and ratios are of one training of a long queue: those side by side count as one each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
from collections.abc import Callable
from itertools import product
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd

from benchmarks.frozen_activations import recipe, slices
from crossover.study.config import load_study
from crossover.study.schema import Study
from crossover.study.sections import Network
from crossover.training import engines
from crossover.training.augmentation import augmenter
from crossover.training.batches import Batches
from crossover.training.clock import Clock
from crossover.training.inputs import BatchQueue

LEVELS = {"uterus": [None, "L3"], "prostate": [None], "nasopharynx": [None, "conv5"]}

Loop = tuple[Callable[[], None], Callable[[], None]]
"""One step of a batch at hand; an epoch."""


def ours(study: Study, network: Network, level: str | None, made: Batches, threads: int) -> Loop:
    images, masks = made[0]
    engine = engines.create(network, images.shape[1:], masks.shape[-1], threads)
    engine.start(recipe(study, 1), 1, None, level)

    def step() -> None:
        engines.whole_step(engine, images, masks, study.recipe.learning_rate)

    def epoch() -> None:
        given, clock, losses = BatchQueue(engine, made), Clock(), []
        for i in range(made.epoch_steps):
            features, target = given.of(i, made.epoch_steps, clock)
            losses.append(engine.step(features, target, study.recipe.learning_rate))
        float(losses[-1])
        given.close()

    return step, epoch


def keras_fit(study: Study, network: Network, level: str | None, x: np.ndarray, y: np.ndarray, batch: int) -> Loop:
    import keras

    from crossover.networks import builder, declared
    from crossover.training.engines.keras import LOSSES

    model = builder(network.architecture, "keras")(*x.shape[1:], y.shape[-1], **network.settings)
    for layer in model.layers:
        layer.trainable = layer.name.split("_")[0] not in declared(network.architecture).frozen(level)
    model.compile(keras.optimizers.Adam(study.recipe.learning_rate), LOSSES[study.recipe.loss])
    return (
        lambda: model.train_on_batch(x[:batch], y[:batch]),
        lambda: model.fit(x, y, batch_size=batch, verbose=0),
    )


def torch_loop(
    study: Study, network: Network, level: str | None, x: np.ndarray, y: np.ndarray, batch: int,
    device: str = "cpu",
) -> Loop:  # fmt: skip
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from crossover.networks import builder, declared
    from crossover.training.engines.torch import LOSSES

    model = builder(network.architecture, "torch")(*x.shape[1:], y.shape[-1], **network.settings)
    model.to(device)
    for name, part in model.named_children():
        part.requires_grad_(name not in declared(network.architecture).frozen(level))
    trained = [p for p in model.parameters() if p.requires_grad]
    r = study.recipe
    if r.optimiser == "sgd":
        optimiser = torch.optim.SGD(trained, r.learning_rate, r.momentum, weight_decay=r.weight_decay)
    else:
        optimiser = torch.optim.Adam(trained, r.learning_rate)
    data = TensorDataset(*(torch.from_numpy(a.transpose(0, 3, 1, 2).copy()) for a in (x, y)))
    hand = next(iter(DataLoader(data, batch)))

    def one(images, masks) -> None:
        model.train()
        optimiser.zero_grad()
        loss = LOSSES[r.loss](masks.to(device), model(images.to(device)))
        loss.backward()
        optimiser.step()
        loss.item()

    def epoch() -> None:
        for images, masks in DataLoader(data, batch, shuffle=True):
            one(images, masks)

    return lambda: one(*hand), epoch


def serve(whose: str, name: str, level: str | None, steps: int, threads: int | None, pipe) -> None:
    """In a process of its own: get ready, then run a step or an epoch as often as asked, and tell its seconds.

    Without a number of threads, those that the framework takes by itself.
    """
    study = load_study(name, "paper")
    network = study.network.cell("unetplusplus", "efficientnet-b3") if study.selection else study.network
    how = recipe(study, 1)
    batch = how.batch
    structures = 1 if study.network.per_structure else len(study.structures)
    versions = augmenter(how.augmentation, study.preparation.slices.size)
    data = slices(study, -(-steps * batch // versions.count), structures)
    made = Batches(data, versions, batch, 0, 1)
    x, y = (np.concatenate(parts) for parts in zip(*(made[i] for i in range(made.epoch_steps))))
    if whose == "ours":
        loop = ours(study, network, level, made, threads or 1)
    elif network.engine == "keras":
        only(network.engine, threads)
        loop = keras_fit(study, network, level, x, y, batch)
    else:
        only(network.engine, threads)
        loop = torch_loop(study, network, level, x, y, batch)
    for action in loop:  # traced, and memory at hand
        action()
    pipe.send({"batch": batch, "steps an epoch": made.epoch_steps})
    while (which := pipe.recv()) is not None:
        start = perf_counter()
        loop[which]()
        pipe.send(perf_counter() - start)


def only(engine: str, threads: int | None) -> None:
    """As many threads as ours, and no other setting."""
    if threads is None:
        return
    if engine == "keras":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    else:
        import torch

        torch.set_num_threads(threads)


def together(count: int, given: tuple) -> tuple[dict, dict[str, list[float]]]:
    """Return what `serve` tells of its batches, and seconds of a step and an epoch in processes side by side.

    They end before those of the other side begin: of a large batch each keeps several GB.
    """
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(count):
        pipe, end = context.Pipe()
        context.Process(target=serve, args=(*given, end), daemon=True).start()
        end.close()  # so that reading ends where the process does
        pipes.append(pipe)
    about = [pipe.recv() for pipe in pipes]
    seconds = {}
    for which, what in enumerate(("step", "epoch")):
        for pipe in pipes:
            pipe.send(which)
        seconds[what] = [pipe.recv() for pipe in pipes]
    for pipe in pipes:
        pipe.send(None)
    return about[0], seconds


def compare(name: str, level: str | None, steps: int, rounds: int, threads: int, queue: bool) -> dict:
    """Medians of both; of a queue, as many of ours side by side as the cores allow, and theirs with all cores."""
    beside = max(1, (os.cpu_count() or 1) // threads) if queue else 1
    row = {"study": name, "level": level or "all", "threads": threads, "side by side": beside}
    taken: dict[str, list[float]] = {}
    for _, whose in product(range(rounds), ("ours", "theirs")):
        own = None if queue and whose == "theirs" else threads
        count = beside if whose == "ours" else 1
        about, seconds = together(count, (whose, name, level, steps, own))
        row |= about
        for what, each in seconds.items():
            taken.setdefault(f"{what} {whose}", []).append(sum(each) / count**2)
    row |= {what: median(values) for what, values in taken.items()}
    return row | {f"x {w}": row[f"{w} theirs"] / row[f"{w} ours"] for w in ("step", "epoch")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=list(LEVELS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--queue", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    given = parser.parse_args()
    rows = []
    for name in given.studies:
        for level, threads in product(LEVELS[name], given.queue or [given.threads]):
            rows.append(compare(name, level, given.steps, given.rounds, threads, bool(given.queue)))
            print(rows[-1], flush=True)
    print(f"\nseconds; {os.cpu_count()} cores, {platform.machine()}")
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3g"))


if __name__ == "__main__":
    main()
