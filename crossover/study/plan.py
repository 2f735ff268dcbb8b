"""Study -> stages and models: one pure function, so that the whole design can be read before it runs.

A *stage* is one training; a *model* is the last stage of a chain, the thing that is evaluated. A
beginning that several chains share is one stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

from crossover.study.schema import Study
from crossover.study.sections import Changes, Step, Strategy


@dataclass(frozen=True)
class Stage:
    """One training: on which patients, from which weights, from which level on.

    Attributes:
        train: (cohort, n) pairs; n is None for all training patients.
        parent: the stage whose weights it starts from; None starts from random weights.
        level: fine-tune level; None trains the whole network.
        structures: what the network segments, one output each.
        fold: the fold left out of training; None for none.
        fold_cohort: the cohort whose fold is left out, to be tested on; None with a fold: that of every
            cohort, to validate on.
        initial: the kind of weights that a stage without parent begins with.
        cell: architecture and encoder, of a stage of the selection; None for the study's network.
        recipe: what its step of the chain has in place of the study's recipe.
        network: the name of one of the study's other networks; None for its own.
        repeats: how many earlier steps of its chain fine-tuned on the same patients from the same level: with the same
            batches as theirs, it would add nothing to them.
    """

    name: str
    train: tuple[tuple[str, int | None], ...]
    parent: str | None
    level: str | None
    structures: tuple[str, ...]
    replicate: int = 0
    fold: int | None = None
    fold_cohort: str | None = None
    initial: str | None = None
    cell: tuple[str, str] | None = None
    recipe: Changes = ()
    network: str | None = None
    repeats: int = 0


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
        """The names of the stages of other jobs from which its stages begin, sorted."""
        own = {stage.name for stage in self.stages}
        return sorted({s.parent for s in self.stages if s.parent} - own)


@dataclass(frozen=True)
class Plan:
    """All stages and models of a study, and the jobs that make them."""

    stages: dict[str, Stage]
    models: dict[str, Model]
    batches: dict[str, Batch]
    groups: dict[str, tuple[Model, ...]]
    """The models of one family, or of several small ones, that one job predicts with, and one scores."""

    @cached_property  # every job asks
    def selection(self) -> dict[str, Batch]:
        """The batches that train the selection's cells."""
        return {n: b for n, b in self.batches.items() if b.stages[0].cell}

    @cached_property
    def batch_of(self) -> dict[str, str]:
        """The name of the batch that trains each stage, by the stage's name."""
        return {stage.name: name for name, batch in self.batches.items() for stage in batch.stages}

    def families(self) -> dict[str, list[Model]]:
        """Return models by family, in the order of the study file."""
        out: dict[str, list[Model]] = {}
        for model in self.models.values():
            out.setdefault(model.family, []).append(model)
        return out


def plan(study: Study) -> Plan:
    """Derive every stage and model of a study, parents before children."""
    stages: dict[tuple, Stage] = {}  # by what they are, so that shared beginnings meet
    models: dict[str, Model] = {}
    for variant in _variants(study):
        stage: Stage | None = None
        for depth in range(1, len(variant.steps) + 1):
            begun = variant.steps[:depth]
            left_out = (variant.fold, variant.fold_cohort) if variant.leaves_out(begun) else (None, None)
            identity = (begun, variant.initial, variant.replicate, left_out, variant.structures, variant.network)
            if identity not in stages:
                stages[identity] = _stage(variant, begun, *left_out, stage)
            stage = stages[identity]
        assert stage is not None, "a chain has a step or more"
        models[variant.name] = variant.model(stage.name)
    by_name = {stage.name: stage for stage in [*_selection(study), *stages.values()]}
    per_job = study.execution.stages_per_job
    return Plan(by_name, models, _batches(by_name, models, per_job), _groups(study, models, per_job))


def _stage(variant: _Variant, begun: tuple, fold: int | None, fold_cohort: str | None, parent: Stage | None) -> Stage:
    """Return the last of the steps begun, without the fold of a cohort, or of each."""
    train, level, recipe = begun[-1]
    whole = len(begun) == len(variant.steps)
    return Stage(
        name=variant.name if whole else variant.beginning(begun, fold, fold_cohort),
        train=train,
        parent=parent.name if parent else None,
        level=level,
        structures=variant.structures,
        replicate=variant.replicate,
        fold=fold,
        fold_cohort=fold_cohort,
        initial=None if parent else variant.initial,
        recipe=recipe,
        network=variant.network,
        repeats=sum(step[:2] == (train, level) for step in begun[1:-1]),
    )


