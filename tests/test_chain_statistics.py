"""Selection of the network, chains against baselines, and folds that test the same patients, where the
answers are known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.multitest import multipletests

from crossover.statistics.differences.chains import (
    ATTRIBUTES,
    CHAINS,
    CONTRASTS,
    GAINS,
    ChainScores,
    attribute_contrasts,
    chain_scores,
    contrasts,
    gains,
    mean_difference,
)
from crossover.statistics.differences.stability import repeated_measures, stability
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.scores.cross_validation import by_cell, cross_validation, select, validation
from crossover.statistics.scores.metrics_table import check_metrics, compared
from crossover.study.chains import CONTROL, THRICE, TWICE, Chain, baseline, chains, kinds
from crossover.study.plan import plan
from crossover.study.schema import Study
from tests.chain_tables import (
    ARCHITECTURES,
    ENCODERS,
    KINDS,
    SITES,
    TESTED,
    chain_metrics,
    chain_records,
    chain_study,
)

METRIC = "dsc_structure_slices"
EXACT = {"noise": 0.0}


@pytest.fixture(scope="module")
def study() -> Study:
    return chain_study()


@pytest.fixture(scope="module")
def of(study) -> list[Chain]:
    return chains(study)


@pytest.fixture(scope="module")
def validated(study) -> pd.DataFrame:
    return validation(chain_records(study), plan(study).models.values())


def scored(study: Study, validated: pd.DataFrame, **simulation) -> ChainScores:
    """Of two metrics: what holds of them holds of more."""
    metrics = check_metrics(chain_metrics(study, **simulation))
    return ChainScores(metrics.drop(columns=["iou", "iou_structure_slices"]), validated)


@pytest.fixture(scope="module")
def scores(study, validated) -> ChainScores:
    return scored(study, validated)


def row(table: pd.DataFrame, **where) -> pd.Series:
    for column, value in ({"metric": METRIC} | where).items():
        table = table[table[column] == value]
    (index,) = table.index
    return table.loc[index]


# ---- what the chains are


def test_chains_are_read_from_the_steps_not_from_names(of):
    known = {chain.family: chain for chain in of}
    assert [c.kind for c in of].count("one source") == 6 == [c.kind for c in of].count("two sources")
    assert kinds(of) == ["baseline", "one source", "two sources", "all data", "control"]
    chain = known["east_south_north"]
    assert (chain.targets, chain.sources, chain.kind) == (("north",), "East → South", "two sources")
    assert known["together"].targets == tuple(SITES) and known["together"].label == "All data"
    assert known["blank_east"].kind == CONTROL and known["blank_east"].label == "Random weights"
    assert (known["east"].label, known["east"].source) == ("None", None)
    assert known["south_east"].source == "south"
    assert baseline(of, "south").family == "south" and baseline(of, "nowhere") is None


def test_gradual_unfreezing_of_one_source_has_one_source():
    on_south = {"train": {"south": "all"}}
    steps = [{"train": {"north": "all"}}, on_south | {"levels": ["decoder"]}, on_south]
    strategies = {"gradual": {"label": "G", "chain": steps}, "base": {"label": "B", "chain": [on_south]}}
    gradual = chains(chain_study(strategies=strategies, figures={"order": list(strategies)}))[0]
    assert (gradual.kind, gradual.sources, gradual.source) == ("one source", "North", "north")


def test_two_cohorts_of_three_are_pooled_data_and_three_sources_are_counted(study):
    both = {"label": "Two", "chain": [{"train": {"north": "all", "south": "all"}}]}
    four = {f"s{i}": (f"S{i}", 20, None, "") for i in range(4)}
    values = study.model_dump(mode="json", include={"strategies"})["strategies"] | {"two": both}
    changed = chain_study(strategies=values, figures={"order": [*values]})
    found = {c.family: c for c in chains(changed)}["two"]
    assert (found.kind, found.label) == ("pooled data", "North + South")
    assert kinds(chains(chain_study(four, most=4)))[-3:] == ["three sources", "all data", "control"]


@pytest.mark.slow
def test_controls_of_equal_length_are_compared_with_chains_as_long_as_they(study, validated):
    values = study.model_dump(mode="json", include={"strategies"})["strategies"]
    for name in SITES:
        step = {"train": {name: "all"}}
        values |= {f"{name}_x{k}": {"label": f"{name} {k}", "chain": [step] * k} for k in (2, 3)}
    changed = chain_study(strategies=values, figures={"order": [*values]})
    of = chains(changed)
    assert kinds(of)[:5] == ["baseline", TWICE, THRICE, "one source", "two sources"]
    twice = next(chain for chain in of if chain.family == "north_x2")
    assert twice.again and twice.label == "Trained twice" and twice.targets == ("north",)
    table = contrasts(scored(changed, validation(chain_records(changed), plan(changed).models.values())), of, 0.05)
    pairs = set(zip(table["a"], table["b"], strict=True))
    of_twice = {pair for pair in pairs if TWICE in pair}
    assert of_twice == {(TWICE, "baseline"), ("one source", TWICE)}
    assert {pair for pair in pairs if THRICE in pair} == {
        (THRICE, "baseline"),
        ("two sources", THRICE),
    }


@pytest.mark.slow
def test_nothing_that_counts_or_draws_imports_a_framework():
    modules = (
        "crossover.statistics.differences.chains, crossover.statistics.scores.cross_validation, "
        "crossover.analyses.figures.grid, "
        "crossover.analyses.figures.scheme, crossover.analyses.figures.gains, crossover.analyses.figures.examples, "
        "crossover.report.page, crossover.analyses.tables.sources, "
        "workflow_scripts.analysis, workflow_scripts.report"
    )
    code = f"import sys, {modules}; print({{'torch', 'tensorflow', 'keras'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr


# ---- the selection


def cells(*scores: tuple[str, str, int, float]) -> pd.DataFrame:
    names = ["architecture", "encoder", "fold", "validation_dsc"]
    return pd.DataFrame(scores, columns=names).assign(initial="imagenet")


def test_the_cross_validation_has_every_cell_and_fold_in_order(study):
    records = chain_records(study, {("manet", "resnet18"): 0.95}, missing=("resnet34",))
    table = cross_validation(reversed(records), study.selection.cells)
    assert len(table) == len(ARCHITECTURES) * len(ENCODERS) * 5
    assert table[["architecture", "encoder"]].drop_duplicates().to_numpy().tolist() == [
        list(cell) for cell in study.selection.cells
    ]
    assert table["fold"].tolist() == [0, 1, 2, 3, 4] * 16
    begun = table.groupby("encoder")["initial"].unique().map(list).to_dict()
    assert begun == {e: ["random" if e == "resnet34" else "imagenet"] for e in ENCODERS}
    chosen = select(table)
    own = table[(table["architecture"] == "manet") & (table["encoder"] == "resnet18")]
    assert (chosen["architecture"], chosen["encoder"]) == ("manet", "resnet18")
    assert (chosen["folds"], chosen["cells"]) == (5, 16)
    expected = own["validation_dsc"].mean(), own["validation_dsc"].std()
    assert (chosen["validation_dsc"], chosen["sd"]) == pytest.approx(expected)


def test_of_equal_cells_the_first_is_selected():
    tied = [("b", "x", 0, 0.8), ("b", "x", 1, 0.9), ("a", "x", 0, 0.9), ("a", "x", 1, 0.8)]
    assert select(cells(*tied))["architecture"] == "b"
    assert select(cells(*tied[2:], *tied[:2]))["architecture"] == "a"


def test_one_fold_has_no_sd():
    assert select(cells(("a", "x", 0, 0.8)))["sd"] is None


def test_a_cell_without_a_fold_is_not_chosen_from_and_named():
    table = cells(("a", "x", 0, 0.8), ("a", "x", 1, 0.8), ("b", "y", 1, 0.9), ("c", "y", 0, 0.9),
                  ("c", "y", 1, np.nan))  # fmt: skip
    chosen = select(table)
    assert (chosen["architecture"], chosen["cells"]) == ("a", 1), "b and c have higher means"
    assert chosen["incomplete"] == [
        {"architecture": "b", "encoder": "y", "folds": [0]},
        {"architecture": "c", "encoder": "y", "folds": [1]},
    ]
    assert "incomplete" not in select(table.iloc[:2])
    (lost,) = select(table.iloc[:2], [("a", "x"), ("d", "z")])["incomplete"]
    assert lost == {"architecture": "d", "encoder": "z", "folds": [0, 1]}


def test_without_one_complete_cell_nothing_is_chosen():
    table = cells(("a", "x", 0, 0.8), ("b", "y", 1, 0.9))
    with pytest.raises(ValueError, match="a with x lacks fold 1; b with y lacks fold 0"):
        select(table)
    with pytest.raises(ValueError, match="a with x lacks fold 1, 2"):
        select(table.iloc[:1], folds=3)
    with pytest.raises(ValueError, match="no network"):
        select(table.iloc[:0])


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=12))
def test_no_cell_is_better_than_the_selected(values):
    rows = [(f"a{i // 2}", "x", i % 2, v / 1000) for i, v in enumerate(values[: len(values) // 2 * 2])]
    chosen = select(cells(*rows))
    assert chosen["validation_dsc"] == by_cell(cells(*rows))["mean"].max()


def test_validation_has_each_model_with_what_its_chain_began_with(study):
    records = chain_records(study, missing=("efficientnet-b3",))
    table = validation(records, plan(study).models.values())
    assert len(table) == 19 * 5 and set(table["initial"]) == {"random"}
    begun = validation(chain_records(study), plan(study).models.values())
    begun = begun.groupby("family")["initial"].first()
    assert begun["south_east_north"] == "imagenet" and begun["blank_north"] == "random"
    kept = [r for r in records if r["stage"]["name"] != "east-f2"]
    with pytest.raises(ValueError, match=r"no record of stage east-f2$"):
        validation(kept, plan(study).models.values())
    left = validation(kept, plan(study).models.values(), {"east-f2": {}})
    assert set(table["model"]) - set(left["model"]) == {"east-f2"}


# ---- folds that test the same patients


@pytest.mark.slow
def test_a_family_of_folds_only_is_compared_by_each_cases_mean(study):
    table = check_metrics(chain_metrics(study))
    once = compared(table)
    assert not once.duplicated(["family", "cohort", "case"]).any()
    own = table[(table["family"] == "east") & (table["case"] == "east-003")]
    found = once[(once["family"] == "east") & (once["case"] == "east-003")]
    assert found["dsc"].tolist() == pytest.approx([own["dsc"].mean()]) and len(own) == 5
    summary = summarise(table, 0.95, ["dsc"])
    place = (summary["family"] == "east") & (summary["test_set"] == "east")
    assert summary[place & (summary["metric"] == "dsc")]["cases"].tolist() == [TESTED["east"]]


def test_folds_beside_other_models_are_still_left_out(study):
    table = check_metrics(chain_metrics(study))
    whole = table[table["fold"] == 0].assign(fold=pd.NA, model=lambda t: t["family"])
    both = check_metrics(pd.concat([table, whole]).astype({"fold": "Int64"}))
    pd.testing.assert_frame_equal(compared(both), compared(whole))


def test_folds_that_test_the_same_cases_are_compared_within_them(study):
    table = check_metrics(chain_metrics(study))
    table = table[table["family"].isin(["south_east", "north"])]
    found = stability(table, METRIC)
    own = table[(table["family"] == "south_east") & (table["cohort"] == "east")]
    theirs = AnovaRM(own.astype({"fold": int}), METRIC, "case", ["fold"]).fit().anova_table.iloc[0]
    ours = found[(found["family"] == "south_east") & (found["cohort"] == "east")]
    assert set(ours["test"]) == {"repeated measures"} and len(ours) == 5
    assert ours["F"].iloc[0] == pytest.approx(theirs["F Value"])
    assert ours[["df_between", "df_within"]].iloc[0].tolist() == [4, 20]
    assert theirs["Pr > F"] <= ours["p"].iloc[0] <= 1  # the correction only makes it larger


def test_two_folds_are_a_paired_t_test():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(0.8, 0.1, (7, 2)))
    assert repeated_measures(table)["p"] == pytest.approx(stats.ttest_rel(*table.T.values).pvalue)


@pytest.mark.parametrize("table", [np.ones((4, 3)), np.ones((1, 3)), np.ones((4, 1)), np.eye(2, 3),
                                   np.arange(4)[:, None] + np.array([[0, 0.1, 0.2]])])  # fmt: skip
def test_folds_without_anything_to_test_have_no_p(table):
    assert np.isnan(repeated_measures(pd.DataFrame(table))["p"])


# ---- gains


def test_a_gain_is_what_was_put_in(study, of, validated):
    table = gains(scored(study, validated, **EXACT), of, 0.05)
    assert list(table) == GAINS and not table.duplicated(["target", "family", "metric"]).any()
    assert len(table[table["metric"] == METRIC]) == 6 + 6 + 3 + 3
    found = row(table, family="east_north")
    for column in ("gain", "ci_low", "ci_high", "ci_wide_low", "ci_wide_high"):
        assert found[column] == pytest.approx(0.05)
    assert (found["cases"], found["folds"], found["higher"]) == (6, 5, 6)
    assert found["p_wilcoxon_exact"] == 2 / 2**6 and found["baseline"] == "north"
    assert row(table, family="blank_south")["gain"] == pytest.approx(KINDS["control"] - KINDS["baseline"])
    assert row(table, family="together", target="east")["gain"] == pytest.approx(0.04)


def test_intervals_and_tests_are_those_of_the_cases_means(study, of, scores):
    table = gains(scores, of, 0.05)
    metrics = check_metrics(chain_metrics(study))
    here = metrics[metrics["cohort"] == "east"].groupby(["family", "case"])[METRIC].mean()
    d = (here["north_east"] - here["east"]).to_numpy()
    test = stats.ttest_1samp(d, 0)
    found = row(table, family="north_east")
    assert found["gain"] == pytest.approx(d.mean())
    between = test.confidence_interval(0.95)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((between.low, between.high))
    assert found["p_wilcoxon_exact"] == stats.wilcoxon(d, method="exact").pvalue


def test_holm_is_over_all_rows_of_a_metric(of, scores):
    for _, own in gains(scores, of, 0.05).groupby("metric"):
        theirs = multipletests(own["p"], method="holm")[1]
        assert own["p_holm"].tolist() == pytest.approx(theirs.tolist()) and len(own) == 18


def test_the_best_fold_is_the_best_by_validation_never_by_test(study, of, validated):
    metrics = check_metrics(chain_metrics(study))
    better = metrics["model"].isin(["north-f1", "east_north-f4"])
    metrics.loc[better, METRIC] = 0.99
    best = validated.assign(validation_dsc=validated["fold"].map({3: 0.9}).fillna(0.8).astype(float))
    scores = ChainScores(metrics, best)
    table = chain_scores(scores, of, 0.95)
    assert list(table) == CHAINS and set(table["best_fold"]) == {3}
    for family in ("north", "east_north"):
        own = metrics[(metrics["model"] == f"{family}-f3") & (metrics["cohort"] == "north")]
        assert row(table, family=family)["best_fold_mean"] == pytest.approx(own[METRIC].mean())
    apart = row(table, family="east_north")["best_fold_mean"] - row(table, family="north")["best_fold_mean"]
    assert row(gains(scores, of, 0.05), family="east_north")["best_fold_gain"] == pytest.approx(apart)


def test_of_equally_valid_folds_the_first_is_best(of, study, validated):
    table = chain_scores(scored(study, validated.assign(validation_dsc=0.8)), of, 0.95)
    assert set(table["best_fold"]) == {0}


def test_scores_are_means_over_folds_with_their_spread(study, of, scores):
    metrics = check_metrics(chain_metrics(study))
    own = metrics[(metrics["family"] == "together") & (metrics["cohort"] == "south")]
    found = row(chain_scores(scores, of, 0.95), family="together", target="south")
    assert found["mean"] == pytest.approx(own[METRIC].mean())
    assert found["sd_folds"] == pytest.approx(own.groupby("fold")[METRIC].mean().std())
    assert (found["folds"], found["cases"], found["kind"]) == (5, 4, "all data")


def test_a_training_that_lost_a_structure_has_no_mean_over_the_structures(study, of, validated):
    """The scores of the structure that was left counted for it."""
    table = check_metrics(chain_metrics(study))
    other = table.assign(structure="bladder", **{METRIC: table[METRIC] / 2})
    lost = table["family"].eq(of[0].family) & table["fold"].eq(1)
    both = pd.concat([table, other[~lost]])
    found = ChainScores(both, validated).of(of[0], of[0].targets[0], METRIC)
    whole = ChainScores(table, validated).of(of[0], of[0].targets[0], METRIC)
    pd.testing.assert_frame_equal(found, 0.75 * whole.drop(columns="0/1"))


def test_a_model_without_a_validation_score_is_named(study, of, validated):
    scores = scored(study, validated[validated["model"] != "east-f2"])
    with pytest.raises(ValueError, match=r"no validation score of east-f2$"):
        chain_scores(scores, of, 0.95)


def test_few_cases_and_few_folds_are_said_by_what_is_missing(study, validated):
    small = chain_study(folds=2)
    validated = validation(chain_records(small), plan(small).models.values())
    alone = dict.fromkeys(SITES, 1)
    table = gains(scored(small, validated, tested=alone), chains(small), 0.05)
    assert table[["ci_low", "ci_wide_low"]].isna().all().all() and table["gain"].notna().all()
    assert (table["p_wilcoxon_exact"] == 1).all()


def test_equal_trainings_differ_by_exactly_nothing(study, of, validated):
    """A control that began like its baseline is the same training."""
    same = scored(study, validated, means=KINDS | {"control": KINDS["baseline"]}, **EXACT)
    found = row(gains(same, of, 0.05), family="blank_north")
    assert found["gain"] == 0 and found["higher"] == 0 and np.isnan(found["p_wilcoxon_exact"])


# ---- intervals for other patients and trainings


def wide(differences: list[pd.DataFrame], confidence: float) -> tuple[float, float]:
    found = mean_difference(differences)
    assert found is not None
    return found.interval(confidence)


def test_without_luck_of_the_trainings_the_interval_is_students(study):
    rng = np.random.default_rng(3)
    d = pd.DataFrame(np.repeat(rng.normal(0.1, 0.1, (6, 1)), 4, axis=1))
    between = stats.ttest_1samp(d[0], 0).confidence_interval(0.9)
    assert wide([d], 0.9) == pytest.approx((between.low, between.high))
    turned = wide([d.T], 0.9)  # nor is it another where only the trainings vary
    assert turned == pytest.approx((between.low, between.high))


@pytest.mark.slow
def test_the_wide_interval_holds_what_it_promises():
    """Students's over patients alone doesn't, where trainings differ by chance too."""
    rng, hits, narrow, t = np.random.default_rng(0), 0, 0, stats.t.ppf(0.975, 15)
    for _ in range(600):
        parts = [
            pd.DataFrame(rng.normal(0, 0.02, (n, 1)) + rng.normal(0, 0.02, (1, 5)) + rng.normal(0, 0.02, (n, 5)))
            for n in (6, 6, 4)
        ]  # fmt: skip
        low, high = wide(parts, 0.95)
        hits += low <= 0 <= high
        means = np.concatenate([d.mean(axis=1) for d in parts])
        narrow += abs(means.mean()) <= t * means.std(ddof=1) / np.sqrt(len(means))
    assert 0.92 < hits / 600 < 0.99 and narrow / 600 < 0.91


@settings(max_examples=50, deadline=None)
@example(2, 2, 2, 5.797142953495359)
@given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_the_wide_interval_scales_and_has_its_mean_in_the_middle(n, k, seed, scale):
    d = pd.DataFrame(np.random.default_rng(seed).normal(0.1, 1, (n, k)))
    low, high = wide([d], 0.95)
    assert low < d.to_numpy().mean() < high
    assert (low + high) / 2 == pytest.approx(d.to_numpy().mean())
    assert wide([scale * d], 0.95) == pytest.approx((scale * low, scale * high))


# ---- kinds and attributes


def test_contrasts_compare_kinds_on_each_target_and_on_all(study, of, validated):
    table = contrasts(scored(study, validated, **EXACT), of, 0.05)
    assert list(table) == CONTRASTS
    found = row(table, a="two sources", b="one source", target="all")
    assert (found["cases"], found["families_a"], found["families_b"]) == (16, 6, 6)
    assert found["difference"] == pytest.approx(0.01)
    assert row(table, a="all data", b="one source", target="south")["difference"] == pytest.approx(-0.01)
    assert set(table[table["a"] == CONTROL]["b"]) == {"baseline"}


def test_a_contrast_pairs_the_means_of_the_families(study, of, scores):
    metrics = check_metrics(chain_metrics(study))
    means = metrics[metrics["cohort"] == "south"].groupby(["family", "case"])[METRIC].mean()
    both = (means["north_south"] + means["east_south"]) / 2 - means["south"]
    found = row(contrasts(scores, of, 0.05), a="one source", b="baseline", target="south")
    between = stats.ttest_1samp(both, 0).confidence_interval(0.95)
    assert found["difference"] == pytest.approx(both.mean())
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((between.low, between.high))


STRENGTHS = {name: tesla for name, (_, _, tesla, _) in SITES.items()}
COILS = {name: coil for name, (*_, coil) in SITES.items()}


@pytest.mark.parametrize("apart", [0.03, -0.03])
def test_of_numbers_the_higher_is_compared_with_the_lower(study, of, validated, apart):
    low, high = ("east_north", "east_south"), ("south_north", "north_south")
    means = dict.fromkeys(low, 0.85) | dict.fromkeys(high, 0.85 + apart)
    scores = scored(study, validated, families=means, **EXACT)
    table = attribute_contrasts(scores, of, {"tesla": STRENGTHS}, 0.05)
    assert list(table) == ATTRIBUTES and set(table["attribute"]) == {"tesla"}
    assert set(table["target"]) == {"north", "south", "all"}  # East's sources have both 3 T
    found = row(table, target="north")
    assert (found["b_source"], found["a_source"]) == ("East", "South")
    assert (found["b_value"], found["a_value"], found["b_family"]) == (1.5, 3.0, "east_north")
    assert found["difference"] == pytest.approx(apart)
    pooled = row(table, target="all")
    assert pooled["cases"] == 10 and pooled["difference"] == pytest.approx(apart)


def test_of_texts_the_later_is_compared_with_the_earlier_pair_by_pair(study, of, validated):
    means = {"east_north": 0.85, "south_north": 0.88}
    scores = scored(study, validated, families=means, **EXACT)
    table = attribute_contrasts(scores, of, {"coil": COILS}, 0.05)
    found = table[table["metric"] == METRIC]
    assert found["target"].tolist() == [
        "north",
        "east",
        "south",
    ]  # each pair of coils has one target
    north = row(table, target="north")
    assert (north["a_value"], north["b_value"]) == ("none", "endorectal")
    assert north["difference"] == pytest.approx(0.03)
    two = COILS | {"south": "surface"}  # East's sources are alike, so the pair has two targets
    table = attribute_contrasts(scores, of, {"coil": two}, 0.05)
    pooled = row(table, target="all")
    assert (pooled["a_value"], pooled["b_value"]) == ("endorectal", "surface")
    assert pooled["cases"] == 10 and row(table, target="north")["difference"] == pytest.approx(-0.03)


def test_without_different_values_there_is_nothing_to_compare(scores, of):
    unknown = {name: tesla for name, tesla in STRENGTHS.items() if name != "east"}
    for attributes in ({}, {"t": {}}, {"t": dict.fromkeys(SITES, 3.0)}, {"t": unknown}):
        table = attribute_contrasts(scores, of, attributes, 0.05)
        assert table.empty and list(table) == ATTRIBUTES


def test_chains_that_were_not_tested_on_their_target_are_left_out(study, of, validated):
    metrics = check_metrics(chain_metrics(study))
    scores = ChainScores(metrics[metrics["cohort"] != "east"], validated)
    assert set(chain_scores(scores, of, 0.95)["target"]) == {"north", "south"}
    assert "east" not in set(contrasts(scores, of, 0.05)["target"])
    assert not len(scores.of(replace(of[0], family="unknown"), "north", METRIC))


# ---- by a distance


def test_a_distance_that_mirrors_a_score_gives_the_same_tests_in_mm(study, of, validated):
    metrics = check_metrics(chain_metrics(study))  # the distance is 20 mm times 1 - DSC
    found = ChainScores(metrics, validated, "hd95_mm")
    attributes = {a.name: study.of_cohorts(a.name) for a in study.attributes}
    tables = gains(found, of, 0.05), contrasts(found, of, 0.05), attribute_contrasts(found, of, attributes, 0.05)
    for table, value in zip(tables, ("gain", "difference", "difference"), strict=True):
        dsc, mm = (table[table["metric"] == metric].reset_index() for metric in (METRIC, "hd95_mm"))
        assert mm[value].to_numpy() == pytest.approx(-20 * dsc[value].to_numpy())
        for low, high in (("ci_low", "ci_high"), ("ci_wide_low", "ci_wide_high")):
            assert mm[low].to_numpy() == pytest.approx(-20 * dsc[high].to_numpy(), nan_ok=True)
        assert mm["p"].to_numpy() == pytest.approx(dsc["p"].to_numpy())
        assert mm["higher"].tolist() == dsc["lower"].tolist()
    mm = tables[0].query("metric == 'hd95_mm'")
    assert (mm["ci_wide_high"] > 1).any() and (mm["ci_wide_low"] < -1).any(), "not cut to the scale of a score"
    own = chain_scores(found, of, 0.95).query("metric == 'hd95_mm'")
    cases = [found.of(next(c for c in of if c.family == r.family), r.target, "hd95_mm").mean(axis=1)
             for r in own.itertuples()]  # fmt: skip
    half = [stats.t.ppf(0.975, len(c) - 1) * c.std() / np.sqrt(len(c)) for c in cases]
    factor = np.exp(half / own["mean"])
    assert own["ci_low"].to_numpy() == pytest.approx((own["mean"] / factor).to_numpy())
    assert own["ci_high"].to_numpy() == pytest.approx((own["mean"] * factor).to_numpy())


def test_of_infinite_distances_there_is_no_mean_difference_and_the_signs_still_count(study, of, validated):
    metrics = check_metrics(chain_metrics(study))
    north = metrics["cohort"].eq("north")
    lost = north & metrics["case"].eq("north-000")  # under every model; and another one under the baseline alone
    lost |= north & metrics["case"].eq("north-001") & metrics["family"].eq("north")
    metrics.loc[lost, "hd95_mm"] = np.inf
    found = ChainScores(metrics, validated, "hd95_mm")
    table = gains(found, of, 0.05).query("metric == 'hd95_mm'").set_index(["target", "family"])
    own = table.loc["north", "east_north"]
    assert own["cases"] == 6 and own["higher"] + own["lower"] == 5 and own["lower"] >= 1
    assert own[["gain", "ci_low", "ci_wide_low", "p", "cohen_dz"]].isna().all() and own["p_wilcoxon_exact"] > 0
    assert table.loc["south", ["gain", "p"]].notna().all(axis=None)
    means = chain_scores(found, of, 0.95).query("metric == 'hd95_mm' and target == 'north'")
    assert np.isinf(means["mean"]).all() and means["ci_low"].isna().all()
