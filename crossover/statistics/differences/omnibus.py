"""Do several models differ at all? An analysis of variance over cases and trainings.

With y[m, c, r] as in `estimates.chance`, n cases and k trainings of a model, equal means give

    n · variance of the models' means = (model x patient) + rest / k + n · training / k    (expected)

so the mean square between models is set against the sum of what estimates each part: the mean square of model x case
of the cases' means over trainings, and n times the variance of means between trainings over k, less rest / k, which
both hold. This quasi F (Satterthwaite 1946) has the degrees of freedom that his formula gives; those of the first part
are corrected for unequal variances of differences by Greenhouse and Geisser's (1959) epsilon. Where nothing is known of
trainings it is the analysis of variance for repeated measures of the trained models.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from crossover.statistics.differences.stability import repeated_measures
from crossover.statistics.estimates.chance import METHODS, MODELS, Spread, pooled_spread, rest_of


def models_differ(scores: Sequence[np.ndarray], spread: Spread | None = None) -> dict[str, Any]:
    """Test whether models have the same mean over the same cases.

    Args:
        scores: of each model, shape (cases, trainings), complete; the numbers of trainings may differ.
        spread: between trainings, as of `effects.spread_between`; by default pooled over these models.

    Returns:
        F, df_between and df_within (without epsilon), p, epsilon, about ("methods" or "trained models"). NaN where
        `stability.repeated_measures` says so.
    """
    means = np.column_stack([s.mean(1) for s in scores])
    found = repeated_measures(pd.DataFrame(means))
    spread = spread or pooled_spread(scores)
    if spread is None or np.isnan(found["F"]):
        return found | {"about": METHODS if spread else MODELS}
    n = len(means)
    between = n * means.mean(0).var(ddof=1)
    of_cases = between / found["F"]
    counts = np.array([s.shape[1] for s in scores])
    of_training = n * float(spread.of_mean(counts).mean())
    rest = float(np.mean([rest_of(s) / k for s, k in zip(scores, counts, strict=True)]))
    of_cases = max(of_cases - rest, 0.0)
    below = of_cases + of_training
    squares = of_training**2 / spread.df
    squares += of_cases**2 / (found["epsilon"] * found["df_within"])
    df, f = below**2 / squares, between / below
    p = special.fdtrc(found["epsilon"] * found["df_between"], df, f)
    return found | {"F": float(f), "df_within": float(df), "p": float(p), "about": METHODS}
