"""The audit of papers that print in other ways: no alarm where numbers follow, and errors are still found."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.audit_alarms import errors, failed, made
from benchmarks.made_kinds import kinds
from benchmarks.made_papers import styles
from crossover.statistics.papers.audit import audit
from crossover.statistics.papers.audit.averages import averages
from crossover.statistics.papers.audit.cut_off import WAY
from crossover.statistics.papers.audit.false_claims import DISTANCES, OVERLAP, false_claims
from crossover.statistics.papers.audit.gains import gains
from crossover.statistics.papers.audit.group_tests import group_tests
from crossover.statistics.papers.audit.interval import exactly
from crossover.statistics.papers.audit.orderings import orderings
from crossover.statistics.papers.audit.overlap import overlap
from crossover.statistics.papers.audit.paired_t import paired_t
from crossover.statistics.papers.audit.paired_tests import paired_tests
from crossover.statistics.papers.audit.pooling import pooled
from crossover.statistics.papers.audit.spread import largest_sd, spread
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED
from crossover.statistics.papers.printed_number import Printed
from tests.printed_papers import only, paper, printed, value

TEN = {"t": {"cases": 10, "where": "T"}}


def row(family: str, mean: str, sd: str, metric: str = "dsc", **more):
    return value(family, Printed(mean), sd=Printed(sd)) | {"metric": metric, "sd_of": "cases"} | more


@pytest.mark.parametrize("style", styles())
def test_a_paper_whose_numbers_follow_has_no_alarm(style):
    assert failed(made(styles()[style], seed=7)) == []


@pytest.mark.parametrize("kind", kinds())
def test_a_paper_that_leaves_open_what_papers_usually_do_has_no_alarm(kind):
    for seed in range(2):
        assert failed(kinds()[kind](np.random.default_rng(seed))) == []


@pytest.mark.parametrize("error", [error for error in errors() if "below that of the mean Dice" not in error])
def test_an_error_in_such_a_paper_is_found(error):
    draw, plant = errors()[error]
    found = 0
    for seed in range(3):
        parts = made(draw, seed)
        before = len(failed(parts))
        plant(parts, np.random.default_rng(seed))
        found += len(failed(parts)) > before
    assert found


# ---- scales


@pytest.mark.parametrize(
    ("mean", "sd", "metric", "verdict"),
    [
        ("5.3", "4.1", "hd95_mm", FOLLOWS),
        ("5.3", "17.0", "hd95_mm", NOT),  # ten distances with this mean have at most 16.9
        ("85.3", "9.1", "dsc", FOLLOWS),
        ("85.3", "60.0", "dsc", NOT),
        ("-0.05", "3.0", "relative_volume_error", UNCHECKED),
    ],
)
def test_each_metric_has_its_own_bounds(mean, sd, metric, verdict):
    assert spread(paper(values=[row("a", mean, sd, metric)], test_sets=TEN))[0].verdict == verdict


def test_the_largest_sd_of_distances_is_that_of_one_far_case():
    x = np.array([0, 0, 0, 0, 50.0])
    assert largest_sd(exactly(x.mean()), 5, (0, np.inf)) == pytest.approx(x.std(ddof=1))


def test_scores_that_no_such_metric_has_are_found():
    rows = [row(f, m, "0.1") for f, m in (("a", "0.8"), ("b", "0.9"), ("c", "1.2"))]
    (found,) = [f for f in spread(paper(values=rows)) if f.verdict == NOT]
    assert (found.about, found.printed) == ("Mean of c, t, dsc", "1.2")
    icc = [{"model": {"family": "a", "n_train": 0}, "range": [0.5, 1.3], "where": "T"}]
    assert spread(paper(icc=icc))[0].verdict == NOT
    outside = value("a", Printed("0.90"), ci=(Printed("0.50"), Printed("0.60")))
    assert spread(paper(values=[outside]))[0].verdict == NOT


def test_per_cent_is_said_or_evident():
    low = [row("a", "0.9", "0.2"), row("b", "0.8", "0.2")]  # below 1%
    assert not paper(values=low).in_per_cent("dsc")
    assert paper(values=low, per_cent=["dsc"]).in_per_cent("dsc")
    high = paper(values=[row("a", "85.3", "9.1"), row("a", "5.3", "4.1", "hd95_mm")])
    assert high.in_per_cent("dsc") and not high.in_per_cent("hd95_mm")
    assert high.table()["mean"].tolist() == [pytest.approx(0.853), 5.3]
    both = [row("a", "80.0", "9.1"), row("a", "66.7", "9.1", "iou")]
    assert overlap(paper(values=both))[0].verdict == FOLLOWS


def test_gains_in_per_cent_and_of_distances():
    def of(low: str, high: str, gain: str, metric: str = "dsc", **more):
        said = {"metric": metric, "test_set": "t", "families": ["b"], "over": "a",
                "gain": Printed(gain), "where": "text"}  # fmt: skip
        rows = [row("a", low, "0.1", metric), row("b", high, "0.1", metric)]
        return gains(paper(values=rows, gains=[said | more]))[0].interpretation

    assert of("0.800", "0.840", "4.0").startswith("the difference of the scores")
    assert of("80.0", "84.0", "5.0").startswith("the difference relative")
    assert of("0.300", "0.304", "0.4", unit="%").startswith("the difference of the scores")
    assert of("8.0", "6.0", "2.0", "hd95_mm") == "the reduction of the score"


# ---- standard errors, medians, averages


def test_a_standard_error_stands_for_the_sd_of_its_cases():
    rows = [value("a", Printed("0.50"), se=Printed(se)) for se in ("0.16", "0.20")]
    assert [f.verdict for f in spread(paper(values=rows, test_sets=TEN))] == [FOLLOWS, NOT]


def test_medians_are_not_averaged_and_lie_between_their_quartiles():
    def median(text: str, test_set: str):
        ends = {"statistic": "median", "iqr": (Printed("0.70"), Printed("0.80"))}
        return value("a", Printed(text), test_set, **ends)

    sets = {s: {"cases": 9, "where": "T"} for s in "tu"} | {"w": {"cases": 18, "pools": ["t", "u"], "where": "T"}}
    made_of = paper(values=[median("0.75", "t"), median("0.71", "u"), median("0.85", "w")], test_sets=sets)
    assert pooled(made_of) == []
    assert [f.verdict for f in spread(made_of)] == [FOLLOWS, FOLLOWS, NOT]
    assert made_of.table().empty


def test_an_sd_of_each_cases_average_cannot_be_checked():
    def of(sd: str, said: str | None):
        rows = [row("a", m, "0.10", structure=s) for s, m in (("x", "0.60"), ("y", "0.80"))]
        whole = row("a", "0.70", sd, structure="all", sd_of=said)
        return averages(paper(values=[*rows, whole], test_sets=TEN))[1].verdict

    assert of("0.05", "averages") == of("0.05", None) == UNCHECKED
    assert of("0.05", "cases") == of("0.30", "averages") == of("0.30", None) == NOT
    runs = row("a", "0.90", "0.80", sd_of="runs")
    assert spread(paper(values=[runs], test_sets=TEN))[0].verdict == UNCHECKED


def test_the_sd_of_a_pooled_test_set_follows_from_its_parts():
    x, y = np.linspace(0.6, 0.9, 20), np.linspace(0.3, 0.8, 30)
    whole = np.concatenate([x, y])
    sets = {"t": {"cases": 20, "where": "T"}, "u": {"cases": 30, "where": "T"},
            "w": {"cases": 50, "pools": ["t", "u"], "where": "T"}}  # fmt: skip

    def of(factor: float):
        rows = [value("a", printed(v.mean(), 3), s, sd=printed(v.std(ddof=1) * k, 3))
                for v, s, k in ((x, "t", 1), (y, "u", 1), (whole, "w", factor))]  # fmt: skip
        return only(pooled(paper(values=rows, test_sets=sets)), "SD of").verdict

    assert (of(1), of(1.1)) == (FOLLOWS, NOT)


# ---- tests that are named


def test_a_rank_tests_p_is_not_recomputed_from_means():
    age = {
        "variable": "Age",
        "training": [50.0, 9.0],
        "testing": [60.0, 9.0],
        "p": Printed("0.900"),
    }
    table = {
        "where": "T",
        "cohort": "c",
        "patients": {"training": 50, "testing": 50},
        "categorical": [],
    }

    def of(**more):
        return group_tests(paper(table_one=table | {"continuous": [age | more]}))[0].verdict

    assert (of(test="mann-whitney"), of(test="t"), of()) == (UNCHECKED, NOT, DEPENDS)
    said = {"metric": "dsc", "test_set": "t", "n_train": [0], "higher": ["a"], "lower": ["b"],
            "p_below": Printed("0.001"), "where": "text"}  # fmt: skip
    rows = [row("a", "0.71", "0.05"), row("b", "0.70", "0.20")]
    by_test = [
        orderings(paper(values=rows, orderings=[said | {"test": test}], test_sets=TEN))[-1].verdict
        for test in ("wilcoxon", "t")
    ]
    assert by_test == [UNCHECKED, NOT]


def compared(p: str, test: str | None, digits: str = "", **more):
    a, b = ({"family": f, "n_train": 0} for f in "ab")
    tested = {
        "a": a,
        "b": b,
        "test_set": "t",
        "metric": "dsc",
        "p": Printed(p),
        "test": test,
        "where": "T",
    }
    rows = [row("a", f"0.80{digits}", f"0.10{digits}"), row("b", f"0.70{digits}", f"0.10{digits}")]
    return paper(values=rows, paired=[tested | more], test_sets=TEN)


def test_only_the_signed_rank_test_has_its_few_p_values():
    assert paired_tests(compared("0.0005", "wilcoxon"))[0].verdict == NOT
    assert paired_tests(compared("0.0005", "wilcoxon", p_below=True))[0].verdict == NOT
    assert paired_tests(compared("0.010", "wilcoxon", p_below=True))[0].verdict == FOLLOWS
    assert [paired_tests(compared("0.001", t))[0].verdict for t in ("sign", None)] == [UNCHECKED] * 2
    assert paired_tests(compared("0.001", "t")) == []


def test_a_paired_t_test_goes_with_means_and_sds_at_some_correlation():
    independent = 2 * stats.t.sf(0.1 * np.sqrt(10) / np.sqrt(0.02), 9)
    assert 0.05 < independent < 0.06
    verdicts = [paired_t(compared(p, "t"))[0].verdict for p in ("0.020", "0.200", "0.800")]
    assert verdicts == [FOLLOWS, DEPENDS, NOT]


@pytest.mark.parametrize(("correlation", "verdict"), [(0.95, DEPENDS), (0.5, FOLLOWS)])
def test_a_p_of_a_paired_t_test_tells_the_correlation_that_it_needs(correlation, verdict):
    sd = np.sqrt(2 * 0.1**2 * (1 - correlation))
    p = 2 * stats.t.sf(0.1 * np.sqrt(10) / sd, 9)
    (found,) = paired_t(compared(f"{p:.12f}", "t", "0000"))
    assert found.verdict == verdict
    needed = f"scores of the two models that correlate with {correlation:.2f} or more"
    assert needed in (found.interpretation if verdict == DEPENDS else found.note)


# ---- numbers that are cut off


def test_a_paper_that_cuts_numbers_off_is_read_so():
    def of(again: str):
        rows = [value("a", Printed("0.707")), value("a", Printed(again), where="text")]
        (found,) = audit(paper(values=rows))
        return found.verdict, found.interpretation

    assert [of(again) for again in ("0.71", "0.70", "0.72")] == [
        (FOLLOWS, ""),
        (DEPENDS, WAY),
        (NOT, ""),
    ]


def test_exact_numbers_are_not_cut_off():
    facts = [{"about": k, "key": k, "value": v, "where": "text"} for k, v in (("a", 30), ("b", 31))]
    same = {"about": "s", "left": "a", "relation": "equals", "right": {"r": "b"}, "where": "text"}
    assert audit(paper(facts=facts, statements=[same]))[0].verdict == NOT


# ---- claims of superiority


def above(metric: str) -> dict:
    """The statement of a paper that a's mean is above b's."""
    return {
        "metric": metric, "test_set": "t", "n_train": [0], "higher": ["a"], "lower": ["b"], "where": "text",
    }  # fmt: skip


def test_the_probability_of_a_false_claim_is_the_one_sided_p_of_the_paired_t_test():
    x = np.random.default_rng(0).normal(size=(10, 2))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    r = OVERLAP.middle
    a, b = 0.72 + 0.1 * x[:, 0], 0.70 + 0.08 * (r * x[:, 0] + np.sqrt(1 - r * r) * x[:, 1])
    said = above("dsc")
    rows = [row("a", "0.72", "0.10"), row("b", "0.70", "0.08")]
    (claim,) = false_claims(paper(values=rows, orderings=[said], test_sets=TEN)).itertuples()
    assert claim.probability == pytest.approx(stats.ttest_rel(a, b, alternative="greater").pvalue)
    assert claim.lowest < claim.probability < claim.highest
    assert (claim.better, claim.cases, claim.correlation_of) == ("a", 10, "assumed")


def test_of_distances_the_lower_is_the_better():
    rows = [row("a", "5.0", "2.0", "hd95_mm"), row("b", "4.0", "2.0", "hd95_mm")]
    said = above("hd95_mm")
    (claim,) = false_claims(paper(values=rows, orderings=[said], test_sets=TEN)).itertuples()
    assert claim.better == "b" and claim.probability < 0.5 and claim.correlation == DISTANCES.middle


def test_the_studys_own_scores_tell_the_correlation():
    dsc = np.linspace(0.5, 0.9, 10)
    own = pd.concat([
        pd.DataFrame({"model": f, "family": f, "fold": pd.NA, "cohort": "c", "case": range(10),
                      "structure": "s", "dsc": x})
        for f, x in (("a", dsc), ("b", dsc / 2))
    ])  # fmt: skip
    (claim,) = false_claims(compared("0.020", None), own).itertuples()
    assert claim.correlation == pytest.approx(1) and "1 pairs" in claim.correlation_of


def test_what_has_no_spread_over_cases_is_no_claim_that_can_be_judged():
    said = above("dsc")
    rows = [value("a", Printed("0.72")), value("b", Printed("0.70"))]
    assert false_claims(paper(values=rows, orderings=[said], test_sets=TEN)).empty
