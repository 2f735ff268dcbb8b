"""Cases from a folder of NIfTI or NRRD volumes with a table of patients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Formatter

import nibabel as nib
import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.imaging.volumes import on_grid
from crossover.sources.pseudonyms import case_names
from crossover.sources.settings import VolumesSource


class VolumesError(ValueError):
    """What the folder or its table lack, all findings at once."""


def read_table(source: VolumesSource, root: Path) -> pd.DataFrame:
    """The rows of this cohort, indexed by patient, all values as text.

    Raises:
        VolumesError: for a missing table or column, doubled patients, no row, or missing files.
    """
    path = root / source.table
    if not path.exists():
        raise VolumesError(f"{path} does not exist; `table:` names the table of patients")
    table = pd.read_csv(path, dtype=str)
    names = [*source.channels.values(), *(s.file for s in source.structures.values())]
    asked = {field for name in names for _, field, _, _ in Formatter().parse(name) if field}
    needed = {source.patient, *source.where, *source.variables, *asked}
    if missing := sorted(needed - set(table.columns)):
        raise VolumesError(
            f"{path}: no column {', '.join(missing)}; there are {', '.join(table.columns)}"
        )
    for column, value in source.where.items():
        table = table[table[column] == value]
    table = table.set_index(source.patient, drop=False)
    # Patients are named as their cases are: the message goes into logs.
    names = case_names(source, [str(p) for p in table.index])
    doubled = set(table.index[table.index.duplicated()])
    findings = [f"patient {names[p]} stands in several rows" for p in sorted(doubled)]
    for patient, row in table.iterrows():
        files = _files(source, row.to_dict())
        gone = [what for what, file in files.items() if not (root / file).exists()]
        findings += [f"patient {names[patient]}: the file of {what} is not there" for what in gone]
    if table.empty:
        findings.append(f"no row with {source.where}")
    if findings:
        raise VolumesError(f"{path}:\n" + "\n".join(f"  {f}" for f in findings))
    return table


def rows(source: VolumesSource, root: Path) -> dict[str, dict[str, str]]:
    """Patient, by the table's own identifier -> row. These stay in memory."""
    table = read_table(source, root)
    return {str(p): {str(k): v for k, v in row.items()} for p, row in table.iterrows()}


def _files(source: VolumesSource, row: Mapping[str, str]) -> dict[str, str]:
    channels = {f"channel {n}": file.format(**row) for n, file in source.channels.items()}
    structures = {f"structure {n}": s.file.format(**row) for n, s in source.structures.items()}
    return channels | structures


def patient_files(source: VolumesSource, row: Mapping[str, str]) -> list[str]:
    """The files of one patient, relative to the folder."""
    return sorted(set(_files(source, row).values()))


def _read(path: Path, what: str) -> sitk.Image:
    """An image; what is wrong with it is told without its path, which may hold an identifier."""
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError:
        raise VolumesError(f"{what}: its file is no image that ITK can read") from None


def _finite(path: Path, image: sitk.Image) -> bool:
    """Whether all values are finite; of NIfTI by nibabel, since ITK reads the others as 0."""
    nifti = path.name.endswith((".nii", ".nii.gz"))
    values = nib.load(path).dataobj if nifti else sitk.GetArrayViewFromImage(image)
    return bool(np.isfinite(np.asarray(values)).all())


def read_patient(
    source: VolumesSource, row: Mapping[str, str], root: Path
) -> tuple[dict[str, sitk.Image], dict[str, sitk.Image], dict]:
    """Channels in the files' own unit, structures as 0/1; slices are the third axis of the files.

    Raises:
        VolumesError: where a structure is empty or an image holds values that are not finite.
    """
    files = _files(source, row)
    findings, channels, structures = [], {}, {}
    for name in source.channels:
        image = _read(root / files[f"channel {name}"], f"channel {name}")
        if not _finite(root / files[f"channel {name}"], image):
            findings.append(f"{source.channels[name]} holds values that are not finite")
        channels[name] = image
    for name, structure in source.structures.items():
        image = _read(root / files[f"structure {name}"], f"structure {name}")
        values = sitk.GetArrayViewFromImage(image)
        mask = values != 0 if structure.label is None else values == structure.label
        if not mask.any():
            there = ", ".join(map(str, np.unique(values)[:20]))
            findings.append(f"{structure.file} has no voxel of {name}; values: {there}")
        structures[name] = on_grid(mask.astype(np.uint8), image)
    if findings:
        raise VolumesError("; ".join(findings))
    return channels, structures, {}
