"""DICOM SEG: segments as voxels of an image.

The frames are read by their functional groups. highdicom would do that too, but refuses files as they
are found (a GE breast segmentation in TCIA without a complete dimension index), and one way is enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels
from pydicom.uid import UID, ExplicitVRBigEndian

from crossover.core.wording import counted
from crossover.imaging.grids import TOLERANCE_MM, spread_mm
from crossover.sources.dicom.elements import numbers
from crossover.sources.dicom.landing import land_with_findings
from crossover.sources.dicom.pixel_data import contradiction
from crossover.sources.dicom.planes import assembled, directions, step_of
from crossover.sources.findings import Finding, Refused

THICK = 1.5
"""Slices of this many of the image's are thicker than the image's."""


class Segment(NamedTuple):
    """A segment as SegmentSequence (0062,0002) describes it."""

    number: int
    """SegmentNumber (0062,0004); 0 where it has none."""
    label: str
    """SegmentLabel (0062,0005); dcmqi writes one for all where it is given none."""
    description: str
    """SegmentDescription (0062,0006)."""
    kind: Dataset | None
    """What it is by a code, the item of SegmentedPropertyTypeCodeSequence (0062,000F)."""
    modifiers: tuple[Dataset, ...]
    """Left or right, say: items of SegmentedPropertyTypeModifierCodeSequence (0062,0011)."""
    colour: tuple[int, ...] = ()
    """Red, green and blue from 0 to 255; empty where it has none."""
    algorithm: str = ""
    """SegmentAlgorithmType (0062,0008): MANUAL, SEMIAUTOMATIC or AUTOMATIC."""


@dataclass(frozen=True)
class _Frame:
    """A frame's place in the pixel data, its segment (None: all, as a label map), and its geometry in mm."""

    index: int
    segment: int | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]


def segments(dataset: Dataset) -> list[Segment]:
    """Return all segments of a SEG, in the order of SegmentSequence (0062,0002)."""
    return [_segment(item) for item in dataset.get("SegmentSequence") or []]


def _segment(item: Dataset) -> Segment:
    kind = next(iter(item.get("SegmentedPropertyTypeCodeSequence") or []), None)
    modifiers = [  # the standard has them in the code's item, some writers beside it
        modifier
        for holder in (kind, item)
        if holder is not None
        for modifier in holder.get("SegmentedPropertyTypeModifierCodeSequence") or []
    ]
    label, description = (str(item.get(f"Segment{k}") or "") for k in ("Label", "Description"))
    number = int(item.get("SegmentNumber") or 0)
    algorithm = str(item.get("SegmentAlgorithmType") or "")
    return Segment(number, label, description, kind, tuple(modifiers), _colour(item), algorithm)


def _colour(item: Dataset) -> tuple[int, ...]:
    """Return RecommendedDisplayCIELabValue (0062,000D) as red, green and blue of sRGB; empty where it has none.

    Three numbers from 0 to 65535 stand for L* from 0 to 100, and a* and b* from -128 to 127 (PS3.3, C.10.7.1.1).
    """
    lab = numbers(item, "RecommendedDisplayCIELabValue", 3)
    if lab is None:
        return ()
    from skimage.color import lab2rgb

    scaled = np.array(lab) / 65535 * (100, 255, 255) - (0, 128, 128)
    return tuple(int(v) for v in np.clip(np.rint(lab2rgb(scaled) * 255), 0, 255))


def unclaimed_frames(dataset: Dataset) -> list[Finding]:
    """Warn of frames in a SEG whose segments it does not describe."""
    known = {segment.number for segment in segments(dataset)}
    if dataset.get("SegmentationType") == "LABELMAP":
        return []
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    named = [_get((f, shared), "SegmentIdentification", "ReferencedSegmentNumber") for f in frames]
    loose = sum(number is not None and number not in known for number in named)
    what = f"{counted(loose, 'frame')} with a segment number that no segment has"
    return [Finding("numbers-unknown", what)] if loose else []


