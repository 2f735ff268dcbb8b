"""The audit's statistical tests against scipy and enumeration by hand."""

import math
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossover.statistics.differences.paired import signed_rank
from crossover.statistics.differences.sign_patterns import exact_p
from crossover.statistics.papers.audit.counts import counts
from crossover.statistics.papers.audit.cut_off import cut_off
from crossover.statistics.papers.audit.group_tests import (
    fisher,
    group_tests,
    of_counts,
    of_means,
    of_two_groups,
)
from crossover.statistics.papers.audit.interval import exactly, unrounded
from crossover.statistics.papers.audit.paired_tests import forms_of, paired_tests
from crossover.statistics.papers.audit.signed_rank import (
    FORMS,
    all_improve,
    attainable,
    compositions,
    mean_ranks,
)
from crossover.statistics.papers.audit.stated_tests import stated_tests
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED, AuditRow
from crossover.statistics.papers.printed import ContinuousRow
from crossover.statistics.papers.printed_number import Printed
from tests.printed_papers import only, paper, printed, value

EXACT, ASYMPTOTIC, CORRECTED = FORMS


# ---- p from a table


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4))
def test_fisher_of_two_categories_is_scipys(cells):
    counts = np.array(cells).reshape(2, 2)
    assert fisher(counts) == pytest.approx(stats.fisher_exact(counts).pvalue, rel=1e-6)


def test_fisher_of_more_categories_is_the_sum_over_all_tables():
    counts = np.array([[5, 1], [2, 3], [0, 4]])
    rows, second = counts.sum(axis=1), counts[:, 1].sum()
    law = stats.multivariate_hypergeom(rows, second)
    seen = law.pmf(counts[:, 1])
    tables = [x for x in product(*(range(n + 1) for n in rows)) if sum(x) == second]
    total = sum(law.pmf(x) for x in tables if law.pmf(x) <= seen * (1 + 1e-7))
    assert fisher(counts) == pytest.approx(total)


def test_fisher_of_too_many_tables_is_not_tried():
    assert fisher(np.full((6, 2), 300)) is None


def test_readings_of_counts():
    names = [r.name for r in of_counts(np.array([[8, 2], [1, 5]]))]
    assert names == [
        "chi-square",
        "chi-square with Yates' correction",
        "likelihood ratio",
        "Fisher's exact test",
    ]
    by_hand = 16 * (8 * 5 - 2 * 1) ** 2 / (10 * 6 * 9 * 7)
    assert of_counts(np.array([[8, 2], [1, 5]]))[0].value.low == pytest.approx(stats.chi2.sf(by_hand, 1))
    # three of one against three, four of one against three, three of two against two; four tests of each
    assert len(of_two_groups(np.arange(1, 9).reshape(4, 2), list("abcd"))) == 7 * 4
    assert of_two_groups(np.array([[8, 2], [1, 5]]), list("ab")) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 99), min_size=3, max_size=20).filter(lambda x: np.std(x) > 0.5),
    st.lists(st.floats(0, 99), min_size=3, max_size=20).filter(lambda x: np.std(x) > 0.5),
)
def test_p_of_rounded_means_and_sds_holds_the_true_one(a, b):
    pairs = [(printed(np.mean(x)), printed(np.std(x, ddof=1))) for x in (a, b)]
    row = ContinuousRow(variable="v", training=pairs[0], testing=pairs[1], p=0.5)
    welch, student, _ = of_means(row, [len(a), len(b)])
    for interpretation, equal in ((welch, False), (student, True)):
        p = stats.ttest_ind(a, b, equal_var=equal).pvalue
        assert interpretation.value.low - 1e-9 <= p <= interpretation.value.high + 1e-9


def table(p: str, counts: list[list[int]]):
    cells = {str(k): {"training": [a, 0.0], "testing": [b, 0.0]} for k, (a, b) in enumerate(counts)}
    patients = dict(zip(("training", "testing"), map(sum, zip(*counts))))
    row = {"variable": "v", "p": Printed(p), "categories": cells}
    return paper(table_one={"where": "T", "cohort": "c", "patients": patients, "continuous": [],
                            "categorical": [row], "no_difference": {"p_below": Printed("0.05"),
                            "where": "text"}})  # fmt: skip


