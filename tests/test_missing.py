"""Predictions that a model lacks: what counts as missing, and what is done about it."""

import functools
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.paths import ROOT
from crossover.report.compare.run import comparison, comparisons
from crossover.report.overview import how_sure
from crossover.report.results import StudyResults
from crossover.report.score_tables import failures_layout, missing_layout
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.scores.metrics_table import TableError, check_metrics, read_metrics
from crossover.statistics.scores.missing import (
    absent_notes,
    completed,
    counts,
    false_positives,
    missing_predictions,
    notes,
    read_completed,
    without_endless,
)
from crossover.statistics.study_planning.plans import Question, design
from crossover.study.config import load_study
from tests.chain_tables import chain_metrics, chain_study
from tests.chen_tables import LEVELS, chen_metrics, chen_study
from tests.tables import simulated_metrics


def table(*rows: tuple, **columns: list) -> pd.DataFrame:
    """Rows (model, case, dsc, hd95_mm or None, fold or None) of one test set and structure."""
    named = pd.DataFrame([(*row, None, None)[:5] for row in rows], columns=["model", "case", "dsc", "hd95_mm", "fold"])
    about = {"level": "", "n_train": 0, "replicate": 0, "cohort": "test", "structure": "liver"}
    return check_metrics(named.assign(**(about | columns)), ["model"], infinite=True)


# b is worse on every case that both have, and a has no prediction of the two hardest
A = [("a", "p1", 0.80, 3.0), ("a", "p2", 0.90, 2.0)]
B = [
    ("b", "p1", 0.70, 4.0),
    ("b", "p2", 0.85, 3.0),
    ("b", "p3", 0.40, 9.0),
    ("b", "p4", 0.30, 12.0),
]


def test_a_model_without_its_hardest_cases_does_not_win():
    rows = table(*A, *B)
    whole, found = completed(rows, "worst")
    assert found[["model", "case"]].values.tolist() == [["a", "p3"], ["a", "p4"]]
    own = whole[whole["model"] == "a"]
    assert own["dsc"].tolist() == [0.8, 0.9, 0.0, 0.0]
    assert own["hd95_mm"].tolist() == [3.0, 2.0, np.inf, np.inf]
    means = summarise(whole, 0.95, ["dsc"]).query("test_set == 'test'").set_index("model")["mean"]
    assert means["a"] == pytest.approx(0.425) and means["b"] == pytest.approx(0.5625)
    pd.testing.assert_frame_equal(whole.iloc[: len(rows)], rows)


def test_only_cases_that_every_model_has_are_compared_under_exclude():
    whole, _ = completed(table(*A, *B), "exclude")
    assert whole[["model", "case"]].values.tolist() == [[m, p] for m in "ab" for p in ("p1", "p2")]


def test_a_table_without_all_predictions_is_refused_under_error():
    with pytest.raises(TableError) as error:
        completed(table(*A, *B), "error")
    assert str(error.value) == "missing predictions of a: 2 of liver (p3, p4)"


def test_what_is_missing_is_counted_by_structure_and_its_cases_named():
    rows = table(*A, *B)
    found = missing_predictions(rows)
    counted = counts(rows, found)[["family", "cases", "common", "missing", "named"]]
    assert counted.values.tolist() == [["a", 4, 2, 2, "p3 p4"], ["b", 4, 2, 0, ""]]
    (note,) = notes(found, "worst")
    assert note.endswith("2 of liver (p3, p4): counted as the worst value")
    assert notes(found.iloc[:0], "worst") == ["no prediction is missing"]


def test_a_distance_counts_as_the_images_diagonal_where_it_is_known():
    rows = table(*A, *B, diagonal_mm=[400.0, 410.0, 400.0, 410.0, 420.0, 430.0])
    whole, _ = completed(rows, "worst")
    assert whole.query("model == 'a'")["hd95_mm"].tolist() == [3.0, 2.0, 420.0, 430.0]
    # one mask is empty: infinite in some tools, empty in ours and in nnU-Net 1's
    failed = table(("a", "p1", 0.0, np.inf), ("a", "p2", 0.0, np.nan), ("a", "p3", 1.0, np.nan),
                   ("a", "p4", 0.5, 7.0), diagonal_mm=[400.0, 410.0, 420.0, 430.0])  # fmt: skip
    distances = completed(failed, "worst")[0]["hd95_mm"]
    np.testing.assert_array_equal(distances, [400.0, 410.0, np.nan, 7.0])


