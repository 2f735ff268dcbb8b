"""Structures: contours, segmentations and label maps land on the image's voxels, or are refused by name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Polygon
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation
from skimage.draw import polygon2mask
from structure_exports import (
    CENTRES,
    DIRECTIONS,
    FRAME,
    HALF,
    SIZE,
    body,
    box,
    codes,
    contours,
    drawn,
    lattice,
    refusal,
    roi,
    seg,
    structure_set,
    to_mm,
)

from crossover.imaging.volumes import on_grid
from crossover.sources.dicom import raster
from crossover.sources.dicom.label_map import label_map_mask
from crossover.sources.dicom.landing import land, land_file
from crossover.sources.dicom.raster import rasterise
from crossover.sources.dicom.rtstruct import Contour, Roi, roi_mask, rois
from crossover.sources.dicom.segmentation import segment_mask, segments
from crossover.sources.dicom.structures import drawables, find_structure, normal_name, written_name
from crossover.sources.findings import Refused
from crossover.sources.settings import StructureName

REAL = Path(__file__).parent.parent.parent / "shared/real/dicom"
LUNG = REAL / "lung-ct-rtstruct-varian/LUNG1-001"
BREAST = REAL / "breast-mr-seg-ge"
HEAD = REAL / "head-rtstruct-without-ct"
PLASTIMATCH = Path(sys.executable).parent / "plastimatch"


@pytest.fixture(params=DIRECTIONS)
def grid(request: pytest.FixtureRequest) -> sitk.Image:
    return lattice(DIRECTIONS[request.param])


# Polygons to pixels


@st.composite
def polygons(draw) -> list[np.ndarray]:
    """One to three polygons of any shape, crossing themselves and each other, beyond the matrix too."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    return [rng.uniform(-6, 24, (rng.integers(3, 9), 2)) for _ in range(rng.integers(1, 4))]


@given(polygons())
@settings(deadline=None, max_examples=60)
def test_polygons_as_two_other_libraries_fill_them(rings):
    shape = (18, 15)
    centres = np.stack(np.meshgrid(np.arange(15), np.arange(18)), -1).reshape(-1, 2)
    skimage, matplotlib, tie = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool)
    for ring in rings:
        skimage ^= polygon2mask(shape, ring[:, ::-1])
        matplotlib ^= Polygon(ring).contains_points(centres).reshape(shape)
        a, way = ring, np.roll(ring, -1, axis=0) - ring
        part = ((centres[:, None] - a) * way).sum(-1) / (way**2).sum(-1)
        off = centres[:, None] - a - np.clip(part, 0, 1)[..., None] * way
        tie |= (np.linalg.norm(off, axis=-1).min(axis=1) < 3e-3).reshape(shape)
    mask = rasterise(rings, shape)
    assert (mask == skimage)[~tie].all()
    assert (mask == matplotlib)[~tie].all()


@given(arrays(bool, (9, 11)))
@settings(deadline=None, max_examples=100)
def test_any_mask_comes_back_from_contours_half_way(mask):
    assert (rasterise(drawn(mask, HALF), mask.shape) == mask).all()


@given(arrays(bool, (9, 11)))
@settings(deadline=None, max_examples=100)
def test_masks_come_back_from_contours_through_centres(mask):
    thick = np.zeros((10, 12), bool)
    for rows in (slice(0, 9), slice(1, 10)):
        for columns in (slice(0, 11), slice(1, 12)):
            thick[rows, columns] |= mask
    assert (rasterise(drawn(thick, CENTRES), thick.shape) == thick).all()
    # Of parts one pixel wide a bridge between two thicker ones may be lost, as a channel; nothing is added.
    assert not (rasterise(drawn(mask, CENTRES), mask.shape) & ~mask).any()


def test_thin_parts_through_centres_stay():
    mask = np.zeros((9, 12), bool)
    mask[2, 1:10] = mask[2:8, 4] = mask[6, 9] = True
    assert (rasterise(drawn(mask, CENTRES), mask.shape) == mask).all()
    line = np.array([[1, 2], [5, 2], [5, 6], [5, 2]], float)  # as OpenCV walks an angle
    assert rasterise([line], mask.shape).sum() == 9


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high]], float)


@pytest.mark.parametrize("off", [0.0, 0.5])
def test_keyhole(off: float):
    outer, inner = square(1 - off, 12 + off), square(4 + off, 8 - off)[::-1]
    expected = rasterise([outer, inner], (14, 14))
    assert expected.sum() == 144 - 3 * 3 if off == 0 else 144 - 4 * 4
    # The channel runs along pixels' centres, inside: they are part of the whole as before.
    at = np.array([[6.0, 1 - off]]), np.array([[6.0, inner[:, 1].min()]])
    start = np.argmin(np.abs(inner - inner.min(axis=0)).sum(axis=1))
    around = np.concatenate([at[1], np.roll(inner, -start, axis=0), at[1]])
    keyhole = np.concatenate([outer[:1], at[0], around, at[0], outer[1:]])
    assert (rasterise([keyhole], (14, 14)) == expected).all()


