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
    """One patient's row of the clinical table, whose columns these are."""

    age: int  # years
    tumour: str  # "yes" where one is visible
    scanner: str


write_clinical = partial(write_table, Clinical)
"""Write the rows that `write_patient` returned as clinical.csv: rows, path."""


def draw_clinical(profile: Profile, tumours: float, rng: np.random.Generator) -> Clinical:
    """Draw one patient's row; the columns are independent.

    Args:
        profile: the site's scanners.
        tumours: share of patients with a visible tumour, 0 to 1.
        rng: where the numbers come from.
    """
    age = draw_age(AGE_MEAN, AGE_SD, AGE_RANGE, rng)
    tumour = "yes" if rng.random() < tumours else "no"
    return Clinical(age=age, tumour=tumour, scanner=pick(profile.models, rng))
