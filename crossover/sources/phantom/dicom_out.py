"""Write an examination as DICOM: three MR series and the contour as RTSTRUCT or SEG.

Same patient, same bytes: UIDs are name-based (UUID version 5 under 2.25), dates are fixed, and what
highdicom adds of the current time and random UIDs is replaced.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage
from skimage.measure import find_contours

from crossover.sources.phantom.examination import Examination, Geometry, examine
from crossover.sources.phantom_settings import PhantomSource

DATE, TIME = "20000101", "120000"
NOTE = "Synthetic phantom, Crossover"
ROI = "tumour"
# A fixed namespace for the names below; the value itself means nothing.
NAMESPACE = uuid.UUID("5b0d9a1e-7c1c-5d53-9f0e-0c2f6f3a7d11")
SERIES = {"DWI_low": 1, "DWI_high": 2, "ADC": 3, "CONTOUR": 4}


class Uids:
    """The UIDs of one patient, each a function of the cohort's seed, the patient and a name."""

    def __init__(self, source: PhantomSource, index: int) -> None:
        self._prefix = f"{source.seed}/{source.anatomy}/{index}/"

    def __call__(self, *name: object) -> UID:
        text = self._prefix + "/".join(map(str, name))
        return UID(f"2.25.{uuid.uuid5(NAMESPACE, text).int}")


