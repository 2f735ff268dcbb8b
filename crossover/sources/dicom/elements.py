"""Attributes of a data set as text or numbers, quickly and forgivingly.

pydicom turns an element into Python values when it is first asked for, which costs more than reading the
file; headers need few of its many kinds, so plain numbers and ASCII text are taken from the raw bytes.
"""

from __future__ import annotations

import functools
import math
import struct
import warnings
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
ASCII = {"CS", "UI", "DA", "TM", "AS", "DS", "IS"}


@functools.cache
def _about(keyword: str) -> tuple[int, str]:
    tag = tag_for_keyword(keyword)
    assert tag is not None, f"{keyword} is not an attribute of DICOM"
    return tag, dictionary_VR(tag)


def text(d: Dataset, keyword: str) -> str:
    """Return the attribute as text, several values separated by a backslash; "" where there is none."""
    tag, vr = _about(keyword)
    element = d.get_item(tag)
    if element is None:
        return ""
    if isinstance(element, RawDataElement) and vr in ASCII:
        return (element.value or b"").decode("latin-1").strip(" \0")
    value = d[tag].value
    return "" if value is None else str(value)


def numbers(d: Dataset, keyword: str, n: int = 1) -> tuple[float, ...] | None:
    """Return the first `n` numbers of the attribute; None where there are fewer, or one isn't finite."""
    tag, vr = _about(keyword)
    element = d.get_item(tag)
    if element is None:
        return None
    try:
        found = _raw(element, vr) if isinstance(element, RawDataElement) else _values(element.value)
    except (TypeError, ValueError, struct.error):
        return None
    if len(found) < n or not all(map(math.isfinite, found[:n])):
        return None
    return found[:n]


def number(d: Dataset, keyword: str, default: float) -> float:
    """Return the first number of the attribute, or the default where there is none."""
    found = numbers(d, keyword)
    return found[0] if found else default


def kinds(d: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of a code string, upper case."""
    return tuple(v.strip().upper() for v in text(d, keyword).split("\\") if v.strip())


def _raw(element: RawDataElement, vr: str) -> tuple[float, ...]:
    value = element.value or b""
    if vr not in BINARY:
        return tuple(float(v) for v in value.decode("ascii").strip(" \0").split("\\") if v)
    order, code = "<" if element.is_little_endian else ">", BINARY[vr]
    size = struct.calcsize(code)
    return struct.unpack(f"{order}{len(value) // size}{code}", value[: len(value) // size * size])


def _values(value: Any) -> tuple[float, ...]:
    several = hasattr(value, "__iter__") and not isinstance(value, (str, bytes))
    return tuple(float(v) for v in (value if several else [value]))


def csa_items(d: Dataset) -> dict[str, list]:
    """Return the items of each tag of Siemens' CSA image header (0029,1010), read with NiBabel.

    It is empty where there is no such header, or it is damaged in whatever way.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel warns of its own reader at import
        from nibabel.nicom import csareader
    try:
        blob = d.private_block(0x29, "SIEMENS CSA HEADER")[0x10].value
        if _goes_backwards(blob):
            return {}
        return {name: tag["items"] for name, tag in csareader.read(blob)["tags"].items()}
    except Exception:  # damaged headers raise nearly anything
        return {}


def _goes_backwards(blob: bytes) -> bool:
    """Return whether an item of a CSA2 header ("SV10") has a negative length.

    NiBabel's reader then goes back and reads the same bytes again, and a header of 4 MB takes gigabytes.

    Raises:
        struct.error: the header ends too early.
    """
    if blob[:4] != b"SV10":
        return False
    (tags,), at = struct.unpack_from("<I", blob, 8), 16
    for _ in range(tags):
        (items,) = struct.unpack_from("<i", blob, at + 76)
        at += 84
        for _ in range(items):
            (length,) = struct.unpack_from("<i", blob, at + 4)
            if length < 0:
                return True
            at += 16 + length + -length % 4
    return False
