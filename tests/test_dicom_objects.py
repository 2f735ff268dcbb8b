"""Masks as DICOM SEG and RTSTRUCT: on every kind of series each voxel lies where other readers find it."""

from __future__ import annotations

import json
import shutil
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

from crossover.exchange.object_attributes import targets
from crossover.exchange.original_series import Original, original
from crossover.exchange.segmentation_object import segmentation
from crossover.exchange.structure_set import structure_set
from crossover.sources.dicom.rtstruct import roi_mask, rois
from crossover.sources.dicom.segmentation import segment_mask, segments
from crossover.sources.dicom.stacks import stacks
from crossover.sources.dicom.structures import drawables, find_structure
from crossover.sources.settings import Structure, StructureCode

DCMQI = shutil.which("segimage2itkimage") or shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent))
PLASTIMATCH = Path(sys.executable).parent / "plastimatch"


@pytest.fixture(params=KINDS)
def made(request, tmp_path: Path) -> tuple[Original, Path]:
    origin = written(tmp_path / "series", request.param)
    path = tmp_path / "seg.dcm"
    segmentation(origin, masks(), TARGETS, PRODUCER).save_as(path, enforce_file_format=True)
    return origin, path


def test_our_own_reader_finds_each_voxel_of_a_segmentation(made):
    origin, path = made
    for number, mask in enumerate(masks().values(), 1):
        found, findings = segment_mask(dcmread(path), number, origin.lattice)
        assert (found == mask).all() and not findings


def test_highdicom_finds_each_voxel_at_its_place_in_the_files(made):
    import highdicom as hd

    origin, path = made
    volume = hd.seg.segread(path).get_volume()
    for k, mask in enumerate(masks().values()):
        index = np.argwhere(volume.array[..., k] > 0)
        found = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        assert same_places(in_order(found), places(mask, origin))


def test_each_frame_shows_the_pixels_of_the_image_that_it_names(made):
    """By pydicom alone: a frame lies on the image, or the frame of one, that it was derived from."""
    origin, path = made
    seg, files = dcmread(path), {i.uid: i.file for p in origin.planes for i in (p.instance,)}
    frames = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    frames = frames[: seg.NumberOfFrames * SHAPE[1] * SHAPE[2]].reshape(-1, *SHAPE[1:])
    seen = {1: np.zeros(SHAPE, bool), 2: np.zeros(SHAPE, bool)}
    for group, pixels in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        with files[source.ReferencedSOPInstanceUID].open() as file:
            image = dcmread(file)
        frame = source.get("ReferencedFrameNumber")
        assert source.ReferencedSOPClassUID == image.SOPClassUID
        position, _, _ = geometry(image, frame)
        assert np.allclose(np.array(group.PlanePositionSequence[0].ImagePositionPatient, float), position)
        (k,) = [
            k for k, p in enumerate(origin.planes)
            if (p.instance.uid, p.frame_number) == (source.ReferencedSOPInstanceUID, frame)
        ]  # fmt: skip
        seen[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber][k] = pixels > 0
    for number, mask in enumerate(masks().values(), 1):
        assert (seen[number] == mask).all()


