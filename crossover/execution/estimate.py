"""How long a study's training will take, before anything runs: its steps times measured seconds a step.

The seconds are those of `config/step_times.csv`, measured by `benchmarks/step_times.py` and, on a GPU, by
`benchmarks/gpu.py`: of the published networks at the published size, on one machine. Another is slower or
faster by a factor.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import pandas as pd

from crossover.core.files import read_json
from crossover.core.paths import ROOT
from crossover.core.written_tables import read_written
from crossover.sources.settings import Phantom
from crossover.study import backends
from crossover.study.config import SCALES
from crossover.study.families import baseline, families, fine_tuned
from crossover.study.plan import Model, Plan, Stage
from crossover.study.schema import Study
from crossover.study.sections import Cohort, Recipe
from crossover.study.splits import tested_patients
from crossover.study.suggested import FEWEST_SIZES
from crossover.training.devices import gpus

TIMES = ROOT / "config/step_times.csv"
CPU = "CPU"
"""The device of times that were measured without a GPU."""


class Estimate(NamedTuple):
    """What a study's training takes."""

    study: str
    stages: int
    models: int
    steps: float | None
    """The steps of all trainings; None where the patients or slices of a cohort aren't known."""
    hours: float | None
    """The hours of all trainings; None also where a network was not timed."""
    untimed: list[str]
    """Architecture, encoder and level of what was not timed."""


def read_times() -> pd.DataFrame:
    """Read the measured times: study, scale, architecture, encoder, level, device, seconds of a step, and more."""
    return pd.read_csv(TIMES, dtype={"encoder": str, "level": str})


def estimate(
    study: Study,
    plan: Plan,
    times: pd.DataFrame,
    data: Path = Path("data"),
    gpu: bool | None = None,
) -> Estimate:
    """Return numbers of a study's stages, models and steps, and the hours of its training.

    Validation, reading and starting are not counted. A network that is yet to be selected counts as the mean
    of its cells.

    Args:
        study, plan: the study and its plan.
        times: study, scale, architecture, encoder, level, seconds: of a step.
        data: where slices are counted, if they are there; else the cohorts' `slices_per_patient` are taken.
        gpu: see `step_seconds`.
    """
    steps = {name: stage_steps(stage, study, data) for name, stage in plan.stages.items()}
    seconds = step_seconds(study, times, gpu)
    of_stages = {name: kinds(stage, study) for name, stage in plan.stages.items()}
    needed = {kind for own in of_stages.values() for kind in own}
    untimed = sorted(" ".join(filter(None, kind)) for kind in needed - set(seconds))
    total = total_of(steps.values())
    hours = None
    if total is not None and not untimed:
        each = {name: mean(seconds[kind] for kind in own) for name, own in of_stages.items()}
        hours = sum(n * each[name] for name, n in steps.items() if n is not None) / 3600
    return Estimate(study.study, len(plan.stages), len(plan.models), total, hours, untimed)


class Cut(NamedTuple):
    """A change of a study that makes its training shorter."""

    key: str
    """The key of the study's file; of a strategy, its name and the keys from which it is removed."""
    value: str
    """Its new value, as YAML; "" of strategies."""
    keeps: Callable[[Model], bool] = lambda model: True
    """Whether a model stays."""
    recipe: Recipe | None = None
    """The recipe with the change, where it is one of the recipe."""


def savings(study: Study, own: Plan, times: pd.DataFrame) -> dict[str, float]:
    """Return changes of a study's file that make its training shorter, each with the share of the hours that it saves.

    No cut leaves fewer than four sizes, of which learning curves are continued, or two draws, without which no
    crossover can be told, or takes the strategies away whose comparison is the study's question; of the other
    strategies it is the one that saves most. There is none where the hours are not known.

    Args:
        study: the study at its scale.
        own: its plan.
        times: as `estimate` takes them, without a GPU.
    """
    whole = estimate(study, own, times, gpu=False).hours
    if not whole:
        return {}
    hours = [(cut, _hours_of(study, own, [cut], times)) for cut in _cuts(study, own)]
    known = [(cut, left) for cut, left in hours if left is not None and left < whole]
    best = min(((cut, left) for cut, left in known if not cut.value), key=lambda one: one[1], default=(None, 0.0))[0]
    at = "" if study.scale == SCALES[-1] else f"scales.{study.scale}."
    return {
        f"`{at}{cut.key}: {cut.value}`" if cut.value else f"removing {cut.key}": 1 - left / whole
        for cut, left in known
        if cut.value or cut is best
    }


