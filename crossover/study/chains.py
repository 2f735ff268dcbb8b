"""A study's chains: from which sources to which target, read from its strategies and never from names."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, permutations, product

from crossover.study.plan import family_name, levels_of, plan
from crossover.study.schema import Study

BASELINE, ONE_SOURCE, TWO_SOURCES = "baseline", "one source", "two sources"
POOLED_DATA, ALL_DATA, CONTROL = "pooled data", "all data", "control"
COUNTED = (BASELINE, ONE_SOURCE, TWO_SOURCES, "three sources", "four sources")
"""Kinds of chains that end on one cohort, by how many trainings on others come before it."""
TWICE, THRICE = "trained twice", "trained three times"
"""Kinds of chains whose trainings are all on the target: controls of as many trainings as chains with sources."""
ARROW = " → "


@dataclass(frozen=True)
class Chain:
    """A family's trainings, one after the other.

    Attributes:
        steps: the cohorts that each training is on, in order; the last one's are the targets.
        kind: "baseline" (the target alone), "one source", "two sources" and so on; "trained twice" and so on where
            all trainings are on the target alone; "all data" or
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
        """The cohorts on whose test cases the chain is compared."""
        return self.steps[-1]

    @property
    def source(self) -> str | None:
        """The cohort of the only training before the target's, None where it is not one cohort."""
        before = _before(self.steps)
        return before[0][0] if len(before) == 1 and len(before[0]) == 1 else None

    @property
    def again(self) -> bool:
        """Whether the chain has several trainings, all on the target alone."""
        return self.kind == _times(len(self.steps))

    @property
    def label(self) -> str:
        """What comes before the target: "Site B → Site C", "All data", "Random weights", "None"; "Trained twice"."""
        if self.again:
            return self.kind.capitalize()
        begun = {CONTROL: f"{self.initial} weights", ALL_DATA: ALL_DATA, BASELINE: "none"}
        text = ", ".join(t for t in (self.sources, begun.get(self.kind, "")) if t) or self.together
        level = self.family.removeprefix(self.strategy).removeprefix("-")
        text = text[:1].upper() + text[1:]
        return f"{text} ({level})" if level else text


def chains(study: Study) -> list[Chain]:
    """Return every family's chain, in the order of the study."""
    out = []
    for family, models in plan(study).families().items():
        strategy = study.strategies[models[0].strategy]
        steps = tuple(tuple(c for c in study.cohorts if c in s.train) for s in strategy.chain)
        initial = strategy.chain[0].initial or study.network_of(strategy.network).initial.weights
        kind = _kind(study, steps, initial)
        *before, last = (" + ".join(study.cohorts[c].label for c in step) for step in (*_before(steps), steps[-1]))
        sources = ARROW.join(before)
        out.append(Chain(family, models[0].strategy, steps, kind, initial, sources, last))
    order = list(study.strategies)
    return sorted(out, key=lambda chain: order.index(chain.strategy))


def kinds(of: Iterable[Chain]) -> list[str]:
    """Return the kinds that chains have, in this order: baseline, trained again, by sources, data together, control."""
    known = {chain.kind: len(chain.steps) for chain in of}
    steps = range(2, max(known.values(), default=0) + 1)
    again, counted = map(_times, steps), (_counted(n - 1) for n in steps)
    order = [BASELINE, *again, *counted, POOLED_DATA, ALL_DATA, CONTROL]
    return [kind for kind in order if kind in known]


def comparable(a: Chain, b: Chain) -> bool:
    """Return whether the kinds of two chains are compared with each other.

    Every kind is compared with the baseline, and controls with nothing else. Chains that are trained again on
    the target alone are compared with chains of as many trainings.
    """
    if BASELINE in (a.kind, b.kind):
        return True
    if CONTROL in (a.kind, b.kind):
        return False
    return not (a.again or b.again) or len(a.steps) == len(b.steps)


def longer(study: Study) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return which families of chains were trained longer than which, and with what their gain is to be compared.

    Returns:
        (a, b) -> the strategies that train b's last step once more and more until they are as long as a, from
            the same initial weights: none where the study has no such control. The length of a chain is the
            number of its trainings; of its cohorts in all trainings where the number of steps follows from
            the patients.
    """
    known = {name: s for name, s in study.strategies.items() if not s.sized}
    steps = {name: tuple(tuple(sorted(t.train)) for t in s.chain) for name, s in known.items()}
    begun = {name: s.chain[0].initial for name, s in known.items()}

    def length(chain: tuple[tuple[str, ...], ...]) -> int:
        return sum(1 if study.recipe.steps else len(cohorts) for cohorts in chain)

    out = {}
    for a, b in permutations(known, 2):
        if length(steps[a]) > length(steps[b]):
            control = steps[b]
            while length(control) < length(steps[a]):
                control += control[-1:]
            out[a, b] = tuple(c for c in known if (steps[c], begun[c]) == (control, begun[b]))
    levels = {name: list(levels_of(s)) for name, s in known.items()}
    return {
        (family_name(a, i), family_name(b, j)): found
        for (a, b), found in out.items()
        for i, j in product(levels[a], levels[b])
    }


def baseline(of: Iterable[Chain], target: str) -> Chain | None:
    """Return the chain that is trained on the target alone; the first of several."""
    own = (chain for chain in of if chain.kind == BASELINE and chain.targets == (target,))
    return next(own, None)


def _kind(study: Study, steps: tuple[tuple[str, ...], ...], initial: str) -> str:
    if initial != study.network.initial.weights:
        return CONTROL
    if len(steps[-1]) > 1:
        return ALL_DATA if set(steps[-1]) == set(study.cohorts) else POOLED_DATA
    again = len(steps) > 1 and len(set(steps)) == 1
    return _times(len(steps)) if again else _counted(len(_before(steps)))


def _before(steps: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Return the steps before the target's; of neighbours on the same cohorts, as in gradual unfreezing, one.

    Of chains on the target alone it is all but the last step.
    """
    if len(set(steps)) == 1:
        return steps[:-1]
    return tuple(step for step, following in pairwise(steps) if step != following)


def _times(trainings: int) -> str:
    return {2: TWICE, 3: THRICE}.get(trainings, f"trained {trainings} times")


def _counted(before: int) -> str:
    return COUNTED[before] if before < len(COUNTED) else f"{before} sources"
