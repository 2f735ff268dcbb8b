"""Diffusion weighting of an MR image, wherever its maker writes it, and the ADC map from b-values."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from crossover.sources.dicom.elements import numbers, text


class Diffusion(NamedTuple):
    """How one plane is diffusion-weighted."""

    b_value: float | None
    """s/mm²; None where the image tells of no diffusion weighting."""
    direction: tuple[float, ...] | None
    """Unit gradient direction; None for none, for a trace image, or where it isn't told."""
    isotropic: bool
    """A trace-weighted image: a mean over directions, made on the scanner."""


def diffusion(parts: Sequence[Dataset], whole: Dataset, kinds: tuple[str, ...]) -> Diffusion:
    """From the standard attributes, else from the maker's private ones.

    Standard: DiffusionBValue (0018,9087). Siemens: (0019,xx0C), the CSA header (0029,1010), or the
    sequence name `ep_b1000t`. GE: first value of (0043,xx39). Philips: (2001,xx03). A b-value of 0 counts
    only where the image is known for a diffusion measurement: GE and Philips write it to others too.

    Args:
        parts: the plane's functional groups, then the data set.
        whole: the data set.
        kinds: ImageType or FrameType, upper case.
    """
    b_value = next((b for p in parts if (b := _standard(p)) is not None), None)
    if b_value is None:
        b_value = next((b for p in parts if (b := _private(p, whole)) is not None), None)
    if b_value is not None and not (0 <= b_value < 100_000):
        b_value = None
    if b_value == 0 and not _is_diffusion(parts, whole, kinds):
        b_value = None
    isotropic = "TRACEW" in kinds or "TRACE" in kinds or _directionality(parts) == "ISOTROPIC"
    direction = None if isotropic or not b_value else _direction(parts)
    return Diffusion(b_value, direction, isotropic)


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
        return _first(part, 0x2001, 0x03, "Philips Imaging DD 001")
    return None


def _siemens(part: Dataset) -> float | None:
    value = _first(part, 0x0019, 0x0C, "SIEMENS MR HEADER")
    if value is None and "SIEMENS CSA HEADER" in part.private_creators(0x0029):
        value = _csa(part)
    if value is None:
        name = re.search(r"ep_b(\d{1,5})", text(part, "SequenceName"))
        value = float(name[1]) if name else None
    return value


def _csa(part: Dataset) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel warns of its own reader at import
        from nibabel.nicom import csareader
    try:
        header = csareader.get_csa_header(part, "image")
        return None if header is None else _float(csareader.get_scalar(header, "B_value"))
    except Exception:  # a private blob: whatever is wrong with it, it tells no b-value
        return None


def _first(part: Dataset, group: int, element: int, creator: str) -> float | None:
    """First number of a private element: by its creator, else at the block the maker always uses."""
    try:
        found = part.private_block(group, creator)[element]
    except KeyError:
        tag = (group, 0x1000 + element)
        if tag not in part:
            return None
        found = part[tag]
    return _float(found.value)


def _float(value: object) -> float | None:
    """The first of one or several numbers, also as bytes (implicit VR leaves private ones so)."""
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


def _is_diffusion(parts: Sequence[Dataset], whole: Dataset, kinds: tuple[str, ...]) -> bool:
    planar = "EP" in text(whole, "ScanningSequence").split("\\") or "EPI" in kinds
    planar = planar or text(whole, "EchoPlanarPulseSequence") == "YES"
    return planar or "DIFFUSION" in kinds or bool(_directionality(parts))


def _directionality(parts: Sequence[Dataset]) -> str:
    return next((v for p in parts if (v := text(p, "DiffusionDirectionality"))), "")


def _direction(parts: Sequence[Dataset]) -> tuple[float, ...] | None:
    """The gradient's direction, to tell measurements apart; in the axes its maker uses."""
    for part in parts:
        nested = part.get("DiffusionGradientDirectionSequence")
        standard = (nested[0] if nested else part).get("DiffusionGradientOrientation")
        if standard is not None and len(standard) == 3:
            return tuple(round(float(v), 4) for v in standard)
        blocks = [
            [(0x0019, 0x100E)],
            [(0x0019, 0x10BB), (0x0019, 0x10BC), (0x0019, 0x10BD)],
            [(0x2005, 0x10B0), (0x2005, 0x10B1), (0x2005, 0x10B2)],
        ]
        for tags in blocks:
            if all(tag in part for tag in tags):
                values = [_values(part[tag].value) for tag in tags]
                return tuple(round(v, 4) for value in values for v in value)
    return None


def _values(value: object) -> list[float]:
    if isinstance(value, bytes) and len(value) == 24:
        return np.frombuffer(value, "<f8").tolist()
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return [float(v) for v in value]
    return [_float(value) or 0.0]


def fit_adc(images: Mapping[float, np.ndarray]) -> np.ndarray:
    """The apparent diffusion coefficient in 10⁻⁶ mm²/s, float32: S(b) = S(0) exp(-b ADC).

    Fitted by least squares of ln S over all given b-values, with equal weights. Where any signal is
    zero or less, or the fit is negative, the result is 0.

    Args:
        images: b-value in s/mm² -> signal; two or more, of one shape.

    Raises:
        ValueError: for fewer than two b-values.
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
    """What an ADC map's values are multiplied by to give 10⁻⁶ mm²/s.

    By its unit where one is named; else by size: tissue lies between 100 and 4,000 x 10⁻⁶ mm²/s, so
    the median of the positive values tells the power of ten. None where neither tells.
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
