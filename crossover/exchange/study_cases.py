"""The cases of a study as they leave: which there are, and how their files get to another folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core.configuration import ConfigError
from crossover.imaging.grids import reoriented
from crossover.imaging.volumes import image_path, read, read_grid, structure_path, write
from crossover.study.schema import Study
from crossover.study.splits import read_splits

TEXTS = ("descrip", "aux_file", "intent_name", "db_name", "data_type")
"""Fields of a NIfTI header that hold text: a scanner's or converter's may say who the patient is."""

SINGLE = 1e-5
"""How far off numbers of a NIfTI header may be, in mm and as cosines: it holds them in single precision."""


@dataclass(frozen=True)
class StudyCase:
    """One case of a study, with where it lies."""

    cohort: str
    case: str
    patient: str
    test: bool
    folder: Path

    @property
    def name(self) -> str:
        """The case's name outside the study; its own name is unique in its cohort only."""
        return f"{self.cohort}_{self.case}"


def splits_of(study: Study, results: Path) -> pd.DataFrame:
    """Return the study's splits.

    Raises:
        ConfigError: the results have none.
    """
    path = results / study.study / "splits.csv"
    if not path.exists():
        raise ConfigError(
            f"{path} does not exist: run the study first (crossover run {study.study} --scale {study.scale})"
        )
    return read_splits(path)


def study_cases(study: Study, results: Path, structures: Sequence[str]) -> list[StudyCase]:
    """Return the cases that the study's splits name, in the order of cohorts and cases.

    Args:
        study: the study.
        results: the folder of all studies' results; the cases lie in data/cases beside it.
        structures: those that are needed of each case.

    Raises:
        ConfigError: cohorts are not the study's, files are missing, or two names are one outside the study;
        the message names each.
    """
    table = splits_of(study, results).drop_duplicates(["cohort", "case"]).sort_values(["cohort", "case"])
    home = results.parent / "data/cases"
    cases = [
        StudyCase(row.cohort, row.case, row.patient, row.part == "test", home / row.cohort / row.case)
        for row in table.itertuples()
    ]
    findings = [
        f"the study has no cohort {c}, which splits.csv names" for c in sorted({*table.cohort} - {*study.cohorts})
    ]
    for case in cases:
        files = [image_path(case.folder, c) for c in study.channels]
        files += [structure_path(case.folder, s) for s in structures]
        findings += [f"{path} does not exist" for path in files if not path.exists()]
    names = pd.Series([case.name for case in cases], dtype=str)
    findings += [f"{name}: several cases would have this name" for name in names[names.duplicated()].unique()]
    if findings:
        raise ConfigError("\n".join(findings))
    return cases


def chosen_structures(study: Study, names: Sequence[str]) -> list[str]:
    """Return the structures that are exported, in the study's order: all where none is named.

    Raises:
        ConfigError: the study lacks some of them; the message names these.
    """
    if wrong := [name for name in names if name not in study.structures]:
        raise ConfigError(
            f"study {study.study} has no structure {', '.join(wrong)}; it has {', '.join(study.structures)}"
        )
    return [name for name in study.structures if not names or name in names]


@contextmanager
def folder_of_its_own(out: Path) -> Iterator[Path]:
    """Yield a folder to write to that becomes `out` where nothing fails, so that half an export has no such name.

    Raises:
        ConfigError: there is something at `out`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists already: name a folder that does not exist or is empty")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield part
        part.chmod(0o755)
        part.replace(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_ordered(path: Path, value: dict | list) -> None:
    """Write JSON with keys in the order given, in which other tools number labels and regions."""
    path.write_text(json.dumps(value, indent=1) + "\n")


def hand_over(source: Path, target: Path, grid: sitk.Image) -> None:
    """Put a NIfTI file of a case at another place: a hard link, or a copy on another file system.

    It is written anew where its header holds text, or where its grid is the given one within our tolerance only, since
    other tools have their own.

    Raises:
        ConfigError: there is something at `target`; written to, it could be the linked file of a case.
    """
    if target.exists():
        raise ConfigError(f"{target.name}: two files of the export would have this name: rename a channel or structure")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not _identical(read_grid(source), grid) or _has_text(source):
        write(reoriented(read(source), grid), target)
        return
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _identical(a: sitk.Image, b: sitk.Image) -> bool:
    own, other = ((*i.GetSpacing(), *i.GetOrigin(), *i.GetDirection()) for i in (a, b))
    return a.GetSize() == b.GetSize() and np.allclose(own, other, rtol=0, atol=SINGLE)


def _has_text(path: Path) -> bool:
    header: Any = nibabel.load(path).header
    return bool(header.extensions) or any(bytes(header[name]).strip(b"\0 ") for name in TEXTS)
