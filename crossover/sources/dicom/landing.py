"""Masks that were made on an image's voxels: laid on its grid without resampling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.imaging.grids import GeometryError, corners, laid_on, match, reoriented
from crossover.sources.findings import Finding, Refused

WHOLE = 1e-3
"""The most by which a label may be off a whole number: slopes that were 1 are written as 0.9999999975."""

MOST_LABELS = 256
"""The most different values in a mask or one slice of it, of any label; more are an image's."""

LISTED = 20
"""The number of a mask's values that a message lists."""


def inside(values: NDArray, labels: list[int] | None, scaling: tuple[float, float] = (1.0, 0.0)) -> NDArray[np.bool_]:
    """Return where values are one of the labels.

    Args:
        values: of any shape.
        labels: None: any but 0.
        scaling: slope and intercept that the values were made with; messages name them.

    Raises:
        Refused: structure-refused, where they are no whole numbers, or too many different ones.
    """
    if values.dtype.kind not in "biu":
        values = _whole(values, scaling)
    chosen = values != 0 if labels is None else np.isin(values, labels)
    if labels is None and (different := len(np.unique(values[chosen]))) > MOST_LABELS:
        what = f"it has {different} different values besides 0, and a mask without `label` has at most {MOST_LABELS}"
        raise Refused("structure-refused", what)
    return chosen


def _whole(values: NDArray, scaling: tuple[float, float]) -> NDArray:
    """Return values rounded to whole numbers, from which they may differ by rounding alone."""
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        what = f"{wrong} of {values.size} values are NaN or infinite instead of whole numbers: write 0 there"
        raise Refused("structure-refused", what)
    rounded = np.rint(values)
    off = np.abs(values - rounded) > WHOLE
    if off.any():
        what = f"{np.count_nonzero(off)} of {values.size} values are not whole numbers ({values_text(values[off])})"
        if scaling != (1.0, 0.0):
            what += f" after slope {scaling[0]:.10g} and intercept {scaling[1]:.10g}"
        what += ": threshold it, or resample labels by nearest neighbour, and save whole numbers"
        raise Refused("structure-refused", what)
    return rounded


def values_text(values: Iterable[float]) -> str:
    """Return the smallest few of the different values, in words."""
    there = np.unique(np.asarray(list(values) if isinstance(values, set) else values))
    more = ", ..." if len(there) > LISTED else ""
    return ", ".join(f"{v:.6g}" for v in there[:LISTED].tolist()) + more


def inside_or_refuse(parts: Sequence[tuple[NDArray, list[int] | None, tuple[float, float]]]) -> NDArray[np.bool_]:
    """Return where the values of a whole mask are its labels, and refuse a mask without any such value.

    Args:
        parts: values, labels and scaling (see `inside`) of each layer of the mask, all of one shape.

    Raises:
        Refused: structure-refused (also where no voxel is outside); structure-empty, naming the labels that
            are there.
    """
    chosen = np.logical_or.reduce([inside(*part) for part in parts])
    if not chosen.any():
        if any(labels is None for _, labels, _ in parts):
            raise Refused("structure-empty", "all values of the label map are 0")
        which = " or ".join(str(label) for _, labels, _ in parts for label in labels or ())
        there = values_text({value for values, _, _ in parts for value in np.unique(values).tolist()})
        what = f"no voxel of the label map has the label {which}; its values are {there}"
        raise Refused("structure-empty", what)
    if chosen.all():
        raise Refused(
            "structure-refused", "every voxel of the label map is inside the structure, and none is background"
        )
    return chosen


def land(mask_image: sitk.Image, grid: sitk.Image) -> tuple[NDArray[np.bool_], bool]:
    """Lay a mask (non-zero is inside) on the voxels of a grid.

    The mask's voxels must be the grid's, all corners within the tolerance of `crossover.imaging.grids`; its
    axes may be permuted or flipped, and it may cover a part of the grid, or more.

    Returns:
        The mask (slices, rows, columns), in which voxels that it doesn't cover are outside; and whether any
            of it lies beyond the grid.

    Raises:
        Refused: structure-refused, saying how the mask's lattice differs.
    """
    try:
        turn, start = match(mask_image, grid)
    except GeometryError as error:
        what = f"its grid is not the image's: {error}"
        raise Refused("structure-refused", what) from None
    values = sitk.GetArrayViewFromImage(mask_image) != 0
    out = laid_on(values, turn, start, grid)
    return out, int(np.count_nonzero(out)) < int(np.count_nonzero(values))


