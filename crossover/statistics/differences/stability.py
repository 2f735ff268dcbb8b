"""Does a model depend on which patients it was trained on? Its scores across k folds."""

import warnings

import numpy as np
import pandas as pd

from crossover.statistics.differences.comparisons import one_way

STABILITY = [
    "family", "strategy", "level", "n_train", "structure", "cohort", "folds",
    "fold", "cases", "mean", "sd", "test", "F", "df_between", "df_within", "p",
]  # fmt: skip
INDEPENDENT, REPEATED = "one-way", "repeated measures"


def stability(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Analyse the variance of a metric across the folds of each family that has folds.

    Where each fold is tested on the cases that it left out, the folds are independent groups and the analysis
    is one-way. Where all folds are tested on the same cases, it is that of repeated measures on each cohort's
    cases, with Greenhouse and Geisser's correction of p: a one-way analysis would take the differences
    between patients, which all folds share, for noise.

    Returns:
        One row for each family, structure, cohort of the cases and fold: family, strategy, level, n_train,
            structure, cohort, folds (how many), fold, cases, mean, sd (of the fold's cases), test ("one-way"
            or "repeated measures"), and F, df_between, df_within, p of the family's folds, the same in all
            its rows. A small p says that the folds differ. F and p are NaN where a fold has fewer than two
            cases (of the same cases: three), there is one fold, or nothing varies but the folds. The table is
            empty, with these columns, where the scores have no folds.

    Raises:
        ValueError: the table has no such metric.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    rows = []
    by = ["family", "strategy", "level", "n_train", "structure", "cohort"]
    folded = table[table["fold"].notna()].dropna(subset=metric)
    for place, part in folded.groupby(by, sort=False):
        folds = {fold: values for fold, values in part.groupby("fold")[metric]}
        found = _across(part, metric)
        for fold, values in folds.items():
            own = {"folds": len(folds), "fold": int(fold), "cases": len(values)}
            own |= {"mean": values.mean(), "sd": values.std()}
            rows.append(dict(zip(by, place, strict=True)) | own | found)
    return pd.DataFrame(rows, columns=STABILITY)


def repeated_measures(scores: pd.DataFrame) -> dict[str, float]:
    """Do a one-way analysis of variance for repeated measures with pingouin.

    Args:
        scores: cases (rows) x folds (columns); cases without a score in some fold are left out.

    Returns:
        F, df_between and df_within (both without correction), p with the correction of Greenhouse and Geisser
            (1959), and epsilon. F, p and epsilon are NaN for fewer than three cases, which pingouin asks for
            (of two, epsilon is at its lower bound whatever the scores), fewer than two folds, and where no
            difference between the folds varies from case to case.
    """
    from pingouin import rm_anova

    values = scores.dropna().to_numpy(float)
    cases, folds = values.shape
    out = {"F": np.nan, "df_between": folds - 1, "df_within": (folds - 1) * max(cases - 1, 0)}
    out |= {"p": np.nan, "epsilon": np.nan}
    within = values - values.mean(axis=1, keepdims=True)
    if cases < 3 or folds < 2 or np.abs(within - within.mean(axis=0)).max() < 1e-12:
        return out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pingouin's own use of pandas, and its test of sphericity
        found = rm_anova(pd.DataFrame(values), correction=True).iloc[0]
    p = found.get("p_GG_corr", found["p_unc"])  # two columns need no correction
    return out | {"F": float(found["F"]), "p": float(p), "epsilon": float(found["eps"])}


def _across(part: pd.DataFrame, metric: str) -> dict[str, object]:
    scores = part.pivot_table(metric, "case", "fold", aggfunc="mean")
    if scores.notna().sum(axis=1).max() > 1:
        return {"test": REPEATED, **repeated_measures(scores)}
    folds = {str(fold): v.to_numpy(float) for fold, v in part.groupby("fold")[metric]}
    return {"test": INDEPENDENT, **one_way(folds)}
