"""One model of chance behind every effect: other patients, and other trainings (docs/chance.md).

The score of case c under training r of model m is taken as

    y[m, c, r] = mean[m] + patient[c] + (model x patient)[m, c] + training[m, r] + rest[m, c, r]

with all but the means drawn at random, patients crossed with trainings, trainings nested in their model. An
effect is a weighted sum of the models' means. Its error is the sum of two independent parts: of patients, the spread of
the effect between cases over their number, less the share of `rest`; and of trainings, the spread of a model's mean
between its trainings over their number, pooled over the models. Each has few degrees of freedom, so that
(effect - truth) / SE is referred to the distribution of Behrens (1929) and Fisher (1935), a sum of two independent
Student variables weighted by the two standard errors; interval and p are one inversion of it. Where trainings' spread
is known from elsewhere (`Spread`), it stands in; where it is not, the effect is one of *these trained models*.

The trainings of folds are not independent of each other: any two of k have all but 2 of k parts of their patients in
common. What these patients bring moves all folds together, and their spread does not show it; `Spread.shared` is what
Nadeau and Bengio (2003) put in its place.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

METHODS, MODELS = "methods", "trained models"
"""What an effect is about: training by a method, whatever the training; or the models that were trained."""
DECIMALS = 12
"""Differences count to this many decimals: means of the same scores are equal in any order."""
NODES = 1001
"""The points of the quadrature of the Behrens-Fisher distribution; its p is within 1e-4 of the limit."""
LARGE = 1e8
"""The degrees of freedom from which a Student variable's density is taken for the normal one's."""


@dataclass(frozen=True)
class Spread:
    """How much a model's mean score differs from training to training.

    Attributes:
        variance: of the mean over the test cases between trainings, in the metric's unit squared.
        df: degrees of freedom of `variance`.
        shared: the variance of what all trainings of a model have in common, over `variance`: `shared_by_folds`; 0 of
            trainings that are independent of each other.
    """

    variance: float
    df: float
    shared: float = 0.0

    def of_mean(self, trainings: np.ndarray | int) -> np.ndarray:
        """Return the variance of a model's mean over so many trainings."""
        return self.variance * (1 / np.asarray(trainings) + self.shared)


def shared_by_folds(folds: int) -> float:
    """Return `Spread.shared` of trainings in folds of one pool of patients: 1 / (folds - 1); 0 for fewer than two.

    The variance of the mean over k folds is then 1 / k + 1 / (k - 1) of theirs (Nadeau & Bengio 2003).
    """
    return 1 / (folds - 1) if folds > 1 else 0.0


