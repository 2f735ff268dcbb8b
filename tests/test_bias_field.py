"""N4 on a thinned image: how far its field may lie from that of the full resolution, and what it fits."""

import numpy as np
import pytest
import SimpleITK as sitk

from crossover.imaging import bias_field
from crossover.sources.phantom.prostate import Examination, examine
from tests.prostate_phantoms import across, demo, volume

ITERATIONS = [50, 50, 50, 50]


def endorectal(index: int, matrix: int) -> tuple[Examination, sitk.Image]:
    """A few slices of site B, where the field is steepest."""
    exam = examine(demo("B", matrix=matrix, slices=(10, 10), slice_thickness_mm=5), index)
    return exam, volume(exam)


def tissue(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.Log(image + 1), 0, 1, 200)) > 0


def field(image: sitk.Image, shrink: int, fit: bias_field.Fit = "bright") -> np.ndarray:
    return sitk.GetArrayFromImage(bias_field.estimate(image, shrink, ITERATIONS, fit))


@pytest.mark.parametrize("index", [0, 1])
def test_a_thinned_field_is_that_of_the_full_resolution_within_a_tolerance(index: int):
    """With pixels of 0.8 mm, twice the site's own; up to a factor, inside the body."""
    _, image = endorectal(index, 200)
    body, full = tissue(image), field(image, 1)
    for shrink, tolerance in ((2, 0.1), (4, 0.2)):
        ratio = (field(image, shrink) / full)[body]
        assert np.abs(ratio / np.median(ratio) - 1).max() < tolerance


def test_n4_reduces_a_near_field_the_more_tissue_it_fits():
    """Hardly any voxel is above Otsu's threshold but those at the coil."""
    exam, image = endorectal(1, 112)
    before = across(exam, exam.weight)
    left = {f: across(exam, exam.weight / field(image, 4, f)) for f in ("bright", "tissue")}
    assert before > 4
    assert left["tissue"] < 0.75 * before and left["tissue"] < 0.75 * left["bright"]
