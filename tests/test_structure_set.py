"""Masks as RTSTRUCT: on every kind of series each voxel lies where other readers find it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import block, write
from dicom_reading import headers
from dicom_results import (
    DCIODVFY,
    KINDS,
    PRODUCER,
    SHAPE,
    TARGETS,
    errors,
    geometry,
    in_order,
    masks,
    places,
    same_places,
    written,
)
from pydicom import Dataset, dcmread
from skimage.measure import points_in_poly

from crossover.exchange.original_series import Original, original
from crossover.exchange.structure_set import structure_set
from crossover.sources.dicom.rtstruct import roi_mask, rois
from crossover.sources.dicom.stacks import stacks
from crossover.sources.dicom.structures import drawables, find_structure

PLASTIMATCH = Path(sys.executable).parent / "plastimatch"


def saved(origin: Original, folder: Path) -> Dataset:
    structure_set(origin, masks(), TARGETS, PRODUCER).save_as(folder / "rt.dcm", enforce_file_format=True)
    return dcmread(folder / "rt.dcm")


@pytest.mark.parametrize("how", KINDS)
def test_our_own_reader_finds_each_voxel(how: str, tmp_path: Path):
    origin = written(tmp_path / "series", how)
    found = rois(saved(origin, tmp_path))
    assert [roi.name for roi in found] == ["Parotid_L", "Other"]
    for roi, mask in zip(found, masks().values()):
        voxels, findings = roi_mask(roi, origin.lattice)
        assert (voxels == mask).all()
        assert {f.code for f in findings} <= {"contours-skip"}  # of the slice that holds nothing


@pytest.mark.parametrize("how", KINDS)
def test_contours_enclose_the_pixels_of_the_image_that_each_names(how: str, tmp_path: Path):
    """By pydicom alone, with the geometry of the named image, even-odd."""
    origin = written(tmp_path / "series", how)
    files = {p.instance.uid: p.instance.file for p in origin.planes}
    for item, mask in zip(saved(origin, tmp_path).ROIContourSequence, masks().values(), strict=True):
        seen = np.zeros(SHAPE, bool)
        for contour in item.ContourSequence:
            (named,) = contour.ContourImageSequence
            frame = named.get("ReferencedFrameNumber")
            with files[named.ReferencedSOPInstanceUID].open() as file:
                position, turn, spacing = geometry(dcmread(file), frame)
            points = np.reshape(np.array(contour.ContourData, float), (-1, 3)) - position
            assert np.abs(points @ np.cross(*turn)).max() < 1e-4 and len(points) == contour.NumberOfContourPoints
            ring = points @ turn.T / spacing[::-1]
            uid = named.ReferencedSOPInstanceUID
            (k,) = [k for k, p in enumerate(origin.planes) if (p.instance.uid, p.frame_number) == (uid, frame)]
            pixels = np.stack(np.meshgrid(range(SHAPE[2]), range(SHAPE[1])), axis=-1).reshape(-1, 2)
            seen[k] ^= points_in_poly(pixels, ring).reshape(SHAPE[1:])
        assert (seen == mask).all()


@pytest.mark.skipif(not PLASTIMATCH.exists(), reason="plastimatch is not here")
@pytest.mark.parametrize("how", ["axial", "reversed", "gapped"])
def test_plastimatch_finds_each_voxel(how: str, tmp_path: Path):
    """It reads axial slices only."""
    origin = written(tmp_path / "series", how)
    saved(origin, tmp_path)
    call = [PLASTIMATCH, "convert", "--input", tmp_path / "rt.dcm", "--referenced-ct", tmp_path / "series"]
    call += ["--output-prefix", tmp_path / "masks", "--prefix-format", "nrrd"]
    told = subprocess.run(call, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    for name, mask in zip(("Parotid_L", "Other"), masks().values()):
        image = sitk.ReadImage(str(tmp_path / f"masks/{name}.nrrd"))
        index = np.argwhere(sitk.GetArrayFromImage(image) > 0)[:, ::-1].tolist()
        found = np.array([image.TransformIndexToPhysicalPoint(i) for i in index])
        assert same_places(in_order(found), places(mask, origin))


@pytest.mark.skipif(not DCIODVFY, reason="dicom3tools is not here (apt-get install dicom3tools)")
@pytest.mark.parametrize("how", KINDS)
def test_dicom3tools_finds_nothing_wrong(how: str, tmp_path: Path):
    saved(written(tmp_path / "series", how), tmp_path)
    assert errors(tmp_path / "rt.dcm") == []


def test_it_belongs_to_the_patient_study_and_frame_of_the_images(tmp_path: Path):
    origin = written(tmp_path / "series", "enhanced")
    rt, header = saved(origin, tmp_path), origin.header
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"):
        assert rt[keyword].value == header[keyword].value, keyword
    (frame,) = rt.ReferencedFrameOfReferenceSequence
    assert frame.FrameOfReferenceUID == header.FrameOfReferenceUID == rt.FrameOfReferenceUID
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == header.SeriesInstanceUID
    named = [(i.ReferencedSOPInstanceUID, i.ReferencedFrameNumber) for i in series.ContourImageSequence]
    assert named == [(p.instance.uid, p.frame_number) for p in origin.planes]


def test_it_tells_the_model_and_what_each_structure_is(tmp_path: Path):
    rt = saved(written(tmp_path / "series", "axial"), tmp_path)
    assert (rt.Manufacturer, rt.ManufacturerModelName) == ("Crossover", "uterus/scratch-n13")
    assert list(rt.SoftwareVersions) == ["0.1.0", "ab" * 32] and rt.ApprovalStatus == "UNAPPROVED"
    gland, other = rt.StructureSetROISequence
    assert (gland.ROIName, gland.ROIDescription, gland.ROIGenerationAlgorithm) == (
        "Parotid_L",
        "Left parotid",
        "AUTOMATIC",
    )
    assert other.ROIName == "Other"
    first, second = rt.RTROIObservationsSequence
    assert first.RTROIIdentificationCodeSequence[0].CodeValue == "45289007"
    assert second.RTROIIdentificationCodeSequence[0].CodeMeaning == "Organ"
    colours = [list(item.ROIDisplayColor) for item in rt.ROIContourSequence]
    assert colours == [[213, 94, 0], [0, 114, 178]]


def test_the_rules_of_an_ingest_find_a_structure_by_its_label_too(tmp_path: Path):
    origin = written(tmp_path / "series", "sagittal")
    mask, _ = find_structure(
        list(drawables(saved(origin, tmp_path))), ["Parotid_L"], origin.lattice, origin.frame_of_reference, []
    )
    assert (sitk.GetArrayFromImage(mask) > 0).tolist() == masks()["gland"].tolist()


def test_a_contour_of_more_characters_than_an_explicit_length_holds_is_whole(tmp_path: Path):
    write(tmp_path / "series", block(shape=(3, 60, 120)))
    origin = original(stacks(headers(tmp_path / "series"))[0])
    sieve = np.zeros((3, 60, 120), bool)
    sieve[1] = True
    sieve[1, 1:-1:2, 1:-1:2] = False
    structure_set(origin, {"gland": sieve}, TARGETS, PRODUCER).save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    rt = dcmread(tmp_path / "rt.dcm")
    longest = max(len("\\".join(map(str, c.ContourData))) for c in rt.ROIContourSequence[0].ContourSequence)
    assert longest > 65_534
    voxels, _ = roi_mask(rois(rt)[0], origin.lattice)
    assert (voxels == sieve).all()
