"""Each model's scores on each test set: mean, spread and confidence interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crossover.statistics.estimates.effects import Spreads, TrainedScores, effect_of, mean_interval
from crossover.statistics.scores.metrics_table import by_test_set, compared, metrics_of, tested, with_runs
from crossover.statistics.scores.scales import FAILED, scale

MODEL = ["model", "family", "strategy", "level", "n_train"]


def summarise(table: pd.DataFrame, confidence: float, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Summarise the scores of each model on each test set and structure.

    Args:
        table: of `metrics_table.check_metrics`.
        confidence: of the intervals.
        metrics: by default those of the table that are known (`metrics_table.metrics_of`).

    Returns:
        One row for each test set, structure, model and metric: test_set, structure, model, family, strategy,
            level, n_train, metric, cases, mean, sd, ci_low, ci_high, about, median, replicates,
            sd_replicates, failures.
        `cases` counts the cases with a value (HD95 may have none; where one is infinite there is a median but
            no mean); `sd` has n - 1 below the line; the interval is for other patients and, where `about` is
            "methods", other trainings (`estimates.chance`), on the logit of a metric from 0 to 1 and on the
            logarithm of a distance (`intervals`). Over several cohorts it is for as many patients of each.
            With one case sd and interval are NaN, with none all are.
        `replicates` counts the replicates and `sd_replicates` is the SD of their means over these cases, n -
            1 below the line, NaN for one. Replicates and folds of a case count once; k-fold models of a
            family that has others are left out (`metrics_table.compared`). `failures`, of the metric dsc, is
            the share of the cases below `scales.FAILED`.
    """
    metrics = metrics_of(table) if metrics is None else list(metrics)
    rows = with_runs(tested(table))
    out = by_test_set(rows, lambda own: _of_test_set(own, confidence, metrics))
    out = out.rename(columns={"count": "cases", "std": "sd"})
    numbers = [
        "cases", "mean", "sd", "ci_low", "ci_high", "about", "median", "replicates", "sd_replicates",
        "failures",
    ]  # fmt: skip
    return out[["test_set", "structure", *MODEL, "metric", *numbers]]


def _of_test_set(rows: pd.DataFrame, confidence: float, metrics: list[str]) -> pd.DataFrame:
    by = ["structure", *MODEL[1:], "metric"]  # folds that divide the cases are several models of one family
    long = compared(rows).melt(["structure", *MODEL], metrics, "metric", "value")
    part = long.groupby(by, sort=False)["value"].agg(["count", "mean", "std", "median"])
    part["model"] = long.groupby(by, sort=False)["model"].first()
    failed = long["value"].lt(FAILED).astype(float).where(long["value"].notna())
    part["failures"] = failed.groupby([long[c] for c in by], sort=False).mean()
    part = part.reset_index().merge(_between_replicates(rows, metrics), how="left")
    part["failures"] = part["failures"].where(part["metric"] == "dsc")
    part["mean"] = part["mean"].where(np.isfinite(part["mean"]))
    return _intervals(part, rows, confidence)


def _intervals(part: pd.DataFrame, rows: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return the rows of one test set with ci_low, ci_high and about."""
    found = {}
    for metric, own in part.groupby("metric", sort=False):
        scores, spreads = TrainedScores(rows, str(metric)), Spreads(rows, str(metric))
        for row in own[own["count"] > 0].itertuples():
            values, runs = scores.of((row.family, row.n_train, row.structure))
            here = ~np.isnan(values).all(1)
            if np.isinf(values).any():
                continue
            spread = spreads.of(row.structure)
            effect = effect_of([values[here]], [runs], [1], scores.strata[here], spread)
            found[row.Index] = (*mean_interval(effect, confidence, scale(str(metric))), effect.about)
    bounds = pd.DataFrame.from_dict(found, orient="index", columns=["ci_low", "ci_high", "about"])
    return part.join(bounds)


def _between_replicates(rows: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    by = ["structure", "family", "n_train"]
    means = rows.groupby([*by, "replicate"])[metrics].mean()  # before they stand below each other: few rows then
    long = means.melt(var_name="metric", ignore_index=False).groupby([*by, "metric"])["value"]
    return long.agg(replicates="size", sd_replicates="std").reset_index()
