"""Whether two images hold the same voxels, how far they are apart, and turning one onto the other by index."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.imaging.grids import (
    TOLERANCE_MM,
    GeometryError,
    apart_mm,
    difference,
    reoriented,
    right_angles,
    same_grid,
    spread_mm,
)

SIZE = (5, 4, 3)
OBLIQUE = sitk.VersorTransform((0.3, 0.5, 0.81), 0.4).GetMatrix()


def phantom(size=SIZE, spacing=(0.8, 1.3, 3.0), origin=(-31.3, 12.9, 55.1), direction=OBLIQUE) -> sitk.Image:
    """Another value in each voxel."""
    image = sitk.GetImageFromArray(np.arange(np.prod(size), dtype=np.int16).reshape(size[::-1]))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def moved(image: sitk.Image, by: tuple[float, ...]) -> sitk.Image:
    out = sitk.Image(image)
    out.SetOrigin(np.add(image.GetOrigin(), by).tolist())
    return out


def turned(angle: float, image: sitk.Image) -> sitk.Image:
    """About its first voxel and the world's third axis, by an angle in radians."""
    out = sitk.Image(image)
    about = np.reshape(sitk.VersorTransform((0, 0, 1), angle).GetMatrix(), (3, 3))
    out.SetDirection((about @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return out


@given(st.permutations([0, 1, 2]), st.lists(st.booleans(), min_size=3, max_size=3))
@settings(deadline=None)
def test_stored_flips_and_orders_of_axes_come_back_exactly(order, flips):
    image = phantom()
    stored = sitk.Flip(sitk.PermuteAxes(image, order), flips)
    back = reoriented(stored, image)
    assert apart_mm(back, image) == 0 and back.GetPixelID() == image.GetPixelID()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))


@given(
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1),
    st.sampled_from([(0.99, True), (1.01, False)]),
    st.permutations([0, 1, 2]),
)
@settings(deadline=None)
def test_a_move_is_taken_up_to_a_tenth_of_a_millimetre_whatever_its_direction(way, far, order):
    share, taken = far
    image = phantom()
    by = np.array(way) / np.linalg.norm(way) * share * TOLERANCE_MM
    other = moved(image, by)
    assert same_grid(image, other) is taken
    stored = sitk.PermuteAxes(other, order)
    if taken:
        found = sitk.GetArrayFromImage(reoriented(stored, image))
        np.testing.assert_array_equal(found, sitk.GetArrayFromImage(image))
    else:
        with pytest.raises(GeometryError, match="mm from the nearest point"):
            reoriented(stored, image)


@pytest.mark.parametrize(("mm", "taken"), [(0.09, True), (0.11, False)])
def test_a_turn_counts_at_the_far_corner(mm: float, taken: bool):
    image = phantom(size=(200, 200, 6), spacing=(2, 2, 3), direction=np.eye(3).ravel())
    angle = mm / np.hypot(398, 398)
    assert same_grid(image, turned(angle, image)) is taken
    assert apart_mm(image, turned(angle, image)) == pytest.approx(mm, rel=1e-3)


def test_small_voxels_are_told_apart_by_a_fifth_of_one():
    fine = phantom(spacing=(0.1, 0.1, 0.1))
    assert same_grid(fine, moved(fine, (0.019, 0, 0)))
    assert not same_grid(fine, moved(fine, (0.021, 0, 0)))


def test_how_two_grids_differ_is_told_in_voxels_millimetres_and_degrees():
    image = phantom(direction=np.eye(3).ravel())
    assert "4 x 4 x 3 voxels against 5 x 4 x 3" in difference(image[1:], image)
    assert "0.8 x 1.3 x 2.8 mm against 0.8 x 1.3 x 3 mm" in difference(
        phantom(spacing=(0.8, 1.3, 2.8), direction=np.eye(3).ravel()), image
    )
    assert "axes 3.00 degrees apart" in difference(turned(np.radians(3), image), image)
    assert "axes 0.00500 degrees apart" in difference(turned(np.radians(0.005), image), image)
    told = difference(moved(image, (0, 0.3, 0)), image)
    assert "corners up to 0.3 mm apart" in told and "first voxel (0.00, 0.30, 0.00) mm from the nearest" in told


def test_an_image_that_covers_a_part_is_none_on_the_grid():
    with pytest.raises(GeometryError, match="4 x 4 x 3 voxels"):
        reoriented(phantom()[1:], phantom())


def test_axes_within_the_tolerance_of_right_angles_are_put_right_and_others_named():
    axes = np.diag([1.0, 1.0, 2.5])
    axes[0, 1] = 0.002
    turn = right_angles(axes, (24, 20, 6))
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)
    with pytest.raises(GeometryError, match=r"not at right angles: .* 89\.885 degrees.* 0\.5"):
        right_angles(axes, (24, 500, 6))
    for bad in (0.0, np.nan):
        with pytest.raises(GeometryError, match="voxels of"):
            right_angles(np.diag([1.0, bad, 1.0]), SIZE)


def test_slices_of_a_series_agree_up_to_what_moves_their_last_pixel():
    straight, tilted = [1, 0, 0, 0, 1, 0], [1, 1e-4, 0, -1e-4, 1, 0]
    assert spread_mm([straight, tilted], [[1, 1]] * 2, (512, 512)) == pytest.approx(511e-4 * np.sqrt(2))
    assert spread_mm([straight] * 2, [[1, 1], [1, 1.001]], (512, 512)) == pytest.approx(0.511)
