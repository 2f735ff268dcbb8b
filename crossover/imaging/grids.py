"""Grids of images: whether two hold the same voxels, and by how much they differ.

One tolerance for all: masks against images, channels against each other, predictions against manual masks.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

TOLERANCE_MM = 0.1
"""How far a voxel may lie off its place. Images may lie as far off their regular grid themselves, and NIfTI's
rotations off DICOM's: 0.04 mm in masks of a real archive (PI-CAI)."""


class GeometryError(ValueError):
    """Two images that must share a grid don't, or a header describes no grid."""


def tolerance_mm(spacing: ArrayLike) -> float:
    """Return `TOLERANCE_MM`, or a fifth of the smallest voxel (mm) where that is less."""
    return min(TOLERANCE_MM, 0.2 * float(np.min(spacing)))


def axes_of(image: sitk.Image) -> NDArray[np.float64]:
    """Return the step in mm from a voxel to the next along each stored axis, as columns: (3, 3)."""
    return np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()


def corners(size: ArrayLike) -> NDArray[np.int_]:
    """Return the indices of the corner voxels of a volume with this many voxels along x, y and z: (8, 3)."""
    return np.array(list(np.ndindex(2, 2, 2))) * (np.asarray(size) - 1)


def apart_mm(a: sitk.Image, b: sitk.Image) -> float:
    """Return the largest distance (mm) between the corners of two images of one size, corner by corner."""
    at = corners(a.GetSize())
    off = at @ (axes_of(a) - axes_of(b)).T + np.subtract(a.GetOrigin(), b.GetOrigin())
    return float(np.linalg.norm(off, axis=1).max())


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Return whether two images have the same voxels: size, and all corners within the tolerance."""
    return a.GetSize() == b.GetSize() and apart_mm(a, b) <= tolerance_mm(a.GetSpacing())


def match(image: sitk.Image, grid: sitk.Image) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Map an image's voxel indices to a grid's: a signed permutation (3, 3), and a start (3,).

    The axes may be stored in another order or direction, and the image may cover a part of the grid, or more.

    Raises:
        GeometryError: a corner lies more than the tolerance off; the message says how the two lattices
            differ.
    """
    exact = np.linalg.solve(axes_of(grid), axes_of(image))
    start_at = np.linalg.solve(axes_of(grid), np.subtract(image.GetOrigin(), grid.GetOrigin()))
    turn, start = np.round(exact).astype(int), np.round(start_at).astype(int)
    off = corners(image.GetSize()) @ (exact - turn).T + start_at - start
    far = float(np.linalg.norm(off @ axes_of(grid).T, axis=1).max())
    whole = (turn @ turn.T == np.eye(3)).all()
    if not whole or far > tolerance_mm(grid.GetSpacing()):
        raise GeometryError(difference(image, grid))
    return turn, start


def laid_on(values: NDArray, turn: NDArray[np.int_], start: NDArray[np.int_], grid: sitk.Image) -> NDArray:
    """Return an image's values (slices, rows, columns) on the voxels of a grid, by index: nothing is interpolated.

    Args:
        turn, start: as `match` gives them.

    Returns:
        (slices, rows, columns) of the grid; 0 where the image has no voxel.
    """
    stored = np.transpose(values.T, np.abs(turn).argmax(axis=1))
    first = start.copy()
    for axis, flipped in enumerate(turn.sum(axis=1) < 0):
        if flipped:
            stored = np.flip(stored, axis)
            first[axis] -= stored.shape[axis] - 1
    size = np.array(grid.GetSize())
    low, high = np.clip(first, 0, size), np.clip(first + stored.shape, 0, size)
    out = np.zeros(size[::-1], values.dtype)
    inner = stored[tuple(slice(a, b) for a, b in zip(low - first, high - first))]
    out.T[tuple(slice(a, b) for a, b in zip(low, high))] = inner
    return out


