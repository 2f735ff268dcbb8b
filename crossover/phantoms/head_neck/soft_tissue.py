"""Brain, muscles, airway, vessels and glands, in the order in which they are painted."""

from collections.abc import Iterator

from crossover.phantoms.head_neck.layer import Layer
from crossover.phantoms.head_neck.organ_shapes import Organs, tentorium
from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.kit.draw import SIDES, Draw, mirrored, on
from crossover.phantoms.kit.shapes import (
    Below,
    Ellipsoid,
    Grown,
    Segment,
    Union,
    Within,
    Without,
    tube,
    turned,
)

# Middle of the airway from the nasopharynx to the trachea, and its radius; mm.
AIRWAY = (
    (0, -6, -40, 7.5),
    (0, -3, -52, 6.5),
    (0, 3, -70, 6),
    (0, 3, -88, 6.5),
    (0, 0, -105, 7),
    (0, -6, -124, 6),
    (0, -8, -142, 5),
    (0, -3, -160, 8),
    (0, 4, -190, 8.5),
    (0, 14, -250, 9),
)


def brain(draw: Draw, organs: Organs) -> Iterator[Layer]:
    """Yield what is in the brain, in a cavity that is grey and white matter already.

    It is fissures, ventricles, cisterns, the brain stem with its peduncles, and its arteries.
    """
    inside = Grown(organs.cavity, -2)
    atrophy = draw.number(1, 0.2)
    gap = Within(Ellipsoid((0, 20, 40), (1.3 * atrophy, 90, 60)), (inside,))
    yield Layer(gap, Tissue.CSF)
    for side in SIDES:
        yield from _fissures(side, organs, atrophy)
        horn = tube(mirrored(side, (7, -18, 32), (10, 8, 40), (16, 40, 36), (27, 46, 22)),
                    [4.5, 4, 5.5, 4])  # fmt: skip
        yield Layer(_grown(horn, atrophy - 1), Tissue.CSF)
        temporal_horn = tube(mirrored(side, (32, 32, 12), (31, 12, -2), (29, 0, -8)), 1.7)
        yield Layer(temporal_horn, Tissue.CSF)
    yield Layer(Ellipsoid((0, 18, 24), (2.2 * atrophy, 14, 9)), Tissue.CSF)
    yield Layer(Ellipsoid((0, 5, 11), (14, 12, 6.5)), Tissue.CSF)  # suprasellar cistern
    above = Below((0, 0, -1), (0, 0, -50))
    yield Layer(Within(Grown(organs.brainstem, 3.8), (above,)), Tissue.CSF)
    yield Layer(Ellipsoid((0, 49, 13), (11, 5, 7)), Tissue.CSF)  # quadrigeminal cistern
    for side in SIDES:
        yield Layer(tube(mirrored(side, (10, 40, -12), (24, 54, -16)), (8, 8)), Tissue.WHITE)
        yield Layer(tube(mirrored(side, (8, 28, 14), (20, 18, 26)), (8, 8)), Tissue.WHITE)
    yield Layer(organs.brainstem, Tissue.BRAINSTEM, 1.5)
    yield Layer(Ellipsoid((0, 50, -12), (7.5, 4.5, 9), turned(pitch_deg=-15)), Tissue.CSF)
    yield Layer(Segment((0, 8, 13), (0, 18, 13), (2, 2)), Tissue.ARTERY)  # tip of the basilar
    yield Layer(Segment((0, 18, 12), (0, 20, -24), (1.7, 1.7)), Tissue.ARTERY)


def _fissures(side: int, organs: Organs, atrophy: float) -> Iterator[Layer]:
    """Yield the Sylvian fissure above the temporal lobe, with its artery, and the tentorium below it."""
    plane = organs.sylvian[side]
    half = 2.2 * atrophy
    lateral, ahead = Below((-side, 0, 0), (side * 25, 0, 0)), Below((0, 1, 0), (0, 46, 0))
    sheet = Within(Grown(plane, half), (lateral, ahead, Grown(organs.cavity, -1)))
    yield Layer(Without(sheet, (Grown(plane, -half),)), Tissue.CSF)
    insula = on(side, (31, -4, 20))
    yield Layer(Ellipsoid(insula, (2.2 * atrophy, 18, 8)), Tissue.CSF)
    artery = mirrored(side, (9, 0, 10), (22, -12, 15), (31, -6, 20), (34, 12, 26))
    yield Layer(tube(artery, 1.4), Tissue.ARTERY)
    roof = tentorium(side)
    behind = Below((0, -1, 0), (0, 26, 0))
    sheet = Within(Grown(roof, 0.9), (behind, Below((-side, 0, 0), (0, 0, 0)), Grown(organs.cavity, -1)))
    yield Layer(Without(sheet, (Grown(roof, -0.9),)), Tissue.PITUITARY)  # dura enhances as it does


