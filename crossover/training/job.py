"""The stages of one job, whatever makes them: keys, copies of equal stages, records, and what failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from crossover.core import incremental
from crossover.core.files import digest, file_digest, read_json
from crossover.networks import encoder_weights
from crossover.study.plan import Stage
from crossover.study.sections import Network
from crossover.study.splits import stage_cases
from crossover.training import engines
from crossover.training.attempts import attempt
from crossover.training.failure import TrainingFailed
from crossover.training.stage_files import HISTORY, WEIGHTS, record_of

UNMADE = "its parent failed"
"""The key of a stage that can't be made; no record has it."""


def what(stage: Stage) -> dict:
    """Return what a stage is, without its name, its parent's, its network's place in the study, and its recipe.

    With another recipe a stage begins with the same weights and is given the same batches.
    """
    about = asdict(stage)
    left_out = {"name", "parent", "cell", "recipe", "network", *([] if stage.repeats else ["repeats"])}
    return {k: v for k, v in about.items() if k not in left_out}


def seed_of(seed: int, stage: Stage, collapsed: int) -> int:
    """Return the seed of a training, after so many that collapsed.

    Args:
        seed: the recipe's.
    """
    return int(digest([seed, what(stage), *([collapsed] if collapsed else [])])[:8], 16)


class Initials:
    """What first stages begin with: encoder, or "model" -> as `crossover.study.initial_weights` found it.

    Args:
        at_hand: what they are: all that results depend on.
        path: where the run's configuration says that ImageNet weights are, see `crossover.study.config.Settings`.
        places: where they are, or were looked for (`PLACE` there).
    """

    def __init__(
        self, at_hand: dict[str, dict[str, str]], path: str, places: Mapping[str, dict[str, str]] = MappingProxyType({})
    ) -> None:
        self._at_hand, self._path, self._places = at_hand, path, places

    def of(self, stage: Stage, network: Network) -> dict[str, str] | None:
        """Return what a stage begins with, wherever that is; None for a stage with a parent."""
        if stage.initial in ("imagenet", "model"):
            return self._at_hand[self._name(stage, network)]
        return {"weights": stage.initial} if stage.initial else None

    def record(self, stage: Stage, network: Network) -> dict[str, str] | None:
        """Return what `of` returns, with where the weights are from, in words that name no folder outside."""
        place = self._places.get(self._name(stage, network), {}) if stage.initial in ("imagenet", "model") else {}
        about = self.of(stage, network)
        return about and about | {key: value for key, value in place.items() if key != "file"}

    @staticmethod
    def _name(stage: Stage, network: Network) -> str:
        return "model" if stage.initial == "model" else str(network.settings["encoder"])

    def file(self, stage: Stage, network: Network) -> Path | None:
        """Return the study's file of weights; None where the stage begins otherwise.

        Raises:
            ValueError: the file is no longer the one that the run was begun with.
        """
        about = self.of(stage, network)
        if not about or about["weights"] != "model":
            return None
        path = Path(self._places["model"]["file"])
        if not path.is_file() or file_digest(path) != about["sha256"]:
            raise ValueError(f"network.initial.file: {path} was deleted or changed after the run began: restore it")
        return path

    def model(self, stage: Stage, network: Network) -> engines.Arrays | None:
        """Return the weights of the study's file; None where the stage begins otherwise.

        Raises:
            ValueError: the file is no safetensors file, or no longer the one that the run was begun with.
        """
        path = self.file(stage, network)
        try:
            return load_file(path) if path else None
        except SafetensorError as error:
            raise ValueError(f"network.initial.file: {path} is not a complete safetensors file: {error}") from error

    def arrays(self, stage: Stage, network: Network, channels: int) -> engines.Arrays | None:
        """Return the encoder's weights; None where the stage begins otherwise.

        Raises:
            ValueError: they are no longer those that the run was begun with.
        """
        about = self.of(stage, network)
        if not about or about["weights"] != "imagenet":
            return None
        encoder = str(network.settings["encoder"])
        read = encoder_weights(network.engine)
        return read(encoder, self._path, about["sha256"], channels)


