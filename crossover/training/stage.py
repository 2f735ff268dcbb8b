"""One stage, whatever the engine: steps, validation, the best weights, resume."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from crossover.evaluation.overlap import dice_of
from crossover.study.sections import Recipe
from crossover.training.batches import SliceSet
from crossover.training.clock import Clock
from crossover.training.engines import Arrays, Engine, Loss
from crossover.training.failure import Collapsed
from crossover.training.inputs import LOWER_RATE, BatchQueue

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 30
CHECKPOINT_SHARE = 1 / 20
"""Of the time, at most, goes into checkpoints, however long the disk takes for one."""

FEWEST_VALIDATIONS = 3
"""Before a training is stopped for having learnt nothing."""

DSC, OF_EACH = "validation_dsc", "validation_dsc_"
"""Columns of a history: the mean DSC of a validation, and the beginning of the name of a structure's own."""

Watch = Callable[[int, int, float | None, float | None], None]
"""Told after each step: step, steps in all, and after a validation the mean loss since the last one, and its DSC.
Before the first step in its process a training tells where it goes on from, with the DSC of the last validation."""


@dataclass(frozen=True)
class Trained:
    """The best weights by validation DSC, and the history.

    The history has step (0 is before the first), loss and validation_dsc. Beside it is the mean DSC of each structure
    over the cases in which it is drawn, `OF_EACH` and its name (missing where it is in none), unless the only structure
    is drawn in all cases.

    `seconds` is the time spent in optimisation steps ("step", the first of an attempt apart, since it may
    trace the network: "first_step"), in the frozen part ("frozen": computed and written, on a GPU only begun),
    in waiting for batches and for what is read of a frozen part ("batch"), in validation (the first apart, as
    "first_validation") and in checkpoints ("checkpoint").
    """

    weights: Arrays
    history: list[dict]
    steps: int
    best_step: int
    best_dsc: float
    seconds: dict[str, float]
    before: float
    """Seconds that earlier attempts took, up to the checkpoint that this one went on from."""

    @property
    def collapsed(self) -> str:
        """What shows that the training has collapsed, so that another seed may help; "" where it has not.

        It has where no validation after step 0 found anything of a structure. The weights that the training began with
        don't count: a fine-tuning that finds nothing has collapsed though it keeps them, with the score that they have.
        Nor do cases without the structure, whose DSC is 1 where nothing is found.
        """
        found = found_of(self.history)
        never = [column for column, ever in found.items() if not ever]
        if not never:
            return ""
        lost = " and ".join(column.removeprefix(OF_EACH) for column in never)
        nothing = not any(h[DSC] > 0 for h in self.history if h["step"])
        return f"the validation DSC{'' if nothing else f' of {lost}'} is 0 throughout"


def found_of(history: Sequence[dict]) -> dict[str, bool]:
    """Return of each structure's column of a history whether a validation after step 0 found anything of it.

    It is `DSC` where the structures have no columns of their own. A structure that no case has is not among them.
    """
    scores = pd.DataFrame([h for h in history if h["step"]]).filter(like=DSC)
    own = scores.drop(columns=DSC) if len(scores.columns) > 1 else scores
    return {column: bool((own[column] > 0).any()) for column in own if own[column].notna().any()}


def planned_steps(recipe: Recipe, epoch_steps: int) -> int:
    """Return the number of optimisation steps of `epochs`, within the recipe's bounds."""
    low, high = recipe.steps or (1, 10**12)
    return int(np.clip(round(recipe.epochs * epoch_steps), low, high))


class Rate(Protocol):
    """How the learning rate goes, as a recipe has it."""

    @property
    def learning_rate(self) -> float:
        """Before the schedule."""

    @property
    def schedule(self) -> str:
        """See `Recipe`."""

    @property
    def power(self) -> float:
        """See `Recipe`."""

    @property
    def warmup(self) -> float:
        """See `Recipe`."""


def learning_rate(recipe: Rate, step: int, steps: int) -> float:
    """Return the learning rate of step `step` (from 0) of `steps`, by the recipe's schedule."""
    done = step / steps
    share = {
        "constant": 1.0,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
        "poly": (1 - done) ** recipe.power,
    }
    risen = min(1.0, (step + 1) / (recipe.warmup * steps)) if recipe.warmup else 1.0
    return recipe.learning_rate * share[recipe.schedule] * risen


def validation_steps(recipe: Recipe, steps: int) -> set[int]:
    """Return the steps after which the validation DSC is taken, evenly spaced, the last one included."""
    return {round(steps * (i + 1) / recipe.validations) for i in range(recipe.validations)} - {0}


