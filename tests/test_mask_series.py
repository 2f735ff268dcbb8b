"""Masks as folders of DICOM slices: laid on their image voxel for voxel, or refused for what is wrong."""

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import PLANES, Block, Part, block, uid, write, write_contours, write_enhanced
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mask_exports import SHAPE, body, image, mask
from pydicom import Dataset, dcmread
from pydicom.uid import JPEGLSLossless, RLELossless

from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.label_map import label_map_mask
from crossover.sources.dicom.mask_series import mask_series
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.scan import read_headers
from crossover.sources.dicom.stacks import Stack, stacks
from crossover.sources.findings import KINDS, Refused


@functools.cache
def stack_of(folder: Path) -> Stack:
    (found,) = stacks(read_headers(list_files(folder, b"key")[0], 1)[0])
    return found


def grid_of(folder: Path) -> sitk.Image:
    return volume(stack_of(folder))


def refusal(call: Callable, *args) -> str:
    with pytest.raises(Refused) as caught:
        call(*args)
    assert caught.value.finding.code in KINDS
    return f"{caught.value.finding.code}: {caught.value.finding.what}"


def codes(findings) -> list[str]:
    return [f.code for f in findings]


# One folder


@pytest.mark.parametrize("plane", PLANES)
def test_a_mask_series_lands_where_it_lies(plane: str, tmp_path: Path):
    on = image(tmp_path / "t2", plane)
    mask(tmp_path / "gt", on)
    found, findings = label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))
    assert (found == body()).all() and findings == []


@given(
    arrays(bool, SHAPE).filter(lambda m: m.any() and not m.all()),
    st.permutations([0, 1, 2]),
    st.sets(st.sampled_from([0, 1])),
)
@settings(max_examples=25, deadline=None)
def test_any_mask_comes_back_whatever_its_axes_and_the_files_order(tmp_path_factory, values, order, flips):
    """Slices of another plane than the image's lie on its voxels all the same, where rows and columns do."""
    folder = tmp_path_factory.mktemp("any")
    on = replace(block(shape=SHAPE), spacing=(2.0, 2.0, 2.0))
    write(folder / "t2", on)
    turned = values.transpose(order)
    axes = on.axes[[2, 1, 0]][list(order)]  # along slices, rows and columns of what is turned
    corner = np.zeros(3)
    for flip in flips:
        corner += axes[flip] * 2.0 * (turned.shape[flip] - 1)
        axes[flip] = -axes[flip]
        turned = np.flip(turned, flip)
    rows = np.stack([axes[2], axes[1], np.cross(axes[2], axes[1])])
    if rows[2] @ axes[0] < 0:  # the slices' order follows from rows and columns
        corner += axes[0] * 2.0 * (turned.shape[0] - 1)
        turned = turned[::-1]
    own = Block(turned * 1.0, on.spacing, tuple(np.array(on.origin) + corner), rows)
    write(folder / "gt", own, dtype="uint8")
    assert (label_map_mask(folder / "gt", None, grid_of(folder / "t2"))[0] == values).all()


@pytest.mark.parametrize(
    "how",
    [
        dict(dtype="uint8"),
        dict(dtype="int16"),
        dict(dtype="uint16", bits=12),
        dict(dtype="uint16", rescale=(3.0, 0.0)),
        dict(dtype="uint16", rescale=(1.0, -5.0)),
        dict(syntax=RLELossless),
        dict(syntax=JPEGLSLossless),
        dict(prefix=False),
    ],
    ids=str,
)
def test_labels_are_values_however_they_are_stored(how: dict, tmp_path: Path):
    on = image(tmp_path / "t2")
    values = np.where(body(), 3, 0)
    values[5] *= 2
    mask(tmp_path / "gt", on, values, **how)
    read = functools.partial(label_map_mask, tmp_path / "gt", grid=grid_of(tmp_path / "t2"))
    assert (read(None)[0] == (values > 0)).all()
    assert (read([3])[0] == (values == 3)).all()
    assert (read([3, 6])[0] == (values > 0)).all()
    assert refusal(label_map_mask, tmp_path / "gt", [4], grid_of(tmp_path / "t2")).startswith(
        "structure-empty: none of its 7 slices"
    )


