"""Effects of models from the tidy table of metrics, by the model of chance (`estimates.chance`).

Where every model was trained once, the spread between trainings is taken from what else the study has
(`resampling.study_spread`); where nothing tells it, an effect is one of these trained models only.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from crossover.statistics.estimates.chance import Effect, Spread, effect, pooled_spread, shared_by_folds
from crossover.statistics.estimates.resampling import mean_of, study_spread
from crossover.statistics.scores.intervals import from_unbounded, to_unbounded
from crossover.statistics.scores.metrics_table import folds_of, mean_by_place
from crossover.statistics.scores.scales import Scale


class TrainedScores:
    """Scores of one test set by case and training.

    Args:
        rows: of `metrics_table.with_runs`.

    Attributes:
        strata: each case's cohort, shape (cases,).
    """

    def __init__(self, rows: pd.DataFrame, metric: str) -> None:
        model = ["family", "n_train", "structure"]
        rows = rows.loc[rows[metric].notna(), ["cohort", "case", *model, "run", metric]]
        place = rows.groupby(["cohort", "case"], sort=False).ngroup().to_numpy()
        cases = rows[["cohort", "case"]].drop_duplicates()
        self.strata = cases["cohort"].to_numpy(str) if len(cases) else np.array([])
        self._of: dict[Hashable, tuple[np.ndarray, list[str]]] = {}
        values, run = rows[metric].to_numpy(float), rows["run"].to_numpy()
        whose = rows.groupby(model, sort=False).ngroup().to_numpy()
        ends = np.cumsum(np.bincount(whose))
        parts = np.split(np.argsort(whose, kind="stable"), ends[:-1]) if len(rows) else []
        names = rows[model].drop_duplicates().itertuples(index=False, name=None)
        for name, own in zip(names, parts, strict=True):
            column, runs = pd.factorize(run[own], sort=True)
            scores = mean_by_place(values[own], (place[own], column), (len(cases), len(runs)))
            self._of[name] = scores, list(runs)
        self._none = np.full((len(cases), 1), np.nan), [""]

    def of(self, model: tuple[str, int, str]) -> tuple[np.ndarray, list[str]]:
        """Return a model's (family, n_train, structure) scores and the names of its trainings.

        The scores have shape (cases, trainings) and are NaN where there is none.
        """
        return self._of.get(model, self._none)


def effect_of(
    models: Sequence[np.ndarray],
    runs: Sequence[Sequence[str]],
    weights: Sequence[float],
    strata: np.ndarray,
    spread: Callable[[], Spread | None],
) -> Effect:
    """Estimate a weighted sum of models' means over the same cases.

    Args:
        models, runs, weights, spread: as `contrasted` takes them.
        strata: the cohort of each case, shape (cases,).
    """
    scores, weights, known = contrasted(models, runs, weights, spread)
    return effect(scores, weights, strata, known)


def contrasted(
    models: Sequence[np.ndarray],
    runs: Sequence[Sequence[str]],
    weights: Sequence[float],
    spread: Callable[[], Spread | None],
) -> tuple[list[np.ndarray], Sequence[float], Spread | None]:
    """Return the scores that a weighted sum of models' means is estimated from, their weights, and the spread.

    Trainings without any score don't count. A model that lacks a case in one of the others counts by each case's
    mean over its trainings, as one training. Several folds are paired, since the models of a fold are trained on the
    same patients: then there is one array, of the weighted sums. Folds have patients in common: `Spread.shared`.

    Args:
        models: shape (cases, trainings) each, finite or NaN, with at least one score of every case.
        runs: the names of each model's trainings.
        weights: of the models' means.
        spread: returns the spread between trainings; it is called where every model counts as one training.
    """
    complete, names = [], []
    for model, own in zip(models, runs, strict=True):
        there = ~np.isnan(model).all(0)
        model = model if there.all() else model[:, there]
        complete.append(mean_of(model, 1)[:, None] if np.isnan(model).any() else model)
        names.append([run for run, kept in zip(own, there, strict=True) if kept])
    several = all(m.shape[1] == len(own) > 1 for m, own in zip(complete, names, strict=True))
    if several and folds_of(names[0]) > 1 and all(own == names[0] for own in names):
        complete = [np.sum([w * m for w, m in zip(weights, complete, strict=True)], axis=0)]
        names, weights = names[:1], [1.0]
    return complete, weights, spread_between(complete, names, spread)


def spread_between(
    models: Sequence[np.ndarray], runs: Sequence[Sequence[str]], elsewhere: Callable[[], Spread | None]
) -> Spread | None:
    """Return the spread between the trainings of these models; what `elsewhere` returns where each counts as one.

    Args:
        models: shape (cases, trainings) each, complete.
        runs: the names of each model's trainings.
    """
    own = pooled_spread(models)
    if own is None:
        return elsewhere()
    folds = [folds_of(names) for m, names in zip(models, runs, strict=True) if m.shape[1] > 1]
    return replace(own, shared=max(map(shared_by_folds, folds)))


def mean_interval(mean: Effect, confidence: float, scale: Scale) -> tuple[float, float]:
    """Return the interval of a mean on its metric's scale, computed on the scale without ends (`intervals`)."""
    low, high = unbounded_effect(mean, scale).interval(confidence)
    return float(from_unbounded(low, scale)), float(from_unbounded(high, scale))


def unbounded_effect(mean: Effect, scale: Scale) -> Effect:
    """Return a mean on the scale without ends: the logit of a share, the logarithm of a distance."""
    level, slope = to_unbounded(mean.estimate, scale)
    return mean.scaled(float(level), float(slope))


class Spreads:
    """The spread between trainings of each structure of a test set, worked out when first asked for.

    Args:
        table: of `metrics_table.with_runs`, of one test set.
    """

    def __init__(self, table: pd.DataFrame, metric: str) -> None:
        named = ["family", "n_train", "replicate", "draw", "fold", "run", "cohort", "case", "structure"]
        self._table, self._metric = table[[*(c for c in named if c in table), metric]], metric
        self._known: dict[str | None, Spread | None] = {}

    def of(self, structure: str | None) -> Callable[[], Spread | None]:
        """Return the function that `effect_of` calls for the spread of a structure.

        None stands for each case's mean over the structures.
        """

        def ask() -> Spread | None:
            if structure not in self._known:
                rows = self._table if structure is None else self._table[self._table["structure"] == structure]
                self._known[structure] = study_spread(rows.dropna(subset=self._metric), self._metric)
            return self._known[structure]

        return ask
