"""Write an examination as DICOM: three MR series and the contour as RTSTRUCT or SEG.

Same patient, same bytes: what highdicom adds of the current time and random UIDs is replaced.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset, dcmread
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, MRImageStorage

from crossover.phantoms.kit.files import (
    DATE,
    NOTE,
    TIME,
    Roi,
    Uids,
    code,
    contours,
    decimal,
    identity,
    reference,
    save,
    structure_set,
)
from crossover.phantoms.pelvis.examination import Examination, examine
from crossover.phantoms.pelvis.settings import PhantomSource

ROI = "tumour"
SERIES = {"DWI_low": 1, "DWI_high": 2, "ADC": 3, "CONTOUR": 4}


def write_patient(source: PhantomSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    Files: <patient>/{DWI_b<low>,DWI_b<high>,ADC}/<slice>.dcm and <patient>/CONTOUR/<kind>.dcm.
    """
    exam = examine(source, index)
    uids = Uids(source.seed, source.anatomy, index)
    folder = Path(out) / exam.patient_id
    low, high = source.b_values
    write_series(folder / f"DWI_b{low}", _dwi(exam, uids, "DWI_low", low), exam.b0, exam, uids)
    files = write_series(
        folder / f"DWI_b{high}", _dwi(exam, uids, "DWI_high", high), exam.b1000, exam, uids
    )
    write_series(folder / "ADC", _adc(exam, uids), exam.adc_um2_s, exam, uids)
    drawn = folder / "CONTOUR"
    drawn.mkdir(parents=True, exist_ok=True)
    if exam.contour == "SEG":
        save(_segmentation(exam, uids, files), drawn / "seg.dcm")
    else:
        save(_structure_set(exam, uids, files), drawn / "rtstruct.dcm")
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
        base.ImagePositionPatient = [decimal(p) for p in position]
        base.SliceLocation = decimal(position[0])
        base.PixelData = image.astype("<u2").tobytes()
        files.append(folder / f"{k + 1:03d}.dcm")
        save(base, files[-1])
    return files


def _dwi(exam: Examination, uids: Uids, name: str, b_value: int) -> Dataset:
    """What every slice of a diffusion-weighted series shares."""
    ds = _image(exam, uids, name, f"ep2d_diff_sag_b{b_value}")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
    ds.DiffusionBValue = float(b_value)
    ds.DiffusionDirectionality = "NONE" if b_value == 0 else "ISOTROPIC"
    stack = exam.b0 if name == "DWI_low" else exam.b1000
    # As a reader would set it: nearly all tissue, not the last voxel of urine.
    ds.WindowWidth = decimal(round(float(np.percentile(stack, 99.5))))
    ds.WindowCenter = decimal(round(float(np.percentile(stack, 99.5)) / 2))
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
        [code("um2/s", "UCUM", "square micrometer per second")]
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
    ds.SliceThickness = decimal(g.thickness_mm)
    ds.SpacingBetweenSlices = decimal(g.spacing_mm)
    ds.PixelSpacing = [decimal(g.pixel_mm)] * 2
    ds.ImageOrientationPatient = [decimal(v) for v in g.row_direction + g.column_direction]
    ds.PatientPosition, ds.AcquisitionNumber = "HFS", SERIES[name]
    ds.Rows, ds.Columns = g.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.ImageComments = NOTE
    return ds


def _common(exam: Examination, uids: Uids, name: str, description: str) -> Dataset:
    """Patient, study, series, frame of reference and equipment."""
    ds = identity(exam.patient_id, "F", exam.clinical.age, uids)
    ds.SeriesInstanceUID = uids("series", name)
    ds.SeriesNumber = SERIES[name]
    ds.SeriesDescription = f"{description} (synthetic)"
    ds.BodyPartExamined = "PELVIS"
    ds.Manufacturer, ds.ManufacturerModelName = "SIEMENS", exam.scanner
    return ds


def _structure_set(exam: Examination, uids: Uids, files: Sequence[Path]) -> Dataset:
    """The tumour as RTSTRUCT on the high-b series, `files` in slice order."""
    ds = _common(exam, uids, "CONTOUR", "Tumour contour")
    ds.SOPInstanceUID = uids("contour")
    images = [reference(MRImageStorage, uids(SERIES["DWI_high"], k + 1)) for k in range(len(files))]
    roi = Roi(ROI, "GTV", (255, 0, 0), contours(exam.mask, exam.geometry))
    structure_set(ds, ROI, images, uids("series", "DWI_high"), [roi])
    return ds


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
