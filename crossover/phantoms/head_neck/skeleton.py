"""Skull base, face, sinuses and spine, in the order in which they are painted."""

from collections.abc import Iterator
from itertools import pairwise

from crossover.phantoms.head_neck.layer import Layer
from crossover.phantoms.head_neck.organ_shapes import CANAL_BEHIND, Eye, Jaw, Organs
from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.kit.draw import SIDES, Draw, Triple, mirrored, on
from crossover.phantoms.kit.shapes import (
    Below,
    Ellipsoid,
    Grown,
    Segment,
    Shape,
    Union,
    Within,
    tube,
    turned,
)


def bone(shape: Shape, inside: Tissue = Tissue.MARROW, wall_mm: float = 1.6) -> Iterator[Layer]:
    """Yield compact bone around spongy bone."""
    yield Layer(shape, Tissue.CORTEX)
    yield Layer(Grown(shape, -wall_mm), inside, 40)


def skull_base(draw: Draw, pituitary: Ellipsoid) -> Iterator[Layer]:
    """Yield petrous pyramids with mastoid and ear canals, the clivus, the sphenoid with its sinus, and the sella."""
    for side in SIDES:
        pyramid = tube(mirrored(side, (17, 18, -14), (40, 28, -17), (60, 36, -20)),
                       [5.5, 8.5, 11])  # fmt: skip
        yield from bone(pyramid, Tissue.DIPLOE, 3)
        mastoid = Ellipsoid(on(side, (56, 37, -33)), draw.size((11, 14, 18), 0.08))
        yield Layer(mastoid, Tissue.CORTEX)
        yield Layer(Grown(mastoid, -1.8), Tissue.AIR_CELLS, 320)
        yield Layer(tube(mirrored(side, (46, 25, -21), (82, 22, -21)), (3.6, 3.6)), Tissue.AIR)
        yield Layer(tube(mirrored(side, (26, 24, -16), (34, 30, -16)), (2, 2)), Tissue.CSF)
        clinoid = tube(mirrored(side, (24, -13, 8), (12, -3, 6)), (3.2, 2.2))
        yield Layer(clinoid, Tissue.CORTEX)
    clivus = Segment((0, 10, -8), (0, 25, -44), (6, 5), (0.45, 1, 1))
    yield from bone(clivus, Tissue.MARROW, 1.4)
    yield from bone(Ellipsoid((0, -11, -15), (21, 17, 12.5)), Tissue.DIPLOE, 2)
    yield from bone(Ellipsoid((0, -18, -8), (19, 13, 12)), Tissue.DIPLOE, 2)
    size = draw.number(1, 0.12)
    for side in SIDES:  # a sinus on each side of a septum, seldom equal
        half = draw.size((8 * size, 12 * size, 8.5 * size), 0.1)
        yield Layer(Ellipsoid(on(side, (8.5, -10, -14.5)), half), Tissue.AIR)
    yield Layer(Within(Grown(pituitary, 1.3), (Below((0, 0, 1), (0, 0, -2)),)), Tissue.THIN_BONE)
    yield Layer(Ellipsoid((0, 8.2, 1), (9, 1.4, 7), turned(pitch_deg=12)), Tissue.CORTEX)


def midface(draw: Draw, jaw: Jaw) -> Iterator[Layer]:
    """Yield upper jaw, palate, nose, cheekbones, and the sinuses with their thin walls."""
    yield Layer(Ellipsoid((0, -46, -34), (40, 30, 34)), Tissue.MUCOSA, 8)
    yield Layer(Ellipsoid((0, -45, -8), (15, 26, 14)), Tissue.MUCOSA)
    arch = [(33, -25, -68), (31, -42, -68), (20, -62, -67), (8, -71, -66)]
    line = [*arch, *[(-x, y, z) for x, y, z in reversed(arch)]]
    yield from bone(tube(line, 5.2, (1, 1, 0.7)), Tissue.JAW_MARROW, 1.4)
    yield Layer(Ellipsoid((0, -42, -60), (23, 25, 1.8)), Tissue.CORTEX)
    yield Layer(jaw.upper_teeth, Tissue.TOOTH)
    for side in SIDES:
        sinus = Ellipsoid(on(side, draw.near((27, -47, -41), 1)), draw.size((13, 16, 16), 0.09))
        yield Layer(Grown(sinus, 1.4), Tissue.THIN_BONE)
        yield Layer(sinus, Tissue.AIR)
        if draw.happens(0.2):  # swollen lining or fluid on its floor
            level = sinus.centre[2] - sinus.half[2] * draw.number(0.45, 0.2)
            fluid = Within(Grown(sinus, -0.5), (Below((0, 0, 1), (0, 0, level)),))
            yield Layer(fluid, Tissue.SKIN)
        yield Layer(Ellipsoid(on(side, (6.5, -48, -38)), (4.5, 26, 17)), Tissue.AIR)
        for low, out in ((-46, 7.5), (-32, 7)):  # lower and middle turbinate
            size = draw.size((2.6, 19, 5.5), 0.15)
            yield Layer(Ellipsoid(on(side, (out, -46, low)), size), Tissue.MUCOSA)
        yield from _cheek(side, draw)
    yield Layer(Ellipsoid((draw.number(0, 1), -50, -36), (1.4, 30, 20)), Tissue.MUCOSA)
    yield Layer(Ellipsoid((0, -48, -28), (1.1, 26, 14)), Tissue.THIN_BONE)
    yield from _frontal(draw)


