"""Copies of images are found by their values, however these are stored."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossover.sources.copies import equal_parts, same_images, values_digest


def of(array: np.ndarray) -> str:
    return values_digest(sitk.GetImageFromArray(np.ascontiguousarray(array)))


VALUES = np.random.default_rng(3).integers(-1000, 2000, (5, 6, 6)).astype(np.int16)


@given(
    st.permutations([0, 1, 2]),
    st.sets(st.integers(0, 2)),
    st.sampled_from([np.int16, np.int32, np.float32, np.float64]),
)
@settings(deadline=None)
def test_type_and_order_of_axes_change_nothing(order, flipped, dtype):
    stored = np.flip(VALUES, tuple(flipped)).transpose(order).astype(dtype)
    assert of(stored) == of(VALUES)


@given(
    arrays(np.float32, (3, 4, 4), elements=st.floats(-1e6, 1e6, width=32)),
    st.permutations([0, 1, 2]),
)
@settings(deadline=None, max_examples=50)
def test_images_of_one_digest_hold_the_same_values(values, order):
    """However equal the sums of an image's planes are."""
    other = values.copy()
    other[1, 2, 3] = values.max() + 1
    assert of(values) != of(other.transpose(order))


def test_noise_in_float32_is_found_whatever_the_order_of_axes():
    values = np.random.default_rng(4).normal(size=(9, 7, 7)).astype(np.float32)
    assert of(values.transpose(2, 0, 1)[::-1]) == of(values)


@pytest.mark.parametrize("change", ["voxel", "crop", "scale", "offset"])
def test_what_is_no_copy(change: str):
    other = VALUES.copy()
    if change == "voxel":
        other[2, 3, 4] += 1
    other = {"voxel": other, "crop": VALUES[:, 1:], "scale": VALUES * 2, "offset": VALUES + 1024}[change]
    assert of(other) != of(VALUES)


def test_every_case_with_anothers_image_is_told():
    records = {
        "p1": {"images": {"b0": "x", "adc": "y"}},
        "p2": {"images": {"b0": "z", "adc": "x"}},
        "p3": {"images": {"b0": "w"}},
    }
    found = same_images(records)
    assert {c: [(f.about, f.what) for f in own] for c, own in found.items()} == {
        "p1": [("channel b0", "its values are those of an image of p2")],
        "p2": [("channel adc", "its values are those of an image of p1")],
    }


def test_equal_channels_and_structures_of_a_case_are_told_but_not_those_that_mirror_each_other():
    def images(**arrays: np.ndarray) -> dict[str, sitk.Image]:
        return {name: sitk.GetImageFromArray(np.ascontiguousarray(array)) for name, array in arrays.items()}

    mask = (VALUES > 1500).astype(np.uint8)
    channels = images(t2=VALUES, adc=VALUES.astype(np.float32), dwi=VALUES[:, :, ::-1])
    found = equal_parts(channels, images(left=mask, right=mask[:, :, ::-1], body=mask, all=np.ones_like(mask)))
    assert [(f.code, f.about, f.what) for f in found] == [
        ("channels-equal", "channel adc", "it is equal to channel t2"),
        ("structures-equal", "structure body", "it is equal to structure left"),
    ]