def _selection(study: Study) -> Iterator[Stage]:
    """Yield a training for each cell and fold."""
    if study.selection is None:
        return
    train = tuple((cohort, None) for cohort in sorted(study.selection.train))
    initial = study.network.initial.weights
    for (architecture, encoder), fold in product(study.selection.cells, range(study.splits.k_fold.k)):
        for structures, apart in _structures(study, study.structures):
            yield Stage(
                "-".join(["cell", architecture, encoder, f"f{fold}", apart]).rstrip("-"),
                train, None, None, structures, fold=fold, initial=initial,
                cell=(architecture, encoder),
            )  # fmt: skip


@dataclass(frozen=True)
class _Variant:
    """A strategy at one level, size, replicate and fold: a chain of (train, level, recipe) steps.

    `apart` is the structure where each has a network of its own, else "". A fold without a cohort is
    that of every cohort.
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
    initial: str
    network: str | None

    def leaves_out(self, begun: tuple) -> bool:
        """Return whether these steps leave the fold out: from the first on that trains on its cohort."""
        return self.fold_cohort is None or any(c == self.fold_cohort for train, *_ in begun for c, _ in train)

    @property
    def family(self) -> str:
        return family_name(self.strategy, self.level)

    @property
    def name(self) -> str:
        parts = [self.family]
        parts += [f"n{self.n}"] if self.n is not None else []
        parts += [f"r{self.replicate}"] if self.replicate else []
        parts += [f"f{self.fold}"] if self.fold is not None else []
        return "-".join([*parts, self.apart]).rstrip("-")

    def beginning(self, steps: tuple, fold: int | None, fold_cohort: str | None) -> str:
        """Return the name of a shared beginning that no model ends on: what it was trained on, step by step."""
        names = [self.network] if self.network else []
        names += [] if self.initial == "random" else [self.initial]
        for train, level, recipe in steps:
            cohorts = "+".join(c if n is None else f"{c}-n{n}" for c, n in train)
            names.append(f"{cohorts}-{level}" if level else cohorts)
            names += [f"{name}_{value}" for name, value in recipe]
        names += [f"r{self.replicate}"] if self.replicate else []
        names += [f"f{fold}"] if fold is not None else []
        names += [fold_cohort] if fold_cohort else []
        names += [self.apart] if self.apart else []
        return "from-" + "-".join(names)

    def model(self, stage: str) -> Model:
        n_train = self.n or 0
        return Model(
            self.name, self.family, self.strategy, self.level, n_train, self.replicate,
            self.fold, self.fold_cohort, stage, self.structures,
        )  # fmt: skip


def _variants(study: Study) -> Iterator[_Variant]:
    """Yield every variant of the study's strategies.

    Strategies without sizes come first, short chains before long: they are what others start from. Otherwise
    the order is by name: the order of a file's keys means nothing.
    """
    order = sorted(study.strategies.items(), key=lambda item: (*early(item[1]), item[0]))
    whole = [None] if not study.folded else range(study.splits.k_fold.k)
    for (name, strategy), replicate in product(order, range(study.splits.replicates.count)):
        sizes = study.sizes if strategy.sized else [None]
        structures = _structures(study, strategy.structures)
        for levels, n, own, fold in product(_levels(strategy), sizes, structures, whole):
            yield _variant(study, name, levels, n, own, replicate, fold)
    for (name, strategy), fold in product(order, range(study.splits.k_fold.k)):
        n = study.sizes[-1] if strategy.sized else None
        for levels, own in product(_levels(strategy), _structures(study, strategy.structures)):
            variant = _variant(study, name, levels, n, own, 0, fold)
            if variant.family in study.splits.k_fold.of:
                yield variant


def early(strategy: Strategy) -> tuple[bool, int]:
    """Return the key that sorts strategies: those without sizes first, then the short chains."""
    return strategy.sized, 0 if strategy.sized else len(strategy.chain)


def levels_of(strategy: Strategy) -> Iterator[str | None]:
    """Yield the levels at which a strategy is tried, by name; None where it has none."""
    return (_named(each) for each in _levels(strategy))


def family_name(strategy: str, level: str | None) -> str:
    """Return the name of a strategy's family at a level: "transfer-L1", or the strategy's without one."""
    return f"{strategy}-{level}" if level else strategy


def _named(levels: tuple[str | None, ...]) -> str | None:
    return "-".join(level for level in levels if level) or None


def _levels(strategy: Strategy) -> Iterator[tuple[str | None, ...]]:
    none: list[str | None] = [None]
    return product(*[step.levels or none for step in strategy.chain])


def _structures(study: Study, wanted: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return what each network segments, and the structure's name where each has a network of its own."""
    names = sorted(wanted or study.structures)
    return [((name,), name) for name in names] if study.network.per_structure else [(tuple(names), "")]


