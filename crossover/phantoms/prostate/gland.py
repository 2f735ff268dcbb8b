"""The prostate: its outline, zones, nodules and tumour, and the seminal vesicles on top of it.

Template coordinates, mm: x to the left, y to the back, z to the head; the origin is the middle of an
average gland. The apex stays on the pelvic floor and the back on the rectum, so that a large gland
reaches up and forwards. Sizes and shares are assumptions of the right order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.draw import SIDES, Draw, Triple, on
from crossover.phantoms.kit.shapes import (
    Ellipsoid,
    Grown,
    Points,
    Shape,
    Union,
    Within,
    Without,
    tube,
    turned,
)
from crossover.phantoms.prostate.layer import Coat, Layer, layer
from crossover.phantoms.prostate.tissues import Tissue

BACK_Y, APEX_Z = 17.0, -21.0
VOLUME_ML = (16.0, 100.0)
RIM_MM = 0.9  # capsules


@dataclass(frozen=True)
class Axes:
    """Where a gland is, how large and how tilted: its own coordinates count in halves of it."""

    centre: Triple
    half: Triple  # mm
    frame: NDArray[np.float64]  # rows are its axes

    def at(self, u: float, v: float, w: float) -> Triple:
        """Return a point of the gland in template coordinates, mm."""
        x, y, z = np.array(self.centre) + self.frame.T @ (np.array([u, v, w]) * self.half)
        return float(x), float(y), float(z)

    def part(self, at: Triple, share: Triple) -> Ellipsoid:
        """Return an ellipsoid that is placed and sized in halves of the gland."""
        a, b, c = (float(s * h) for s, h in zip(share, self.half, strict=True))
        return Ellipsoid(self.at(*at), (a, b, c), self.frame)

    def samples(self) -> tuple[Points, float]:
        """Return points all over the gland and around it, and the volume that each stands for, ml."""
        spans = [(c - 1.3 * h, c + 1.3 * h) for c, h in zip(self.centre, self.half, strict=True)]
        axes = [np.linspace(*span, 40) for span in spans]
        x, y, z = (a.astype(np.float32) for a in np.meshgrid(*axes, indexing="ij"))
        return (x, y, z), float(np.prod([a[1] - a[0] for a in axes])) / 1000


@dataclass(frozen=True)
class Gland:
    """The prostate of one patient."""

    axes: Axes
    whole: Shape
    central: Shape
    layers: tuple[Layer, ...]

    @property
    def front_y(self) -> float:
        """The y of the gland's front, mm."""
        return self.axes.centre[1] - self.axes.half[1]

    @property
    def top_z(self) -> float:
        """The z of the gland's base, mm."""
        return self.axes.centre[2] + self.axes.half[2]


def draw_gland(ml: float, pressed: Shape | None, tumour: bool, draw: Draw) -> Gland:
    """Draw a gland.

    Args:
        ml: its volume.
        pressed: what dents it from behind (the balloon of an endorectal coil), in whose presence glands are flat
            and wide.
        tumour: whether it has a visible tumour.
        draw: where the numbers come from.
    """
    size = (480 * ml) ** (1 / 3)
    # Hyperplasia grows more to the front and up than to the sides.
    round_ = float(np.clip(ml / 60, 0.3, 1.3)) * 0.12
    flat = (1.1, 0.84, 1.0) if pressed else (1.0, 1.0, 1.0)
    shape = np.array([1.0, 0.62 + round_, 0.68 + 1.2 * round_]) * flat * draw.size((1, 1, 1), 0.05)
    frame = turned(pitch_deg=draw.number(-10, 5), roll_deg=draw.number(0, 3))
    place = (draw.number(0, 1.5), draw.number(0, 1.5), draw.number(0, 2.0))
    for _ in range(3):  # the parts' union has no formula for its volume
        a, b, c = (float(s) * size for s in shape)
        centre = (place[0], BACK_Y - b + place[1], APEX_Z + c + place[2])
        axes = Axes(centre, (a, b, c), frame)
        whole = _outline(axes, pressed)
        points, each = axes.samples()
        size *= (ml / (float((whole.distance(points) < 0).sum()) * each)) ** (1 / 3)
    share = 1 - float(np.clip(draw.number(15, 2.5) / ml, 0.2, 0.58))
    central = _central(axes, whole, share)
    layers = (*_zones(axes, whole, central, draw), *_tumour(axes, whole, tumour, draw))
    return Gland(axes, whole, central, layers)


def _outline(axes: Axes, pressed: Shape | None) -> Shape:
    """Return a body, the apex, and two lobes behind."""
    body = axes.part((0, -0.08, 0.05), (0.88, 0.84, 0.9))
    apex = axes.part((0, -0.05, -0.6), (0.55, 0.6, 0.42))
    lobes = [axes.part((0.36 * side, 0.2, -0.06), (0.62, 0.74, 0.76)) for side in SIDES]
    whole = Union((body, apex, *lobes), blend=0.35 * axes.half[1])
    return Without(whole, (pressed,)) if pressed else whole


