"""The planner: against closed forms, against the test that it plans for, and by its command.

`benchmarks/planning.py` measures how often planned studies succeed.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from statsmodels.stats.power import TTestIndPower, TTestPower
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.report.overview import makes_surer
from crossover.report.results import StudyResults
from crossover.statistics.estimates.chance import METHODS, Effect, Spread, effect
from crossover.statistics.estimates.resampling import Panel, resample
from crossover.statistics.learning_curves.extrapolation import Curve
from crossover.statistics.papers.planner import PrintedPair, design_from_printed, show
from crossover.statistics.scores.metrics_table import TableError, check_metrics
from crossover.statistics.study_planning import assurance as planner
from crossover.statistics.study_planning import planning
from crossover.statistics.study_planning.assurance import (
    MeanSquare,
    Pilot,
    assurance,
    can_be_judged,
    draw_components,
    fewest_cases,
    pilot_of,
)
from crossover.statistics.study_planning.planned_crossing import FACTORS, cases_that_settle, crossing_pilot
from crossover.statistics.study_planning.planning import CROSSOVER, DIFFERENCE, NEXT, ONE_DRAW, PLANNING, SCORE, Rules
from crossover.statistics.study_planning.plans import Question, design, surer
from crossover.study.config import load_study
from tests.simulated import (
    CROSSING,
    SCRATCH,
    TRANSFER,
    Design,
    logistic,
    power,
    simulated_panel,
    table_of,
)

NOTHING = MeanSquare(0.0, np.inf)


def pilot(cases=0.0072, training=0.0004, rest=0.0018, df=np.inf, **changes) -> Pilot:
    """Components that are known, or have `df` degrees of freedom."""
    known = {
        "estimate": np.nan, "cases": MeanSquare(cases, df), "rest": MeanSquare(rest, df), "shares": 0.0,
        "training": None if training is None else MeanSquare(training, df), "count": np.inf,
    }  # fmt: skip
    return Pilot(**known | changes)


def reached(of: Pilot, difference: float, cases: int, trainings: int) -> float:
    return assurance(of, draw_components(of, difference), cases, trainings, 0.05)


@pytest.mark.parametrize("cases", [8, 20, 60, 150])
def test_of_known_variances_and_trained_models_it_is_the_power_of_the_paired_t_test(cases):
    known = pilot(training=None, rest=0.0)
    expected = TTestPower().power(0.03 / np.sqrt(0.0072), cases, 0.05, alternative="larger")
    two_sided = TTestPower().power(0.03 / np.sqrt(0.0072), cases, 0.05)
    found = reached(known, 0.03, cases, 1)
    assert found == pytest.approx(two_sided, abs=0.01) and found < expected


@pytest.mark.parametrize("trainings", [2, 3, 5, 10])
def test_without_chance_of_cases_it_is_the_power_of_students_test_of_the_trainings(trainings):
    known = pilot(cases=0.0, rest=0.0)
    expected = TTestIndPower().power(0.04 / 0.02, trainings, 0.05)
    assert reached(known, 0.04, 50, trainings) == pytest.approx(expected, abs=0.01)


def test_the_fewest_cases_are_those_of_the_closed_form():
    known = pilot(training=None, rest=0.0)
    expected = TTestPower().solve_power(0.03 / np.sqrt(0.0072), None, 0.05, 0.8)
    assert fewest_cases(known, draw_components(known, 0.03), 1, 0.8, 0.05) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("trainings", [1, 2, 4])
def test_a_pilot_is_judged_as_any_study(trainings):
    rng = np.random.default_rng(trainings)
    scores = rng.normal(0.7, 0.1, (2, 12, trainings))
    strata = np.repeat([0, 1], 6)
    spread = Spread(0.0004, 9) if trainings == 1 else None
    known, found = effect(scores, [1, -1], strata, spread), pilot_of(scores, strata, spread)
    own = found.effect()
    assert (own.estimate, own.se, own.p()) == pytest.approx((known.estimate, known.se, known.p()))
    assert own.trainings == trainings and found.own == (trainings > 1)


@pytest.mark.parametrize("df_1, df_2", [(9, 1), (9, 2), (63, 4), (15, 18), (999, 98)])
def test_what_counts_as_settled_is_what_the_test_calls_significant(df_1, df_2):
    critical = planner._critical(df_1, df_2, 0.05)
    for angle in (0.0, 0.27, 0.8, 1.23, 1.5, np.pi / 2):
        ses = np.cos(angle), np.sin(angle) if angle else np.nan
        at = float(critical(angle))
        assert Effect(at, ses[0], df_1, ses[1], df_2, 10, 2).p() == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize("df_1, df_2", [(60, 1), (1, 60), (15, 1), (60, 2)])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_a_small_alpha_with_one_degree_of_freedom_has_its_critical_values(df_1, df_2, alpha):
    """They grow from 2.7 to 64 at 0.01, by more than double between two of the first angles."""
    critical = planner._critical(df_1, df_2, alpha)
    for angle in np.linspace(0, np.pi / 2, planner.KNOTS)[1:-1:4]:
        p = Effect(float(critical(angle)), np.cos(angle), df_1, np.sin(angle), df_2, 10, 2).p()
        assert p == pytest.approx(alpha, rel=1e-3)


@settings(max_examples=15, deadline=None)
@given(
    cases=st.integers(4, 300), trainings=st.integers(2, 12), difference=st.floats(0.01, 0.1),
    df=st.sampled_from([3, 15, np.inf]),
)  # fmt: skip
@pytest.mark.slow
def test_more_cases_trainings_and_difference_never_make_it_less_sure(cases, trainings, difference, df):
    of = pilot(df=df)
    least = reached(of, difference, cases, trainings)
    assert 0 <= least <= 1
    for more in (
        reached(of, difference, 2 * cases, trainings),
        reached(of, difference, cases, 2 * trainings),
        reached(of, 1.5 * difference, cases, trainings),
    ):
        assert more >= least - 0.01


def test_an_uncertain_pilot_needs_more_than_its_estimates_say():
    sure, unsure = pilot(), pilot(df=5)
    assert (
        fewest_cases(unsure, draw_components(unsure, 0.05), 10, 0.8, 0.05)
        > fewest_cases(sure, draw_components(sure, 0.05), 10, 0.8, 0.05)
    )  # fmt: skip


def test_studies_succeed_as_often_as_planned_whatever_the_truth():
    """Of the paired t test, where a study's success has a closed form; 80 pilots of 8 cases."""
    rng, truth = np.random.default_rng(5), pilot(training=None, rest=0.0)
    successes = []
    for variance in 0.0072 * rng.chisquare(7, 80) / 7:
        of = pilot(variance, None, 0.0, df=7)
        cases = fewest_cases(of, draw_components(of, 0.03, 1000), 1, 0.8, 0.05)
        successes.append(reached(truth, 0.03, cases, 1))
    assert np.mean(successes) == pytest.approx(0.8, abs=0.05)


