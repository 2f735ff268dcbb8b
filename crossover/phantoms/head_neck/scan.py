"""From a person to stored HU: where the slices are, samples, partial volume, metal, noise."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crossover.phantoms.head_neck.body import Body
from crossover.phantoms.head_neck.centers import CENTERS, Scanner
from crossover.phantoms.head_neck.person import Person
from crossover.phantoms.head_neck.settings import HeadNeckSource
from crossover.phantoms.head_neck.skin import Profile
from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.kit.canvas import Canvas, Field
from crossover.phantoms.kit.geometry import Geometry, pool
from crossover.phantoms.kit.waves import Waves, draw_waves

LAYER_MM = 2.8  # coarsest sampling through a slice
SAMPLES = 800_000  # painted at a time: bounds the memory
TOP_Z = 46.0  # above all contours: template mm above the sella
VERTEX_Z, CHIN_Z = 103.0, -124.0
SIDE_MM, FRONT_MM, BACK_MM = 104.0, 124.0, 132.0  # the head with ears and mask, about the sella
LOW_HU, HIGH_HU = -1024, 3071  # 12 bits
METAL_HU = 6000.0
FILLING_MM, STREAK_MM = 9.0, 3.0  # how far one is looked for; SD of the streaks along z
COUCH = {
    "source": (0.0, 22.0, -850.0),
    "target": (9.0, 14.0, -780.0),
}  # below the head: mm, thick, HU


def place_stack(source: HeadNeckSource, body: Body, rng: np.random.Generator) -> Geometry:
    """Place the slices of one patient.

    They run from above the temporal lobes down, to the chin at least where they reach that far; what is left goes to
    the vertex and the neck. The field of view is about the middle of the scanner.
    """
    low, high = source.field_of_view_mm or tuple(512 * p for p in CENTERS[source.center].pixel_mm)
    pixel = round(float(rng.uniform(low, high)) / source.matrix, 4)
    count, jitter = int(rng.integers(source.slices[0], source.slices[1] + 1)), rng.uniform(-2, 2)
    step = source.slice_thickness_mm
    needed = body.height(TOP_Z) - body.height(CHIN_Z)
    left = count * step - needed
    above = min(0.4 * left, body.height(VERTEX_Z) - body.height(TOP_Z)) if left > 0 else 0.3 * left
    top = body.height(TOP_Z) + above + jitter
    half = (source.matrix - 1) / 2 * pixel
    # Positions on a grid of 0.01 mm, as they are written: arrays and files then agree exactly.
    x, y, z = np.round([-half, -half, top - (count - 0.5) * step], 2)
    shape = (count, source.matrix, source.matrix)
    return Geometry(pixel, step, (float(x), float(y), float(z)), shape)


@dataclass(frozen=True)
class Slab:
    """Some slices, sampled where the patient is; `window` is that part of the stack."""

    window: tuple[slice, slice, slice]
    field: Field
    layers: int  # of samples in each slice

    def pool(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over the layers of each slice: (slices, rows, columns)."""
        return pool(samples, self.layers)


