"""Smooth random fields that are the same on every grid: texture, and what bends a person."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WAVES = 12
ALONE = 2**18
"""The number of multiplications of a matrix product up to which OpenBLAS uses one thread."""


@dataclass(frozen=True)
class Waves:
    """Smooth random fields, each a sum of plane waves in scanner coordinates."""

    vectors: NDArray[np.float64]  # (fields, waves, 3), 1/mm
    phases: NDArray[np.float64]  # (fields, waves)
    amplitude: float  # SD of a field

    def fields(self, x: NDArray, y: NDArray, z: NDArray) -> list[NDArray[np.float32]]:
        """Return the values at a grid of scanner coordinates (mm), an array (z, y, x) for each field."""
        return [self._field(k, p, x, y, z) for k, p in zip(self.vectors, self.phases, strict=True)]

    def _field(self, k: NDArray, phase: NDArray, x: NDArray, y: NDArray, z: NDArray) -> NDArray[np.float32]:
        # cos(a + b) = cos a cos b - sin a sin b, with b the part along x: two thin factors.
        a = z[:, None, None] * k[:, 2] + y[None, :, None] * k[:, 1] + phase
        b = np.outer(k[:, 0], x)
        left = np.concatenate([np.cos(a), -np.sin(a)], axis=2).astype(np.float32)
        right = np.concatenate([np.cos(b), np.sin(b)]).astype(np.float32)
        return _product(left, right) * np.float32(self.amplitude * np.sqrt(2 / len(k)))


def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return left @ right, in blocks of rows that BLAS makes in this thread.

    Where patients are drawn in as many processes as there are cores, its threads would spend ten times the work on
    waiting for each other.
    """
    rows = max(1, ALONE // right.size)
    flat = left.reshape(-1, left.shape[-1])
    out = np.empty((len(flat), right.shape[1]), np.float32)
    whole = len(flat) // rows * rows
    blocks = flat[:whole].reshape(whole // rows, rows, flat.shape[1])
    np.matmul(blocks, right, out=out[:whole].reshape(len(blocks), rows, right.shape[1]))
    np.matmul(flat[whole:], right, out=out[whole:])
    return out.reshape(*left.shape[:2], right.shape[1])


def draw_waves(
    count: int,
    lengths_mm: tuple[float, float],
    amplitude: float,
    rng: np.random.Generator,
    waves: int = WAVES,
) -> Waves:
    """Draw fields of an SD, as sums of waves of wavelengths between two.

    With few waves a strong texture looks woven.
    """
    direction = rng.standard_normal((count, waves, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    length = rng.uniform(*lengths_mm, (count, waves, 1))
    phase = rng.uniform(0, 2 * np.pi, (count, waves))
    return Waves(2 * np.pi * direction / length, phase, amplitude)
