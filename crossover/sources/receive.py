"""Receive a cohort: what its source holds, patient by patient, as one manifest.

`data/raw/<cohort>/manifest.json` lists each patient with the digests of the files. Phantoms are written
there; real data stay where they are, and nothing that identifies is written.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from crossover import items
from crossover.provenance import digest, file_digest, write_json
from crossover.sources.folder import find
from crossover.sources.phantom import PhantomSource, patient_id, write_clinical, write_patient
from crossover.sources.pseudonyms import case_names
from crossover.sources.settings import DicomSource, Source, VolumesSource


def receive(
    source: Source, manifest: Path, data: Path | None, code: str, workers: int, listing: str | None
) -> None:
    """Write a cohort's raw manifest.

    Args:
        data: folder of the real data; not used by phantoms.
        code: digest of the code that phantoms are made by.
        listing: digest of the folder's listing, kept so that a later run without the folder knows it.

    Raises:
        ValueError: where the source needs a folder of data and none is given.
    """
    if isinstance(source, PhantomSource):
        _write_phantoms(source, manifest, code, workers)
        return
    if data is None:
        raise ValueError(
            f"cohort {manifest.parent.name} comes from a folder: give it with DATA=<folder> "
            "(make) or --config data=<folder> (snakemake)"
        )
    write_json(manifest, {"items": inventory(source, data), "listing": listing})


def inventory(source: VolumesSource | DicomSource, data: Path) -> dict[str, dict]:
    """Cases of a folder with the digests of their files: {case: {files: [{sha256, bytes}], row}}.

    Names of files and most columns may tell who a patient is: neither is kept.
    """
    found = find(source, data)
    names = case_names(source, list(found))
    keep = getattr(source, "variables", [])
    return {
        names[p]: {
            "files": [
                {"sha256": file_digest(data / f), "bytes": (data / f).stat().st_size}
                for f in patient.files
            ],
            "row": {name: patient.row[name] for name in keep},
        }
        for p, patient in found.items()
    }


def _write_phantoms(source: PhantomSource, manifest: Path, code: str, workers: int) -> None:
    settings = source.model_dump(exclude={"patients"})
    index = {patient_id(source, i): i for i in range(source.patients)}
    keys = {name: digest([settings, i, code]) for name, i in index.items()}
    content = items.update(manifest, keys, partial(_phantom, source, index), workers=workers)
    rows = [item["row"] for item in content["items"].values()]
    write_clinical(rows, manifest.parent / "clinical.csv")


def _phantom(source: PhantomSource, index: dict[str, int], name: str, folder: Path) -> dict:
    return {"row": write_patient(source, index[name], folder.parent)}
