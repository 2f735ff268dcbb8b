"""One patient's anatomy put together, and painted."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.canvas import EVERYWHERE, Canvas, Field
from crossover.phantoms.kit.draw import Draw
from crossover.phantoms.kit.shapes import Shape
from crossover.phantoms.kit.waves import Waves, draw_waves
from crossover.phantoms.prostate import pelvis, viscera
from crossover.phantoms.prostate.gland import VOLUME_ML, Gland, draw_gland, vesicles
from crossover.phantoms.prostate.layer import Layer
from crossover.phantoms.prostate.sites import Profile
from crossover.phantoms.prostate.tissues import Signals, Tissue
from crossover.phantoms.prostate.viscera import Balloon, draw_balloon

SKIN_MM = 2.0
SEPTUM = 0.08  # texture, in SD, within which fat has a septum


@dataclass(frozen=True)
class Body:
    """One person's size and posture on the table."""

    place: NDArray[np.float64]  # the template's origin in scanner coordinates, mm
    scale: NDArray[np.float64]  # of the person to the template, along x, y, z
    lean: tuple[float, float]  # mm to the left and to the back, for each mm upwards
    shape: Waves  # three fields: displacement along x, y, z, mm

    def field(self, x: NDArray, y: NDArray, z: NDArray) -> Field:
        """Return the template coordinates of a grid of samples.

        Args:
            x: scanner x of the columns, mm.
            y: scanner y of the rows, mm.
            z: scanner z of the layers, mm.
        """
        found = self.shape.fields(x, y, z)
        axes = [axis - origin for axis, origin in zip((x, y, z), self.place, strict=True)]
        shift = (*(axes[2] * by for by in self.lean), np.zeros(len(z)))
        views = ((None, None, slice(None)), (None, slice(None), None), (slice(None), None, None))
        for k, moved in enumerate(found):
            moved += (axes[k] / self.scale[k]).astype(np.float32)[views[k]]
            moved -= (shift[k] / self.scale[k]).astype(np.float32)[:, None, None]
        return Field(*found)


@dataclass(frozen=True)
class Person:
    """Everything about a patient that does not depend on the scan."""

    body: Body
    skin: Shape
    gland: Gland
    layers: tuple[Layer, ...]
    balloon: Balloon | None

    def paint(self, coarse: Canvas, fine: Canvas, signals: Signals) -> None:
        """Paint all tissues from the outside in, on two canvases that share their values."""
        skin = self.skin.distance(coarse.field.points(EVERYWHERE))
        coarse.fill(skin, EVERYWHERE, signals[Tissue.SKIN])
        _paint_fat(coarse, skin + SKIN_MM, signals)
        for layer in self.layers:
            layer.paint(coarse, fine, signals)


def _paint_fat(canvas: Canvas, distance: NDArray[np.float32], signals: Signals) -> None:
    """Paint lobules of fat between thin dark septa, which run where the texture crosses zero."""
    fat = signals[Tissue.FAT]
    canvas.fill(distance, EVERYWHERE, fat, 0.04 * fat)
    septa = np.abs(canvas.texture)
    septa *= -1 / SEPTUM
    septa += 1
    np.clip(septa, 0, 1, out=septa)
    septa *= -0.22
    septa += 1
    canvas.values[:] *= septa


def draw_person(profile: Profile, tumour: bool, rng: np.random.Generator) -> Person:
    """Draw one person; each part has random numbers of its own."""
    streams = [Draw(r) for r in rng.spawn(9)]
    body = _draw_body(streams[0])
    median, spread = profile.volume_ml
    ml = float(np.clip(median * np.exp(streams[1].number(0, spread)), *VOLUME_ML))
    balloon = draw_balloon(streams[2]) if profile.endorectal else None
    pressed = balloon.outer if balloon else None
    gland = draw_gland(ml / float(np.prod(body.scale)), pressed, tumour, streams[3])
    layers = tuple(_layers(gland, balloon, streams[4:]))
    return Person(body, pelvis.draw_skin(streams[8]), gland, layers, balloon)


def _draw_body(draw: Draw) -> Body:
    """Draw size, place and posture."""
    common = draw.number(1, 0.025)
    scale = common * np.array([draw.number(1, 0.025) for _ in range(3)])
    place = np.round([draw.number(0, 3), draw.number(0, 6), draw.rng.uniform(-60, 60)], 2)
    lean = (draw.number(0, 0.03), draw.number(0, 0.07))
    return Body(place, scale, lean, draw_waves(3, (45, 120), 1.5, draw.rng))


def _layers(gland: Gland, balloon: Balloon | None, draws: list[Draw]) -> Iterator[Layer]:
    """Yield all that is painted on the fat; later paint covers earlier paint."""
    yield from pelvis.muscles(draws[0])
    yield from pelvis.bones(draws[0])
    yield from pelvis.floor(draws[1], max(gland.axes.half[0], 26), gland.axes.at(0, -0.1, -0.8))
    yield from pelvis.vessels(draws[1])
    yield from pelvis.strands(draws[1], gland.front_y, gland.top_z)
    yield from viscera.bladder(gland, draws[2])
    yield from vesicles(gland, draws[3])
    yield from viscera.rectum_over_balloon(balloon) if balloon else viscera.rectum(gland, draws[2])
    yield from gland.layers
