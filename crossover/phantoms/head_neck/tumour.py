"""A nasopharyngeal carcinoma, its lymph nodes, and how it has pushed its surroundings."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossover.phantoms.head_neck.body import Push
from crossover.phantoms.head_neck.layer import Layer
from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.kit.draw import Draw, Triple, on
from crossover.phantoms.kit.shapes import Ellipsoid, Grown, Segment, Shape, Union, ball_radius

# Median volume in ml by T stage and its log-normal SD: an assumption of the right order.
VOLUME_ML = {"1": 9.0, "2": 16.0, "3": 26.0, "4": 42.0}
SPREAD = 0.35
NODES = {"0": 0, "1": 1, "2": 3, "3": 4}  # enlarged nodes by N stage


@dataclass(frozen=True)
class Tumour:
    """The primary (GTVnx), what of it is necrotic, the nodes, and how the primary has pushed its surroundings."""

    primary: Union
    necrosis: Shape | None
    nodes: tuple[Ellipsoid, ...]
    push: Push | None

    def layers(self) -> Iterator[Layer]:
        """Yield all parts of the tumour, to be painted over everything that it has replaced."""
        yield Layer(self.primary, Tissue.TUMOUR, 7)
        if self.necrosis is not None:
            yield Layer(self.necrosis, Tissue.NECROSIS, 4)
        for node in self.nodes:
            yield Layer(node, Tissue.NODE, 6)
            if node.half[0] > 9:
                yield Layer(Grown(node, -5), Tissue.NECROSIS, 4)


def draw_tumour(t_stage: str, n_stage: str, draw: Draw) -> Tumour:
    """Draw a tumour that arises in a fossa of Rosenmueller.

    T2 grows beside the pharynx, T3 up into the skull base, T4 beside the sella and down.
    """
    side = 1 if draw.happens(0.5) else -1
    volume = VOLUME_ML[t_stage] * float(np.exp(draw.number(0, SPREAD)))
    radius = ball_radius(volume)
    centre = on(side, draw.near((5, 3, -39), 1.5))
    lobes: list[Shape] = [Ellipsoid(centre, draw.size((radius * 1.05, radius * 0.72, radius * 0.85), 0.05))]
    reach = (draw.number(0.75, 0.1) * radius, draw.number(0.5, 0.08) * radius)
    lobes.append(_lobe(centre, on(side, (1.0, 0.2, -0.3)), radius, reach))
    if t_stage in "34":
        lobes.append(_lobe(centre, (0.1 * side, 0.25, 0.95), radius, reach))
    if t_stage == "4":
        lobes.append(_lobe(centre, on(side, (0.75, 0.1, 0.75)), radius, reach))
    necrosis = Ellipsoid(draw.near(centre, 3), draw.size((radius * 0.3,) * 3, 0.2))
    has_necrosis, share = draw.happens(0.35), draw.number(0.16, 0.04)
    return Tumour(
        primary=Union(tuple(lobes), blend=5),
        necrosis=necrosis if has_necrosis and volume > 20 else None,
        nodes=tuple(_draw_nodes(NODES[n_stage], side, draw)),
        push=Push(centre, share, 1.2 * radius) if t_stage != "1" else None,
    )


def _lobe(
    centre: Triple,
    direction: Triple,
    radius: float,
    reach: tuple[float, float],
) -> Segment:
    """Return a finger of the tumour; `reach` is how far it reaches and how thick it is, mm."""
    end = tuple(c + reach[0] * d for c, d in zip(centre, direction, strict=True))
    return Segment(centre, end, (reach[1], 0.75 * reach[1]))


def _draw_nodes(count: int, side: int, draw: Draw) -> Iterator[Ellipsoid]:
    """Draw retropharyngeal and upper jugular nodes, mostly on the tumour's side; those of N3 are the largest."""
    places = ((25, 15, -60), (40, 14, -92), (37, 16, -118), (40, 26, -140))
    for k in range(count):
        other = draw.happens(0.3)
        half = draw.number(5 + count * 0.9, 1.2) * (0.7 if k == 0 and count > 1 else 1)
        place = draw.near(on(-side if other else side, places[k]), 2)
        yield Ellipsoid(place, draw.size((half, half, 1.3 * half), 0.1))
