"""SliceFiles on disk: what is read of them is what an array in memory would give, and no more is read."""

import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from test_activations import DRAWN, SHORT, train
from test_engines import levels, small_engine

from crossover.core.files import write_json
from crossover.imaging import stored
from crossover.imaging.grids import same_grid
from crossover.imaging.settings import Slices
from crossover.imaging.slices import mask_on_case, network_grid
from crossover.imaging.stored import IMAGES, Stored, mask_name
from crossover.imaging.volumes import image_path, read_grid, write
from crossover.training import batches
from crossover.training.augmentation import augmenter
from crossover.training.batches import Batches, Moments, SliceSet, Standardised, load
from crossover.training.prediction import SlicePredictor, _cut, predict_cases
from crossover.training.stage import mean_dsc, scored_slices, validation_dsc
from crossover.training.stage_files import Cases, Place, SliceFiles

COUNTS = (3, 1, 4)
FEW = {"steps": (6, 6), "validations": 2}
PLACES = [Place("a", f"p{i}") for i in range(len(COUNTS))]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> tuple[SliceFiles, SliceSet]:
    """The same slices of three cases with three structures, on disk and in memory."""
    folder, rng = tmp_path_factory.mktemp("slices"), np.random.default_rng(0)
    images = rng.normal(3, 2, (sum(COUNTS), 32, 32, 3)).astype(np.float32)
    masks = (rng.random((sum(COUNTS), 32, 32, 3)) > 0.9).astype(np.uint8)
    masks[[0, 5]] = 0
    masks[2, ..., 1] = 0
    large = masks.sum(axis=(1, 2)) > 95
    items, begin, shas = {}, 0, tuple(f"{i + 7:016x}" for i in range(len(COUNTS)))
    for (_, case), count, sha in zip(PLACES, COUNTS, shas):
        own = slice(begin, begin + count)
        begin += count
        (folder / case).mkdir()
        stored.write(folder / case, images[own], {f"s{k}": masks[own][..., k] * 255 for k in range(3)})
        names = [IMAGES, *(mask_name(f"s{k}") for k in range(3))]
        items[case] = {
            "files": {name: {"sha256": sha if name == IMAGES else f"{sha}{name}"} for name in names},
            "slices": count,
            "large": {f"s{k}": bits(large[own, k]) for k in range(3)},
            "shown": {f"s{k}": bits(masks[own][..., k].any(axis=(1, 2))) for k in range(3)},
        }
    write_json(folder / "manifest.json", {"items": items})
    case = np.repeat(np.arange(len(COUNTS)), COUNTS)
    return SliceFiles({"a": folder / "manifest.json"}), SliceSet(images, masks, case, large, shas)


def bits(values: np.ndarray) -> str:
    return "".join("01"[int(v)] for v in values)


def only(whole: SliceSet, *structures: int) -> SliceSet:
    chosen = list(structures)
    return replace(whole, masks=whole.masks[..., chosen], large=whole.large[:, chosen])


@settings(max_examples=30, deadline=None)
@given(
    which=st.lists(st.integers(0, sum(COUNTS) - 1), max_size=9),
    chosen=st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
)
def test_what_is_read_is_what_was_written(kept, which, chosen):
    slices, whole = kept
    read, own = load(slices, PLACES, [f"s{k}" for k in chosen]), only(whole, *chosen)
    index = np.array(which, int)
    for one, other in ((read.images, own.images), (read.masks, own.masks)):
        assert one.shape == other.shape and len(one) == len(other)
        assert one[index].dtype == other.dtype
        np.testing.assert_array_equal(one[index], other[index])
        np.testing.assert_array_equal(one[read.has_structure], other[own.has_structure])
    for name in ("case", "large", "background", "has_structure", "place"):
        np.testing.assert_array_equal(getattr(read, name), getattr(own, name))
    assert read.sources == own.sources


def test_only_the_structures_asked_for_are_read(kept, monkeypatch):
    slices, _ = kept
    opened = set()
    own = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *how, **more: opened.add(path.name) or own(path, *how, **more))
    read = load(slices, PLACES, ["s1"])
    read.masks[np.arange(3)], read.images[np.arange(3)]
    assert opened == {IMAGES, mask_name("s1")}


