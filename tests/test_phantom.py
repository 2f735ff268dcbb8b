"""The phantom: deterministic, readable by others, true to its own physics and to the paper."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.path import Path as Polygon
from pydantic import ValidationError
from pydicom import Dataset, dcmread

from crossover.phantoms.kit.structures import contours
from crossover.phantoms.pelvis.clinical import write_clinical
from crossover.phantoms.pelvis.examination import Examination, clinical_record, examine, patient_id
from crossover.phantoms.pelvis.label_canvas import Canvas, Ellipsoid, Grid
from crossover.phantoms.pelvis.patients import write_patient
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.phantoms.pelvis.uterus import draw_uterus, draw_volume
from tests.phantom_files import assert_one_study, digests

ANATOMIES = ("cervix", "uterus")


def source(anatomy: str = "uterus", **changes: object) -> PhantomSource:
    settings = {"patients": 4, "seed": 3, "matrix": 64, "slices": (10, 14)} | changes
    return PhantomSource(anatomy=anatomy, **settings)


def series(folder: Path) -> list[Dataset]:
    return [dcmread(f) for f in sorted(folder.glob("*.dcm"))]


def rasterise(lines: list[tuple[int, np.ndarray]], exam: Examination) -> np.ndarray:
    """Pixel centres inside contours (slice, points in mm), by XOR."""
    g, mask = exam.geometry, np.zeros(exam.mask.shape, bool)
    y = g.origin[1] + np.arange(g.shape[2]) * g.pixel_mm
    z = g.origin[2] - np.arange(g.shape[1]) * g.pixel_mm
    centres = np.stack(np.meshgrid(y, z), -1).reshape(-1, 2)
    for k, points in lines:
        mask[k] ^= Polygon(points[:, 1:]).contains_points(centres).reshape(g.shape[1:])
    return mask


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patient 0 with a SEG and patient 1 with an RTSTRUCT, both of the uterus."""
    out = tmp_path_factory.mktemp("phantom")
    write_patient(source(seg_fraction=1), 0, out)
    write_patient(source(seg_fraction=0), 1, out)
    return out


@pytest.mark.parametrize("seg_fraction", [0, 1])
def test_same_bytes_twice_whatever_the_number_of_patients(tmp_path: Path, seg_fraction: int):
    for name, patients in (("a", 4), ("b", 400)):
        write_patient(source(seg_fraction=seg_fraction, patients=patients), 2, tmp_path / name)
    first = digests(tmp_path / "a")
    assert first and first == digests(tmp_path / "b")


def test_patients_differ():
    exams = [examine(source(), k) for k in (0, 1)] + [examine(source("cervix"), 0)]
    assert len({e.patient_id for e in exams}) == 3
    assert len({e.b0.tobytes() for e in exams}) == 3
    assert patient_id(source("cervix"), 7) == "SYN-CERVIX-0007"


def test_nothing_of_the_present_in_a_seg(written: Path):
    ds = dcmread(written / "SYN-UTERUS-0000/CONTOUR/seg.dcm")
    for element in ds.iterall():
        if element.VR == "DA" and element.value:
            assert element.value == "20000101", element
        if element.VR == "UI":
            assert str(element.value).startswith(("2.25.", "1.2.840.10008.")), element


@pytest.mark.parametrize("name", ["DWI_b0", "DWI_b1000", "ADC"])
def test_series_attributes(written: Path, name: str):
    exam = examine(source(seg_fraction=1), 0)
    files = series(written / exam.patient_id / name)
    assert len(files) == exam.geometry.shape[0]
    for k, ds in enumerate(files):
        assert ds.SOPClassUID.name == "MR Image Storage"
        assert ds.PatientID == exam.patient_id and str(ds.PatientName).startswith("Synthetic^")
        assert ds.PatientIdentityRemoved == "YES" and "Synthetic phantom" in ds.ImageComments
        assert ds.ImageOrientationPatient == [0, 1, 0, 0, 0, -1]
        assert ds.ImagePositionPatient == pytest.approx(exam.geometry.position(k))
        assert (ds.SliceThickness, ds.SpacingBetweenSlices, ds.InstanceNumber) == (4, 5, k + 1)
        assert (ds.ScanningSequence, ds.MagneticFieldStrength) == ("EP", 3)
        assert 65 <= ds.EchoTime <= 85 and 3700 <= ds.RepetitionTime <= 8200
        assert ds.ManufacturerModelName in ("Skyra", "TrioTim")
        if name == "ADC":
            assert ds.ImageType == ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
            units = ds.RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0]
            assert (units.CodeValue, units.CodingSchemeDesignator) == ("um2/s", "UCUM")
        else:
            assert ds.ImageType == ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
            assert ds[0x0018, 0x9087].value == float(name.removeprefix("DWI_b"))