def test_a_printed_p_follows_under_the_tests_that_give_it():
    counts = [[238, 61], [18, 3]]
    of = {p: only(group_tests(table(p, counts)), "p of v") for p in ("0.693", "0.777", "0.700")}
    assert of["0.693"].interpretation == "chi-square with Yates' correction"
    assert of["0.777"].interpretation == "Fisher's exact test"
    assert of["0.700"].verdict == NOT and of["0.700"].off_by == pytest.approx(0.0067, abs=1e-4)


def test_a_category_without_patients_takes_no_part_in_a_test():
    counts = [[30, 10], [20, 15], [0, 0]]
    p = f"{stats.chi2_contingency(counts[:2], correction=False).pvalue:.3f}"
    assert group_tests(table(p, counts))[0].interpretation.startswith("chi-square")
    assert group_tests(table("0.50", [[30, 10], [0, 0]]))[0].verdict == UNCHECKED
    assert group_tests(table("0.50", [[30, 0], [20, 0]]))[0].verdict == UNCHECKED


def test_no_difference_is_compared_with_the_recomputed_p():
    assert only(group_tests(table("0.5", [[5, 5], [5, 5]])), "No sign").verdict == FOLLOWS
    assert only(group_tests(table("0.5", [[9, 1], [1, 9]])), "No sign").verdict == NOT
    assert only(group_tests(table("0.5", [[251, 58], [2, 3], [2, 2], [1, 1]])), "No sign").verdict == DEPENDS


# ---- signed ranks


def test_p_values_of_three_cases_by_hand():
    """Without ties W is 0 to 6 with 1, 1, 1, 2, 1, 1, 1 of 8 sign patterns."""
    plain = [a.p for a in attainable(3) if a.form == EXACT and a.tied == 0]
    assert plain == [0.25, 0.5, 0.75, 1.0]
    assert sorted(compositions(3)) == [(1, 1, 1), (1, 2), (2, 1), (3,)]
    assert mean_ranks((1, 2, 3)) == [1, 2.5, 2.5, 5, 5, 5]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6).filter(any))
def test_every_set_of_differences_gives_attainable_p_values(d):
    d = np.array(d)
    found = {form: [a.p for a in attainable(6) if a.form == form] for form in FORMS}
    theirs = {
        CORRECTED: stats.wilcoxon(d, correction=True, method="asymptotic").pvalue,
        ASYMPTOTIC: stats.wilcoxon(d, correction=False, method="asymptotic").pvalue,
        EXACT: exact_p(d.astype(float)),
    }
    assert signed_rank(d.astype(float))["p_wilcoxon_asymptotic"] == pytest.approx(theirs[ASYMPTOTIC])
    for form, p in theirs.items():
        assert np.min(np.abs(np.array(found[form]) - p)) < 1e-9, form


def test_without_ties_the_exact_values_are_scipys_and_no_others():
    of = {round(stats.wilcoxon(np.arange(1, 6) * s, method="exact").pvalue, 9) for s in product([-1, 1], repeat=5)}
    assert {round(a.p, 9) for a in attainable(5) if a.form == EXACT and a.tied == 0} == of


def test_ten_cases_that_all_improve():
    ends = all_improve(10)
    assert ends[EXACT].low == ends[EXACT].high == 2 / 2**10
    assert ends[ASYMPTOTIC].high == pytest.approx(0.00506, abs=5e-6)
    all_tied = 2 * stats.norm.sf(27.5 / math.sqrt(10 * 5.5**2 / 4))
    assert ends[ASYMPTOTIC].low == pytest.approx(all_tied)


def test_which_forms_give_a_printed_p():
    five = forms_of(unrounded(Printed("0.005")), 10)
    assert EXACT not in five and five[ASYMPTOTIC].tied == 0 and five[CORRECTED].tied == 5
    four = forms_of(unrounded(Printed("0.004")), 10)
    assert four[EXACT].tied == 0 and four[ASYMPTOTIC].tied == 6
    assert forms_of(exactly(0.0005), 10) == {}


