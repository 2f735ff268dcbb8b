"""The folder that frozen activations are kept in: bounded, shared by jobs, cleared of what is old.

Each frozen part has a folder with a lock that those who use it hold. Whoever needs room first says how
much it will write at most; where that doesn't fit beside what is there and what others have said, the
parts that nobody uses go, the longest unused first. Locks are the system's: a killed job holds none.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

FOLDER = Path(".cache/activations")
SPARE = 2**30
"""Bytes of the disk that are left free."""
IN_USE = "in-use"


class Part(NamedTuple):
    """A frozen part's folder, and how to ask for room to write so many bytes at most: False where they
    don't fit. What is asked for is promised until the part is given back."""

    folder: Path
    ask: Callable[[int], bool]


class Cache:
    """See the module.

    Args:
        limit: bytes that it may hold; 0 for no cache.
    """

    def __init__(self, limit: int, folder: Path = FOLDER) -> None:
        self.limit, self.folder = limit, folder

    @contextmanager
    def part(self, name: str) -> Iterator[Part]:
        """The folder of a frozen part, kept from being cleared until it is given back."""
        with ExitStack() as stack:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            with self._locked():
                (self.folder / name).mkdir(exist_ok=True)  # it may have been cleared just now
                held = stack.enter_context((self.folder / name / IN_USE).open("ab"))
                fcntl.flock(held, fcntl.LOCK_SH)
                os.utime(held.name)
            yield Part(self.folder / name, partial(self._ask, stack))

    def _ask(self, stack: ExitStack, wanted: int) -> bool:
        with self._locked():
            if not self._make_room(wanted):
                return False
            asked = (self.folder / f"{os.getpid()}-{os.urandom(4).hex()}.asked").open("wb")
            stack.enter_context(asked)
            stack.callback(Path(asked.name).unlink, missing_ok=True)
            fcntl.flock(asked, fcntl.LOCK_EX)
            asked.write(str(wanted).encode())
            asked.flush()
        return True

    def clear(self) -> int:
        """Remove all that nobody uses; returns the bytes."""
        if not self.folder.exists():
            return 0
        with self._locked():
            before = self._held()
            while self._drop_oldest():
                pass
            return before - self._held()

    def _make_room(self, wanted: int) -> bool:
        while not self._fits(wanted):
            if not self._drop_oldest():
                return False
        return True

    def _fits(self, wanted: int) -> bool:
        promised = wanted + self._promised()
        free = shutil.disk_usage(self.folder).free - SPARE
        return self._held() + promised <= self.limit and promised <= free

    def _held(self) -> int:
        """Bytes on the disk; the files have holes."""
        return sum(_allocated(path) for path in self.folder.glob("*/*.bin"))

    def _promised(self) -> int:
        """Bytes that others have said; what a killed job said goes."""
        total = 0
        for path in self.folder.glob("*.asked"):
            with path.open("rb") as file:
                if _nobody_holds(file):
                    path.unlink()
                else:
                    total += int(file.read() or 0)
        return total

    def _drop_oldest(self) -> bool:
        for lock in sorted(self.folder.glob(f"*/{IN_USE}"), key=lambda p: p.stat().st_mtime):
            with lock.open("rb") as file:
                if _nobody_holds(file):
                    shutil.rmtree(lock.parent)
                    return True
        return False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _allocated(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _nobody_holds(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
