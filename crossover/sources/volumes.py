"""Cases from a folder of NIfTI or NRRD volumes with a table of patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.imaging.grids import GeometryError, reoriented
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.landing import contradictory, landed
from crossover.sources.findings import Refused
from crossover.sources.pseudonyms import case_names
from crossover.sources.reading import Reading, kept
from crossover.sources.settings import VolumesSource
from crossover.sources.volume_file import read_image, read_mask


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


def read_patient(source: VolumesSource, row: Mapping[str, str], root: Path) -> Reading:
    """Channels in the files' own unit, structures as 0/1, and every finding.

    All lie on the first channel's grid: an image with the same voxels may store its axes in another order or
    direction, and a mask may cover a part of them. Slices are the third axis of the first channel's file.
    """
    out, files = Reading(), _files(source, row)
    for name in source.channels:
        about = f"channel {name}"
        with kept(out.findings, about):
            image, findings = read_image(root / files[about])
            out.findings += [replace(f, about=about) for f in findings]
            out.channels[name] = _on_first(image, out.channels)
    grid, doubtful = next(iter(out.channels.values()), None), contradictory(out.findings)
    for name, structure in source.structures.items():
        about = f"structure {name}"
        with kept(out.findings, about):
            labels = None if structure.label is None else [structure.label]
            image, findings = read_mask(root / files[about], labels)
            out.findings += [replace(f, about=about) for f in findings]
            if grid is not None:
                mask, findings = landed(image, grid, doubtful or contradictory(findings))
                out.structures[name] = on_grid(mask.astype(np.uint8), grid)
                out.findings += [replace(f, about=about) for f in findings]
    return out


def _on_first(image: sitk.Image, channels: Mapping[str, sitk.Image]) -> sitk.Image:
    """An image on the grid of the first of the channels before it."""
    for name, grid in channels.items():
        try:
            return reoriented(image, grid)
        except GeometryError as error:
            what = f"not on the grid of channel {name}: {error}"
            raise Refused("other-grid", what) from None
    return image