def paired_paper(*p: str, cases: int = 10, **more):
    a, b = ({"family": f, "n_train": 0} for f in "ab")
    tests = [{"structure": f"s{k}", "a": a, "b": b, "test_set": "t", "metric": "dsc", "where": "T",
              "p": Printed(x.removeprefix("< ")), "p_below": x.startswith("<"), "test": "wilcoxon"}
             for k, x in enumerate(p)]  # fmt: skip
    sets = {"t": {"cases": cases, "where": "T"}}
    return paired_tests(paper(paired=tests, test_sets=sets, alpha=Printed("0.05"), **more))


def test_a_p_that_ten_cases_cannot_give_does_not_follow():
    assert only(paired_paper("0.005"), "p of a against b, s0").verdict == DEPENDS
    assert only(paired_paper("0.0005"), "p of a against b, s0").verdict == NOT
    assert only(paired_paper("0.001", cases=5), "p of a against b, s0").verdict == NOT


def test_a_one_sided_p_of_few_cases_is_an_interpretation():
    found = only(paired_paper("0.016", cases=6), "p of a against b, s0")  # 1 / 64
    assert found.verdict == DEPENDS and "one-sided, exact" in found.interpretation


def test_one_form_gives_all_p_values_of_a_place_or_a_program_takes_two():
    alone = only(paired_paper("0.005", "0.007"), "One form")
    assert alone.verdict == DEPENDS and f"{ASYMPTOTIC}, without ties" in alone.interpretation
    assert "R's wilcox.test" in only(paired_paper("0.005", "0.001"), "One form").interpretation


def test_corrections_for_the_number_of_tests():
    few = only(paired_paper("0.002", cases=10), "Number of p")
    assert few.verdict == FOLLOWS
    many = only(paired_paper(*["0.005"] * 11, "0.200"), "Number of p")
    assert many.verdict == DEPENDS and "leaves 0 of them, that of Benjamini & Hochberg 11" in many.note


def test_p_below_alpha_is_below_alpha_and_corrections_leave_what_it_may_be():
    """Holm's first threshold is 0.01: five p below 0.05 are all below it, or none of them."""
    found = only(paired_paper(*["< 0.05"] * 5), "Number of p")
    assert found.printed == "5 of 5" and "leaves 0 to 5 of them, that of Benjamini & Hochberg 5;" in found.note
    assert only(paired_paper("< 0.05", "0.05"), "Number of p").printed == "1 of 2"


def test_a_statement_of_every_case_needs_the_p_of_every_case():
    said = {"about": "all improve", "model": {"family": "a", "n_train": 0}, "test_set": "t",
            "over": [{"family": "b", "n_train": 0}], "metric": "dsc", "where": "text"}  # fmt: skip

    def of(*p: str):
        return only(paired_paper(*p, improvements=[said]), "all improve")

    assert (of("0.005").verdict, of("0.007").verdict) == (FOLLOWS, NOT)
    assert of("0.005", "0.005").verdict == FOLLOWS
    several = of("0.005", "0.007")
    assert several.verdict == DEPENDS and "average over the structures" in several.interpretation
    assert "1 of 2 p values are larger" in several.note


# ---- tests stated with their statistics


def stated(**test: object) -> list[AuditRow]:
    """The audit's rows of one test."""
    return stated_tests(paper(tests=[{"about": "A against B", "where": "Results", **test}]))


T19 = {"statistic": "t", "value": Printed("2.10"), "df": 19}