def test_channel_between_two_parts_is_outside():
    left, right = square(1, 4), square(1, 4) + [7, 0]
    ends = np.array([[4.0, 2.0], [8.0, 2.0]])
    ring = [left[:2], ends[:1], ends[1:], right[[3, 2, 1, 0]], ends[1:], ends[:1], left[2:]]
    ring = np.concatenate(ring)
    assert (rasterise([ring], (7, 14)) == rasterise([left, right], (7, 14))).all()


def test_wall_between_hole_and_outside_through_centres_stays():
    mask = np.ones((6, 7), bool)
    mask[1:5, 1:6] = False
    outer = np.array([[0, 0], [6, 0], [6, 5], [0, 5]], float)
    assert (rasterise([outer, outer[::-1]], mask.shape) == mask).all()


def test_rings_are_cut_at_the_matrix_and_bounded_in_memory(monkeypatch):
    assert rasterise([square(-50, 50)], (4, 5)).all()
    assert not rasterise([square(20, 50)], (4, 5)).any()
    assert not rasterise([], (4, 5)).any()
    assert rasterise([np.full((3, 2), 2.0)], (4, 5)).sum() == 1
    whole = rasterise([square(1, 9.5), square(2.5, 4.5)], (11, 12))
    monkeypatch.setattr(raster, "_PORTION", 5)
    assert (rasterise([square(1, 9.5), square(2.5, 4.5)], (11, 12)) == whole).all()


# RTSTRUCT


@pytest.mark.parametrize("level", [HALF, CENTRES])
def test_contours_on_every_slice(grid, level):
    mask, findings = roi_mask(roi(contours(body(), grid, level)), grid)
    assert (mask == body()).all() and not findings


@pytest.mark.parametrize("level", [HALF, CENTRES])
@pytest.mark.parametrize("axis", [0, 1])
def test_contours_across_another_axis(grid, axis, level):
    mask, findings = roi_mask(roi(contours(body(), grid, level, axis)), grid)
    assert (mask == body()).all() and not findings


@given(arrays(bool, (4, 5, 6)), st.sampled_from(sorted(DIRECTIONS)), st.sampled_from([0, 1, 2]))
@settings(deadline=None, max_examples=40)
def test_any_mask_without_gaps_comes_back(mask, direction, axis):
    image = lattice(DIRECTIONS[direction], (6, 5, 4))
    layers = np.moveaxis(mask, 2 - axis, 0)
    layers[:, 0, 0] = True  # no layer is empty, which would be a gap
    assert (roi_mask(roi(contours(mask, image, HALF, axis)), image)[0] == mask).all()


@pytest.mark.parametrize("shift", [-0.09, -0.3, 0.3, 0.45])
def test_contours_beside_slices_fill_the_nearest(grid, shift):
    mask, findings = roi_mask(roi(contours(body(), grid, shift=shift)), grid)
    assert (mask == body()).all()
    assert codes(findings) == ([] if abs(shift) < 0.1 else ["contours-spread"])


def test_contours_half_way_fill_as_many_slices_as_there_are():
    found = [box(z=z) for z in (2.5, 3.5, 4.5)]
    mask, findings = roi_mask(roi(found), lattice())
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [2, 3, 4]
    assert codes(findings) == ["contours-spread"]


@pytest.mark.parametrize(
    ("places", "filled", "found"),
    [
        ((1, 3, 5), [0, 1, 2, 3, 4, 5], ["contours-spread"]),
        ((1, 4, 7), [0, 1, 2, 3, 4, 5, 6, 7], ["contours-spread"]),
        ((1, 2, 3, 5, 6), [1, 2, 3, 5, 6], ["contours-skip"]),
        ((2, 5), [2, 5], ["contours-skip"]),
        ((4,), [4], []),
        ((4.4,), [4], ["contours-spread"]),
    ],
)
def test_planes_apart(places, filled, found):
    mask, findings = roi_mask(roi([box(z=z) for z in places]), lattice())
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == filled
    assert codes(findings) == found


def test_planes_more_than_a_centimetre_apart_are_not_joined():
    mask, findings = roi_mask(roi([box(z=z) for z in (0, 5, 10)]), lattice(size=(13, 10, 12)))
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [0, 5, 10]
    assert codes(findings) == ["contours-skip"]


def sphere(normal: np.ndarray, radius: float, step: float) -> list[Contour]:
    """A sphere around the origin, cut by planes."""
    first, second = np.linalg.svd(np.reshape(normal, (1, 3)))[2][1:]
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)[:, None]
    found = []
    for place in np.arange(-radius + step / 2, radius, step):
        ring = np.cos(angle) * first + np.sin(angle) * second
        points = normal * place + ring * np.sqrt(radius**2 - place**2)
        found.append(Contour(points, "CLOSED_PLANAR"))
    return found


@pytest.mark.parametrize("normal", [(1, 0, 0), (0, 0.6, 0.8), (0.36, -0.48, 0.8)])
def test_sphere_in_other_planes_on_an_axial_grid(normal):
    """Within 1% of the sphere's volume, and a tenth of a voxel of its centre."""
    image = lattice(size=(40, 50, 24), spacing=(0.8, 0.7, 1.5), origin=(-15.2, -17.1, -17.9))
    mask, findings = roi_mask(roi(sphere(np.array(normal), 12.0, 0.5)), image)
    assert mask.sum() * 0.8 * 0.7 * 1.5 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.01)
    centre = to_mm(np.argwhere(mask).mean(axis=0, keepdims=True)[:, ::-1], image)
    assert np.abs(centre).max() < 0.1
    assert set(codes(findings)) <= {"contours-spread"}