def test_a_mask_may_cover_some_of_the_slices(tmp_path: Path):
    on = image(tmp_path / "t2")
    files = mask(tmp_path / "gt", on)
    grid = grid_of(tmp_path / "t2")
    for k in (0, 6):
        files[k].unlink()
    assert label_map_mask(tmp_path / "gt", None, grid)[1] == []
    files[5].unlink()
    found, findings = label_map_mask(tmp_path / "gt", None, grid)
    assert (found == body() & (np.arange(7) < 5)[:, None, None]).all() and findings == []
    files[3].unlink()
    found, (finding,) = label_map_mask(tmp_path / "gt", None, grid)
    assert not found[3].any() and found[4].any()
    assert finding.code == "contours-skip" and finding.what.startswith("1 slice missing between")
    for k in (1, 2):
        files[k].unlink()
    assert label_map_mask(tmp_path / "gt", None, grid)[0].any(axis=(1, 2)).tolist() == [
        False, False, False, False, True, False, False,
    ]  # fmt: skip


def test_one_slice_is_enough_and_two_may_lie_apart(tmp_path: Path):
    on = image(tmp_path / "t2")
    for kept in ((2,), (1, 4)):
        files = mask(tmp_path / "gt", on)
        for k in set(range(7)) - set(kept):
            files[k].unlink()
        found, _ = label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))
        assert (found == body() & np.isin(np.arange(7), kept)[:, None, None]).all()


def test_positions_rounded_by_headers_are_the_images(tmp_path: Path):
    """Each off by another fraction of what an image's own slices may be off."""
    on = image(tmp_path / "t2")

    def shift(d: Dataset, k: int) -> None:
        d.ImagePositionPatient = [
            *d.ImagePositionPatient[:2],
            d.ImagePositionPatient[2] + (-1) ** k * 0.03,
        ]

    mask(tmp_path / "gt", on, edit=shift)
    assert (label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))[0] == body()).all()


def test_what_lies_beyond_the_image_is_told(tmp_path: Path):
    on = image(tmp_path / "t2")
    mask(tmp_path / "gt", replace(on, origin=tuple(on.position(2))))
    found, findings = label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))
    assert codes(findings) == ["structure-clipped"] and (found[2:] == body()[:-2]).all()
    mask(tmp_path / "far", replace(on, origin=tuple(on.position(40))))
    assert "structure-outside" in refusal(label_map_mask, tmp_path / "far", None, grid_of(tmp_path / "t2"))


def test_masks_of_other_modalities_and_of_nobody_are_read(tmp_path: Path):
    """As tools write them that know nothing of MR: secondary captures without PatientID."""
    on = image(tmp_path / "t2")

    def strip(d: Dataset, k: int) -> None:
        d.Modality, d.PatientID = "OT", ""

    for path in mask(tmp_path / "gt", on, edit=strip):
        dataset = dcmread(path)
        dataset.SOPInstanceUID = uid("one for all")
        dataset.save_as(path)
    assert (label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))[0] == body()).all()


def test_an_enhanced_mask_tells_the_place_of_each_frame(tmp_path: Path):
    on = image(tmp_path / "t2")
    write_enhanced(tmp_path / "gt/mask.dcm", [Part(on.holding(body() * 1.0))])
    assert (label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))[0] == body()).all()


def bare(d: Dataset, k: int) -> None:
    del d.ImagePositionPatient, d.ImageOrientationPatient, d.PixelSpacing


def reversed_positions(d: Dataset, on: Block, k: int) -> None:
    d.ImagePositionPatient = on.position(len(on.values) - 1 - k).tolist()


def by_names(folder: Path, t2: Path, labels=None):
    files = list_files(folder, b"key")[0]
    return mask_series(files, labels, grid_of(t2), stack_of(t2).planes, "names")


