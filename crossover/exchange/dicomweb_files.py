"""Whether the bytes of a DICOM file are all of it: pydicom reads what is left of a cut file without an error."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels.utils import get_expected_length

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL")
MARK = 0xFFFCFFFC, "OB", b"end of the file."
"""DataSetTrailingPadding, which is the last element of any data set that has it: tag, VR and value."""


def lacking(dataset: FileDataset, data: bytes) -> str:
    """Return what is lacking of a file that was read, "" if nothing is.

    An element added to the end of a whole file is read as one of the data set's own; in a cut file it is taken for a
    part of the element that was cut. Of a file that ends between two elements, missing pixels alone are noticed.

    Args:
        dataset: as pydicom read it.
        data: the bytes of the file.
    """
    if not _ends_with_an_element(dataset, data):
        return "the file is cut off: its end lies within an element"
    if "Rows" in dataset and not any(keyword in dataset for keyword in PIXELS):
        return "the file is cut off: its image has no pixels"
    with suppress(AttributeError, TypeError, ValueError):  # what else is wrong with an image is not asked here
        if "PixelData" in dataset and not dataset.file_meta.TransferSyntaxUID.is_compressed:
            wanted, there = get_expected_length(dataset), len(dataset.PixelData)
            if there < wanted:
                return f"the file is cut off: it has {there} of {wanted} bytes of pixels"
    return ""


def _ends_with_an_element(dataset: FileDataset, data: bytes) -> bool:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_deflated:  # zlib reads no part of a stream
        return True
    tag, kind, value = MARK
    mark, end = Dataset(), DicomBytesIO()
    mark.add_new(tag, kind, value)
    end.is_implicit_VR, end.is_little_endian = map(bool, dataset.original_encoding)
    write_dataset(end, mark)
    try:
        found = pydicom.dcmread(BytesIO(data + end.getvalue()), specific_tags=[tag]).get(tag)
    except Exception:  # damaged files raise nearly anything
        return False
    return found is not None and found.value == value
