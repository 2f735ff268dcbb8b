"""Grids, normalisation and the bias field, and the files of a case."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crossover.core import incremental
from crossover.core.files import read_json
from crossover.imaging import bias_field, prepare
from crossover.imaging.grids import same_grid
from crossover.imaging.prepare import correct, slice_cases
from crossover.imaging.settings import BiasField, Normalisation, Slices
from crossover.imaging.slices import network_grid, normalise, to_case, to_network
from crossover.imaging.volumes import (
    GeometryError,
    image_path,
    on_grid,
    structure_path,
    write,
    write_case,
)

NONE = Normalisation(method="window", window=(0, 1))


OBLIQUE = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()


def volume(
    array: np.ndarray, spacing=(1.0, 1.0, 5.0), direction: np.ndarray = OBLIQUE, origin=(-30, 12, 7)
) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(origin)
    return image


def asked(rows: int, columns: int, spacing_mm: float | None = None) -> Slices:
    return Slices(size=(rows, columns), spacing_mm=spacing_mm, normalisation=NONE)


def centred(array: np.ndarray, rows: int, columns: int, fill: float) -> np.ndarray:
    """Cropped or padded so that pixel n // 2 stays pixel n // 2: plain numpy."""
    out = np.full((len(array), rows, columns), fill, array.dtype)
    spans = []
    for own, n in zip(array.shape[1:], (rows, columns)):
        shift = n // 2 - own // 2
        low, high = max(0, -shift), min(own, n - shift)
        spans.append((slice(low, high), slice(low + shift, high + shift)))
    out[:, spans[0][1], spans[1][1]] = array[:, spans[0][0], spans[1][0]]
    return out


