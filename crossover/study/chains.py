"""What a study's chains are: from which sources to which target, read from its strategies and never
from names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crossover.study.plan import plan
from crossover.study.schema import Study

BASELINE, ONE_SOURCE, TWO_SOURCES = "baseline", "one source", "two sources"
POOLED_DATA, ALL_DATA, CONTROL = "pooled data", "all data", "control"
COUNTED = (BASELINE, ONE_SOURCE, TWO_SOURCES, "three sources", "four sources")
"""Kinds of chains that end on one cohort, by how many trainings come before it."""
ARROW = " → "


@dataclass(frozen=True)
class Chain:
    """A family's trainings, one after the other.

    Attributes:
        steps: the cohorts that each training is on, in order; the last one's are the targets.
        kind: "baseline" (the target alone), "one source", "two sources" and so on; "all data" or
            "pooled data" where the last training is on several cohorts at once; "control" where the first
            begins with other weights than the study's networks do.
        initial: the kind of weights asked for ("random", "imagenet").
        sources: "Site B → Site C"; "" without any.
        together: "Site A + Site B + Site C", the labels of the last training's cohorts.
    """

    family: str
    strategy: str
    steps: tuple[tuple[str, ...], ...]
    kind: str
    initial: str
    sources: str
    together: str

    @property
    def targets(self) -> tuple[str, ...]:
        """The cohorts on whose test cases it is compared."""
        return self.steps[-1]

    @property
    def source(self) -> str | None:
        """The cohort of the only training before the target's, where there is one such cohort."""
        before = self.steps[:-1]
        return before[0][0] if len(before) == 1 and len(before[0]) == 1 else None

    @property
    def label(self) -> str:
        """What comes before the target: "Site B → Site C", "All data", "Random weights", "None"."""
        begun = {CONTROL: f"{self.initial} weights", ALL_DATA: ALL_DATA, BASELINE: "none"}
        text = ", ".join(t for t in (self.sources, begun.get(self.kind, "")) if t) or self.together
        level = self.family.removeprefix(self.strategy).removeprefix("-")
        text = text[:1].upper() + text[1:]
        return f"{text} ({level})" if level else text


def chains(study: Study) -> list[Chain]:
    """Every family's chain, in the order of the study."""
    out = []
    for family, models in plan(study).families().items():
        strategy = study.strategies[models[0].strategy]
        steps = tuple(tuple(c for c in study.cohorts if c in s.train) for s in strategy.chain)
        initial = strategy.chain[0].initial or study.network.initial.weights
        kind = _kind(study, steps, initial)
        *before, last = (" + ".join(study.cohorts[c].label for c in step) for step in steps)
        sources = ARROW.join(before)
        out.append(Chain(family, models[0].strategy, steps, kind, initial, sources, last))
    order = list(study.strategies)
    return sorted(out, key=lambda chain: order.index(chain.strategy))


def kinds(of: Iterable[Chain]) -> list[str]:
    """The kinds that there are: by number of sources, then data together, then controls."""
    known = {chain.kind: len(chain.steps) for chain in of}
    counted = [_counted(before) for before in range(max(known.values(), default=0))]
    return [kind for kind in [*counted, POOLED_DATA, ALL_DATA, CONTROL] if kind in known]


def baseline(of: Iterable[Chain], target: str) -> Chain | None:
    """The chain that is trained on the target alone; the first of several."""
    own = (chain for chain in of if chain.kind == BASELINE and chain.targets == (target,))
    return next(own, None)


def _kind(study: Study, steps: tuple[tuple[str, ...], ...], initial: str) -> str:
    if initial != study.network.initial.weights:
        return CONTROL
    if len(steps[-1]) > 1:
        return ALL_DATA if set(steps[-1]) == set(study.cohorts) else POOLED_DATA
    return _counted(len(steps) - 1)


def _counted(before: int) -> str:
    return COUNTED[before] if before < len(COUNTED) else f"{before} sources"
