"""From a person to stored values: where slices are, samples, partial volume, coils, noise.

Magnitudes of a complex signal with Gaussian noise, so the noise is Rician. Its SD is that of the
site at every matrix, so that a coarse phantom is as noisy as a fine one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit.canvas import Canvas, Field
from crossover.phantoms.kit.geometry import AXIAL, SAGITTAL, Geometry, Triple, magnitudes, pool
from crossover.phantoms.kit.waves import Waves, draw_waves
from crossover.phantoms.prostate.coils import Coils, draw_coils
from crossover.phantoms.prostate.person import Person
from crossover.phantoms.prostate.settings import ProstateSource
from crossover.phantoms.prostate.sites import Profile
from crossover.phantoms.prostate.tissues import Signals, Tissue, draw_signals, signal

LAYER_MM = 2.2  # coarsest sampling through a slice
SAMPLES = 500_000  # painted at a time: bounds the memory
OBSERVER_MM = 0.5  # SD of a contour about the gland's edge


def place_stack(source: ProstateSource, person: Person, rng: np.random.Generator) -> Geometry:
    """Place axial slices about the gland, a little off as if set up by hand.

    What is left goes above more than below it.
    """
    low, high = source.field_of_view_mm
    pixel = round(float(rng.uniform(low, high)) / source.matrix, 4)
    count, step = (
        int(rng.integers(source.slices[0], source.slices[1] + 1)),
        source.slice_thickness_mm,
    )
    x, y, z = _on_scanner(person)
    left = max(count * step - 2.5 * person.gland.axes.half[2] * person.body.scale[2], 0)
    z += rng.uniform(-0.15, 0.3) * left
    x, y = x + rng.normal(0, 3), y + rng.normal(0, 5) + 4
    half = (source.matrix - 1) / 2 * pixel
    # Positions on a grid of 0.01 mm, as they are written: arrays and files then agree exactly.
    origin = np.round([x - half, y - half, z - (count - 1) / 2 * step], 2).tolist()
    return Geometry(pixel, step, tuple(origin), (count, source.matrix, source.matrix))


def place_others(axial: Geometry, person: Person) -> tuple[Geometry, Geometry]:
    """Place a sagittal stack through the gland, and a localizer of three wide axial slices."""
    x, y, z = _on_scanner(person)
    matrix, wide = axial.shape[1] // 2, axial.pixel_mm * axial.shape[1]
    pixel, half = round(wide / matrix, 4), (matrix - 1) / 2 * wide / matrix
    origin = np.round([x + 16, y - half, z + half], 2).tolist()
    sagittal = Geometry(pixel, 8.0, tuple(origin), (5, matrix, matrix), *SAGITTAL)
    pixel = round(380 / 96, 4)
    origin = np.round([x - 47.5 * pixel, y - 47.5 * pixel, z - 20], 2).tolist()
    return sagittal, Geometry(pixel, 20.0, tuple(origin), (3, 96, 96))


def _on_scanner(person: Person) -> Triple:
    """Return the gland's middle in scanner coordinates, mm."""
    body = person.body
    x, y, z = np.array(person.gland.axes.centre) * body.scale
    x, y = x + body.lean[0] * z, y + body.lean[1] * z
    return x + body.place[0], y + body.place[1], z + body.place[2]


@dataclass(frozen=True)
class Look:
    """How one patient's images come out, which is drawn before any image is made."""

    signals: Signals
    coarse: Waves
    fine: Waves
    coils: Coils
    observer: Waves
    te_ms: int
    tr_ms: int
    blur_mm: float
    sigma: float  # of the noise, in units of the signal
    gain: float  # stored value of a signal of 1


