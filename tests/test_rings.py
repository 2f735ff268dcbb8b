"""Contours that stand twice, cross each other, or share their ROI numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from structure_exports import (
    DIRECTIONS,
    FRAME,
    HALF,
    body,
    box,
    code_item,
    codes,
    contours,
    lattice,
    refusal,
    roi,
    structure_set,
    to_mm,
)

from crossover.sources.dicom.rings import overlaps, without_copies
from crossover.sources.dicom.rtstruct import Contour, roi_mask, rois
from crossover.sources.dicom.structures import drawables, find_structure, unclaimed


def written_again(contour: Contour, rng: np.random.Generator) -> Contour:
    """The same ring in another way: start, direction, closing point, points on its lines, decimals."""
    points = np.roll(contour.points, rng.integers(len(contour.points)), axis=0)
    points = points[::-1] if rng.random() < 0.5 else points
    if rng.random() < 0.5:
        k = rng.integers(len(points))
        between = (points[k] + points[k - 1]) / 2
        points = np.insert(points, k, between, axis=0) if k else points
    points = np.append(points, points[:1], axis=0) if rng.random() < 0.5 else points
    return Contour(np.round(points, rng.choice([2, 4, 9])), contour.kind)


@given(
    arrays(bool, (4, 5, 6)), st.sampled_from(sorted(DIRECTIONS)), st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.2, 1.0]), st.integers(0, 2),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_no_way_of_writing_rings_once_or_twice_changes_a_mask(mask, direction, seed, share, axis):
    rng = np.random.default_rng(seed)
    image = lattice(DIRECTIONS[direction], (6, 5, 4))
    np.moveaxis(mask, 2 - axis, 0)[:, 0, 0] = True  # no layer is empty, which would be a gap
    first = contours(mask, image, HALF, axis)
    copies = [written_again(c, rng) for c in first if rng.random() < share]
    rings = [written_again(c, rng) for c in first] + copies
    got, findings = roi_mask(roi([rings[i] for i in rng.permutation(len(rings))]), image)
    assert (got == mask).all()
    assert codes(findings) == ["contours-doubled"] * bool(copies)
    assert not copies or findings[0].what.startswith(f"{len(copies)} contour")


def test_a_hole_that_is_there_twice_stays_a_hole():
    outer, hole = box((0, 9), (0, 9)), box((2.5, 4.5), (2.5, 4.5))
    again = Contour(hole.points[::-1], "CLOSED_PLANAR")
    mask, findings = roi_mask(roi([outer, hole, again]), lattice())
    assert mask.sum() == 100 - 4 and codes(findings) == ["contours-doubled"]


def test_a_ring_drawn_through_a_keyhole_twice_keeps_its_hole():
    outer, inner = (
        [(0, 0), (9, 0), (9, 9), (0, 9)],
        [(2.5, 2.5), (4.5, 2.5), (4.5, 4.5), (2.5, 4.5)],
    )
    path = [*outer[:1], *inner, inner[0], *outer[:1], *outer[1:]]
    ring = Contour(to_mm(np.array([(x, y, 3) for x, y in path], float), lattice()), "CLOSED_PLANAR")
    once_, _ = roi_mask(roi([ring]), lattice())
    copy = Contour(np.roll(ring.points, 5, axis=0)[::-1], "CLOSED_PLANAR")
    mask, findings = roi_mask(roi([ring, copy]), lattice())
    assert (mask == once_).all() and mask.sum() == 100 - 4
    assert codes(findings) == ["contours-doubled"]


@pytest.mark.parametrize("off", [0.0, 0.05])
def test_a_copy_a_little_off_its_plane_counts_once(off):
    found = [box(z=z) for z in (2, 3, 4)] + [box(z=3 + off)]
    mask, findings = roi_mask(roi(found), lattice())
    assert mask.sum() == 3 * 4 * 4 and codes(findings) == ["contours-doubled"]


def test_degenerate_rings_stay_what_they_are():
    """Neither a line nor a point is the same as the ring on whose edge it lies."""
    line = box((2, 5), (1, 1))
    mask, findings = roi_mask(roi([box(), line, line]), lattice())
    assert mask.sum() == 16 and codes(findings) == ["contours-doubled"]


@pytest.mark.parametrize(("shift", "codes_of"), [(3.0, ["contours-overlap"]), (6.0, []), (9.0, [])])
def test_rings_that_overlap_in_part_are_told(shift, codes_of):
    """Neighbours with a common edge are not meant, nor parts that lie apart."""
    found = [box((0, 5.5), (0, 6)), box((shift - 0.5, shift + 3), (1, 5))]
    mask, findings = roi_mask(roi(found), lattice())
    assert codes(findings) == codes_of
    assert bool(mask[3, 3, 4]) == (shift != 3.0)


@pytest.mark.parametrize("by", [0.2, 1.0])
def test_one_outline_drawn_twice_not_quite_the_same_is_refused(by):
    image = lattice(size=(60, 60, 8))
    found = [box((10, 50), (10, 50), grid=image), box((10 + by, 50 + by), (10, 50), grid=image)]
    assert refusal(roi_mask, roi(found), image) == "contours-redrawn"


def test_a_thin_wall_is_no_outline_drawn_twice():
    image = lattice(size=(60, 60, 8))
    found = [box((9.5, 50.5), (9.5, 50.5), grid=image), box((10.5, 49.5), (10.5, 49.5), grid=image)]
    mask, findings = roi_mask(roi(found), image)
    assert mask.sum() == 41**2 - 39**2 and not findings


def square(low: float, size: float) -> np.ndarray:
    return low + size * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def test_rings_of_the_same_corners_in_another_order_differ():
    bow = square(0, 9)[[0, 2, 1, 3]]
    assert without_copies([square(0, 9), bow, square(0, 9.05), square(0, 9.3)], 0.1) == [0, 1, 3]
    assert without_copies([], 0.1) == []


def test_far_rings_are_compared_in_bounded_memory():
    assert overlaps([square(-1e6, 2e6), square(0, 2e6)]) == (0, 1)
    assert overlaps([square(-1e6, 2e6), square(0, 5)]) == (0, 0)


# ROI numbers


def refused(dataset, name: str = "gtv") -> str:
    return refusal(find_structure, list(drawables(dataset)), [name], lattice(), FRAME)


def mask_of(dataset, name: str) -> np.ndarray:
    (region,) = (r for r in rois(dataset) if r.name == name)
    return roi_mask(region, lattice())[0]


def test_two_regions_of_one_number_are_refused_others_are_not():
    both = [roi([box()], "GTV", 1), roi([box(z=4)], "Bladder", 1)]
    dataset = structure_set(*both, roi(contours(body(), lattice()), "Node", 2))
    assert refused(dataset) == refused(dataset, "bladder") == "numbers-shared"
    assert (mask_of(dataset, "Node") == body()).all()
    one = structure_set(roi([box()], "GTV", 1), roi([], "Bladder", 1))
    assert refused(one) == refused(one, "bladder") == "numbers-shared"
    empty = structure_set(roi([], "GTV", 1), roi([], "Bladder", 1))
    assert refused(empty) == "structure-empty"


def test_two_sets_of_contours_for_one_number_are_refused():
    dataset = structure_set(roi([box()], "GTV", 1), roi([box(z=4)], "Node", 2))
    dataset.ROIContourSequence[1].ReferencedROINumber = 1
    assert refused(dataset) == "numbers-shared"
    assert refused(dataset, "node") == "structure-empty"
    del dataset.ROIContourSequence[1].ContourSequence  # an empty set takes nothing away
    assert mask_of(dataset, "GTV").sum() == 16


@pytest.mark.parametrize("number", [7, None])
def test_contours_of_no_region_are_told(number):
    dataset = structure_set(roi([box()], "GTV", 1), roi([box(z=4)] * 3, "Node", 2))
    assert unclaimed(dataset) == []
    dataset.ROIContourSequence[1].ReferencedROINumber = number
    (finding,) = unclaimed(dataset)
    assert finding.code == "numbers-unknown" and finding.what.startswith("3 contours in 1 set ")
    assert mask_of(dataset, "GTV").sum() == 16 and refused(dataset, "node") == "structure-empty"


def test_regions_without_a_number_share_no_contours():
    dataset = structure_set(roi([box()], "GTV", 1), roi([box(z=4)], "Node", 2))
    for region, lines in zip(dataset.StructureSetROISequence, dataset.ROIContourSequence):
        del region.ROINumber, lines.ReferencedROINumber
    assert refused(dataset) == refused(dataset, "node") == "numbers-shared"
    assert unclaimed(dataset)[0].what.startswith("2 contours in 2 sets")


def test_regions_by_description_label_code_and_number():
    dataset = structure_set(roi([box()], "ROI", 4), roi([box(z=4)], "ROI", 5))
    dataset.StructureSetROISequence[0].ROIDescription = "GTV"
    seen = code_item("", "", "")
    seen.ReferencedROINumber, seen.ROIObservationLabel = 5, "Node"
    seen.RTROIIdentificationCodeSequence = [code_item("64033007", "SCT", "Kidney")]
    dataset.RTROIObservationsSequence = [seen]
    there = list(drawables(dataset))
    for name, z in {"gtv": 3, "node": 4, "kidney": 4, 4: 3, 5: 4}.items():
        mask, findings = find_structure(there, [name], lattice(), FRAME)
        assert mask[3, 2, z] == 1 and codes(findings) == ["structure-named"]
    assert [s.describe() for s in there] == [
        "RTSTRUCT structure 4",
        "RTSTRUCT structure 5: Kidney",
    ]
    assert refused(dataset, "ROI") == "structure-doubled"