def write_patient(source: PhantomSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    Files: <patient>/{DWI_b<low>,DWI_b<high>,ADC}/<slice>.dcm and <patient>/CONTOUR/<kind>.dcm.
    """
    exam = examine(source, index)
    uids = Uids(source, index)
    folder = Path(out) / exam.patient_id
    low, high = source.b_values
    write_series(folder / f"DWI_b{low}", _dwi(exam, uids, "DWI_low", low), exam.b0, exam, uids)
    reference = write_series(
        folder / f"DWI_b{high}", _dwi(exam, uids, "DWI_high", high), exam.b1000, exam, uids
    )
    write_series(folder / "ADC", _adc(exam, uids), exam.adc_um2_s, exam, uids)
    contours = folder / "CONTOUR"
    contours.mkdir(parents=True, exist_ok=True)
    if exam.contour == "SEG":
        _save(_segmentation(exam, uids, reference), contours / "seg.dcm")
    else:
        _save(_structure_set(exam, uids, reference), contours / "rtstruct.dcm")
    return exam.row


def write_series(
    folder: Path, base: Dataset, stack: NDArray[np.uint16], exam: Examination, uids: Uids
) -> list[Path]:
    """Write a (slices, rows, columns) stack, one file a slice, and return the files in order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for k, image in enumerate(stack):
        base.SOPInstanceUID = uids(base.SeriesNumber, k + 1)
        base.InstanceNumber = k + 1
        position = exam.geometry.position(k)
        base.ImagePositionPatient = [_decimal(p) for p in position]
        base.SliceLocation = _decimal(position[0])
        base.PixelData = image.astype("<u2").tobytes()
        files.append(folder / f"{k + 1:03d}.dcm")
        _save(base, files[-1])
    return files


def _dwi(exam: Examination, uids: Uids, name: str, b_value: int) -> Dataset:
    """What every slice of a diffusion-weighted series shares."""
    ds = _image(exam, uids, name, f"ep2d_diff_sag_b{b_value}")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
    ds.DiffusionBValue = float(b_value)
    ds.DiffusionDirectionality = "NONE" if b_value == 0 else "ISOTROPIC"
    stack = exam.b0 if name == "DWI_low" else exam.b1000
    # As a reader would set it: nearly all tissue, not the last voxel of urine.
    ds.WindowWidth = _decimal(round(float(np.percentile(stack, 99.5))))
    ds.WindowCenter = _decimal(round(float(np.percentile(stack, 99.5)) / 2))
    return ds


def _adc(exam: Examination, uids: Uids) -> Dataset:
    """What every slice of the ADC map shares: stored values are 10^-6 mm²/s = 1 um²/s."""
    ds = _image(exam, uids, "ADC", "ep2d_diff_sag_ADC")
    ds.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
    ds.DerivationDescription = f"{NOTE}: ADC = ln(S_low / S_high) / (b_high - b_low)"
    ds.WindowCenter, ds.WindowWidth = "1250", "2500"
    mapping = Dataset()
    mapping.RealWorldValueFirstValueMapped = 0
    mapping.RealWorldValueLastValueMapped = 4095
    mapping["RealWorldValueFirstValueMapped"].VR = "US"
    mapping["RealWorldValueLastValueMapped"].VR = "US"
    mapping.RealWorldValueIntercept, mapping.RealWorldValueSlope = 0.0, 1.0
    mapping.LUTExplanation, mapping.LUTLabel = "Apparent diffusion coefficient", "ADC"
    mapping.MeasurementUnitsCodeSequence = Items(
        [_code("um2/s", "UCUM", "square micrometer per second")]
    )
    ds.RealWorldValueMappingSequence = Items([mapping])
    return ds


def _image(exam: Examination, uids: Uids, name: str, description: str) -> Dataset:
    """The modules that the three MR series have in common."""
    ds = _common(exam, uids, name, description)
    g = exam.geometry
    ds.SOPClassUID, ds.Modality = MRImageStorage, "MR"
    ds.ScanningSequence, ds.SequenceVariant = "EP", "SK"
    ds.ScanOptions, ds.MRAcquisitionType, ds.SequenceName = "FS", "2D", "*ep_b"
    ds.MagneticFieldStrength = "3"
    ds.EchoTime, ds.RepetitionTime = str(exam.te_ms), str(exam.tr_ms)
    ds.EchoTrainLength, ds.NumberOfAverages = "1", "4"
    ds.InPlanePhaseEncodingDirection = "ROW"  # A-P, the direction along a row
    ds.SliceThickness = _decimal(g.thickness_mm)
    ds.SpacingBetweenSlices = _decimal(g.spacing_mm)
    ds.PixelSpacing = [_decimal(g.pixel_mm)] * 2
    ds.ImageOrientationPatient = [_decimal(v) for v in g.row_direction + g.column_direction]
    ds.PatientPosition, ds.AcquisitionNumber = "HFS", SERIES[name]
    ds.Rows, ds.Columns = g.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.ImageComments = NOTE
    return ds


def _common(exam: Examination, uids: Uids, name: str, description: str) -> Dataset:
    """Patient, study, series, frame of reference and equipment."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientID = exam.patient_id
    ds.PatientName = "Synthetic^" + exam.patient_id
    ds.PatientBirthDate, ds.PatientSex = "", "F"
    ds.PatientAge = f"{exam.clinical.age:03d}Y"
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", NOTE
    ds.PatientComments = NOTE
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uids("study"), uids("series", name)
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uids("frame of reference"), ""
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = DATE
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = TIME
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
    ds.StudyDescription = NOTE
    ds.SeriesNumber = SERIES[name]
    ds.SeriesDescription = f"{description} (synthetic)"
    ds.BodyPartExamined = "PELVIS"
    ds.Manufacturer, ds.ManufacturerModelName = "SIEMENS", exam.scanner
    ds.DeviceSerialNumber, ds.SoftwareVersions = "0", NOTE
    ds.InstitutionName = "Crossover"
    return ds


def contours(mask: NDArray[np.bool_], geometry: Geometry) -> list[tuple[int, NDArray]]:
    """Closed contours of a mask: (slice, points), points (n, 3) in patient mm.

    They run half-way between pixel centres, so rasterising them by pixel centres, with XOR where
    one lies inside another (a hole), gives the mask back exactly.
    """
    found = []
    row, column = np.array(geometry.column_direction), np.array(geometry.row_direction)
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        origin = np.array(geometry.position(int(k)))
        # Padding closes contours that touch the border.
        for line in find_contours(np.pad(mask[k], 1).astype(float), 0.5):
            steps = (line[:-1] - 1) * geometry.pixel_mm
            found.append((int(k), origin + steps[:, :1] * row + steps[:, 1:] * column))
    return found


def _structure_set(exam: Examination, uids: Uids, files: Sequence[Path]) -> Dataset:
    """The tumour as RTSTRUCT on the high-b series, `files` in slice order."""
    ds = _common(exam, uids, "CONTOUR", "Tumour contour")
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, uids("contour")
    ds.Modality, ds.InstanceNumber = "RTSTRUCT", 1
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = ROI, DATE, TIME
    ds.StructureSetDescription = f"{NOTE}; holes are inner contours (XOR)"
    ds.ApprovalStatus = "UNAPPROVED"
    images = [_reference(uids(SERIES["DWI_high"], k + 1)) for k in range(len(files))]
    series = Dataset()
    series.SeriesInstanceUID = uids("series", "DWI_high")
    series.ContourImageSequence = Items(images)
    study = Dataset()
    study.ReferencedSOPClassUID = UID("1.2.840.10008.3.1.2.3.1")
    study.ReferencedSOPInstanceUID = ds.StudyInstanceUID
    study.RTReferencedSeriesSequence = Items([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = ds.FrameOfReferenceUID
    frame.RTReferencedStudySequence = Items([study])
    ds.ReferencedFrameOfReferenceSequence = Items([frame])
    roi = Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = 1, ROI, "AUTOMATIC"
    roi.ReferencedFrameOfReferenceUID = ds.FrameOfReferenceUID
    ds.StructureSetROISequence = Items([roi])
    drawn = Dataset()
    drawn.ReferencedROINumber, drawn.ROIDisplayColor = 1, [255, 0, 0]
    drawn.ContourSequence = Items(
        [_contour(points, images[k]) for k, points in contours(exam.mask, exam.geometry)]
    )
    ds.ROIContourSequence = Items([drawn])
    seen = Dataset()
    seen.ObservationNumber, seen.ReferencedROINumber = 1, 1
    seen.RTROIInterpretedType, seen.ROIInterpreter = "GTV", ""
    ds.RTROIObservationsSequence = Items([seen])
    return ds


def _contour(points: NDArray, image: Dataset) -> Dataset:
    """One closed contour on one image; points (n, 3) in mm."""
    item = Dataset()
    item.ContourImageSequence = Items([image])
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourData = [_decimal(value) for value in points.ravel()]
    return item


def _segmentation(exam: Examination, uids: Uids, files: Sequence[Path]) -> Dataset:
    """The tumour as a binary DICOM SEG on the high-b series, `files` in slice order."""
    # highdicom takes a second to import, which reading a config should not pay for.
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes

    segment = SegmentDescription(
        segment_number=1,
        segment_label=ROI,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type="MANUAL",
    )
    images = [dcmread(file, stop_before_pixels=False) for file in files]
    ds = Segmentation(
        source_images=images,
        pixel_array=exam.mask.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=uids("series", "CONTOUR"),
        series_number=SERIES["CONTOUR"],
        sop_instance_uid=uids("contour"),
        instance_number=1,
        manufacturer="Crossover",
        manufacturer_model_name="phantom",
        software_versions=NOTE,
        device_serial_number="0",
        content_description=NOTE,
        series_description="Tumour contour (synthetic)",
    )
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", NOTE
    _fix(ds, uids)
    return ds


def _fix(ds: Dataset, uids: Uids) -> None:
    """Replace dates, times and the UIDs that a library made up by fixed ones, everywhere."""
    fixed = {"DA": DATE, "TM": TIME, "DT": DATE + TIME}
    names: dict[str, UID] = {}

    def visit(_: Dataset, element: DataElement) -> None:
        if element.VR in fixed and element.value:
            element.value = fixed[element.VR]
        if element.VR == "UI" and element.value:
            uid = str(element.value)
            if not uid.startswith(("1.2.840.10008.", "2.25.")):
                element.value = names.setdefault(uid, uids("made up", len(names)))

    ds.walk(visit)


def _reference(instance: UID) -> Dataset:
    """A reference to an MR image."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = MRImageStorage, instance
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    """A coded concept."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{value:.9g}"


def _save(ds: Dataset, path: Path) -> None:
    """Write as uncompressed explicit VR little endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    dcmwrite(path, ds, enforce_file_format=True)
