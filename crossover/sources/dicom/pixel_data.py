"""Where and how a DICOM file stores its pixels, found without reading them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from crossover.sources.dicom.elements import number
from crossover.sources.findings import Refused

PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
MAX_VALUES = 1 << 31
"""The most pixels in one file: eight times a CT of 1,000 slices of 512 x 512."""
MAX_PLANE = 1 << 26
"""The most pixels in one plane: 8,192 x 8,192."""
MAX_PACKING = 100_000
"""The most bytes of pixels to a byte of compressed data; a large blank slice in JPEG-LS has a tenth of that."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where and how the pixel data are stored."""

    offset: int
    length: int
    syntax: str
    plain: bool
    """Whether pixels are uncompressed little endian integers, one sample a pixel, which can be read as they lie."""
    bits: int
    stored: int
    """How many of the bits hold the value; the others hold nothing of it."""
    signed: bool
    count: int
    """The number of images that the file declares."""
    contradiction: str = ""
    """What the header says of the pixels that can't be true; such values would be misread."""
    padding: tuple[int, ...] = ()
    """The stored values of pixels that were not measured (PixelPaddingValue (0028,0120))."""


def pixels_of(d: Dataset, opened: BinaryIO) -> Pixels:
    """Find the pixel data of a file; pydicom stopped before their tag.

    Raises:
        Refused: there are none, fewer than the header declares, or absurdly many.
    """
    syntax = getattr(d.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian)
    offset, length, name = _element(opened, d)
    sizes = [int(number(d, t, 0)) for t in ("Rows", "Columns", "BitsAllocated")]
    sizes += [int(number(d, t, 1)) for t in ("NumberOfFrames", "SamplesPerPixel")]
    if min(sizes) <= 0:
        raise Refused("unreadable", "the header gives no size or bit depth of the pixels")
    bits = sizes[2]
    count = math.prod(sizes) // bits
    if count > MAX_VALUES or sizes[0] * sizes[1] > MAX_PLANE:
        raise Refused("too-large", f"the header declares {count} pixels")
    end = opened.seek(0, os.SEEK_END)
    uncompressed = syntax in PLAIN or str(syntax) == "1.2.840.10008.1.2.2"
    needed = max(1, count * bits // 8 // (1 if uncompressed else MAX_PACKING))
    least = max(needed, length if length != 0xFFFFFFFF else 0)
    if offset + least > end:
        raise Refused("truncated", f"the pixels take {least} bytes or more, and the file has {max(0, end - offset)}")
    stored, signed = stored_bits(d), int(number(d, "PixelRepresentation", 0)) == 1
    whole = bits in (8, 16, 32) and int(number(d, "SamplesPerPixel", 1)) == 1
    plain = syntax in PLAIN and whole and name == "PixelData" and not (signed and stored < bits)
    odd = contradiction(d)
    # Another matrix, depth or number of frames than declared; a few bytes are padding.
    if not odd and uncompressed and length * 8 >= (count + count // sizes[3]) * bits:
        odd = f"the pixels take {length} bytes, but {needed} by the size, frames and bits in the header"
    return Pixels(offset, length, str(syntax), plain, bits, stored, signed, sizes[3], odd, _padding(d))


def _padding(d: Dataset) -> tuple[int, ...]:
    """Return the padding's stored value, also as the signed number with its 16 bits, since exports confuse the two."""
    try:
        found = d.get("PixelPaddingValue")
        value = int.from_bytes(found, "little") if isinstance(found, bytes) else int(found)
    except (TypeError, ValueError):
        return ()
    return (value, value - 65536) if value >= 32768 else (value, value + 65536) if value < 0 else (value,)


def stored_bits(d: Dataset) -> int:
    """Return BitsStored (0028,0101); where it isn't given, the number by HighBit (0028,0102) or BitsAllocated."""
    high = number(d, "HighBit", number(d, "BitsAllocated", 0) - 1)
    return int(number(d, "BitsStored", high + 1))


def contradiction(d: Dataset) -> str:
    """Return what PS3.5, 8.1.1 forbids in how stored values lie in their bits; "" where nothing is wrong.

    HighBit (0028,0102) is one less than BitsStored (0028,0101), which is BitsAllocated (0028,0100) at most.
    Old files kept values in the upper bits; as many have a wrong HighBit only, so neither is guessed.
    """
    bits, stored = int(number(d, "BitsAllocated", 0)), stored_bits(d)
    high, sign = int(number(d, "HighBit", stored - 1)), int(number(d, "PixelRepresentation", 0))
    if high == stored - 1 and 1 <= stored <= bits and sign in (0, 1):
        return ""
    header = f"the header gives BitsAllocated {bits}, BitsStored {stored} and HighBit {high}"
    return header if sign in (0, 1) else f"{header}, and PixelRepresentation {sign}"


def _element(opened: BinaryIO, d: Dataset) -> tuple[int, int, str]:
    """Return the offset of the value and its length in bytes, and which of the pixel elements it is."""
    head = opened.read(12)
    little = d.original_encoding[1] is not False
    order: Literal["little", "big"] = "little" if little else "big"
    group, element = int.from_bytes(head[:2], order), int.from_bytes(head[2:4], order)
    names = {0x0010: "PixelData", 0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData"}
    if len(head) < 8 or group != 0x7FE0 or element not in names:
        raise Refused("truncated", "no pixels follow the header")
    if d.original_encoding[0]:  # implicit VR: a length of four bytes follows the tag
        return opened.tell() - len(head) + 8, int.from_bytes(head[4:8], order), names[element]
    return opened.tell(), int.from_bytes(head[8:12], order), names[element]