def _variant(
    study: Study, name: str, levels: tuple, n: int | None, own: tuple[tuple[str, ...], str],
    replicate: int, fold: int | None = None,
) -> _Variant:  # fmt: skip
    chain, network = study.strategies[name].chain, study.strategies[name].network
    steps = tuple((_train(step, n), level, step.recipe.changes) for step, level in zip(chain, levels, strict=True))
    left_out = fold is not None and not study.folded
    fold_cohort = _counted(chain[-1]) if left_out else None
    initial = chain[0].initial or study.network_of(network).initial.weights
    return _Variant(name, _named(levels), n, replicate, fold, fold_cohort, steps, *own, initial, network)


def _train(step: Step, n: int | None) -> tuple[tuple[str, int | None], ...]:
    """Return the cohorts of a step, sorted, so that the order in which a file names them means nothing."""
    return tuple((cohort, n if size == "n" else None) for cohort, size in sorted(step.train.items()))


def _counted(step: Step) -> str:
    """Return the cohort whose folds are left out: the one with sizes, else the first."""
    return next((c for c, size in step.train.items() if size == "n"), next(iter(step.train)))


def _batches(stages: dict[str, Stage], models: dict[str, Model], per_job: int) -> dict[str, Batch]:
    """Group stages by the family of the model that they end, or their cell; a shared beginning is by itself.

    Small groups that wait for nothing of each other share a job; so do all stages of a network where one job
    holds them.
    """
    family = {model.stage: model.family for model in models.values()}
    groups: dict[str, list[Stage]] = {}
    for stage in stages.values():
        alone = "-".join(("cell", *stage.cell)) if stage.cell else stage.name
        groups.setdefault(family.get(stage.name, alone), []).append(stage)
    awaited = {stage.parent for stage in stages.values()}
    place = {stage.name: i for i, stage in enumerate(stages.values())}  # parents before children
    of_network = Counter((stage.cell, stage.network) for stage in stages.values())

    def kind(members: list[Stage]) -> tuple:
        """Return what groups that share a job have in common.

        It is the network; for those of more than one job also how many jobs they wait for, and whether any waits for
        them.
        """
        network = members[0].cell, members[0].network
        if of_network[network] <= per_job:
            return (network,)
        waited_for = any(stage.name in awaited for stage in members)
        return network, _depth(members[0], stages), waited_for, members[0].structures

    batches = {}
    for name, members in _merged(groups, per_job, kind).items():
        jobs = -(-len(members) // per_job)
        members = sorted(members, key=lambda stage: place[stage.name])
        cuts = [round(i * len(members) / jobs) for i in range(jobs + 1)]  # jobs of like size
        chunks = [members[i:j] for i, j in pairwise(cuts)]
        for i, chunk in enumerate(chunks, start=1):
            label = chunk[0].name if per_job == 1 else f"{name}.b{i}"
            batches[label] = Batch(label, tuple(chunk))
    return batches


def _groups(study: Study, models: dict[str, Model], per_job: int) -> dict[str, tuple[Model, ...]]:
    families: dict[str, list[Model]] = {}
    for model in models.values():
        families.setdefault(model.family, []).append(model)

    def kind(members: list[Model]) -> tuple:
        return members[0].structures, study.strategies[members[0].strategy].network

    groups = _merged(families, per_job, kind)
    return {name: tuple(members) for name, members in groups.items()}


def _depth(stage: Stage, stages: dict[str, Stage]) -> int:
    return 0 if stage.parent is None else 1 + _depth(stages[stage.parent], stages)


def _merged(groups: Mapping[str, list], most: int, kind: Callable[[list], Hashable]) -> dict[str, list]:
    """Join groups of one kind, in order, while they hold `most` members or fewer together."""
    joined: list[tuple[Hashable, list[str], list]] = []
    for name, members in groups.items():
        own = kind(members)
        room = (j for j in joined if j[0] == own and len(j[2]) + len(members) <= most)
        into = next(room, None)
        if into:
            into[1].append(name)
            into[2].extend(members)
        else:
            joined.append((own, [name], list(members)))
    return {names[0] if len(names) == 1 else f"{names[0]}..{names[-1]}": members for _, names, members in joined}
