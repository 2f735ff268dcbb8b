"""What DICOM objects about masks have in common: whose they are, what made them, what their structures are called."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from crossover.exchange.original_series import Original
from crossover.sources.settings import Structure, StructureCode

LONG = 64
"""The most characters of a value of VR LO."""
SERIES_NUMBERS = {"SEG": 1, "RTSTRUCT": 2}
"""What is added to a hundred times the number of the original series."""
COLOURS = (
    (213, 94, 0), (0, 114, 178), (0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66),
    (148, 103, 189), (140, 86, 75), (23, 190, 207), (188, 189, 34), (227, 119, 194),
)  # fmt: skip
"""Red, green and blue of the first structure of a study, the second, and so on; then from the first again."""
ORGAN = StructureCode(value="91772007", meaning="Organ")
"""What a structure is where its study does not say: of the category "anatomical structure"."""
CATEGORIES = {
    "anatomical structure": ("91723000", "SCT", "Anatomical Structure"),
    "morphologically abnormal structure": ("49755003", "SCT", "Morphologically Abnormal Structure"),
    "tissue": ("85756007", "SCT", "Tissue"),
}
"""The codes of CID 7150, by name."""
SIDES = {"left": ("7771000", "SCT", "Left"), "right": ("24028007", "SCT", "Right")}
"""The codes of CID 244, by name."""


@dataclass(frozen=True)
class Producer:
    """The model that made the masks."""

    study: str
    model: str
    weights: str
    """The SHA-256 of the file of weights."""
    version: str
    """The version of Crossover."""

    @property
    def name(self) -> str:
        """The algorithm's name: study/model."""
        return f"{self.study}/{self.model}"[:LONG]


@dataclass(frozen=True)
class Target:
    """A structure as objects describe it."""

    label: str
    code: StructureCode
    colour: tuple[int, int, int]

    @property
    def kind(self) -> tuple[str, str, str]:
        """The code of what the structure is: value, scheme and meaning."""
        code = self.code if self.code.value else ORGAN
        return str(code.value), code.scheme, str(code.meaning)


def targets(structures: Mapping[str, Structure]) -> dict[str, Target]:
    """Return a study's structures with their colours, by the order in which the study has them."""
    return {
        name: Target(s.label, s.code or ORGAN, COLOURS[k % len(COLOURS)])
        for k, (name, s) in enumerate(structures.items())
    }


def uid_of(*parts: object) -> str:
    """Return a UID that follows from what an object is made of: the same object again has the same UID.

    It is a UUID by name, of SHA-256, below 2.25 (PS3.5, B.2).
    """
    content = "\0".join(map(str, parts)).encode()
    return f"2.25.{uuid.UUID(bytes=hashlib.sha256(content).digest()[:16], version=5).int}"


def content_uid(
    kind: str,
    original: Original,
    masks: Mapping[str, NDArray[np.bool_]],
    targets: Mapping[str, Target],
    producer: Producer,
) -> str:
    """Return an object's SOPInstanceUID, from the images, whose they are, the model, the structures and the voxels."""
    whose = Dataset()
    adopt(whose, original.header)
    drawn = [(targets[name], hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()) for name, mask in masks.items()]
    return uid_of(kind, *original.files, whose, producer, *drawn)


def series_number(original: Original, kind: str) -> int:
    """Return SeriesNumber (0020,0011): 401 and 402 for the objects on series 4."""
    own = original.planes[0].instance.series_number
    return 100 * max(own, 1) % 2_000_000_000 + SERIES_NUMBERS[kind]


def refer(item: Dataset, sop_class: str, uid: str, frame_number: int | None = None) -> Dataset:
    """Write into an item which instance it refers to, and which frame of one with several; return the item."""
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    if frame_number is not None:
        item.ReferencedFrameNumber = frame_number
    return item


def adopt(dataset: Dataset, header: Dataset) -> None:
    """Copy whose examination it is, as it came, over what an object has of it.

    An attribute that every object must have is left empty where it is missing or has no value of its kind. The text is
    in the patient's own character set, or in UTF-8 where the object has text beyond ASCII, which that set may lack.
    """
    own_is_ascii = _is_ascii(dataset)
    if "SpecificCharacterSet" in header:
        dataset.SpecificCharacterSet = header.SpecificCharacterSet
    elif "SpecificCharacterSet" in dataset:
        del dataset.SpecificCharacterSet
    for keyword in (*NEEDED, *ADOPTED):
        if keyword in dataset:
            delattr(dataset, keyword)
        try:
            if keyword in header:
                dataset.add(header[keyword])
        except (ValueError, TypeError, OverflowError, NotImplementedError):
            pass  # text where a number must stand, say
        if keyword in NEEDED and keyword not in dataset:
            setattr(dataset, keyword, "")
    if not own_is_ascii:
        dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"


def _is_ascii(dataset: Dataset) -> bool:
    """Return whether all text of a data set and of its sequences is ASCII."""
    values = (v for e in dataset.iterall() for v in (e.value if e.VM > 1 else [e.value]))
    return all(str(v).isascii() for v in values if isinstance(v, (str, PersonName)))


NEEDED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyInstanceUID", "StudyID",
)  # fmt: skip
"""The attributes of types 1 and 2 in the modules Patient and General Study (PS3.3, C.7.1.1, C.7.2.1)."""
ADOPTED = (
    "ReferencedPatientSequence", "IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence",
    "SourcePatientGroupIdentificationSequence", "GroupOfPatientsIdentificationSequence", "PatientBirthTime",
    "PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar", "PatientAlternativeCalendar",
    "QualityControlSubject", "OtherPatientIDs", "OtherPatientNames", "OtherPatientIDsSequence",
    "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription",
    "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole",
    "ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "ClinicalTrialSponsorName", "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID", "ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription",
    "IssuerOfAccessionNumberSequence", "StudyDescription", "ProcedureCodeSequence", "PatientAge", "PatientSize",
    "PatientWeight", "PatientSexNeutered", "AdmissionID", "IssuerOfAdmissionIDSequence",
)  # fmt: skip
"""The attributes of type 3 that are copied from these modules, Patient Study and the modules of clinical trials:
all that says who it is and which study, and nothing of history, comments and persons who took part."""
