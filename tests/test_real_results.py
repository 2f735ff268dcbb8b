"""Masks on real series of many makers, as DICOM objects: each voxel lies where other readers find it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_reading import headers
from dicom_results import PRODUCER, TARGETS, in_order, same_places
from pydicom import dcmread
from segmenting import SEGMENT, pretend_trained
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.exchange.object_attributes import targets
from crossover.exchange.original_series import original
from crossover.exchange.segmentation_object import segmentation
from crossover.exchange.structure_set import structure_set
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.rtstruct import roi_mask, rois
from crossover.sources.dicom.segmentation import segment_mask
from crossover.sources.dicom.stacks import Stack, stacks
from crossover.sources.settings import Structure

REAL = Path(__file__).parents[2] / "shared/real/dicom"
PROSTATE = REAL / "prostate-mr-siemens-private-bvalues"
LUNG = REAL / "lung-ct-rtstruct-varian/LUNG1-001"
PLASTIMATCH = Path(sys.executable).parent / "plastimatch"
DCMQI = shutil.which("segimage2itkimage") or shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent))
pytestmark = [pytest.mark.real, pytest.mark.slow]

SERIES = {
    "sagittal": "prostate-mr-siemens-private-bvalues/ProstateX-0000/07-07-2011/3.*",
    "axial": "prostate-mr-siemens-private-bvalues/ProstateX-0000/07-07-2011/4.*",
    "coronal": "prostate-mr-siemens-private-bvalues/ProstateX-0000/07-07-2011/5.*",
    "diffusion": "prostate-mr-siemens-private-bvalues/ProstateX-0000/07-07-2011/6.*",
    "GE": "vendors/ge/dti/001",
    "GE map": "breast-mr-seg-ge/image_dce_ser",
    "Hitachi": "vendors/hitachi/anatomical/001",
    "Philips enhanced": "vendors/philips_enhanced/dti/001",
    "Siemens enhanced": "mosaic-siemens/enhanced-xa30-dwi",
    "compressed": "compressed/compressed_j2k/001",
}
MOST = 6
"""The most slices of a series on which masks are drawn."""


@pytest.fixture(params=SERIES)
def stack(request) -> Stack:
    """The middle of a series' last stack; where its publisher took out the frame of reference, with one put in."""
    found = [*REAL.glob(SERIES[request.param])]
    if not found:
        pytest.skip("no real DICOM beside the project")
    own = stacks(headers(found[0]))[-1]
    planes = [(replace(i, frame_of_reference=i.frame_of_reference or "1.2.3"), f) for i, f in own.planes]
    first = max(0, (len(planes) - MOST) // 2)
    return Stack(tuple(planes[first : first + MOST]))


def bright(image: sitk.Image) -> dict[str, np.ndarray]:
    """What is bright, ragged and full of holes; and a box that overlaps with it."""
    values = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(image, 2 * image.GetSpacing()[0]))
    gland = values > np.percentile(values, 85)
    slices, rows, columns = gland.shape
    gland[slices // 2] = gland[:, : rows // 6] = gland[..., : columns // 5] = False
    other = np.zeros_like(gland)
    other[slices // 3 : slices // 3 + 2, rows // 4 : rows // 2, columns // 3 : columns // 2] = True
    return {"gland": gland, "other": other}


def test_each_voxel_is_found(stack: Stack, tmp_path: Path):
    image, origin = volume(stack), original(stack)
    drawn = bright(image)
    assert all(mask.any() for mask in drawn.values())
    segmentation(origin, drawn, TARGETS, PRODUCER).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    structure_set(origin, drawn, TARGETS, PRODUCER).save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    seg, rt = dcmread(tmp_path / "seg.dcm"), dcmread(tmp_path / "rt.dcm")
    for number, mask in enumerate(drawn.values(), 1):
        assert (segment_mask(seg, number, image)[0] == mask).all()
        assert (roi_mask(rois(rt)[number - 1], image)[0] == mask).all()
    if DCMQI:
        call = [DCMQI, "--inputDICOM", tmp_path / "seg.dcm", "--outputDirectory", tmp_path, "-t", "nrrd", "-p", "x"]
        assert subprocess.run(call, capture_output=True).returncode == 0
        for number, mask in enumerate(drawn.values(), 1):
            found = sitk.ReadImage(str(tmp_path / f"x-{number}.nrrd"))
            wanted = centres(mask, image)
            assert same_places(centres(sitk.GetArrayFromImage(found) > 0, found), wanted)


def centres(mask: np.ndarray, image: sitk.Image) -> np.ndarray:
    steps = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return in_order(np.argwhere(mask)[:, ::-1] @ steps.T + image.GetOrigin())


@pytest.mark.thorough
@pytest.mark.skipif(not PLASTIMATCH.exists(), reason="plastimatch is not here")
def test_plastimatch_finds_each_voxel_of_real_lungs(tmp_path: Path):
    """Of the masks that our reader makes of a plan's contours, holes and all: written again, they are the same."""
    if not LUNG.exists():
        pytest.skip("no real DICOM beside the project")
    stack = stacks(headers(LUNG / "image"))[0]
    image, plan = volume(stack), dcmread(next((LUNG / "mask_rtstruct").iterdir()))
    some = [roi for roi in rois(plan) if roi.name in ("GTV-1", "Lung-Left")]
    drawn = {roi.name.replace("-", "_"): roi_mask(roi, image)[0] for roi in some}
    assert len(drawn) == 2
    own = targets({name: Structure(label=name) for name in drawn})
    structure_set(original(stack), drawn, own, PRODUCER).save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    call = [PLASTIMATCH, "convert", "--input", tmp_path / "rt.dcm", "--referenced-ct", LUNG / "image"]
    call += ["--output-prefix", tmp_path / "masks", "--prefix-format", "nrrd"]
    assert subprocess.run(call, capture_output=True).returncode == 0
    for name, mask in drawn.items():
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"masks/{name}.nrrd"))) > 0
        assert (found == mask).all() and mask.sum() > 10_000


