"""Stages by nnU-Net: each is a data set of its own cases, planned or with its parent's plans, and one training."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core.files import read_json, write_json
from crossover.evaluation.overlap import dice_of
from crossover.imaging.volumes import read, structure_path
from crossover.study.plan import Stage
from crossover.study.sections import CaseTraining
from crossover.study.splits import stage_cases
from crossover.training.backends import Job
from crossover.training.backends.nnunet import dataset as raw
from crossover.training.backends.nnunet import planning
from crossover.training.backends.nnunet.environment import device, environment
from crossover.training.backends.nnunet.prediction import PLANS, Inference, Loaded
from crossover.training.clock import Clock
from crossover.training.devices import processor
from crossover.training.engines import out_of_memory
from crossover.training.failure import USES, Collapsed, TrainingFailed
from crossover.training.job import Stages, seed_of
from crossover.training.stage_files import HISTORY, WEIGHTS, Cases, Place, places

if TYPE_CHECKING:
    from crossover.training.backends.nnunet.beginning import Beginning
    from crossover.training.backends.nnunet.nnssl import Encoder
    from crossover.training.backends.nnunet.trainer import CrossoverTrainer

log = logging.getLogger(__name__)
FOLDER = "nnunet"
SMALLER = "network.plans: default, or fewer trainings at once (--cores, execution.per_gpu)"


@dataclass(frozen=True)
class _Prepared:
    """A stage's data set.

    Attributes:
        dataset: its name below nnU-Net's folders. plans: with its name. used: its cases, by their use.
        begins: the weights that its training begins with.
    """

    dataset: str
    plans: dict[str, Any]
    used: dict[str, list[Place]]
    begins: Beginning | Encoder | None


def stages(job: Job) -> NnunetStages:
    """Return what trains the stages of a job."""
    settings = CaseTraining.model_validate(job.settings)
    return NnunetStages(settings, Cases(job.cases, job.corrected), job)


class NnunetStages(Stages):
    """See `Stages`."""

    files = (WEIGHTS, HISTORY, PLANS, raw.DATASET)

    def __init__(self, settings: CaseTraining, cases: Cases, job: Job) -> None:
        super().__init__(job.splits, job.out, job.cache, job.initial)
        self.settings, self._cases, self._job = settings, cases, job
        self._root = job.cache / FOLDER
        self._loaded: dict[str, Any] | None = None
        self._before = 0.0

    def digests(self, cases: pd.DataFrame, structures: Sequence[str]) -> dict[str, list[str]]:
        """See `Stages`."""
        return self._cases.digests(cases, self.settings.channels, structures)

    def checkpoints(self, stage: str, key: str) -> list[Path]:
        """See `Stages`."""
        return list(self._root.glob(f"results/Dataset001_{stage}_{key[:12]}/**/checkpoint_*.pth"))

    def forget(self, stage: str) -> None:
        """See `Stages`: the data sets too."""
        super().forget(stage)
        for folder in self._root.glob(f"*/Dataset???_{stage}_*"):
            if folder.name.removesuffix(folder.name[-13:]) == f"Dataset001_{stage}":
                shutil.rmtree(folder, ignore_errors=True)

    def train(self, stage: Stage, key: str, folder: Path) -> dict:
        """See `Stages`."""
        try:
            with environment(self._root, self._job.threads):
                return self._train(stage, key, folder)
        except Exception as error:
            if out_of_memory(error):
                raise TrainingFailed(f"no memory left: {error}", SMALLER) from error
            raise

    def _train(self, stage: Stage, key: str, folder: Path) -> dict:
        import torch

        start, clock = perf_counter(), Clock()
        torch.set_num_threads(self._job.threads)
        with clock("load"):
            prepared = self._prepare(stage, key)
        trainer, seed, collapsed = self._learn(stage, prepared, clock)
        self._leave(trainer, prepared, folder)
        steps = trainer.num_epochs * trainer.num_iterations_per_epoch
        network = self.settings.network
        axes = None if network.disable_tta else trainer.inference_allowed_mirroring_axes
        inference = Inference(axes, network.tile_step_size)
        with clock("validation"):
            score = self._validate(folder, stage, prepared.used["validation"], inference)
        return {
            "stage": asdict(stage), "seed": seed, "collapsed": collapsed,
            "network": network.model_dump(mode="json"),
            "initial": self._began_with(stage),
            "standardised": None, "inference": inference._asdict(), "plan": self._plan(stage, prepared, trainer),
            "steps": steps, "best_step": steps, "best_validation_dsc": score, "parameters": _counts(trainer),
            "patients": {use: len(own) for use, own in prepared.used.items()},
            "activations": None, "repeats": trainer.device.type == "cpu",
            "seconds": round(perf_counter() - start + self._before, 2), "seconds_in": clock.rounded(),
            "cpu_seconds": clock.cpu_seconds, "threads": self._job.threads, "gpu_share": self._job.gpu_share,
            "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else "CPU",
            "processor": processor(), "versions": _versions(),
        }  # fmt: skip

    # ---- what is trained on

    def _prepare(self, stage: Stage, key: str) -> _Prepared:
        """Write, plan and preprocess a stage's data set.

        Raises:
            TrainingFailed: nobody to train on or to validate on, or what `dataset` and `planning` refuse.
        """
        cases = stage_cases(self.splits, stage, self.settings.validation)
        used = {use: places(cases[cases.use == use]) for use in ("train", "validation")}
        for use, own in used.items():
            if not own:
                raise TrainingFailed(f"it has no case to {USES[use]}", "more patients (sizes)")
        name = f"Dataset001_{stage.name}_{key[:12]}"
        done = self._root / "preprocessed" / name / PLANS
        if not done.exists():  # it does where the training goes on after a kill, or with another seed
            write_json(done, self._write(stage, name, used))
        return _Prepared(name, read_json(done), used, self._begins(stage))

    def _write(self, stage: Stage, name: str, used: dict[str, list[Place]]) -> dict:
        """Write the data set's images, labels, plans, preprocessed cases and split; return the plans."""
        s, root, both = self.settings, self._root, [*used["train"], *used["validation"]]
        before = self._begins(stage)
        labels = raw.numbered(self._cases, both, stage.structures, before.dataset if before and stage.parent else None)
        raw.write_raw(root / "raw" / name, self._cases, both, s.channels, s.channel_names, labels)
        plans = planning.planned(root, name, s.network, self._job.threads, before.plans if before else None)
        plans = before.fitted(plans, s.network.configuration) if before else plans
        names = {use: [raw.name_of(place) for place in own] for use, own in used.items()}
        cases = names["train"] + names["validation"]
        planning.preprocess(root, name, plans, s.network.configuration, cases)
        planning.write_split(root, name, names["train"], names["validation"])
        return plans

    def _begins(self, stage: Stage) -> Beginning | Encoder | None:
        """Return what a stage begins with: its parent, or the study's file; None where it begins at random.

        Raises:
            ValueError: the file can't be read, or is another one than when the run began.
        """
        from crossover.training.backends.nnunet import beginning

        if stage.parent:
            return beginning.of_stage(self.out / stage.parent)
        path = self.initial.file(stage, self.settings.network)
        return beginning.of_file(path) if path else None

    # ---- the training

    def _learn(self, stage: Stage, prepared: _Prepared, clock: Clock) -> tuple[CrossoverTrainer, int, list[dict]]:
        """Train until it does not collapse, or the recipe's retries are used up.

        Returns:
            The trainer at its end, the seed, and of each attempt that collapsed its seed and what happened.
        """
        collapsed: list[dict] = []
        while True:
            seed = seed_of(self.settings.seed, stage, len(collapsed))
            last = len(collapsed) == self.settings.retries
            try:
                trainer = self._attempt(stage, prepared, seed, clock)
            except Collapsed as error:
                if last:
                    raise
                collapsed.append({"seed": seed, "happened": error.happened, "history": None})
                continue
            if last or not trainer.found_nothing():
                return trainer, seed, collapsed
            happened = "the pseudo Dice is 0 throughout"
            collapsed.append({"seed": seed, "happened": happened, "history": trainer.history()})

    def _attempt(self, stage: Stage, prepared: _Prepared, seed: int, clock: Clock) -> CrossoverTrainer:
        from crossover.training.backends.nnunet.trainer import FINAL, LATEST, CrossoverTrainer, Rates

        s, where = self.settings.network, device()
        about = read_json(self._root / "preprocessed" / prepared.dataset / raw.DATASET)
        with clock("build"):
            trainer = CrossoverTrainer(prepared.plans | {"continue_training": False}, s.configuration, 0, about, where)
            trainer.output_folder = str(Path(trainer.output_folder_base) / f"seed_{seed}")
            Path(trainer.output_folder).mkdir(parents=True, exist_ok=True)

            def watch(*event: Any) -> None:
                self._job.watch(stage.name, *event)

            trainer.follow(s.trainer, Rates.of(s.trainer, stage.recipe), stage.level, seed, watch)
            trainer.initialize()
            self._loaded = self._load(stage, prepared, trainer, about)
            kept = [Path(trainer.output_folder) / name for name in (FINAL, LATEST)]
            if there := [path for path in kept if path.exists()]:
                trainer.load_checkpoint(str(there[0]))
                log.info("resumed after epoch %d of %d", trainer.current_epoch, trainer.num_epochs)
        self._before = trainer.spent()
        clock.add({"step": self._before})
        # workers leave the order of batches to chance; without a GPU they would gain nothing
        workers = max(1, self._job.threads - 1) if where.type == "cuda" else 0
        with clock("step"), environment(self._root, self._job.threads, workers):
            trainer.run_training()
        return trainer

    def _load(
        self, stage: Stage, prepared: _Prepared, trainer: CrossoverTrainer, about: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Set what a training begins with; return what was loaded.

        Raises:
            TrainingFailed: the stage's level freezes parts that would stay at random.
        """
        from crossover.training.backends.nnunet import levels

        if not prepared.begins:
            return None
        loaded = prepared.begins.load(trainer.plain, about)
        frozen = levels.frozen(tuple(levels.parts(trainer.plain)), stage.level)
        if at_random := [part for part in frozen if part in loaded["not_loaded"]]:
            raise TrainingFailed(
                f"level {stage.level} freezes {' and '.join(at_random)}, which {prepared.begins.where} doesn't give: "
                "weights at random would stay as they are",
                "a level before them (levels of the step)",
            )
        return loaded

    def _leave(self, trainer: CrossoverTrainer, prepared: _Prepared, folder: Path) -> None:
        from crossover.training.backends.nnunet.checkpoints import save_weights

        save_weights(trainer.plain, folder / WEIGHTS)
        pd.DataFrame(trainer.history()).to_csv(folder / HISTORY, index=False)
        base = self._root / "preprocessed" / prepared.dataset
        shutil.copyfile(base / PLANS, folder / PLANS)
        shutil.copyfile(base / raw.DATASET, folder / raw.DATASET)

    def _validate(self, folder: Path, stage: Stage, cases: Sequence[Place], inference: Inference) -> float:
        """Return the mean DSC over the validating cases and structures, of whole volumes on the cases' own grids."""
        s = self.settings
        loaded = Loaded(folder, s.network.configuration, inference, self._job.threads)
        scores = []
        for place in cases:
            masks = loaded.masks(self._cases, place, s.channels, stage.structures)
            for structure, mask in zip(stage.structures, masks, strict=True):
                predicted = sitk.GetArrayViewFromImage(mask) > 0
                drawn = sitk.GetArrayFromImage(read(structure_path(self._cases.folder(place), structure))) > 0
                counts = (int(np.count_nonzero(m)) for m in (drawn, predicted, drawn & predicted))
                scores.append(dice_of(*counts))
        return float(np.mean(scores))

    # ---- the record

    def _began_with(self, stage: Stage) -> dict | None:
        """Return what a stage without a parent began with; of a file also what was loaded of it, and what not."""
        about = self.initial.record(stage, self.settings.network)
        return {**about, **self._loaded} if about and self._loaded else about

    def _plan(self, stage: Stage, prepared: _Prepared, trainer: CrossoverTrainer) -> dict:
        """Return what was planned, and of whose cases: those of the first stage of the chain."""
        planned = trainer.configuration_manager
        own = read_json(self.out / stage.parent / "record.json")["plan"]["of"] if stage.parent else stage.name
        return {
            "of": own, "plans": prepared.plans["plans_name"], "configuration": self.settings.network.configuration,
            "patch_size": list(planned.patch_size), "batch_size": planned.batch_size, "spacing": list(planned.spacing),
            "normalisation": list(planned.normalization_schemes), "network": planned.network_arch_class_name,
            "features": list(planned.network_arch_init_kwargs["features_per_stage"]),
        }  # fmt: skip


def _counts(trainer: CrossoverTrainer) -> dict[str, int]:
    from crossover.training.backends.nnunet.levels import counts

    return counts(trainer.plain)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("nnunetv2", "dynamic-network-architectures", "batchgeneratorsv2", "torch")}
