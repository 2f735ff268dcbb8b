"""How well do features from automatic contours agree with those from manual ones? The ICC.

Closed forms over all models and features at once. pingouin's `intraclass_corr`, which the tests compare with, knows
95% intervals only, and fits a regression for each: 31 models x 14 features x 3 test sets take it 15.4 s of CPU time,
and `agreement` 0.09 s.

A patient counts once: of its m cases each has the weight 1 / m in the mean squares, and patients are the n of the
interval. So the ICC is that of single cases, which a mean of each patient's features would exceed, and where every
patient has one case it is the usual one.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import f

from crossover.core.cells import TableError
from crossover.core.tables import read_table
from crossover.statistics.scores.intervals import clip_to_scale
from crossover.statistics.scores.metrics_table import test_sets
from crossover.statistics.scores.patients import PATIENT, patients_of

Form = Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]
MANUAL = "manual"
"""The model name of the manual contours' rows."""
REQUIRED = (
    "model", "family", "strategy", "level", "n_train",
    "cohort", "case", "structure", "feature", "value",
)  # fmt: skip

_MODEL = ["model", "family", "strategy", "level", "n_train"]
_CASE = ["cohort", "case", "structure", "feature"]


def read_radiomics(path: Path) -> pd.DataFrame:
    """Read radiomics.csv; text stays text, and a missing level is "".

    Raises:
        TableError: the table is not what `check_radiomics` asks for; the message names the file.
    """
    try:
        read = read_table(path, needed=REQUIRED)
        (n_train, wrong), (value, more) = read.numbers("n_train"), read.numbers("value")
        if wrong + more:
            raise TableError("\n".join(wrong + more))
        return check_radiomics(read.rows.assign(n_train=n_train, value=value).reset_index(drop=True))
    except TableError as error:
        raise error.of(path) from None


def check_radiomics(table: pd.DataFrame) -> pd.DataFrame:
    """Check a radiomics table.

    Returns:
        A copy with `level` as text, `n_train` as int64 (0 where it is missing) and `patient` (the case where there is
            none).

    Raises:
        TableError: columns or manual rows are missing, or a (model, case, structure, feature) is repeated.
    """
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        raise TableError(f"missing columns: {', '.join(missing)}")
    findings = []
    if not (table["model"] == MANUAL).any():
        findings.append(f"model: no rows of the manual contours, model {MANUAL!r}")
    again = table[table.duplicated(["model", *_CASE])]
    if len(again):
        named = [f"{r.model}/{r.case}/{r.structure}/{r.feature}" for r in again.itertuples()][:5]
        findings.append(f"{len(again)} repeated rows, the first: {', '.join(named)}")
    if findings:
        raise TableError("\n".join(findings))
    table = table.copy()
    for column in {"family", "strategy", "level", PATIENT} & set(table):
        table[column] = table[column].astype("string").fillna("").astype(str)
    table[PATIENT] = patients_of(table)
    return table.assign(n_train=table["n_train"].fillna(0).astype("int64"))


def agreement(radiomics: pd.DataFrame, icc_form: Form, confidence: float) -> pd.DataFrame:
    """Return the ICC of manual and automatic features for each test set, structure, model and feature.

    Args:
        radiomics: of `check_radiomics`.
        icc_form: which of the ICCs of `intraclass`.
        confidence: of the interval.

    Returns:
        test_set, structure, model, family, strategy, level, n_train, feature, cases (patients with both values),
            cases_without_prediction, icc, ci_low, ci_high. A case without prediction has the manual value and
            not the model's, as where the predicted mask is empty; it can't enter the ICC, which is then that of
            the other cases. A model is asked for the structures that it has any row for.
    """
    table = check_radiomics(radiomics)
    manual = table.loc[table["model"] == MANUAL, [*_CASE, PATIENT, "value"]].dropna(subset="value")
    models = table[table["model"] != MANUAL]
    # every model is asked for every case with a manual value of its structures, also where it has no row for it
    named = models[[*_MODEL, "structure"]].drop_duplicates()
    pairs = named.merge(manual.rename(columns={"value": "manual"}), on="structure")
    pairs = pairs.merge(models.drop(columns=PATIENT), how="left", on=[*_MODEL, *_CASE])
    parts = []
    for name, rows in test_sets(pairs).items():
        parts.append(_agreement(rows, icc_form, confidence).assign(test_set=name))
    out = pd.concat(parts, ignore_index=True)
    numbers = ["cases", "cases_without_prediction", "icc", "ci_low", "ci_high"]
    return out[["test_set", "structure", *_MODEL, "feature", *numbers]]


