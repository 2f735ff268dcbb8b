"""`crossover segment` and `crossover weights`: what is done, what is refused, and how it is told."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from dicom_exports import block, write
from pydicom import Dataset, dcmread
from segmenting import SEGMENT, Threshold, pretend_trained
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.core.files import file_digest
from crossover.core.paths import ROOT
from crossover.exchange.object_attributes import targets
from crossover.execution import segment as segmenting
from crossover.execution.segment import stage_of
from crossover.execution.written_files import WrittenFiles
from crossover.imaging import prepare
from crossover.sources.dicom.rtstruct import roi_mask, rois
from crossover.sources.dicom.segmentation import segment_mask
from crossover.sources.settings import Structure
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.training.stage_files import WEIGHTS


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 2
    return done.output


@pytest.mark.parametrize(
    "model, words",
    [
        ("b_a-f9", ["no model 'b_a-f9'", "are trained: none"]),
        ("b_a-f0", ["not trained", "crossover run prostate --scale smoke"]),
    ],
)
def test_a_model_that_is_not_there_is_told_with_what_to_do(tmp_path, model, words):
    text = said(
        "segment", str(tmp_path), str(tmp_path / "out"), *SEGMENT, "--model", model,
        "--results", str(tmp_path),
    )  # fmt: skip
    assert all(word in text for word in words)
    assert not (tmp_path / "out").exists()


def test_a_model_of_the_last_runs_scale_is_told_with_the_option(tmp_path, monkeypatch):
    monkeypatch.setattr("crossover.execution.segment.call_of", lambda study, results: {"scale": "demo"})
    with pytest.raises(ConfigError, match=r"no model 'b_a-f9' at scale smoke; .* is of scale demo: add --scale demo"):
        stage_of(load_study("prostate", "smoke"), "b_a-f9", tmp_path)


def test_an_unknown_study_or_scale_is_told_with_those_there_are(tmp_path):
    places = [str(tmp_path), str(tmp_path / "out")]
    text = said("segment", *places, "--study", "prostat", "--model", "a-f0")
    assert "prostate" in text
    text = said("segment", *places, "--study", "prostate", "--scale", "huge", "--model", "a-f0")
    assert "smoke, demo, paper" in text


def test_an_encoder_without_weights_is_told_with_those_that_have_some():
    text = said("weights", "efficientnet-b9")
    assert "efficientnet-b3" in text and "resnet50" in text


# What can be done is done


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return pretend_trained(tmp_path, monkeypatch)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Q1, Q3 and Q4 as they should be, Q2 with two slices."""
    folder = tmp_path / "export"
    for seed, patient in enumerate(("Q1", "Q2", "Q3", "Q4")):
        shape = (2 if patient == "Q2" else 4, 12, 10)
        content = block(shape=shape, seed=seed, spacing=(3.0, 4.0, 4.0))
        write(folder / patient / "t2", content, PatientID=patient, SeriesDescription="t2")
    return folder


RULES = """
patients: folder
images: "*/t2"
series: {t2: {modality: MR, description: t2}}
structures: {prostate: {label: Prostate}}
label_maps: {prostate: {file: "{patient}/gland"}}
"""


def segmented(export: Path, results: Path, *more: str) -> tuple[int, pd.DataFrame, str]:
    """Exit status, scores.csv by the number of the patient, and what was said."""
    out = results.parent / "out"
    places = [str(export), str(out), "--results", str(results), "--workers", "1"]
    done = CliRunner().invoke(app, ["segment", *places, *SEGMENT, "--model", "b_a-f0", *more])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    table = pd.read_csv(out / "scores.csv", keep_default_na=False)
    return done.exit_code, table, done.output


def masks(results: Path) -> set[str]:
    folder = results.parent / "out/predictions"
    return {p.name.removesuffix("_prostate.nii.gz") for p in folder.glob("*.nii.gz")}


def test_an_examination_that_is_refused_stops_no_other(results: Path, export: Path):
    status, table, said = segmented(export, results)
    good, bad = table[table.not_done == ""], table[table.not_done != ""]
    assert status == 1 and len(good) == 3 and masks(results) == set(good.case)
    assert bad.structure.tolist() == [""]
    assert bad.not_done.tolist() == ["too-few-slices: channel t2: 2 slices; a volume has 3 or more"]
    assert f"{bad.case.item()}: not segmented: too-few-slices" in said
    assert "1 cases were not done in full" in said and not re.search("Q[1234]", said)
    shutil.rmtree(export / "Q2")
    status, table, _ = segmented(export, results)
    assert status == 0 and len(table) == 3 and (table.not_done == "").all()


def test_nothing_but_refused_examinations_is_told_with_each_cause(results: Path, export: Path):
    for patient in ("Q1", "Q3", "Q4"):
        shutil.rmtree(export / patient)
    status, table, said = segmented(export, results)
    assert status == 1 and len(table) == 1 and "no case could be segmented" in said