sizes = st.integers(3, 14)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, sizes, sizes, st.booleans(), st.integers(0, 5))
def test_cropping_and_padding_moves_pixels_and_blurs_none(rows, columns, r, c, oblique, seed):
    array = np.random.default_rng(seed).normal(size=(3, rows, columns)).astype(np.float32)
    image = volume(array, (0.78125, 0.78125, 5.0), OBLIQUE if oblique else np.eye(3))
    grid = network_grid(image, asked(r, c))
    assert grid.GetSize() == (c, r, 3)
    got = to_network(image, grid)
    np.testing.assert_allclose(got, centred(array, r, c, array.min()), rtol=1e-5, atol=1e-5)
    mask = (array > 0).astype(np.uint8)
    got = to_network(on_grid(mask, image), grid, mask=True)
    np.testing.assert_array_equal(got, centred(mask, r, c, 0))


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.integers(0, 6), st.integers(0, 6), st.booleans())
def test_padding_is_undone_exactly_on_the_way_back(rows, columns, more_rows, more_columns, oblique):
    rng = np.random.default_rng(rows * columns)
    array = rng.random((2, rows, columns)).astype(np.float32)
    image = volume(array, (1.25, 1.25, 4.0), OBLIQUE if oblique else np.eye(3))
    grid = network_grid(image, asked(rows + more_rows, columns + more_columns))
    back = to_case(to_network(image, grid), grid, image)
    np.testing.assert_allclose(back, array, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(back >= 0.5, to_case(to_network(image, grid), grid, image) >= 0.5)


def test_what_was_cropped_comes_back_as_nothing():
    image = volume(np.ones((2, 10, 10), np.float32))
    grid = network_grid(image, asked(4, 6))
    back = to_case(np.ones((2, 4, 6), np.float32), grid, image)
    np.testing.assert_allclose(back, centred(np.ones((2, 4, 6)), 10, 10, 0), atol=1e-6)


@pytest.mark.parametrize("spacing_mm", [None, 0.6, 1.7, 3.0])
def test_slices_are_never_resampled_across(spacing_mm: float | None):
    """Slice k on the network's grid is made of slice k alone, at the same place on the normal."""
    array = np.repeat(np.arange(6, dtype=np.float32), 20 * 16).reshape(6, 20, 16) * 100
    image = volume(array, (0.9, 0.9, 5.5))
    grid = network_grid(image, asked(24, 24, spacing_mm))
    assert grid.GetSize()[2] == 6 and grid.GetSpacing()[2] == 5.5
    assert grid.GetDirection() == image.GetDirection()
    for k in (0, 5):
        there = np.array(grid.TransformIndexToPhysicalPoint((3, 5, k)))
        here = np.array(image.TransformIndexToPhysicalPoint((3, 5, k)))
        assert OBLIQUE[:, 2] @ (there - here) == pytest.approx(0, abs=1e-9)
    got = to_network(image, grid)
    middle = got[:, 10:14, 10:14]
    np.testing.assert_allclose(middle, array[:, :1, :1] * np.ones((1, 4, 4)), rtol=1e-5, atol=1e-3)


def ball(radius_mm: float, size=(12, 64, 64), spacing=(0.8, 0.8, 4.0)) -> sitk.Image:
    z, y, x = (np.arange(n) - (n - 1) / 2 for n in size)
    s = spacing
    r2 = (z * s[2])[:, None, None] ** 2 + (y * s[1])[:, None] ** 2 + (x * s[0]) ** 2
    return volume((r2 <= radius_mm**2).astype(np.uint8), spacing)


@pytest.mark.parametrize("spacing_mm", [0.5, 0.8, 1.3])
def test_a_structure_keeps_its_volume_and_its_place_when_resampled(spacing_mm: float):
    mask = ball(18)
    n = round(64 * 0.8 / spacing_mm)
    grid = network_grid(mask, asked(n, n, spacing_mm))
    array = to_network(mask, grid, mask=True)
    assert set(np.unique(array)) == {0, 1}
    ml = array.sum() * np.prod(grid.GetSpacing())
    own = sitk.GetArrayFromImage(mask)
    assert ml == pytest.approx(own.sum() * np.prod(mask.GetSpacing()), rel=0.02)
    back = to_case(array.astype(np.float32), grid, mask) >= 0.5
    assert 2 * (back & (own > 0)).sum() / (back.sum() + own.sum()) > 0.96


def test_outside_the_image_is_its_minimum():
    array = np.full((2, 4, 4), 40.0, np.float32)
    array[0, 0, 0] = -1000
    got = to_network(volume(array), network_grid(volume(array), asked(8, 8)))
    assert got[1, 0, 0] == got[1, 7, 7] == -1000 and got[1, 3, 3] == 40


floats = st.floats(-1000, 3000, width=32)


@settings(max_examples=40, deadline=None)
@given(st.lists(floats, min_size=8, max_size=8, unique=True), st.sampled_from(["case", "slice"]))
def test_zscore_gives_mean_0_and_sd_1_over_the_case_or_the_slice(values, per):
    array = np.array(values, np.float32).reshape(2, 2, 2)
    if np.ptp(array.reshape(2, -1), axis=1).min() < 1:
        return
    got = normalise(array, Normalisation(method="zscore", per=per)).astype(float)
    axes = (1, 2) if per == "slice" else None
    np.testing.assert_allclose(got.mean(axes), 0, atol=1e-3)
    np.testing.assert_allclose(got.std(axes), 1, atol=1e-3)
    assert normalise(array, Normalisation(method="zscore")).dtype == np.float32


@pytest.mark.parametrize("per", ["case", "slice"])
def test_padding_has_no_part_in_mean_and_sd(per: str, tmp_path: Path):
    """Else a patient's own values would depend on how much larger than the image the network's grid is."""
    values = np.random.default_rng(0).normal(300, 50, (3, 8, 10)).astype(np.float32)
    (tmp_path / "p1").mkdir()
    write_case(tmp_path / "p1", {"t2": volume(values)}, {})
    normalisation = Normalisation(method="zscore", per=per)

    def inner(rows: int, columns: int) -> np.ndarray:
        settings = Slices(size=(rows, columns), normalisation=normalisation)
        out = tmp_path / f"{rows}"
        out.mkdir()
        prepare._slice([tmp_path], settings, ["t2"], [], "p1", out)
        images = np.load(out / "images.npy")[..., 0]
        top, left = (rows - 8) // 2, (columns - 10) // 2
        return images[:, top : top + 8, left : left + 10]

    np.testing.assert_allclose(inner(20, 16), inner(8, 10), atol=1e-5)


def test_a_window_goes_to_0_and_1_and_is_clipped():
    array = np.array([[[-1000, -160, 40, 240, 3000]]], np.int16)
    got = normalise(array, Normalisation(method="window", window=(-160, 240)))
    np.testing.assert_allclose(got.ravel(), [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("per", ["case", "slice"])
def test_a_constant_case_is_0(per: str):
    array = np.full((3, 8, 8), 7, np.float32)
    np.testing.assert_array_equal(normalise(array, Normalisation(method="zscore", per=per)), 0)


def biased() -> tuple[sitk.Image, np.ndarray, np.ndarray]:
    """A body of two tissues in a smooth field: the image, the field, the uniform tissue."""
    _, y, x = np.mgrid[-1:1:10j, -1:1:64j, -1:1:64j]
    body = (x / 0.8) ** 2 + (y / 0.9) ** 2 < 1
    organ = (x - 0.2) ** 2 + (y + 0.2) ** 2 < 0.08
    field = np.exp(0.35 * x - 0.3 * y + 0.25 * x * y - 0.2 * y**2)
    tissue = np.where(organ, 500, np.where(body, 300, 0))
    noise = np.random.default_rng(0).normal(0, 4, tissue.shape)
    array = np.maximum(tissue * field + noise, 0).astype(np.float32)
    return volume(array, (3, 3, 5)), field, body & ~organ


def variation(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def test_n4_recovers_a_smooth_field_and_evens_out_a_tissue():
    image, field, tissue = biased()
    found = bias_field.estimate(image, 4, [30, 30])
    assert same_grid(found, image)
    estimate = sitk.GetArrayFromImage(found)
    assert np.corrcoef(np.log(estimate[tissue]), np.log(field[tissue]))[0, 1] > 0.9
    corrected = sitk.GetArrayFromImage(bias_field.divide(image, found))
    before = variation(sitk.GetArrayFromImage(image)[tissue])
    assert variation(corrected[tissue]) < before / 2
    assert bias_field.spread(found) == pytest.approx(variation(estimate), rel=1e-4)


def test_n4_repeats_to_the_last_bit():
    image, _, _ = biased()
    first, second = (sitk.GetArrayFromImage(bias_field.estimate(image, 4, [5])) for _ in "ab")
    np.testing.assert_array_equal(first, second)


def test_an_image_without_contrast_has_the_field_1():
    image = volume(np.full((5, 16, 16), 40, np.float32))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(bias_field.estimate(image, 4, [5])), 1)


def channels() -> dict[str, sitk.Image]:
    image, _, _ = biased()
    return {"b0": image, "adc": image * 2}


def test_a_case_is_written_and_read_back_on_its_grid(tmp_path: Path):
    images = channels()
    mask = on_grid((sitk.GetArrayFromImage(images["b0"]) > 400).astype(np.uint8), images["b0"])
    write_case(tmp_path, images, {"tumour": mask})
    assert {p.name for p in tmp_path.iterdir()} == {
        "image_b0.nii.gz", "image_adc.nii.gz", "structure_tumour.nii.gz",
    }  # fmt: skip
    for path, image in (
        (image_path(tmp_path, "adc"), images["adc"]),
        (structure_path(tmp_path, "tumour"), mask),
    ):
        back = sitk.ReadImage(str(path))
        assert same_grid(back, image) and back.GetPixelID() == image.GetPixelID()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))


def test_images_on_other_grids_are_refused_by_name_and_nothing_is_written(tmp_path: Path):
    images = channels()
    images["adc"].SetOrigin((0, 0, 0))
    turned = sitk.Image(images["b0"])
    turned.SetDirection(np.eye(3).ravel())
    smaller = images["b0"][:-1]
    with pytest.raises(GeometryError) as caught:
        write_case(tmp_path, images | {"t": turned}, {"tumour": smaller, "good": images["b0"]})
    message = str(caught.value)
    assert all(n in message for n in ("channel adc", "channel t", "structure tumour", "channel b0"))
    assert "good" not in message and not list(tmp_path.iterdir())


def test_cases_become_corrected_channels_and_slices(tmp_path: Path):
    """The whole room: N4 on two channels, the third as it is, masks and counts beside them."""
    image, _, _ = biased()
    mask = np.zeros((10, 64, 64), np.uint8)
    mask[3:7, 30:40, 30:40] = 1

    def make(name: str, folder: Path) -> dict:
        write_case(folder, {"b0": image, "adc": image * 2}, {"tumour": on_grid(mask, image)})
        return {}

    cases = tmp_path / "cases/manifest.json"
    incremental.update(cases, {"p1": "1"}, make)
    n4 = BiasField(method="n4", estimate_on="b0", apply_to=["b0"], shrink=4, iterations=[5])
    corrected, out = tmp_path / "corrected/manifest.json", tmp_path / "slices/manifest.json"
    correct(cases, corrected, n4, "code", 1)
    assert read_json(corrected)["items"]["p1"]["field_variation"] > 0.005
    assert [p.name for p in (tmp_path / "corrected/p1").glob("*.nii.gz")] == ["image_b0.nii.gz"]
    zscore = Slices(size=(48, 56), normalisation=Normalisation(method="zscore"))
    slice_cases(cases, corrected, out, zscore, ["b0", "adc"], ["tumour"], "code", 1)
    record = read_json(out)["items"]["p1"]
    assert (record["slices"], record["with_structure"]) == (10, 4)
    assert record["large"] == record["shown"] == {"tumour": "0001111000"}
    images = np.load(tmp_path / "slices/p1/images.npy")
    masks = np.load(tmp_path / "slices/p1/mask_tumour.npy")
    assert images.shape == (10, 48, 56, 2) and images.dtype == np.float32
    np.testing.assert_array_equal(np.unpackbits(masks, -1), centred(mask, 48, 56, 0))
    n4_b0 = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "corrected/p1/image_b0.nii.gz")))
    for channel, array in ((0, n4_b0), (1, sitk.GetArrayFromImage(image) * 2)):
        cut = centred(array, 48, 56, 0)
        expected = (cut - cut.mean()) / cut.std()
        np.testing.assert_allclose(images[..., channel], expected, atol=1e-3)
    before = (tmp_path / "slices/p1/images.npy").stat().st_mtime_ns
    slice_cases(cases, corrected, out, zscore, ["b0", "adc"], ["tumour"], "code", 1)
    assert (tmp_path / "slices/p1/images.npy").stat().st_mtime_ns == before