def test_box_and_hole_in_oblique_planes():
    """Within 2% of the volume; a shape without any symmetry stands as it was drawn."""
    turn = Rotation.from_euler("zyx", [20, 35, -15], degrees=True).as_matrix()
    image = lattice(size=(60, 55, 50), spacing=(0.5, 0.6, 0.7), origin=(-15, -16, -17))
    corners = np.array([[-8, -6], [8, -6], [8, 0], [-2, 0], [-2, 7], [-8, 7]], float)
    hole = np.array([[-6, -4], [-4, -4], [-4, 4], [-6, 4]], float)
    found = [
        Contour(np.column_stack([ring, np.full(len(ring), z)]) @ turn.T, "CLOSED_PLANAR")
        for z in np.arange(-4.5, 5, 1)
        for ring in (corners, hole)
    ]
    mask, findings = roi_mask(roi(found), image)
    own = to_mm(np.argwhere(mask)[:, ::-1].astype(float), image) @ turn
    area = 16 * 6 + 6 * 7 - 2 * 8
    assert len(own) * 0.5 * 0.6 * 0.7 == pytest.approx(area * 10, rel=0.02)
    assert (Polygon(corners).contains_points(own[:, :2], radius=1e-6)).all()
    assert not Polygon(hole).contains_points(own[:, :2]).any() and np.abs(own[:, 2]).max() <= 5.01
    assert codes(findings) == ["contours-spread"]


def test_several_contours_holes_and_copies():
    found = [box((0, 9), (0, 9)), box((2.5, 4.5), (2.5, 4.5), kind="CLOSEDPLANAR_XOR")]
    found += [box((11, 12), (1, 2)), box((0, 9), (0, 9))]
    mask, findings = roi_mask(roi(found), lattice())
    assert mask.sum() == 100 - 4 + 4 and codes(findings) == ["contours-doubled"]


@pytest.mark.parametrize("kind", ["CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR", "closed planar"])
def test_closed_contours_are_known_however_their_type_is_spelt(kind: str):
    mask, findings = roi_mask(roi([box((0, 9), (0, 9)), box((2.5, 4.5), (2.5, 4.5), kind=kind)]), lattice())
    assert mask.sum() == 100 - 4 and not findings


def test_lost_planes_and_rings_are_a_warning():
    alone, beside = box(z=6, kind="OPEN_PLANAR"), box((7, 8), z=3, kind="OPEN_PLANAR")
    (finding,) = roi_mask(roi([box(), alone]), lattice())[1]
    assert finding.code == "contours-lost" and "1 plane with no other contour" in finding.what
    ring = Contour(np.vstack([beside.points, beside.points[:1]]), "OPEN_PLANAR")
    (finding,) = roi_mask(roi([box(), ring]), lattice())[1]
    assert finding.code == "contours-lost" and "the last point of 1 of them is the first; 0 planes" in finding.what


def test_contours_between_all_pixels_centres_are_told():
    found = [box(z=z) for z in (2, 3)] + [box((2.2, 2.8), (1, 4), z) for z in (4, 5)]
    mask, findings = roi_mask(roi(found), lattice())
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [2, 3]
    (finding,) = findings
    assert finding.code == "contours-lost"
    assert finding.what == "the contours of 2 planes of 4 enclose no voxel's centre"


def test_points_and_lines_are_passed_over():
    line = box((7, 8), kind="OPEN_PLANAR")
    found = [box(), line, Contour(line.points[:1], "POINT"), Contour(np.zeros((0, 3)), "")]
    found.append(Contour(line.points[:2], "CLOSED_PLANAR"))
    mask, findings = roi_mask(roi(found), lattice())
    assert codes(findings) == ["contours-passed"] and findings[0].what.startswith("4 of 5 contours")
    assert mask.any(axis=(1, 2)).sum() == 1
    assert refusal(roi_mask, roi(found[1:]), lattice()) == "structure-empty"
    assert refusal(roi_mask, roi([]), lattice()) == "structure-empty"


def test_contours_leaving_the_image():
    mask, findings = roi_mask(roi([box((8, 30), (2, 40))]), lattice())
    assert mask.sum() == 5 * 8 and codes(findings) == ["structure-clipped"]
    findings = roi_mask(roi([box(z=z) for z in (6, 7, 8, 9)]), lattice())[1]
    assert codes(findings) == ["structure-clipped"]
    assert not roi_mask(roi([box((-0.5, 12.5), (-0.5, 9.5))]), lattice())[1]
    assert roi_mask(roi([box((-5, 50), (-5, 50))]), lattice())[0].sum() == 13 * 10
    assert refusal(roi_mask, roi([box((20, 30))]), lattice()) == "structure-outside"
    assert refusal(roi_mask, roi([box(z=-4), box(z=-3)]), lattice()) == "structure-outside"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_coordinates_that_are_no_numbers(value):
    bad = box()
    bad.points[1, 0] = value
    assert refusal(roi_mask, roi([box(z=2), bad]), lattice()) == "structure-refused"


