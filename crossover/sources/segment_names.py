"""The names of the segments in 3D Slicer's .seg.nrrd, whose numbers do not tell what was drawn.

Slicer numbers segments in the order in which they were added, so that a number may be another structure in the next
patient's file. Names are text of a file, which no finding quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import SimpleITK as sitk

from crossover.core.wording import counted
from crossover.sources.findings import Refused


class Segment(NamedTuple):
    """A segment as a file's header has it."""

    name: str
    label: int
    """Its value in the file."""
    layer: int | None
    """Which of a voxel's numbers has this value; None where a voxel has one number, so that no segments overlap."""


def segments_in(path: Path) -> list[Segment]:
    """Return the named segments of a .seg.nrrd; none of any other file, or where `read_volume` refuses it."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    try:
        with path.open("rb") as file:
            if file.read(4) != b"NRRD":
                return []
        reader.ReadImageInformation()
    except (OSError, RuntimeError):
        return []
    told = {key: reader.GetMetaData(key).strip() for key in reader.GetMetaDataKeys()}
    layered = reader.GetNumberOfComponents() > 1
    numbers = sorted(int(key[1]) for name in told if (key := re.fullmatch(r"Segment(\d+)_Name", name)))
    return [
        Segment(
            told[f"Segment{n}_Name"],
            _whole(told.get(f"Segment{n}_LabelValue", ""), 1),  # files without it have a layer for each segment
            _whole(told.get(f"Segment{n}_Layer", ""), n) if layered else None,
        )
        for n in numbers
    ]


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isdecimal() else otherwise


def values_in(segments: Sequence[Segment], labels: Sequence[int | str] | None) -> dict[int | None, list[int] | None]:
    """Return layer -> the values in it that are a structure; None: any but 0.

    Args:
        segments: those of a file.
        labels: values, and names of segments, of which a file need not have all; None: any value but 0.

    Raises:
        Refused: structure-missing, where the file has no segment of the names; structure-doubled, where two have one
            name; structure-refused, where a number leaves open which layer is meant.
    """
    layers: list[int | None] = list(dict.fromkeys(segment.layer for segment in segments)) or [None]
    if labels is None:
        return {layer: None for layer in layers}
    named = [s for label in labels if isinstance(label, str) for s in _called(label, segments)]
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers and len(layers) > 1:
        what = f"its segments may overlap and lie in {len(layers)} layers, each with its own numbers: give the name of "
        raise Refused("structure-refused", f"{what}the segment as `label` in place of a number")
    if not named and not numbers:
        none = f"none of its {counted(len(segments), 'named segment')} has a name that `label` gives"
        what = none if segments else "`label` gives a name, and the file names no segments: give a number"
        raise Refused("structure-missing", what)
    out: dict[int | None, list[int] | None] = {layers[0]: numbers} if numbers else {}
    for segment in named:
        out[segment.layer] = [*(out.get(segment.layer) or ()), segment.label]
    return out


def _called(name: str, segments: Sequence[Segment]) -> list[Segment]:
    found = [segment for segment in segments if _plain(segment.name) == _plain(name)]
    if len(found) > 1:
        raise Refused("structure-doubled", f"{len(found)} of its segments have one name, which `label` gives")
    return found


def _plain(name: str) -> str:
    """Return a name without what does not count: case, and how many blanks there are."""
    return " ".join(name.casefold().split())


def names_of(segments: Sequence[Segment], labels: Sequence[int | str] | None) -> list[str]:
    """Return how a file's segments with some numbers are called, sorted, in the form in which names are compared.

    Returns:
        Nothing where `labels` has no number, so that none needs to mean the same in all files.
    """
    return sorted(_plain(segment.name) for segment in segments if segment.label in (labels or ()))
