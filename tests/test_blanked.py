"""Images of which a part was blanked: outlines that they show are told, and their blank ends can be cut off."""

import numpy as np
import pytest
import SimpleITK as sitk

from crossover.sources.blanked import shown_outlines, without_blank_ends
from crossover.sources.reading import Reading

RADIUS = 40
CORD = (60, 64, 3)
"""Row, column and radius (pixels of 2 mm)."""


def disc(row: int, column: int, radius: float, size: int = 128) -> np.ndarray:
    rows, columns = np.ogrid[:size, :size]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def volume(values: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    return image


def patient(margin_mm: float, blanked: slice, slices: int = 20, noise: float = 0.0) -> Reading:
    """A neck with a cord, blanked in some slices but for a margin around the cord.

    Args:
        margin_mm: of what is left around the cord.
        noise: SD of the air outside.
    """
    rng = np.random.default_rng(0)
    body, cord = disc(64, 64, RADIUS), disc(*CORD)
    values = np.where(body, 40.0, -1000.0) + rng.normal(0, 1, (slices, 128, 128)) * (noise + 10 * body)
    left = disc(*CORD[:2], CORD[2] + margin_mm / 2)
    values[blanked] = np.where(left, values[blanked], -1024)
    values[:, ~body & (noise == 0)] = -1024
    mask = np.broadcast_to(cord, values.shape).astype(np.uint8)
    return Reading(channels={"ct": volume(values)}, structures={"cord": volume(mask)})


def told(reading: Reading) -> list[str]:
    return [f"{f.code}, {f.about}: {f.what}" for f in shown_outlines(reading.channels, reading.structures)]


@pytest.mark.parametrize("margin_mm", [0.0, 4.0, 9.0])
def test_an_island_around_a_structure_shows_where_it_is(margin_mm):
    (found,) = told(patient(margin_mm, slice(12, None)))
    assert found.startswith("outline-shown, structure cord: in 8 of its 20 slices, channel ct is blank (-1024)")


@pytest.mark.parametrize("margin_mm", [16.0, 60.0])
def test_an_image_of_more_than_the_structure_does_not(margin_mm):
    assert told(patient(margin_mm, slice(12, None))) == []


def test_a_structure_near_the_skin_is_shown_by_no_air():
    whole = patient(0.0, slice(0))
    lens = disc(64 - RADIUS + 3, 64, 3)
    assert told(Reading(whole.channels, {"lens": volume(np.broadcast_to(lens, (20, 128, 128)).astype(np.uint8))})) == []


def test_two_slices_are_chance_and_air_with_noise_is_not_blank():
    assert told(patient(4.0, slice(18, None))) == []
    assert told(patient(4.0, slice(0), noise=15.0)) == []


def test_the_islands_of_several_structures_are_those_of_each():
    """Two that touch, as a gland and the jaw, leave one island."""
    one = patient(0.0, slice(0))
    glands = {"a": disc(60, 50, 8), "b": disc(60, 66, 9)}
    values = np.full((5, 128, 128), -1024.0)
    values[:, glands["a"] | glands["b"]] = 30.0
    masks = {name: volume(np.broadcast_to(mask, values.shape).astype(np.uint8)) for name, mask in glands.items()}
    assert [f[:29] for f in told(Reading({"ct": volume(values)}, masks))] == [
        "outline-shown, structure a: i",
        "outline-shown, structure b: i",
    ]
    assert told(Reading(one.channels, {"cord": one.structures["cord"]})) == []


def test_blank_ends_are_cut_off_where_voxels_stay_in_place():
    before = patient(4.0, slice(12, None))
    after = without_blank_ends(before)
    assert [(f.code, f.what) for f in after.findings] == [
        ("ends-cut", "the first 0 and the last 8 of 20 slices were cut off")
    ]
    for name in ("channels", "structures"):
        for key, image in getattr(after, name).items():
            whole = getattr(before, name)[key]
            assert image.GetOrigin() == whole.GetOrigin() and image.GetSpacing() == whole.GetSpacing()
            assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(whole)[:12])
    assert told(after) == []
    first = without_blank_ends(patient(4.0, slice(0, 5)))
    assert first.channels["ct"].GetOrigin() == (10.0, -20.0, 30.0 + 5 * 3.0)


def test_what_is_whole_is_not_cut_and_a_mask_decides_nothing():
    whole = patient(0.0, slice(0))
    assert without_blank_ends(whole) is whole
    blanked = patient(4.0, slice(12, None))
    bare = without_blank_ends(Reading(channels=blanked.channels))
    assert bare.channels["ct"].GetSize() == without_blank_ends(blanked).channels["ct"].GetSize() == (128, 128, 12)


def test_a_structure_that_lay_in_a_blank_end_alone_is_an_error():
    reading = patient(4.0, slice(12, None))
    mask = sitk.GetArrayFromImage(reading.structures["cord"])
    mask[:12] = 0
    found = without_blank_ends(Reading(reading.channels, {"cord": volume(mask)})).findings
    assert [(f.code, f.about) for f in found] == [("ends-cut", ""), ("structure-in-blank-ends", "structure cord")]
