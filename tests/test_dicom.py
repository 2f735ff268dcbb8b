"""DICOM: read as it was written, whatever the files are called; refused by name where it is wrong."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

from crossover.imaging.volumes import on_grid, same_grid
from crossover.sources.dicom.contours import rtstruct_mask, seg_mask, structure_mask
from crossover.sources.dicom.reader import read_patient
from crossover.sources.dicom.scan import scan
from crossover.sources.dicom.series import DicomError, choose, image_series, read, to_image
from crossover.sources.phantom import Examination, PhantomSource, examine, write_patient
from crossover.sources.settings import SeriesRule, Structure

REAL = Path(__file__).parent.parent.parent / "shared/real/dicom"
RULES = {
    "b0": SeriesRule(modality="MR", b_value=0),
    "b1000": SeriesRule(modality="MR", b_value=1000),
    "adc": SeriesRule(modality="MR", image_type="ADC"),
}
STRUCTURES = {"tumour": Structure(label="Tumour")}
KINDS = {"SEG": 1.0, "RTSTRUCT": 0.0}


real = pytest.mark.skipif(not REAL.exists(), reason="the real DICOM files are not here")


def source(kind: str) -> PhantomSource:
    return PhantomSource(
        anatomy="uterus", patients=2, seed=5, matrix=32, slices=(6, 7), seg_fraction=KINDS[kind]
    )


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Examination]]:
    """One patient for each kind of contour: the folder and what was written."""
    out = {}
    for kind in KINDS:
        root = tmp_path_factory.mktemp(kind)
        write_patient(source(kind), 0, root)
        exam = examine(source(kind), 0)
        out[kind] = (root / exam.patient_id, exam)
    return out


@pytest.fixture
def copied(phantoms, tmp_path: Path) -> Callable[[str], Path]:
    def copy_of(kind: str = "RTSTRUCT") -> Path:
        return shutil.copytree(phantoms[kind][0], tmp_path / kind)

    return copy_of


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def read_all(folder: Path, rules=RULES, structures=STRUCTURES):
    return read_patient(files(folder), rules, structures)


def refusal(folder: Path, rules=RULES, structures=STRUCTURES) -> str:
    with pytest.raises(DicomError) as caught:
        read_all(folder, rules, structures)
    return str(caught.value)


def edit(path: Path, change: Callable[[Dataset], object]) -> None:
    dataset = dcmread(path)
    change(dataset)
    dataset.save_as(path)


def arrays(images: dict[str, sitk.Image]) -> dict[str, np.ndarray]:
    return {name: sitk.GetArrayFromImage(image) for name, image in images.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_phantom_is_read_as_it_was_drawn(kind: str, phantoms):
    folder, exam = phantoms[kind]
    channels, masks, facts = read_all(folder)
    got = arrays(channels)
    np.testing.assert_array_equal(got["b0"], exam.b0)
    np.testing.assert_array_equal(got["b1000"], exam.b1000)
    np.testing.assert_array_equal(got["adc"], exam.adc_um2_s)
    np.testing.assert_array_equal(arrays(masks)["tumour"].astype(bool), exam.mask)
    assert exam.mask.any() and facts == {"scanner": exam.scanner}
    g = exam.geometry
    for image in [*channels.values(), *masks.values()]:
        assert same_grid(image, channels["b0"])
        assert image.GetSpacing() == pytest.approx((g.pixel_mm, g.pixel_mm, g.spacing_mm))
        for k in (0, g.shape[0] - 1):
            point = image.TransformIndexToPhysicalPoint((0, 0, k))
            assert point == pytest.approx(g.position(k), abs=1e-6)


def test_the_adc_is_that_of_the_two_images(phantoms):
    """In 1e-6 mm²/s: ln(S0 / S1000) / 1000 s/mm² where both are well above the noise."""
    channels, _, _ = read_all(phantoms["SEG"][0])
    got = arrays(channels)
    bright = (got["b1000"] > 50) & (got["b0"] > got["b1000"])
    expected = np.log(got["b0"][bright] / got["b1000"][bright]) / 1000 * 1e6
    assert bright.sum() > 100
    np.testing.assert_allclose(got["adc"][bright], expected, atol=1)


@pytest.mark.parametrize("kind", KINDS)
def test_files_shuffled_and_renamed_in_one_folder_read_the_same(
    kind: str, phantoms, tmp_path: Path
):
    folder, exam = phantoms[kind]
    there = files(folder)
    for i, j in enumerate(np.random.default_rng(1).permutation(len(there))):
        shutil.copy(there[j], tmp_path / f"IM{i}")
    (tmp_path / "notes.txt").write_text("not DICOM")
    found = scan(tmp_path, tmp_path)
    assert list(found) == [exam.patient_id] and len(found[exam.patient_id]) == len(there)
    mixed = read_patient([tmp_path / f for f in found[exam.patient_id]], RULES, STRUCTURES)
    for ours, theirs in zip(read_all(folder)[:2], mixed[:2]):
        for name in ours:
            assert same_grid(ours[name], theirs[name])
            np.testing.assert_array_equal(arrays(ours)[name], arrays(theirs)[name])


def test_a_scan_tells_patients_apart_in_any_layout(phantoms, tmp_path: Path):
    for i, folder in enumerate(p for p, _ in phantoms.values()):
        shutil.copytree(folder / "ADC", tmp_path / f"deep/er{i}")
    edit(tmp_path / "deep/er0/001.dcm", lambda d: setattr(d, "PatientID", "other"))
    found = scan(tmp_path / "deep", tmp_path)
    assert set(found) == {"other", dcmread(tmp_path / "deep/er1/001.dcm").PatientID}
    assert found["other"] == ["deep/er0/001.dcm"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no DICOM file"):
        scan(tmp_path / "empty", tmp_path)


def test_a_missing_slice_is_named(copied):
    folder = copied()
    (folder / "ADC/003.dcm").unlink()
    message = refusal(folder)
    assert "ADC" in message and "missing or doubled" in message and "5.00, 10.00 mm" in message


def test_a_doubled_slice_is_named(copied):
    folder = copied()
    shutil.copy(folder / "DWI_b0/002.dcm", folder / "DWI_b0/again.dcm")
    edit(folder / "DWI_b0/again.dcm", lambda d: setattr(d, "SOPInstanceUID", generate_uid()))
    message = refusal(folder)
    assert "diff_sag_b0" in message and "0.00, 5.00 mm" in message


def test_a_missing_series_is_named_with_what_there_is(copied):
    folder = copied()
    shutil.rmtree(folder / "DWI_b1000")
    message = refusal(folder)
    assert "channel b1000: no series matches modality MR, b_value 1000" in message
    assert "diff_sag_b0" in message and "diff_sag_ADC" in message


def test_two_series_that_match_are_named(copied):
    folder = copied()
    shutil.copytree(folder / "ADC", folder / "ADC2")
    uid = generate_uid()
    for file in files(folder / "ADC2"):
        edit(file, lambda d: d.update({"SeriesInstanceUID": uid, "SeriesDescription": "second"}))
    message = refusal(folder)
    assert "channel adc: 2 series match" in message
    assert "'second'" in message and "diff_sag_ADC" in message


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_structure_is_named_with_those_there_are(kind: str, phantoms):
    structures = {"lymph node": Structure(label="Node", names=["GTVn", "node"])}
    message = refusal(phantoms[kind][0], structures=structures)
    assert "0 structures named GTVn or node; there are: tumour" in message


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_structures_are_compared_without_case_and_space(kind: str, phantoms):
    structures = {"t": Structure(label="T", names=["GTV", " TUMOUR "])}
    _, masks, _ = read_all(phantoms[kind][0], structures=structures)
    np.testing.assert_array_equal(arrays(masks)["t"], phantoms[kind][1].mask)


def test_a_structure_in_two_objects_is_refused(copied, phantoms):
    folder = copied("SEG")
    shutil.copy(phantoms["RTSTRUCT"][0] / "CONTOUR/rtstruct.dcm", folder / "CONTOUR/second.dcm")
    assert "2 structures named tumour" in refusal(folder)


def test_files_that_are_not_dicom_are_named_all_of_them(copied):
    folder = copied()
    (folder / "ADC/note.txt").write_text("no DICOM")
    (folder / "ADC/empty.dcm").touch()
    message = refusal(folder)
    assert "note.txt" in message and "empty.dcm" in message


def test_a_file_cut_short_in_its_header_is_named(copied):
    folder = copied()
    cut = folder / "DWI_b0/001.dcm"
    cut.write_bytes(cut.read_bytes()[:300])
    assert "001.dcm" in refusal(folder, {"b0": RULES["b0"]})


def test_pixels_cut_short_are_an_error(copied):
    folder = copied()
    cut = folder / "ADC/001.dcm"
    cut.write_bytes(cut.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"(?i)pixel|bytes|ADC"):
        read_all(folder)


def test_a_contour_between_slices_is_named(copied):
    folder = copied()

    def shift(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        points = np.reshape(np.array(contour.ContourData, float), (-1, 3)) + [2.0, 0, 0]
        contour.ContourData = [f"{v:.6g}" for v in points.ravel()]

    edit(folder / "CONTOUR/rtstruct.dcm", shift)
    assert "a contour lies at slice position" in refusal(folder)


def test_frames_of_a_seg_off_the_grid_are_named(copied):
    folder = copied("SEG")

    def shift(dataset: Dataset) -> None:
        plane = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
        x, y, z = map(float, plane.ImagePositionPatient)
        plane.ImagePositionPatient = [x, y + 3, z]

    edit(folder / "CONTOUR/seg.dcm", shift)
    assert "is not on the image" in refusal(folder)


def test_an_empty_structure_is_named(copied):
    folder = copied()
    edit(
        folder / "CONTOUR/rtstruct.dcm",
        lambda d: setattr(d.ROIContourSequence[0], "ContourSequence", []),
    )
    assert "structure tumour is empty" in refusal(folder)


def test_slices_of_several_orientations_are_named(copied):
    folder = copied()
    edit(
        folder / "ADC/002.dcm",
        lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 1, 0]),
    )
    assert "differ in orientation" in refusal(folder)


def test_several_findings_stand_in_one_message(copied):
    folder = copied()
    (folder / "ADC/003.dcm").unlink()
    shutil.rmtree(folder / "DWI_b1000")
    message = refusal(folder, structures={"node": Structure(label="Node")})
    for what in ("missing or doubled", "channel b1000: no series", "0 structures named node"):
        assert what in message


def test_a_hole_is_an_inner_contour():
    grid = sitk.Image([12, 12, 2], sitk.sitkUInt8)
    dataset = contoured([square(1.5, 9.5), square(3.5, 6.5)])
    expected = np.zeros((2, 12, 12), bool)
    expected[1, 2:10, 2:10] = True
    expected[1, 4:7, 4:7] = False
    np.testing.assert_array_equal(rtstruct_mask(dataset, 1, grid), expected)


def square(low: float, high: float, z: float = 1.0) -> list[float]:
    return [low, low, z, high, low, z, high, high, z, low, high, z]


def contoured(lines: list[list[float]], kind: str = "CLOSED_PLANAR") -> Dataset:
    dataset, roi, drawn = Dataset(), Dataset(), Dataset()
    dataset.Modality = "RTSTRUCT"
    roi.ROINumber, roi.ROIName = 1, "x"
    drawn.ReferencedROINumber = 1
    drawn.ContourSequence = []
    for line in lines:
        contour = Dataset()
        contour.ContourGeometricType, contour.ContourData = kind, line
        drawn.ContourSequence.append(contour)
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [roi], [drawn]
    return dataset


def test_points_are_no_contour():
    grid = sitk.Image([12, 12, 2], sitk.sitkUInt8)
    with pytest.raises(DicomError, match="structure x is empty"):
        structure_mask([contoured([[3, 3, 1]], "POINT")], ["x"], grid)


ORIENTATIONS = {
    "axial": np.eye(3),
    "coronal": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float),
    "sagittal": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]], float),
    "oblique": Rotation.from_euler("xyz", [25, -40, 10], degrees=True).as_matrix(),
}
"""Rows: along a row, along a column, the normal."""


def write_ct(folder: Path, axes: np.ndarray, backwards: bool = False) -> np.ndarray:
    """A CT series with rows and columns of different spacing; returns its values in HU."""
    folder.mkdir()
    stored = np.random.default_rng(0).integers(0, 4000, (4, 6, 5)).astype("<u2")
    series = generate_uid()
    for k, pixels in enumerate(stored):
        d = Dataset()
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, generate_uid()
        d.Modality, d.PatientID, d.SeriesInstanceUID = "CT", "by hand", series
        d.StudyInstanceUID, d.InstanceNumber = series, 4 - k if backwards else k + 1
        d.ImageOrientationPatient = [f"{v:.12g}" for v in axes[:2].ravel()]
        d.ImagePositionPatient = [f"{v:.12g}" for v in np.array([-7, 11, 3]) + k * 2.5 * axes[2]]
        d.PixelSpacing, d.SliceThickness = ["0.8", "1.1"], "2"
        d.Rows, d.Columns = pixels.shape
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
        d.RescaleSlope, d.RescaleIntercept = "2", "-1024"
        d.PixelData = pixels.tobytes()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.save_as(folder / f"{(k * 3) % 4}", enforce_file_format=True)
    return stored * 2.0 - 1024


def by_simpleitk(paths: list[Path]) -> sitk.Image:
    """The independent reader: GDCM by way of SimpleITK's ImageSeriesReader."""
    folder = str(paths[0].parent)
    reader = sitk.ImageSeriesReader()
    series = [s for s in reader.GetGDCMSeriesIDs(folder)]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder, series[0]))
    return reader.Execute()


