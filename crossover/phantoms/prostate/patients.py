"""Write an examination as the archives have it: DICOM series, and the mask beside them.

A and B have one NRRD with both zones, with the labels of NCI-ISBI 2013. C has the whole gland as a series of
DICOM images in GT/prostate, as in I2CVB.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset

from crossover.phantoms.kit.dicom import (
    NOTE,
    Subject,
    Uids,
    decimal,
    describe_images,
    write_slices,
)
from crossover.phantoms.prostate.clinical import write_clinical
from crossover.phantoms.prostate.examination import Examination, Series, examine, patient_id
from crossover.phantoms.prostate.settings import ProstateSource

__all__ = ["patient_id", "write_clinical", "write_patient"]

FOLDERS = ("T2W", "T2W_SAG", "LOCALIZER")
INSIDE = 255  # stored value of the mask's images


def write_patient(source: ProstateSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    The files are <patient>/{T2W,T2W_SAG,LOCALIZER}/<slice>.dcm and the mask as `source.mask_files` says.
    """
    exam = examine(source, index)
    record, uids = exam.clinical, Uids(source.seed, "prostate", source.site, index)
    subject = Subject(exam.patient_id, "M", record.age, "PROSTATE", exam.profile.maker, record.scanner, uids)
    folder = Path(out) / exam.patient_id
    for number, (name, series) in enumerate(zip(FOLDERS, (exam.t2, *exam.others), strict=True), 1):
        ds = _mr(exam, series, number, subject)
        write_slices(folder / name, ds, series.image, series.geometry, subject)
    mask = folder / source.mask_files["prostate"]
    if mask.suffix:
        _write_zones(mask, exam)
    else:
        stored = exam.prostate * np.uint16(INSIDE)
        write_slices(mask, _truth(exam, subject), stored, exam.t2.geometry, subject)
    return exam.row


def _mr(exam: Examination, series: Series, number: int, subject: Subject) -> Dataset:
    """Return what all slices of an MR series share."""
    ds = _image(exam, series, number, subject)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM" if not exam.profile.endorectal else "NONE"]
    brightest = round(float(np.percentile(series.image, 99.5)))
    ds.WindowCenter, ds.WindowWidth = decimal(brightest / 2), decimal(brightest)
    return ds


def _truth(exam: Examination, subject: Subject) -> Dataset:
    """Return what all slices of the mask share: a derived image with the T2 series' geometry."""
    ds = _image(exam, exam.t2, len(FOLDERS) + 1, subject)
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.SeriesDescription = "prostate mask (synthetic)"
    ds.DerivationDescription = f"{NOTE}: {INSIDE} inside the prostate, 0 outside"
    ds.WindowCenter, ds.WindowWidth = decimal(INSIDE / 2), decimal(INSIDE)
    return ds


def _image(exam: Examination, series: Series, number: int, subject: Subject) -> Dataset:
    """Return what all series have in common."""
    ds, profile = subject.series(number, number, series.description), exam.profile
    describe_images(ds, "MR", series.geometry)
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "SE", "SK", ""
    ds.SequenceName = "tse"
    ds.MagneticFieldStrength, ds.ReceiveCoilName = decimal(profile.field_t), profile.coil
    ds.EchoTime, ds.RepetitionTime = str(exam.look.te_ms), str(exam.look.tr_ms)
    return ds


def _write_zones(path: Path, exam: Examination) -> None:
    """Write 1 in the peripheral zone and 2 in the central gland, on the voxels of the T2 series."""
    g = exam.t2.geometry
    image = sitk.GetImageFromArray(exam.zones)
    image.SetSpacing((g.pixel_mm, g.pixel_mm, g.spacing_mm))
    image.SetOrigin(g.position(0))
    sitk.WriteImage(image, str(path), useCompression=True)
