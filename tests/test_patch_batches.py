"""Volumes and patches of 3D networks: which voxels they are, what is drawn of them, and which studies are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from crossover import networks
from crossover.core.configuration import ConfigError
from crossover.core.files import write_json
from crossover.imaging.settings import Normalisation
from crossover.imaging.slices import to_case, to_network
from crossover.imaging.volumes import image_path, on_grid, read_grid, write, write_case
from crossover.study.config import load_study
from crossover.study.sections import Augmentation, Drawn, Patches
from crossover.training.augmentation import Cut
from crossover.training.backends.patches.batches import ANYWHERE, PatchBatches, margin
from crossover.training.backends.patches.training import _Data
from crossover.training.backends.patches.volumes import (
    ACQUIRED,
    IMAGES,
    MASKS,
    MOST_PLACES,
    StoredCase,
    images_of,
    moments,
    volume_grid,
)
from crossover.training.stage_files import Cases, Place
from tests.dry_runs import ROOT

SIZE = (4, 6, 8)
PLAIN = Augmentation()


def volume(folder: Path, shape: tuple[int, int, int], boxes: list[tuple[slice, slice, slice] | None]) -> StoredCase:
    """An image that is linear in each index, and a mask for each box; None for a structure that isn't there."""
    folder.mkdir(parents=True)
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    image = (1000 * z + y + 0.01 * x).astype(np.float32)
    masks = np.zeros((*shape, len(boxes)), np.uint8)
    for s, box in enumerate(boxes):
        masks[(*box, s)] = 1 if box else 0
    np.save(folder / IMAGES, image[..., None])
    np.save(folder / MASKS, masks)
    np.save(folder / ACQUIRED, np.ones(shape, bool))
    return StoredCase(folder)


@pytest.fixture
def two(tmp_path: Path) -> list[StoredCase]:
    """The second structure is a single voxel of the second volume."""
    box = (slice(2, 5), slice(20, 30), slice(20, 34))
    point = (slice(11, 12), slice(39, 40), slice(0, 1))
    small = volume(tmp_path / "small", (6, 40, 44), [box, (slice(0, 0),) * 3])
    return [small, volume(tmp_path / "large", (12, 40, 44), [box, point])]


def batches(volumes: list[StoredCase], augmentation: Augmentation = PLAIN, background: float = 1.0, seed: int = 3):
    return PatchBatches(volumes, SIZE, 4, augmentation, background, seed)


def test_a_batch_is_a_function_of_seed_and_step_alone(two):
    one, other = batches(two), batches(two)
    steps = [0, 1, one.epoch_steps, 7]
    given = {step: (one.images(step), one.masks(step)) for step in steps}
    for step in reversed(steps):
        masks, images = other.masks(step), other.images(step)
        assert np.array_equal(images, given[step][0]) and np.array_equal(masks, given[step][1])
        assert images.shape == (4, *SIZE, 1) and masks.shape == (4, *SIZE, 2)
        assert images.dtype == masks.dtype == np.float32
    assert not np.array_equal(batches(two, seed=4).images(0), given[0][0])
    assert not np.array_equal(given[0][0], given[one.epoch_steps][0]), "another epoch"


def test_a_patch_lies_where_no_augmentations_numbers_put_it(two, monkeypatch):
    """In epochs of one step the numbers of an epoch and of a step are the same."""
    drawn = Augmentation(drawn=Drawn(scales=[0.9, 1.1], rotation_deg=10))
    own = PatchBatches(two[:1], (6, 20, 22), 4, drawn, 1.0, 3)
    assert own.epoch_steps == 1
    seeds, generator = [], np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: seeds.append((*seed, *[0] * 4)[:4]) or generator(seed))
    for step in range(3):
        own.images(step)
    assert len({*seeds}) == 3 * (1 + 4 + 4), "of the epoch, of each patch's place and of its augmentation"