def test_one_study_one_frame_of_reference_distinct_instances(written: Path):
    assert_one_study(written / "SYN-UTERUS-0001", series=4)


def test_itk_reads_a_series_where_it_is(written: Path):
    exam = examine(source(seg_fraction=1), 0)
    folder = written / exam.patient_id / "DWI_b1000"
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    assert image.GetSpacing() == pytest.approx((3.125, 3.125, 5))
    assert image.GetDirection() == pytest.approx((0, 0, -1, 1, 0, 0, 0, -1, 0))
    assert image.GetOrigin() == pytest.approx(exam.geometry.origin)
    assert np.array_equal(sitk.GetArrayFromImage(image), exam.b1000)


def test_adc_agrees_with_the_written_images(written: Path):
    b0, b1000, adc = (
        np.stack([ds.pixel_array for ds in series(written / "SYN-UTERUS-0001" / name)]).astype(float)
        for name in ("DWI_b0", "DWI_b1000", "ADC")
    )
    valid = (b0 > 0) & (b1000 > 0)
    expected = np.clip(1e6 * np.log(b0[valid] / b1000[valid]) / 1000, 0, 4095)
    assert valid.mean() > 0.9
    assert np.abs(adc[valid] - expected).max() <= 0.5


def test_structure_set_gives_the_mask_back(written: Path):
    exam = examine(source(seg_fraction=0), 1)
    folder = written / exam.patient_id
    ds = dcmread(folder / "CONTOUR/rtstruct.dcm")
    slices = {image.SOPInstanceUID: k for k, image in enumerate(series(folder / "DWI_b1000"))}
    assert [roi.ROIName for roi in ds.StructureSetROISequence] == ["tumour"]
    lines = []
    for item in ds.ROIContourSequence[0].ContourSequence:
        k = slices[item.ContourImageSequence[0].ReferencedSOPInstanceUID]
        points = np.array(item.ContourData, float).reshape(-1, 3)
        assert item.ContourGeometricType == "CLOSED_PLANAR"
        assert points[:, 0] == pytest.approx(exam.geometry.position(k)[0])
        lines.append((k, points))
    assert np.array_equal(rasterise(lines, exam), exam.mask)


def test_contours_of_holes_borders_and_diagonals():
    exam = examine(source(), 0)
    mask = np.random.default_rng(0).random(exam.mask.shape) < 0.5
    assert np.array_equal(rasterise(contours(mask, exam.geometry), exam), mask)


def test_seg_gives_the_mask_back(written: Path):
    exam = examine(source(seg_fraction=1), 0)
    folder = written / exam.patient_id
    ds = dcmread(folder / "CONTOUR/seg.dcm")
    assert ds.SegmentSequence[0].SegmentLabel == "tumour"
    slices = {image.SOPInstanceUID: k for k, image in enumerate(series(folder / "DWI_b1000"))}
    mask = np.zeros_like(exam.mask)
    frames = ds.pixel_array.reshape(-1, *mask.shape[1:])
    for frame, item in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        origin = item.DerivationImageSequence[0].SourceImageSequence[0]
        mask[slices[origin.ReferencedSOPInstanceUID]] = frame
    assert np.array_equal(mask, exam.mask)


def tumour_ml(exam: Examination) -> float:
    return float(exam.mask.sum()) * exam.geometry.voxel_ml


