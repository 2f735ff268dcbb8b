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
from crossover.sources.folder import Found, find
from crossover.sources.phantom_settings import PhantomSource
from crossover.sources.pseudonyms import case_names
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
        data: the folder of real data; not used by phantoms.

    Raises:
        crossover.items.ItemsError: naming each patient that could not be made a case, and why.
    """
    received = read_json(raw)["items"]
    sources = _sources(source, raw.parent, received, data)
    about = source.model_dump(mode="json", exclude={"patients", "table"})
    settings = digest([about, series, structures, code])
    keys = {c: digest([settings, item["files"], item["row"]]) for c, item in received.items()}
    make = partial(_make, sources, source, series, structures, data)
    content = items.update(manifest, keys, make, workers=workers)
    rows = [{"case": case, "patient": case, **_row(received[case])} for case in content["items"]]
    pd.DataFrame(rows).to_csv(manifest.parent / "patients.csv", index=False)


def _sources(source: Source, raw: Path, received: dict, data: Path | None) -> dict[str, Found]:
    """Case -> files and row: below the folder `raw` for phantoms, else found again in the data's."""
    if isinstance(source, PhantomSource):
        return {
            case: Found([str(raw / case / file) for file in item["files"]], {})
            for case, item in received.items()
        }
    if data is None:
        raise ValueError("cases must be made again: give their folder with DATA=<folder>")
    found = find(source, data)
    names = case_names(source, list(found))
    return {
        names[p]: Found([str(data / f) for f in patient.files], patient.row)
        for p, patient in found.items()
    }


def _row(received: dict) -> dict:
    """The variables that go on with a case; its name stands for the patient's."""
    return {name: value for name, value in received["row"].items() if name != "patient"}


def _make(
    sources: dict[str, Found], source, series, structures, data: Path | None, case: str, folder: Path
) -> dict:  # fmt: skip
    if isinstance(source, VolumesSource):
        channels, masks, facts = volumes.read_patient(source, sources[case].row, data)
    else:
        files = [Path(file) for file in sources[case].files]
        channels, masks, facts = read_patient(files, series, structures)
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
    return {}


def _millilitres(mask: sitk.Image) -> float:
    voxels = int(sitk.GetArrayViewFromImage(mask).sum())
    return round(voxels * float(np.prod(mask.GetSpacing())) / 1000, 4)
