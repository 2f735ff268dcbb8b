"""Tests on the same cases beside the paper's; the numbers themselves are checked in test_reference.py."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crossover.statistics.differences.comparisons import compare, of_models
from crossover.statistics.differences.mixed import families_gain_alike
from crossover.statistics.differences.paired import holm, paired
from crossover.statistics.differences.repeated import (
    ANOVA,
    CHANCE,
    CORRECTION,
    EXACT,
    FRIEDMAN,
    MIXED,
    PAIRING,
    PAIRWISE,
    REPEATED,
    pairwise,
    repeated,
)
from crossover.statistics.estimates.chance import METHODS, MODELS
from crossover.statistics.scores.metrics_table import check_metrics
from tests.tables import simulated_metrics

ALPHA = 0.05


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return check_metrics(simulated_metrics(sizes=(4, 32), cases={"uterus": 14}))


@pytest.fixture(scope="module")
def theirs(table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The paper's tests: analysis of variance, and Tukey's."""
    return compare(table, "dsc", ALPHA)


@pytest.fixture(scope="module")
def pairs(table) -> pd.DataFrame:
    return pairwise(table, "dsc", ALPHA, "independent")


def of(scores: dict[str, list[float]]) -> pd.DataFrame:
    """A table of one size of families' scores."""
    return check_metrics(pd.DataFrame([
        {"model": f"{family}-n8", "level": "", "n_train": 8, "replicate": 0, "fold": None,
         "cohort": "c", "case": f"{i}", "structure": "s", "dsc": v, "iou": v, "hd95_mm": 1, "nsd": v}
        for family, values in scores.items() for i, v in enumerate(values)
    ]))  # fmt: skip


@pytest.mark.slow
def test_pairs_are_those_of_the_paired_comparison(table, pairs):
    known = paired(table, "dsc", ALPHA)
    assert list(pairs) == PAIRWISE
    for name in ("a", "b", "difference", "ci_low", "ci_high", "p", "about", "cohen_dz", "p_t"):
        assert pairs[name].tolist() == known[name].tolist()
    # interval and p are one inversion
    excluded = (pairs["ci_low"] > 0) | (pairs["ci_high"] < 0)
    assert (excluded == (pairs["p"] < ALPHA)).all()


@pytest.mark.slow
def test_holm_is_over_the_study_and_counts_one_cohort_once(pairs):
    own = pairs[pairs["test_set"] == "uterus"]
    assert (pairs["tests"] == len(own)).all()
    assert own["p_holm"].tolist() == pytest.approx(holm(own["p"].to_numpy()))
    assert pairs.loc[pairs["test_set"] == "all", "p_holm"].tolist() == own["p_holm"].tolist()
    two = pairwise(check_metrics(simulated_metrics(sizes=(4,), folds=0)), "dsc", ALPHA, "paired")
    assert (two["tests"] == len(two)).all()


@pytest.mark.slow
def test_tukey_stands_beside_whichever_model_comes_first(table, theirs, pairs):
    tukey = of_models(theirs[1])
    known = {(r.test_set, r.question, frozenset((r.a, r.b))): r.p for r in tukey.itertuples()}
    found = {(r.test_set, r.question, frozenset((r.a, r.b))): r.p_theirs for r in pairs.itertuples()}
    assert found == pytest.approx(known)
    given = pairwise(table, "dsc", ALPHA, "independent", tukey)
    pd.testing.assert_frame_equal(given, pairs)


def test_pairing_finds_what_independent_groups_hide():
    """Cases differ by 0.7, the families by 0.02: only pairs show it."""
    ease = np.linspace(0.1, 0.8, 16)
    noise = 0.004 * np.sin(np.arange(16) * 7)
    row = pairwise(of({"a": ease, "b": ease + 0.02 + noise}), "dsc", ALPHA, "independent").iloc[0]
    assert row["significant"] and not row["significant_theirs"]
    assert not row["agrees"]
    assert row["because"] == PAIRING


def test_because_names_the_last_step_that_turned_the_decision():
    """Five cases that all improve: asymptotically p = 0.043, exactly 1/16, by Student's t less than 0.001."""
    base = np.linspace(0.4, 0.6, 5)
    alike = {"a": base, "b": base + 0.02 + 0.001 * np.arange(5)}
    assert pairwise(of(alike), "dsc", ALPHA, "paired").iloc[0]["agrees"]
    one_far = {"a": base, "b": base + [0.001, 0.001, 0.001, 0.001, 0.1]}
    row = pairwise(of(one_far), "dsc", ALPHA, "paired").iloc[0]
    assert row["significant_theirs"] and not row["significant"]
    assert row["because"] == EXACT


