"""N4 on a thinned image: how far its field may lie from that of the full resolution, and what it fits."""

import functools

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.true_shading import examined, left
from crossover.imaging import bias_field
from crossover.phantoms.prostate.examination import Examination, examine
from crossover.study.config import load_study
from tests.prostate_phantoms import across, demo, volume
from tests.tiers import thorough


@functools.cache
def endorectal(index: int, matrix: int) -> tuple[Examination, sitk.Image]:
    """A few slices of site B, where the field is steepest."""
    exam = examine(demo("B", matrix=matrix, slices=(10, 10), slice_thickness_mm=5), index)
    return exam, volume(exam)


def tissue(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.Log(image + 1), 0, 1, 200)) > 0


def field(image: sitk.Image, shrink: int, fit: bias_field.Fit, iterations: int = 50) -> np.ndarray:
    return sitk.GetArrayFromImage(bias_field.estimate(image, shrink, [iterations] * 4, fit))


def apart(found: np.ndarray, full: np.ndarray, body: np.ndarray) -> np.ndarray:
    """How far fields are apart at each voxel; they are known up to a factor."""
    ratio = found / full
    return np.abs(ratio / np.median(ratio[body]) - 1)


@pytest.mark.thorough
@pytest.mark.slow
def test_a_thinned_field_of_all_tissue_is_that_of_the_full_resolution_within_a_tolerance():
    """With pixels of 1.7 mm, four times the site's own: in the gland, and in 99 % of the body."""
    exam, image = endorectal(1, 96)
    body, full = tissue(image), field(image, 1, "tissue", 5)
    for shrink, tolerance in ((2, 0.04), (4, 0.08)):
        off = apart(field(image, shrink, "tissue", 5), full, body)
        assert off[exam.prostate].max() < tolerance
        assert np.percentile(off[body], 99) < tolerance


@pytest.mark.slow
def test_a_thinned_field_of_what_is_bright_is_that_of_the_full_resolution_within_a_tolerance():
    """With pixels of 1.3 mm, three times the site's own: everywhere in the body."""
    _, image = endorectal(1, 128)
    body, full = tissue(image), field(image, 1, "bright")
    for shrink, tolerance in ((2, 0.1), (4, 0.2)):
        assert apart(field(image, shrink, "bright"), full, body)[body].max() < tolerance


@pytest.mark.slow
def test_n4_reduces_a_near_field_the_more_tissue_it_fits():
    """Hardly any voxel is above Otsu's threshold but those at the coil."""
    exam, image = endorectal(1, 96)
    before = across(exam, exam.weight)
    left = {f: across(exam, exam.weight / field(image, 4, f)) for f in ("bright", "tissue")}
    assert before > 4
    assert left["tissue"] < 0.75 * before and left["tissue"] < 0.75 * left["bright"]


@functools.cache
def found(study: str, cohort: str, matrix: int, **changes: object) -> tuple[sitk.Image, np.ndarray, np.ndarray]:
    """The image that N4 would see, the true weight of the coils, and the structure with what lies about it."""
    source = load_study(study, "demo").cohorts[cohort].source.model_copy(update={"matrix": matrix, **changes})
    image, weight, _, about = examined(source, 0)
    return image, weight, about


@pytest.mark.parametrize("cohort", ["site_a", "site_b", "site_c"])
def test_the_prostate_studys_correction_leaves_less_of_the_true_shading(cohort: str):
    """Less of it about the gland at each site; how much less hangs on the coils."""
    image, weight, about = found("prostate", cohort, matrix=64, slices=(8, 8), slice_thickness_mm=6)
    bias = load_study("prostate", "demo").preparation.bias_field
    field = bias_field.estimate(image, bias.shrink, bias.iterations, bias.fit)
    assert left(weight, sitk.GetArrayViewFromImage(field), about) < left(weight, 1, about)


@pytest.mark.parametrize("fit", ["bright", thorough("tissue")])
@pytest.mark.parametrize("cohort", [thorough("cervix"), "uterus"])
def test_n4_would_add_shading_about_the_tumours_of_the_uterus_study_so_it_corrects_none(cohort, fit):
    """Published iterations: the coils' weight varies by 2 % there, and the field that N4 finds by more."""
    image, weight, about = found("uterus", cohort, matrix=64)
    field = bias_field.estimate(image, 4, [50] * 4, fit)
    assert left(weight, sitk.GetArrayViewFromImage(field), about) > 2 * left(weight, 1, about)
    assert load_study("uterus", "demo").preparation.bias_field.method == "none"


@pytest.mark.parametrize("slices", [1, 2])
def test_a_volume_of_one_slice_or_of_few_pixels_is_corrected_too(slices: int):
    rows, columns = np.meshgrid(np.arange(48), np.arange(48), indexing="ij")
    body = (rows - 24) ** 2 + (columns - 24) ** 2 < 400
    shading = np.exp(0.02 * (columns - 24))
    values = np.where(body, 200 * shading, 1.0) + np.random.default_rng(1).normal(0, 2, (slices, 48, 48))
    image = sitk.GetImageFromArray(values.clip(0).astype(np.float32))
    image.SetSpacing((0.5, 0.5, 4.0))
    found = bias_field.estimate(image, 4, [20] * 4)
    assert (found.GetSize(), found.GetSpacing()) == (image.GetSize(), image.GetSpacing())
    left_over = np.log(shading / sitk.GetArrayFromImage(found))[:, body]
    assert left_over.std() < 0.3 * np.log(shading)[body].std()
    assert bias_field.estimate(image[:3, :, :], 4, [2]).GetSize() == (3, 48, slices)
