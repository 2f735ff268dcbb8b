"""Train the stages of one job, and predict with the models of one family."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import SimpleITK as sitk
from safetensors.numpy import load_file, save_file

from crossover import items
from crossover.imaging.slices import network_grid, to_case
from crossover.imaging.volumes import image_path, on_grid, prediction_path, write
from crossover.plan import Model, Stage
from crossover.provenance import digest, read_json
from crossover.splits import evaluation_cases, stage_cases
from crossover.study import Prediction, Training
from crossover.training import engines
from crossover.training.augmentation import augmenter
from crossover.training.data import Batches, load
from crossover.training.stage import train

log = logging.getLogger(__name__)
WEIGHTS = "weights.safetensors"


class Slices:
    """The slices of a study's cohorts, by their manifests: {cohort: data/slices/<study>/<cohort>/manifest.json}."""

    def __init__(self, manifests: dict[str, Path]) -> None:
        self._folders = {cohort: path.parent for cohort, path in manifests.items()}
        self._items = {cohort: read_json(path)["items"] for cohort, path in manifests.items()}

    def file(self, cohort: str, case: str) -> Path:
        return self._folders[cohort] / case / "slices.npz"

    def sha256(self, cohort: str, case: str) -> str:
        return self._items[cohort][case]["files"]["slices.npz"]["sha256"]

    def digests(self, cases: pd.DataFrame) -> dict[str, str]:
        return {f"{c.cohort}/{c.case}": self.sha256(c.cohort, c.case) for c in cases.itertuples()}


class Trainer:
    """Makes stages; an engine is created for the first one that must be trained, and shared."""

    def __init__(
        self, settings: Training, slices: Slices, splits: pd.DataFrame, out: Path, cache: Path, threads: int
    ) -> None:  # fmt: skip
        self.settings, self.slices, self.splits = settings, slices, splits
        self.out, self.cache, self.threads = out, cache, threads
        self._engines: dict[int, engines.Engine] = {}

    def engine(self, structures: int) -> engines.Engine:
        """For networks of so many outputs."""
        if structures not in self._engines:
            s = self.settings
            self._engines[structures] = engines.create(
                s.network, (*s.size, len(s.channels)), structures, self.threads
            )
        return self._engines[structures]

    def key(self, stage: Stage, code: str, keys: dict[str, str]) -> str:
        """Digest of all that the stage's weights follow from."""
        parent = keys.get(stage.parent) or _record(self.out, stage.parent).get("key")
        cases = stage_cases(self.splits, stage, self.settings.validation)
        slices = self.slices.digests(cases)
        settings = self.settings.model_dump(mode="json")
        return digest([settings, asdict(stage), list(cases.use), slices, parent, code])

    def make(self, stage: Stage, key: str, folder: Path) -> dict:
        """Train one stage into its folder: weights, history.csv; returns its facts."""
        start = perf_counter()
        cases = stage_cases(self.splits, stage, self.settings.validation)
        used = {use: cases[cases.use == use] for use in ("train", "validation")}
        training, validation = (
            self._load(used[use]).only(_places(stage.structures, self.settings.structures))
            for use in ("train", "validation")
        )
        loaded = round(perf_counter() - start, 3)
        engine = self.engine(len(stage.structures))
        recipe = self.settings.recipe
        seed = int(digest([recipe.seed, stage.name])[:8], 16)
        versions = augmenter(recipe.augmentation, training.images.shape[1:3])
        batches = Batches(training, versions, recipe.batch, recipe.background_slices, seed)
        weights = load_file(self.out / stage.parent / WEIGHTS) if stage.parent else None
        begin = partial(engine.start, recipe, seed, weights, stage.level)
        checkpoint = self.cache / stage.name / key
        done = train(engine, batches, validation, recipe, checkpoint, begin)
        save_file({k: np.ascontiguousarray(v) for k, v in done.weights.items()}, folder / WEIGHTS)
        pd.DataFrame(done.history).to_csv(folder / "history.csv", index=False)
        return {
            "stage": asdict(stage), "seed": seed, "steps": done.steps, "best_step": done.best_step,
            "best_validation_dsc": done.best_dsc, "parameters": engine.parameters(),
            "patients": {use: len(c) for use, c in used.items()},
            "slices": {"train": len(training.images), "versions": versions.count},
            "seconds": round(perf_counter() - start + done.before, 2),
            "seconds_in": done.seconds | {"load": loaded},
            "threads": self.threads,
            "device": engine.device, "versions": engine.versions,
        }  # fmt: skip

    def _load(self, cases: pd.DataFrame):
        return load([self.slices.file(c.cohort, c.case) for c in cases.itertuples()])