@pytest.mark.parametrize("edit", [bare, None])
def test_slices_belong_to_the_images_of_their_names_where_names_tell(edit, tmp_path: Path):
    """Whatever their headers say: those of I2CVB's masks run against the image's."""
    on = image(tmp_path / "t2", "oblique")
    mask(tmp_path / "gt", on, edit=edit or (lambda d, k: reversed_positions(d, on, k)))
    found, findings = by_names(tmp_path / "gt", tmp_path / "t2")
    assert (found == body()).all() and findings == []
    (tmp_path / "gt/image3.dcm").unlink()
    assert codes(by_names(tmp_path / "gt", tmp_path / "t2")[1]) == ["contours-skip"]


def test_masks_that_lie_against_their_names_want_a_look(tmp_path: Path):
    on = image(tmp_path / "t2")
    mask(tmp_path / "gt", on, edit=lambda d, k: reversed_positions(d, on, k))
    files, planes = list_files(tmp_path / "gt", b"key")[0], stack_of(tmp_path / "t2").planes
    found, (finding,) = mask_series(files, None, grid_of(tmp_path / "t2"), planes)
    assert (found == body()[::-1]).all()
    assert finding.code == "mask-order" and finding.what.startswith("6 of 7 slices have another position")
    other = [f.rename(f.with_name(f"{k}.dcm")) for k, f in enumerate((tmp_path / "gt").iterdir())]
    assert len(other) == 7
    files = list_files(tmp_path / "gt", b"key")[0]
    assert mask_series(files, None, grid_of(tmp_path / "t2"), planes)[1] == []


def test_names_that_fit_nothing_are_refused(tmp_path: Path):
    on = image(tmp_path / "t2")
    mask(tmp_path / "odd", on, start=3)
    assert "3 of its 7 slices have a file name that no slice of the image has" in refusal(
        by_names, tmp_path / "odd", tmp_path / "t2"
    )
    mask(tmp_path / "small", replace(on, values=on.values[:, :-1]), body()[:, :-1] * 1)
    assert "8 x 8 pixels, and the image's have 8 x 9" in refusal(by_names, tmp_path / "small", tmp_path / "t2")
    write_enhanced(tmp_path / "one/image.dcm", [Part(on)])
    assert "the same file name" in refusal(by_names, tmp_path / "odd", tmp_path / "one")
    write_enhanced(tmp_path / "two/image0.dcm", [Part(on.holding(body() * 1.0))])
    assert "6 of its slices have the same place as another" in refusal(by_names, tmp_path / "two", tmp_path / "t2")


def no_file(folder: Path, on: Block) -> None:
    folder.mkdir()


def junk(folder: Path, on: Block) -> None:
    folder.mkdir()
    (folder / "Thumbs.db").write_bytes(b"junk" * 100)


def cut(folder: Path, on: Block) -> None:
    for path in mask(folder, on):
        path.write_bytes(path.read_bytes()[:-20])


def colour(folder: Path, on: Block) -> None:
    def edit(d: Dataset, k: int) -> None:
        d.SamplesPerPixel, d.PhotometricInterpretation, d.PlanarConfiguration = 3, "RGB", 0
        d.PixelData = d.PixelData * 3

    mask(folder, on, edit=edit)


def several(folder: Path, on: Block) -> None:
    """Multi-frame, as secondary captures are, without a place for each frame."""

    def edit(d: Dataset, k: int) -> None:
        d.NumberOfFrames, d.Modality = 3, "OT"
        d.PixelData = d.PixelData * 3

    mask(folder, on, edit=edit)


def objects(folder: Path, on: Block) -> None:
    mask(folder, on, edit=lambda d, k: setattr(d, "Modality", "SEG"))


def contours(folder: Path, on: Block) -> None:
    mask(folder, on)
    write_contours(folder / "rt.dcm", on)


def sizes(folder: Path, on: Block) -> None:
    files = mask(folder, on)
    mask(folder, replace(on, values=on.values[:, 1:]), body()[:, 1:] * 1, name="other{}")
    assert len(files) == 7


def twice(folder: Path, on: Block) -> None:
    mask(folder, on)
    mask(folder, on, name="other{}", SeriesNumber=10)


def turned(folder: Path, on: Block) -> None:
    mask(folder, on)
    mask(folder, replace(on, axes=PLANES["oblique"]), name="other{}", SeriesNumber=10)


