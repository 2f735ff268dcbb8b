"""One person's size, shape and posture: from where a sample lies on the scanner to the template.

All anatomy is drawn in the template's coordinates.

The template's origin is the middle of the sella; a head of average size looks straight ahead. Every
draw is made before any sample is placed, so that a patient is the same person on every grid.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.canvas import Field
from crossover.phantoms.kit.draw import Draw, Triple
from crossover.phantoms.kit.shapes import turned
from crossover.phantoms.kit.waves import Waves, draw_waves

# The head turns about the joint between skull and atlas; below the neck's middle it doesn't.
PIVOT = np.array([0.0, 34.0, -52.0])
STILL_Z, FREE_Z = -135.0, -55.0


@dataclass(frozen=True)
class Push:
    """A mass that has pushed its surroundings outwards."""

    centre: Triple  # template, mm
    share: float  # how much nearer to the centre its neighbourhood was, 0 to 1
    reach_mm: float


@dataclass(frozen=True)
class Body:
    """One person's size, shape and posture on the table."""

    place: NDArray[np.float64]  # the sella in scanner coordinates, mm
    scale: NDArray[np.float64]  # of the person to the template, along x, y, z
    turn: NDArray[np.float64]  # rotation of the head, rows are its axes
    lean: tuple[float, float]  # mm the neck is moved to the left and front, 100 mm below the skull
    shape: Waves  # three fields: displacement along x, y, z, mm
    push: Push | None

    def height(self, z: float) -> float:
        """Return where a level of the template lies on the scanner, in mm, near enough to place a stack."""
        return float(self.place[2] + self.scale[2] * z)

    def field(self, x: NDArray, y: NDArray, z: NDArray) -> Field:
        """Return the template coordinates of a grid of samples.

        Args:
            x: scanner x of the columns, mm.
            y: scanner y of the rows, mm.
            z: scanner z of the layers, mm.
        """
        moved = self.shape.fields(x, y, z)
        x, y, z = (axis - origin for axis, origin in zip((x, y, z), self.place, strict=True))
        weight = _step(z, STILL_Z, FREE_Z)
        sag = (np.clip(-60 - z, 0, None) / 100) ** 1.5
        axes = np.eye(3)[None] + weight[:, None, None] * (self.turn - np.eye(3))[None]
        rest = PIVOT - np.einsum("zij,j->zi", axes, PIVOT)
        rest += sag[:, None] * np.array([-self.lean[0], self.lean[1], 0])
        out = []
        for i, field in enumerate(moved):
            size = self.scale[i]
            rows = axes[:, i, 1, None] * y + axes[:, i, 2, None] * z[:, None] + rest[:, i, None]
            columns = axes[:, i, 0, None] * x
            field += (rows / size).astype(np.float32)[:, :, None]
            field += (columns / size).astype(np.float32)[:, None]
            out.append(field)
        if self.push is not None:
            _undo(self.push, Field(*out))
        return Field(*out)


def _step(value: NDArray, low: float, high: float) -> NDArray:
    """Return a step that rises smoothly from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _undo(push: Push, field: Field) -> None:
    """Move each sample, in place, to where its tissue was before the mass moved it."""
    centre, reach = np.array(push.centre), 3 * push.reach_mm
    box = field.box(centre - reach, centre + reach)
    if box is None:
        return
    views = field.points(box)
    offset = [view - float(c) for view, c in zip(views, centre, strict=True)]
    share = np.exp(sum(d * d for d in offset) * (-0.5 / push.reach_mm**2))
    share *= np.float32(-push.share)
    for view, d in zip(views, offset, strict=True):
        view += share * d


def draw_body(sex: str, rng: np.random.Generator, push: Push | None) -> Body:
    """Draw one person.

    Heads of women are 4 % smaller than those of men, and breadth, length and height spread by 3 %, which is about
    the spread of adults' head measures: assumptions. In their masks heads turn by some degrees.
    """
    draw = Draw(rng)
    common = (1.0 if sex == "M" else 0.96) * draw.number(1, 0.02)
    scale = common * np.array([draw.number(1, 0.025) for _ in range(3)])
    pitch, yaw, roll = (draw.number(0, sd) for sd in (5.0, 2.5, 2.0))
    lean = (draw.number(0, 3), draw.number(0, 6))
    place = np.array([draw.number(0, 4), draw.number(-14, 4), rng.uniform(-80, 80)])
    shape = draw_waves(3, (90, 220), 1.6, rng)
    return Body(np.round(place, 2), scale, turned(pitch, yaw, roll), lean, shape, push)
