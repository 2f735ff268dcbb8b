"""The clinical table: who the synthetic patients are.

Uterus: drawn from Lin 2023, Table 1 (training and testing together, 320 patients). Cervix: the
paper has no table, so age and a squamous : adenocarcinoma proportion of 80:20 are assumptions and
grade and stages stay empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from crossover.phantoms.kit.clinical import draw_age, pick, write_table
from crossover.phantoms.pelvis.scanners import PROFILES
from crossover.phantoms.pelvis.settings import Anatomy

# Counts of Lin 2023, Table 1: training + testing.
UTERUS_COUNTS: dict[str, dict[str, int]] = {
    "histology": {
        "endometrioid carcinoma": 309,
        "endometrial stromal sarcoma": 5,
        "leiomyosarcoma": 4,
        "malignant mixed müllerian tumour": 2,
    },
    "grade": {"well/moderate": 259, "poor": 61},
    "t_stage": {"1": 290, "2-4": 30},
    "n_stage": {"0": 299, "1": 21},
}
CERVIX_COUNTS: dict[str, dict[str, int]] = {
    "histology": {"squamous carcinoma": 80, "adenocarcinoma": 20},
    "grade": {"": 1},
    "t_stage": {"": 1},
    "n_stage": {"": 1},
}
COUNTS = {"uterus": UTERUS_COUNTS, "cervix": CERVIX_COUNTS}
AGE_MEAN, AGE_SD = 52.14, 11.15  # years, Table 1; used for the cervix too
AGE_RANGE = (25, 88)  # years, Results


@dataclass(frozen=True)
class Clinical:
    """One patient's row of the clinical table, whose columns these are."""

    age: int  # years
    histology: str
    grade: str
    t_stage: str
    n_stage: str
    scanner: str


write_clinical = partial(write_table, Clinical)
"""Write the rows that `write_patient` returned as clinical.csv: rows, path."""


def draw_clinical(anatomy: Anatomy, scanners: Mapping[Any, int], rng: np.random.Generator) -> Clinical:
    """Draw one patient's row; the columns are independent, as the paper gives no joint table.

    Args:
        anatomy: where the tumour is.
        scanners: model -> proportion.
        rng: where the numbers come from.
    """
    age = draw_age(AGE_MEAN, AGE_SD, AGE_RANGE, rng)
    drawn = {column: pick(counts, rng) for column, counts in COUNTS[anatomy].items()}
    # In the fixed order of the profiles: how a study lists its scanners must not matter.
    ordered = {model: scanners[model] for model in PROFILES if model in scanners}
    return Clinical(age=age, scanner=pick(ordered, rng), **drawn)
