"""Training data: the versions of a slice, and batches that follow from seed and step alone."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from crossover.study.sections import Augmentation
from crossover.training.augmentation import Versions
from crossover.training.batches import Batches, SliceSet

UTERUS = yaml.safe_load((Path(__file__).parent.parent / "config/studies/uterus.yaml").read_text())
RECIPE = Augmentation(**UTERUS["recipe"]["augmentation"])


def slices(n: int = 7, shape: tuple[int, int] = (6, 5)) -> SliceSet:
    """Slices that can be told apart by any pixel; every third has no structure."""
    images = np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((1, *shape, 2), np.float32)
    masks = np.zeros((n, *shape, 1), np.uint8)
    masks[:, 1:3, 1:3] = (np.arange(n) % 3 != 2)[:, None, None, None]
    return SliceSet(images, masks, np.zeros(n, int), masks.any(axis=(1, 2)))


def source_points(angle: float, shape: tuple[int, int]) -> np.ndarray:
    """Where scipy's rotation by -angle takes each pixel from: (2, rows, columns)."""
    t = np.deg2rad(angle)
    matrix = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    centre = (np.array(shape) - 1) / 2
    grid = np.stack(np.mgrid[: shape[0], : shape[1]], -1)
    return np.moveaxis((grid - centre) @ matrix.T + centre, -1, 0)


def test_the_papers_augmentation_has_six_versions():
    assert Versions(RECIPE, (8, 8)).count == 6
    assert Versions(Augmentation(), (8, 8)).count == 1


@pytest.mark.parametrize("shape", [(16, 16), (17, 17), (12, 19)])
@pytest.mark.parametrize("which", range(4))
def test_rotations_are_those_of_scipy(shape: tuple[int, int], which: int):
    rng = np.random.default_rng(which)
    images = rng.normal(size=(2, *shape, 3)).astype(np.float32)
    masks = rng.integers(0, 2, (2, *shape, 1)).astype(np.uint8)
    angle = RECIPE.rotations_deg[which]
    turned, turned_masks = apply(Versions(RECIPE, shape), images, masks, which + 1)
    expected = ndimage.rotate(images, -angle, (1, 2), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(turned, expected, atol=1e-5)
    at = source_points(angle, shape)
    tie = (np.abs(at - np.floor(at) - 0.5) < 1e-6).any(axis=0)
    for i in range(2):
        nearest = ndimage.map_coordinates(masks[i, ..., 0], at, order=0, mode="grid-constant")
        np.testing.assert_array_equal(turned_masks[i, ..., 0][~tie], nearest[~tie])


def apply(versions: Versions, images: np.ndarray, masks: np.ndarray, version: int) -> tuple[np.ndarray, np.ndarray]:
    """All slices in one version."""
    chosen = np.full(len(images), version)
    return versions.images(images, chosen, []), versions.masks(masks, chosen, [])


def test_rotations_turn_images_and_masks_the_same_way_and_back():
    y, x = np.mgrid[:33, :33]
    blob = (((y - 10) ** 2 + (x - 18) ** 2) < 30).astype(np.float32)[None, ..., None]
    versions = Versions(RECIPE, (33, 33))
    for one, back in ((1, 2), (2, 1), (3, 4)):
        image, mask = apply(versions, blob, blob.astype(np.uint8), one)
        assert np.mean((image > 0.5) != (mask > 0)) < 0.005
        image, mask = apply(versions, image, mask, back)
        assert 2 * np.sum(mask * blob) / (mask.sum() + blob.sum()) > 0.9
        assert np.abs(image - blob).mean() < 0.02


def test_outside_the_slice_the_image_goes_on_and_the_mask_is_empty():
    ones = np.ones((1, 9, 9, 1), np.float32)
    image, mask = apply(Versions(RECIPE, (9, 9)), ones, ones.astype(np.uint8), 1)
    np.testing.assert_allclose(image, 1, rtol=1e-6)
    assert mask[0, 4, 4, 0] == 1 and mask[0, 0, 0, 0] == 0


def test_the_original_comes_first_and_the_mirror_image_last():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 4, 5, 1)).astype(np.float32)
    masks = (images > 0).astype(np.uint8)
    versions = Versions(RECIPE, (4, 5))
    for version, axis in ((0, None), (5, 2)):
        for given_, got in zip((images, masks), apply(versions, images, masks, version)):
            np.testing.assert_array_equal(got, given_ if axis is None else np.flip(given_, axis))


def batches(size: int = 4, background: float = 0.5, seed: int = 3, n: int = 7) -> Batches:
    return Batches(slices(n=n), Versions(RECIPE, (6, 5)), size, background, seed)