def test_an_epoch_holds_as_many_patches_as_the_volumes_have_voxels(two):
    held = 55 + 110  # 6 x 40 x 44 and 12 x 40 x 44 voxels in patches of 192
    own = batches(two, background=1.0)
    assert own.epoch_items == held
    assert own.epoch_steps == -(-own.epoch_items // 4)
    assert batches(two, Augmentation(flip=True, rotations_deg=[5]), 1.0).epoch_items == 3 * own.epoch_items


def test_shares_are_as_declared_where_an_epoch_has_fewer_patches_than_there_are_structures(tmp_path):
    boxes: list[tuple[slice, slice, slice] | None] = [(slice(0, 4), slice(s, s + 1), slice(0, 2)) for s in range(6)]
    own = batches([volume(tmp_path / str(n), SIZE, boxes) for n in range(2)], background=1.0)
    assert own.epoch_items == 2
    drawn = np.concatenate([own._drawn(epoch).items for epoch in range(300)])
    assert (drawn[:, 1] == ANYWHERE).mean() == 0.5
    structures, patients = (np.bincount(drawn[drawn[:, 1] != ANYWHERE, i]) for i in (1, 0))
    assert structures == pytest.approx(50, rel=0.5) and patients == pytest.approx(150, rel=0.2)


def test_middles_of_patches_lie_in_all_columns_of_a_large_structure(tmp_path):
    """Each column of the box is as frequent as others: its rows are as long as every n-th voxel lies apart."""
    shape, box = (40, 60, 110), (slice(0, 40), slice(0, 50), slice(5, 105))
    own = volume(tmp_path / "box", shape, [box])
    columns = np.bincount(own.places[0] % shape[2], minlength=shape[2])[box[2]]
    assert len(own.places[0]) == MOST_PLACES and len(np.unique(own.places[0])) == MOST_PLACES
    assert columns == pytest.approx(MOST_PLACES / 100, rel=0.5)


def test_each_structure_has_an_equal_share_of_the_patches_that_show_one(two):
    own = batches(two, background=0.0)
    shown = np.concatenate([own.masks(step).any(axis=(1, 2, 3)) for step in range(own.epoch_steps)])[: own.epoch_items]
    assert shown.any(axis=1).all(), "without background every patch shows a structure"
    assert shown[:, 1].mean() == pytest.approx(0.5, abs=0.05), "though it has one voxel"


def test_patches_lie_in_the_volume_and_images_and_masks_belong_together(two):
    own = batches(two)
    for step in range(own.epoch_steps):
        images, masks = own.images(step)[..., 0], own.masks(step)
        z, y = np.divmod(images, 1000)
        y, x = np.floor(y + 1e-3), np.round((y - np.floor(y + 1e-3)) * 100)
        inside = (z >= 2) & (z < 5) & (y >= 20) & (y < 30) & (x >= 20) & (x < 34)
        assert np.array_equal(masks[..., 0] > 0, inside)


@pytest.mark.parametrize("augmentation", [
    Augmentation(rotations_deg=[-12, 30]),
    Augmentation(drawn=Drawn(scales=[0.8, 1.25], rotation_deg=20)),
])  # fmt: skip
def test_an_augmented_patch_shows_what_lies_around_it_and_not_its_edge_continued(tmp_path, augmentation):
    """Interpolation is exact on an image that is linear, wherever it is cut out, unless it is continued by an edge."""
    wide = volume(tmp_path / "wide", (4, 200, 200), [(slice(0, 4), slice(95, 105), slice(95, 105))])
    own = batches([wide], augmentation, background=0.0)
    seen = 0
    for step in range(6):
        images = own.images(step)[..., 0].astype(np.float64)
        along, across = np.diff(images, axis=2), np.diff(images, axis=3)
        flat = [np.allclose(d, d.flat[0], atol=2e-3) for i in range(4) for d in (along[i], across[i])]
        assert all(flat)
        seen += not np.allclose(along, 1, atol=1e-3)
    assert seen, "some are turned"


def test_the_margin_holds_every_corner_of_a_cut():
    """Where the corners of a patch come from, by the formula of the cuts themselves."""
    drawn = Drawn(scales=[0.75, 1.0, 1.5], rotation_deg=25)
    rows, columns = 40, 24
    down, across = margin(Augmentation(drawn=drawn), rows, columns)
    furthest = np.zeros(2)
    for scale in drawn.scales:
        for angle in np.deg2rad(np.linspace(-25, 25, 51)):
            cut = Cut(scale, np.rad2deg(angle), (abs(scale - 1) * rows / 2, abs(scale - 1) * columns / 2))
            for sy, sx in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                y = sy * ((rows - 1) / 2 + cut.place[0]) / scale
                x = sx * ((columns - 1) / 2 + cut.place[1]) / scale
                at = np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x
                furthest = np.maximum(furthest, np.abs(at))
    assert (furthest <= [(rows - 1) / 2 + down + 0.5, (columns - 1) / 2 + across + 0.5]).all()
    assert (furthest >= [rows / 2 + down - 3, columns / 2 + across - 3]).all(), "and hardly more"
    assert margin(PLAIN, rows, columns) == (0, 0) == margin(Augmentation(flip=True), rows, columns)


def test_patches_of_a_structure_are_of_the_volumes_that_have_it(two):
    own = batches(two, background=0.0)
    for step in range(own.epoch_steps):
        images, masks = own.images(step), own.masks(step)
        assert (images[masks[..., 1:] > 0] == 11039).all(), "where the second volume has its only voxel"


def test_moments_are_those_of_all_acquired_voxels(two):
    padding = np.load(two[0].folder / ACQUIRED)
    padding[-2:] = False
    np.save(two[0].folder / ACQUIRED, padding)
    values = np.concatenate([two[0].images()[:-2].ravel(), two[1].images().ravel()]).astype(np.float64)
    found = moments(two)
    assert found.mean == pytest.approx([values.mean()]) and found.sd == pytest.approx([values.std()])


def test_cases_to_validate_on_are_known_by_what_is_drawn_in_them(tmp_path):
    box, none = (slice(0, 1),) * 3, (slice(0, 0),) * 3
    held = [volume(tmp_path / "a", SIZE, [box, none]), volume(tmp_path / "b", SIZE, [none, none])]
    assert _Data({}, [], held, None).drawn.tolist() == [[True, False], [False, False]]


# ---- the network's voxels


def image(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    out = sitk.GetImageFromArray(np.random.default_rng(0).random(shape).astype(np.float32))
    out.SetSpacing(spacing)
    out.SetOrigin((5.0, -7.0, 11.0))
    out.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
    return out


@pytest.mark.parametrize("size", [(8, 16, 16), (8, 64, 48), (16, 33, 30)])
def test_with_the_acquired_spacing_voxels_are_the_acquired_ones(size):
    own = image((9, 31, 30), (1.5, 1.5, 4.0))
    grid = volume_grid(own, Patches(size=size, spacing_mm=(4.0, 1.5, 1.5)))
    assert grid.GetSize() == tuple(max(a, b) for a, b in zip(own.GetSize(), size[::-1], strict=True))
    first = grid.TransformPhysicalPointToContinuousIndex(own.GetOrigin())
    np.testing.assert_allclose(first, np.round(first), atol=1e-9)
    assert np.isin(sitk.GetArrayFromImage(own), to_network(own, grid)).all()


@pytest.mark.parametrize("spacing", [0.7, 0.8, 0.9, 1.4, 2.3, 3.3])
def test_a_spacing_that_its_file_rounds_is_the_acquired_one_too(tmp_path, spacing):
    written = sitk.Image([12, 128, 20], sitk.sitkUInt8)
    written.SetSpacing((1.0, spacing, spacing))
    write(written, image_path(tmp_path, "mr"))
    own = read_grid(image_path(tmp_path, "mr"))
    assert own.GetSpacing()[2] != spacing
    grid = volume_grid(own, Patches(size=(16, 128, 16), spacing_mm=(spacing, spacing, 1.0)))
    assert grid.GetSize() == (16, 128, 20)
    assert grid.GetSpacing() == own.GetSpacing()
    assert own.TransformPhysicalPointToContinuousIndex(grid.GetOrigin()) == pytest.approx((-2, 0, 0))
    everywhere = np.ones(grid.GetSize()[::-1], np.float32)
    assert (to_case(everywhere, grid, own) == 1).all()


@pytest.mark.parametrize("spacing", [(4.0, 3.0, 3.0), (5.0, 1.0, 2.2), (2.0, 1.5, 0.7)])
def test_every_voxel_of_a_case_lies_on_the_networks_grid(spacing):
    own = image((9, 31, 30), (1.5, 1.5, 4.0))
    grid = volume_grid(own, Patches(size=(4, 8, 8), spacing_mm=spacing))
    np.testing.assert_allclose(grid.GetSpacing(), spacing[::-1])
    everywhere = np.ones(grid.GetSize()[::-1], np.float32)
    assert (to_case(everywhere, grid, own) == 1).all()


def test_masks_come_back_from_the_networks_voxels_as_they_were():
    own = image((9, 31, 30), (1.5, 1.5, 4.0))
    drawn = (sitk.GetArrayFromImage(own) > 0.5).astype(np.uint8)
    for size in ((8, 16, 16), (16, 48, 48)):
        grid = volume_grid(own, Patches(size=size, spacing_mm=(4.0, 1.5, 1.5)))
        back = to_case(to_network(on_grid(drawn, own), grid, mask=True), grid, own)
        assert np.array_equal(back >= 0.5, drawn > 0)


@pytest.mark.parametrize("per", ["case", "slice"])
def test_padding_to_the_size_of_a_patch_does_not_change_how_a_case_is_normalised(tmp_path, per):
    manifest = tmp_path / "manifest.json"
    write_json(manifest, {"items": {}})
    own = image((9, 31, 30), (1.5, 1.5, 4.0))
    (tmp_path / "1").mkdir()
    write_case(tmp_path / "1", {"mr": own}, {})
    given = Cases({"s": manifest}), Place("s", "1"), ["mr"]
    values = sitk.GetArrayFromImage(own)
    for size in ((8, 16, 16), (24, 64, 64)):
        found, grid = images_of(
            *given, Patches(size=size, spacing_mm=(4.0, 1.5, 1.5)), Normalisation(method="zscore", per=per)
        )
        first = grid.TransformPhysicalPointToIndex(own.GetOrigin())[::-1]
        inner = found[tuple(slice(a, a + n) for a, n in zip(first, values.shape))][..., 0]
        axes = (0, 1, 2) if per == "case" else (1, 2)
        expected = (values - values.mean(axes, keepdims=True)) / values.std(axes, keepdims=True)
        np.testing.assert_allclose(inner, expected, atol=1e-5)
    beyond = found[0]
    np.testing.assert_allclose(beyond, expected.min() if per == "case" else 0, atol=1e-5)


# ---- what a study may ask for


def study(tmp_path: Path, **network: object):
    """The phantom study with another 3D network."""
    import yaml

    values = yaml.safe_load((ROOT / "tests/patches_phantom.yaml").read_text())
    values["other_networks"]["volumes"] |= network
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/patches_phantom.yaml").write_text(yaml.safe_dump(values))
    return load_study("patches_phantom", "smoke", tmp_path)


SEGRESNET = {"size": [8, 16, 16], "spacing_mm": [13.5, 8.0, 8.0]}


@pytest.mark.parametrize("network, told", [
    ({"architecture": "unet"}, "no 'unet'; there are dynunet, residual_unet, segresnet; .*backend: slices trains it"),
    ({"backend": "slices"}, "no 'segresnet'; there are .*; network.backend: patches trains it"),
    ({"patches": None}, "the backend patches needs size and spacing_mm"),
    ({"patches": SEGRESNET | {"size": [8, 16, 20]}}, "segresnet needs multiples of 8"),
    ({"architecture": "dynunet", "settings": {}, "patches": SEGRESNET | {"size": [16, 16, 16]}},
     "would normalise maps of a single voxel"),
    ({"settings": {"init_filters": 12}}, "network|other_networks.volumes.settings.init_filters"),
    ({"engine": "keras"}, "segresnet exists for torch, not for keras"),
])  # fmt: skip
def test_a_network_that_does_not_fit_is_refused_with_what_would(tmp_path, network, told):
    with pytest.raises(ConfigError, match=told):
        study(tmp_path, **network)


def test_keys_of_other_backends_are_no_part_of_a_networks_settings(tmp_path):
    own = study(tmp_path)
    dumped = own.other_networks["volumes"].model_dump(mode="json")
    assert {"backend", "patches", "settings"} <= dumped.keys() and not {"plans", "trainer"} & dumped.keys()
    assert "patches" not in own.network.model_dump(mode="json")


@pytest.mark.parametrize("architecture", ["segresnet", "dynunet", "residual_unet"])
def test_levels_have_the_names_that_nnunets_networks_have(architecture):
    own = networks.declared(architecture)
    assert own.dimensions == 3 and own.engines == ["torch"]
    assert list(own.levels) == [*(f"stage{i}" for i in range(1, len(own.parts) - 3)), "bottleneck", "decoder", "head"]
    assert own.frozen("decoder") == own.parts[:-2] and own.frozen("stage1") == ("stage0",)
