"""Intervals stay on the scale of what they are of, and hold it as often as they say."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from crossover.statistics.differences.comparisons import compare
from crossover.statistics.differences.paired import paired
from crossover.statistics.estimates.agreement import MANUAL, check_radiomics, intraclass
from crossover.statistics.estimates.chance import effect
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.learning_curves.curves import learning_curves
from crossover.statistics.papers.claims.feature_parts import icc_differences
from crossover.statistics.papers.claims.score_parts import mean_part, part
from crossover.statistics.papers.claims.statements import Better
from crossover.statistics.scores.intervals import interval_around, mean_interval
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.statistics.scores.scales import DISTANCE, KNOWN, SHARE, UNKNOWN
from tests.tables import simulated_metrics


def test_a_share_has_students_interval_on_the_logit_scale():
    low, high = mean_interval(0.8, 0.1, 5, 0.95, SHARE)
    slope = stats.t.ppf(0.975, 4) * 0.1 / np.sqrt(5) / (0.8 * 0.2)
    assert (low, high) == pytest.approx(special.expit(special.logit(0.8) + np.array([-1, 1]) * slope))
    low, high = mean_interval(8.0, 4.0, 5, 0.95, DISTANCE)
    slope = stats.t.ppf(0.975, 4) * 4 / np.sqrt(5) / 8
    assert (low, high) == pytest.approx((8 * np.exp(-slope), 8 * np.exp(slope)))
    assert interval_around(0.8, 0.3, UNKNOWN) == (0.5, 1.1)


@pytest.mark.parametrize("n", [4, 8, 16, 64])
@pytest.mark.parametrize(("a", "b"), [(18, 2), (9, 1), (47, 3), (2, 2), (1, 4)])
def test_95_percent_intervals_of_a_mean_score_hold_it_in_93_percent_or_more(a, b, n):
    values = np.random.default_rng(0).beta(a, b, (4000, n))
    low, high = mean_interval(values.mean(1), values.std(1, ddof=1), n, 0.95, SHARE)
    assert ((low <= a / (a + b)) & (a / (a + b) <= high)).mean() > 0.93 - 2 * 0.0040  # two SE of 4,000


scores = st.lists(st.floats(0, 1), min_size=2, max_size=6)


@given(scores, st.sampled_from([0.5, 0.95, 0.9999]))
def test_no_interval_of_a_mean_leaves_the_scale_or_its_mean(values, confidence):
    mean, sd = np.mean(values), np.std(values, ddof=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = mean_interval(mean, sd, len(values), confidence, SHARE)
    assert 0 <= low <= mean + 1e-12 and mean - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("mean", "half", "scale", "ends"),
    [
        (1.0, 0.0, SHARE, (1, 1)),
        (0.0, 0.0, SHARE, (0, 0)),
        (0.0, 0.0, DISTANCE, (0, 0)),
        (0.5, 1e9, SHARE, (0, 1)),
        (2.0, 1e9, DISTANCE, (0, np.inf)),
    ],
)
def test_intervals_at_the_ends_of_a_scale(mean, half, scale, ends):
    assert interval_around(mean, half, scale) == ends
    assert np.isnan(mean_interval(0.5, np.nan, 1, 0.95, scale)).all()
    assert np.isnan(interval_around(np.inf, np.nan, scale)).all()


def test_tables_of_a_few_extreme_cases_stay_on_the_scale():
    """Three cases under two families at two sizes, from 0 to 1: Student's intervals reach from -1.4 to 2.2."""
    rows = [
        {"model": f"{family}-n{n}", "level": "", "n_train": n, "replicate": 0, "fold": pd.NA,
         "cohort": "here", "case": str(case), "structure": "organ", "hd95_mm": 30 * value, "nsd": value,
         "dsc": value, "iou": value}
        for family, values in (("a", (0.99, 0.2, 0.97)), ("b", (0.01, 0.02, 0.98)))
        for n in (2, 4) for case, value in enumerate(values)
    ]  # fmt: skip
    table = check_metrics(pd.DataFrame(rows))
    summary = summarise(table, 0.95)
    for metric, own in summary.groupby("metric"):
        low, high = KNOWN[metric].scale
        assert own["ci_low"].between(low, own["mean"]).all()
        assert own["ci_high"].between(own["mean"], high).all()
    for found in (paired(table, "dsc", 0.05), compare(table, "dsc", 0.05)[1]):
        assert found["ci_low"].ge(-1).all() and found["ci_high"].le(1).all()
    curves = learning_curves(table, "dsc", 0.95, draws=200)
    assert curves[["ci_low", "fit_low"]].ge(0).all(axis=None)
    assert curves[["ci_high", "fit_high"]].le(1).all(axis=None)