def test_contours_that_make_no_planes():
    bent = box((1, 8), (1, 8))
    bent.points[0] += 9
    across = contours(body(), lattice(), axis=0)
    zeros = Contour(np.zeros((4, 3)), "CLOSED_PLANAR")
    near = [box(z=3 + 0.05 * i) for i in range(10)]
    for found in ([bent], [box(), *across], [box(), zeros], near):
        assert refusal(roi_mask, roi(found), lattice()) == "structure-refused"


def saved(dataset: Dataset, path: Path) -> Dataset:
    """The dataset as it comes back from a file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path)
    return dcmread(path, force=True)


def test_rtstruct_from_a_file(grid, tmp_path):
    written = structure_set(roi(contours(body(), grid)), roi([], "Empty", 7, ""))
    first, second = rois(saved(written, tmp_path / "rtstruct.dcm"))
    assert (first.number, first.name, first.frame_of_reference) == (1, "Tumour", FRAME)
    assert (second.number, second.frame_of_reference, second.contours) == (7, FRAME, [])
    assert (roi_mask(first, grid)[0] == body()).all()
    assert [len(c.points) for c in rois(written)[0].contours] == [len(c.points) for c in first.contours]


def test_rtstruct_with_missing_and_odd_parts(tmp_path):
    assert rois(Dataset()) == []
    written = structure_set(roi([box(), box(z=4), box(z=5)]), roi([box()], "Other", 2))
    lines = written.ROIContourSequence[0].ContourSequence
    lines[0].ContourData = lines[0].ContourData[:-1]
    del lines[1].ContourData
    lines[2].ContourData = None
    del written.ROIContourSequence[1].ContourSequence
    del written.StructureSetROISequence[1].ROIName
    written.StructureSetROISequence.append(Dataset())
    for dataset in (written, saved(written, tmp_path / "odd.dcm")):
        first, second, third = rois(dataset)
        assert [len(c.points) for c in first.contours] == [4, 0, 0]
        assert np.isnan(first.contours[0].points[-1, -1])
        assert refusal(roi_mask, first, lattice()) == "structure-refused"
        assert (second.name, second.contours, third.contours) == ("", [], [])
    del written.ROIContourSequence
    assert [r.contours for r in rois(written)] == [[], [], []]


# SEG


def test_binary_seg(grid, tmp_path):
    """Empty slices have no frame; 130 pixels a frame end in the middle of a byte."""
    seg(body().astype(np.uint8), grid).save_as(tmp_path / "seg.dcm")
    dataset = dcmread(tmp_path / "seg.dcm")
    assert [(s.number, s.label) for s in segments(dataset)] == [(1, "Tumour")]
    assert dataset.NumberOfFrames == body().any(axis=(1, 2)).sum() < len(body())
    mask, findings = segment_mask(dataset, 1, grid)
    assert (mask == body()).all() and not findings


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_seg_of_two_segments(kind):
    other = np.roll(body(), 1, axis=0) & ~body()
    values = body() + np.uint8(2) * other
    dataset = seg(values, lattice(), kind, ("Tumour", "Other"))
    assert (segment_mask(dataset, 1, lattice())[0] == body()).all()
    assert (segment_mask(dataset, 2, lattice())[0] == other).all()
    assert not segment_mask(dataset, 3, lattice())[0].any()


def test_fractional_seg():
    fraction = body() * np.linspace(0, 1, body().size).reshape(body().shape)
    options = dict(fractional_type="OCCUPANCY", max_fractional_value=200)
    mask, findings = segment_mask(seg(fraction, lattice(), "FRACTIONAL", **options), 1, lattice())
    assert (mask == (np.round(fraction * 200) >= 100)).all() and mask.any()
    assert codes(findings) == ["fractional"]
    whole = seg(body().astype(float), lattice(), "FRACTIONAL", **options)
    mask, findings = segment_mask(whole, 1, lattice())
    assert (mask == body()).all() and not findings


def test_seg_frames_in_any_order():
    dataset = seg(body().astype(np.uint8), lattice(), "LABELMAP")
    order = np.random.default_rng(1).permutation(len(dataset.PerFrameFunctionalGroupsSequence))
    assert not (order == np.sort(order)).all()
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    dataset.PerFrameFunctionalGroupsSequence = Items([groups[i] for i in order])
    dataset.PixelData = dataset.pixel_array[order].tobytes()
    assert (segment_mask(dataset, 1, lattice())[0] == body()).all()


def test_seg_on_permuted_and_flipped_axes(grid):
    other, values = turned(body(), grid, (2, 0, 1), (True, False, True))
    mask, findings = segment_mask(seg(values, other), 1, grid)
    assert (mask == body()).all() and not findings


def test_seg_of_a_part_and_beyond():
    shifted = lattice(origin=to_mm(np.array([[2, -3, -1]]), lattice())[0])
    values = np.zeros((8, 10, 13), np.uint8)
    values[3, 4:6, 5:8] = 1
    mask, findings = segment_mask(seg(values, shifted), 1, lattice())
    assert np.argwhere(mask).min(axis=0).tolist() == [2, 1, 7] and mask.sum() == 6 and not findings
    values[0] = 1
    mask, findings = segment_mask(seg(values, shifted), 1, lattice())
    assert mask.sum() == 6 and codes(findings) == ["structure-clipped"]
    values[1:] = 0
    assert refusal(segment_mask, seg(values, shifted), 1, lattice()) == "structure-outside"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(spacing=(0.8, 1.3, 5.4)), "0.8 x 1.3 x 5.4 mm against 0.8 x 1.3 x 2.7 mm"),
        (dict(spacing=(0.9, 1.3, 2.7)), "0.9 x 1.3 x 2.7 mm"),
        (
            dict(direction=Rotation.from_euler("z", 3, degrees=True).as_matrix()),
            "axes 3.00 degrees",
        ),
        (dict(origin=(-31.0, 12.9, 55.1)), "(0.30, 0.00, 0.00) mm from the nearest point"),
    ],
)
def test_seg_on_another_lattice(changes, said):
    with pytest.raises(Refused, match="structure-refused") as caught:
        segment_mask(seg(body().astype(np.uint8), lattice(**changes)), 1, lattice())
    assert said in caught.value.finding.what


def test_seg_from_corners_of_pixels():
    """Half a pixel off along rows and columns, and said to keep its source's pixels."""
    corners = lattice(origin=to_mm(np.array([[0.5, 0.5, 0]]), lattice())[0])
    dataset = seg(body().astype(np.uint8), corners)
    assert any(e.tag == 0x0028135A for e in dataset.iterall())
    assert (segment_mask(dataset, 1, lattice())[0] == body()).all()
    for element in dataset.iterall():
        if element.tag == 0x0028135A:
            element.value = "NO"
    assert refusal(segment_mask, dataset, 1, lattice()) == "structure-refused"


