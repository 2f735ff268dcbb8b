"""Diffusion weighting of an MR image, wherever its maker writes it, and the ADC map from b-values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from crossover.sources.dicom.derived import TRACES, Origin, added_name, origin_of
from crossover.sources.dicom.elements import csa_items, numbers, text

PHILIPS = "Philips Imaging DD 001"
"""The creator of the private elements in which Philips writes diffusion."""
PHILIPS_SCALING = "Philips MR Imaging DD 001"
"""The creator of the private elements in which Philips writes how values are scaled."""
PHILIPS_FRAME = (0x2005, 0x140F)
"""The private sequence with what a Philips enhanced file has of one frame."""


class Diffusion(NamedTuple):
    """How one plane is diffusion-weighted."""

    b_value: float | None
    """The b-value in s/mm²; None where the image has no diffusion weighting."""
    direction: tuple[float, ...] | None
    """The unit gradient direction; None for none, for a trace image, or where no header has it."""
    isotropic: bool
    """Whether it is a trace-weighted image: a mean over directions, made on the scanner."""
    origin: Origin = "measured"
    """Where the values come from; images without a b-value count as measured."""
    known_by: Literal["", "readout", "header"] = ""
    """What shows that an image at b = 0 belongs to a diffusion measurement: its header, no more than its
    echo-planar readout, or nothing. GE, Philips and Canon write 0 to images of any kind."""


NONE = Diffusion(None, None, False)


def diffusion(parts: Sequence[Dataset], whole: Dataset, kinds: tuple[str, ...], unit: str) -> Diffusion:
    """Read the diffusion weighting from the standard attributes, else from the maker's private ones.

    Standard: DiffusionBValue (0018,9087). Siemens: (0019,xx0C), the CSA header (0029,1010), or the
    sequence name `ep_b1000t`. GE: first value of (0043,xx39). Philips: (2001,xx03). Canon: ImageComments
    (0020,4000); its images without any are b = 0 where the series' others have more.

    Args:
        parts: the plane's functional groups, then the data set.
        whole: the data set.
        kinds: ImageType or FrameType, upper case.
        unit: of the rescaled values.
    """
    b_value = next((b for p in parts if (b := _standard(p)) is not None), None)
    if b_value is None:
        b_value = next((b for p in parts if (b := _private(p, whole)) is not None), None)
    if b_value is None or not (0 <= b_value < 100_000):
        return NONE
    trace = _directionality(parts, whole) == "ISOTROPIC" or _vendor_trace(whole)
    isotropic = not TRACES.isdisjoint(kinds) or (trace and b_value > 0)
    direction = None if isotropic or not b_value else _direction(parts)
    named = added_name(text(whole, "SeriesDescription"), text(whole, "ProtocolName"))
    named += "\n" + text(whole, "DerivationDescription")
    one = isotropic or direction is not None
    origin = origin_of(kinds, unit, named, text(whole, "SequenceName"), one)
    known_by = _known_by(parts, whole, kinds) if b_value == 0 and origin == "measured" else ""
    return Diffusion(b_value, direction, isotropic, origin, known_by)


def _standard(part: Dataset) -> float | None:
    return next(iter(numbers(part, "DiffusionBValue") or ()), None)


def _private(part: Dataset, whole: Dataset) -> float | None:
    maker = text(whole, "Manufacturer").upper()
    if "SIEMENS" in maker:
        return _siemens(part)
    if maker.startswith("GE"):
        value = _first(part, 0x0043, 0x39, "GEMS_PARM_01")
        # GE adds a multiple of 100,000 to tell other things by.
        return None if value is None else value % 100_000
    if "PHILIPS" in maker:
        return _first(part, 0x2001, 0x03, PHILIPS)
    if "CANON" in maker or "TOSHIBA" in maker:
        comment = re.match(r"b=(\d{1,5}(?:\.\d+)?)\b", text(part, "ImageComments").strip())
        return float(comment[1]) if comment else (0.0 if part is whole else None)
    return None


def _siemens(part: Dataset) -> float | None:
    value = _first(part, 0x0019, 0x0C, "SIEMENS MR HEADER")
    if value is None and "SIEMENS CSA HEADER" in part.private_creators(0x0029):
        value = _csa(part)
    if value is None:
        # `ep_b50_800` names the b-values that something was calculated from.
        name = re.search(r"ep_b(\d{1,5})(?![\d_])", text(part, "SequenceName"))
        value = float(name[1]) if name else None
    return value


def _csa(part: Dataset) -> float | None:
    found = csa_items(part).get("B_value")
    return _float(found[0]) if found else None


def _first(part: Dataset, group: int, element: int, creator: str) -> float | None:
    """Return the first number of a private element: by its creator, else at the block that the maker always uses."""
    found = _element(part, group, element, creator)
    return None if found is None else _float(found)


def _private_text(part: Dataset, group: int, element: int, creator: str) -> str:
    """Return a private element as text; "" where there is none."""
    found = _element(part, group, element, creator)
    if isinstance(found, bytes):
        found = found.decode("ascii", "replace")
    return "" if found is None else str(found).strip("\0 ")


def _element(part: Dataset, group: int, element: int, creator: str) -> object:
    try:
        return part.private_block(group, creator)[element].value
    except KeyError:
        tag = (group, 0x1000 + element)
        return part[tag].value if tag in part else None


def _float(value: Any) -> float | None:
    """Return the first of one or several numbers, also as bytes (implicit VR leaves private ones so)."""
    if isinstance(value, bytes):
        if len(value) in (4, 8) and not re.fullmatch(rb"[\d\\ .+-]*\0?", value):
            value = np.frombuffer(value, "<f4" if len(value) == 4 else "<f8")[0]
        else:
            value = value.decode("ascii", "replace").strip("\0 ").split("\\")[0]
    elif isinstance(value, str):
        value = value.split("\\")[0]
    elif hasattr(value, "__iter__"):
        value = next(iter(value), None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _known_by(parts: Sequence[Dataset], whole: Dataset, kinds: tuple[str, ...]) -> Literal["", "readout", "header"]:
    """Return what shows that an image with a b-value of 0 belongs to a diffusion measurement."""
    if not TRACES.isdisjoint(kinds):
        return "header"
    if "DERIVED" in kinds:  # as of the maps, which have all that follows
        return "header" if "DIFFUSION" in kinds and "OTHER" not in kinds else ""
    contrast = next((v for p in parts if (v := text(p, "AcquisitionContrast"))), "")
    if "DIFFUSION" in (*kinds, contrast) or _directionality(parts, whole):
        return "header"
    technique = _private_text(whole, 0x2001, 0x20, PHILIPS)
    if re.search(r"dwi|diff(?!icult|er)|dti", f"{text(whole, 'SeriesDescription')} {technique}", re.I):
        return "header"
    planar = "EP" in text(whole, "ScanningSequence").split("\\") or "EPI" in kinds
    planar = planar or text(whole, "EchoPlanarPulseSequence") == "YES"
    return "readout" if planar else ""


def _directionality(parts: Sequence[Dataset], whole: Dataset) -> str:
    """Return DIRECTIONAL, ISOTROPIC, BMATRIX or NONE; "" where no header has it.

    Standard: (0018,9075). Siemens: (0019,xx0D).
    """
    if standard := next((v for p in parts if (v := text(p, "DiffusionDirectionality"))), ""):
        return standard.upper()
    if "SIEMENS" in text(whole, "Manufacturer").upper():
        return _private_text(whole, 0x0019, 0x0D, "SIEMENS MR HEADER").upper()
    return ""


def _vendor_trace(whole: Dataset) -> bool:
    """Return whether a maker's private element says that the image is a trace image.

    Philips: (2001,xx04) is I, for isotropic. GE: (0043,xx30) is 19, T2-weighted trace.
    """
    maker = text(whole, "Manufacturer").upper()
    if "PHILIPS" in maker:
        return _private_text(whole, 0x2001, 0x04, PHILIPS) == "I"
    return maker.startswith("GE") and _first(whole, 0x0043, 0x30, "GEMS_PARM_01") == 19


def _direction(parts: Sequence[Dataset]) -> tuple[float, ...] | None:
    """Return the gradient's direction, to tell measurements apart; in the axes its maker uses.

    None for a vector of zeros, which Philips writes to its trace images.
    """
    for part in parts:
        nested = part.get("DiffusionGradientDirectionSequence")
        own = nested[0] if nested else part
        found = numbers(own, "DiffusionGradientOrientation", 3) or _private_direction(part)
        if found is not None:
            return tuple(round(v, 4) for v in found) if any(found) else None
    return None


def _private_direction(part: Dataset) -> tuple[float, ...] | None:
    blocks = [
        [(0x0019, 0x100E)],
        [(0x0019, 0x10BB), (0x0019, 0x10BC), (0x0019, 0x10BD)],
        [(0x2005, 0x10B0), (0x2005, 0x10B1), (0x2005, 0x10B2)],
    ]
    for tags in blocks:
        if all(tag in part for tag in tags):
            return tuple(v for tag in tags for v in _values(part[tag].value))
    return None


def _values(value: object) -> list[float]:
    if isinstance(value, bytes) and len(value) == 24:
        return np.frombuffer(value, "<f8").tolist()
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return [float(v) for v in value]
    return [_float(value) or 0.0]


def signal_scale(parts: Sequence[Dataset], whole: Dataset, slope: float) -> float | None:
    """Return what rescaled values must be divided by to compare the signals of images; None where no header has it.

    Philips stores each image with its own range: the signal is the rescaled value / (RescaleSlope x scale slope
    (2005,xx0E)), as Chenevert et al. 2014 and dcm2niix's precise values have it. In enhanced files the scale slope is
    in the private sequence (2005,xx0F) of the frame.
    """
    if "PHILIPS" not in text(whole, "Manufacturer").upper():
        return None
    nested = [
        item for p in parts if PHILIPS_FRAME in p and p[PHILIPS_FRAME].VR == "SQ" for item in p[PHILIPS_FRAME].value
    ]
    found = next((v for p in (*nested, *parts) if (v := _first(p, 0x2005, 0x0E, PHILIPS_SCALING)) is not None), None)
    return slope * found if found and slope * found > 0 else None


def fit_adc(images: Mapping[float, np.ndarray]) -> np.ndarray:
    """Return the apparent diffusion coefficient in 10⁻⁶ mm²/s, float32, by S(b) = S(0) exp(-b ADC).

    It is fitted by least squares of ln S over all given b-values, with equal weights. Where any signal is
    zero or less, or the fit is negative, the result is 0.

    Args:
        images: b-value in s/mm² -> signal; two or more, of one shape.

    Raises:
        ValueError: there are fewer than two b-values.
    """
    b = np.array(sorted(images), float)
    if len(b) < 2:
        raise ValueError("an ADC needs images at two b-values or more")
    signal = [images[value] for value in sorted(images)]
    weights = (b - b.mean()) / ((b - b.mean()) ** 2).sum()
    known = np.all([s > 0 for s in signal], axis=0)
    total = np.zeros(signal[0].shape, np.float64)
    for weight, s in zip(weights, signal):
        total -= weight * np.log(np.where(known, s, 1.0))
    return np.where(known, np.clip(total * 1e6, 0, None), 0).astype(np.float32)


UNITS = {
    "um2/s": 1.0, "10*-6.mm2/s": 1.0, "mm2/s": 1e6, "10*-3.mm2/s": 1e3, "m2/s": 1e12, "cm2/s": 1e8,
}  # fmt: skip


def adc_scale(unit: str, values: np.ndarray) -> float | None:
    """Return the factor that gives an ADC map's values in 10⁻⁶ mm²/s, None where it can't be known.

    It follows from the unit where one is named; else from the size: tissue lies between 100 and 4,000 x 10⁻⁶
    mm²/s, so that the median of the positive values shows the power of ten.
    """
    named = unit.lower().replace(" ", "").replace("^", "*").replace("²", "2").replace("µ", "u")
    if named in UNITS:
        return UNITS[named]
    if match := re.search(r"10\*?-?(\d)|[x1]?e-?(\d)", named):
        return {3: 1e3, 6: 1.0}.get(int(match[1] or match[2]))
    positive = values[values > 0]
    if not positive.size:
        return None
    middle = float(np.median(positive))
    return next((s for s in (1.0, 1e3, 1e6) if 50 <= middle * s <= 6000), None)
