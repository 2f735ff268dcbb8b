"""What is wrong with a study as a whole: keys that are each right but don't fit together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import TYPE_CHECKING

from crossover import networks
from crossover.core.file_names import equal_ignoring_case
from crossover.core.paired_names import pairs_of
from crossover.study import backends
from crossover.study.sections import (
    MOST_ROWS,
    SELECTED,
    Network,
    Overlays,
    Strategy,
)

if TYPE_CHECKING:
    from crossover.study.schema import Study


def findings(study: Study) -> Iterator[str]:
    """Yield what is inconsistent in a study, each finding with its place and what is valid."""
    for place in ("cohorts", "channels", "structures", "strategies"):
        for names in equal_ignoring_case(getattr(study, place)):
            yield f"{place}: {', '.join(names)} differ only in case, but are used in file names: rename all but one"
    yield from _about_labels(study)
    yield from _about_attributes(study)
    yield from _about_design(study)
    yield from _about_channels(study)
    yield from _about_network(study)
    yield from _about_sides(study)
    yield from _about_figures(study)
    yield from _about_evaluation(study)


def _about_labels(study: Study) -> Iterator[str]:
    """Yield the labels that several things have: tables tell them apart by labels, and would show one of them only."""
    yield from _equal({f"cohorts.{name}": {cohort.label} for name, cohort in study.cohorts.items()})
    yield from _equal({f"structures.{name}": {structure.label} for name, structure in study.structures.items()})
    strategies = study.strategies.items()
    yield from _equal({f"strategies.{n}": {s.label_at(level) for level in _levels_of(s)} for n, s in strategies})


def _equal(labels: Mapping[str, set[str]]) -> Iterator[str]:
    for (first, own), (second, other) in combinations(labels.items(), 2):
        if both := ", ".join(map(repr, sorted(own & other))):
            of_both = f"{first}.label and {second}.label are both {both}"
            yield f"{of_both}: labels must differ, because tables and figures identify them by label"


def _about_evaluation(study: Study) -> Iterator[str]:
    of = study.evaluation.nsd_tolerance_mm
    if isinstance(of, dict) and set(of) != set(study.structures):
        yield f"evaluation.nsd_tolerance_mm: give one for each structure: {', '.join(study.structures)}"


def _about_attributes(study: Study) -> Iterator[str]:
    names = [attribute.name for attribute in study.attributes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"attributes: {name!r} occurs twice"
    for cohort, about in study.cohorts.items():
        for name in sorted(set(about.attributes) - set(names)):
            there = f"there are {', '.join(names)}" if names else "the study has no `attributes:`"
            yield f"cohorts.{cohort}.attributes: no attribute {name!r}; {there}"
    for name in names:
        if len({isinstance(value, str) for value in study.of_cohorts(name).values()}) > 1:
            yield f"attributes: {name!r} is a number in some cohorts and text in others: give one kind of value in all"


def _about_design(study: Study) -> Iterator[str]:
    targets = {c for c, cohort in study.cohorts.items() if cohort.role == "target"}
    if not targets or (len(targets) > 1 and study.sizes):
        yield "cohorts: exactly one must have role: target (several are possible only in a study without sizes)"
    for name in sorted(targets):
        if not study.cohorts[name].test:
            yield f"cohorts.{name}.test: a target needs test patients: give a share or number of them"
    yield from _about_sizes(study, targets)
    for name, strategy in study.strategies.items():
        for cohort in {c for step in strategy.chain for c in step.train} - set(study.cohorts):
            yield f"strategies.{name}: no cohort {cohort!r}; there are {', '.join(study.cohorts)}"
        for structure in set(strategy.structures) - set(study.structures):
            there = ", ".join(study.structures)
            yield f"strategies.{name}: no structure {structure!r}; there are {there}"
        if strategy.structures and not study.network.per_structure:
            yield f"strategies.{name}: structures need network.per_structure: true"
        if any(step.initial for step in strategy.chain[1:]):
            yield f"strategies.{name}: initial: only the first step of a chain has initial weights; remove it elsewhere"
    if all(strategy.structures for strategy in study.strategies.values()):
        yield "strategies: each names structures: leave `structures` out of those whose comparison is the main question"
    yield from _unknown_families(study, "splits.k_fold.of", study.splits.k_fold.of)
    if study.folded and study.splits.k_fold.of:
        yield "splits.k_fold.of: remove it: with validation: fold, every family is trained on all folds"


def _about_sizes(study: Study, targets: set[str]) -> Iterator[str]:
    sized = any(strategy.sized for strategy in study.strategies.values())
    rising = study.sizes and sorted(set(study.sizes)) == study.sizes and study.sizes[0] >= 2
    if (sized or study.sizes) and not rising:
        need = "must increase from 2 or more (one to train on, one to validate)"
        yield f"sizes: {study.sizes} {need}"
    k = study.splits.k_fold.k
    if study.folded and study.sizes and study.sizes[0] < k:
        yield f"sizes: {study.sizes[0]} patients leave folds empty; with validation: fold, give {k} or more"
    for name, strategy in study.strategies.items():
        on_target = any(targets & set(step.train) for step in strategy.chain)
        if study.sizes and not strategy.sized and on_target:
            must = "a step that trains on the target must use n patients (train: {COHORT: n})"
            yield f"strategies.{name}: the study has sizes, so {must}"


def _about_channels(study: Study) -> Iterator[str]:
    bias = study.preparation.bias_field
    used = {
        "preparation.bias_field.apply_to": bias.apply_to,
        "preparation.bias_field.estimate_on": [bias.estimate_on] if bias.method == "n4" else [],
        "series": study.series,
        "radiomics.channel": [study.radiomics.channel] if study.radiomics else [],
        "figures.overlays.channels": study.figures.overlays.channels if study.figures.overlays else [],
    }
    for place, channels in used.items():
        for channel in sorted(set(channels) - set(study.channels)):
            yield f"{place}: no channel {channel!r}; there are {', '.join(study.channels)}"


def _about_network(study: Study) -> Iterator[str]:
    yield from _about_other_networks(study)
    if (study.network.architecture == SELECTED) != (study.selection is not None):
        yield f"network.architecture: {SELECTED!r} and the key `selection` require each other: give both or neither"
        return
    if study.selection is None:
        yield from _about_one_network(study, None, study.network)
        return
    for cohort in sorted(set(study.selection.train) - set(study.cohorts)):
        yield f"selection.train: no cohort {cohort!r}; there are {', '.join(study.cohorts)}"
    if not study.folded:
        yield "selection: a selection needs cross-validation: set splits.validation: fold"
    for architecture, encoder in study.selection.cells:
        yield from _about_one_network(study, None, study.network.cell(architecture, encoder))


def _about_other_networks(study: Study) -> Iterator[str]:
    named = {strategy.network for strategy in study.strategies.values()} - {None}
    for name, strategy in study.strategies.items():
        if strategy.network is not None and strategy.network not in study.other_networks:
            there = ", ".join(study.other_networks) or "none"
            yield f"strategies.{name}.network: no {strategy.network!r} in other_networks; there are: {there}"
    for name, network in study.other_networks.items():
        if name not in named:
            yield f"other_networks.{name}: no strategy uses it: remove it, or name it as a strategy's network"
        if network.per_structure != study.network.per_structure:
            yield f"other_networks.{name}.per_structure: must be the same as in network"
        if "imagenet" in study.initials_of(name):
            yield f"other_networks.{name}.initial: only the study's own network can begin with ImageNet weights"
        if network.architecture == SELECTED:
            yield f"other_networks.{name}.architecture: {SELECTED!r} is for the study's own network"
        elif named <= set(study.other_networks):
            own = (f"other_networks.{name}.{wrong}" for wrong in _about_one_network(study, name, network))
            yield from (wrong.replace(f"{name}.network.", f"{name}.") for wrong in own)


def _about_one_network(study: Study, called: str | None, network: Network) -> Iterator[str]:
    found = list(backends.backend_of(network).findings(study, network))
    yield from found
    name = network.architecture
    if any(wrong.startswith("network.architecture") for wrong in found):
        return
    known = networks.declared(name).levels
    own = {n: s for n, s in study.strategies.items() if s.network == called}
    for strategy, level in ((n, v) for n, s in own.items() for v in s.levels):
        if level not in known:
            yield f"strategies.{strategy}: no level {level!r}; {name} has {', '.join(known)}"
    yield from _frozen_at_random(own, network)
    initials = study.initials_of(called)
    if ("model" in initials) != (network.initial.file is not None):
        yield "network.initial.file: initial weights `model` need a file, which needs them, too: give both or neither"
    begun = {name: each.chain[0].initial for name, each in study.strategies.items() if each.network == called}
    if network.initial.weights != "random" and network.initial.weights in begun.values():
        for name in (name for name, initial in begun.items() if initial is None):
            yield (
                f"strategies.{name}: other strategies state `initial: {network.initial.weights}`; in the first step of "
                f"this one, too, write `initial: {network.initial.weights}` (its value now) or `initial: random`"
            )
    if "imagenet" in initials and "encoder" not in network.settings:
        yield f"network.initial: {name} has no encoder with ImageNet weights"


def _about_sides(study: Study) -> Iterator[str]:
    """Yield where mirror images would train the right one of a pair as the left one."""
    pair = next((f"{left} and {right}" for left, right in pairs_of(study.structures).items()), None)
    sagittal = any(rule.plane == "sagittal" for rule in study.series.values())
    if pair is None or sagittal:
        return
    every = {"network": study.network} | {f"other_networks.{name}": n for name, n in study.other_networks.items()}
    mirrored = (backends.backend_of(n).mirrored(study, place, n, pair) for place, n in every.items())
    yield from dict.fromkeys(finding for finding in mirrored if finding)


def _frozen_at_random(own: Mapping[str, Strategy], network: Network) -> Iterator[str]:
    """Yield the first steps of a network's strategies that would freeze parts which nothing has trained."""
    declared = networks.declared(network.architecture)
    trained = {"random": set[str](), "imagenet": {"encoder"}, "model": set(declared.parts)}
    for name, first in ((name, strategy.chain[0]) for name, strategy in own.items()):
        initial = first.initial or network.initial.weights
        for level in (level for level in first.levels if level in declared.levels):
            frozen = [part for part in declared.frozen(level) if part not in trained[initial]]
            if frozen:
                yield (
                    f"strategies.{name}: levels: {level} of its first step freezes {', '.join(frozen)}, which begins "
                    f"at random with `initial: {initial}`: remove `levels` there, or begin with trained weights "
                    "(network.initial)"
                )


