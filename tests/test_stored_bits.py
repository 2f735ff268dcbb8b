"""Headers whose bits contradict each other or the pixels: refused by name, never misread."""

from pathlib import Path

import mask_exports
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import Part, block, set_pixels, write, write_enhanced
from pydicom import Dataset, dcmread
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from crossover.sources.dicom.export_files import FileRef, list_files
from crossover.sources.dicom.mask_series import mask_series
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.scan import read_headers
from crossover.sources.dicom.stacks import stacks
from crossover.sources.findings import Refused

SYNTAXES = [
    ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless,
    JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless,
]  # fmt: skip
SMALL = block(shape=(3, 8, 10), high=250)


def read(folder: Path) -> np.ndarray:
    (stack,) = stacks(read_headers(list_files(folder, b"key")[0], 1)[0])
    return sitk.GetArrayFromImage(volume(stack))


def refusal(folder: Path) -> str:
    with pytest.raises(Refused) as caught:
        read(folder)
    assert caught.value.finding.files
    return str(caught.value)


def rewritten(folder: Path, **tags: int) -> None:
    for path in folder.iterdir():
        dataset = dcmread(path)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)


CONTRADICTIONS = [
    # allocated, stored, high
    dict(BitsStored=12, HighBit=15),  # in the upper bits, or a slip
    dict(BitsStored=16, HighBit=11),
    dict(BitsStored=12, HighBit=10),
    dict(BitsStored=17, HighBit=16),
    dict(BitsStored=0, HighBit=0),
    dict(PixelRepresentation=2),
]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.keyword)
@pytest.mark.parametrize("tags", CONTRADICTIONS, ids=str)
def test_bits_that_contradict_each_other_are_refused(tags, syntax, tmp_path: Path):
    write(tmp_path, SMALL, syntax=syntax)
    rewritten(tmp_path, **tags)
    text = refusal(tmp_path)
    assert text.startswith("bits-contradict: in 3 of 3 files, the header gives BitsAllocated 16")


def test_values_in_the_upper_bits_are_refused(tmp_path: Path):
    """What the bits say would be 16 times the values, or less by the sixteenth."""

    def upper(d: Dataset, k: int) -> None:
        d.PixelData = (np.frombuffer(d.PixelData, "<u2") << 4).tobytes()
        d.BitsStored, d.HighBit = 12, 15

    write(tmp_path, SMALL, modality="CT", edit=upper)
    assert refusal(tmp_path).startswith("bits-contradict: in 3 of 3 files")


def test_one_slice_that_contradicts_itself_is_named(tmp_path: Path):
    write(tmp_path, SMALL, edit=lambda d, k: setattr(d, "HighBit", 15 - 4 * (k == 1)))
    assert refusal(tmp_path).startswith("bits-contradict: in 1 of 3 files")


@pytest.mark.parametrize("missing", ["BitsStored", "HighBit"])
def test_one_of_two_is_enough(missing: str, tmp_path: Path):
    write(tmp_path, SMALL, bits=12, edit=lambda d, k: delattr(d, missing))
    assert (read(tmp_path) == SMALL.values).all()


def test_more_bytes_than_declared_are_refused(tmp_path: Path):
    """16 bits a pixel, and a header that says 8; or a second frame that no header tells of."""
    eight = dict(BitsAllocated=8, BitsStored=8, HighBit=7)
    write(tmp_path / "deep", SMALL)
    rewritten(tmp_path / "deep", **eight)
    assert "the pixels take 160 bytes, but 80 by the size" in refusal(tmp_path / "deep")
    write(tmp_path / "two", SMALL, edit=lambda d, k: setattr(d, "PixelData", d.PixelData * 2))
    assert "the pixels take 320 bytes, but 160 by the size" in refusal(tmp_path / "two")
    write(tmp_path / "padded", SMALL, edit=lambda d, k: setattr(d, "PixelData", d.PixelData + b"\0\0"))
    assert (read(tmp_path / "padded") == SMALL.values).all()


def test_a_file_that_was_cut_off_names_the_bytes_that_it_needs(tmp_path: Path):
    """The element's own length counts where it is larger than that of its pixels: "198 of 160 bytes" said nothing."""
    write(tmp_path, SMALL, edit=lambda d, k: setattr(d, "PixelData", d.PixelData + bytes(40)))
    path = min(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-2])
    _, findings = read_headers([FileRef(str(path), None, "f")], 1)
    assert [f.what for f in findings] == ["the pixels take 200 bytes or more, and the file has 198"]


def test_enhanced_images(tmp_path: Path):
    write_enhanced(tmp_path / "image", [Part(SMALL)])
    assert (read(tmp_path) == SMALL.values).all()
    rewritten(tmp_path, BitsStored=12)
    assert refusal(tmp_path).startswith("bits-contradict: in 1 of 1 files")


def test_masks_in_slices(tmp_path: Path):
    on = mask_exports.image(tmp_path / "t2")
    mask_exports.mask(tmp_path / "mask", on, edit=lambda d, k: setattr(d, "HighBit", 3))
    files = [FileRef(str(p), None, p.name, p.name) for p in (tmp_path / "mask").iterdir()]
    (stack,) = stacks(read_headers(list_files(tmp_path / "t2", b"key")[0], 1)[0])
    with pytest.raises(Refused, match="bits-contradict: in 7 of 7 files"):
        mask_series(files, None, volume(stack))


# What the codestream of a compressed image holds, and what the header says of it

FITS = [
    # dtype, least and largest value, bits written, bits that the header says
    ("uint16", 0, 4000, 16, 12),
    ("uint16", 0, 4000, 12, 16),
    ("int16", -2000, 2000, 16, 12),
    ("int16", -2000, 2000, 12, 12),
    ("int16", 0, 2000, 16, 14),
    ("uint8", 0, 255, 8, 8),
]
LOST = [
    ("uint16", 0, 60000, 16, 12),
    ("uint16", 0, 4000, 16, 10),
    ("int16", -30000, 30000, 16, 12),
    ("int16", 0, 4000, 16, 10),
]


def compressed(folder: Path, syntax, dtype: str, low: int, high: int, bits: int, told: int):
    content = block(shape=(3, 16, 16), low=low, high=high)
    write(folder, content, dtype=dtype, bits=bits, syntax=syntax)
    rewritten(folder, BitsStored=told, HighBit=told - 1)
    return content.values


@pytest.mark.parametrize("case", FITS, ids=str)
@pytest.mark.parametrize("syntax", SYNTAXES[4:], ids=lambda s: s.keyword)
def test_values_that_fit_are_read_whatever_bits_a_codestream_has(syntax, case, tmp_path: Path):
    values = compressed(tmp_path, syntax, *case)
    assert (read(tmp_path) == values).all()


@pytest.mark.parametrize("case", LOST, ids=str)
def test_values_that_a_decoder_would_cut_are_refused(case, tmp_path: Path):
    compressed(tmp_path, JPEGLosslessSV1, *case)
    assert refusal(tmp_path).startswith("bits-contradict: a JPEG frame of 16 bits has values")


def test_pixels_of_one_sign_only_are_no_contradiction(tmp_path: Path):
    def edit(d: Dataset, k: int) -> None:
        set_pixels(d, SMALL.values[k], "int16", 12, False)

    write(tmp_path, SMALL, edit=edit)
    assert (read(tmp_path) == SMALL.values).all()
