"""Write an examination as DICOM: three MR series, and the contour as RTSTRUCT or SEG.

The same patient gives the same bytes: what highdicom adds of the current time and random UIDs is replaced.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import DataElement, Dataset, dcmread
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from crossover.phantoms.kit.dicom import (
    DATE,
    NOTE,
    TIME,
    Subject,
    Uids,
    code,
    decimal,
    describe_images,
    save,
    write_slices,
)
from crossover.phantoms.kit.structures import Roi, contours, structure_set
from crossover.phantoms.pelvis.clinical import write_clinical
from crossover.phantoms.pelvis.examination import Examination, examine, patient_id
from crossover.phantoms.pelvis.settings import PhantomSource

__all__ = ["patient_id", "write_clinical", "write_patient"]

ROI = "tumour"
SERIES = {"DWI_low": 1, "DWI_high": 2, "ADC": 3, "CONTOUR": 4}


def write_patient(source: PhantomSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    The files are <patient>/{DWI_b<low>,DWI_b<high>,ADC}/<slice>.dcm and <patient>/CONTOUR/<kind>.dcm.
    """
    exam = examine(source, index)
    record, uids = exam.clinical, Uids(source.seed, source.anatomy, index)
    subject = Subject(exam.patient_id, "F", record.age, "PELVIS", "SIEMENS", record.scanner, uids)
    folder = Path(out) / exam.patient_id
    low, high = source.b_values
    series = {
        f"DWI_b{low}": (exam.b0, _dwi(exam, subject, "DWI_low", low)),
        "ADC": (exam.adc_um2_s, _adc(exam, subject)),
        f"DWI_b{high}": (exam.b1000, _dwi(exam, subject, "DWI_high", high)),
    }
    for name, (stack, ds) in series.items():
        files = write_slices(folder / name, ds, stack, exam.geometry, subject)
    # The tumour is drawn on the last of them, the images at the high b-value.
    if exam.contour == "SEG":
        save(_segmentation(exam, subject, files), folder / "CONTOUR/seg.dcm")
    else:
        save(_structure_set(exam, subject, ds), folder / "CONTOUR/rtstruct.dcm")
    return exam.row


def _dwi(exam: Examination, subject: Subject, name: str, b_value: int) -> Dataset:
    """Return what every slice of a diffusion-weighted series shares; the b-value is in s/mm²."""
    ds = _image(exam, subject, name, f"ep2d_diff_sag_b{b_value}")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
    ds.DiffusionBValue = float(b_value)
    ds.DiffusionDirectionality = "NONE" if b_value == 0 else "ISOTROPIC"
    stack = exam.b0 if name == "DWI_low" else exam.b1000
    # As a reader would set it: nearly all tissue, not the last voxel of urine.
    ds.WindowWidth = decimal(round(float(np.percentile(stack, 99.5))))
    ds.WindowCenter = decimal(round(float(np.percentile(stack, 99.5)) / 2))
    return ds


def _adc(exam: Examination, subject: Subject) -> Dataset:
    """Return what every slice of the ADC map shares: stored values are 10^-6 mm²/s = 1 um²/s."""
    ds = _image(exam, subject, "ADC", "ep2d_diff_sag_ADC")
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
    mapping.MeasurementUnitsCodeSequence = Items([code("um2/s", "UCUM", "square micrometer per second")])
    ds.RealWorldValueMappingSequence = Items([mapping])
    return ds


def _image(exam: Examination, subject: Subject, name: str, description: str) -> Dataset:
    """Return what the three MR series have in common."""
    ds = subject.series(SERIES[name], name, description)
    describe_images(ds, "MR", exam.geometry)
    ds.ScanningSequence, ds.SequenceVariant = "EP", "SK"
    ds.ScanOptions, ds.SequenceName = "FS", "*ep_b"
    ds.MagneticFieldStrength = "3"
    ds.EchoTime, ds.RepetitionTime = str(exam.te_ms), str(exam.tr_ms)
    ds.EchoTrainLength, ds.NumberOfAverages = "1", "4"
    ds.InPlanePhaseEncodingDirection = "ROW"  # A-P, the direction along a row
    return ds


def _structure_set(exam: Examination, subject: Subject, drawn_on: Dataset) -> Dataset:
    """Return the tumour as RTSTRUCT on the series whose images share `drawn_on`."""
    ds = subject.series(SERIES["CONTOUR"], "CONTOUR", "Tumour contour")
    ds.SOPInstanceUID = subject.uids("contour")
    roi = Roi(ROI, "GTV", (255, 0, 0), contours(exam.mask, exam.geometry))
    structure_set(ds, ROI, subject, drawn_on, exam.geometry.shape[0], [roi])
    return ds


def _segmentation(exam: Examination, subject: Subject, files: Sequence[Path]) -> Dataset:
    """Return the tumour as a binary DICOM SEG on the high-b series, `files` in slice order."""
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
        series_instance_uid=subject.uids("series", "CONTOUR"),
        series_number=SERIES["CONTOUR"],
        sop_instance_uid=subject.uids("contour"),
        instance_number=1,
        manufacturer="Crossover",
        manufacturer_model_name="phantom",
        software_versions=NOTE,
        device_serial_number="0",
        content_description=NOTE,
        series_description="Tumour contour (synthetic)",
    )
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", NOTE
    _fix(ds, subject.uids)
    return ds


def _fix(ds: Dataset, uids: Uids) -> None:
    """Replace dates, times and the UIDs that a library made up by fixed ones, everywhere in a data set."""
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