def coarse(folder: Path, on: Block) -> None:
    mask(folder, replace(on, spacing=(on.spacing[0], 1.5, 1.8)))


def sparse(folder: Path, on: Block) -> None:
    mask(folder, replace(on, spacing=(1.4 * on.spacing[0], *on.spacing[1:])))


def aside(folder: Path, on: Block) -> None:
    mask(folder, replace(on, origin=tuple(np.array(on.origin) + (0.4, 0, 0))))


def far(folder: Path, on: Block) -> None:
    def edit(d: Dataset, k: int) -> None:
        if k == 5:
            d.ImagePositionPatient = [*d.ImagePositionPatient[:2], 9.9e4]

    mask(folder, on, edit=edit)


def half(folder: Path, on: Block) -> None:
    mask(folder, on, np.where(body(), 1.5, 0.0), dtype="uint16", rescale=(0.5, 0.0))


def not_numbers(folder: Path, on: Block) -> None:
    mask(folder, on, np.where(body(), np.nan, 0.0), dtype="float32")


def photograph(folder: Path, on: Block) -> None:
    """The T2 images themselves, which a wrong pattern would point at."""
    values = np.zeros((7, 40, 30))
    values[:, 5:, :] = np.random.default_rng(1).integers(1, 2000, (7, 35, 30))
    mask(folder, replace(on, values=values), values, dtype="uint16")


def inverted(folder: Path, on: Block) -> None:
    mask(folder, on, np.where(body(), 2, 1))


def empty(folder: Path, on: Block) -> None:
    mask(folder, on, body() * 0)


REFUSED = {
    no_file: r"structure-refused: no file in its folder is a DICOM slice \(of 0 files\)",
    junk: r"structure-refused: .* \(of 1 file\)",
    cut: "truncated",
    colour: "colour: 7 of its slices",
    several: "structure-refused: its folder contains 7 files of several frames",
    objects: "structure-refused: its folder contains 7 SEG or RTSTRUCT objects",
    sizes: "structure-refused: its slices differ in size",
    twice: "structure-refused: 7 of its slices have the same place as another",
    turned: "structure-refused: its slices differ in orientation",
    coarse: "structure-refused: its grid is not the image's: voxels of 1.8 x 1.5 x 3 mm against 0.9",
    sparse: "structure-refused: its 5 planes form no regular volume",
    aside: r"structure-refused: .*the centre of its first voxel \(0\.40, 0\.00",
    far: "structure-refused: its 5 planes extend over",
    half: "structure-refused: .* not whole numbers",
    not_numbers: "structure-refused: .* instead of whole numbers",
    photograph: r"structure-refused: it has \d+ different values",
    inverted: "structure-refused: every pixel of its slices is inside",
    empty: "structure-empty: none of its 7 slices",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda f: f.__name__)
def test_what_is_no_mask_of_the_image_is_refused_by_name(make: Callable, tmp_path: Path):
    on = image(tmp_path / "t2")
    make(tmp_path / "gt", on)
    said = refusal(label_map_mask, tmp_path / "gt", None, grid_of(tmp_path / "t2"))
    assert re.match(REFUSED[make], said), said


def test_masks_without_places_say_what_would_do(tmp_path: Path):
    on = image(tmp_path / "t2")
    mask(tmp_path / "gt", on, edit=bare)
    said = refusal(label_map_mask, tmp_path / "gt", None, grid_of(tmp_path / "t2"))
    assert said.startswith("no-geometry: 7 of its 7 slices") and "slices: names" in said


def test_junk_beside_the_slices_is_a_note_and_damage_an_error(tmp_path: Path):
    on = image(tmp_path / "t2")
    files = mask(tmp_path / "gt", on)
    (tmp_path / "gt/Thumbs.db").write_bytes(b"junk" * 100)
    found, findings = label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))
    assert (found == body()).all() and codes(findings) == ["not-dicom"]
    files[0].write_bytes(files[0].read_bytes()[:-20])
    _, findings = label_map_mask(tmp_path / "gt", None, grid_of(tmp_path / "t2"))
    assert {f.severity for f in findings} == {"note", "error"}
    assert [f.files for f in findings if f.code == "truncated"] == [("image0.dcm",)]