def test_what_could_not_be_judged_is_not_planned():
    assert not can_be_judged(pilot(), 1), "one training each tells nothing of trainings"
    assert can_be_judged(pilot(own=False), 1), "but other models may"
    assert can_be_judged(pilot(training=None), 1) and not can_be_judged(pilot(training=None), 3)
    assert np.isnan(reached(pilot(), 0.05, 20, 1)) and np.isnan(reached(pilot(), 0.05, 1, 3))


# ---- learning curves


def curve_of(curve, sizes=(5, 13, 26, 51, 128, 256), luck=0.0, noise=0.001) -> Curve:
    made = Design(patients=30, replicates=2, luck=luck, noise=noise, ease=0.001, sizes=sizes)
    return Curve(resample(simulated_panel({"a": curve, "b": curve}, made, 1), 200), 0)


def test_a_power_law_is_continued_as_one():
    law = power(0.80, 0.60, 0.4)
    to = curve_of(law).continued(512, 0.95)
    assert to.estimate == pytest.approx(float(law(512)), abs=0.002)
    assert to.gain == pytest.approx(float(law(512) - law(256)), abs=0.002)
    assert to.low < float(law(256)) + 0.002 and to.gain_low == 0
    assert to.gain_high > float(law(256) - law(128)) - 0.002


