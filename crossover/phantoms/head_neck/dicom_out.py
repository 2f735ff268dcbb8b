"""Write a planning CT and its structure set as DICOM."""

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from crossover.phantoms.head_neck.centers import CENTERS
from crossover.phantoms.head_neck.examination import Examination, examine
from crossover.phantoms.head_neck.organs import ORGANS
from crossover.phantoms.head_neck.settings import Center, HeadNeckSource
from crossover.phantoms.kit.files import (
    NOTE,
    Roi,
    Uids,
    contours,
    decimal,
    identity,
    reference,
    save,
    structure_set,
    without_midpoints,
)

SERIES = {"CT": 1, "RTSTRUCT": 2}
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255))


def write_patient(source: HeadNeckSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    Files: <patient>/CT/<slice>.dcm and <patient>/RTSTRUCT/rtstruct.dcm.
    """
    exam = examine(source, index)
    # The protocol is no part of the images' names: they are the same whoever draws on them.
    uids = Uids(source.seed, "head and neck", source.center, index)
    folder = Path(out) / exam.patient_id
    _write_images(folder / "CT", exam, uids)
    drawn = folder / "RTSTRUCT"
    drawn.mkdir(parents=True, exist_ok=True)
    save(_structures(source, exam, uids), drawn / "rtstruct.dcm")
    return exam.row


def _write_images(folder: Path, exam: Examination, uids: Uids) -> None:
    """One file a slice, from the feet to the head."""
    folder.mkdir(parents=True, exist_ok=True)
    ds = _image(exam, uids)
    stored = exam.hu.astype(np.int32) - exam.scanner.intercept
    stored = stored.astype("<i2" if exam.scanner.signed else "<u2")
    for k, image in enumerate(stored):
        ds.SOPInstanceUID = uids(ds.SeriesNumber, k + 1)
        ds.InstanceNumber = k + 1
        position = exam.geometry.position(k)
        ds.ImagePositionPatient = [decimal(p) for p in position]
        ds.SliceLocation = decimal(position[2])
        ds.PixelData = image.tobytes()
        save(ds, folder / f"{k + 1:03d}.dcm")


def _image(exam: Examination, uids: Uids) -> Dataset:
    """What all slices share."""
    ds = _common(exam, uids, "CT", "RT HEAD NECK CONTRAST")
    g, scanner = exam.geometry, exam.scanner
    ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.KVP, ds.Exposure = "120", str(scanner.exposure_mas)
    ds.ConvolutionKernel, ds.SpiralPitchFactor = scanner.kernel, scanner.pitch
    ds.ContrastBolusAgent = "synthetic"
    ds.SliceThickness, ds.PixelSpacing = decimal(g.spacing_mm), [decimal(g.pixel_mm)] * 2
    ds.ReconstructionDiameter = decimal(g.pixel_mm * g.shape[1])
    ds.ImageOrientationPatient = [decimal(v) for v in g.row_direction + g.column_direction]
    ds.PatientPosition, ds.AcquisitionNumber = "HFS", 1
    ds.Rows, ds.Columns = g.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.PixelRepresentation = 16, int(scanner.signed)
    ds.BitsStored, ds.HighBit = (16, 15) if scanner.signed else (12, 11)
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(scanner.intercept), "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    ds.ImageComments = NOTE
    return ds


def _common(exam: Examination, uids: Uids, name: str, description: str) -> Dataset:
    """Patient, study, series and equipment."""
    ds = identity(exam.patient_id, exam.clinical.sex, exam.clinical.age, uids)
    ds.SeriesInstanceUID = uids("series", name)
    ds.SeriesNumber = SERIES[name]
    ds.SeriesDescription = f"{description} (synthetic)"
    ds.BodyPartExamined = "HEADNECK"
    ds.Manufacturer, ds.ManufacturerModelName = exam.scanner.maker, exam.clinical.scanner
    return ds


def _structures(source: HeadNeckSource, exam: Examination, uids: Uids) -> Dataset:
    """The twelve organs and what stands beside them in a real structure set: skin, tumour, planning
    target, and a point."""
    drawn_by = source.drawn_by
    ds = _common(exam, uids, "RTSTRUCT", "Structures")
    ds.SeriesInstanceUID = uids("series", "RTSTRUCT", drawn_by)
    ds.SOPInstanceUID = uids("structures", drawn_by)
    slices = range(exam.geometry.shape[0])
    images = [reference(CTImageStorage, uids(SERIES["CT"], k + 1)) for k in slices]
    structure_set(ds, "Planning", images, uids("series", "CT"), _rois(exam, drawn_by))
    return ds


def _rois(exam: Examination, drawn_by: Center) -> list[Roi]:
    """All regions, by the names that the center uses. An absent tumour leaves an empty region."""
    names, drawn = CENTERS[drawn_by].names, exam.contours
    masks = {"body": (drawn.body, "EXTERNAL")}
    masks |= {organ: (drawn.organ(organ), "ORGAN") for organ in ORGANS}
    masks |= {"tumour": (drawn.tumour, "GTV"), "target": (drawn.target, "PTV")}
    found = []
    for k, (name, (mask, kind)) in enumerate(masks.items()):
        lines = without_midpoints(contours(mask, exam.geometry))
        found.append(Roi(names[name], kind, COLOURS[k % len(COLOURS)], lines))
    return [*found, _point(exam, names["point"])]


def _point(exam: Examination, name: str) -> Roi:
    """The isocentre: a point in the middle of the tumour's slices."""
    g = exam.geometry
    k = g.shape[0] // 2
    return Roi(
        name, "ISOCENTER", (255, 255, 255), [(k, np.array([[0.0, 0.0, g.position(k)[2]]]))], "POINT"
    )
