"""An interval for other patients and other trainings: what a mean difference is drawn from twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats


def crossed(differences: Sequence[pd.DataFrame], alpha: float) -> tuple[float, float]:
    """1 - alpha interval of a mean difference for other cases and other trainings.

    Of one table with n cases and k trainings, both drawn at random and crossed, the mean's variance is
    (MS_cases + MS_trainings - MS_rest) / (n k), at least the larger of the first two alone, with
    Satterthwaite's degrees of freedom (Searle 1971). Several tables, of several cohorts, are weighted by their
    cases and taken as independent. Folds share most of their patients, and one training may be tested on
    several cohorts, so that even this interval is a little too narrow.

    Args:
        differences: shape (cases, trainings), a table for each cohort.

    Returns:
        (low, high); NaN where a table has fewer than two cases or trainings.
    """
    parts = [_variance(d) for d in differences]
    weights = np.array([len(d) for d in differences], float)
    weights /= weights.sum()
    mean = sum(w * float(np.mean(d)) for w, d in zip(weights, differences, strict=True))
    variances = np.array([variance for variance, _ in parts])
    freedom = np.array([df for _, df in parts])
    total = float((weights**2 * variances).sum())
    if not total > 0:
        return (mean, mean) if total == 0 else (np.nan, np.nan)
    df = total**2 / float(((weights**2 * variances) ** 2 / freedom).sum())
    half = float(stats.t.ppf(1 - alpha / 2, df)) * np.sqrt(total)
    return mean - half, mean + half


def _variance(d: pd.DataFrame) -> tuple[float, float]:
    """(variance of the mean, its degrees of freedom) of cases x trainings."""
    values = d.to_numpy(float)
    n, k = values.shape
    if n < 2 or k < 2:
        return np.nan, np.nan
    rows, columns, mean = values.mean(1, keepdims=True), values.mean(0), values.mean()
    cases, trainings = k * rows.var(ddof=1), n * columns.var(ddof=1)
    rest = ((values - rows - columns + mean) ** 2).sum() / ((n - 1) * (k - 1))
    both = cases + trainings - rest
    if both <= max(cases, trainings):
        return max(cases, trainings) / (n * k), n - 1 if cases >= trainings else k - 1
    squares = cases**2 / (n - 1) + trainings**2 / (k - 1) + rest**2 / ((n - 1) * (k - 1))
    return both / (n * k), both**2 / squares
