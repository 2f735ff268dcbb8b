"""Clinical tables: how the columns of a patient's row are drawn, and how the table is written."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A patient who has been examined: the base of each anatomy's `Examination`."""

    patient_id: str
    clinical: Any
    """The patient's row of the clinical table: a dataclass with one field for each column."""

    @property
    def row(self) -> dict[str, object]:
        """The patient's row of clinical.csv, by column."""
        return {"patient": self.patient_id, **vars(self.clinical)}


def stream(seed: int, cohort: int, index: int, part: int) -> np.random.Generator:
    """Return the random numbers for one part of one patient, which depend on nothing but these four.

    Args:
        seed: the seed of the cohort's settings.
        cohort: a number that keeps cohorts of the same seed apart.
        index: the patient's place in the cohort, from 0.
        part: what the numbers are for (record, anatomy, noise, ...), from 0.

    Raises:
        ValueError: `index` is negative.
    """
    if index < 0:
        raise ValueError(f"index must be >= 0, got {index}")
    return np.random.default_rng([seed, cohort, index, part])


def draw_age(mean: float, sd: float, limits: tuple[int, int], rng: np.random.Generator) -> int:
    """Draw an age in whole years from a normal distribution that is truncated at the limits."""
    age = rng.normal(mean, sd)
    while not limits[0] <= age <= limits[1]:
        age = rng.normal(mean, sd)
    return round(age)


def pick(counts: Mapping[str, float], rng: np.random.Generator) -> str:
    """Return one of the keys, with probability in proportion to its count."""
    edges = np.cumsum(list(counts.values()))
    return list(counts)[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def write_table(record: type, rows: Iterable[Mapping[str, object]], path: Path) -> None:
    """Write the patients' rows as CSV, sorted by patient.

    Args:
        record: the dataclass of a row, whose fields are the columns after `patient`.
        rows: what `write_patient` returned; other keys are left out.
        path: the table to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["patient", *(field.name for field in fields(record))]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: str(row["patient"])))
