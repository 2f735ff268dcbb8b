"""Cases from the released form of the OpenKBP challenge: one CSV of flat indices for each image and patient.

A clone of the challenge's repository (github.com/ababier/open-kbp) has `provided-data/<set>/pt_<n>/` with
`ct.csv` (index, value), `<Structure>.csv` (index) and `voxel_dimensions.csv` (mm). Indices count 128 x 128
x 128 voxels in C order, the axes being rows (towards the back), columns (towards the patient's left) and
slices (downwards), as users of the data found; values are HU + 1024, and 0 is everything outside the body
(Babier et al., Medical Physics 48:5549, 2021). In most patients with slices of 2.5 mm, 0 is also what lies beyond the
treated region, but for contoured structures with a margin: see `blanked`. Nothing in the files tells the axes, so each
patient is checked against anatomy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.imaging.volumes import on_grid
from crossover.sources.findings import Finding, Refused
from crossover.sources.pseudonyms import alike_names, case_names
from crossover.sources.reading import Reading, errors_as_findings
from crossover.sources.rows import CaseRow, Rows
from crossover.sources.settings import OpenKbpSource, OtherGrids
from crossover.sources.volumes import VolumesError

SHAPE = (128, 128, 128)
AIR = -1024
VOXEL_SIZES_APART_MM = 0.05
"""The difference (mm) below which voxel sizes are those of one center: the challenge's table of them is rounded."""
DIMENSIONS = "voxel_dimensions.csv"


def rows(source: OpenKbpSource, root: Path) -> Rows:
    """Return where each patient's files lie and its voxel's size, of patients with the source's voxel size only.

    Raises:
        VolumesError: the folder has no patient of that size.
    """
    found = {}
    for path in sorted((root / source.folder).glob(f"*/pt_*/{DIMENSIONS}")):
        spacing = np.loadtxt(path)
        wanted = (source.pixel_mm, source.pixel_mm, source.slice_mm)
        if spacing.shape == (3,) and np.abs(spacing - wanted).max() < VOXEL_SIZES_APART_MM:
            names = ["ct.csv", DIMENSIONS, *(f"{s}.csv" for s in source.structures.values())]
            there = [name for name in sorted(set(names)) if (path.parent / name).exists()]
            row = {"folder": str(path.parent.relative_to(root)), "files": ";".join(there)}
            row |= {f"spacing_{axis}": f"{mm:g}" for axis, mm in zip("xyz", spacing)}
            found[path.parent.name] = row
    if not found:
        size = f"{source.pixel_mm} x {source.pixel_mm} x {source.slice_mm} mm"
        raise VolumesError(f"{root / source.folder}: no */pt_*/{DIMENSIONS} in it gives voxels of {size}")
    cases, alike = case_names(source, list(found)), alike_names(source, found)
    return Rows({cases[p]: CaseRow(cases[p], row, alike[p]) for p, row in found.items()}, [])


def patient_files(source: OpenKbpSource, row: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return the name of each file of one patient that is there -> the file, relative to the folder of the data."""
    return {name: f"{row['folder']}/{name}" for name in row["files"].split(";")}


def read_patient(
    source: OpenKbpSource, row: Mapping[str, str], root: Path, other_grids: OtherGrids = "refuse"
) -> Reading:
    """Read the CT in HU as channel `ct`, and the structures as 0/1; slices run upwards.

    A structure that is missing or empty, or lies where anatomy does not have it, gives a finding,
    volume-refused.
    """
    out = Reading()
    with errors_as_findings(out.findings, ""):
        out.channels, out.structures, wrong = _read(source, row, root)
        out.findings += [Finding("volume-refused", what) for what in wrong]
    return out


def _read(
    source: OpenKbpSource, row: Mapping[str, str], root: Path
) -> tuple[dict[str, sitk.Image], dict[str, sitk.Image], list[str]]:
    """Return channels, structures, and what is wrong with them."""
    folder = root / row["folder"]
    stored = np.zeros(SHAPE, np.float32)
    table = pd.read_csv(folder / "ct.csv", index_col=0)
    np.put(stored, _indices(table, "ct"), table.iloc[:, 0].to_numpy())
    image = sitk.GetImageFromArray(_upright(stored + AIR).astype(np.int16))
    image.SetSpacing([float(row[f"spacing_{axis}"]) for axis in "xyz"])
    masks, findings = {}, []
    for name, file in source.structures.items():
        path = folder / f"{file}.csv"
        if not path.exists():
            findings.append(f"structure {name}: there is no {file}.csv")
            continue
        mask = np.zeros(SHAPE, np.uint8)
        np.put(mask, _indices(pd.read_csv(path, index_col=0), name), 1)
        masks[name] = on_grid(_upright(mask), image)
        if not mask.any():
            findings.append(f"structure {name}: {file}.csv contains no voxel")
    findings += _misplaced({source.structures[n]: m for n, m in masks.items()})
    return {"ct": image}, masks, findings


def _indices(table: pd.DataFrame, what: str) -> np.ndarray:
    indices = table.index.to_numpy()
    whole = np.issubdtype(indices.dtype, np.integer)
    if len(indices) and (not whole or indices.min() < 0 or indices.max() >= np.prod(SHAPE)):
        most = np.prod(SHAPE) - 1
        raise Refused("volume-refused", f"{what}: its file has indices that are not whole numbers from 0 to {most}")
    return indices.astype(int)


def _upright(stored: np.ndarray) -> np.ndarray:
    """Return (rows, columns, slices downwards) as (slices upwards, rows, columns)."""
    return stored[:, :, ::-1].transpose(2, 0, 1)


ANATOMY = (
    ("RightParotid", "LeftParotid", 2, "the left parotid gland lies right of the right one"),
    ("SpinalCord", "Brainstem", 0, "the brain stem lies below the spinal cord"),
    ("Mandible", "SpinalCord", 1, "the mandible lies behind the spinal cord"),
)
"""Structure with the smaller index, with the larger, along the axis, and what is wrong where it is not so."""


def _misplaced(masks: Mapping[str, sitk.Image]) -> list[str]:
    """Return what shows that the axes are not as assumed."""
    centre = {
        name: np.argwhere(sitk.GetArrayViewFromImage(mask)).mean(axis=0)
        for name, mask in masks.items()
        if sitk.GetArrayViewFromImage(mask).any()
    }
    return [
        f"{what}: the axes of the files are not those of the release"
        for low, high, axis, what in ANATOMY
        if {low, high} <= set(centre) and centre[low][axis] >= centre[high][axis]
    ]
