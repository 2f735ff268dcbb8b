"""Linear mixed models of scores with a random intercept for each case (statsmodels, REML)."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd


def families_differ(long: pd.DataFrame) -> dict[str, float | bool]:
    """value ~ family + (1 | unit): do the families differ?

    Args:
        long: columns value, family, unit (the case).

    Returns:
        statistic (Wald's chi-square of all family terms), df1, p, sd_cases and sd_rest (the intercept's and
        the residual's SD), converged. NaN and False where it can't be fitted: fewer than two cases or
        families, or no residual variance.
    """
    design, tested = _families(long)
    return _fitted(long, design, tested)


def families_gain_alike(long: pd.DataFrame) -> dict[str, float | bool]:
    """value ~ family * log2(n_train) + (1 | unit): Wald's test of the interaction; else as `families_differ`."""
    design, tested = _families(long)
    x = np.log2(long["n_train"].to_numpy(float))
    x = x - x.mean()  # changes no slope, and keeps the design well conditioned
    own = design[:, tested] * x[:, None]
    whole = np.column_stack([design, x, own])
    return _fitted(long, whole, np.arange(design.shape[1] + 1, whole.shape[1]))


def _families(long: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(intercept and a column for each family but the first, the numbers of the latter)."""
    names = list(dict.fromkeys(long["family"]))
    columns = [(long["family"] == name).to_numpy(float) for name in names[1:]]
    return np.column_stack([np.ones(len(long)), *columns]), np.arange(1, len(names))


def _fitted(long: pd.DataFrame, design: np.ndarray, tested: np.ndarray) -> dict[str, float | bool]:
    from scipy.stats import chi2
    from statsmodels.regression.mixed_linear_model import MixedLM

    out = {"statistic": np.nan, "df1": len(tested), "p": np.nan}
    out |= {"sd_cases": np.nan, "sd_rest": np.nan, "converged": False}
    value, unit = long["value"].to_numpy(float), pd.factorize(long["unit"])[0]
    if not len(tested) or unit.max(initial=0) < 1 or _exact(value, design, unit):
        return out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an intercept without variance is told by sd_cases
        try:
            found = MixedLM(value, design, unit).fit(reml=True)
        except np.linalg.LinAlgError:
            return out
    beta, spread = found.fe_params[tested], np.asarray(found.cov_params())[np.ix_(tested, tested)]
    wald = float(beta @ np.linalg.solve(spread, beta))
    return out | {
        "statistic": wald, "p": float(chi2.sf(wald, len(tested))),
        "sd_cases": float(np.sqrt(max(found.cov_re[0, 0], 0.0))),
        "sd_rest": float(np.sqrt(found.scale)), "converged": bool(found.converged),
    }  # fmt: skip


def _exact(value: np.ndarray, design: np.ndarray, unit: np.ndarray) -> bool:
    """Whether cases and fixed effects explain everything: then there is no error to test against."""
    cases = (unit[:, None] == np.unique(unit)).astype(float)
    whole = np.column_stack([design, cases])
    rest = value - whole @ np.linalg.lstsq(whole, value, rcond=None)[0]
    return len(value) <= np.linalg.matrix_rank(whole) or np.abs(rest).max() < 1e-10
