"""One patient's examination, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit import clinical
from crossover.phantoms.kit.geometry import Geometry
from crossover.phantoms.prostate import scan
from crossover.phantoms.prostate.clinical import Clinical, draw_clinical
from crossover.phantoms.prostate.person import Person, draw_person
from crossover.phantoms.prostate.scan import Look
from crossover.phantoms.prostate.settings import ProstateSource
from crossover.phantoms.prostate.sites import PROFILES, Profile

PERIPHERAL, CENTRAL = 1, 2
"""Labels of the zones, as in the NCI-ISBI 2013 files."""


@dataclass(frozen=True)
class Series:
    """One stack of images, (slices, rows, columns)."""

    description: str
    image: NDArray[np.uint16]
    geometry: Geometry


@dataclass(frozen=True, kw_only=True)
class Examination(clinical.Examined):
    """Images, truth and facts of one patient; arrays are (slices, rows, columns)."""

    t2: Series
    others: tuple[Series, ...]  # that no study asks for: another plane, a localizer
    zones: NDArray[np.uint8]  # as contoured: 0, PERIPHERAL or CENTRAL
    weight: NDArray[np.float32]  # the coils' sensitivity on the T2 series: what N4 is to find
    clinical: Clinical
    profile: Profile
    look: Look
    person: Person

    @property
    def prostate(self) -> NDArray[np.bool_]:
        """The mask of the whole gland."""
        return self.zones > 0


def patient_id(source: ProstateSource, index: int) -> str:
    """Return the patient's name, which is the same everywhere and says that the patient is synthetic."""
    return f"SYN-PROSTATE-{source.site}-{index:04d}"


def stream(source: ProstateSource, index: int, part: int) -> np.random.Generator:
    """Return the random numbers for one part of one patient, as `kit.clinical.stream` makes them."""
    return clinical.stream(source.seed, 83 + "ABC".index(source.site), index, part)


def clinical_record(source: ProstateSource, index: int) -> Clinical:
    """Draw the patient's clinical row alone, which needs no images."""
    return draw_clinical(PROFILES[source.site], source.tumours, stream(source, index, 0))


def examine(source: ProstateSource, index: int) -> Examination:
    """Examine patient `index` of the cohort.

    Neither another patient nor the number of patients enters. The anatomy does not depend on the grid.

    Raises:
        ValueError: if `index` is negative.
    """
    record, profile = clinical_record(source, index), PROFILES[source.site]
    person = draw_person(profile, record.tumour == "yes", stream(source, index, 1))
    look = scan.draw_look(profile, stream(source, index, 2))
    geometry = scan.place_stack(source, person, stream(source, index, 3))
    places = (geometry, *scan.place_others(geometry, person))
    found = [scan.scan(person, look, place, scan.layers_of(place) if k == 0 else 1) for k, place in enumerate(places)]
    t2, *others = (
        Series(name, scan.acquire(seen.signal, look, stream(source, index, 4 + k)), place)
        for k, (name, seen, place) in enumerate(zip(profile.series, found, places, strict=True))
    )
    inside, central = found[0].gland >= 0.5, found[0].central >= 0.5 * found[0].gland
    return Examination(
        patient_id=patient_id(source, index),
        t2=t2,
        others=tuple(others),
        zones=np.where(inside, np.where(central, CENTRAL, PERIPHERAL), 0).astype(np.uint8),
        weight=found[0].weight,
        clinical=record,
        profile=profile,
        look=look,
        person=person,
    )
