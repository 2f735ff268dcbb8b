"""The crossover: n*, its interval and verdict, on tables whose answer is known.

`benchmarks/crossover_coverage.py` measures the same at length.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.statistics.estimates.chance import effect
from crossover.statistics.estimates.resampling import Panel, resample
from crossover.statistics.learning_curves.crossing import (
    CHANGES,
    CROSSES,
    CROSSOVER,
    NEEDED,
    NONE,
    OPEN,
    SECOND_DRAW,
    SIZE_BETWEEN,
    cases_needed,
    crossover,
    crossovers,
    lacking,
    leads,
    size_text,
)
from crossover.statistics.learning_curves.curves import learning_curves
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.statistics.study_planning.planning import NEXT, SCORE
from crossover.statistics.study_planning.plans import Question, design
from tests.simulated import (
    CROSSING,
    NOT_CROSSING,
    SCRATCH,
    SIZES,
    TRANSFER,
    TWICE,
    Design,
    outcomes,
    power,
    shares,
    simulated_panel,
    table_of,
    true_crossover,
)
from tests.tiers import thorough

SURE = Design(patients=30, replicates=2, luck=0.0, noise=0.01)
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
    said = f"scratch overtakes transfer-L1 at n = {np.ceil(row['n']):.0f} "
    assert row["statement"] == f"{said}(95% CI {row['ci_low']:.0f} to {row['ci_high']:.0f})"
    assert (row["n_smallest"], row["n_largest"], row["sizes"]) == (5, 256, 6)


def test_the_order_of_the_families_changes_nothing():
    straight, turned = one(OTHER), one(dict(reversed(OTHER.items())))
    for name in ("ahead", "overtakes", "verdict"):
        assert straight[name] == turned[name]
    assert turned["n"] == pytest.approx(straight["n"], rel=0.1)


def test_one_that_stays_ahead_and_one_that_is_ahead_from_the_start():
    low = one(OTHER, sizes=(5, 13, 26))
    assert (low["verdict"], low["n"], low["ci_low"], low["ci_high"]) == (NONE, *[np.inf] * 3)
    assert low["statement"].endswith("at the sizes from n = 5 to 26: transfer-L1 is ahead of scratch at each")
    high = one(OTHER, sizes=(51, 128, 256))
    assert (high["verdict"], high["n"], high["ci_low"], high["ci_high"]) == (NONE, 0, 0, 0)
    assert high["statement"].endswith("at the sizes from n = 51 to 256: scratch is ahead of transfer-L1 at each")


def test_means_that_are_equal_but_for_rounding_are_equal():
    cases = {"a": {4: [0.3] * 30, 8: [0.1, 0.2, 0.7] * 10}, "b": {4: [0.2] * 30, 8: [0.7, 0.2, 0.1] * 10}}
    for order in (slice(None), slice(None, None, -1)):
        rows = [
            (family, n, f"{i}", score)
            for family, sizes in cases.items()
            for n, own in {**sizes, 16: sizes[8]}.items()
            for i, score in enumerate(own[order])
        ]
        table = pd.DataFrame(rows, columns=["family", "n_train", "case", "dsc"])
        about = {"level": "", "replicate": 0, "fold": None, "cohort": "test", "structure": "liver"}
        model = table["family"] + "-n" + table["n_train"].astype(str)
        table = check_metrics(table.assign(model=model, **about), ["model"])
        [row] = crossovers(table, "dsc", 0.95, 0.05, draws=20).query("test_set == 'test'").to_dict("records")
        assert row["n"] == 8


def test_one_draw_of_the_subsets_decides_nothing_and_neither_do_two_trainings_on_it():
    once = one(OTHER, replace(SURE, replicates=1))
    assert once["verdict"] == OPEN and 0 < once["n"] < np.inf
    assert once["statement"].endswith(f"; add {SECOND_DRAW}")
    table = check_metrics(table_of(simulated_panel(OTHER, SURE, 1)))
    for trainings, verdict, draws in ((1, CROSSES, 2), (2, OPEN, 1)):
        drawn = table.assign(draw=table["replicate"] // trainings)
        out = crossovers(drawn, "dsc", 0.95, 0.05, draws=200)
        assert set(out["verdict"]) == {verdict} and set(out["replicates"]) == {draws}


def test_with_two_sizes_nothing_is_known_of_what_is_between():
    row = one(OTHER, sizes=(5, 256))
    assert (row["verdict"], row["ci_low"], row["ci_high"]) == (OPEN, 5, 256)
    assert lacking(row) == SIZE_BETWEEN and row["statement"].endswith(f"; add {SIZE_BETWEEN}")


def test_an_interval_ends_at_sizes():
    """What the curves do between two sizes was not measured."""
    for sizes in (SIZES, (5, 26, 256), (5, 51, 256)):
        row = one(OTHER, sizes=sizes)
        assert row["verdict"] == CROSSES and {row["ci_low"], row["ci_high"]} <= set(sizes)


@pytest.mark.parametrize("name", TWICE)
def test_a_second_crossing_is_no_lead_that_stays(name):
    row = one(TWICE[name], Design(patients=30, replicates=3, luck=0.003, noise=0.01))
    assert row["verdict"] == CHANGES
    assert row["statement"].startswith("leads change more than once: ")


def off_the_shelf(score: float, design: Design = SURE, models: int = 1) -> pd.DataFrame:
    """The rows that set families against a model without sizes, which was trained so many times."""
    panel = simulated_panel({**OTHER, "pretrained": lambda n: score + 0 * n}, design, 1)
    table = table_of(panel)
    shelf = table["family"] == "pretrained"
    table.loc[shelf, ["model", "strategy"]] = "pretrained"
    table = table[~shelf | ((table["n_train"] == 5) & (table["replicate"] < models))]
    later = (table["family"] == "pretrained") & (table["replicate"] > 0)
    table.loc[later, "model"] = "pretrained-r1"
    table.loc[table["family"] == "pretrained", "n_train"] = 0
    out = crossovers(check_metrics(table), "dsc", 0.95, 0.05, draws=300)
    return out[out["off_the_shelf"] & (out["test_set"] == "uterus")].set_index("overtakes")


@pytest.mark.parametrize("models", [1, 2])
def test_from_how_many_cases_training_beats_a_model_off_the_shelf(models):
    out = off_the_shelf(0.6, models=models)
    assert set(out.index) == {TRANSFER, SCRATCH} and set(out["ahead"]) == {"pretrained"}
    row = out.loc[SCRATCH]
    true = 2 ** (3.0 + np.log(0.6 / 0.2) / 0.8)  # where 0.8 / (1 + exp(-0.8 (log2 n - 3))) is 0.6
    assert row["verdict"] == CROSSES and row["ci_low"] <= true <= row["ci_high"]
    assert row["n"] == pytest.approx(true, rel=0.15)
    assert row["statement"].startswith(f"with {np.ceil(row['n']):.0f} cases or more scratch is ahead of ")
    assert row["statement"].endswith("; with 5, pretrained is")


def test_training_may_beat_a_model_off_the_shelf_at_once_or_not_at_all():
    low, high = off_the_shelf(0.2).loc[SCRATCH], off_the_shelf(0.9).loc[SCRATCH]
    assert (low["verdict"], low["n"]) == (NONE, 0)
    assert low["statement"] == "with 5 cases already scratch is ahead of pretrained, and at each larger size"
    assert (high["verdict"], high["n"]) == (NONE, np.inf)
    assert high["statement"].endswith("pretrained is ahead of scratch at each")
    once = off_the_shelf(0.6, replace(SURE, replicates=1)).loc[SCRATCH]
    assert once["verdict"] == OPEN and lacking(once) == SECOND_DRAW


def test_a_model_off_the_shelf_has_the_same_luck_at_all_sizes():
    panel = simulated_panel({**OTHER, "pretrained": lambda n: 0.6 + 0 * n}, Design(replicates=2), 1)
    panel.scores[2] = panel.scores[2, :1]
    drawn = resample(replace(panel, unsized=1), 50).draws
    assert np.ptp(drawn[:, 2] - panel.means[2], axis=1).max() < 1e-12
    assert np.ptp(drawn[:, 1] - panel.means[1], axis=1).min() > 0


def test_a_crossover_between_two_sizes_is_rounded_up():
    """Below n* the other one is ahead: with 3 cases and n* 3.43 nothing has been overtaken yet."""
    row = {"n_smallest": 3, "n_largest": 50}
    texts = [size_text(n, row) for n in (3.43, 2 ** np.log2(8.0) + 1e-9, 0.0, np.inf)]
    assert texts == ["4", "8", "below 3", "beyond 50"]


def test_few_patients_leave_it_open():
    row = one(OTHER, Design(patients=4, replicates=2, noise=0.3))
    assert row["verdict"] == OPEN
    assert (row["ci_low"], row["ci_high"]) == (0, np.inf)
    assert row["statement"].startswith("can't tell whether ")
    assert row["statement"].endswith("(95% CI below 5 to beyond 256)")


def holed(curves: dict, design: Design, seed: int) -> Panel:
    """Of each model one draw lacks a score of the first case, as a metric without a value for an empty prediction."""
    panel = simulated_panel(curves, design, seed)
    panel.scores[:, :, 1, 0] = np.nan
    return panel


def test_a_missing_score_of_each_model_hides_no_chance_of_trainings():
    """Then patients alone decided: of equal families 21 of 60 tables had a verdict."""
    equal, design = NOT_CROSSING["equal"], Design(patients=30, replicates=2, luck=0.05, noise=0.03, sizes=(5, 13, 26))
    panels = [holed(equal, design, seed) for seed in range(12)]
    verdicts = [crossover(panel, resample(panel, 100), (0, 1), 0.95, 0.05)["verdict"] for panel in panels]
    assert verdicts.count(OPEN) >= 11
    sure = holed(OTHER, SURE, 1)
    assert crossover(sure, resample(sure, 100), (0, 1), 0.95, 0.05)["verdict"] == CROSSES


def test_draws_that_were_tested_on_other_cases_tell_nothing_of_their_chance():
    panel = simulated_panel(OTHER, SURE, 1)
    panel.scores[:, :, 0, ::2] = panel.scores[:, :, 1, 1::2] = np.nan
    row = crossover(panel, resample(panel, 100), (0, 1), 0.95, 0.05)
    assert row["verdict"] == OPEN and row["replicates"] == 2


def test_a_family_trained_once_takes_no_trainings_from_the_others():
    """Then other trainings did not count for the others either, and leads changed more than once by their chance."""
    equal, design = NOT_CROSSING["equal"], Design(replicates=3, luck=0.06, sizes=(5, 26, 256))
    verdicts = []
    for seed in range(12):
        two = simulated_panel(equal, design, seed)
        once = np.full_like(two.scores[:1], np.nan)
        once[:, :, :1] = simulated_panel(equal, replace(design, replicates=1), seed).scores[:1]
        three = Panel([*two.families, "once"], two.sizes, np.concatenate([two.scores, once]), two.strata)
        found, expected = resample(three, 400), resample(two, 400)
        assert (found.resampled, found.training_sd) == (expected.resampled, pytest.approx(expected.training_sd))
        assert found.draws[:, :2].std(0) == pytest.approx(expected.draws.std(0), rel=0.4)
        verdicts.append(crossover(three, found, (0, 1), 0.95, 0.05)["verdict"])
    assert verdicts.count(OPEN) >= 11


def test_one_test_case_gives_no_interval_and_says_why():
    """Its resamples would be of trainings alone, whose interval would be of no width for other patients."""
    table = check_metrics(table_of(simulated_panel(OTHER, Design(patients=1, replicates=2), 1)))
    why = "one test case of a cohort doesn't show how much another one differs"
    needed = cases_needed(table, "dsc", 0.95, draws=50)
    assert needed[["ci_low", "ci_high"]].isna().all(axis=None) and needed["n"].notna().all()
    assert needed["statement"].str.match(f"can't tell how many cases .* needs for 0.\\d: {why}$").all()
    curves = learning_curves(table, "dsc", 0.95, draws=50)
    assert curves[["ci_low", "ci_high", "fit_low", "fit_high"]].isna().all(axis=None) and curves["mean"].notna().all()
    rows, _ = design(table, Question(reach=0.6))
    told = rows[rows["question"].isin([SCORE, NEXT])]
    assert len(told) == 4 and told["ci_low"].isna().all() and told["statement"].str.endswith(why).all()
    assert crossovers(table, "dsc", 0.95, 0.05, draws=50)["statement"].str.endswith("; add a second test case").all()


@pytest.mark.parametrize("design", [Design(patients=1, replicates=2), SURE])
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
    [Design(), thorough(Design(patients=16, replicates=2)), thorough(Design(replicates=3, sizes=(5, 26, 256)))],
    ids=["one draw", "16 patients, 2 draws", "3 draws, 3 sizes"],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(name, design):
    """Nominal 95%; of 80 simulations 90% to 100% is what that gives by chance, or is wider."""
    found = shares(outcomes(CROSSING[name], design, simulations=80, draws=250))
    assert found["covered"] >= 0.90
    assert found["no crossover"] <= 0.03


@pytest.mark.parametrize("name", NOT_CROSSING)
@pytest.mark.parametrize("replicates", [2, thorough(3)])
def test_no_crossover_is_found_where_there_is_none(name, replicates):
    """Nominal 5% at most; 120 simulations at 5% give more than 11 in one of 60 times."""
    design = Design(replicates=replicates, luck=0.03)
    found = outcomes(NOT_CROSSING[name], design, simulations=120, draws=250)
    assert (found["verdict"] == CROSSES).sum() <= 11


def test_a_crossover_is_not_always_missed():
    found = outcomes(OTHER, Design(replicates=3), simulations=40, draws=250)
    assert shares(found)["crosses"] > 0.6


def test_luck_of_trainings_makes_no_crossover():
    """By patients alone a fifth or more of equal curves would seem to cross."""
    wild = Design(replicates=2, luck=0.06, noise=0.02)
    found = outcomes(NOT_CROSSING["equal"], wild, simulations=60, draws=250)
    assert (found["verdict"] == CROSSES).mean() <= 0.05
    seem = 0
    for seed in range(60):
        scores = simulated_panel(NOT_CROSSING["equal"], wild, seed).scores.mean(2)
        t = [effect([(a - b)[:, None]], [1.0]) for a, b in zip(*scores, strict=True)]
        seem += min(t[0].p(), t[-1].p()) < 0.05 and t[0].estimate * t[-1].estimate < 0
    assert seem / 60 > 0.2


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
    assert row["statement"].startswith(f"scratch needs {np.ceil(row['n']):.0f} cases for 0.6 (95% CI ")
    assert out.loc[("transfer", 0.3), "n"] == 0
    assert out.loc[("transfer", 0.3), "statement"].startswith("transfer needs 5 or fewer cases")
    assert out.loc[("transfer", 0.7), "n"] == np.inf
    assert "more than 256" in out.loc[("transfer", 0.7), "statement"]


def test_a_flat_curve_reaches_its_own_value_at_the_smallest_size():
    """It was said to need nan cases."""
    table = check_metrics(table_of(simulated_panel({"scratch": lambda n: 0.5 + 0 * n}, SURE, 1))).assign(dsc=0.5)
    needed = cases_needed(table, "dsc", 0.95, draws=20)
    assert set(needed["target"]) == {0.5} and {*needed["n"], *needed["ci_low"], *needed["ci_high"]} == {0.0}
    assert needed["statement"].str.contains("needs 5 or fewer cases for 0.5").all()


def test_cases_needed_of_one_draw_say_that_other_draws_are_not_counted():
    table = check_metrics(table_of(simulated_panel({"scratch": power(0.85, 1.39, 0.5)}, SURE, 1)))
    several, one = (cases_needed(own, "dsc", 0.95, draws=50) for own in (table, table.assign(draw=0)))
    assert (several["replicates"] > 1).all() and not several["statement"].str.contains("add ").any()
    assert (one["replicates"] == 1).all() and one["statement"].str.contains("this draw of the labelled cases").all()


@pytest.mark.parametrize("curves", [OTHER, NOT_CROSSING["parallel"], TWICE["two crossings"]])
def test_who_is_ahead_by_a_distance_is_who_is_by_the_score_that_it_mirrors(curves):
    whole = {**curves, "pretrained": lambda n: 0.55 + 0 * n}
    table = table_of(simulated_panel(whole, SURE, 1))
    table.loc[table["family"] == "pretrained", "n_train"] = 0
    table = check_metrics(table.drop_duplicates(["family", "n_train", "replicate", "cohort", "case"]))
    table["hd95_mm"] = 30 * (1 - table["dsc"])
    scores, distances = (crossovers(table, m, 0.95, 0.05, draws=300) for m in ("dsc", "hd95_mm"))
    assert len(scores) and set(scores["verdict"]) != {OPEN}
    pd.testing.assert_frame_equal(distances.assign(metric="dsc"), scores)


def test_cases_needed_for_a_distance_reach_down_to_it():
    curves = {"scratch": power(0.85, 1.39, 0.5), "transfer": lambda n: 0.62 + 0 * n}
    table = check_metrics(table_of(simulated_panel(curves, SURE, 1)))
    table["hd95_mm"] = 30 * (1 - table["dsc"])
    out = cases_needed(table, "hd95_mm", 0.95, draws=300)
    out = out[out["test_set"] == "uterus"].set_index(["family", "target"])
    row, same = out.loc[("scratch", 12)], cases_needed(table, "dsc", 0.95, draws=300)
    same = same[(same["family"] == "scratch") & (same["target"] == 0.6) & (same["test_set"] == "uterus")].iloc[0]
    assert (row["n"], row["ci_low"], row["ci_high"]) == pytest.approx((same["n"], same["ci_low"], same["ci_high"]))
    assert row["statement"].startswith(f"scratch needs {np.ceil(row['n']):.0f} cases for 12 mm (95% CI ")
    assert out.loc[("transfer", 20), "n"] == 0 and out.loc[("transfer", 10), "n"] == np.inf


def test_families_of_other_sizes_are_compared_where_they_meet():
    panel = simulated_panel(OTHER, SURE, 1)
    table = table_of(panel)
    some = (table["family"] == SCRATCH) & table["n_train"].isin([5, 256])
    (row, _) = crossovers(check_metrics(table[~some]), "dsc", 0.95, 0.05, draws=200).itertuples()
    assert (row.sizes, row.n_smallest, row.n_largest) == (4, 13, 128)
    none = (table["family"] == SCRATCH) & (table["n_train"] > 13)
    none |= (table["family"] == TRANSFER) & (table["n_train"] < 26)
    assert not len(crossovers(check_metrics(table[~none]), "dsc", 0.95, 0.05, draws=200))
    other = simulated_panel(OTHER, SURE, 1)
    other.scores[0, ..., :15], other.scores[1, ..., 15:] = np.nan, np.nan  # never the same patients
    assert crossover(other, resample(other, 50), (0, 1), 0.95, 0.05) == {}
