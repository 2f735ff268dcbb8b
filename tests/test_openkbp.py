"""The released form of OpenKBP: sparse CSVs become cases that lie as people do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from crossover.core.files import read_json
from crossover.sources.cases import IngestError, make_cases
from crossover.sources.openkbp import SHAPE, patient_files, read_patient, rows
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, OpenKbpSource
from crossover.sources.volumes import VolumesError

REAL = Path(__file__).parent.parent.parent / "shared/real/headneck"
ORGANS = {1: "Brainstem", 2: "SpinalCord", 3: "RightParotid", 4: "LeftParotid", 5: "Mandible"}


def source(**changes: object) -> OpenKbpSource:
    structures = {"left": "LeftParotid", "right": "RightParotid", "stem": "Brainstem"}
    values = {"kind": "openkbp", "folder": "provided-data", "pixel_mm": 3.906, "slice_mm": 2.5}
    return OpenKbpSource(**{**values, "structures": structures, **changes})


def write(root: Path, patient: str, hu: np.ndarray, labels: np.ndarray, mm=(3.906, 3.906, 2.5)):
    """Write (slices upwards, rows, columns) arrays as the challenge released them."""
    folder = root / "provided-data/train-pats" / patient
    folder.mkdir(parents=True)
    np.savetxt(folder / "voxel_dimensions.csv", mm)

    def sparse(array: np.ndarray, name: str, values: bool) -> None:
        flat = array.transpose(1, 2, 0)[:, :, ::-1].ravel()
        index = np.flatnonzero(flat)
        data = flat[index].astype(float) if values else [None] * len(index)
        pd.DataFrame({"data": data}, index=index).to_csv(folder / f"{name}.csv")

    sparse(hu + 1024, "ct", True)
    for label, name in ORGANS.items():
        sparse(labels == label, name, False)


@pytest.fixture
def patient() -> tuple[np.ndarray, np.ndarray]:
    """HU and labels (slices upwards, rows, columns) of an asymmetric person."""
    rng = np.random.default_rng(0)
    hu = np.full(SHAPE, -1024)
    hu[20:100, 30:100, 25:105] = rng.integers(-900, 1500, (80, 70, 80))
    labels = np.zeros(SHAPE, int)
    labels[80:90, 70:80, 60:68] = 1
    labels[30:75, 75:80, 62:66] = 2
    labels[60:70, 60:75, 32:40] = 3
    labels[58:70, 60:74, 90:99] = 4
    labels[50:60, 32:40, 45:85] = 5
    return hu, labels


@pytest.mark.slow
def test_a_patient_is_read_as_it_was_written(tmp_path: Path, patient):
    hu, labels = patient
    write(tmp_path, "pt_1", hu, labels)
    write(tmp_path, "pt_2", hu, labels, mm=(4.68, 4.68, 3.0))
    found = rows(source(), tmp_path).cases
    assert list(found) == ["pt_1"]
    assert all((tmp_path / f).exists() for f in patient_files(source(), found["pt_1"].row, tmp_path).values())
    reading = read_patient(source(), found["pt_1"].row, tmp_path)
    channels, masks = reading.channels, reading.structures
    assert not reading.findings
    np.testing.assert_array_equal(sitk.GetArrayFromImage(channels["ct"]), hu)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks["left"]), labels == 4)
    assert channels["ct"].GetSpacing() == pytest.approx((3.906, 3.906, 2.5))


@pytest.mark.parametrize(("axis", "what"), [(2, "left parotid"), (0, "brain stem"), (1, "mandible")])
def test_axes_that_are_not_the_released_ones_show_in_the_anatomy(tmp_path: Path, patient, axis: int, what: str):
    hu, labels = (np.flip(a, axis) for a in patient)
    write(tmp_path, "pt_1", hu, labels)
    all_ = source(structures={n.lower(): n for n in ORGANS.values()})
    reading = read_patient(all_, rows(all_, tmp_path).cases["pt_1"].row, tmp_path)
    assert reading.failed and any(what in f.what for f in reading.findings)


@pytest.mark.slow
def test_a_missing_structure_excludes_a_patient_and_may_be_allowed(tmp_path: Path, patient):
    hu, labels = patient
    for name in ("pt_1", "pt_3"):
        write(tmp_path, name, hu + int(name[-1]) * (hu > -1024), labels)
    (tmp_path / "provided-data/train-pats/pt_3/LeftParotid.csv").unlink()

    def make(allow: list[str]) -> dict:
        own = source(allow=allow)
        raw, manifest = tmp_path / "raw/x/manifest.json", tmp_path / "cases/x/manifest.json"
        receive(own, raw, tmp_path, "code", 1, None)
        make_cases(raw, manifest, own, IngestRules(), tmp_path, "code", 1)
        return read_json(manifest)["items"]

    with pytest.raises(IngestError, match="1 of 2"):
        make([])
    assert list(make(["pt_3"])) == ["pt_1"]


def test_a_folder_without_such_patients_is_told(tmp_path: Path):
    with pytest.raises(VolumesError, match="gives voxels of 3"):
        rows(source(), tmp_path)


@pytest.mark.real
def test_real_patients_survive_the_released_form(tmp_path: Path):
    """A real patient written as the challenge did, and read again; the anatomy is where it must be."""
    image = sitk.ReadImage(str(REAL / "pt_1/ct.nii.gz"))
    own, parts = np.full(SHAPE, -1024), np.zeros(SHAPE, int)
    hu = sitk.GetArrayFromImage(image)
    own[: len(hu)] = hu
    parts[: len(hu)] = sitk.GetArrayFromImage(sitk.ReadImage(str(REAL / "pt_1/structures.nii.gz")))
    write(tmp_path, "pt_1", own, parts)
    reading = read_patient(source(), rows(source(), tmp_path).cases["pt_1"].row, tmp_path)
    channels, masks = reading.channels, reading.structures
    np.testing.assert_array_equal(sitk.GetArrayFromImage(channels["ct"]), own)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks["left"]), parts == 4)
