"""How do scores grow with n? Learning curves of every family that has several sizes.

The intervals are of `resampling`, the two forms of `forms`. A study whose families have one size has no
learning curves.
"""

from typing import Any

import numpy as np
import pandas as pd

from crossover.statistics.estimates.resampling import DRAWS, Panel, Resampled, in_own_sign, panels, resample
from crossover.statistics.learning_curves.forms import FEWEST, monotone, power_curve, power_law
from crossover.statistics.scores.intervals import clip_to_scale

CURVES = [
    "test_set", "structure", "family", "metric", "n_train", "mean", "ci_low", "ci_high", "confidence",
    "patients", "replicates", "resampled", "training_sd",
    "fitted_monotone", "fit_low", "fit_high", "fitted_power", "power_a", "power_b", "power_c",
    "residual_sd_monotone", "residual_sd_power", "r2_monotone", "r2_power",
]  # fmt: skip
VALUES = ("mean", "fitted_monotone", "fitted_power", "power_a", "power_b")
ENDS = (("ci_low", "ci_high"), ("fit_low", "fit_high"))
"""The columns of scores, and of ends of their intervals."""


ONE_CASE = "one test case of a cohort doesn't show how much another one differs"
"""Why there is no interval where no cohort has two test cases."""


def learning_curves(table: pd.DataFrame, metric: str, confidence: float, draws: int = DRAWS) -> pd.DataFrame:
    """Return the learning curves of a table of scores, with the columns `CURVES`.

    Args:
        table: of `metrics_table.check_metrics`.
        metric: one whose higher values are better, or one whose lower values are.
        confidence: of the intervals.
        draws: the number of resamples.

    Returns:
        One row for each test set, structure, family of several sizes and size. `mean` is over `patients` of
            each one's mean over `replicates`, with its interval from resamples of what `resampled` says:
            "patients and replicates"; "patients and roughness" or "patients", where all families with sizes were
            trained once. All intervals are up to the ends of the metric's scale; there are none where no cohort has two
            test cases. `training_sd` is the
            SD of a mean by the chance of one training, the same for a test set and structure; NaN where it
            can't be estimated.
        `fitted_monotone` is the isotonic regression, which never gets worse with n, with its interval `fit_low,
            fit_high`; `fitted_power` is a - b n^(-c), NaN of fewer than four sizes. `residual_sd_*` is
            √(Σ residual² / sizes), `r2_*` 1 - Σ residual² / Σ (mean - mean of the means)², both the same in all rows of
            a curve; R² is NaN where nothing varies.

    Raises:
        ValueError: the table has no such metric, or neither its higher nor its lower values are better throughout.
    """
    frames = []
    for test_set, structure, panel in panels(table, metric):
        found = resample(panel, draws)
        for f, family in enumerate(panel.families):
            rows = _curve(panel, found, f, confidence)
            rows = in_own_sign(rows, metric, VALUES, ENDS)
            place = {"test_set": test_set, "structure": structure, "family": family}
            frames.append(pd.DataFrame(place | {"metric": metric, "confidence": confidence} | rows))
    return pd.concat(frames)[CURVES].reset_index(drop=True) if frames else pd.DataFrame(columns=CURVES)


def interval(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentiles along the first axis that hold the middle `confidence`; draws may be infinite."""
    ordered = np.sort(draws, axis=0)
    outside = int((1 - confidence) / 2 * len(draws) + 1e-9)  # 49.999... are 50
    return ordered[outside], ordered[len(draws) - 1 - outside]


def several_cases(panel: Panel) -> bool:
    """Return whether a cohort has two test cases or more, without which nothing tells how much cases differ."""
    return len(panel.strata) > len(np.unique(panel.strata))


def _curve(panel: Panel, found: Resampled, f: int, confidence: float) -> dict[str, Any]:
    here = ~np.isnan(found.means[f])
    n, means, draws = panel.sizes[here], found.means[f, here], found.draws[:, f, here]
    low, high = clip_to_scale(*interval(draws, confidence), panel.scale)
    rising = monotone(means)
    fit_low, fit_high = clip_to_scale(*interval(monotone(draws), confidence), panel.scale)
    if not several_cases(panel):
        low, high, fit_low, fit_high = np.full((4, len(n)), np.nan)
    power = power_law(means, n, panel.scale) if len(n) >= FEWEST else np.full(3, np.nan)
    fitted = power_curve(power, n)
    return {
        "n_train": n.astype(int), "mean": means, "ci_low": low, "ci_high": high,
        "patients": panel.patients[f, here], "replicates": panel.trainings[f, here],
        "resampled": found.resampled, "training_sd": found.training_sd,
        "fitted_monotone": rising, "fit_low": fit_low, "fit_high": fit_high,
        "fitted_power": fitted, **dict(zip(("power_a", "power_b", "power_c"), power, strict=True)),
        **_quality("monotone", means, rising), **_quality("power", means, fitted),
    }  # fmt: skip


def _quality(form: str, means: np.ndarray, fitted: np.ndarray) -> dict[str, float]:
    left, whole = ((means - fitted) ** 2).sum(), ((means - means.mean()) ** 2).sum()
    share = 1 - left / whole if whole > 0 else np.nan
    return {f"residual_sd_{form}": np.sqrt(left / len(means)), f"r2_{form}": share}
