"""`crossover export nnunet`: nnU-Net's own code reads it, and the cases of every training are the study's."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from exchanged import laid, smoke_study
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.exchange import nnunet_raw
from crossover.exchange.label_maps import Overlap, label_map
from crossover.exchange.study_cases import study_cases
from crossover.imaging.grids import same_grid
from crossover.imaging.volumes import image_path, read, structure_path
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.splits import read_splits, stage_cases
from crossover.training.backends.nnunet.dataset import labels_of, numbered
from crossover.training.failure import TrainingFailed
from crossover.training.stage_files import Cases, Place

NAME = "Dataset501_Study"


def block(*slices: tuple[int, int]) -> np.ndarray:
    """A mask of (4, 10, 12) voxels: a block from first to last along each axis."""
    mask = np.zeros((4, 10, 12), np.uint8)
    mask[tuple(slice(*own) for own in slices)] = 1
    return mask


def exported(folder: Path, study: Study, masks: dict | None = None) -> Path:
    nnunet_raw.export(study, laid(folder, study, masks), folder / NAME)
    return folder / NAME


def test_training_and_test_patients_lie_apart_with_a_file_for_each_channel(tmp_path):
    out = exported(tmp_path, smoke_study("uterus"))
    splits = read_splits(tmp_path / "results/uterus/splits.csv")
    for part, suffix in (("train", "Tr"), ("test", "Ts")):
        own = splits[splits.part == part].drop_duplicates(["cohort", "case"])
        names = sorted(own.cohort + "_" + own.case)
        assert sorted(p.name for p in (out / f"labels{suffix}").iterdir()) == [f"{n}.nii.gz" for n in names]
        images = sorted(p.name for p in (out / f"images{suffix}").iterdir())
        assert images == [f"{n}_{k:04}.nii.gz" for n in names for k in range(3)]


def test_images_are_links_to_the_cases_and_nothing_is_written_twice(tmp_path):
    out = exported(tmp_path, smoke_study("prostate"))
    for path in out.glob("images*/*"):
        cohort, case = path.name.removesuffix("_0000.nii.gz").rsplit("_", 1)
        assert path.samefile(image_path(tmp_path / "data/cases" / cohort / case, "t2"))


def test_an_image_whose_header_holds_text_is_written_without_it(tmp_path):
    study = smoke_study("prostate")
    results = laid(tmp_path, study)
    path = next((tmp_path / "data/cases").glob("*/*/image_t2.nii.gz"))
    image = nibabel.load(path)
    image.header["descrip"] = b"DOE^JOHN"
    values, before = image.get_fdata(), read(path)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), None, image.header), path)
    nnunet_raw.export(study, results, tmp_path / NAME)
    name = f"{path.parent.parent.name}_{path.parent.name}_0000.nii.gz"
    (left,) = (tmp_path / NAME).glob(f"images*/{name}")
    assert not left.samefile(path) and same_grid(read(left), before)
    assert not bytes(nibabel.load(left).header["descrip"]).strip(b"\0")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read(left)), sitk.GetArrayFromImage(before))


@pytest.mark.parametrize("name", ["uterus", "prostate"])
def test_each_training_of_the_study_is_a_fold_with_its_cases(tmp_path, name):
    study = smoke_study(name)
    out = exported(tmp_path, study)
    folds = json.loads((out / nnunet_raw.SPLITS).read_text())
    table = pd.read_csv(out / nnunet_raw.FOLDS).set_index("stage")
    splits = read_splits(tmp_path / "results" / name / "splits.csv")
    stages = {n: s for n, s in plan(study).stages.items() if not s.cell}
    assert set(table.index) == set(stages)
    for stage in stages.values():
        cases = stage_cases(splits, stage, study.splits.validation)
        fold = folds[table.fold[stage.name]]
        for part, use in (("train", "train"), ("val", "validation")):
            own = cases[cases.use == use]
            assert fold[part] == list(own.cohort + "_" + own.case), (stage.name, use)
        if stage.parent:
            assert table.starts_from_fold[stage.name] == table.fold[stage.parent]
    test = splits[splits.part == "test"]
    tested = set(test.cohort + "_" + test.case)
    assert not tested & {case for fold in folds for part in fold.values() for case in part}
    as_text = [json.dumps(fold) for fold in folds]
    assert len(set(as_text)) == len(as_text), "cases that several trainings have in common are one fold"


def test_draws_are_folds_of_their_own_and_further_trainings_of_a_draw_are_not(tmp_path):
    study = smoke_study("uterus")
    replicates = study.splits.replicates.model_copy(update={"draws": 2, "trainings": 2})
    study = study.model_copy(update={"splits": study.splits.model_copy(update={"replicates": replicates})})
    table = pd.read_csv(exported(tmp_path, study) / nnunet_raw.FOLDS)
    small = table[table.stage.str.match(r"scratch-n2(-r\d)?$")]
    assert small.draw.tolist() == [0, 0, 1, 1] and small.fold.nunique() == 2


@pytest.mark.parametrize(
    ("name", "channel", "said"), [("nasopharynx", "ct", "CT"), ("prostate", "t2", "t2"), ("uterus", "adc", "adc")]
)
def test_a_channel_is_called_as_it_is_to_be_normalised(name, channel, said):
    assert nnunet_raw.channel_name(smoke_study(name), channel) == said


def test_a_structure_within_another_is_a_region_of_both(tmp_path):
    study = smoke_study("nasopharynx")
    masks = {s: block((0, 0), (0, 0), (0, 0)) for s in study.structures}
    masks["mandible"] = block((1, 3), (2, 8), (2, 10))
    masks["brainstem"] = block((1, 2), (3, 6), (3, 7))
    out = exported(tmp_path, study, masks)
    dataset = json.loads((out / nnunet_raw.DATASET).read_text())
    assert dataset["labels"]["mandible"] == [3, 1] and dataset["labels"]["brainstem"] == 1
    names = [name for name in dataset["labels"] if name != "background"]
    assert names.index("mandible") < names.index("brainstem"), "the outer is painted first"
    assert dataset["regions_class_order"] == [3 if n == "mandible" else [*study.structures].index(n) + 1 for n in names]
    label = sitk.GetArrayFromImage(read(next((out / "labelsTr").iterdir())))
    for name in ("mandible", "brainstem"):
        values = dataset["labels"][name]
        np.testing.assert_array_equal(np.isin(label, values), masks[name])


def test_structures_that_overlap_otherwise_are_named_with_their_cases_and_nothing_is_written(tmp_path):
    study = smoke_study("nasopharynx")
    masks = {s: block((0, 0), (0, 0), (0, 0)) for s in study.structures}
    masks["mandible"], masks["brainstem"] = block((1, 2), (2, 5), (2, 4)), block((1, 2), (4, 8), (2, 4))
    results = laid(tmp_path, study, masks)
    with pytest.raises(ConfigError) as told:
        nnunet_raw.export(study, results, tmp_path / NAME)
    assert "brainstem and mandible overlap" in str(told.value) and "(2 voxels)" in str(told.value)
    assert "--structure" in str(told.value) and sorted(p.name for p in tmp_path.iterdir()) == ["data", "results"]
    nnunet_raw.export(study, results, tmp_path / NAME, ["mandible", "pituitary"])
    labels = json.loads((tmp_path / NAME / nnunet_raw.DATASET).read_text())["labels"]
    assert labels == {"background": 0, "mandible": 1, "pituitary": 2}


def test_a_structure_that_lies_within_another_in_one_case_only_is_no_region(tmp_path):
    study = smoke_study("nasopharynx")
    masks = {s: block((0, 0), (0, 0), (0, 0)) for s in study.structures}
    masks["mandible"], masks["brainstem"] = block((1, 3), (2, 8), (2, 9)), block((1, 2), (3, 5), (3, 5))
    results = laid(tmp_path, study, masks)
    cases = study_cases(study, results, [*study.structures])
    path = structure_path(cases[0].folder, "brainstem")
    beside = sitk.GetImageFromArray(block((0, 1), (0, 1), (0, 1)))
    beside.CopyInformation(read(path))
    sitk.WriteImage(beside, str(path))
    with pytest.raises(Overlap, match="neither lies within the other in every case"):
        label_map(cases, [*study.structures])


def test_a_child_of_which_the_parents_label_map_would_lose_voxels_is_refused_by_name(tmp_path):
    """The parent's brain stem lies within its mandible; a child's lies beside it, or there is none."""
    names = ["brainstem", "mandible"]
    nested = {"labels": {"background": 0, "mandible": [2, 1], "brainstem": 1}}
    study = smoke_study("nasopharynx")
    masks = {s: block((0, 0), (0, 0), (0, 0)) for s in study.structures}
    masks["mandible"] = block((1, 3), (2, 8), (2, 9))
    for case, stem in (("within", (3, 5)), ("absent", (0, 0)), ("beside", (8, 9))):
        results = laid(tmp_path / case, study, masks | {"brainstem": block((1, 2), stem, (3, 5))})
        (own, *_) = study_cases(study, results, [*study.structures])
        cases = Cases({own.cohort: own.folder.parent / "manifest.json"})
        given = (cases, [Place(own.cohort, own.case)], names, nested)
        if case == "beside":
            with pytest.raises(TrainingFailed, match=f"overlap otherwise than .* in {own.name}"):
                numbered(*given)
        else:
            assert numbered(*given) == labels_of(nested)


def test_all_that_is_missing_is_told_at_once(tmp_path):
    study = smoke_study("prostate")
    results = laid(tmp_path, study)
    gone = sorted((tmp_path / "data/cases").glob("*/*/*.nii.gz"))[:2]
    for path in gone:
        path.unlink()
    call = ["export", "nnunet", "prostate", str(tmp_path / NAME), "--scale", "smoke", "--results", str(results)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2 and all(str(path) in done.output for path in gone)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(("out", "words"), [("prostate", "Dataset501_Prostate"), (NAME, "exists already")])
def test_a_folder_that_can_not_be_is_told_with_what_to_do(tmp_path, out, words):
    (tmp_path / NAME / "other").mkdir(parents=True)
    with pytest.raises(ConfigError, match=words):
        nnunet_raw.export(smoke_study("prostate"), laid(tmp_path, smoke_study("prostate")), tmp_path / out)


def test_a_study_without_results_is_told_with_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="crossover run prostate --scale smoke"):
        nnunet_raw.export(smoke_study("prostate"), tmp_path / "results", tmp_path / NAME)


# What nnU-Net says of it


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: requirements-exchange.lock")
    for name in ("raw", "preprocessed", "results"):
        monkeypatch.setitem(os.environ, f"nnUNet_{name}", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_nnunet_finds_nothing_wrong_with_the_data_set(tool, capfd):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    out = exported(tool, smoke_study("nasopharynx"))
    verify_dataset_integrity(str(out), num_processes=1)
    said = capfd.readouterr().out
    assert "verify_dataset_integrity Done" in said and "Error" not in said and "WARNING" not in said


@pytest.mark.slow
def test_nnunet_trains_on_the_cases_that_the_table_tells(tool):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    study = smoke_study("uterus")
    out = exported(tool, study)
    splits = read_splits(tool / "results/uterus/splits.csv")
    for row in pd.read_csv(out / nnunet_raw.FOLDS).itertuples():
        said: list[str] = []
        trainer = SimpleNamespace(
            fold=row.fold, preprocessed_dataset_folder_base=str(out), preprocessed_dataset_folder="",
            folder_with_segs_from_previous_stage=None, print_to_log_file=lambda *words, to=said: to.append(str(words)),
            dataset_class=lambda *given, **named: SimpleNamespace(identifiers=[]),
        )  # fmt: skip
        train, _ = nnUNetTrainer.do_split(trainer)
        cases = stage_cases(splits, plan(study).stages[row.stage], study.splits.validation)
        assert train == list((cases.cohort + "_" + cases.case)[cases.use == "train"])
        assert not any("WARNING" in words or "INFO" in words for words in said)


@pytest.mark.slow
def test_nnunet_normalises_ct_as_ct_and_writes_regions_that_are_had_back(tool):
    import torch
    from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import get_normalization_scheme
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    study = smoke_study("nasopharynx")
    masks = {s: block((0, 0), (0, 0), (0, 0)) for s in study.structures}
    masks["mandible"], masks["brainstem"] = block((1, 3), (2, 8), (2, 10)), block((1, 2), (3, 6), (3, 7))
    dataset = json.loads((exported(tool, study, masks) / nnunet_raw.DATASET).read_text())
    assert get_normalization_scheme(dataset["channel_names"]["0"]).__name__ == "CTNormalization"
    manager = LabelManager(dataset["labels"], dataset["regions_class_order"])
    names = [name for name in dataset["labels"] if name != "background"]
    of_each = torch.tensor(np.array([masks[name] for name in names]), dtype=torch.float32)
    painted = manager.convert_probabilities_to_segmentation(of_each)
    for name in names:
        np.testing.assert_array_equal(np.isin(painted, dataset["labels"][name]), masks[name] > 0)


def test_labels_and_channels_have_one_grid_however_far_off_a_channel_was(tmp_path):
    study = smoke_study("uterus")
    results = laid(tmp_path, study)
    path = next((tmp_path / "data/cases").glob("*/*/image_adc.nii.gz"))
    image = read(path)
    image.SetOrigin(np.add(image.GetOrigin(), [0.05, 0, 0]).tolist())
    sitk.WriteImage(image, str(path))
    nnunet_raw.export(study, results, tmp_path / NAME)
    for path in (tmp_path / NAME).glob("labels*/*"):
        own = path.parent.parent / path.parent.name.replace("labels", "images")
        grids = [read(path), *(read(own / f"{path.name.removesuffix('.nii.gz')}_{k:04}.nii.gz") for k in range(3))]
        apart = [[*g.GetOrigin(), *g.GetSpacing(), *g.GetDirection()] for g in grids]
        assert np.ptp(apart, axis=0).max() < 1e-6
