"""A full disk, told in one line: which file, and how much room is left where."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
TEXTS = tuple(os.strerror(number) for number in FULL)
"""What errors on a full disk say, by which those that libraries raise of their own are known."""
LEAST = 64 * 1024
"""The number of free bytes below which a failure is taken to be for want of room."""


class DiskFull(RuntimeError):
    """The message names the file and the folder with its free space."""


def as_disk_full(error: BaseException, path: Path) -> DiskFull | None:
    """Return an error as that of a full disk; None where it is of something else.

    Args:
        error: any error.
        path: what was to be written, where the error doesn't name the file; it need not be there. Of a folder
            it is the file in it that was written last.
    """
    for each in _chain(error):
        if isinstance(each, DiskFull):
            return each
    named = next((e.filename for e in _chain(error) if isinstance(e, OSError) and e.filename), None)
    file = Path(named) if isinstance(named, str) else _last(path)
    folder = next(f for f in (file.absolute(), *file.absolute().parents) if f.is_dir())
    free = shutil.disk_usage(folder).free
    if not any(map(_says_so, _chain(error))) and free >= LEAST:
        return None
    return DiskFull(
        f"the disk is full: {file} could not be written, {folder} has {free / 1e6:.1f} MB free. "
        "Make room; the same command goes on from there"
    )


def _last(path: Path) -> Path:
    inside = [p for p in path.rglob("*") if p.is_file()]
    return max(inside, key=lambda p: p.stat().st_mtime_ns, default=path)


def _says_so(error: BaseException) -> bool:
    number = error.errno if isinstance(error, OSError) else None
    return number in FULL or any(text in str(error) for text in TEXTS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