def test_a_continued_curve_stays_on_the_scale():
    """An interval of a DSC began at -0.082."""
    for level in (0.02, 0.97):
        to = curve_of(lambda n: level + 0 * np.asarray(n, float), (2, 3, 5, 8), luck=0.05).continued(16, 0.95)  # noqa: B023
        assert 0 <= to.low < to.high <= 1


def test_what_further_cases_bring_is_asked_of_no_more_than_a_curve_is_continued_to(scores):
    few = scores[scores["n_train"].isin([0, 5, 13, 26])].replace({"n_train": {5: 2, 13: 3, 26: 5}})
    last = scores[scores["n_train"] == 51].assign(n_train=8)
    table, _ = design(pd.concat([few, last]), Question(difference=0.1))
    assert set(table.loc[table["question"] == NEXT, "cases"]) == {8}


def test_a_score_is_reached_inside_and_beyond_the_sizes():
    law = power(0.80, 0.60, 0.4)
    curve = curve_of(law)
    beyond = (0.6 / (0.80 - 0.743)) ** 2.5
    y = 0.72
    inside = (0.6 / (0.80 - y)) ** 2.5
    n, low, high = curve.reaches(y, 0.95, 0.8)
    assert low <= n <= high and n == pytest.approx(inside, rel=0.1)
    n, low, high = curve.reaches(0.743, 0.95, 0.8)
    assert n == pytest.approx(beyond, rel=0.1) and 256 < low < n and high == np.inf
    assert curve.reaches(0.79, 0.95, 0.8) == (np.inf, np.inf, np.inf)


def test_a_curve_that_says_too_little_is_not_continued():
    few = curve_of(power(0.80, 0.60, 0.4), sizes=(5, 26, 256))
    assert "fewer than 4 sizes" in few.refused and few.farthest == 256
    faster = curve_of(logistic(0.80, 0.8, 9.0))
    assert "gains more with each doubling" in faster.refused
    assert not curve_of(power(0.80, 0.60, 0.4)).refused


# ---- the crossover


def test_an_open_crossover_is_settled_by_more_of_the_same():
    pair = CROSSING["other curves that cross at 41"]
    made = simulated_panel(pair, Design(patients=20, replicates=3, luck=0.002, noise=0.05), 3)
    of = crossing_pilot(made, resample(made, 200), (0, 1))
    cases, share = cases_that_settle(of, 4, 0.8, 0.95, 0.05, studies=20)
    assert cases in [20 * factor for factor in FACTORS[:5]] and share >= 0.8
    wild = simulated_panel(pair, Design(patients=20, replicates=3, luck=0.3), 3)
    of = crossing_pilot(wild, resample(wild, 200), (0, 1))
    most, share = cases_that_settle(of, 3, 0.8, 0.95, 0.05, studies=10)
    assert (most, share < 0.8) == (160, True)


def test_no_crossover_is_planned_where_nothing_tells_of_trainings():
    made = simulated_panel(CROSSING["other curves that cross at 41"], Design(), 1)
    few = Panel(made.families, made.sizes[:3], made.scores[:, :3], made.strata)
    assert crossing_pilot(few, resample(few, 100), (0, 1)) is None


# ---- tables, the command and the report


@pytest.fixture(scope="module", autouse=True)
def few_studies() -> Iterator[None]:
    """How many are simulated changes a number in a sentence and no sentence."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "cases_that_settle", partial(cases_that_settle, studies=15))
        yield


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    """A pilot that can't tell: 16 patients, two trainings, four sizes."""
    pair = {TRANSFER: power(0.75, 0.3, 0.5), SCRATCH: power(0.80, 0.9, 0.5)}
    made = Design(patients=16, replicates=2, sizes=(5, 13, 26, 51))
    return check_metrics(table_of(simulated_panel(pair, made, 4)))


@pytest.fixture(scope="module")
def planned(scores) -> pd.DataFrame:
    rules = Rules(trainings=(1, 5), minutes=30)
    table, _ = design(scores, Question(difference=0.1, reach=0.6, rules=rules))
    return table


