"""Work made of many like items (patients, cases, stages) behind one manifest.

A rule's output is the manifest, which lists every item with the digests of its files. Each item keeps
a record beside its files, with the *key* it was made from: config, code and inputs. When the job runs
again, items whose record has the present key are kept, so that a new patient redoes no other's work
and a killed job goes on where it stopped. A new item is made beside the old one,
and takes its place when it is complete.

A manifest may also list `failed` items: what could not be made for a reason of its own, while the job as
a whole succeeded. What reads the manifest goes on without them.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext, suppress
from multiprocessing import get_context, parent_process
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from crossover.core import disk, locks
from crossover.core.files import file_digest, read_json, read_json_or_none, write_json

J = TypeVar("J")
R = TypeVar("R")
log = logging.getLogger(__name__)
RECORD = "record.json"
MAKING = ".making"
"""The folder beside the items in which new ones lie until they are complete, which .dvcignore leaves out."""
OWN = ("key", "files")
"""What a record holds beside the facts of its item."""
CHUNK = 4
"""The number of jobs of tens of milliseconds that are handed to a process at a time: few, so that all end together."""
KILLED = "its process was killed, perhaps because memory ran out"


class ItemsError(RuntimeError):
    """Some items failed; the others are done and kept.

    Attributes:
        failed: name -> why.
        records: of the others.
    """

    def __init__(self, failed: dict[str, str], records: dict[str, dict]) -> None:
        lines = [f"  {name}: {why}" for name, why in sorted(failed.items())]
        of = len(failed) + len(records)
        super().__init__(f"{len(failed)} of {of} items failed:\n" + "\n".join(lines))
        self.failed, self.records = failed, records


def update(
    manifest: Path,
    keys: Mapping[str, str],
    make: Callable[[str, Path], dict],
    *,
    workers: int = 1,
    prune: bool = True,
    folder: Path | None = None,
) -> dict:
    """Bring the items up to date (`refresh`) and write the manifest.

    Args:
        manifest: the JSON file to write.
        keys, make, workers, prune: see `refresh`.
        folder: by default the manifest's own folder.

    Returns:
        What the manifest holds.

    Raises:
        ItemsError: some items failed; the message names each and why. All others are done.
    """
    content = {"items": refresh(folder or manifest.parent, keys, make, workers, prune)}
    write_json(manifest, content)
    return content


def refresh(
    folder: Path,
    keys: Mapping[str, str],
    make: Callable[[str, Path], dict],
    workers: int = 1,
    prune: bool = True,
    apart: bool = False,
) -> dict[str, dict]:
    """Make the items that are not current, and return all records by name.

    Args:
        folder: item `name` lives in `<folder>/<name>/`.
        keys: item name -> digest of all that it is made from.
        make: called as make(name, folder) for each item to be made, with an empty folder of that name; returns the
            item's own facts. It must be picklable when `workers` is above 1.
        workers: how many items are made at the same time.
        prune: remove folders of items that are no longer among `keys`. Else the folder is taken for shared:
            no two processes make an item of it at once, and one that another has just made is kept.
        apart: make them in other processes also where `workers` is 1: one that crashes is one item's failure.

    Raises:
        ItemsError: some items failed; the message names each and why. All others are done.
        crossover.core.disk.DiskFull: what was made before is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if prune:
        for name in keys:
            _put_in_place(folder / name)
        for old in folder.iterdir():  # MAKING too
            if old.is_dir() and old.name not in keys:
                shutil.rmtree(old)
    todo = [name for name, key in keys.items() if not is_current(folder / name, key)]
    log.info("%d of %d items to make in %s", len(todo), len(keys), folder)
    failed = _make_all(todo, keys, make, folder, 0 if workers == 1 and not apart else workers, prune)
    records = {name: read_json(folder / name / RECORD) for name in keys if name not in failed}
    if failed:
        raise ItemsError(failed, records)
    return records


def write_manifest(manifest: Path, records: dict[str, dict], failed: dict[str, dict]) -> None:
    """Write the records of what was made and, where something failed, why (see `failed_of`)."""
    write_json(manifest, {"items": records, **({"failed": failed} if failed else {})})


def records_of(manifests: Iterable[Path]) -> list[dict]:
    """Return the records of all items that manifests list."""
    return [r for manifest in manifests for r in read_json(manifest)["items"].values()]


