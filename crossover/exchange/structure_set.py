"""Masks as one RTSTRUCT (PS3.3, A.19): closed contours on each slice of the original series."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from crossover.exchange.object_attributes import (
    LONG,
    SIDES,
    Producer,
    Target,
    adopt,
    content_uid,
    refer,
    series_number,
    uid_of,
)
from crossover.exchange.original_series import Original, SeriesSlice
from crossover.exchange.polygons import outlines
from crossover.sources.dicom.structures import MANUFACTURER

SHORT = 16
"""The most characters of a value of VR SH."""
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management: retired, but what RTReferencedStudySequence (3006,0012) has always named."""


def structure_set(
    original: Original,
    masks: Mapping[str, NDArray[np.bool_]],
    targets: Mapping[str, Target],
    producer: Producer,
) -> Dataset:
    """Return an RTSTRUCT with the masks, ready to be saved; its structures are unapproved.

    Contours run along the edges of pixels, see `crossover.exchange.polygons.outlines`.

    Args:
        masks: structure -> voxels (slices, rows, columns) on the grid of the series; none of them empty.
    """
    d = _described(original, content_uid("RTSTRUCT", original, masks, targets, producer), producer)
    d.ReferencedFrameOfReferenceSequence = [_references(original)]
    d.StructureSetROISequence, d.ROIContourSequence, d.RTROIObservationsSequence = [], [], []
    for number, (name, mask) in enumerate(masks.items(), 1):
        target = targets[name]
        d.StructureSetROISequence.append(_region(number, target, original, producer))
        d.ROIContourSequence.append(_contours(number, target, original, mask))
        d.RTROIObservationsSequence.append(_observation(number, target))
    adopt(d, original.header)
    return d


def _described(original: Original, uid: str, producer: Producer) -> Dataset:
    """Return the object without its structures."""
    d, now = Dataset(), datetime.datetime.now()
    d.file_meta = FileMetaDataset()
    # With explicit VRs a contour could have no more than 65,534 characters.
    d.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = RTStructureSetStorage, uid, "RTSTRUCT"
    d.InstanceCreationDate = d.StructureSetDate = now.strftime("%Y%m%d")
    d.InstanceCreationTime = d.StructureSetTime = now.strftime("%H%M%S")
    d.SeriesInstanceUID, d.SeriesNumber, d.InstanceNumber = (
        uid_of("series", uid),
        series_number(original, d.Modality),
        1,
    )
    d.SeriesDescription = f"{producer.name} RTSTRUCT"[:LONG]
    d.OperatorsName = ""
    d.Manufacturer, d.ManufacturerModelName = MANUFACTURER, producer.name
    d.SoftwareVersions, d.DeviceSerialNumber = [producer.version, producer.weights], producer.weights[:LONG]
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = original.frame_of_reference, ""
    d.StructureSetLabel, d.StructureSetName = producer.model[:SHORT], producer.name
    d.StructureSetDescription = f"By a model, unreviewed: {producer.name}, weights {producer.weights}"
    d.ApprovalStatus = "UNAPPROVED"
    return d


def _references(original: Original) -> Dataset:
    """Return the item of ReferencedFrameOfReferenceSequence (3006,0010): frame, study, series, and its images."""
    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = original.series
    series.ContourImageSequence = [_image(plane) for plane in original.planes]
    refer(study, STUDY_CLASS, original.planes[0].instance.study)
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = original.frame_of_reference, [study]
    return frame


def _image(plane: SeriesSlice) -> Dataset:
    return refer(Dataset(), plane.sop_class, plane.instance.uid, plane.frame_number)


def _region(number: int, target: Target, original: Original, producer: Producer) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = number, (target.code.tg263 or target.label)[:LONG]
    item.ReferencedFrameOfReferenceUID = original.frame_of_reference
    item.ROIDescription = target.label
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    item.ROIGenerationDescription = producer.name
    return item


def _observation(number: int, target: Target) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.ROIObservationLabel = (target.code.tg263 or target.label)[:SHORT]
    item.RTROIIdentificationCodeSequence = [_code(*target.kind)]
    if target.code.side:
        item.RTROIIdentificationCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            _code(*SIDES[target.code.side])
        ]
    item.RTROIInterpretedType = "ORGAN" if target.code.category == "anatomical structure" else ""
    item.ROIInterpreter = ""
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _contours(number: int, target: Target, original: Original, mask: NDArray[np.bool_]) -> Dataset:
    item = Dataset()
    item.ROIDisplayColor, item.ReferencedROINumber = list(target.colour), number
    item.ContourSequence = [
        _contour(plane, ring) for plane, pixels in zip(original.planes, mask, strict=True) for ring in outlines(pixels)
    ]
    return item


def _contour(plane: SeriesSlice, ring: NDArray[np.float64]) -> Dataset:
    """Return an item of ContourSequence (3006,0040) with a polygon (n, 2) of pixel indices, in patient mm."""
    frame = plane.frame
    row, column = np.reshape(frame.orientation, (2, 3))
    points = frame.position + ring[:, :1] * frame.spacing[1] * row + ring[:, 1:] * frame.spacing[0] * column
    item = Dataset()
    item.ContourImageSequence = [_image(plane)]
    item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    # As one text: of each decimal pydicom would make an object, which takes ten times as long.
    text = "\\".join([f"{v:.5f}" for v in points.ravel().tolist()])
    item.add(DataElement("ContourData", "DS", text, already_converted=True))
    return item
