"""What is asked of these phantoms from outside: who the patients are, their examinations, and their files."""

from crossover.phantoms.prostate.clinical import Clinical, write_clinical
from crossover.phantoms.prostate.dicom_out import write_patient
from crossover.phantoms.prostate.examination import (
    CENTRAL,
    PERIPHERAL,
    Examination,
    clinical_record,
    examine,
    patient_id,
)
from crossover.phantoms.prostate.settings import ProstateSource
from crossover.phantoms.prostate.sites import PROFILES

__all__ = [
    "CENTRAL",
    "PERIPHERAL",
    "PROFILES",
    "Clinical",
    "Examination",
    "ProstateSource",
    "clinical_record",
    "examine",
    "patient_id",
    "write_clinical",
    "write_patient",
]