def test_an_empty_distance_is_a_failure_where_another_models_shows_the_structure():
    """nnU-Net 1 writes NaN for a distance where one mask is empty; DSC may stand in no file."""
    five, none = (0.5, 5.0), (0.5, np.nan)
    rows = table(("a", "p1", *five), ("a", "p2", *none), ("a", "p3", *none),
                 ("b", "p1", *five), ("b", "p2", *five), ("b", "p3", *none))  # fmt: skip
    rows = rows.drop(columns="dsc")
    distances = completed(rows, "worst")[0]["hd95_mm"]
    np.testing.assert_array_equal(distances, [5.0, np.inf, np.nan, 5.0, 5.0, np.nan])


def test_an_empty_overlap_is_missing_only_where_another_model_shows_the_structure():
    """p1: b finds the structure. p2: nothing to find and nothing found, or a false positive."""
    rows = table(("a", "p1", np.nan, np.nan), ("a", "p2", np.nan, np.nan), ("a", "p3", 0.6, 3.0),
                 ("b", "p1", 0.5, 4.0), ("b", "p2", 0.0, np.nan), ("b", "p3", 0.6, 3.0))  # fmt: skip
    whole, found = completed(rows, "worst")
    assert found[["model", "case", "row"]].values.tolist() == [["a", "p1", 0]]
    np.testing.assert_array_equal(whole["dsc"], [0.0, np.nan, 0.6, 0.5, np.nan, 0.6])


def test_a_false_positive_of_one_training_counts_in_no_mean_over_trainings():
    """p3 has no reference mask: each model has a training that predicted it and one that didn't."""
    trainings = [(m, r) for m in "ab" for r in (0, 1)]
    zero = {("a", 0), ("b", 1)}
    rows = table(
        *[(f"{m}{r}", p, 0.5 + 0.1 * (m == "b")) for m, r in trainings for p in ("p1", "p2")],
        *[(f"{m}{r}", "p3", 0.0 if (m, r) in zero else np.nan) for m, r in trainings],
        family=[m for m, _ in trainings for _ in "12"] + [m for m, _ in trainings],
        replicate=[r for _, r in trainings for _ in "12"] + [r for _, r in trainings],
    ).drop(columns="hd95_mm")
    whole, found = completed(rows, "worst")
    assert found.empty and whole.loc[whole["case"] == "p3", "dsc"].isna().all()
    pairs = comparisons(whole, "dsc").query("test_set == 'test'")
    assert pairs[["cases", "difference"]].round(12).abs().values.tolist() == [[2, 0.1]]
    (note,) = absent_notes(rows, ["dsc"])
    assert note == (
        "liver: 1 case without it in the reference, left out of dsc for all models; false positives there: "
        "a 1 (p3), b 1 (p3)"
    )


