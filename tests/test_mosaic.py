"""Siemens mosaics are parted into their slices, as dcm2niix parts them, or refused by what is wrong."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_exports import csa_header
from dicom_reading import chosen
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid
from scipy.spatial.transform import Rotation

from crossover.exchange.original_series import NoOriginal, original
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.mosaic import Tiles
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.scan import read_headers
from crossover.sources.dicom.stacks import stacks
from crossover.sources.findings import Refused

REAL = Path(__file__).parent.parent.parent / "shared/real/dicom/mosaic-siemens/cmrr_Asc_6"
DCM2NIIX = Path(sys.executable).parent / "dcm2niix"
ROWS, COLUMNS = 10, 12
AXIAL = np.eye(3)
TURNED = {
    "axial": AXIAL,
    "oblique": Rotation.from_euler("xyz", [12, -7, 20], degrees=True).as_matrix(),
    "sagittal": np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""Along a row, along a column and the normal, as columns."""


def tiled(volume: np.ndarray) -> np.ndarray:
    """A volume (slices, rows, columns) as one image, by the definition."""
    n, rows, columns = volume.shape
    across = math.ceil(math.sqrt(n))
    whole = np.zeros((across * rows, across * columns), volume.dtype)
    for k, plane in enumerate(volume):
        r, c = divmod(k, across)
        whole[r * rows : (r + 1) * rows, c * columns : (c + 1) * columns] = plane
    return whole


@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 4))
def test_cutting_is_the_inverse_of_tiling(n: int, rows: int, columns: int):
    volume = np.arange(n * rows * columns).reshape(n, rows, columns)
    tiles = Tiles(n, math.ceil(math.sqrt(n)), rows, columns, False, 1.0)
    np.testing.assert_array_equal([tiles.cut(tiled(volume), k) for k in range(n)], volume)


def mosaic(
    folder: Path, values: np.ndarray, turned=AXIAL, against: bool = False, b: int = 0, **changes: object
) -> None:
    """Write a mosaic as Siemens' software does: its position is that of a slice as large as it."""
    whole, n = tiled(values), len(values)
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.SOPClassUID, d.SOPInstanceUID, d.Modality, d.Manufacturer = MRImageStorage, generate_uid(), "MR", "SIEMENS"
    d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = d.SOPClassUID, d.SOPInstanceUID
    d.PatientID, d.PatientName, d.StudyInstanceUID = "P1", "A^B", "1.2.3"
    d.SeriesInstanceUID, d.FrameOfReferenceUID, d.SeriesNumber = "1.2.3.4", "1.2.3.5", 4
    d.InstanceNumber = d.AcquisitionNumber = 1 + len(list(folder.glob("*.dcm")))
    d.ImageType, d.SeriesDescription = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "ep2d_diff"
    d.ScanningSequence, d.MagneticFieldStrength, d.EchoTime, d.RepetitionTime = "EP", 3.0, 60, 5000
    d.PixelSpacing, d.SliceThickness, d.SpacingBetweenSlices = [2.5, 2.0], 3.0, 3.6
    d.ImageOrientationPatient = [round(float(v), 9) for v in turned[:, :2].T.ravel()]
    across = math.ceil(math.sqrt(n))
    offset = (across - 1) / 2 * (COLUMNS * 2.0 * turned[:, 0] + ROWS * 2.5 * turned[:, 1])
    d.ImagePositionPatient = [round(float(v), 6) for v in np.array([-11.0, 7.0, 30.0]) - offset]
    d.Rows, d.Columns = whole.shape
    d.SamplesPerPixel, d.PhotometricInterpretation, d.PixelRepresentation = 1, "MONOCHROME2", 0
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 12, 11
    d.PixelData = whole.astype("<u2").tobytes()
    normal = turned[:, 2] * (-1 if against else 1)
    csa = d.private_block(0x29, "SIEMENS CSA HEADER", create=True)
    csa.add_new(0x08, "CS", "IMAGE NUM 4")
    csa.add_new(0x10, "OB", header(n, normal, b))
    for name, value in changes.items():
        setattr(d, name, value)
    folder.mkdir(parents=True, exist_ok=True)
    d.save_as(folder / f"{d.InstanceNumber}.dcm", enforce_file_format=True)


def header(n: int, normal: np.ndarray, b: int) -> bytes:
    """A CSA image header; of a vector each number is an item."""
    return csa_header(
        {
            "NumberOfImagesInMosaic": str(n),
            "SliceNormalVector": [f"{v:.8f}" for v in normal],
            "B_value": str(b),
            "MosaicRefAcqTimes": "",
        }
    )


def values(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 4000, (n, ROWS, COLUMNS)).astype(np.uint16)


def read(folder: Path) -> list[sitk.Image]:
    instances, wrong = read_headers(list_files(folder, b"key")[0], 1)
    assert not wrong, wrong
    return [volume(stack) for stack in stacks(instances)]


def same_as_dcm2niix(folder: Path, out: Path) -> int:
    """Compare all voxels and their places; return how many volumes were compared."""
    out.mkdir()
    subprocess.run([DCM2NIIX, "-f", "made", "-z", "n", "-o", out, folder], check=True, capture_output=True)
    ours = read(folder)
    theirs = nib.load(out / "made.nii")
    content = np.asarray(theirs.dataobj).reshape(*theirs.shape[:3], -1)
    assert content.shape[3] == len(ours)
    index = np.stack(np.meshgrid(*map(np.arange, content.shape[:3]), indexing="ij"), -1).reshape(-1, 3)
    for k, image in enumerate(ours):
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        onto = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ affine) @ theirs.affine
        exact = index @ onto[:3, :3].T + onto[:3, 3]
        at = np.rint(exact).astype(int)
        assert np.abs(exact - at).max() < 0.01
        array = sitk.GetArrayFromImage(image).T
        np.testing.assert_array_equal(content[..., k].ravel(), array[at[:, 0], at[:, 1], at[:, 2]])
    return len(ours)


