"""Train a stage by the own loop: what any network of it needs, and what one of slices does."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from crossover.core.files import digest
from crossover.core.source_code import code_digest
from crossover.core.wording import counted
from crossover.networks.source_code import network_files
from crossover.study.plan import Stage
from crossover.study.sections import Recipe, Training
from crossover.study.splits import stage_cases
from crossover.training import engines
from crossover.training.augmentation import Cuts, Versions, augmenter
from crossover.training.batches import Batches, Moments, SliceSet, load
from crossover.training.cache import Cache
from crossover.training.clock import Clock
from crossover.training.devices import processor
from crossover.training.failure import USES, Collapsed, TrainingFailed
from crossover.training.inputs import Validation, inputs
from crossover.training.job import Initials, Stages, seed_of
from crossover.training.network_output import check_map
from crossover.training.stage import Trained, found_of, planned_steps, scored_slices, train, validation_dsc
from crossover.training.stage_files import HISTORY, WEIGHTS, SliceFiles, places

log = logging.getLogger(__name__)
SMALLER = "a smaller {}, or fewer trainings at once (--cores, execution.per_gpu)"
OFF = Cache(0)


class Data(Protocol):
    """What a stage is trained and validated on, as its backend reads it."""

    @property
    def cases(self) -> dict[str, pd.DataFrame]:
        """The cases, by their use."""

    @property
    def moments(self) -> Moments | None:
        """By what its images were standardised."""

    @property
    def drawn(self) -> np.ndarray:
        """(cases, structures) bool, whether a structure is drawn in a case to validate on."""


class _Attempt(NamedTuple):
    """A training: its seed, what shows that it has collapsed ("" for none), and what came of it at its end."""

    seed: int
    happened: str
    done: Trained | None = None
    counts: dict | None = None

    @property
    def dsc(self) -> float:
        """The best validation DSC; -1 where the training did not come to its end."""
        return self.done.best_dsc if self.done else -1.0

    @property
    def found(self) -> bool:
        """Whether it came to its end and found anything of a structure."""
        return self.done is not None and any(found_of(self.done.history).values())


class Loop(Stages):
    """Makes stages by the own loop; an engine is created for the first one that must be trained, and shared.

    What a class that derives from it says is what a network sees: methods that raise `NotImplementedError` here.

    Attributes:
        batch: the setting that says how many are in a batch, for a person whose memory is too small for it.
    """

    batch = "recipe.batch"

    def __init__(
        self, settings: Any, splits: pd.DataFrame, out: Path, cache: Path, threads: int, initial: Initials | None,
        watch: Callable[..., None], activations: Cache = OFF, gpu_share: float = 1.0,
    ) -> None:  # fmt: skip
        """Take what all trainings of a job share.

        Args:
            settings: has `network`, `recipe`, `validation` and `channels`, as `crossover.study.sections.Training`.
            watch: is told of a training's course: the stage's name, then what a `stage.Watch` is told.
            gpu_share: the share of a GPU that is this job's: below 1 others may have trained on it.
        """
        super().__init__(splits, out, cache, initial or Initials({}, ""))
        self.watch, self.activations, self.gpu_share = watch, activations, gpu_share
        self.settings, self.threads = settings, threads
        self._engines: dict[int, engines.Engine] = {}
        self._tried: set[int] = set()

    def engine(self, structures: int) -> engines.Engine:
        """Return the engine for networks with this number of output channels."""
        if structures not in self._engines:
            s = self.settings
            shape = (*self._size(), len(s.channels))
            self._engines[structures] = engines.create(s.network, shape, structures, self.threads)
        return self._engines[structures]

    # ---- what a network sees

    def _size(self) -> tuple[int, ...]:
        """Return the size of what a network sees, without channels."""
        raise NotImplementedError

    def _data(self, stage: Stage, key: str) -> Any:
        """Read what a stage is trained and validated on, as `Data`.

        Args:
            key: of the stage, as `Stages` has it.

        Raises:
            TrainingFailed: nothing to train on, or to validate on.
        """
        raise NotImplementedError

    def _seen(self, data: Any) -> dict[str, Any]:
        """Return what the record says of the data, beside its cases."""
        raise NotImplementedError

    def _batches(self, data: Any, recipe: Recipe, seed: int) -> Any:
        """Return the batches of a training, as `Batches`: functions of the seed and the step alone."""
        raise NotImplementedError

    def _validation(self, engine: engines.Engine, data: Any, name: str, stack: ExitStack) -> Callable[[], np.ndarray]:
        """Return what gives the validation DSC of the engine's present weights, until the stack is closed.

        Args:
            name: of the frozen activations, as of `_activations`.
        """
        raise NotImplementedError

    def _activations(self, engine: engines.Engine, stage: Stage, moments: Moments | None) -> str:
        """Return a digest of all that a frozen activation follows from, beside what it is of; "" where none is kept."""
        return ""

    def _model(self, stage: Stage, structures: int) -> engines.Arrays | None:
        """Return the weights of the study's file, by the network's own names; None where the stage begins otherwise."""
        return self.initial.model(stage, self.settings.network)

    # ---- the training

    def train(self, stage: Stage, key: str, folder: Path) -> dict:
        """See `Stages`."""
        try:
            return self._train(stage, key, folder)
        except Exception as error:
            if engines.out_of_memory(error):
                raise TrainingFailed(f"no memory left: {error}", SMALLER.format(self.batch)) from error
            raise

    def _train(self, stage: Stage, key: str, folder: Path) -> dict:
        start, clock = perf_counter(), Clock()
        with clock("load"):
            data = self._data(stage, key)
        if lacking := [s for s, there in zip(stage.structures, data.drawn.T, strict=True) if not there.any()]:
            log.warning(
                "the network sees no %s in the cases to validate on (%s): its weights are chosen by how little it "
                "finds there; take more patients (sizes), or a larger share to validate on (splits.validation)",
                " and no ".join(lacking), counted(len(data.drawn), "case"),
            )  # fmt: skip
        with clock("import"):
            engines.module(self.settings.network)
        with clock("build"):
            engine = self.engine(len(stage.structures))
        seed, done, counts, collapsed = self._learn(engine, stage, key, data, clock)
        save_file({k: np.ascontiguousarray(v) for k, v in done.weights.items()}, folder / WEIGHTS)
        pd.DataFrame(done.history).to_csv(folder / HISTORY, index=False)
        moments = data.moments
        return {
            "stage": asdict(stage), "seed": seed, "collapsed": collapsed,
            "network": self.settings.network.model_dump(mode="json"),
            "initial": self.initial.record(stage, self.settings.network),
            "standardised": moments._asdict() if moments else None, "steps": done.steps, "best_step": done.best_step,
            "best_validation_dsc": done.best_dsc, "parameters": engine.parameters(),
            "patients": {use: len(c) for use, c in data.cases.items()}, **self._seen(data), "activations": counts,
            "seconds": round(perf_counter() - start + done.before, 2),
            "seconds_in": done.seconds, "cpu_seconds": clock.cpu_seconds,
            "threads": self.threads, "gpu_share": self.gpu_share,
            "device": engine.device, "processor": processor(), "versions": engine.versions,
        }  # fmt: skip

    def _learn(
        self, engine: engines.Engine, stage: Stage, key: str, data: Data, clock: Clock
    ) -> tuple[int, Trained, dict | None, list[dict]]:
        """Train until it does not collapse, or the recipe's retries are used up.

        Where every attempt has collapsed, the one with the highest validation DSC is kept, the last of equal ones.

        Returns:
            The seed, what was trained, how many activations were kept and read, and of each other attempt its seed,
            what happened, and its history where it came to its end.

        Raises:
            Collapsed: the last attempt did not come to its end, and none before it has found anything.
        """
        recipe = self.settings.recipe.changed(stage.recipe)
        tried: list[_Attempt] = []
        for number in range(recipe.retries + 1):
            seed = seed_of(recipe.seed, stage, number)
            checkpoint = "-".join([key, *([str(number)] if number else [])]) + ".safetensors"
            try:
                done, counts = self._attempt(
                    engine, stage, recipe, seed, data, clock, self.cache / stage.name / checkpoint
                )
            except Collapsed as error:
                tried.append(_Attempt(seed, error.happened))
                if number == recipe.retries and not any(own.found for own in tried):
                    raise
                continue
            tried.append(_Attempt(seed, done.collapsed, done, counts))
            if not done.collapsed:
                break
        kept = tried[-1] if not tried[-1].happened else max(reversed(tried), key=lambda own: own.dsc)
        others = [
            {"seed": own.seed, "happened": own.happened, "history": own.done and own.done.history}
            for own in tried
            if own is not kept
        ]
        assert kept.done is not None  # else the loop has raised
        return kept.seed, kept.done, kept.counts, others

    def _attempt(
        self, engine: engines.Engine, stage: Stage, recipe: Recipe, seed: int, data: Data, clock: Clock,
        checkpoint: Path,
    ) -> tuple[Trained, dict | None]:  # fmt: skip
        with clock("build"):
            self._begin(engine, stage, recipe, seed)
            self._try_output(engine, len(stage.structures))
        drawn = dict(zip(stage.structures, data.drawn.T, strict=True))
        begins_trained = stage.parent is not None or stage.initial == "model"
        batches = self._batches(data, recipe, seed)
        name = self._activations(engine, stage, data.moments) if engine.fixed() else ""
        watch = partial(self.watch, stage.name)
        with ExitStack() as stack:
            with clock("build"):
                steps = planned_steps(recipe, batches.epoch_steps)
                given = stack.enter_context(inputs(engine, batches, steps, self.activations, name))
                validate = self._validation(engine, data, name, stack)
            done = train(engine, given, validate, recipe, checkpoint, clock, watch, begins_trained, drawn)
        return done, given.counts if name else None

    def _begin(self, engine: engines.Engine, stage: Stage, recipe: Recipe, seed: int) -> None:
        """Start the engine on the stage's initial weights."""
        weights = load_file(self.out / stage.parent / WEIGHTS) if stage.parent else None
        engine.start(recipe, seed, weights, stage.level)
        channels = len(self.settings.channels)
        if arrays := self.initial.arrays(stage, self.settings.network, channels):
            engine.begin_from(arrays)
        if arrays := self._model(stage, len(stage.structures)):
            weights = engine.weights()
            others = trained_for_others(self.initial.of(stage, self.settings.network) or {}, stage.structures)
            own = fitting(arrays, weights, engine.frozen(), others)
            if own.keys() == arrays.keys() == weights.keys():
                engine.start(recipe, seed, arrays, stage.level)
            else:
                engine.begin_from(own)

    def _try_output(self, engine: engines.Engine, structures: int) -> None:
        """Check, once for each engine, what its network returns: a loss of maps of another size fails without a reason.

        Raises:
            ConfigError: see `check_map`.
        """
        if structures not in self._tried:
            image = np.random.default_rng(0).normal(size=(1, *self._size(), len(self.settings.channels)))
            check_map(engine, self.settings.network.architecture, image.astype("float32"), structures)
            self._tried.add(structures)


