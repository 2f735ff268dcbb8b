"""Overlap and surface metrics against cases worked by hand."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion, distance_transform_edt

from crossover.evaluation.metrics import score, score_models
from crossover.evaluation.overlap import dice, iou
from crossover.evaluation.surface import surface_metrics
from crossover.imaging.volumes import prediction_path, structure_path, write
from crossover.study.plan import Model

masks = arrays(bool, (4, 5, 6))
some = settings(max_examples=50, deadline=None)


def cube(shift: tuple[int, int, int] = (0, 0, 0), side: int = 10) -> np.ndarray:
    mask = np.zeros((20, 20, 20), bool)
    mask[tuple(slice(4 + s, 4 + s + side) for s in shift)] = True
    return mask


def image(mask: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> sitk.Image:
    """An image with its spacing as (x, y, z)."""
    out = sitk.GetImageFromArray(mask.astype(np.uint8))
    out.SetSpacing(spacing)
    return out


def test_a_cube_shifted_by_a_fifth_of_its_side_overlaps_by_four_fifths():
    a, b = cube(), cube((0, 2, 0))
    assert dice(a, b) == 0.8
    assert iou(a, b) == pytest.approx(2 / 3)


@some
@given(masks, masks)
def test_overlap_is_symmetric_bounded_and_dice_follows_from_iou(a: np.ndarray, b: np.ndarray):
    assert 0 <= iou(a, b) <= dice(a, b) <= 1
    assert dice(a, b) == dice(b, a) and iou(a, b) == iou(b, a)
    assert dice(a, b) == pytest.approx(2 * iou(a, b) / (1 + iou(a, b)))
    assert dice(a, a) == iou(a, a) == 1


@some
@given(masks, masks)
def test_dice_is_that_of_simpleitk(a: np.ndarray, b: np.ndarray):
    if not (a.any() or b.any()):
        return
    reference = sitk.LabelOverlapMeasuresImageFilter()
    reference.Execute(image(a), image(b))
    assert dice(a, b) == pytest.approx(reference.GetDiceCoefficient())
    assert iou(a, b) == pytest.approx(reference.GetJaccardCoefficient())


def test_empty_masks_are_right_together_and_wrong_alone():
    empty, full = np.zeros((3, 3, 3), bool), cube()[4:7, 4:7, 4:7]
    assert dice(empty, empty) == iou(empty, empty) == 1
    assert dice(empty, full) == iou(full, empty) == 0
    hd95, nsd = surface_metrics(empty, empty, (1, 1, 1), 1)
    assert math.isnan(hd95) and nsd == 1
    for a, b in ((empty, full), (full, empty)):
        hd95, nsd = surface_metrics(a, b, (1, 1, 1), 1)
        assert math.isnan(hd95) and nsd == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_cube_is_its_shift_away(axis: int):
    """Two of six faces move by the shift, far more than 5 % of the surface."""
    shift = [0, 0, 0]
    shift[axis] = 2
    spacing = (3.0, 1.5, 0.5)
    hd95, nsd = surface_metrics(cube(), cube(tuple(shift)), spacing, 2 * spacing[axis])
    assert hd95 == pytest.approx(2 * spacing[axis])
    assert nsd == 1


def test_nsd_counts_the_surface_within_the_tolerance():
    """Two plates, 4 apart: their near faces are 3 apart, which is half of either surface."""
    a, b = np.zeros((2, 16, 20, 20), bool)
    a[5, 4:16, 4:16] = b[9, 4:16, 4:16] = True
    assert surface_metrics(a, b, (1, 1, 1), 2.9) == (4, 0)
    assert surface_metrics(a, b, (1, 1, 1), 3.5) == (4, pytest.approx(0.5))
    assert surface_metrics(a, b, (1, 1, 1), 4) == (4, 1)
    assert surface_metrics(a, b, (2, 1, 1), 7) == (8, pytest.approx(0.5, abs=0.05))
    assert surface_metrics(a, a, (1, 1, 1), 0.1) == (0, 1)


def test_spacing_is_that_of_the_axes_of_the_array():
    shifted = cube((1, 0, 0))
    assert surface_metrics(cube(), shifted, (5, 1, 1), 1)[0] == pytest.approx(5)
    assert surface_metrics(cube(), shifted, (1, 5, 5), 1)[0] == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(masks, masks, st.sampled_from([(1, 1, 1), (5, 1, 1), (2.5, 0.7, 1.3)]))
def test_surface_metrics_are_symmetric_and_scale_with_the_spacing(a, b, spacing):
    there, back = surface_metrics(a, b, spacing, 1), surface_metrics(b, a, spacing, 1)
    assert there == pytest.approx(back, nan_ok=True)
    assert 0 <= there[1] <= 1
    double = surface_metrics(a, b, tuple(2 * s for s in spacing), 2)
    assert double == pytest.approx((2 * there[0], there[1]), nan_ok=True)


def test_distances_are_the_same_wherever_the_masks_lie():
    """Also at the border of the volume, where they are cut to their box."""
    a, b = cube(side=5), cube((1, 2, 0), side=6)
    inside = surface_metrics(a, b, (2, 1, 1), 1)
    corner = tuple(np.roll(m, (-4, -4, -4), (0, 1, 2))[:8, :8, :8] for m in (a, b))
    assert corner[0].sum() == a.sum() and corner[1].sum() == b.sum()
    assert surface_metrics(*corner, (2, 1, 1), 1) == pytest.approx(inside)


def test_the_hd95_of_balls_is_near_that_of_their_border_voxels():
    """Against another definition (unweighted border voxels) within half a voxel's diagonal."""
    z, y, x = np.mgrid[:24, :24, :24]
    a = (z - 11) ** 2 + (y - 11) ** 2 + (x - 11) ** 2 <= 49
    b = ((z - 12) / 1.2) ** 2 + (y - 11) ** 2 + (x - 13) ** 2 <= 49
    borders = [m & ~binary_erosion(m) for m in (a, b)]
    directed = [
        np.percentile(distance_transform_edt(~other)[own], 95)
        for own, other in (borders, borders[::-1])
    ]
    hd95, _ = surface_metrics(a, b, (1, 1, 1), 1)
    assert hd95 == pytest.approx(max(directed), abs=np.sqrt(3) / 2)


