"""Each model's scores on each test set: mean, spread and confidence interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from crossover.statistics.metrics_table import compared, metrics_of, test_sets, tested

MODEL = ["model", "family", "strategy", "level", "n_train"]


def summarise(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Summarise a metrics table (see `metrics_table.check_metrics`).

    Returns one row for each test set, structure, model and metric: test_set, structure, model,
    family, strategy, level, n_train, metric, cases, mean, sd, ci_low, ci_high, median, replicates,
    sd_replicates. `cases`
    counts the cases with a value (HD95 may have none); `sd` has n - 1 below the line; the interval
    is Student's, mean ± t(n - 1) · sd / √n. With one case sd and interval are NaN, with none all
    are. `replicates` counts the replicates and `sd_replicates` is the SD of their means over these
    cases, n - 1 below the line, NaN for one. Replicates and folds of a case count once; k-fold models of a family that has others are left
    out (`metrics_table.compared`).
    """
    each = test_sets(tested(table))
    table = compared(table)
    metrics = metrics_of(table)
    parts = []
    for name, rows in test_sets(table).items():
        by = ["structure", *MODEL, "metric"]
        long = rows.melt(["structure", *MODEL], metrics, "metric", "value")
        part = long.groupby(by, sort=False)["value"].agg(["count", "mean", "std", "median"])
        part = part.reset_index().merge(_between_replicates(each[name], metrics), how="left")
        parts.append(part.assign(test_set=name))
    out = pd.concat(parts, ignore_index=True).rename(columns={"count": "cases", "std": "sd"})
    half = half_width(out["sd"].to_numpy(), out["cases"].to_numpy(), confidence)
    out["ci_low"], out["ci_high"] = out["mean"] - half, out["mean"] + half
    numbers = ["cases", "mean", "sd", "ci_low", "ci_high", "median", "replicates", "sd_replicates"]
    return out[["test_set", "structure", *MODEL, "metric", *numbers]]


def _between_replicates(rows: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    by = ["structure", "family", "n_train", "metric"]
    long = rows.melt([*by[:-1], "replicate"], metrics, "metric", "value")
    means = long.groupby([*by, "replicate"])["value"].mean().groupby(by)
    return means.agg(replicates="size", sd_replicates="std").reset_index()


def half_width(sd: np.ndarray, cases: np.ndarray, confidence: float) -> np.ndarray:
    """Half of Student's confidence interval of a mean, t((1 + confidence) / 2; n - 1) · sd / √n.

    All arguments broadcast; NaN for fewer than two cases.
    """
    cases = np.asarray(cases, float)
    enough = np.where(cases > 1, cases, np.nan)
    return stats.t.ppf((1 + confidence) / 2, enough - 1) * sd / np.sqrt(enough)
