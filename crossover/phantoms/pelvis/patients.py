"""What is asked of these phantoms from outside: who the patients are, their examinations, and their files."""

from crossover.phantoms.pelvis.clinical import Clinical, write_clinical
from crossover.phantoms.pelvis.dicom_out import write_patient
from crossover.phantoms.pelvis.examination import (
    Examination,
    Geometry,
    clinical_record,
    examine,
    patient_id,
)
from crossover.phantoms.pelvis.settings import PhantomSource

__all__ = [
    "Clinical",
    "Examination",
    "Geometry",
    "PhantomSource",
    "clinical_record",
    "examine",
    "patient_id",
    "write_clinical",
    "write_patient",
]
