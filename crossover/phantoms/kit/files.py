"""What the files of every phantom share: names, dates, identity, contours, structure sets, tables.

Same patient, same bytes: UIDs are name-based (UUID version 5 under 2.25) and dates are fixed.
"""

import csv
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, RTStructureSetStorage
from skimage.measure import find_contours

DATE, TIME = "20000101", "120000"
NOTE = "Synthetic phantom, Crossover"
# A fixed namespace for the names below; the value itself means nothing.
NAMESPACE = uuid.UUID("5b0d9a1e-7c1c-5d53-9f0e-0c2f6f3a7d11")
STUDY_COMPONENT = UID("1.2.840.10008.3.1.2.3.1")
CONTOUR_DATA = Tag(0x3006, 0x0050)


class Uids:
    """The UIDs of one patient, each a function of the patient's prefix and a name."""

    def __init__(self, *prefix: object) -> None:
        self._prefix = "/".join(map(str, prefix)) + "/"

    def __call__(self, *name: object) -> UID:
        """Return the UID of a name."""
        text = self._prefix + "/".join(map(str, name))
        return UID(f"2.25.{uuid.uuid5(NAMESPACE, text).int}")


class Stack(Protocol):
    """Where the slices of a stack are."""

    @property
    def pixel_mm(self) -> float:
        """Distance of rows and of columns."""

    @property
    def row_direction(self) -> tuple[float, float, float]:
        """Direction along a row, patient axes."""

    @property
    def column_direction(self) -> tuple[float, float, float]:
        """Direction along a column, patient axes."""

    def position(self, k: int) -> tuple[float, float, float]:
        """Centre of row 0, column 0 of slice k: x, y, z in mm."""


@dataclass(frozen=True)
class Roi:
    """A region of interest of a structure set."""

    name: str
    kind: str  # RT ROI Interpreted Type, (3006,00A4)
    colour: tuple[int, int, int]
    contours: list[tuple[int, NDArray[np.float64]]]  # slice, points (n, 3) in patient mm
    geometric_type: str = "CLOSED_PLANAR"


def identity(patient: str, sex: str, age_years: int, uids: Uids) -> Dataset:
    """Patient, study, frame of reference and institution, with all that says it is synthetic."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientID = patient
    ds.PatientName = "Synthetic^" + patient
    ds.PatientBirthDate, ds.PatientSex = "", sex
    ds.PatientAge = f"{age_years:03d}Y"
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", NOTE
    ds.PatientComments = NOTE
    ds.StudyInstanceUID = uids("study")
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uids("frame of reference"), ""
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = DATE
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = TIME
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
    ds.StudyDescription = NOTE
    ds.DeviceSerialNumber, ds.SoftwareVersions = "0", NOTE
    ds.InstitutionName = "Crossover"
    return ds


def contours(mask: NDArray[np.bool_], stack: Stack) -> list[tuple[int, NDArray]]:
    """Closed contours of a mask (slices, rows, columns): (slice, points), points (n, 3) in mm.

    They run half-way between pixel centres, so rasterising them by pixel centres, with XOR where
    one lies inside another (a hole), gives the mask back exactly.
    """
    found = []
    row, column = np.array(stack.column_direction), np.array(stack.row_direction)
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        origin = np.array(stack.position(int(k)))
        rows, columns = (np.flatnonzero(mask[k].any(axis=a)) for a in (1, 0))
        first = np.array([rows[0], columns[0]])
        drawn = mask[k, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        # Padding closes contours that touch the border.
        for line in find_contours(np.pad(drawn, 1).astype(float), 0.5):
            steps = (line[:-1] - 1 + first) * stack.pixel_mm
            found.append((int(k), origin + steps[:, :1] * row + steps[:, 1:] * column))
    return found


def without_midpoints(
    lines: Sequence[tuple[int, NDArray[np.float64]]],
) -> list[tuple[int, NDArray[np.float64]]]:
    """The same contours without the points that lie on the line between their neighbours."""
    kept = []
    for k, points in lines:
        before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
        bend = np.abs(np.cross(points - before, after - points)).max(axis=1)
        kept.append((k, points[bend > 1e-6]))
    return kept


def structure_set(
    ds: Dataset,
    label: str,
    images: Sequence[Dataset],
    series: UID,
    rois: Sequence[Roi],
) -> None:
    """Make `ds`, which has the identity, a structure set on a series.

    Args:
        images: references to the images, in slice order, as `reference` makes them.
        series: their series' UID.
    """
    ds.SOPClassUID = RTStructureSetStorage
    ds.Modality, ds.InstanceNumber = "RTSTRUCT", 1
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = label, DATE, TIME
    ds.StructureSetDescription = f"{NOTE}; holes are inner contours (XOR)"
    ds.ApprovalStatus = "UNAPPROVED"
    ds.ReferencedFrameOfReferenceSequence = Items([_frame(ds, images, series)])
    ds.StructureSetROISequence = Items([_named(ds, k + 1, roi) for k, roi in enumerate(rois)])
    ds.ROIContourSequence = Items([_drawn(k + 1, roi, images) for k, roi in enumerate(rois)])
    ds.RTROIObservationsSequence = Items([_observed(k + 1, r) for k, r in enumerate(rois)])


def _frame(ds: Dataset, images: Sequence[Dataset], series_uid: UID) -> Dataset:
    """The frame of reference with the series that was drawn on."""
    series = Dataset()
    series.SeriesInstanceUID = series_uid
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
    item = Dataset()
    item.ROINumber, item.ROIName, item.ROIGenerationAlgorithm = number, roi.name, "AUTOMATIC"
    item.ReferencedFrameOfReferenceUID = ds.FrameOfReferenceUID
    return item


def _drawn(number: int, roi: Roi, images: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber, item.ROIDisplayColor = number, list(roi.colour)
    item.ContourSequence = Items(
        [_contour(points, roi.geometric_type, images[k]) for k, points in roi.contours]
    )
    return item


def _observed(number: int, roi: Roi) -> Dataset:
    item = Dataset()
    item.ObservationNumber, item.ReferencedROINumber = number, number
    item.RTROIInterpretedType, item.ROIInterpreter = roi.kind, ""
    return item


def _contour(points: NDArray, geometric_type: str, image: Dataset) -> Dataset:
    """One contour on one image; points (n, 3) in mm."""
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


def reference(sop_class: UID, instance: UID) -> Dataset:
    """A reference to an image."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A coded concept."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def decimal(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{value:.9g}"


def save(ds: Dataset, path: Path) -> None:
    """Write as uncompressed explicit VR little endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    dcmwrite(path, ds, enforce_file_format=True)


def write_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]], path: Path) -> None:
    """Write these columns of the patients' rows as CSV, sorted by patient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: str(row["patient"])))