def test_seg_with_one_frame_and_no_slice_distance():
    values = np.zeros((8, 10, 13), np.uint8)
    values[4, 2:5, 3:7] = 1
    dataset = seg(values, lattice())
    del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    assert (segment_mask(dataset, 1, lattice())[0] == values).all()


def broken_seg(change) -> Dataset:
    dataset = seg(body().astype(np.uint8), lattice())
    change(dataset)
    return dataset


def _no_orientation(ds):
    del ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def _twice(ds):
    frames = ds.PerFrameFunctionalGroupsSequence
    frames[1].PlanePositionSequence = frames[0].PlanePositionSequence


def _far(ds):
    at = ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    at.ImagePositionPatient = [*at.ImagePositionPatient[:2], 55.1 + 2.7 * 1e7]


def _uneven(ds):
    at = ds.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    at.ImagePositionPatient = [*at.ImagePositionPatient[:2], 55.1 + 2.7 * 2.3]


def _short(ds):
    ds.PixelData = ds.PixelData[:10]


def _type(ds):
    ds.SegmentationType = "SECRET"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_no_orientation, "structure-refused"),
        (_twice, "structure-refused"),
        (_far, "structure-refused"),
        (_uneven, "structure-refused"),
        (_type, "structure-refused"),
        (_short, "pixels-unreadable"),
    ],
)
def test_broken_segs(change, code):
    assert refusal(segment_mask, broken_seg(change), 1, lattice()) == code


# Label maps, and landing without resampling


def turned(
    mask: np.ndarray, grid: sitk.Image, order=(2, 0, 1), flips=(True, False, False)
) -> tuple[sitk.Image, np.ndarray]:
    """The same voxels under other axes: the lattice, and the values (slices, rows, columns)."""
    image = sitk.PermuteAxes(on_grid(mask.astype(np.uint8), grid), order)
    image = sitk.Flip(image, [bool(f) for f in flips])
    return image, sitk.GetArrayFromImage(image)


