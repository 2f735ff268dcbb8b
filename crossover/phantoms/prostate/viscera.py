"""Bladder and rectum, and what is in the rectum: gas, stool, or the balloon of an endorectal coil.

Template coordinates, mm, as in `gland`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crossover.phantoms.kit.draw import Draw, Triple
from crossover.phantoms.kit.shapes import Ellipsoid, Grown, Shape, Union, tube
from crossover.phantoms.prostate.gland import BACK_Y, Gland
from crossover.phantoms.prostate.layer import Coat, Layer, layer
from crossover.phantoms.prostate.tissues import Tissue

WALL_MM = 2.8  # of the rectum over the balloon
DENT_MM = 3.5  # how far the balloon reaches into where the gland's back was


@dataclass(frozen=True)
class Balloon:
    """An inflated endorectal coil: the balloon, and the loop on its front."""

    lumen: Shape
    outer: Shape  # with the rectum's wall
    coil: tuple[Triple, Triple]  # lower and upper end of the loop's middle


def draw_balloon(draw: Draw) -> Balloon:
    """Draw a balloon that is 34 to 46 mm wide, less deep, and filled with air."""
    radius, half = draw.number(15.5, 1.4), draw.number(28, 3)
    x, z = draw.number(0, 2.5), draw.number(2, 4)
    front = BACK_Y - DENT_MM + WALL_MM
    halves = [
        tube([(x + off, front + radius, z - half), (x + off, front + radius, z + half)], radius) for off in (-4.5, 4.5)
    ]
    lumen = Union((*halves[0].parts, *halves[1].parts), blend=4)
    y = front + 2.5
    coil = ((x, y, z - 0.9 * half), (x, y, z + 0.9 * half))
    return Balloon(lumen, Grown(lumen, WALL_MM), coil)


def bladder(gland: Gland, draw: Draw) -> Iterator[Layer]:
    """Yield a more or less full bladder on the gland's base and behind the pubic bones."""
    filled = draw.number(1, 0.14)
    half = (40 * filled, 30 * filled, 27 * filled)
    centre = (draw.number(0, 3), gland.axes.centre[1] - 8, gland.top_z - 5 + half[2])
    wall = draw.number(3.6, 0.8)
    neck = Ellipsoid((0, centre[1] + 4, gland.top_z + 2), (16, 13, 9))
    body = Union((Ellipsoid(centre, half), neck), blend=10)
    yield Layer(body, (Coat(Tissue.BLADDER, 0, 0.06), Coat(Tissue.URINE, -wall)))


def rectum(gland: Gland, draw: Draw) -> Iterator[Layer]:
    """Yield the rectum from the anal canal up along the sacrum; its lumen is collapsed, or holds gas or stool."""
    radius = draw.number(14.5, 2.4)
    y = BACK_Y + 1.5 + radius
    course = [(0, 24, -62), (0, 30, -38), (draw.number(0, 1.5), y + 2, -20), (0, y, 0),
              (draw.number(0, 4), y + 1, 22), (draw.number(0, 8), y + 5, 60)]  # fmt: skip
    radii = [11.0, 11.5, radius * 0.95, radius, radius * 1.05, radius]
    wall = tube(course, radii, (0.82, 1.05, 1))
    inside = Coat(Tissue.MUCOSA, -2.6, 0.12, True)
    yield Layer(wall, (Coat(Tissue.RECTUM, 0, 0.08), inside))
    inner = tube(course[2:], [r - 4.4 for r in radii[2:]], (0.85, 1.1, 1))
    filling = draw.rng.random()
    if filling < 0.25:  # collapsed: folds of mucosa
        yield layer(Grown(inner, -4), Tissue.STOOL, 0.3, True)
        return
    yield layer(inner, Tissue.STOOL, 0.35, True)
    if filling < 0.75:
        x, _, z = draw.near((0, 0, 4), 4)
        gas = (radius - 4.8, radius - 6, 26)
        yield layer(Ellipsoid((x, y - 1.5, z), gas), Tissue.AIR)


def rectum_over_balloon(balloon: Balloon) -> Iterator[Layer]:
    """Yield the rectum over the balloon, and the anal canal below."""
    yield layer(tube([(0, 24, -62), (0, 30, -36)], (11, 12)), Tissue.RECTUM, 0.08)
    wall = Coat(Tissue.RECTUM, WALL_MM, 0.05)
    yield Layer(balloon.lumen, (wall, Coat(Tissue.MUCOSA, 0.9), Coat(Tissue.AIR)))