@pytest.mark.parametrize("anatomy", ANATOMIES)
def test_tumours_show_and_are_covered(anatomy: str):
    for k in range(12):
        exam = examine(source(anatomy), k)
        assert exam.mask.sum() >= 3 and 10 <= len(exam.mask) <= 14
        assert not exam.mask[[0, -1]].any(), "a free slice on each side"
        if tumour_ml(exam) > 1:  # a few voxels are mostly partial volume
            adc = exam.adc_um2_s[exam.mask]
            assert 600 < np.median(adc) < 1250, "restricted diffusion"
            assert np.median(exam.b1000[exam.mask]) > 2 * np.median(exam.b1000)


def test_a_patient_is_the_same_at_every_resolution():
    coarse, fine = (examine(source(matrix=m, slices=(12, 12)), 1) for m in (64, 128))
    assert coarse.clinical == fine.clinical and coarse.te_ms == fine.te_ms
    assert tumour_ml(coarse) == pytest.approx(tumour_ml(fine), rel=0.15)


def test_tumour_volumes_of_the_uterus_follow_the_paper():
    cohort = source(patients=2000)
    records = (clinical_record(cohort, k) for k in range(2000))
    rng = np.random.default_rng(5)
    volumes = np.array([draw_volume("uterus", record, rng) for record in records])
    assert volumes.min() >= 0.14 and volumes.max() <= 270
    assert np.median(volumes) == pytest.approx(4.2, rel=0.15)
    assert volumes.max() > 100 and volumes.min() < 0.5


def test_a_corpus_has_room_for_its_tumour():
    for k in range(200):
        record = clinical_record(source(), k)
        uterus = draw_uterus("uterus", record, np.random.default_rng(k))
        corpus_ml = 4e-3 / 3 * np.pi * uterus.corpus.half.prod()
        assert corpus_ml > 2.5 * uterus.tumour.volume_ml


def test_clinical_proportions_follow_table_1():
    n = 3000
    records = [clinical_record(source(patients=n), k) for k in range(n)]
    age = np.array([r.age for r in records])
    assert age.min() >= 25 and age.max() <= 88
    assert age.mean() == pytest.approx(52.14, abs=0.8) and age.std() == pytest.approx(11.15, abs=0.8)
    for column, value, count in (
        ("histology", "endometrioid carcinoma", 309),
        ("grade", "poor", 61),
        ("t_stage", "1", 290),
        ("n_stage", "1", 21),
        ("scanner", "Skyra", 248),
    ):
        share = Counter(getattr(r, column) for r in records)[value] / n
        p = count / 320
        assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n)), column
    cervix = [clinical_record(source("cervix"), k).histology for k in range(n)]
    assert Counter(cervix)["adenocarcinoma"] / n == pytest.approx(0.2, abs=0.03)


def test_clinical_csv(tmp_path: Path):
    cohort = source()
    rows = [write_patient(cohort, k, tmp_path) for k in (1, 0)]
    write_clinical(rows, tmp_path / "clinical.csv")
    with (tmp_path / "clinical.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [row["patient"] for row in read] == ["SYN-UTERUS-0000", "SYN-UTERUS-0001"]
    columns = ["patient", "age", "histology", "grade", "t_stage", "n_stage", "scanner"]
    assert list(read[0]) == columns


def test_volume_of_a_painted_shape():
    """The arithmetic behind everything: an ellipsoid sampled on a grid has its volume."""
    axis = (np.arange(80) - 39.5).astype(np.float32)
    y = np.broadcast_to(axis, (80, 80, 80)).copy()
    grid = Grid(
        x=axis[::-1].reshape(-1, 1, 1),
        y=y,
        z=axis[::-1].reshape(1, -1, 1),
        y_axis=axis,
        margin_mm=0,
    )
    canvas = Canvas(grid, np.zeros(grid.shape, np.uint8))
    canvas.paint(Ellipsoid(np.array([3, -2, 5.0]), np.array([20, 12, 25.0]), np.eye(3)[[1, 2, 0]]), 1)
    assert canvas.labels.sum() == pytest.approx(4 / 3 * np.pi * 20 * 12 * 25, rel=0.01)


@pytest.mark.parametrize(
    "changes",
    [{"slices": (14, 10)}, {"b_values": (1000, 0)}, {"scanners": {"Nope": 1}}, {"matrx": 64}],
)
def test_bad_settings_are_refused(changes: dict):
    with pytest.raises(ValidationError):
        source(**changes)
