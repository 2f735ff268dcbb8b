"""The crossover: n*, its interval and verdict, on tables whose answer is known.

`benchmarks/crossover_coverage.py` measures the same at length.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.statistics.crossing import (
    CHANGES,
    CROSSES,
    CROSSOVER,
    NEEDED,
    NONE,
    OPEN,
    cases_needed,
    crossovers,
    leads,
)
from crossover.statistics.metrics_table import check_metrics
from crossover.statistics.resampling import PATIENTS, Panel
from tests.simulated import (
    CROSSING,
    NOT_CROSSING,
    SCRATCH,
    SIZES,
    TRANSFER,
    Design,
    outcomes,
    power,
    shares,
    simulated_panel,
    table_of,
    true_crossover,
)

SURE = Design(patients=30, luck=0.0, noise=0.01)
OTHER = CROSSING["other curves that cross at 41"]


def one(curves, design=SURE, sizes=SIZES, seed=1) -> pd.Series:
    panel = simulated_panel(curves, design, seed)
    kept = np.isin(panel.sizes, sizes)
    panel = Panel(panel.families, panel.sizes[kept], panel.scores[:, kept], panel.strata)
    out = crossovers(check_metrics(table_of(panel)), "dsc", 0.95, 0.05, draws=400)
    assert list(out) == CROSSOVER
    (row,) = [row for _, row in out[out["test_set"] == "uterus"].iterrows()]
    return row


def test_a_crossover_is_found_and_said():
    row, true = one(OTHER), true_crossover(OTHER, SIZES)
    assert (row["ahead"], row["overtakes"], row["verdict"]) == (TRANSFER, SCRATCH, CROSSES)
    assert row["ci_low"] <= true <= row["ci_high"]
    assert row["n"] == pytest.approx(true, rel=0.1)
    assert row["statement"] == (
        f"scratch overtakes transfer-L1 at n = {row['n']:.0f} "
        f"(95% CI {row['ci_low']:.0f} to {row['ci_high']:.0f})"
    )
    assert (row["n_smallest"], row["n_largest"], row["sizes"]) == (5, 256, 6)


def test_the_order_of_the_families_changes_nothing():
    straight, turned = one(OTHER), one(dict(reversed(OTHER.items())))
    for name in ("ahead", "overtakes", "verdict"):
        assert straight[name] == turned[name]
    assert turned["n"] == pytest.approx(straight["n"], rel=0.1)


def test_one_that_stays_ahead_and_one_that_is_ahead_from_the_start():
    twice = Design(patients=30, replicates=2, luck=0.0, noise=0.01)
    low = one(OTHER, twice, sizes=(5, 13, 26))
    assert (low["verdict"], low["n"], low["ci_low"]) == (NONE, np.inf, np.inf)
    assert "transfer-L1 stays ahead of scratch (95% CI beyond 26)" in low["statement"]
    high = one(OTHER, twice, sizes=(51, 128, 256))
    assert (high["verdict"], high["n"], high["ci_high"]) == (NONE, 0, 0)
    assert "scratch stays ahead of transfer-L1 (95% CI below 51)" in high["statement"]


def test_without_knowledge_of_trainings_nothing_is_said():
    """Three sizes of one training each: the same curves that are far apart for these trainings."""
    row = one(OTHER, sizes=(5, 13, 26))
    assert row["verdict"] == OPEN and row["resampled"] == PATIENTS


def test_a_second_crossing_is_no_lead_that_stays():
    """The first leads up to 13, the other at 26 and 51, the first again from 128."""
    wave = {
        TRANSFER: lambda n: 0.6 + 0.05 * np.cos(np.log2(n / 5) * 1.1),
        SCRATCH: lambda n: 0.6 + 0 * n,
    }
    row = one(wave, Design(patients=30, replicates=3, luck=0.003, noise=0.01))
    assert row["verdict"] == CHANGES
    assert row["statement"].startswith("leads change more than once: ")


def test_few_patients_leave_it_open():
    row = one(OTHER, Design(patients=4, noise=0.3))
    assert row["verdict"] == OPEN
    assert (row["ci_low"], row["ci_high"]) == (0, np.inf)
    assert row["statement"].startswith("can't tell whether ")
    assert row["statement"].endswith("(95% CI below 5 to beyond 256)")


@pytest.mark.parametrize("design", [Design(patients=1), SURE])
def test_nothing_is_claimed_of_one_patient_or_of_curves_that_are_one(design):
    panel = simulated_panel(OTHER, design, 1)
    same = panel if design.patients == 1 else Panel(
        panel.families, panel.sizes, panel.scores[[0, 0]], panel.strata
    )  # fmt: skip
    out = crossovers(check_metrics(table_of(same)), "dsc", 0.95, 0.05, draws=100)
    assert set(out["verdict"]) == {OPEN}
    assert (out["ci_low"] == 0).all() and np.isinf(out["ci_high"]).all()


def test_who_leads_beyond_chance_as_n_grows():
    noise = np.random.default_rng(0).normal(0, 1, (500, 4))
    for apart, expected in (
        ([5, 5, -5, -5], [1, -1]), ([-5, -5, 5, 5], [-1, 1]), ([5, 5, -1, -1], [1]), ([1, 1, -1, -1], []),
        ([1, 1, -5, -5], [-1]), ([5, 5, 5, 5], [1]), ([5, -1, -1, -5], [1, -1]), ([5, -5, 5, -5], [1, -1, 1, -1]),
    ):  # fmt: skip
        assert leads(np.array(apart, float), apart + noise, 0.05) == expected, apart


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=7), st.floats(0.01, 0.2))
def test_a_stricter_alpha_never_finds_more(apart, alpha):
    apart = np.array(apart)
    draws = apart + np.random.default_rng(0).normal(0, 1, (200, len(apart)))
    assert len(leads(apart, draws, alpha)) >= len(leads(apart, draws, alpha / 2))


@pytest.mark.parametrize("name", CROSSING)
@pytest.mark.parametrize(
    "design",
    [Design(), Design(patients=16), Design(replicates=3)],
    ids=["64", "16", "3 replicates"],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(name, design):
    """Nominal 95%; of 120 simulations 90% to 100% is what that gives by chance, or is wider."""
    found = shares(outcomes(CROSSING[name], design, simulations=120, draws=250))
    assert found["covered"] >= 0.90
    assert found["no crossover"] <= 0.03


@pytest.mark.parametrize("name", NOT_CROSSING)
@pytest.mark.parametrize("replicates", [1, 3])
def test_no_crossover_is_found_where_there_is_none(name, replicates):
    """Nominal 5% at most; 120 simulations at 5% give more than 11 in one of 60 times."""
    design = Design(replicates=replicates, luck=0.03)
    found = outcomes(NOT_CROSSING[name], design, simulations=120, draws=250)
    assert (found["verdict"] == CROSSES).sum() <= 11


def test_a_crossover_is_not_always_missed():
    found = outcomes(OTHER, Design(replicates=3), simulations=40, draws=250)
    assert shares(found)["crosses"] > 0.6


def test_luck_of_trainings_makes_no_crossover():
    """Without the trainings' luck in the resamples a tenth or more of equal curves would seem to cross."""
    wild = Design(luck=0.06, noise=0.02)
    found = outcomes(NOT_CROSSING["equal"], wild, simulations=60, draws=250)
    assert (found["verdict"] == CROSSES).mean() <= 0.05
    deviations = []
    for seed in range(60):
        panel = simulated_panel(NOT_CROSSING["equal"], wild, seed)
        apart = panel.scores[0, :, 0] - panel.scores[1, :, 0]
        means, se = apart.mean(1), apart.std(1, ddof=1) / np.sqrt(64)
        draws = means + np.random.default_rng(seed).standard_normal((250, 6)) * se
        deviations.append(len(leads(means, draws, 0.05)) > 1)
    assert np.mean(deviations) > 0.3