class Stages:
    """Makes the stages of a job; a backend says how one is trained, in a class that derives from this one.

    Attributes:
        settings: all that a stage follows from, beside its data, its parent and its code; with `network` and
            `validation`, as `crossover.study.sections.Training` has them.
        files: that a stage leaves beside its record.
    """

    settings: Any
    files: tuple[str, ...] = (WEIGHTS, HISTORY)

    def __init__(self, splits: pd.DataFrame, out: Path, cache: Path, initial: Initials) -> None:
        """`out` has a folder for each stage, `cache` one for what a stage that is not done yet keeps."""
        self.splits, self.out, self.cache, self.initial = splits, out, cache, initial

    def digests(self, cases: pd.DataFrame, structures: Sequence[str]) -> dict[str, list[str]]:
        """Return case -> digests of all that a training reads of it."""
        raise NotImplementedError

    def train(self, stage: Stage, key: str, folder: Path) -> dict:
        """Train one stage into its folder: `files`; returns its facts.

        Raises:
            TrainingFailed: what happened, and what to try.
        """
        raise NotImplementedError

    def key(self, stage: Stage, code: str, keys: dict[str, str]) -> str:
        """Return a digest of all that the stage's weights follow from; its name is not among it."""
        parent = keys.get(stage.parent or "") or record_of(self.out, stage.parent).get("key")
        cases = stage_cases(self.splits, stage, self.settings.validation)
        read = self.digests(cases, stage.structures)
        settings = self.settings.model_dump(mode="json")
        begins = self.initial.of(stage, self.settings.network)
        about = [what(stage), stage.recipe]
        return digest([settings, about, list(cases.use), read, begins, parent, code])

    def make(self, stage: Stage, key: str, folder: Path) -> dict:
        """Train one stage into its folder; returns its facts.

        Where a stage of another name has the same key it is copied, with the facts of its training.

        Raises:
            TrainingFailed: what happened, and what to try.
        """
        twin = self._twin(key)
        if twin:
            for name in self.files:
                shutil.copyfile(self.out / twin["stage"]["name"] / name, folder / name)
            return twin | {"stage": asdict(stage), "same_as": twin["stage"]["name"]}
        return self.train(stage, key, folder)

    def _twin(self, key: str) -> dict | None:
        """Return the facts of a finished stage with this key, which is no copy itself."""
        for path in sorted(self.out.glob(f"*/{incremental.RECORD}")):
            if incremental.is_current(path.parent, key):
                facts = {k: v for k, v in read_json(path).items() if k not in incremental.OWN}
                if "same_as" not in facts:
                    return facts
        return None

    def checkpoints(self, stage: str, key: str) -> list[Path]:
        """Return the files that are there of those from which the training of a stage would go on."""
        return list((self.cache / stage).glob(f"{key}*.safetensors"))

    def forget(self, stage: str) -> None:
        """Remove what is kept of a stage whose record stands: its checkpoints."""
        shutil.rmtree(self.cache / stage, ignore_errors=True)


def stage_keys(trainer: Stages, stages: list[Stage], code: str, failed: Collection[str]) -> dict[str, str]:
    """Return the key of each stage by its name; a stage whose parent was not made has none to tell, but `UNMADE`."""
    keys: dict[str, str] = {}
    for stage in stages:
        unmade = stage.parent in failed or keys.get(stage.parent or "") == UNMADE
        keys[stage.name] = UNMADE if unmade else trainer.key(stage, code, keys)
    return keys


def train_stages(
    trainer: Stages,
    stages: list[Stage],
    manifest: Path,
    code: str,
    tell: Callable[[str, float], None],
    fail: Callable[[str, str, str, bool], None] = lambda *_: None,
    begin: Callable[[str, str], None] = lambda *_: None,
    parents: Sequence[Path] = (),
    prepared: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Bring the stages of one job up to date, and write its manifest.

    A stage that raises `TrainingFailed`, whose process was killed again and again (see `attempt`), or whose parent
    failed is listed under `failed` with what happened and what to try; the others go on.

    Args:
        tell: hears of each stage that is done: what, and its seconds of training.
        fail: hears of each that failed: its name, what happened, what to try, and whether by itself.
        begin: hears of each that is about to be trained: its name and key.
        parents: manifests of the jobs that make the stages' parents.
        prepared: how images get to the networks, see `crossover.study.parameters.prepared`: what the weights are used
            with later, which their records keep.

    Raises:
        crossover.core.incremental.ItemsError: naming the stages that failed in any other way; the others are kept.
    """
    failed = incremental.failed_of(parents)
    keys = stage_keys(trainer, stages, code, {*failed})
    by_name = {stage.name: stage for stage in stages}

    def make(name: str, folder: Path) -> dict:
        stage = by_name[name]
        try:
            if about := failed.get(stage.parent or ""):
                raise TrainingFailed(f"its parent {stage.parent} failed: {about['happened']}", about["advice"])
            begin(name, keys[name])
            with attempt(trainer.cache / name, keys[name], trainer.checkpoints(name, keys[name])):
                facts = trainer.make(stage, keys[name], folder)
        except TrainingFailed as error:
            failed[name] = {"happened": error.happened, "advice": error.advice}
            shutil.rmtree(trainer.out / name, ignore_errors=True)  # one of other settings is none that the study has
            fail(name, error.happened, error.advice, stage.parent not in failed)
            raise
        what = f"{name}, {facts['steps']} steps, validation DSC {facts['best_validation_dsc']:.2f}"
        tell(what, facts["seconds"])
        return {**facts, "prepared": dict(prepared)}

    for name, key in keys.items():
        if incremental.is_current(trainer.out / name, key):
            tell(f"{name} (kept)", 0)
    try:
        records = incremental.refresh(trainer.out, keys, make, prune=False)
    except incremental.ItemsError as error:
        if set(error.failed) - set(failed):
            raise
        records = error.records
    for name in records:
        trainer.forget(name)
    incremental.write_manifest(manifest, records, {name: failed[name] for name in keys if name in failed})
