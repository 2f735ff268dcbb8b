"""Structures of an examination by their names, from RTSTRUCT and SEG, on the grid of an image."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.rtstruct import roi_mask, rois
from crossover.sources.dicom.segmentation import segment_mask, segments
from crossover.sources.findings import Finding, Refused

Drawing = tuple[NDArray[np.bool_], list[Finding]]


class Drawable(NamedTuple):
    """A structure of a dataset: its normal name, frame of reference, and how to draw it on a grid."""

    name: str
    frame_of_reference: str
    draw: Callable[[sitk.Image], Drawing]


def normal_name(name: str) -> str:
    """A name in lower case, without anything but letters and digits: "GTV-1 (prim.)" is "gtv1prim"."""
    # Composed first: else an umlaut would lose its dots where it is written as two characters.
    return "".join(c for c in unicodedata.normalize("NFKC", name).lower() if c.isalnum())


def find_structure(
    there: Sequence[Drawable], names: Sequence[str], grid: sitk.Image, frame_of_reference: str
) -> tuple[sitk.Image, list[Finding]]:
    """The one among an examination's structures with one of `names`, as 0/1 (uint8) on the grid.

    Names are compared by `normal_name`. Of several with the name those in another frame of reference than
    the image's, and then the empty ones, are passed over; the same mask twice counts once.

    Raises:
        Refused: structure-missing, two-frames, structure-doubled, structure-empty, or what
            `roi_mask` and `segment_mask` refuse.
    """
    wanted = {normal_name(name) for name in names} - {""}
    named = [s for s in there if s.name in wanted]
    if not named:
        what = f"none of {len(there)} structures has its name"
        raise Refused("structure-missing", what)
    known = {"", frame_of_reference}
    here = [s for s in named if not frame_of_reference or s.frame_of_reference in known]
    if not here:
        what = "it was drawn in another frame of reference than the image's"
        raise Refused("two-frames", what)
    drawings = _drawings(here, grid)
    if any((mask != drawings[0][0]).any() for mask, _ in drawings[1:]):
        raise Refused("structure-doubled", f"{len(drawings)} structures have its name, and differ")
    mask, findings = drawings[0]
    return on_grid(mask.astype(np.uint8), grid), findings


def _drawings(structures: Sequence[Drawable], grid: sitk.Image) -> list[Drawing]:
    """The masks of those structures that aren't empty.

    Raises:
        Refused: structure-empty where all are, or what else stands against one of them.
    """
    drawings, empty = [], None
    for structure in structures:
        try:
            drawing = structure.draw(grid)
            if not drawing[0].any():
                raise Refused("structure-empty", "it holds no voxel of the image")
            drawings.append(drawing)
        except Refused as refused:
            if refused.finding.code != "structure-empty":
                raise
            empty = refused
    if empty and not drawings:
        raise empty
    return drawings


def drawables(dataset: Dataset) -> Iterator[Drawable]:
    """All structures of an RTSTRUCT or SEG; none of another object."""
    if dataset.get("Modality") == "RTSTRUCT":
        for roi in rois(dataset):
            yield Drawable(normal_name(roi.name), roi.frame_of_reference, partial(roi_mask, roi))
    elif dataset.get("Modality") == "SEG":
        frame = str(dataset.get("FrameOfReferenceUID") or "")
        for number, label in segments(dataset):
            draw = partial(segment_mask, dataset, number)
            yield Drawable(normal_name(label), frame, draw)
