"""Cases on the voxels that a 3D network sees, kept on disk while a stage is trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from crossover.imaging.settings import Normalisation
from crossover.imaging.slices import normalise, seen, to_network
from crossover.imaging.volumes import image_path, read, read_grid, structure_path
from crossover.study.sections import Patches
from crossover.training.batches import Moments
from crossover.training.stage_files import Cases, Place

IMAGES, MASKS, ACQUIRED = "images.npy", "masks.npy", "acquired.npy"
MOST_PLACES = 10_000
"""Voxels of a structure in a case, one at random of each of so many equal shares of them, among which the middles of
patches are drawn."""


def volume_grid(own: sitk.Image, patches: Patches) -> sitk.Image:
    """Return an empty image on voxels of the patches' size: a case's axes and middle, all of it, and a patch or more.

    Where an axis has the case's own spacing its voxels are the case's, and nothing is blurred.

    Args:
        own: any image on the case's grid.
    """
    asked, size, acquired = np.array(patches.spacing_mm[::-1]), np.array(own.GetSize()), np.array(own.GetSpacing())
    kept = np.isclose(asked, acquired)  # files hold spacings in float32: 0.7 is read as 0.69999999
    spacing = np.where(kept, acquired, asked)
    step = spacing / acquired
    voxels = np.maximum(np.ceil(size / step - 1e-3).astype(int), patches.size[::-1])
    first = (size - 1) / 2 - (voxels - 1) / 2 * step  # as an index of the case's
    first = np.where(kept, np.floor(first), first)
    grid = sitk.Image([int(n) for n in voxels], sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(own.GetDirection())
    grid.SetOrigin(own.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def images_of(
    cases: Cases, place: Place, channels: Sequence[str], patches: Patches, normalisation: Normalisation
) -> tuple[np.ndarray, sitk.Image]:
    """Return a case's images (slices, rows, columns, channels) float32, normalised, and their grid.

    Voxels by which a case is padded to the size of a patch have no part in its mean and SD.
    """
    own = read_grid(image_path(cases.folder(place), channels[0]))
    grid = volume_grid(own, patches)
    acquired = seen(own, grid)
    resampled = (to_network(read(cases.image(place, channel)), grid) for channel in channels)
    return np.stack([normalise(channel, normalisation, acquired) for channel in resampled], -1), grid


@dataclass(frozen=True)
class StoredCase:
    """A case as it lies on disk, of which windows are read.

    Attributes:
        folder: with images (slices, rows, columns, channels) float32, masks (..., structures) uint8, and whether a
            voxel lies within the acquired image (slices, rows, columns) bool.
        shape: slices, rows, columns.
        places: of each structure some of its voxels, as indices of the flattened volume; empty where it has none.
    """

    folder: Path
    shape: tuple[int, int, int] = field(init=False)
    places: tuple[np.ndarray, ...] = field(init=False)

    def __post_init__(self) -> None:
        masks = self._array(MASKS)
        found = (np.flatnonzero(masks[..., s]) for s in range(masks.shape[-1]))
        object.__setattr__(self, "shape", masks.shape[:3])
        object.__setattr__(self, "places", tuple(map(_some, found)))

    def images(self) -> np.ndarray:
        """Return the whole image, which is read as it is used."""
        return self._array(IMAGES)

    def masks(self) -> np.ndarray:
        """Return all masks, which are read as they are used."""
        return self._array(MASKS)

    def acquired(self) -> np.ndarray:
        """Return the images' values (voxels, channels) float64 within the acquired image, without what pads it."""
        return self._array(IMAGES)[self._array(ACQUIRED)].astype(np.float64)

    def window(self, name: str, begin: np.ndarray, size: Sequence[int]) -> np.ndarray:
        """Return a box of `IMAGES` or `MASKS`, which may reach beyond the volume.

        There the image goes on as at its edge, and masks are empty.

        Args:
            begin: its first slice, row and column. size: how many of each.
        """
        end = begin + np.array(size)
        first, last = np.maximum(begin, 0), np.minimum(end, self.shape)
        inner = np.array(self._array(name)[tuple(slice(a, b) for a, b in zip(first, last))])
        beyond = [*zip(first - begin, end - last), (0, 0)]
        return np.pad(inner, beyond, mode="edge" if name == IMAGES else "constant") if np.any(beyond) else inner

    def _array(self, name: str) -> np.ndarray:
        # opened each time: a study has more files than a process may have open
        return np.load(self.folder / name, mmap_mode="r")


def _some(places: np.ndarray) -> np.ndarray:
    if len(places) <= MOST_PLACES:
        return places
    # not at even steps, which may all meet one column of a structure
    within = np.random.default_rng(len(places)).random(MOST_PLACES)
    return places[((np.arange(MOST_PLACES) + within) * (len(places) / MOST_PLACES)).astype(int)]


def write(
    folder: Path, cases: Cases, place: Place, channels: Sequence[str], structures: Sequence[str], patches: Patches,
    normalisation: Normalisation,
) -> StoredCase:  # fmt: skip
    """Return a case on the network's voxels; it is written to a folder, whole or not at all, unless it is there."""
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        images, grid = images_of(cases, place, channels, patches, normalisation)
        drawn = (read(structure_path(cases.folder(place), structure)) for structure in structures)
        masks = [to_network(mask, grid, mask=True) > 0 for mask in drawn]
        np.save(part / IMAGES, images)
        np.save(part / MASKS, np.stack(masks, -1).astype(np.uint8))
        np.save(part / ACQUIRED, seen(read_grid(image_path(cases.folder(place), channels[0])), grid))
        part.rename(folder)
    return StoredCase(folder)


def moments(volumes: Sequence[StoredCase]) -> Moments:
    """Return mean and SD of each channel over all voxels of volumes but their padding; a constant channel has SD 1."""
    totals = [(len(values), values.sum(0)) for values in (volume.acquired() for volume in volumes)]
    voxels = sum(count for count, _ in totals)
    mean = sum(total for _, total in totals) / voxels
    sd = np.sqrt(sum(((volume.acquired() - mean) ** 2).sum(0) for volume in volumes) / voxels)
    return Moments(mean.tolist(), np.where(sd > 0, sd, 1.0).tolist())