def _about_figures(study: Study) -> Iterator[str]:
    yield from _unknown_families(study, "figures.colours", study.figures.colours)
    for name in sorted(set(study.figures.order) - set(study.strategies)):
        yield f"figures.order: no strategy {name!r}; there are {', '.join(study.strategies)}"
    for name in sorted(set(study.figures.structures) - set(study.structures)):
        yield f"figures.structures: no structure {name!r}; there are {', '.join(study.structures)}"
    if overlays := study.figures.overlays:
        yield from _unknown_families(study, "figures.overlays.strategies", overlays.strategies)
        for size in set(overlays.sizes) - set(study.sizes):
            yield f"figures.overlays.sizes: no size {size}; there are {study.sizes}"
        yield from _about_overlaid(study, overlays)


def _about_overlaid(study: Study, overlays: Overlays) -> Iterator[str]:
    place = "figures.overlays.structures"
    if overlays.window and len(overlays.channels) > 1:
        yield "figures.overlays.window: a window applies to one channel, but several are shown; remove it"
    if len(set(overlays.structures)) < len(overlays.structures):
        yield f"{place}: {overlays.structures} names a structure twice"
    if len(study.overlaid) * len(overlays.sizes) > MOST_ROWS:
        rows = f"{len(study.overlaid)} structures at {len(overlays.sizes)} sizes"
        yield f"figures.overlays: {rows} are more than the {MOST_ROWS} rows of a page; name fewer"
    there = ", ".join(study.structures)
    for structure in sorted(set(overlays.structures) - set(study.structures)):
        yield f"{place}: no structure {structure!r}; there are {there}"
    for name, strategy in study.strategies.items():
        missing = set(study.overlaid) & set(study.structures) - set(strategy.structures or study.structures)
        if _families_of(name, strategy) & set(overlays.strategies) and missing:
            yield f"{place}: strategy {name} segments no {', '.join(sorted(missing))}"


def _unknown_families(study: Study, place: str, families: Iterable[str]) -> Iterator[str]:
    known = {family for name, strategy in study.strategies.items() for family in _families_of(name, strategy)}
    for family in sorted(set(families) - known):
        yield f"{place}: no {family!r}; there are {', '.join(sorted(known))}"


def _families_of(name: str, strategy: Strategy) -> set[str]:
    """Return a strategy's name, and those of its families: the name with a level of each step that has levels."""
    return {name, *(f"{name}-{level}" for level in _levels_of(strategy) if level)}


def _levels_of(strategy: Strategy) -> list[str]:
    """Return the levels of a strategy's families, those of several steps joined; "" alone where no step has any."""
    return ["-".join(each) for each in product(*(step.levels for step in strategy.chain if step.levels))]
