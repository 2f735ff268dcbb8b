"""Receive a cohort: what its source holds, as one manifest.

`data/raw/<cohort>/manifest.json` lists each patient of a table, or each file of a DICOM folder, with the
digests of the files. Phantoms are written there; real data stay where they are, and nothing that
identifies is written.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

from crossover.core import incremental
from crossover.core.files import digest, write_json
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.places import parted
from crossover.sources.folder_state import SEEN, FileDigest, KnownDigests
from crossover.sources.pseudonyms import key_of
from crossover.sources.settings import DicomSource, OpenKbpSource, Phantom, Source, VolumesSource
from crossover.sources.table_readers import form_of


def receive(source: Source, manifest: Path, data: Path | None, code: str, workers: int, listing: str | None) -> None:
    """Write a cohort's raw manifest.

    Args:
        source: where the cohort comes from.
        manifest: the file that is written; phantoms are written beside it.
        data: folder of the real data; not used by phantoms.
        code: digest of the code that phantoms are made by.
        workers: how many files are read, or phantoms made, at the same time.
        listing: digest of the folder's listing, kept so that a later run without the folder knows it.

    Raises:
        ValueError: the source needs a folder of data and none is given.
    """
    if isinstance(source, Phantom):
        _write_phantoms(source, manifest, code, workers)
        return
    if data is None:
        raise ValueError(
            f"cohort {manifest.parent.name} is read from a folder of data: give it with DATA=<folder> "
            "(make), --data (crossover) or --config data=<folder> (snakemake)"
        )
    seen = KnownDigests(manifest.parent / SEEN, data, key_of(source), workers)
    found = _files(source, data, seen) if source.kind == "dicom" else _patients(source, data, seen)
    write_json(manifest, {"items": found, "listing": listing})
    seen.keep()


def _files(source: DicomSource, data: Path, seen: KnownDigests) -> dict[str, FileDigest]:
    """Return token -> digest of each image and label map; the members of an archive have the archive's."""
    key = key_of(source)
    images, maps = parted(source, list_files(data / source.folder, key)[0])
    of_maps = [f for found in maps.values() for one in found.values() for f in one.files]
    whole: dict[str, FileDigest] = {}
    found = {}
    paths = dict.fromkeys(file.path for file in [*images, *of_maps])
    seen.ahead(map(Path, paths))
    for file in [*images, *of_maps]:
        if file.path not in whole:
            try:
                whole[file.path] = seen.digest(Path(file.path))
            except OSError:  # gone since it was listed, or a bad disk: its header says so later
                continue
        found[file.token] = whole[file.path]
    return found


def _patients(source: VolumesSource | OpenKbpSource, data: Path, seen: KnownDigests) -> dict[str, dict]:
    """Return the cases of a table with the digests of their files: {case: {files: {what it is: {sha256, bytes}}, row}}.

    Names of files and most columns may tell who a patient is: neither is kept.
    """
    form = form_of(source)
    cases = form.rows(source, data).cases
    files = {f for own in cases.values() for f in form.patient_files(source, own.row, data).values()}
    seen.ahead(data / f for f in files)
    if isinstance(source, VolumesSource) and source.table:
        seen.digest(data / source.folder / source.table)
    return {
        case: {
            "files": {what: seen.digest(data / f) for what, f in form.patient_files(source, own.row, data).items()},
            "row": {name: own.row[name] for name in source.variables},
        }
        for case, own in cases.items()
    }


def _drawn_by(source: Phantom) -> ModuleType:
    """Return the package that draws a phantom: with `patient_id`, `write_patient` and `write_clinical`."""
    if source.kind == "head_neck_phantom":
        from crossover.phantoms.head_neck import patients as head_neck

        return head_neck
    if source.kind == "prostate_phantom":
        from crossover.phantoms.prostate import patients as prostate

        return prostate
    from crossover.phantoms.pelvis import patients as pelvis

    return pelvis


def _write_phantoms(source: Phantom, manifest: Path, code: str, workers: int) -> None:
    drawn_by = _drawn_by(source)
    settings = source.model_dump(exclude={"patients"})
    index = {drawn_by.patient_id(source, i): i for i in range(source.patients)}
    keys = {name: digest([settings, i, code]) for name, i in index.items()}
    content = incremental.update(manifest, keys, partial(_phantom, source, index), workers=workers)
    rows = [item["row"] for item in content["items"].values()]
    drawn_by.write_clinical(rows, manifest.parent / "clinical.csv")


def _phantom(source: Phantom, index: dict[str, int], name: str, folder: Path) -> dict:
    return {"row": _drawn_by(source).write_patient(source, index[name], folder.parent)}