def test_claims_about_means_and_differences_stay_on_the_scale():
    once = np.array([[0.99], [0.2], [0.97]])
    several = np.hstack([once, [[0.9], [0.4], [0.99]]])
    for values in (once, several):
        found = effect([values], [1.0])
        above = mean_part("", found, (0.5, np.inf), np.nan, SHARE)
        low, high = above.interval(0.95)
        assert 0 < low < values.mean() < high < 1
        assert (above.p < 0.05) == (low > 0.5) and 0 < above.p < 1
        assert part("", found, (0.0, np.inf), np.nan, SHARE).interval(0.99)[1] == 1
    far = effect([100 * once], [1.0])
    assert part("", far, (0.0, np.inf), np.nan, DISTANCE).interval(0.99)[1] > 100


def test_the_summary_of_metrics_that_vary_as_usual_is_near_students():
    summary = summarise(check_metrics(simulated_metrics(sizes=(2, 64), folds=0)), 0.95)
    own = summary.query("metric == 'dsc' and test_set == 'uterus'")
    low, high = stats.t.interval(0.95, own["cases"] - 1, own["mean"], own["sd"] / own["cases"] ** 0.5)
    assert np.abs(own["ci_low"] - low).max() < 0.005 and np.abs(own["ci_high"] - high).max() < 0.005


# ---- ICC


@settings(max_examples=60)
@given(
    st.integers(0, 10**6), st.integers(2, 20), st.floats(-9, 9),
    st.sampled_from(["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]),
)  # fmt: skip
def test_iccs_and_their_bounds_are_on_their_scale_without_a_warning(seed, n, magnitude, form):
    rng = np.random.default_rng(seed)
    cases = rng.normal(0, rng.uniform(0, 2, (200, 1, 1)), (200, n, 1))
    values = 10**magnitude * (cases + rng.normal(0, 1, (200, n, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        icc, low, high = intraclass(*squares(values), np.full(200, float(n)), 2, form, 0.95)
    assert (low >= -1).all() and (high <= 1).all()
    assert (low <= icc + 1e-9).all() and (icc <= high + 1e-9).all()


def test_an_icc_of_raters_closer_than_chance_ends_at_minus_one():
    """Eleven cases without a difference of the raters: the formula's end is -11/9 = -1.22."""
    found = intraclass(*map(np.array, (1e-9, 0.0, 1.0)), np.array(11), 2, "ICC(A,1)", 0.95)
    assert float(found[1]) == -1 == float(found[0])
    three = intraclass(*map(np.array, (1e-9, 0.0, 1.0)), np.array(11), 3, "ICC(A,1)", 0.95)
    assert float(three[1]) == -0.5


def test_differences_of_iccs_raise_no_warning():
    """Draws of five patients with a negative ICC made quantiles of F overflow, and that on the terminal."""
    rng = np.random.default_rng(0)
    features = [f"f{i}" for i in range(12)]
    rows = [
        {"model": model, "family": model, "strategy": model, "level": "", "n_train": 0, "cohort": "here",
         "case": str(case), "structure": "organ", "feature": feature, "value": 1e6 * rng.normal()}
        for model in (MANUAL, "a", "b") for case in range(5) for feature in features
    ]  # fmt: skip
    asked = Better(kind="better", metric="icc", pairs=[{"test_set": "here", "a": ["a"], "b": ["b"]}], by=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = list(icc_differences(asked, check_radiomics(pd.DataFrame(rows)), "ICC(A,1)", {}))
    assert len(found) == len(features)
    ends = np.array([each.interval(0.95) for each in found])
    known = ~np.isnan(ends).any(1)  # without one patient, an ICC may be -1, which has no z
    assert known.any() and (np.abs(ends[known]) <= 2).all()
    assert all(np.isnan(each.effect) for each, is_known in zip(found, known, strict=True) if not is_known)


def squares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares of cases, raters and error, of tables (tables, cases, 2)."""
    middle, apart = values.mean(2), values[..., 0] - values[..., 1]
    n = values.shape[1]
    return 2 * middle.var(1, ddof=1), n * apart.mean(1) ** 2 / 2, apart.var(1, ddof=1) / 2
