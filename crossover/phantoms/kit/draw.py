"""Random variation of shapes, all of it drawn here so that ranges read the same everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossover.phantoms.kit.geometry import Triple

SIDES = (1, -1)
"""Left and right: the sign of x."""


@dataclass(frozen=True)
class Draw:
    """Draws about what is usual; nothing lies beyond 2.2 SD."""

    rng: np.random.Generator

    def number(self, mean: float, sd: float) -> float:
        """Return a normal number, cut at 2.2 SD."""
        return mean + sd * float(np.clip(self.rng.standard_normal(), -2.2, 2.2))

    def near(self, point: Sequence[float], sd_mm: float) -> Triple:
        """Return a point that is moved by this SD along each axis, mm."""
        x, y, z = (self.number(float(p), sd_mm) for p in point)
        return x, y, z

    def size(self, half: Sequence[float], sd: float) -> Triple:
        """Return sizes that are changed together by a relative SD, and each by a third of it by itself."""
        common = self.number(1, sd)
        a, b, c = (float(h) * common * self.number(1, sd / 3) for h in half)
        return a, b, c

    def happens(self, share: float) -> bool:
        """Return True in this share of draws."""
        return bool(self.rng.random() < share)


def on(side: int, point: Sequence[float]) -> Triple:
    """Return a point that is given for the left, on a side."""
    x, y, z = point
    return side * x, y, z


def mirrored(side: int, *points: Sequence[float]) -> list[Triple]:
    """Return points that are given for the left, on a side."""
    return [on(side, point) for point in points]
