"""Learning curves: their forms, and the resamples behind their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import curve_fit, isotonic_regression

from crossover.statistics.estimates.resampling import PATIENTS, REPLICATES, ROUGHNESS, Panel, panels, resample
from crossover.statistics.learning_curves import forms
from crossover.statistics.learning_curves.curves import CURVES, interval, learning_curves
from crossover.statistics.scores.intervals import half_width
from crossover.statistics.scores.metrics_table import check_metrics
from tests.simulated import CROSSING, SIZES, Design, power, simulated_panel, table_of
from tests.tables import simulated_metrics

N = np.array(SIZES, float)
CURVES_ONE = {"scratch": power(0.85, 1.2, 0.5)}
TWO = next(iter(CROSSING.values()))


@given(arrays(float, st.integers(1, 9), elements=st.floats(0, 1)))
def test_the_monotone_form_is_isotonic_regression(means):
    assert forms.monotone(means) == pytest.approx(isotonic_regression(means).x)


def test_the_power_law_is_found_and_is_what_least_squares_gives():
    exact = forms.power_law(power(0.8, 0.9, 0.4)(N), N)
    assert forms.power_curve(exact, N) == pytest.approx(power(0.8, 0.9, 0.4)(N), abs=0.002)
    noisy = power(0.8, 0.9, 0.4)(N) + np.array([0.01, -0.02, 0.015, 0, -0.01, 0.005])
    known, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, N, noisy, (0.8, 0.9, 0.4))
    left = noisy - known[0] + known[1] * N ** -known[2]
    ours = noisy - forms.power_curve(forms.power_law(noisy, N), N)
    assert (ours**2).sum() == pytest.approx((left**2).sum(), rel=0.02)


@given(arrays(float, (3, 6), elements=st.floats(-0.5, 1.5)))
def test_a_power_law_stays_in_its_bounds_and_rises(means):
    fits = forms.power_law(means, N)
    assert ((fits[:, 0] >= 0) & (fits[:, 0] <= 1) & (fits[:, 1] >= 0) & (fits[:, 2] > 0)).all()
    assert (np.diff(forms.power_curve(fits, N)) >= -1e-12).all()


def test_percentiles_leave_as_many_on_both_sides_and_take_infinite_draws():
    draws = np.array([np.inf] * 3 + [*range(94)] + [0] * 3, float)
    assert interval(draws, 0.95) == (0, np.inf)
    assert interval(np.arange(1000.0), 0.9) == (50, 949)


def test_the_interval_of_a_mean_is_students_without_luck_of_trainings():
    """One size fewer than tells anything of trainings: patients only."""
    panel = simulated_panel(CURVES_ONE, Design(patients=12, luck=0, sizes=(5, 26, 128)), 1)
    found = resample(panel, 20000)
    assert found.resampled == PATIENTS
    assert np.isnan(found.training_sd)
    cases = panel.scores[0, :, 0]
    half = half_width(cases.std(axis=1, ddof=1), np.array(12), 0.95)
    low, high = interval(found.draws[:, 0], 0.95)
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)
    assert (high + low) / 2 == pytest.approx(cases.mean(axis=1), abs=0.12 * half.max())


def test_families_share_the_resampled_patients():
    """Two families that differ by a constant differ by it in every resample."""
    scores = simulated_panel(CURVES_ONE, Design(sizes=(5, 26, 128)), 1).scores
    both = Panel(["a", "b"], N[:3], np.concatenate([scores, scores + 0.1]), np.zeros(64, int))
    draws = resample(both, 50).draws
    assert draws[:, 1] - draws[:, 0] == pytest.approx(0.1)


def test_cohorts_keep_their_numbers_of_patients():
    """The cohorts differ by 1, their patients hardly: resamples across them would spread."""
    strata = np.array([0] * 3 + [1] * 9)
    scores = (strata + 0.001 * np.arange(12))[None, None, None] * np.ones((1, 3, 1, 1))
    draws = resample(Panel(["a"], N[:3], scores, strata), 200).draws
    assert draws.std() < 0.01


@pytest.mark.parametrize("replicates", [1, 4])
def test_the_luck_of_trainings_is_found(replicates):
    design = Design(replicates=replicates, luck=0.03)
    found = [resample(simulated_panel(TWO, design, seed), 200) for seed in range(30)]
    assert {f.resampled for f in found} == {ROUGHNESS if replicates == 1 else REPLICATES}
    assert np.sqrt(np.mean([f.training_sd**2 for f in found])) == pytest.approx(0.03, rel=0.15)
    none = [resample(simulated_panel(TWO, Design(luck=0), s), 200).training_sd for s in range(30)]
    assert np.mean(none) < 0.008


def test_intervals_of_means_cover_the_curve():
    """Patients and trainings together, of a mean at each size; 95% nominal."""
    for replicates, seeds in ((1, 150), (3, 150)):
        hits = []
        for seed in range(seeds):
            panel = simulated_panel(CURVES_ONE, Design(patients=24, replicates=replicates), seed)
            low, high = interval(resample(panel, 300, seed).draws[:, 0], 0.95)
            true = CURVES_ONE["scratch"](N)
            hits.append((low <= true) & (true <= high))
        assert 0.90 < np.mean(hits) < 0.985, replicates


def test_a_table_of_curves():
    table = check_metrics(table_of(simulated_panel(TWO, Design(patients=10, replicates=2), 3)))
    out = learning_curves(table, "dsc", 0.95, draws=200)
    assert list(out) == CURVES
    assert len(out) == 2 * 6 * 2  # test sets x sizes x families
    row = out[(out["family"] == "scratch") & (out["n_train"] == 26) & (out["test_set"] == "uterus")]
    here = table[(table["family"] == "scratch") & (table["n_train"] == 26)]
    assert row["mean"].item() == pytest.approx(here["dsc"].mean())
    assert (row["patients"].item(), row["replicates"].item()) == (10, 2)
    assert row["resampled"].item() == REPLICATES
    assert (out["ci_low"] < out["mean"]).all() and (out["mean"] < out["ci_high"]).all()
    assert (out["fit_low"] <= out["fitted_monotone"]).all()
    assert out["r2_power"].between(0.5, 1).all() and (out["r2_monotone"] >= out["r2_power"] - 0.3).all()
    again = learning_curves(table, "dsc", 0.95, draws=200)
    pd.testing.assert_frame_equal(out, again)


def test_kfold_models_beside_others_and_families_without_sizes_have_no_curve():
    table = check_metrics(simulated_metrics(sizes=(4, 16, 64)))
    (cervix, uterus, both) = panels(table, "dsc")
    assert [p[0] for p in (cervix, uterus, both)] == ["cervix", "uterus", "all"]
    assert "pretrained" not in uterus[2].families
    assert uterus[2].trainings.tolist() == [[1, 1, 1]] * 5
    assert len(both[2].strata) == 22 and both[2].strata.sum() == 16
    power_columns = learning_curves(table, "dsc", 0.95, draws=50)["fitted_power"]
    assert power_columns.isna().all(), "three sizes are too few for three parameters"


def test_one_size_gives_an_empty_table_and_a_metric_without_a_better_side_is_refused():
    table = check_metrics(simulated_metrics(sizes=(4,)))
    assert list(learning_curves(table, "dsc", 0.95)) == CURVES
    assert not len(learning_curves(table, "dsc", 0.95))
    neither = "volume_error_percent"
    with pytest.raises(ValueError, match=f"{neither}: .* higher or whose lower values are better"):
        learning_curves(table.assign(**{neither: 1.0}), neither, 0.95)
    with pytest.raises(ValueError, match="no metric 'nothing'"):
        learning_curves(table, "nothing", 0.95)


def test_curves_of_a_distance_are_those_of_a_score_upside_down():
    """Of the same data: a distance that is 30 mm for a score of 0, and 0 for one of 1."""
    table = check_metrics(table_of(simulated_panel(TWO, Design(patients=10, replicates=2), 3)))
    table["hd95_mm"] = 30 * (1 - table["dsc"])
    scores, distances = (learning_curves(table, metric, 0.95, draws=200) for metric in ("dsc", "hd95_mm"))
    ends = {"ci_low": "ci_high", "ci_high": "ci_low", "fit_low": "fit_high", "fit_high": "fit_low"}
    for name in ("mean", "fitted_monotone", "fitted_power", *ends):
        assert distances[ends.get(name, name)].tolist() == pytest.approx((30 * (1 - scores[name])).tolist()), name
    for name in ("r2_monotone", "r2_power", "power_c", "resampled"):
        assert distances[name].tolist() == pytest.approx(scores[name].tolist())
    falls = distances.groupby(["test_set", "family"])["fitted_monotone"].diff().dropna()
    assert (falls <= 0).all() and (falls < 0).any()
