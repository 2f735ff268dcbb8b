"""Statistics against printed values and independent implementations; no study is needed."""

import itertools
import statistics
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from crossover.statistics.differences.comparisons import compare, honest_differences, models_at, of_models, one_way
from crossover.statistics.differences.stability import stability
from crossover.statistics.estimates.agreement import agreement, check_radiomics, intraclass, read_radiomics
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.scores.metrics_table import (
    REQUIRED,
    TableError,
    check_metrics,
    compared,
    read_metrics,
    test_sets,
)
from crossover.statistics.scores.table_one import equal_means, equal_shares, table_one
from tests.tables import SIZES, simulated_metrics, simulated_radiomics

# R's PlantGrowth (Dobson 1983) and what R prints for it with aov and TukeyHSD
PLANTS = {
    "ctrl": np.array([4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14]),
    "trt1": np.array([4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69]),
    "trt2": np.array([6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26]),
}
TUKEY_OF_PLANTS = {  # b - a: difference, lower, upper, p
    ("ctrl", "trt1"): (-0.371, -1.0622161, 0.3202161, 0.3908711),
    ("ctrl", "trt2"): (0.494, -0.1972161, 1.1852161, 0.1979960),
    ("trt1", "trt2"): (0.865, 0.1737839, 1.5562161, 0.0120064),
}
# Shrout and Fleiss 1979, table 2: six targets, four judges
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
ALL = "all"


@pytest.fixture(scope="module")
def metrics() -> pd.DataFrame:
    return check_metrics(simulated_metrics())


def small(**columns) -> pd.DataFrame:
    """Two families with four cases each, at one size."""
    table = pd.DataFrame({
        "model": ["a-n3"] * 4 + ["b-n3"] * 4, "level": "", "n_train": 3, "replicate": 0,
        "fold": pd.NA, "cohort": "here", "case": list("1234") * 2, "structure": "organ",
        "dsc": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9], "iou": 0.5, "hd95_mm": 4.0, "nsd": 0.5,
    })  # fmt: skip
    return table.assign(**columns)


# ---- the table


def test_all_missing_columns_are_named():
    with pytest.raises(TableError, match=r"missing columns: level, fold, nsd$"):
        check_metrics(small().drop(columns=["level", "fold", "nsd"]))


def test_every_finding_is_named_at_once():
    table = small().astype({"dsc": object, "n_train": float})
    table.loc[0, "dsc"] = "high"
    table.loc[1, "iou"] = 1.5
    table.loc[2, "n_train"] = 2.5
    table = pd.concat([table, table.iloc[[7]]])
    with pytest.raises(TableError) as error:
        check_metrics(table)
    for finding in ("dsc: not a number: row 0 ('high')", "iou: not a finite number from 0 to 1 in 1 rows (a-n3/2",
                    "n_train: not a whole number", "model 'a-n3' has 2 values", "b-n3/4/organ"):  # fmt: skip
        assert finding in str(error.value)


def test_families_are_derived_as_the_plan_names_them():
    whole = simulated_metrics(replicates=2)
    least = check_metrics(whole[list(REQUIRED)])
    pd.testing.assert_series_equal(least["family"], check_metrics(whole)["family"])
    pd.testing.assert_series_equal(least["strategy"], check_metrics(whole)["strategy"])


def test_reading_gives_back_what_was_written(metrics, tmp_path):
    table = metrics.assign(case=metrics["case"].str.replace("cervix-", "00"))
    table.to_csv(tmp_path / "metrics.csv", index=False)
    pd.testing.assert_frame_equal(read_metrics(tmp_path / "metrics.csv"), table)


@pytest.mark.parametrize(
    "how",
    [{"sep": ";", "decimal": ","}, {"sep": "\t", "encoding": "utf-16"}, {"encoding": "cp1252"}],
)
def test_a_table_that_a_person_made_is_read_as_the_same(metrics, tmp_path, caplog, how):
    table = metrics.assign(case=metrics["case"].str.replace("cervix-", "fü"))
    gone = table.assign(hd95_mm=table["hd95_mm"].where(table.index > 1))
    written = gone.assign(hd95_mm=gone["hd95_mm"].astype(object), note="Köln")
    written.loc[[0, 1], "hd95_mm"] = ["inf", "NaN"]
    written.to_csv(tmp_path / "metrics.csv", index=False, **how)
    found = read_metrics(tmp_path / "metrics.csv").drop(columns="note")
    pd.testing.assert_frame_equal(found, gone, check_exact=True)
    assert "hd95_mm is infinite in row 2: taken as missing" in caplog.text


