"""Ranks of models, and how stable they are over bootstrap samples of the patients."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from crossover.report.compare.answers import answers
from crossover.report.compare.output import write
from crossover.report.compare.run import comparison
from crossover.report.score_tables import ranking_layout
from crossover.statistics.differences.ranking import RANKING, kendall_tau, ranking, ranks
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.config import load_study
from tests.tables import simulated_metrics

EASE = np.random.default_rng(1).normal(0, 0.1, 20)


def table(metric: str = "dsc", **scores: np.ndarray) -> pd.DataFrame:
    """Models' scores of the same cases, of one test set and structure."""
    rows = [{"model": m, "case": f"p{i}", metric: v} for m, own in scores.items() for i, v in enumerate(own)]
    about = {
        "level": "",
        "n_train": 0,
        "replicate": 0,
        "fold": None,
        "cohort": "t",
        "structure": "liver",
    }
    return check_metrics(pd.DataFrame(rows).assign(**about), ["model"], infinite=True)


def ranked(rows: pd.DataFrame, **how) -> pd.DataFrame:
    found = ranking(rows, 0.95, **how)
    return found[found["test_set"] == "t"].set_index("family")


def test_models_that_differ_by_a_constant_keep_their_ranks():
    """Each case differs by as much, so that every sample ranks them alike."""
    found = ranked(table(c=0.5 + EASE, a=0.6 + EASE, b=0.55 + EASE))
    assert found["rank"].to_dict() == {"c": 3, "a": 1, "b": 2}
    assert (found["rank_low"] == found["rank"]).all() and (found["rank_high"] == found["rank"]).all()
    assert found["first"].to_dict() == {"c": 0, "a": 1, "b": 0}
    assert found[["tau", "tau_low", "tau_high"]].eq(1).all(axis=None)
    assert found["mean"]["a"] == pytest.approx(0.6 + EASE.mean()) and found["cases"]["a"] == 20


def test_one_case_ranks_nothing():
    """Each bootstrap sample would be this case again, and every rank certain."""
    assert ranked(table(a=np.array([0.5]), b=np.array([0.6]))).empty
    assert len(ranked(table(a=np.array([0.5, 0.4]), b=np.array([0.6, 0.3])))) == 2


def test_two_models_by_turns_are_first_in_half_the_samples():
    swap = np.resize([0.01, -0.01], 20)
    found = ranked(table(a=0.5 + swap, b=0.5 - swap + 1e-6))
    assert found["first"].to_dict() == pytest.approx({"a": 0.41, "b": 0.59}, abs=0.06)  # P(|T| = 0) is 0.18
    assert found["rank_low"].tolist() == [1, 1] and found["rank_high"].tolist() == [2, 2]
    assert found["tau_low"].iloc[0] == -1 and found["tau_high"].iloc[0] == 1


def test_smaller_distances_are_better_and_infinite_ones_the_worst():
    far = 5 + EASE
    found = ranked(table("hd95_mm", a=far + 1, b=far, c=np.where(np.arange(20) == 3, np.inf, far - 1)))
    assert found["rank"].to_dict() == {"a": 2, "b": 1, "c": 3}
    drawn = 1 - (19 / 20) ** 20  # the case with the infinite one is in the sample
    assert found["first"]["c"] == pytest.approx(1 - drawn, abs=0.05)


def test_equal_models_share_the_better_rank_and_a_metric_without_direction_has_none():
    found = ranked(table(a=0.5 + EASE, b=0.5 + EASE, c=0.4 + EASE))
    assert found["rank"].tolist() == [1, 1, 3] and found["first"].tolist() == [1, 1, 0]
    assert ranked(table(a=0.5 + EASE, b=0.5 + EASE))["tau"].isna().all()
    assert ranking(table("volume_error_percent", a=EASE, b=EASE + 1), 0.95).empty


@settings(max_examples=40, deadline=None)
@given(arrays(float, (3, 5), elements=st.sampled_from([0.1, 0.2, 0.3, 0.4])))
def test_ranks_and_tau_are_those_of_scipy(scores):
    own = ranks(scores, True)
    np.testing.assert_array_equal(own, stats.rankdata(-scores, "min", axis=1))
    np.testing.assert_array_equal(ranks(scores, False), stats.rankdata(scores, "min", axis=1))
    expected = [stats.kendalltau(own[0], sample).statistic for sample in own]
    np.testing.assert_allclose(kendall_tau(own[0], own), expected)


def test_models_are_ranked_at_each_size_beside_those_without_one():
    rows = check_metrics(simulated_metrics(sizes=(13, 64), folds=0, replicates=2))
    found = ranking(rows, 0.95, ["dsc"])
    assert list(found) == RANKING
    sizes = found[found["test_set"] == "uterus"].groupby("n_train")
    assert sizes["family"].agg(set).tolist() == [set(rows["family"])] * 2
    assert sizes["rank"].min().tolist() == [1, 1] and (found["cases"] > 0).all()
    pd.testing.assert_frame_equal(found, ranking(rows, 0.95, ["dsc"]))  # seeded


def test_a_comparison_shows_the_ranks(tmp_path):
    path, out = tmp_path / "scores.csv", tmp_path / "out"
    table(a=0.6 + EASE, b=0.5 + EASE, c=0.4 + EASE).to_csv(path, index=False)
    found = comparison([str(path)])
    write(found, answers(found), out)
    read = pd.read_csv(out / "ranking.csv").query("test_set == 't'")
    assert read[["family", "rank", "first"]].values.tolist() == [["a", 1, 1.0], ["b", 2, 0.0], ["c", 3, 0.0]]
    page = (out / "index.html").read_text()
    assert "DSC: ranks" in page and "1 (1 to 1)" in page and "not to other trainings" in page


def test_ranks_of_equal_models_are_none(tmp_path):
    rows = check_metrics(simulated_metrics(sizes=(13, 64), folds=0)).assign(dsc=0.0)
    shown = ranking_layout(ranking(rows, 0.95, ["dsc"]), load_study("uterus", "demo"))
    assert set(shown["Rank"]) == {"all equal"} and set(shown["First"]) == {""}
    path, out = tmp_path / "scores.csv", tmp_path / "out"
    table(a=0 * EASE, b=0 * EASE, c=0 * EASE).to_csv(path, index=False)
    found = comparison([str(path)])
    write(found, answers(found), out)
    page = (out / "index.html").read_text()
    assert "all equal" in page and "1 (1 to 1)" not in page


def test_the_page_of_a_study_ranks_the_models_of_the_largest_size():
    study = load_study("uterus", "demo")
    rows = check_metrics(simulated_metrics(sizes=(13, 64), folds=0))
    shown = ranking_layout(ranking(rows, 0.95, ["dsc"]), study)
    own = shown[shown["test_set"] == "uterus"]
    assert set(own["family"]) == set(rows["family"]) and own["Rank"].iloc[0].startswith("1 (1 to ")