def assert_same_voxels(ours: sitk.Image, theirs: sitk.Image) -> None:
    """The same values at the same points, whichever end the slices are counted from."""
    assert ours.GetSize() == theirs.GetSize()
    values, found = arrays({"a": ours})["a"], arrays({"a": theirs})["a"]
    size = np.array(ours.GetSize())
    rng = np.random.default_rng(0)
    for index in [(0, 0, 0), tuple(size - 1), *map(tuple, rng.integers(0, size, (200, 3)))]:
        index = tuple(map(int, index))
        point = ours.TransformIndexToPhysicalPoint(index)
        other = np.array(theirs.TransformPhysicalPointToContinuousIndex(point))
        nearest = np.rint(other).astype(int)
        np.testing.assert_allclose(other, nearest, atol=1e-3)
        assert values[index[::-1]] == pytest.approx(found[tuple(nearest[::-1])], abs=1e-3)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_series_in_any_orientation_is_as_simpleitk_reads_it(
    name: str, backwards: bool, tmp_path: Path
):
    axes = ORIENTATIONS[name]
    hounsfield = write_ct(tmp_path / "ct", axes, backwards)
    (series,) = image_series(read(files(tmp_path / "ct")))
    image = to_image(series)
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), hounsfield)
    assert image.GetSpacing() == pytest.approx((1.1, 0.8, 2.5))
    assert_same_voxels(image, by_simpleitk(files(tmp_path / "ct")))


