"""Overlap and surface metrics against cases worked by hand."""

import math
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import surface_distance
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion, distance_transform_edt

from crossover.core.files import write_json
from crossover.evaluation import metrics
from crossover.evaluation.lesions import detection
from crossover.evaluation.metrics import COLUMNS, score, score_models
from crossover.evaluation.overlap import dice, iou
from crossover.evaluation.surface import surface_metrics
from crossover.imaging.volumes import prediction_path, structure_path, write
from crossover.statistics.scores.metrics_table import SIZES
from crossover.statistics.scores.scales import KNOWN
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.plan import Model
from crossover.study.sections import Evaluation, Replicates, Statistics
from workflow_scripts import evaluate

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
    hd95, nsd, _ = surface_metrics(empty, empty, (1, 1, 1), 1)
    assert math.isnan(hd95) and nsd == 1
    for a, b in ((empty, full), (full, empty)):
        hd95, nsd, _ = surface_metrics(a, b, (1, 1, 1), 1)
        assert math.isnan(hd95) and nsd == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_cube_is_its_shift_away(axis: int):
    """Two of six faces move by the shift, far more than 5 % of the surface."""
    shift = [0, 0, 0]
    shift[axis] = 2
    spacing = (3.0, 1.5, 0.5)
    hd95, nsd, _ = surface_metrics(cube(), cube(tuple(shift)), spacing, 2 * spacing[axis])
    assert hd95 == pytest.approx(2 * spacing[axis])
    assert nsd == 1


def test_nsd_counts_the_surface_within_the_tolerance():
    """Two plates, 4 apart: their near faces are 3 apart, which is half of either surface."""
    a, b = np.zeros((2, 16, 20, 20), bool)
    a[5, 4:16, 4:16] = b[9, 4:16, 4:16] = True
    assert surface_metrics(a, b, (1, 1, 1), 2.9)[:2] == (4, 0)
    assert surface_metrics(a, b, (1, 1, 1), 3.5)[:2] == (4, pytest.approx(0.5))
    assert surface_metrics(a, b, (1, 1, 1), 4)[:2] == (4, 1)
    assert surface_metrics(a, b, (2, 1, 1), 7)[:2] == (8, pytest.approx(0.5, abs=0.05))
    assert surface_metrics(a, a, (1, 1, 1), 0.1) == (0, 1, 0)


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
    assert double == pytest.approx((2 * there[0], there[1], 2 * there[2]), nan_ok=True)


@pytest.mark.parametrize("thickness", [1.0, 5.0])
def test_the_surface_of_an_image_of_one_slice_is_the_outline(thickness: float):
    """Its front and back would be within any tolerance, and the thicker the slice, the less so."""
    a, b = np.zeros((2, 1, 64, 64), bool)
    a[0, 10:40, 10:40] = b[0, 10:40, 16:46] = True
    found = score(*(image(m, (1, 1, thickness)) for m in (a, b)), 2.0)
    assert (found["hd95_mm"], found["nsd"], found["assd_mm"]) == pytest.approx((6.0, 0.483, 3.0), abs=0.01)
    inner = score(*(image(np.pad(m, ((1, 1), (0, 0), (0, 0)))) for m in (a, b)), 2.0)
    assert inner["nsd"] > 0.8  # a structure in one slice of a volume has a front and a back
    empty = score(image(a), image(np.zeros_like(a)), 2.0)
    assert math.isnan(empty["hd95_mm"]) and empty["nsd"] == 0


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
    directed = [np.percentile(distance_transform_edt(~other)[own], 95) for own, other in (borders, borders[::-1])]
    hd95, _, assd = surface_metrics(a, b, (1, 1, 1), 1)
    assert hd95 == pytest.approx(max(directed), abs=np.sqrt(3) / 2)
    pooled = [distance_transform_edt(~other)[own] for own, other in (borders, borders[::-1])]
    assert assd == pytest.approx(np.concatenate(pooled).mean(), abs=0.3)


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


def test_assd_is_the_mean_of_both_surfaces_by_area():
    """Two plates, 4 apart: near faces are 3 and far faces 4 from the other, but for edges.

    And against surface-distance's own two directed means, of surfaces of different area.
    """
    a, b = np.zeros((2, 16, 40, 40), bool)
    a[5, 4:36, 4:36] = b[9, 4:36, 4:36] = True
    assert surface_metrics(a, b, (1, 1, 1), 1)[2] == pytest.approx(3.5, abs=0.05)
    b[9, 4:20] = False
    distances = surface_distance.compute_surface_distances(a, b, (2, 1, 1))
    directed = surface_distance.compute_average_surface_distance(distances)
    areas = [distances[f"surfel_areas_{side}"].sum() for side in ("gt", "pred")]
    assd = surface_metrics(a, b, (2, 1, 1), 1)[2]
    assert assd == pytest.approx(np.average(directed, weights=areas))
    assert assd != pytest.approx(np.mean(directed))


