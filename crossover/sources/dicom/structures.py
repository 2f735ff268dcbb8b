"""Structures of an examination by their names, from RTSTRUCT and SEG, on the grid of an image."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import Code, codes

from crossover.core.wording import first_few
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.elements import text
from crossover.sources.dicom.header import references
from crossover.sources.dicom.places import matcher
from crossover.sources.dicom.rtstruct import Roi, roi_mask, rois, unclaimed_contours
from crossover.sources.dicom.segmentation import Segment, segment_mask, segments, unclaimed_frames
from crossover.sources.findings import ELSEWHERE, Finding, Refused
from crossover.sources.settings import StructureName

Drawing = tuple[NDArray[np.bool_], list[Finding]]

BY = ("name", "name's letters and digits", "description", "coded meaning", "number")
"""What a structure may be known by. Of several structures, those count that an earlier one of these finds."""
LOOSE = 1
"""The place in `BY` of what drops signs that may carry meaning: "GTV-" is often a part of "GTV"."""
MANUFACTURER = "Crossover"
"""The Manufacturer (0008,0070) of objects that this program writes."""
AUTOMATIC = "AUTOMATIC"
"""The SegmentAlgorithmType (0062,0008) of what a program drew alone."""
READERS = ("ContentCreatorName", "ReviewerName", "OperatorsName")
"""Who drew all structures of an object."""
ALIKE_COLOUR = 3
"""By how much red, green or blue may differ: SEG rounds colours of another space."""


class Drawable(NamedTuple):
    """A structure of a dataset: what it is known by, where it lies, and how to draw it on a grid."""

    kind: str
    """What the object and the structure in it are called: "SEG segment" or "RTSTRUCT structure"."""
    number: int
    names: tuple[frozenset[str], ...]
    """Its names by each of `BY` but the number, the first by `written_name`, the others by `normal_name`: it may have
    several descriptions and meanings."""
    meaning: str
    """What it is by its code, in the standard's words; "" where they have none for it."""
    frame_of_reference: str
    series: frozenset[str]
    """The UIDs of the series that its object says it was drawn on."""
    draw: Callable[[sitk.Image], Drawing]
    colour: tuple[int, ...] = ()
    """Red, green and blue from 0 to 255; empty where none is given."""
    readers: frozenset[str] = frozenset()
    """The normal names of who drew it."""
    series_number: int = -1
    """The SeriesNumber (0020,0011) of its object."""
    place: str = ""
    """Where its object's file lies below the source."""
    automatic: bool = False
    """Whether its object says that a program drew it alone."""

    def describe(self) -> str:
        """Describe the structure in numbers and closed words only: "SEG segment 2: Lymph node"."""
        return f"{self.kind} {self.number}" + (f": {self.meaning}" if self.meaning else "")

    def known_by(self, names: Collection[str | int]) -> int | None:
        """Return the index in `BY` of what the structure has one of the names by; None where it has none of them."""
        wanted = [name for name in names if isinstance(name, str)]
        forms = (_written(wanted), *[_normal(wanted)] * (len(self.names) - 1))
        place = next((k for k, (own, asked) in enumerate(zip(self.names, forms)) if own & asked), None)
        return len(self.names) if place is None and self.number in names else place

    def fits(self, known: StructureName) -> bool:
        """Return whether the structure has all that an entry gives beside a name and an order."""
        return (
            (known.colour is None or (len(self.colour) == 3 and _apart(self.colour, known.colour) <= ALIKE_COLOUR))
            and (known.reader is None or normal_name(known.reader) in self.readers)
            and known.series_number in (None, self.series_number)
            and (known.file is None or matcher(known.file).fullmatch(self.place) is not None)
        )


def _apart(a: Sequence[int], b: Sequence[int]) -> int:
    return max(abs(x - y) for x, y in zip(a, b))


def normal_name(name: str) -> str:
    """Return a name in lower case with letters and digits only: "GTV-1 (prim.)" becomes "gtv1prim"."""
    # Composed first: else an umlaut would lose its dots where it is written as two characters.
    return "".join(c for c in unicodedata.normalize("NFKC", name).lower() if c.isalnum())


