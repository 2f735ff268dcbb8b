"""`crossover export monai`: MONAI's own loader reads it, and the cases of every training are the study's."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from exchanged import laid, smoke_study
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.exchange import monai_datalist
from crossover.imaging.volumes import read
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.splits import read_splits, stage_cases


def exported(folder: Path, study: Study, masks: dict | None = None) -> Path:
    monai_datalist.export(study, laid(folder, study, masks), folder / "out")
    return folder / "out"


def names(items: list[dict]) -> list[str]:
    return [Path(item["label"]).name.removesuffix(".nii.gz") for item in items]


def test_each_training_has_a_datalist_with_its_cases_and_all_test_cases(tmp_path):
    study = smoke_study("uterus")
    out = exported(tmp_path, study)
    splits = read_splits(tmp_path / "results/uterus/splits.csv")
    table = pd.read_csv(out / monai_datalist.INDEX).set_index("stage")
    for stage in plan(study).stages.values():
        found = json.loads((out / table.datalist[stage.name]).read_text())
        cases = stage_cases(splits, stage, study.splits.validation)
        for part, use in (("training", "train"), ("validation", "validation")):
            own = cases[cases.use == use]
            assert names(found[part]) == list(own.cohort + "_" + own.case)
        test = splits[splits.part == "test"]
        assert sorted(names(found["test"])) == sorted(test.cohort + "_" + test.case)
        assert (found["numTraining"], found["numTest"]) == (len(found["training"]), len(test))
        assert found["labels"] == {"0": "background", "1": "tumour"}


def test_an_image_of_several_channels_is_a_list_of_files(tmp_path):
    out = exported(tmp_path, smoke_study("uterus"))
    item = json.loads((out / "scratch-n2.json").read_text())["training"][0]
    assert [path.rsplit("_", 1)[1] for path in item["image"]] == ["b0.nii.gz", "b1000.nii.gz", "adc.nii.gz"]
    assert all((out / path).exists() for path in [*item["image"], item["label"]])


def test_structures_that_overlap_are_masks_apart(tmp_path):
    study = smoke_study("nasopharynx")
    masks = {s: np.zeros((4, 10, 12), np.uint8) for s in study.structures}
    masks["mandible"][1, 2:5], masks["brainstem"][1, 4:8] = 1, 1
    out = exported(tmp_path, study, masks)
    found = json.loads(next(out.glob("source-*.json")).read_text())
    assert list(found["labels"].values()) == [*study.structures]
    for name, path in zip(study.structures, found["training"][0]["label"], strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read(out / path)), masks[name])


def test_the_command_says_what_it_wrote(tmp_path):
    results = laid(tmp_path, smoke_study("prostate"))
    call = ["export", "monai", "prostate", str(tmp_path / "out"), "--scale", "smoke", "--results", str(results)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0 and "30 cases, one label map a case" in done.output


@pytest.mark.slow
def test_monai_loads_every_list_and_its_images_with_labels_on_one_grid(tmp_path):
    pytest.importorskip("monai", reason="MONAI is not installed: requirements-exchange.lock")
    from monai.data import load_decathlon_datalist
    from monai.transforms import LoadImaged

    study = smoke_study("nasopharynx")
    overlapping = {s: np.zeros((4, 10, 12), np.uint8) for s in study.structures}
    overlapping["mandible"][1, 2:5], overlapping["brainstem"][1, 4:8] = 1, 1
    for place, (name, masks) in enumerate([("uterus", None), ("nasopharynx", overlapping)]):
        out = exported(tmp_path / str(place), smoke_study(name), masks)
        load = LoadImaged(keys=["image", "label"], ensure_channel_first=True)
        for path in out.glob("*.json"):
            for key in ("training", "validation", "test"):
                items = load_decathlon_datalist(str(path), True, key)
                assert len(items) == len(json.loads(path.read_text())[key]) > 0
        loaded = load(items[0])
        channels = len(smoke_study(name).channels), 1 if masks is None else len(masks)
        assert [tuple(loaded[k].shape) for k in ("image", "label")] == [(n, 12, 10, 4) for n in channels]
        assert np.allclose(loaded["image"].affine, loaded["label"].affine, atol=1e-6)
