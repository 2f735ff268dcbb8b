"""The female pelvis around the uterus, drawn for one patient and painted as labels.

Shapes are implicit functions; positions are in mm about the middle of the pelvis, for a woman of
average size, each shifted and scaled at random. Every function draws all its random numbers
whatever the grid, so that a patient is the same person at every resolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from crossover.phantoms.kit.draw import SIDES
from crossover.phantoms.kit.shapes import Vector, ball_radius, tube, turned
from crossover.phantoms.pelvis.label_canvas import Canvas, Ellipsoid
from crossover.phantoms.pelvis.tissues import Tissue

# Sacrum and coccyx from L5 down: y, z and the half-sizes front to back and along, mm.
VERTEBRAE = (
    (44, 100, 15, 14),
    (58, 74, 14, 13),
    (69, 49, 11, 12),
    (77, 26, 9, 11),
    (80, 4, 7, 10),
    (77, -16, 6, 9),
    (69, -33, 4, 7),
    (60, -45, 3, 6),
)
RECTUM = ((0, 12, -95), (0, 34, -70), (2, 52, -45), (3, 60, -15), (-2, 58, 15), (-14, 40, 42))


@dataclass(frozen=True)
class Rectum:
    """The rectum, which is drawn first since its gas distorts the images."""

    course: NDArray[np.float64]  # (points, 3), mm
    radius: float  # mm
    gas: tuple[Ellipsoid, ...]


def draw_rectum(rng: np.random.Generator) -> Rectum:
    """Draw a rectum with none to two pockets of gas."""
    radius = rng.uniform(9, 14)
    shift = rng.normal(0, 1, (len(RECTUM), 3)) * [4, 2, 0]
    course = np.asarray(RECTUM, float) + shift
    places = rng.choice([1, 2, 3, 4], size=2, replace=False)[: int(rng.integers(0, 3))]
    sizes = rng.uniform(4, 9, (2, 3))
    gas = tuple(
        Ellipsoid(course[place], np.minimum(size * [1, 0.9, 1.6], [99, radius - 3, 99]))
        for place, size in zip(places, sizes, strict=False)
    )
    smooth = make_interp_spline(np.arange(len(course)), course, k=2)
    return Rectum(smooth(np.linspace(0, len(course) - 1, 14)), radius, gas)


def paint_pelvis(canvas: Canvas, rectum: Rectum, os: Vector, nodal: bool, rng: np.random.Generator) -> None:
    """Paint everything but the uterus, from the outside in.

    Args:
        canvas: the samples to paint.
        rectum: as `draw_rectum` returned it.
        os: the outer end of the cervix, where the vagina begins: x, y, z in mm.
        nodal: whether there are metastatic nodes.
        rng: where the numbers come from.
    """
    _paint_body(canvas, rng)
    _paint_bones(canvas, rng)
    _paint_sidewalls(canvas, nodal, rng)
    _paint_bowel(canvas, rng)
    _paint_bladder(canvas, rng)
    _paint_rectum(canvas, rectum)
    _paint_floor(canvas, os)


def _paint_body(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint skin, fat and the muscles of the wall; the thighs and the cleft stay outside."""
    x, y, z = canvas.grid.x, canvas.grid.y, canvas.grid.z
    front, fat, wall = rng.normal(-90, 3), rng.uniform(10, 24), rng.uniform(6, 10)
    skin = front + 0.003 * x**2 + 0.0009 * (z - 25) ** 2 + 0.9 * np.clip(-62 - z, 0, None)
    back = 104 - 0.45 * np.clip(-30 - z, 0, None) * np.exp(-((x / 25) ** 2))
    canvas.labels[(y > skin) & (y < back)] = Tissue.FAT
    # The rectus muscle ends at the symphysis.
    lining = skin + fat * (1 + 0.1 * np.cos(z / 30))
    canvas.labels[(y > lining) & (y < lining + wall) & (z > -42)] = Tissue.MUSCLE
    for side in SIDES[::-1]:
        canvas.paint(Ellipsoid(_at(side * 24, 90, 68), _at(22, 13, 60)), Tissue.MUSCLE)
        canvas.paint(Ellipsoid(_at(side * 52, 88, -25), _at(36, 24, 60)), Tissue.MUSCLE)