def test_what_is_predicted_where_the_reference_is_empty_is_no_failure_of_any_model():
    """p2: both predict something. p3: neither does, which a study scores with 1; p4 has the structure."""
    rows = table(("a", "p1", 0.6, 3.0), ("a", "p2", 0.0, np.inf), ("a", "p3", 1.0), ("a", "p4", 0.0),
                 ("b", "p1", 0.7, 4.0), ("b", "p2", 0.0, np.nan), ("b", "p3", 0.0), ("b", "p4", 0.5),
                 volume_manual_ml=[9.0, 0.0, 0.0, 7.0] * 2, diagonal_mm=400.0)  # fmt: skip
    whole, found = completed(rows, "worst")
    np.testing.assert_array_equal(whole["dsc"], [0.6, np.nan, np.nan, 0.0, 0.7, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(whole["hd95_mm"], [3.0, np.nan, np.nan, 400.0, 4.0, np.nan, np.nan, np.nan])
    assert counts(rows, found)[["cases", "common", "missing"]].values.tolist() == [[2, 2, 0]] * 2
    assert absent_notes(rows, ["dsc"]) == [
        "liver: 2 cases without it in the reference, left out of dsc for all models; false positives there: "
        "a 1 (p2), b 2 (p2, p3)"
    ]


def test_an_empty_distance_to_a_reference_of_a_known_volume_is_a_failure():
    rows = table(("a", "p1", None), ("b", "p1", None), ("a", "p2", None, 3.0), ("b", "p2", None, 4.0),
                 volume_manual_ml=5.0)  # fmt: skip
    assert completed(rows, "worst")[0]["hd95_mm"].tolist() == [np.inf, np.inf, 3.0, 4.0]


@pytest.mark.parametrize("of_a", [0.0, None])
def test_a_known_volume_says_that_the_reference_has_the_structure(of_a):
    rows = table(("a", "p1", of_a), ("b", "p1", None), ("a", "p2", 0.8), ("b", "p2", 0.7),
                 volume_manual_ml=[5.0, None, 6.0, 6.0])  # fmt: skip
    assert absent_notes(rows, ["dsc"]) == []
    whole, found = completed(rows, "worst")
    assert found["model"].tolist() == (["b"] if of_a == 0 else ["a", "b"])
    assert whole["dsc"].tolist() == [0.0, 0.0, 0.8, 0.7]
    assert counts(rows, found)["cases"].tolist() == [2, 2]


def test_a_metric_that_was_not_computed_is_no_missing_prediction():
    rows = table(("a", "p1", 0.9), ("b", "p1", 0.8), ("a", "p2", 0.8), ("b", "p2", 0.7),
                 volume_manual_ml=5.0, nsd=[None, None, 0.6, 0.6])  # fmt: skip
    assert completed(rows, "worst")[1].empty


def test_a_zero_beside_a_score_is_no_false_positive():
    rows = table(("a", "p1", np.nan), ("b", "p1", 0.0), ("c", "p1", 0.4), ("a", "p2", 0.5), ("b", "p2", 0.0))
    assert not false_positives(rows, "dsc").any() and not absent_notes(rows, ["dsc"])


def test_a_plan_takes_no_case_without_the_structure_for_a_missing_prediction():
    values = np.linspace(0.4, 0.8, 6)
    rows = table(
        *[(m, f"p{i}", v + 0.01 * i * (m == "b")) for m in "ab" for i, v in enumerate(values)],
        ("a", "p6", 0.0), ("b", "p6", np.nan),
    ).drop(columns="hd95_mm")  # fmt: skip
    _, found = design(rows, Question("dsc", difference=0.05))
    assert not any("missing predictions" in note for note in found)
    assert any(note.endswith("false positives there: a 1 (p6), b 0") for note in found)


def test_a_plan_treats_missing_predictions_as_a_comparison_does():
    values = np.linspace(0.4, 0.8, 6)
    rows = table(
        *[(m, f"p{i}", v + 0.01 * i * (m == "b")) for m in "ab" for i, v in enumerate(values)], ("a", "p6", 0.6)
    ).drop(columns="hd95_mm")  # fmt: skip
    of_policy = {}
    for policy in ("worst", "exclude"):
        planned, notes_ = design(rows, Question("dsc", missing=policy))
        whole, gone = completed(rows, policy)
        of_policy[policy] = planned.iloc[0]["difference"]
        pairs = comparisons(whole, "dsc").query("test_set == 'test'")
        assert abs(of_policy[policy]) == pytest.approx(abs(pairs["difference"].iloc[0]))
        assert notes(gone, policy)[0] in notes_
    assert abs(of_policy["worst"]) > 2 * abs(of_policy["exclude"])
    with pytest.raises(TableError, match=r"missing predictions of b: 1 of liver \(p6\)"):
        design(rows, Question("dsc", missing="error"))


def test_a_case_that_nobody_has_a_score_for_is_missed_by_none():
    rows = table(("a", "p1", 0.5, 3.0), ("b", "p1", 0.5, 3.0), ("b", "p2", np.nan, np.nan))
    assert missing_predictions(rows).empty


def test_models_on_other_cases_or_structures_lack_nothing():
    apart = table(("a", "p1", 0.5, 3.0), ("b", "q1", 0.5, 3.0), ("b", "q2", 0.4, 3.0))
    assert missing_predictions(apart).empty
    one = table(("a", "p1", 0.5, 3.0), ("b", "p1", 0.5, 3.0), ("b", "p2", 0.5, 3.0),
                structure=["liver", "liver", "spleen"])  # fmt: skip
    assert missing_predictions(one).empty


def test_each_training_needs_every_case_but_folds_that_divide_them_are_one():
    trainings = table(("a", "p1", 0.5, 3.0), ("a", "p2", 0.5, 3.0), ("a1", "p1", 0.5, 3.0),
                      family=["a"] * 3, replicate=[0, 0, 1])  # fmt: skip
    found = missing_predictions(trainings)
    assert found[["model", "case", "replicate"]].values.tolist() == [["a1", "p2", 1]]
    divided = table(("f0", "p1", 0.5, 3.0, 0), ("f1", "p2", 0.5, 3.0, 1), ("b", "p1", 0.5, 3.0),
                    ("b", "p2", 0.5, 3.0), ("b", "p3", 0.5, 3.0),
                    family=["f", "f", "b", "b", "b"])  # fmt: skip
    found = missing_predictions(divided)
    assert found[["family", "case"]].values.tolist() == [["f", "p3"]]
    same = table(("f0", "p1", 0.5, 3.0, 0), ("f0", "p2", 0.5, 3.0, 0), ("f1", "p1", 0.5, 3.0, 1),
                 family=["f"] * 3)  # fmt: skip
    assert missing_predictions(same)[["model", "case"]].values.tolist() == [["f1", "p2"]]


@pytest.mark.parametrize("policy", ["worst", "exclude", "error"])
@pytest.mark.parametrize("study", ["uterus", "nasopharynx", "prostate", "demo"])
def test_a_table_of_a_study_stays_as_it_is(study, policy, tmp_path):
    """With folds whose rows are training cases, levels, sizes, several structures and failed distances, which have
    no diagonal to count as."""
    path = tmp_path / "metrics.csv"
    path.write_text(table_of_study(study))
    pd.testing.assert_frame_equal(read_completed(path, policy), read_metrics(path), check_exact=True)


@functools.cache
def table_of_study(name: str) -> str:
    made = {
        "uterus": lambda: simulated_metrics(structures=("tumour", "bladder"), replicates=2),
        "nasopharynx": lambda: chen_metrics(chen_study(levels=LEVELS[:4])),
        "prostate": lambda: chain_metrics(chain_study(folds=3)),
        "demo": lambda: pd.read_csv(ROOT / "docs/demo/uterus/metrics.csv").drop(columns="diagonal_mm"),
    }
    return made[name]().to_csv(index=False)


def test_a_studys_table_is_completed_when_read_and_told(tmp_path, caplog):
    rows = simulated_metrics(folds=0)
    gone = (rows["family"] == "scratch") & (rows["n_train"] == 96) & (rows["case"] == "uterus-003")
    path = tmp_path / "metrics.csv"
    rows[~gone].to_csv(path, index=False)
    read = read_completed(path, "worst")
    assert len(read) == len(rows)
    (own,) = read[read["case"] == "uterus-003"].query("family == 'scratch' and n_train == 96").itertuples()
    assert (own.dsc, own.nsd, own.model) == (0, 0, "scratch-n96") and np.isnan(own.hd95_mm)
    assert "missing predictions of scratch-n96: 1 of tumour (uterus-003)" in caplog.text
    assert len(read_completed(path, "exclude")) < len(rows)


@pytest.mark.slow
def test_nnunets_empty_masks_are_no_failure_and_a_missing_file_is(tmp_path):
    """nnU-Net scores the files that are there; NaN where neither mask has the label."""

    def summary(name: str, scores: dict[str, float]) -> str:
        cases = [
            {"reference_file": f"/r/{case}.nii.gz", "prediction_file": f"/p/{case}.nii.gz",
             "metrics": {"1": {"Dice": dice, "IoU": dice / (2 - dice)}}}
            for case, dice in scores.items()
        ]  # fmt: skip
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"metric_per_case": cases}))
        return f"{name}={path}"

    nothing = float("nan")
    skips = summary("skips", {"p1": 0.9, "p2": 0.9, "p3": nothing})
    whole = summary("whole", {"p1": 0.8, "p2": 0.8, "p3": nothing, "p4": 0.4})
    found = comparison([skips, whole], ["dsc"])
    assert found.missing[["family", "missing", "named"]].values.tolist() == [
        ["skips", 1, "p4"],
        ["whole", 0, ""],
    ]
    (row,) = found.pairs["dsc"].query("test_set == 'test'").to_dict("records")
    assert row["cases"] == 3 and row["difference"] == pytest.approx((0.4 - 0.1 - 0.1) / 3)  # whole minus skips
    out = tmp_path / "out"
    shown = CliRunner().invoke(app, ["compare", skips, whole, "--out", str(out)])
    assert "missing predictions of skips: 1 of label 1 (p4)" in shown.output
    assert "Missing predictions" in (out / "index.html").read_text()
    assert pd.read_csv(out / "missing.csv")["missing"].tolist() == [1, 0]
    refused = CliRunner().invoke(app, ["compare", skips, whole, "--missing", "error"])
    assert refused.exit_code == 2


