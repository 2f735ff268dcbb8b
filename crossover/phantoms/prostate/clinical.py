"""The clinical table: who the synthetic patients are.

Touijer gives no table of patients. Age is drawn as of men who are examined for prostate cancer: an
assumption.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from crossover.phantoms.kit.clinical import draw_age, pick, write_table
from crossover.phantoms.prostate.sites import Profile

AGE_MEAN, AGE_SD, AGE_RANGE = 64.0, 7.5, (45, 82)  # years


@dataclass(frozen=True)
class Clinical:
    """One patient's row, in the words of the table."""

    age: int  # years
    tumour: str  # "yes" where one is visible
    scanner: str


write_clinical = partial(write_table, Clinical)
"""Write the rows that `write_patient` returned as clinical.csv: rows, path."""


def draw_clinical(profile: Profile, tumours: float, rng: np.random.Generator) -> Clinical:
    """Draw one patient; the columns are independent."""
    age = draw_age(AGE_MEAN, AGE_SD, AGE_RANGE, rng)
    tumour = "yes" if rng.random() < tumours else "no"
    return Clinical(age=age, tumour=tumour, scanner=pick(profile.models, rng))
