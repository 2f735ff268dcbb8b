"""T2 series and masks of them as folders of DICOM slices: what readers of masks are tried on."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from dicom_exports import Block, block, write

SHAPE = (7, 9, 8)


def body() -> np.ndarray:
    """Without any symmetry; no voxel in the first and last slice."""
    mask = np.zeros(SHAPE, bool)
    mask[1:5, 2:6, 1:5] = True
    mask[5, 3, 2:7] = mask[2, 7, 6] = True
    mask[3, 4, 3] = False
    return mask


def image(folder: Path, plane: str = "axial", name: str = "image{}.dcm", **how) -> Block:
    """A T2 series, under the names that I2CVB has."""
    content = block(plane, SHAPE, seed=zlib.crc32(bytes(folder)))
    named(folder, write(folder, content, **how), name)
    return content


def named(folder: Path, files: list[Path], name: str = "image{}.dcm", start: int = 0) -> list[Path]:
    return [f.rename(folder / name.format(k)) for k, f in enumerate(files, start)]


def mask(
    folder: Path, on: Block, values: np.ndarray | None = None, name: str = "image{}.dcm",
    start: int = 0, **how,
) -> list[Path]:  # fmt: skip
    """Slices of a mask, by headers that may be the image's: `values` (slices, rows, columns)."""
    values = body() * 255 if values is None else values
    how = {"dtype": "uint8", "SeriesNumber": 9} | how
    return named(folder, write(folder, on.holding(values * 1.0), **how), name, start)