def test_one_slice_is_as_thick_as_it_says(tmp_path: Path):
    write_ct(tmp_path / "ct", ORIENTATIONS["axial"])
    (series,) = image_series(read(files(tmp_path / "ct")[:1]))
    assert to_image(series).GetSpacing()[2] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_placed_where_its_object_says_whatever_the_order(kind: str, phantoms):
    """On a grid with more slices, in the same place."""
    folder, exam = phantoms[kind]
    channels, _, _ = read_all(folder)
    own = channels["b0"]
    wider = sitk.ConstantPad(own, (0, 0, 2), (0, 0, 1), 0)
    dataset = dcmread(files(folder / "CONTOUR")[0])
    mask = (seg_mask if kind == "SEG" else rtstruct_mask)(dataset, 1, wider)
    np.testing.assert_array_equal(mask[2:-1], exam.mask)
    assert mask.sum() == exam.mask.sum()


@pytest.fixture(scope="module")
def lung() -> tuple[dict[str, sitk.Image], dict[str, sitk.Image], Path]:
    folder = REAL / "lung-ct-rtstruct-varian/LUNG1-001"
    structures = {
        "left": Structure(label="Left lung", names=["Lung-Left"]),
        "right": Structure(label="Right lung", names=["lung-right"]),
        "gtv": Structure(label="Tumour", names=["GTV-1"]),
        "cord": Structure(label="Cord", names=["Spinal-Cord"]),
    }
    channels, masks, _ = read_patient(files(folder), {"ct": SeriesRule(modality="CT")}, structures)
    return channels, masks, folder / "image"


