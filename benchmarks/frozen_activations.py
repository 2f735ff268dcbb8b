"""Whole stages at the published networks and sizes: all trained, frozen and computed in each step, or kept.

What is kept: see `crossover.training.activations`.

    .venv/bin/python -m benchmarks.frozen_activations [--threads 2] [--slices 4] [--epochs 4] [uterus nasopharynx]

Random slices, since times don't depend on what they show; validated once an epoch on as many slices as the
published design has for each step. Each stage runs through `crossover.training.stage.train`. An epoch's time
is the median of those after the first; the one-time cost is what the first took more than those. The limit is the time
of the trained part alone, its activations in memory. Break-even: epochs after which keeping them has paid.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd

from crossover.study.config import load_study
from crossover.study.schema import Study
from crossover.study.sections import Augmentation, Recipe
from crossover.training import engines
from crossover.training.augmentation import augmenter
from crossover.training.batches import Batches, SliceSet
from crossover.training.cache import Cache
from crossover.training.clock import Clock
from crossover.training.inputs import Validation, inputs
from crossover.training.stage import train, validation_dsc

LEVELS = {"uterus": ["L1", "L2", "L3"], "nasopharynx": ["conv5"]}
VERSIONS = 6
"""Cuts of each slice, where a recipe draws them."""


def slices(study: Study, n: int, structures: int) -> SliceSet:
    rows, columns = study.preparation.slices.size
    rng = np.random.default_rng(n)
    images = rng.normal(size=(n, rows, columns, len(study.channels))).astype("float32")
    masks = (rng.random((n, rows, columns, structures)) > 0.9).astype("uint8")
    large = np.ones((n, structures), bool)
    return SliceSet(images, masks, np.arange(n), large, tuple(f"{i:x}" for i in range(n)))


def recipe(study: Study, epochs: int) -> Recipe:
    augmentation = study.recipe.augmentation
    if augmentation.drawn:
        drawn = augmentation.drawn.model_copy(update={"versions": VERSIONS})
        augmentation = Augmentation(drawn=drawn)
    change = {"augmentation": augmentation, "epochs": epochs, "validations": epochs, "steps": None}
    return study.recipe.model_copy(update={**change, "background_slices": 0.0})


def stage(
    engine: engines.Engine, study: Study, level: str | None, n: int, epochs: int, keep: bool
) -> tuple[list[float], float]:
    """Seconds of each epoch, validation included, and of one with the trained part alone."""
    how = recipe(study, epochs)
    structures = 1 if study.network.per_structure else len(study.structures)
    data, held = slices(study, n, structures), slices(study, 1, structures)
    engine.start(how, 1, None, level)
    batches = Batches(data, augmenter(how.augmentation, data.images.shape[1:3]), how.batch, 0, 1)
    ends = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cache = Cache(10**11 if keep else 0, Path(folder))
        start = perf_counter()
        given = stack.enter_context(inputs(engine, batches, epochs * batches.epoch_steps, cache, "benchmark"))
        validation = Validation(engine, held.images, np.arange(len(held.images)), cache, "benchmark")
        stack.callback(validation.close)

        def validate() -> float:
            return validation_dsc(validation.predict(), held, "volumes")

        checkpoint = Path(folder) / "checkpoint"
        train(
            engine,
            given,
            validate,
            how,
            checkpoint,
            Clock(),
            lambda *_: ends.append(perf_counter()),
        )
        if keep:
            # a slice that ends one epoch and begins the next may be computed twice
            assert given.counts["read"] >= (epochs - 1) * (batches.epoch_steps - 1)
    return np.diff([start, *ends]).tolist(), alone(engine, batches, held)


def alone(engine: engines.Engine, batches: Batches, held: SliceSet) -> float:
    """Seconds of an epoch of the trained part: a step's median times the steps, and a validation."""
    features, masks = engine.features(batches.images(0)), batches.masks(0)
    unseen = engine.features(held.images)
    taken = {"step": [], "validate": []}
    for _ in range(8):
        start = perf_counter()
        float(engine.step(features, masks, 1e-6))
        middle = perf_counter()
        engine.validate(unseen)
        taken["step"].append(middle - start)
        taken["validate"].append(perf_counter() - middle)
    return median(taken["step"]) * batches.epoch_steps + median(taken["validate"])


def compare(study: Study, n: int, epochs: int, threads: int) -> list[dict]:
    shape = (*study.preparation.slices.size, len(study.channels))
    structures = 1 if study.network.per_structure else len(study.structures)
    engine = engines.create(study.network, shape, structures, threads)
    full, _ = stage(engine, study, None, n, epochs, keep=False)
    rows = []
    for level in LEVELS[study.study]:
        plain, _ = stage(engine, study, level, n, epochs, keep=False)
        kept, limit = stage(engine, study, level, n, epochs, keep=True)
        whole, frozen, cached = (median(s[1:]) for s in (full, plain, kept))
        once = kept[0] - cached
        rows.append({
            "study": study.study, "level": level, "full s": whole, "frozen s": frozen,
            "kept s": cached, "once s": once, "limit s": limit,
            "x frozen": frozen / cached, "x full": whole / cached, "of limit": limit / cached,
            "break-even epochs": once / (frozen - cached),
            "whole stage, 100 epochs, x frozen": 100 * frozen / (kept[0] + 99 * cached),
        })  # fmt: skip
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=list(LEVELS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    rows = []
    for name in given.studies:
        rows += compare(load_study(name, "paper"), given.slices, given.epochs, given.threads)
    table = pd.DataFrame(rows)
    print(f"\nseconds an epoch; {given.threads} threads, {platform.machine()}")
    print(table.to_markdown(index=False, floatfmt=".3g"))
    print(table.groupby("study")[["x frozen", "x full", "of limit"]].mean().round(2))


if __name__ == "__main__":
    main()
