"""What a folder of real data holds, told quickly: so that a patient, a file or a table that changed is noticed."""

import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from crossover.core.files import digest, file_digest, read_json_or_none, write_json
from crossover.core.provenance import read_last_record
from crossover.core.wording import counted
from crossover.sources.pseudonyms import key_of, token
from crossover.sources.settings import DicomSource, OpenKbpSource, Phantom, Source, VolumesSource

SEEN = "seen.json"
"""Beside a cohort's raw manifest: the state and digest of each file, so that only new files are read."""

READ_AGAIN = Path(".cache/received")
"""For each cohort the digests of files whose state changed since they were received: these are read once, too."""


class FileDigest(TypedDict):
    """What the manifest of received files says of one."""

    sha256: str
    bytes: int


class KnownDigests:
    """Digests of the files of a folder that were read before and have the same size and times since."""

    def __init__(self, path: Path, data: Path, key: bytes, workers: int = 1) -> None:
        self.path, self.data, self.key, self.workers = path, data, key, workers
        self.before: dict[str, list[str]] = read_json_or_none(path) or {}
        self.now: dict[str, list[str]] = {}

    def ahead(self, files: Iterable[Path]) -> None:
        """Read files side by side, so that `digest` knows them; those that can't be read wait for it."""
        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(self._try, files))

    def _try(self, file: Path) -> None:
        with suppress(OSError):
            self.digest(file)

    def digest(self, file: Path) -> FileDigest:
        """Return the digest and size in bytes of a file, which is read unless its size and times are as before."""
        name, about = self.name(file), file.stat()
        state = _state(about, self.key)
        known = self.now.get(name) or self.before.get(name)
        self.now[name] = [state, known[1] if known and known[0] == state else file_digest(file)]
        return {"sha256": self.now[name][1], "bytes": about.st_size}

    def name(self, file: Path) -> str:
        """Return the code of a file's path below the folder."""
        return token(os.fsencode(os.path.relpath(file, self.data)), self.key)

    def keep(self) -> None:
        """Write the digests for the next time."""
        write_json(self.path, self.now)

    def keep_what_is_new(self) -> None:
        """Write the digests if they are others than before; where nothing can be written, files are read each time."""
        if self.now != self.before:
            with suppress(OSError):
                self.keep()


def _state(about: os.stat_result, key: bytes) -> str:
    """Return what is another after a file was written to.

    The time of the last change of its entry (ctime) can't be set, so that a file replaced by one of the same size and
    time is noticed. Keyed: the time a file was written may be that of the examination.
    """
    return token(f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}".encode(), key)


def listing_digest(source: Source, data: str | None, manifest: Path) -> str | None:
    """Return a digest of what a source holds: the coded paths and sizes of its files, and what changed in them.

    It stays what the raw manifest has as long as there are the same files of the same sizes, and none that was
    received has another content. So a file is read only where its size is the same and its times are not. Without the
    folder at hand (a clone with pulled results, a drive that isn't mounted) it is that of the manifest, too, so that
    nothing reruns; it is None for phantoms, which come from no folder. Where the manifest was cleared away its last
    record tells it.
    """
    if isinstance(source, Phantom):
        return None
    told = read_json_or_none(manifest) or (read_last_record(manifest) or {}).get("settings", {})
    before = told.get("listing")
    files = {path: path.stat() for path in sorted(files_of(source, data))} if data else {}
    if not data or not files:
        return before
    root, key = Path(data) / source.folder, key_of(source)
    listing = digest([[token(os.fsencode(p.relative_to(root)), key), about.st_size] for p, about in files.items()])
    if not isinstance(before, str) or before.partition("+")[0] != listing:
        return listing
    changed = _changed(files, Path(data), manifest, key)
    return f"{listing}+{digest(changed)}" if changed else before


def changes(
    source: VolumesSource | DicomSource | OpenKbpSource, data: Path, manifest: Path,
    taken: Collection[Path] | None = None,
) -> str:  # fmt: skip
    """Return how a source's files differ from those received, in words; "" if they don't.

    Only names, sizes and times are read. Folders are those at the top, where patients often have one each.

    Args:
        source: of the cohort.
        data: the folder below which the source's is.
        manifest: of what was received.
        taken: the files that the source takes, where that is known; else those that it passes over are counted among
            the files not received before.
    """
    received = KnownDigests(manifest.parent / SEEN, data, key_of(source))
    there = {received.name(path): path for path in files_of(source, data)}
    new = [p for name, p in there.items() if name not in received.before and (taken is None or p in taken)]
    old = [(path, received.before[name]) for name, path in there.items() if name in received.before]
    gone = len(received.before) - len(old)
    written = sum(known[0] != _state(path.stat(), received.key) for path, known in old)
    folders = {_top(path, data / source.folder) for path in new}
    folders -= {"", *(_top(path, data / source.folder) for path, _ in old)}
    within = f" (in {counted(len(folders), 'other folder')})" if folders else ""
    told = {f"not received before{within}": len(new), "gone": gone, "written to since": written}
    return ", ".join(f"{counted(n, 'file')} {what}" for what, n in told.items() if n)


def _top(path: Path, root: Path) -> str:
    """Return the folder at the top of a root in which a file is; "" of a file that is in none."""
    return "" if path.parent in (root, root.parent) else path.relative_to(root).parts[0]


def files_of(source: VolumesSource | DicomSource | OpenKbpSource, data: str | Path) -> Iterator[Path]:
    """Yield the files of a source's folder; none where it isn't there, or is only the place to mount one."""
    root = Path(data) / source.folder
    return (path for path in itertools.chain([root], root.rglob("*")) if path.is_file())


def _changed(files: Mapping[Path, os.stat_result], data: Path, manifest: Path, key: bytes) -> list[tuple[str, str]]:
    """Return the coded path and the digest of each file that was received with another content."""
    received = KnownDigests(manifest.parent / SEEN, data, key)
    again = KnownDigests(READ_AGAIN / f"{manifest.parent.name}.json", data, key, os.cpu_count() or 1)
    suspects = [
        file
        for file, about in files.items()
        if (known := received.before.get(received.name(file))) and known[0] != _state(about, key)
    ]
    if not suspects:
        return []
    again.ahead(suspects)
    again.keep_what_is_new()
    return sorted((name, now[1]) for name, now in again.now.items() if received.before[name][1] != now[1])
