"""A stage's training by nnU-Net's own trainer, with what a study adds: levels, seeds, steps' recipes, resuming.

It is imported when nnU-Net's environment is set, see `environment`.
"""

from __future__ import annotations

import logging
import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from nnunetv2.training.logging.nnunet_logger import MetaLogger
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from crossover.study.sections import Changes, NnunetTrainer
from crossover.training.backends.nnunet import checkpoints, levels
from crossover.training.failure import Collapsed
from crossover.training.stage import learning_rate

log = logging.getLogger(__name__)
LATEST, FINAL = "checkpoint_latest.pth", "checkpoint_final.pth"
"""The checkpoint of a training that goes on, and of one whose epochs are done: nnU-Net removes the former then."""
CHECKPOINT_SECONDS = 60
"""Fewest between two checkpoints, which are written after whole epochs."""
NEVER = 10**9


@dataclass(frozen=True)
class Rates:
    """The learning rate's course over the epochs: nnU-Net's own, with what a step of a chain changes."""

    learning_rate: float
    schedule: str = "poly"
    power: float = 0.9
    warmup: float = 0.0
    layer_decay: float = 1.0

    @classmethod
    def of(cls, settings: NnunetTrainer, changes: Changes) -> Rates:
        """Return those of a stage."""
        return cls(**{"learning_rate": settings.initial_lr, **dict(changes)})  # type: ignore[arg-type]  # typed in StepRecipe


class Schedule(PolyLRScheduler):
    """Sets each group's learning rate at the beginning of an epoch; where nothing is changed it is nnU-Net's own."""

    def __init__(self, optimizer: torch.optim.Optimizer, rates: Rates, epochs: int) -> None:
        self._rates = rates
        super().__init__(optimizer, rates.learning_rate, epochs)

    def step(self, current_step: int | None = None) -> None:
        """Set the rates of epoch `current_step`, from 0."""
        if current_step is None or current_step == -1:
            current_step = self.ctr
            self.ctr += 1
        rate = learning_rate(self._rates, current_step, self.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1.0)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


class Quiet(MetaLogger):
    """nnU-Net's log of its epochs, without the picture that it draws after each: a study draws its own."""

    def plot_progress_png(self, output_folder: str) -> None:
        """Draw nothing."""


