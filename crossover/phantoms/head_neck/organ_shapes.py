"""The twelve organs at risk as shapes of the template, drawn for one patient.

Sizes, in ml for each side, and where they come from:

| organ | usual | source |
|---|---|---|
| brain stem | 25 (9 to 32) | OpenKBP, 24 patients of `shared/real/headneck` (5th to 95th percentile) |
| spinal cord | 6 to 13 mm wide | anatomy; OpenKBP's 21 ml is the canal down to the thorax |
| mandible | 57 (37 to 74) | OpenKBP |
| parotid | 26 (12 to 49) | OpenKBP |
| pituitary | 12.3 x 8.9 x 6 mm, 0.35; contoured 0.4 to 0.8 | MRI of 137 adults, JNGMC 2020;18(1) |
| lens | 9.5 x 4.4 mm, 0.2 | Rosen, Vision Res 2006;46:1002 |
| eyeball | 24.2 x 23.7 x 22 to 24.8 mm | Bekerman, J Ophthalmol 2014:503645 |
| optic nerve | 4.9 mm with sheath, 0.7 to 1 | Imaging Med 2020;12(5):65 |
| temporal lobe | 60 to 110, as contoured | CV 28 %: Du, Front Oncol 2021;11:599942 |

Names of organs are those of `config/studies/nasopharynx.yaml`.
"""

from dataclasses import dataclass

import numpy as np

from crossover.phantoms.kit.draw import SIDES, Draw, Triple, mirrored, on
from crossover.phantoms.kit.shapes import (
    Below,
    Ellipsoid,
    Grown,
    Segment,
    Shape,
    Union,
    Within,
    Without,
    tube,
    turned,
)

ORGANS = (
    "brainstem",
    "spinal_cord",
    "mandible",
    "pituitary",
    "parotid_left",
    "parotid_right",
    "lens_left",
    "lens_right",
    "optic_nerve_left",
    "optic_nerve_right",
    "temporal_lobe_left",
    "temporal_lobe_right",
)
INNER_TABLE = -2.5  # the subarachnoid space between bone and brain, mm
TEMPORAL_POSTERIOR_Y = 58.0  # behind it nobody speaks of the temporal lobe
# Middles of C2 to T1: y, z of the bodies.
SPINE = (
    (27, -74),
    (25, -93),
    (24, -111),
    (25, -128),
    (28, -145),
    (33, -163),
    (40, -183),
    (48, -203),
)
CANAL_BEHIND = 17.5  # from the middle of a body to the middle of its canal, mm


@dataclass(frozen=True)
class Eye:
    """One eye and the nerve that leads from it."""

    centre: Triple
    radius: float
    lens: Ellipsoid
    nerve: Union  # from the eyeball to the chiasm


@dataclass(frozen=True)
class Jaw:
    """The mandible in the parts that protocols tell apart."""

    body: Union
    rami: Union
    teeth: Union  # lower crowns
    upper_teeth: Union

    @property
    def bone(self) -> Union:
        """The mandible without its teeth."""
        return Union((*self.body.parts, *self.rami.parts))


@dataclass(frozen=True)
class Parotid:
    """One parotid gland."""

    main: Shape
    accessory: Shape | None  # on the masseter, along the duct; 1 of 3 people have a large one


@dataclass(frozen=True)
class Organs:
    """All twelve organs, and the cranial cavity that bounds the brain and the temporal lobes."""

    cavity: Shape
    brainstem: Shape
    cord: Shape
    canal: Shape
    jaw: Jaw
    pituitary: Ellipsoid
    parotids: dict[int, Parotid]  # by side
    masseters: dict[int, Shape]
    eyes: dict[int, Eye]
    temporal_lobes: dict[int, Shape]
    sylvian: dict[int, Below]  # the plane of each Sylvian fissure; inside is below it
    spine: tuple[Triple, ...]  # middles of the bodies, C2 to T1


def draw_organs(draw: Draw) -> Organs:
    """Draw one patient's organs."""
    cavity = _draw_cavity(draw)
    spine = _draw_spine(draw)
    canal = _canal(spine)
    jaw = _draw_jaw(draw)
    masseters = {side: _draw_masseter(side, draw) for side in SIDES}
    sylvian = {side: _draw_sylvian(draw) for side in SIDES}
    brainstem = _draw_brainstem(draw)
    return Organs(
        cavity=cavity,
        brainstem=brainstem,
        cord=_draw_cord(spine, draw),
        canal=canal,
        jaw=jaw,
        pituitary=Ellipsoid(draw.near((0, 0, 0), 0.4), draw.size((6.3, 4.7, 3.6), 0.07)),
        parotids={side: _draw_parotid(side, jaw, masseters[side], draw) for side in SIDES},
        masseters=masseters,
        eyes={side: _draw_eye(side, draw) for side in SIDES},
        temporal_lobes={side: _temporal_lobe(side, cavity, sylvian[side], brainstem) for side in SIDES},
        sylvian=sylvian,
        spine=spine,
    )


