"""Structures from RTSTRUCT contours and DICOM SEG, on the grid of an image."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from skimage.draw import polygon2mask

from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.series import DicomError


def structure_mask(datasets: list[Dataset], names: list[str], grid: sitk.Image) -> sitk.Image:
    """The structure with one of `names` from a patient's RTSTRUCT or SEG, as 0/1 on `grid`.

    Names are compared without case and surrounding space.

    Raises:
        DicomError: where no or several objects hold it, or where it leaves the grid or is empty.
    """
    wanted = {name.strip().lower() for name in names}
    masks, seen = [], []
    for dataset in datasets:
        if dataset.get("Modality") == "RTSTRUCT":
            rois = [
                (str(r.ROIName), r.ROINumber) for r in dataset.get("StructureSetROISequence", [])
            ]
            seen += [name for name, _ in rois]
            masks += [rtstruct_mask(dataset, roi, grid) for n, roi in rois if _is(n, wanted)]
        elif dataset.get("Modality") == "SEG":
            segments = [(str(s.SegmentLabel), s.SegmentNumber) for s in dataset.SegmentSequence]
            seen += [name for name, _ in segments]
            masks += [seg_mask(dataset, number, grid) for n, number in segments if _is(n, wanted)]
    if len(masks) != 1:
        there = ", ".join(sorted(seen)) or "no RTSTRUCT or SEG with any structure"
        raise DicomError(f"{len(masks)} structures named {' or '.join(names)}; there are: {there}")
    if not masks[0].any():
        raise DicomError(f"structure {names[0]} is empty on the image's grid")
    return on_grid(masks[0].astype(np.uint8), grid)


def _is(name: str, wanted: set[str]) -> bool:
    return name.strip().lower() in wanted


def rtstruct_mask(dataset: Dataset, roi: int, grid: sitk.Image) -> np.ndarray:
    """Closed planar contours (3006,0050) of one ROI, rasterised at pixel centres; (slices, rows, columns).

    Contours of one slice are combined by exclusive or: an inner contour is a hole.

    Raises:
        DicomError: for a contour between slices or outside the image.
    """
    shape = grid.GetSize()[::-1]
    mask = np.zeros(shape, bool)
    contours = dataset.get("ROIContourSequence", [])
    items = [c for c in contours if c.ReferencedROINumber == roi]
    for contour in (c for item in items for c in item.get("ContourSequence", [])):
        if contour.ContourGeometricType != "CLOSED_PLANAR":
            continue
        points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
        index = np.array([grid.TransformPhysicalPointToContinuousIndex(p) for p in points.tolist()])
        k = float(index[:, 2].mean())
        if np.abs(index[:, 2] - round(k)).max() > 0.1 or not 0 <= round(k) < shape[0]:
            raise DicomError(
                f"ROI {roi}: a contour lies at slice position {k:.2f}, not on one of {shape[0]} slices"
            )
        low, high = index[:, :2].min(), (index[:, :2] - [shape[2], shape[1]]).max()
        if low < -1 or high > 0:
            raise DicomError(f"ROI {roi}: a contour on slice {round(k)} leaves the image")
        mask[round(k)] ^= polygon2mask(shape[1:], index[:, [1, 0]])
    return mask


def seg_mask(dataset: Dataset, segment: int, grid: sitk.Image) -> np.ndarray:
    """Frames of one segment of a binary SEG, placed by their positions; (slices, rows, columns).

    Slices without a frame are empty.

    Raises:
        DicomError: where a frame is not on the image's grid.
    """
    shape = grid.GetSize()[::-1]
    mask = np.zeros(shape, bool)
    frames = np.reshape(dataset.pixel_array, (-1, dataset.Rows, dataset.Columns))
    if frames.shape[1:] != shape[1:]:
        raise DicomError(f"SEG frames have {frames.shape[1:]} pixels, the image {shape[1:]}")
    for frame, item in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        groups = (item, dataset.SharedFunctionalGroupsSequence[0])
        identification = _macro(groups, "SegmentIdentificationSequence")
        if identification.ReferencedSegmentNumber != segment:
            continue
        _same_plane(groups, grid)
        plane = _macro(groups, "PlanePositionSequence")
        origin = [float(v) for v in plane.ImagePositionPatient]
        index = np.array(grid.TransformPhysicalPointToContinuousIndex(origin))
        k = round(float(index[2]))
        if np.abs(index - [0, 0, k]).max() > 0.1 or not 0 <= k < shape[0]:
            raise DicomError(
                f"SEG frame at index {np.round(index, 2).tolist()} is not on the image"
            )
        mask[k] |= frame > 0
    return mask


def _same_plane(groups: tuple[Dataset, ...], grid: sitk.Image) -> None:
    """Refuse a frame whose axes or pixels differ from the image's."""
    axes = _macro(groups, "PlaneOrientationSequence").ImageOrientationPatient
    own = np.reshape(grid.GetDirection(), (3, 3)).T[:2].ravel()
    if not np.allclose(np.array(axes, float), own, atol=1e-3):
        raise DicomError("SEG frames have another orientation than the image")
    rows, columns = (float(v) for v in _macro(groups, "PixelMeasuresSequence").PixelSpacing)
    if not np.allclose((columns, rows), grid.GetSpacing()[:2], rtol=1e-3):
        raise DicomError(f"SEG frames have pixels of {rows} x {columns} mm, the image others")


def _macro(groups: tuple[Dataset, ...], name: str) -> Dataset:
    """A functional group macro: of the frame, else shared by all frames."""
    return next(group[name][0] for group in groups if name in group)
