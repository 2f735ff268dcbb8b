"""A whole public cohort: what is missing of it is fetched, verified and noted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import requests

from crossover.core.files import file_digest
from crossover.core.locks import held
from crossover.sources.fetching.archives import unpack
from crossover.sources.fetching.buckets import fetch_series
from crossover.sources.fetching.cohort_registry import BucketSeries, PublicCohort, RemoteFile
from crossover.sources.fetching.errors import FetchError, Moved
from crossover.sources.fetching.records import FetchRecords
from crossover.sources.fetching.repositories import fetch_commit
from crossover.sources.fetching.transfers import download, size_of

STREAMS = 8
"""The number of series that are downloaded at once."""
SHOWN = 3
Tell = Callable[[str], None]


class Fetched(NamedTuple):
    """What a fetch did."""

    parts: int
    """The number of archives, files, commits and series that were fetched now; 0 where all were here and as noted."""
    files: int
    bytes: int


class Fetch(NamedTuple):
    """A cohort that is being fetched."""

    name: str
    cohort: PublicCohort
    series: list[BucketSeries]
    beside: FetchRecords
    session: requests.Session
    tell: Tell


def fetch(
    name: str, cohort: PublicCohort, series: list[BucketSeries], folder: Path, tell: Tell = lambda line: None
) -> Fetched:
    """Complete a cohort below a folder; files that are here as they were noted are not downloaded again.

    Args:
        name: the cohort's name in the registry. cohort: its entry.
        series: those of its bucket, none where it has no bucket.
        folder: of public cohorts; the data are put into `<folder>/<name>/`.
        tell: is given a line for the user at a time.

    Raises:
        FetchError: what could not be fetched, verified or unpacked, with what to do; what is whole stays, and
        the same command goes on from there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / name), requests.Session() as session:
        work = Fetch(name, cohort, series, FetchRecords(folder, name), session, tell)
        todo = _missing(work)
        if todo:
            work.beside.begin()
        _check_room(work, todo)
        try:
            for label in todo:
                if label in _files(cohort):
                    _fetch_file(work, label)
            if cohort.git and _commit(cohort) in todo:
                tell(f"{cohort.git.url}, commit {cohort.git.commit}")
                work.beside.data.mkdir(exist_ok=True)
                work.beside.keep(_commit(cohort), fetch_commit(cohort.git, work.beside.data))
            _fetch_bucket(work, [each for each in series if each.series in todo])
        except Moved as error:
            raise Moved(f"{error}\n{_where_to_look(name, cohort)}") from None
        finally:
            work.beside.write_lock()
        work.beside.complete(cohort, unverified(cohort))
    files = [each for part in work.beside.parts.values() for each in part["files"].values()]
    return Fetched(len(todo), len(files), sum(each["bytes"] for each in files))


def unverified(cohort: PublicCohort) -> list[str]:
    """Return what no published checksum verifies when it is downloaded for the first time."""
    return [file.url for file in cohort.files if file.checksum is None]


def size(cohort: PublicCohort, series: list[BucketSeries]) -> int | None:
    """Return the bytes that the registry knows a whole download to have, None where it doesn't know all."""
    if cohort.git or any(file.bytes is None for file in cohort.files):
        return None
    return sum(file.bytes or 0 for file in cohort.files) + sum(each.bytes for each in series)


def _files(cohort: PublicCohort) -> dict[str, RemoteFile]:
    """Return label -> file; a file with another checksum is another part."""
    return {f"{file.url} {file.checksum or ''}".strip(): file for file in cohort.files}


def _commit(cohort: PublicCohort) -> str:
    return f"{cohort.git.url} {cohort.git.commit}" if cohort.git else ""


def _missing(work: Fetch) -> list[str]:
    """Return the labels of what is to be fetched.

    Changed files are moved aside, and so are series that the registry has no more, which a study would read as
    patients; other parts of another entry are forgotten.
    """
    beside, cohort = work.beside, work.cohort
    labels = [*_files(cohort), *([_commit(cohort)] if cohort.git else []), *(each.series for each in work.series)]
    for label in [label for label in beside.parts if label not in labels and "://" not in label]:
        files = [beside.data / path for path in beside.parts[label]["files"]]
        if moved := sum(path.exists() for path in files):
            beside.put_aside(files)
            work.tell(f"series {label} is no longer part of the cohort: {moved} files moved aside to {beside.aside}")
    beside.parts = {label: part for label, part in beside.parts.items() if label in labels}
    todo = []
    for label in labels:
        changed = beside.changed(label) if label in beside.parts else []
        for line in beside.put_aside(changed):
            work.tell(line)
        if changed or label not in beside.parts:
            todo.append(label)
    return todo


