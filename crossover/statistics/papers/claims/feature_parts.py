"""Parts of claims about ICCs of manual and automatic features: each feature is a part.

A training's ICC is judged as a score is, by the model of chance (`estimates.chance`): on Fisher's scale, z =
atanh(ICC), of which `agreement.influences` gives each patient's share, so that other patients and other trainings both
count. A family's z is the mean over its trainings. A difference is told in units of the ICC: that of z, times the
slope between the two. With one training, 95% intervals of simulated features held the true ICC in 94 to 96%, and the
true difference in 93 to 98%, at 5 to 64 patients.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossover.statistics.estimates.agreement import MANUAL, Form, influences
from crossover.statistics.estimates.chance import Effect, Spread, effect, pooled_spread
from crossover.statistics.papers.claims.parts import Interval, JudgedEffect, Missing
from crossover.statistics.papers.claims.run_scores import Sizes
from crossover.statistics.papers.claims.score_parts import Values, p_of, part
from crossover.statistics.papers.claims.statements import Better
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.patients import PATIENT

SCALE = (-1.0, 1.0)
_KEYS = ["cohort", PATIENT, "case"]


@dataclass(frozen=True)
class _Judged:
    """Fisher's z of one feature by each model, (patients, trainings) each, and what else an effect needs."""

    feature: str
    scores: list[np.ndarray]
    strata: np.ndarray
    spread: Spread | None

    def effect(self, weights: Sequence[float]) -> Effect | None:
        """Return the weighted sum of the models' z; None where a training has none."""
        if not all(np.isfinite(own).all() for own in self.scores):
            return None
        return effect(self.scores, weights, self.strata, self.spread)


def icc_values(statement: Values, radiomics: pd.DataFrame, form: Form, sizes: Sizes) -> Iterator[JudgedEffect]:
    """Yield every family's ICC of every feature, the mean of its trainings' on Fisher's scale.

    Args:
        radiomics: of `agreement.check_radiomics`.

    Raises:
        Missing: no such model or size, or no case with all values.
    """
    for n in statement.sizes or [0]:
        for family in statement.families:
            for own in _judged(radiomics, form, sizes, [family], n, statement.test_set, statement.structures):
                name = f"{own.feature} of {family} at n = {n} on {statement.test_set}"
                yield _value(name, own.effect([1.0]), statement.region)


def icc_differences(statement: Better, radiomics: pd.DataFrame, form: Form, sizes: Sizes) -> Iterator[JudgedEffect]:
    """Yield every a's ICC minus every b's, of every feature.

    Args:
        radiomics: of `agreement.check_radiomics`.

    Raises:
        Missing: no such model or size, or no case with all values.
    """
    places = [
        (of.test_set, n, a, b) for of in statement.pairs for n in statement.sizes or [0] for a in of.a for b in of.b
    ]
    for test_set, n, a, b in places:
        for own in _judged(radiomics, form, sizes, [a, b], n, test_set, statement.structures):
            name = f"{own.feature}, {a} minus {b} at n = {n} on {test_set}"
            found = own.effect([1.0, -1.0])
            if found is None:
                yield JudgedEffect(name, math.nan, _nothing)
                continue
            z_a, z_b = (float(scores.mean()) for scores in own.scores)
            apart = math.tanh(z_a) - math.tanh(z_b)
            slope = apart / (z_a - z_b) if abs(z_a - z_b) > 1e-9 else 1 - math.tanh(z_a) ** 2
            yield part(name, found.scaled(apart, slope), statement.region, math.nan, SCALE)


def _value(name: str, found: Effect | None, region: Interval) -> JudgedEffect:
    """Make a part from an effect that is a z."""
    if found is None:
        return JudgedEffect(name, math.nan, _nothing)

    def interval(confidence: float) -> Interval:
        low, high = found.interval(confidence)
        return math.tanh(low), math.tanh(high)

    least, most = (end if math.isinf(end) else math.atanh(end) for end in region)
    p = p_of(found, (least, most))
    return JudgedEffect(name, math.tanh(found.estimate), interval, p, about=found.about)