def _draw_cavity(draw: Draw) -> Shape:
    """Draw the inside of the skull: three fossae, and the foramen magnum into the canal."""
    vault = Ellipsoid(draw.near((0, 20, 29), 1), draw.size((65, 82, 58), 0.01))
    # The floor of the anterior fossa is the roof of orbits and nose.
    roofs = [Ellipsoid(on(side, (31, -46, -8)), (25, 40, 18)) for side in SIDES]
    floor = Union((Below((0, 0.1, 1), (0, -8, 4)), *roofs), blend=5)
    face = Within(Below((0, 1, 0), (0, 7, 0)), (floor,))
    behind = Ellipsoid(draw.near((0, 53, -20), 1), draw.size((52, 38, 30), 0.02))
    middle = [
        Ellipsoid(on(side, draw.near((38, -2, -1), 1)), draw.size((26, 36, 27), 0.02), turned(pitch_deg=8))
        for side in SIDES
    ]
    foramen = Segment((0, 42, -36), (0, 43, -56), (16, 15))
    return Union((Without(vault, (face,)), behind, *middle, foramen), blend=5)


def _draw_brainstem(draw: Draw) -> Shape:
    """Draw midbrain, pons, and the medulla down to the tip of the dens."""
    size = draw.number(1, 0.045)
    midbrain = Ellipsoid((0, 33, 11), (16.5 * size, 12 * size, 10 * size))
    pons = Ellipsoid((0, 34, -9), draw.size((17 * size, 13.5 * size, 14 * size), 0.03))
    medulla = Segment((0, 37, -20), (0, 42, -52), (9.5 * size, 6.3 * size))
    return Union((midbrain, pons, medulla), blend=5)


def _draw_spine(draw: Draw) -> tuple[Triple, ...]:
    """Draw the middles of the vertebral bodies; the lordosis is anything from flat (military neck) to strong."""
    curve, shift = draw.number(0, 3.5), draw.number(0, 1.2)
    bow = np.sin(np.linspace(0, np.pi, len(SPINE)))
    return tuple((draw.number(0, 0.6), y - curve * b + shift, z) for (y, z), b in zip(SPINE, bow, strict=True))


def _canal_course(spine: tuple[Triple, ...]) -> list[Triple]:
    """Return the middle of the spinal canal from the foramen magnum down."""
    below = [(x, y + CANAL_BEHIND, z) for x, y, z in spine]
    return [(0, 42, -45), (0, 43, -57), *below, (0, spine[-1][1] + 26, -250)]


def _canal(spine: tuple[Triple, ...]) -> Shape:
    """Return the dural sac, which is wider than deep."""
    return tube(_canal_course(spine), [10.5, 9.5] + [7.6] * (len(spine) + 1), (0.85, 1, 1))


def _draw_cord(spine: tuple[Triple, ...], draw: Draw) -> Shape:
    """Draw the cord, which is about 12.5 x 8.5 mm and widest at C5 and C6."""
    wide = [5.6, 4.9] + [4.2, 4.2, 4.3, 4.5, 4.5, 4.3, 4.0, 4.0] + [3.8]
    size = draw.number(1, 0.06)
    ahead = draw.number(0, 0.7)  # it lies anywhere in its sac
    course = [(x, y + ahead, z) for x, y, z in _canal_course(spine)]
    return tube(course, [w * size for w in wide], (0.68, 1, 1))


def _draw_jaw(draw: Draw) -> Jaw:
    """Draw body, rami with coronoid and condyle, and teeth; the chin is 62 to 75 mm before the sella."""
    forth, wide, deep = draw.number(0, 2), draw.number(1, 0.025), draw.number(1, 0.06)
    thick = draw.number(1.05, 0.05)
    arch = [(44.5, -8, -87), (40, -33, -97), (28, -54, -104), (11, -66, -107)]
    half = [(x * wide, y + forth * (y < -20), z) for x, y, z in arch]
    line = [*half, *[(-x, y, z) for x, y, z in reversed(half)]]
    body = tube(line, [4.6, 5.2, 5.6, 6, 6, 5.6, 5.2, 4.6], (1, 1, 0.42 / deep))
    body = _thickened(body, thick)
    rami: list[Shape] = []
    for side in SIDES:
        low, high = on(side, (44.5 * wide, -11, -84)), on(side, (46.5, -8, -50))
        rami.append(Segment(low, high, (4.2, 3.8), (1, 0.27, 1)))
        rami.append(Segment(on(side, (46, -19, -50)), on(side, (46, -23, -34)), (3.2, 2.2)))
        rami.append(Segment(on(side, (47, 1, -50)), on(side, (49, 8, -31)), (3.6, 4.2)))
        rami.append(Ellipsoid(on(side, (49.5, 9, -28.5)), draw.size((9, 4.6, 4.4), 0.06)))
    inside = [(x * 0.88, y * 0.97 + 1, -91) for x, y, _ in half[1:]]
    inside = [(34, -22, -89), *inside]
    lower = [*inside, *[(-x, y, z) for x, y, z in reversed(inside)]]
    upper = [(x * 1.02, y - 1.5, z + 12) for x, y, z in lower]
    crowns = (tube(arch, 3.6, (1, 1, 0.75)) for arch in (lower, upper))
    return Jaw(body, Union(tuple(rami)), *crowns)


