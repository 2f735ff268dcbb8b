"""Effects with their chance of patients and trainings, against closed forms and a known truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossover.statistics.differences.omnibus import models_differ
from crossover.statistics.estimates.chance import (
    METHODS,
    MODELS,
    Effect,
    Spread,
    behrens_fisher,
    effect,
    pooled_spread,
)
from crossover.statistics.estimates.effects import contrasted, effect_of, mean_interval, spread_between
from crossover.statistics.estimates.resampling import study_spread
from crossover.statistics.scores.scales import SHARE
from crossover.statistics.study_planning.assurance import pilot_of


def test_with_one_training_it_is_the_paired_t_test_of_these_models():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.7, 0.1, (2, 12, 1))
    found = effect([a, b], [1, -1])
    known = stats.ttest_rel(a[:, 0], b[:, 0])
    assert found.p() == pytest.approx(known.pvalue)
    assert found.interval(0.95) == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert (found.about, found.cases, found.trainings) == (MODELS, 12, 1)


def test_without_spread_of_cases_it_is_students_test_of_the_trainings_means():
    means = np.array([[0.70, 0.74, 0.69], [0.64, 0.66, 0.62]])
    scores = np.broadcast_to(means[:, None], (2, 40, 3))
    found = effect(scores, [1, -1])
    known = stats.ttest_ind(*means)
    assert found.p() == pytest.approx(known.pvalue)
    assert found.interval(0.9) == pytest.approx(tuple(known.confidence_interval(0.9)))
    assert (found.about, found.training_df) == (METHODS, 4)


def test_the_reference_distribution_is_that_of_its_definition():
    """Against 2 x 10^6 draws, whose error is 0.0003 at most."""
    rng = np.random.default_rng(2)
    for first, second, df_1, df_2 in [(1, 1, 9, 2), (0.3, 1, 63, 2), (1, 0.2, 9, 1), (1, 1, 6, 6)]:
        drawn = first * rng.standard_t(df_1, 2_000_000) + second * rng.standard_t(df_2, 2_000_000)
        drawn /= np.hypot(first, second)
        for t in (0.5, 1.5, 2.5):
            assert behrens_fisher(t, first, second, df_1, df_2) == pytest.approx((drawn > t).mean(), abs=1e-3)


def test_it_agrees_with_published_percentiles():
    """Sukhatme's table of the Behrens-Fisher test (Sankhya 1938): 5%, two-sided, df 6 and 12 at 45 degrees: 2.301."""
    assert 2 * behrens_fisher(2.301, 1, 1, 6, 12) == pytest.approx(0.05, abs=5e-4)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(3, 12),
    trainings=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_interval_and_p_never_contradict_each_other(seed, n, trainings, confidence):
    rng = np.random.default_rng(seed)
    found = effect([rng.normal(0, 1, (n, k)) for k in trainings], [1, -1])
    low, high = found.interval(confidence)
    assert low < found.estimate < high
    assert found.p(low) == pytest.approx(1 - confidence, abs=1e-6)
    assert found.p(high) == pytest.approx(1 - confidence, abs=1e-6)
    assert (found.p() < 1 - confidence) == (not low <= 0 <= high)
    assert found.p_above(0) + found.p_below(0) == pytest.approx(1, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    ratio=st.floats(-5, 5).map(lambda x: 10**x),
    dfs=st.tuples(st.sampled_from([1, 2, 9, 999]), st.sampled_from([1, 4, 98, np.inf])),
    confidence=st.sampled_from([0.01, 0.5, 0.95, 0.9999]),
)
def test_an_interval_ends_where_p_passes_its_level_whatever_the_parts_weigh(ratio, dfs, confidence):
    """Where one part is nearly nothing p falls in steps."""
    found = Effect(0.0, 1.0, dfs[0], ratio, dfs[1], 5, 2)
    _, high = found.interval(confidence)
    inside, outside = (found.p(high * factor) for factor in (1 - 1e-8, 1 + 1e-8))
    assert inside >= 1 - confidence - 1e-12 and outside <= 1 - confidence + 1e-12


def test_a_spread_of_the_study_stands_in_for_models_that_were_trained_once():
    rng = np.random.default_rng(3)
    scores = rng.normal(0.7, 0.1, (2, 20, 1))
    alone, known = (effect(scores, [1, -1], spread=s) for s in (None, Spread(0.02**2, 10)))
    assert known.about == METHODS
    assert known.training_se == pytest.approx(np.sqrt(2) * 0.02)
    assert known.p() > alone.p()


def test_models_that_lack_scores_are_no_paired_folds():
    """Each counts as one training, with the spread of the study in both."""
    scores = np.random.default_rng(3).normal(0.7, 0.1, (2, 20, 3))
    scores[:, 0, 0] = np.nan
    folds = ["0/0", "0/1", "0/2"]
    for models, runs in ((scores, folds), (scores[..., 1:2], folds[1:2])):
        found = effect_of(models, [runs, runs], [1, -1], np.zeros(20), lambda: Spread(0.02**2, 10))
        assert found.training_se == pytest.approx(np.sqrt(2) * 0.02) and found.trainings == 1