def test_a_real_examination_is_segmented_and_its_objects_lie_on_the_series_that_was_taken(tmp_path, monkeypatch):
    if not PROSTATE.exists():
        pytest.skip("no real DICOM beside the project")
    out, made = tmp_path / "out", tmp_path / "objects"
    results = pretend_trained(tmp_path, monkeypatch)
    (tmp_path / "rules.yaml").write_text("series: {t2: {modality: MR, plane: axial, description: t2}}")
    for plane in ("3.*", "4.*"):  # sagittal, axial
        (series,) = (PROSTATE / "ProstateX-0000/07-07-2011").glob(plane)
        (tmp_path / "in" / series.name).mkdir(parents=True)
        for path in sorted(series.iterdir())[5:13]:
            shutil.copy(path, tmp_path / "in" / series.name)
    call = ["segment", tmp_path / "in", out, *SEGMENT, "--model", "b_a-f0", "--results", results, "--dicom", made]
    done = CliRunner().invoke(app, [*map(str, call), "--rules", str(tmp_path / "rules.yaml"), "--workers", "1"])
    assert done.exit_code == 0, done.output
    (mask,) = (out / "predictions").iterdir()
    wanted, image = sitk.GetArrayFromImage(sitk.ReadImage(mask)) > 0, dcmread(next(series.iterdir()))
    seg, rt = (dcmread(next(made.glob(f"*_{kind}.dcm"))) for kind in ("seg", "rtstruct"))
    assert (segment_mask(seg, 1, sitk.ReadImage(mask))[0] == wanted).all() and wanted.any()
    assert (roi_mask(rois(rt)[0], sitk.ReadImage(mask))[0] == wanted).all()
    for made_object in (seg, rt):
        assert made_object.PatientID == image.PatientID and made_object.StudyInstanceUID == image.StudyInstanceUID
        assert made_object.FrameOfReferenceUID == image.FrameOfReferenceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == image.SeriesInstanceUID
