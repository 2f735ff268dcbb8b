"""Received patients -> cases: images and structures on one grid, under names that tell nobody who."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover import items
from crossover.imaging.volumes import write_case
from crossover.provenance import digest, read_json, write_json
from crossover.sources import volumes
from crossover.sources.dicom.reader import read_patient
from crossover.sources.phantom import PhantomSource
from crossover.sources.pseudonyms import pseudonym, secret
from crossover.sources.settings import SeriesRule, Source, Structure, VolumesSource


def make_cases(
    raw: Path,
    manifest: Path,
    source: Source,
    series: dict[str, SeriesRule],
    structures: dict[str, Structure],
    data: Path | None,
    code: str,
    workers: int,
) -> None:
    """Make every case of a cohort, then `patients.csv` beside the manifest.

    Args:
        raw: the cohort's raw manifest.
        data: the folder that its paths are relative to (phantoms: the raw manifest's own).

    Raises:
        crossover.items.ItemsError: naming each patient that could not be made a case, and why.
    """
    received = read_json(raw)["items"]
    names = case_names(source, list(received))
    root = raw.parent if isinstance(source, PhantomSource) else data
    if root is None:
        raise ValueError("cases must be made again: give their folder with DATA=<folder>")
    about = source.model_dump(mode="json", exclude={"patients", "table"})
    settings = digest([about, series, structures, code])
    keys = {
        names[p]: digest([settings, item["files"], item["row"]]) for p, item in received.items()
    }
    patients = {names[p]: (p, item) for p, item in received.items()}
    make = partial(_make, patients, source, series, structures, root)
    content = items.update(manifest, keys, make, workers=workers)
    rows = [
        {"case": case, "patient": case, **i["variables"]} for case, i in content["items"].items()
    ]
    pd.DataFrame(rows).to_csv(manifest.parent / "patients.csv", index=False)


def case_names(source: Source, patients: list[str]) -> dict[str, str]:
    """Patient -> case name: its own where it is public or synthetic, else a pseudonym."""
    public = isinstance(source, PhantomSource) or getattr(source, "identifiers", "") == "public"
    if public:
        return {p: p for p in patients}
    key = secret()
    return {p: pseudonym(p, key) for p in patients}


def _make(patients, source, series, structures, root: Path, case: str, folder: Path) -> dict:
    patient, item = patients[case]
    if isinstance(source, VolumesSource):
        channels, masks, facts = volumes.read_patient(source, item["row"], root)
        variables = {name: item["row"][name] for name in source.variables}
    else:
        base = root / patient if isinstance(source, PhantomSource) else root
        files = [base / file for file in item["files"]]
        channels, masks, facts = read_patient(files, series, structures)
        variables = {k: v for k, v in item["row"].items() if k != "patient"}
    write_case(folder, channels, masks)
    grid = next(iter(channels.values()))
    description = {
        "channels": list(channels),
        "structures": {n: _millilitres(m) for n, m in masks.items()},
        "size": grid.GetSize(),
        "spacing_mm": [round(s, 5) for s in grid.GetSpacing()],
        **facts,
    }
    write_json(folder / "case.json", description)
    return {"variables": variables}


def _millilitres(mask: sitk.Image) -> float:
    voxels = int(sitk.GetArrayViewFromImage(mask).sum())
    return round(voxels * float(np.prod(mask.GetSpacing())) / 1000, 4)
