"""Write an examination as the archives have it: DICOM series, and the mask beside them.

A and B: one NRRD with both zones, as the labels of NCI-ISBI 2013. C: the whole gland as a series of
DICOM images in GT/prostate, as in I2CVB.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from crossover.phantoms.kit.files import NOTE, Uids, decimal, identity, save
from crossover.phantoms.prostate.examination import Examination, Series, examine
from crossover.phantoms.prostate.scan import Geometry
from crossover.phantoms.prostate.settings import ProstateSource

FOLDERS = ("T2W", "T2W_SAG", "LOCALIZER")
INSIDE = 255  # stored value of the mask's images


def write_patient(source: ProstateSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    Files: <patient>/{T2W,T2W_SAG,LOCALIZER}/<slice>.dcm and the mask as `source.mask_files` says.
    """
    exam = examine(source, index)
    uids = Uids(source.seed, "prostate", source.site, index)
    folder = Path(out) / exam.patient_id
    for number, (name, series) in enumerate(zip(FOLDERS, (exam.t2, *exam.others), strict=True), 1):
        _write_series(
            folder / name, series.image, series.geometry, _mr(exam, series, number, uids), uids
        )
    mask = folder / source.mask_files["prostate"]
    if mask.suffix:
        _write_zones(mask, exam)
    else:
        _write_series(
            mask, exam.prostate * np.uint16(INSIDE), exam.t2.geometry, _truth(exam, uids), uids
        )
    return exam.row


def _write_series(
    folder: Path, stack: NDArray[np.uint16], geometry: Geometry, ds: Dataset, uids: Uids
) -> None:
    """One file a slice, in the order of the stack; `ds` is what they share."""
    folder.mkdir(parents=True, exist_ok=True)
    axis = int(np.abs(geometry.normal).argmax())
    for k, image in enumerate(stack):
        ds.SOPInstanceUID = uids(ds.SeriesNumber, k + 1)
        ds.InstanceNumber = k + 1
        position = geometry.position(k)
        ds.ImagePositionPatient = [decimal(p) for p in position]
        ds.SliceLocation = decimal(position[axis])
        ds.PixelData = image.astype("<u2").tobytes()
        save(ds, folder / f"{k + 1:03d}.dcm")


def _mr(exam: Examination, series: Series, number: int, uids: Uids) -> Dataset:
    """What all slices of an MR series share."""
    ds = _image(exam, series, number, uids)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM" if not exam.profile.endorectal else "NONE"]
    brightest = round(float(np.percentile(series.image, 99.5)))
    ds.WindowCenter, ds.WindowWidth = decimal(brightest / 2), decimal(brightest)
    return ds


def _truth(exam: Examination, uids: Uids) -> Dataset:
    """What all slices of the mask share: a derived image with the T2 series' geometry."""
    ds = _image(exam, exam.t2, len(FOLDERS) + 1, uids)
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.SeriesDescription = "prostate mask (synthetic)"
    ds.DerivationDescription = f"{NOTE}: {INSIDE} inside the prostate, 0 outside"
    ds.WindowCenter, ds.WindowWidth = decimal(INSIDE / 2), decimal(INSIDE)
    return ds


def _image(exam: Examination, series: Series, number: int, uids: Uids) -> Dataset:
    """Patient, study, series, equipment, geometry, pixels."""
    g, profile = series.geometry, exam.profile
    ds = identity(exam.patient_id, "M", exam.clinical.age, uids)
    ds.SOPClassUID, ds.Modality = MRImageStorage, "MR"
    ds.SeriesInstanceUID, ds.SeriesNumber = uids("series", number), number
    ds.SeriesDescription = f"{series.description} (synthetic)"
    ds.BodyPartExamined = "PROSTATE"
    ds.Manufacturer, ds.ManufacturerModelName = profile.maker, exam.clinical.scanner
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "SE", "SK", ""
    ds.MRAcquisitionType, ds.SequenceName = "2D", "tse"
    ds.MagneticFieldStrength, ds.ReceiveCoilName = decimal(profile.field_t), profile.coil
    ds.EchoTime, ds.RepetitionTime = str(exam.look.te_ms), str(exam.look.tr_ms)
    ds.SliceThickness = ds.SpacingBetweenSlices = decimal(g.spacing_mm)
    ds.PixelSpacing = [decimal(g.pixel_mm)] * 2
    ds.ImageOrientationPatient = [decimal(v) for v in g.row_direction + g.column_direction]
    ds.PatientPosition, ds.AcquisitionNumber = "HFS", number
    ds.Rows, ds.Columns = g.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.ImageComments = NOTE
    return ds


def _write_zones(path: Path, exam: Examination) -> None:
    """1 = peripheral zone, 2 = central gland, on the voxels of the T2 series."""
    g = exam.t2.geometry
    image = sitk.GetImageFromArray(exam.zones)
    image.SetSpacing((g.pixel_mm, g.pixel_mm, g.spacing_mm))
    image.SetOrigin(g.position(0))
    sitk.WriteImage(image, str(path), useCompression=True)