@pytest.mark.slow
def test_a_pilot_is_answered_question_by_question(planned):
    assert list(planned) == PLANNING
    assert list(dict.fromkeys(planned["question"])) == [DIFFERENCE, CROSSOVER, SCORE, NEXT]
    one, five = planned[planned["question"] == DIFFERENCE].to_dict("records")
    assert one["refused"] and five["reached"] >= 0.8
    assert five["hours"] == five["cases"] / 2 and five["there"] == 16 > five["cases"]
    assert five["statement"] == (
        f"{five['cases']:.0f} test cases with 5 trainings of each settle a difference of 0.1 between "
        f"scratch and transfer-L1 at n = 51 with an assurance of 80%: no more than the 16 here "
        f"({five['hours']:.1f} hours of annotation)"
    )
    more = planned[planned["question"] == NEXT].set_index("a")
    assert set(more.index) == {TRANSFER, SCRATCH} and (more["hours"] == 5).all()
    continued = more[more["refused"] == ""]
    assert len(continued) and (continued["ci_low"] < continued["estimate"]).all()
    assert continued["statement"].str.contains("an extrapolation").all()


@pytest.mark.slow
def test_a_forecast_from_one_draw_says_so_however_often_it_was_trained(scores):
    """Two trainings on one draw know nothing of another draw: 95% intervals held the true score in 62 to 75%."""
    asked = Question(reach=0.6, difference=0.1, rules=Rules(trainings=(5,)))
    once, _ = design(scores.assign(draw=0), asked)
    twice, _ = design(scores, asked)
    for table, told in ((once, True), (twice, False)):
        forecasts = table[table["question"].isin([SCORE, NEXT]) & table["ci_low"].notna()]
        assert len(forecasts) and (forecasts["about"] == (ONE_DRAW if told else METHODS)).all()
        assert (forecasts["statement"].str.contains("of this draw of the labelled cases: add trainings") == told).all()


@pytest.mark.slow
def test_a_plan_from_draws_that_were_trained_several_times_asks_for_as_many(scores):
    """Of 3 draws with 3 trainings each, plans for 80% succeeded in 60% where each new draw was trained once."""
    asked = Question(difference=0.1, rules=Rules(trainings=(5,)))
    again = scores.assign(draw=scores["replicate"])
    repeated = pd.concat([again, again.assign(replicate=again["replicate"] + 2)])
    for table, apart, crossed in (
        (again, "with 5 trainings of each settle", "with 5 draws of the subsets, each trained once,"),
        (
            repeated,
            "with 5 draws of the labelled cases, each trained 2 times, settle",
            "each trained 2 times, would settle",
        ),
    ):
        said = design(table, asked)[0].set_index("question")["statement"]
        assert apart in said[DIFFERENCE] and crossed in said[CROSSOVER]


@pytest.mark.slow
def test_a_plan_by_a_distance_is_that_by_the_score_that_it_mirrors(scores, planned):
    rules = Rules(trainings=(1, 5), minutes=30)
    mirrored = scores.assign(hd95_mm=30 * (1 - scores["dsc"]))
    table, notes = design(mirrored, Question("hd95_mm", difference=3, reach=12, rules=rules))
    for column in ("question", "a", "b", "trainings", "cases", "reached", "hours", "refused", "about"):
        assert table[column].tolist() == pytest.approx(planned[column].tolist(), nan_ok=True), column
    crossing = table[table["question"] == CROSSOVER].iloc[0]
    assert crossing["cases"] > 0 and crossing["reached"] > 0 and not notes
    mm, dsc = (t[t["question"].eq(NEXT) & t["refused"].eq("")] for t in (table, planned))
    assert mm["estimate"].to_numpy() == pytest.approx(30 * (1 - dsc["estimate"].to_numpy()), abs=0.02)
    assert (mm["ci_low"] < mm["estimate"]).all() and (mm["gain_low"] < mm["gain"]).all() and (mm["gain"] < 0).all()
    said = table.set_index("question")["statement"]
    assert "settle a difference of 3 mm between scratch and transfer-L1 at n = 51 with" in said[DIFFERENCE].iloc[1]
    assert all(" 12 mm with " in text for text in said[SCORE])
    assert any(" mm, an extrapolation (95% interval " in text and "a change of −" in text for text in said[NEXT])


