"""Printed mean differences of two models on the same cases: what follows from drawn scores, and what can't."""

import numpy as np
import pytest
from scipy import stats

from crossover.statistics.papers.audit.stated_differences import stated_differences
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED
from crossover.statistics.papers.printed_number import Printed
from tests.printed_papers import paper, value

N = 20
RNG = np.random.default_rng(5)
A = RNG.normal(0.85, 0.05, N)
B = A.mean() - 0.005 + 0.5 * (A - A.mean()) + RNG.normal(0.0, 0.03, N)
SETS = {"t": {"cases": N, "where": "T"}}


def text(x: float, decimals: int = 3) -> Printed:
    return Printed(f"{x:.{decimals}f}")


def rows(**more):
    scores = {"a": A, "b": B}
    values = [value(name, text(x.mean()), sd=text(x.std(ddof=1)), sd_of="cases") for name, x in scores.items()]
    models = {side: {"family": side, "n_train": 0} for side in ("a", "b")}
    said = models | {"test_set": "t", "metric": "dsc", "difference": text((A - B).mean()), "where": "R"} | more
    found = stated_differences(paper(values=values, test_sets=SETS, confidence=0.95, differences=[said]))
    return {row.about.split(",")[0]: row for row in found}


def ends(x: np.ndarray) -> tuple[Printed, Printed]:
    low, high = stats.t.interval(0.95, len(x) - 1, x.mean(), stats.sem(x))
    return text(low), text(high)


def test_what_is_computed_from_the_scores_follows():
    own = A - B
    p = Printed(f"{stats.ttest_rel(A, B).pvalue:.4f}")
    found = rows(sd=text(own.std(ddof=1)), se=text(stats.sem(own), 4), ci=ends(own), p=p, test="t")
    assert len(found) == 6 and {row.verdict for row in found.values()} == {FOLLOWS}
    assert {row.verdict for row in rows(ci=ends(own), p=p).values()} == {FOLLOWS}


@pytest.mark.parametrize(
    ("more", "about", "verdict", "interpretation"),
    [
        ({"difference": text((A - B).mean() + 0.01)}, "Difference", NOT, ""),
        ({"difference": text((B - A).mean())}, "Difference", DEPENDS, "the second minus the first"),
        ({"difference": text(100 * (A - B).mean(), 1), "unit": "%"}, "Difference", FOLLOWS, ""),
        ({"sd": Printed("0.200")}, "SD of the differences", NOT, "any correlation"),
        ({"sd": Printed("0.022")}, "SD of the differences", DEPENDS, "correlate with 0.9"),
        ({"ci": (Printed("0.060"), Printed("0.090"))}, "Interval of the difference", NOT, ""),
        ({"ci": ends(A - B), "p": Printed("0.400"), "test": "t"}, "p of the difference", NOT, ""),
        ({"ci": ends(A - B), "p": Printed("0.400")}, "p of the difference", DEPENDS, "another test"),
        ({"ci": ends(A - B), "p": Printed("0.400"), "test": "wilcoxon"}, "p of the difference", UNCHECKED, ""),
        ({"ci": ends(A - B), "p": Printed("0.400"), "corrected": True}, "p of the difference", FOLLOWS, ""),
        ({"b": {"family": "c", "n_train": 0}}, "Difference", UNCHECKED, ""),
    ],
)  # fmt: skip
def test_a_number_that_is_another_is_found(more, about, verdict, interpretation):
    found = rows(**more)[about]
    assert found.verdict == verdict and interpretation in found.interpretation


def test_a_one_sided_p_follows_under_that_interpretation():
    p = Printed(f"{stats.ttest_rel(A, B, alternative='greater').pvalue:.4f}")
    found = rows(sd=text((A - B).std(ddof=1), 4), p=p, test="t")["p of the difference"]
    assert (found.verdict, found.interpretation) == (DEPENDS, "one-sided")


# ---- a t beside the difference


def t_of(x: np.ndarray, decimals: int = 2) -> Printed:
    return text(x.mean() / stats.sem(x), decimals)


def test_a_t_beside_the_difference_follows_with_all_that_stands_beside_it():
    own = A - B
    p = Printed(f"{stats.ttest_rel(A, B).pvalue:.4f}")
    found = rows(sd=text(own.std(ddof=1), 4), difference=text(own.mean(), 4), t=t_of(own), df=N - 1, ci=ends(own), p=p)
    assert "t of the difference" in found and {row.verdict for row in found.values()} == {FOLLOWS}
    alone = rows(t=t_of(own), df=N - 1, ci=ends(own), p=p, test="t")
    assert alone["Width of the interval of the difference"].verdict == FOLLOWS
    assert {row.verdict for row in alone.values()} == {FOLLOWS}