@given(
    arrays(bool, (3, 4, 5)),
    st.permutations([0, 1, 2]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from(sorted(DIRECTIONS)),
)
@settings(deadline=None, max_examples=60)
def test_landing_loses_nothing(mask, order, flips, direction):
    image = lattice(DIRECTIONS[direction], (5, 4, 3))
    landed, clipped = land(turned(mask, image, order, flips)[0], image)
    assert (landed == mask).all() and not clipped


@pytest.mark.parametrize(("off", "lands"), [(0.04, True), (0.09, True), (0.12, False)])
def test_landing_tolerance(off, lands):
    mask = on_grid(body().astype(np.uint8), lattice(origin=(-31.3 + off, 12.9, 55.1)))
    if lands:
        assert (land(mask, lattice())[0] == body()).all()
    else:
        assert refusal(land, mask, lattice()) == "structure-refused"


def test_landing_tolerance_of_small_voxels():
    fine = dict(size=SIZE, spacing=(0.1, 0.1, 0.1))
    mask = on_grid(body().astype(np.uint8), lattice(origin=(-31.27, 12.9, 55.1), **fine))
    assert refusal(land, mask, lattice(**fine)) == "structure-refused"


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_label_maps(grid, tmp_path, suffix):
    path = tmp_path / f"secret{suffix}"
    values = body().astype(np.uint8) * 2
    values[0, 0, 0] = 5
    sitk.WriteImage(turned_values(values, grid), path)
    mask, findings = label_map_mask(path, None, grid)
    assert (mask == (values > 0)).all() and not findings
    assert (label_map_mask(path, [2, 3], grid)[0] == body()).all()
    assert refusal(label_map_mask, path, [4], grid) == "structure-empty"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_a_label_map_of_the_images_size_that_lies_whole_voxels_off_is_told(grid, order, flips):
    mask = turned(body(), grid, order, flips)[0]
    assert land_file(mask, grid, whole=False)[1] == []
    normal = np.reshape(grid.GetDirection(), (3, 3))[:, 2] * grid.GetSpacing()[2]
    mask.SetOrigin((np.array(mask.GetOrigin()) - normal).tolist())
    landed, findings = land_file(mask, grid, whole=False)
    assert (landed[:-1] == body()[1:]).all()
    (found,) = (f for f in findings if f.code != "structure-clipped")
    assert found.code == "mask-shifted" and f"0 x 0 x {grid.GetSpacing()[2]:g} mm" in found.what


def turned_values(values: np.ndarray, grid: sitk.Image) -> sitk.Image:
    image = sitk.PermuteAxes(on_grid(values, grid), (1, 2, 0))
    return sitk.Flip(image, [False, True, True])


def test_label_maps_refused(tmp_path):
    path = tmp_path / "secret.nrrd"

    def code(image: sitk.Image, grid=lattice()) -> str:  # noqa: B008
        sitk.WriteImage(image, path)
        return refusal(label_map_mask, path, None, grid)

    image = on_grid(body().astype(np.float32), lattice())
    assert code(image, lattice(spacing=(0.8, 1.3, 2.8))) == "structure-refused"
    assert code(image, lattice(origin=(0, 0, 0))) == "structure-refused"
    away = to_mm(np.array([[50, 0, 0]]), lattice())[0]
    assert code(image, lattice(origin=away)) == "structure-outside"
    assert code(image * 0) == "structure-empty"
    assert code(image * 0.5) == "structure-refused"
    assert code(image / 0) == "structure-refused"
    assert code(image[:, :, 0]) == "volume-axes"
    assert code(sitk.Compose(image, image)) == "volume-axes"
    path.write_bytes(b"secret")
    assert refusal(label_map_mask, path, None, lattice()) == "volume-unreadable"
    missing = tmp_path / "secret.nii"
    assert refusal(label_map_mask, missing, None, lattice()) == "volume-unreadable"


def test_label_map_beyond_the_image(tmp_path):
    sitk.WriteImage(on_grid(body().astype(np.uint8), lattice()), tmp_path / "map.nrrd")
    part = lattice(size=(13, 10, 3))
    mask, findings = label_map_mask(tmp_path / "map.nrrd", None, part)
    assert (mask == body()[:3]).all() and codes(findings) == ["structure-clipped"]


# By name


def test_normal_names():
    assert normal_name(" GTV-1 (prim.)") == "gtv1prim"
    assert normal_name("Größe_ä") == normal_name("GRÖßE a\u0308") == "größeä"


def test_written_names_keep_the_signs_that_join_no_words():
    assert written_name(" The_TUMOUR ") == written_name("the-tumour") == written_name("THETUMOUR\u200b") == "thetumour"
    assert written_name("GTV-1 (old)") == written_name("gtv 1(old)") == "gtv1(old)"
    for name in ("GTV-", "GTV -", "- GTV", "_GTV", "GTV_", "GTV!", "~GTV", "GTV+", "GTV'"):
        assert written_name(name) != "gtv" == normal_name(name)
    assert written_name("PTV_5-4") == written_name("PTV 5 4") != written_name("PTV54") != written_name("PTV5.4")


def listed(objects: list[Dataset]) -> list:
    return [structure for dataset in objects for structure in drawables(dataset)]


def found(objects, names=("tumour",), grid=None, frame=FRAME):
    image = lattice() if grid is None else grid
    mask, findings = find_structure(listed(objects), names, image, frame)
    assert mask.GetPixelID() == sitk.sitkUInt8 and mask.GetOrigin() == image.GetOrigin()
    return sitk.GetArrayFromImage(mask), codes(findings)


def test_structure_by_name(grid):
    image = Dataset()
    image.Modality = "MR"
    lines = structure_set(roi(contours(body(), grid), "The_TUMOUR"), roi([], "Secret", 2))
    pixels = seg(body().astype(np.uint8), grid, labels=("lesion",))
    for names in (("the tumour",), ("Lesion ",), ("thetumour", "lesion")):
        mask, findings = found([image, lines, pixels], names, grid)
        assert (mask == body()).all() and mask.max() == 1 and not findings


def test_structures_that_are_missing_doubled_or_empty():
    whole, part = roi(contours(body(), lattice())), roi([box(z=4)], "tumour ", 2)
    empty, point = roi([], "TUMOUR", 3), roi([Contour(box().points[:1], "POINT")], "Tumour", 4)
    tiny = roi([box((2.2, 2.4), (1.2, 1.4))], "Tumour", 5)
    secret = roi([box()], "Secret", 6)

    def code(*regions: Roi, names=("tumour",)) -> str:
        return refusal(find_structure, listed([structure_set(*regions)]), names, lattice(), FRAME)

    assert code(secret) == code(secret, names=("--",)) == "structure-missing"
    assert refusal(find_structure, [], ["x"], lattice(), FRAME) == "structure-missing"
    assert code(whole, part) == "structure-doubled"
    assert code(empty) == code(point, empty) == code(tiny) == "structure-empty"
    assert (found([structure_set(point, whole, empty, secret)])[0] == body()).all()
    pixels = seg(body().astype(np.uint8), lattice())
    assert (found([structure_set(whole), structure_set(whole), pixels])[0] == body()).all()
    assert code(whole, roi([box((40, 50))], number=7)) == "structure-outside"


@pytest.mark.parametrize(("there", "asked"), [("GTV-", "GTV"), ("_GTV", "GTV"), ("PTV_5.4", "PTV54"), ("GTV", "GTV!")])
def test_a_name_that_differs_in_signs_is_taken_with_a_warning(there: str, asked: str):
    assert found([structure_set(roi([box()], there))], [asked])[1] == ["name-signs"]
    assert found([structure_set(roi([box()], there))], [there])[1] == []


def test_a_name_with_its_signs_goes_before_others():
    whole, part = roi([box(), box(z=4)], "GTV"), roi([box()], "GTV-", 2)
    for name, planes in (("gtv", 2), ("GTV-", 1)):
        mask, told = found([structure_set(whole, part)], [name])
        assert mask.any(axis=(1, 2)).sum() == planes and told == []
    there = listed([structure_set(roi([], "GTV"), part)])
    assert refusal(find_structure, there, ["GTV"], lattice(), FRAME) == "structure-empty"


def test_structures_in_another_frame_of_reference():
    lines = structure_set(roi(contours(body(), lattice()), frame="1.2.3"))
    pixels = seg(body().astype(np.uint8), lattice())
    pixels.FrameOfReferenceUID = "1.2.3"
    for dataset in (lines, pixels):
        assert refusal(find_structure, listed([dataset]), ["tumour"], lattice(), FRAME) == "two-frames"
        assert (found([dataset], frame="")[0] == body()).all()
    lines.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = ""
    assert (found([lines])[0] == body()).all()
    assert (found([lines, pixels])[0] == body()).all()


# Real files

real = pytest.mark.real


def stacked(folder: Path) -> sitk.Image:
    """A series as a volume, sorted along its normal."""
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def only_file(folder: Path) -> Dataset:
    return dcmread(next(p for p in folder.iterdir() if p.suffix == ".dcm"))


# Voxels of each structure by `plastimatch convert --input mask_rtstruct --referenced-ct image
# --output-prefix out` (1.10.0), and the mean HU where it is known: lungs near -750 to -800.
LUNG_VOXELS = {"GTV-1": 54639, "Spinal-Cord": 15618, "Lung-Left": 796016, "Lung-Right": 1037315}


@pytest.fixture(scope="module")
def lung() -> tuple[sitk.Image, dict[str, np.ndarray]]:
    image, dataset = stacked(LUNG / "image"), only_file(LUNG / "mask_rtstruct")
    frame = str(rois(dataset)[0].frame_of_reference)
    masks = {}
    for name in LUNG_VOXELS:
        mask, findings = find_structure(listed([dataset]), [name], image, frame)
        masks[name] = sitk.GetArrayFromImage(mask) > 0
        assert not findings
    return image, masks


@real
@pytest.mark.slow
def test_real_lung(lung):
    image, masks = lung
    for name, voxels in LUNG_VOXELS.items():
        assert masks[name].sum() == pytest.approx(voxels, rel=1e-3), name
    hu = sitk.GetArrayViewFromImage(image)
    for name in ("Lung-Left", "Lung-Right"):
        assert -820 < hu[masks[name]].mean() < -740


@real
@pytest.mark.skipif(not PLASTIMATCH.exists(), reason="plastimatch is not installed")
@pytest.mark.slow
def test_real_lung_against_plastimatch(lung, tmp_path):
    """Where the two differ, plastimatch fills inner contours: 1.5 per mille at most, in a lung's holes."""
    command = [PLASTIMATCH, "convert", "--input", LUNG / "mask_rtstruct"]
    command += ["--referenced-ct", LUNG / "image", "--output-prefix", tmp_path / "out"]
    subprocess.run(command + ["--prefix-format", "nrrd"], check=True, capture_output=True)
    for name, mask in lung[1].items():
        other = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "out" / f"{name}.nrrd")) > 0
        assert 2 * (mask & other).sum() / (mask.sum() + other.sum()) > 0.9997, name