@dataclass(frozen=True)
class Effect:
    """A weighted sum of models' mean scores with its two standard errors, in the metric's unit.

    Attributes:
        estimate: the effect found.
        case_se: its standard error for other patients, with `case_df` degrees of freedom.
        training_se: for other trainings, with `training_df`; NaN where nothing is known of them.
        cases: how many cases have a score under every model.
        trainings: the fewest of any model.
    """

    estimate: float
    case_se: float
    case_df: float
    training_se: float
    training_df: float
    cases: int
    trainings: int

    @property
    def about(self) -> str:
        """`METHODS` where the chance of training counts, else `MODELS`."""
        return MODELS if np.isnan(self.training_se) else METHODS

    @property
    def se(self) -> float:
        """Standard error for other patients and, where it is known, other trainings."""
        return float(np.hypot(*self._errors))

    def scaled(self, estimate: float, slope: float) -> Effect:
        """Return the effect on another scale by the delta method: its value there, and the slope of the scale."""
        case_se, training_se = slope * self.case_se, slope * self.training_se
        return replace(self, estimate=float(estimate), case_se=float(case_se), training_se=float(training_se))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided confidence interval; NaN where cases don't differ or are fewer than two.

        It is NaN also where the error is infinite, as that of a logit is where the mean is 1 but for rounding.
        """
        if not self._judged:
            return np.nan, np.nan
        half = self.se * self._quantile((1 - confidence) / 2)
        return self.estimate - half, self.estimate + half

    def p(self, null: float = 0.0) -> float:
        """Return the two-sided p of the hypothesis that the effect is `null`."""
        if not self._judged:
            return np.nan
        return min(2 * self._above(abs(self.estimate - null) / self.se), 1.0)

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of the hypothesis that the effect is `bound` or less."""
        return self._above((self.estimate - bound) / self.se) if self._judged else np.nan

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of the hypothesis that the effect is `bound` or more."""
        return self._above((bound - self.estimate) / self.se) if self._judged else np.nan

    def _above(self, t: float) -> float:
        return behrens_fisher(t, *self._parts)

    @property
    def _judged(self) -> bool:
        """Whether there is an interval: cases differ, are two or more, and the error is finite.

        A mean that is at the end of its scale but for rounding has an infinite slope, and so error, beyond (`scaled`).
        """
        return 0 < self.se < np.inf

    @property
    def _errors(self) -> tuple[float, float]:
        return self.case_se, float(np.nan_to_num(self.training_se, posinf=np.inf))

    @property
    def _parts(self) -> tuple[float, float, float, float]:
        return *self._errors, self.case_df, self.training_df

    def _quantile(self, tail: float) -> float:
        """Return t with P(X > t) = `tail`.

        By Newton's method from Student's quantile with Satterthwaite's degrees of freedom, which takes four steps.
        Where one part is nearly nothing beside the other P is a staircase of its nodes: then by bisection.
        """
        first, second, *dfs = self._parts
        # of their sum, since the squares of very large or small errors are no numbers
        parts = [((se / self.se) ** 2, df) for se, df in zip((first, second), dfs, strict=True) if se]
        df = sum(v for v, _ in parts) ** 2 / sum(v**2 / df for v, df in parts)
        t = float(-special.stdtrit(df, tail))
        with np.errstate(all="ignore"):
            for _ in range(8):
                step = (self._above(t) - tail) / _density(t, *self._parts)
                t += step
                if abs(step) < 1e-9 * t:
                    return t
        # no quantile exceeds the sum of its two parts'
        most = sum(-special.stdtrit(df, tail / 2) for _, df in parts) + 1
        return optimize.brentq(lambda t: self._above(t) - tail, 0, most)


def behrens_fisher(t: float, first: float, second: float, df_1: float, df_2: float) -> float:
    """Return P(X > t) of X = (first T1 + second T2) / sqrt(first² + second²), T1 and T2 independent.

    Args:
        first, second: weights, not both 0.
        df_1, df_2: degrees of freedom of the Student variables T1 and T2.
    """
    x, df, _ = _nodes(t, first, second, df_1, df_2)
    return float(special.stdtr(df, x).mean())


def _density(t: float, first: float, second: float, df_1: float, df_2: float) -> np.float64:
    """Return the density of the X of `behrens_fisher` at t."""
    x, df, slope = _nodes(t, first, second, df_1, df_2)
    df = min(df, LARGE)
    size = special.poch(df / 2, 0.5) / np.sqrt(np.pi * df)
    return (size * slope * np.exp(-(df + 1) / 2 * np.log1p(x**2 / df))).mean()


def _nodes(t: float, first: float, second: float, df_1: float, df_2: float) -> tuple[np.ndarray, float, float]:
    """Return (x, df, slope): P(X > t) is the mean of P(T < x) of a Student variable T, and `slope` is -dx / dt."""
    if not second or not first:
        return np.array([-t]), df_1 if first else df_2, 1.0
    # the broader of the two is smoothed by the narrower, whose quantiles are the nodes; degrees of freedom
    # are equal in many studies, where the last digit must not decide which is which
    if (round(df_1, 6), -first) < (round(df_2, 6), -second):
        first, second, df_1, df_2 = second, first, df_2, df_1
    slope = np.hypot(first, second) / second
    return first / second * _quantiles(df_1) - t * slope, df_2, slope


@functools.lru_cache(maxsize=64)  # the tests of a table have few different degrees of freedom
def _quantiles(df: float) -> np.ndarray:
    return special.stdtrit(df, (np.arange(NODES) + 0.5) / NODES)


def effect(
    scores: Sequence[np.ndarray],
    weights: Sequence[float],
    strata: np.ndarray | None = None,
    spread: Spread | None = None,
) -> Effect:
    """Estimate a weighted sum of the models' means over the same cases.

    Args:
        scores: of each model, shape (cases, trainings), complete; the numbers of trainings may differ.
        weights: of the models' means: (1, -1) for a difference, (1,) for a mean.
        strata: the cohort of each case, shape (cases,): patients are drawn within cohorts.
        spread: between trainings, from the whole study; by default pooled over these models.

    Raises:
        ValueError: a score is missing, or the models don't have the same cases.
    """
    scores = [np.asarray(s, float) for s in scores]
    if len({len(s) for s in scores}) != 1 or any(np.isnan(s).any() for s in scores):
        raise ValueError("an effect needs a score of every case under every model and training")
    n = len(scores[0])
    by_case = sum(w * s.mean(1) for w, s in zip(weights, scores, strict=True))
    labels, place = np.unique(np.zeros(n) if strata is None else strata, return_inverse=True)
    centre = np.bincount(place, by_case) / np.maximum(np.bincount(place), 1)
    case_df = n - len(labels)
    apart = by_case - centre[place]
    apart[np.abs(apart) < 10.0**-DECIMALS] = 0  # equal differences are no chance of 1e-17
    of_cases = (apart**2).sum() / max(case_df, 1) / n
    spread = spread or pooled_spread(scores)
    counts = np.array([s.shape[1] for s in scores])
    squares = np.array(weights, float) ** 2 / counts
    rest = sum(k * rest_of(s) for k, s in zip(squares, scores, strict=True)) / n
    return Effect(
        estimate=float(by_case.mean()),
        case_se=float(np.sqrt(max(of_cases - (rest if spread else 0.0), 0.0))) if case_df else np.nan,
        case_df=case_df,
        training_se=float(np.sqrt((np.square(weights) * spread.of_mean(counts)).sum())) if spread else np.nan,
        training_df=spread.df if spread else np.nan,
        cases=n,
        trainings=int(counts.min()),
    )


def combined(effects: Sequence[Effect]) -> Effect:
    """Return the mean of effects on different cases, weighted by their cases; their errors are independent.

    The degrees of freedom of each part are Satterthwaite's.
    """
    weights = np.array([e.cases for e in effects], float)
    weights /= weights.sum()
    case_se, case_df = _summed(weights, [(e.case_se, e.case_df) for e in effects])
    training_se, training_df = _summed(weights, [(e.training_se, e.training_df) for e in effects])
    return Effect(
        estimate=float(sum(w * e.estimate for w, e in zip(weights, effects, strict=True))),
        case_se=case_se,
        case_df=case_df,
        training_se=training_se,
        training_df=training_df,
        cases=sum(e.cases for e in effects),
        trainings=min(e.trainings for e in effects),
    )


def _summed(weights: np.ndarray, parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    ses, dfs = np.array(parts).T
    variances = (weights * ses) ** 2
    total = variances.sum()
    df = total**2 / (variances**2 / dfs).sum() if total > 0 else dfs.min()
    return float(np.sqrt(total)), float(df)


def pooled_spread(scores: Sequence[np.ndarray]) -> Spread | None:
    """Return the spread between trainings, pooled over models; None where every model has one training.

    Args:
        scores: of each model, shape (cases, trainings), complete.
    """
    several = [s.mean(0) for s in scores if s.shape[1] > 1]
    df = sum(len(means) - 1 for means in several)
    if not df:
        return None
    return Spread(float(sum(((m - m.mean()) ** 2).sum() for m in several) / df), df)


def rest_of(scores: np.ndarray) -> float:
    """Return the variance that neither case nor training explains, of scores (cases, trainings); 0 for one training."""
    n, k = scores.shape
    if n < 2 or k < 2:
        return 0.0
    rest = scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()
    return float((rest**2).sum() / ((n - 1) * (k - 1)))