def slabs(geometry: Geometry, body: Body, profile: Profile) -> Iterator[Slab]:
    """Yield the stack in portions, which bound the memory."""
    layers = int(np.ceil(geometry.spacing_mm / LAYER_MM))
    offset = ((np.arange(layers) + 0.5) / layers - 0.5) * geometry.spacing_mm
    x, y, _ = geometry.axes()
    rows = _span(y, body.place[1] - FRONT_MM, body.place[1] + BACK_MM)
    per_slice = layers * (rows.stop - rows.start) * geometry.shape[2]
    size = max(1, SAMPLES // per_slice)
    for first in range(0, geometry.shape[0], size):
        last = min(first + size, geometry.shape[0])
        z = np.array([geometry.position(k)[2] for k in range(first, last)])
        low, high = (z[[0, -1]] - body.place[2]) / body.scale[2] + (-25, 25)
        wide = max(SIDE_MM, profile.half_width(low, high) + 8) * body.scale[0] * 1.02
        columns = _span(x, body.place[0] - wide, body.place[0] + wide)
        samples = (z[:, None] + offset).ravel()
        field = body.field(x[columns], y[rows], samples)
        yield Slab((slice(first, last), rows, columns), field, layers)


def _span(axis: NDArray, low: float, high: float) -> slice:
    """Return the part of an axis between two coordinates."""
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    return slice(int(inside[0]), int(inside[-1]) + 1)


@dataclass(frozen=True)
class Look:
    """How one patient's images come out, which is drawn before any image is made."""

    scanner: Scanner
    hu: dict[Tissue, float]
    texture: Waves
    gain: float  # of the scanner's calibration, for dense bone
    couch: tuple[float, float, float]  # gap below the head and thickness in mm, HU


def draw_look(source: HeadNeckSource, scanner: Scanner, hu: dict[Tissue, float], rng: np.random.Generator) -> Look:
    """Draw the texture and the calibration.

    The texture is of wavelengths from 7 to 22 mm; by the calibration bone is measured up to 3 % off.
    """
    texture = draw_waves(1, (7, 22), 1.0, rng)
    return Look(scanner, hu, texture, float(rng.uniform(0.97, 1.03)), COUCH[source.center])


def paint(
    person: Person, slab: Slab, outside: NDArray[np.float32], geometry: Geometry, look: Look
) -> NDArray[np.float32]:
    """Return the HU of a slab without noise: (slices, rows, columns) of its window.

    Args:
        person: who is scanned.
        slab: the samples of these slices.
        outside: each sample's signed distance to the skin, mm.
        geometry: the whole stack.
        look: how the images come out.
    """
    x, y, _ = geometry.axes()
    s, rows, columns = slab.window
    z = np.array([geometry.position(k)[2] for k in range(s.start, s.stop)]).repeat(slab.layers)
    (texture,) = look.texture.fields(x[columns], y[rows], z)
    edge = float(np.hypot(geometry.pixel_mm, look.scanner.blur_mm))
    hu = np.full(slab.field.shape, -1000, np.float32)
    person.paint(Canvas(slab.field, hu, texture, edge), look.hu, outside)
    found = slab.pool(hu)
    found += np.where(found > -900, np.float32(look.scanner.water_hu), 0)
    found *= np.where(found > 200, np.float32(look.gain), 1)
    return found


@dataclass(frozen=True)
class Metal:
    """Where a filling lies in the stack."""

    away: float  # squared distance of the nearest sample, mm²
    level: float  # slice, not a whole number
    row: int
    column: int


def find_metal(person: Person, slab: Slab, found: dict[int, Metal]) -> None:
    """Note in `found` where in the stack each filling lies, from the slab that comes nearest to it."""
    for number, point in enumerate(person.fillings):
        place = np.array(point)
        box = slab.field.box(place - FILLING_MM, place + FILLING_MM)
        if box is None:
            continue
        points = slab.field.points(box)
        away: Any = sum((p - float(c)) ** 2 for p, c in zip(points, point, strict=True))
        layer, row, column = (int(i) for i in np.unravel_index(int(away.argmin()), away.shape))
        near = float(away[layer, row, column])
        if near < found.get(number, Metal(FILLING_MM**2, 0, 0, 0)).away:
            s, r, c = (part.start for part in slab.window)
            level = s + (box[0].start + layer + 0.5) / slab.layers - 0.5
            found[number] = Metal(near, level, r + box[1].start + row, c + box[2].start + column)


def _add_metal(hu: NDArray[np.float32], metal: Metal, geometry: Geometry) -> None:
    """Add a filling of 5 mm and its streaks, which reach some mm above and below it."""
    up = (np.arange(len(hu)) - metal.level) * geometry.spacing_mm
    for k in np.flatnonzero(np.abs(up) < 2.5 * STREAK_MM):
        share = np.float32(np.exp(-0.5 * (up[k] / STREAK_MM) ** 2))
        hu[k] += share * _streaks(hu.shape[1:], metal.row, metal.column, geometry.pixel_mm)


def _streaks(shape: tuple[int, int], row: int, column: int, pixel_mm: float) -> NDArray[np.float32]:
    """Return rays of alternating sign, which are sharper near the horizontal, where most metal is in the way; HU."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    dy, dx = (y - row) * pixel_mm, (x - column) * pixel_mm
    away = np.hypot(dy, dx)
    angle = np.arctan2(dy, dx)
    rays = np.cos(9 * angle + 1.0) + 0.7 * np.cos(14 * angle) + 0.9 * np.cos(2 * angle)
    streaks = 420 * rays * np.exp(-away / 38) / (1 + away / 12)
    return np.where(away < 2.6, METAL_HU, streaks).astype(np.float32)


def acquire(
    hu: NDArray[np.float32],
    metals: Iterable[Metal],
    geometry: Geometry,
    look: Look,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Add metal, couch and noise to a whole stack, in place, and store 12 bits of HU.

    Noise is correlated in plane as the kernel does it; thick slices have less of it, skull base and
    shoulders more.
    """
    for metal in metals:
        _add_metal(hu, metal, geometry)
    _add_couch(hu, geometry, look)
    sigma = look.scanner.noise_hu * np.sqrt(3 / geometry.spacing_mm)
    width = look.scanner.noise_mm / geometry.pixel_mm
    low = LOW_HU if look.scanner.signed else max(LOW_HU, look.scanner.intercept)
    stored = np.empty(hu.shape, np.int16)
    for k, image in enumerate(hu):
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, width, mode="wrap", truncate=3)
        dense = min(float((image > 300).mean()) * (geometry.pixel_mm * len(image) / 250) ** 2, 0.25)
        noise *= np.float32(sigma * (0.75 + 2.5 * dense) / noise.std())
        stored[k] = np.clip(np.rint(image + noise), low, HIGH_HU)
    return stored


def _add_couch(hu: NDArray[np.float32], geometry: Geometry, look: Look) -> None:
    """Add a table top and the cushion on it, where there is air below the head."""
    gap, thick, value = look.couch
    _, y, _ = geometry.axes()
    top = 103.0 + gap
    cushion = (y > 40) & (y <= top)
    table = (y > top) & (y <= top + thick)
    for rows, level in ((cushion, -965.0), (table, value)):
        part = hu[:, rows]
        part[part < level] = level
        hu[:, rows] = part