@pytest.mark.parametrize("size, share", [(64, 0.0), (40, 0.5), (32, 1.0)])
def test_a_structure_that_the_network_s_grid_cuts_off_is_told(tmp_path: Path, caplog, size: int, share: float):
    """Columns 48 to 55 of 64 are drawn: the middle 40 end before 52, the middle 32 before 48."""
    mask = np.zeros((10, 64, 64), np.uint8)
    mask[3:7, 30:40, 48:56] = 1
    image = on_grid(np.ones((10, 64, 64), np.float32), biased()[0])

    def make(name: str, folder: Path) -> dict:
        write_case(folder, {"b0": image}, {"tumour": on_grid(mask, image)})
        return {}

    cases, out = tmp_path / "cases/manifest.json", tmp_path / "slices/manifest.json"
    incremental.update(cases, {"p1": "1"}, make)
    settings = Slices(size=(size, size), normalisation=Normalisation(method="zscore"))
    slice_cases(cases, None, out, settings, ["b0"], ["tumour"], "code", 1)
    assert read_json(out)["items"]["p1"]["beyond"] == {"tumour": share}
    told = f"structure tumour: of 1 of 1 cases a part lies outside of the {size} x {size} pixels"
    assert (told in caplog.text and f"case p1 ({share:.0%} of its voxels)" in caplog.text) == (share > 0)