def _paint_bones(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the lumbosacral spine with discs and canal, the coccyx, the pubic bones and the acetabula."""
    shift = rng.normal(0, 2.5, 2)
    joints = [(y + shift[0], z + shift[1], a, h) for y, z, a, h in VERTEBRAE]
    widths = (24, 46, 44, 36, 28, 18, 8, 6)
    canal = [(0, y + a + 7, z) for y, z, a, _ in joints[:4]]
    canvas.paint(tube(canal, 6.5), Tissue.CSF)
    for k, ((y, z, ap, along), width) in enumerate(zip(joints, widths, strict=True)):
        y2, z2 = joints[k + 1][:2] if k + 1 < len(joints) else (y - 9, z - 12)
        frame = turned(np.degrees(np.arctan2(y2 - y, z - z2)))
        body = Ellipsoid(_at(0, y, z), _at(width, ap, along), frame, power=4)
        canvas.paint(
            Ellipsoid(_at(0, (y + y2) / 2, (z + z2) / 2), _at(width * 0.6, ap, 3.5), frame),
            Tissue.DISC,
        )
        canvas.paint(body, Tissue.CORTEX)
        canvas.paint(body.shrunk(1.2), Tissue.MARROW)
    pubis = turned(-38 + rng.normal(0, 4))
    for side in SIDES[::-1]:
        _paint_bone(canvas, Ellipsoid(_at(side * 11, -60, -52), _at(8.5, 8, 19), pubis))
        ramus = tube([(side * 18, -58, -42), (side * 52, -32, -18)], 8)
        canvas.paint(ramus, Tissue.MARROW)
        _paint_bone(canvas, Ellipsoid(_at(side * 64, -5, -20), _at(16, 28, 30)))
    canvas.paint(Ellipsoid(_at(0, -60, -52), _at(2.5, 7, 17), pubis), Tissue.DISC)


def _paint_bone(canvas: Canvas, bone: Ellipsoid) -> None:
    """Paint cortex around marrow."""
    canvas.paint(bone, Tissue.CORTEX)
    canvas.paint(bone.shrunk(1.3), Tissue.MARROW)


def _paint_sidewalls(canvas: Canvas, nodal: bool, rng: np.random.Generator) -> None:
    """Paint obturator muscles, iliac vessels with nodes, sacral nerves and ovaries on each side."""
    for side in SIDES[::-1]:
        canvas.paint(Ellipsoid(_at(side * 50, 2, -38), _at(9, 36, 34)), Tissue.MUSCLE)
        canvas.paint(Ellipsoid(_at(side * 48, -12, 60), _at(14, 22, 55)), Tissue.MUSCLE)
        course = np.array([(26, 22, 80), (36, 10, 40), (42, -20, 10), (47, -58, -18)], float)
        course += rng.normal(0, 2, course.shape)
        course[:, 0] *= side
        canvas.paint(tube(course, rng.uniform(4.0, 5.5)), Tissue.VESSEL)
        for k in range(1, 4):
            nerve = [(side * (14 + 4 * k), 62 + 3 * k, 80 - 22 * k), (side * 40, 56, 18 - 10 * k)]
            canvas.paint(tube(nerve, 2.6), Tissue.NERVE)
        _paint_nodes(canvas, course, side, nodal, rng)
        _paint_ovary(canvas, side, rng)


def _paint_nodes(canvas: Canvas, course: np.ndarray, side: int, nodal: bool, rng: np.random.Generator) -> None:
    """Paint iliac nodes beside the vessels and inguinal nodes in front, which are bright at high b and no tumour."""
    for _ in range(int(rng.integers(2, 6))):
        k, t = int(rng.integers(0, len(course) - 1)), rng.random()
        centre = course[k] * (1 - t) + course[k + 1] * t + rng.normal(0, 1, 3) * [4, 6, 6]
        size = rng.uniform(2.5, 4.5) * (rng.uniform(1.2, 2.2) if nodal else 1.0)
        canvas.paint(Ellipsoid(centre, size * rng.uniform(0.8, 1.5, 3)), Tissue.NODE)
    for _ in range(int(rng.integers(1, 4))):
        centre = np.array([side * rng.uniform(30, 50), rng.normal(-70, 5), rng.normal(-42, 10)])
        size = rng.uniform(3, 5.5)
        canvas.paint(Ellipsoid(centre, size * rng.uniform(0.8, 1.5, 3)), Tissue.NODE)


def _paint_ovary(canvas: Canvas, side: int, rng: np.random.Generator) -> None:
    """Paint an ovary with up to four follicles or small cysts."""
    centre = np.array([side * rng.uniform(27, 38), rng.normal(10, 7), rng.normal(14, 8)])
    half = rng.uniform(6, 9) * np.array([0.9, 1.0, 1.5])
    canvas.paint(Ellipsoid(centre, half), Tissue.OVARY)
    places = rng.uniform(-0.6, 0.6, (4, 3))
    sizes = rng.uniform(1.5, 4.5, 4)
    for k in range(int(rng.integers(0, 5))):
        follicle = Ellipsoid(centre + places[k] * half, np.full(3, sizes[k]))
        canvas.paint(follicle, Tissue.FLUID, only=(Tissue.OVARY,))


def _paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint loops above the uterus, filled with fluid, stool or gas."""
    inside = (Tissue.FAT, Tissue.BOWEL_WALL, *CONTENTS)
    for _ in range(34):
        start = rng.uniform([-48, -50, 28], [48, 30, 100])
        end = start + rng.uniform([-25, -25, -12], [25, 25, 12])
        end = np.maximum(end, [-80, -50, 24])  # behind the wall, above the uterus
        radius, filling = rng.uniform(7, 11), rng.choice(4, p=(0.35, 0.3, 0.25, 0.1))
        wall = rng.uniform(1.8, 3.2)
        course = np.stack([start, end])
        canvas.paint(tube(course, radius), Tissue.BOWEL_WALL, only=inside)
        canvas.paint(tube(course, radius - wall), CONTENTS[filling], only=inside)


# What fills a loop; the last is gas, which gives no signal.
CONTENTS: Sequence[Tissue] = (Tissue.BOWEL_WALL, Tissue.BOWEL_FLUID, Tissue.STOOL, Tissue.AIR)


def _paint_bladder(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a bladder of 30 to 220 ml on the pelvic floor behind the symphysis, and free fluid in some patients."""
    volume = np.exp(rng.uniform(np.log(30), np.log(220)))
    half = ball_radius(volume) * np.array([1.15, rng.uniform(0.9, 1.05), rng.uniform(0.8, 0.95)])
    centre = np.array([rng.normal(0, 3), -51 + half[1], -60 + half[2]])
    bladder = Ellipsoid(centre, half, turned(rng.normal(10, 8)))
    canvas.paint(bladder.shrunk(-3.0), Tissue.MUSCLE)
    canvas.paint(bladder, Tissue.URINE)
    present, size = rng.random() < 0.3, rng.uniform(5, 14)
    if present:  # in the pouch of Douglas
        canvas.paint(Ellipsoid(_at(0, 36, -12), size * _at(1.3, 0.6, 1)), Tissue.FLUID)


def _paint_rectum(canvas: Canvas, rectum: Rectum) -> None:
    """Paint wall, stool and gas."""
    canvas.paint(tube(rectum.course, rectum.radius), Tissue.BOWEL_WALL)
    canvas.paint(tube(rectum.course, rectum.radius - 3), Tissue.STOOL)
    for pocket in rectum.gas:
        canvas.paint(pocket, Tissue.AIR)


def _paint_floor(canvas: Canvas, os: Vector) -> None:
    """Paint the vagina from the vault to the introitus, the urethra, and the levator sling on each side."""
    for x in (-9, 0, 9):
        vault = (os[0] + x, os[1], os[2])
        canvas.paint(tube([vault, (x * 0.7, -2, -72), (x * 0.5, -16, -98)], 4.5), Tissue.VAGINA)
    canvas.paint(tube([(0, -34, -62), (0, -36, -90)], 5), Tissue.MUSCLE)
    for side in SIDES[::-1]:
        sling = [(side * 20, -40, -66), (side * 24, 10, -72), (side * 8, 44, -68)]
        canvas.paint(tube(sling, 4), Tissue.MUSCLE)


def _at(x: float, y: float, z: float) -> Vector:
    """Return a point or a size in mm."""
    return np.array([x, y, z], float)
