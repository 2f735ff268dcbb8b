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

from crossover.phantoms.kit.files import write_table
from crossover.phantoms.pelvis.scanners import PROFILES
from crossover.phantoms.pelvis.settings import Anatomy

COLUMNS = ("patient", "age", "histology", "grade", "t_stage", "n_stage", "scanner")

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


write_clinical = partial(write_table, COLUMNS)
"""Write the rows that `write_patient` returned as clinical.csv: rows, path."""


@dataclass(frozen=True)
class Clinical:
    """One patient's row, in the words of the table."""

    age: int  # years
    histology: str
    grade: str
    t_stage: str
    n_stage: str
    scanner: str


def draw_clinical(
    anatomy: Anatomy, scanners: Mapping[Any, int], rng: np.random.Generator
) -> Clinical:
    """Draw one patient; the columns are independent, as the paper gives no joint table."""
    age = rng.normal(AGE_MEAN, AGE_SD)
    while not AGE_RANGE[0] <= age <= AGE_RANGE[1]:
        age = rng.normal(AGE_MEAN, AGE_SD)
    drawn = {column: pick(counts, rng) for column, counts in COUNTS[anatomy].items()}
    # In the fixed order of the profiles: how a study lists its scanners must not matter.
    ordered = {model: scanners[model] for model in PROFILES if model in scanners}
    return Clinical(age=round(age), scanner=pick(ordered, rng), **drawn)


def pick(counts: Mapping[str, float], rng: np.random.Generator) -> str:
    """One of the keys, with probability in proportion to its count."""
    edges = np.cumsum(list(counts.values()))
    return list(counts)[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]