def test_a_score_has_the_whole_volume_and_the_slices_with_the_structure():
    manual, predicted = np.zeros((2, 6, 10, 10), bool)
    manual[2:4, 2:6, 2:6] = True  # 32 voxels
    predicted[3:5, 2:6, 2:6] = True  # half of them, and 16 in a slice without
    found = score(image(manual, (1, 2, 5)), image(predicted, (1, 2, 5)), 3)
    assert found["dsc"] == 0.5 and found["iou"] == pytest.approx(1 / 3)
    assert found["dsc_structure_slices"] == pytest.approx(2 / 3)
    assert found["iou_structure_slices"] == 0.5
    assert found["volume_manual_ml"] == pytest.approx(32 * 10 / 1000)
    assert found["volume_predicted_ml"] == pytest.approx(32 * 10 / 1000)
    assert found["hd95_mm"] == pytest.approx(5), "slices are 5 mm apart"


def test_a_score_takes_any_label_as_the_structure_and_tells_empty_predictions():
    manual = np.zeros((3, 4, 4), np.uint8)
    manual[1, 1:3, 1:3] = 7
    found = score(image(manual), image(np.zeros_like(manual)), 3)
    assert found["dsc"] == found["iou"] == found["nsd"] == found["dsc_structure_slices"] == 0
    assert math.isnan(found["hd95_mm"]) and found["volume_predicted_ml"] == 0
    assert score(image(manual), image(manual // 7), 3)["dsc"] == 1


def test_rows_are_scored_for_the_cases_of_each_model_with_what_it_is(tmp_path):
    import pandas as pd

    cases, predictions = tmp_path / "cases", tmp_path / "predictions"
    columns = ["cohort", "case", "part", "replicate", "fold"]
    rows = [("a", "1", "test", 0, None), ("b", "1", "test", 0, None)]
    rows += [("a", "2", "train", 0, 0), ("a", "3", "train", 0, 1)]
    splits = pd.DataFrame(rows, columns=columns)
    main = Model("m", "f-L1", "f", "L1", 5, 0, None, None, "m", ("tumour",))
    fold = Model("m-f1", "f-L1", "f", "L1", 5, 0, 1, "a", "m-f1", ("tumour",))
    for (cohort, case), shift in {("a", "1"): 0, ("b", "1"): 2, ("a", "3"): 5}.items():
        (cases / cohort / case).mkdir(parents=True)
        write(image(cube()), structure_path(cases / cohort / case, "tumour"))
        for model in (main, fold):
            path = prediction_path(predictions, model.name, cohort, case, "tumour")
            path.parent.mkdir(parents=True, exist_ok=True)
            write(image(cube((0, 0, shift))), path)
    found = score_models([main, fold], splits, cases, predictions, 3.0, 0, 2)
    assert [(r["model"], r["cohort"], r["case"], r["dsc"]) for r in found] == [
        ("m", "a", "1", 1.0), ("m", "b", "1", 0.8), ("m-f1", "a", "3", 0.5),
    ]  # fmt: skip
    assert {(r["family"], r["level"], r["n_train"]) for r in found} == {("f-L1", "L1", 5)}