@pytest.mark.parametrize(
    ("test", "verdict", "interpretation"),
    [
        (T19 | {"p": Printed("0.049")}, FOLLOWS, ""),
        (T19 | {"p": Printed("0.025")}, DEPENDS, "one-sided"),
        (T19 | {"p": Printed("0.025"), "one_sided": True}, FOLLOWS, ""),
        (T19 | {"p": Printed("0.005")}, NOT, "one-sided"),
        (T19 | {"p": Printed("0.147"), "corrected": True}, FOLLOWS, ""),
        (T19 | {"p": Printed("0.001"), "p_below": True}, NOT, "one-sided"),
        ({"statistic": "F", "value": Printed("4.20"), "df": [2, 57], "p": Printed("0.020")}, FOLLOWS, ""),
        ({"statistic": "chi2", "value": Printed("3.90"), "df": 1, "p": Printed("0.024")}, NOT, ""),
        ({"statistic": "z", "value": Printed("-1.70"), "p": Printed("0.089")}, FOLLOWS, ""),
        ({"statistic": "r", "value": Printed("0.44"), "cases": 20, "p": Printed("0.052")}, FOLLOWS, ""),
        ({"statistic": "r", "value": Printed("0.44"), "cases": 20, "p": Printed("0.001")}, NOT, "one-sided"),
        ({"statistic": "t", "value": Printed("2.10"), "cases": 20, "p": Printed("0.049")}, FOLLOWS, ""),
        ({"statistic": "rho", "value": Printed("0.44"), "cases": 20, "p": Printed("0.054")}, FOLLOWS, ""),
        ({"statistic": "rho", "value": Printed("0.01"), "cases": 21, "p": Printed("0.984")}, FOLLOWS, ""),
        ({"statistic": "rho", "value": Printed("0.44"), "cases": 20, "p": Printed("0.071")}, NOT, "two-sided"),
        ({"statistic": "rho", "value": Printed("0.44"), "cases": 14, "p": Printed("0.111")}, UNCHECKED, ""),
        ({"statistic": "F", "value": Printed("5.92"), "df": [3, 57], "p": Printed("0.003")}, DEPENDS, "Greenhouse"),
        ({"statistic": "F", "value": Printed("5.92"), "df": [3, 57], "p": Printed("0.040")}, NOT, "Greenhouse"),
        ({"statistic": "t", "value": Printed("3.10"), "df": 7, "p": Printed("0.016")}, DEPENDS, "as a whole number"),
        ({"statistic": "t", "value": Printed("2.50"), "cases": [10, 40], "p": Printed("0.030")}, DEPENDS, "Welch"),
        ({"statistic": "t", "value": Printed("2.50"), "cases": [10, 40], "p": Printed("0.060")}, NOT, ""),
        ({"statistic": "t", "value": Printed("2.10"), "cases": 20, "p": Printed("0.250")}, NOT, ""),
        ({"statistic": "rho", "value": Printed("0.80"), "cases": 6, "p": Printed("0.10")}, UNCHECKED, ""),
    ],
)
def test_p_of_a_stated_statistic(test, verdict, interpretation):
    found = only(stated(**test), "p of A against B")
    assert found.verdict == verdict and (
        interpretation in found.interpretation if interpretation or verdict == NOT else not found.interpretation
    )


@pytest.mark.parametrize(
    ("df", "cases", "verdict"),
    [(19, 20, FOLLOWS), (18, 20, FOLLOWS), (38, 20, DEPENDS), (13, 20, DEPENDS), (Printed("17.3"), 20, UNCHECKED)],
)
def test_degrees_of_freedom_of_the_cases(df, cases, verdict):
    rows = stated(statistic="t", value=Printed("2.10"), df=df, cases=cases, p=Printed("0.05"))
    assert only(rows, "Degrees of freedom").verdict == verdict


@pytest.mark.parametrize(
    ("df", "verdict"),
    [
        ([2, 66], FOLLOWS),
        ([2, 31], FOLLOWS),
        ([6, 198], FOLLOWS),
        ([2, 64], DEPENDS),  # two groups of cases
        ([6, 363], DEPENDS),  # one error for 12 cells of the same cases
        ([2, 47], DEPENDS),  # a mixed model by Satterthwaite, rounded
        ([Printed("1.60"), Printed("52.80")], FOLLOWS),
        ([Printed("1.60"), Printed("51.20")], DEPENDS),
        ([2, Printed("57.3")], UNCHECKED),
    ],
)
def test_degrees_of_freedom_of_an_f_depend_on_the_design(df, verdict):
    rows = stated(statistic="F", value=Printed("5.33"), df=df, cases=34, p=Printed("0.9"))
    found = only(rows, "Degrees of freedom")
    assert found.verdict == verdict and ("which the paper must state" in found.interpretation) == (verdict == DEPENDS)


def test_a_correlation_has_no_more_degrees_of_freedom_than_its_cases_give():
    rows = stated(statistic="r", value=Printed("0.50"), df=33, cases=34, p=Printed("0.9"))
    assert only(rows, "Degrees").verdict == NOT