class CrossoverTrainer(nnUNetTrainer):
    """`nnUNetTrainer` for one stage of a study; `follow` tells it which, before `initialize`.

    What stays: network, loss, deep supervision, augmentation, sampling, optimiser, gradient clipping, validation on
    patches, and that the last weights are taken.
    """

    def follow(
        self,
        settings: NnunetTrainer,
        rates: Rates,
        level: str | None,
        seed: int,
        watch: Callable[[int, int, float | None, float | None], None],
    ) -> None:
        """Take what the study says of this training.

        Args:
            watch: told before each epoch, and after it with its mean loss: iteration, iterations in all, loss,
                nnU-Net's pseudo Dice.
        """
        self.num_epochs, self.num_iterations_per_epoch = settings.num_epochs, settings.num_iterations_per_epoch
        self.num_val_iterations_per_epoch = settings.num_val_iterations_per_epoch
        self.mirroring = settings.mirroring
        self.initial_lr, self.weight_decay = rates.learning_rate, settings.weight_decay
        self.rates, self.level, self.seed, self.watch = rates, level, seed, watch
        self.logger = Quiet(self.output_folder, False)
        self.save_every, self._saved = NEVER, monotonic()
        self._frozen: list[nn.Module] = []
        self._seed_all(0)

    @property
    def plain(self) -> nn.Module:
        """The network, not compiled."""
        network = getattr(self.network, "_orig_mod", self.network)
        assert network is not None, "asked for before `initialize`"
        return network

    def _seed_all(self, epoch: int) -> None:
        """Random numbers follow from seed and epoch alone (0 before the first), so that a checkpoint needs none."""
        numbers = np.random.SeedSequence([self.seed, epoch]).generate_state(3)
        random.seed(int(numbers[0]))
        np.random.seed(int(numbers[1]))
        torch.manual_seed(int(numbers[2]))

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:
        """Return nnU-Net's own augmentation settings; without mirroring, those of `nnUNetTrainerNoMirroring`."""
        *others, axes = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        if not self.mirroring:
            axes = self.inference_allowed_mirroring_axes = None
        return *others, axes

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Return nnU-Net's SGD on what is trained alone, with a group for each part where their rates differ."""
        self._frozen = levels.freeze(self.plain, self.level)
        own = levels.parts(self.plain)
        decay = {part: self.rates.layer_decay**i for i, part in enumerate(reversed(own))}
        trained = {part: [v for v in values.values() if v.requires_grad] for part, values in own.items()}
        groups = [{"params": values, "rate": decay[part]} for part, values in trained.items() if values]
        if self.rates.layer_decay == 1:
            groups = [{"params": [value for values in trained.values() for value in values], "rate": 1.0}]
        optimiser = torch.optim.SGD(
            groups,
            self.initial_lr,
            weight_decay=self.weight_decay,
            momentum=0.99,
            nesterov=True,
        )
        return optimiser, Schedule(optimiser, self.rates, self.num_epochs)

    def on_epoch_start(self) -> None:
        """As nnU-Net, with random numbers that follow from the epoch."""
        super().on_epoch_start()
        self._seed_all(self.current_epoch + 1)
        done, scores = self.current_epoch, self.logger.get_value("mean_fg_dice", step=None)
        each, last = self.num_iterations_per_epoch, float(scores[-1]) if scores else None
        self.watch(done * each, self.num_epochs * each, None, last)

    def on_train_epoch_start(self) -> None:
        """As nnU-Net, with frozen modules kept from updating running values."""
        super().on_train_epoch_start()
        for module in self._frozen:
            module.eval()

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """As nnU-Net; a loss that is no number ends the training.

        Raises:
            Collapsed: see there.
        """
        super().on_train_epoch_end(train_outputs)
        loss = float(self.logger.get_value("train_losses", step=-1))
        if not math.isfinite(loss):
            raise Collapsed(f"the loss is {loss} in epoch {self.current_epoch}", "a lower network.trainer.initial_lr")

    def on_epoch_end(self) -> None:
        """As nnU-Net, with a checkpoint where the last one is long ago."""
        due = monotonic() >= self._saved + CHECKPOINT_SECONDS
        self.save_every = 1 if due else NEVER
        super().on_epoch_end()
        row = self.history()[-1]
        steps = self.num_epochs * self.num_iterations_per_epoch
        self.watch(row["step"], steps, row["loss"], row["validation_dsc"])

    def history(self) -> list[dict[str, Any]]:
        """Return a row for each epoch: step (iterations), loss (mean), validation_dsc (nnU-Net's pseudo Dice)."""
        losses, scores = (self.logger.get_value(key, step=None) for key in ("train_losses", "mean_fg_dice"))
        return [
            {
                "step": (epoch + 1) * self.num_iterations_per_epoch,
                "loss": float(loss),
                "validation_dsc": float(np.nan_to_num(score)),  # no patch held any structure
            }
            for epoch, (loss, score) in enumerate(zip(losses, scores, strict=True))
        ]

    def found_nothing(self) -> bool:
        """Return whether the pseudo Dice was 0 in every epoch in which nnU-Net knows it.

        It does not where the validation patches hold no structure and none was predicted.
        """
        scores = [float(score) for score in self.logger.get_value("mean_fg_dice", step=None)]
        known = [score for score in scores if not math.isnan(score)]
        return bool(known) and max(known) == 0

    def spent(self) -> float:
        """Return the seconds of the epochs so far, those of earlier attempts too."""
        begun, ended = (self.logger.get_value(f"epoch_{what}_timestamps", step=None) for what in ("start", "end"))
        return float(sum(end - begin for begin, end in zip(begun, ended)))

    def save_checkpoint(self, filename: str) -> None:
        """As nnU-Net, whole or not at all; the last weights are kept elsewhere, and the best are not taken."""
        path = Path(filename)
        if path.name not in (LATEST, FINAL):
            return
        part = path.with_suffix(".part")
        super().save_checkpoint(str(part))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        self._saved = monotonic()

    def load_checkpoint(self, filename_or_checkpoint: dict | str) -> None:
        """As nnU-Net for one device, without unpickling."""
        if not self.was_initialized:
            self.initialize()
        given = filename_or_checkpoint
        found = given if isinstance(given, dict) else checkpoints.read(Path(given))
        self.plain.load_state_dict(found["network_weights"])
        self.optimizer.load_state_dict(found["optimizer_state"])
        if self.grad_scaler is not None and found["grad_scaler_state"] is not None:
            self.grad_scaler.load_state_dict(found["grad_scaler_state"])
        self.logger.load_checkpoint(found["logging"])
        self.current_epoch, self._best_ema = found["current_epoch"], found["_best_ema"]

    def plot_network_architecture(self) -> None:
        """Draw nothing: it needs a package that nobody has."""

    def print_to_log_file(self, *args: Any, also_print_to_console: bool = True, add_timestamp: bool = True) -> None:
        """Write nnU-Net's log into the job's."""
        log.info("%s", " ".join(map(str, args)).strip())
