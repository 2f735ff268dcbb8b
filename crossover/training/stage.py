"""One stage, whatever the engine: steps, validation, the best weights, resume."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic, perf_counter
from typing import Literal

import numpy as np
from safetensors.numpy import load_file, save_file

from crossover.evaluation.overlap import dice
from crossover.provenance import read_json, write_json
from crossover.study import Recipe
from crossover.training.data import Batches, SliceSet
from crossover.training.engines import Arrays, Engine

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 30

Watch = Callable[[int, int, float, float], None]
"""Told at each validation: step, steps in all, mean loss since the last one, validation DSC."""


@dataclass(frozen=True)
class Trained:
    """The best weights by validation DSC and the history: step, loss, validation_dsc.

    `seconds` is the time spent in optimisation steps ("step", the first of a process apart, since it
    traces the network: "first_step"), in making their batches, and in validation.
    """

    weights: Arrays
    history: list[dict]
    steps: int
    best_step: int
    best_dsc: float
    seconds: dict[str, float]
    before: float
    """Seconds that earlier attempts took, up to the checkpoint that this one went on from."""


def planned_steps(recipe: Recipe, epoch_steps: int) -> int:
    """Steps of `epochs`, within the recipe's bounds."""
    low, high = recipe.steps or (1, 10**12)
    return int(np.clip(round(recipe.epochs * epoch_steps), low, high))


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0) of `steps`, by the recipe's schedule."""
    done = step / steps
    share = {
        "constant": 1.0,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
        "poly": (1 - done) ** recipe.power,
    }
    return recipe.learning_rate * share[recipe.schedule]


def validation_steps(recipe: Recipe, steps: int) -> set[int]:
    """The steps after which the validation DSC is taken, evenly spaced, the last one included."""
    return {round(steps * (i + 1) / recipe.validations) for i in range(recipe.validations)} - {0}


def train(
    engine: Engine,
    batches: Batches,
    validation: SliceSet,
    recipe: Recipe,
    checkpoint: Path,
    begin: Callable[[], None],
    watch: Watch = lambda *told: None,
) -> Trained:
    """Train a stage to its end, from `checkpoint` where that exists.

    Args:
        begin: starts the engine on this stage's initial weights.
        checkpoint: file stem; `.json` and `.safetensors` are kept there while training and removed at
            the end. What it resumes from gives the same weights as an unbroken run.
    """
    steps = planned_steps(recipe, batches.epoch_steps)
    checks = validation_steps(recipe, steps)
    begin()
    done, history, losses, best = 0, [], [], {}
    clock = _Clock()
    if checkpoint.with_suffix(".json").exists():
        done, history, best = _resume(engine, checkpoint, clock)
        log.info("resumed after step %d of %d", done, steps)
    before = sum(clock.seconds.values())
    saved = monotonic()
    for step in range(done, steps):
        with clock("batch"):
            batch = batches[step]
        with clock("first_step" if step == done else "step"):
            losses.append(engine.step(*batch, learning_rate(recipe, step, steps)))
        if step + 1 not in checks:
            continue
        with clock("validation"):
            score = validation_dsc(engine, validation, recipe.validate_on)
        history.append({"step": step + 1, "loss": float(np.mean(losses)), "validation_dsc": score})
        told = step + 1, steps, history[-1]["loss"], score
        log.info("step %d of %d: loss %.4f, validation DSC %.3f", *told)
        watch(*told)
        losses = []
        if score >= max((h["validation_dsc"] for h in history[:-1]), default=-1.0):
            best = engine.weights()
        if monotonic() - saved > CHECKPOINT_SECONDS and step + 1 < steps:
            _save(engine, checkpoint, step + 1, history, best, clock)
            saved = monotonic()
    for suffix in (".json", ".safetensors"):
        checkpoint.with_suffix(suffix).unlink(missing_ok=True)
    top = max(h["validation_dsc"] for h in history)
    best_step = max(h["step"] for h in history if h["validation_dsc"] == top)
    return Trained(best, history, steps, best_step, top, clock.rounded(), before)


class _Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + perf_counter() - start

    def rounded(self) -> dict[str, float]:
        return {what: round(seconds, 3) for what, seconds in self.seconds.items()}


def validation_dsc(
    engine: Engine, slices: SliceSet, on: Literal["volumes", "structure_slices"]
) -> float:
    """Mean over cases and structures of the DSC on the network's grid, threshold 0.5: of the whole
    volume, or of its slices with the structure (of all that have any)."""
    shown = slices.has_structure if on == "structure_slices" else np.ones(len(slices.case), bool)
    predicted = np.zeros(slices.masks.shape, bool)
    predicted[shown] = engine.predict(slices.images[shown]) >= 0.5
    scores = []
    for c, s in product(np.unique(slices.case), range(slices.masks.shape[-1])):
        own = slices.case == c
        if on == "structure_slices":
            own &= slices.large[:, s]
        if own.any():
            scores.append(dice(predicted[own, ..., s], slices.masks[own, ..., s] > 0))
    return float(np.mean(scores))


def _save(
    engine: Engine, checkpoint: Path, step: int, history: list[dict], best: Arrays, clock: _Clock
) -> None:  # fmt: skip
    """Arrays first, then the text that says they are whole, each written whole or not at all."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"state/{k}": v for k, v in engine.state().items()}
    arrays |= {f"best/{k}": v for k, v in best.items()}
    target = checkpoint.with_suffix(".safetensors")
    part = target.with_suffix(f".{step}.part")
    save_file({k: np.asarray(v, order="C") for k, v in arrays.items()}, part, {"step": str(step)})
    part.replace(target)
    content = {"step": step, "history": history, "seconds": clock.rounded()}
    write_json(checkpoint.with_suffix(".json"), content)


def _resume(engine: Engine, checkpoint: Path, clock: _Clock) -> tuple[int, list[dict], Arrays]:
    text = read_json(checkpoint.with_suffix(".json"))
    arrays = load_file(checkpoint.with_suffix(".safetensors"))
    engine.restore({k[6:]: v for k, v in arrays.items() if k.startswith("state/")})
    best = {k[5:]: v for k, v in arrays.items() if k.startswith("best/")}
    clock.seconds = text["seconds"]
    return text["step"], text["history"], best
