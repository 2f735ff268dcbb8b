"""Files below a folder, in any layout, loose or in zip archives, within bounded depth and memory."""

from __future__ import annotations

import functools
import gzip
import io
import os
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from crossover.sources.findings import Finding, Refused
from crossover.sources.pseudonyms import token

MAX_DEPTH = 40
"""The number of folders below the source that are entered."""
MAX_MEMBER = 1 << 30
"""The most bytes of one file in an archive, which is unpacked in memory."""
MAX_RATIO = 1000
"""The most of unpacked to packed size; beyond it, and above a megabyte, an archive is taken for a trap."""
PACKED, NO_DICOM = ".gz", (".nii.gz", ".tar.gz")
"""Names of single files that are packed, and of those among them which hold no DICOM file."""


@dataclass(frozen=True, slots=True)
class FileRef:
    """One received file: a path, or a member of an archive. Nothing is ever unpacked to disk."""

    path: str
    member: str | None
    token: str
    """The name of the file in findings, which reveals nothing of its path without the secret."""
    place: str = ""
    """The path below the source, an archive counting as a folder. It is never written."""
    patient: str = ""
    """Whose it is, where its place says so and not its PatientID. It is never written."""

    @property
    def name(self) -> str:
        """The name of the file, without folders."""
        return (self.member or self.path).rpartition("/")[2]

    def open(self) -> BinaryIO:
        """Open the file for reading; it is seekable.

        Raises:
            Refused: for a member of an archive that is not what the archive says, and a packed file (`*.dcm.gz`)
                that is damaged or unpacks to far more than it is.
        """
        file = self._opened()
        name = self.name.lower()
        if not name.endswith(PACKED) or name.endswith(NO_DICOM):
            return file
        with file:
            return _unpacked(file)

    def _opened(self) -> BinaryIO:
        if self.member is None:
            return open(self.path, "rb")
        try:
            archive = _archive(self.path)
            with archive.open(self.member) as file:
                # Not a byte more than declared is unpacked, and its checksum shows what was left.
                return io.BytesIO(file.read(archive.getinfo(self.member).file_size))
        except Exception as error:  # zipfile raises a dozen kinds, zlib its own
            raise Refused("unreadable", f"cannot be unpacked from its archive ({type(error).__name__})") from None


def _unpacked(file: BinaryIO) -> BinaryIO:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    most = min(MAX_MEMBER, max(1 << 20, size * MAX_RATIO))
    try:
        content = gzip.GzipFile(fileobj=file).read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused("unreadable", f"cannot be unpacked by gzip ({type(error).__name__})") from None
    if len(content) > most:
        raise Refused("too-large", f"unpacks to more than {most >> 20} MB")
    return io.BytesIO(content)


@functools.lru_cache(maxsize=2)
def _archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def list_files(source: Path, key: bytes) -> tuple[list[FileRef], list[Finding]]:
    """Return all regular files of `source` (a folder, an archive or a file), sorted by path.

    Links to folders are not followed, sockets and pipes not opened, names that are no UTF-8 are fine.

    Args:
        key: the secret that tokens are made with.

    Raises:
        ValueError: where `source` doesn't exist or holds no file.
    """
    if not source.exists():
        raise ValueError(f"{source} does not exist: give the folder or archive of the export")
    findings: list[Finding] = []
    files: list[FileRef] = []
    for path in _paths(source, key, findings):
        name = os.fsencode(path.relative_to(source))
        if _is_archive(path):
            files += _members(path, name, key, findings)
        else:
            files.append(FileRef(str(path), None, token(name, key), os.fsdecode(name)))
    if not files:
        why = "; ".join(dict.fromkeys(f"{f.code}, {f.what}" for f in findings[:10]))
        raise ValueError(f"{source} contains no file" + (f" that can be read: {why}" if why else ""))
    return files, findings


def _paths(source: Path, key: bytes, findings: list[Finding]) -> Iterator[Path]:
    if source.is_file():
        yield source
        return

    def skip(code: str, what: str, path: str | Path) -> None:
        own = token(os.fsencode(Path(path).relative_to(source)), key)
        findings.append(Finding(code, what, files=(own,)))

    def barred(error: OSError) -> None:
        skip("unreadable", "a folder whose files cannot be listed", error.filename)

    top = len(source.parts)
    for folder, subfolders, names in os.walk(source, onerror=barred):
        here = Path(folder)
        for name in (n for n in subfolders if os.path.islink(here / n)):
            skip("link-skipped", "a link to a folder, which was not followed", here / name)
        if len(here.parts) - top >= MAX_DEPTH and subfolders:
            skip("too-deep", f"a folder at level {MAX_DEPTH}, whose subfolders were not read", here)
            subfolders.clear()
        subfolders.sort()
        for name in sorted(names):
            if why := _no_file(here / name):
                skip(*why, here / name)
            else:
                yield here / name


def _no_file(path: Path) -> tuple[str, str] | None:
    """Return why a path can't be read as a file, None where it can; a pipe would be waited on for ever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not-dicom", "a pipe, socket or device"
    except OSError:  # nothing there, a loop, or a path of too many letters
        return "link-skipped", "a link or path that leads nowhere"
    if not os.access(path, os.R_OK):
        return "unreadable", "there is no permission to read it"
    return None


def _is_archive(path: Path) -> bool:
    """Return whether a file is an archive by its first bytes.

    `zipfile` looks at the end, which may be cut off or look like an archive's by chance.
    """
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08") and head[128:] != b"DICM"


def _members(path: Path, name: bytes, key: bytes, findings: list[Finding]) -> Iterator[FileRef]:
    """Yield the members of an archive, by what its index declares; names serve as keys, never as paths."""
    try:
        members = [m for m in _archive(str(path)).infolist() if not m.is_dir()]
    except Exception as error:
        what = f"an archive that cannot be read ({type(error).__name__})"
        findings.append(Finding("zip-refused", what, files=(token(name, key),)))
        return
    seen = Counter(m.filename for m in members)
    folder = "" if name == b"." else os.fsdecode(name) + "/"  # the source itself is no folder in it
    for member in members:
        own = token(name + b"!" + member.filename.encode(errors="surrogatepass"), key)
        packed = max(member.compress_size, 1)
        if seen[member.filename] > 1:
            findings.append(Finding("zip-refused", "another file in its archive has the same name", files=(own,)))
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others unpack without a bound.
            findings.append(Finding("zip-refused", "packed in another way than deflate", files=(own,)))
        elif member.flag_bits & 1:
            findings.append(Finding("zip-refused", "encrypted in its archive", files=(own,)))
        elif member.file_size > MAX_MEMBER or member.file_size > max(MAX_RATIO * packed, 1 << 20):
            what = f"{packed} bytes in its archive, which unpack to {member.file_size}"
            findings.append(Finding("zip-refused", what, files=(own,)))
        elif member.filename.lower().endswith(".zip"):
            findings.append(Finding("zip-refused", "an archive within an archive", files=(own,)))
        else:
            yield FileRef(str(path), member.filename, own, folder + member.filename)