def _cheek(side: int, draw: Draw) -> Iterator[Layer]:
    """Yield cheekbone and arch, rim of the orbit, pterygoid plate, ethmoid cells, and nasal bone."""
    body = Ellipsoid(on(side, (45, -48, -31)), draw.size((9, 8, 9), 0.05), turned(yaw_deg=side * 35))
    yield from bone(body, Tissue.DIPLOE, 1.8)
    arch = tube(mirrored(side, (51, -44, -31), (61, -24, -30), (65, -6, -28), (61, 8, -26)),
                2.4, (1, 1, 0.6))  # fmt: skip
    yield Layer(arch, Tissue.CORTEX)
    yield Layer(tube(mirrored(side, (48, -48, -26), (51, -46, -8), (48, -52, 6)), 3.6),
                Tissue.CORTEX)  # fmt: skip
    yield Layer(tube(mirrored(side, (13, -20, -28), (15, -16, -58)), (3, 1.8), (1, 0.5, 1)),
                Tissue.CORTEX)  # fmt: skip
    cells = Ellipsoid(on(side, (8, -43, -9)), (7, 22, 13))
    yield Layer(Grown(cells, 1), Tissue.THIN_BONE)
    yield Layer(cells, Tissue.AIR_CELLS, 330)
    yield Layer(tube(mirrored(side, (4, -76, -5), (6, -86, -20)), (2, 1.5)), Tissue.CORTEX)


def _frontal(draw: Draw) -> Iterator[Layer]:
    """Yield the brow with the frontal sinus, whose size varies much."""
    brow = [(-48, -52, 6), (-30, -68, 9), (0, -74, 8), (30, -68, 9), (48, -52, 6)]
    yield Layer(tube(brow, 4.5), Tissue.CORTEX)
    for side in SIDES:
        size = draw.size((9, 4.5, 9), 0.25)
        sinus = Ellipsoid(on(side, (8, -69, 13)), size)
        yield Layer(Grown(sinus, 1.4), Tissue.CORTEX)
        yield Layer(sinus, Tissue.AIR)


def orbit(side: int, eye: Eye) -> Iterator[Layer]:
    """Yield thin walls around fat, muscles, lids, the optic nerve, and the eyeball with its lens."""
    x, y, z = eye.centre
    apex = on(side, (14.5, -23, 0))
    cone = Segment((x, y + 4, z), apex, (17.5, 4.5))
    behind = Below((0, -1, 0), (0, y - 1, 0))
    yield Layer(Within(Grown(cone, 1.3), (behind,)), Tissue.THIN_BONE)
    yield Layer(Within(cone, (Below((0, -1, 0), (0, y - 10, 0)),)), Tissue.FAT)
    yield Layer(Ellipsoid((x, y - 5, z), (17, 9.5, 12)), Tissue.SKIN)  # lids
    yield Layer(Within(cone, (Below((0, -1, 0), (0, y, 0)),)), Tissue.FAT)
    canal = Segment(apex, on(side, (9.5, -12, 6)), (4.2, 3.8))
    yield Layer(canal, Tissue.CORTEX)
    for across, up in ((0, 11.2), (0, -11.2), (11.4, 0), (-11.4, 0)):
        insertion = (x + across, y + 3, z + up)
        belly = (
            x * 0.55 + apex[0] * 0.45 + across * 0.75,
            (y + apex[1]) / 2 - 1,
            z * 0.5 + up * 0.75,
        )
        yield Layer(tube([insertion, belly, apex], [1, 2.1, 1.5]), Tissue.MUSCLE)
    yield Layer(eye.nerve, Tissue.NERVE)
    ball = Ellipsoid(eye.centre, (eye.radius, eye.radius, eye.radius))
    yield Layer(ball, Tissue.SCLERA)
    yield Layer(Grown(ball, -1.2), Tissue.VITREOUS)
    yield Layer(eye.lens, Tissue.LENS)