@real
def test_real_lungs_are_air_and_lie_on_their_sides(lung):
    channels, masks, _ = lung
    values, inside = arrays(channels)["ct"], arrays(masks)
    assert values.shape == (134, 512, 512)
    centres = {}
    for name in ("left", "right"):
        lungs = inside[name] > 0
        assert -830 < values[lungs].mean() < -720
        index = np.argwhere(lungs).mean(axis=0)[::-1]
        centres[name] = channels["ct"].TransformContinuousIndexToPhysicalPoint(index.tolist())[0]
        litres = lungs.sum() * np.prod(channels["ct"].GetSpacing()) / 1e6
        assert 1 < litres < 4
    assert centres["left"] > centres["right"], "patient coordinates grow to the left"
    assert -150 < values[inside["gtv"] > 0].mean() < 100
    assert not (inside["left"] & inside["right"]).any()


@real
def test_a_real_series_is_as_simpleitk_reads_it(lung):
    channels, _, folder = lung
    assert_same_voxels(channels["ct"], by_simpleitk(files(folder)))


@real
def test_a_real_series_with_a_missing_slice_is_refused_by_name():
    found = image_series(read(files(REAL / "prostate-mr-missing-slice")))
    assert len(found) == 1
    with pytest.raises(DicomError, match="missing or doubled") as caught:
        to_image(choose(found, SeriesRule(modality="MR"), "dwi"))
    assert "CALC_BVAL" in str(caught.value).upper().replace("CALCBVAL", "CALC_BVAL")