def within(study: Study, own: Plan, times: pd.DataFrame, hours: float) -> tuple[list[Cut], float] | None:
    """Return cuts with which the trainings take no longer, those that cost the answer least first, and their hours.

    The cuts are those of `savings`, any number of strategies among them, and a quarter of the steps.

    Args:
        study, own, times: as of `savings`.
        hours: that all trainings may take, one after the other.

    Returns:
        None where all cuts together don't do, or the hours are not known.
    """
    left, taken = estimate(study, own, times, gpu=False).hours, list[Cut]()
    cuts = _cuts(study, own)
    for cut in [*cuts, *(_with_half(cut.recipe) for cut in cuts if cut.recipe)]:
        shorter = _hours_of(study, own, [*taken, cut], times)
        if left is None or shorter is None:
            return None
        if shorter < left:
            taken, left = [*(old for old in taken if old.key != cut.key), cut], shorter
        if left <= hours:
            return _fewer(study, own, times, hours, taken, left)
    return None


def _fewer(
    study: Study, own: Plan, times: pd.DataFrame, hours: float, taken: list[Cut], left: float
) -> tuple[list[Cut], float]:
    """Return the cuts without those strategies that need not go, and the hours that are left; see `within`."""
    for cut in [cut for cut in reversed(taken) if not cut.value]:
        rest = [other for other in taken if other is not cut]
        more = _hours_of(study, own, rest, times)
        if more is not None and more <= hours:
            taken, left = rest, more
    return taken, left


def _cuts(study: Study, own: Plan) -> list[Cut]:
    """Return what can be cut, each by itself; what costs the answer least stands first."""
    cuts, fewer = [], study.splits.replicates.draws - 1
    if fewer >= 2:
        cuts.append(Cut("splits.replicates.draws", str(fewer), partial(_of_draws, study, fewer)))
    if len(study.sizes) > FEWEST_SIZES:
        gone = study.sizes[-2]
        cuts.append(Cut("sizes", str([n for n in study.sizes if n != gone]), lambda model: model.n_train != gone))
    cuts.append(_with_half(study.recipe))
    asked = {families(study)[f].strategy for f in (baseline(study), fine_tuned(study)) if f}
    for name in (name for name in reversed(study.strategies) if name not in asked):
        overlays = study.figures.overlays
        named = {family.name for family in families(study).values() if family.strategy == name}
        shown = {"figures.order": study.figures.order, "figures.colours": study.figures.colours}
        shown |= {"figures.overlays.strategies": overlays.strategies if overlays else []}
        where = " and ".join(
            ["strategies", *(key for key, names in shown.items() if named & {*names} or name in names)]
        )
        cuts.append(Cut(f"{name} from {where}", "", partial(_of_another, name)))
    return cuts


def _of_draws(study: Study, draws: int, model: Model) -> bool:
    return study.splits.replicates.draw(model.replicate) < draws


def _of_another(strategy: str, model: Model) -> bool:
    return model.strategy != strategy


def _with_half(recipe: Recipe) -> Cut:
    key, value, shorter = _half_of_the_steps(recipe)
    return Cut(f"recipe.{key}", str(value), recipe=shorter)


