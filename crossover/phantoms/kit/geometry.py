"""Where the slices of a stack lie in the patient, and how samples become voxels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, ...]
"""x, y, z in mm."""
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
"""Directions of rows and columns: rows run to the left, columns to the back, so slices go to the head."""
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
"""Directions of rows and columns: rows run to the back, columns to the feet, so slices go to the right."""
WHITEST = 4095
"""The largest stored value of magnitude images: 12 bits, as scanners store them."""


@dataclass(frozen=True)
class Geometry:
    """A stack of square slices along the patient's axes."""

    pixel_mm: float
    """The distance between the centres of neighbouring pixels, the same along rows and columns."""
    spacing_mm: float
    """The distance between the centres of neighbouring slices."""
    origin: Triple
    """The centre of row 0, column 0 of slice 0: x, y, z in mm, as in DICOM."""
    shape: tuple[int, int, int]
    """The numbers of slices, rows and columns."""
    row_direction: Triple = AXIAL[0]
    column_direction: Triple = AXIAL[1]
    gap_mm: float = 0
    """The distance between neighbouring slices that no image shows."""

    @property
    def normal(self) -> Triple:
        """The direction from slice to slice."""
        x, y, z = np.cross(self.row_direction, self.column_direction).tolist()
        return x, y, z

    @property
    def voxel_ml(self) -> float:
        """The volume of a voxel in ml, its share of the gap included."""
        return self.pixel_mm**2 * self.spacing_mm / 1000

    def position(self, k: int) -> Triple:
        """Return the centre of row 0, column 0 of slice k: x, y, z in mm."""
        x, y, z = (round(o + k * self.spacing_mm * n, 4) for o, n in zip(self.origin, self.normal, strict=True))
        return x, y, z

    def axes(self, layers: int = 1) -> tuple[NDArray, NDArray, NDArray]:
        """Return x, y and z of the samples along each axis, mm; `layers` of them through each slice."""
        inside = ((np.arange(layers) + 0.5) / layers - 0.5) * self.spacing_mm
        steps = (
            (np.arange(self.shape[0])[:, None] * self.spacing_mm + inside).ravel(),
            np.arange(self.shape[1]) * self.pixel_mm,
            np.arange(self.shape[2]) * self.pixel_mm,
        )
        directions = np.array([self.normal, self.column_direction, self.row_direction])
        along = [int(a) for a in np.abs(directions).argmax(axis=0)]
        x, y, z = (self.origin[k] + steps[axis] * directions[axis, k] for k, axis in enumerate(along))
        return x, y, z


def pool(samples: NDArray, layers: int, in_plane: int = 1) -> NDArray[np.float32]:
    """Return the mean over the samples of each voxel: (slices, rows, columns).

    Args:
        samples: (slices * layers, rows * in_plane, columns * in_plane).
        layers: samples through a slice.
        in_plane: samples along a row and along a column of a pixel.
    """
    s, r, c = samples.shape
    shape = (s // layers, layers, r // in_plane, in_plane, c // in_plane, in_plane)
    # float32 sums in this order are the same on every run; no threads are involved.
    return samples.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)


def magnitudes(signal: NDArray[np.float32], sigma: float, gain: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return the stored magnitudes of a complex signal with Gaussian noise, which is Rician noise.

    Args:
        signal: what the coils receive, without noise, of any shape.
        sigma: SD of the noise in the real and in the imaginary part, in units of the signal.
        gain: stored value of a signal of 1; values are rounded and cut to 12 bits.
        rng: where the noise comes from.
    """
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(sigma)
    magnitude = np.hypot(signal + noise[0], noise[1])
    return np.clip(np.rint(magnitude * np.float32(gain)), 0, WHITEST).astype(np.uint16)
