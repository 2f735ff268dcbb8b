"""Write a planning CT and its structure set as DICOM."""

from pathlib import Path

import numpy as np
from pydicom import Dataset

from crossover.phantoms.head_neck.centers import CENTERS
from crossover.phantoms.head_neck.clinical import write_clinical
from crossover.phantoms.head_neck.examination import Examination, examine, patient_id
from crossover.phantoms.head_neck.organ_shapes import ORGANS
from crossover.phantoms.head_neck.settings import Center, HeadNeckSource
from crossover.phantoms.kit.dicom import (
    Subject,
    Uids,
    decimal,
    describe_images,
    save,
    write_slices,
)
from crossover.phantoms.kit.structures import Roi, contours, structure_set, without_midpoints

__all__ = ["patient_id", "write_clinical", "write_patient"]

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255))


def write_patient(source: HeadNeckSource, index: int, out: Path) -> dict[str, object]:
    """Write one patient below `out` and return the row for clinical.csv.

    The files are <patient>/CT/<slice>.dcm and <patient>/RTSTRUCT/rtstruct.dcm.
    """
    exam = examine(source, index)
    record, scanner = exam.clinical, exam.scanner
    # The protocol is no part of the images' names: they are the same whoever draws on them.
    uids = Uids(source.seed, "head and neck", source.center, index)
    subject = Subject(exam.patient_id, record.sex, record.age, "HEADNECK", scanner.maker, record.scanner, uids)
    folder = Path(out) / exam.patient_id
    images = _image(exam, subject)
    stored = (exam.hu.astype(np.int32) - scanner.intercept).astype("i2" if scanner.signed else "u2")
    write_slices(folder / "CT", images, stored, exam.geometry, subject)
    drawn = subject.series(2, f"RTSTRUCT/{source.drawn_by}", "Structures")
    drawn.SOPInstanceUID = uids("structures", source.drawn_by)
    rois = _rois(exam, source.drawn_by)
    structure_set(drawn, "Planning", subject, images, len(stored), rois)
    save(drawn, folder / "RTSTRUCT/rtstruct.dcm")
    return exam.row


def _image(exam: Examination, subject: Subject) -> Dataset:
    """Return what all slices of the CT share."""
    ds = subject.series(1, "CT", "RT HEAD NECK CONTRAST")
    g, scanner = exam.geometry, exam.scanner
    describe_images(ds, "CT", g, 16 if scanner.signed else 12, scanner.signed)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.KVP, ds.Exposure = "120", str(scanner.exposure_mas)
    ds.ConvolutionKernel, ds.SpiralPitchFactor = scanner.kernel, scanner.pitch
    ds.ContrastBolusAgent = "synthetic"
    ds.ReconstructionDiameter = decimal(g.pixel_mm * g.shape[1])
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(scanner.intercept), "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    return ds


def _rois(exam: Examination, drawn_by: Center) -> list[Roi]:
    """Return all regions by the names that the center uses.

    They are the twelve organs and what stands beside them in a real structure set, which is skin, tumour,
    planning target, and a point. An absent tumour leaves an empty region.
    """
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
    """Return the isocentre: a point in the middle slice."""
    g = exam.geometry
    k = g.shape[0] // 2
    return Roi(name, "ISOCENTER", (255, 255, 255), [(k, np.array([[0.0, 0.0, g.position(k)[2]]]))], "POINT")