class _Data(NamedTuple):
    """Cases by use, slices, by what these were standardised, and the augmented versions of those to train on."""

    cases: dict[str, pd.DataFrame]
    training: SliceSet
    validation: SliceSet
    moments: Moments | None
    versions: Versions | Cuts

    @property
    def drawn(self) -> np.ndarray:
        return self.validation.drawn


class Trainer(Loop):
    """Makes stages by the own loop over slices."""

    settings: Training

    def __init__(
        self, settings: Training, slices: SliceFiles, splits: pd.DataFrame, out: Path, cache: Path,
        threads: int, initial: Initials | None = None, watch: Callable[..., None] = lambda *_: None,
        activations: Cache = OFF, gpu_share: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(settings, splits, out, cache, threads, initial, watch, activations, gpu_share)
        self.slices = slices

    def digests(self, cases: pd.DataFrame, structures: Sequence[str]) -> dict[str, list[str]]:
        """See `Stages`."""
        return self.slices.digests(cases, structures)

    def _size(self) -> tuple[int, ...]:
        return self.settings.size

    def _seen(self, data: _Data) -> dict[str, Any]:
        training = data.training
        with_structure = int(training.has_structure.sum())
        counts = {"train": len(training.images), "with_structure": with_structure, "versions": data.versions.count}
        return {"slices": counts}

    def _batches(self, data: _Data, recipe: Recipe, seed: int) -> Batches:
        return Batches(data.training, data.versions, recipe.batch, recipe.background_slices, seed, recipe.seed)

    def _data(self, stage: Stage, key: str) -> _Data:
        """Read what a stage is trained and validated on.

        Raises:
            TrainingFailed: no slice to train on, or to validate on.
        """
        cases = stage_cases(self.splits, stage, self.settings.validation)
        used = {use: cases[cases.use == use] for use in ("train", "validation")}
        sets = {use: load(self.slices, places(own), stage.structures) for use, own in used.items() if len(own)}
        for use, own in used.items():
            asked = use == "train" or self.settings.recipe.validate_on == "structure_slices"
            if use not in sets:
                raise TrainingFailed(f"it has no case to {USES[use]}", "more patients (sizes)")
            if asked and not sets[use].has_structure.any():
                raise TrainingFailed(
                    f"no slice of its {counted(len(own), 'case')} to {USES[use]} shows the structure",
                    "more patients (sizes), or a smaller preparation.slices.smallest_mask_px",
                )
        training, validation = sets["train"], sets["validation"]
        _, rows, columns, _ = training.images.shape
        versions = augmenter(self.settings.recipe.augmentation, (rows, columns))
        if not self.settings.standardise:
            return _Data(used, training, validation, None, versions)
        moments = Moments.of(training.images, training.has_structure)
        return _Data(used, training.standardised(moments), validation.standardised(moments), moments, versions)

    def _activations(self, engine: engines.Engine, stage: Stage, moments: Moments | None) -> str:
        """Digest of all that a frozen activation follows from, beside its slice and version."""
        s, recipe = self.settings, self.settings.recipe
        weights = hashlib.sha256()
        for name, value in sorted(engine.frozen().items()):
            weights.update(name.encode() + np.ascontiguousarray(value).tobytes())
        files = network_files(s.network.architecture, s.network.engine)
        code = code_digest(*files, "crossover/training/batches.py", "crossover/training/activations.py")
        drawn = recipe.augmentation.drawn and recipe.seed
        how = [recipe.augmentation, drawn, recipe.batch, recipe.activations, s.size, s.channels]
        machine = [self.threads, engine.versions, engine.device, processor()]
        return digest([weights.hexdigest(), s.network, stage.level, how, moments, machine, code])

    def _validation(self, engine: engines.Engine, data: _Data, name: str, stack: ExitStack) -> Callable[[], np.ndarray]:
        slices, on = data.validation, self.settings.recipe.validate_on
        scored = np.flatnonzero(scored_slices(slices, on))
        kept = Validation(engine, slices.images, scored, self.activations, name)
        stack.callback(kept.close)
        return lambda: validation_dsc(kept.predict(), slices, on, self.settings.threshold)


def trained_for_others(about: Mapping[str, str], structures: Iterable[str]) -> bool:
    """Return whether a file's weights were trained for other structures, as far as is known.

    Args:
        about: of the file, as `crossover.study.initial_weights.of_file` has it.
    """
    own = ", ".join(structures)
    return about.get("structures", own) != own


def fitting(
    given: engines.Arrays, own: engines.Arrays, frozen: engines.Arrays, other_structures: bool = False
) -> engines.Arrays:
    """Return the given weights of those parts of a network all of whose arrays have the same names and shapes.

    Counters of batches, which PyTorch's normalisations keep and no network here has, are passed over.

    Args:
        own: the network's weights, from input to output. frozen: those among them that are not trained.
        other_structures: whether the given weights were trained for others, so that the last part fits no more.

    Raises:
        ValueError: no part fits; or one that does not is frozen, or stands before one that fits, so that what is
            loaded would see the maps of weights at random.
    """
    given = {name: value for name, value in given.items() if not name.endswith("num_batches_tracked")}
    parts, theirs = _shapes(own), _shapes(given)
    whole = [part for part, shapes in parts.items() if theirs.get(part) == shapes]
    if other_structures:
        whole = [part for part in whole if part != [*parts][-1]]
    last = list(parts).index(whole[-1]) if whole else len(parts)
    must = {*list(parts)[:last], *(name.split(".")[0] for name in frozen)}
    if missing := [part for part in parts if part in must and part not in whole]:
        raise ValueError(
            f"the weights of network.initial.file do not fit {', '.join(missing)} of the network: "
            f"{_difference(parts[missing[0]], theirs.get(missing[0], {}), list(given))}; set network.architecture and "
            "network.settings to those with which the file was made, and give its arrays the network's names"
        )
    return {name: value for name, value in given.items() if name.split(".")[0] in whole}


def _difference(own: dict[str, tuple], theirs: dict[str, tuple], names: list[str]) -> str:
    """Return the first difference between a part's shapes and those of a file that has arrays of these names."""
    for name, shape in own.items():
        if name not in theirs:
            return f"the file has no {name}; " + (f"its first array is {names[0]}" if names else "it has no arrays")
        if theirs[name] != shape:
            return f"{name} has shape {theirs[name]} in the file and {shape} in the network"
    return f"the network has no {next(name for name in theirs if name not in own)}"


def _shapes(arrays: engines.Arrays) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shape of each array by its part of the network, which its name begins with."""
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, value in arrays.items():
        parts.setdefault(name.split(".")[0], {})[name] = value.shape
    return parts