def test_a_comparison_reads_the_diagonal(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "model,case,hd95_mm,diagonal_mm\na,1,3,400\na,2,inf,500\nb,1,4,400\nb,2,5,500\nb,3,6,600\na,3,,600\n"
    )
    found = comparison([str(path)])
    means = found.summary.query("test_set == 'test'").set_index("model")["mean"]
    assert means.to_dict() == {"a": (3 + 500 + 600) / 3, "b": 5}


def test_the_page_of_a_study_says_whether_predictions_are_missing():
    study = load_study("uterus", "demo")
    rows = table(*A, *B)

    def said(gone: pd.DataFrame) -> str:
        frames = {"missing": counts(rows, gone)}
        return " ".join(s.text for s in how_sure(StudyResults(study, frames, {})))

    found = missing_predictions(rows)
    assert "Every model has a prediction for every test case" in said(found.iloc[:0])
    assert "2 predictions of test cases are missing; each counts as the worst value" in said(found)
    shown = missing_layout(counts(rows, found), study)
    assert shown[["family", "missing", "which"]].values.tolist() == [["a", 2, "p3 p4"]]


def test_failures_are_cases_with_a_dsc_below_a_tenth():
    rows = table(("a", "p1", 0.0, 9.0), ("a", "p2", 0.099, 9.0), ("a", "p3", 0.1, 9.0), ("a", "p4", 0.9, 9.0),
                 *(("b", f"p{i}", 0.5, 9.0) for i in range(1, 5)))  # fmt: skip
    summary = summarise(rows, 0.95)
    share = summary.query("test_set == 'test'").set_index(["family", "metric"])["failures"]
    assert (share["a", "dsc"], share["b", "dsc"]) == (0.5, 0) and np.isnan(share["a", "hd95_mm"])
    shown = failures_layout(summary[summary["metric"] == "dsc"], load_study("uterus", "demo"))
    assert shown.values.tolist() == [["test", "liver", "a", "50%"]]


def test_a_table_that_is_refused_is_named_once(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("model,case\na,c1\n")
    with pytest.raises(TableError) as refused:
        read_completed(path, "worst")
    assert all(line.count(str(path)) == 1 for line in str(refused.value).splitlines())


def test_a_table_without_rows_has_no_infinite_distance():
    """As metrics.csv has none where all trainings failed, whose empty columns are of no number."""
    empty = pd.DataFrame({"dsc": pd.Series([], dtype=object), "hd95_mm": pd.Series([], dtype=object)})
    assert without_endless(empty) is empty