def _central(axes: Axes, whole: Shape, share: float) -> Shape:
    """Return the central gland, in front and above, with this share of the volume and off the capsule behind."""
    shell = axes.part((0, -0.24, 0.14), (0.85, 0.8, 0.88))
    points, _ = axes.samples()
    inside = whole.distance(points) < 0
    offset = [p[inside] - c for p, c in zip(points, shell.centre, strict=True)]
    level = np.sqrt((((axes.frame @ np.array(offset)).T / shell.half) ** 2).sum(axis=1))
    grow = float(np.quantile(level, share))
    a, b, c = (h * grow for h in shell.half)
    return Within(Ellipsoid(shell.centre, (a, b, c), axes.frame), (Grown(whole, -RIM_MM),))


def _zones(axes: Axes, whole: Shape, central: Shape, draw: Draw) -> Iterator[Layer]:
    """Yield capsule, peripheral zone, anterior stroma, the central gland with its nodules, and the urethra."""
    patchy, mixed = draw.rng.uniform(0.07, 0.22), draw.rng.uniform(0.12, 0.24)
    yield Layer(whole, (Coat(Tissue.CAPSULE), Coat(Tissue.PERIPHERAL, -RIM_MM, patchy, True)))
    front = axes.part((0, -0.95, 0), (0.5, 0.42, 0.75))
    yield Layer(central, (Coat(Tissue.CAPSULE), Coat(Tissue.CENTRAL, -RIM_MM, mixed, True)))
    yield from _nodules(axes, central, draw)
    yield layer(Within(front, (Grown(whole, -0.3),)), Tissue.ANTERIOR, 0.12, True)
    course = [axes.at(0, -0.1, 0.9), axes.at(0, 0.12, 0.0), axes.at(0, -0.1, -1.0)]
    yield layer(tube(course, (1.5, 3.6, 3.6)), Tissue.STROMAL)
    yield layer(tube(course[:2], (0.5, 1.7), (0.6, 1, 1)), Tissue.URETHRA)
    yield layer(tube(course[1:], (1.7, 1.2), (0.6, 1, 1)), Tissue.URETHRA)
    ducts = [axes.at(0, 0.55, 0.75), axes.at(0, 0.15, 0.0)]
    yield layer(tube(ducts, (3.2, 1.6)), Tissue.STROMAL, 0.1, True)


def _nodules(axes: Axes, central: Shape, draw: Draw) -> Iterator[Layer]:
    """Yield hyperplasia: round nodules with rims, more and larger ones in a large gland, in two lobes."""
    a, b, c = axes.half
    size = (a * b * c) ** (1 / 3)
    inside = Grown(central, -RIM_MM)
    for _ in range(int(draw.rng.integers(3, 6) + size * 0.35)):
        side = SIDES[int(draw.rng.integers(2))]
        u, v, w = draw.near((0.36, -0.28, 0.12), 0.2)
        radius = float(draw.rng.uniform(0.12, 0.36)) * size
        half = draw.size((radius, radius, radius), 0.12)
        nodule = Within(Ellipsoid(axes.at(side * u, v, w), half), (inside,))
        kind = Tissue.GLANDULAR if draw.happens(0.55) else Tissue.STROMAL
        yield Layer(nodule, (Coat(Tissue.CAPSULE), Coat(kind, -0.8, 0.16, True)))


def _tumour(axes: Axes, whole: Shape, some: bool, draw: Draw) -> Iterator[Layer]:
    """Yield a dark focus in the peripheral zone (70 %) or a dark lens in front.

    It is drawn also where none is asked for, so that the rest of the patient stays the same.
    """
    side = SIDES[int(draw.rng.integers(2))]
    radius = float(draw.rng.uniform(4, 9))
    level = draw.number(-0.1, 0.25)
    behind, in_front = draw.near((0.55, 0.62, level), 0.06), draw.near((0.3, -0.5, level), 0.08)
    if draw.happens(0.7):
        place, half = behind, (1.3 * radius, 0.7 * radius, radius)
    else:
        place, half = in_front, (1.5 * radius, 0.7 * radius, radius)
    focus = Ellipsoid(axes.at(side * place[0], place[1], place[2]), half)
    if some:
        yield layer(Within(focus, (Grown(whole, -0.3),)), Tissue.TUMOUR, 0.05, True)


def vesicles(gland: Gland, draw: Draw) -> Iterator[Layer]:
    """Yield seminal vesicles: convoluted fluid-filled ducts from the base up and to the sides."""
    top = gland.top_z
    fluid = draw.number(1, 0.12)
    for side in SIDES:
        course = [
            on(side, (3, BACK_Y - 7, top - 4)),
            on(side, (12, BACK_Y - 4, top + 4)),
            on(side, draw.near((24, BACK_Y - 1, top + 9), 2)),
            on(side, draw.near((33, BACK_Y + 2, top + 14), 3)),
        ]
        radii = [r * fluid for r in (2.5, 5.0, 6.5, 4.5)]
        ducts = Coat(Tissue.VESICLE, -1.2, 0.3, True)
        yield Layer(tube(course, radii), (Coat(Tissue.DUCT_WALL), ducts))
        vas = [on(side, (2.5, BACK_Y - 7, top - 3)), on(side, (5, BACK_Y - 10, top + 14))]
        yield layer(tube(vas, 2.4), Tissue.DUCT_WALL)
