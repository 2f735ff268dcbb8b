"""The skin: head, face, neck and shoulders as one profile, with nose, chin and ears."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.canvas import EVERYWHERE, Field, lower
from crossover.phantoms.kit.draw import SIDES, Draw, Triple, on
from crossover.phantoms.kit.shapes import (
    FAR,
    Bounds,
    Ellipsoid,
    Points,
    Segment,
    Shape,
    Union,
    turned,
)

# z; front, back and half-width of the skin; y where it is widest. mm, head of average size.
PROFILE = np.array(
    [
        (98.5, 14, 36, 9, 25),
        (97, 2, 40, 16, 25),
        (93, -16, 57, 30, 25),
        (83, -40, 80, 49, 25),
        (65, -61, 101, 67, 25),
        (40, -75, 109, 76, 25),
        (20, -81, 108, 77, 24),
        (0, -80, 107, 76, 22),
        (-15, -79, 106, 75, 20),
        (-35, -80, 100, 72, 16),
        (-48, -81, 92, 71, 13),
        (-60, -83, 84, 70, 11),
        (-75, -85, 81, 68, 10),
        (-95, -83, 80, 67, 10),
        (-110, -80, 81, 66, 10),
        (-120, -74, 83, 63, 14),
        (-128, -56, 85, 59, 22),
        (-138, -34, 88, 57, 30),
        (-155, -24, 92, 59, 34),
        (-172, -24, 98, 72, 36),
        (-188, -30, 106, 112, 38),
        (-204, -38, 114, 162, 38),
        (-225, -50, 122, 185, 36),
        (-300, -75, 130, 195, 30),
    ],
    float,
)
STEP_MM = 0.5
SKIN_MM = 2.0
REACH_MM = 5.0


@dataclass(frozen=True)
class Profile:
    """The skin as one ellipse for each level, flatter before than behind."""

    table: NDArray[np.float32]  # (levels, 4) from the lowest level up: front, back, half-width, y

    def bounds(self) -> Bounds:
        """Return two corners of a box around the skin, which ends at the vertex only."""
        return np.array([-FAR, -FAR, -FAR]), np.array([FAR, FAR, float(PROFILE[0, 0])])

    def half_width(self, low_z: float, high_z: float) -> float:
        """Return the greatest half-width between two levels, mm."""
        first, last = (round((z - PROFILE[-1, 0]) / STEP_MM) for z in (low_z, high_z))
        part = self.table[max(first, 0) : max(last, 1)]
        return float(part[:, 2].max()) if len(part) else 0.0

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Return the first-order distance in the plane, mm; above the vertex all is outside."""
        x, y, z = points
        level = ((z - float(PROFILE[-1, 0])) * (1 / STEP_MM)).astype(np.intp)
        front, back, width, middle = (column.take(level, mode="clip") for column in np.ascontiguousarray(self.table.T))
        v = y - middle
        deep = np.where(v < 0, middle - front, back - middle)
        v /= deep
        u = x / width
        total, slope = u * u, (u / width) ** 2
        total += v * v
        slope += (v / deep) ** 2
        slope += np.float32(1e-12)
        total -= np.sqrt(total)
        total /= np.sqrt(slope)
        return np.maximum(total, z - float(PROFILE[0, 0]), out=total)


@dataclass(frozen=True)
class Outline:
    """The skin and what sticks out of it."""

    profile: Profile
    features: Union  # nose, chin, lids, ears

    def distance(self, field: Field) -> NDArray[np.float32]:
        """Return the signed distance of all samples to the skin, mm; far outside it is only a bound."""
        found = self.profile.distance(field.points(EVERYWHERE))
        return lower(found, self.features, field, REACH_MM)


def draw_outline(draw: Draw, eyes: dict[int, Triple]) -> Outline:
    """Draw the skin of one person.

    Necks differ in girth by 6 % (SD), faces less, and noses and ears have their own size.
    """
    girth, face = draw.number(1, 0.06), draw.number(0, 1.5)
    z, front, back, width, middle = PROFILE.T
    neck = np.clip((-60 - z) / 50, 0, 1)
    width = width * (1 + (girth - 1) * neck)
    back = middle + (back - middle) * (1 + (girth - 1) * neck)
    front = front + face * (z < -20)
    levels = np.arange(z[-1], z[0] + STEP_MM, STEP_MM)
    columns = [np.interp(levels, z[::-1], c[::-1]) for c in (front, back, width, middle)]
    return Outline(Profile(np.stack(columns, axis=1).astype(np.float32)), _draw_features(draw, eyes))


def _draw_features(draw: Draw, eyes: dict[int, Triple]) -> Union:
    """Draw the nose with its wings, the chin, the lids before the eyes, and the ears."""
    tip = (draw.number(0, 0.8), draw.number(-99, 2), draw.number(-40, 1.5))
    parts: list[Shape] = [
        Segment((0, -73, -4), (0, -88, -38), (8, 11)),
        Segment((-9, -84, -43), (9, -84, -43), (7, 7)),
        Segment((0, -82, -40), tip, (11, 7)),
        Ellipsoid((0, -70, -111), (22, 14, 13)),
    ]
    for side in SIDES:
        x, y, z = eyes[side]
        parts.append(Ellipsoid((x, y - 5, z), (18, 10, 13)))
        centre = on(side, draw.near((77, 30, -18), 1.2))
        ear = draw.size((4, 14, 27), 0.06)
        parts.append(Ellipsoid(centre, ear, turned(yaw_deg=side * 22, pitch_deg=10)))
    return Union(tuple(parts))