def test_an_error_while_reading_names_the_file(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("model,case\nm,1\n")
    with pytest.raises(TableError, match=r"metrics\.csv: no column level, n_train"):
        read_metrics(path)


def test_test_sets_are_the_cohorts_and_all(metrics):
    sets = test_sets(compared(metrics))
    assert list(sets) == ["cervix", "uterus", ALL]
    assert len(sets[ALL]) == len(sets["cervix"]) + len(sets["uterus"])


def test_folds_are_not_compared_and_replicates_count_once(metrics):
    once = compared(metrics)
    twice = compared(check_metrics(simulated_metrics(replicates=2)))
    assert len(once) == len(twice) == (1 + 5 * len(SIZES)) * 22
    table = small(replicate=[0] * 4 + [1] * 4, family="a", strategy="a")
    averaged = compared(check_metrics(table))
    assert averaged["dsc"].tolist() == pytest.approx([0.3, 0.4, 0.5, 0.65])
    assert set(averaged["model"]) == {"a-n3"}


def test_a_row_without_a_draw_is_of_its_replicates_own():
    assert "draw" not in check_metrics(small())
    table = check_metrics(small(replicate=[0] * 4 + [1] * 4, family="a", strategy="a", draw=[3.0] * 4 + [np.nan] * 4))
    assert table["draw"].tolist() == [3] * 4 + [1] * 4 and table["draw"].dtype == "int64"
    with pytest.raises(TableError, match="draw: not a whole number from 0 in 8 rows"):
        check_metrics(small(draw=0.5))


# ---- summary


@pytest.mark.slow
def test_the_spread_between_replicates_is_that_of_their_means():
    table = simulated_metrics(replicates=3)
    summary = summarise(check_metrics(table), 0.95, ["dsc"])
    row = summary.query("model == 'scratch-n32' and metric == 'dsc' and test_set == 'uterus'").iloc[0]
    own = table[(table.family == "scratch") & (table.n_train == 32) & (table.cohort == "uterus")]
    means = [own[(own.replicate == r) & own.fold.isna()].dsc.mean() for r in range(3)]
    assert row["replicates"] == 3
    assert row["sd_replicates"] == pytest.approx(statistics.stdev(means))
    assert row["mean"] == pytest.approx(statistics.mean(means))
    once = summarise(check_metrics(simulated_metrics(sizes=(2, 13))), 0.95, ["dsc", "hd95_mm"])
    assert set(once["replicates"]) == {1} and once["sd_replicates"].isna().all()


@pytest.mark.slow
def test_summary_agrees_with_scipy(metrics):
    summary = summarise(metrics, 0.9, ["dsc"])
    row = summary.query("model == 'scratch-n32' and metric == 'dsc' and test_set == 'uterus'").iloc[0]
    values = metrics.query("model == 'scratch-n32' and cohort == 'uterus'")["dsc"]
    mean = values.mean()  # Student's interval by the delta method on the logit scale
    se = stats.sem(values) / (mean * (1 - mean))
    logits = stats.t.interval(0.9, len(values) - 1, special.logit(mean), se)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(special.expit(logits))
    expected = (values.mean(), values.std(), values.median(), 16)
    assert tuple(row[["mean", "sd", "median", "cases"]]) == pytest.approx(expected)


def test_summary_of_one_case_and_of_none():
    table = small(hd95_mm=[1.0, *[np.nan] * 7])
    summary = summarise(check_metrics(table), 0.95).query("metric == 'hd95_mm' and test_set == 'all'")
    one, none = summary.iloc[0], summary.iloc[1]
    assert (one["cases"], one["mean"]) == (1, 1.0)
    assert np.isnan(one[["sd", "ci_low", "ci_high"]].astype(float)).all()
    assert none["cases"] == 0 and np.isnan(none["mean"])


SIMULATED = simulated_metrics(sizes=(2, 8), cases={"cervix": 3, "uterus": 4}, folds=0)


@cache
def summary_of(order: tuple[int, ...] | None) -> pd.DataFrame:
    """The summary of the simulated rows in an order, itself in one order."""
    table = SIMULATED if order is None else SIMULATED.iloc[list(order)]
    keys = ["test_set", "family", "n_train", "metric"]
    found = summarise(check_metrics(table), 0.95, ["dsc", "hd95_mm"])
    return found.sort_values(keys, ignore_index=True)


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
@pytest.mark.slow
def test_the_order_of_rows_changes_nothing(random):
    order = list(range(len(SIMULATED)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(summary_of(None), summary_of(tuple(order)))


# ---- comparisons


def test_anova_gives_the_printed_values():
    found = one_way(PLANTS)
    assert found["F"] == pytest.approx(4.846, abs=5e-4)
    assert found["p"] == pytest.approx(0.01591, abs=5e-6)
    assert (found["df_between"], found["df_within"]) == (2, 27)
    assert found["eta_squared"] == pytest.approx(3.76634 / (3.76634 + 10.49209), rel=1e-5)


def test_tukey_gives_the_printed_values():
    found = {(row["a"], row["b"]): row for row in honest_differences(PLANTS, 0.05)}
    assert list(found) == list(TUKEY_OF_PLANTS)
    for pair, (difference, low, high, p) in TUKEY_OF_PLANTS.items():
        row = found[pair]
        ours = (-row["difference"], -row["ci_high"], -row["ci_low"], row["p"])
        assert ours == pytest.approx((difference, low, high, p), abs=2e-5)
        assert row["significant"] == (p < 0.05)


def test_tukey_of_unequal_groups_agrees_with_scipy():
    groups = {"z": PLANTS["ctrl"][:5], "a": PLANTS["trt1"], "m": PLANTS["trt2"][:7]}
    theirs = stats.tukey_hsd(*groups.values())
    interval = theirs.confidence_interval(0.9)
    pairs = itertools.combinations(range(3), 2)
    for (i, j), row in zip(pairs, honest_differences(groups, 0.1), strict=True):
        ours = (row["difference"], row["ci_low"], row["ci_high"], row["p"])
        expected = (theirs.statistic, interval.low, interval.high, theirs.pvalue)
        assert ours == pytest.approx(tuple(m[i, j] for m in expected), abs=1e-4)


@pytest.mark.slow
def test_the_questions_follow_from_the_table():
    table = simulated_metrics(sizes=(2, 8), cases={"cervix": 3, "uterus": 4}, folds=2)
    anova, tukey = compare(check_metrics(table), "dsc", 0.05)
    asked = anova[anova["test_set"] == ALL].set_index("question")["groups"].to_dict()
    assert asked == {"models at n=2": 6, "levels at n=2": 3, "models at n=8": 6, "levels at n=8": 3}
    assert set(anova["test_set"]) == {"cervix", "uterus", ALL}
    assert len(tukey) == 3 * 2 * (15 + 3)
    asked = tukey["question"].value_counts().to_dict()
    assert of_models(tukey)["question"].value_counts().to_dict() == {models_at(n): asked[models_at(n)] for n in (2, 8)}
    assert tukey["a"].iloc[0] == "pretrained" and tukey["b"].iloc[0] == "scratch-n2"
    row = anova.query("test_set == 'uterus' and question == 'levels at n=8'").iloc[0]
    test = table[table["fold"].isna() & (table["cohort"] == "uterus") & (table["n_train"] == 8)]
    levels = [rows["dsc"] for _, rows in test[test["strategy"] == "transfer"].groupby("family")]
    assert tuple(row[["F", "p"]]) == pytest.approx(tuple(stats.f_oneway(*levels)))


def test_one_family_is_no_question_and_no_size_is_one():
    table = check_metrics(small())
    anova, tukey = compare(table[table["family"] == "a"], "dsc", 0.05)
    assert anova.empty and tukey.empty and "p" in anova and "significant" in tukey
    anova, _ = compare(check_metrics(small(n_train=0)), "dsc", 0.05)
    assert set(anova["question"]) == {"models at n=0"}


@pytest.mark.parametrize("dsc", [[0.0] * 8, [0.2] * 4 + [0.4] * 4, [0.1, 0.2, 0.3, 0.4, 0.5, None, None, None]])
def test_degenerate_groups_have_no_p(dsc):
    table = check_metrics(small()).assign(dsc=pd.array(dsc, dtype=float))
    anova, tukey = compare(table, "dsc", 0.05)
    assert anova["p"].isna().all() and tukey["p"].isna().all()
    assert not tukey["significant"].any() and tukey["difference"].notna().all()


@cache
def differences_of_plants() -> list[dict]:
    return list(honest_differences(PLANTS, 0.05))


@settings(max_examples=8, deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_shift_and_scale_change_no_p(shift, scale):
    groups = {name: shift + scale * values for name, values in PLANTS.items()}
    assert one_way(groups)["p"] == pytest.approx(one_way(PLANTS)["p"], rel=1e-6)
    for ours, plain in zip(honest_differences(groups, 0.05), differences_of_plants()):
        assert ours["p"] == pytest.approx(plain["p"], rel=1e-3)
        assert ours["difference"] == pytest.approx(scale * plain["difference"])


# ---- stability


def test_stability_is_anova_across_folds(metrics):
    found = stability(metrics, "dsc")
    assert set(found["family"]) == {"scratch", "transfer-L1"}
    assert (found["folds"] == 3).all() and len(found) == 6
    part = metrics[metrics["model"].str.startswith("scratch-n96-f")]
    folds = [rows["dsc"] for _, rows in part.groupby("fold")]
    row = found[(found["family"] == "scratch") & (found["fold"] == 1)].iloc[0]
    assert tuple(row[["F", "p"]]) == pytest.approx(tuple(stats.f_oneway(*folds)))
    assert (row["mean"], row["cases"]) == (pytest.approx(folds[1].mean()), 8)


def test_stability_without_folds_is_empty(metrics):
    assert stability(metrics[metrics["fold"].isna()], "dsc").empty


# ---- agreement


@pytest.mark.parametrize(
    ("form", "icc", "low", "high"),
    [
        ("ICC(1,1)", 0.17, -0.13, 0.72),
        ("ICC(A,1)", 0.29, 0.02, 0.76),
        ("ICC(C,1)", 0.71, 0.34, 0.95),
    ],
)
def test_icc_gives_the_printed_values(form, icc, low, high):
    n, k = JUDGES.shape
    cases, judges = JUDGES.mean(axis=1), JUDGES.mean(axis=0)
    rest = JUDGES - cases[:, None] - judges + JUDGES.mean()
    squares = (k * cases.var(ddof=1), n * judges.var(ddof=1), (rest**2).sum() / ((n - 1) * (k - 1)))
    assert squares == pytest.approx((11.24, 32.49, 1.02), abs=5e-3)
    found = intraclass(*map(np.array, squares), np.array(n), k, form, 0.95)
    assert [float(x) for x in found] == pytest.approx([icc, low, high], abs=5e-3)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # inside pingouin
@pytest.mark.parametrize("form", ["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"])
def test_agreement_is_that_of_pingouin(form):
    from pingouin import intraclass_corr

    table = simulated_radiomics(sizes=(2,), cases={"cervix": 5, "uterus": 7})
    ours = agreement(table, form, 0.95)
    for row in ours[ours["feature"].isin(["Energy", "Mean"])].itertuples():
        part = table[table["model"].isin(["manual", row.model]) & (table["feature"] == row.feature)]
        part = part if row.test_set == ALL else part[part["cohort"] == row.test_set]
        theirs = intraclass_corr(part, "case", "model", "value", nan_policy="omit")
        theirs = theirs.set_index("Type").loc[form]
        assert (row.icc, row.ci_low, row.ci_high) == pytest.approx((theirs["ICC"], *theirs["CI95"]), abs=0.0051)
        assert row.icc == pytest.approx(theirs["ICC"], rel=1e-6)


def test_cases_without_prediction_are_counted():
    table = simulated_radiomics(sizes=(2,), cases={"cervix": 3, "uterus": 4})
    gone = (table["model"] == "scratch-n2") & (table["case"] == "uterus-000")
    found = agreement(table[~gone], "ICC(A,1)", 0.95)  # no row is the same as no value
    found = found[found["feature"] == "Mean"].set_index(["test_set", "model"])
    counts = found[["cases", "cases_without_prediction"]]
    assert counts.loc[("uterus", "pretrained")].tolist() == [3, 1]
    assert counts.loc[("uterus", "scratch-n2")].tolist() == [3, 1]
    assert counts.loc[("cervix", "pretrained")].tolist() == [3, 0]


def test_a_model_is_not_asked_for_structures_that_it_has_not():
    table = simulated_radiomics(sizes=(2,), cases={"cervix": 3, "uterus": 4})
    node = table[table["model"].isin(["manual", "scratch-n2"])].assign(structure="node")
    found = agreement(pd.concat([table, node]), "ICC(A,1)", 0.95)
    assert set(found.loc[found["structure"] == "node", "model"]) == {"scratch-n2"}
    assert set(found.loc[found["structure"] == "tumour", "model"]) == set(table["model"]) - {"manual"}


def test_agreement_that_is_exact_and_a_model_without_predictions():
    table = simulated_radiomics(sizes=(2,))
    exact = table["model"] == "scratch-n2"
    manual = table.loc[table["model"] == "manual", "value"].to_numpy()
    table.loc[exact, "value"] = manual
    table.loc[table["model"] == "transfer-L1-n2", "value"] = np.nan
    found = agreement(table, "ICC(A,1)", 0.95).groupby("model")[["icc", "cases"]].agg(["min", "max"])
    assert found.loc["scratch-n2", "icc"].tolist() == pytest.approx([1, 1])
    assert found.loc["transfer-L1-n2", "cases"].tolist() == [0, 0]
    assert found.loc["transfer-L1-n2", "icc"].isna().all()


def test_reading_radiomics_gives_back_what_was_written(tmp_path):
    table = check_radiomics(simulated_radiomics(sizes=(2,)))
    table.to_csv(tmp_path / "radiomics.csv", index=False)
    read = read_radiomics(tmp_path / "radiomics.csv")
    pd.testing.assert_frame_equal(read, table, check_dtype=False)


def test_radiomics_without_manual_rows_is_an_error():
    table = simulated_radiomics(sizes=(2,))
    with pytest.raises(TableError, match="manual"):
        agreement(table[table["model"] != "manual"], "ICC(A,1)", 0.95)
    with pytest.raises(TableError, match="missing columns: case, value"):
        agreement(table.drop(columns=["value", "case"]), "ICC(A,1)", 0.95)


# ---- Table 1


def test_the_default_tests_give_lin_2023_its_p_values():
    printed = {
        0.811: [[233, 57], [23, 7]],  # T
        0.693: [[238, 61], [18, 3]],  # N
        1.000: [[207, 52], [49, 12]],  # grade
    }
    for p, counts in printed.items():
        assert equal_shares(np.array(counts)) == ("chi-square", pytest.approx(p, abs=5e-4))
    histology = np.array([[251, 58], [2, 3], [2, 2], [1, 1]])
    assert equal_shares(histology) == ("Fisher", pytest.approx(0.017, abs=0.004))  # printed: 0.602


def test_welch_of_printed_ages():
    rng = np.random.default_rng(0)
    groups = []
    for mean, sd, n in ((52.14, 11.15, 256), (52.08, 10.77, 64)):
        values = rng.normal(size=n)
        groups.append(mean + sd * (values - values.mean()) / values.std(ddof=1))
    assert equal_means(groups) == pytest.approx(0.968, abs=1e-3)
    assert equal_means(groups) == pytest.approx(stats.ttest_ind(*groups, equal_var=False).pvalue)


def test_table_one_discovers_its_variables():
    patients = pd.DataFrame(
        {
            "age": [50, 61, 47, 58, 39, 70],
            "stage": [1, 1, 2, 2, 1, np.nan],
            "scanner": ["A", "B", "A", "", "B", "A"],
            "accession": list("uvwxyz"),
            "empty": [None] * 6,
        },
        index=[f"p{i}" for i in range(6)],
    )
    parts = pd.Series(["training"] * 3 + ["testing"] * 2, index=[f"p{i}" for i in range(5)])
    table = table_one(patients, parts)
    assert list(dict.fromkeys(table["variable"])) == ["age", "stage", "scanner"]
    age = table[(table["variable"] == "age") & (table["part"] == "training")].iloc[0]
    assert (age["mean"], age["patients"]) == (pytest.approx(52 + 2 / 3), 3)
    stage = table[(table["variable"] == "stage") & (table["category"] == "1")]
    assert stage.set_index("part")["count"].to_dict() == {"training": 2, "testing": 1}
    scanner = table[(table["variable"] == "scanner") & (table["part"] == "testing")].iloc[0]
    assert (scanner["patients"], scanner["missing"]) == (1, 1)


def test_table_one_of_nothing():
    assert equal_shares(np.array([[3, 4]])) == ("", pytest.approx(np.nan, nan_ok=True))
    assert np.isnan(equal_means([np.array([1.0]), np.array([1.0, 2.0])]))
    with pytest.raises(ValueError, match="no patient"):
        table_one(pd.DataFrame({"age": [1]}, index=["p"]), pd.Series({"q": "training"}))