def sella(draw: Draw, organs: Organs) -> Iterator[Layer]:
    """Yield the cavernous sinuses with the carotids, the gland and its stalk, and the chiasm."""
    for side in SIDES:
        yield Layer(Ellipsoid(on(side, (11.5, 2, -1)), draw.size((4.2, 10, 6), 0.06)), Tissue.SINUS, 8)
        yield Layer(tube(mirrored(side, (12, 11, -9), (11, 2, -3), (10, -6, -1), (9, -3, 6)), 2.4),
                    Tissue.ARTERY)  # fmt: skip
    yield Layer(Segment((0, 1, 2), (0, 0, 9), (1.4, 1)), Tissue.PITUITARY)
    yield Layer(organs.pituitary, Tissue.PITUITARY, 4)
    yield Layer(Ellipsoid((0, -2.5, 10), (6.5, 4, 2)), Tissue.NERVE)


def face_muscles(draw: Draw, organs: Organs) -> Iterator[Layer]:
    """Yield chewing muscles, tongue and floor of the mouth, lips and cheeks."""
    for side in SIDES:
        yield Layer(Ellipsoid(on(side, (63, -16, 2)), draw.size((6, 27, 34), 0.06)), Tissue.MUSCLE, 6)
        yield Layer(tube(mirrored(side, (57, -20, -20), (50, -20, -45)), [8, 5]), Tissue.MUSCLE, 6)
        yield Layer(tube(mirrored(side, (19, -14, -34), (44, 4, -32)), [10, 6.5]), Tissue.MUSCLE, 6)
        medial = mirrored(side, (24, -14, -42), (37, -8, -84))
        yield Layer(tube(medial, [8, 7], (1, 0.55, 1)), Tissue.MUSCLE, 6)
        yield Layer(organs.masseters[side], Tissue.MUSCLE, 6)
        cheek = mirrored(side, (44, -30, -72), (30, -58, -74))
        yield Layer(tube(cheek, 3, (1, 1, 0.3)), Tissue.MUSCLE)
    lips = [(26, -66, -80), (12, -78, -80), (-12, -78, -80), (-26, -66, -80)]
    yield Layer(tube(lips, 5, (1, 1, 0.5)), Tissue.MUSCLE)
    yield Layer(Ellipsoid((0, -34, -82), draw.size((24, 30, 18), 0.04)), Tissue.MUSCLE, 10)
    yield Layer(Ellipsoid((0, -38, -102), (19, 26, 8)), Tissue.MUSCLE, 10)


def neck_muscles(draw: Draw) -> Iterator[Layer]:
    """Yield the sternomastoids, the layers of the back of the neck, prevertebral muscles, and shoulders."""
    bulk = draw.number(1, 0.08)
    back = tube([(0, 50, -58), (0, 55, -130), (0, 62, -230)], [24, 27 * bulk, 34], (0.75, 1.1, 1))
    yield Layer(back, Tissue.MUSCLE, 9)
    for side in SIDES:
        sterno = mirrored(side, (57, 42, -45), (48, 26, -90), (34, 4, -140), (16, -14, -200))
        yield Layer(tube(sterno, [7 * bulk, 9 * bulk, 9 * bulk, 7], (0.8, 0.6, 1)), Tissue.MUSCLE, 7)
        for x, y, half in ((17, 64, (14, 11)), (26, 48, (12, 9)), (10, 74, (9, 6))):
            deep = tube(mirrored(side, (x * 0.9, y + 2, -46), (x, y, -110), (x * 1.2, y + 8, -220)),
                        half[1] * bulk, (half[1] / half[0], 1, 1))  # fmt: skip
            yield Layer(_grown(deep, 0.9), Tissue.FAT)
            yield Layer(deep, Tissue.MUSCLE, 9)
        trapezius = mirrored(side, (10, 70, -62), (22, 70, -120), (52, 64, -180), (120, 46, -208))
        yield Layer(tube(trapezius, [4, 5, 8, 14], (0.45, 1, 1)), Tissue.MUSCLE, 7)
        scalene = mirrored(side, (28, 30, -95), (33, 28, -140), (48, 24, -210))
        yield Layer(tube(scalene, [5, 7.5, 10]), Tissue.MUSCLE, 7)
        yield Layer(tube(mirrored(side, (7, 17, -60), (9, 14, -120), (9, 30, -220)),
                         [3.5, 5, 5], (0.6, 1, 1)), Tissue.MUSCLE, 5)  # fmt: skip
        yield Layer(Ellipsoid(on(side, (85, 40, -250)), (70, 50, 40)), Tissue.MUSCLE, 8)


