"""Our step and epoch beside the loops that the papers' authors would have written, in turn in one process.

    .venv/bin/python -m benchmarks.training [--threads 2] [--rounds 5] [--steps 6] [uterus prostate nasopharynx]

The same network, batches, loss and optimiser, at the published size:

- uterus: Keras' `fit` over arrays in memory, versions made beforehand, frozen layers by `trainable = False`;
- prostate: UNet++ of segmentation_models_pytorch with a DataLoader over arrays in memory and torch's Adam;
- nasopharynx: the same plain loop with torch's SGD, `requires_grad = False` in frozen parts.

`step` is of one batch that is at hand; `epoch` with making the batches (rotations and cuts included in ours,
none in theirs). Medians over rounds; ratios above 1 where ours is faster. Kept activations are not in this
table (see `benchmarks.frozen_activations`).
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd

from benchmarks.frozen_activations import recipe, slices
from crossover.config import load_study
from crossover.study import Network, Study
from crossover.training import engines
from crossover.training.augmentation import augmenter
from crossover.training.clock import Clock
from crossover.training.data import Batches
from crossover.training.inputs import Inputs

LEVELS = {"uterus": [None, "L1", "L3"], "prostate": [None], "nasopharynx": [None, "conv5"]}
LARGEST_BATCH = 4

Loop = tuple[Callable[[], None], Callable[[], None]]
"""One step of a batch at hand; an epoch."""


def ours(study: Study, network: Network, level: str | None, made: Batches, threads: int) -> Loop:
    images, masks = made[0]
    engine = engines.create(network, images.shape[1:], masks.shape[-1], threads)
    engine.start(recipe(study, 1), 1, None, level)

    def step() -> None:
        engines.whole_step(engine, images, masks, study.recipe.learning_rate)

    def epoch() -> None:
        given, clock, losses = Inputs(engine, made), Clock(), []
        for i in range(made.epoch_steps):
            features, target = given.of(i, made.epoch_steps, clock)
            losses.append(engine.step(features, target, study.recipe.learning_rate))
        float(losses[-1])
        given.close()

    return step, epoch


def keras_fit(
    study: Study, network: Network, level: str | None, x: np.ndarray, y: np.ndarray, batch: int
) -> Loop:
    import keras

    from crossover.networks import builder, declared
    from crossover.training.engines.keras import LOSSES

    model = builder(network.architecture, "keras")(*x.shape[1:], y.shape[-1], **network.settings)
    for layer in model.layers:
        layer.trainable = layer.name.split("_")[0] not in declared(network.architecture).frozen(
            level
        )
    model.compile(keras.optimizers.Adam(study.recipe.learning_rate), LOSSES[study.recipe.loss])
    return (
        lambda: model.fit(x[:batch], y[:batch], batch_size=batch, verbose=0),
        lambda: model.fit(x, y, batch_size=batch, verbose=0),
    )


def torch_loop(
    study: Study, network: Network, level: str | None, x: np.ndarray, y: np.ndarray, batch: int
) -> Loop:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from crossover.networks import builder, declared
    from crossover.training.engines.torch import LOSSES

    model = builder(network.architecture, "torch")(*x.shape[1:], y.shape[-1], **network.settings)
    for name, part in model.named_children():
        part.requires_grad_(name not in declared(network.architecture).frozen(level))
    trained = [p for p in model.parameters() if p.requires_grad]
    r = study.recipe
    if r.optimiser == "sgd":
        optimiser = torch.optim.SGD(
            trained, r.learning_rate, r.momentum, weight_decay=r.weight_decay
        )
    else:
        optimiser = torch.optim.Adam(trained, r.learning_rate)
    data = TensorDataset(*(torch.from_numpy(a.transpose(0, 3, 1, 2).copy()) for a in (x, y)))
    hand = next(iter(DataLoader(data, batch)))

    def one(images, masks) -> None:
        model.train()
        optimiser.zero_grad()
        loss = LOSSES[r.loss](masks, model(images))
        loss.backward()
        optimiser.step()
        loss.item()

    def epoch() -> None:
        for images, masks in DataLoader(data, batch, shuffle=True):
            one(images, masks)

    return lambda: one(*hand), epoch


def seconds(action: Callable[[], None]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def compare(study: Study, level: str | None, steps: int, rounds: int, threads: int) -> dict:
    network = (
        study.network.cell("unetplusplus", "efficientnet-b3") if study.selection else study.network
    )
    how = recipe(study, 1)
    batch = min(how.batch, LARGEST_BATCH)
    structures = 1 if study.network.per_structure else len(study.structures)
    versions = augmenter(how.augmentation, study.preparation.slices.size)
    data = slices(study, -(-steps * batch // versions.count), structures)
    made = Batches(data, versions, batch, 0, 1)
    x, y = (np.concatenate(parts) for parts in zip(*(made[i] for i in range(made.epoch_steps))))
    mine = ours(study, network, level, made, threads)
    plain = keras_fit if network.engine == "keras" else torch_loop
    theirs = plain(study, network, level, x, y, batch)
    for action in (*mine, *theirs):  # traced, and memory at hand
        action()
    taken = {name: [] for name in ("step", "step theirs", "epoch", "epoch theirs")}
    for _ in range(rounds):
        for name, action in zip(taken, (mine[0], theirs[0], mine[1], theirs[1])):
            taken[name].append(seconds(action))
    row = {name: median(values) for name, values in taken.items()}
    return {
        "study": study.study, "level": level or "all", "batch": batch, "steps an epoch": made.epoch_steps,
        **row, "x step": row["step theirs"] / row["step"], "x epoch": row["epoch theirs"] / row["epoch"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=list(LEVELS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    given = parser.parse_args()
    rows = []
    for name in given.studies:
        study = load_study(name, "paper")
        for level in LEVELS[name]:
            rows.append(compare(study, level, given.steps, given.rounds, given.threads))
            print(rows[-1], flush=True)
    print(f"\nseconds; {given.threads} threads, {platform.machine()}")
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3g"))


if __name__ == "__main__":
    main()
