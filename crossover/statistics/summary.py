"""Each model's scores on each test set: mean, spread and confidence interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from crossover.statistics.metrics_table import compared, metrics_of, test_sets

MODEL = ["model", "family", "strategy", "level", "n_train"]


def summarise(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Summarise a metrics table (see `metrics_table.check_metrics`).

    Returns one row for each test set, structure, model and metric: test_set, structure, model,
    family, strategy, level, n_train, metric, cases, mean, sd, ci_low, ci_high, median. `cases`
    counts the cases with a value (HD95 may have none); `sd` has n - 1 below the line; the interval
    is Student's, mean ± t(n - 1) · sd / √n. With one case sd and interval are NaN, with none all
    are. Replicates and folds of a case count once; k-fold models of a family that has others are left
    out (`metrics_table.compared`).
    """
    table = compared(table)
    metrics = metrics_of(table)
    parts = []
    for name, rows in test_sets(table).items():
        by = ["structure", *MODEL, "metric"]
        long = rows.melt(["structure", *MODEL], metrics, "metric", "value")
        part = long.groupby(by, sort=False)["value"].agg(["count", "mean", "std", "median"])
        parts.append(part.reset_index().assign(test_set=name))
    out = pd.concat(parts, ignore_index=True).rename(columns={"count": "cases", "std": "sd"})
    half = half_width(out["sd"].to_numpy(), out["cases"].to_numpy(), confidence)
    out["ci_low"], out["ci_high"] = out["mean"] - half, out["mean"] + half
    numbers = ["cases", "mean", "sd", "ci_low", "ci_high", "median"]
    return out[["test_set", "structure", *MODEL, "metric", *numbers]]


def half_width(sd: np.ndarray, cases: np.ndarray, confidence: float) -> np.ndarray:
    """Half of Student's confidence interval of a mean, t((1 + confidence) / 2; n - 1) · sd / √n.

    All arguments broadcast; NaN for fewer than two cases.
    """
    cases = np.asarray(cases, float)
    enough = np.where(cases > 1, cases, np.nan)
    return stats.t.ppf((1 + confidence) / 2, enough - 1) * sd / np.sqrt(enough)