def _agreement(pairs: pd.DataFrame, form: Form, confidence: float) -> pd.DataFrame:
    by = ["structure", *_MODEL, "feature"]
    apart = pairs["value"] - pairs["manual"]
    counted = apart.notna()
    whose = [pairs[c] for c in (*by, "cohort", PATIENT)]
    weight = counted / counted.groupby(whose).transform("sum").clip(lower=1)
    moments = pairs[by].assign(
        n=weight, lacking=~counted, apart=weight * apart, middle=weight * (pairs["manual"] + pairs["value"]) / 2
    )
    groups = moments.groupby(by, sort=False)
    n = groups["n"].transform("sum")
    for name, values in (("apart", apart), ("middle", (pairs["manual"] + pairs["value"]) / 2)):
        centre = groups[name].transform("sum") / n
        moments[f"{name}_squares"] = weight * (values - centre) ** 2
    sums = moments.groupby(by, sort=False).sum()
    n = sums["n"].round(9).to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread, between = (sums[f"{name}_squares"].to_numpy() / (n - 1) for name in ("apart", "middle"))
        raters = sums["apart"].to_numpy() ** 2 / n / 2
    icc, low, high = intraclass(2 * between, raters, spread / 2, n, 2, form, confidence)
    out = sums[[]].assign(cases=n.round().astype(int), cases_without_prediction=sums["lacking"].astype(int))
    return out.assign(icc=icc, ci_low=low, ci_high=high).reset_index()