def _thickened(whole: Union, factor: float) -> Union:
    """Return a tube with all its radii changed by a factor."""
    return Union(
        tuple(
            Segment(s.start, s.end, (s.radius[0] * factor, s.radius[1] * factor), s.squeeze)
            for s in whole.parts
            if isinstance(s, Segment)
        )
    )


def _draw_masseter(side: int, draw: Draw) -> Shape:
    """Draw the muscle from the zygomatic arch to the angle of the jaw."""
    half = draw.size((6.4, 16, 29), 0.06)
    return Ellipsoid(on(side, (53, -17, -63)), half, turned(pitch_deg=-14))


def _draw_parotid(side: int, jaw: Jaw, masseter: Shape, draw: Draw) -> Parotid:
    """Draw a gland of three parts; left and right differ a little, patients much.

    They are the superficial lobe behind and over the jaw, the deep lobe behind the ramus, and the tail; an
    accessory lobe may lie on the masseter.
    """
    size = draw.number(1, 0.085)
    high = draw.number(0, 2)
    lobe = Ellipsoid(
        on(side, (57, 12, -58 + high)),
        draw.size((9.2 * size, 20 * size, 27 * size), 0.03),
        turned(yaw_deg=side * 14),
    )
    deep = tube(mirrored(side, (51, 17, -50 + high), (43, 18, -58 + high)), [10 * size, 7.5])
    tail = Ellipsoid(on(side, (53, 15, -84 + high)), (8 * size, 11 * size, 12 * size))
    whole = Union((lobe, *deep.parts, tail), blend=6)
    ramus = Union(tuple(p for p in jaw.rami.parts if p.bounds()[1][0] * side > 0))
    main = Without(whole, (Grown(ramus, 1.5), Grown(masseter, 0.5)))
    reach = draw.number(8.5, 1.2) if draw.happens(0.75) else None
    if reach is None:
        return Parotid(main, None)
    accessory = Ellipsoid(on(side, (59.5, -16, -49 + high)), (4, 1.6 * reach, reach), turned(yaw_deg=side * 8))
    return Parotid(main, Without(accessory, (Grown(masseter, -2.5),)))


def _draw_eye(side: int, draw: Draw) -> Eye:
    """Draw an eyeball with its lens 7.7 mm before the middle, and the nerve up to the chiasm."""
    centre = on(side, draw.near((32, -58, -12), 1.2))
    radius = draw.number(12.0, 0.45)
    x, y, z = centre
    gaze = draw.near((0, 0, 0), 0.6)
    front = (x + gaze[0], y - 7.7 * radius / 12, z + gaze[2])
    lens = Ellipsoid(front, draw.size((4.55, 2.15, 4.55), 0.045))
    sway = draw.near((0, 0, 0), 1.3)
    thick = draw.number(2.25, 0.12)
    course = [
        (x - side * 1.5, y + radius - 0.5, z + 0.5),
        (x - side * 4 + sway[0], y + radius + 9, z + 1.5 + sway[2]),
        (side * 21, -34, -5 + sway[2] / 2),
        (side * 14, -22, 1.5),
        (side * 9.5, -12, 6),
        (side * 4, -5, 9.5),
    ]
    return Eye(centre, radius, lens, tube(course, [thick] * 4 + [thick * 0.85, thick * 0.85]))


def _draw_sylvian(draw: Draw) -> Below:
    """Draw the plane of the fissure, which rises to the back and a little to the middle."""
    return Below((0, -draw.number(0.3, 0.04), 1), (0, -30, draw.number(7, 1.2)))


def tentorium(side: int) -> Below:
    """Return the half-space above the tentorium, which parts the temporal lobe from the cerebellum.

    It rises medially and to the back.
    """
    return Below((-0.3 * side, 0.3, -1), (side * 40, 28, -8))


def _temporal_lobe(side: int, cavity: Shape, sylvian: Below, brainstem: Shape) -> Shape:
    """Return the brain below the Sylvian fissure and beside the brain stem.

    It lies in the middle fossa and, behind the petrous ridge, above the tentorium.
    """
    lateral = Below((-side, 0, 0), (side * 16.0, 0, 0))
    behind = Below((0, 1, 0), (0, TEMPORAL_POSTERIOR_Y, 0))
    slope = Below((0, 1.1, -1), (0, 28, -8))  # the front of the petrous pyramid
    # Beyond these there is none of it: they only save work.
    pole = Below((0, -1, 0), (0, -46, 0))
    ends = [Below((0, 0, s), (0, 0, z)) for s, z in ((1, 48), (-1, -38))]
    front = Union((slope, tentorium(side)), blend=3)
    limits: tuple[Shape, ...] = (lateral, behind, pole, *ends, sylvian, front)
    return Without(Within(Grown(cavity, INNER_TABLE), limits), (Grown(brainstem, 5),))
