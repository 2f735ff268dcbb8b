"""The uterus and its tumour: shapes drawn for one patient, then painted.

The two diseases differ here and nowhere else. A cervical tumour is an ovoid in an expanded
cervix, often bulging into the vagina, below a normal corpus whose canal it may obstruct. A tumour
of the corpus arises from the endometrium, is lobulated, may invade the myometrium, and lies above
a normal cervix. Blood can restrict diffusion as a tumour does (doi 10.1186/s43055-021-00513-1): it is
retained above a tumour of the cervix, and below one of the corpus, which bleeds.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crossover.phantoms.kit.canvas import Box
from crossover.phantoms.kit.shapes import Vector, ball_radius
from crossover.phantoms.pelvis.clinical import Clinical
from crossover.phantoms.pelvis.label_canvas import Canvas, Ellipsoid
from crossover.phantoms.pelvis.settings import Anatomy
from crossover.phantoms.pelvis.tissues import Tissue

# Volumes in ml. Uterus: Lin 2023, Results (median 4.2, range 0.14 to 270); the spread puts those
# ends about 3 SD out, where 320 patients reach. Cervix: an assumption.
VOLUME_ML = {"uterus": (4.2, 1.15, 0.14, 270.0), "cervix": (12.0, 0.85, 0.5, 150.0)}
# Higher stages and sarcomas are larger; T1 a little smaller keeps the median of the cohort.
STAGE_FACTOR = {"1": 0.93, "2-4": 2.5, "": 1.0}
SARCOMA_FACTOR = 5.0
WALL = 2.6  # a corpus has at least this many times the volume of the tumour it holds


@dataclass(frozen=True)
class Tumour:
    """A tumour: its lobes, and waves that make its surface irregular.

    The union of the lobes is grown until it fills the drawn volume.
    """

    volume_ml: float
    lobes: tuple[Ellipsoid, ...]
    waves: NDArray[np.float64]  # (n, 4): wave vector (1/mm) and phase
    roughness: float  # relative change of the level by the waves
    necrosis: float  # share of the tumour, 0 to 1
    invades: bool  # may cross the outer surface of its organ

    @property
    def centre(self) -> Vector:
        """The centre of the first lobe: x, y, z in mm."""
        return self.lobes[0].centre

    @property
    def radius(self) -> float:
        """The radius of a ball of the same volume, mm."""
        return ball_radius(self.volume_ml)


@dataclass(frozen=True)
class Uterus:
    """One patient's uterus, in patient coordinates."""

    anatomy: Anatomy
    cervix: Ellipsoid
    canal: Ellipsoid
    corpus: Ellipsoid
    cavity: Ellipsoid  # endometrium
    collection: Ellipsoid | None  # blood or pus behind an obstructed canal
    clots: tuple[Ellipsoid, ...]  # blood of a bleeding corpus in the canal and below the os
    leiomyomas: tuple[Ellipsoid, ...]
    cysts: tuple[Ellipsoid, ...]  # nabothian, in the cervix
    tumour: Tumour


def draw_volume(anatomy: Anatomy, clinical: Clinical, rng: np.random.Generator) -> float:
    """Draw a tumour volume in ml, which is log-normal and cut to the range of `VOLUME_ML`."""
    median, spread, low, high = VOLUME_ML[anatomy]
    factor = STAGE_FACTOR[clinical.t_stage]
    if "sarcoma" in clinical.histology or "mixed" in clinical.histology:
        factor *= SARCOMA_FACTOR
    return float(np.clip(median * factor * np.exp(spread * rng.standard_normal()), low, high))


def draw_uterus(anatomy: Anatomy, clinical: Clinical, rng: np.random.Generator) -> Uterus:
    """Draw the organ around a tumour of a drawn volume."""
    volume = draw_volume(anatomy, clinical, rng)
    radius = ball_radius(volume)
    cervix_frame, corpus_frame = _draw_frames(rng)
    cervix = _draw_cervix(cervix_frame, radius if anatomy == "cervix" else 0.0, rng)
    held = volume if anatomy == "uterus" else 0.0
    corpus = _draw_corpus(corpus_frame, cervix, clinical.age, held, rng)
    cavity = _draw_cavity(corpus, clinical.age, rng)
    if anatomy == "cervix":
        tumour = _draw_cervical_tumour(volume, cervix, corpus, rng)
    else:
        tumour = _draw_corpus_tumour(volume, corpus, cavity, clinical, rng)
    canal = replace(cervix, half=cervix.half * [0.32, 0.14, 1.0])
    return Uterus(
        anatomy=anatomy,
        cervix=cervix,
        canal=canal,
        corpus=corpus,
        cavity=cavity,
        collection=_draw_collection(cavity, corpus, obstructed=anatomy == "cervix", rng=rng),
        clots=_draw_clots(cervix, bleeding=anatomy == "uterus", rng=rng),
        leiomyomas=_draw_leiomyomas(corpus, 0.35 if anatomy == "uterus" else 0.2, rng),
        cysts=_draw_cysts(cervix, rng),
        tumour=tumour,
    )