def test_of_a_metric_with_no_better_side_nothing_but_a_difference_is_planned(scores):
    table, notes = design(scores.assign(age=scores["dsc"]), Question("age", difference=0.1))
    assert set(table["question"]) == {DIFFERENCE}
    assert any(note.startswith("age: none of the crossover, --reach and --next") for note in notes)


@pytest.mark.slow
def test_hours_of_cases_that_are_there_already_cost_nothing(planned):
    score = planned[planned["question"] == SCORE].set_index("a")
    inside = score[score["cases"] <= 51]
    assert len(inside) and (inside["hours"] == 0).all()


def test_printed_numbers_are_known_or_have_the_chance_of_their_cases():
    asked = Question(difference=0.03)
    known, notes = design_from_printed(asked, PrintedPair(sds=[0.1], correlation=0.6))
    expected = TTestPower().solve_power(0.03 / np.sqrt(2 * 0.01 * 0.4), None, 0.05, 0.8)
    assert known["cases"].iloc[0] == pytest.approx(expected, abs=1)
    assert "of these trained models" in known["statement"].iloc[0] and len(notes) == 2
    unsure, _ = design_from_printed(asked, PrintedPair(sds=[0.1], correlation=0.6, cases=8))
    assert unsure["cases"].iloc[0] > known["cases"].iloc[0]
    several, _ = design_from_printed(asked, PrintedPair(sds=[0.1], correlation=0.6, between_runs=0.02))
    assert [r["trainings"] for r in several.to_dict("records")] == [1, 3, 5, 10]
    assert several["refused"].iloc[0] and several["reached"].iloc[-1] >= 0.8


def test_a_difference_that_is_found_has_its_own_chance():
    printed = PrintedPair([0.80, 0.74], [0.1], 30, 0.6)
    asked, _ = design_from_printed(Question(difference=0.06), printed)
    found, _ = design_from_printed(Question(), printed)
    assert found["cases"].iloc[0] > asked["cases"].iloc[0]
    assert "0.06, as found," in found["statement"].iloc[0]


def test_equal_models_have_no_plan():
    equal, _ = design_from_printed(Question(), PrintedPair([0.74, 0.74], [0.1], 30, 0.6))
    (statement,) = equal["statement"]
    assert statement.startswith("no plan settles a difference of 0, as found, between")
    assert statement.endswith("the two are equal here; give the difference that matters")


def test_a_model_without_sizes_is_compared_at_the_others_largest(scores):
    shelf = scores[(scores["family"] == SCRATCH) & (scores["n_train"] == 5)]
    shelf = shelf.assign(model="pretrained", family="pretrained", strategy="pretrained", n_train=0)
    shelf = shelf[shelf["replicate"] == 0]
    table = pd.concat([scores[scores["family"] == TRANSFER], shelf], ignore_index=True)
    found, _ = design(table, Question(difference=0.1, rules=Rules(trainings=(5,))))
    first = found.iloc[0]
    assert (first["a"], first["b"], first["n_train"]) == ("pretrained", TRANSFER, 51)  # later first, as in compare


@pytest.fixture
def file(tmp_path, scores):
    path = tmp_path / "scores.csv"
    scores.to_csv(path, index=False)
    return path


def called(*words: str):
    return CliRunner().invoke(app, ["design", *map(str, words)])


@pytest.mark.slow
def test_the_command_prints_sentences_and_rows(file, tmp_path):
    out = tmp_path / "plan.csv"
    words = [
        file,
        "--metric",
        "Dice",
        "--difference",
        0.1,
        "--trainings",
        5,
        "--next",
        5,
        "--out",
        out,
    ]
    said = called(*words)
    assert said.exit_code == 0, said.output
    assert "test cases with 5 trainings of each" in " ".join(said.output.split())
    rows = json.loads(called(*words, "--json").stdout)
    assert list(rows[0]) == PLANNING and len(rows) == len(pd.read_csv(out))


def test_all_that_is_wrong_with_a_call_is_told_at_once():
    said = called("--assurance", 2, "--sd", -1, "--mean", 0.7, "--reach", 3, "--trainings", 0)
    assert said.exit_code == 2
    for part in ("--assurance", "--sd", "--mean must be given twice", "--reach must lie", "--trainings"):
        assert part in said.output, part


