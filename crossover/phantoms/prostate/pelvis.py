"""The male pelvis around the prostate: fat, muscles, bones, vessels, in template coordinates.

Coordinates are in mm, as in `gland`. Positions are those of an average man at the level of the prostate, each shifted
and sized at random: an assumption, drawn after anatomical atlases.
"""

from collections.abc import Iterator, Sequence

from numpy.typing import NDArray

from crossover.phantoms.kit.draw import SIDES, Draw, Triple, mirrored, on
from crossover.phantoms.kit.shapes import (
    Below,
    Ellipsoid,
    Grown,
    Segment,
    Shape,
    Within,
    Without,
    tube,
    turned,
)
from crossover.phantoms.prostate.layer import Coat, Layer, layer
from crossover.phantoms.prostate.tissues import Tissue

CORTEX_MM = 1.5
MUSCLES = (
    ((118, 34, 30), (38, 42, 80), 0),  # gluteus medius and the rotators
    ((122, -46, 0), (27, 30, 100), 0),  # sartorius, tensor and rectus femoris
    ((62, 84, 0), (52, 25, 100), 24),  # gluteus maximus
    ((88, 42, -10), (28, 15, 34), 8),  # quadratus femoris and the gemelli
    ((88, -44, 16), (22, 21, 80), 0),  # iliopsoas
    ((42, -46, -46), (30, 25, 26), 0),  # the adductors
    ((60, -26, -22), (27, 22, 28), 0),  # obturator externus
    ((56, -54, -10), (25, 15, 50), -20),  # pectineus
    ((110, 4, -25), (36, 40, 60), 0),  # vasti, about the femur
    ((50, 4, 6), (11.5, 42, 46), 8),  # obturator internus
)
"""The centre and half-sizes of each muscle on the left, mm, and its turn about z, degrees; later ones cover earlier
ones."""


def draw_skin(draw: Draw) -> Ellipsoid:
    """Draw the trunk at the hips, which is nearly a cylinder."""
    girth = draw.number(1, 0.05)
    return Ellipsoid((0, 14, 0), (188 * girth, 112 * girth + draw.number(0, 3), 700))


def muscles(draw: Draw) -> Iterator[Layer]:
    """Yield what lies outside of the bones and on their inner side, from the outside in."""
    for side in SIDES:
        for centre, half, yaw in MUSCLES:
            place, size = on(side, draw.near(centre, 1.8)), draw.size(half, 0.06)
            yield from _muscle(Ellipsoid(place, size, turned(yaw_deg=side * yaw)))
        rectus = Ellipsoid(on(side, (17, -76, 44)), draw.size((17, 5.5, 52), 0.1), power=4)
        yield from _muscle(rectus)


def _muscle(shape: Shape) -> Iterator[Layer]:
    """Yield a muscle in a thin sheet of fat, which parts it from its neighbours."""
    yield Layer(shape, (Coat(Tissue.FAT, 1), Coat(Tissue.MUSCLE, 0, 0.2)))


def bones(draw: Draw) -> Iterator[Layer]:
    """Yield femora, acetabula, ischia, pubic bones with the symphysis, sacrum and coccyx."""
    up = draw.number(0, 5)
    for side in SIDES:
        head = draw.near((91, -2, 40 + up), 1.5)
        neck = tube([on(side, head), on(side, (126, 10, 22 + up))], (17, 15))
        yield from _bone(neck)
        yield from _bone(Ellipsoid(on(side, (134, 16, 16 + up)), (17, 20, 26)))
        socket = Ellipsoid(on(side, (77, 4, 42 + up)), draw.size((18, 34, 34), 0.04), power=4)
        yield from _bone(socket)
        yield layer(Ellipsoid(on(side, head), (27.5, 27.5, 27.5)), Tissue.CARTILAGE)
        yield from _bone(Ellipsoid(on(side, head), (25, 25, 25)))
        yield from _bone(tube(mirrored(side, (122, 8, 30), (114, 2, -60)), 14))
        ischium = mirrored(side, (75, 14, 24), (71, 20, -14), (62, 24, -46))
        yield from _bone(tube(ischium, (17, 16, 16), (1.15, 0.75, 1)))
        upper = mirrored(side, (14, -53, 10), (40, -44, 26), (70, -18, 38 + up))
        yield from _bone(tube(upper, (7.5, 7, 11)))
        lower = mirrored(side, (12, -50, -20), (32, -22, -40), (52, 18, -52))
        yield from _bone(tube(lower, (7, 6, 8)))
        body = Ellipsoid(on(side, (18, -54, -4)), draw.size((16.5, 12, 22), 0.06), turned(-24))
        yield from _bone(body)
    yield layer(Ellipsoid((0, -54, -4), (3.2, 8, 20), turned(-24)), Tissue.CARTILAGE)
    coccyx = [(0, 84, 60), (0, 86, 36), (0, 78, 14), (0, 68, 0)]
    yield from _bone(tube(coccyx, (15, 11, 7, 3), (0.6, 1, 1)))