def reoriented(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Return an image with the axes and the geometry of a grid that has the same voxels; itself where it has them.

    Raises:
        GeometryError: the two differ, or the image doesn't cover the grid exactly; the message says how.
    """
    if same_grid(image, grid):
        out = sitk.Image(image)
        out.CopyInformation(grid)
        return out
    turn, start = match(image, grid)
    places = corners(image.GetSize()) @ turn.T + start
    if (places.min(axis=0) != 0).any() or (places.max(axis=0) + 1 != grid.GetSize()).any():
        raise GeometryError(difference(image, grid))
    out = sitk.GetImageFromArray(laid_on(sitk.GetArrayViewFromImage(image), turn, start, grid))
    out.CopyInformation(grid)
    return out


PLANES = ("sagittal", "coronal", "axial")
"""The plane of slices whose normal is nearest to each of the patient's axes: to the left, to the back, to the head."""


def plane_of(image: sitk.Image) -> str:
    """Return the plane of `PLANES` that an image's slices, along its third axis, are nearest to."""
    return PLANES[int(np.abs(np.reshape(image.GetDirection(), (3, 3))[:, 2]).argmax())]


UPRIGHT = {"S": "LPS", "I": "LPS", "A": "LIP", "P": "LIP", "R": "PIR", "L": "PIR"}
"""Where slices go -> where columns, rows and slices go in an upright image: axial, coronal and sagittal ones.

All three are right-handed, and lie as radiologists look at a patient who is supine and head first.
"""


def upright(image: sitk.Image) -> sitk.Image:
    """Return an image with its axes turned, by index, so that each plane shows patients in one way.

    A patient may lie prone, on a side or feet first, and files of volumes store axes in either direction. The slices
    remain the slices; the voxels keep their values and their places in the patient.
    """
    stored = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    wanted = UPRIGHT[stored[2]]
    return image if stored == wanted else sitk.DICOMOrient(image, wanted)


def difference(image: sitk.Image, grid: sitk.Image) -> str:
    """Return in words how the grids of two images differ: voxels, spacing (mm), angle (degrees) and place (mm)."""
    parts = ["voxels of {} mm against {} mm".format(*(_mm(i.GetSpacing()) for i in (image, grid)))]
    sizes = [" x ".join(map(str, i.GetSize())) for i in (image, grid)]
    if sizes[0] != sizes[1]:
        parts.append(f"{sizes[0]} voxels against {sizes[1]}")
    own, other = (np.reshape(i.GetDirection(), (3, 3)) for i in (grid, image))
    angle = _angle(own, other)
    parts.append(f"axes {angle:.{2 if angle >= 0.01 or angle < 1e-6 else 5}f} degrees apart")
    exact = np.linalg.solve(axes_of(grid), axes_of(image))
    if (np.round(exact) @ np.round(exact).T == np.eye(3)).all() and sizes[0] == sizes[1]:
        parts.append(f"corners up to {_corners_apart(image, grid):.3g} mm apart")
    start = np.linalg.solve(axes_of(grid), np.subtract(image.GetOrigin(), grid.GetOrigin()))
    off = np.abs((start - np.round(start)) * grid.GetSpacing())
    apart = ", ".join(f"{v:.2f}" for v in off)
    return (
        f"{', '.join(parts)}, and the centre of its first voxel ({apart}) mm from the nearest point of the other grid"
    )


def _mm(values: ArrayLike) -> str:
    return " x ".join(f"{v:.4g}" for v in np.asarray(values))


def _angle(a: NDArray, b: NDArray) -> float:
    """Return the largest angle in degrees between an axis of one and the nearest axis of the other, either way."""
    nearest = [a[:, k] * np.sign(a[:, k] @ axis) for axis in b.T for k in [np.abs(a.T @ axis).argmax()]]
    # by the sine too: the cosine of a thousandth of a degree is 1 to ten digits
    angles = [np.arctan2(np.linalg.norm(np.cross(n, axis)), n @ axis) for n, axis in zip(nearest, b.T)]
    return float(np.degrees(max(angles)))


def _corners_apart(a: sitk.Image, b: sitk.Image) -> float:
    """Return how far (mm) the corners of two boxes of voxels lie from each other, whatever axis is stored first."""
    ours, theirs = (corners(i.GetSize()) @ axes_of(i).T + np.array(i.GetOrigin()) for i in (a, b))
    gaps = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    return float(gaps.min(axis=1).max())


def right_angles(axes: NDArray[np.float64], size: ArrayLike) -> NDArray[np.float64]:
    """Return the nearest axes at right angles to steps in mm (3, 3; columns), as directions of length 1.

    Raises:
        GeometryError: a corner of a volume of this size would move by more than the tolerance, or a step is 0
            or no number.
    """
    spacing = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or (spacing <= 0).any():
        raise GeometryError(f"its header gives voxels of {_mm(spacing)} mm, where each side must be a number above 0")
    left, _, right = np.linalg.svd(axes / spacing)
    turned = left @ right
    far = float(np.linalg.norm(corners(size) @ (axes - turned * spacing).T, axis=1).max())
    if far > tolerance_mm(spacing):
        cosines = [(axes[:, i] / spacing[i]) @ (axes[:, j] / spacing[j]) for i, j in PAIRS]
        worst = max(np.degrees(np.arccos(np.clip(cosines, -1, 1))), key=lambda d: abs(d - 90))
        raise GeometryError(
            f"its axes are not at right angles: two of them are {worst:.3f} degrees apart, which puts a corner "
            f"{far:.2g} mm off"
        )
    return turned


PAIRS = ((0, 1), (0, 2), (1, 2))


def spread_mm(orientations: ArrayLike, spacings: ArrayLike, size: tuple[int, int]) -> float:
    """Return how far (mm) the last pixels of slices would lie apart if their first pixels were in one place.

    Args:
        orientations: (slices, 6), directions along a row and a column. spacings: (slices, 2), in mm between
            rows and between columns. size: rows, columns.
    """
    turns = np.reshape(orientations, (-1, 2, 3))
    steps = np.reshape(spacings, (-1, 2))
    ends = [(0, size[1] - 1), (size[0] - 1, 0), (size[0] - 1, size[1] - 1)]
    at = [row * steps[:, :1] * turns[:, 1] + column * steps[:, 1:] * turns[:, 0] for row, column in ends]
    return float(np.linalg.norm(np.ptp(np.array(at), axis=1), axis=1).max())


INTERPOLATORS = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline}


def resampled(image: sitk.Image, grid: sitk.Image, interpolation: str) -> tuple[sitk.Image, float]:
    """Return an image on the voxels of another grid, and the share of these that lie outside it.

    Voxels outside get the image's lowest value. Values become float32, but for the nearest neighbour's.

    Args:
        interpolation: a name of `INTERPOLATORS`; bspline is of the third order.
    """
    lowest = float(sitk.GetArrayViewFromImage(image).min())
    kind = image.GetPixelID() if interpolation == "nearest" else sitk.sitkFloat32
    out = sitk.Resample(image, grid, sitk.Transform(), INTERPOLATORS[interpolation], lowest, kind)
    there = image * 0 + 1
    inside = sitk.Resample(there, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt8)
    return out, 1.0 - float(sitk.GetArrayViewFromImage(inside).mean())
