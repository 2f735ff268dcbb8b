"""The slices of a case on disk, so that each slice and each structure can be read without the others.

`<case>/images.npy` is (slices, rows, columns, channels) float32; `<case>/mask_<structure>.npy` is (slices, rows,
bytes) uint8, eight pixels of a row in a byte (`numpy.packbits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

IMAGES = "images.npy"


def mask_name(structure: str) -> str:
    """Return the name of the file with the masks of a structure."""
    return f"mask_{structure}.npy"


def write(folder: Path, images: np.ndarray, masks: Mapping[str, np.ndarray]) -> None:
    """Write the slices of a case.

    Args:
        images: (slices, rows, columns, channels) float32.
        masks: structure -> (slices, rows, columns); every value but 0 is inside.
    """
    np.save(folder / IMAGES, np.ascontiguousarray(images))
    for structure, mask in masks.items():
        np.save(folder / mask_name(structure), np.packbits(mask > 0, axis=-1))


class SliceArray(Protocol):
    """Slices along the first axis: an array in memory, or one that is read as it is indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis, slices first."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: np.ndarray, /) -> np.ndarray:
        """Return the slices of some places (integers, or a bool for each slice), in their order."""
        ...


class Stored:
    """Arrays of several .npy files, one after the other along the first axis.

    No file stays open or mapped: a study has more of them than a process may have open.

    Attributes:
        counts: slices in each file.

    Raises:
        ValueError: no files, or files whose arrays differ in type or in the shape of a slice, naming one.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        heads = [_head(file) for file in files]
        kinds = [(shape[1:], dtype) for shape, dtype, _ in heads]
        odd = [file for file, kind in zip(files, kinds) if kind != kinds[0]]
        if not files:
            raise ValueError("there are no files with slices")
        if odd:
            raise ValueError(f"{odd[0]}: its slices differ from those of {files[0]} in shape or type")
        self.counts = [shape[0] for shape, _, _ in heads]
        rest, self._dtype = kinds[0]
        self.shape = (sum(self.counts), *rest)
        self._files, self._begins = list(files), [begin for *_, begin in heads]
        self._file = np.repeat(np.arange(len(files)), self.counts)
        self._first = np.cumsum([0, *self.counts])
        self._bytes = int(np.prod(rest)) * self._dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: np.ndarray) -> np.ndarray:
        places = np.arange(len(self))[which]
        out = np.empty((len(places), *self.shape[1:]), self._dtype)
        for row, place in enumerate(places):
            self._read(int(place), out[row])
        return out

    def _read(self, place: int, out: np.ndarray) -> None:
        file = self._file[place]
        with self._files[file].open("rb", buffering=0) as data:
            data.seek(self._begins[file] + (place - self._first[file]) * self._bytes)
            if data.readinto(out) != self._bytes:
                raise OSError(f"{self._files[file]} is shorter than its header says")


class StoredMasks:
    """(slices, rows, columns, structures) uint8, 0 or 1, of packed masks.

    Args:
        masks: for each structure, (slices, rows, bytes).
    """

    def __init__(self, masks: Sequence[SliceArray], columns: int) -> None:
        self._masks, self._columns = list(masks), columns
        self.shape = (*masks[0].shape[:2], columns, len(self._masks))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: np.ndarray) -> np.ndarray:
        own = (np.unpackbits(mask[which], -1, self._columns) for mask in self._masks)
        return np.stack(list(own), -1)


def _head(file: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return shape, type and the first byte's place of an array as `write` left it."""
    with file.open("rb") as data:
        version = np.lib.format.read_magic(data)
        assert version == (1, 0), "longer heads are those of structured types"
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(data)
        assert not fortran
        return shape, dtype, data.tell()
