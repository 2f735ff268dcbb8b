"""Frozen activations, kept on disk: what the frozen part of a network gave for a slice in a version.

A file a case, shared by all trainings, at once or one after the other, that have the same frozen part,
level, preparation, versions and numerics (the folder's name is the digest of these). At its head a mark for
each item, 0 while the item isn't there, else its checksum; an item counts only where its bytes have that
checksum, so a kill or a full disk while writing leaves nothing that is taken for true. Two jobs that write
the same item write the same bytes.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import numpy as np

MARK = np.dtype(np.uint64)
THERE = np.uint64(1 << 32)  # a checksum of 0 is none the less there


class ItemArray(NamedTuple):
    """One array of an item."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Bytes of one item."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def kinds(arrays: list[np.ndarray]) -> list[ItemArray]:
    """Return the kind of each item of a batch."""
    return [ItemArray(a.shape[1:], a.dtype.str) for a in arrays]


class Activations:
    """The activations of a training's items (see `crossover.training.batches.Batches`).

    Args:
        folder: of this frozen part.
        sources: digest of each case's slices.
        case, place: (slices,) each slice's case, and where it lies in the case.
        versions: of each slice.
    """

    def __init__(
        self, folder: Path, sources: tuple[str, ...], case: np.ndarray, place: np.ndarray,
        versions: int, kinds: list[ItemArray],
    ) -> None:  # fmt: skip
        self.kinds, self._versions, self._case, self._place = kinds, versions, case, place
        self.item_bytes = sum(kind.bytes for kind in kinds)
        self._slots = np.bincount(case) * versions
        folder.mkdir(parents=True, exist_ok=True)
        self._files: list[int] = []
        self._sound: set[int] = set()  # items that were written here, or read with their checksum
        try:
            for source in sources:
                path = folder / f"{source}.bin"
                self._files.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            os.close(file)

    def missing(self, items: np.ndarray) -> int:
        """Return how many of distinct items aren't there."""
        marks = {}
        for case in np.unique(self._case[items // self._versions]):
            there = os.pread(self._files[case], int(self._slots[case]) * MARK.itemsize, 0)
            marks[case] = np.frombuffer(there.ljust(int(self._slots[case]) * 8, b"\0"), MARK)
        return sum(not marks[case][slot] for case, slot in map(self._where, items.tolist()))

    def read(self, items: np.ndarray) -> list[np.ndarray] | None:
        """Return the arrays of a batch of items; None where one isn't there, whole."""
        out = [np.empty((len(items), *kind.shape), kind.dtype) for kind in self.kinds]
        for row, item in enumerate(items.tolist()):
            case, slot = self._where(item)
            sound = item in self._sound  # asked first: another thread may be writing it
            views = [memoryview(array[row]).cast("B") for array in out]
            if os.preadv(self._files[case], views, self._offset(case, slot)) != self.item_bytes:
                return None
            if not sound and self._mark(case, slot) != _checksum(views):
                return None
            self._sound.add(item)
        return out

    def write(self, items: np.ndarray, arrays: list[np.ndarray]) -> None:
        """Keep the items of a batch that aren't there.

        Raises:
            OSError: no room.
        """
        for row, item in enumerate(items.tolist()):
            if item in self._sound:
                continue
            case, slot = self._where(item)
            views = [np.ascontiguousarray(a[row]).data.cast("B") for a in arrays]
            _write(self._files[case], views, self._offset(case, slot))
            mark = np.array(_checksum(views), MARK).tobytes()
            _write(self._files[case], [memoryview(mark)], slot * MARK.itemsize)
            self._sound.add(item)

    def _where(self, item: int) -> tuple[int, int]:
        index, version = divmod(item, self._versions)
        return int(self._case[index]), int(self._place[index]) * self._versions + version

    def _offset(self, case: int, slot: int) -> int:
        return int(self._slots[case]) * MARK.itemsize + slot * self.item_bytes

    def _mark(self, case: int, slot: int) -> int:
        found = os.pread(self._files[case], MARK.itemsize, slot * MARK.itemsize)
        return int.from_bytes(found, "little") if len(found) == MARK.itemsize else 0


def _checksum(views: list[memoryview]) -> int:
    value = 0
    for view in views:
        value = zlib.crc32(view, value)
    return int(THERE) | value


def _read(file: int, view: memoryview, offset: int) -> None:
    while view:
        got = os.preadv(file, [view], offset)
        offset, view = offset + got, view[got:]


def _write(file: int, views: list[memoryview], offset: int) -> None:
    for view in views:
        while view:
            written = os.pwrite(file, view, offset)
            offset, view = offset + written, view[written:]


class Spill:
    """Lists of arrays on disk, to be read again in the order in which they were written.

    They are gone when this is closed, or its process killed.
    """

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
        self._end = 0
        self._written: list[list[ItemArray]] = []

    def append(self, arrays: list[np.ndarray]) -> None:
        """Add the arrays of items; raises OSError where there is no room."""
        views = [np.ascontiguousarray(array).data.cast("B") for array in arrays]
        _write(self._file.fileno(), views, self._end)
        self._end += sum(len(view) for view in views)
        self._written.append([ItemArray(a.shape, a.dtype.str) for a in arrays])

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        offset = 0
        for kinds_ in self._written:
            arrays = [np.empty(kind.shape, kind.dtype) for kind in kinds_]
            for array in arrays:
                _read(self._file.fileno(), array.data.cast("B"), offset)
                offset += array.nbytes
            yield arrays

    def close(self) -> None:
        """Close the files."""
        self._file.close()
