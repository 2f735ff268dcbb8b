"""Would the models rank the same on other patients? Rankings of bootstrap samples, as challengeR makes them.

Models are ranked by their mean over the cases, the best first and equal ones at the better rank (Wiesenfarth et al.
2021: aggregate, then rank). Cases are drawn with replacement within each cohort, the same for all models, and the
models ranked again. What is told is about these trained models and other patients: another training of a method may
rank elsewhere, which `differences.paired` counts and a ranking of one training can't.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crossover.statistics.scores.metrics_table import by_test_set, compared, metrics_of
from crossover.statistics.scores.scales import direction

RANKING = [
    "test_set", "structure", "n_train", "metric", "family", "cases", "mean",
    "rank", "rank_low", "rank_high", "first", "tau", "tau_low", "tau_high",
]  # fmt: skip
SHARES = ["test_set", "structure", "n_train", "metric", "family", "rank", "share"]
DRAWS = 1000


def ranking(table: pd.DataFrame, confidence: float, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Rank the models of each test set, structure, size and metric, and tell how stable their ranks are.

    Args:
        table: of `metrics_table.check_metrics`, with what missing predictions count as (`missing.completed`).
        metrics: by default those of the table that are known. One without a direction has no ranking.

    Returns:
        One row for each family of a size, and those without sizes beside them, where there are two or more and a cohort
        has two cases or more: with the columns `RANKING`. `cases` are those that all have a value for; `rank` is that
        of the mean, with the interval that holds the share `confidence` of the bootstrap samples' ranks; `first` is the
        share of samples in which the family has rank 1, alone or with others. Kendall's tau-b of the samples' rankings
        with the full one (1: the same; -1: reversed) has its mean and interval, the same in all rows of a ranking; NaN
        where all means are equal.
    """

    def of_test_set(rows: pd.DataFrame) -> pd.DataFrame:
        found = [
            place | row
            for place, scores, strata in _rankings(rows, metrics)
            for row in _stability(scores, strata, place["metric"], confidence)
        ]
        return pd.DataFrame(found, columns=RANKING)

    return by_test_set(compared(table), of_test_set)


