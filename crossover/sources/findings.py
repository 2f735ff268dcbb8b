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
    "no-image": Kind("note", "nothing to do: these objects contain no image that could be a channel"),
    "not-dicom": Kind("note", "nothing to do if these files are not images; otherwise export them again"),
    "truncated": Kind("error", "copy or export the file again"),
    "unreadable": Kind(
        "error", "allow this user to read it, or export it again; otherwise report the kind of file, not the file"
    ),
    "duplicate-file": Kind("note", "nothing to do: one of the copies was used"),
    "inconsistent-instances": Kind("error", "export the study again: files of one SOPInstanceUID differ"),
    "deflated": Kind("error", "convert the file with `dcmconv +te` (DCMTK)"),
    "too-large": Kind("error", "check the file: it declares, or unpacks to, more data than an examination has"),
    "zip-refused": Kind("error", "unpack the archive yourself, if you trust it, and remove the archive"),
    "link-skipped": Kind("warning", "copy what the link points to into the source, or give it as the source"),
    "too-deep": Kind("warning", "move the files closer to the top folder of the source"),
    "dicomdir-missing": Kind("warning", "copy the medium again: its index lists files that are missing"),
    "no-patient": Kind("error", "add a PatientID (0010,0020) to the files, or identify patients by `patients: folder`"),
    "reader-crashed": Kind("error", "export the series again, uncompressed"),
    # images
    "no-hu": Kind("error", "export the original CT, with its rescale slope and intercept and in HU"),
    "hu-implausible": Kind("warning", "check the image; padding changes z-scores, but no values within a `window`"),
    "values-tabled": Kind("error", "export the image with a rescale slope and intercept instead of a table"),
    "series-missing": Kind("error", "export the series, or change the rule under `series:`"),
    "series-ambiguous": Kind("error", "add what `crossover inspect` proposes to the rule: a plane or a description"),
    "series-combined": Kind("warning", "nothing to do if a mean over the directions is meant"),
    "series-repeated": Kind("note", "nothing to do: the rule states which of several series is taken"),
    "series-unlike": Kind("warning", "check the series; select the right ones by `description`"),
    "series-preferred": Kind("note", "nothing to do: the structures were drawn on the chosen series"),
    "mosaic": Kind("error", "export the original mosaics, or split them with dcm2niix"),
    "slices-touching": Kind("warning", "nothing to do if slices have no gaps; else split the mosaics with dcm2niix"),
    "colour": Kind("error", "export the measured images: colour images contain no measured values"),
    "burnt-in": Kind("error", "export the images without annotations burnt into the pixels"),
    "no-decoder": Kind("error", "install the decoder, if one is named, or export the images uncompressed"),
    "pixels-unreadable": Kind("error", "export the series again, uncompressed"),
    "bits-contradict": Kind("error", "export the series or object again: its header contradicts itself or its pixels"),
    "no-geometry": Kind("error", "export the original series: its positions and spacing are missing"),
    "mixed-orientation": Kind("error", "add a `plane` to the rule, or export the series separately"),
    "mixed-matrix": Kind("error", "export the series again: its images differ in size or spacing"),
    "too-few-slices": Kind("error", "export the complete series"),
    "one-position": Kind("error", "choose another series: this one is not a volume"),
    "missing-slice": Kind("error", "export the complete series again"),
    "doubled-slice": Kind("error", "export each series once; select one of repeated measurements by `repeated`"),
    "slices-alternate": Kind(
        "warning",
        "check the image from slice to slice: if two measurements alternate (phases, energies, echoes), export each as "
        "a series",
    ),
    "series-incomplete": Kind(
        "warning", "check whether images of the series are missing; such headers are often wrong"
    ),
    "no-suv": Kind(
        "warning",
        "export the PET in SUV, unless the network is meant to see activities, which depend on the dose and the body "
        "weight",
    ),
    "uneven-slices": Kind("error", "choose a series with even slice spacing, or resample it yourself"),
    "gantry-tilt": Kind("error", "export a reconstruction without gantry tilt, or resample it yourself"),
    "non-finite": Kind("error", "export the image again: it has NaN or infinite values, or a rescale slope of 0"),
    "constant": Kind("error", "choose another image: all its values are the same"),
    "adc-unit": Kind("error", "export the map with its unit, or have the ADC computed (`computed_from`)"),
    "adc-computed": Kind("note", "nothing to do: the map was fitted as the rule states"),
    "adc-implausible": Kind("warning", "check the map and the images from which it was fitted"),
    "adc-undefined": Kind("warning", "check the contour: it may reach into air, bowel or an artefact"),
    "b-calculated": Kind("note", "nothing to do: the rule allows calculated images"),
    "b-doubtful": Kind("warning", "check the image: it may not belong to a diffusion measurement"),
    "other-grid": Kind("error", "export on one grid, or, where two channels differ, set `other_grids: linear`"),
    "resampled": Kind("note", "nothing to do if the patient did not move in between: images are not registered"),
    "two-frames": Kind("error", "contour the structure on the chosen series, or register the two series"),
    "frames-unlike": Kind(
        "warning", "check that the two channels show the same places: the patient may have been positioned anew"
    ),
    # structures
    "structure-missing": Kind(
        "error",
        "add its name under `structures:` (`crossover reidentify` prints all names), or correct its label map's `file` "
        "or `label`",
    ),
    "structure-doubled": Kind(
        "error",
        "delete one of them; or select one by colour, reader, series, file or order, or label maps by their `file:`",
    ),
    "structure-named": Kind("note", "nothing to do if this is the right structure: no name or label matched"),
    "name-signs": Kind(
        "warning",
        "check that it is the structure that is meant (`GTV-` may be a part of `GTV`); if it is, add its name with all "
        "its signs under `names:` (`crossover reidentify` prints it)",
    ),
    "structure-preferred": Kind("note", "nothing to do: the structure that was drawn on the chosen series was taken"),
    "drawn-elsewhere": Kind(
        "warning",
        "check the structure on the image: organs may have moved between the two series, or its reference is wrong; "
        "select the series that it was drawn on, or add that series to the export",
    ),
    "name-ambiguous": Kind("warning", "check the structure that was taken; if it is wrong, use an unambiguous name"),
    "structure-empty": Kind("error", "contour the structure, or leave the case out"),
    "structure-in-blank-ends": Kind(
        "error",
        "use the patient's whole image, or leave the case out; `blank_ends: keep` in the study's file keeps the ends "
        "of all images, with the outlines that they show",
    ),
    "structure-outside": Kind("error", "contour inside the image, or export the complete image"),
    "structure-refused": Kind(
        "error", "export it again: masks with whole-number labels on the image's grid, contours flat and complete"
    ),
    "structure-clipped": Kind("warning", "check the border: the part of the structure outside the image is cut off"),
    "ends-cut": Kind("note", "nothing to do: the study sets `blank_ends: cut`"),
    "outline-shown": Kind(
        "warning",
        "around the structure the image is blank, so that a network can read the contour off the image's values: use "
        "images that were not blanked, or cut off their blank ends by the line `blank_ends: cut` in the study's file",
    ),
    "structures-exchanged": Kind("warning", "check the two structures: their names or labels may be exchanged"),
    "segments-unlike": Kind(
        "warning",
        "check the names; in `label`, give the segment's name, or a list of its names, in place of its number",
    ),
    "sides-swapped": Kind("warning", "check left and right: the names or the image's orientation may be swapped"),
    "mask-of-model": Kind(
        "note",
        "nothing to do, unless a person corrected what the model drew: then set SegmentAlgorithmType to SEMIAUTOMATIC, "
        "or ApprovalStatus to APPROVED",
    ),
    "mask-automatic": Kind("warning", "check that a person reviewed the mask before it counts as a manual one"),
    "numbers-shared": Kind("error", "export the object again: it uses the number of a structure more than once"),
    "numbers-unknown": Kind("warning", "check the object: part of it belongs to no structure"),
    "contours-redrawn": Kind("error", "delete one of the two outlines of each slice"),
    "contours-doubled": Kind("warning", "check the slices: the same outline occurs twice"),
    "contours-overlap": Kind("warning", "check the slices: combine the outlines that cross into one"),
    "contours-skip": Kind("warning", "check the gap: slices between contours or masks stay empty"),
    "contours-spread": Kind(
        "note", "nothing to do: contours that are not on the slices, or not on each, fill half-way to the next contour"
    ),
    "contours-passed": Kind("note", "nothing to do: contours that are not closed enclose no volume"),
    "contours-lost": Kind(
        "warning",
        "check the slices: the structure lacks what contours enclose that are open or smaller than a voxel; close them",
    ),
    "mask-short": Kind("warning", "check the planes that it lacks, which count as outside; export the complete mask"),
    "mask-shifted": Kind(
        "warning", "check the mask on the image; if it lies wrong, copy the image's geometry into the mask's header"
    ),
    "structures-equal": Kind("warning", "check file and label of both; nothing to do if they are the same here"),
    "channels-equal": Kind("warning", "check the files or rules of both: a channel that repeats another adds nothing"),
    "mask-order": Kind("warning", "check the mask on the image; if its file names are right, set `slices: names`"),
    "half-pixel": Kind("warning", "check the edges: positions were interpreted as the corners of pixels"),
    "fractional": Kind("note", "nothing to do: a fraction of one half or more counts as inside"),
    # patients
    "rule-unused": Kind("note", "nothing to do, unless a case of this source is meant: take its name from the report"),
    "case-renamed": Kind(
        "warning",
        "correct what names these cases: `by_patient`, `allow`, and masks and tables of your own; a patient's "
        "examinations are numbered by date, so one that was added or removed renames the later ones",
    ),
    "study-passed": Kind("note", "nothing to do, unless a rule under `series:` should match a series of this study"),
    "table-read": Kind("note", "nothing to do: this states how the table of patients was read"),
    "row-passed": Kind("warning", "if the rows belong to the cohort, correct their cells or the key `where:`"),
    "files-missing": Kind("warning", "nothing to do if these are not meant to be cases; otherwise add their files"),
    "several-scans": Kind("note", "nothing to do: each row is a case, and no split divides a patient's cases"),
    "values-unlike": Kind(
        "warning", "check the unit and the export: bring all cases to one unit and range, or leave the case out"
    ),
    "plane-unlike": Kind(
        "warning",
        "select one plane by `plane` in the rule; store a volume with the axis of its slices last, as in most others "
        "(docs/ingest.md); or leave the case out",
    ),
    "patients-alike": Kind(
        "error",
        "if they are one person, write the identifier in one way; if all such patients of this source are different "
        "people, set `allow: [patients-alike]`, which excludes none of them",
    ),
    "id-shared": Kind(
        "warning",
        "if they are several people, set `patients: folder` with a folder for each of them, or correct PatientID "
        "(0010,0020); nothing to do if they are one person",
    ),
    "id-doubled": Kind(
        "warning",
        "if they are one person, give all their files the same PatientID (0010,0020), since one may be trained on and "
        "the other tested on; nothing to do if they are different people",
    ),
    "same-image": Kind("error", "the same images occur under two patients: keep one of them, or give both the same ID"),
    "volume-unreadable": Kind("error", "copy or export the complete file again"),
    "volume-axes": Kind("error", "save one volume in each file, with one number for each voxel"),
    "volume-header": Kind("error", "resample to orthogonal axes, or correct the header (forms, voxel size, slope)"),
    "header-forms": Kind("warning", "check the masks on the image; write the same transform into both forms"),
    "no-orientation": Kind("warning", "check the masks on the image; write the orientation into the header"),
    "file-name": Kind("note", "nothing to do: the format was recognised from the content of the file"),
    "volume-refused": Kind("error", "correct the file or the table"),
    "failed": Kind("error", "please report this error with the log"),
}  # fmt: skip
"""Every kind of finding. An error excludes its case, a warning should be checked, and a note says what was done."""

