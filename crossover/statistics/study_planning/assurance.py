"""How probable is it that a new study settles a difference? Its assurance, over all that a pilot leaves uncertain.

A new study of N test cases and R trainings of each model is judged as every study is here (`estimates.chance`): a
difference is settled where its p is below alpha and its sign is right. In the words of that module its estimate has the
variance

    interaction / N + models * (training + rest / N) / R

Its power at a pilot's estimates is too good: the assurance (O'Hagan, Stevens & Campbell 2005) is the mean power over
what the variances may be (each mean square s² with ν degrees of freedom replaced by s² ν / χ²(ν), the components worked
out from these: Weerahandi's generalised pivotal quantities, 1993) and, where it is the pilot's own, over what the
difference may be. docs/planning.md has what follows for pilots of one training, and measures how often plans succeed.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import interpolate, optimize, special

from crossover.statistics.estimates.chance import Effect, Spread, behrens_fisher, pooled_spread, rest_of

DRAWS, SEED = 4000, 20250
MOST = 1000
"""The number of test cases beyond which no number is looked for."""
KNOTS = 17


@dataclass(frozen=True)
class MeanSquare:
    """A variance as a pilot estimates it.

    Attributes:
        value: in the metric's unit squared. df: degrees of freedom; inf where it is taken as known.
    """

    value: float
    df: float

    def drawn(self, uniform: np.ndarray) -> np.ndarray:
        """Return values that the variance may have, by quantiles drawn from 0 to 1, of the same shape."""
        if np.isinf(self.df) or not self.value:
            return np.full(len(uniform), self.value)
        return self.value * self.df / special.chdtri(self.df, uniform)


@dataclass(frozen=True)
class Pilot:
    """What is known of an effect before a new study: a difference of two models, or the mean of one.

    Attributes:
        estimate: the effect found, in the metric's unit; NaN where there is none.
        cases: mean square between the cases of the effect, averaged over the pilot's trainings.
        training: of a model's mean between trainings on patients of their own, over the pilot's cases; None where
            nothing tells it.
        rest: of one score.
        shares: sum of 1 / trainings over the models: how much of `rest` is in `cases`.
        count: the pilot's cases; inf where components are known. strata: its cohorts.
        models: how many are trained anew each time: two of a difference; one of folds, which are paired.
        own: whether `training` is of the models' own trainings, not of others.
        of_trainings: the variance of the effect by the chance of trainings, over `training`; `shares` where the
            trainings have no patients in common, by default.
    """

    estimate: float
    cases: MeanSquare
    training: MeanSquare | None
    rest: MeanSquare
    shares: float
    count: float
    strata: int = 1
    models: int = 2
    own: bool = True
    of_trainings: float | None = None

    @property
    def through_trainings(self) -> float:
        """The variance of the effect by the chance of trainings, over `training`."""
        return self.shares if self.of_trainings is None else self.of_trainings

    def effect(self) -> Effect:
        """Return the pilot's own effect.

        Where all models have the same number of trainings, it is the same as that of `chance.effect`.
        """
        training = self.training or MeanSquare(np.nan, np.nan)
        return Effect(
            estimate=self.estimate,
            case_se=float(np.sqrt(max(self.cases.value - self.shares * self.rest.value, 0) / self.count)),
            case_df=self.cases.df,
            training_se=float(np.sqrt(self.through_trainings * training.value)),
            training_df=training.df,
            cases=int(self.count),
            trainings=round(self.models / self.shares),
        )


@dataclass(frozen=True)
class Components:
    """What the variances may be, and the effect: drawn, shape (draws,) each; `training` None where nothing tells it."""

    effect: np.ndarray
    interaction: np.ndarray
    training: np.ndarray | None
    rest: np.ndarray


def pilot_of(scores: Sequence[np.ndarray], strata: np.ndarray, spread: Spread | None) -> Pilot:
    """Return the pilot that scores give: of one model its mean, of two the first minus the second.

    Args:
        scores: as of `effects.contrasted`, shape (cases, trainings) each, complete.
        strata: the cohort of each case, shape (cases,).
        spread: between trainings, from elsewhere; by default that of these models.

    Raises:
        ValueError: no cohort has two cases.
    """
    weights = [1.0, -1.0][: len(scores)]
    by_case = sum(w * s.mean(1) for w, s in zip(weights, scores, strict=True))
    labels, place = np.unique(strata, return_inverse=True)
    centre = np.bincount(place, by_case) / np.bincount(place)
    n, case_df = len(by_case), len(by_case) - len(labels)
    if case_df < 1:
        raise ValueError("a pilot needs two cases of a test set or more")
    several = [s for s in scores if s.shape[1] > 1]
    rest_df = sum((n - 1) * (s.shape[1] - 1) for s in several)
    rest = sum(rest_of(s) * (n - 1) * (s.shape[1] - 1) for s in several) / rest_df if several else 0.0
    known = spread or pooled_spread(scores)
    shares, shared = sum(1 / s.shape[1] for s in scores), known.shared if known else 0.0
    return Pilot(
        estimate=float(by_case.mean()),
        cases=MeanSquare(float(((by_case - centre[place]) ** 2).sum() / case_df), case_df),
        training=MeanSquare(float(known.of_mean(1)), known.df) if known else None,
        rest=MeanSquare(float(rest), rest_df or np.inf),
        shares=shares,
        count=n,
        strata=len(labels),
        models=len(scores),
        own=bool(several) or spread is None,
        of_trainings=(shares + len(scores) * shared) / (1 + shared),
    )


def draw_components(pilot: Pilot, difference: float | None, draws: int = DRAWS) -> Components:
    """Return what the variances and the effect may be, drawn from what the pilot leaves uncertain.

    Args:
        pilot: the pilot.
        difference: the true one that is asked about, in the metric's unit; None for the pilot's, with its
            uncertainty.
        draws: how many.
    """
    rng = np.random.default_rng(SEED)
    of_cases, of_training, of_rest = rng.uniform(size=(3, draws))
    cases, rest = pilot.cases.drawn(of_cases), pilot.rest.drawn(of_rest)
    interaction = np.maximum(cases - pilot.shares * rest, 0)
    means = training = None
    if pilot.training:
        means = pilot.training.drawn(of_training)
        training = np.maximum(means - rest / pilot.count, 0)
    if difference is not None:
        return Components(np.full(draws, float(difference)), interaction, training, rest)
    of_trainings = 0.0 if means is None else pilot.through_trainings * means
    se = np.sqrt(interaction / pilot.count + of_trainings)
    return Components(pilot.estimate + se * rng.standard_normal(draws), interaction, training, rest)


def assurance(pilot: Pilot, components: Components, cases: int, trainings: int, alpha: float) -> float:
    """Return the probability that a new study settles the effect.

    It is NaN where the study could not judge: with too few cases, or with several trainings where it is not
    known how they differ.

    Args:
        pilot: the pilot.
        components: of `draw_components`.
        cases: test cases of the new study.
        trainings: of each model.
        alpha: significance level.
    """
    case_df = cases - pilot.strata
    training_df = pilot.models * (trainings - 1) or (pilot.training.df if pilot.training else 0)
    if case_df < 1 or not can_be_judged(pilot, trainings):
        return np.nan
    rng = np.random.default_rng(SEED + 1)
    of_cases, of_training, of_rest = rng.uniform(size=(3, len(components.effect)))
    share = pilot.models / trainings
    interaction, rest = components.interaction / cases, share * components.rest / cases
    found = (interaction + rest) * _over_df(case_df, of_cases)
    if trainings > 1:  # with one, the rest can't be told from the interaction
        found = found - rest * _over_df((cases - 1) * pilot.models * (trainings - 1), of_rest)
    case_se = np.sqrt(np.maximum(found, 0))
    if components.training is None:
        training_se, true = np.zeros_like(case_se), interaction + rest
        critical = np.full_like(case_se, -special.stdtrit(case_df, alpha / 2))
    else:
        training = share * components.training
        training_se = np.sqrt((training + rest) * _over_df(training_df, of_training))
        true = interaction + rest + training
        critical = _critical(case_df, training_df, alpha)(np.arctan2(training_se, case_se))
    return float(_settled(components.effect, critical * np.hypot(case_se, training_se), true).mean())


def can_be_judged(pilot: Pilot, trainings: int) -> bool:
    """Return whether a new study with this number of trainings could be judged.

    It could not with several where it is not known how they differ; with one it can where other models say
    how they differ, or else as a study of these trained models.
    """
    if pilot.training is None:
        return trainings == 1
    return trainings > 1 or not pilot.own


def fewest_cases(pilot: Pilot, components: Components, trainings: int, wanted: float, alpha: float) -> int | None:
    """Return the fewest test cases that reach an assurance with this number of trainings; None where `MOST` don't."""
    if not assurance(pilot, components, MOST, trainings, alpha) >= wanted:
        return None
    low, high = pilot.strata, MOST  # at `low` cases nothing can be judged
    while high - low > 1:
        middle = (low + high) // 2
        enough = assurance(pilot, components, middle, trainings, alpha) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def _settled(effect: np.ndarray, bound: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the probability that an estimate is beyond the bound, on the side of the true effect."""
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = (np.abs(effect) - bound) / np.sqrt(variance)
    return np.where(variance > 0, special.ndtr(beyond), 0.0)


def _over_df(df: float, uniform: np.ndarray) -> np.ndarray | float:
    return 1.0 if np.isinf(df) else special.chdtri(df, uniform) / df


@functools.lru_cache(maxsize=4096)  # a search asks for the same numbers of cases again and again
def _critical(df_1: float, df_2: float, alpha: float) -> interpolate.CubicSpline:
    """Return critical values of `chance.behrens_fisher`.

    They are a function of the angle whose tangent is the second weight over the first. Each is at least the larger of
    the weighted critical values of the two variables and, by Bonferroni's bound, at most the sum of those at half of
    alpha, which are up to twice as large.
    """
    angles = np.linspace(0, np.pi / 2, KNOTS)
    alone = [-special.stdtrit(df, alpha / 2) for df in (df_1, df_2)]
    values = alone[:1]
    for angle in angles[1:]:  # at the last, a right angle, the cosine isn't quite 0, which is less than the tolerance
        first, second = np.cos(angle), np.sin(angle)
        above = functools.partial(behrens_fisher, first=first, second=second, df_1=df_1, df_2=df_2)
        around = np.hypot(first * alone[0], second * alone[1])
        values.append(optimize.brentq(lambda t, p=above: p(t) - alpha / 2, around / 2, 3 * around, xtol=1e-5))
    return interpolate.CubicSpline(angles, values)