def test_trainings_that_differ_undo_what_their_mean_shows():
    """Three trainings each of two methods; every case says that b is better, and the trainings do not agree."""
    cases = np.linspace(0.4, 0.6, 12)
    parts = [
        of({"a": cases + a, "b": cases + b + 0.002 * np.sin(np.arange(12))}).assign(
            replicate=r, model=lambda t, r=r: t["model"] + f"-r{r}"
        )
        for r, (a, b) in enumerate([(0.0, 0.06), (0.03, 0.01), (-0.02, 0.05)])
    ]
    table = check_metrics(pd.concat(parts))
    row = pairwise(table, "dsc", ALPHA, "paired").iloc[0]
    assert row["about"] == METHODS and row["trainings"] == 3
    assert row["significant_theirs"] and not row["significant"] and row["because"] == CHANCE
    anova, mixed = repeated(table, "dsc", ALPHA, "independent").iloc[[0, 1]].itertuples()
    assert (anova.about, mixed.about) == (METHODS, MODELS) and anova.p > 0.05 > mixed.p


def test_many_tests_undo_what_one_shows():
    rng = np.random.default_rng(2)
    base = rng.normal(0.5, 0.1, 12)
    families = {f"f{i}": base + rng.normal(0, 0.03, 12) for i in range(5)}
    families["late"] = base + 0.035 + rng.normal(0, 0.04, 12)
    out = pairwise(of(families), "dsc", ALPHA, "paired")
    assert set(out["theirs"]) == {"signed-rank, asymptotic"}
    differ = out[out["agrees"].eq(False)]
    assert set(differ["because"]) == {CORRECTION}
    assert out.loc[out["agrees"].eq(True), "because"].isna().all()


def test_a_study_whose_paper_tests_nothing_has_nothing_beside(table):
    out = pairwise(table, "dsc", ALPHA, None)
    assert out["p_theirs"].isna().all() and out["agrees"].isna().all() and out["because"].isna().all()


def test_all_families_at_once(table, theirs):
    out = repeated(table, "dsc", ALPHA, "independent")
    assert list(out) == REPEATED
    own = out[out["test_set"] == "uterus"]
    assert own.groupby("question", sort=False)["method"].agg(list).to_dict() == {
        "models at n=4": [ANOVA, FRIEDMAN, MIXED],
        "models at n=32": [ANOVA, FRIEDMAN, MIXED],
        "all sizes": [MIXED],
    }
    known = theirs[0].set_index(["test_set", "question"])["p"]
    asked = own[own["question"] != "all sizes"]
    assert asked["p_theirs"].tolist() == pytest.approx([known["uterus", q] for q in asked["question"]])
    # of complete cases the mixed model's chi-square is k - 1 times the F of repeated measures
    f, wald = (asked[asked["method"] == m]["statistic"].to_numpy() for m in (ANOVA, MIXED))
    assert wald == pytest.approx(5 * f, rel=0.01)
    assert own.loc[own["question"] == "all sizes", "effect"].item() == "family x log2 n"
    assert own.loc[own["question"] == "all sizes", "p"].item() < 1e-3, "families gain unlike"


@pytest.mark.slow
def test_families_that_gain_alike_are_not_told_to_differ():
    """Nominal 5%; of 60 simulations more than 8 in one of 200 times."""
    rng, found = np.random.default_rng(0), 0
    n, family, unit = (v.ravel() for v in np.meshgrid([4, 16, 64], ["a", "b"], range(10)))
    for _ in range(60):
        value = 0.4 + 0.03 * np.log2(n) + rng.normal(0, 0.1, 10)[unit] + rng.normal(0, 0.04, 60)
        long = pd.DataFrame({"value": value, "family": family, "unit": unit, "n_train": n})
        found += families_gain_alike(long)["p"] < ALPHA
    assert found <= 8


def test_what_cannot_be_tested_keeps_its_row():
    for scores in ({"a": [0.5], "b": [0.6]}, {"a": [0.0] * 4, "b": [0.0] * 4, "c": [0.0] * 4}):
        out = repeated(of(scores), "dsc", ALPHA, "independent")
        assert out["p"].isna().all() and not out["significant"].any() and out["agrees"].isna().all()
        pairs = pairwise(of(scores), "dsc", ALPHA, "independent")
        assert not pairs["significant"].any()
    with pytest.raises(ValueError, match="no metric 'nothing'"):
        repeated(of({"a": [0.5], "b": [0.6]}), "nothing", ALPHA, None)