def airway(draw: Draw) -> Iterator[Layer]:
    """Yield the pharynx with its lining, the soft palate, the larynx with its cartilages, and the trachea."""
    open_ = draw.number(1, 0.12)
    course = [p[:3] for p in AIRWAY]
    radii = [p[3] * open_ for p in AIRWAY]
    pharynx, wall = course[:6], [4.5, 4.5, 4.5, 4.5, 4.5, 5]
    yield Layer(tube(pharynx, [r + w for r, w in zip(radii, wall, strict=False)], (0.62, 1, 1)),
                Tissue.MUCOSA, 8)  # fmt: skip
    for side in SIDES:
        yield Layer(tube(mirrored(side, (0, -40, -118), (17, -2, -112)), (1.8, 1.8)), Tissue.CORTEX)
        shield = tube(mirrored(side, (2, -24, -136), (18, -2, -134)), (2.2, 2.2), (1, 1, 0.2))
        yield Layer(shield, Tissue.CARTILAGE, 40)
    yield Layer(Ellipsoid((0, -6, -136), (13, 13, 14)), Tissue.MUSCLE, 8)
    ring = Segment((0, -6, -152), (0, -5, -156), (11.5, 11), (0.9, 1, 1))
    yield Layer(ring, Tissue.CARTILAGE, 30)
    yield Layer(tube(course, radii, (0.8, 1, 1)), Tissue.AIR)
    fossa = draw.number(4, 1)  # of Rosenmueller, behind the tubal cushions
    for side in SIDES:
        yield Layer(tube(mirrored(side, (7, -2, -40), (14, 5, -40)), (3, fossa / 2)), Tissue.AIR)
    palate = tube([(0, -20, -59), (0, -8, -64), (0, -5, -76)], [4.5, 4.5, 3.5], (0.3, 1, 1))
    yield Layer(palate, Tissue.MUSCLE, 5)
    yield Layer(Segment((0, -10, -108), (0, -1, -116), (2.2, 1.8), (0.25, 1, 1)), Tissue.CARTILAGE)
    yield Layer(Segment((0, 12, -150), (0, 26, -250), (6, 6.5), (0.75, 1, 1)), Tissue.MUSCLE, 5)


def vessels(draw: Draw) -> Iterator[Layer]:
    """Yield carotids, jugular and vertebral vessels on each side; veins differ in width."""
    for side in SIDES:
        x, y = draw.number(0, 1.2), draw.number(0, 1.2)
        common = [(26 + x, 20 + y, -220), (24 + x, 12 + y, -150), (26 + x, 10 + y, -112)]
        inner = [(27 + x, 12 + y, -95), (25 + x, 16 + y, -60), (23, 17, -32)]
        course = [on(side, p) for p in (*common, *inner)]
        yield Layer(tube(course, [3.8, 3.6, 4.2, 2.9, 2.6, 2.6]), Tissue.ARTERY)
        outer = mirrored(side, (27 + x, 9 + y, -110), (34, 4, -85), (45, 12, -52), (47, 14, -34))
        yield Layer(tube(outer, [2.6, 2, 1.7, 1.4]), Tissue.ARTERY)
        wide = draw.number(1, 0.2)
        vein = mirrored(side, (32, 22, -42), (32 + x, 19, -80), (34 + x, 15 + y, -130), (35, 16, -220))
        yield Layer(tube(vein, [4 * wide, 4.6 * wide, 5.6 * wide, 6 * wide]), Tissue.VEIN)
        vertebral = mirrored(side, (18, 27, -75), (18, 25, -130), (19, 32, -180))
        yield Layer(tube(vertebral, 1.9), Tissue.ARTERY)
        face = mirrored(side, (47, 14, -48), (44, 10, -82), (36, 8, -104))
        yield Layer(tube(face, 1.7), Tissue.VEIN)  # retromandibular, through the parotid


def glands(draw: Draw, organs: Organs) -> Iterator[Layer]:
    """Yield parotids, submandibular glands, the thyroid, and small nodes."""
    for side in SIDES:
        parotid = organs.parotids[side]
        yield Layer(parotid.main, Tissue.PAROTID, 11)
        if parotid.accessory is not None:
            yield Layer(parotid.accessory, Tissue.PAROTID, 11)
        gland = Ellipsoid(on(side, draw.near((31, -20, -108), 1)), draw.size((8.5, 14, 11), 0.1))
        yield Layer(gland, Tissue.SUBMANDIBULAR, 6)
        lobe = Ellipsoid(on(side, (15, -2, -166)), draw.size((7.5, 9, 20), 0.12))
        yield Layer(lobe, Tissue.THYROID, 8)
        for _ in range(4):
            k = draw.number(0, 1)
            node = on(side, (36 + 4 * k, draw.number(16, 8), draw.number(-105, 18)))
            yield Layer(Ellipsoid(node, draw.size((2.6, 3.2, 4.2), 0.2)), Tissue.NODE)
    yield Layer(Ellipsoid((0, -14, -172), (12, 4, 8)), Tissue.THYROID)


def _grown(tubes: Union, by_mm: float) -> Union:
    """Return a tube of another radius, still in parts, so that each is painted in its own box."""
    return Union(tuple(Grown(part, by_mm) for part in tubes.parts))
