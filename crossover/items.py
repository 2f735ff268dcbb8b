"""Work made of many like items (patients, cases, stages) behind one manifest.

A rule's output is the manifest, which lists every item with the digests of its files. Each item keeps
a record beside its files, with the *key* it was made from: config, code and inputs. When the job runs
again, items whose record has the present key are kept, so that a new patient redoes no other's work
and a killed job goes on where it stopped.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from crossover.provenance import file_digest, read_json, write_json

log = logging.getLogger(__name__)
RECORD = "record.json"


class ItemsError(RuntimeError):
    """Some items failed; the others are done and kept."""


def update(
    manifest: Path,
    keys: Mapping[str, str],
    make: Callable[[str, Path], dict],
    *,
    workers: int = 1,
    prune: bool = True,
    folder: Path | None = None,
) -> dict:
    """Bring the folder of `manifest` up to date and write the manifest.

    Args:
        manifest: the JSON file to write.
        folder: item `name` lives in `<folder>/<name>/`; by default the manifest's own folder.
        keys: item name -> digest of all that it is made from.
        make: called as make(name, folder) for each item to be made, with an empty folder; returns
            the item's own facts. It must be picklable when `workers` is above 1.
        prune: remove folders of items that are no longer among `keys`.

    Raises:
        ItemsError: naming every item that failed and why, after all others are done.
    """
    folder = folder or manifest.parent
    folder.mkdir(parents=True, exist_ok=True)
    if prune:
        for old in folder.iterdir():
            if old.is_dir() and old.name not in keys:
                shutil.rmtree(old)
    todo = [name for name, key in keys.items() if not is_current(folder / name, key)]
    log.info("%d of %d items to make in %s", len(todo), len(keys), folder)
    failed = _make_all(todo, keys, make, folder, workers)
    if failed:
        lines = [f"  {name}: {why}" for name, why in sorted(failed.items())]
        raise ItemsError(f"{len(failed)} of {len(keys)} items failed:\n" + "\n".join(lines))
    items = {name: read_json(folder / name / RECORD) for name in keys}
    content = {"items": items}
    write_json(manifest, content)
    return content


def is_current(folder: Path, key: str) -> bool:
    """Whether the item was made from `key` and all its files are there with their sizes."""
    record = folder / RECORD
    if not record.exists():
        return False
    content = read_json(record)
    return content["key"] == key and not missing_files(folder, content)


def missing_files(folder: Path, record: dict) -> list[str]:
    """Files of a record that are gone or have another size."""
    paths = {name: folder / name for name in record["files"]}
    sizes = {n: p.stat().st_size if p.exists() else None for n, p in paths.items()}
    return [name for name, file in record["files"].items() if sizes[name] != file["bytes"]]


def _make_all(todo, keys, make, folder: Path, workers: int) -> dict[str, str]:
    failed = {}
    if workers == 1 or len(todo) < 2:
        for name in todo:
            failed |= _guarded(name, keys[name], make, folder)
        return failed
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        jobs = {pool.submit(_guarded, name, keys[name], make, folder): name for name in todo}
        for job in as_completed(jobs):
            try:
                failed |= job.result()
            except BrokenProcessPool:
                failed[jobs[job]] = "its process was killed, for memory perhaps"
    return failed


def _guarded(
    name: str, key: str, make: Callable[[str, Path], dict], folder: Path
) -> dict[str, str]:
    """Make one item; returns {} or {name: why it failed}."""
    own = folder / name
    start = perf_counter()
    try:
        if own.exists():
            shutil.rmtree(own)
        own.mkdir(parents=True)
        facts = make(name, own)
        files = sorted(p for p in own.rglob("*") if p.is_file())
        record = {
            "key": key,
            "files": {
                str(p.relative_to(own)): {"sha256": file_digest(p), "bytes": p.stat().st_size}
                for p in files
            },
            **facts,
        }
        write_json(own / RECORD, record)
    except Exception as error:
        log.exception("%s failed after %.1f s", name, perf_counter() - start)
        return {name: f"{type(error).__name__}: {error}"}
    log.info("%s made in %.2f s", name, perf_counter() - start)
    return {}
