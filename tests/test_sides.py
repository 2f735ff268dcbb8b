"""Left and right: whether a pair of structures lies as its names say."""

import numpy as np
import pytest
import SimpleITK as sitk

from crossover.sources.sides import swapped_sides


def mask(x: int | None, flipped: bool = False) -> sitk.Image:
    """A block around a column of the array; on a flipped grid columns run to the patient's right."""
    voxels = np.zeros((4, 8, 20), np.uint8)
    if x is not None:
        voxels[1:3, 2:6, x - 1 : x + 2] = 1
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((2.0, 2.0, 3.0))
    if flipped:
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    return image


NAMES = [
    ("parotid_left", "parotid_right"), ("Parotid_L", "Parotid_R"),
    ("left_lung", "right_lung"), ("Eye Left", "Eye Right"), ("parotis_li", "parotis_re"), ("Lung_LT", "Lung_RT"),
    ("Niere links", "Niere rechts"), ("parotide gauche", "parotide droite"), ("Rein_Gauche", "Rein_Droit"),
    ("Lung_le", "Lung_ri"),
]  # fmt: skip


@pytest.mark.parametrize("left, right", NAMES)
def test_a_left_structure_on_the_right_of_its_partner_is_told(left, right):
    good = {left: mask(15), right: mask(4), "cord": mask(10)}
    assert swapped_sides(good) == []
    (found,) = swapped_sides({left: mask(4), right: mask(15)})
    assert (found.code, found.about) == ("sides-swapped", f"structure {left}")
    assert found.what == f"it lies 22 mm to the patient's right of {right}" and found.severity == "warning"


def test_sides_are_the_patients_not_the_arrays():
    assert swapped_sides({"eye_l": mask(4, flipped=True), "eye_r": mask(15, flipped=True)}) == []
    assert swapped_sides({"eye_l": mask(15, flipped=True), "eye_r": mask(4, flipped=True)})


def test_what_has_no_partner_or_no_voxel_is_not_compared():
    assert swapped_sides({"liver": mask(4), "parotid_left": mask(4), "level": mask(15)}) == []
    assert swapped_sides({"eye_left": mask(None), "eye_right": mask(4)}) == []
