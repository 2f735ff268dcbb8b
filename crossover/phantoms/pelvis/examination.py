"""One patient's examination, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossover.phantoms.kit import clinical
from crossover.phantoms.kit.geometry import SAGITTAL, Geometry, pool
from crossover.phantoms.pelvis import signal
from crossover.phantoms.pelvis.clinical import Clinical, draw_clinical
from crossover.phantoms.pelvis.label_canvas import Canvas, Grid
from crossover.phantoms.pelvis.scanners import PROFILES
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.phantoms.pelvis.surroundings import Rectum, draw_rectum, paint_pelvis
from crossover.phantoms.pelvis.tissues import draw_values, tumour_means
from crossover.phantoms.pelvis.uterus import Uterus, draw_uterus, paint_tumour, paint_uterus

LAYERS = 3  # samples through a slice
SAMPLE_MM = 1.6  # coarsest sampling in plane
FEWEST_VOXELS = 3  # a smaller tumour cannot be seen; the paper excluded such patients
ATTEMPTS = 50


@dataclass(frozen=True, kw_only=True)
class Examination(clinical.Examined):
    """Images, truth and facts of one patient; arrays are (slices, rows, columns)."""

    b0: NDArray[np.uint16]  # magnitude at the lower b-value
    b1000: NDArray[np.uint16]  # magnitude at the higher b-value, 1000 s/mm² by default
    adc_um2_s: NDArray[np.uint16]  # 10^-6 mm²/s
    mask: NDArray[np.bool_]  # the tumour as seen on the (distorted) DWI, necrosis included
    weight: NDArray[np.float32]  # the coils' sensitivity on both images: what N4 is to find
    geometry: Geometry
    clinical: Clinical
    contour: str  # "SEG" or "RTSTRUCT"
    te_ms: float
    tr_ms: float


def patient_id(source: PhantomSource, index: int) -> str:
    """Return the patient's name, which is the same everywhere and says that the patient is synthetic."""
    return f"SYN-{source.anatomy.upper()}-{index:04d}"


def stream(source: PhantomSource, index: int, part: int) -> np.random.Generator:
    """Return the random numbers for one part of one patient, as `kit.clinical.stream` makes them."""
    return clinical.stream(source.seed, ("cervix", "uterus").index(source.anatomy), index, part)


def clinical_record(source: PhantomSource, index: int) -> Clinical:
    """Draw the patient's clinical row alone, which needs no images."""
    return draw_clinical(source.anatomy, source.scanners, stream(source, index, 0))


def examine(source: PhantomSource, index: int) -> Examination:
    """Examine patient `index` of the cohort.

    Neither another patient nor the number of patients enters. A patient whose tumour is too small to show on this
    matrix is drawn anew.

    Raises:
        ValueError: if `index` is negative, or no draw gives a visible tumour.
    """
    record = clinical_record(source, index)
    contour = "SEG" if stream(source, index, 1).random() < source.seg_fraction else "RTSTRUCT"
    for attempt in range(ATTEMPTS):
        found = _attempt(source, index, record, contour, stream(source, index, 2 + attempt))
        if found.mask.sum() >= FEWEST_VOXELS:
            return found
    raise ValueError(f"no visible tumour in {ATTEMPTS} draws: matrix {source.matrix} is too coarse")