@dataclass
class _Course:
    """Where a training is: all that a checkpoint holds beside the engine's state."""

    step: int
    history: list[dict]
    losses: list[float]
    """Since the last validation."""


def train(
    engine: Engine,
    inputs: BatchQueue,
    validate: Callable[[], np.ndarray],
    recipe: Recipe,
    checkpoint: Path,
    clock: Clock,
    watch: Watch = lambda *_: None,
    trained_before: bool = False,
    drawn: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Trained:
    """Train a stage that the engine has begun to its end, from `checkpoint` where that exists.

    Args:
        trained_before: whether the weights that the engine has begun with were trained for this task. Then they are
            validated too, as step 0 of the history, and kept unless later ones are as good: no training on from
            them ends with a lower validation DSC.
        validate: gives the validation DSC of the engine's present weights: (cases, structures), NaN where it is not
            scored.
        drawn: of each structure, in the order of the masks, whether it is drawn in a case: (cases,) bool.
        checkpoint: a file kept there while training; whoever has put the result in a safe place removes it.
            What resumes from it, after a kill at any moment, gives the same weights and history as an unbroken
            run.

    Raises:
        Collapsed: the loss is no number any more, or nothing was ever learnt.
    """
    steps = planned_steps(recipe, inputs.batches.epoch_steps)
    checks = validation_steps(recipe, steps)
    course, best, before = _resume(engine, checkpoint, clock, steps)
    if trained_before and not course.history:
        _validate(course.history, 0, None, validate, clock, drawn)
        best = engine.weights()
    begun, losses, saving = course.step, list[Loss](course.losses), _Saving()
    watch(begun, steps, None, course.history[-1][DSC] if course.history else None)
    for step in range(begun, steps):
        features, masks = inputs.of(step, steps, clock)
        with clock("first_step" if step == begun else "step"):
            losses.append(engine.step(features, masks, learning_rate(recipe, step, steps)))
        if step + 1 in checks:
            with clock("step"):  # a device may still be at work on them
                loss = float(np.mean(_finite(losses, step + 1)))
            losses = []
            if _validate(course.history, step + 1, loss, validate, clock, drawn):
                best = engine.weights()
            _report_validation(course.history, steps, watch)
        else:
            watch(step + 1, steps, None, None)
        if saving.due() and step + 1 < steps:
            course.step, course.losses = step + 1, _finite(losses, step + 1)
            with clock("checkpoint"):
                saving.save(engine, checkpoint, course, best, clock)
    best_step, best_dsc = _best(course.history)
    return Trained(best, course.history, steps, best_step, best_dsc, clock.rounded(), before)


def _validate(
    history: list[dict], step: int, loss: float | None, validate: Callable[[], np.ndarray], clock: Clock,
    drawn: Mapping[str, np.ndarray],
) -> bool:  # fmt: skip
    """Add a validation to the history; return whether no earlier one has a higher DSC."""
    with clock("validation" if history else "first_validation"):
        scores = validate()
    row = {"step": step, "loss": loss, DSC: mean_dsc(scores)}
    if len(drawn) > 1 or not all(there.all() for there in drawn.values()):
        for (name, there), own in zip(drawn.items(), scores.T, strict=True):
            scored = there & ~np.isnan(own)
            row[OF_EACH + name] = mean_dsc(own[scored]) if scored.any() else None
    history.append(row)
    return step == _best(history)[0]


def _best(history: list[dict]) -> tuple[int, float]:
    """Return the last step with the highest validation DSC, and that DSC."""
    dsc, step = max((h[DSC], h["step"]) for h in history)
    return step, dsc


def _finite(losses: list[Loss], step: int) -> list[float]:
    """Return the losses as numbers; the last is that of `step` (from 1).

    Raises:
        Collapsed: one of them is infinite or no number.
    """
    values = [float(loss) for loss in losses]
    for i, value in enumerate(values):
        if not math.isfinite(value):
            raise Collapsed(f"the loss is {value} at step {step - len(values) + 1 + i}", LOWER_RATE)
    return values


def _report_validation(history: list[dict], steps: int, watch: Watch) -> None:
    """Report the last validation to the log and to `watch`.

    Raises:
        Collapsed: nothing was learnt in half of the training.
    """
    history = [h for h in history if h["step"]]
    step, loss, score = (history[-1][key] for key in ("step", "loss", DSC))
    log.info("step %d of %d: loss %.4f, validation DSC %.3f", step, steps, loss, score)
    watch(step, steps, loss, score)
    found = found_of(history)
    learnt = any(found.values()) or not found
    learnt |= any(h["loss"] < history[0]["loss"] for h in history[1:])
    if not learnt and len(history) >= FEWEST_VALIDATIONS and step >= steps / 2:
        raise Collapsed(
            f"nothing was learnt in {step} steps: the loss never fell below its first "
            f"{history[0]['loss']:.4f}, and no validation found anything of a structure",
            "another recipe.learning_rate, and check that masks lie on their images",
        )


def scored_slices(slices: SliceSet, on: Literal["volumes", "structure_slices"]) -> np.ndarray:
    """Return (slices,) bool, the slices that the validation DSC needs predictions of."""
    return slices.has_structure if on == "structure_slices" else np.ones(len(slices.case), bool)


def validation_dsc(
    probabilities: Iterable[np.ndarray],
    slices: SliceSet,
    on: Literal["volumes", "structure_slices"],
    threshold: float = 0.5,
) -> np.ndarray:
    """Return (cases, structures), the DSC on the network's grid.

    It is of the whole volume, or of its slices with the structure; NaN where a case has none of these.

    Args:
        probabilities: of the `scored_slices`, in order, of some slices after the other.
        threshold: the smallest probability at which a pixel counts as predicted.
    """
    scored = np.flatnonzero(scored_slices(slices, on))
    cases, structures = slices.case.max() + 1, slices.masks.shape[-1]
    pixels = np.zeros((3, cases, structures), np.int64)  # drawn, predicted, both
    begin = 0
    for part in probabilities:
        own = scored[begin : begin + len(part)]
        begin += len(part)
        counts = slices.large[own] if on == "structure_slices" else np.ones((len(own), 1), bool)
        drawn, predicted = slices.masks[own] > 0, part >= threshold
        for total, shown in zip(pixels, (drawn, predicted, drawn & predicted), strict=True):
            np.add.at(total, slices.case[own], counts * np.count_nonzero(shown, axis=(1, 2)))
    there = np.unique(slices.case)
    scores = np.full((len(there), structures), np.nan)
    for (row, case), s in product(enumerate(there), range(structures)):
        if on == "volumes" or slices.large[slices.case == case, s].any():
            scores[row, s] = dice_of(*pixels[:, case, s].tolist())
    return scores


def mean_dsc(scores: np.ndarray) -> float:
    """Return the mean of the scores that are there."""
    return float(np.mean(scores[~np.isnan(scores)]))


class _Saving:
    """When the next checkpoint is due, and how it is written: one file, whole or not at all."""

    def __init__(self) -> None:
        self._next = monotonic() + CHECKPOINT_SECONDS

    def due(self) -> bool:
        return monotonic() >= self._next

    def save(
        self, engine: Engine, checkpoint: Path, course: _Course, best: Arrays, clock: Clock
    ) -> None:  # fmt: skip
        """Write the checkpoint; a full disk is a warning in the log, and the training goes on."""
        start = monotonic()
        arrays = {f"state/{k}": v for k, v in engine.state().items()}
        arrays |= {f"best/{k}": v for k, v in best.items()}
        arrays = {k: np.asarray(v, order="C") for k, v in arrays.items()}
        spent = {"seconds": clock.rounded(), "cpu_seconds": clock.cpu_seconds}
        text = json.dumps(vars(course) | spent)
        part = checkpoint.with_suffix(".part")
        try:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            save_file(arrays, part, {"course": text})
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(checkpoint)
        except Exception as error:  # safetensors has its own for a full disk
            log.warning("no checkpoint at step %d: %s", course.step, error)
            part.unlink(missing_ok=True)
        took = monotonic() - start
        self._next = monotonic() + max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE)


def _resume(engine: Engine, checkpoint: Path, clock: Clock, steps: int) -> tuple[_Course, Arrays, float]:
    """Restore the engine and the clock from a checkpoint.

    Returns:
        The course, the best weights, and the seconds that the training took up to the checkpoint. Without a checkpoint,
        and where it is damaged, the training starts from its beginning.
    """
    if not checkpoint.exists():
        return _Course(0, [], []), {}, 0.0
    try:
        with safe_open(checkpoint, "np") as file:
            course = json.loads(file.metadata()["course"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        log.warning("%s is damaged (%s): the training starts from the beginning", checkpoint, error)
        return _Course(0, [], []), {}, 0.0
    engine.restore({k[6:]: v for k, v in arrays.items() if k.startswith("state/")})
    best = {k[5:]: v for k, v in arrays.items() if k.startswith("best/")}
    spent = course.pop("seconds")
    clock.add(spent)
    clock.add_cpu(course.pop("cpu_seconds"))
    log.info("resumed after step %d of %d", course["step"], steps)
    return _Course(**course), best, sum(spent.values())