@pytest.mark.skipif(not DCMQI, reason="dcmqi's segimage2itkimage is not here (pip install dcmqi)")
def test_dcmqi_finds_each_voxel(made, tmp_path: Path):
    origin, path = made
    told = subprocess.run(
        [DCMQI, "--inputDICOM", path, "--outputDirectory", tmp_path, "--prefix", "x", "-t", "nrrd"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    for number, mask in enumerate(masks().values(), 1):
        image = sitk.ReadImage(str(tmp_path / f"x-{number}.nrrd"))
        index = np.argwhere(sitk.GetArrayFromImage(image) > 0)[:, ::-1].tolist()
        found = np.array([image.TransformIndexToPhysicalPoint(i) for i in index])
        assert same_places(in_order(found), places(mask, origin))
    about = json.loads((tmp_path / "x-meta.json").read_text())
    assert about["segmentAttributes"][0][0]["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"] == "Parotid gland"


@pytest.mark.skipif(not DCIODVFY, reason="dicom3tools is not here (apt-get install dicom3tools)")
@pytest.mark.parametrize("make", [segmentation, structure_set])
@pytest.mark.parametrize("how", KINDS)
def test_dicom3tools_finds_nothing_wrong(how: str, make, tmp_path: Path):
    path = tmp_path / "made.dcm"
    make(written(tmp_path / "series", how), masks(), TARGETS, PRODUCER).save_as(path, enforce_file_format=True)
    assert errors(path) == []


def made_of(origin: Original, **more: np.ndarray) -> Dataset:
    return segmentation(origin, {**masks(), **more}, TARGETS, PRODUCER)


def test_a_segmentation_belongs_to_the_patient_study_and_frame_of_the_images(made):
    origin, path = made
    seg, header = dcmread(path), origin.header
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"):
        assert seg[keyword].value == header[keyword].value, keyword
    assert seg.FrameOfReferenceUID == header.FrameOfReferenceUID
    assert seg.SeriesInstanceUID != header.SeriesInstanceUID and seg.SeriesNumber == 401
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == header.SeriesInstanceUID
    assert {i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence} == set(origin.files)
    assert "2.25.1'" not in str(seg)  # of a stand-in


def test_a_segmentation_tells_the_model_and_what_each_segment_is(tmp_path: Path):
    seg = made_of(written(tmp_path, "axial"))
    assert (seg.Manufacturer, seg.ManufacturerModelName) == ("Crossover", "uterus/scratch-n13")
    assert list(seg.SoftwareVersions) == ["0.1.0", "ab" * 32] and seg.ContentLabel == "SEGMENTATION"
    assert "uterus/scratch-n13" in seg.SeriesDescription
    gland, other = segments(seg)
    assert (gland.label, gland.kind.CodeValue) == ("Left parotid", "45289007")
    assert [m.CodeMeaning for m in gland.modifiers] == ["Left"]
    assert (other.kind.CodeValue, other.kind.CodeMeaning) == ("91772007", "Organ")
    (algorithm,) = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("uterus/scratch-n13", "ab" * 32)
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"


def test_the_same_masks_of_the_same_model_have_the_same_uid_and_others_another(tmp_path: Path):
    origin, less = written(tmp_path, "axial"), masks()["other"].copy()
    less[1, 0, 0] = False
    assert made_of(origin).SOPInstanceUID == made_of(origin).SOPInstanceUID
    assert made_of(origin).SOPInstanceUID != made_of(origin, other=less).SOPInstanceUID


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "Müller^Jürgen"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"), ("ISO_IR 192", "Şen^Ayşe")],
)
@pytest.mark.parametrize("label", ["Gland", "Ösophagus 食道"])
def test_names_in_any_character_set_come_through(tmp_path: Path, charset, name: str, label: str):
    write(tmp_path, block(shape=SHAPE), SpecificCharacterSet=charset, PatientName=name)
    origin = original(stacks(headers(tmp_path))[0])
    own = targets({"gland": Structure(label=label)})
    segmentation(origin, {"gland": masks()["gland"]}, own, PRODUCER).save_as(tmp_path / "seg")
    seg = dcmread(tmp_path / "seg")
    assert seg.PatientName == origin.header.PatientName and str(seg.PatientName) == name
    assert seg.SegmentSequence[0].SegmentLabel == label


@pytest.mark.parametrize("charset", [None, "ISO_IR 100", ["", "ISO 2022 IR 87"]])
@pytest.mark.parametrize("make", [segmentation, structure_set])
def test_codes_in_any_language_come_through_beside_a_label_in_ascii(tmp_path: Path, make, charset):
    write(tmp_path, block(shape=SHAPE), **({"SpecificCharacterSet": charset} if charset else {}))
    code = StructureCode(value="45289007", meaning="Glándula parótida 腺", tg263="Parótida_L")
    own = targets({"gland": Structure(label="Parotid", code=code)})
    origin = original(stacks(headers(tmp_path))[0])
    make(origin, {"gland": masks()["gland"]}, own, PRODUCER).save_as(tmp_path / "made", enforce_file_format=True)
    made = dcmread(tmp_path / "made")
    texts = {e.keyword: e.value for e in made.iterall() if "á" in str(e.value) or "ó" in str(e.value)}
    assert made.SpecificCharacterSet == "ISO_IR 192" and texts["CodeMeaning"] == code.meaning
    if make is structure_set:
        assert texts["ROIName"] == texts["ROIObservationLabel"] == code.tg263


@pytest.mark.parametrize("text", ["GTV\\nodal", "GTV\nnodal", "GTV\tnodal", "GTV\x1b"])
def test_a_text_that_would_be_two_values_in_dicom_is_refused_where_it_is_read(text: str):
    with pytest.raises(ValueError, match="no backslash, tab or line break"):
        Structure(label=text)
    for keys in ({"meaning": text, "value": "1"}, {"tg263": text}, {"meaning": "m", "value": text}, {"scheme": text}):
        with pytest.raises(ValueError, match="no backslash, tab or line break"):
            StructureCode(**keys)


def test_headers_that_lack_or_break_what_an_image_must_have_are_taken_as_they_are(tmp_path: Path):
    def odd(d: Dataset, k: int) -> None:
        d.PatientSex, d.PatientBirthDate = "female", "unknown"
        for keyword in ("StudyID", "AccessionNumber", "StudyTime", "SliceThickness"):
            if keyword in d:
                delattr(d, keyword)

    write(tmp_path, block(shape=SHAPE), edit=odd, PatientName="A")
    origin = original(stacks(headers(tmp_path))[0])
    made_of(origin).save_as(tmp_path / "seg", enforce_file_format=True)
    seg = dcmread(tmp_path / "seg")
    assert (seg.PatientSex, seg.PatientBirthDate, seg.StudyID) == ("female", "unknown", "")
    found, _ = segment_mask(seg, 1, origin.lattice)
    assert (found == masks()["gland"]).all()


def test_that_the_images_were_compressed_with_a_loss_is_said_of_the_segmentation_too(tmp_path: Path):
    write(tmp_path, block(shape=SHAPE), LossyImageCompression="01", LossyImageCompressionRatio="12.5")
    seg = made_of(original(stacks(headers(tmp_path))[0]))
    assert (seg.LossyImageCompression, float(seg.LossyImageCompressionRatio)) == ("01", 12.5)


def saved(origin: Original, folder: Path) -> Dataset:
    structure_set(origin, masks(), TARGETS, PRODUCER).save_as(folder / "rt.dcm", enforce_file_format=True)
    return dcmread(folder / "rt.dcm")


@pytest.mark.parametrize("how", KINDS)
def test_our_own_reader_finds_each_voxel_of_a_structure_set(how: str, tmp_path: Path):
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


def test_a_structure_set_belongs_to_the_patient_study_and_frame_of_the_images(tmp_path: Path):
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


def test_a_structure_set_tells_the_model_and_what_each_structure_is(tmp_path: Path):
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