def epoch(b: Batches, which: int = 0) -> list[np.ndarray]:
    return [b[which * b.epoch_steps + i][0] for i in range(b.epoch_steps)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(0, 5))
def test_a_batch_is_a_function_of_seed_and_step_alone(steps: list[int], seed: int):
    one = batches(seed=seed)
    asked = {step: one[step] for step in steps}  # in any order, epochs left and met again
    for step, (images, masks) in asked.items():
        fresh = batches(seed=seed)[step]
        np.testing.assert_array_equal(images, fresh[0])
        np.testing.assert_array_equal(masks, fresh[1])


def test_seeds_and_epochs_differ():
    firsts = [np.concatenate(epoch(batches(seed=s), e)) for s, e in ((3, 0), (3, 1), (4, 0))]
    assert not any(np.array_equal(a, b) for i, a in enumerate(firsts) for b in firsts[i + 1 :])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 0.5, 2]))
def test_each_structure_has_an_equal_share_of_an_epoch(many: int, few: int, background: float):
    """One that every slice shows, one that few show, and one that none does."""
    n = many + few + 5
    large = np.zeros((n, 3), bool)
    large[:many, 0] = True
    large[many : many + few, 1] = True
    images = np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 1), np.float32)
    masks = np.zeros((n, 2, 2, 3), np.uint8) + large[:, None, None, :]
    b = Batches(SliceSet(images, masks, np.zeros(n, int), large), Versions(Augmentation(), (2, 2)), 1, background, 0)
    share = -(-(many + few) // 2)
    seen = [np.bincount(b._draw(e), minlength=n) for e in range(8)]
    for counts in seen:
        assert counts[:many].sum() == share == counts[many : many + few].sum()
        assert np.ptp(counts[:many]) <= 1 and np.ptp(counts[many : many + few]) <= 1
        assert counts.sum() == b.epoch_items == 2 * share + min(round(background * (many + few)), 5)
    if share * 8 >= 3 * max(many, few):
        assert (sum(seen)[: many + few] > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.sampled_from([0, 0.3, 0.5, 1, 5]), st.booleans())
def test_an_epoch_holds_every_version_of_every_slice_once(n, size, background, augmented):
    """Slices are told apart by their value; versions change the mask, not the value."""
    data = slices(n=n)
    versions = Versions(RECIPE if augmented else Augmentation(), (6, 5))
    b = Batches(data, versions, size, background, 0)
    with_structure = np.flatnonzero(data.has_structure)
    extra = min(round(background * len(with_structure)), n - len(with_structure))
    items = (len(with_structure) + extra) * versions.count
    assert b.epoch_items == items and b.epoch_steps == -(-items // size)
    for which in range(2):
        images = np.concatenate(epoch(b, which))
        assert len(images) == b.epoch_steps * size
        seen = np.rint(images[:items, 0, 0, 0]).astype(int)
        counts = np.bincount(seen, minlength=n)
        assert (counts[with_structure] == versions.count).all()
        others = np.delete(counts, with_structure)
        assert set(others) <= {0, versions.count} and others.sum() == extra * versions.count
        rest = np.rint(images[items:, 0, 0, 0]).astype(int)
        np.testing.assert_array_equal(rest, np.resize(seen, len(rest)))


def test_the_versions_in_an_epoch_are_all_different():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 8, 8, 1)).astype(np.float32)
    ones = np.ones((3, 8, 8, 1), np.uint8)
    data = SliceSet(images, ones, np.zeros(3, int), ones.any(axis=(1, 2)))
    versions = Versions(RECIPE, (8, 8))
    b = Batches(data, versions, 6, 0, 1)
    expected = {apply(versions, images, data.masks, v)[0][i].tobytes() for v in range(6) for i in range(3)}
    got = [image.tobytes() for batch in epoch(b) for image in batch]
    assert len(got) == len(expected) == 18 and set(got) == expected


def test_images_and_masks_of_a_batch_belong_together():
    b = batches(size=5)
    for step in range(b.epoch_steps):
        images, masks = b[step]
        assert images.dtype == masks.dtype == np.float32
        assert images.shape == (5, 6, 5, 2) and masks.shape == (5, 6, 5, 1)
        kind = np.rint(images[:, 0, 0, 0]).astype(int)
        assert ((kind % 3 != 2) == masks.any(axis=(1, 2, 3))).all()


def test_the_background_is_drawn_anew_each_epoch():
    b = batches(n=30, background=0.2)
    drawn = set()
    for which in range(5):
        seen = np.unique(np.rint(np.concatenate(epoch(b, which))[:, 0, 0, 0]).astype(int))
        drawn.add(tuple(seen[seen % 3 == 2]))
    assert {len(d) for d in drawn} == {4} and len(drawn) > 1
