"""One patient's anatomy put together, and painted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.head_neck import skeleton, soft_tissue
from crossover.phantoms.head_neck.body import Body, draw_body
from crossover.phantoms.head_neck.clinical import Clinical
from crossover.phantoms.head_neck.layer import Layer
from crossover.phantoms.head_neck.organ_shapes import Organs, draw_organs
from crossover.phantoms.head_neck.skin import SKIN_MM, Outline, draw_outline
from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.head_neck.tumour import Tumour, draw_tumour
from crossover.phantoms.kit.canvas import EVERYWHERE, Canvas
from crossover.phantoms.kit.draw import SIDES, Draw, Triple
from crossover.phantoms.kit.shapes import Points, Segment

# Distance outwards from the inner table of the skull, what begins there, and its texture. From the
# outside in; the space between bone and brain is `organs.INNER_TABLE` deep.
SKULL = (
    (6.5, Tissue.CORTEX, 0),
    (4.6, Tissue.DIPLOE, 60),
    (1.8, Tissue.CORTEX, 0),
    (0.0, Tissue.CSF, 0),
    (-2.2, Tissue.GREY, 2.5),
    (-6.5, Tissue.WHITE, 4.0),
)
MASK_MM = (1.0, 3.2)  # where the thermoplastic mask lies over the skin
MASK_HU = -250.0
SULCUS = 0.4  # texture, in SD, within which there is a sulcus


@dataclass(frozen=True)
class Person:
    """Everything about a patient that does not depend on scanner or contouring."""

    body: Body
    outline: Outline
    organs: Organs
    muscles: tuple[Layer, ...]  # painted before the skull, which covers them
    layers: tuple[Layer, ...]  # painted after it
    tumour: Tumour | None
    fillings: tuple[Triple, ...]  # where there is metal in the teeth

    def paint(self, canvas: Canvas, hu: dict[Tissue, float], outside: NDArray[np.float32]) -> None:
        """Paint all tissues from the outside in.

        Args:
            canvas: the samples to paint.
            hu: HU of each tissue.
            outside: each sample's signed distance to the skin, mm.
        """
        for by, tissue in ((0.0, Tissue.SKIN), (-SKIN_MM, Tissue.FAT)):
            canvas.fill(outside - by, EVERYWHERE, hu[tissue], 6)
        canvas.paint(self.outline.features, hu[Tissue.SKIN], 10)
        for layer in self.muscles:
            canvas.paint(layer.shape, hu[layer.tissue], layer.uneven)
        self._paint_skull(canvas, hu)
        for layer in self.layers:
            canvas.paint(layer.shape, hu[layer.tissue], layer.uneven)
        _paint_surroundings(canvas, outside)

    def _paint_skull(self, canvas: Canvas, hu: dict[Tissue, float]) -> None:
        """Paint the skull with its diploe, the subarachnoid space, and the brain with its sulci."""
        cavity = self.organs.cavity
        low, high = cavity.bounds()
        box = canvas.field.box(low - 8, high + 8)
        if box is None:
            return
        points = canvas.field.points(box)
        distance = cavity.distance(points)
        distance *= np.where(distance > 0, _thinness(points), np.float32(1))
        for by, tissue, uneven in SKULL:
            canvas.fill(distance - by, box, hu[tissue], uneven)
        # Sulci run where the texture crosses zero, down to 14 mm below the surface.
        depth = np.maximum(distance, -14 - distance)
        share = np.clip(1 - np.abs(canvas.texture[box]) / SULCUS, 0, 1) * (depth < -1)
        view = canvas.values[box]
        view += 0.9 * share * (hu[Tissue.CSF] - view)


def _paint_surroundings(canvas: Canvas, outside: NDArray[np.float32]) -> None:
    """Paint air up to the skin, whatever was painted across it, and the mask on the skin."""
    canvas.fill(-outside, EVERYWHERE, -1000)
    near, far = MASK_MM
    canvas.fill(np.abs(outside - (near + far) / 2) - (far - near) / 2, EVERYWHERE, MASK_HU)


def _thinness(points: Points) -> NDArray[np.float32]:
    """Return how much thinner than at the vault the skull is: 1, and up to 2.6 at the floor and front of the base."""
    _, y, z = points
    low, ahead = np.clip((13 - z) / 8, 0, 1), np.clip((14 - y) / 12, 0, 1)
    thinner: Any = 1 + np.float32(1.6) * low * ahead
    return thinner


def draw_person(clinical: Clinical, fillings: float, tumours: float, rng: np.random.Generator) -> Person:
    """Draw one person.

    Args:
        clinical: the sex and the stages that the person has.
        fillings: share of patients with metal in the teeth, 0 to 1.
        tumours: share of patients with a visible tumour, 0 to 1.
        rng: where the numbers come from; each part of the person has a stream of its own.
    """
    streams = [Draw(r) for r in rng.spawn(8)]
    some = streams[0].happens(tumours)
    tumour = draw_tumour(clinical.t_stage, clinical.n_stage, streams[1])
    organs = draw_organs(streams[2])
    return Person(
        body=draw_body(clinical.sex, streams[3].rng, tumour.push if some else None),
        outline=draw_outline(streams[4], {s: eye.centre for s, eye in organs.eyes.items()}),
        organs=organs,
        muscles=(
            *soft_tissue.neck_muscles(streams[7]),
            *soft_tissue.face_muscles(streams[7], organs),
        ),
        layers=tuple(_layers(organs, tumour if some else None, streams[5])),
        tumour=tumour if some else None,
        fillings=_draw_fillings(fillings, organs, streams[6]),
    )


def _layers(organs: Organs, tumour: Tumour | None, draw: Draw) -> Iterator[Layer]:
    """Yield what is painted after the skull; later paint covers earlier paint."""
    yield from soft_tissue.brain(draw, organs)
    yield from skeleton.skull_base(draw, organs.pituitary)
    yield from skeleton.midface(draw, organs.jaw)
    yield from skeleton.shoulders(draw)
    yield from skeleton.spine(draw, organs)
    yield Layer(organs.cord, Tissue.CORD)
    for side in SIDES:
        yield from skeleton.orbit(side, organs.eyes[side])
    yield from soft_tissue.sella(draw, organs)
    yield from soft_tissue.airway(draw)
    yield from soft_tissue.glands(draw, organs)
    yield from soft_tissue.vessels(draw)
    yield from skeleton.mandible(organs.jaw)
    if tumour is not None:
        yield from tumour.layers()


def _draw_fillings(share: float, organs: Organs, draw: Draw) -> tuple[Triple, ...]:
    """Draw where one to three molars, upper or lower, have metal, in this share of patients."""
    some, count = draw.happens(share), int(draw.rng.integers(1, 4))
    crowns = (organs.jaw.teeth, organs.jaw.upper_teeth)
    found = []
    for _ in range(count):
        row = crowns[int(draw.rng.integers(2))].parts
        molar = row[0] if draw.happens(0.5) else row[-1]
        assert isinstance(molar, Segment), "rows are tubes"
        t = float(draw.rng.random())
        point = [a + t * (b - a) for a, b in zip(molar.start, molar.end, strict=True)]
        found.append((point[0], point[1], point[2]))
    return tuple(found) if some else ()