def test_a_partial_correlation_has_fewer_degrees_of_freedom():
    rows = stated(statistic="r", value=Printed("0.50"), df=31, cases=34, p=Printed("0.9"))
    assert only(rows, "Degrees").interpretation == "a partial correlation that holds 1 variable fixed: 34 - 2 - 1"


@given(st.floats(-6, 6), st.integers(2, 200), st.integers(1, 3), st.sampled_from(["t", "r", "z", "F", "chi2"]))
@settings(deadline=None)
def test_a_rounded_statistic_never_contradicts_the_p_of_the_unrounded_one(value, df, decimals, statistic):
    if statistic == "r":
        value /= 6.1
    value = abs(value) if statistic in ("F", "chi2") else value
    degrees = {"z": [], "F": [2, df]}.get(statistic, [df])
    p = {
        "t": lambda: 2 * stats.t.sf(abs(value), df),
        "z": lambda: 2 * stats.norm.sf(abs(value)),
        "r": lambda: stats.beta(df / 2, df / 2, loc=-1, scale=2).sf(abs(value)) * 2,
        "F": lambda: stats.f.sf(value, 2, df),
        "chi2": lambda: stats.chi2.sf(value, df),
    }[statistic]()
    found, *_ = stated(statistic=statistic, value=printed(value, decimals), df=degrees, p=printed(p, 3))
    assert found.verdict == FOLLOWS


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ({"statistic": "t"}, "df of t must be one number, or give `cases` instead; 0 given"),
        ({"statistic": "F", "df": 3}, "df of F must be two numbers; 1 given"),
        ({"statistic": "r", "cases": 9, "value": Printed("1.2")}, "r must be from -1 to 1, not 1.2"),
        ({"statistic": "chi2", "df": 1, "one_sided": True}, "one_sided doesn't apply to chi2, whose p has one tail"),
        ({"statistic": "W"}, "W needs the number of cases: cases: 34"),
        ({"statistic": "U", "cases": 34}, "U needs the cases of both groups: cases: [18, 16]"),
    ],
)
def test_a_test_that_can_not_be_is_refused(test, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        stated(**{"value": Printed("0.5"), "p": Printed("0.5")} | test)


def test_degrees_of_freedom_are_not_cut_off():
    (test,) = cut_off(paper(tests=[T19 | {"about": "A", "where": "Results", "p": Printed("0.049")}])).tests
    assert test.df == [19] and test.value == pytest.approx(2.105)


@pytest.mark.parametrize(("cases", "verdicts"), [(41, [FOLLOWS]), (42, [NOT]), (None, [])])
def test_a_pooled_test_set_has_the_cases_of_its_parts(cases, verdicts):
    parts = {"a": {"cases": 18, "where": "Methods"}, "b": {"cases": 23, "where": "Methods"}}
    whole = {"all": {"cases": cases, "pools": ["a", "b"], "where": "Methods"}}
    assert [row.verdict for row in counts(paper(test_sets=parts | whole))] == verdicts


# ---- statistics of ranks


SIGNED, FIRST, SECOND = (np.random.default_rng(k).normal(0.4, 1, n) for k, n in ((1, 34), (2, 18), (3, 16)))


@pytest.mark.parametrize(
    "method", [{"method": "exact"}, {"method": "asymptotic"}, {"method": "asymptotic", "cc": True}]
)
def test_p_of_rank_statistics_are_scipys(method):
    how, cc = method["method"], "cc" in method
    w = stats.wilcoxon(SIGNED, method=how, correction=cc)
    u = stats.mannwhitneyu(FIRST, SECOND, method=how, use_continuity=cc)
    for statistic, cases, of in (("W", 34, w), ("U", [18, 16], u)):
        most = 34 * 35 / 2 if statistic == "W" else 18 * 16
        for sum_ in (of.statistic, most - of.statistic):
            said = {"statistic": statistic, "value": Printed(f"{sum_:.0f}"), "cases": cases}
            assert only(stated(**said, p=printed(of.pvalue, 6)), "p of").verdict == FOLLOWS


@pytest.mark.parametrize(
    ("test", "verdict", "interpretation"),
    [
        ({"value": 118, "p": Printed("0.002")}, FOLLOWS, ""),
        ({"value": 281, "p": Printed("0.79")}, FOLLOWS, ""),
        ({"value": 118, "p": Printed("0.0008")}, DEPENDS, "one-sided"),
        ({"value": 118, "p": Printed("0.9")}, DEPENDS, "cases without a difference"),
        ({"value": 4, "p": Printed("0.9")}, DEPENDS, "30 cases without a difference"),
        ({"value": 118, "p": Printed("0.01"), "corrected": True}, FOLLOWS, ""),
        ({"value": 359, "p": Printed("0.002")}, DEPENDS, "the sum of the signed ranks"),
        ({"value": Printed("118.5"), "p": Printed("0.002")}, FOLLOWS, ""),
    ],
)
def test_p_of_a_signed_rank_sum(test, verdict, interpretation):
    found = only(stated(statistic="W", cases=34, **test), "p of")
    assert found.verdict == verdict and interpretation in found.interpretation


def test_cases_without_a_difference_are_left_out():
    p = stats.wilcoxon(SIGNED[:30], method="exact")
    said = {"statistic": "W", "value": Printed(f"{p.statistic:.0f}"), "cases": 34, "p": printed(p.pvalue, 4)}
    assert "4 cases without a difference" in only(stated(**said), "p of").interpretation


def test_a_statistic_of_ranks_is_at_most_what_the_cases_allow():
    found = only(stated(statistic="U", value=Printed("900"), cases=[18, 16], p=Printed("0.5")), "U of")
    assert (found.verdict, found.high) == (NOT, 288)
    ranks = stats.rankdata(np.concatenate([FIRST, SECOND]))[:18].sum()
    p = stats.mannwhitneyu(FIRST, SECOND, method="exact").pvalue
    said = stated(statistic="U", value=Printed(f"{ranks:.0f}"), cases=[18, 16], p=printed(p, 4))
    assert only(said, "p of").interpretation == "U is the sum of the ranks of the 18 cases"


# ---- two means of different cases


SITES = {"a": {"cases": 18, "where": "M"}, "b": {"cases": 16, "where": "M"}}


def of_sites(**test: object) -> list[AuditRow]:
    values = [
        value("net", Printed(m), s, sd=Printed(sd)) for s, m, sd in (("a", "0.792", "0.100"), ("b", "0.707", "0.102"))
    ]
    net = {"model": {"family": "net", "n_train": 0}, "metric": "dsc"}
    said = {"about": "a against b", "where": "R", "statistic": "t", "of": [net | {"test_set": s} for s in "ab"]}
    return stated_tests(paper(values=values, test_sets=SITES, tests=[said | test]))


@pytest.mark.parametrize(
    ("test", "verdicts"),
    [
        ({"value": Printed("2.44"), "df": Printed("31.4"), "p": Printed("0.02")}, [FOLLOWS] * 3),
        ({"value": Printed("2.45"), "df": 32, "p": Printed("0.02")}, [FOLLOWS] * 3),
        ({"value": Printed("-2.44"), "p": Printed("0.02")}, [FOLLOWS] * 2),
        ({"value": Printed("3.10"), "df": Printed("31.4"), "p": Printed("0.004")}, [NOT, FOLLOWS, FOLLOWS]),
        ({"value": Printed("2.44"), "df": Printed("22.0"), "p": Printed("0.02")}, [FOLLOWS, FOLLOWS, NOT]),
        ({"value": Printed("2.44"), "df": Printed("31.4"), "p": Printed("0.20")}, [FOLLOWS, NOT, FOLLOWS]),
    ],
)
def test_a_t_of_one_model_on_two_test_sets(test, verdicts):
    assert [found.verdict for found in of_sites(**test)] == verdicts


def test_a_t_of_two_means_that_are_not_printed_says_so():
    net = {"model": {"family": "net", "n_train": 0}, "metric": "dsc"}
    found = of_sites(value=Printed("2.44"), p=Printed("0.02"), of=[net | {"test_set": s} for s in "ac"])
    assert {(row.verdict, row.note) for row in found} == {(UNCHECKED, "no mean of net, c, dsc is printed")}


def test_a_u_has_the_cases_of_the_two_means():
    found = of_sites(statistic="U", value=Printed("80"), p=printed(stats.norm.sf(2.19) * 2, 2))
    assert only(found, "p of").follows_from == "U = 80, 18 and 16 cases"