def components(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    """Connected components by a search over the 26 neighbours of each voxel, for comparison."""
    left, out = set(map(tuple, np.argwhere(mask))), []
    while left:
        own, waiting = set(), [left.pop()]
        while waiting:
            voxel = waiting.pop()
            own.add(voxel)
            near = {tuple(np.add(voxel, step) - 1) for step in np.ndindex(3, 3, 3)} & left
            left -= near
            waiting += near
        out.append(own)
    return out


@some
@given(masks, masks)
def test_lesions_are_components_of_26_neighbours_found_by_one_voxel(a: np.ndarray, b: np.ndarray):
    a, b = a & np.roll(a, 1), b & np.roll(b, 2)  # sparser: several components
    ours, theirs = components(a), components(b)
    found = sum(not lesion.isdisjoint(map(tuple, np.argwhere(b))) for lesion in ours)
    false = sum(lesion.isdisjoint(map(tuple, np.argwhere(a))) for lesion in theirs)
    f1, sensitivity, extra = detection(a, b)
    assert extra == false
    parts = found + len(ours) + false
    assert f1 == pytest.approx(2 * found / parts if parts else 1)
    assert sensitivity == pytest.approx(found / len(ours) if ours else math.nan, nan_ok=True)


def test_corners_join_lesions_and_empty_masks_have_none():
    a = np.zeros((4, 4, 4), bool)
    a[0, 0, 0] = a[1, 1, 1] = a[3, 3, 3] = True
    b = np.zeros_like(a)
    b[1, 1, 1] = b[3, 0, 0] = True
    assert detection(a, b) == (0.5, 0.5, 1)  # one of two found, one false
    empty = np.zeros_like(a)
    assert detection(empty, empty) == pytest.approx((1, math.nan, 0), nan_ok=True)
    assert detection(empty, b) == pytest.approx((0, math.nan, 2), nan_ok=True)
    assert detection(a, empty) == (0, 0, 0)


def test_the_mean_over_slices_is_of_slices_with_the_structure_and_unlike_the_volumes():
    manual, predicted = np.zeros((2, 5, 10, 10), bool)
    manual[1, :8, :8] = predicted[1, :8, :8] = True  # 64 of 64 pixels: 1
    manual[2, :2, :2] = predicted[2, :2, 1:3] = True  # 4 and 4 pixels, 2 in common: 0.5
    manual[3, :2, :2] = True  # missed: 0
    predicted[4, :2, :2] = True  # no structure here: not counted
    found = score(image(manual), image(predicted), 1)
    assert found["dsc_mean_of_slices"] == pytest.approx(0.5)
    assert found["dsc_structure_slices"] == pytest.approx(2 * 66 / (72 + 68))
    empty = image(predicted[:1])
    assert math.isnan(score(empty, empty, 1)["dsc_mean_of_slices"])


def test_the_volume_error_is_signed_and_in_per_cent_of_the_manual_volume():
    whole, half = cube(), cube()
    half[:9] = False
    empty = np.zeros_like(whole)
    for a, b, error in (
        (whole, half, -50),
        (half, whole, 100),
        (whole, whole, 0),
        (whole, empty, -100),
    ):
        found = score(image(a, (1, 2, 3)), image(b, (1, 2, 3)), 1)
        assert found["volume_error_percent"] == pytest.approx(error)
    assert math.isnan(score(image(empty), image(whole), 1)["volume_error_percent"])


def test_the_diagonal_is_that_of_the_image():
    one = image(cube(), (0.3, 0.4, 1.2))  # 20 voxels a side
    assert score(one, one, 1)["diagonal_mm"] == pytest.approx(26)


def test_what_is_scored_is_what_is_declared():
    """Every metric of a study's table is declared once; a study may choose where more is better, or a distance."""
    found = score(image(cube()), image(cube()), 1)
    ours = [m for m in KNOWN if m in COLUMNS]
    assert [m for m in found if m not in SIZES] == ours == list(KNOWN)[: len(ours)]
    assert list(found) == COLUMNS[-len(found) :]
    choices = get_args(Statistics.model_fields["metric"].annotation)
    assert list(choices) == [*(m for m in ours if KNOWN[m].better == "higher"), "hd95_mm", "assd_mm"]


def test_a_tolerance_may_be_that_of_each_structure():
    assert Evaluation(threshold=0.5, nsd_tolerance_mm=2).tolerance("liver") == 2
    each = Evaluation(threshold=0.5, nsd_tolerance_mm={"liver": 2, "vessel": 1})
    assert (each.tolerance("liver"), each.tolerance("vessel")) == (2, 1)


def test_a_score_takes_any_label_as_the_structure_and_tells_empty_predictions():
    manual = np.zeros((3, 4, 4), np.uint8)
    manual[1, 1:3, 1:3] = 7
    found = score(image(manual), image(np.zeros_like(manual)), 3)
    assert found["dsc"] == found["iou"] == found["nsd"] == found["dsc_structure_slices"] == 0
    assert math.isnan(found["hd95_mm"]) and found["volume_predicted_ml"] == 0
    assert score(image(manual), image(manual // 7), 3)["dsc"] == 1


def test_rows_are_scored_for_the_cases_of_each_model_with_what_it_is(tmp_path):
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
    found = score_models([main, fold], splits, cases, predictions, {"tumour": 3.0}, 0, 2)
    assert [(r["model"], r["cohort"], r["case"], r["dsc"]) for r in found] == [
        ("m", "a", "1", 1.0), ("m", "b", "1", 0.8), ("m-f1", "a", "3", 0.5),
    ]  # fmt: skip
    assert {(r["family"], r["level"], r["n_train"]) for r in found} == {("f-L1", "L1", 5)}


def test_a_manual_mask_is_read_once_for_all_models_and_rows_are_in_the_order_of_models(tmp_path, monkeypatch):
    cases, predictions, read = tmp_path / "cases", tmp_path / "predictions", []
    models = [
        Model(name, "f", "scratch", None, 5, 0, None, None, "stage", ("tumour", "node")) for name in ("m2", "m1", "m3")
    ]
    mask = np.zeros((4, 10, 10))
    mask[1:3, 2:8, 2:8] = 1
    for case in ("c1", "c2"):
        for structure in models[0].structures:
            manual = structure_path(cases / "a" / case, structure)
            for path in [manual, *(prediction_path(predictions, m.name, "a", case, structure) for m in models)]:
                path.parent.mkdir(parents=True, exist_ok=True)
                write(image(mask), path)
    splits = pd.DataFrame([("a", c, "test", 0, None) for c in ("c1", "c2")],
                          columns=["cohort", "case", "part", "replicate", "fold"])  # fmt: skip
    read_ = metrics.read
    monkeypatch.setattr(metrics, "read", lambda path: (read.append(path), read_(path))[1])
    rows = score_models(models, splits, cases, predictions, {"tumour": 3.0, "node": 3.0}, 0, 1)
    assert [(r["model"], r["case"], r["structure"]) for r in rows] == [
        (m, c, s) for m in ("m2", "m1", "m3") for c in ("c1", "c2") for s in ("tumour", "node")
    ]
    assert {r["dsc"] for r in rows} == {1.0}
    assert sum(path.is_relative_to(cases) for path in read) == 4 and len(read) == len(rows) + 4


def test_the_table_has_the_draw_of_each_models_training_cases_and_the_patient_of_each_case(tmp_path, monkeypatch):
    """Two trainings of each of two draws are replicates 0 to 3."""
    study = load_study("uterus", "smoke")
    repeated = study.splits.model_copy(update={"replicates": Replicates(draws=2, trainings=2)})
    study = study.model_copy(update={"splits": repeated})
    models = [Model(f"m-r{r}", "m", "m", None, 5, r, None, None, "m", ("tumour",)) for r in range(4)]
    write_json(tmp_path / "group.json", {"items": {}})
    place = {"cohort": "a", "case": "1"}
    rows = [{"model": m.name, "replicate": m.replicate, **place, "dsc": 0.5} for m in models]
    splits = pd.DataFrame([place | {"patient": "p", "replicate": r} for r in range(2)])
    monkeypatch.setattr(evaluate, "score_models", lambda *_: rows)
    monkeypatch.setattr(evaluate, "read_splits", lambda _: splits)
    job = SimpleNamespace(
        cfg=parameters.evaluate(study, models), predictions=tmp_path / "group.json", out=tmp_path / "metrics.csv",
        splits=None, cases=[tmp_path / "a/manifest.json"], threads=1,
    )  # fmt: skip
    evaluate.main(job)
    table = pd.read_csv(job.out)
    assert list(table) == COLUMNS and table["draw"].tolist() == [0, 0, 1, 1]
    assert set(table["patient"]) == {"p"}
