"""Parts of claims about scores, from the tidy table of metrics: differences and means over the same cases.

Interval and p of a part are one inversion of `estimates.chance`: for other patients and other trainings. A
difference's interval ends where the metric's scale does; a mean is judged on the logit scale (a distance on the
logarithm). Where every model was trained once, the spread between trainings is taken from what else the study
has (`RunScores.spread`); where nothing tells it, the part is about these trained models only.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossover.statistics.estimates.chance import Effect
from crossover.statistics.estimates.effects import effect_of, mean_interval, unbounded_effect
from crossover.statistics.papers.claims.parts import Interval, JudgedEffect, Missing
from crossover.statistics.papers.claims.run_scores import RunScores
from crossover.statistics.papers.claims.statements import (
    ICC,
    Above,
    Below,
    Better,
    Comparison,
    Majority,
    NoDifference,
    Rises,
    Statement,
    Within,
)
from crossover.statistics.scores.intervals import clip_to_scale, of_differences, to_unbounded
from crossover.statistics.scores.scales import Scale, scale

Controls = Mapping[tuple[str, str], Sequence[str]]
"""What `crossover.study.chains.longer` returns: families of chains a, b -> what b is as long as a."""
NO_CONTROLS: Controls = MappingProxyType({})
Compared = Better | Majority | NoDifference
Values = Above | Below | Within
Place = tuple[Comparison, str, int]
"""What is compared, on which structure, at which of the paper's sizes."""
KEYS = ["cohort", "case"]


def differences(statement: Compared, scores: RunScores, controls: Controls = NO_CONTROLS) -> Iterator[JudgedEffect]:
    """Yield the parts of a comparison, as `combine` says.

    Where a's chains were trained longer than b's and b has controls that were not, what is better must be better than
    those too.
    """
    places = _places(statement, scores)
    yield from _combined(places, statement, scores)
    if isinstance(statement, Better) and not missing_controls(statement, scores, controls):
        longer = [(_as_long(of, scores, controls), structure, n) for of, structure, n in places]
        if statement.combine != "all":
            longer = [new for new, old in zip(longer, places, strict=True) if new != old]
        if longer != places:
            yield from _combined(longer, statement, scores)


def missing_controls(statement: Statement, scores: RunScores | None, controls: Controls) -> list[tuple[str, str]]:
    """Return the pairs of families of which the first was trained longer, without a control for that."""
    if not isinstance(statement, Better) or statement.metric == ICC or scores is None:
        return []
    pairs = [(a, b) for of in statement.pairs for a in of.a for b in of.b]
    return [p for p in pairs if p in controls and not scores.families.intersection(controls[p])]


def _as_long(of: Comparison, scores: RunScores, controls: Controls) -> Comparison:
    """Replace each b by its control that was trained as long as its a, where that has scores."""
    pairs = [(a, b) for a in of.a for b in of.b]
    found = [next((c for c in controls.get(p, ()) if c in scores.families), p[1]) for p in pairs]
    return of if found == [b for _, b in pairs] else of.model_copy(update={"b": found})


def _combined(places: Sequence[Place], statement: Compared, scores: RunScores) -> Iterator[JudgedEffect]:
    if statement.combine == "all":
        yield _part(places, statement, scores)
    else:
        yield from (_part([place], statement, scores) for place in places)


def values(statement: Values, scores: RunScores) -> Iterator[JudgedEffect]:
    """Yield every family's mean on every place."""
    metric, test_set = statement.metric, statement.test_set
    for structure in statement.structures or scores.structures:
        for n in statement.sizes or [0]:
            for family in statement.families:
                at = (n, test_set, metric, structure)
                name = _named(family, scores, [family], test_set, structure, n)
                found = _effect([[_Side(1.0, family, *at)]], scores)
                printed = scores.printed(family, *at)
                yield mean_part(name, found, statement.region, printed, scale(metric))


def rises(statement: Rises, scores: RunScores) -> Iterator[JudgedEffect]:
    """Compare every family at each size with itself at the size before."""
    metric, test_set = statement.metric, statement.test_set
    for structure in statement.structures or scores.structures:
        for family in statement.families:
            for fewer, more in zip(statement.sizes, statement.sizes[1:]):
                at = (test_set, metric, structure)
                sides = [_Side(1.0, family, more, *at), _Side(-1.0, family, fewer, *at)]
                printed = sum(s.weight * scores.printed(*s.place) for s in sides)
                name = f"{family}, n = {more} minus n = {fewer}, on {test_set}"
                name += f", {structure}" if len(scores.structures) > 1 else ""
                found = _effect([sides], scores)
                yield part(name, found, statement.region, printed, scale(metric))


def part(name: str, found: Effect, region: Interval, published: float, scale: Scale) -> JudgedEffect:
    """Make a part from an effect that is a difference of values on a scale."""

    @functools.cache
    def interval(confidence: float) -> Interval:
        low, high = clip_to_scale(*found.interval(confidence), of_differences(scale))
        return float(low), float(high)

    return JudgedEffect(name, found.estimate, interval, p_of(found, region), published, about=found.about)


