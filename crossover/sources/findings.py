"""What is right and wrong with received files, in words that identify nobody.

A finding is made of a code, numbers and our own words: no text that stands in a file (a name, a
description, a path) is ever part of it, since such text may say who the patient is. Files are named by
`FileRef.token`; `crossover reidentify` prints on the terminal what a token or a case stands for.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

Severity = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """One kind of finding: how bad it is, and what to do about it."""

    severity: Severity
    remedy: str


KINDS: dict[str, Kind] = {
    # files
    "no-image": Kind("note", "nothing: such objects hold no image that could be a channel"),
    "not-dicom": Kind("note", "nothing, if these files are no images; else export them again"),
    "truncated": Kind("error", "copy or export the file again"),
    "unreadable": Kind("error", "export the file again; if it stays, send us its kind, not the file"),
    "duplicate-file": Kind("note", "nothing: one copy was used"),
    "inconsistent-instances": Kind("error", "export the study again: one instance has two contents"),
    "deflated": Kind("error", "convert with `dcmconv +te` (DCMTK)"),
    "too-large": Kind("error", "check the file: it declares more than any examination holds"),
    "zip-refused": Kind("error", "unpack the archive yourself, where you trust it"),
    "link-skipped": Kind("warning", "copy the folder in, or give it as the source"),
    "too-deep": Kind("warning", "move the files nearer to the source's top"),
    "dicomdir-missing": Kind("warning", "copy the medium again: its index lists files that are gone"),
    "no-patient": Kind("error", "give the files a PatientID (0010,0020), or tell patients by `patients: folder`"),
    "reader-crashed": Kind("error", "export the series again, uncompressed"),
    # images
    "no-hu": Kind("error", "export the original CT: without its rescale, values are not HU"),
    "series-missing": Kind("error", "export the series, or change the rule under `series:`"),
    "series-ambiguous": Kind("error", "add to the rule what `crossover inspect` proposes: a plane, a description"),
    "series-combined": Kind("warning", "nothing, if a mean over directions is meant"),
    "series-repeated": Kind("note", "nothing: the rule says which of several is taken"),
    "series-unlike": Kind("warning", "look at the series; name theirs by `description`"),
    "series-preferred": Kind("note", "nothing: the structures were drawn on the chosen series"),
    "mosaic": Kind("error", "export the original mosaics, or split them with dcm2niix"),
    "slices-touching": Kind("warning", "nothing, if slices lie without gaps; else split the mosaics with dcm2niix"),
    "colour": Kind("error", "export the measured images: colour holds no measurement"),
    "burnt-in": Kind("error", "export images without annotations burnt into the pixels"),
    "no-decoder": Kind("error", "install the named decoder, or export uncompressed"),
    "pixels-unreadable": Kind("error", "export the series again, uncompressed"),
    "bits-contradict": Kind("error", "export the series again: its header contradicts its pixels"),
    "no-geometry": Kind("error", "export the original series: positions and spacing are missing"),
    "mixed-orientation": Kind("error", "name one `plane`, or export the series alone"),
    "mixed-matrix": Kind("error", "export the series again: its images differ in size or spacing"),
    "too-few-slices": Kind("error", "export the whole series"),
    "one-position": Kind("error", "choose another series: this one is no volume"),
    "missing-slice": Kind("error", "export the series again, whole"),
    "doubled-slice": Kind("error", "export each series once; split repeated measurements"),
    "uneven-slices": Kind("error", "choose a series with even spacing, or resample it yourself"),
    "gantry-tilt": Kind("error", "export a reconstruction without tilt, or resample it yourself"),
    "non-finite": Kind("error", "export the image again: it holds values that are not numbers"),
    "constant": Kind("error", "choose another image: all its values are the same"),
    "adc-unit": Kind("error", "export the map with its unit, or let it be computed"),
    "adc-computed": Kind("note", "nothing: the map was fitted as the study declares"),
    "adc-implausible": Kind("warning", "look at the map and at what it was fitted from"),
    "b-calculated": Kind("note", "nothing: the rule takes calculated images"),
    "b-doubtful": Kind("warning", "look at the image: it may be of another measurement"),
    "other-grid": Kind("error", "export channels on one grid, or resample them: `other_grids: linear`"),
    "resampled": Kind("note", "nothing, if nobody moved between the two: no registration is made"),
    "two-frames": Kind("error", "contour on the chosen series, or register the two"),
    # structures
    "structure-missing": Kind("error", "add its name under `structures:` (`crossover reidentify` shows all)"),
    "structure-doubled": Kind("error", "remove one, or tell by colour, reader, series, file or order which is meant"),
    "structure-named": Kind("note", "nothing, if that is the structure: no name or label matched"),
    "structure-preferred": Kind("note", "nothing: the one drawn on the chosen series was taken"),
    "name-ambiguous": Kind("warning", "look at which was taken; else name it by what it alone has"),
    "structure-empty": Kind("error", "contour it, or leave the case out"),
    "structure-outside": Kind("error", "contour inside the image, or export the whole image"),
    "structure-refused": Kind("error", "export whole-number labels on the image's grid"),
    "structure-clipped": Kind("warning", "look at the border: what lies beyond the image is cut off"),
    "ends-cut": Kind("note", "nothing: the study has `blank_ends: cut`"),
    "outline-shown": Kind("warning", "take images that were not blanked, or cut off such ends: `blank_ends: cut`"),
    "sides-swapped": Kind("warning", "look at left and right: the names or the image's orientation may be exchanged"),
    "numbers-shared": Kind("error", "export again: by their numbers, structures can't be told apart"),
    "numbers-unknown": Kind("warning", "look at the object: part of it belongs to no structure"),
    "contours-redrawn": Kind("error", "delete one of the two outlines of each slice"),
    "contours-doubled": Kind("warning", "look at the slices: an outline stands there twice"),
    "contours-overlap": Kind("warning", "look at the slices: make one outline of those that cross"),
    "contours-skip": Kind("warning", "look at the gap: slices between contours or masks stay empty"),
    "contours-spread": Kind("note", "nothing: contours lie apart, each fills half-way to the next"),
    "contours-passed": Kind("note", "nothing: points and open lines enclose no volume"),
    "mask-short": Kind("warning", "look at the slices beyond its end, which count as outside; export it whole"),
    "mask-order": Kind("warning", "look at the mask; if the files' names are right: `slices: names`"),
    "half-pixel": Kind("warning", "look at the edges: positions were taken for pixels' corners"),
    "fractional": Kind("note", "nothing: half or more of a fraction counts as inside"),
    # patients
    "rule-unused": Kind("note", "nothing, unless a case of this source is meant: see its name in the report"),
    "study-passed": Kind("note", "nothing, unless a rule under `series:` should match there"),
    "table-read": Kind("note", "nothing: it tells how the table of patients was read"),
    "row-passed": Kind("warning", "correct the rows' cells if they belong to the cohort, or `where:`"),
    "files-missing": Kind("warning", "nothing, if these patients are not meant; else add their files"),
    "several-scans": Kind("note", "nothing: each row is a case, and no split divides a patient's cases"),
    "same-image": Kind("error", "the same images stand under two patients: keep one, or give one ID"),
    "volume-unreadable": Kind("error", "copy or export the file again, whole"),
    "volume-axes": Kind("error", "save one volume a file, with one number a voxel"),
    "volume-header": Kind("error", "resample to right angles, or mend the header (qform, sform, spacing)"),
    "header-forms": Kind("warning", "look at the masks on the image; write one form into both"),
    "no-orientation": Kind("warning", "look at the masks on the image; write the orientation into the header"),
    "file-name": Kind("note", "nothing: the file was read by its content"),
    "volume-refused": Kind("error", "mend the file or the table"),
    "failed": Kind("error", "please report this with the log"),
}  # fmt: skip
"""Every kind of finding. An error excludes its case, a warning wants a look, and a note says what was done."""


class FindingRow(TypedDict):
    """A finding as it stands in a record and in the report."""

    severity: Severity
    code: str
    about: str
    what: str
    remedy: str
    files: list[str]


@dataclass(frozen=True)
class Finding:
    """One finding about a case, or about the folder as a whole."""

    code: str
    what: str
    """What was found, with numbers and units; no text from a file."""
    about: str = ""
    """The channel or structure it concerns: "channel b0"."""
    files: tuple[str, ...] = ()
    """The tokens of the first few files that it is about."""

    @property
    def severity(self) -> Severity:
        """Whether the finding excludes the case, or is only reported."""
        return KINDS[self.code].severity

    @property
    def remedy(self) -> str:
        """What a person can do about it."""
        return KINDS[self.code].remedy

    def row(self) -> FindingRow:
        """Return it for a record and the report."""
        return {
            "severity": self.severity, "code": self.code, "about": self.about, "what": self.what,
            "remedy": self.remedy, "files": list(self.files),
        }  # fmt: skip


class Refused(ValueError):
    """What a reader found that it can't go on with."""

    def __init__(self, code: str, what: str, files: Iterable[str] = ()) -> None:
        super().__init__(f"{code}: {what}")
        self.finding = Finding(code, what, files=tuple(files)[:5])


def join_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Join findings that say the same about several files into one finding."""
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for f in findings:
        together[f.code, f.what] += f.files
    return [
        Finding(code, f"{len(t)} file{'s'[: len(t) > 1]}: {what}", files=tuple(t[:5]))
        for (code, what), t in together.items()
    ]


def describe_unforeseen(error: BaseException) -> str:
    """Return kind and place of an unexpected error; its message is left out, since it may quote a file's text."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"


def table() -> str:
    """Return all kinds of findings as a Markdown table, for docs/findings.md."""
    rows = [f"| `{code}` | {kind.severity} | {kind.remedy} |" for code, kind in KINDS.items()]
    return "\n".join(["| code | severity | what to do |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
