"""Outlines: any pixels come back from their polygons, whoever fills them and by whatever rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Curve
from skimage.measure import points_in_poly

from crossover.exchange.polygons import outlines
from crossover.sources.dicom.raster import filled, rasterise

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def centres(shape: tuple[int, int]) -> np.ndarray:
    return np.stack(np.meshgrid(range(shape[1]), range(shape[0])), axis=-1).reshape(-1, 2)


def even_odd(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(shape, bool)
    for ring in rings:
        inside ^= points_in_poly(centres(shape), ring).reshape(shape)
    return inside


def united(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Each polygon filled by the rule of winding numbers, all of them together."""
    inside = np.zeros(shape, bool)
    for ring in rings:
        closed = Curve(np.concatenate([ring, ring[:1]]), closed=True)
        inside |= closed.contains_points(centres(shape)).reshape(shape)
    return inside


@pytest.mark.parametrize("fill", [even_odd, united, filled, rasterise])
@given(MASKS)
@settings(deadline=None, max_examples=150)
def test_the_same_pixels_come_back(fill, mask: np.ndarray):
    assert (fill(outlines(mask), mask.shape) == mask).all()


@given(MASKS)
@settings(deadline=None, max_examples=150)
def test_polygons_hold_the_area_of_the_pixels_and_stay_half_a_pixel_off_their_centres(mask: np.ndarray):
    rings = outlines(mask)
    area = sum(abs(np.sum(r[:, 0] * np.roll(r[:, 1], -1) - np.roll(r[:, 0], -1) * r[:, 1])) / 2 for r in rings)
    assert area == mask.sum()
    assert all((np.abs(ring % 1 - 0.5) == 0).all() for ring in rings)
    steps = [np.roll(ring, -1, axis=0) - ring for ring in rings]
    assert all(((step == 0).sum(axis=1) == 1).all() for step in steps)  # along rows or columns


def test_holes_are_joined_to_their_part_each_by_one_channel():
    mask = np.ones((9, 9), bool)
    mask[2, 2] = mask[4, 2] = mask[4:7, 5:8] = False
    mask[5, 6] = True  # an island
    first, second = sorted(outlines(mask), key=len)
    assert len(second) > 4 == len(first)
    assert (first == [[5.5, 4.5], [6.5, 4.5], [6.5, 5.5], [5.5, 5.5]]).all()


def test_pixels_that_touch_at_a_corner_are_parts_of_their_own():
    assert [len(ring) for ring in outlines(np.eye(3, dtype=bool))] == [4, 4, 4]


def test_no_pixels_have_no_outline():
    assert outlines(np.zeros((3, 4), bool)) == []


def test_the_work_grows_with_the_corners_and_not_with_corners_times_parts(monkeypatch: pytest.MonkeyPatch):
    """Speckled masks have thousands of parts: searching all corners for the first of each takes minutes."""
    from crossover.exchange import polygons

    looked_at = 0

    def counted(items):
        nonlocal looked_at
        items = [*items]
        looked_at += len(items)
        return min(items)

    monkeypatch.setattr(polygons, "min", counted, raising=False)
    mask = np.zeros((60, 60), bool)
    mask[::2, ::2] = True
    assert len(outlines(mask)) == 900 and looked_at <= 4 * 900
