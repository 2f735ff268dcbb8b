"""Study -> stages and models: one pure function, so that the whole design can be read before it runs.

A *stage* is one training; a *model* is the last stage of a chain, the thing that is evaluated. A
beginning that several chains share is one stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from crossover.study import Step, Strategy, Study


@dataclass(frozen=True)
class Stage:
    """One training: on which patients, from which weights, from which level on.

    Attributes:
        train: (cohort, n) pairs; n is None for all training patients.
        parent: the stage whose weights it starts from; None starts from random weights.
        level: fine-tune level; None trains the whole network.
        structures: what the network segments, one output each.
        fold: the fold of `fold_cohort` left out of training; None for none.
    """

    name: str
    train: tuple[tuple[str, int | None], ...]
    parent: str | None
    level: str | None
    structures: tuple[str, ...]
    replicate: int = 0
    fold: int | None = None
    fold_cohort: str | None = None


@dataclass(frozen=True)
class Model:
    """What is evaluated: a strategy at a level and size, made by a stage.

    `n_train` is the size that the chain's steps of "n" patients had, 0 where it has no such step.
    `family` is the strategy with its level; the models of one family segment one structure each where
    the study has a network for each.
    """

    name: str
    family: str
    strategy: str
    level: str | None
    n_train: int
    replicate: int
    fold: int | None
    fold_cohort: str | None
    stage: str
    structures: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Stages of one family that one job trains one after the other, sharing start-up and traces."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def parents(self) -> list[str]:
        own = {stage.name for stage in self.stages}
        return sorted({s.parent for s in self.stages if s.parent} - own)


@dataclass(frozen=True)
class Plan:
    stages: dict[str, Stage]
    models: dict[str, Model]
    batches: dict[str, Batch]

    def batch_of(self, stage: str) -> str:
        return next(b.name for b in self.batches.values() if stage in {s.name for s in b.stages})

    def families(self) -> dict[str, list[Model]]:
        """Models by family, in the order of the study file."""
        out: dict[str, list[Model]] = {}
        for model in self.models.values():
            out.setdefault(model.family, []).append(model)
        return out


def plan(study: Study) -> Plan:
    """Derive every stage and model of a study, parents before children."""
    stages: dict[tuple, Stage] = {}  # by what they are, so that shared beginnings meet
    models: dict[str, Model] = {}
    for variant in _variants(study):
        stage = None
        for depth, step in enumerate(variant.steps, start=1):
            last = depth == len(variant.steps)
            begun = variant.steps[:depth]
            # a fold stays left out from the first step that trains on its cohort
            left_out = any(c == variant.fold_cohort for train, _ in begun for c, _ in train)
            fold = variant.fold if left_out else None
            identity = (begun, variant.replicate, fold, variant.structures)
            if identity not in stages:
                name = variant.name if last else variant.beginning(begun, fold)
                train, level = step
                parent = stage.name if stage else None
                cohort = variant.fold_cohort if left_out else None
                stages[identity] = Stage(
                    name, train, parent, level, variant.structures, variant.replicate, fold, cohort
                )
            stage = stages[identity]
        models[variant.name] = variant.model(stage.name)
    by_name = {stage.name: stage for stage in stages.values()}
    return Plan(by_name, models, _batches(by_name, models, study.execution.stages_per_job))


@dataclass(frozen=True)
class _Variant:
    """A strategy at one level, size, replicate and fold: a chain of (train, level) steps.

    `apart` is the structure where each has a network of its own, else "".
    """

    strategy: str
    level: str | None
    n: int | None
    replicate: int
    fold: int | None
    fold_cohort: str | None
    steps: tuple
    structures: tuple[str, ...]
    apart: str

    @property
    def family(self) -> str:
        return f"{self.strategy}-{self.level}" if self.level else self.strategy

    @property
    def name(self) -> str:
        parts = [self.family]
        parts += [f"n{self.n}"] if self.n is not None else []
        parts += [f"r{self.replicate}"] if self.replicate else []
        parts += [f"f{self.fold}"] if self.fold is not None else []
        return "-".join([*parts, self.apart]).rstrip("-")

    def beginning(self, steps: tuple, fold: int | None) -> str:
        """The name of a shared beginning that no model ends on: what it was trained on, step by step."""
        names = []
        for train, level in steps:
            cohorts = "+".join(c if n is None else f"{c}-n{n}" for c, n in train)
            names.append(f"{cohorts}-{level}" if level else cohorts)
        names += [f"r{self.replicate}"] if self.replicate else []
        names += [f"f{fold}"] if fold is not None else []
        names += [self.apart] if self.apart else []
        return "from-" + "-".join(names)

    def model(self, stage: str) -> Model:
        n_train = self.n or 0
        return Model(
            self.name, self.family, self.strategy, self.level, n_train, self.replicate,
            self.fold, self.fold_cohort, stage, self.structures,
        )  # fmt: skip


def _variants(study: Study) -> Iterator[_Variant]:
    """Strategies without sizes come first: they are what others start from."""
    strategies = sorted(study.strategies.items(), key=lambda item: item[1].sized)
    for (name, strategy), replicate in product(strategies, range(study.splits.replicates)):
        sizes = study.sizes if strategy.sized else [None]
        for levels, n, own in product(_levels(strategy), sizes, _structures(study, strategy)):
            yield _variant(name, strategy, levels, n, own, replicate)
    for (name, strategy), fold in product(strategies, range(study.splits.k_fold.k)):
        n = study.sizes[-1] if strategy.sized else None
        for levels, own in product(_levels(strategy), _structures(study, strategy)):
            variant = _variant(name, strategy, levels, n, own, 0, fold)
            if variant.family in study.splits.k_fold.of:
                yield variant


def _levels(strategy: Strategy) -> Iterator[tuple[str | None, ...]]:
    return product(*[step.levels or [None] for step in strategy.chain])


def _structures(study: Study, strategy: Strategy) -> list[tuple[tuple[str, ...], str]]:
    """What each network segments, and the structure's name where each has a network of its own."""
    names = sorted(strategy.structures or study.structures)
    return (
        [((name,), name) for name in names] if study.network.per_structure else [(tuple(names), "")]
    )


