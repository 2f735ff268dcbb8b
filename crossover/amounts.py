"""How much a cohort holds: as counted where its cases are there, else as its phantoms will be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from crossover.provenance import read_json
from crossover.sources.settings import Phantom
from crossover.study import Study


class Amount(NamedTuple):
    """A cohort's cases."""

    patients: int
    """Cases, where a patient may have several."""
    slices: float
    """Of a case, on average."""
    pixels: float
    """Of a slice as it was acquired, on average."""

    @property
    def voxels(self) -> float:
        """Of one channel of all cases."""
        return self.patients * self.slices * self.pixels


def amount(study: Study, cohort: str, data: Path = Path("data")) -> Amount | None:
    """What is known of a cohort; None of real patients who are not cases yet."""
    return counted(data / "cases" / cohort) or drawn(study, cohort)


def counted(cases: Path) -> Amount | None:
    """Of cases that are there; None where there is none."""
    try:
        names = read_json(cases / "manifest.json")["items"]
        sizes = [read_json(cases / name / "case.json")["size"] for name in names]
    except FileNotFoundError:
        return None
    slices = sum(size[2] for size in sizes)
    pixels = sum(size[0] * size[1] * size[2] for size in sizes)
    return Amount(len(sizes), slices / len(sizes), pixels / slices) if sizes else None


def drawn(study: Study, cohort: str) -> Amount | None:
    """Of phantoms; None for other sources."""
    source = study.cohorts[cohort].source
    if not isinstance(source, Phantom):
        return None
    return Amount(source.patients, sum(source.slices) / 2, source.matrix**2)