def segment_mask(dataset: Dataset, number: int, grid: sitk.Image) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Draw one segment as voxels (slices, rows, columns) of an image; return them with the findings.

    It reads BINARY, FRACTIONAL (half of MaximumFractionalValue (0062,000E) or more is inside) and LABELMAP.
    Frames come in any order; where there is none the segment is empty. The mask may be empty.

    Raises:
        Refused: structure-refused (another lattice than the image's, saying how it differs; frames without
        geometry; an unknown type), structure-outside, numbers-shared, bits-contradict, pixels-unreadable.
    """
    if (times := [segment.number for segment in segments(dataset)].count(number)) > 1:
        raise Refused("numbers-shared", f"{times} segments have its segment number")
    if odd := contradiction(dataset):
        raise Refused("bits-contradict", odd)
    frames = _frames(dataset)
    planes, soft = _planes(dataset, number, frames)
    top = f"{counted(soft, 'voxel')} with a fraction between 0 and 1"
    findings = [Finding("fractional", top)] if soft else []
    if not planes:
        return np.zeros(grid.GetSize()[::-1], bool), findings
    step = _step(frames, _spacing(dataset), grid)
    image = assembled(planes, step, grid)
    if _counts_from_corners(dataset, image, grid):
        image.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((-0.5, -0.5, 0.0)))
        findings.append(Finding("half-pixel", "the segment was moved by half a pixel along rows and columns"))
    mask, clipped = land_with_findings(image, grid)
    return mask, findings + clipped


def _frames(dataset: Dataset) -> list[_Frame]:
    """Return all frames of a SEG; their orientation and spacing are the same.

    Raises:
        Refused: structure-refused, where they aren't, or are missing.
    """
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    maps = dataset.get("SegmentationType") == "LABELMAP"
    try:
        frames = [
            _Frame(
                index,
                None if maps else int(_get(g, "SegmentIdentification", "ReferencedSegmentNumber")),
                tuple(map(float, _get(g, "PlanePosition", "ImagePositionPatient"))),
                tuple(map(float, _get(g, "PlaneOrientation", "ImageOrientationPatient"))),
                tuple(map(float, _get(g, "PixelMeasures", "PixelSpacing"))),
            )
            for index, own in enumerate(dataset.get("PerFrameFunctionalGroupsSequence") or [])
            for g in [(own, shared)]
        ]
        places = np.array([f.position for f in frames]).reshape(len(frames), 3)
        turns = np.array([f.orientation for f in frames]).reshape(len(frames), 6)
        spacings = np.array([f.spacing for f in frames]).reshape(len(frames), 2)
    except (TypeError, ValueError):
        what = "its frames lack a segment number, position, orientation or pixel spacing"
        raise Refused("structure-refused", what) from None
    if not all(np.isfinite(v).all() for v in (turns, spacings, places)) or (spacings <= 0).any():
        what = (
            "its frames have positions, orientations or pixel spacings that are not numbers, or a spacing of 0 or less"
        )
        raise Refused("structure-refused", what)
    size = (int(dataset.get("Rows") or 1), int(dataset.get("Columns") or 1))
    if len(frames) and spread_mm(turns, spacings, size) > TOLERANCE_MM:
        raise Refused("structure-refused", "its frames differ in orientation or pixel spacing")
    return frames


def _get(groups: Sequence[Dataset], macro: str, keyword: str) -> Any:
    """Return a value of a functional group: the frame's own, else the shared one; None where there is none."""
    items = (g[f"{macro}Sequence"][0] for g in groups if g.get(f"{macro}Sequence"))
    return next((item.get(keyword) for item in items if keyword in item), None)


class _Spacing(NamedTuple):
    """What a SEG says of its slices in mm, 0 where it says nothing."""

    between: float
    """SpacingBetweenSlices (0018,0088); its sign says nothing of frames that have their own place."""
    thickness: float
    """SliceThickness (0018,0050)."""


def _spacing(dataset: Dataset) -> _Spacing:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or [Dataset()]

    def told(keyword: str) -> float:
        try:
            return abs(float(_get((shared, frames[0]), "PixelMeasures", keyword) or 0))
        except (TypeError, ValueError):  # no number, or several
            return 0.0

    return _Spacing(told("SpacingBetweenSlices"), told("SliceThickness"))