@real
def test_a_structure_set_without_images_is_refused_with_what_is_missing():
    with pytest.raises(DicomError, match="no image series at all"):
        read_all(REAL / "head-rtstruct-without-ct", {"ct": SeriesRule(modality="CT")})


def test_reading_leaves_the_grid_of_its_argument_alone(phantoms):
    channels, _, _ = read_all(phantoms["SEG"][0])
    before = copy.deepcopy(channels["b0"].GetOrigin())
    on_grid(np.zeros(channels["b0"].GetSize()[::-1], np.uint8), channels["b0"])
    assert channels["b0"].GetOrigin() == before


def for_each(folder: Path, change: Callable[[Dataset, int], object]) -> None:
    for i, file in enumerate(files(folder)):
        edit(file, lambda d, i=i: change(d, i))


@pytest.mark.parametrize(
    ("name", "attribute", "told"),
    [
        ("ADC/002.dcm", "ImageOrientationPatient", "ADC (synthetic)' (7 images): no ImageOrient"),
        ("ADC/002.dcm", "ImagePositionPatient", "ADC (synthetic)' (7 images): no ImagePosition"),
        ("CONTOUR/rtstruct.dcm", "ROIContourSequence", "structure tumour is empty"),
        ("CONTOUR/rtstruct.dcm", "StructureSetROISequence", "0 structures named tumour"),
    ],
)
def test_a_missing_attribute_is_named_as_any_other_finding(
    copied, name: str, attribute: str, told: str
):
    folder = copied()
    edit(folder / name, lambda d: delattr(d, attribute))
    assert told in refusal(folder)