def _bone(shape: Shape) -> Iterator[Layer]:
    yield Layer(shape, (Coat(Tissue.CORTEX), Coat(Tissue.MARROW, -CORTEX_MM, 0.12)))


def floor(draw: Draw, half_width: float, apex: Triple) -> Iterator[Layer]:
    """Yield the levator ani, a funnel about prostate and rectum, and the root of the penis below.

    Args:
        draw: where the numbers come from.
        half_width: half the width of the prostate, mm.
        apex: the lower end of the prostate, mm.
    """
    wide, deep = half_width + draw.number(8, 1.2), draw.number(52, 2)
    funnel = Ellipsoid((0, 9, 26), (wide, deep, 80))
    below = Below((0, 0, 1), (0, 0, 16))
    front = Below((0, -1, 0), (0, -26, 0))
    sheet = Within(Without(funnel, (Grown(funnel, -draw.number(3.4, 0.4)),)), (below, front))
    yield layer(sheet, Tissue.LEVATOR, 0.12)
    sling = []
    for side in SIDES:
        sling.append(mirrored(side, (9, -42, -24), (19, -8, -25), (17, 30, -26)))
    course = [*sling[0], (0.0, 41.0, -26.0), *reversed(sling[1])]
    yield layer(tube(course, 3.2, (1, 1, 0.5)), Tissue.LEVATOR, 0.12)
    bulb = Ellipsoid((0, 4, -47), draw.size((11, 13, 9), 0.1))
    yield Layer(bulb, (Coat(Tissue.MUSCLE, 2), Coat(Tissue.CORPORA, 0, 0.08)))
    for side in SIDES:
        crus = mirrored(side, (12, -26, -44), (34, 0, -56))
        yield layer(tube(crus, 7), Tissue.CORPORA, 0.08)
    sphincter = tube([apex, (0, 1, -44)], draw.number(7, 0.6))
    yield Layer(sphincter, (Coat(Tissue.LEVATOR, 0, 0.1), Coat(Tissue.MUCOSA, -3.4)))
    diaphragm = Ellipsoid((0, -14, -36), (17, 13, 5))
    yield layer(diaphragm, Tissue.LEVATOR, 0.15)


def vessels(draw: Draw) -> Iterator[Layer]:
    """Yield femoral and obturator vessels, and spermatic cords."""
    for side in SIDES:
        artery = [draw.near(p, 2) for p in mirrored(side, (56, -72, 60), (64, -78, -60))]
        vein = [draw.near(p, 2) for p in mirrored(side, (45, -71, 60), (52, -77, -60))]
        yield layer(tube(artery, draw.number(4.6, 0.4)), Tissue.ARTERY)
        yield layer(tube(vein, draw.number(5.6, 0.6)), Tissue.VEIN, 0.1)
        cord = mirrored(side, (30, -80, 30), (17, -84, -40))
        yield layer(tube(cord, draw.number(6, 0.8)), Tissue.DUCT_WALL, 0.3)
        notch = mirrored(side, (40, -30, 40), (46, -26, 18), (58, -28, -20))
        yield layer(tube(notch, 2), Tissue.VEIN)


def strands(draw: Draw, front_y: float, top_z: float) -> Iterator[Layer]:
    """Yield small vessels.

    They are the plexus before and beside the gland, the bundles behind it, and those between rectum and
    sacrum and beside the bladder.
    """
    for side in SIDES:
        for _ in range(7):
            x, y = draw.rng.uniform(3, 22), front_y - draw.rng.uniform(1.5, 6)
            z, run = draw.rng.uniform(-20, top_z), draw.rng.uniform(-1, 1, 3) * (6, 3, 9)
            y += 0.018 * x * x
            yield _strand((side * x, y, z), run, draw.rng.uniform(0.9, 2.1), Tissue.VEIN)
        for _ in range(6):
            x, y, z = draw.near((23, 14, 2), 3.0)
            run = draw.rng.uniform(-1, 1, 3) * (4, 4, 14)
            kind = Tissue.VEIN if draw.happens(0.6) else Tissue.DUCT_WALL
            yield _strand((side * x, y, z), run, draw.rng.uniform(0.7, 1.4), kind)
        for _ in range(9):
            x, y, z = draw.rng.uniform((4, 30, -30), (40, 74, 55))
            run = draw.rng.uniform(-1, 1, 3) * (8, 8, 10)
            kind = Tissue.VEIN if draw.happens(0.4) else Tissue.DUCT_WALL
            yield _strand((side * x, y, z), run, draw.rng.uniform(0.6, 1.3), kind)


def _strand(at: Sequence[float], run: Sequence[float] | NDArray, radius: float, tissue: Tissue) -> Layer:
    """Return a small vessel about a point."""
    start = tuple(float(a - r / 2) for a, r in zip(at, run, strict=True))
    end = tuple(float(a + r / 2) for a, r in zip(at, run, strict=True))
    return layer(Segment(start, end, (float(radius), float(radius))), tissue)