def test_cases_corrected_in_parts_are_those_of_one_job_to_the_bit(tmp_path: Path, monkeypatch):
    """Also where a part was lost, or its cases are others now; what no case is named after is taken away."""
    image, _, _ = biased()

    def make(name: str, folder: Path) -> dict:
        write_case(folder, {"b0": image * float(name[1:])}, {})
        return {}

    cases, one, parted = (tmp_path / f"{name}/manifest.json" for name in ("cases", "one", "parted"))
    incremental.update(cases, {f"p{k}": "1" for k in range(1, 8)}, make)
    n4 = BiasField(method="n4", estimate_on="b0", apply_to=["b0"], shrink=4, iterations=[2])
    correct(cases, one, n4, "code", 1)
    for part, workers in ((0, 1), (2, 2)):  # 1 is left to the job that gathers
        correct(cases, parted.with_name(f"part_{part}.json"), n4, "code", workers, (part, 3))
    assert list(read_json(parted.with_name("part_2.json"))["items"]) == ["p3", "p6"]
    (parted.parent / "p99").mkdir()
    made = []
    whole = prepare._correct
    monkeypatch.setattr(prepare, "_correct", lambda *given: made.append(given[2]) or whole(*given))
    correct(cases, parted, n4, "code", 1)
    assert made == ["p2", "p5"] and parted.read_bytes() == one.read_bytes()
    assert {p.name for p in parted.parent.iterdir() if p.is_dir()} == set(read_json(cases)["items"])


def test_files_are_compressed_and_the_same_bytes_twice(tmp_path: Path):
    image = channels()["b0"]
    for name in ("a.nii.gz", "b.nii.gz"):
        write(image, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert (tmp_path / "a.nii.gz").stat().st_size < 10 * 64 * 64 * 4


@pytest.mark.parametrize("value", [0.1, 123.456, 1000.1])
@pytest.mark.parametrize("per", ["case", "slice"])
def test_any_constant_case_is_0(value: float, per: str):
    array = np.full((10, 37, 41), value, np.float32)
    np.testing.assert_array_equal(normalise(array, Normalisation(method="zscore", per=per)), 0)


def test_an_image_without_contrast_is_its_own_correction():
    image = volume(np.full((5, 16, 16), 40, np.float32))
    corrected = bias_field.divide(image, bias_field.estimate(image, 4, [5]))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(corrected), 40)


def test_a_field_corrects_another_channel_that_counts_as_on_its_grid():
    field = volume(np.full((5, 16, 16), 2, np.float32))
    image = volume(np.full((5, 16, 16), 40, np.float32))
    image.SetOrigin(np.add(field.GetOrigin(), (0.02, 0, 0)).tolist())
    corrected = bias_field.divide(image, field)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(corrected), 20)
    assert corrected.GetOrigin() == image.GetOrigin()