def test_a_set_of_slices_takes_no_memory_until_they_are_read(kept, monkeypatch):
    """A batch reads its own slices, each once."""
    slices, _ = kept
    counted = []
    read = Stored._read
    monkeypatch.setattr(Stored, "_read", lambda own, place, out: counted.append(place) or read(own, place, out))
    made = Batches(load(slices, PLACES, ["s0"]), augmenter(SHORT.augmentation, (32, 32)), 2, 0.5, 1)
    assert not counted
    made[0]
    assert len(counted) == 2 * 2, "images and masks of two slices"


def test_another_structures_mask_changes_no_digest(kept):
    slices, _ = kept
    cases = pd.DataFrame(PLACES)
    one, all_ = slices.digests(cases, ["s0"]), slices.digests(cases, ["s0", "s1", "s2"])
    assert all(len(one[case]) == 3 and len(all_[case]) == 7 for case in one)
    assert not any("s1" in text for own in one.values() for text in own)


def test_files_that_do_not_belong_together_or_end_early_are_named(tmp_path: Path):
    for name, shape in (("a", (2, 4, 4, 1)), ("b", (2, 4, 5, 1))):
        np.save(tmp_path / f"{name}.npy", np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"b\.npy"):
        Stored([tmp_path / "a.npy", tmp_path / "b.npy"])
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(200)
    with pytest.raises(OSError, match=r"a\.npy is shorter than"):
        Stored([tmp_path / "a.npy"])[np.array([1])]


@pytest.mark.parametrize("channels", [1, 2, 3, 9])
@pytest.mark.parametrize("at_once", [16, 256, 1000, 2**21])
def test_mean_and_sd_are_numpys_to_the_bit(channels, at_once, monkeypatch):
    monkeypatch.setattr(batches, "PIXELS_AT_ONCE", at_once)
    images = np.random.default_rng(channels).normal(900, 70, (11, 13, 17, channels))
    images = images.astype(np.float32)
    which = np.arange(11) % 3 > 0
    exact = images[which].astype(np.float64)
    moments = Moments.of(images, which)
    assert moments.mean == exact.mean(axis=(0, 1, 2)).tolist()
    assert moments.sd == exact.std(axis=(0, 1, 2)).tolist()
    np.testing.assert_array_equal(Standardised(images, moments)[np.array([4, 1])], moments.apply(images)[[4, 1]])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [SHORT, DRAWN], ids=["versions", "drawn"])
def test_a_training_from_disk_is_one_from_memory_to_the_bit(kept, recipe, tmp_path):
    """Weights, history and validation DSC, standardised slices, all trained and with a frozen part."""
    slices, whole = kept
    moments = Moments.of(whole.images)
    on_disk = load(slices, PLACES, ["s1"]).standardised(moments)
    in_memory = replace(only(whole, 1), images=moments.apply(whole.images))
    engine, few = small_engine("torch"), recipe.model_copy(update=FEW)
    for level in (None, levels(engine)[0]):
        one, other = (
            train(engine, level, tmp_path / f"{name}-{level}", 10**8, few, own)
            for name, own in (("disk", on_disk), ("memory", in_memory))
        )
        assert one[1] == other[1] and one[2] == other[2]
        assert all(np.array_equal(one[0][name], other[0][name]) for name in other[0])


@pytest.mark.parametrize("on", ["volumes", "structure_slices"])
def test_the_validation_dsc_of_parts_is_that_of_whole_volumes(kept, on):
    from crossover.evaluation.overlap import dice

    slices, whole = kept
    guess = np.random.default_rng(4).random(whole.masks.shape)
    scored = scored_slices(whole, on)
    expected = []
    for c in range(len(COUNTS)):
        for s in range(3):
            own = (whole.case == c) & (whole.large[:, s] | (on == "volumes"))
            if own.any():
                expected.append(dice(guess[own, ..., s] >= 0.5, whole.masks[own, ..., s] > 0))
    read = load(slices, PLACES, ["s0", "s1", "s2"])
    for at_once in (1, 3, 8):
        parts = [guess[scored][i : i + at_once] for i in range(0, scored.sum(), at_once)]
        assert mean_dsc(validation_dsc(parts, read, on)) == float(np.mean(expected))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 6))
