"""The values of a stack, in its unit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

from crossover.core.wording import counted
from crossover.sources.dicom.header import Instance
from crossover.sources.dicom.stacks import Stack, grid
from crossover.sources.findings import Finding, Refused

HU_UNITS = ("", "HU", "US", "HU_MOD", "[HNSF'U]")
"""Of RescaleType (0028,1054): HU, unspecified, and HU of modified images; of a real-world mapping: UCUM's unit."""
LOWEST_HU, HIGHEST_HU = -1100.0, 32767.0
"""The limits of what a scanner measures; air has about -1000 HU, and metal has the highest."""
JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)


def volume(stack: Stack) -> sitk.Image:
    """Return the stack as a volume: stored values x slope + intercept, int16 where that loses nothing, else float32.

    HU for CT, the modality's own unit for MR.

    Raises:
        Refused: where the stack is no volume, its pixels can't be decoded, or values are no numbers.
    """
    lattice = grid(stack)
    if stack.instance.modality == "CT" and not all(f.rescaled for _, f in stack.planes):
        bare = sum(not f.rescaled for _, f in stack.planes)
        what = f"{bare} of {len(stack.planes)} images have no rescale slope or no intercept"
        raise Refused("no-hu", what, stack.files())
    if stack.instance.modality == "CT" and (unit := stack.frame.unit.upper()) not in HU_UNITS:
        raise Refused("no-hu", f"its values are in the unit {unit}", stack.files())
    if tabled := next((f.tabled for _, f in stack.planes if f.tabled), ""):
        raise Refused("values-tabled", f"{tabled}, which is not read", stack.files())
    values = np.empty(lattice.GetSize()[::-1], np.float32)
    padded: dict[int, np.ndarray] = {}
    for k, plane in enumerate(stored(stack)):
        if plane.shape != values.shape[1:]:
            own, first = (" x ".join(map(str, shape)) for shape in (plane.shape, values.shape[1:]))
            raise Refused("mixed-matrix", f"slice {k + 1} has {own} pixels, and the first {first}", stack.files())
        frame = stack.planes[k][1]
        if frame.slope == 0:
            raise Refused("non-finite", f"slice {k + 1} has a rescale slope of 0", stack.files())
        np.multiply(plane, np.float32(frame.slope), out=values[k], casting="unsafe")
        values[k] += np.float32(frame.intercept)
        if stack.instance.modality == "CT" and (padding := stack.planes[k][0].image.padding):
            padded[k] = np.isin(plane, padding) & ~_possible_hu(values[k])
    _fill(values, padded)
    if not np.isfinite(values).all():
        wrong = int((~np.isfinite(values)).sum())
        raise Refused("non-finite", f"{wrong} of {values.size} values are NaN or infinite", stack.files())
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise Refused("constant", f"all its values are {low:g}", stack.files())
    small = low >= -32768 and high <= 32767 and _whole(stack)
    image = sitk.GetImageFromArray(values.astype(np.int16) if small else values)
    image.CopyInformation(lattice)
    return image


def _possible_hu(values: np.ndarray) -> np.ndarray:
    """Return where values can be HU."""
    return (values >= LOWEST_HU) & (values <= HIGHEST_HU)


def _fill(values: np.ndarray, padded: dict[int, np.ndarray]) -> None:
    """Give pixels of slices that were not measured the lowest value of all that were: that of air."""
    if padded:
        measured = (values[k][~padded[k]] if k in padded else values[k] for k in range(len(values)))
        lowest = min((float(own.min()) for own in measured if own.size), default=LOWEST_HU)
        for k, where in padded.items():
            values[k][where] = lowest


def odd_hu(image: sitk.Image) -> list[Finding]:
    """Return a finding where the values of a CT can't all be HU."""
    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    if low < LOWEST_HU or high > HIGHEST_HU:
        share = 1 - float(_possible_hu(values).mean())
        what = f"{share:.2%} of its values are below {LOWEST_HU:g} or above {HIGHEST_HU:g} HU ({low:g} to {high:g})"
        return [Finding("hu-implausible", what)]
    return []


def _whole(stack: Stack) -> bool:
    """Return whether all values are whole numbers, by slope and intercept."""
    used = {(f.slope, f.intercept, i.image.plain or i.image.bits <= 16) for i, f in stack.planes}
    return all(float(s).is_integer() and float(t).is_integer() and bits for s, t, bits in used)


