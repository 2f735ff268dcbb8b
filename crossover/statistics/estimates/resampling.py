"""Scores at several n, and what their means could have been: other patients, other trainings.

The same patients are scored under every model, so a resample takes the same patients for all families and
sizes: a difference between families keeps what they share. A resampled mean is the mean found plus two
deviations, each times √(ν / χ²(ν)), drawn anew, which gives it Student's tails:

* Patients, resampled with replacement inside each cohort (Efron 1979); times √(n / (n - 1)), since a resample
  of n spreads less than n new patients; ν = patients - cohorts.
* Trainings, where some family has two or more: the residuals of the replicates about their mean, over the cases that
  all of them have, resampled from those of all families at that size, or at all sizes where none has two at that
  one; times √(R / (R - 1)); ν = all of them - families. A model trained once has one of these, too. One that
  belongs to no size is the same at all of them, and so is its deviation.
* Trainings, where all families with sizes were trained once: how far means stray from a smooth curve says how much a
  mean hangs on its one training. Of every family the residual about 1, log2 n and 1 / n is taken; what the
  patients make of it is subtracted; the rest, pooled over families and sizes, is a variance, drawn anew for
  each mean. ν = residuals - what was fitted. Luck that neighbouring sizes share is not seen by this.
  With three sizes or fewer nothing can be said of trainings: then the resamples are of patients only.

Replicates and folds are both trainings; the folds count only where a family has nothing else. Of several draws of the
nested subsets each counts as one training, by the mean over its own (`metrics_table.with_runs`).
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from crossover.statistics.estimates.chance import Spread, pooled_spread, shared_by_folds
from crossover.statistics.scores.metrics_table import (
    folds_of,
    mean_by_place,
    test_sets,
    tested,
    with_all_structures,
    with_runs,
)
from crossover.statistics.scores.scales import KNOWN, SHARE, Scale, direction, scale

REPLICATES, ROUGHNESS, PATIENTS = "patients and replicates", "patients and roughness", "patients"
"""What a resample stands for, as the column `resampled` says."""
DRAWS = 2000
SMOOTH = 3  # terms of the smooth curve
SEED = 20230


@dataclass(frozen=True)
class Panel:
    """The scores of all families with sizes, on one test set and structure.

    Attributes:
        sizes: n of labelled target cases, increasing, shape (K,).
        scores: shape (families, K, trainings, cases), NaN where there is none.
        strata: each case's cohort by number, shape (cases,).
        unsized: so many families at the end have no sizes, and one score of a case at all of them.
        scale: the lowest and highest value that a score can have.
    """

    families: list[str]
    sizes: np.ndarray
    scores: np.ndarray
    strata: np.ndarray
    unsized: int = 0
    scale: Scale = SHARE

    @property
    def sized(self) -> int:
        """The number of families that have sizes; they come first."""
        return len(self.families) - self.unsized

    @property
    def means(self) -> np.ndarray:
        """The mean over cases of each case's mean over the trainings, shape (families, K)."""
        return mean_of(mean_of(self.scores, 2), 2)

    @property
    def patients(self) -> np.ndarray:
        """The number of cases with a value, shape (families, K)."""
        return (~np.isnan(self.scores)).any(2).sum(2)

    @property
    def trainings(self) -> np.ndarray:
        """The number of trainings with a value, shape (families, K)."""
        return (~np.isnan(self.scores)).any(3).sum(2)

    @functools.cached_property
    def apart(self) -> np.ndarray:
        """Each training's mean minus that of its model's trainings, shape (families, K, trainings).

        It is over the cases which all trainings of the model have; NaN of a model with fewer than two trainings, or
        without such cases.
        """
        missing = np.isnan(self.scores)
        lacking = (missing & ~missing.all(3, keepdims=True)).any(2, keepdims=True)
        runs = mean_of(np.where(lacking, np.nan, self.scores), 3)
        runs[self.trainings < 2] = np.nan
        return runs - mean_of(runs, 2)[..., None]


@dataclass(frozen=True)
class Resampled:
    """Means (families, K), and what they could have been (draws, families, K)."""

    panel: Panel
    means: np.ndarray
    draws: np.ndarray
    resampled: str
    training_sd: float
    """The SD of one training's mean by its chance alone; NaN where it can't be estimated."""