def _nothing(_: float) -> Interval:
    return math.nan, math.nan


def _judged(
    radiomics: pd.DataFrame, form: Form, sizes: Sizes, families: Sequence[str], n: int, test_set: str,
    structures: Sequence[str],
) -> Iterator[_Judged]:  # fmt: skip
    """Yield each feature's z by some families, on the cases that all of their trainings have."""
    here = radiomics if test_set == POOLED else radiomics[radiomics["cohort"] == test_set]
    here = here[here["structure"].isin(structures)] if structures else here
    asked = {model for family in families for model in _model_rows(here, family, n, sizes)["model"]}
    found = False
    for _, own in here.groupby("structure", sort=False):
        scores, features, strata = _scores(own, asked, form)
        once = all(len(trainings) == 1 for trainings in scores.values())
        spreads = _spreads_of_others(own, asked, form) if once else {}
        for k, feature in enumerate(features):
            found = True
            of_feature = [np.stack([z[:, k] for z in scores[family]], axis=1) for family in families]
            yield _Judged(feature, of_feature, strata, spreads.get(feature))
    if not found:
        raise Missing(f"no case on {test_set} with features by {' and '.join(families)}")


def _scores(
    rows: pd.DataFrame, models: Iterable[str], form: Form
) -> tuple[dict[str, list[np.ndarray]], list[str], np.ndarray]:
    """Return the z of one structure's features by each training, on the cases that all of these models have.

    Returns:
        Family -> an array (patients, features) of each of its trainings; the features; the cohort of each patient.
    """
    family = dict(zip(rows["model"], rows["family"], strict=True))
    named = [MANUAL, *(model for model in family if model in models)]
    wide = rows[rows["model"].isin(named)].pivot_table("value", _KEYS, ["model", "feature"], dropna=False)
    features = [f for f in dict.fromkeys(rows["feature"]) if all((m, f) in wide for m in named)]
    whole = wide[[(m, f) for m in named for f in features]].dropna()
    if not features or whole.empty:
        return {family[m]: [] for m in named[1:]}, [], np.empty(0)
    patients, known = pd.factorize(whole.index.droplevel("case"))
    values = whole.to_numpy(float).reshape(len(whole), len(named), len(features))
    scores: dict[str, list[np.ndarray]] = {}
    for k, model in enumerate(named[1:], 1):
        scores.setdefault(family[model], []).append(influences(np.stack([values[:, 0], values[:, k]]), patients, form))
    return scores, features, np.array([cohort for cohort, _ in known])


def _spreads_of_others(rows: pd.DataFrame, asked: Collection[str], form: Form) -> dict[str, Spread]:
    """Return feature -> how much z differs between trainings, by the models of a structure that have several."""
    others = rows[~rows["model"].isin({MANUAL, *asked})]
    manual = rows[rows["model"] == MANUAL]
    found: dict[str, list[np.ndarray]] = {}
    for _, own in others.groupby(["family", "n_train"], sort=False):
        if own["model"].nunique() > 1:
            scores, features, _ = _scores(pd.concat([manual, own]), set(own["model"]), form)
            for k, feature in enumerate(features):
                z = np.stack([z[:, k] for trainings in scores.values() for z in trainings], axis=1)
                found.setdefault(feature, []).extend([z] if np.isfinite(z).all() else [])
    spreads = {feature: pooled_spread(models) for feature, models in found.items()}
    return {feature: spread for feature, spread in spreads.items() if spread}


def _model_rows(table: pd.DataFrame, family: str, n: int, sizes: Sizes) -> pd.DataFrame:
    rows = table[table["family"] == family]
    if rows.empty:
        raise Missing(f"no features by {family}")
    if (rows["n_train"] == 0).all():
        return rows
    if n not in sizes:
        raise Missing(f"the study has no training size for the paper's n = {n}")
    if (rows := rows[rows["n_train"] == sizes[n]]).empty:
        raise Missing(f"no features by {family} at n = {sizes[n]}")
    return rows
