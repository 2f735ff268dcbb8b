"""Table 1: are the parts of a cohort alike in their clinical variables?"""

from collections.abc import Iterator, Sized

import numpy as np
import pandas as pd
from scipy import stats

COLUMNS = [
    "variable", "category", "part", "patients", "missing",
    "mean", "sd", "count", "percent", "test", "p",
]  # fmt: skip


def table_one(patients: pd.DataFrame, parts: pd.Series) -> pd.DataFrame:
    """Describe every column of a table of patients by part, with a test of equality.

    Args:
        patients: one row for each patient, indexed by patient; each column is a variable.
        parts: patient -> the name of its part ("training", "testing"); patients without a part are
            left out, and the parts come in the order in which they first stand here.

    Returns:
        Tidy, one row for each variable, category ("" for a continuous variable) and part, with
        `COLUMNS`. `patients` counts those with a value, `missing` those without; percentages are of
        the former. Continuous variables have mean and sd, categorical ones count and percent, in
        sorted order. Which is which follows from the column: numbers are continuous, all else and
        whole numbers from 0 to 9 (codes of a stage or grade) are categories. Identifiers (text that
        is another for every patient) and columns without any value are left out; blank text is no
        value.

        Tests: Welch's t for continuous variables (its analysis of variance for more than two
        parts); chi-square for categories, with Yates' correction in 2x2 tables; Fisher's exact test
        (for larger tables its seeded Monte Carlo version) where a count below 1 is expected in a
        cell (Cochran 1954). From the printed numbers of Lin 2023 these give age 0.9685 (printed
        0.968), grade 1.000 (1.000), T 0.811 (0.811), N 0.693 (0.693; Fisher, which the rule "below
        5" would choose, gives 0.777). Its histology 0.602 follows from no usual test of the printed
        counts: Fisher 0.017, chi-square 0.034, endometrioid against the others 0.011.
        p is NaN where a part has fewer than two values, or nothing varies.

    Raises:
        ValueError: no patient of the table has a part.
    """
    parts = parts.dropna().reindex([p for p in parts.dropna().index if p in patients.index])
    if parts.empty:
        raise ValueError("no patient of the table belongs to a part")
    patients = patients.loc[parts.index]
    rows = []
    for variable in patients:
        values = patients[variable].replace(r"^\s*$", np.nan, regex=True)
        if _identifies(values) or values.isna().all():
            continue
        describe = _continuous if _is_continuous(values) else _categories
        rows += [{"variable": variable} | row for row in describe(values, parts)]
    return pd.DataFrame(rows, columns=COLUMNS)


def equal_means(groups: list[np.ndarray]) -> float:
    """Return p of Welch's test that all groups have one mean; NaN for fewer than two values or an SD of 0.

    Args:
        groups: the values of each group, shape (patients,).
    """
    if len(groups) < 2 or min(map(len, groups)) < 2 or any(np.ptp(g) == 0 for g in groups):
        return np.nan
    return float(stats.f_oneway(*groups, equal_var=False).pvalue)


def equal_shares(counts: np.ndarray) -> tuple[str, float]:
    """Return (test, p) of a table of counts, shape (categories, parts); ("", NaN) if nothing varies."""
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return "", np.nan
    if stats.contingency.expected_freq(counts).min() >= 1:
        return "chi-square", float(stats.chi2_contingency(counts).pvalue)
    if counts.shape == (2, 2):
        return "Fisher", float(stats.fisher_exact(counts).pvalue)
    draws = stats.MonteCarloMethod(n_resamples=9999, rng=np.random.default_rng(0))
    # An array of one number, for some shapes of table.
    return "Fisher", float(np.squeeze(stats.fisher_exact(counts, method=draws).pvalue))


def _identifies(values: pd.Series) -> bool:
    text = not pd.api.types.is_numeric_dtype(values)
    return text and len(values) > 2 and values.nunique() == len(values)


def _is_continuous(values: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    return not values.dropna().isin(range(10)).all()


def _continuous(values: pd.Series, parts: pd.Series) -> Iterator[dict]:
    groups = {p: values[parts == p].dropna().to_numpy(float) for p in parts.unique()}
    p = equal_means(list(groups.values()))
    for part, own in groups.items():
        yield _row("", part, own, parts) | {
            "mean": own.mean() if len(own) else np.nan,
            "sd": own.std(ddof=1) if len(own) > 1 else np.nan,
            "test": "Welch's t" if len(groups) == 2 else "Welch's ANOVA",
            "p": p,
        }


def _categories(values: pd.Series, parts: pd.Series) -> Iterator[dict]:
    whole = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    values = values.dropna()
    values = (values.astype(int) if whole else values).astype(str)
    counts = pd.crosstab(values, parts.loc[values.index])
    counts = counts.reindex(columns=parts.unique(), fill_value=0)
    test, p = equal_shares(counts.to_numpy())
    for category in counts.index:
        for part in counts:
            own, count = values[parts.loc[values.index] == part], counts.at[category, part]
            percent = 100 * count / len(own) if len(own) else np.nan
            share = {"count": int(count), "percent": percent}
            yield _row(str(category), part, own, parts) | share | {"test": test, "p": p}


def _row(category: str, part: str, own: Sized, parts: pd.Series) -> dict:
    missing = int((parts == part).sum()) - len(own)
    return {"category": category, "part": part, "patients": len(own), "missing": missing}
