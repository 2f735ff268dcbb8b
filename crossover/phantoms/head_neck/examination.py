"""One patient's planning CT and contours, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.head_neck import contouring, scan
from crossover.phantoms.head_neck.centers import CENTERS, Scanner
from crossover.phantoms.head_neck.clinical import Clinical, draw_clinical
from crossover.phantoms.head_neck.contouring import Contours
from crossover.phantoms.head_neck.person import Person, draw_person
from crossover.phantoms.head_neck.settings import HeadNeckSource
from crossover.phantoms.head_neck.tissues import draw_densities
from crossover.phantoms.kit import clinical
from crossover.phantoms.kit.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class Examination(clinical.Examined):
    """Image, truth and facts of one patient; arrays are (slices, rows, columns), the image in HU."""

    hu: NDArray[np.int16]
    contours: Contours
    geometry: Geometry
    clinical: Clinical
    scanner: Scanner
    person: Person

    def volume_ml(self, organ: str) -> float:
        """Return the volume of an organ as contoured, in ml."""
        return float(self.contours.organ(organ).sum()) * self.geometry.voxel_ml


def patient_id(source: HeadNeckSource, index: int) -> str:
    """Return the patient's name, which is the same everywhere and says that the patient is synthetic."""
    return f"SYN-HN-{source.center.upper()}-{index:04d}"


def stream(source: HeadNeckSource, index: int, part: int) -> np.random.Generator:
    """Return the random numbers for one part of one patient, as `kit.clinical.stream` makes them."""
    return clinical.stream(source.seed, 71 + ("source", "target").index(source.center), index, part)


def clinical_record(source: HeadNeckSource, index: int) -> Clinical:
    """Draw the patient's clinical row alone, which needs no images."""
    return draw_clinical(CENTERS[source.center].shares, stream(source, index, 0))


def examine(source: HeadNeckSource, index: int) -> Examination:
    """Examine patient `index` of the cohort.

    Neither another patient nor the number of patients enters. The anatomy does not depend on the grid, and neither
    image nor anatomy depends on whose protocol is drawn.

    Raises:
        ValueError: if `index` is negative.
    """
    record = clinical_record(source, index)
    center = CENTERS[source.center]
    person = draw_person(record, source.fillings, source.tumours, stream(source, index, 1))
    hu = draw_densities(center.phase, stream(source, index, 2))
    look = scan.draw_look(source, center.scanners[record.scanner], hu, stream(source, index, 3))
    geometry = scan.place_stack(source, person.body, stream(source, index, 4))
    plan = contouring.plan(person, source.drawn_by, stream(source, index, 5))
    image = np.full(geometry.shape, -1000, np.float32)
    contours = contouring.empty(geometry)
    metals: dict[int, scan.Metal] = {}
    for slab in scan.slabs(geometry, person.body, person.outline.profile):
        outside = person.outline.distance(slab.field)
        image[slab.window] = scan.paint(person, slab, outside, geometry, look)
        scan.find_metal(person, slab, metals)
        contouring.draw(person, plan, slab, outside, geometry, contours)
    contouring.finish(contours)
    return Examination(
        patient_id=patient_id(source, index),
        hu=scan.acquire(image, metals.values(), geometry, look, stream(source, index, 6)),
        contours=contours,
        geometry=geometry,
        clinical=record,
        scanner=look.scanner,
        person=person,
    )