def _variant(
    name: str, strategy: Strategy, levels: tuple, n: int | None, own: tuple[tuple[str, ...], str],
    replicate: int, fold: int | None = None,
) -> _Variant:  # fmt: skip
    steps = tuple(
        (_train(step, n), level) for step, level in zip(strategy.chain, levels, strict=True)
    )
    named = "-".join(level for level in levels if level) or None
    fold_cohort = _counted(strategy.chain[-1]) if fold is not None else None
    return _Variant(name, named, n, replicate, fold, fold_cohort, steps, *own)


def _train(step: Step, n: int | None) -> tuple[tuple[str, int | None], ...]:
    """Sorted, so that the order in which a file names the cohorts means nothing."""
    return tuple(
        (cohort, n if size == "n" else None) for cohort, size in sorted(step.train.items())
    )


def _counted(step: Step) -> str:
    """The cohort whose folds are left out: the one with sizes, else the first."""
    return next((c for c, size in step.train.items() if size == "n"), next(iter(step.train)))


def _batches(stages: dict[str, Stage], models: dict[str, Model], per_job: int) -> dict[str, Batch]:
    """Stages by the family of the model that they end, a shared beginning by itself."""
    family = {model.stage: model.family for model in models.values()}
    groups: dict[str, list[Stage]] = {}
    for stage in stages.values():
        groups.setdefault(family.get(stage.name, stage.name), []).append(stage)
    batches = {}
    for name, members in groups.items():
        jobs = -(-len(members) // per_job)
        cuts = [round(i * len(members) / jobs) for i in range(jobs + 1)]  # jobs of like size
        chunks = [members[i:j] for i, j in pairwise(cuts)]
        for i, chunk in enumerate(chunks, start=1):
            label = chunk[0].name if per_job == 1 else f"{name}.b{i}"
            batches[label] = Batch(label, tuple(chunk))
    return batches
