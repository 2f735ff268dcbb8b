"""The figure of paired differences by n: what is drawn is what the table of pairs has."""

from __future__ import annotations

import pandas as pd
import pytest

from crossover.analyses.figures import differences
from crossover.analyses.registry import caption, find
from crossover.study.config import load_study
from crossover.study.families import baseline, main_question

STUDY = load_study("uterus", "smoke")


@pytest.fixture(scope="module")
def pairwise() -> pd.DataFrame:
    """Every family of the main question, in turn as the first and the second of its pair."""
    scratch = baseline(STUDY)
    rows = [
        {
            "test_set": test_set, "structure": "tumour", "n_train": n, "cases": 4,
            "family_a": family if n == 2 else scratch, "family_b": scratch if n == 2 else family,
            "difference": sign * 0.1, "ci_low": sign * 0.1 - 0.03, "ci_high": sign * 0.1 + 0.05,
            "about": "trained models",
        }
        for test_set in STUDY.cohorts
        for n, sign in ((2, 1), (8, -1))
        for family in (*main_question(STUDY), "transfer-L2")
        if family != scratch
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_differences_are_from_training_from_scratch_whichever_stands_first(pairwise):
    rows = differences.differences(pairwise, STUDY)
    assert set(rows["family"]) == {*main_question(STUDY)} - {baseline(STUDY)}
    assert len(rows) == 2 * rows["family"].nunique(), "the target's test cases alone"
    assert rows["difference"].tolist() == pytest.approx([0.1] * len(rows))
    ends = rows[rows["n_train"] == 8][["ci_low", "ci_high"]].drop_duplicates().to_numpy().tolist()
    assert ends == [pytest.approx([0.05, 0.13])], "the interval is turned with its difference"


def test_each_family_is_drawn_with_its_intervals(pairwise):
    (axes,) = differences.draw(pairwise, STUDY).axes
    drawn = axes.containers
    assert len(drawn) == len(main_question(STUDY)) - 1
    for bars in drawn:
        assert bars.lines[0].get_ydata() == pytest.approx([10, 10])
        low, high = bars.lines[2][0].get_segments()[0][:, 1]
        assert (low, high) == pytest.approx((7, 15))


def test_distances_are_drawn_in_mm_and_the_caption_says_which_are_better(pairwise):
    study = STUDY.model_copy(update={"statistics": STUDY.statistics.model_copy(update={"metric": "hd95_mm"})})
    (axes,) = differences.draw(pairwise, study).axes
    assert axes.containers[0].lines[0].get_ydata() == pytest.approx([0.1, 0.1])
    assert axes.get_ylabel() == "Difference in HD95 (mm)"
    assert caption("differences", {"pairwise": pairwise}, study)[1].endswith("Below 0 is better.")
    assert "Below 0" not in caption("differences", {"pairwise": pairwise}, STUDY)[1]


def test_it_belongs_to_studies_with_sizes_and_a_baseline(pairwise):
    figure = find("figures", "differences")
    assert figure.applies(STUDY) and not figure.applies(load_study("prostate", "smoke"))
    assert not figure.applies(load_study("nasopharynx", "smoke")), "it has one size"
    title, text = caption("differences", {"pairwise": pairwise}, STUDY)
    assert "scratch" in title and "same 4 test cases of Uterus" in text and "95%" in text
    assert "so of these trained models" in text


def test_without_a_pair_it_says_so(pairwise):
    none = pairwise.iloc[:0]
    assert differences.draw(none, STUDY).texts
    assert "same 0" in caption("differences", {"pairwise": none}, STUDY)[1]
