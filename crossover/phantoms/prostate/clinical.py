"""The clinical table: who the synthetic patients are.

Touijer gives no table of patients. Age is drawn as of men who are examined for prostate cancer: an
assumption.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from crossover.phantoms.kit.files import write_table
from crossover.phantoms.pelvis.clinical import pick
from crossover.phantoms.prostate.sites import Profile

COLUMNS = ("patient", "age", "tumour", "scanner")
AGE_MEAN, AGE_SD, AGE_RANGE = 64.0, 7.5, (45, 82)  # years

write_clinical = partial(write_table, COLUMNS)
"""Write the rows that `write_patient` returned as clinical.csv: rows, path."""


@dataclass(frozen=True)
class Clinical:
    """One patient's row, in the words of the table."""

    age: int  # years
    tumour: str  # "yes" where one is visible
    scanner: str


def draw_clinical(profile: Profile, tumours: float, rng: np.random.Generator) -> Clinical:
    """Draw one patient; the columns are independent."""
    age = rng.normal(AGE_MEAN, AGE_SD)
    while not AGE_RANGE[0] <= age <= AGE_RANGE[1]:
        age = rng.normal(AGE_MEAN, AGE_SD)
    tumour = "yes" if rng.random() < tumours else "no"
    return Clinical(age=round(age), tumour=tumour, scanner=pick(profile.models, rng))
