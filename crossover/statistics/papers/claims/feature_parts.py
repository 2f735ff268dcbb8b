"""Parts of claims about ICCs of manual and automatic features: each feature is a part.

A feature's ICC has the interval of statistics/icc.csv (McGraw & Wong 1996); at another confidence than the
table's its ends are moved on Fisher's scale, atanh(ICC), in proportion to the normal quantiles. The difference
of two models' ICCs has a percentile interval over patients drawn with replacement, the same for both models
and the manual contours, and a p of the same draws: a bound is outside the interval of confidence 1 - alpha
where, and only where, p is alpha or less. Where the models differ on one patient only, the draws without that
patient, a third of all, have a difference of 0, which no interval excludes. With few patients the interval is too
narrow: of simulated features 95% intervals held the true
difference in 88 to 91% at 8 and 16 patients, in 94% at 64.
"""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import norm

from crossover.statistics.estimates.agreement import MANUAL, Form, estimate
from crossover.statistics.papers.claims.parts import Interval, JudgedEffect, Missing
from crossover.statistics.papers.claims.run_scores import Sizes
from crossover.statistics.papers.claims.score_parts import Values
from crossover.statistics.papers.claims.statements import Better

DRAWS = 4999
"""The draws of the bootstrap, which is seeded: the same table gives the same interval."""


def icc_values(statement: Values, icc: pd.DataFrame, sizes: Sizes, confidence: float) -> Iterator[JudgedEffect]:
    """Yield every family's ICC of every feature, as `estimates.agreement.agreement` gives them.

    Raises:
        Missing: no such model, size, structure or test set.
    """
    for n in statement.sizes or [0]:
        for family in statement.families:
            rows = _model_rows(icc, family, n, sizes)
            rows = rows[rows["test_set"] == statement.test_set]
            if statement.structures:
                rows = rows[rows["structure"].isin(statement.structures)]
            if rows.empty:
                raise Missing(f"no ICC of {family} on {statement.test_set}")
            for row in rows.itertuples():
                name = f"{row.feature} of {row.model} on {statement.test_set}"
                of_table = (row.icc, row.ci_low, row.ci_high, confidence)
                yield JudgedEffect(name, row.icc, partial(_at_confidence, of_table))


def icc_differences(statement: Better, radiomics: pd.DataFrame, form: Form, sizes: Sizes) -> Iterator[JudgedEffect]:
    """Yield every a's ICC minus every b's, of every feature.

    Args:
        radiomics: of `agreement.check_radiomics`.

    Raises:
        Missing: no such model or size, or no case with all values.
    """
    for of in statement.pairs:
        for n in statement.sizes or [0]:
            for a in of.a:
                for b in of.b:
                    yield from _pair(
                        radiomics,
                        form,
                        sizes,
                        (a, b),
                        n,
                        of.test_set,
                        statement.structures,
                        statement.by,
                    )


def _pair(
    radiomics: pd.DataFrame, form: Form, sizes: Sizes, pair: tuple[str, str], n: int,
    test_set: str, structures: list[str], bound: float,
) -> Iterator[JudgedEffect]:  # fmt: skip
    own = radiomics if test_set == "all" else radiomics[radiomics["cohort"] == test_set]
    own = own[own["structure"].isin(structures)] if structures else own
    manual = own[own["model"] == MANUAL]
    sides = [manual, *(_model_rows(own, family, n, sizes) for family in pair)]
    wide = [_wide(side) for side in sides]
    features = [f for f in wide[0] if all(f in table for table in wide)]
    joined = pd.concat([table[features] for table in wide], axis=1, join="inner").dropna()
    if joined.empty:
        raise Missing(f"no case on {test_set} with features by {' and '.join(pair)}")
    values = joined.to_numpy(float).reshape(len(joined), 3, len(features))
    drawn = _drawn(values, form)
    effects = _icc(values[None, :, 0], values[None, :, 1], form) - _icc(values[None, :, 0], values[None, :, 2], form)
    for k, feature in enumerate(features):
        name = f"{feature[1]}, {pair[0]} minus {pair[1]} at n = {n} on {test_set}"
        interval = partial(_percentiles, drawn[:, k])
        yield JudgedEffect(name, float(effects[0, k]), interval, _p(drawn[:, k], bound))


def _model_rows(table: pd.DataFrame, family: str, n: int, sizes: Sizes) -> pd.DataFrame:
    rows = table[table["family"] == family]
    if rows.empty:
        raise Missing(f"no features by {family}")
    if (rows["n_train"] == 0).all():
        return rows
    if n not in sizes:
        raise Missing(f"no training size here stands for n = {n}")
    if (rows := rows[rows["n_train"] == sizes[n]]).empty:
        raise Missing(f"no features by {family} at n = {sizes[n]}")
    return rows


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Return cases x (structure, feature); of several replicates the mean."""
    keys = ["cohort", "case", "structure", "feature"]
    return rows.groupby(keys)["value"].mean().unstack(["structure", "feature"])


def _drawn(values: np.ndarray, form: Form) -> np.ndarray:
    """Return differences of ICC, shape (draws, features)."""
    rng = np.random.default_rng(0)
    chosen = values[rng.integers(len(values), size=(DRAWS, len(values)))]
    manual, a, b = (chosen[:, :, i] for i in range(3))
    return _icc(manual, a, form) - _icc(manual, b, form)


def _icc(manual: np.ndarray, automatic: np.ndarray, form: Form) -> np.ndarray:
    """Return the ICCs, shape (draws, features), of arrays (draws, cases, features)."""
    n = manual.shape[1]
    apart, middle = automatic - manual, (automatic + manual) / 2
    ddof = 1 if n > 1 else 0
    between = 2 * middle.var(axis=1, ddof=ddof)
    raters = n * apart.mean(axis=1) ** 2 / 2
    error = apart.var(axis=1, ddof=ddof) / 2
    counts = np.full(between.shape, float(n))
    return estimate(between, raters, error, counts, 2, form)


def _percentiles(drawn: np.ndarray, confidence: float) -> Interval:
    """Return all bounds whose p is above 1 - confidence."""
    known = np.sort(drawn[np.isfinite(drawn)])
    if len(known) < len(drawn) / 2:  # as with so few cases that most draws have no variance
        return math.nan, math.nan
    least = math.floor((1 - confidence) / 2 * (len(known) + 1) + 1e-9)  # 124.999... are 125
    first = max(least - 1, 0)
    return float(known[first]), float(known[-1 - first])


def _p(drawn: np.ndarray, bound: float) -> float:
    known = drawn[np.isfinite(drawn)]
    less, more = (known <= bound).sum() + 1, (known >= bound).sum() + 1
    return float(min(1.0, 2 * min(less, more) / (len(known) + 1)))


def _at_confidence(of_table: tuple[float, float, float, float], confidence: float) -> Interval:
    value, low, high, given = of_table
    if confidence == given or not np.isfinite([value, low, high]).all() or abs(value) >= 1:
        return low, high
    ratio = norm.ppf((1 + confidence) / 2) / norm.ppf((1 + given) / 2)
    centre = math.atanh(value)
    ends = (np.arctanh(np.clip(end, -1 + 1e-12, 1 - 1e-12)) for end in (low, high))
    low, high = (float(np.tanh(centre + ratio * (end - centre))) for end in ends)
    return low, high