def draw_look(profile: Profile, rng: np.random.Generator) -> Look:
    """Draw textures of 8 to 30 mm and of 2.5 to 14 mm, the contrast, the coils, and the scanner's scale."""
    te, tr = (round(rng.uniform(*span)) for span in (profile.te_ms, profile.tr_ms))
    usual = signal(Tissue.PERIPHERAL, sum(profile.te_ms) / 2, profile.field_t)
    return Look(
        signals=draw_signals(te, profile.field_t, rng),
        coarse=draw_waves(1, (8, 30), 1.0, rng, 24),
        fine=draw_waves(1, (2.5, 14), 1.0, rng, 48),
        coils=draw_coils(profile, rng),
        observer=draw_waves(2, (15, 45), OBSERVER_MM, rng),
        te_ms=te,
        tr_ms=tr,
        blur_mm=profile.blur_mm,
        sigma=usual / profile.snr * rng.uniform(0.85, 1.2),
        gain=profile.gain / usual * rng.uniform(0.8, 1.25),
    )


@dataclass(frozen=True)
class Scan:
    """What a stack shows before noise; arrays are (slices, rows, columns)."""

    signal: NDArray[np.float32]  # as the coils see it
    weight: NDArray[np.float32]  # how strongly they do
    gland: NDArray[np.float32]  # share of each voxel within the contour
    central: NDArray[np.float32]  # share within the central gland's


def scan(person: Person, look: Look, geometry: Geometry, layers: int) -> Scan:
    """Paint a stack in portions, with `layers` of samples through each slice; more than one for axial ones only."""
    parts = [_portion(person, look, g, layers) for g in _portions(geometry, layers)]
    found = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    if geometry.row_direction != AXIAL[0]:
        found = [np.ascontiguousarray(a.transpose(2, 0, 1)) for a in found]
    return Scan(*found)


def _portions(geometry: Geometry, layers: int) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
    """Yield the x, y and z of the samples in portions of slices, which bound the memory."""
    x, y, z = geometry.axes(layers)
    size = max(1, SAMPLES // (len(x) * len(y) * layers)) * layers
    for first in range(0, len(z), size):
        yield x, y, z[first : first + size]


def _portion(
    person: Person, look: Look, axes: tuple[NDArray, NDArray, NDArray], layers: int
) -> tuple[NDArray[np.float32], ...]:
    """Return signal, weight, and shares of gland and central gland at scanner x, y, z: (z of slices, y, x)."""
    field = person.body.field(*axes)
    pixel = abs(float(axes[1][1] - axes[1][0]))
    edge = float(np.hypot(pixel, look.blur_mm))
    values = np.zeros(field.shape, np.float32)
    coarse, fine = (Canvas(field, values, waves.fields(*axes)[0], edge) for waves in (look.coarse, look.fine))
    person.paint(coarse, fine, look.signals)
    middle = slice(layers // 2, None, layers)
    x, y, z = axes
    part = Field(field.x[middle], field.y[middle], field.z[middle])
    weight = look.coils.weight(person, part, x, y, z[middle])
    found = pool(values, layers)
    found *= weight
    gland, central = _contours(person, look, field, axes)
    return found, weight, pool(gland, layers), pool(central, layers)


def _contours(
    person: Person, look: Look, field: Field, axes: tuple[NDArray, NDArray, NDArray]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return which samples lie within the contours, 0 or 1; an observer draws them half a millimetre off."""
    gland, central = np.zeros((2, *field.shape), np.float32)
    low, high = person.gland.whole.bounds()
    box = field.box(low - 3, high + 3)
    if box is None:
        return gland, central
    layers, rows, columns = box
    x, y, z = axes
    off = look.observer.fields(x[columns], y[rows], z[layers])
    points = field.points(box)
    gland[box] = person.gland.whole.distance(points) < off[0]
    # With its capsule, and with the rim before it, which is no peripheral zone.
    central[box] = (person.gland.central.distance(points) < off[1] + 1.2) * gland[box]
    return gland, central


def layers_of(geometry: Geometry) -> int:
    """Return how many samples a slice needs."""
    return int(np.ceil(geometry.spacing_mm / LAYER_MM))


def acquire(signal: NDArray[np.float32], look: Look, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return the stored magnitudes of a signal with noise, slice by slice: (slices, rows, columns) of 12 bits."""
    return np.stack([magnitudes(image, look.sigma, look.gain, rng) for image in signal])
