"""DICOM files of every phantom: UIDs, the patient, series of slices, and how they are written.

The same patient gives the same bytes: UIDs are name-based (UUID version 5 under 2.25) and dates are fixed.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from crossover.phantoms.kit.geometry import Geometry

DATE, TIME = "20000101", "120000"
NOTE = "Synthetic phantom, Crossover"
# A fixed namespace for the names below; the value itself means nothing.
NAMESPACE = uuid.UUID("5b0d9a1e-7c1c-5d53-9f0e-0c2f6f3a7d11")
IMAGE_STORAGE = {"CT": CTImageStorage, "MR": MRImageStorage}


class Uids:
    """The UIDs of one patient, each a function of the patient's prefix and a name."""

    def __init__(self, *prefix: object) -> None:
        self._prefix = "/".join(map(str, prefix)) + "/"

    def __call__(self, *name: object) -> UID:
        """Return the UID of what has this name; the same name gives the same UID."""
        text = self._prefix + "/".join(map(str, name))
        return UID(f"2.25.{uuid.uuid5(NAMESPACE, text).int}")


@dataclass(frozen=True)
class Subject:
    """Who is examined, and on what: the same in all series of one patient."""

    patient_id: str
    sex: str
    """M or F, as in DICOM."""
    age_years: int
    body_part: str
    maker: str
    model: str
    """The scanner's model name."""
    uids: Uids

    def series(self, number: int, name: object, description: str) -> Dataset:
        """Return the patient, study, series and equipment modules, with all that says it is synthetic.

        Args:
            number: the series' number.
            name: what the series' UID is made from.
            description: the series' description, to which "(synthetic)" is added.
        """
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.PatientID, ds.PatientName = self.patient_id, "Synthetic^" + self.patient_id
        ds.PatientBirthDate, ds.PatientSex = "", self.sex
        ds.PatientAge = f"{self.age_years:03d}Y"
        ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", NOTE
        ds.PatientComments = NOTE
        ds.StudyInstanceUID = self.uids("study")
        ds.FrameOfReferenceUID = self.uids("frame of reference")
        ds.PositionReferenceIndicator = ""
        ds.StudyDate = ds.SeriesDate = ds.ContentDate = DATE
        ds.StudyTime = ds.SeriesTime = ds.ContentTime = TIME
        ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
        ds.StudyDescription = NOTE
        ds.SeriesInstanceUID, ds.SeriesNumber = self.uids("series", name), number
        ds.SeriesDescription = f"{description} (synthetic)"
        ds.BodyPartExamined = self.body_part
        ds.Manufacturer, ds.ManufacturerModelName = self.maker, self.model
        ds.DeviceSerialNumber, ds.SoftwareVersions = "0", NOTE
        ds.InstitutionName = "Crossover"
        return ds

    def image_uid(self, series_number: int, k: int) -> UID:
        """Return the SOP instance UID of slice k, from 0, of a series of images."""
        return self.uids(series_number, k + 1)


def describe_images(ds: Dataset, modality: str, geometry: Geometry, bits: int = 12, signed: bool = False) -> None:
    """Add to a data set what all images of a stack share.

    Args:
        ds: has the patient and the series, as `Subject.series` returns it; it is changed in place.
        modality: CT or MR.
        geometry: where the slices lie.
        bits: of 16 that are allocated, how many are stored.
        signed: whether stored values have a sign.
    """
    g = geometry
    ds.SOPClassUID, ds.Modality = IMAGE_STORAGE[modality], modality
    ds.SliceThickness = decimal(g.spacing_mm - g.gap_mm)
    ds.PixelSpacing = [decimal(g.pixel_mm)] * 2
    ds.ImageOrientationPatient = [decimal(v) for v in g.row_direction + g.column_direction]
    ds.PatientPosition, ds.AcquisitionNumber = "HFS", ds.SeriesNumber
    ds.Rows, ds.Columns = g.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    ds.ImageComments = NOTE
    if modality == "MR":
        ds.MRAcquisitionType, ds.SpacingBetweenSlices = "2D", decimal(g.spacing_mm)


def write_slices(folder: Path, ds: Dataset, stack: NDArray, geometry: Geometry, subject: Subject) -> list[Path]:
    """Write one file for each slice and return the files in the order of the stack.

    Args:
        folder: where to write; it is made.
        ds: what the slices share, changed from slice to slice.
        stack: stored values, (slices, rows, columns), of 16 bits each.
        geometry: where the slices lie.
        subject: whose they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    axis = int(np.abs(geometry.normal).argmax())
    files = []
    for k, image in enumerate(stack.astype(stack.dtype.newbyteorder("<"), copy=False)):
        ds.SOPInstanceUID = subject.image_uid(ds.SeriesNumber, k)
        ds.InstanceNumber = k + 1
        position = geometry.position(k)
        ds.ImagePositionPatient = [decimal(p) for p in position]
        ds.SliceLocation = decimal(position[axis])
        ds.PixelData = image.tobytes()
        files.append(folder / f"{k + 1:03d}.dcm")
        save(ds, files[-1])
    return files


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a coded concept."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def decimal(value: float) -> str:
    """Return a decimal string (DS) of at most 16 characters."""
    return f"{value:.9g}"


def save(ds: Dataset, path: Path) -> None:
    """Write a data set as uncompressed explicit VR little endian; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    dcmwrite(path, ds, enforce_file_format=True)