def stored(stack: Stack) -> Iterator[np.ndarray]:
    """Read the stored values of each plane, in the stack's order; each file is opened once for each run of planes.

    Raises:
        Refused: bits-contradict, pixels-unreadable, no-decoder.
    """
    odd = {i.file.token: i.image.contradiction for i, _ in stack.planes if i.image.contradiction}
    if odd:
        what = f"in {len(odd)} of {len(stack.files())} files, {next(iter(odd.values()))}"
        raise Refused("bits-contradict", what, odd)
    for _, run in groupby(stack.planes, key=lambda plane: id(plane[0])):
        planes = list(run)
        instance = planes[0][0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield from _of_file(instance, [frame.index for _, frame in planes])
        except Refused:
            raise
        except Exception as error:  # decoders raise nearly anything for damaged data
            what = f"a file with {counted(len(planes), 'image')} cannot be decoded ({type(error).__name__})"
            raise Refused("pixels-unreadable", what, [instance.file.token]) from None


def _of_file(instance: Instance, frames: list[int]) -> Iterator[np.ndarray]:
    if tiles := instance.tiles:
        shape = (tiles.across * tiles.rows, tiles.across * tiles.columns)
        (mosaic,) = _of_images(instance, [0], shape)
        yield from (tiles.cut(mosaic, index) for index in frames)
        return
    yield from _of_images(instance, frames, (instance.rows, instance.columns))


def _of_images(instance: Instance, frames: list[int], shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Read the images of a file, of so many rows and columns."""
    pixels = instance.image
    if not pixels.plain:
        yield from _decoded(instance, frames, shape)
        return
    dtype = np.dtype(f"<{'i' if pixels.signed else 'u'}{pixels.bits // 8}")
    size = math.prod(shape) * dtype.itemsize
    with instance.file.open() as opened:
        for index in frames:
            opened.seek(pixels.offset + index * size)
            values = np.frombuffer(opened.read(size), dtype).reshape(shape)
            if pixels.stored < pixels.bits:  # unsigned then; the bits above may hold an overlay
                values = values & dtype.type((1 << pixels.stored) - 1)
            yield values


def _decoded(instance: Instance, frames: list[int], shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Decode by pydicom and the decoders it finds, frame by frame, so that one is in memory at a time."""
    syntax = UID(instance.image.syntax)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        what = "pydicom has no decoder for its transfer syntax"
        raise Refused("no-decoder", what, [instance.file.token]) from None
    if not decoder.is_available:
        needed = "; ".join(decoder.missing_dependencies) or "none is known"
        what = f"to decode {syntax.name}, install one of these: {needed}"
        raise Refused("no-decoder", what, [instance.file.token])
    with instance.file.open() as opened:
        dataset = pydicom.dcmread(opened, force=True)
    for index in frames:
        if syntax in JPEG:
            yield _jpeg(dataset, index, instance).reshape(shape)
        else:
            yield decoder.as_array(dataset, index=index, raw=True)[0].reshape(shape)


def _jpeg(dataset: Dataset, index: int, instance: Instance) -> np.ndarray:
    """Return a frame in JPEG, whose own precision counts: decoders cut values to the header's BitsStored.

    Raises:
        Refused: bits-contradict, where values don't fit in what the header says of them.
    """
    pixels, syntax = instance.image, UID(instance.image.syntax)
    own = _precision(get_frame(dataset.PixelData, index, number_of_frames=pixels.count))
    bits: Any = dict(bits_stored=own, pixel_representation=0, bits_allocated=8 if own <= 8 else 16)
    values = get_decoder(syntax).as_array(dataset, index=index, raw=True, **bits)[0]
    values, stored = values.astype(np.int32), pixels.stored
    above, most = values >> stored, 1 << (stored - 1)
    if not pixels.signed:
        right = above == 0
    elif own < stored:  # nothing tells a sign from a large number
        right = values < 1 << (own - 1)
    else:  # above the stored bits stand zeros, or the sign again
        right = (above == 0) | ((above == (1 << (own - stored)) - 1) & (values & most > 0))
        values = (values & (most - 1)) - (values & most)
    if not right.all():
        what = f"a JPEG frame of {own} bits has values that do not fit the header's BitsStored {stored}"
        raise Refused("bits-contradict", what, [instance.file.token])
    return values


def _precision(frame: bytes) -> int:
    """Return the bits of a sample by the frame's SOF marker (ISO 10918-1, B.2.2)."""
    at = 2
    while frame[at] == 0xFF:
        kind = frame[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return frame[at + 4]
        at += 1 if kind == 0xFF else 2 + int.from_bytes(frame[at + 2 : at + 4])
    raise ValueError("no start of frame")