def _planes(
    dataset: Dataset, number: int, frames: Sequence[_Frame]
) -> tuple[list[tuple[_Frame, NDArray[np.bool_]]], int]:
    """Return the segment's planes (rows, columns) that hold any of it; and how many values are fractions."""
    kind = dataset.get("SegmentationType")
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise Refused("structure-refused", "its SegmentationType is not BINARY, FRACTIONAL or LABELMAP")
    top = (numbers(dataset, "MaximumFractionalValue") or (255.0,))[0] or 255.0
    mine = [f for f in frames if f.segment in (number, None)]
    planes, soft = [], 0
    for frame, values in zip(mine, _decoded(dataset, [f.index for f in mine]), strict=True):
        if kind == "FRACTIONAL":
            inside = values >= top / 2
            soft += int(((values > 0) & (values < top)).sum())
        else:
            inside = values > 0 if kind == "BINARY" else values == number
        if inside.any():
            planes.append((frame, inside))
    return planes, soft


def _decoded(dataset: Dataset, indices: list[int]) -> Iterator[NDArray]:
    if not indices:  # which iter_pixels takes for all
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dataset.BitsAllocated == 1 and not _encapsulated(dataset):
                yield from _unpacked(dataset, indices)
            else:
                yield from iter_pixels(dataset, indices=indices, raw=True)
    except Refused:
        raise
    except Exception as error:  # decoders raise nearly anything for damaged data
        what = f"its frames cannot be decoded ({type(error).__name__})"
        raise Refused("pixels-unreadable", what) from None


def _encapsulated(dataset: Dataset) -> bool:
    return UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated


def _unpacked(dataset: Dataset, indices: list[int]) -> Iterator[NDArray]:
    """Yield frames of one bit a pixel, which follow each other without padding: a byte may hold parts of two.

    pydicom (3.0) drops the last pixels of a frame that reaches into one byte more than its own bits need.

    Raises:
        Refused: bits-contradict, where there are more bytes than the frames' bits fill.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    size, data = rows * columns, dataset.PixelData
    needed = -(-size * int(dataset.NumberOfFrames) // 8)
    if len(data) > needed + 1:  # frames padded to whole bytes, say
        what = f"its frames, with one bit for each pixel, take {len(data)} bytes instead of {needed}"
        raise Refused("bits-contradict", what)
    if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:  # in another order, within words
        what = "its pixels are single bits in big-endian order, which is not read: export it as little endian"
        raise Refused("pixels-unreadable", what)
    for index in indices:
        first, last = index * size, (index + 1) * size
        content = np.frombuffer(data[first // 8 : -(-last // 8)], np.uint8)
        bits = np.unpackbits(content, bitorder="little")[first % 8 :]
        yield bits[:size].reshape(rows, columns)


def _step(frames: Sequence[_Frame], declared: _Spacing, grid: sitk.Image) -> float:
    """Return the distance of a SEG's slices in mm, whatever frames are missing.

    It is the declared one, or the smallest between any two frames; the image's where there is neither, or
    where frames stand several of the image's slices apart and nothing says that they are so thick.
    """
    normal, own = directions(frames[0])[:, 2], step_of(grid, frames[0])
    places = np.sort([np.array(f.position) @ normal for f in frames])
    gaps = np.diff(places)
    gaps = gaps[gaps > TOLERANCE_MM]
    if not len(gaps):
        return declared.between or own
    least = min(float(gaps.min()), declared.between or np.inf)
    if not declared.between and declared.thickness < THICK * own and least > THICK * own:
        least = own
    extent = float(places[-1] - places[0])
    return extent / round(extent / least)  # over all slices, since decimals are rounded


def _counts_from_corners(dataset: Dataset, image: sitk.Image, grid: sitk.Image) -> bool:
    """Return whether a SEG lies half a pixel off along rows and columns alike, with its source's pixels.

    Some tools take ImagePositionPatient for the first pixel's corner, and give their frames its centre. Only
    where the file says that it keeps its source's pixels, (0028,135A), and has as many.
    """
    off = np.array(grid.TransformPhysicalPointToContinuousIndex(image.GetOrigin()))[:2]
    same = image.GetSize()[:2] == grid.GetSize()[:2] and np.abs(off - 0.5).max() < 0.01
    return same and {str(e.value) for e in dataset.iterall() if e.tag == 0x0028135A} == {"YES"}