def test_folds_of_one_pool_have_nadeau_and_bengios_variance():
    """In a difference of paired folds, a pilot of the planner, the F of several models, and lent to one training."""
    rng = np.random.default_rng(3)
    scores = rng.normal(0.7, 0.1, (2, 20, 5)) + rng.normal(0, 0.02, 5)
    runs = [f"0/{k}" for k in range(5)]
    found = effect_of(scores, [runs, runs], [1, -1], np.zeros(20), lambda: None)
    variance = (scores[0] - scores[1]).mean(0).var(ddof=1)
    assert found.training_se**2 == pytest.approx(variance * (1 / 5 + 1 / 4))
    assert found.case_se == effect([scores[0] - scores[1]], [1]).case_se
    apart, _, spread = contrasted(scores, [runs, runs], [1, -1], lambda: None)
    assert pilot_of(apart, np.zeros(20), spread).effect().training_se == pytest.approx(found.training_se)
    twice = effect_of(np.tile(scores, 2), [[*runs, *(f"1/{k}" for k in range(5))]] * 2, [1, -1], np.zeros(20), None)
    assert twice.training_se**2 == pytest.approx(variance * 8 / 9 * (1 / 10 + 1 / 4))
    apart_runs = [f"{k}/" for k in range(5)]
    f, independent = (models_differ(scores, spread_between(scores, [own] * 2, None))["F"] for own in (runs, apart_runs))
    assert f < independent
    places = {"family": "a", "n_train": 5, "replicate": 0, "cohort": "x"}
    rows = [places | {"fold": k, "case": c, "dsc": scores[0, c, k]} for c in range(20) for k in range(5)]
    assert study_spread(pd.DataFrame(rows).astype({"fold": "Int64"}), "dsc").of_mean(1) == pytest.approx(
        scores[0].mean(0).var(ddof=1) * (1 + 1 / 4)
    )


def test_a_training_without_any_score_does_not_count():
    scores = np.random.default_rng(3).normal(0.7, 0.1, (2, 20, 3))
    lost = np.where([True, False, True], scores[1], np.nan)
    runs = [["0/", "1/", "2/"]] * 2
    found = effect_of([scores[0], lost], runs, [1, -1], np.zeros(20), lambda: None)
    assert found == effect([scores[0], scores[1][:, ::2]], [1, -1])


def test_the_spread_over_structures_is_of_trainings_that_have_all_of_them():
    """The trainings do not differ; one lacks the worse structure."""
    rows = pd.DataFrame([
        {"family": "a", "n_train": 5, "replicate": r, "fold": pd.NA, "cohort": "x", "case": f"c{c}", "structure": s,
         "dsc": dsc}
        for r in range(3) for c in range(4) for s, dsc in (("liver", 0.9), ("kidney", 0.5))
        if (r, s) != (2, "kidney")
    ])  # fmt: skip
    assert study_spread(rows, "dsc") == Spread(pytest.approx(0, abs=1e-30), 1)


def test_the_pooled_spread_weighs_models_by_their_degrees_of_freedom():
    a, b = np.array([[0.1, 0.3]]), np.array([[0.2, 0.4, 0.9]])
    found = pooled_spread([a, b, np.array([[0.5]])])
    assert found.df == 3
    assert found.variance == pytest.approx((np.var([0.1, 0.3]) * 2 + np.var([0.2, 0.4, 0.9]) * 3) / 3)


def test_patients_are_drawn_within_their_cohorts():
    """Cohorts that differ are no chance: only the spread inside them counts."""
    apart = np.array([[0.1], [0.2], [0.5], [0.6]])
    found = effect([apart], [1], strata=np.array(["x", "x", "y", "y"]))
    assert found.case_df == 2
    assert found.case_se == pytest.approx(np.sqrt(0.01 / 2 / 4))


def test_what_a_single_case_or_equal_cases_can_not_tell_is_nan():
    one = effect([np.array([[0.5]])], [1])
    same = effect([np.full((5, 1), 0.5)], [1])
    for found in (one, same):
        assert np.isnan(found.interval(0.95)).all()
        assert np.isnan(found.p(0.4))


@pytest.mark.parametrize("errors", [(0.1, np.inf), (np.inf, 0.1), (0.0, np.inf), (np.inf, np.nan)])
def test_an_infinite_error_gives_no_interval(errors):
    found = Effect(0.5, errors[0], 9, errors[1], 4, 10, 3)
    assert np.isnan([*found.interval(0.95), found.p(), found.p_above(0), found.p_below(0)]).all()


@pytest.mark.parametrize("factor", [1e-170, 1e170])
def test_the_unit_of_the_scores_changes_no_verdict(factor):
    one, other = (Effect(0.1 * k, 0.05 * k, 9, 0.02 * k, 4, 10, 3) for k in (1, factor))
    assert np.divide(other.interval(0.95), factor) == pytest.approx(one.interval(0.95))
    assert other.p() == pytest.approx(one.p())


def test_scores_that_are_perfect_but_for_rounding_have_no_interval_beyond_their_scale():
    """Their mean is 1, where the logit's slope is infinite, and they differ by a last digit."""
    scores = np.ones((6, 1))
    scores[0] -= 2.0**-53
    found = effect([scores], [1.0], spread=Spread(0.02**2, 6))
    assert found.estimate == 1 and found.case_se == 0
    assert np.isnan(mean_interval(found, 0.95, SHARE)).all()


def test_a_missing_score_is_an_error():
    with pytest.raises(ValueError, match="every case under every model"):
        effect([np.array([[0.5], [np.nan]])], [1])


@pytest.mark.parametrize("trainings", [2, 5])
def test_equal_methods_are_told_apart_no_more_often_than_the_test_says(trainings: int):
    """400 tables, 30 cases; patients SD 0.1, residual 0.06, between-run SD 0.03: 5% and 1.5 points at most."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(400):
        shape = (2, 30, trainings)
        scores = rng.normal(0, 0.1, (1, 30, 1)) + rng.normal(0, 0.06, shape)
        scores = scores + rng.normal(0, 0.03, (2, 1, trainings))
        wrong += effect(scores, [1, -1]).p() < 0.05
    assert wrong <= stats.binom.ppf(0.999, 400, 0.065)


def test_an_effect_says_its_standard_error():
    found = Effect(0.1, 0.03, 9, 0.04, 4, 10, 3)
    assert found.se == pytest.approx(0.05)