@real
@pytest.mark.parametrize("series", ["image_dce_pe1", "image_dce_ser"])
def test_real_breast(series):
    """Half a pixel off its image; every voxel lands, frame for frame."""
    image, dataset = stacked(BREAST / series), only_file(BREAST / "mask")
    mask, findings = segment_mask(dataset, 1, image)
    frames = dataset.pixel_array > 0
    assert mask.sum() == frames.sum() == 96151
    assert [f.code for f in findings] == ["half-pixel"]
    there = np.flatnonzero(mask.any(axis=(1, 2)))
    assert (mask[there] == frames[frames.any(axis=(1, 2))]).all()


@real
def test_real_breast_is_a_threshold_of_its_image():
    """The mask was made by a threshold on the dynamic series, so it says itself where it belongs."""
    image, dataset = stacked(BREAST / "image_dce_pe1"), only_file(BREAST / "mask")
    mask = segment_mask(dataset, 1, image)[0]
    values = sitk.GetArrayViewFromImage(image).astype(float)

    def apart(shift: int, axis: int) -> float:
        moved = np.roll(mask, shift, axis)
        return values[moved].mean() - values[~moved].mean()

    assert all(apart(0, 1) > apart(s, a) for a in (1, 2) for s in (-1, 1))


@real
@pytest.mark.parametrize(
    ("mask", "series"),
    [("gland_Bosma22b", 4), ("lesion_human", 4), ("zones_Yuan23", 4), ("lesion_on_adc", 7)],
)
def test_real_prostate_label_maps(mask, series):
    """The first two are 0.04 mm off at the corners: their rotation was rounded elsewhere."""
    folder = next((REAL / "prostate-mr-siemens-private-bvalues").glob(f"*/*/{series}.*"))
    path = REAL / "prostate-mr-masks" / f"{mask}.nii.gz"
    landed, findings = label_map_mask(path, None, stacked(folder))
    assert (landed == (sitk.GetArrayFromImage(sitk.ReadImage(path)) != 0)).all() and not findings