def _half_of_the_steps(recipe: Recipe) -> tuple[str, object, Recipe]:
    """Return the key of a recipe that halves its steps, its new value, and the recipe with it."""
    if recipe.steps and recipe.steps[0] == recipe.steps[1]:
        half = (recipe.steps[0] // 2, recipe.steps[1] // 2)
        return "steps", [*half], recipe.model_copy(update={"steps": half})
    return "epochs", recipe.epochs / 2, recipe.model_copy(update={"epochs": recipe.epochs / 2})


def _hours_of(study: Study, own: Plan, cuts: Sequence[Cut], times: pd.DataFrame) -> float | None:
    """Return the hours of the trainings that are left with some cuts, those of the selection included."""
    needed = {name for name, stage in own.stages.items() if stage.cell}
    for model in (m for m in own.models.values() if all(cut.keeps(m) for cut in cuts)):
        name: str | None = model.stage
        while name and name not in needed:
            needed.add(name)
            name = own.stages[name].parent
    stages = {name: stage for name, stage in own.stages.items() if name in needed}
    recipe = [study.recipe, *(cut.recipe for cut in cuts if cut.recipe)][-1]
    shorter = study.model_copy(update={"recipe": recipe})
    return estimate(shorter, replace(own, stages=stages), times, gpu=False).hours


def total_of(numbers: Iterable[float | None]) -> float | None:
    """Return the sum, or None where one of the numbers is not known."""
    known = list(numbers)
    there = [number for number in known if number is not None]
    return sum(there) if len(there) == len(known) else None


def step_seconds(study: Study, times: pd.DataFrame, gpu: bool | None = None) -> dict[tuple[str, str, str], float]:
    """Return architecture, encoder and level -> seconds of a step, as measured for a study at its scale.

    Args:
        gpu: on a GPU, or without one; None for whether this machine has one.
    """
    own = times[(times["study"] == study.study) & (times["scale"] == study.scale)]
    own = own[(own["device"] != CPU) == (bool(gpus()) if gpu is None else gpu)]
    return {(row.architecture, row.encoder, row.level): row.seconds for row in own.fillna("").itertuples()}


def costs_of_step(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the seconds of a training's step follow from: the network, what it sees at once, and the channels.

    Args:
        settings: of a job that trains, as its record has them.
    """
    own = settings["settings"]
    network = {**own["network"], "trainer": {**(own["network"].get("trainer") or {}), "num_epochs": None}}
    batch = own.get("recipe", {}).get("batch")
    return {"network": network, "size": own.get("size"), "channels": own["channels"], "batch": batch}


def stage_steps(stage: Stage, study: Study, data: Path = Path("data")) -> int | None:
    """Return optimisation steps of a stage, from the recipe and about how many slices it trains on."""
    network = study.network_of(stage.network)
    if (known := backends.backend_of(network).steps(network)) is not None:
        return known
    recipe, slices = study.recipe, 0.0
    if recipe.steps and recipe.steps[0] == recipe.steps[1]:
        return recipe.steps[0]
    if backends.backend_of(network).reads != "slices":
        return None  # an epoch of patches follows from the volumes
    for cohort, n in stage.train:
        each = slices_per_patient(study, cohort, data)
        patients = n or training_patients(study.cohorts[cohort], data / "cases" / cohort)
        if each is None or patients is None:
            return None
        held = study.splits.k_fold.k if stage.fold is not None else None
        held = held or max(2, round(1 / float(study.splits.validation)))
        slices += each * patients * (1 - 1 / held)
    drawn = recipe.augmentation.drawn
    versions = 1 if drawn else 1 + len(recipe.augmentation.rotations_deg) + recipe.augmentation.flip
    epoch = max(1, round(slices * (1 + recipe.background_slices) * versions / recipe.batch))
    low, high = recipe.steps or (1, 10**12)
    return min(max(round(recipe.epochs * epoch), low), high)


def training_patients(cohort: Cohort, cases: Path) -> int | None:
    """Count patients not held out for testing; of cohorts that are not read yet, only phantoms' numbers are known."""
    patients = cohort.source.patients if isinstance(cohort.source, Phantom) else None
    if (cases / "patients.csv").exists():
        patients = read_written(cases / "patients.csv")["patient"].nunique()
    if patients is None:
        return None
    return patients - tested_patients(cohort.test, patients)


def slices_per_patient(study: Study, cohort: str, data: Path) -> float | None:
    """Return slices with the structure per patient: as counted where there are slices, else as the study says."""
    manifest = data / "slices" / study.study / cohort / "manifest.json"
    if manifest.exists():
        counts = [item["with_structure"] for item in read_json(manifest)["items"].values()]
        if counts:
            return sum(counts) / len(counts)
    return study.cohorts[cohort].slices_per_patient


def kinds(stage: Stage, study: Study) -> list[tuple[str, str, str]]:
    """Return architecture, encoder and level of a stage, as the times name them; of all that may be selected."""
    return [(*cell, stage.level or "") for cell in study.cells_of(stage.cell, stage.network)]


def estimates_text(studies: dict[str, Study], plans: dict[str, Plan]) -> str:
    """Return the estimates of a run's studies as text, a line each, with what is missing from them."""
    times = read_times()
    lines = ["Training, one after the other (hours: steps x seconds measured a step, see config/step_times.csv):"]
    for name, study in studies.items():
        about = estimate(study, plans[name], times, gpu=False)
        steps = "unknown" if about.steps is None else f"{about.steps:,}"
        hours = "" if about.hours is None else f", about {about.hours:,.1f} h"
        on_gpu = estimate(study, plans[name], times, gpu=True).hours
        if hours and on_gpu is not None:
            hours += f" ({on_gpu:,.1f} h on one {_gpu(study, times)})"
        without = f"; no step times of {', '.join(about.untimed)}" if about.untimed else ""
        lines.append(
            f"  {name} ({study.scale}): {about.stages} trainings, {about.models} models, {steps} steps{hours}{without}"
        )
    return "\n".join(lines)


def _gpu(study: Study, times: pd.DataFrame) -> str:
    """Return the GPU that a study's times are of; with the engine, where that is not the study's."""
    own = times[(times["study"] == study.study) & (times["device"] != CPU)].iloc[0]
    by = "" if own["engine"] == study.network.engine else f" by the engine {own['engine']}"
    return own["device"] + by
