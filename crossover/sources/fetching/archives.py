"""Zip and tar archives, unpacked into a folder and nowhere else."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from crossover.core.wording import first_few
from crossover.sources.fetching.errors import FetchError
from crossover.sources.settings import leads_out

SHOWN = 3
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RuntimeError, OSError)


def unpack(archive: Path, into: Path) -> None:
    """Unpack an archive into a folder, which is there only when all of it is unpacked.

    macOS's companions (`__MACOSX/`, `._*`) are passed over.

    Raises:
        FetchError: it is no archive, is damaged, leads out of the folder, or holds links or devices: nothing
            is unpacked.
    """
    part = into.with_name(into.name + ".unpacking")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, part)
        elif tarfile.is_tarfile(archive):
            _untar(archive, part)
        else:
            raise FetchError(f"{archive}: this is neither a zip nor a tar archive")
    except FetchError:
        shutil.rmtree(part)
        raise
    except DAMAGED as error:
        shutil.rmtree(part)
        raise FetchError(f"{archive}: the archive cannot be unpacked: {error}") from error
    shutil.rmtree(into, ignore_errors=True)
    part.replace(into)


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        members = [m for m in file.infolist() if not _companion(m.filename)]
        wrong = [m.filename for m in members if leads_out(m.filename) or _special(m.external_attr >> 16)]
        _refuse(archive, wrong)
        _room(archive, sum(m.file_size for m in members), folder)
        for member in members:
            file.extract(member, folder)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as file:
        members = [m for m in file.getmembers() if not _companion(m.name)]
        wrong = [m.name for m in members if leads_out(m.name) or not (m.isfile() or m.isdir())]
        _refuse(archive, wrong)
        _room(archive, sum(m.size for m in members), folder)
        for member in members:
            file.extract(member, folder, filter="data")


def _companion(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and (parts[0] == "__MACOSX" or parts[-1].startswith("._") or parts[-1] == ".DS_Store")


def _special(mode: int) -> bool:
    """Return whether a zip member's mode is that of a link or device; 0 where the archive has no modes."""
    return stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)


def _refuse(archive: Path, wrong: list[str]) -> None:
    if wrong:
        raise FetchError(
            f"{archive}: not unpacked, since members are links or devices, or lead out of their folder: "
            f"{first_few([*map(repr, wrong)], SHOWN)}. "
            "Inform the cohort's owners, and check the archive before you unpack it yourself"
        )


def _room(archive: Path, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"{archive}: unpacked, it needs {needed / 1e9:.2f} GB, but the disk has only {free / 1e9:.2f} GB free"
        )
