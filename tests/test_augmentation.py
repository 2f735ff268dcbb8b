"""Cuts of slices: drawn from seed, step and place alone, and images and masks cut alike."""

import numpy as np
import pytest
from scipy import ndimage

from crossover.study.sections import Augmentation, Drawn
from crossover.training.augmentation import Cut, Cuts, Versions, augmenter
from crossover.training.batches import Batches, SliceSet

CHEN = Drawn(scales=[0.5, 0.75, 1, 1.25, 1.5], rotation_deg=10)


def slices(n: int = 4, shape: tuple[int, int] = (24, 31), structures: int = 2) -> SliceSet:
    rng = np.random.default_rng(0)
    images = ndimage.gaussian_filter(rng.normal(size=(n, *shape, 2)), (0, 2, 2, 0)).astype("float32")
    masks = np.stack([images[..., 0] > 0.05 * s for s in range(structures)], -1).astype(np.uint8)
    return SliceSet(images, masks, np.zeros(n, int), masks.any(axis=(1, 2)))


def cut(data: SliceSet, how: Cut) -> tuple[np.ndarray, np.ndarray]:
    """The first slice cut in a given way."""

    class Chosen(Cuts):
        def draw(self, seed, place):
            return how

    chosen = Chosen(CHEN, data.images.shape[1:3])
    given = np.zeros(1, int), [([0, 0], 0)]
    return chosen.images(data.images[:1], *given)[0], chosen.masks(data.masks[:1], *given)[0]


def test_a_recipe_has_the_augmentation_that_it_names():
    assert isinstance(augmenter(Augmentation(flip=True), (8, 8)), Versions)
    drawn = augmenter(Augmentation(drawn=CHEN), (8, 8))
    assert isinstance(drawn, Cuts) and drawn.count == 1


def test_the_cut_that_changes_nothing_changes_nothing():
    data = slices()
    image, mask = cut(data, Cut(1.0, 0.0, (0.0, 0.0)))
    np.testing.assert_array_equal(image, data.images[0])
    np.testing.assert_array_equal(mask, data.masks[0])


@pytest.mark.parametrize("scale", CHEN.scales)
@pytest.mark.parametrize("angle, place", [(0, (0, 0)), (10, (3.25, -2.5)), (-7.3, (-1.1, 4.2))])
def test_cuts_are_those_of_scipy(scale, angle, place):
    """scipy's affine map from the cut's pixels to the slice's: turn and shrink about the middles."""
    data = slices()
    image, mask = cut(data, Cut(scale, angle, place))
    t = np.deg2rad(angle)
    matrix = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) / scale
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - matrix @ (middle - place)
    sources = np.stack(np.mgrid[: image.shape[0], : image.shape[1]], -1) @ matrix.T + offset
    tie = (np.abs(sources - np.floor(sources) - 0.5) < 1e-6).any(-1)
    for c in range(2):
        expected = ndimage.affine_transform(data.images[0, ..., c], matrix, offset, order=1, mode="nearest")
        np.testing.assert_allclose(image[..., c], expected, atol=1e-5)
        nearest = ndimage.affine_transform(data.masks[0, ..., c], matrix, offset, order=0, mode="grid-constant")
        np.testing.assert_array_equal(mask[..., c][~tie], nearest[~tie])


def test_a_cut_at_a_place_is_that_part_of_the_scaled_slice():
    """At twice the size, the top left corner is the first quarter of the slice."""
    data = slices(shape=(16, 16))
    image, _ = cut(data, Cut(2.0, 0.0, (-8.0, -8.0)))
    zoomed = ndimage.zoom(data.images[0, ..., 0], 2, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(image[..., 0], zoomed[:16, :16], atol=1e-5)


def test_outside_the_slice_the_image_goes_on_and_the_mask_is_empty():
    masks = np.ones((1, 8, 8, 1), np.uint8)
    ones = SliceSet(masks.astype("float32"), masks, np.zeros(1), masks.any(axis=(1, 2)))
    image, mask = cut(ones, Cut(0.5, 0.0, (2.0, 2.0)))
    np.testing.assert_allclose(image, 1)
    assert mask.sum() == 16 and mask[:4, :4].all()


def test_cuts_are_drawn_within_what_is_declared():
    drawn = [Cuts(CHEN, (40, 60)).draw([1, step], place) for step in range(200) for place in (0, 1)]
    assert {d.scale for d in drawn} == set(CHEN.scales)
    angles = np.array([d.angle_deg for d in drawn])
    assert -10 <= angles.min() < -9 and 9 < angles.max() <= 10
    slack = np.array([[abs(d.scale - 1) * 20, abs(d.scale - 1) * 30] for d in drawn])
    places = np.abs([d.place for d in drawn])
    assert (places <= slack).all() and (places > 0.95 * slack)[slack > 0].any()
    assert len(set(drawn)) == len(drawn)


def test_a_batch_of_cuts_follows_from_seed_and_step_alone():
    data = slices(n=6)
    cuts = Cuts(CHEN, data.images.shape[1:3])
    one = Batches(data, cuts, 2, 0, seed=3)
    asked = {step: one[step] for step in (7, 0, 5, 0, 2)}
    for step, (images, masks) in asked.items():
        fresh = Batches(data, Cuts(CHEN, data.images.shape[1:3]), 2, 0, seed=3)[step]
        np.testing.assert_array_equal(images, fresh[0])
        np.testing.assert_array_equal(masks, fresh[1])
        assert images.dtype == masks.dtype == np.float32
    other = Batches(data, cuts, 2, 0, seed=4)
    assert not np.array_equal(other[0][0], one[0][0])
    assert not np.array_equal(one[0][0], one[one.epoch_steps][0])


def test_the_slices_themselves_stay_as_they_are():
    data = slices()
    before = data.images.copy(), data.masks.copy()
    batches = Batches(data, Cuts(CHEN, (24, 31)), 3, 0, seed=1)
    for step in range(4):
        batches[step][0][:] = 0
    np.testing.assert_array_equal(data.images, before[0])
    np.testing.assert_array_equal(data.masks, before[1])
