"""Patients with several cases: each counts as one patient."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from crossover.analyses.analysis import Inputs
from crossover.analyses.tables.patients import make
from crossover.cli.app import app
from crossover.report.compare.answers import answers
from crossover.report.compare.run import comparison
from crossover.statistics.differences.paired import paired
from crossover.statistics.estimates.agreement import agreement, check_radiomics, influences
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.scores.metrics_table import TableError, check_metrics
from crossover.statistics.scores.missing import completed
from crossover.statistics.scores.patients import by_patient, notes
from crossover.statistics.study_planning.plans import Question, design
from crossover.study.config import load_study

PATIENTS = 6


def scores(cases: int = 2, **columns: object) -> pd.DataFrame:
    """Rows of two models on as many cases of each patient, which resemble each other."""
    rng = np.random.default_rng(3)
    rows = []
    for patient in range(PATIENTS):
        level = rng.normal(0.8, 0.08, 2)
        for case in range(cases):
            for model, own in zip("ab", level):
                place = {"patient": f"p{patient}", "case": f"p{patient}-{case}", "structure": "liver"}
                rows.append({"model": model, **place, "dsc": own + rng.normal(0, 0.01), "hd95_mm": rng.uniform(1, 5)})
    about = {"level": "", "n_train": 0, "replicate": 0, "fold": None, "cohort": "test"}
    return check_metrics(pd.DataFrame(rows).assign(**about, **columns), ["model"])


def test_a_patient_with_two_cases_counts_once_in_means_intervals_and_tests():
    table = scores()
    means = table.groupby(["model", "patient"])["dsc"].mean().unstack("model")
    whole, _ = completed(table, "worst")
    found = summarise(whole, 0.95, ["dsc"]).query("test_set == 'test'").set_index("model")
    assert found["cases"].tolist() == [PATIENTS, PATIENTS]
    assert found.loc["a", "mean"] == pytest.approx(means["a"].mean())
    assert found.loc["a", "sd"] == pytest.approx(means["a"].std())
    [pair] = paired(whole, "dsc", 0.05).query("test_set == 'test'").itertuples()
    assert pair.cases == PATIENTS
    assert pair.p == pytest.approx(stats.ttest_rel(means["a"], means["b"]).pvalue)


def test_a_table_with_one_case_of_each_patient_stays_as_it_is():
    for table in (scores(cases=1), scores().drop(columns="patient"), scores().assign(patient="")):
        assert by_patient(table) is table
        assert notes(table) == []


def test_a_row_without_a_patient_is_of_the_patient_that_other_rows_of_the_case_name():
    table = scores()
    other = table.assign(patient=table["patient"].mask(table["model"] == "b", ""))
    pd.testing.assert_frame_equal(by_patient(other).drop(columns="patient"), by_patient(table).drop(columns="patient"))


def test_a_patient_has_no_mean_over_fewer_cases_under_one_model_than_under_another():
    table = scores()
    lacking = table["model"].eq("a") & table["case"].eq("p2-1")
    nowhere = table["case"].eq("p3-0")
    found = by_patient(table.assign(hd95_mm=table["hd95_mm"].mask(lacking | nowhere)))
    distances = found.set_index(["model", "case"])["hd95_mm"]
    assert np.isnan(distances["a", "p2"]) and distances["b", "p2"] > 0
    [of_one] = table.loc[table["model"].eq("a") & table["case"].eq("p3-1"), "hd95_mm"]
    assert distances["a", "p3"] == pytest.approx(of_one)
    without_row = by_patient(table[~lacking]).set_index(["model", "case"])["dsc"]
    assert np.isnan(without_row["a", "p2"]) and without_row["b", "p2"] > 0


def test_folds_that_divide_the_cases_of_a_patient_leave_none_out():
    table = scores()
    fold = table["case"].str[-1].astype(int)
    folded = check_metrics(
        table.assign(family=table["model"], model=table["model"] + "-f" + fold.astype(str), fold=fold), ["model"]
    )
    assert by_patient(folded)["dsc"].notna().all()


def test_a_case_of_two_patients_is_an_error():
    table = scores()
    table.loc[0, "patient"] = "p9"
    with pytest.raises(TableError, match="patient: case 'p0-0' has 2 values, p9, p0; it is of one patient"):
        check_metrics(table, ["model"])


def test_compare_and_design_take_a_column_of_patients(tmp_path):
    file = tmp_path / "scores.csv"
    scores()[["model", "case", "patient", "dsc"]].to_csv(file, index=False)
    for command in (
        ["compare", str(file), "--out", str(tmp_path / "out")],
        ["design", str(file), "--difference", "0.03"],
    ):
        found = CliRunner().invoke(app, command)
        assert found.exit_code == 0, found.output
        assert "12 cases of 6 patients" in " ".join(found.output.split())
    assert set(pd.read_csv(tmp_path / "out/pairs.csv")["cases"]) == {PATIENTS}


def test_failed_cases_of_patients_with_several_are_named_and_left_out_with_their_patients(tmp_path):
    table = scores()
    table.loc[table["model"].eq("a") & table["case"].eq("p3-0"), "dsc"] = 0
    table = table[~(table["model"].eq("a") & table["case"].eq("p5-1"))]
    file = tmp_path / "scores.csv"
    table[["model", "case", "patient", "dsc"]].to_csv(file, index=False)
    [same] = [line for line in answers(comparison([str(file)])) if "without the patients" in line]
    named = "a in p3-0 of patient p3 (score 0); a in p5-1 of patient p5 (no prediction)"
    assert same == f"test, structure: without the patients of the failed cases, {named}: no verdict changes"
    _, notes_of_plan = design(table, Question(difference=0.03))
    assert any(f"rests on 2 failed cases, {named}; without the patients" in note for note in notes_of_plan)


def test_without_a_column_of_cases_that_of_patients_names_them(tmp_path):
    file = tmp_path / "scores.csv"
    scores(cases=1)[["model", "patient", "dsc"]].to_csv(file, index=False)
    found = CliRunner().invoke(app, ["compare", str(file), "--out", str(tmp_path / "out")])
    assert found.exit_code == 0 and "patient is case" in found.output


def test_table_one_counts_a_patient_with_two_cases_once(tmp_path):
    study = load_study("uterus", scale="smoke")
    parts = {f"p{i}": "train" if i < 4 else "test" for i in range(8)}
    rows = [(study.target, p, f"{p}-{k}", part, 0) for p, part in parts.items() for k in range(2)]
    splits = pd.DataFrame(rows, columns=["cohort", "patient", "case", "part", "replicate"])
    splits.assign(rank="", validation="", fold="").to_csv(tmp_path / "splits.csv", index=False)
    patients = splits[["case", "patient"]].assign(age=[50.5 + i for i in range(len(splits))])
    patients.to_csv(tmp_path / "patients.csv", index=False)
    table = make(Inputs(tmp_path, patients=tmp_path / "patients.csv"), study)["patients"]
    assert table["patients"].tolist() == [4, 4]


def repeated_features(copies: int) -> pd.DataFrame:
    """Features of six patients, each with as many cases, all alike."""
    rng = np.random.default_rng(5)
    rows = []
    for patient in range(PATIENTS):
        manual = rng.normal()
        automatic = manual + rng.normal(0, 0.5)
        for case in range(copies):
            place = {"cohort": "test", "patient": f"p{patient}", "case": f"p{patient}-{case}", "structure": "liver"}
            for model, value in (("manual", manual), ("a", automatic)):
                about = {"model": model, "family": model, "strategy": model, "level": "", "n_train": 0}
                rows.append({**about, **place, "feature": "Mean", "value": value})
    return pd.DataFrame(rows)


def test_an_icc_counts_patients_and_is_that_of_single_cases():
    once, twice = (agreement(repeated_features(copies), "ICC(A,1)", 0.95).iloc[0] for copies in (1, 2))
    pd.testing.assert_series_equal(twice, once)
    assert twice["cases"] == PATIENTS
    table = repeated_features(2)
    rng = np.random.default_rng(6)
    table["value"] += np.where(table["model"] == "a", rng.normal(0, 0.8, len(table)), 0)
    of_means = table.assign(case=table["patient"]).groupby(
        ["model", "family", "strategy", "level", "n_train", "cohort", "patient", "case", "structure", "feature"]
    )["value"].mean().reset_index()  # fmt: skip
    single, averaged = (agreement(t, "ICC(A,1)", 0.95)["icc"].iloc[0] for t in (table, of_means))
    assert single < averaged


def test_the_z_of_an_icc_by_patients_is_its_mean_and_counts_patients():
    table = check_radiomics(repeated_features(2))
    values = np.stack([table.query("model == @m")["value"].to_numpy()[:, None] for m in ("manual", "a")])
    patients = np.repeat(np.arange(PATIENTS), 2)
    z = influences(values, patients, "ICC(A,1)")
    assert z.shape == (PATIENTS, 1)
    assert np.tanh(z.mean()) == pytest.approx(agreement(table, "ICC(A,1)", 0.95)["icc"].iloc[0])
    np.testing.assert_allclose(z, influences(values[:, ::2], patients[::2], "ICC(A,1)"))
