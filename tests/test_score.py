"""`crossover score`: masks of any tool get the study's own scores, and all that is wrong with them is told."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from exchanged import laid, smoke_study
from typer.testing import CliRunner

from crossover.analyses.figures import style
from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.evaluation.metrics import COLUMNS, score
from crossover.exchange import monai_datalist, nnunet_raw
from crossover.exchange.external_scores import Scored, read_labels, score_predictions
from crossover.exchange.study_cases import StudyCase, study_cases
from crossover.imaging.volumes import on_grid, read, structure_path, write
from crossover.study.schema import Study
from crossover.study.splits import read_splits


@pytest.fixture
def study() -> Study:
    return smoke_study("uterus")


@pytest.fixture
def results(tmp_path: Path, study: Study) -> Path:
    return laid(tmp_path, study)


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    (tmp_path / "predicted").mkdir()
    return tmp_path / "predicted"


def held_out(study: Study, results: Path) -> list[StudyCase]:
    return [case for case in study_cases(study, results, []) if case.test]


def guess(case: StudyCase, structure: str = "tumour", value: int = 1) -> sitk.Image:
    """The manual mask without its last column."""
    manual = read(structure_path(case.folder, structure))
    mask = sitk.GetArrayFromImage(manual)
    mask[..., 8] = 0
    return on_grid(mask * np.uint8(value), manual)


def scored(predicted: Path, study: Study, results: Path, **said) -> Scored:
    given = {"name": "other", "n": None, "trained_on": None, "fold": None, "workers": 1} | said
    return score_predictions(predicted, study, results, **given)


NAMES = {
    "nnU-Net": "{case.name}.nii.gz",
    "MONAI": "{case.name}_b0/{case.name}_b0_trans.nii.gz",
    "MONAI, a folder a case": "{case.name}/{case.name}_seg.nii.gz",
    "ours": "{case.name}_tumour.nii.gz",
    "a folder a case": "{case.case}/tumour.nii.gz",
    "the case alone": "{case.case}.nhdr",
}


@pytest.mark.parametrize("form", NAMES.values(), ids=NAMES)
def test_scores_are_the_studys_own_whatever_a_tool_calls_its_files(predicted, study, results, form):
    for case in held_out(study, results):
        path = predicted / form.format(case=case)
        path.parent.mkdir(exist_ok=True)
        sitk.WriteImage(guess(case), str(path))
    found = scored(predicted, study, results, n=5)
    assert list(found.table) == COLUMNS and len(found.table) == 4
    for row, case in zip(found.table.itertuples(), held_out(study, results), strict=True):
        assert (row.model, row.family, row.n_train, row.cohort, row.case) == (
            "other-n5", "other", 5, case.cohort, case.case,
        )  # fmt: skip
        manual = read(structure_path(case.folder, "tumour"))
        of = study.evaluation.tolerance("tumour"), study.preparation.slices.smallest_mask_px
        expected = score(manual, guess(case), *of)
        assert {name: getattr(row, name) for name in expected} == expected
        assert 0 < row.dsc < 1
    assert not [note for note in found.notes if "dataset.json" not in note]


def test_the_labels_of_nnunet_are_those_that_it_wrote_beside_its_predictions(tmp_path, predicted):
    study = smoke_study("nasopharynx")
    masks = {s: np.zeros((4, 10, 12), np.uint8) for s in study.structures}
    masks["mandible"][1:3, 2:8], masks["brainstem"][1, 3:5] = 1, 1
    results = laid(tmp_path, study, masks)
    out = tmp_path / "Dataset007_Neck"
    nnunet_raw.export(study, results, out, ["brainstem", "mandible"])
    for path in [*(out / "labelsTs").iterdir(), out / nnunet_raw.DATASET]:
        (predicted / path.name).write_bytes(path.read_bytes())
    table = scored(predicted, study, results).table
    assert set(table.structure) == {"brainstem", "mandible"} and (table.dsc == 1).all(), "regions too"
    (predicted / nnunet_raw.DATASET).write_text(json.dumps({"labels": {"background": 0, "jaw": 1}}))
    with pytest.raises(ConfigError, match="label jaw is not a structure of study nasopharynx, which has brainstem"):
        scored(predicted, study, results)


def test_the_labels_of_monai_are_those_of_the_datalist(tmp_path, predicted):
    study = smoke_study("nasopharynx")
    results = laid(tmp_path, study)
    monai_datalist.export(study, results, tmp_path / "out", ["pituitary", "mandible"])
    datalist = next((tmp_path / "out").glob("*.json"))
    for item in json.loads(datalist.read_text())["test"]:
        path = tmp_path / "out" / item["label"]
        (predicted / path.name).write_bytes(path.read_bytes())
    table = scored(predicted, study, results, trained_on=datalist).table
    assert sorted(set(table.structure)) == ["mandible", "pituitary"] and (table.dsc == 1).all()


def test_the_channels_of_masks_apart_are_no_labels(tmp_path, predicted):
    study = smoke_study("nasopharynx")
    masks = {s: np.zeros((4, 10, 12), np.uint8) for s in study.structures}
    masks["brainstem"][1, 2:5], masks["spinal_cord"][1, 4:8] = 1, 1
    results = laid(tmp_path, study, masks)
    monai_datalist.export(study, results, tmp_path / "out")
    case = held_out(study, results)[0]
    write(guess(case, "spinal_cord", 2), predicted / f"{case.name}.nii.gz")
    datalist = next((tmp_path / "out").glob("*.json"))
    table = scored(predicted, study, results, trained_on=datalist).table.set_index("structure")
    assert 0.9 < table.dsc["spinal_cord"] < 1 and table.dsc["brainstem"] == 0


@pytest.mark.parametrize("background", ["background", "Background", "other tissue"])
def test_the_background_may_have_any_name(predicted, background):
    study = smoke_study("nasopharynx")
    labels = {"0": background, "1": "mandible", "2": "brainstem"}
    (predicted / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert read_labels(predicted, study) == ({"mandible": (1,), "brainstem": (2,)}, "")


def test_axes_in_another_order_are_put_back_and_told(predicted, study, results):
    for case in held_out(study, results):
        sitk.WriteImage(sitk.DICOMOrient(guess(case), "RAS"), str(predicted / f"{case.name}.nii.gz"))
    found = scored(predicted, study, results)
    assert (found.table.dsc > 0.8).all()
    assert any("axes stored in another order" in note for note in found.notes)


def test_all_wrong_files_are_told_at_once_and_nothing_is_scored(predicted, study, results):
    one, two, three, four = held_out(study, results)
    coarse = guess(one)
    coarse.SetSpacing([1.6, 0.9, 3.0])
    write(coarse, predicted / f"{one.name}.nii.gz")
    write(guess(two, value=7), predicted / f"{two.name}.nii.gz")
    both = sitk.JoinSeries([guess(three), guess(three)])
    sitk.WriteImage(both, str(predicted / f"{three.name}.nii.gz"))
    for name in (f"{four.name}.nii.gz", f"{four.name}_seg.nii.gz"):
        write(guess(four), predicted / name)
    (predicted / f"{one.name}_tumour.nrrd").write_text("not an image")
    (predicted / f"{one.name}.nii.gz").rename(predicted / f"{one.name}_tumour.nii.gz")
    (predicted / f"{one.name}_tumour.nrrd").unlink()
    with pytest.raises(ConfigError) as told:
        scored(predicted, study, results)
    lines = str(told.value).splitlines()
    assert len(lines) == 4
    for words in (
        "so that it must be resampled to theirs: voxels of 1.6 x 0.9 x 3 mm against 0.8",
        "the values 7, but the labels are 1",
        "not contain a single volume",
        "several files for one",
    ):
        assert any(words in line for line in lines), words


def test_a_file_that_is_no_image_is_told(predicted, study, results):
    (predicted / f"{held_out(study, results)[0].name}.nii.gz").write_text("no image")
    with pytest.raises(ConfigError, match=r"nii\.gz: "):
        scored(predicted, study, results)


def test_probabilities_are_refused(predicted, study, results):
    case = held_out(study, results)[0]
    values = on_grid(np.random.default_rng(1).random((4, 10, 12)).astype(np.float32), guess(case))
    sitk.WriteImage(values, str(predicted / f"{case.name}_tumour.nii.gz"))
    with pytest.raises(ConfigError, match="save 0 outside and one value inside"):
        scored(predicted, study, results)


def test_missing_and_extra_files_are_told(predicted, study, results):
    first, *_ = uterus = [case for case in held_out(study, results) if case.cohort == "uterus"]
    trained = next(case for case in study_cases(study, results, []) if not case.test)
    for name in (first.name, trained.name, "somebody"):
        write(guess(first), predicted / f"{name}.nii.gz")
    found = scored(predicted, study, results)
    assert list(found.table.case) == [first.case]
    assert any("1 test cases have no prediction" in n and uterus[1].name in n for n in found.notes)
    assert any("no prediction of cohort cervix: the model is not tested on it" in n for n in found.notes)
    assert any("of training cases" in n and trained.name in n for n in found.notes)
    assert any("no name of a case" in n and "somebody" in n for n in found.notes)


def test_a_folder_without_any_prediction_tells_what_files_are_called(predicted, study, results):
    with pytest.raises(ConfigError, match=r"no image file.*called after the cases: cervix_"):
        scored(predicted, study, results)


@pytest.mark.parametrize(("name", "words"), [("scratch", "strategy of study uterus"), ("a model", "letters, digits")])
def test_a_name_that_the_study_has_or_that_is_none_is_refused(predicted, study, results, name, words):
    with pytest.raises(ConfigError, match=words):
        scored(predicted, study, results, name=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["uterus", "prostate"])
def test_what_monai_saves_of_the_datalists_test_cases_is_scored(tmp_path, predicted, name):
    pytest.importorskip("monai", reason="MONAI is not installed: requirements-exchange.lock")
    from monai.data import MetaTensor, load_decathlon_datalist
    from monai.transforms import LoadImaged, SaveImage

    study = smoke_study(name)
    results = laid(tmp_path, study)
    monai_datalist.export(study, results, tmp_path / "out")
    datalist = next((tmp_path / "out").glob("*.json"))
    save = SaveImage(output_dir=predicted, print_log=False)
    for item in load_decathlon_datalist(str(datalist), True, "test"):
        loaded = LoadImaged(keys=["image", "label"], ensure_channel_first=True)(item)
        save(MetaTensor(loaded["label"], meta=loaded["image"].meta))
    found = scored(predicted, study, results, trained_on=datalist)
    assert (found.table.dsc == 1).all() and len(found.table) == 2 * len(study.cohorts)


# What it was trained on


def all_predicted(predicted: Path, study: Study, results: Path) -> None:
    structure = next(iter(study.structures))
    for case in held_out(study, results):
        write(guess(case, structure), predicted / f"{case.name}.nii.gz")


def test_n_and_draw_are_those_of_the_fold_that_nnunet_trained_on(tmp_path, predicted, study):
    replicates = study.splits.replicates.model_copy(update={"draws": 2})
    study = study.model_copy(update={"splits": study.splits.model_copy(update={"replicates": replicates})})
    results = laid(tmp_path, study)
    all_predicted(predicted, study, results)
    nnunet_raw.export(study, results, tmp_path / "Dataset001_Uterus")
    folds = pd.read_csv(tmp_path / "Dataset001_Uterus/folds.csv").set_index("stage")
    given = {"trained_on": tmp_path / "Dataset001_Uterus/splits_final.json"}
    table = scored(predicted, study, results, fold=int(folds.fold["scratch-n2-r1"]), **given).table
    assert set(zip(table.model, table.n_train, table.draw, table.replicate)) == {("other-n2-r1", 2, 1, 1)}
    table = scored(predicted, study, results, fold=int(folds.fold["pretrained"]), **given).table
    assert set(table.n_train) == {0} and set(table.model) == {"other"}
    with pytest.raises(ConfigError, match="give --fold, from 0 to"):
        scored(predicted, study, results, fold=99, **given)


def test_of_a_study_of_folds_the_fold_that_validated_is_told(tmp_path, predicted):
    study = smoke_study("prostate")
    results = laid(tmp_path, study)
    all_predicted(predicted, study, results)
    nnunet_raw.export(study, results, tmp_path / "Dataset001_Prostate")
    folds = pd.read_csv(tmp_path / "Dataset001_Prostate/folds.csv").set_index("stage")
    splits = tmp_path / "Dataset001_Prostate/splits_final.json"
    for stage in ("all-f0", "all-f1"):
        table = scored(predicted, study, results, trained_on=splits, fold=int(folds.fold[stage])).table
        fold = int(stage[-1])
        assert set(zip(table.model, table.fold, table.n_train)) == {(f"other-f{fold}", fold, 0)}


def test_n_is_that_of_the_datalist_that_monai_trained_on(tmp_path, predicted, study, results):
    all_predicted(predicted, study, results)
    monai_datalist.export(study, results, tmp_path / "out")
    assert set(scored(predicted, study, results, trained_on=tmp_path / "out/scratch-n8.json").table.n_train) == {8}


def test_a_model_that_was_trained_on_a_test_patient_is_refused(tmp_path, predicted, study, results):
    all_predicted(predicted, study, results)
    case = held_out(study, results)[-1]
    listed = {"training": [{"image": f"images/{case.name}_b0.nii.gz"}, {"image": "other_patient.nii.gz"}]}
    (tmp_path / "list.json").write_text(json.dumps(listed))
    with pytest.raises(ConfigError, match=f"{case.patient} are test patients of the study"):
        scored(predicted, study, results, trained_on=tmp_path / "list.json")


@pytest.mark.parametrize("form", ["{case.name}/b0.nii.gz", "data/cases/{case.cohort}/{case.case}/image_b0.nii.gz"])
def test_a_test_patient_in_a_datalist_is_told_by_the_folders_of_its_images(tmp_path, predicted, study, results, form):
    all_predicted(predicted, study, results)
    case = held_out(study, results)[-1]
    (tmp_path / "list.json").write_text(json.dumps({"training": [{"image": form.format(case=case)}]}))
    with pytest.raises(ConfigError, match=f"{case.patient} are test patients of the study"):
        scored(predicted, study, results, trained_on=tmp_path / "list.json")


def test_a_datalist_without_any_name_of_a_case_is_refused(tmp_path, predicted, study, results):
    all_predicted(predicted, study, results)
    (tmp_path / "list.json").write_text(json.dumps({"training": [{"image": "x/y.nii.gz"}]}))
    with pytest.raises(ConfigError, match="none of its training cases has the name of a case of study uterus"):
        scored(predicted, study, results, trained_on=tmp_path / "list.json")


def test_folds_of_nnunets_own_have_a_name_each(tmp_path, predicted, study, results):
    all_predicted(predicted, study, results)
    names = [case.name for case in study_cases(study, results, []) if not case.test and case.cohort == study.target]
    folds = [{"train": names[1:], "val": names[:1]}, {"train": names[:-1], "val": names[-1:]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(folds))
    tables = [
        scored(predicted, study, results, trained_on=tmp_path / "splits_final.json", fold=k).table for k in (0, 1)
    ]
    assert [set(table.model) for table in tables] == [{f"other-n{len(names)}-f{k}"} for k in (0, 1)]


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"training": 3}', "[[1]]"])
def test_a_file_that_lists_no_training_cases_is_told(tmp_path, predicted, study, results, text):
    all_predicted(predicted, study, results)
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(ConfigError, match=r"list\.json"):
        scored(predicted, study, results, trained_on=tmp_path / "list.json", fold=0)


# With the study's own models


def test_the_table_takes_part_in_a_comparison_with_the_studys_models(tmp_path, predicted, study, results):
    all_predicted(predicted, study, results)
    own = scored(predicted, study, results, name="own").table
    own = own.assign(model="scratch-n2", family="scratch", strategy="scratch", n_train=2, dsc=own.dsc - 0.2)
    own.to_csv(results / "uterus/metrics.csv", index=False)
    call = ["score", str(predicted), "--study", "uterus", "--scale", "smoke", "--results", str(results)]
    done = CliRunner().invoke(app, [*call, "--model", "nnunet", "--n", "2", "--workers", "2"])
    assert done.exit_code == 0, done.output
    external = results / "uterus/external/nnunet-n2.csv"
    assert f"crossover compare {results}/uterus/metrics.csv {external}" in done.output
    files = [str(results / "uterus/metrics.csv"), str(external)]
    done = CliRunner().invoke(app, ["compare", *files, "--metric", "dsc", "--out", str(tmp_path / "comparison")])
    assert done.exit_code == 0, done.output
    pairs = pd.read_csv(tmp_path / "comparison/pairs.csv")
    assert set(pairs.filter(regex="^(a|b|model|later|earlier|reference)").to_numpy().ravel()) >= {
        "nnunet-n2",
        "scratch-n2",
    }
    assert read_splits(results / "uterus/splits.csv").part.eq("test").sum() == 4


def test_figures_show_another_tools_model_under_its_own_name(study):
    assert style.family_label(study, "nnunet") == "nnunet"
    assert style.family_colour(study, "nnunet") == style.INK
    assert style.family_marker(study, "nnunet") in style.MARKERS and style.family_line(study, "nnunet") in style.LINES


def test_the_command_refuses_two_answers_to_one_question(tmp_path):
    call = ["score", str(tmp_path), "--study", "uterus", "--n", "3", "--trained-on", "x.json"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2 and "either --n or --trained-on" in done.output