@pytest.mark.thorough
@real
@pytest.mark.slow
def test_real_head_parses():
    """40 structures, of which every third, the last a point, is drawn on a grid made up to hold them all."""
    regions = rois(only_file(HEAD))
    assert len(regions) == 40 and sum(len(r.contours) for r in regions) == 19694
    points = np.concatenate([c.points for r in regions for c in r.contours])
    low, high = points.min(axis=0) - 2, points.max(axis=0) + 2
    spacing = np.array([2.0, 2.0, 1.0])
    image = lattice(size=np.ceil((high - low) / spacing) + 1, spacing=spacing, origin=low)
    some = [region for region in regions[1:] if region.number % 3 == 1]
    assert len(some) > 10 and some[-1].number == 40
    for region in some:
        if region.number == 40:
            assert refusal(roi_mask, region, image) == "structure-empty"
            continue
        mask, findings = roi_mask(region, image)
        # planes whose contours are thinner than this grid's voxels are told
        assert mask.any() and set(codes(findings)) <= {"contours-skip", "contours-lost"}


def two_of_a_name() -> tuple[list, sitk.Image, list[np.ndarray]]:
    """Two readers' tumours in two RTSTRUCT, of one name; the second is larger, and of another colour."""
    grid, found, masks = lattice(), [], []
    for k, reader in enumerate(("DR ONE", "DR TWO")):
        mask = np.zeros(SIZE[::-1], bool)
        mask[2:5, 3:6, 3 : 7 + k] = True
        dataset = structure_set(roi(contours(mask, grid), number=k + 1))
        dataset.ROIContourSequence[0].ROIDisplayColor = [255, 128 * k, 0]
        dataset.OperatorsName = reader
        own = [s._replace(series_number=10 + k, place=f"p1/reader_{k + 1}/rs.dcm") for s in drawables(dataset)]
        found += own
        masks.append(mask)
    return found, grid, masks


@pytest.mark.parametrize(
    "known",
    [
        {"colour": [255, 128, 0]},
        {"colour": [253, 127, 1], "name": "tumour"},
        {"reader": "dr two"},
        {"series_number": 11},
        {"file": "**/reader_2/*"},
        {"order": 2},
        {"order": 2, "name": "TUMOUR"},
        {"name": 2},
    ],
)
def test_of_two_structures_of_one_name_all_that_is_given_tells_which_is_meant(known: dict):
    there, grid, masks = two_of_a_name()
    assert refusal(find_structure, there, ["Tumour"], grid, FRAME) == "structure-doubled"
    mask, _ = find_structure(there, [StructureName(**known)], grid, FRAME)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask) > 0, masks[1])


def test_what_is_given_and_holds_of_none_is_missing():
    there, grid, _ = two_of_a_name()
    for known in (
        {"colour": [0, 0, 255]},
        {"reader": "DR THREE"},
        {"order": 3},
        {"name": "Liver", "series_number": 10},
    ):
        assert refusal(find_structure, there, [StructureName(**known)], grid, FRAME) == "structure-missing"


def test_the_colour_of_a_segment_is_that_of_its_lab_value():
    dataset = seg(np.pad(np.ones((3, 3, 3), np.uint8), 3)[: SIZE[2], : SIZE[1], : SIZE[0]], lattice())
    dataset.SegmentSequence[0].RecommendedDisplayCIELabValue = [34885, 53485, 50171]  # pure red, by dcmqi's conversion
    (found,) = segments(dataset)
    assert max(abs(a - b) for a, b in zip(found.colour, (255, 0, 0))) <= 3
