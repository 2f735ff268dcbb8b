"""Masks that come as a folder of DICOM slices, whose pixels hold the labels: I2CVB's form.

Who writes such masks copies headers of the images, or leaves them out: nothing in them counts but the
pixels and, unless names tell, where a slice lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.core.wording import counted
from crossover.imaging.grids import TOLERANCE_MM, spread_mm
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.header import STRUCTURES, Frame, Instance, read_header
from crossover.sources.dicom.landing import LISTED, inside, land_with_findings, values_text
from crossover.sources.dicom.pixels import stored
from crossover.sources.dicom.planes import assembled, directions, step_of
from crossover.sources.dicom.stacks import Stack
from crossover.sources.findings import Finding, Refused, join_findings
from crossover.sources.segment_names import values_in

Slice = tuple[Instance, Frame]


def mask_series(
    files: Sequence[FileRef],
    labels: Sequence[int | str] | None,
    grid: sitk.Image,
    image: Sequence[Slice] = (),
    by: Literal["positions", "names"] = "positions",
) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Return the voxels (slices, rows, columns) of an image with one of `labels` in a mask's slices.

    Values are those stored x slope + intercept. Where slices are missing the mask is empty.

    Args:
        files: all that lies in the mask's folder.
        labels: values; names are refused, since slices name no segments; None: any value but 0.
        grid: the image's grid.
        image: the image's planes in the order of the grid's slices.
        by: what says where a slice belongs: its position, or its file's name, which is that of an image.

    Raises:
        Refused: structure-refused, structure-missing, structure-empty, structure-outside, no-geometry, colour,
            or why the pixels can't be read.
    """
    slices, findings = _slices(files)
    names = {i.file.name: k for k, (i, _) in enumerate(image)}
    unique = names if len(names) == len(image) else {}
    if by == "names":
        places = _by_names(slices, unique, grid)
    else:
        places = _by_positions(slices, grid)
        findings += _order(slices, unique, image)
    if doubled := len(places) - len(set(places)):
        raise Refused("structure-refused", f"{doubled} of its slices have the same place as another")
    chosen = _chosen(slices, values_in([], labels)[None])
    held = [k for k, plane in enumerate(chosen) if plane.any()]
    if by == "names":
        volume = _on_slices({places[k]: chosen[k] for k in held}, grid)
    else:
        volume = _where_they_lie([(slices[k][1], chosen[k]) for k in held], grid)
    mask, clipped = land_with_findings(volume, grid)
    return mask, findings + clipped + _gap(places, held)


def _slices(files: Sequence[FileRef]) -> tuple[list[Slice], list[Finding]]:
    """Return all planes in the files, of one size, and what is wrong with the other files."""
    read = [read_header(file, mask=True) for file in files]
    wrong = [r for r in read if isinstance(r, Finding)]
    instances = [r for r in read if isinstance(r, Instance)]
    for what, odd in {
        "SEG or RTSTRUCT objects: name their structure under `structures:`": [
            i for i in instances if i.modality in STRUCTURES
        ],
        "files of several frames without a place for each": [i for i in instances if i.image.count != len(i.frames)],
    }.items():
        if odd:
            tokens = [i.file.token for i in odd]
            raise Refused("structure-refused", f"its folder contains {len(odd)} {what}", tokens)
    if not instances:
        error = next((f for f in wrong if f.severity == "error"), None)
        if error:
            raise Refused(error.code, error.what, error.files)
        what = f"no file in its folder is a DICOM slice (of {counted(len(files), 'file')})"
        raise Refused("structure-refused", what)
    if colour := [i.file.token for i in instances if i.samples != 1 or i.palette]:
        raise Refused("colour", f"{len(colour)} of its slices contain colours instead of labels", colour)
    if len({(i.rows, i.columns) for i in instances}) > 1:
        raise Refused("structure-refused", "its slices differ in size")
    return [(i, frame) for i in instances for frame in i.frames], join_findings(wrong)


