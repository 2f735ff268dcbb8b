"""A DICOM file that is cut anywhere but between two elements is known as one, however it is encoded."""

from __future__ import annotations

from io import BytesIO

import pytest
from dicom_exports import base
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
    RTStructureSetStorage,
)

from crossover.exchange.dicomweb import lacking


def structures(undefined: bool = False) -> Dataset:
    """An RTSTRUCT that ends with sequences, of defined length or with items that end by a delimiter."""
    d, region, contour = base("RTSTRUCT", {}), Dataset(), Dataset()
    d.SOPClassUID = RTStructureSetStorage
    contour.NumberOfContourPoints, contour.ContourData = 4, [1.5] * 12
    region.ContourSequence = [contour, contour]
    d.ROIContourSequence = [region, region]
    if undefined:
        d["ROIContourSequence"].is_undefined_length = True
        region.is_undefined_length_sequence_item = True
    return d


def picture(fragments: bytes = b"") -> Dataset:
    d = base("MR", {})
    d.SOPClassUID = MRImageStorage
    d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = 5, 7, 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
    d.PixelData = encapsulate([fragments]) if fragments else b"\7\0" * 35
    d["PixelData"].is_undefined_length = bool(fragments)
    return d


def content(d: Dataset, syntax: str) -> bytes:
    d.SOPInstanceUID, d.file_meta, out = "1.2.3", FileMetaDataset(), BytesIO()
    d.file_meta.TransferSyntaxUID = syntax
    d.save_as(out, enforce_file_format=True)
    return out.getvalue()


def refused(data: bytes) -> bool:
    try:
        return bool(lacking(dcmread(BytesIO(data)), data))
    except Exception:  # what pydicom finds itself
        return True


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("d", "syntax"),
    [
        (structures(), ImplicitVRLittleEndian),
        (structures(), ExplicitVRLittleEndian),
        (structures(), ExplicitVRBigEndian),
        (structures(undefined=True), ImplicitVRLittleEndian),
        (structures(), DeflatedExplicitVRLittleEndian),
        (picture(), ExplicitVRLittleEndian),
        (picture(b"\1\2\3\4" * 30), JPEGLSLossless),
    ],
)  # fmt: skip
def test_a_file_that_is_cut_within_an_element_is_refused(d: Dataset, syntax: str):
    data = content(d, syntax)
    assert not refused(data)
    assert all(refused(data[:-n]) for n in range(2 if "Deflated" in syntax.name else 1, 80))


def test_an_image_that_was_cut_and_written_again_is_refused():
    whole = picture()
    less, without = picture(), picture()
    less.PixelData = whole.PixelData[:20]
    del without.PixelData
    for d, told in ((whole, ""), (less, "20 of 70 bytes of pixels"), (without, "its image has no pixels")):
        data = content(d, ExplicitVRLittleEndian)
        assert lacking(dcmread(BytesIO(data)), data).endswith(told) and (d is whole) == (told == "")