def influences(values: np.ndarray, patients: np.ndarray, form: Form) -> np.ndarray:
    """Return Fisher's z of the ICC of features as a mean over patients, by leaving out one patient at a time.

    The mean over the patients of what is returned is z = atanh(ICC), and its spread between them says what z would be
    with other patients (the jackknife, Tukey 1958).

    Args:
        values: of manual and automatic contours, shape (2, cases, features).
        patients: of each case, by number from 0, shape (cases,).

    Returns:
        Shape (patients, features); NaN where there is no such z: an ICC of 1 or -1, or fewer than three patients.
    """
    own = np.eye(patients.max() + 1)[patients].T  # (patients, cases)
    weights = own / own.sum(1, keepdims=True)
    every = weights.sum(0)
    without = np.vstack([every, every - weights])  # all patients, then each left out
    n = without.sum(1, keepdims=True)
    manual, automatic = values - values.mean(axis=(0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        (_, between), (apart, error) = (
            _weighted(x, without, n) for x in ((manual + automatic) / 2, automatic - manual)
        )
        raters = n * apart**2 / 2
        icc = estimate(2 * between, raters, error / 2, n, 2, form)
        z = np.arctanh(np.where(np.abs(icc) < 1 - 1e-9, icc, np.nan))
    return z[0] + (len(own) - 1) * (z[1:].mean(0) - z[1:])


def _weighted(values: np.ndarray, weights: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances of values (cases, features) under each row of weights (rows, cases)."""
    mean = weights @ values / n
    return mean, np.maximum(weights @ values**2 - n * mean**2, 0) / (n - 1)


def intraclass(
    between: np.ndarray,
    raters: np.ndarray,
    error: np.ndarray,
    n: np.ndarray,
    k: int,
    form: Form,
    confidence: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the single-rater ICC and its interval from the mean squares of n cases by k raters.

    McGraw & Wong 1996, tables 4 and 7; Shrout & Fleiss 1979 name them (1,1), (2,1), (3,1).

    An ICC of k raters lies between -1 / (k - 1) and 1. The formulas of ICC(A,1) go below that where the raters'
    mean square is below the error's, which makes their variance negative (11 cases, two raters: down to -11/9 =
    -1.22): estimate and interval then end at -1 / (k - 1). No true value lies beyond, so that this
    changes no coverage.

    Args:
        between, raters, error: mean squares of cases, raters and residual, shape (m,).
        n: cases, shape (m,).

    Returns:
        icc, ci_low, ci_high, shape (m,). NaN for n < 2 and where nothing varies at all; the
        interval is also NaN where both raters agree exactly.
    """
    n = np.where(n > 1, n, np.nan)
    icc = _formula(between, raters, error, n, k, form)
    with np.errstate(divide="ignore", invalid="ignore"):
        if form == "ICC(A,1)":
            low, high = _absolute(icc, between, raters, error, n, k, confidence)
        elif form == "ICC(C,1)":
            low, high = _one_f(between, error, n - 1, (n - 1) * (k - 1), k, confidence)
        else:
            within = _within(raters, error, n, k)
            low, high = _one_f(between, within, n - 1, n * (k - 1), k, confidence)
    scale = (-1 / (k - 1), 1.0)
    return np.clip(icc, *scale), *clip_to_scale(low, high, scale)


def estimate(
    between: np.ndarray, raters: np.ndarray, error: np.ndarray, n: np.ndarray, k: int, form: Form
) -> np.ndarray:
    """Return the ICC of `intraclass` without its interval, shape (m,), from the same arguments."""
    icc = _formula(between, raters, error, np.where(n > 1, n, np.nan), k, form)
    return np.clip(icc, -1 / (k - 1), 1)


def _formula(between: Any, raters: Any, error: Any, n: Any, k: Any, form: Form) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        if form == "ICC(A,1)":
            return (between - error) / (between + (k - 1) * error + k * (raters - error) / n)
        error = error if form == "ICC(C,1)" else _within(raters, error, n, k)
        return (between - error) / (between + (k - 1) * error)


def _within(raters: Any, error: Any, n: Any, k: Any) -> Any:
    """Return the mean square within cases."""
    return (raters * (k - 1) + error * (n - 1) * (k - 1)) / (n * (k - 1))


def _one_f(between: Any, error: Any, df1: Any, df2: Any, k: Any, confidence: float) -> tuple[Any, Any]:
    """Return the interval of ICC(1,1) or ICC(C,1), which follow from one F ratio."""
    tail, ratio = (1 + confidence) / 2, between / error
    low, high = ratio / f.ppf(tail, df1, df2), ratio * f.ppf(tail, df2, df1)
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _absolute(icc: Any, between: Any, raters: Any, error: Any, n: Any, k: Any, confidence: float) -> tuple[Any, Any]:
    """Return the interval of ICC(A,1), with Satterthwaite's degrees of freedom v.

    v is at least the raters' own k - 1, as of any sum of variances with positive weights. A negative ICC
    makes one weight negative, and v fell to 0 there and the F quantile rose until it overflowed.
    """
    a = k * icc  # McGraw and Wong's a and b, both times n (1 - icc), which v doesn't depend on
    b = n * (1 - icc) + k * icc * (n - 1)
    v = (a * raters + b * error) ** 2
    v /= (a * raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    v = np.maximum(v, k - 1)
    tail = (1 + confidence) / 2
    rest = k * raters + (k * n - k - n) * error
    f_low, f_high = f.ppf(tail, n - 1, v), f.ppf(tail, v, n - 1)
    low = n * (between - f_low * error) / (f_low * rest + n * between)
    high = n * (f_high * between - error) / (rest + n * f_high * between)
    return low, high