def test_what_a_table_lacks_is_told_at_once(scores):
    asked = Question(models=("transfer-L1", "other"), test_set="there", structure="kidney")
    with pytest.raises(TableError) as told:
        design(scores, asked)
    for part in ("--model other", "--test-set", "--structure"):
        assert part in str(told.value)
    with pytest.raises(TableError, match="not both n_train 6"):
        design(scores, Question(size=6))


@pytest.mark.slow
def test_the_report_says_what_would_make_it_surer(scores):
    study = load_study("uterus", "demo")
    plans = surer(scores, "dsc", "uterus", (TRANSFER, SCRATCH), Rules(trainings=(3, 10)))
    again = pd.read_csv(io.StringIO(plans.to_csv(index=False)))
    said = [s.text for s in makes_surer(StudyResults(study, {"planning": again}, {}))]
    assert len(said) == 2 and all(text.endswith(".") for text in said)
    assert "“TL (L1)”" in said[1] and "transfer-L1" not in " ".join(said)
    assert not list(makes_surer(StudyResults(study, {}, {})))


def test_a_plan_of_several_structures_names_each_and_a_pilot_of_models_that_fail_tells_nothing(tmp_path):
    rows = [
        (model, f"c{i}", organ, top * (1 + i % 3) / 3 + 0.001 * (model == "b"))
        for organ, top in (("cord", 0.0), ("stem", 0.9))
        for i in range(6)
        for model in "ab"
    ]
    table = pd.DataFrame(rows, columns=["model", "case", "structure", "dsc"])
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    said = " ".join(CliRunner().invoke(app, ["design", str(path)]).output.split())
    assert "- cord: " in said and "- stem: " in said
    assert "every dsc of cord is below 0.05: a pilot of models that fail says nothing" in said


def test_the_mean_over_the_structures_is_planned_for_as_one_more_structure(scores):
    """Expected: the plan of a table of each case's mean, as in a comparison of the structures that the case has."""
    other = scores.assign(structure="other", dsc=scores["dsc"] ** 2)
    both = pd.concat([scores, other[other["case"] != other["case"].iloc[0]]], ignore_index=True)
    whole = scores["case"] != scores["case"].iloc[0]
    means = scores.assign(dsc=((scores["dsc"] + other["dsc"]) / 2).where(whole, scores["dsc"]))
    of_mean, _ = design(both, Question(structure="all", difference=0.1))
    alone, _ = design(means, Question(difference=0.1))
    same = [c for c in PLANNING if c != "structure"]
    pd.testing.assert_frame_equal(of_mean[same], alone[same])
    assert set(of_mean["structure"]) == {"all"}
    with pytest.raises(TableError, match="--structure: the table has no all"):
        design(scores, Question(structure="all"))


def test_no_option_of_a_plan_is_ignored(tmp_path):
    rows = [f"{m},p{i},{s},0.{5 + i}{m == 'b':d}" for m in "ab" for i in range(4) for s in ("liver", "tumor")]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(["model,case,structure,dsc", *rows, ""]))
    for call, why in {
        ("--reach", 0.9): "--reach: no model has scores at several numbers of training cases",
        ("--next", 5): "--next: no model has scores at several numbers of training cases",
        ("--structure", "liver", "--structure", "tumor"): "--structure names 2 structures (liver, tumor)",
        ("--metric", "dsc", "--metric", "iou"): "--metric is given 2 times, and takes one value",
        ("--correlation", 0.9): "--correlation applies only to printed numbers",
        ("--difference", -0.03): "whichever model is ahead: the same cases settle it in either direction, so write it "
        "without its sign, 0.03",
    }.items():
        done = called(path, *call)
        assert done.exit_code == 2 and why in done.output, done.output
    done = called("--sd", 0.1, "--difference", 0.03, "--structure", "liver")
    assert done.exit_code == 2 and "--structure needs scores" in done.output
    assert "- liver: " in called(path, "--difference", 0.03, "--structure", "liver").output
    assert "- organ: " in called(path, "--difference", 0.03, "--structure", "organ=liver").output


