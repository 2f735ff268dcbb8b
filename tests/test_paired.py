"""Paired comparisons against printed values, all sign patterns by hand, and other implementations."""

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossover.statistics.differences.paired import (
    PAIRED,
    describe,
    hodges_lehmann,
    holm,
    paired,
    signed_rank,
    westfall_young,
)
from crossover.statistics.differences.sign_patterns import by_table, by_transform, exact_p
from crossover.statistics.scores.metrics_table import check_metrics
from tests.tables import simulated_metrics

# Hollander & Wolfe 1973, p. 29: depression scores of nine patients before and after; what R prints for
# wilcox.test(x, y, paired = TRUE, conf.int = TRUE): V = 40, p = 0.03906, pseudomedian 0.46
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])

IMPROVING = np.arange(1, 11) / 100
"""Ten cases, all better."""
# whole numbers of hundredths: ties and zeros are common, and sums exact
differences = st.lists(st.integers(-30, 30), min_size=1, max_size=9).map(np.array)
some = differences.filter(lambda d: (d != 0).any()).map(lambda d: d / 100)


def by_hand(d: np.ndarray) -> float:
    """Two-sided p of the signed-rank sum over all 2^n signs, each written out."""
    d = d[d != 0]
    ranks = stats.rankdata(np.abs(d))
    middle = ranks.sum() / 2
    observed = abs(ranks[d > 0].sum() - middle)
    sums = [np.dot(signs, ranks) for signs in product([0, 1], repeat=len(d))]
    return float(np.mean([abs(s - middle) >= observed - 1e-9 for s in sums]))


def two_models(a, b, **columns) -> pd.DataFrame:
    """Families a and b at one size with one case for each pair of values."""
    return check_metrics(rows_of(a, b, **columns))


def rows_of(a, b, **columns) -> pd.DataFrame:
    n = len(a)
    table = pd.DataFrame({
        "model": ["a-n3"] * n + ["b-n3"] * n, "level": "", "n_train": 3, "replicate": 0,
        "fold": pd.NA, "cohort": "here", "case": [f"c{i}" for i in range(n)] * 2,
        "structure": "organ", "dsc": [*a, *b], "iou": 0.5, "hd95_mm": 4.0, "nsd": 0.5,
    })  # fmt: skip
    return table.assign(**columns)


def only(table: pd.DataFrame) -> pd.Series:
    found = paired(table, "dsc", 0.05)
    return found[found["test_set"] == "here"].iloc[0]


# ---- one comparison


def test_ten_that_all_improve_give_the_papers_value_and_the_exact_one():
    found = describe(IMPROVING, 0.05)
    assert found["p_wilcoxon_asymptotic"] == pytest.approx(0.00506, abs=5e-6)
    assert found["p_wilcoxon_exact"] == pytest.approx(2 / 1024)
    assert (found["higher"], found["statistic"], found["rank_biserial"]) == (10, 0, 1)


def test_the_printed_example():
    d = np.round(BEFORE - AFTER, 12)
    assert exact_p(d) == pytest.approx(0.03906, abs=5e-6)
    assert hodges_lehmann(d) == pytest.approx(0.46)
    assert min(describe(d, 0.05)["statistic"], 45 - 40) == 5


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_the_exact_p_and_the_interval_are_those_of_pingouin():
    import pingouin

    d = describe(np.round(BEFORE - AFTER, 12), 0.05)
    theirs = pingouin.wilcoxon(BEFORE, AFTER, method="exact").iloc[0]
    assert d["p_wilcoxon_exact"] == pytest.approx(theirs["p_val"])
    assert (d["statistic"], d["rank_biserial"]) == pytest.approx((theirs["W_val"], theirs["RBC"]))
    t = pingouin.ttest(BEFORE, AFTER, paired=True).iloc[0]
    low, high = t["CI95"]
    assert d["p_t"] == pytest.approx(t["p_val"])
    assert (d["ci_low"], d["ci_high"]) == pytest.approx((low, high), abs=0.006)
    sd = (BEFORE - AFTER).std(ddof=1)
    assert d["cohen_dz"] == pytest.approx((BEFORE - AFTER).mean() / sd)


def test_the_interval_is_that_of_statsmodels():
    from statsmodels.stats.weightstats import DescrStatsW

    d = describe(np.round(BEFORE - AFTER, 12), 0.1)
    theirs = DescrStatsW(BEFORE - AFTER).tconfint_mean(alpha=0.1)
    assert (d["ci_low"], d["ci_high"]) == pytest.approx(theirs)


