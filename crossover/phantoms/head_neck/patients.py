"""What is asked of these phantoms from outside: who the patients are, their examinations, and their files."""

from crossover.phantoms.head_neck.centers import CENTERS, protocol_table
from crossover.phantoms.head_neck.clinical import Clinical, write_clinical
from crossover.phantoms.head_neck.dicom_out import write_patient
from crossover.phantoms.head_neck.examination import (
    Examination,
    clinical_record,
    examine,
    patient_id,
)
from crossover.phantoms.head_neck.organs import ORGANS
from crossover.phantoms.head_neck.settings import HeadNeckSource

__all__ = [
    "CENTERS",
    "ORGANS",
    "Clinical",
    "Examination",
    "HeadNeckSource",
    "clinical_record",
    "examine",
    "patient_id",
    "protocol_table",
    "write_clinical",
    "write_patient",
]