@pytest.mark.parametrize("step", ["bias field", "slices", "prediction"])
def test_an_examination_that_fails_later_stops_no_other(results: Path, export: Path, monkeypatch, step: str):
    place, name = {
        "bias field": (prepare.bias_field, "estimate"),
        "slices": (prepare.slicing, "network_grid"),
        "prediction": (Threshold, "predict"),
    }[step]
    whole, calls = getattr(place, name), []

    def second_fails(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise FloatingPointError("as it happens")
        return whole(*arguments)

    monkeypatch.setattr(place, name, second_fails)
    status, table, _ = segmented(export, results)
    failed = table[table.not_done.str.contains("as it happens")]
    assert status == 1 and len(failed) == 1 and len(masks(results)) == 2
    assert set(table.case) - masks(results) == {*failed.case, *table[table.structure == ""].case}


def test_a_manual_mask_with_an_error_keeps_no_examination_from_being_segmented(
    results: Path, export: Path, tmp_path: Path
):
    shutil.rmtree(export / "Q2")
    inside = np.zeros((4, 12, 10))
    inside[1:3, 4:8, 3:7] = 1
    good = block(shape=(4, 12, 10), spacing=(3.0, 4.0, 4.0)).holding(inside)
    write(export / "Q1/gland", good, PatientID="Q1", SeriesNumber=2)
    write(export / "Q3/gland", good.holding(inside * 0), PatientID="Q3", SeriesNumber=2)
    (tmp_path / "rules.yaml").write_text(RULES)
    status, table, said = segmented(export, results, "--rules", str(tmp_path / "rules.yaml"))
    assert status == 1 and len(masks(results)) == 3
    scored = table[table.dsc != ""]
    assert len(scored) == 1 and scored.not_done.tolist() == [""]
    causes = {text.split(":")[0] for text in table[table.dsc == ""].not_done}
    assert causes == {"structure-empty", "structure-missing"}
    assert said.count("not all of its manual masks could be compared") == 2


# What others put into the folder


def test_only_what_an_earlier_call_wrote_and_nobody_changed_is_removed(results: Path, export: Path):
    shutil.rmtree(export / "Q2")
    _, table, _ = segmented(export, results)
    folder = results.parent / "out/predictions"
    for case in table.case:
        for name in (f"{case}_prostate_corrected.nii.gz", f"{case}_prostate-drM.nii.gz", f"{case}_notes.txt"):
            (folder / name).write_text("of a reader")
    shutil.rmtree(export / "Q3")
    _, now, _ = segmented(export, results)
    assert {p.name for p in folder.glob("*_prostate.nii.gz")} == {f"{case}_prostate.nii.gz" for case in now.case}
    assert len(now) == 2 and len([p for p in folder.iterdir() if p.read_bytes() == b"of a reader"]) == 9
    mask = folder / f"{now.case[0]}_prostate.nii.gz"
    mask.write_text("corrected")
    for patient in ("Q1", "Q4"):
        (export / patient).rename(export / f"{patient}.old")
        for path in (export / f"{patient}.old/t2").iterdir():
            dataset = dcmread(path)
            dataset.PatientID = f"{patient}new"
            dataset.save_as(path)
    _, now, said = segmented(export, results)
    assert (
        f"check: predictions/{mask.name} do not belong to this call; they were kept" in said
        and mask.read_text() == "corrected"
    )
    assert len([*folder.glob("*_prostate.nii.gz")]) == 3 and mask.name.partition("_")[0] not in {*now.case}


def test_a_mask_that_was_corrected_in_place_is_not_replaced(results: Path, export: Path):
    shutil.rmtree(export / "Q2")
    _, table, _ = segmented(export, results)
    mask = results.parent / f"out/predictions/{table.case[0]}_prostate.nii.gz"
    mask.write_text("corrected")
    status, table, _ = segmented(export, results)
    assert status == 1 and mask.read_text() == "corrected" and len(masks(results)) == 3
    (why,) = table[table.not_done != ""].not_done
    assert why.startswith(f"predictions/{mask.name}: changed after this command wrote it")


def test_masks_of_another_model_stay_and_the_call_is_refused(results: Path, export: Path):
    segmented(export, results)
    known = load_study("prostate", "smoke", ROOT / "config")
    models = plan(known).models
    shutil.copytree(*(results / "prostate/stages" / models[name].stage for name in ("b_a-f0", "c_a-f0")))
    before = {p: p.read_bytes() for p in (results.parent / "out").rglob("*") if p.is_file()}
    places = [str(export), str(results.parent / "out"), "--results", str(results), "--workers", "1"]
    text = said("segment", *places, *SEGMENT, "--model", "c_a-f0")
    assert "has the masks of model prostate/b_a-f0" in text and "name another folder" in text
    assert before == {p: p.read_bytes() for p in before}


def test_what_a_killed_call_left_in_part_is_written_again(tmp_path: Path):
    path = tmp_path / "predictions/p_x.nii.gz"
    WrittenFiles(tmp_path, "a/b").begin([path])
    path.parent.mkdir()
    path.write_text("half")
    later = WrittenFiles(tmp_path, "a/b")
    later.begin([path])
    later.end([path])
    assert WrittenFiles(tmp_path, "a/b").remove_others() == {"p_x.nii.gz"} and not path.exists()


# As DICOM objects


def objects(folder: Path) -> dict[str, Dataset]:
    return {p.name: dcmread(p) for p in sorted(folder.iterdir())}


def test_without_being_asked_nothing_is_written_that_tells_who_it_is(results: Path, export: Path):
    segmented(export, results)
    out = results.parent / "out"
    assert not [*out.rglob("*.dcm")]
    assert not any(re.search(rb"Q[134]\b|DICM", p.read_bytes()) for p in out.rglob("*") if p.is_file())


def test_each_examination_gets_a_seg_and_an_rtstruct_with_the_voxels_of_its_mask(results: Path, export: Path):
    shutil.rmtree(export / "Q2")
    folder = results.parent / "objects"
    status, table, said = segmented(export, results, "--dicom", str(folder))
    assert status == 0 and f"which identify the patients: {folder}" in said
    assert set(table.dicom) == {"SEG and RTSTRUCT"}
    found = objects(folder)
    assert {*found} == {f"{case}_{kind}.dcm" for case in table.case for kind in ("seg", "rtstruct")}
    assert {str(d.PatientID) for d in found.values()} == {"Q1", "Q3", "Q4"}
    for case in table.case:
        mask = sitk.ReadImage(str(results.parent / f"out/predictions/{case}_prostate.nii.gz"))
        wanted = sitk.GetArrayFromImage(mask) > 0
        seg, _ = segment_mask(found[f"{case}_seg.dcm"], 1, mask)
        drawn, _ = roi_mask(rois(found[f"{case}_rtstruct.dcm"])[0], mask)
        assert (seg == wanted).all() and (drawn == wanted).all() and wanted.any()
    algorithm = found[f"{table.case[0]}_seg.dcm"].SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    (weights,) = (results / "prostate/stages").glob(f"*/{WEIGHTS}")
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("prostate/b_a-f0", file_digest(weights))


def test_a_second_call_leaves_the_objects_as_they_are(results: Path, export: Path):
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    before = {p: p.read_bytes() for p in folder.iterdir()}
    segmented(export, results, "--dicom", str(folder))
    assert before == {p: p.read_bytes() for p in folder.iterdir()} and len(before) == 6


def test_what_was_written_of_a_patient_whose_id_is_corrected_is_removed(results: Path, export: Path):
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    (folder / "p0123456789ab_seg.dcm").write_bytes(b"of another call")
    for path in (export / "Q3/t2").iterdir():
        dataset = dcmread(path)
        dataset.PatientID = "Q5"
        dataset.save_as(path)
    _, table, said = segmented(export, results, "--dicom", str(folder))
    cases = {*table[table.structure != ""].case}
    assert masks(results) == cases and len(cases) == 3
    assert "1 object of cases that are not in this call: p0123456789ab_seg.dcm" in said
    (folder / "p0123456789ab_seg.dcm").unlink()
    found = objects(folder)
    assert {name.partition("_")[0] for name in found} == cases
    assert {str(d.PatientID) for d in found.values()} == {"Q1", "Q4", "Q5"}


def test_objects_of_another_model_are_neither_replaced_nor_removed(results: Path, export: Path, monkeypatch):
    shutil.rmtree(export / "Q2")
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    for path in folder.iterdir():
        dataset = dcmread(path)
        dataset.ManufacturerModelName = "lesion/b"
        dataset.save_as(path)
    before = {p: p.read_bytes() for p in folder.iterdir()}
    status, table, _ = segmented(export, results, "--dicom", str(folder))
    assert status == 1 and table.not_done.str.contains("there is no object of prostate/b_a-f0").all()
    monkeypatch.setattr(Threshold, "predict", lambda self, images: np.zeros_like(images))  # nothing is found
    segmented(export, results, "--dicom", str(folder))
    assert before == {p: p.read_bytes() for p in folder.iterdir()} and len(before) == 6


def test_files_that_were_moved_keep_their_objects(results: Path, export: Path):
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    before = {p: p.read_bytes() for p in folder.iterdir()}
    (export / "Q1").rename(export / "moved")
    segmented(export, results, "--dicom", str(folder))
    assert before == {p: p.read_bytes() for p in folder.iterdir()} and len(before) == 6


@pytest.mark.parametrize("corrected", ["label", "name"])
def test_objects_follow_a_corrected_label_and_name(results: Path, export: Path, monkeypatch, corrected: str):
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    before = {d.SOPInstanceUID for d in objects(folder).values()}
    if corrected == "label":
        target = targets({"prostate": Structure(label="Gland")})
        monkeypatch.setattr(segmenting, "targets", lambda structures: target)
    for path in export.glob("*/t2/*") if corrected == "name" else ():
        dataset = dcmread(path)
        dataset.PatientName = "Corrected"
        dataset.save_as(path)
    segmented(export, results, "--dicom", str(folder))
    after = objects(folder).values()
    assert len(after) == 6 and not before & {d.SOPInstanceUID for d in after}


def test_an_empty_mask_is_in_no_object_and_is_told(results: Path, export: Path, monkeypatch):
    shutil.rmtree(export / "Q2")
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    monkeypatch.setattr(Threshold, "predict", lambda self, images: np.zeros_like(images))
    status, table, said = segmented(export, results, "--dicom", str(folder))
    assert status == 0 and set(table.dicom) == {"left out: the mask is empty"}
    assert "left out: the mask is empty" in said and not [*folder.iterdir()]
    assert f"no DICOM object was written to {folder}" in said and "which identify the patients" not in said


def test_an_examination_without_a_frame_of_reference_has_masks_and_no_objects(results: Path, export: Path):
    shutil.rmtree(export / "Q2")
    for path in (export / "Q3/t2").iterdir():
        dataset = dcmread(path)
        del dataset.FrameOfReferenceUID
        dataset.save_as(path)
    folder = results.parent / "objects"
    status, table, said = segmented(export, results, "--dicom", str(folder))
    assert status == 1 and len(masks(results)) == 3 and len(objects(folder)) == 4
    (why,) = set(table[table.not_done != ""].not_done)
    assert why.startswith("no DICOM object: the series has no FrameOfReferenceUID")
    assert "no DICOM object of it could be written: no DICOM object: the series" in said


def test_objects_are_not_written_among_files_that_tell_nobody_who_it_is(results: Path, export: Path):
    out = results.parent / "out"
    said = CliRunner().invoke(
        app,
        ["segment", str(export), str(out), "--results", str(results), *SEGMENT, "--model", "b_a-f0",
         "--dicom", str(out / "objects")],
    )  # fmt: skip
    assert said.exit_code == 2 and "name a folder outside it" in said.output and not out.exists()


def test_a_folder_that_can_not_be_made_is_named(results: Path, export: Path):
    (results.parent / "file").write_text("")
    places = [str(export), str(results.parent / "out"), "--results", str(results), *SEGMENT, "--model", "b_a-f0"]
    done = CliRunner().invoke(app, ["segment", *places, "--dicom", str(results.parent / "file/objects")])
    assert done.exit_code == 2 and f"{results.parent}/file/objects can't be written: Not a directory" in done.output


def test_objects_of_an_earlier_call_among_the_images_change_nothing(results: Path, export: Path):
    shutil.rmtree(export / "Q2")
    folder = results.parent / "objects"
    _, table, _ = segmented(export, results, "--dicom", str(folder))
    shutil.copytree(folder, export / "from the PACS")
    status, again, said = segmented(export, results, "--dicom", str(folder.with_name("again")))
    assert status == 0, said
    assert again.equals(table)
    uids = [{d.SOPInstanceUID for d in objects(f).values()} for f in (folder, folder.with_name("again"))]
    assert uids[0] == uids[1] and len(uids[0]) == 6


def test_objects_of_a_model_among_the_images_are_no_manual_masks(results: Path, export: Path, tmp_path: Path):
    shutil.rmtree(export / "Q2")
    segmented(export, results, "--dicom", str(export / "from the PACS"))
    kept = [line for line in RULES.splitlines() if line.startswith(("series", "structures"))]
    (tmp_path / "rules.yaml").write_text("\n".join(kept))
    _, table, _ = segmented(export, results, "--rules", str(tmp_path / "rules.yaml"))
    assert len(table) == 3 and "dsc" not in table and (table.not_done.str.startswith("structure-missing")).all()
    assert "mask-of-model" in (results.parent / "out/cases/ingest.txt").read_text()


def test_objects_of_an_archive_are_those_of_the_folder(results: Path, export: Path):
    folder = results.parent / "objects"
    segmented(export, results, "--dicom", str(folder))
    archive = shutil.make_archive(str(results.parent / "export"), "zip", export)
    segmented(Path(archive), results, "--dicom", str(folder.with_name("zipped")))
    uids = [{d.SOPInstanceUID for d in objects(f).values()} for f in (folder, folder.with_name("zipped"))]
    assert uids[0] == uids[1] and len(uids[0]) == 6