def written_name(name: str) -> str:
    """Return a name in lower case, its words joined, with all other signs: "GTV-1 (old)" becomes "gtv1(old)".

    Blanks, underscores and hyphens join words; between two digits they become a blank, and at the ends of a name
    underscores and hyphens stay: "GTV-" is not "GTV", nor is "PTV 5_4" "PTV54".
    """
    shown = "".join(c for c in unicodedata.normalize("NFKC", name).lower() if c.isprintable() or c.isspace())
    joined = re.sub(r"(?<=[^\W_])[\s_-]+(?=[^\W_])", " ", shown.strip())
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", joined)


def with_name(there: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return the places of those names that are wanted, as they are written; else of those by letters and digits."""
    asked = list(wanted)
    for form in (_written, _normal):
        if found := [k for k, name in enumerate(there) if form([name]) & form(asked)]:
            return found
    return []


def find_structure(
    structures: Sequence[Drawable],
    names: Sequence[str | int | StructureName],
    grid: sitk.Image,
    frame_of_reference: str,
    drawn_on: Sequence[Collection[str]] = (),
    images: Mapping[str, str] = MappingProxyType({}),
) -> tuple[sitk.Image, list[Finding]]:
    """Return the one of an examination's structures with one of `names`, as 0/1 (uint8) on the grid.

    Names are compared with labels and ROI names by `written_name`, else by `normal_name`, else with descriptions,
    else with coded meanings; whole numbers with segment and ROI numbers. Of several, those in another frame of
    reference than the image's, those drawn on another series than the image's where some were drawn on it, and then
    the empty ones, are passed over; the same mask twice counts once.

    Args:
        structures: the structures of the examination.
        names: what the structure may be called.
        grid: the image.
        frame_of_reference: the image's, (0020,0052).
        drawn_on: UIDs of the image's series; then of others that show the same, if no structure was drawn on these.
            Nothing is known of them where it is empty.
        images: what each series of the examination is in closed words, by its UID.

    Raises:
        Refused: structure-missing, two-frames, structure-doubled, structure-empty, or what `roi_mask` and
            `segment_mask` refuse.
    """
    known = {"", frame_of_reference}
    here = [s for s in structures if not frame_of_reference or s.frame_of_reference in known]
    named, findings = _named(here, names)
    if not named and _named(structures, names)[0]:
        raise Refused("two-frames", ELSEWHERE)
    if not named:
        raise Refused("structure-missing", _missing(structures))
    named, passed = _drawn_on(named, drawn_on)
    passed += _drawn_elsewhere(named, frame_of_reference, drawn_on, images)
    drawings = _drawings(named, grid)
    if any((mask != drawings[0][0]).any() for mask, _ in drawings[1:]):
        what = f"{len(drawings)} structures have its name and differ in their voxels: {_listed(named)}"
        raise Refused("structure-doubled", what)
    mask, own = drawings[0]
    if any(s.automatic for s in named):
        passed = [*passed, Finding("mask-automatic", "a program drew it, by its SegmentAlgorithmType")]
    return on_grid(mask.astype(np.uint8), grid), [*findings, *passed, *own]


def _drawn_on(named: list[Drawable], series: Sequence[Collection[str]]) -> tuple[list[Drawable], list[Finding]]:
    """Return those of several that refer to the first series that any refers to; all where none does."""
    for some in series if len(named) > 1 else ():
        if own := [s for s in named if s.series & set(some)]:
            passed = len(named) - len(own)
            what = f"{passed} of {len(named)} structures with its name left out: they refer to other series, or to none"
            return own, [Finding("structure-preferred", what)] if passed else []
    return named, []


def _drawn_elsewhere(
    named: Sequence[Drawable], frame: str, series: Sequence[Collection[str]], images: Mapping[str, str]
) -> list[Finding]:
    """Warn where nothing says that any of the structures was drawn on the image: no series, else no frame of reference.

    All phases of a CT share a frame of reference, and between them organs move.
    """
    known = set().union(*series)
    if not known or any(s.series & known if s.series else frame and s.frame_of_reference == frame for s in named):
        return []
    referred = frozenset().union(*(s.series for s in named))
    if not referred:
        what = "its object names neither the series that it was drawn on nor the image's frame of reference"
    elif others := sorted({images[uid] for uid in referred if uid in images}):
        what = f"it was drawn on another series than the image's: {first_few(others, 3, '; ', 'series')}"
    else:
        what = "it was drawn on a series that is not in the export, by its object's reference"
    return [Finding("drawn-elsewhere", what)]


def _known(there: Sequence[Drawable], known: StructureName) -> list[tuple[int, Drawable]]:
    """Return those for which an entry holds, each with its place in `BY`."""
    fitting = sorted((s for s in there if s.fits(known)), key=lambda s: (s.place, s.number))
    any_name = known.name is None
    found = [(p, s) for s in fitting if (p := 0 if any_name else s.known_by([known.name or ""])) is not None]
    return found if known.order is None else found[known.order - 1 : known.order]


def _named(
    there: Sequence[Drawable], names: Collection[str | int | StructureName]
) -> tuple[list[Drawable], list[Finding]]:
    """Return those with one of the names, by the first of `BY` that tells any; and what else tells some."""
    plain = [name for name in names if not isinstance(name, StructureName)]
    places = [(place, s) for s in there if (place := s.known_by(plain)) is not None]
    for known in (name for name in names if isinstance(name, StructureName)):
        places += [(place, s) for place, s in _known(there, known) if all(s is not other for _, other in places)]
    if not places:
        return [], []
    first = min(place for place, _ in places)
    named = [s for place, s in places if place == first]
    others = [(BY[place], s) for place, s in places if place > max(first, LOOSE)]
    findings = []
    if first == LOOSE:
        what = f"found by its {BY[first]}, since no name has the signs of one that was asked for: {_listed(named)}"
        findings.append(Finding("name-signs", what))
    elif first:
        what = f"found by its {BY[first]}: {_listed(named)}"
        findings.append(Finding("structure-named", what))
    if others:
        by = " or ".join(dict.fromkeys(by for by, _ in others))
        what = f"found by its {BY[first]}: {_listed(named)}; by {by}, it would be {_listed(s for _, s in others)}"
        findings.append(Finding("name-ambiguous", what))
    return named, findings


def _listed(structures: Iterable[Drawable]) -> str:
    lines = list(dict.fromkeys(s.describe() for s in structures))
    return "; ".join(lines[:12] + ([f"{len(lines) - 12} others"] if len(lines) > 12 else []))


def no_such_name(count: int) -> str:
    """Return words that an examination has no structure with a name, and how many it has with other names."""
    return f"none of its {count} structures has this name" if count else "there is no structure in an RTSTRUCT or SEG"


def _missing(there: Sequence[Drawable]) -> str:
    what = no_such_name(len(there))
    coded = [s for s in there if s.meaning]
    return what + (f"; there are {_listed(coded)}" if coded else "")


def _drawings(structures: Sequence[Drawable], grid: sitk.Image) -> list[Drawing]:
    """Return the masks of those structures that aren't empty.

    Raises:
        Refused: structure-empty where all are, or what else stands against one of them.
    """
    drawings, empty = [], None
    for structure in structures:
        try:
            drawing = structure.draw(grid)
            if not drawing[0].any():
                raise Refused("structure-empty", "it contains no voxel of the image")
            drawings.append(drawing)
        except Refused as refused:
            if refused.finding.code != "structure-empty":
                raise
            empty = refused
    if empty and not drawings:
        raise empty
    return drawings


def drawn_by_model(dataset: Dataset) -> bool:
    """Return whether an RTSTRUCT or SEG has masks that a model of this program made and nobody approved."""
    if text(dataset, "Manufacturer") != MANUFACTURER:
        return False
    if dataset.get("Modality") == "RTSTRUCT":
        return text(dataset, "ApprovalStatus") != "APPROVED"
    return any(segment.algorithm == AUTOMATIC for segment in segments(dataset))


def drawables(dataset: Dataset) -> Iterator[Drawable]:
    """Yield all structures of an RTSTRUCT or SEG; none of another object."""
    series = frozenset(references(dataset)) - {""}
    readers = _normal(text(dataset, keyword) for keyword in READERS)
    for own in _of_object(dataset, series):
        yield own._replace(readers=own.readers | readers)


def _of_object(dataset: Dataset, series: frozenset[str]) -> Iterator[Drawable]:
    if dataset.get("Modality") == "RTSTRUCT":
        for roi in rois(dataset):
            yield _of_roi(roi, series)
    elif dataset.get("Modality") == "SEG":
        frame = str(dataset.get("FrameOfReferenceUID") or "")
        for segment in segments(dataset):
            draw = partial(segment_mask, dataset, segment.number)
            yield _of_segment(segment, frame, series, draw)


def unclaimed(dataset: Dataset) -> list[Finding]:
    """Warn of contours or frames of an RTSTRUCT or SEG that belong to none of its structures, by their numbers."""
    return unclaimed_frames(dataset) if dataset.Modality == "SEG" else unclaimed_contours(dataset)


def _of_roi(roi: Roi, series: frozenset[str]) -> Drawable:
    names = (_written([roi.name]), _normal([roi.name]), _normal(roi.descriptions), _normal(_meanings(roi.kind)))
    draw = partial(roi_mask, roi)
    standard = _standard(roi.kind)
    kind, reader = "RTSTRUCT structure", _normal([roi.reader])
    return Drawable(kind, roi.number, names, standard, roi.frame_of_reference, series, draw, roi.colour, reader)


def _of_segment(
    segment: Segment, frame: str, series: frozenset[str], draw: Callable[[sitk.Image], Drawing]
) -> Drawable:
    meanings = list(_meanings(segment.kind))
    for modifier in segment.modifiers:
        for side in _meanings(modifier):
            meanings += [f"{side} {m}" for m in meanings] + [f"{m} {side}" for m in meanings]
    label = [segment.label]
    names = (_written(label), _normal(label), _normal([segment.description]), _normal(meanings))
    standard = ", ".join(filter(None, map(_standard, (segment.kind, *segment.modifiers))))
    return Drawable(
        "SEG segment", segment.number, names, standard, frame, series, draw, segment.colour,
        automatic=segment.algorithm == AUTOMATIC,
    )  # fmt: skip


def _written(names: Iterable[str]) -> frozenset[str]:
    return frozenset(written_name(name) for name in names) - {""}


def _normal(names: Iterable[str]) -> frozenset[str]:
    return frozenset(normal_name(name) for name in names) - {""}


def _meanings(code: Dataset | None) -> list[str]:
    """Return what a code means, as the file says, and in the standard's words."""
    if code is None:
        return []
    return list(filter(None, (str(code.get("CodeMeaning") or ""), _standard(code))))


def _standard(code: Dataset | None) -> str:
    """Return what a code means in the standard's words; "" for one that isn't in its dictionary.

    A file's own words may say anything, also who the patient is.
    """
    if code is None:
        return ""
    scheme, value = (str(code.get(k) or "") for k in ("CodingSchemeDesignator", "CodeValue"))
    own, known = normal_name(str(code.get("CodeMeaning") or "")), _in_dictionary(value, scheme)
    return next((meaning for meaning in known if normal_name(meaning) == own), next(iter(known), ""))


@functools.cache
def _in_dictionary(value: str, scheme: str) -> list[str]:
    """Return what the standard calls a code, which may be several things, the shortest first."""
    if scheme not in ("SCT", "SRT", "DCM"):
        return []
    wanted = Code(value, scheme, "")
    return sorted((code.meaning for code in _dictionary() if code == wanted), key=len)


@functools.cache
def _dictionary() -> list[Code]:
    return [getattr(own, key) for own in (codes.SCT, codes.DCM) for key in own.dir()]