def of_three_models(folder, size: str = "", gains=(0.0, 0.1, 0.12)) -> object:
    """a, b and c, of which b and c have the best means."""
    rows = [
        f"{m},c{i},{0.5 + i / 20 + gain + 0.01 * (i % 3) * (m == 'c'):.3f},{n}"
        for m, gain in zip("abc", gains)
        for i in range(6)
        for n in ((5, 10) if size else (0,))
    ]
    path = folder / "scores.csv"
    path.write_text("\n".join(["model,case,dsc,n_train", *rows, ""]))
    return path


def test_of_three_models_the_two_best_are_planned_for_and_the_options_for_others_told(tmp_path):
    path = of_three_models(tmp_path)
    said = " ".join(called(path, "--difference", 0.03).output.split())
    assert "settle a difference of 0.03 between c and b" in said
    assert "the plan is for c and b, the two of 3 models with the best means; to choose others: --model NAME" in said
    one = called(path, "--model", "a")
    assert one.exit_code == 2 and "there are a, b, c, such as --model b --model a" in one.output
    assert called(path, "--model", "a", "--model", "b", "--model", "a").output == one.output


def test_the_two_best_are_those_at_the_largest_size_that_two_models_have(tmp_path):
    path = of_three_models(tmp_path, "n")
    more = [f"a,c{i},{0.9 + 0.01 * (i % 3)},20" for i in range(6)]
    path.write_text("\n".join([*path.read_text().splitlines(), *more, ""]))
    said = " ".join(called(path, "--difference", 0.03).output.split())
    assert "the plan is for c and b, the two of 3 models with the best means at n = 10" in said
    refused = called(path, "--size", 7)
    assert refused.exit_code == 2 and "no two models have n_train 7 (--size): a has 5, 10, 20" in refused.output


def test_of_one_model_of_several_sizes_labelled_cases_alone_are_planned(tmp_path):
    path = of_three_models(tmp_path, "n")
    rows = path.read_text().splitlines()
    path.write_text("\n".join(row for row in rows if row[0] not in "bc" or row.startswith("model")))
    done = called(path, "--reach", 0.6)
    assert done.exit_code == 0 and "a" in done.output and "Labelled cases that reach a score" in done.output
    refused = called(path, "--difference", 0.03)
    assert refused.exit_code == 2 and "--difference needs two models, and there is only one, a" in refused.output


def test_a_plan_says_how_many_cases_are_more_than_there_are(tmp_path):
    path = of_three_models(tmp_path)
    pair = (path, "--model", "c", "--model", "a")
    told = " ".join(called(*pair, "--difference", 0.005, "--minutes-per-case", 60).output.split())
    cases, more, hours, of_more = map(float, re.findall(
        r"(\d+) test cases settle .* (\d+) more than the 6 here \((\S+) hours of annotation, (\S+) of these for", told
    )[0])  # fmt: skip
    assert (more, hours, of_more) == (cases - 6, cases, cases - 6)
    assert "no more than the 6 here" in " ".join(called(*pair, "--difference", 0.3).output.split())
    found = " ".join(called(*pair).output.split())
    assert ", of a new study: the 6 here, which found it, can't count for it" in found
    reached = {"question": SCORE, "metric": "dsc", "a": "scratch", "n_train": 48, "about": METHODS, "refused": "",
               "target": 0.85, "cases": 22.0, "ci_low": 17, "ci_high": 25, "confidence": 0.95, "assurance": 0.8,
               "hours": None}  # fmt: skip
    assert "with 22 labelled cases (already reached with its 48)" in planning.statement(reached)
    assert "with 60 labelled cases (12 more than its 48)" in planning.statement(reached | {"cases": 60.0})


