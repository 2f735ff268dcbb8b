"""Contours of masks, and DICOM structure sets (RTSTRUCT) that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import UID, RTStructureSetStorage
from skimage.measure import find_contours

from crossover.phantoms.kit.dicom import DATE, NOTE, TIME, Subject
from crossover.phantoms.kit.geometry import Geometry

STUDY_COMPONENT = UID("1.2.840.10008.3.1.2.3.1")
CONTOUR_DATA = Tag(0x3006, 0x0050)
Lines = list[tuple[int, NDArray[np.float64]]]
"""Contours: (slice, points), with points (n, 3) in mm."""


@dataclass(frozen=True)
class Roi:
    """A region of interest of a structure set."""

    name: str
    kind: str
    """RT ROI Interpreted Type, (3006,00A4)."""
    colour: tuple[int, int, int]
    contours: Lines
    geometric_type: str = "CLOSED_PLANAR"


def contours(mask: NDArray[np.bool_], geometry: Geometry) -> Lines:
    """Return the closed contours of a mask (slices, rows, columns).

    They run half-way between pixel centres, so rasterising them by pixel centres, with XOR where
    one lies inside another (a hole), gives the mask back exactly.
    """
    found = []
    row, column = np.array(geometry.column_direction), np.array(geometry.row_direction)
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        origin = np.array(geometry.position(int(k)))
        rows, columns = (np.flatnonzero(mask[k].any(axis=a)) for a in (1, 0))
        first = np.array([rows[0], columns[0]])
        drawn = mask[k, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        # Padding closes contours that touch the border.
        for line in find_contours(np.pad(drawn, 1).astype(float), 0.5):
            steps = (line[:-1] - 1 + first) * geometry.pixel_mm
            found.append((int(k), origin + steps[:, :1] * row + steps[:, 1:] * column))
    return found


def without_midpoints(lines: Lines) -> Lines:
    """Return the same contours without the points that lie on the line between their neighbours."""
    kept = []
    for k, points in lines:
        before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
        bend = np.abs(np.cross(points - before, after - points)).max(axis=1)
        kept.append((k, points[bend > 1e-6]))
    return kept


def structure_set(
    ds: Dataset, label: str, subject: Subject, drawn_on: Dataset, slices: int, rois: Sequence[Roi]
) -> None:
    """Add to a data set what makes it a structure set.

    Args:
        ds: has the patient and the series, as `Subject.series` returns it; it is changed in place.
        label: the structure set's label.
        subject: whose it is.
        drawn_on: what the images of the contoured series share.
        slices: how many images that series has.
        rois: the regions, of which each contour names its slice.
    """
    ds.SOPClassUID = RTStructureSetStorage
    ds.Modality, ds.InstanceNumber = "RTSTRUCT", 1
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = label, DATE, TIME
    ds.StructureSetDescription = f"{NOTE}; holes are inner contours (XOR)"
    ds.ApprovalStatus = "UNAPPROVED"
    images = [_reference(drawn_on, subject, k) for k in range(slices)]
    ds.ReferencedFrameOfReferenceSequence = Items([_frame(ds, images, drawn_on)])
    ds.StructureSetROISequence = Items([_named(ds, k + 1, roi) for k, roi in enumerate(rois)])
    ds.ROIContourSequence = Items([_drawn(k + 1, roi, images) for k, roi in enumerate(rois)])
    ds.RTROIObservationsSequence = Items([_observed(k + 1, r) for k, r in enumerate(rois)])


def _reference(drawn_on: Dataset, subject: Subject, k: int) -> Dataset:
    """Return a reference to slice k of the series."""
    item = Dataset()
    item.ReferencedSOPClassUID = drawn_on.SOPClassUID
    item.ReferencedSOPInstanceUID = subject.image_uid(drawn_on.SeriesNumber, k)
    return item


def _frame(ds: Dataset, images: Sequence[Dataset], drawn_on: Dataset) -> Dataset:
    """Return the frame of reference with the series that was drawn on."""
    series = Dataset()
    series.SeriesInstanceUID = drawn_on.SeriesInstanceUID
    series.ContourImageSequence = Items(images)
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_COMPONENT
    study.ReferencedSOPInstanceUID = ds.StudyInstanceUID
    study.RTReferencedSeriesSequence = Items([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = ds.FrameOfReferenceUID
    frame.RTReferencedStudySequence = Items([study])
    return frame


def _named(ds: Dataset, number: int, roi: Roi) -> Dataset:
    """Return the entry of a region in the list of regions."""
    item = Dataset()
    item.ROINumber, item.ROIName, item.ROIGenerationAlgorithm = number, roi.name, "AUTOMATIC"
    item.ReferencedFrameOfReferenceUID = ds.FrameOfReferenceUID
    return item


def _drawn(number: int, roi: Roi, images: Sequence[Dataset]) -> Dataset:
    """Return a region's contours with its colour."""
    item = Dataset()
    item.ReferencedROINumber, item.ROIDisplayColor = number, list(roi.colour)
    item.ContourSequence = Items([_contour(points, roi.geometric_type, images[k]) for k, points in roi.contours])
    return item


def _observed(number: int, roi: Roi) -> Dataset:
    """Return a region's interpreted type."""
    item = Dataset()
    item.ObservationNumber, item.ReferencedROINumber = number, number
    item.RTROIInterpretedType, item.ROIInterpreter = roi.kind, ""
    return item


def _contour(points: NDArray, geometric_type: str, image: Dataset) -> Dataset:
    """Return one contour on one image; points are (n, 3) in mm."""
    item = Dataset()
    item.ContourImageSequence = Items([image])
    item.ContourGeometricType = geometric_type
    item.NumberOfContourPoints = len(points)
    text = "\\".join([f"{value:.9g}" for value in points.ravel().tolist()]).encode()
    text += b" " * (len(text) % 2)
    # As bytes in an item that counts as read: pydicom would take ten times as long to make decimals
    # of them and to write these.
    item[CONTOUR_DATA] = RawDataElement(CONTOUR_DATA, "DS", len(text), text, 0, False, True)
    item.set_original_encoding(False, True, default_encoding)
    return item