def rank_shares(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return how often each model has each rank over the bootstrap samples of `ranking`.

    Args:
        table: of `metrics_table.check_metrics`, with what missing predictions count as.
        metric: the one to rank by.

    Returns:
        One row for each family of a ranking and each rank, with the columns `SHARES`; a family's shares sum
            to 1.
    """

    def of_test_set(rows: pd.DataFrame) -> pd.DataFrame:
        found = [
            place | {"family": family, "rank": rank, "share": (own == rank).mean()}
            for place, scores, strata in _rankings(rows, [metric])
            for family, own in zip(scores, _samples(scores, strata, metric)[1].T, strict=True)
            for rank in range(1, scores.shape[1] + 1)
        ]
        return pd.DataFrame(found, columns=SHARES)

    return by_test_set(compared(table), of_test_set)


def all_equal(rows: pd.DataFrame) -> pd.Series:
    """Return which rows of `ranking` are of rankings without an order: in every sample all models have equal means."""
    return rows.groupby(["test_set", "structure", "n_train", "metric"])["first"].transform("min").eq(1)


def ranks(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Rank the last axis, the best 1; equal ones have the better rank. Infinite values are the largest."""
    values = np.round(scores if higher_is_better else -scores, 12)
    return 1 + (values[..., None, :] > values[..., :, None]).sum(-1)


def kendall_tau(full: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of each of several rankings with one ranking.

    Args:
        full: ranks, shape (models,).
        samples: ranks, shape (samples, models).

    Returns:
        Shape (samples,), from -1 to 1; NaN for a ranking in which all models are equal.
    """
    first, second = np.triu_indices(len(full), 1)
    a = np.sign(full[first] - full[second])
    b = np.sign(samples[:, first] - samples[:, second])
    size = np.sqrt(np.abs(a).sum() * np.abs(b).sum(1))
    return np.divide((a * b).sum(1), size, out=np.full(len(b), np.nan), where=size > 0)


def _sizes(rows: pd.DataFrame) -> Iterator[tuple[int, list[str]]]:
    """Yield (size, its families with those that have none), in the table's order."""
    models = rows[["family", "n_train"]].drop_duplicates()
    for n in sorted(set(models["n_train"]) - {0}) or [0]:
        families = list(models.loc[models["n_train"].isin([0, n]), "family"].unique())
        if len(families) > 1:
            yield int(n), families


def _wide(rows: pd.DataFrame, n: int, metrics: list[str]) -> pd.DataFrame:
    """Return the scores of one size and of the models without any: cases x (metric, family)."""
    rows = rows[rows["n_train"].isin([0, n])].sort_values("n_train", kind="stable")
    rows = rows.drop_duplicates(["family", "cohort", "case"], keep="last")
    return rows.pivot(index=["cohort", "case"], columns="family", values=metrics)


def _rankings(
    rows: pd.DataFrame, metrics: Sequence[str] | None
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, np.ndarray]]:
    """Yield each ranking of two models or more: its place, scores and cohorts.

    The place is structure, n_train and metric; scores are (cases, families); cohorts are those of the cases.
    """
    asked = metrics_of(rows) if metrics is None else metrics
    ranked = [m for m in asked if direction(m)]
    for structure, own in rows.groupby("structure", sort=False):
        for n, families in _sizes(own):
            wide = _wide(own, n, ranked)
            for metric in ranked:
                scores = wide[metric][families].dropna(axis=1, how="all").dropna()  # the cases that all of them have
                strata = scores.index.get_level_values("cohort").to_numpy()
                if len(strata) > len(set(strata)) and scores.shape[1] > 1:  # of one case every sample is the same
                    yield {"structure": structure, "n_train": n, "metric": metric}, scores, strata


def _samples(scores: pd.DataFrame, strata: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks of the models, shape (models,), and over the samples, shape (DRAWS, models)."""
    higher, values = direction(metric) > 0, scores.to_numpy(float)
    full = ranks(_means(values, np.ones((1, len(values)))), higher)[0]
    return full, ranks(_means(values, _draws(tuple(strata))), higher)


def _stability(scores: pd.DataFrame, strata: np.ndarray, metric: str, confidence: float) -> Iterator[dict]:
    values = scores.to_numpy(float)
    full, samples = _samples(scores, strata, metric)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(samples, ends, axis=0, method="inverted_cdf")
    taus = kendall_tau(full, samples)
    known = taus[~np.isnan(taus)]
    between = np.quantile(known, ends) if len(known) else (np.nan, np.nan)
    about = {
        "tau": known.mean() if len(known) else np.nan,
        "tau_low": between[0],
        "tau_high": between[1],
    }
    for k, family in enumerate(scores):
        yield {
            "family": family, "cases": len(values), "mean": values[:, k].mean(), "rank": int(full[k]),
            "rank_low": int(low[k]), "rank_high": int(high[k]), "first": (samples[:, k] == 1).mean(), **about,
        }  # fmt: skip


@functools.lru_cache(maxsize=4)  # most rankings of a table are of the same cases
def _draws(strata: tuple[str, ...]) -> np.ndarray:
    """Return how often each case is drawn, shape (DRAWS, cases): as many of each cohort as it has."""
    rng = np.random.default_rng(0)
    counts = np.zeros((DRAWS, len(strata)))
    for cohort in dict.fromkeys(strata):
        own = np.flatnonzero(np.array(strata) == cohort)
        counts[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), DRAWS)
    return counts


def _means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted means (samples, models); infinite where a case that is in the sample is."""
    endless = np.isinf(values)
    means = weights @ np.where(endless, 0.0, values) / weights.sum(1, keepdims=True)
    return np.where(weights @ endless > 0, np.inf, means)