def test_several_plans_are_a_table_and_the_sentence_is_of_the_fewest_trainings_that_suffice():
    row = {"question": DIFFERENCE, "metric": "dsc", "difference": 0.03, "given": True, "a": "tuned", "b": "scratch",
           "n_train": 48, "about": METHODS, "assurance": 0.8, "confidence": 0.95}  # fmt: skip
    plans = {1: {"refused": "unknown"}, 3: {"cases": 1000, "reached": 0.6}, 5: {"cases": 21, "reached": 0.81},
             10: {"cases": 6, "reached": 0.8}}  # fmt: skip
    rows = [row | {"structure": s, "trainings": t} | own for s in ("kidney", "cyst") for t, own in plans.items()]
    curve = {"metric": "dsc", "about": METHODS, "n_train": 48, "confidence": 0.95, "assurance": 0.8, "target": 0.85}
    rows += [
        curve | {"question": SCORE, "structure": s, "a": a, "cases": n, "ci_low": n - 5, "ci_high": n + 5}
        for s in ("kidney", "cyst")
        for a, n in (("tuned", 22.0), ("scratch", 60.0), ("frozen", np.inf))
    ]
    out = io.StringIO()
    show(planning.as_table(rows), ["a note"], Console(file=out, width=140))
    lines = out.getvalue().splitlines()
    assert len(lines) < 16 and sum("test cases with" in line for line in lines) == 2
    assert "- kidney: 21 test cases with 5 trainings of each settle" in out.getvalue()
    (cells,) = [line for line in lines if "kidney" in line and "> 1,000" in line]
    assert re.split(r"\s{2,}", cells.strip()) == ["kidney", "–", "> 1,000", "21", "6"]
    (cells,) = [line for line in lines if "kidney" in line and "reached" in line]
    assert "22 (17 to 27), reached already" in cells and "60 (55 to 65), 12 more" in cells and "none up to 96" in cells


def test_an_assurance_that_is_not_reached_is_not_rounded_to_the_one_asked_for():
    row = {
        "question": DIFFERENCE, "metric": "dsc", "difference": 0.03, "given": True, "a": "scratch", "b": "tuned",
        "n_train": 80, "about": "methods", "refused": "", "trainings": 3.0, "per_draw": 1, "cases": 1000, "hours": None,
        "assurance": 0.8, "reached": 0.7964,
    }  # fmt: skip
    assert planning.statement(row).endswith("with an assurance of only 79%")
    assert planning.statement(row | {"reached": 0.29}).endswith("with an assurance of only 29%")


@pytest.mark.parametrize(
    ("sizes", "trainings", "why"),
    [
        ((5, 13, 26), (1,), "one draw of the labelled cases gives no verdict; ask for 2 trainings or more"),
        ((5, 26), (2, 3), "two sizes don't show what the curves do between them; add a size between first"),
    ],
)
def test_what_no_plan_can_settle_is_neither_settled_nor_planned(sizes, trainings, why):
    close = {SCRATCH: power(0.80, 0.60, 0.4), TRANSFER: power(0.80, 0.58, 0.4)}
    table = check_metrics(table_of(simulated_panel(close, Design(patients=8, replicates=2, sizes=sizes), 1)))
    rows, notes = design(table, Question(difference=0.1, rules=Rules(trainings=trainings)))
    [said] = rows.loc[rows["question"].eq(CROSSOVER), "statement"]
    assert said.startswith("no plan settles whether ") and said.endswith(why)
    assert not any("the pilot itself settles" in note for note in notes)


def test_one_test_case_is_no_lack_of_trainings():
    scores = simulated_panel(dict.fromkeys((TRANSFER, SCRATCH), power(0.8, 0.6, 0.4)), Design(), 0)
    one = replace(scores, scores=scores.scores[..., :1], strata=scores.strata[:1])
    [row] = planning.crossings(one, resample(one, 50), (0, 1), {"n_train": 0}, Rules())
    said = planning.statement(row | {"hours": np.nan, "ci_low": np.nan})
    assert "one test case of a cohort doesn't show" in said and said.endswith("test on more patients first")


def test_a_plan_of_several_test_sets_says_that_it_pools_them(scores: pd.DataFrame):
    two = pd.concat([scores, scores.assign(cohort="elsewhere", case="e" + scores["case"])])
    asked = Question(difference=0.1, models=("transfer-L1", "scratch"))
    pooled, one = (" ".join(design(two, q)[1]) for q in (asked, replace(asked, test_set="elsewhere")))
    assert "elsewhere (16 cases); to plan for one of them: --test-set NAME" in pooled and "pools" not in one