def panels(table: pd.DataFrame, metric: str, unsized: bool = False) -> Iterator[tuple[str, str, Panel]]:
    """Yield (test set, structure, panel) of every test set and structure with a family of several sizes.

    Args:
        table: of `metrics_table.check_metrics`.
        metric: one whose higher values are better, or one whose lower values are.
        unsized: whether the panels have the families without sizes too.

    Raises:
        ValueError: the table has no such metric, or neither its higher nor its lower values are better throughout.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    if metric in KNOWN and not direction(metric):
        raise ValueError(f"{metric}: a learning curve needs a metric whose higher or whose lower values are better")
    for test_set, rows in test_sets(tested(table)).items():
        for structure, part in rows.groupby("structure", sort=False):
            sized = part[part["n_train"] > 0]
            sized = sized[sized.groupby("family")["n_train"].transform("nunique") > 1]
            if len(sized):
                others = part[part["n_train"] == 0] if unsized else part[:0]
                yield test_set, str(structure), panel(sized, metric, others)


def turned(metric: str) -> bool:
    """Return whether the scores of a `panel` have the other sign than the metric, since its lower values are better."""
    return direction(metric) < 0


def in_own_sign(
    row: dict[str, Any], metric: str, values: Sequence[str], ends: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return what follows from a `panel` with the metric's own sign.

    Args:
        row: numbers or arrays by name.
        values: names of scores. ends: of the lower and the upper ends of intervals of scores.
    """
    if not turned(metric):
        return row
    exchanged = [pair for low, high in ends for pair in ((low, high), (high, low))]
    return row | {name: 0 - row[other] for name, other in [*exchanged, *((v, v) for v in values)]}


def panel(rows: pd.DataFrame, metric: str, unsized: pd.DataFrame | None = None) -> Panel:
    """Return the panel of the rows of one structure.

    Its higher scores are better: those of a metric whose lower values are have the other sign (`turned`).

    Args:
        rows: those of the families with sizes.
        metric: the scores' column.
        unsized: rows of the families without sizes, each of which has its scores at all sizes.
    """
    sizes = np.sort(rows["n_train"].unique())
    sized = rows["family"].unique()
    if unsized is not None and len(unsized):
        rows = pd.concat([rows, *(unsized.assign(n_train=n) for n in sizes)])
    families = list(dict.fromkeys(rows["family"]))
    cases = pd.MultiIndex.from_frame(rows[["cohort", "case"]].drop_duplicates())
    place = (
        pd.Index(families).get_indexer(rows["family"]),
        np.searchsorted(sizes, rows["n_train"]),
        pd.factorize(with_runs(rows)["run"], sort=True)[0],
        cases.get_indexer(pd.MultiIndex.from_frame(rows[["cohort", "case"]])),
    )
    values, ends = rows[metric].to_numpy(float), scale(metric)
    if turned(metric):
        values, ends = -values, (-ends[1], -ends[0])
    scores = mean_by_place(values, place, (len(families), len(sizes), max(place[2]) + 1, len(cases)))
    strata = pd.factorize(cases.get_level_values(0))[0]
    return Panel(families, sizes.astype(float), scores, strata, len(families) - len(sized), ends)


