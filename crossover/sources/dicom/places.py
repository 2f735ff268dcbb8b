"""Which of a source's files are images, which are label maps, and whose they are, by where they lie."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from crossover.core.file_names import one_form
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.settings import Export


@dataclass(frozen=True)
class LabelMapFiles:
    """What one label map comes in."""

    files: tuple[FileRef, ...]
    """One file, or all that lie in a folder."""
    folder: bool


NO_LABEL_MAP = "no file or folder matches the pattern of its label map"
"""What is wrong with a structure whose label map is missing."""

Candidates = Mapping[str, LabelMapFiles]
"""All that may be somebody's label map of one structure, by its place below the source."""


def parted(source: Export, files: Sequence[FileRef]) -> tuple[list[FileRef], dict[str, dict[str, LabelMapFiles]]]:
    """Return the files that may hold images, with their patient where a folder tells; and structure -> candidates.

    Raises:
        ValueError: where no file lies where images should.
    """
    maps = {name: candidates(files, m.file) for name, m in source.label_maps.items()}
    taken = {f.token for own in maps.values() for found in own.values() for f in found.files}
    images = [f for f in files if f.token not in taken]
    if source.images is not None:
        wanted = matcher(source.images, None, "(/.*)?")
        images = [f for f in images if wanted.fullmatch(f.place)]
        if not images:
            what = f"none of the {len(files)} files matches `images: {source.images}`"
            raise ValueError(f"{what}: write this path relative to the source's `folder`")
    if source.patients == "folder":
        images = [replace(f, patient=first_folder(f)) for f in images]
    return images, maps


def first_folder(file: FileRef) -> str:
    """Return the first folder below the source that a file lies in; "" for one that lies in none."""
    return file.place.rpartition("/")[0].split("/")[0]


def candidates(files: Iterable[FileRef], pattern: str) -> dict[str, LabelMapFiles]:
    """Find the files that a label map's pattern fits for any patient, or all files in folders that it fits."""
    wanted = matcher(pattern)
    found: dict[str, LabelMapFiles] = {}
    for file in files:
        folder = file.place.rpartition("/")[0]
        if wanted.fullmatch(folder):
            before = found[folder].files if folder in found else ()
            found[folder] = LabelMapFiles((*before, file), folder=True)
        elif wanted.fullmatch(file.place):
            found[file.place] = LabelMapFiles((file,), folder=False)
    return found


def of_patient(found: Candidates, pattern: str, patient: str, patients: Collection[str]) -> list[LabelMapFiles]:
    """Return the candidates of one patient; there is one unless something is wrong.

    A candidate that fits several identifiers, as "P1_2.nii.gz" fits "P1" and "P1_2", is that of the longest.

    Args:
        patients: the identifiers of all patients.
    """
    pattern, patient = one_form(pattern), one_form(patient)
    wanted = matcher(pattern, patient)
    there = [(one_form(place), files) for place, files in found.items()]
    own = [(place, files) for place, files in there if wanted.fullmatch(place)]
    others = map(one_form, patients if own else ())
    longer = [matcher(pattern, p) for p in others if len(p) > len(patient) and patient in p]
    return [files for place, files in own if not any(other.fullmatch(place) for other in longer)]


def matcher(pattern: str, patient: str | None = None, more: str = "") -> re.Pattern[str]:
    """Return a pattern of paths as a regular expression.

    Args:
        pattern: with `{patient}`, `*` and `**/`, see `settings.LabelMap`.
        patient: the patient whose paths it fits; any by default.
        more: a regular expression for what follows the pattern.
    """
    parts = re.split(r"(\*\*/|\*?\{patient\}\*?|\*)", pattern)
    return re.compile("".join(_meaning(part, patient) for part in parts) + more, re.DOTALL)


def _meaning(part: str, patient: str | None) -> str:
    if part in ("**/", "*"):
        return {"**/": "(?:.*/)?", "*": "[^/]*"}[part]
    if "{patient}" not in part:
        return re.escape(part)
    # A star beside a patient "7" is neither the 1 of "17" nor the 0 of "70".
    mark = r"(?:[^\w/]|_)"
    before = f"(?:[^/]*{mark})?" if part.startswith("*") else ""
    after = f"(?:{mark}[^/]*)?" if part.endswith("*") else ""
    return before + ("[^/]+" if patient is None else re.escape(patient)) + after
