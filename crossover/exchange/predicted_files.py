"""Which file of a folder is which prediction, by the names that tools give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossover.core.image_names import is_volume, stem
from crossover.exchange.study_cases import StudyCase

AFTER = ("", "trans", "seg", "segmentation", "pred", "prediction", "mask", "label", "labels")
"""What tools write behind a case's or structure's name; MONAI's `SaveImage` writes "trans"."""
LABEL_MAP = ""
"""What stands in a structure's place for a label map of all of them."""


@dataclass
class Found:
    """What a folder holds.

    Attributes:
        files: test case -> structure, or `LABEL_MAP` -> its files, of which there should be one.
        training: files of the study's training cases.
        unknown: files that have no name of a case or structure of the study.
    """

    files: dict[StudyCase, dict[str, list[Path]]] = field(default_factory=dict)
    training: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)


class CaseNames:
    """The names of a study's cases: "<cohort>_<case>", and a case's own where no other cohort has it."""

    def __init__(self, cases: Iterable[StudyCase]) -> None:
        cases = list(cases)
        own = [case.case for case in cases]
        names = {case.case: case for case in cases if own.count(case.case) == 1}
        self._names = names | {case.name: case for case in cases}

    def split(self, name: str) -> tuple[StudyCase, str] | None:
        """Return the case that a name begins with, the longest, and what follows; None where there is none."""
        fitting = [n for n in self._names if name == n or name.startswith((f"{n}_", f"{n}-", f"{n}."))]
        if not fitting:
            return None
        longest = max(fitting, key=len)
        return self._names[longest], name[len(longest) + 1 :]


def find(folder: Path, names: CaseNames, structures: Sequence[str], channels: Sequence[str]) -> Found:
    """Assign every image file below a folder.

    nnU-Net calls them `<case>`, MONAI `<case>/<case>_trans`, people `<case>_<structure>` or `<case>/<structure>`.
    """
    found = Found()
    for path in sorted(folder.rglob("*")):
        if not is_volume(path.name) or path.name.startswith("."):
            continue
        assigned = _assigned(path.relative_to(folder), names, structures, channels)
        if assigned is None:
            found.unknown.append(path)
        elif not assigned[0].test:
            found.training.append(path)
        else:
            case, structure = assigned
            found.files.setdefault(case, {}).setdefault(structure, []).append(path)
    return found


def _assigned(
    path: Path, names: CaseNames, structures: Sequence[str], channels: Sequence[str]
) -> tuple[StudyCase, str] | None:
    own = stem(path.name)
    of_case = names.split(own)
    if of_case is None and len(path.parts) > 1:  # the folder has the case's name, the file the structure's
        of_folder = names.split(path.parts[-2])
        of_case = (of_folder[0], own) if of_folder and _structure(of_folder[1], (), channels) is not None else None
    if of_case is None:
        return None
    structure = _structure(of_case[1], structures, channels)
    return None if structure is None else (of_case[0], structure)


def _structure(rest: str, structures: Sequence[str], channels: Sequence[str]) -> str | None:
    """Return the structure that stands behind a case's name, `LABEL_MAP` for none; None where it is something else.

    A channel may stand before it, since MONAI names a prediction after the image's file.
    """
    for before in ("", *channels, "0000"):
        if rest == before or not before or rest.startswith(f"{before}_"):
            left = rest[len(before) :].removeprefix("_")
            for structure in (LABEL_MAP, *structures):
                if left.startswith(structure) and left[len(structure) :].lstrip("_-.") in AFTER:
                    return structure
    return None