def test_predictions_are_cut_into_cases_wherever_batches_end(counts, at_once):
    rows = np.arange(sum(counts))
    parts = [rows[i : i + at_once] for i in range(0, len(rows), at_once)]
    cases: list[list[int]] = [[] for _ in counts]
    for k, begin, own in _cut(iter(parts), counts):
        assert begin == len(cases[k])
        cases[k] += own.tolist()
    assert [len(own) for own in cases] == counts and [row for own in cases for row in own] == rows.tolist()


class Remembering:
    """An engine that predicts the same random numbers each time, and knows how many of them are still held."""

    def __init__(self, at_once: int, shape: tuple[int, ...]) -> None:
        self.at_once, self.given, self.most = at_once, [], 0
        self.all = np.random.default_rng(3).random(shape).astype(np.float32)

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.most = max(self.most, sum(given() is not None for given in self.given))
        first = int(images[0, 0, 0, 0])
        out = self.all[first : first + len(images)].copy()
        self.given.append(weakref.ref(out))
        return out


@pytest.mark.parametrize("at_once", [1, 3, 4])
def test_masks_are_those_of_whole_probabilities_of_which_one_batch_is_held(tmp_path: Path, at_once: int):
    """On oblique grids whose pixels are not the network's, and with batches that end within cases."""
    counts, cases, grids = (7, 1, 6), [], []
    numbers = np.arange(sum(counts), dtype=np.float32)[:, None, None, None] * np.ones((1, 16, 12, 1), np.float32)
    for k, own in enumerate(np.split(numbers, np.cumsum(counts)[:-1])):
        grid = sitk.Image((13, 18, len(own)), sitk.sitkInt16)
        grid.SetSpacing((0.7, 0.9, 3.3))
        turned = sitk.Euler3DTransform((0, 0, 0), 0.3 * k, 0.2, -0.1).GetMatrix()
        grid.SetDirection(turned)
        grid.SetOrigin((-11.3, 7.7, 101.9))
        cases.append(tmp_path / f"c{k}")
        cases[-1].mkdir()
        np.save(cases[-1] / IMAGES, own)
        write(grid, image_path(cases[-1], "t2"))
        grids.append(read_grid(image_path(cases[-1], "t2")))
    size = Slices(size=(16, 12), spacing_mm=1.0, normalisation={"method": "zscore"})
    settings = SimpleNamespace(slices=size, channels=["t2"], threshold=0.5)
    engine = Remembering(at_once, (sum(counts), 16, 12, 2))
    found = predict_cases(engine, [case / IMAGES for case in cases], cases, settings, None)
    whole = np.split(engine.all, np.cumsum(counts)[:-1])
    for grid, probability, masks in zip(grids, whole, found, strict=True):
        wanted = [mask_on_case(probability[..., s], network_grid(grid, size), grid, 0.5) for s in range(2)]
        for mask, other in zip(masks, wanted, strict=True):
            assert same_grid(mask, other) and mask.GetPixelID() == sitk.sitkUInt8
            np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(other))
            assert 0 < sitk.GetArrayFromImage(mask).mean() < 1
    assert engine.most <= 1


def test_masks_are_predicted_anew_where_an_images_grid_alone_changes(tmp_path: Path):
    """Slices may be the same voxels; the masks are written on the image's grid."""
    place = pd.DataFrame([Place("uterus", "p1")])
    settings = SimpleNamespace(network=None, slices=SimpleNamespace(size=(8, 8)), channels=["adc", "dwi"])

    def digests(image: str) -> dict[str, list[str]]:
        files = {image_path(Path(), "adc").name: {"sha256": image}, image_path(Path(), "dwi").name: {"sha256": "d"}}
        write_json(tmp_path / "cases.json", {"items": {"p1": {"files": files}}})
        write_json(tmp_path / "slices.json", {"items": {"p1": {"files": {IMAGES: {"sha256": "s"}}}}})
        manifests = SliceFiles({"uterus": tmp_path / "slices.json"}), Cases({"uterus": tmp_path / "cases.json"})
        return SlicePredictor(settings, *manifests, threads=1).digests(place)

    assert digests("a") == digests("a") != digests("b")