def test_slices_of_several_sizes_are_named(copied):
    folder = copied()

    def halve(dataset: Dataset) -> None:
        dataset.Rows //= 2
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]

    edit(folder / "ADC/002.dcm", halve)
    assert "ADC" in refusal(folder)


def test_slices_of_several_pixel_spacings_are_named(copied):
    folder = copied()
    edit(folder / "ADC/002.dcm", lambda d: setattr(d, "PixelSpacing", ["1", "1"]))
    assert "ADC" in refusal(folder)


def test_a_tilted_gantry_is_named(copied):
    """Each slice is shifted in its own plane."""
    folder = copied()

    def shift(dataset: Dataset, i: int) -> None:
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + 3 * i, z]

    for_each(folder / "ADC", shift)
    assert "ADC" in refusal(folder, {"adc": RULES["adc"]}, {})


@real
def test_a_real_tilted_gantry_is_named():
    (series,) = image_series(read(files(REAL / "failing/gantrytilting/001")))
    with pytest.raises(DicomError):
        to_image(series)


def test_each_slice_is_rescaled_by_its_own_slope(copied, phantoms):
    folder = copied()

    def rescale(dataset: Dataset, i: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = str(1 + i), "0"

    for_each(folder / "DWI_b0", rescale)
    got = arrays(read_all(folder)[0])["b0"]
    exam = phantoms["RTSTRUCT"][1]
    expected = exam.b0 * (1.0 + np.arange(len(exam.b0)))[:, None, None]
    np.testing.assert_allclose(got, expected)


def test_two_structures_of_one_name_in_one_object_are_refused(copied):
    folder = copied()

    def double(dataset: Dataset) -> None:
        roi = copy.deepcopy(dataset.StructureSetROISequence[0])
        drawn = copy.deepcopy(dataset.ROIContourSequence[0])
        roi.ROINumber = drawn.ReferencedROINumber = 2
        drawn.ContourSequence = drawn.ContourSequence[:1]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)

    edit(folder / "CONTOUR/rtstruct.dcm", double)
    assert "2 structures named tumour" in refusal(folder)


def test_a_contour_that_leaves_the_image_is_named():
    grid = sitk.Image([12, 12, 2], sitk.sitkUInt8)
    with pytest.raises(DicomError, match=r"outside|leaves"):
        rtstruct_mask(contoured([square(-5.5, 5.5)]), 1, grid)


@pytest.mark.parametrize(
    ("sequence", "attribute", "value", "told"),
    [
        ("PixelMeasuresSequence", "PixelSpacing", ["3", "3"], "SEG frames have pixels of 3.0 x 3"),
        (
            "PlaneOrientationSequence",
            "ImageOrientationPatient",
            [0, 0, -1, 0, 1, 0],
            "SEG frames have another orientation than the image",
        ),
    ],
)
def test_a_seg_of_other_pixels_or_another_orientation_is_refused(
    copied, sequence: str, attribute: str, value: list, told: str
):
    folder = copied("SEG")

    def change(dataset: Dataset) -> None:
        shared = dataset.SharedFunctionalGroupsSequence[0]
        setattr(shared[sequence][0], attribute, value)

    edit(folder / "CONTOUR/seg.dcm", change)
    assert told in refusal(folder)