def _by_names(slices: Sequence[Slice], names: dict[str, int], grid: sitk.Image) -> list[int]:
    """Return the grid's slice of each mask's slice, by the name of its file."""
    size = (slices[0][0].columns, slices[0][0].rows)
    if size != grid.GetSize()[:2]:
        own, other = (" x ".join(map(str, s)) for s in (size, grid.GetSize()[:2]))
        raise Refused("structure-refused", f"its slices have {own} pixels, and the image's have {other}")
    if not names:
        what = "several slices of the image have the same file name, so that `slices: names` cannot be used"
        raise Refused("structure-refused", what)
    if strange := [i.file.token for i, _ in slices if i.file.name not in names]:
        what = f"{len(strange)} of its {len(slices)} slices have a file name that no slice of the image has"
        raise Refused("structure-refused", what, strange)
    return [names[i.file.name] for i, _ in slices]


def _by_positions(slices: Sequence[Slice], grid: sitk.Image) -> list[int]:
    """Return each slice's number along the mask's normal, counted by the image's spacing."""
    frames = [frame for _, frame in slices]
    bare = sum(not (f.position and f.orientation and f.spacing) for f in frames)
    if bare:
        what = f"{bare} of its {len(frames)} slices lack position, orientation or pixel spacing"
        raise Refused("no-geometry", f"{what}; if the slices' files are named as the image's, set `slices: names`")
    turns, spacings = [f.orientation for f in frames], [f.spacing for f in frames]
    one = slices[0][0]
    if spread_mm(turns, spacings, (one.rows, one.columns)) > TOLERANCE_MM:
        raise Refused("structure-refused", "its slices differ in orientation or pixel spacing")
    along = np.array([f.position for f in frames]) @ directions(frames[0])[:, 2]
    return np.round((along - along.min()) / step_of(grid, frames[0])).astype(int).tolist()


def _on_slices(planes: Mapping[int, NDArray[np.bool_]], grid: sitk.Image) -> sitk.Image:
    values = np.zeros(grid.GetSize()[::-1], np.uint8)
    for k, plane in planes.items():
        values[k] = plane
    return on_grid(values, grid)


def _where_they_lie(planes: list[tuple[Frame, NDArray[np.bool_]]], grid: sitk.Image) -> sitk.Image:
    """Place a mask's slices as far apart as the image's, since headers round this distance.

    `land_with_findings` measures the difference.
    """
    first = planes[0][0]
    step = step_of(grid, first)
    along = np.array([frame.position for frame, _ in planes]) @ directions(first)[:, 2]
    extent = float(np.ptp(along))
    return assembled(planes, extent / max(1, round(extent / step)) or step, grid)


def _order(slices: Sequence[Slice], names: dict[str, int], image: Sequence[Slice]) -> list[Finding]:
    """Warn where most of the slices lie elsewhere than the image's files of their names."""
    pairs = [(f, image[names[i.file.name]][1]) for i, f in slices if i.file.name in names]
    apart = [np.linalg.norm(np.subtract(a.position, b.position)) for a, b in pairs]
    off = sum(mm > TOLERANCE_MM for mm in apart)
    if 2 * off <= len(pairs):
        return []
    what = f"{off} of {len(pairs)} slices have another position than the image's file of the same name"
    return [Finding("mask-order", what)]


def _chosen(slices: Sequence[Slice], labels: list[int] | None) -> list[NDArray[np.bool_]]:
    """Return the pixels of each slice that hold one of the labels."""
    out, there = [], set()
    for (_, frame), values in zip(slices, stored(Stack(tuple(slices))), strict=True):
        scaling = (frame.slope, frame.intercept)
        if scaling != (1.0, 0.0):
            values = values * frame.slope + frame.intercept
        out.append(inside(values, labels, scaling))
        there |= set(np.unique(np.round(values, 3))[: LISTED + 1].tolist())
    if all(plane.all() for plane in out):
        raise Refused("structure-refused", "every pixel of its slices is inside the structure, and none is background")
    if not any(plane.any() for plane in out):
        what = f"none of its {len(slices)} slices contains the structure; their values are {values_text(there)}"
        raise Refused("structure-empty", what)
    return out


def _gap(places: Sequence[int], held: Sequence[int]) -> list[Finding]:
    """Warn where slices are missing between those that hold the structure."""
    first, last = (f(places[k] for k in held) for f in (min, max))
    missing = last - first + 1 - sum(first <= place <= last for place in places)
    what = f"{counted(missing, 'slice')} missing between the first and the last slice that contain it"
    return [Finding("contours-skip", what)] if missing else []