def train_stages(
    trainer: Trainer,
    stages: list[Stage],
    manifest: Path,
    code: str,
    tell: Callable[[str, float], None],
) -> None:
    """Bring the stages of one job up to date; `tell` hears of each: what, and its seconds of training.

    Raises:
        crossover.items.ItemsError: naming the stages that failed; the others are kept.
    """
    keys: dict[str, str] = {}
    for stage in stages:
        keys[stage.name] = trainer.key(stage, code, keys)
    by_name = {stage.name: stage for stage in stages}

    def make(name: str, folder: Path) -> dict:
        facts = trainer.make(by_name[name], keys[name], folder)
        what = f"{name}, {facts['steps']} steps, validation DSC {facts['best_validation_dsc']:.2f}"
        tell(what, facts["seconds"])
        return facts

    for name, key in keys.items():
        if items.is_current(trainer.out / name, key):
            tell(f"{name} (kept)", 0)

    items.update(manifest, keys, make, prune=False, folder=trainer.out)


def predict_models(
    settings: Prediction, models: list[Model], slices: Slices, splits: pd.DataFrame, cases: Path,
    stages: Path, manifest: Path, code: str, threads: int,
) -> None:  # fmt: skip
    """Write every model's masks of the cases that it is evaluated on, on their own grids.

    Args:
        cases: data/cases. stages: results/<study>/stages.
    """
    by_name = {model.name: model for model in models}
    shape = (*settings.slices.size, len(settings.channels))
    create = functools.cache(lambda n: engines.create(settings.network, shape, n, threads))

    def make(name: str, folder: Path) -> dict:
        structures = by_name[name].structures
        engine = create(len(structures))
        engine.load(load_file(stages / by_name[name].stage / WEIGHTS))
        evaluated = list(evaluation_cases(splits, by_name[name]).itertuples())
        together = load([slices.file(c.cohort, c.case) for c in evaluated])  # fills the batches
        probabilities = engine.predict(together.images)
        for i, case in enumerate(evaluated):
            own = probabilities[together.case == i]
            for s, structure in enumerate(structures):
                mask = _on_case(own[..., s], cases / case.cohort / case.case, settings)
                path = prediction_path(folder.parent, name, case.cohort, case.case, structure)
                write(mask, path)
        return {}

    keys = {}
    for model in models:
        weights = _record(stages, model.stage)["files"][WEIGHTS]["sha256"]
        inputs = slices.digests(evaluation_cases(splits, model))
        keys[model.name] = digest([weights, inputs, settings.model_dump(mode="json"), code])
    items.update(manifest, keys, make, prune=False, folder=manifest.parent)


def _places(wanted: Sequence[str], there: Sequence[str]) -> list[int]:
    return [list(there).index(name) for name in wanted]


def _on_case(probability: np.ndarray, case: Path, settings: Prediction) -> sitk.Image:
    own = sitk.ReadImage(str(image_path(case, settings.channels[0])))
    grid = network_grid(own, settings.slices)
    mask = to_case(probability, grid, own) >= settings.threshold
    return on_grid(mask.astype(np.uint8), own)


def _record(stages: Path, stage: str | None) -> dict:
    return read_json(stages / stage / items.RECORD) if stage else {}
