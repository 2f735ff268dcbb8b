"""From labels to diffusion-weighted magnitude images and the ADC map.

S(b) = density * exp(-TE / T2) * exp(-b * ADC), averaged over the samples of a voxel (partial
volume), stretched by the EPI distortion, weighted by the coils, and read as the magnitude of a
complex signal with Gaussian noise (Rician). TR is at least 3.7 s, so T1 is left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crossover.phantoms.kit.geometry import WHITEST, magnitudes, pool
from crossover.phantoms.kit.shapes import Vector
from crossover.phantoms.pelvis.scanners import ScannerProfile
from crossover.phantoms.pelvis.tissues import Tissue, TissueValues

TE_MS = (65.0, 85.0)  # Lin 2023, Methods
TR_MS = (3700.0, 8200.0)
FULL_SCALE = 900.0  # stored value of myometrium at b = 0 for a gain of 1
ADC_UNIT = 1e-6  # mm²/s of one stored step of the ADC map
SPREAD = 0.09  # relative SD of signal and ADC within a tissue


@dataclass(frozen=True)
class Distortion:
    """EPI displacement along the phase encoding (y): the sample seen at y comes from y + shift.

    Gas in the rectum shifts the field around it smoothly, and a shim residue stretches the whole image a little.
    Signal is conserved, so intensity is multiplied by 1 + d(shift)/dy.
    """

    centres: NDArray[np.float64]  # (n, 3), mm
    amplitudes: NDArray[np.float64]  # mm
    widths: NDArray[np.float64]  # mm
    stretch: float  # relative

    @property
    def reach_mm(self) -> float:
        """The most by which a sample within 150 mm of the middle is moved, mm."""
        return float(np.abs(self.amplitudes).sum() + 150 * abs(self.stretch)) + 0.5

    def apply(self, x: NDArray, y: NDArray, z: NDArray) -> tuple[NDArray, NDArray]:
        """Return where the samples (x, y, z in mm), broadcast, come from along y, and the intensity factor."""
        source = y * np.float32(1 + self.stretch) + np.zeros_like(x + z)
        factor = np.full_like(source, 1 + self.stretch)
        for centre, amplitude, width in zip(self.centres.astype(np.float32), self.amplitudes, self.widths, strict=True):
            w2 = np.float32(width**2)
            across = np.exp(-((x - centre[0]) ** 2 + (z - centre[2]) ** 2) / (2 * w2))
            dy = y - centre[1]
            shift = np.float32(amplitude) * across * np.exp(-(dy**2) / (2 * w2))
            source += shift
            factor -= shift * dy / w2
        return source, factor


def draw_distortion(gas: list[Vector], profile: ScannerProfile, rng: np.random.Generator) -> Distortion:
    """Draw one bump for each gas pocket (2 to 7 mm before the scanner's factor) and the stretch."""
    count = len(gas)
    sizes = rng.uniform(2, 7, 2)[:count] * rng.choice([-1, 1]) * profile.distortion
    widths = rng.uniform(17, 26, 2)[:count]
    stretch = float(np.clip(rng.normal(0, 0.015), -0.04, 0.04)) * profile.distortion
    return Distortion(np.array(gas).reshape(count, 3), sizes, widths, stretch)


def noiseless(
    labels: NDArray[np.uint8],
    factor: NDArray[np.float32],
    values: TissueValues,
    te_ms: float,
    b_values: tuple[int, int],
    samples: tuple[int, int],
) -> list[NDArray[np.float32]]:
    """Return the relative signal at each b-value, averaged over the samples of voxels: (slices, rows, columns).

    Args:
        labels: (slices * layers, rows * n, columns * n).
        factor: the intensity factor at the same samples.
        values: the tissues.
        te_ms: echo time.
        b_values: in s/mm².
        samples: (layers, n).
    """
    images = []
    for b in b_values:
        signal = values.density * np.exp(-te_ms / values.t2_ms - b * values.adc)
        images.append(pool(signal.astype(np.float32)[labels] * factor, *samples))
    return images


def add_texture(images: list[NDArray[np.float32]], rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Vary signal and ADC smoothly (over about 10 mm) by a relative SD, since tissue is not uniform."""
    shape = images[0].shape
    coarse = rng.standard_normal((2, 10, 22, 22)).astype(np.float32)
    fields = [ndimage.zoom(c, np.divide(shape, c.shape), order=1, mode="nearest", grid_mode=True) for c in coarse]
    s0, sb = images
    ratio = np.where(s0 > 0, sb / np.maximum(s0, 1e-9), 1)
    s0 = s0 * (1 + np.float32(1.5 * SPREAD) * fields[0])
    # ratio = exp(-b ADC), so a power of it scales the ADC.
    return [
        np.maximum(s0, 0),
        np.maximum(s0, 0) * ratio ** (1 + np.float32(1.5 * SPREAD) * fields[1]),
    ]


def coil_weight(y: NDArray, z: NDArray, profile: ScannerProfile, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the sensitivity of an anterior and a posterior array, 1 in the middle; y and z in mm."""
    balance, tilt = rng.uniform(0.35, 0.65), rng.normal(0, 0.0006, 1)[0]
    depth = profile.coil_depth_mm
    front = balance * np.exp(-y / depth)
    back = (1 - balance) * np.exp(y / depth)
    return ((front + back) * (1 + tilt * z)).astype(np.float32)


def acquire(
    images: list[NDArray[np.float32]],
    weight: NDArray[np.float32],
    te_ms: float,
    profile: ScannerProfile,
    rng: np.random.Generator,
) -> list[NDArray[np.uint16]]:
    """Return stored magnitude images, (slices, rows, columns) each, on the scanner's scale of 12 bits.

    The signal is weighted by the coils, and its noise is Rician.
    """
    wall = Tissue.MYOMETRIUM.properties
    reference = wall.density * np.exp(-te_ms / wall.t2_ms)
    sigma = reference / profile.snr_b0
    gain = FULL_SCALE * profile.gain / reference * rng.uniform(0.8, 1.25)
    return [magnitudes(image * weight, sigma, gain, rng) for image in images]


def adc_map(low: NDArray[np.uint16], high: NDArray[np.uint16], b_values: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the ADC in 10^-6 mm²/s from the stored magnitudes: ln(S_low / S_high) / (b_high - b_low).

    It is cut to 0..4095, and 0 where a magnitude is 0 and the ratio has no logarithm.
    """
    valid = (low > 0) & (high > 0)
    ratio = np.where(valid, low, 1) / np.where(valid, high, 1)
    adc = np.log(ratio) / (b_values[1] - b_values[0]) / ADC_UNIT
    return np.clip(np.rint(adc), 0, WHITEST).astype(np.uint16)
