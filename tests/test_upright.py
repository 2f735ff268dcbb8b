"""However a patient lay in the scanner, and however a file stores its axes, cases show the patient in one way."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import PLANES, Block, block, write
from dicom_reading import name, run
from dicom_results import PRODUCER, TARGETS
from pydicom import dcmread

from crossover.exchange.dicom_results import DicomResults
from crossover.exchange.original_series import Originals
from crossover.imaging.grids import apart_mm, upright
from crossover.imaging.volumes import image_path, on_grid, read
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.rtstruct import rois
from crossover.sources.pseudonyms import secret
from crossover.sources.settings import RulesFile

LAY = {
    "feet-first": ([-1, 0, 0], [0, 1, 0]),
    "prone": ([-1, 0, 0], [0, -1, 0]),
    "on the left side": ([0, -1, 0], [1, 0, 0]),
    "on the right side": ([0, 1, 0], [-1, 0, 0]),
}
"""Directions along a row and along a column, by how the patient lay; (0020,0037)."""
RULES = RulesFile.model_validate({"series": {"ct": {"modality": "CT"}}})


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests")


def as_image(content: Block) -> sitk.Image:
    image = sitk.GetImageFromArray(content.values)
    image.SetSpacing(content.spacing[::-1])
    image.SetOrigin(content.origin)
    image.SetDirection(content.axes.T.ravel().tolist())
    return image


def lying(content: Block, how: str) -> Block:
    """The same voxels of the same patient, in the order in which a scanner writes them."""
    row, column = np.array(LAY[how], float)
    axes = np.array([row, column, np.cross(row, column)])
    turned = sitk.DICOMOrient(as_image(content), "".join("RAI"[k] if s < 0 else "LPS"[k] for k, s in map(_axis, axes)))
    values = sitk.GetArrayFromImage(turned)
    return replace(content, values=values, spacing=turned.GetSpacing()[::-1], origin=turned.GetOrigin(), axes=axes)


def _axis(direction: np.ndarray) -> tuple[int, float]:
    k = int(np.abs(direction).argmax())
    return k, direction[k]


@pytest.mark.parametrize("how", LAY)
def test_a_case_is_the_same_however_the_patient_lay(how: str, tmp_path: Path):
    supine = block()
    write(tmp_path / "in/1", supine, modality="CT", PatientID="supine")
    write(tmp_path / "in/2", lying(supine, how), modality="CT", PatientID="other")
    run(tmp_path / "in", tmp_path / "out", RULES)
    one, two = (read(image_path(tmp_path / "out" / name(p), "ct")) for p in ("supine", "other"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(two))
    assert one.GetSize() == two.GetSize() and apart_mm(one, two) < 1e-3


@pytest.mark.parametrize("plane", PLANES)
def test_any_stored_axes_become_those_of_the_plane_and_the_slices_stay_the_slices(plane: str):
    image = as_image(block(plane))
    assert upright(image) is image
    for stored in (sitk.Flip(image, flips) for flips in product([False, True], repeat=3)):
        for order in ([0, 1, 2], [1, 0, 2]):
            turned = upright(sitk.PermuteAxes(stored, order))
            assert apart_mm(turned, image) < 1e-9
            np.testing.assert_array_equal(sitk.GetArrayFromImage(turned), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize("how", LAY)
def test_objects_lie_on_the_slices_as_the_scanner_wrote_them(how: str, tmp_path: Path):
    content = lying(block(), how)
    files = write(tmp_path / "in", content, modality="CT", PatientName="Secret^Person", PatientBirthDate="19700102")
    drawn = np.zeros(content.values.shape, np.uint8)
    drawn[1:3, 1:4, 2:5] = drawn[2, 4, 5] = 1
    mask = upright(on_grid(drawn, as_image(content)))
    assert not np.array_equal(sitk.GetArrayFromImage(mask), drawn)
    tokens = [f.token for f in list_files(tmp_path / "in", secret())[0]]
    originals = Originals(tmp_path / "in", RULES)
    DicomResults(tmp_path / "objects", originals, TARGETS, PRODUCER).write("p1", tokens, {"gland": mask})
    wanted = {tuple(np.round(content.point(*index), 2)) for index in np.argwhere(drawn)}
    assert places_of_seg(tmp_path / "objects/p1_seg.dcm") == wanted
    heights = {dcmread(f).SOPInstanceUID: float(dcmread(f).ImagePositionPatient[2]) for f in files}
    dataset = dcmread(tmp_path / "objects/p1_rtstruct.dcm")
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        assert contour.ContourData[2] == heights[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
    points = np.concatenate([c.points for c in rois(dataset)[0].contours])
    centres = np.array([*wanted])
    assert np.abs((points.min(0) + points.max(0)) / 2 - (centres.min(0) + centres.max(0)) / 2).max() < 0.02


def places_of_seg(path: Path) -> set[tuple[float, ...]]:
    """Centres of the voxels in mm, by the positions of the frames."""
    dataset = dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    down, along = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    found = set()
    for frame, own in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence):
        start = np.array(own.PlanePositionSequence[0].ImagePositionPatient, float)
        found |= {tuple(np.round(start + j * along * row + i * down * column, 2)) for i, j in np.argwhere(frame)}
    return found