def spine(draw: Draw, organs: Organs) -> Iterator[Layer]:
    """Yield the atlas, the axis with its dens, and the vertebrae down to T1, with arches around the canal."""
    middles = organs.spine
    for upper, lower in pairwise(middles):
        middle = tuple((a + b) / 2 for a, b in zip(upper, lower, strict=True))
        yield Layer(Ellipsoid(middle, (9, 7, 3)), Tissue.DISC)
    for k, (x, y, z) in enumerate(middles):
        size = (10 + 0.4 * k, 8 + 0.2 * k, 7.2)
        yield from bone(Ellipsoid((x, y, z), size, power=4))
        yield from _arch((x, y, z), k, draw)
    yield from bone(tube([(0, 26, -52), (0, 26.5, -66)], [4.6, 5.6]))
    yield from _atlas()
    yield Layer(organs.canal, Tissue.CSF)


def _arch(middle: Triple, k: int, draw: Draw) -> Iterator[Layer]:
    """Yield joints, laminae, transverse processes and the spinous process behind a body."""
    x, y, z = middle
    back = y + CANAL_BEHIND
    for side in SIDES:
        yield from bone(Ellipsoid((x + side * 18, y + 8, z + 2), (6.5, 7.5, 9.5), power=4))
        yield Layer(Segment((x + side * 16, back - 2, z), (x + side * 3, back + 11, z - 3), (3, 3),
                            (1, 1, 0.55)), Tissue.CORTEX)  # fmt: skip
        yield Layer(Segment((x + side * 12, y - 1, z), (x + side * 25, y + 1, z), (3, 2.6)), Tissue.CORTEX)
    length = (22, 14, 14, 16, 19, 30, 34, 34)[k] * draw.number(1, 0.08)
    tip = (x + draw.number(0, 1), back + 10 + length, z - 5 - 0.25 * length)
    yield from bone(Segment((x, back + 11, z - 4), tip, (3.4, 3.6), (1, 1, 0.6)), wall_mm=1.5)


def _atlas() -> Iterator[Layer]:
    """Yield a ring around dens and canal, without a body."""
    yield Layer(tube([(14, 21, -57), (0, 16.5, -57), (-14, 21, -57)], 3.4), Tissue.CORTEX)
    back = [(18, 40, -58), (14, 54, -59), (0, 61, -60), (-14, 54, -59), (-18, 40, -58)]
    yield Layer(tube(back, 3.4), Tissue.CORTEX)
    for side in SIDES:
        yield from bone(Ellipsoid(on(side, (20, 31, -57)), (8, 9, 8.5), power=4))
        yield Layer(tube(mirrored(side, (26, 32, -57), (38, 33, -58)), (3.4, 3)), Tissue.CORTEX)


def mandible(jaw: Jaw) -> Iterator[Layer]:
    """Yield compact bone, marrow, and the lower teeth."""
    yield Layer(jaw.bone, Tissue.CORTEX)
    for part in jaw.bone.parts:
        # The compact bone of the body is 2.5 mm thick; the plates of the rami are little else.
        yield Layer(Grown(part, -2.5), Tissue.JAW_MARROW, 60)
    yield Layer(jaw.teeth, Tissue.TOOTH)


def shoulders(draw: Draw) -> Iterator[Layer]:
    """Yield clavicles, first ribs, the heads of the humeri, and the tips of the lungs."""
    rise = draw.number(0, 6)
    for side in SIDES:
        line = mirrored(side, (14, -24, -222 + rise), (70, -22, -210 + rise), (135, 8, -200 + rise))
        yield from bone(tube(line, 6))
        yield from bone(Ellipsoid(on(side, (158, 22, -222 + rise)), (23, 23, 24)))
        yield Layer(tube(mirrored(side, (24, 44, -200), (55, 30, -215), (38, -8, -236)), 4.5),
                    Tissue.CORTEX)  # fmt: skip
        yield Layer(Ellipsoid(on(side, (42, 32, -250)), (32, 34, 42)), Tissue.AIR, 0)
    yield Layer(Union((Ellipsoid((0, -30, -240), (16, 6, 18)),)), Tissue.MARROW)