def _check_room(work: Fetch, todo: list[str]) -> None:
    """Refuse to download more than the disk has room for, as far as sizes are known.

    Raises:
        FetchError: the disk has too little room.
    """
    needed = 0
    for label, file in _files(work.cohort).items():
        if label in todo:
            path = _archive(work, file)
            come = sum(p.stat().st_size for p in (path, path.with_name(path.name + ".part")) if p.exists())
            whole = file.bytes or size_of(file.url, work.session) or 0
            needed += max(whole - come, 0) + (file.unpacked_bytes or (whole if file.unpack else 0))
    for each in work.series:
        if each.series in todo:
            needed += max(each.bytes - _size(_of_bucket(work) / each.folder), 0)
    free = shutil.disk_usage(work.beside.folder).free
    if needed > free:
        raise FetchError(
            f"{work.name} needs {needed / 1e9:.2f} GB more, but {work.beside.folder} has only {free / 1e9:.2f} GB "
            "free: nothing was downloaded. Free space, or name a folder on another disk"
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())


def _of_bucket(work: Fetch) -> Path:
    return work.beside.data / (work.cohort.bucket.into if work.cohort.bucket else ".")


def _archive(work: Fetch, file: RemoteFile) -> Path:
    """Return where a file is downloaded to: among the data, or beside them until it is unpacked."""
    return (work.beside.folder / f"{work.name}.archives" if file.unpack else work.beside.data) / file.name


def _fetch_file(work: Fetch, label: str) -> None:
    file, beside = _files(work.cohort)[label], work.beside
    path = _archive(work, file)
    noted = beside.parts.get(label, {})
    first = noted.get("archive") or next((each["sha256"] for each in noted.get("files", {}).values()), None)
    work.tell(file.url)
    if not file.unpack:
        download(file.url, path, file.checksum or (f"sha256:{first}" if first else None), file.bytes, work.session)
        return beside.keep(label, [path])
    archive = f"sha256:{noted['archive']}" if "archive" in noted else None
    download(file.url, path, file.checksum or archive, file.bytes, work.session)
    into = beside.data / file.unpack
    work.tell(f"unpacking {path.name} into {into}")
    unpack(path, into)
    digest = file_digest(path)
    beside.keep(label, (each for each in into.rglob("*") if each.is_file()), digest)
    beside.write_lock()  # before the archive goes
    path.unlink()
    if not [*path.parent.iterdir()]:
        path.parent.rmdir()


def _fetch_bucket(work: Fetch, todo: list[BucketSeries]) -> None:
    """Fetch series, several at once.

    Raises:
        FetchError: of the first that failed; those under way are ended well, no other is begun.
    """
    if not (work.cohort.bucket and todo):
        return
    endpoint, folder = work.cohort.bucket.endpoint, _of_bucket(work)
    work.tell(f"{endpoint}: {len(todo)} series, {sum(each.bytes for each in todo) / 1e9:.2f} GB")
    with ThreadPoolExecutor(STREAMS) as threads:
        running = {threads.submit(fetch_series, each, endpoint, folder, work.session): each for each in todo}
        try:
            for line in _watched(work, running):
                work.tell(line)
        finally:
            threads.shutdown(cancel_futures=True)
    failed = [error for future in running if not future.cancelled() and (error := future.exception())]
    for future, each in running.items():
        if not future.cancelled() and not future.exception():
            work.beside.keep(each.series, future.result()[0])
    if failed:
        others = f"\nand {len(failed) - 1} more such" if len(failed) > 1 else ""
        raise type(failed[0])(f"{failed[0]}{others}") if isinstance(failed[0], FetchError) else failed[0]


def _watched(work: Fetch, running: dict) -> Iterator[str]:
    """Yield a line for each tenth that is done, until all is or something failed."""
    left, last_tenth = {*running}, 0
    while left:
        done, left = wait(left, timeout=5, return_when=FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            return
        tenth = 10 * (len(running) - len(left)) // len(running)
        if tenth > last_tenth:
            last_tenth = tenth
            yield f"{len(running) - len(left)} of {len(running)} series"


def _where_to_look(name: str, cohort: PublicCohort) -> str:
    doi = f" (doi:{cohort.doi})" if cohort.doi else ""
    return (
        f"The registry's entry config/cohorts/{name}.yaml may be out of date: look at {cohort.page}{doi} for where the "
        f"data are now, correct the address there, and call the same command again; known from: {cohort.known_from}"
    )