@pytest.mark.parametrize(
    ("more", "about", "verdict", "interpretation"),
    [
        ({"ci": tuple((A - B).mean() + np.array((-1, 1)) * stats.sem(A - B))}, "Width of the interval", NOT, ""),
        ({"p": Printed("0.400"), "test": "t"}, "p of the difference", NOT, ""),
        ({"p": Printed("0.400")}, "p of the difference", DEPENDS, "another test"),
        ({"se": Printed("0.020")}, "t of the difference", NOT, ""),
        ({"sd": text((A - B).std(ddof=0), 6), "difference": text((A - B).mean(), 6)}, "t of", DEPENDS, "an SD over n"),
        ({"difference": Printed("0.200"), "t": Printed("0.0")}, "Difference", NOT, ""),
    ],
)  # fmt: skip
def test_a_t_tells_the_standard_error(more, about, verdict, interpretation):
    if "ci" in more:
        more = {"ci": tuple(map(text, more["ci"]))}
    found = rows(**{"t": t_of(A - B, 4), "df": N - 1} | more)
    (own,) = [row for name, row in found.items() if name.startswith(about)]
    assert own.verdict == verdict and interpretation in own.interpretation


def test_a_standard_error_may_be_of_an_sd_over_n():
    own = A - B + 0.02
    error = own.std() / np.sqrt(N)  # as numpy's
    t = stats.ttest_1samp(own, 0)
    found = rows(difference=text(own.mean(), 4), se=text(error, 5), t=text(t.statistic), p=text(t.pvalue, 5), test="t")
    assert found["t of the difference"].interpretation == "an SD over n"


def test_a_t_tells_the_number_of_cases_by_its_degrees_of_freedom():
    said = {"t": t_of(A - B), "df": N - 1, "ci": ends(A - B), "test_set": "u"}
    assert rows(**said)["Width of the interval of the difference"].verdict == FOLLOWS


@pytest.mark.parametrize(
    ("df", "verdict", "interpretation"),
    [(N - 1, FOLLOWS, ""), (N - 2, DEPENDS, "another design"), (N, DEPENDS, "another design")],
)
def test_degrees_of_freedom_of_a_difference_are_those_of_the_cases(df, verdict, interpretation):
    found = rows(t=t_of(A - B), df=df)["Degrees of freedom of the difference"]
    assert found.verdict == verdict and interpretation in found.interpretation


def test_the_paired_t_test_has_one_number_of_degrees_of_freedom():
    assert rows(t=t_of(A - B), df=N, test="t")["Degrees of freedom of the difference"].verdict == NOT


def test_a_difference_on_the_cases_that_both_models_have_is_not_that_of_their_means():
    said = rows(difference=Printed("0.400"), cases=N - 3)["Difference"]
    assert said.verdict == UNCHECKED and f"are of {N - 3} and {N} cases" in said.note


@pytest.mark.parametrize(
    ("of_test_set", "of_means", "of_difference"), [(N, N - 2, None), (None, None, N), (None, N, None), (N, None, None)]
)
def test_a_difference_is_compared_with_means_unless_they_are_said_to_be_of_other_cases(
    of_test_set, of_means, of_difference
):
    values = [value(name, Printed(mean), cases=of_means) for name, mean in (("a", "0.80"), ("b", "0.75"))]
    models = {side: {"family": side, "n_train": 0} for side in ("a", "b")}
    said = models | {"test_set": "t", "metric": "dsc", "difference": Printed("0.20"), "sd": Printed("0.18"),
                     "se": Printed("0.0424"), "cases": of_difference, "where": "R"}  # fmt: skip
    sets = {"t": {"cases": of_test_set, "where": "T"}}
    found = stated_differences(paper(values=values, test_sets=sets, differences=[said]))
    assert found[0].verdict == NOT
    if of_means == N - 2:
        assert found[1].about.startswith("Standard error") and found[1].verdict == FOLLOWS


def test_degrees_of_freedom_need_their_t():
    with pytest.raises(ValueError, match="df is that of t: give both, or remove df"):
        rows(df=N - 1)


# ---- a p by itself


def test_a_p_without_a_spread_of_the_difference_is_that_of_some_correlation():
    assert rows(p=Printed(f"{stats.ttest_rel(A, B).pvalue:.4f}"), test="t")["p of a against b"].verdict == FOLLOWS
    far = rows(p=Printed("0.990"), test="t")["p of a against b"]
    assert far.verdict == NOT
    assert "whatever the correlation of the two models' scores on the same cases" in far.follows_from
    unnamed = rows(p=Printed("0.990"))["p of the difference"]
    why = "the paper names no test, and prints no SD, standard error, interval or t of the difference"
    assert (unnamed.verdict, unnamed.note) == (UNCHECKED, why)
    other = rows(p=Printed("0.990"), test="t", cases=12)["p of a against b"]
    assert (other.verdict, other.note) == (UNCHECKED, "the difference is of 12 cases, and the models' scores of 20")


def test_a_p_that_is_among_the_paired_tests_too_is_checked_once():
    said = {side: {"family": side, "n_train": 0} for side in ("a", "b")} | {"test_set": "t", "metric": "dsc"}
    p = {"p": Printed("0.990"), "test": "t"}
    values = [value(name, text(x.mean()), sd=text(x.std(ddof=1)), sd_of="cases") for name, x in (("a", A), ("b", B))]
    one = {"difference": text((A - B).mean()), "where": "R"}
    for other, checked in (({}, []), ({"p": Printed("0.980")}, [NOT])):
        found = stated_differences(
            paper(
                values=values, test_sets=SETS, differences=[said | p | one], paired=[said | p | {"where": "R"} | other]
            )
        )
        assert [row.verdict for row in found if row.about.startswith("p of")] == checked
