"""The folder that frozen activations are kept in: bounded, shared by jobs, cleared of what is old.

Each frozen part has a folder in which everyone who uses it holds a lock of its own. Whoever needs room first
says how much it will write at most; where that doesn't fit beside what is there and what others have said, the
parts that nobody uses go, the longest unused first. A killed job holds no lock.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

FOLDER = Path(".cache/activations")
SPARE = 2**30
"""Bytes of the disk that are left free."""
IN_USE = "in-use"
"""The file whose time says when a part was last used; the locks of those who use it are named *.in-use."""


class PartFolder(NamedTuple):
    """A frozen part's folder, and how to ask for room to write so many bytes at most, in it or beside it.

    The answer is False where they don't fit. What is asked for is promised until the part is given back.
    """

    folder: Path
    ask: Callable[[int], bool]
    ask_beside: Callable[[int], bool]


class Cache:
    """See the module.

    Args:
        limit: bytes that it may hold; 0 for no cache.
    """

    def __init__(self, limit: int, folder: Path = FOLDER) -> None:
        self.limit, self.folder = limit, folder

    @contextmanager
    def part(self, name: str) -> Iterator[PartFolder]:
        """Yield the folder of a frozen part, kept from being cleared until the context ends.

        Raises:
            OSError: the folder can't be written.
        """
        with ExitStack() as stack:
            folder = self.folder / name
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                folder.mkdir(exist_ok=True)
                (folder / IN_USE).touch()
                _hold(stack, folder / f"{_unique()}.{IN_USE}")
            yield PartFolder(folder, partial(self._ask, stack, name), partial(self._ask, stack, ""))

    def clear(self) -> int:
        """Remove all that nobody uses; returns the bytes."""
        if not self.folder.exists():
            return 0
        with self._locked():
            self._promised()  # drops those of killed jobs
            idle = self._idle()
            for folder, _ in idle:
                shutil.rmtree(folder)
            return sum(size for _, size in idle)

    def _ask(self, stack: ExitStack, name: str, wanted: int) -> bool:
        """Say that so much will be written, to a part or (no name) beside the parts."""
        if not wanted:
            return True
        with self._locked():
            if not self._make_room(wanted):
                return False
            asked = self.folder / f"{_unique()}.asked"
            _hold(stack, asked)
            asked.write_text(json.dumps([name, wanted, _held(self.folder / name) if name else 0]))
        return True

    def _make_room(self, wanted: int) -> bool:
        """Clear as much as is needed; nothing where that wouldn't be enough."""
        promised, idle = self._promised() + wanted, self._idle()
        held = sum(_held(folder) for folder in self._parts())
        free = shutil.disk_usage(self.folder).free - SPARE
        excess = max(held + promised - self.limit, promised - free)
        if excess > sum(size for _, size in idle):
            return False
        for folder, size in idle:
            if excess <= 0:
                break
            shutil.rmtree(folder)
            excess -= size
        return True

    def _promised(self) -> int:
        """Bytes that others have said and not yet written; what a killed job said goes."""
        total = 0
        for path in self.folder.glob("*.asked"):
            try:
                name, wanted, before = json.loads(path.read_text())
            except (FileNotFoundError, ValueError):  # given back meanwhile, or its job was killed
                name, wanted, before = "", 0, 0
            if not _is_held(path):
                continue
            written = _held(self.folder / name) - before if name else 0
            total += max(0, wanted - max(0, written))
        return total

    def _parts(self) -> list[Path]:
        return [path.parent for path in self.folder.glob(f"*/{IN_USE}")]

    def _idle(self) -> list[tuple[Path, int]]:
        """Parts that nobody uses and their bytes, the longest unused first."""
        idle = []
        for folder in sorted(self._parts(), key=lambda part: (part / IN_USE).stat().st_mtime):
            if not any(map(_is_held, folder.glob(f"*.{IN_USE}"))):
                idle.append((folder, _held(folder)))
        return idle

    def _locked(self) -> FileLock:
        return FileLock(self.folder / "lock")


def _hold(stack: ExitStack, path: Path) -> None:
    """Hold the lock of a file until the stack is closed; then the file goes."""
    stack.enter_context(FileLock(path))
    stack.callback(path.unlink, missing_ok=True)


def _is_held(path: Path) -> bool:
    """Return whether a job holds the lock of a file; what a killed job left goes."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    path.unlink()
    lock.release()
    return False


def _unique() -> str:
    return f"{os.getpid()}-{os.urandom(4).hex()}"


def _held(part: Path) -> int:
    """Bytes of a part on the disk; its files have holes."""
    return sum(path.stat().st_blocks * 512 for path in part.glob("*.bin"))