@settings(max_examples=60, deadline=None)
@given(some)
def test_the_exact_p_is_that_of_all_sign_patterns(d):
    assert exact_p(d) == pytest.approx(by_hand(d))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.floats(0, 0.5))
def test_the_transform_gives_what_the_table_does(ranks, share):
    """Down to the smallest probabilities; a sum that no signs give has that of the next smaller one."""
    ranks = np.array(ranks)
    at_most = int(share * ranks.sum())
    table = by_table(ranks, at_most)
    assert by_transform(ranks, at_most) == pytest.approx(table, rel=1e-12, abs=0)


def test_the_transform_of_many_ranks_is_the_table_too():
    ranks = np.random.default_rng(1).integers(1, 40, 300)
    for share in (0.02, 0.3, 0.5):
        at_most = int(share * ranks.sum())
        table = by_table(ranks, at_most)
        assert by_transform(ranks, at_most) == pytest.approx(table, rel=1e-12, abs=0)


@settings(max_examples=60, deadline=None)
@given(some)
def test_the_asymptotic_p_follows_from_its_formula(d):
    own = d[d != 0]
    ranks, n = stats.rankdata(np.abs(own)), len(own)
    _, tied = np.unique(np.abs(own), return_counts=True)
    variance = n * (n + 1) * (2 * n + 1) / 24 - (tied**3 - tied).sum() / 48
    z = (ranks[own > 0].sum() - n * (n + 1) / 4) / np.sqrt(variance)
    assert signed_rank(d)["p_wilcoxon_asymptotic"] == pytest.approx(2 * stats.norm.sf(abs(z)))


@settings(max_examples=40, deadline=None)
@given(some, st.sampled_from([0.5, 2.0, 8.0]), st.randoms(use_true_random=False))
def test_swapping_scaling_and_order(d, scale, random):
    """a and b swapped changes signs only; a scale or another order of cases changes no p."""
    shuffled = list(d)
    random.shuffle(shuffled)
    one, other = describe(d, 0.05), describe(-d, 0.05)
    scaled = describe(scale * np.array(shuffled), 0.05)
    for name in ("p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_t"):
        assert other[name] == pytest.approx(one[name], nan_ok=True)
        assert scaled[name] == pytest.approx(one[name], nan_ok=True)
    for name in ("difference", "hodges_lehmann", "rank_biserial", "cohen_dz"):
        assert other[name] == pytest.approx(-one[name], nan_ok=True, abs=1e-12)
    for name in ("rank_biserial", "cohen_dz"):
        assert scaled[name] == pytest.approx(one[name], nan_ok=True, abs=1e-12)
    assert scaled["difference"] == pytest.approx(scale * one["difference"], abs=1e-12)
    assert (other["higher"], other["lower"]) == (one["lower"], one["higher"])
    assert -1 <= one["rank_biserial"] <= 1


def test_floating_point_makes_no_false_order_among_ties():
    """0.3 - 0.2 and 0.2 - 0.1 differ by rounding only."""
    row = only(two_models([0.2, 0.1, 0.5, 0.3], [0.3, 0.2, 0.6, 0.5]))
    assert row["tied_ranks"] == 3 and row["higher"] == 4


# ---- other trainings


def trained(a: np.ndarray, b: np.ndarray) -> pd.DataFrame:
    """Families a and b at one size; scores of cases (rows) under several trainings (columns)."""
    parts = [
        rows_of(x, y).assign(replicate=r, model=lambda t, r=r: t["model"] + f"-r{r}")
        for r, (x, y) in enumerate(zip(a.T, b.T, strict=True))
    ]
    return check_metrics(pd.concat(parts))


def test_one_training_alone_says_nothing_of_methods():
    """Then the interval and p are those of the paired t test."""
    row = only(two_models([0.2, 0.4, 0.5, 0.7, 0.6], [0.3, 0.5, 0.55, 0.7, 0.75]))
    assert row["about"] == "trained models" and row["trainings"] == 1
    assert row["p"] == pytest.approx(row["p_t"])


def test_trainings_that_differ_undo_what_cases_alone_show():
    """b's second training is as bad as a's: every case agrees, and the trainings do not."""
    cases = np.linspace(-0.1, 0.1, 20)[:, None] + 0.002 * np.sin(np.arange(40).reshape(20, 2))
    row = only(trained(cases + [0.50, 0.52], cases + [0.60, 0.51]))
    assert row["about"] == "methods" and row["trainings"] == 2
    assert row["p_wilcoxon_exact"] < 1e-4 and row["p"] > 0.2 and row["ci_low"] < 0 < row["ci_high"]
    alike = only(trained(cases + [0.50, 0.502], cases + [0.60, 0.601]))
    assert alike["p"] < 0.001 and alike["ci_low"] > 0


