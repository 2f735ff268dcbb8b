"""Scores of other tools' masks join a study only while they are of the study as it is, and replace no others."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import SimpleITK as sitk
from exchanged import laid, smoke_study
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.files import file_digest, write_json
from crossover.exchange import nnunet_raw
from crossover.exchange.external_tables import record_path
from crossover.exchange.study_cases import StudyCase, study_cases
from crossover.imaging.volumes import read, structure_path
from crossover.study.parameters import scoring
from crossover.study.schema import Study
from workflow_scripts.metrics import main


@pytest.fixture
def study() -> Study:
    return smoke_study("uterus")


@pytest.fixture
def results(tmp_path: Path, study: Study) -> Path:
    return laid(tmp_path, study)


def predict(folder: Path, study: Study, results: Path, grown: int = 0) -> list[StudyCase]:
    """Manual masks as predictions of all test cases, dilated by some voxels."""
    folder.mkdir(exist_ok=True)
    cases = [case for case in study_cases(study, results, []) if case.test]
    for case in cases:
        mask = sitk.BinaryDilate(read(structure_path(case.folder, "tumour")), [grown] * 3)
        sitk.WriteImage(mask, str(folder / f"{case.name}.nii.gz"))
    return cases


def score(folder: Path, results: Path, *more: str) -> tuple[int, str]:
    call = ["score", str(folder), "--study", "uterus", "--scale", "smoke", "--results", str(results), "--workers", "1"]
    done = CliRunner().invoke(app, [*call, "--model", "nnunet", *more])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def gathered(study: Study, results: Path) -> pd.DataFrame:
    """What the rule `metrics` makes of the tables."""
    for cohort in study.cohorts:
        home = results.parent / "data/cases" / cohort
        items = {
            folder.name: {"files": {p.name: {"sha256": file_digest(p)} for p in folder.iterdir()}}
            for folder in home.iterdir()
            if folder.is_dir()
        }
        write_json(home / "manifest.json", {"items": items})
    (results / "own.csv").write_text("model,case\nscratch,x\n")
    job = SimpleNamespace(
        tables=[results / "own.csv"], external=sorted((results / "uterus/external").glob("*")), out=results / "m.csv",
        splits=results / "uterus/splits.csv", cfg=scoring(study),
        cases=[results.parent / "data/cases" / cohort / "manifest.json" for cohort in study.cohorts],
    )  # fmt: skip
    main(job)
    return pd.read_csv(job.out)


def change_splits(results: Path, change) -> None:
    path = results / "uterus/splits.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table).to_csv(path, index=False)


def test_a_table_of_the_study_as_it_is_joins(tmp_path, study, results):
    predict(tmp_path / "p", study, results)
    assert score(tmp_path / "p", results, "--n", "5")[0] == 0
    assert gathered(study, results).model.value_counts().to_dict() == {"nnunet-n5": 4, "scratch": 1}


def without_a_test_case(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(table.index[table.part == "test"][0])


def with_a_test_patient(table: pd.DataFrame) -> pd.DataFrame:
    new = table[table.part == "test"].iloc[[0]].assign(patient="new", case="new")
    return pd.concat([table, new])


@pytest.mark.parametrize(
    ("change", "words"),
    [(without_a_test_case, "1 case of the test cases then is none now"), (with_a_test_patient, "1 test case joined")],
)
def test_a_table_of_other_test_cases_than_now_is_refused(tmp_path, study, results, change, words):
    predict(tmp_path / "p", study, results)
    score(tmp_path / "p", results, "--n", "5")
    change_splits(results, change)
    with pytest.raises(ValueError, match=rf"score these masks again \(crossover score\)[\s\S]*n5\.csv: {words}"):
        gathered(study, results)


def test_a_table_of_masks_or_tolerances_as_they_were_is_refused(tmp_path, study, results):
    cases = predict(tmp_path / "p", study, results)
    score(tmp_path / "p", results, "--n", "5")
    evaluation = study.evaluation.model_copy(update={"nsd_tolerance_mm": 7.5})
    with pytest.raises(ValueError, match="tolerances or its smallest mask have changed"):
        gathered(study.model_copy(update={"evaluation": evaluation}), results)
    path = structure_path(cases[0].folder, "tumour")
    sitk.WriteImage(sitk.BinaryDilate(read(path), [1, 1, 1]), str(path))
    with pytest.raises(ValueError, match="the manual masks of 1 case have changed"):
        gathered(study, results)


def test_a_table_of_a_model_whose_training_patients_are_dealt_otherwise_now_is_refused(tmp_path, study, results):
    """Its test cases are those of now, but the file said which were trained on before; a bare number says nothing."""
    predict(tmp_path / "p", study, results)
    nnunet_raw.export(study, results, tmp_path / "Dataset001_Uterus")
    listed = str(tmp_path / "Dataset001_Uterus/splits_final.json")
    assert score(tmp_path / "p", results, "--n", "5")[0] == 0
    change_splits(results, lambda table: table.drop(table.index[table.part == "train"][0]))
    gathered(study, results)
    assert score(tmp_path / "p", results, "--trained-on", listed, "--fold", "0")[0] == 0
    gathered(study, results)
    change_splits(results, lambda table: table.drop(table.index[table.part == "train"][0]))
    with pytest.raises(ValueError, match="may have seen test patients"):
        gathered(study, results)


def test_a_table_without_its_record_and_one_that_was_changed_are_refused_together(tmp_path, study, results):
    predict(tmp_path / "p", study, results)
    for n in ("5", "6"):
        assert score(tmp_path / "p", results, "--n", n)[0] == 0
    five, six = (results / f"uterus/external/nnunet-n{n}.csv" for n in "56")
    record_path(five).unlink()
    six.write_text(six.read_text().replace("nnunet", "other"))
    with pytest.raises(ValueError, match=r"(?s)n5\.csv: its record .* is not in its folder.*n6\.csv: .* not as it was"):
        gathered(study, results)


def test_the_record_names_no_place(tmp_path, study, results):
    predict(tmp_path / "p", study, results)
    score(tmp_path / "p", results, "--n", "5")
    assert str(tmp_path) not in record_path(results / "uterus/external/nnunet-n5.csv").read_text()


# One table for each training


def test_a_second_training_does_not_replace_the_first_ones_table(tmp_path, study, results):
    for fold in (0, 1):
        predict(tmp_path / f"fold{fold}", study, results, grown=fold)
    table = results / "uterus/external/nnunet-n5.csv"
    assert score(tmp_path / "fold0", results, "--n", "5")[0] == 0
    before = table.read_bytes()
    status, said = score(tmp_path / "fold1", results, "--n", "5")
    assert status == 2 and "has the scores of other predictions: name the fold" in said
    assert table.read_bytes() == before
    for fold in ("0", "1"):
        assert score(tmp_path / f"fold{fold}", results, "--n", "5", "--fold", fold)[0] == 0
    own = [pd.read_csv(table.with_name(f"nnunet-n5-f{fold}.csv")) for fold in (0, 1)]
    assert own[0].dsc.mean() == 1 > own[1].dsc.mean() and set(own[1].fold) == {1}
    assert not [*table.parent.glob(".*")]


def test_the_same_predictions_are_scored_again(tmp_path, study, results):
    cases = predict(tmp_path / "p", study, results)
    score(tmp_path / "p", results, "--n", "5")
    change_splits(results, without_a_test_case)
    assert score(tmp_path / "p", results, "--n", "5")[0] == 0
    assert len(pd.read_csv(results / "uterus/external/nnunet-n5.csv")) == len(cases) - 1
    gathered(study, results)