def mean_part(name: str, found: Effect, region: Interval, published: float, scale: Scale) -> JudgedEffect:
    """Make a part from an effect that is a mean of values on a scale."""
    there = unbounded_effect(found, scale)

    @functools.cache
    def interval(confidence: float) -> Interval:
        return mean_interval(found, confidence, scale)

    least, most = (end if math.isinf(end) else float(to_unbounded(end, scale)[0]) for end in region)
    return JudgedEffect(name, found.estimate, interval, p_of(there, (least, most)), published, about=found.about)


def p_of(found: Effect, region: Interval) -> float:
    """Return the p of a part: two-sided of the one bound, or twice the larger of two one-sided ones (Schuirmann 1987).

    Twice, since a claim is judged by the two-sided interval: p is below alpha where it lies inside the region.
    """
    least, most = region
    if math.isinf(most):
        return found.p(least)
    return found.p(most) if math.isinf(least) else min(2 * max(found.p_above(least), found.p_below(most)), 1.0)


class _Side(NamedTuple):
    """One family's weight in an effect, at one place."""

    weight: float
    family: str
    n: int
    test_set: str
    metric: str
    structure: str

    @property
    def place(self) -> tuple[str, int, str, str, str]:
        """What the side's scores are found by: family, n, test set, metric and structure."""
        return self[1:]


def _effect(places: Sequence[Sequence[_Side]], scores: RunScores) -> Effect:
    """Return an effect over places; a case counts by its mean over the places on whose test set it is.

    A training of a model counts for a case where it has all places and structures of it: else what is left would be
    the mean of something else. Folds are paired, since the models of a fold are trained on the same patients.

    Raises:
        Missing: no case is scored under all models of a place, or none by a training that has all of them.
    """
    parts: dict[tuple[str, int], list[pd.DataFrame]] = {}
    shares: dict[tuple[str, int], list[pd.Series]] = {}
    counted = []
    for sides in places:
        tables = [scores.of(*side.place) for side in sides]
        shared = functools.reduce(lambda a, b: a.intersection(b), (t.index for t in tables))
        counted.append(pd.Series(1.0, shared))
        for side, table in zip(sides, tables, strict=True):
            parts.setdefault(side.place[:2], []).append(side.weight * table.loc[shared])
            shares.setdefault(side.place[:2], []).append(pd.Series(abs(side.weight), shared))
    if any(own.empty for own in counted):
        raise Missing("no case is scored under both models")
    counts = pd.concat(counted).groupby(level=KEYS).sum()
    sums = [pd.concat(own).sort_index(axis=1).groupby(level=KEYS).sum(skipna=False) for own in parts.values()]
    for own in sums:
        counts = counts.drop(own.index[own.isna().all(axis=1)], errors="ignore")
    if not all(own.index.droplevel("structure").isin(counts.index).any() for own in counted):
        raise Missing("a model has no training with scores of all places and structures that are compared together")
    weights = [
        (pd.concat(own).groupby(level=KEYS).sum().reindex(counts.index, fill_value=0) / counts).mean()
        for own in shares.values()
    ]
    models = [
        own.reindex(counts.index, fill_value=0).div(counts, axis=0) / weight
        for own, weight in zip(sums, weights, strict=True)
    ]
    at = [side for sides in places for side in sides]
    test_sets, structures = ({getattr(side, name) for side in at} for name in ("test_set", "structure"))
    return effect_of(
        [model.to_numpy(float) for model in models],
        [list(map(str, model)) for model in models],
        weights,
        counts.index.get_level_values("cohort").to_numpy(),
        lambda: scores.spread(test_sets, at[0].metric, structures),
    )


def _part(places: Sequence[Place], statement: Compared, scores: RunScores) -> JudgedEffect:
    metric, sides, printed = statement.metric, [], []
    for of, structure, n in places:
        at = (n, of.test_set, metric, structure)
        weights = {1.0: of.a, -1.0: of.b}
        sides.append([
            _Side(sign / len(families), family, *at)
            for sign, families in weights.items() for family in families
        ])  # fmt: skip
        printed.append(sum(side.weight * scores.printed(*side.place) for side in sides[-1]))
    of, structure, n = places[0]
    pair = " minus ".join(" + ".join(dict.fromkeys(side)) for side in (of.a, of.b))
    name = _named(pair, scores, [*of.a, *of.b], of.test_set, structure, n)
    found = _effect(sides, scores)
    named = name if len(places) == 1 else ""
    return part(named, found, statement.region, float(np.mean(printed)), scale(metric))


def _places(statement: Compared, scores: RunScores) -> list[Place]:
    return [
        (own, structure, n)
        for of in statement.pairs
        for structure in statement.structures or scores.structures
        for n in statement.sizes or [0]
        for own in (_each(of) if statement.combine == "each" else [of])
    ]


def _each(of: Comparison) -> list[Comparison]:
    return [Comparison(test_set=of.test_set, a=[a], b=[b]) for a in of.a for b in of.b]


def _named(what: str, scores: RunScores, families: Sequence[str], test_set: str, structure: str, n: int) -> str:
    name = f"{what} on {test_set}"
    name += f", {structure}" if len(scores.structures) > 1 else ""
    return f"{name}, n = {n}" if n else name