def test_of_several_draws_each_counts_once_whatever_its_trainings():
    """Three trainings on each of two draws are two: the means of each draw."""
    a, b = np.random.default_rng(1).normal(0.7, 0.05, (2, 12, 6))
    table = trained(a, b)
    by_draw = only(table.assign(draw=table["replicate"] // 3))
    means = only(trained(*(x.reshape(12, 2, 3).mean(2) for x in (a, b))))
    counted = ["trainings", "difference", "ci_low", "ci_high", "p", "about"]
    pd.testing.assert_series_equal(by_draw[counted], means[counted], rtol=1e-12)
    assert by_draw["trainings"] == 2 and only(table)["trainings"] == 6


def test_trainings_of_one_draw_beside_several_draws_are_one_training():
    """Else the small spread between seeds stood for that between draws, and more seeds made it worse."""
    a, b = np.random.default_rng(1).normal(0.7, 0.05, (2, 12, 6))
    table = trained(a, b)
    b_has_one = table["replicate"].where(table["family"] == "a", 0)
    found = only(table.assign(draw=b_has_one))
    once = only(trained(a, np.tile(b.mean(1, keepdims=True), 6)).query("family == 'a' or replicate == 0"))
    counted = ["trainings", "difference", "ci_low", "ci_high", "p", "about"]
    pd.testing.assert_series_equal(found[counted], once[counted], rtol=1e-12)
    assert found["trainings"] == 1


@pytest.mark.parametrize("trainings", [1, 6])
def test_one_draw_and_one_training_of_each_draw_count_by_training(trainings):
    """The column changes no bit where it tells nothing."""
    table = trained(*np.random.default_rng(1).normal(0.7, 0.05, (2, 12, 6)))
    drawn = table.assign(draw=table["replicate"] // trainings)
    pd.testing.assert_frame_equal(paired(drawn, "dsc", 0.05), paired(table, "dsc", 0.05), check_exact=True)


def of_structures(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> pd.Series:
    """The comparison of the means over structures; scores of cases x trainings, NaN where a training was lost."""
    parts = [trained(np.nan_to_num(a[s]), np.nan_to_num(b[s])).assign(structure=s) for s in a]
    parts = [own.assign(model=own["model"] + f"-{own['structure'].iloc[0]}") for own in parts]
    found = paired(check_metrics(pd.concat(parts)).query("dsc > 0"), "dsc", 0.05)
    return found.query("test_set == 'here' and structure == 'all'").squeeze()


def test_a_mean_over_structures_is_of_trainings_that_have_all_of_them():
    """Of two equal families one lost a training of the worse structure: the other structure alone counted for it."""
    cases = np.linspace(-0.05, 0.05, 12)[:, None] + 0.002 * np.sin(np.arange(36).reshape(12, 3))
    liver, kidney = cases + [0.90, 0.91, 0.89], cases + [0.50, 0.49, 0.51]
    here = np.where([True, True, False], 1, np.nan)  # the third training was lost
    counted = ["cases", "trainings", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "p", "about"]
    both = {"liver": liver, "kidney": kidney}
    found = of_structures(both, {"liver": liver, "kidney": kidney * here})
    expected = of_structures(both, {"liver": liver * here, "kidney": kidney * here})
    pd.testing.assert_series_equal(found[counted], expected[counted], rtol=1e-12)
    assert found["trainings"] == 2 and found["mean_a"] == pytest.approx(((liver + kidney) / 2)[:, :2].mean())


def test_a_case_counts_by_the_trainings_that_have_all_of_its_structures():
    """One score of the worse structure is missing in one training, as that of an empty prediction."""
    liver, kidney = np.full((6, 2), 0.9) + 0.01 * np.arange(6)[:, None], np.full((6, 2), 0.5)
    holed = kidney.copy()
    holed[0, 1] = np.nan
    found = of_structures({"liver": liver, "kidney": kidney}, {"liver": liver, "kidney": holed})
    assert found["difference"] == pytest.approx(0, abs=1e-12) and found["cases"] == 6


@pytest.mark.parametrize("trainings", [1, 3])
@pytest.mark.slow
def test_the_interval_has_zero_where_p_is_large(trainings):
    """Of one inversion, they cannot contradict each other."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (0.5 + rng.normal(0, 0.05, (8, trainings)) for _ in range(2))
        row = only(trained(a, b + 0.04))
        assert (row["ci_low"] > 0 or row["ci_high"] < 0) == (row["p"] < 0.05)


# ---- corrections


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p):
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(p, method="holm")[1]
    assert holm(np.array(p)) == pytest.approx(expected, abs=1e-12)


def test_a_missing_p_still_counts_as_a_test():
    assert holm(np.array([np.nan, 0.01, 0.04])) == pytest.approx([np.nan, 0.03, 0.08], nan_ok=True)


def max_t_by_hand(matrix: np.ndarray) -> np.ndarray:
    """Single-step and step-down max-T over all sign patterns, with loops."""
    ranks = [stats.rankdata(np.abs(d)) for d in matrix.T]

    def statistics(signs) -> np.ndarray:
        sums = [np.dot(s * np.sign(d), r) for s, d, r in zip([signs] * len(ranks), matrix.T, ranks)]
        return np.abs(sums) / np.array([np.sqrt((r**2).sum()) for r in ranks])

    observed = statistics(np.ones(len(matrix)))
    order = np.argsort(-observed, kind="stable")
    patterns = [statistics(np.array(s)) for s in product([1, -1], repeat=len(matrix))]
    out, running = np.empty(len(ranks)), 0.0
    for k, test in enumerate(order):
        rest = order[k:]
        reached = np.mean([p[rest].max() >= observed[test] - 1e-9 for p in patterns])
        running = max(running, reached)
        out[test] = running
    return out


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_westfall_young_is_the_step_down_max_t(seed):
    matrix = np.random.default_rng(seed).normal(0.7, 1, (6, 4))
    found = westfall_young(matrix)
    assert found == pytest.approx(max_t_by_hand(matrix))
    own = np.array([exact_p(d) for d in matrix.T])
    assert (found >= own - 1e-12).all()


def test_westfall_young_of_one_test_is_the_exact_test():
    d = np.round(BEFORE - AFTER, 12)
    assert westfall_young(d[:, None])[0] == pytest.approx(exact_p(d))


def test_the_same_cases_cost_holm_what_westfall_young_keeps():
    """36 tests of which every case says the same: the floor of the exact test stays."""
    matrix = np.repeat(IMPROVING[:, None], 36, axis=1)
    p = np.array([exact_p(d) for d in matrix.T])
    assert holm(p).min() == pytest.approx(36 * 2 / 1024)
    assert westfall_young(matrix) == pytest.approx(np.full(36, 2 / 1024))


def test_many_cases_are_drawn_with_a_seed():
    matrix = np.random.default_rng(0).normal(0.3, 1, (30, 3))
    found = westfall_young(matrix)
    assert found == pytest.approx(westfall_young(matrix))
    assert (found >= 1 / 10000).all()
    single = westfall_young(matrix[:, :1])[0]
    assert single == pytest.approx(exact_p(matrix[:, 0]), abs=0.01)


# ---- the table


def test_questions_and_order_of_pairs():
    table = check_metrics(simulated_metrics(sizes=(2, 8), folds=2))
    found = paired(table, "dsc", 0.05, ["pretrained", "scratch", "transfer-L1"])
    assert list(found.columns) == PAIRED
    here = found[found["test_set"] == "uterus"]
    assert set(here["question"]) == {"models at n=2", "models at n=8"}
    assert len(here) == 2 * 15
    assert here.iloc[0][["family_a", "family_b"]].tolist() == ["scratch", "pretrained"]
    row = here[(here["family_a"] == "transfer-L1") & (here["n_train"] == 8)]
    a, b = (
        table[(table["model"] == m) & (table["cohort"] == "uterus")].set_index("case")["dsc"]
        for m in ("transfer-L1-n8", "scratch-n8")
    )
    row = row[row["family_b"] == "scratch"].iloc[0]
    assert row["difference"] == pytest.approx((a - b).mean())
    assert row["p_wilcoxon_exact"] == pytest.approx(by_hand(np.round((a - b).to_numpy(), 12)))
    assert (row["a"], row["cases"], row["unmatched"]) == ("transfer-L1-n8", 16, 0)


def test_only_the_main_question_is_corrected_all_of_it_together():
    table = check_metrics(simulated_metrics(sizes=(2, 8), folds=0, structures=("left", "right"), cases={"x": 8}))
    found = paired(table, "dsc", 0.05, ["pretrained", "scratch", "transfer-L1"])
    here = found[(found["test_set"] == "x") & (found["tests"] > 0) & (found["structure"] != "all")]
    assert len(here) == 2 * 2 * 3 and set(here["tests"]) == {12}
    assert set(here["corrected_over"]) == {"12 tests on x: the pairs of 3 models on 2 structures at n = 2, 8"}
    assert here["p_holm"].to_numpy() == pytest.approx(holm(here["p"].to_numpy()))
    assert here["p_westfall_young"].notna().all()
    beside = found[(found["test_set"] == "x") & (found["tests"] == 0)]
    assert beside["p_holm"].isna().all() and beside["p_westfall_young"].isna().all()
    pooled = found[(found["test_set"] == "x") & (found["structure"] == "all")]
    assert len(pooled) == 2 * 3  # the main families only
    assert pooled["p_holm"].to_numpy() == pytest.approx(holm(pooled["p"].to_numpy())), "among themselves"
    assert set(pooled["corrected_over"]) == {
        "6 tests on x: the pairs of 3 models on their means over the structures at n = 2, 8"
    }
    row = pooled[(pooled["n_train"] == 8) & (pooled["family_b"] == "scratch")].iloc[0]
    means = table.groupby(["model", "case"])["dsc"].mean()
    expected = means["transfer-L1-n8"] - means["scratch-n8"]
    assert row["difference"] == pytest.approx(expected.mean())


def test_families_without_sizes_are_compared_once():
    table = two_models([0.1, 0.2], [0.3, 0.5], n_train=0)
    assert set(paired(table, "dsc", 0.05)["question"]) == {"models at n=0"}


SIMULATED = simulated_metrics(sizes=(2, 8), cases={"cervix": 3, "uterus": 4}, folds=0)
SIMULATED = SIMULATED[~SIMULATED["family"].isin(["transfer-L2", "transfer-L3"])]


@cache
def paired_rows(order: tuple[int, ...] | None) -> pd.DataFrame:
    """The comparisons of the simulated rows in an order, themselves in one order."""
    table = SIMULATED if order is None else SIMULATED.iloc[list(order)]
    main = ["pretrained", "scratch", "transfer-L1", "aggregated"]
    keys = ["test_set", "question", "family_a", "family_b"]
    return paired(check_metrics(table), "dsc", 0.05, main).sort_values(keys, ignore_index=True)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(random):
    order = list(range(len(SIMULATED)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(paired_rows(None), paired_rows(tuple(order)))


def test_cases_are_matched_not_paired_by_position():
    table = two_models([0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.6, 0.8])
    expected = only(table)
    reversed_b = pd.concat([table.iloc[:4], table.iloc[:3:-1]], ignore_index=True)
    assert only(reversed_b)["p_t"] == pytest.approx(expected["p_t"])
    fewer = only(table.drop(index=0))
    assert (fewer["cases"], fewer["unmatched"]) == (3, 1)
    assert fewer["difference"] == pytest.approx(0.3)


def test_degenerate_comparisons_keep_their_rows():
    same = only(two_models([0.2, 0.5, 0.5], [0.2, 0.5, 0.5]))
    assert same["difference"] == 0 and same["higher"] == 0 and same["tests"] == 1
    empty = ["p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_t", "rank_biserial", "cohen_dz",
             "p_holm", "p_westfall_young", "statistic"]  # fmt: skip
    assert same[empty].isna().all()
    one = only(two_models([0.2], [0.5]))
    assert one["p_wilcoxon_exact"] == 1 and np.isnan(one["p_t"]) and np.isnan(one["ci_low"])
    equal = only(two_models([0.25, 0.5], [0.5, 0.75]))
    assert np.isnan(equal["p_t"]) and np.isnan(equal["cohen_dz"]) and np.isnan(equal["ci_low"])
    table = two_models([0.2, 0.3], [0.5, 0.6]).assign(dsc=[np.nan, 0.3, 0.5, np.nan])
    none = only(table)
    assert (none["cases"], none["unmatched"]) == (0, 2) and np.isnan(none["difference"])


def test_unknown_metrics_and_families_are_named():
    table = two_models([0.1], [0.2])
    with pytest.raises(ValueError, match="no metric 'sharpness'"):
        paired(table, "sharpness", 0.05)
    with pytest.raises(ValueError, match="no family z"):
        paired(table, "dsc", 0.05, ["a", "z"])