def test_cases_needed():
    curves = {"scratch": power(0.85, 1.39, 0.5), "transfer": lambda n: 0.62 + 0 * n}
    table = check_metrics(table_of(simulated_panel(curves, SURE, 1)))
    out = cases_needed(table, "dsc", 0.95, draws=300)
    assert list(out) == NEEDED
    out = out[out["test_set"] == "uterus"].set_index(["family", "target"])
    assert set(out.index.get_level_values("target")) == {0.3, 0.4, 0.5, 0.6, 0.7}
    true = (1.39 / (0.85 - 0.6)) ** 2
    row = out.loc[("scratch", 0.6)]
    assert row["ci_low"] <= true <= row["ci_high"]
    assert row["n"] == pytest.approx(true, rel=0.15)
    assert row["statement"].startswith(
        f"scratch needs {np.ceil(row['n']):.0f} cases for 0.6 (95% CI "
    )
    assert out.loc[("transfer", 0.3), "n"] == 0
    assert out.loc[("transfer", 0.3), "statement"].startswith("transfer needs 5 or fewer cases")
    assert out.loc[("transfer", 0.7), "n"] == np.inf
    assert "more than 256" in out.loc[("transfer", 0.7), "statement"]


def test_families_of_other_sizes_are_compared_where_they_meet():
    panel = simulated_panel(OTHER, SURE, 1)
    table = table_of(panel)
    some = (table["family"] == SCRATCH) & table["n_train"].isin([5, 256])
    (row, _) = crossovers(check_metrics(table[~some]), "dsc", 0.95, 0.05, draws=200).itertuples()
    assert (row.sizes, row.n_smallest, row.n_largest) == (4, 13, 128)
    none = (table["family"] == SCRATCH) & (table["n_train"] > 13)
    none |= (table["family"] == TRANSFER) & (table["n_train"] < 26)
    assert not len(crossovers(check_metrics(table[~none]), "dsc", 0.95, 0.05, draws=200))