def _attempt(
    source: PhantomSource, index: int, record: Clinical, contour: str, rng: np.random.Generator
) -> Examination:
    """Draw a person and scan her."""
    profile = PROFILES[record.scanner]
    uterus = draw_uterus(source.anatomy, record, rng)
    rectum = draw_rectum(rng)
    distortion = signal.draw_distortion([g.centre for g in rectum.gas], profile, rng)
    values = draw_values(rng, *tumour_means(record.histology, record.grade))
    te_ms, tr_ms = (round(rng.uniform(*span)) for span in (signal.TE_MS, signal.TR_MS))
    geometry = _place_stack(source, uterus, rng)
    n = int(np.ceil(source.pixel_mm / SAMPLE_MM))
    grid, factor = _sample(geometry, distortion, n)
    labels, tumour = _paint(grid, geometry, uterus, rectum, record, n, rng)
    images = signal.noiseless(labels, factor, values, te_ms, source.b_values, (LAYERS, n))
    images = signal.add_texture(images, rng)
    y, z = _axes(geometry, 1)
    weight = signal.coil_weight(y[None, None, :], z[None, :, None], profile, rng)
    low, high = signal.acquire(images, weight, te_ms, profile, rng)
    return Examination(
        patient_id=patient_id(source, index),
        b0=low,
        b1000=high,
        adc_um2_s=signal.adc_map(low, high, source.b_values),
        mask=pool(tumour, LAYERS, n) >= 0.5,
        weight=np.broadcast_to(weight, low.shape),
        geometry=geometry,
        clinical=record,
        contour=contour,
        te_ms=te_ms,
        tr_ms=tr_ms,
    )


def _place_stack(source: PhantomSource, uterus: Uterus, rng: np.random.Generator) -> Geometry:
    """Place slices about the tumour, as many as it needs within the range, a little off as if set up by hand."""
    fewest, most = source.slices
    spacing, pixel = source.slice_spacing_mm, source.pixel_mm
    drawn = int(rng.integers(fewest, most + 1))
    needed = int(np.ceil(2.4 * uterus.tumour.radius / spacing)) + 2
    count = min(max(drawn, needed), most)
    middle = np.array([uterus.tumour.centre[0], 0, 0]) + rng.uniform(-1, 1, 3) * [4, 14, 14]
    half = (source.field_of_view_mm - pixel) / 2
    # Positions on a grid of 0.01 mm, as they are written: arrays and files then agree exactly.
    origin = np.round(middle + [(count - 1) / 2 * spacing, -half, half], 2)
    return Geometry(
        pixel_mm=pixel,
        spacing_mm=spacing,
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        shape=(count, source.matrix, source.matrix),
        row_direction=SAGITTAL[0],
        column_direction=SAGITTAL[1],
        gap_mm=source.slice_gap_mm,
    )


def _axes(geometry: Geometry, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return y of the columns and z of the rows, with n samples to a pixel, mm."""
    offset = (np.arange(geometry.shape[1] * n) + 0.5) / n - 0.5
    _, y, z = geometry.origin
    step = offset * geometry.pixel_mm
    return (y + step).astype(np.float32), (z - step).astype(np.float32)


def _sample(geometry: Geometry, distortion: signal.Distortion, n: int) -> tuple[Grid, NDArray[np.float32]]:
    """Return the sample points, which are distorted along y, and the intensity factor at each."""
    y, z = _axes(geometry, n)
    layer = ((np.arange(LAYERS) + 0.5) / LAYERS - 0.5) * (geometry.spacing_mm - geometry.gap_mm)
    centre = geometry.origin[0] - np.arange(geometry.shape[0]) * geometry.spacing_mm
    x = (centre[:, None] - layer).astype(np.float32).reshape(-1, 1, 1)
    z3 = z[None, :, None]
    source, factor = distortion.apply(x, y[None, None, :], z3)
    return Grid(x=x, y=source, z=z3, y_axis=y, margin_mm=distortion.reach_mm), factor


def _paint(
    grid: Grid,
    geometry: Geometry,
    uterus: Uterus,
    rectum: Rectum,
    record: Clinical,
    n: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return labels and tumour at every sample."""
    canvas = Canvas(grid, np.zeros(grid.shape, np.uint8))
    os = uterus.cervix.centre - uterus.cervix.frame[2] * uterus.cervix.half[2]
    paint_pelvis(canvas, rectum, os, nodal=record.n_stage == "1", rng=rng)
    paint_uterus(canvas, uterus)
    left, right = geometry.origin[0], geometry.position(geometry.shape[0] - 1)[0]
    covered = (right + geometry.spacing_mm / 2, left - geometry.spacing_mm / 2)
    sample_ml = geometry.voxel_ml / (LAYERS * n**2)
    tumour = paint_tumour(canvas, uterus, sample_ml, covered)
    return canvas.labels, tumour
