"""Tables of scores that are plausible and not what a study writes: no false verdict, and nothing is left out unsaid."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossover.report.best_by_size import left_behind
from crossover.report.compare.answers import answers
from crossover.report.compare.complete import read_all
from crossover.report.compare.output import write
from crossover.report.compare.roles import Said
from crossover.report.compare.run import comparison
from crossover.statistics.learning_curves.crossing import CROSSES
from crossover.statistics.scores.metrics_table import TableError
from crossover.statistics.study_planning.plans import Question, design

CASES = np.arange(15)
RNG = np.random.default_rng(3)
NOISE = RNG.normal(0, 0.02, (2, 3, len(CASES))) + RNG.normal(0, 0.03, (2, 3, 1))


def compared(folder: Path, rows: list, columns: str, *more):
    path = folder / "scores.csv"
    pd.DataFrame(rows, columns=columns.split()).to_csv(path, index=False)
    return comparison([str(path)], ["dsc"], *more)


def pair(found) -> pd.Series:
    """The one comparison of a and b on one test set."""
    rows = found.pairs["dsc"]
    rows = rows[rows["test_set"].ne("all") & rows["family_a"].isin(["a", "b"]) & rows["family_b"].isin(["a", "b"])]
    (row,) = (row for _, row in rows.iterrows())
    return row


def trainings(draws: dict[str, list]) -> list:
    return [
        (m, 20, r, draws[m][r], f"c{c}", 0.6 + 0.06 * k + NOISE[k, r, c])
        for k, m in enumerate("ab") for r in range(3) for c in CASES
    ]  # fmt: skip


@pytest.mark.parametrize("draws", [{"a": [1] * 3, "b": [2] * 3}, {"a": [0] * 3, "b": [0] * 3}])
def test_names_of_draws_and_other_models_change_no_pair(tmp_path, draws):
    columns = "model n_train replicate draw case dsc"
    alone = pair(compared(tmp_path, trainings({"a": [0] * 3, "b": [0] * 3}), columns))
    other = [("shelf", 0, 1, 1, f"c{c}", 0.5 + 0.01 * c) for c in CASES]
    for rows in (trainings(draws), [*trainings(draws), *other]):
        found = pair(compared(tmp_path, rows, columns))
        same = ["difference", "ci_low", "ci_high", "p", "about", "trainings"]
        pd.testing.assert_series_equal(found[same], alone[same], check_names=False)


@pytest.mark.parametrize("name", ["seed", "Seed", "SEED", "random_seed"])
def test_a_column_of_seeds_is_taken_for_one_whatever_its_letters(tmp_path, name):
    rows = [(m, n, s, f"c{c}", 0.5 + n / 300 + NOISE[k, s, c])
            for k, m in enumerate("ab") for n in (5, 20, 80) for s in (0, 1) for c in CASES]  # fmt: skip
    columns = [f"replicate={name}"] if name == "random_seed" else []
    found = compared(tmp_path, rows, f"model n_train {name} case dsc", columns)
    assert any(f"--column draw={name}" in note for note in found.notes)
    assert set(found.crossover["replicates"]) == {1}


def cross_validated(shift: float = 0.0) -> list:
    return [("cv", i % 5, f"c{i}", 0.7 + 0.01 * i + shift) for i in range(10)]


def test_folds_that_divide_the_cases_are_one_training(tmp_path):
    plain = [("plain", None, f"c{i}", 0.6 + 0.011 * i) for i in range(10)]
    found = compared(tmp_path, [*cross_validated(), *plain], "model fold case dsc")
    (own,) = (row for _, row in found.summary[found.summary["test_set"].eq("test")].iterrows() if row["family"] == "cv")
    assert own["cases"] == 10 and own["mean"] == pytest.approx(0.745) and own["ci_low"] < 0.745 < own["ci_high"]
    row = found.pairs["dsc"].iloc[0]
    assert row["trainings"] == 1 and row["cases"] == 10
    without = compared(tmp_path, [(m, c, v) for m, _, c, v in [*cross_validated(), *plain]], "model case dsc")
    pd.testing.assert_frame_equal(found.pairs["dsc"], without.pairs["dsc"])


def test_a_patient_whose_cases_are_in_several_folds_has_the_mean_of_them_all(tmp_path):
    scores = [(i, j, v + 0.01 * i) for i in range(6) for j, v in enumerate((0.5, 0.5, 0.9))]
    rows = [("cv", int(j == 2), f"p{i}-{j}", f"p{i}", v) for i, j, v in scores]
    rows += [("plain", None, f"p{i}-{j}", f"p{i}", v + 0.001) for i, j, v in scores]
    found = compared(tmp_path, rows, "model fold case patient dsc")
    assert found.pairs["dsc"].iloc[0]["difference"] == pytest.approx(0.001)


def test_a_case_in_two_folds_of_a_cross_validation_is_refused(tmp_path):
    rows = [*cross_validated(), ("cv", 4, "c0", 0.7), *(("plain", None, f"c{i}", 0.7) for i in range(10))]
    with pytest.raises(TableError, match="fold: cv/c0: in several folds, though the model's folds divide the cases"):
        compared(tmp_path, rows, "model fold case dsc")


def test_folds_that_divide_one_test_set_may_all_be_tested_on_another(tmp_path):
    """As of a cross-validation with an external test set."""
    rows = [(m, i % 5, "A", f"a{i}", 0.5 + 0.01 * i + up) for m, up in (("x", 0), ("y", 0.02)) for i in range(30)]
    rows += [(m, f, "B", f"b{i}", 0.6 + 0.01 * i + 0.003 * f * (1 + up)) for m, up in (("x", 0), ("y", 0.02))
             for i in range(4) for f in range(5)]  # fmt: skip
    summary = compared(tmp_path, rows, "model fold cohort case dsc").summary.set_index(["test_set", "family"])
    assert summary.loc[("A", "x"), "cases"] == 30 and summary.loc[("B", "x"), "cases"] == 4


def test_a_single_structure_of_any_name_is_corrected_for_several_tests(tmp_path):
    scores = {"a": [63, 58, 60, 57, 56, 56], "b": [62, 62, 62, 59, 60, 60], "c": [62, 60, 59, 58, 61, 61]}
    rows = [(m, f"c{i}", "{}", v / 100) for m, own in scores.items() for i, v in enumerate(own)]

    def lines(name: str) -> list[str]:
        own = [(m, c, s.format(name), v) for m, c, s, v in rows]
        return [
            re.sub(rf"\b{name}\b", "structure", line)
            for line in answers(compared(tmp_path, own, "model case structure dsc"))
        ]

    assert lines("all") == lines("liver") and any("Holm" in line for line in lines("all"))


def test_models_that_are_the_same_training_of_a_family_are_refused(tmp_path):
    rows = [(m, f, f"c{c}", v) for m, f, v in (("unet", "CNN", 0.7), ("vnet", "CNN", 0.3), ("swin", "TF", 0.65))
            for c in CASES]  # fmt: skip
    with pytest.raises(
        TableError, match=r"family: 'CNN': several models are recorded as the same training \(unet, vnet\)"
    ):
        compared(tmp_path, rows, "model family case dsc")


def test_a_crossover_over_all_test_sets_is_of_the_cases_that_both_were_tested_on(tmp_path):
    level = {5: 0.5, 20: 0.64, 80: 0.75}
    rows = [("a", n, r, "A", f"c{c}", v + NOISE[0, r, c]) for n, v in level.items() for r in (0, 1) for c in CASES]
    rows += [("shelf", 0, 0, "A", f"c{c}", 0.66 + NOISE[1, 0, c] / 3) for c in CASES]
    rows += [("shelf", 0, 0, "B", f"d{c}", 0.95) for c in CASES]
    found = compared(tmp_path, rows, "model n_train replicate cohort case dsc").crossover.set_index("test_set")
    same = ["verdict", "n", "ci_low", "ci_high", "patients"]
    pd.testing.assert_series_equal(found.loc["A", same], found.loc["all", same], check_names=False)


def test_patients_names_in_several_test_sets_are_told(tmp_path):
    rows = [(m, s, f"{s}{p}", f"p{p}", 0.6 + 0.02 * p + 0.05 * k + NOISE[k, 0, p])
            for k, m in enumerate("ab") for s in "AB" for p in range(4)]  # fmt: skip
    found = compared(tmp_path, rows, "model cohort case patient dsc")
    assert any("4 names of patients in several test sets" in note for note in found.notes)


def test_a_constant_shift_has_no_interval_however_it_is_rounded(tmp_path):
    rows = [(m, f"c{i}", low + 0.07 * i) for m, low in (("a", 0.3), ("b", 0.4)) for i in range(6)]
    (line,) = (line for line in answers(compared(tmp_path, rows, "model case dsc")) if "minus" in line)
    assert "no interval" in line and "p ," not in line


def test_a_model_without_a_size_is_not_left_behind_there():
    row = {"verdict": CROSSES, "n_smallest": 5, "n_largest": 80, "ci_low": 10.0, "ci_high": 40.0, "ahead": "a",
           "overtakes": "b", "n": 20.0}  # fmt: skip
    assert [list(left_behind([row], n)) for n in (3, 5, 20, 80, 160)] == [[], ["b"], [], ["a"], []]


def test_a_blank_size_of_a_model_with_sizes_is_refused(tmp_path):
    rows = [(m, None if (m, n, c) == ("a", 80, 1) else n, f"c{c}", 0.5 + n / 300) for m in "ab" for n in (5, 80)
            for c in CASES]  # fmt: skip
    with pytest.raises(TableError, match="n_train: blank in 1 row of a, which other rows give a number"):
        compared(tmp_path, rows, "model n_train case dsc")


def test_models_without_a_size_in_common_are_told_with_their_sizes(tmp_path):
    rows = [(m, n, f"c{c}", 0.5) for m, sizes in (("a", (5, 20)), ("b", (10, 40))) for n in sizes for c in CASES]
    with pytest.raises(TableError, match="a has 5, 20; b has 10, 40"):
        compared(tmp_path, rows, "model n_train case dsc")


def test_where_no_case_is_left_it_is_said(tmp_path):
    rows = [(m, c, 0.5 + c / 10) for m, own in (("a", (1, 2)), ("b", (2, 3)), ("c", (3, 1))) for c in own]
    with pytest.raises(TableError, match="no case is left that every model has a prediction for"):
        compared(tmp_path, rows, "model case dsc", [], [], "exclude")


def test_a_model_apart_from_the_others_leaves_no_ranking_and_it_is_said(tmp_path):
    rows = [(m, s, f"{s}{c}", 0.6 + 0.05 * k + NOISE[k, 0, c]) for k, m in enumerate("ab") for s in "AB" for c in CASES]
    rows += [("apart", "C", f"C{c}", 0.5 + NOISE[0, 1, c]) for c in CASES]
    found = compared(tmp_path, rows, "model cohort case dsc")
    assert found.pairs["dsc"]["n_train"].dtype == int, "test sets without a pair turn counts into fractions"
    assert any("no ranking on all" in note for note in found.notes)
    write(found, answers(found), tmp_path / "out")


def test_only_a_column_of_scores_can_be_planned_by(tmp_path):
    path = tmp_path / "s.csv"
    pd.DataFrame([(m, f"c{c}", 0.5 + c / 40) for m in "ab" for c in CASES], columns=["model", "case", "dsc"]).to_csv(
        path
    )
    table, _ = read_all([str(path)], Said())
    with pytest.raises(TableError, match="--metric: the table has no case; there are dsc"):
        design(table, Question(metric="case"))