@pytest.mark.parametrize("against", [False, True])
@pytest.mark.parametrize("name", TURNED)
@pytest.mark.skipif(not DCM2NIIX.exists(), reason="dcm2niix is not in the environment")
def test_slices_and_places_are_those_of_dcm2niix(tmp_path: Path, name: str, against: bool):
    mosaic(tmp_path / "in", values(7), TURNED[name], against)
    assert same_as_dcm2niix(tmp_path / "in", tmp_path / "out") == 1


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="shared/real is not beside the project")
@pytest.mark.skipif(not DCM2NIIX.exists(), reason="dcm2niix is not in the environment")
def test_real_mosaics_are_read_as_dcm2niix_reads_them(tmp_path: Path):
    assert same_as_dcm2niix(REAL, tmp_path / "out") == 6


def test_slices_whose_distance_is_not_told_are_taken_to_touch_and_that_is_said(tmp_path: Path):
    mosaic(tmp_path / "told", values(7))
    mosaic(tmp_path / "silent", values(7), SpacingBetweenSlices=None)
    for folder, mm, codes in (("told", 3.6, []), ("silent", 3.0, ["slices-touching"])):
        found = chosen(tmp_path / folder)
        assert [finding.code for finding in found.findings] == codes
        (image,) = read(tmp_path / folder)
        assert image.GetSpacing()[2] == pytest.approx(mm)


def test_each_b_value_of_a_series_is_a_volume(tmp_path: Path):
    for k, b in enumerate((0, 1000)):
        mosaic(tmp_path, values(9, seed=k), b=b)
    instances, _ = read_headers(list_files(tmp_path, b"key")[0], 1)
    found = {s.frame.diffusion.b_value: volume(s) for s in stacks(instances)}
    for k, b in enumerate((0.0, 1000.0)):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found[b]), values(9, seed=k))


def test_a_compressed_mosaic_gives_the_same(tmp_path: Path):
    mosaic(tmp_path, values(16))
    path = tmp_path / "1.dcm"
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    (image,) = read(tmp_path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), values(16))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"Rows": 29, "PixelData": bytes(29 * 36 * 2)},
            "29 x 36 pixels cannot be divided into 3 x 3 tiles, for 7 slices",
        ),
        ({"SpacingBetweenSlices": None, "SliceThickness": None}, "not give the distance between slices"),
        ({"ImageOrientationPatient": [0.0, 1, 0, 0, 0, -1]}, "do not follow each other along the normal"),
    ],
)
def test_a_mosaic_that_cannot_be_parted_is_refused_by_what_is_wrong(tmp_path: Path, changes: dict, why: str):
    mosaic(tmp_path, values(7), **changes)
    with pytest.raises(Refused, match=f"mosaic: 1 Siemens mosaic that cannot be divided into slices: .*{why}"):
        read(tmp_path)


def test_two_headers_that_count_other_slices_are_refused_and_that_agree_are_read(tmp_path: Path):
    mosaic(tmp_path, values(9))
    dataset = pydicom.dcmread(tmp_path / "1.dcm")
    dataset.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 9)
    dataset.save_as(tmp_path / "1.dcm")
    (image,) = read(tmp_path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), values(9))
    dataset.private_block(0x19, "SIEMENS MR HEADER")[0x0A].value = 36
    dataset.save_as(tmp_path / "1.dcm")
    with pytest.raises(Refused, match="its header gives several numbers of slices: 9 and 36"):
        read(tmp_path)


def going_back() -> bytes:
    """A CSA header whose items have negative lengths: a reader that trusts them reads the same bytes over and over."""
    tags = 3
    out = b"SV10\4\3\2\1" + struct.pack("<2I", tags, 77)
    for name in (b"NumberOfImagesInMosaic", b"SliceNormalVector", b"B_value"):
        out += struct.pack("<64si4s3i", name, 900, b"IS\0\0", 6, 900, 77)
        out += struct.pack("<4i", 4, 4, 77, 4) + b"7\0\0\0" + struct.pack("<4i", -40, -40, 77, -40) * 899
    return out


@pytest.mark.parametrize(
    "csa", [going_back(), b"", b"SV10" + bytes(40), b"SV10\4\3\2\1\xff\xff\xff\x7f" + bytes(90), bytes(999)]
)
def test_a_damaged_csa_header_is_told(tmp_path: Path, csa: bytes):
    mosaic(tmp_path, values(7))
    dataset = pydicom.dcmread(tmp_path / "1.dcm")
    dataset[0x29, 0x1010].value = csa
    dataset.save_as(tmp_path / "1.dcm")
    with pytest.raises(Refused, match="the number of slices is neither in"):
        read(tmp_path)


def test_no_object_refers_to_a_mosaic_as_no_slice_lies_where_it_does(tmp_path: Path):
    mosaic(tmp_path, values(9))
    (stack,) = stacks(read_headers(list_files(tmp_path, b"k")[0], 1)[0])
    with pytest.raises(NoOriginal, match="tiles of larger images"):
        original(stack)