def failed_of(manifests: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Return the items that manifests list as failed: name -> `happened` and `advice`."""
    return {name: about for manifest in manifests for name, about in read_json(manifest).get("failed", {}).items()}


def is_current(folder: Path, key: str) -> bool:
    """Return whether the item was made from `key` and all its files are as they were written.

    A file is read only if its entry changed (ctime, which can't be set) since its record was written: those of all
    cases are hundreds of gigabytes. A record that can't be read, as a power cut leaves one, is none.
    """
    record = read_json_or_none(folder / RECORD)
    if record is None or record["key"] != key:
        return False
    written = (folder / RECORD).stat().st_ctime_ns

    def digest_of(path: Path, recorded: str) -> str:
        return recorded if path.stat().st_ctime_ns < written else file_digest(path)

    return not changed_files(folder, record, digest_of)


def changed_files(folder: Path, record: dict, digest_of: Callable[[Path, str], str]) -> list[str]:
    """Return the files of a record that are gone, have another size or another content.

    Args:
        folder: of the item.
        record: as it was written beside the files.
        digest_of: called with a file and the digest on record; returns the file's.
    """

    def is_changed(path: Path, about: dict) -> bool:
        if not path.exists() or path.stat().st_size != about["bytes"]:
            return True
        return digest_of(path, about["sha256"]) != about["sha256"]

    return [name for name, about in record["files"].items() if is_changed(folder / name, about)]


def pool(workers: int, initializer: Callable[..., None] | None = None, *given: Any) -> ProcessPoolExecutor:
    """Start processes for work side by side, which get what is given by their initializer.

    They are forks of this one, so that they import nothing again. They end with it, also where it is killed:
    otherwise they would meet whoever makes the same items next.
    """
    context = get_context("fork")
    return ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(initializer, *given))


def call_each(call: Callable[[J], R], jobs: Iterable[J], workers: int, chunk: int = 1) -> list[R]:
    """Return what a call returns for each job, in the order of the jobs.

    Args:
        call: picklable where there are several workers.
        workers: how many processes work side by side; one, or none, is this process.
        chunk: how many jobs a process is handed at a time.
    """
    if workers <= 1:
        return [call(job) for job in jobs]
    with pool(workers) as processes:
        return list(processes.map(call, jobs, chunksize=chunk))


def _begin(initializer: Callable[..., None] | None, *given: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer:
        initializer(*given)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent, "a process of a pool has one"
    parent.join()
    os._exit(1)


def _make_all(
    todo: list[str], keys: Mapping[str, str], make: Callable[[str, Path], dict], folder: Path, workers: int, own: bool
) -> dict[str, str]:
    """Make all items in this process where there are no workers."""
    failed: dict[str, str] = {}
    if not workers or not todo:
        for name in todo:
            with nullcontext() if own else locks.held(folder / name):
                _put_in_place(folder / name)
                if own or not is_current(folder / name, keys[name]):
                    failed |= _guarded(name, keys[name], make, folder)
        return failed
    killed = _in_pool(todo, keys, make, folder, workers, failed)
    while killed:  # one took the others with it: those that had begun each alone, to know which
        begun = [n for n in killed if _begun(folder / n)] or killed[:1]
        for name in begun:
            if _in_pool([name], keys, make, folder, 1, failed):
                failed[name] = KILLED
                _discard(folder / name)
        killed = _in_pool([n for n in killed if n not in begun], keys, make, folder, workers, failed)
    return failed


def _begun(own: Path) -> bool:
    return _beside(own).exists()


def _beside(own: Path) -> Path:
    return own.parent / MAKING / own.name


def _put_in_place(own: Path) -> None:
    """Put a new item that is complete, if there is one, in the place of the old one.

    A process that is killed meanwhile leaves the new one, for the next call.
    """
    new = _beside(own)
    if (new / RECORD).exists():
        shutil.rmtree(own, ignore_errors=True)
        new.rename(own)
        _discard(own)


def _discard(own: Path) -> None:
    """Remove what is there of a new item, and `MAKING` where nothing else is in it."""
    shutil.rmtree(_beside(own), ignore_errors=True)
    with suppress(OSError):
        _beside(own).parent.rmdir()


def _emptied(own: Path) -> Path:
    """Return an empty folder for a new item, whatever a killed process left there."""
    new = _beside(own)
    shutil.rmtree(new, ignore_errors=True)
    while not new.exists():
        with suppress(FileNotFoundError):  # another process has removed MAKING, which was empty
            new.mkdir(parents=True)
    return new


def _in_pool(
    names: list[str],
    keys: Mapping[str, str],
    make: Callable[[str, Path], dict],
    folder: Path,
    workers: int,
    failed: dict[str, str],
) -> list[str]:
    """Make items in processes of their own; returns those whose process was killed."""
    killed = []
    # What `make` holds may be large: each process has it from its start, not with each item.
    with pool(workers, _take, make) as processes:
        jobs = {}
        for name in names:
            try:
                jobs[processes.submit(_guarded_taken, name, keys[name], folder)] = name
            except BrokenProcessPool:  # by an item handed in before
                killed.append(name)
        for job in as_completed(jobs):
            try:
                failed |= job.result()
            except BrokenProcessPool:
                killed.append(jobs[job])
            except disk.DiskFull:
                processes.shutdown(wait=False, cancel_futures=True)
                raise
    return killed


_make: Callable[[str, Path], dict]  # of a process of the pool, see `_take`


def _take(make: Callable[[str, Path], dict]) -> None:
    global _make
    _make = make


def _guarded_taken(name: str, key: str, folder: Path) -> dict[str, str]:
    return _guarded(name, key, _make, folder)


def _guarded(name: str, key: str, make: Callable[[str, Path], dict], folder: Path) -> dict[str, str]:
    """Make one item; returns {} or {name: why it failed}. Raises DiskFull, as all that follow would fail."""
    new = _beside(folder / name)
    start = perf_counter()
    try:
        facts = make(name, _emptied(folder / name))
        files = sorted(p for p in new.rglob("*") if p.is_file())
        for path in files:  # safetensors' are readable by their owner only
            path.chmod(new.stat().st_mode & 0o666)
        record = {
            "key": key,
            "files": {str(p.relative_to(new)): {"sha256": file_digest(p), "bytes": p.stat().st_size} for p in files},
            **facts,
        }
        write_json(new / RECORD, record)  # after all else, see `is_current`
        _put_in_place(folder / name)
    except Exception as error:
        log.exception("%s failed after %.1f s", name, perf_counter() - start)
        no_room = disk.as_disk_full(error, new)
        _discard(folder / name)
        if no_room:
            raise no_room from error
        return {name: f"{type(error).__name__}: {error}"}
    log.info("%s made in %.2f s", name, perf_counter() - start)
    return {}
