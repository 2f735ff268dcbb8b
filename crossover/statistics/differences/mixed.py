"""Linear mixed models of scores with a random intercept for each case: statsmodels' `mixedlm`, by REML."""

import warnings

import numpy as np
import pandas as pd


def families_differ(long: pd.DataFrame) -> dict[str, float | bool]:
    """Test in value ~ family + (1 | unit) whether the families differ.

    Args:
        long: columns value, family, unit (the case).

    Returns:
        statistic (Wald's chi-square of all family terms), df1, p, sd_cases and sd_rest (the intercept's and
        the residual's SD), converged. NaN and False where it can't be fitted: fewer than two cases or
        families, or no residual variance.
    """
    return _fitted(long, "value ~ family", "family")


def families_gain_alike(long: pd.DataFrame) -> dict[str, float | bool]:
    """Test the interaction in value ~ family * log2(n_train) + (1 | unit) by Wald's test.

    Args:
        long: the columns that `families_differ` takes, and n_train.

    Returns:
        What `families_differ` returns, of the interaction's terms.
    """
    x = np.log2(long["n_train"].astype(float))
    x = x - x.mean()  # changes no slope, and keeps the design well conditioned
    return _fitted(long.assign(log2_n=x), "value ~ family * log2_n", "family:log2_n")


def _fitted(long: pd.DataFrame, formula: str, tested: str) -> dict[str, float | bool]:
    from statsmodels.formula.api import mixedlm

    families = long["family"].nunique()
    out = {"statistic": np.nan, "df1": families - 1, "p": np.nan}
    out |= {"sd_cases": np.nan, "sd_rest": np.nan, "converged": False}
    if families < 2 or long["unit"].nunique() < 2:
        return out
    model = mixedlm(formula, long, groups="unit")
    if _exact(model.endog, model.exog, pd.factorize(long["unit"])[0]):
        return out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an intercept without variance is told by sd_cases
        try:
            found = model.fit(reml=True)
            test = found.wald_test_terms(scalar=True).table.loc[tested]
        except np.linalg.LinAlgError:
            return out
    return out | {
        "statistic": float(test["statistic"]), "p": float(test["pvalue"]),
        "sd_cases": float(np.sqrt(max(found.cov_re.iloc[0, 0], 0.0))),
        "sd_rest": float(np.sqrt(found.scale)), "converged": bool(found.converged),
    }  # fmt: skip


def _exact(value: np.ndarray, design: np.ndarray, unit: np.ndarray) -> bool:
    """Return whether cases and fixed effects explain everything: then there is no error to test against."""
    count = np.bincount(unit)
    value, *columns = (own - (np.bincount(unit, own) / count)[unit] for own in (value, *design.T))
    within = np.column_stack(columns)  # what cases leave of the design: a column for each case takes their means
    rest = value - within @ np.linalg.lstsq(within, value, rcond=None)[0]
    rank = len(count) + np.linalg.matrix_rank(within, tol=len(value) * np.finfo(float).eps * np.linalg.norm(design))
    return len(value) <= rank or np.abs(rest).max() < 1e-10