def _frame(forward_deg: float, tilt_deg: float) -> NDArray[np.float64]:
    """Return a frame whose rows point across (about x), from front to back, and along the axis of the organ."""
    f, t = np.radians(forward_deg), np.radians(tilt_deg)
    along = np.array([np.sin(t), -np.sin(f) * np.cos(t), np.cos(f) * np.cos(t)])
    back = np.array([0, np.cos(f), np.sin(f)])
    return np.stack([np.cross(back, along), back, along])


def _draw_frames(rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Draw the axes of cervix and corpus: three of four uteri lean forward (anteverted, anteflexed)."""
    anteverted = rng.random() < 0.75
    version, flexion = rng.normal(33, 9), rng.uniform(8, 40)
    if not anteverted:
        version, flexion = -rng.uniform(5, 25), -rng.uniform(0, 30)
    tilt = rng.normal(0, 7, 2)
    return _frame(version, tilt[0]), _frame(version + flexion, tilt[0] + tilt[1])


def _draw_cervix(frame: NDArray, tumour_radius: float, rng: np.random.Generator) -> Ellipsoid:
    """Draw a cervix of 26 to 36 mm, expanded by a tumour that arises in it."""
    centre = np.array([rng.normal(0, 5), rng.normal(5, 6), rng.normal(-26, 8)])
    length, width = rng.uniform(13, 18), rng.uniform(12, 15)
    half = np.array([width, width * rng.uniform(0.82, 1.0), length])
    return Ellipsoid(centre, np.maximum(half, tumour_radius * np.array([1.0, 0.95, 1.0])), frame)


def _draw_corpus(frame: NDArray, cervix: Ellipsoid, age: float, held_ml: float, rng: np.random.Generator) -> Ellipsoid:
    """Draw a corpus on top of the cervix, which is smaller after the menopause, and larger where it holds a tumour."""
    shrink = float(np.interp(age, (48, 70), (1.0, 0.8)))
    half = np.array([rng.uniform(22, 28), rng.uniform(18, 23), rng.uniform(27, 36)])
    half = half * shrink
    grown = max(1.0, float(np.cbrt(WALL * held_ml / (4e-3 / 3 * np.pi * half.prod()))))
    half = half * grown
    os = cervix.centre + cervix.frame[2] * cervix.half[2] * 0.9
    # A large uterus stands up out of the pelvis instead of lying on the bladder.
    along = frame[2] + np.array([0, 0, 1.2 * (grown - 1)])
    frame = _frame(np.degrees(np.arctan2(-along[1], along[2])), np.degrees(np.arcsin(frame[2, 0])))
    centre = os + frame[2] * half[2] * 0.86
    return Ellipsoid(np.clip(centre, [-15, -32, -60], [15, 38, 38]), half, frame)


def _draw_cavity(corpus: Ellipsoid, age: float, rng: np.random.Generator) -> Ellipsoid:
    """Draw the endometrial stripe: 4 to 13 mm thick before the menopause, 3 to 7 mm after it."""
    thick = rng.uniform(2.0, 6.5) if age < 52 else rng.uniform(1.5, 3.5)
    half = np.array([corpus.half[0] * rng.uniform(0.5, 0.62), thick, corpus.half[2] * 0.68])
    return Ellipsoid(corpus.centre - corpus.frame[2] * 0.05 * corpus.half[2], half, corpus.frame)


def _draw_collection(
    cavity: Ellipsoid, corpus: Ellipsoid, obstructed: bool, rng: np.random.Generator
) -> Ellipsoid | None:
    """Draw retained blood or pus that distends the cavity, in one of eight obstructed canals."""
    present, size = rng.random() < 0.12, rng.uniform(0.28, 0.55)
    if not (present and obstructed):
        return None
    half = np.array([cavity.half[0] * 0.9, corpus.half[1] * size, cavity.half[2] * 0.9])
    return replace(cavity, half=half)


def _draw_clots(cervix: Ellipsoid, bleeding: bool, rng: np.random.Generator) -> tuple[Ellipsoid, ...]:
    """Draw blood that widens the canal and pools in the vaginal vault, in four of ten bleeding uteri."""
    present, wide = rng.random() < 0.4, rng.uniform([0.5, 0.4, 0.75], [0.8, 0.75, 1.0])
    pool = rng.uniform([7, 5, 6], [13, 9, 11])
    if not (present and bleeding):
        return ()
    vault = cervix.centre - cervix.frame[2] * cervix.half[2]
    return (replace(cervix, half=cervix.half * wide), Ellipsoid(vault, pool, cervix.frame))


def _draw_leiomyomas(corpus: Ellipsoid, share: float, rng: np.random.Generator) -> tuple[Ellipsoid, ...]:
    """Draw one to three fibroids in the wall, in this share of patients."""
    count = int(rng.integers(1, 4)) if rng.random() < share else 0
    found = []
    for _ in range(count):
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        centre = corpus.centre + (direction * corpus.half * 0.85) @ corpus.frame
        found.append(Ellipsoid(centre, rng.uniform(5, 14) * rng.uniform(0.85, 1.15, 3)))
    return tuple(found)


def _draw_cysts(cervix: Ellipsoid, rng: np.random.Generator) -> tuple[Ellipsoid, ...]:
    """Draw up to two nabothian cysts, which are bright at b = 0 and gone at b = 1000 s/mm²."""
    places = rng.uniform(-0.6, 0.6, (int(rng.integers(0, 3)), 3))
    sizes = rng.uniform(1.5, 4, len(places))
    return tuple(
        Ellipsoid(cervix.centre + (place * cervix.half) @ cervix.frame, np.full(3, size))
        for place, size in zip(places, sizes, strict=True)
    )


def _draw_waves(radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw five plane waves of 0.8 to 2 tumour radii: (5, 4), wave vector in 1/mm and phase."""
    direction = rng.standard_normal((5, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = radius * rng.uniform(0.8, 2.0, (5, 1))
    return np.hstack([2 * np.pi * direction / length, rng.uniform(0, 2 * np.pi, (5, 1))])


def _draw_cervical_tumour(volume: float, cervix: Ellipsoid, corpus: Ellipsoid, rng: np.random.Generator) -> Tumour:
    """Draw an ovoid from one lip, towards the vagina (exophytic) or up the canal.

    In a quarter of the patients it invades the corpus (an assumption).
    """
    radius = ball_radius(volume)
    proportions = rng.uniform(0.82, 1.2, 3)
    half = radius * proportions / np.cbrt(proportions.prod())
    room = np.maximum(cervix.half - 0.8 * half, 0)
    lip = np.array([rng.uniform(-0.5, 0.5), rng.choice([-1, 1]) * rng.uniform(0.2, 0.9), 0])
    along = rng.uniform(-1, 0.6) * (room[2] + 0.3 * half[2])
    bud_shift = rng.normal(0, 0.35, 3)
    invades, depth = rng.random() < 0.25, rng.uniform(0.4, 1.0)
    if invades:
        along = cervix.half[2] - 0.5 * half[2]
    centre = cervix.centre + (lip * room) @ cervix.frame + along * cervix.frame[2]
    main = Ellipsoid(centre, half, cervix.frame)
    bud_centre = centre + radius * (depth * corpus.frame[2] if invades else bud_shift)
    bud = Ellipsoid(bud_centre, half * (0.85 if invades else 0.7), cervix.frame)
    necrosis = rng.uniform(0.02, 0.12) if volume > 40 else 0.0
    return Tumour(volume, (main, bud), _draw_waves(radius, rng), 0.07, necrosis, True)


def _draw_corpus_tumour(
    volume: float,
    corpus: Ellipsoid,
    cavity: Ellipsoid,
    clinical: Clinical,
    rng: np.random.Generator,
) -> Tumour:
    """Draw lobes along the endometrium, flat where they line the cavity, and one that grows into the wall."""
    radius = ball_radius(volume)
    frame = corpus.frame
    spot = np.array([rng.uniform(-0.55, 0.55), rng.uniform(-0.9, 0.9), rng.uniform(-1.0, 0.9)])
    # A large tumour has no choice: it fills the cavity and moves to its middle.
    centre = cavity.centre + (spot * np.maximum(cavity.half - 0.55 * radius, 0)) @ frame
    flat = rng.uniform(0.55, 0.9)
    half = radius * np.array([rng.uniform(0.9, 1.2), flat, rng.uniform(1.0, 1.5)])
    lobes = [Ellipsoid(centre, half, frame)]
    for _ in range(int(rng.integers(2, 5))):
        shift = rng.normal(0, 0.5, 3) * half
        size = rng.uniform(0.45, 0.8)
        lobes.append(Ellipsoid(centre + shift @ frame, np.full(3, size * radius), frame))
    into_wall = np.array([0, rng.choice([-1, 1]) * rng.uniform(0.5, 1.0) * radius, 0])
    lobes.append(Ellipsoid(centre + into_wall @ frame, np.full(3, 0.5 * radius), frame))
    sarcoma = not clinical.histology.startswith("endometrioid")
    necrosis = rng.uniform(0.1, 0.3) if sarcoma or volume > 60 else 0.0
    waves = _draw_waves(radius, rng)
    return Tumour(volume, tuple(lobes), waves, 0.13, necrosis, clinical.t_stage == "2-4")


def paint_uterus(canvas: Canvas, uterus: Uterus) -> None:
    """Paint the organ without its tumour."""
    canvas.paint(uterus.corpus, Tissue.MYOMETRIUM)
    canvas.paint(uterus.cervix, Tissue.CERVIX)
    inner = uterus.collection or uterus.cavity
    corpus = (Tissue.MYOMETRIUM, Tissue.CERVIX)
    canvas.paint(inner.shrunk(-4.0), Tissue.JUNCTIONAL, only=corpus)
    canvas.paint(uterus.canal, Tissue.MUCOSA)
    canvas.paint(inner, Tissue.ENDOMETRIUM)
    if uterus.collection is not None:
        canvas.paint(uterus.collection.shrunk(1.8), Tissue.HAEMATOMETRA)
    for clot in uterus.clots:
        canvas.paint(clot, Tissue.HAEMATOMETRA)
    for leiomyoma in uterus.leiomyomas:
        canvas.paint(leiomyoma, Tissue.LEIOMYOMA)
    for cyst in uterus.cysts:
        canvas.paint(cyst, Tissue.FLUID, only=(Tissue.CERVIX,))


def paint_tumour(canvas: Canvas, uterus: Uterus, sample_ml: float, x_range: tuple[float, float]) -> NDArray[np.bool_]:
    """Paint the tumour and return where it is (shape of the labels), necrosis included.

    The lobes' level set is taken at the value that encloses the drawn volume, counted in samples
    of `sample_ml`, so the volume holds whatever the shape. It is kept within `x_range` (mm), the
    part of the stack that leaves a free slice on each side, and off bone and gas.
    """
    tumour, grid = uterus.tumour, canvas.grid
    inside = np.zeros(grid.shape, bool)
    reach = np.full(3, 2.6 * tumour.radius + 4.0)
    box = grid.box(tumour.centre - reach, tumour.centre + reach)
    if box is None:
        return inside
    points = grid.points(box)
    level = np.min([lobe.level(points) for lobe in tumour.lobes], axis=0)
    ripple = sum(
        np.cos(sum(np.float32(k) * p for k, p in zip(wave, points, strict=False)) + wave[3])
        for wave in tumour.waves.astype(np.float32)
    )
    level *= 1 + np.float32(tumour.roughness) * ripple
    allowed = _allowed(canvas, uterus, box) & (points[0] > x_range[0]) & (points[0] < x_range[1])
    count = min(round(tumour.volume_ml / sample_ml), int(allowed.sum()))
    if count == 0:
        return inside
    threshold = np.partition(level[allowed], count - 1)[count - 1]
    inside[box] = _largest_part(allowed & (level <= threshold))
    canvas.labels[inside] = Tissue.TUMOUR
    _paint_necrosis(canvas, tumour, box, inside[box], ripple)
    return inside


def _largest_part(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected part: islands that an organ's surface cuts off are no tumour."""
    parts, count = ndimage.label(inside)
    if count < 2:
        return inside
    return parts == np.bincount(parts.ravel())[1:].argmax() + 1


def _allowed(canvas: Canvas, uterus: Uterus, box: Box) -> NDArray[np.bool_]:
    """Return where the tumour may grow: one of the corpus stays within the wall unless it invades."""
    hard = (Tissue.AIR, Tissue.MARROW, Tissue.CORTEX, Tissue.DISC, Tissue.URINE, Tissue.STOOL)
    allowed = ~np.isin(canvas.labels[box], hard)
    if uterus.anatomy == "uterus":
        limit = 1.1 if uterus.tumour.invades else 0.88
        allowed &= uterus.corpus.scaled(limit).level(canvas.grid.points(box)) <= 1
    return allowed


def _paint_necrosis(canvas: Canvas, tumour: Tumour, box: Box, inside: NDArray, ripple: NDArray) -> None:
    """Paint necrotic pockets where the waves are highest."""
    if tumour.necrosis == 0 or not inside.any():
        return
    threshold = np.quantile(ripple[inside], 1 - tumour.necrosis)
    canvas.labels[box][inside & (ripple > threshold)] = Tissue.NECROSIS