def land_file(mask_image: sitk.Image, grid: sitk.Image, whole: bool) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Lay a label map's file on a grid as `land_with_findings` does, with a finding where its extent is doubtful.

    That is a file that may be cut short, or one of the grid's size that begins elsewhere.

    Args:
        mask_image, grid: see `land`.
        whole: whether the mask must cover the grid exactly, for headers that contradict themselves: a part of
            the grid may be the whole in the wrong place.

    Raises:
        Refused: structure-outside, where all voxels lie beyond the grid; structure-refused.
    """
    if whole:
        try:
            return sitk.GetArrayFromImage(reoriented(mask_image, grid)) != 0, []
        except GeometryError as error:
            what = "the image's header or its own gives two places (header-forms), so that it must have exactly the "
            what += f"image's grid: {error}"
            raise Refused("structure-refused", what) from None
    mask, findings = land_with_findings(mask_image, grid)
    return mask, findings + (_shifted(mask_image, grid) or _cut_short(mask, mask_image, grid))


def _ends(mask_image: sitk.Image, grid: sitk.Image) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return the lowest and highest indices (3,) on a grid that a mask's voxels have, whatever axes it stores."""
    turn, start = match(mask_image, grid)
    ends = corners(mask_image.GetSize()) @ turn.T + start
    return ends.min(axis=0), ends.max(axis=0)


def _shifted(mask_image: sitk.Image, grid: sitk.Image) -> list[Finding]:
    """Warn of a mask with as many voxels as the image along each axis that lies whole voxels off."""
    low, high = _ends(mask_image, grid)
    if not low.any() or (high - low + 1 != grid.GetSize()).any():
        return []
    mm = " x ".join(f"{abs(v):.4g}" for v in low * grid.GetSpacing())
    what = f"it has the image's size, but its header puts it {mm} mm (columns x rows x slices) off the image"
    return [Finding("mask-shifted", what)]


def _cut_short(mask: NDArray[np.bool_], mask_image: sitk.Image, grid: sitk.Image) -> list[Finding]:
    """Warn of a mask that ends before the image along one axis alone, with voxels on its last plane.

    A file that ends along several axes was cropped to what is drawn.
    """
    low, high = _ends(mask_image, grid)
    missing = np.stack([low, np.array(grid.GetSize()) - 1 - high]).clip(0)
    if np.count_nonzero(missing.any(axis=0)) != 1:
        return []
    axis = int(missing.any(axis=0).argmax())
    planes = np.moveaxis(mask, 2 - axis, 0)
    cut = sum(int(n) for n, at in zip(missing[:, axis], (low[axis], high[axis])) if n and planes[at].any())
    what = f"its file lacks {cut} of the image's {len(planes)} planes, and the structure reaches the file's end there"
    return [Finding("mask-short", what)] if cut else []


def land_with_findings(mask_image: sitk.Image, grid: sitk.Image) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Lay a mask on a grid as `land` does, with a finding that counts its voxels beyond the grid.

    Raises:
        Refused: structure-outside, where all voxels lie beyond the grid; structure-refused.
    """
    mask, clipped = land(mask_image, grid)
    if not clipped:
        return mask, []
    there = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask_image)))
    inside = int(mask.sum())
    if not inside:
        raise Refused("structure-outside", f"all of its {there} voxels are outside the image")
    beyond = f"{there - inside} of its {there} voxels are outside the image"
    return mask, [Finding("structure-clipped", beyond)]


def contradictory(findings: Iterable[Finding]) -> bool:
    """Return whether findings say that a file's header gives two places (code header-forms).

    `land_file` then asks for a mask that covers the grid exactly.
    """
    return any(f.code == "header-forms" for f in findings)
