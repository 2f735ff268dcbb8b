"""`crossover export bids`: its validator finds no error, and images, masks and patients are where BIDS has them."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from exchanged import PATIENTS, laid, smoke_study
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.core.files import read_json, write_json
from crossover.exchange import bids
from crossover.exchange.study_cases import hand_over
from crossover.imaging.volumes import image_path, read, read_grid
from crossover.sources.settings import SeriesRule
from crossover.study.schema import Study
from crossover.study.splits import read_splits


def exported(folder: Path, study: Study, masks: dict | None = None) -> Path:
    bids.export(study, laid(folder, study, masks), folder / "out")
    return folder / "out"


def test_each_channel_lies_where_bids_has_its_kind(tmp_path):
    out = exported(tmp_path, smoke_study("uterus"))
    names = {path.name.removeprefix("sub-us0_") for path in (out / "sub-us0/dwi").iterdir()}
    dwi = {f"acq-{channel}_dwi.{end}" for channel in ("b0", "b1000") for end in ("nii.gz", "json", "bval", "bvec")}
    assert names == dwi | {"ADC.nii.gz", "ADC.json"}
    assert (out / "sub-us0/dwi/sub-us0_acq-b1000_dwi.bval").read_text() == "1000\n"
    case = tmp_path / "data/cases/uterus/us0"
    assert (out / "sub-us0/dwi/sub-us0_ADC.nii.gz").samefile(image_path(case, "adc"))
    about = json.loads((out / "sub-us0/dwi/sub-us0_ADC.json").read_text())
    assert about == {"Manufacturer": "siemens", "MagneticFieldStrength": 3.0, "EchoTime": 0.141}


def test_masks_are_a_derivative_with_the_table_of_labels(tmp_path):
    study = smoke_study("nasopharynx")
    out = exported(tmp_path, study) / bids.DERIVATIVE
    table = pd.read_csv(out / "desc-manual_dseg.tsv", sep="\t")
    assert dict(zip(table["index"], table.name)) == {0: "background", **dict(enumerate(study.structures, start=1))}
    masks = [*out.glob("sub-*/anat/*_desc-manual_dseg.nii.gz")]
    assert len(masks) == 2 * PATIENTS
    assert set(np.unique(sitk.GetArrayFromImage(read(masks[0])))) == set(table["index"])
    assert read_json(out / "dataset_description.json")["DatasetType"] == "derivative"


def test_structures_that_overlap_are_masks_apart(tmp_path):
    study = smoke_study("nasopharynx")
    masks = {s: np.zeros((4, 10, 12), np.uint8) for s in study.structures}
    masks["mandible"][1, 2:5], masks["lens_left"][1, 4:8] = 1, 1
    out = exported(tmp_path, study, masks) / bids.DERIVATIVE
    (path,) = out.glob("sub-sr0/anat/*label-lensleft_desc-manual_mask.nii.gz")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read(path)), masks["lens_left"])
    assert not (out / "desc-manual_dseg.tsv").exists()


def test_participants_have_their_part_and_no_age_above_89(tmp_path):
    study = smoke_study("uterus")
    results = laid(tmp_path, study)
    about = tmp_path / "data/cases/uterus/us0/case.json"
    write_json(about, read_json(about) | {"age_years": 97})
    bids.export(study, results, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/participants.tsv", sep="\t").set_index("participant_id")
    splits = read_splits(results / "uterus/splits.csv").drop_duplicates("patient").set_index("patient")
    assert {f"sub-{p}": part for p, part in splits.part.items()} == table.part.to_dict()
    assert table.age["sub-us0"] == 89 and table.age["sub-us1"] == 64 and table.cohort["sub-us0"] == "uterus"


def two_examinations(results: Path, study: Study) -> None:
    """One more case of a patient who is trained on."""
    path = results / study.study / "splits.csv"
    table = read_splits(path)
    row = table[table.part == "train"].iloc[[0]]
    folder = results.parent / "data/cases" / row.cohort.item()
    shutil.copytree(folder / row.case.item(), folder / "later")
    pd.concat([table, row.assign(case="later")]).to_csv(path, index=False)


def test_examinations_of_a_patient_are_sessions(tmp_path):
    study = smoke_study("prostate")
    results = laid(tmp_path, study)
    two_examinations(results, study)
    bids.export(study, results, tmp_path / "out")
    images = [
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").glob("sub-*/*/anat/*.nii.gz")
    ]
    assert len(images) == 3 * PATIENTS + 1 and sum("/ses-2/" in path for path in images) == 1
    assert all("_ses-" in path for path in images)


def test_patients_who_would_have_one_name_are_told(tmp_path):
    study = smoke_study("prostate")
    results = laid(tmp_path, study)
    path = results / "prostate/splits.csv"
    table = read_splits(path)
    table["patient"] = table.patient.replace({"sa0": "s-1", "sa1": "s_1"})
    table.to_csv(path, index=False)
    call = ["export", "bids", "prostate", str(tmp_path / "out"), "--scale", "smoke", "--results", str(results)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2 and "s-1" in done.output and "s_1" in done.output
    with pytest.raises(ConfigError, match="letters and digits"):
        bids.export(study, results, tmp_path / "out")


def with_channels(channels: list[str], **rule) -> Study:
    series = {name: SeriesRule(description=name, **rule) for name in channels}
    return smoke_study("prostate").model_copy(update={"channels": channels, "series": series})


@pytest.mark.parametrize(
    ("channels", "rule", "names"),
    [
        (["venous", "arterial"], {"modality": "CT"}, ["ct/*_acq-arterial_ct", "ct/*_acq-venous_ct"]),
        (["adc", "adc_late"], {"modality": "MR", "image_type": "ADC"}, ["dwi/*_acq-adc_ADC", "dwi/*_acq-adclate_ADC"]),
        (["t2", "t2w", "t1"], {"modality": "MR"}, ["anat/*_T1w", "anat/*_acq-t2_T2w", "anat/*_acq-t2w_T2w"]),
    ],
)
def test_channels_of_one_kind_are_told_apart_by_their_names(tmp_path, channels, rule, names):
    out = exported(tmp_path, with_channels(channels, **rule))
    images = sorted(out.glob("sub-sa0/*/*.nii.gz"))
    assert [f"{p.parent.name}/{p.name.replace('sub-sa0', '*', 1)}".removesuffix(".nii.gz") for p in images] == names
    ignored = out / ".bidsignore"
    assert not ignored.exists() or ignored.read_text() == "**/ct\n"


@pytest.mark.parametrize(("channels", "modality"), [(["late", "Late_"], "CT"), (["t2_fs", "t2fs"], "MR")])
def test_channels_that_would_have_one_name_are_told(tmp_path, channels, modality):
    with pytest.raises(ConfigError, match=f"these channels .*: {channels[0]}, {channels[1]}"):
        exported(tmp_path, with_channels(channels, modality=modality))


def test_a_file_handed_over_twice_under_one_name_leaves_the_cases_as_they_are(tmp_path):
    study = smoke_study("prostate")
    laid(tmp_path, study)
    first, second = sorted((tmp_path / "data/cases").rglob("image_*.nii.gz"))[:2]
    before = first.read_bytes()
    hand_over(first, tmp_path / "out.nii.gz", read_grid(first))
    with pytest.raises(ConfigError, match="two files of the export would have this name"):
        hand_over(second, tmp_path / "out.nii.gz", read_grid(second))
    assert first.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["uterus", "prostate", "nasopharynx"])
def test_the_validator_finds_no_error(tmp_path, name):
    pytest.importorskip("bids_validator_deno", reason="the BIDS validator is not installed: requirements-exchange.lock")
    study = smoke_study(name)
    results = laid(tmp_path, study)
    if name == "prostate":
        two_examinations(results, study)
    # Deno, which runs the validator, reads nothing below /dev, where the tests' files may lie.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        out = Path(folder) / "out"
        bids.export(study, results, out)
        call = [Path(sys.executable).with_name("bids-validator-deno"), "--recursive", "--format", "json", out]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    derived = found["derivativesSummary"]
    assert len(derived) == 1
    issues = [i for each in (found, *derived.values()) for i in each["issues"]["issues"]]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