LEAVES_OUT = (
    "inconsistent-instances", "no-hu", "values-tabled", "series-missing", "series-ambiguous", "mosaic", "colour",
    "burnt-in", "pixels-unreadable", "bits-contradict", "no-geometry", "mixed-orientation", "mixed-matrix",
    "too-few-slices", "one-position", "missing-slice", "doubled-slice", "uneven-slices", "gantry-tilt", "non-finite",
    "constant", "adc-unit", "other-grid", "two-frames", "structure-missing", "structure-doubled", "structure-empty",
    "structure-in-blank-ends", "structure-outside", "structure-refused", "numbers-shared", "contours-redrawn",
    "volume-unreadable", "volume-axes", "volume-header", "volume-refused",
)  # fmt: skip
"""The errors that one case's own images and masks cause, so that a study can go on without the case; `crossover new`
allows them, by the name `ONE_CASE`. The other errors leave open whose a file is or whether two patients are one, or are
of this machine or program (a missing decoder, a crash): they may concern every patient, and a person has to decide."""

ONE_CASE = "of-one-case"
"""The name that `allow` has for all of `LEAVES_OUT` together."""


def allowed(allow: Iterable[str]) -> set[str]:
    """Return the codes and cases that `allow` of a source names, `ONE_CASE` replaced by what it stands for."""
    names = set(allow)
    return names | {*LEAVES_OUT} if ONE_CASE in names else names


IN_BLANK_ENDS = "all of it was in the blank ends"
"""What is wrong with a structure of the code structure-in-blank-ends."""

ELSEWHERE = "it was drawn in a frame of reference other than the image's"
"""What is wrong with a structure of the code two-frames."""


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
    rows = [
        f"| `{code}` | {kind.severity}{' of one case' if code in LEAVES_OUT else ''} | {kind.remedy} |"
        for code, kind in KINDS.items()
    ]
    return "\n".join(["| code | severity | what to do |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