def draws_as_trainings(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `metrics_table.check_metrics` of which replicates are draws of the nested subsets.

    Two trainings or folds on the same subsets say nothing of other subsets; a `panel` has each case's mean over them.
    """
    table = tested(table)
    return table.assign(replicate=table.get("draw", table["replicate"]), fold=pd.NA)


def resample(panel: Panel, draws: int = DRAWS, seed: int = SEED) -> Resampled:
    """Draw what the means could have been, as the module says; the same seed gives the same draws."""
    rng = np.random.default_rng(seed)
    means = panel.means
    deviations = _of_patients(panel, draws, rng)
    if not np.isnan(panel.apart[: panel.sized]).all():
        training = _same_at_all_sizes(panel, _of_replicates(panel, draws, rng))
        sd = _sd_of_replicates(panel)
        return Resampled(panel, means, means + deviations + training, REPLICATES, sd)
    rough = roughness(panel)
    if rough is None:
        return Resampled(panel, means, means + deviations, PATIENTS, np.nan)
    training = np.sqrt(rough.variance) * rng.standard_normal(deviations.shape)
    training *= _student(rough.df, draws, rng)[:, None, None]
    draws_ = means + deviations + _same_at_all_sizes(panel, training)
    return Resampled(panel, means, draws_, ROUGHNESS, float(np.sqrt(rough.variance)))


def study_spread(rows: pd.DataFrame, metric: str) -> Spread | None:
    """Return how much a model's mean differs from training to training, from all models of a test set.

    Args:
        rows: of `metrics_table.tested`, or `with_runs` of a whole table, of one test set; several structures count by
            each case's mean.
        metric: the scores' column.

    Returns:
        The spread pooled over the models with several trainings on complete cases, and over structures of the
            trainings that have all of them (`metrics_table.with_all_structures`); where there is none, from
            the roughness of the means over the sizes (`roughness`); None where neither can be computed.
    """
    rows = rows if "run" in rows else with_runs(rows)
    keys = ["family", "n_train", "replicate", "draw", "fold", "run", "cohort", "case"]
    keys = [key for key in keys if key in rows]
    if rows.duplicated(keys).any():
        whole = with_all_structures(rows)
        rows = whole.groupby(keys, dropna=False, sort=False)[metric].mean().reset_index()
    model = ["family", "n_train"]
    repeated = rows[rows.groupby(model, sort=False)["run"].transform("nunique") > 1]
    tables = [
        own.groupby(["cohort", "case", "run"])[metric].mean().unstack("run").dropna()
        for _, own in repeated.groupby(model, sort=False)
    ]
    tables = [own for own in tables if len(own)]
    if several := pooled_spread([own.to_numpy(float) for own in tables]):
        return replace(several, shared=max(shared_by_folds(folds_of(own)) for own in tables))
    sized = rows[rows["n_train"] > 0]
    sized = sized[sized.groupby("family")["n_train"].transform("nunique") > 1]
    return None if sized.empty else roughness(panel(sized, metric))


def mean_of(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of the values that are there along an axis; NaN, without a warning, where none is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis) / known.sum(axis)


def _of_patients(panel: Panel, draws: int, rng: np.random.Generator) -> np.ndarray:
    cases = mean_of(panel.scores, 2).reshape(-1, len(panel.strata))  # (families x K, cases)
    known = ~np.isnan(cases)
    weights = np.ones((draws, len(panel.strata)))
    for stratum in np.unique(panel.strata):
        own = panel.strata == stratum
        n = own.sum()
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=draws)
        weights[:, own] += (drawn - 1) * np.sqrt(n / max(n - 1, 1))
    share = known / np.maximum(known.sum(1, keepdims=True), 1)
    centre = mean_of(cases, 1)[:, None]
    # linear in the weights: a case that is missing under some models takes no part in their means
    deviations = (weights - 1) @ (share * np.nan_to_num(cases - centre)).T
    freedom = max(len(panel.strata) - len(np.unique(panel.strata)), 1)
    deviations *= _student(freedom, draws, rng)[:, None]
    return deviations.reshape(draws, *panel.scores.shape[:2])


def _of_replicates(panel: Panel, draws: int, rng: np.random.Generator) -> np.ndarray:
    count, apart = panel.trainings, panel.apart
    several = ~np.isnan(apart).all(2)
    apart = apart * np.sqrt(count / np.maximum(count - 1, 1))[..., None]
    out = np.full((draws, *count.shape), np.nan)
    for k in range(len(panel.sizes)):
        pooled = several & (np.arange(len(panel.sizes)) == k)
        if not pooled[: panel.sized].any():
            pooled[: panel.sized] = several[: panel.sized]
        pool = apart[pooled][~np.isnan(apart[pooled])]
        scale = _student(len(pool) - pooled.sum(), draws, rng)
        for f in np.flatnonzero(count[:, k]):
            out[:, f, k] = rng.choice(pool, (draws, count[f, k])).mean(1) * scale
    return out


def _same_at_all_sizes(panel: Panel, deviations: np.ndarray) -> np.ndarray:
    deviations[:, panel.sized :] = deviations[:, panel.sized :, :1]
    return deviations


def _sd_of_replicates(panel: Panel) -> float:
    """Return the SD of one training's mean about its family's at that size, pooled."""
    apart = panel.apart[: panel.sized]
    known = ~np.isnan(apart)
    return float(np.sqrt(np.nansum(apart**2) / (known.sum() - known.any(2).sum())))


def roughness(panel: Panel) -> Spread | None:
    """Return the spread between trainings by how far means stray from smooth curves; None with three sizes or fewer."""
    found, freedom = 0.0, 0
    sized = zip(panel.means, _covariances(panel), strict=True)
    for own, of_patients in islice(sized, panel.sized):
        here = ~np.isnan(own)
        n = panel.sizes[here]
        if len(n) <= SMOOTH:
            continue
        smooth = np.column_stack([np.ones(len(n)), np.log2(n), 1 / n])
        rest = np.eye(len(n)) - smooth @ np.linalg.pinv(smooth)
        found += own[here] @ rest @ own[here] - np.trace(rest @ of_patients[np.ix_(here, here)])
        freedom += len(n) - SMOOTH
    return Spread(max(found / freedom, 0.0), freedom) if freedom else None


def _covariances(panel: Panel) -> np.ndarray:
    """Return covariances of each family's means for other patients of the same cohorts, shape (families, K, K)."""
    cases = mean_of(panel.scores, 2)
    known = ~np.isnan(cases)
    share = known / np.maximum(known.sum(2, keepdims=True), 1)
    apart = share * np.nan_to_num(cases - mean_of(cases, 2)[..., None])
    out = np.zeros((*apart.shape[:2], apart.shape[1]))
    for stratum in np.unique(panel.strata):
        own = apart[..., panel.strata == stratum]
        n = own.shape[-1]
        own = own - own.mean(-1, keepdims=True)
        out += own @ own.swapaxes(1, 2) * n / max(n - 1, 1)
    return out


def _student(freedom: float, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return factors, shape (draws,), that turn normal draws into Student's t."""
    return np.sqrt(freedom / rng.chisquare(freedom, draws))
