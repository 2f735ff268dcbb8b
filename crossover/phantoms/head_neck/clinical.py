"""The clinical table: who the synthetic patients are.

Chen 2023 gives no table of patients. Age, sex and stages are drawn as of a cohort of nasopharyngeal
carcinoma in southern China (three men to one woman, in their forties, most of them stage III and
IV): an assumption.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from crossover.phantoms.kit.clinical import draw_age, pick, write_table

AGE_MEAN, AGE_SD, AGE_RANGE = 47.0, 11.0, (19, 78)  # years
SHARES: dict[str, dict[str, float]] = {
    "sex": {"M": 0.74, "F": 0.26},
    "t_stage": {"1": 0.15, "2": 0.2, "3": 0.42, "4": 0.23},
    "n_stage": {"0": 0.15, "1": 0.42, "2": 0.31, "3": 0.12},
}


@dataclass(frozen=True)
class Clinical:
    """One patient's row of the clinical table, whose columns these are."""

    age: int  # years
    sex: str
    t_stage: str
    n_stage: str
    scanner: str


write_clinical = partial(write_table, Clinical)
"""Write the rows that `write_patient` returned as clinical.csv: rows, path."""


def draw_clinical(scanners: Mapping[str, float], rng: np.random.Generator) -> Clinical:
    """Draw one patient's row; the columns are independent.

    Args:
        scanners: model -> share of the patients.
        rng: where the numbers come from.
    """
    age = draw_age(AGE_MEAN, AGE_SD, AGE_RANGE, rng)
    drawn = {column: pick(shares, rng) for column, shares in SHARES.items()}
    return Clinical(age=age, scanner=pick(scanners, rng), **drawn)
