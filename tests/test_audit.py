"""The audit of printed numbers: what truly follows is always accepted, what is altered is found."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossover.statistics.papers.audit.averages import averages
from crossover.statistics.papers.audit.counts import counts
from crossover.statistics.papers.audit.design import design
from crossover.statistics.papers.audit.expressions import ExpressionError, evaluate, whole_number
from crossover.statistics.papers.audit.gains import gains
from crossover.statistics.papers.audit.interval import (
    Interval,
    average,
    exactly,
    gap,
    likely_average,
    unrounded,
)
from crossover.statistics.papers.audit.orderings import orderings, p_of_means
from crossover.statistics.papers.audit.overlap import mean_iou_range, overlap
from crossover.statistics.papers.audit.places import same_numbers
from crossover.statistics.papers.audit.pooling import pooled
from crossover.statistics.papers.audit.scores import sd_of, sd_of_interval, t_quantile
from crossover.statistics.papers.audit.spread import largest_sd, spread
from crossover.statistics.papers.audit.statements import statements
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED, Interpretation, judged
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.printed_number import Printed
from tests.printed_papers import only, paper, printed, value

unit = st.floats(0.001, 0.999)
scores = st.lists(st.floats(0, 1), min_size=3, max_size=12)
quick = settings(max_examples=60, deadline=None)


# ---- rounding


@given(st.floats(-1000, 1000), st.integers(0, 5))
def test_a_number_is_among_those_that_print_as_it_does(x, decimals):
    assert gap(exactly(x), "equals", unrounded(printed(x, decimals))) == 0


def test_the_digits_tell_how_far_rounding_may_have_moved_a_number():
    assert unrounded(Printed("0.70")) == Interval(pytest.approx(0.695), pytest.approx(0.705))
    assert unrounded(Printed("0.7")) == Interval(pytest.approx(0.65), pytest.approx(0.75))
    assert unrounded(Printed("33")) == Interval(32.5, 33.5)
    assert unrounded(Printed("33"), exact=True) == Interval(33, 33)
    assert Printed(Printed("0.70")).text == "0.70" and Printed("0.70") == 0.7


@given(*[st.tuples(st.floats(-9, 9), st.floats(0, 2), st.floats(0, 1))] * 2)
def test_arithmetic_holds_every_result(a, b):
    (x, dx, at_x), (y, dy, at_y) = a, b
    left, right = Interval(x, x + dx), Interval(y, y + dy)
    u, v = x + at_x * dx, y + at_y * dy
    results = [(left + right, u + v), (left - right, u - v), (left * right, u * v), (-left, -u)]
    if not right.low <= 0 <= right.high and np.isfinite(u / v):  # floats end at 1.8e308
        results.append((left / right, u / v))
    for interval, exact in results:
        assert interval.low - 1e-6 * (1 + abs(exact)) <= exact <= interval.high + 1e-6 * (1 + abs(exact))


def test_division_by_what_may_be_zero_is_refused():
    with pytest.raises(ZeroDivisionError):
        exactly(1) / Interval(-1, 1)


def test_independent_roundings_nearly_always_lie_in_the_likely_average():
    rng = np.random.default_rng(0)
    means = rng.random((4000, 12))
    inside = [likely_average([unrounded(printed(x)) for x in row]).widened(1e-12) for row in means]
    share = np.mean([i.low <= row.mean() <= i.high for i, row in zip(inside, means)])
    assert 0.995 <= share < 1  # 99.9% of normal errors; 12 uniform ones have slightly lighter tails
    one = likely_average([Interval(0, 1)])
    assert (one.low, one.high) == (0, 1)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [("equals", 1.0), ("at_most", 0.0), ("below", 0.0), ("at_least", 1.0), ("above", 1.0)],
)
def test_how_far_a_relation_is_from_being_possible(relation, expected):
    assert gap(Interval(1, 2), relation, Interval(3, 4)) == expected


def test_verdicts_come_from_how_many_readings_hold():
    near, far = Interpretation("near", Interval(0.9, 1.1)), Interpretation("far", Interval(3, 4))
    verdicts = [judged("c", "a", "w", "p", "f", exactly(1), r).verdict for r in ([near], [near, far], [far])]
    assert verdicts == [FOLLOWS, DEPENDS, NOT]
    assert judged("c", "a", "w", "p", "f", exactly(1), [far, near]).interpretation == "near"
    assert judged("c", "a", "w", "p", "f", exactly(1), [far]).off_by == 2
    with pytest.raises(ValueError, match="interpretation"):
        judged("c", "a", "w", "p", "f", exactly(1), [])


# ---- a test set that pools others


def pooled_paper(parts: list[np.ndarray], shift: float = 0.0, widen: float = 0.0):
    def row(x: np.ndarray, test_set: str, shift: float = 0.0, widen: float = 0.0) -> dict:
        half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)) + widen
        middle = x.mean() + shift
        ends = (printed(middle - half, 3), printed(middle + half, 3))
        return value("m", printed(middle, 3), test_set, ci=ends)

    sets = {f"p{k}": {"cases": len(x), "where": "T"} for k, x in enumerate(parts)}
    whole = np.concatenate(parts)
    sets["all"] = {"cases": len(whole), "pools": list(sets), "where": "T"}
    rows = [row(x, f"p{k}") for k, x in enumerate(parts)] + [row(whole, "all", shift, widen)]
    return paper(values=rows, test_sets=sets)


@quick
@given(scores, scores)
def test_a_pooled_mean_and_interval_that_follow_are_accepted(a, b):
    findings = pooled(pooled_paper([np.array(a), np.array(b)]))
    assert len(findings) == 3 and {f.verdict for f in findings} <= {FOLLOWS, DEPENDS}
    assert findings[0].verdict == FOLLOWS


def test_a_pooled_mean_or_interval_that_is_altered_does_not_follow():
    rng = np.random.default_rng(1)
    parts = [rng.normal(0.7, 0.1, 25), rng.normal(0.4, 0.1, 64)]
    shifted = pooled(pooled_paper(parts, shift=0.004))
    assert [f.verdict for f in shifted[:2]] == [NOT, FOLLOWS]  # not at, but between
    assert 0.002 < shifted[0].off_by < 0.005
    assert pooled(pooled_paper(parts, shift=0.4))[1].verdict == NOT
    widened = pooled(pooled_paper(parts, widen=0.02))
    assert only(widened, "Interval").verdict == NOT and 0.01 < only(widened, "Interval").off_by < 0.03


def test_one_weight_for_all_pooled_means_of_a_place():
    sets = {"a": {"cases": 1, "where": "T"}, "b": {"cases": 3, "where": "T"},
            "all": {"cases": 4, "pools": ["a", "b"], "where": "T"}}  # fmt: skip

    def of(*wholes: float):
        rows = [
            value(f"m{k}", printed(m), s)
            for k, whole in enumerate(wholes)
            for s, m in (("a", 0.2), ("b", 0.8), ("all", whole))
        ]
        return only(pooled(paper(values=rows, test_sets=sets)), "One weight")

    assert of(0.50, 0.50).verdict == FOLLOWS  # a weight of one half, though not that of the cases
    assert of(0.50, 0.50, 0.65).verdict == NOT and "m2" in of(0.50, 0.50, 0.65).note


# ---- averages over rows


def rows_paper(rows: np.ndarray, shift: float = 0.0, sd: float | None = None):
    """`rows`: structures by cases."""
    values = [value("m", printed(r.mean()), structure=f"s{k}", sd=printed(r.std(ddof=1))) for k, r in enumerate(rows)]
    whole = {"structure": "all", "sd": printed(rows.std(ddof=1) if sd is None else sd)}
    values.append(value("m", printed(rows.mean() + shift), where="text", **whole))
    return paper(values=values, test_sets={"t": {"cases": rows.shape[1], "where": "T"}})


@quick
@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=8))
def test_an_average_and_its_sd_that_follow_are_accepted(rows):
    findings = averages(rows_paper(np.array(rows)))
    assert len(findings) == 2 and {f.verdict for f in findings} <= {FOLLOWS, DEPENDS}


def test_an_average_beyond_rounding_is_found():
    rows = np.linspace(0.5, 0.9, 12)[:, None] + np.linspace(-0.05, 0.05, 5)
    assert averages(rows_paper(rows))[0].verdict == FOLLOWS
    alone = averages(rows_paper(rows, shift=0.02))[0]
    assert alone.verdict == DEPENDS and "some cases lack some" in alone.interpretation
    parts = [rows_paper(rows, shift=shift).values for shift in (0.0, 0.02, 0.0)]
    values = [v.model_dump() | {"model": {"family": f"m{k}", "n_train": 0}} for k, own in enumerate(parts) for v in own]
    three = averages(paper(values=values, test_sets={"t": {"cases": 5, "where": "T"}}))
    assert [row.verdict for row in three if row.about.startswith("Mean")] == [FOLLOWS, NOT, FOLLOWS]
    one_sided = averages(rows_paper(rows, shift=0.008))[0]
    assert one_sided.verdict == DEPENDS and "same direction" in one_sided.interpretation
    assert averages(rows_paper(rows, sd=0.2))[1].verdict == NOT


def average_of_cases(mean: Printed, rows: list[Printed], cases: list[int | None], metric: str = "dsc", **more):
    """The row of an average over structures, on a test set of 20 cases."""
    values = [
        value("m", row, structure=f"s{k}", cases=n) | {"metric": metric} for k, (row, n) in enumerate(zip(rows, cases))
    ]
    values.append(value("m", mean, structure="all", where="text") | {"metric": metric} | more)
    return averages(paper(values=values, test_sets={"t": {"cases": 20, "where": "T"}}))[0]


@pytest.mark.parametrize(
    ("mean", "cases", "verdict"),
    [
        ("0.20", [20, 20], NOT),  # none is missing
        ("0.75", [20, 20], NOT),
        ("0.75", [20, 12], DEPENDS),
        ("0.45", [20, 12], NOT),
        ("0.75", [None, None], DEPENDS),
        ("0.20", [None, None], NOT),
        ("0.95", [None, None], NOT),
    ],
)
def test_missing_structures_explain_no_average_that_they_cannot_give(mean, cases, verdict):
    rows = [Printed("0.80"), Printed("0.60")]
    assert average_of_cases(Printed(mean), rows, cases).verdict == verdict
    per_cent = [Printed("80"), Printed("60")]
    assert average_of_cases(Printed(mean[2:]), per_cent, cases).verdict == verdict


@pytest.mark.parametrize("metric", ["dsc", "hd95_mm"])
@pytest.mark.parametrize("told", [True, False])
def test_an_average_of_each_cases_own_structures_is_always_possible(metric, told):
    rng = np.random.default_rng(3)
    for _ in range(100):
        scores = rng.beta(0.3, 0.3, (20, 3)) * (1 if metric == "dsc" else 40)
        scores[rng.random((20, 3)) < rng.uniform(0, 0.9, 3)] = np.nan
        missing = np.isnan(scores)
        scores[missing.all(axis=1), 0] = rng.random()
        if np.isnan(scores).all(axis=0).any():
            continue
        rows = [printed(x) for x in np.nanmean(scores, axis=0)]
        cases = [int(n) if told else None for n in (~np.isnan(scores)).sum(axis=0)]
        mean = printed(float(np.nanmean(np.nanmean(scores, axis=1))))
        assert average_of_cases(mean, rows, cases, metric, sd_of="averages").verdict != NOT


def test_an_sd_over_the_rows_may_be_over_n():
    rows = np.linspace(0.2, 0.8, 4)[:, None] + np.linspace(-0.2, 0.2, 5)
    means = averages(rows_paper(rows, sd=rows.mean(axis=1).std(ddof=0)))[1]  # as numpy's
    assert means.verdict == DEPENDS and means.interpretation == "the SD over the rows' means, over n"


# ---- gains


def gains_paper(low: float, high: list[float], gain: Printed, **more):
    rows = [value("low", printed(low, 4))]
    rows += [value(f"h{k}", printed(x, 4)) for k, x in enumerate(high)]
    families = [f"h{k}" for k in range(len(high))]
    stated = {
        "metric": "dsc",
        "test_set": "t",
        "families": families,
        "over": "low",
        "gain": gain,
        "where": "text",
    }
    return gains(paper(values=rows, gains=[stated | more]))[0]


@given(unit, st.lists(unit, min_size=1, max_size=3))
def test_gains_that_follow_are_accepted_under_their_interpretation(low, high):
    difference = math.fsum(high) / len(high) - low
    assert "difference" in (f := gains_paper(low, high, printed(difference, 3))).interpretation or f.verdict == FOLLOWS
    if low > 0.01:
        relative = printed(difference / low, 3)
        assert gains_paper(low, high, relative).verdict in (FOLLOWS, DEPENDS)


def test_a_gain_tells_points_from_per_cent():
    assert gains_paper(0.5, [0.55], Printed("0.050")).interpretation.startswith("the difference of the scores")
    assert gains_paper(0.5, [0.55], Printed("0.100")).interpretation.startswith("the difference relative")
    assert gains_paper(0.5, [0.55], Printed("0.070")).verdict == NOT


def test_a_target_is_no_source_of_its_own():
    sources = ({"sources": [s]} for s in ("t", "u"))
    stated = {
        "metric": "dsc",
        "test_set": "t",
        "families": ["a"],
        "over": "b",
        "gain": 0.1,
        "where": "x",
    }
    verdicts = [only(gains(paper(gains=[stated | s])), "Sources").verdict for s in sources]
    assert verdicts == [NOT, FOLLOWS]


# ---- Dice and IoU


@quick
@given(scores)
def test_means_of_dice_and_iou_of_the_same_cases_go_together(dice):
    dice = np.array(dice)
    iou = dice / (2 - dice)
    rows = [
        value("m", printed(dice.mean(), 4)),
        value("m", printed(iou.mean(), 4)) | {"metric": "iou"},
    ]
    assert overlap(paper(values=rows))[0].verdict == FOLLOWS


@pytest.mark.parametrize(
    ("dice", "iou", "verdict"),
    [("0.8000", "0.6667", FOLLOWS), ("0.8000", "0.6600", DEPENDS), ("0.8000", "0.8100", DEPENDS)],
)
def test_an_iou_outside_jensens_range_is_averaged_in_another_way(dice, iou, verdict):
    rows = [value("m", Printed(dice)), value("m", Printed(iou)) | {"metric": "iou"}]
    assert overlap(paper(values=rows))[0].verdict == verdict
    ends = mean_iou_range(exactly(0.8))
    assert (ends.low, ends.high) == (pytest.approx(2 / 3), 0.8)


@pytest.mark.parametrize(("iou", "verdict"), [("0.6400", DEPENDS), ("0.8500", NOT)])
def test_an_iou_is_averaged_as_the_others_of_its_test_set(iou, verdict):
    """Averaged with the background, that of the lower Dice would be above it, too."""
    rows = [
        value(f, Printed(mean)) | {"metric": metric}
        for f, d, i in (("m", "0.8000", iou), ("n", "0.7900", "0.6600"), ("o", "0.8200", "0.7000"))
        for metric, mean in (("dsc", d), ("iou", i))
    ]
    found = overlap(paper(values=rows))
    assert [row.verdict for row in found] == [verdict, FOLLOWS, FOLLOWS]


# ---- intervals and spread


@quick
@given(scores)
def test_no_scores_have_a_larger_sd_than_is_possible(x):
    x = np.array(x)
    row = value("m", printed(x.mean()), sd=printed(x.std(ddof=1)))
    known = {"t": {"cases": len(x), "where": "T"}}
    assert spread(paper(values=[row], test_sets=known))[0].verdict == FOLLOWS
    assert x.std(ddof=1) <= largest_sd(exactly(x.mean()), len(x)) + 1e-9


def test_an_sd_beyond_what_scores_can_have_is_found():
    row = value("m", Printed("0.90"), sd=Printed("0.40"))
    assert spread(paper(values=[row], test_sets={"t": {"cases": 10, "where": "T"}}))[0].verdict == NOT
    assert largest_sd(exactly(0.5), 2) == pytest.approx(np.std([0, 1], ddof=1))


def test_an_sd_comes_back_from_its_interval():
    x = np.random.default_rng(2).random(30)
    low, high = stats.t.interval(0.95, 29, x.mean(), stats.sem(x))
    sd = sd_of_interval((printed(low, 4), printed(high, 4)), 30, t_quantile(30, 0.95))
    assert sd.low <= x.std(ddof=1) <= sd.high and sd.high - sd.low < 1e-3


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [("0.60", FOLLOWS), ("0.61", FOLLOWS), ("0.62", DEPENDS), ("0.60000", FOLLOWS)],
)
def test_an_interval_that_is_not_about_its_mean_is_asymmetric(mean, verdict):
    row = value("m", Printed(mean), ci=(Printed("0.53"), Printed("0.67")))
    assert spread(paper(values=[row]))[0].verdict == verdict


# ---- counts


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 2))
def test_percentages_that_are_rounded_are_accepted(of, count, decimals):
    count = min(count, of)
    shown = printed(100 * count / of, decimals)
    stated = [{"about": "x", "count": count, "of": of, "percent": shown, "where": "text"}]
    assert counts(paper(percentages=stated))[0].verdict == FOLLOWS


@pytest.mark.parametrize(("percent", "verdict"), [("96.6", FOLLOWS), ("96.5", DEPENDS), ("96.4", NOT)])
def test_a_percentage_may_be_cut_off(percent, verdict):
    stated = [{"about": "x", "count": 309, "of": 320, "percent": Printed(percent), "where": "text"}]
    assert counts(paper(percentages=stated))[0].verdict == verdict


def test_categories_that_do_not_add_up_are_found():
    def table(count: int):
        cells = {"a": {"training": [count, 75.0], "testing": [2, 50.0]},
                 "b": {"training": [1, 25.0], "testing": [2, 50.0]}}  # fmt: skip
        row = {"variable": "v", "p": 0.5, "categories": cells}
        return paper(table_one={"where": "T", "cohort": "c", "patients": {"training": 4, "testing": 4},
                                "continuous": [], "categorical": [row]})  # fmt: skip

    assert {f.verdict for f in counts(table(3))} == {FOLLOWS}
    assert only(counts(table(4)), "Sum: v, training").verdict == NOT
    assert only(counts(table(2)), "Sum: v, training").interpretation == "1 without a value"


def test_a_percentage_may_be_of_the_patients_with_a_value():
    cells = {"a": {"training": [2, Printed("66.7")], "testing": [2, 50.0]},
             "b": {"training": [1, Printed("33.3")], "testing": [2, 50.0]}}  # fmt: skip
    table = {"where": "T", "cohort": "c", "patients": {"training": 4, "testing": 4}, "continuous": [],
             "categorical": [{"variable": "v", "p": 0.5, "categories": cells}]}  # fmt: skip
    found = only(counts(paper(table_one=table)), "Percentage: v, a, training")
    assert (found.verdict, found.interpretation) == (DEPENDS, "of the 3 with a value")


# ---- orderings and intervals


def test_p_of_intervals_is_that_of_independent_groups():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.7, 0.1, 40), rng.normal(0.6, 0.2, 40)
    rows = []
    for x in (a, b):
        low, high = stats.t.interval(0.95, 39, x.mean(), stats.sem(x))
        rows.append(Value(**value("m", printed(x.mean(), 6), ci=(printed(low, 6), printed(high, 6)))))
    sds = [sd_of(row, 40, t_quantile(40, 0.95)) for row in rows]
    p, _ = p_of_means(*rows, *sds, 40, 0.001)
    assert p.low <= stats.ttest_ind(a, b).pvalue <= p.high and p.high - p.low < 1e-4


def test_the_correlation_needed_is_that_at_which_the_paired_test_has_p():
    """Scores with exactly that correlation give p in the paired t test."""
    n, p_below, (m1, s1), (m2, s2) = 30, 0.001, (0.70, 0.10), (0.65, 0.12)
    rows = []
    for m, s in ((m1, s1), (m2, s2)):
        half = t_quantile(n, 0.95) * s / math.sqrt(n)
        rows.append(Value(**value("m", printed(m, 8), ci=(printed(m - half, 8), printed(m + half, 8)))))
    sds = [sd_of(row, n, t_quantile(n, 0.95)) for row in rows]
    _, r = p_of_means(*rows, *sds, n, p_below)
    x = np.random.default_rng(4).normal(size=(n, 2))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    a = m1 + s1 * x[:, 0]
    b = m2 + s2 * (r * x[:, 0] + math.sqrt(1 - r * r) * x[:, 1])
    assert 0 < r < 1 and stats.ttest_rel(a, b).pvalue == pytest.approx(p_below, rel=1e-3)


def ordering_paper(a: str, b: str, half: float, p_below: float = 0.001, **more):
    rows = [
        value(f, Printed(m), ci=(printed(float(m) - half), printed(float(m) + half))) for f, m in (("a", a), ("b", b))
    ]
    said = {
        "metric": "dsc",
        "test_set": "t",
        "n_train": [0],
        "higher": ["a"],
        "lower": ["b"],
        "p_below": p_below,
        "where": "text",
    }
    return orderings(paper(values=rows, orderings=[said | more], test_sets={"t": {"cases": 25, "where": "T"}}))


def test_a_threshold_goes_with_intervals_or_needs_the_same_cases():
    assert [f.verdict for f in ordering_paper("0.90", "0.60", 0.04)] == [FOLLOWS, FOLLOWS]
    order, p = ordering_paper("0.70", "0.66", 0.04)
    assert (order.verdict, p.verdict) == (FOLLOWS, DEPENDS) and "correlation of the scores" in p.interpretation
    assert [f.verdict for f in ordering_paper("0.60", "0.70", 0.04)] == [NOT, DEPENDS]
    assert [f.verdict for f in ordering_paper("0.60", "0.70", 0.04, test="t")] == [NOT, NOT]
    unnamed = ordering_paper("0.70", "0.69", 0.2)[1]
    assert unnamed.verdict == DEPENDS
    assert ordering_paper("0.70", "0.70", 0.04)[0].verdict == FOLLOWS  # rounding can't tell


def test_scores_that_are_not_printed_cannot_be_checked():
    (found,) = ordering_paper("0.9", "0.6", 0.04, higher=["c"])
    assert found.verdict == UNCHECKED and "c above b" in found.note


def test_without_a_test_set_each_is_an_interpretation():
    rows = [
        value(f, Printed(m), s)
        for f, s, m in (("a", "t", "0.9"), ("b", "t", "0.6"), ("a", "u", "0.5"), ("b", "u", "0.7"))
    ]
    said = {
        "metric": "dsc",
        "test_set": None,
        "n_train": [0],
        "higher": ["a"],
        "lower": ["b"],
        "where": "text",
    }
    sets = {s: {"cases": 9, "where": "T"} for s in "tu"}
    (found,) = orderings(paper(values=rows, orderings=[said], test_sets=sets))
    assert (found.verdict, found.interpretation) == (DEPENDS, "on t")


# ---- several places


def test_a_number_that_stands_again_must_be_the_same():
    def of(mean: str, **more):
        rows = [value("a", Printed("0.70")), value("b", Printed("0.60")),
                value("a", Printed(mean), where="text", **more)]  # fmt: skip
        return same_numbers(paper(values=rows))[0]

    assert of("0.70").verdict == FOLLOWS and of("0.7").verdict == FOLLOWS
    assert of("0.72").verdict == NOT and of("0.72").off_by == pytest.approx(0.01)
    assert of("0.60", or_of=[{"family": "b"}]).verdict == DEPENDS
    assert of("0.60").verdict == NOT


def test_what_may_be_of_a_model_that_is_printed_nowhere_else_follows_only_as_that():
    rows = [value("b", Printed("0.60")), value("a", Printed("0.64"), or_of=[{"family": "b"}])]
    (found,) = same_numbers(paper(values=rows))
    assert (found.verdict, found.interpretation) == (DEPENDS, "a, t, dsc")


def test_facts_and_bounds_at_several_places():
    def of(again: int, **more):
        rows = [{"about": "x", "key": "x", "value": v, "where": w} for v, w in ((33, "A"), (again, "B"))]
        return same_numbers(paper(facts=[rows[0], rows[1] | more]))[0].verdict

    assert (of(33), of(34), of(33, bound="at_most")) == (FOLLOWS, NOT, DEPENDS)


# ---- statements


def statement_paper(left: str, relation: str, right: dict, **more):
    facts = [
        {"about": k, "key": k, "value": v, "where": "text"} for k, v in (("a", 30), ("b", 12), ("c", Printed("0.50")))
    ]
    said = {"about": "s", "left": left, "relation": relation, "right": right, "where": "text"}
    return statements(paper(facts=facts, statements=[said | more]))[0].verdict


@pytest.mark.parametrize(
    ("left", "relation", "right", "verdict"),
    [
        ("a", "equals", {"r": "b + 18"}, FOLLOWS),
        ("a", "equals", {"r": "b + 17"}, NOT),
        ("a", "equals", {"r": "b + 17", "s": "2.5 * b"}, DEPENDS),
        ("a", "at_most", {"r": "b"}, NOT),
        ("a", "at_least", {"r": "max(b, 2 * b)"}, FOLLOWS),
        ("c * a", "equals", {"r": "15.15"}, FOLLOWS),  # 0.495 to 0.505 times 30
        ("c * a", "equals", {"r": "15.16"}, NOT),
        ("a / b", "whole", {}, NOT),
        ("2 * a / b", "whole", {}, FOLLOWS),
    ],
)
def test_statements(left, relation, right, verdict):
    assert statement_paper(left, relation, right) == verdict


def test_a_share_of_patients_may_be_rounded():
    assert statement_paper("a / b", "whole", {}, or_rounded=True) == DEPENDS
    assert [whole_number(Interval(*ends)) for ends in ((2, 2), (2.9, 3.1))] == [0, 0]
    assert whole_number(exactly(3.8)) == pytest.approx(0.2)


@pytest.mark.parametrize("text", ["nothing", "__import__('os')", "1 +", "score('dsc')", "a ** 2", "1 / 0", "a.b"])
def test_what_is_no_expression_of_printed_numbers_is_refused(text):
    with pytest.raises(ExpressionError, match=r"\S"):
        evaluate(text, paper())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("count('sex', 'x')", "no category of sex 'x' is printed; there are: f; m"),
        ("count('age', 'x')", "no variable with counts 'age' is printed; there are: sex"),
        ("average_of('sex')", "no variable with a mean 'sex' is printed; there are: none"),
        ("icc_low('a', 5)", "no ICC of 'a at n = 5' is printed; there are: b at n = 5"),
        ("side('conv9')", "no layer 'conv9' is printed; there are: none"),
        ("1 +", "it is not an expression"),
        ("1 / 0", "it divides by what may be 0"),
        ("count('sex')", "arguments of another kind or number"),
    ],
)
def test_an_expression_that_fails_names_what_there_is(text, why):
    cells = {name: {"training": [2, 50.0], "testing": [2, 50.0]} for name in "fm"}
    row = {"variable": "sex", "p": 0.5, "categories": cells}
    table = {"where": "T", "cohort": "c", "patients": {"training": 4, "testing": 4}, "continuous": []}
    icc = {"model": {"family": "b", "n_train": 5}, "range": [0.5, 0.9], "where": "T"}
    with pytest.raises(ExpressionError, match=re.escape(why)):
        evaluate(text, paper(table_one=table | {"categorical": [row]}, icc=[icc], sizes=[5]))


# ---- design


def grid(means: list[float], sd: float, selected: int = 0):
    cells = [{"architecture": "a", "encoder": f"e{k}", "mean": m, "sd": sd} for k, m in enumerate(means)]
    return paper(grid={"where": "T", "cohort": "c", "metric": "dsc", "folds": 5, "cells": cells,
                       "selected": ["a", f"e{selected}"]})  # fmt: skip


def test_a_selected_network_is_the_highest_and_may_be_apart():
    assert [f.verdict for f in design(grid([0.9, 0.8, 0.7], 0.01))] == [FOLLOWS, FOLLOWS]
    assert [f.verdict for f in design(grid([0.9, 0.89, 0.7], 0.05))] == [FOLLOWS, DEPENDS]
    assert design(grid([0.9, 0.8, 0.7], 0.01, selected=1))[0].verdict == NOT


def test_a_relation_over_few_cohorts_cannot_be_checked():
    def of(*rows):
        cohorts = [{"cohort": f"c{k}", "cases": 9, "slices": 9, "where": "T",
                    "attributes": {"field_strength": t, "coil": c}}
                   for k, (t, c) in enumerate(rows)]  # fmt: skip
        said = {"about": "x", "attribute": "field_strength", "where": "text"}
        return design(paper(cohorts=cohorts, associations=[said]))[0]

    three = of((3, "s"), (1.5, "e"), (3, "n"))
    assert three.verdict == UNCHECKED and "below 0.33" in three.note and "coil" in three.note
    assert "coil" not in of((3, "s"), (1.5, "s"), (3, "n")).note


def test_what_is_announced_and_not_shown_is_named():
    said = [{"about": a, "where": "Methods", "shown": s} for a, s in (("x", None), ("y", "Fig. 2"))]
    (found,) = design(paper(announcements=said))
    assert "x" in found.about and found.verdict == UNCHECKED


@given(st.lists(unit, min_size=1, max_size=6))
def test_the_average_of_intervals_holds_the_average(x):
    terms = [unrounded(printed(v)) for v in x]
    mean = math.fsum(x) / len(x)
    assert average(terms).low - 1e-9 <= mean <= average(terms).high + 1e-9
    weights = list(range(1, len(x) + 1))
    weighted = math.fsum(w * v for w, v in zip(weights, x)) / sum(weights)
    assert gap(exactly(weighted), "equals", average(terms, weights)) == 0
