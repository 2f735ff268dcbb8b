"""The contours of a patient, as a center's protocol draws them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crossover.phantoms.head_neck.centers import CENTERS, Contour, contour_of
from crossover.phantoms.head_neck.organ_shapes import ORGANS, Organs
from crossover.phantoms.head_neck.person import Person
from crossover.phantoms.head_neck.scan import Slab
from crossover.phantoms.head_neck.settings import Center
from crossover.phantoms.kit.canvas import Box, cover, lower
from crossover.phantoms.kit.geometry import Geometry
from crossover.phantoms.kit.shapes import Below, Shape, Union, Within
from crossover.phantoms.kit.tissues import spread_steps

# Where two contours claim a voxel the first of these keeps it: no organ overlaps another.
ORDER = (
    "lens_left",
    "lens_right",
    "optic_nerve_left",
    "optic_nerve_right",
    "pituitary",
    "brainstem",
    "spinal_cord",
    "mandible",
    "parotid_left",
    "parotid_right",
    "temporal_lobe_left",
    "temporal_lobe_right",
)
SIDE = {"left": 1, "right": -1}
PTV_MM = 5.0
ISLAND = 0.2  # a part smaller than this share of the largest is none
LEVEL_SD_MM = 1.0  # how exactly observers agree on a first or last slice


@dataclass
class Contours:
    """Masks (slices, rows, columns) of a stack, which are filled slab by slab."""

    labels: NDArray[np.uint8]  # 0, or 1 + the organ's place in ORGANS
    body: NDArray[np.bool_]
    tumour: NDArray[np.bool_]  # GTV of the primary and the nodes
    target: NDArray[np.bool_]  # PTV around them
    best: dict[str, tuple[float, tuple[int, int, int]]] = field(default_factory=dict)

    def organ(self, name: str) -> NDArray[np.bool_]:
        """Return the mask of one organ."""
        return self.labels == ORGANS.index(name) + 1


@dataclass(frozen=True)
class ContouringPlan:
    """What one observer is going to draw: each organ's shape and protocol, and by how much the observer departs."""

    shapes: dict[str, Shape]
    rules: dict[str, Contour]
    margins: dict[str, float]  # mm
    levels: dict[str, float]  # mm that first and last slices are off


def plan(person: Person, center: Center, rng: np.random.Generator) -> ContouringPlan:
    """Return what an observer of this center draws of a person."""
    observer = CENTERS[center].observer_mm
    rules = {name: contour_of(name, center) for name in ORGANS}
    steps = spread_steps(rng, (2, len(ORGANS)))
    # The eye and the pituitary are too small to be half a millimetre off.
    spread = {n: observer * (0.4 if r.share < 0.5 else 1) for n, r in rules.items()}
    levels = {n: LEVEL_SD_MM * float(s) for n, s in zip(ORGANS, steps[1], strict=True)}
    levels["spinal_cord"] = levels["brainstem"]  # one begins where the other ends
    return ContouringPlan(
        shapes={name: _shape(name, person.organs, rules[name]) for name in ORGANS},
        rules=rules,
        margins={n: rules[n].margin_mm + spread[n] * float(s) for n, s in zip(ORGANS, steps[0], strict=True)},
        levels=levels,
    )


def _shape(name: str, organs: Organs, rule: Contour) -> Shape:
    """Return an organ with its optional parts, cut where the protocol ends it."""
    kind, _, sided = name.rpartition("_")
    side = SIDE.get(sided, 0)
    shape = _bare(kind if side else name, side, organs, rule)
    limits = []
    if rule.ends_y is not None:
        limits.append(Below((0, 1, 0), (0, rule.ends_y, 0)))
    if rule.medial_x is not None:
        limits.append(Below((-side, 0, 0), (side * rule.medial_x, 0, 0)))
    return Within(shape, tuple(limits)) if limits else shape


def _bare(kind: str, side: int, organs: Organs, rule: Contour) -> Shape:
    """Return an organ with its optional parts.

    `side` is 1 on the left, -1 on the right and 0 for one that is single.
    """
    match kind:
        case "brainstem":
            return organs.brainstem
        case "spinal_cord":
            return organs.cord
        case "mandible":
            jaw = organs.jaw
            teeth = jaw.teeth.parts if "teeth" in rule.parts else ()
            return Union((*jaw.bone.parts, *teeth))
        case "pituitary":
            return organs.pituitary
        case "parotid":
            gland = organs.parotids[side]
            accessory = gland.accessory if "accessory" in rule.parts else None
            return Union((gland.main, accessory)) if accessory is not None else gland.main
        case "lens":
            return organs.eyes[side].lens
        case "optic_nerve":
            return organs.eyes[side].nerve
        case "temporal_lobe":
            return organs.temporal_lobes[side]
    raise ValueError(f"no organ {kind!r}")


def empty(geometry: Geometry) -> Contours:
    """Return contours of a stack in which nothing is drawn yet."""
    first, second, third = (np.zeros(geometry.shape, bool) for _ in range(3))
    return Contours(np.zeros(geometry.shape, np.uint8), first, second, third)


def draw(
    person: Person,
    plan: ContouringPlan,
    slab: Slab,
    outside: NDArray[np.float32],
    geometry: Geometry,
    out: Contours,
) -> None:
    """Draw everything on the slices of a slab.

    Args:
        person: whose anatomy it is.
        plan: what the observer draws.
        slab: the samples of these slices.
        outside: each sample's signed distance to the skin, mm.
        geometry: the whole stack.
        out: where it is drawn.
    """
    for name in ORDER:
        _draw_organ(name, plan, slab, geometry, out)
    inside = slab.pool(outside) < 0
    out.body[slab.window] = inside
    out.labels[slab.window][~inside] = 0
    if person.tumour is not None:
        away = np.full(slab.field.shape, 99, np.float32)
        masses: tuple[Shape, ...] = (person.tumour.primary, *person.tumour.nodes)
        for mass in masses:
            lower(away, mass, slab.field, PTV_MM + 2)
        away = slab.pool(away)
        out.tumour[slab.window] = (away < 0) & inside
        out.target[slab.window] = (away < PTV_MM) & inside


def _draw_organ(name: str, plan: ContouringPlan, slab: Slab, geometry: Geometry, out: Contours) -> None:
    """Draw an organ where no organ that goes before it is drawn."""
    shape, rule, margin = plan.shapes[name], plan.rules[name], plan.margins[name]
    low, high = shape.bounds()
    reach = max(margin, 0) + 2 * rule.smooth_mm + geometry.pixel_mm
    box = slab.field.box(low - reach, high + reach)
    if box is None:
        return
    box = _whole_slices(box, slab.layers)
    distance = shape.distance(slab.field.points(box)) - np.float32(margin)
    share = slab.pool(cover(distance, geometry.pixel_mm))
    width = rule.smooth_mm / geometry.pixel_mm
    share = ndimage.gaussian_filter(share, (0, width, width), truncate=3)
    share[~_levels(rule, plan.levels[name], slab, box)] = 0
    window = _window(slab, box)
    drawn = out.labels[window]
    drawn[(share >= rule.share) & (drawn == 0)] = ORGANS.index(name) + 1
    _remember(name, share, window, out)


def _whole_slices(box: Box, layers: int) -> Box:
    """Return the box with all layers of its slices."""
    first, last = box[0].start // layers, -(-box[0].stop // layers)
    return slice(first * layers, last * layers), box[1], box[2]


def _window(slab: Slab, box: Box) -> Box:
    """Return a box of whole slices of samples as a part of the stack."""
    starts = (part.start for part in slab.window)
    sizes = (slab.layers, 1, 1)
    s, r, c = (
        slice(start + part.start // size, start + part.stop // size)
        for start, part, size in zip(starts, box, sizes, strict=True)
    )
    return s, r, c


def _levels(rule: Contour, off_mm: float, slab: Slab, box: Box) -> NDArray[np.bool_]:
    """Return which slices lie between the protocol's first and last; they are drawn as a whole or not at all."""
    z = slab.field.z[box].mean(axis=(1, 2)).reshape(-1, slab.layers).mean(axis=1)
    top = np.inf if rule.top_z is None else rule.top_z + off_mm
    bottom = -np.inf if rule.bottom_z is None else rule.bottom_z + off_mm
    return (z <= top) & (z >= bottom)


def _remember(name: str, share: NDArray[np.float32], window: Box, out: Contours) -> None:
    """Keep the voxel that the organ fills most."""
    place = np.unravel_index(int(share.argmax()), share.shape)
    most = float(share[place])
    if most > out.best.get(name, (0.0,))[0]:
        first = tuple(part.start for part in window)
        s, r, c = (int(a + b) for a, b in zip(first, place, strict=True))
        out.best[name] = (most, (s, r, c))


def finish(out: Contours) -> None:
    """Take islands away, and give an organ that fills no voxel enough the one that it fills most.

    An observer draws what is known to be there. A thin nerve may be left in two pieces.
    """
    boxes = ndimage.find_objects(out.labels, len(ORGANS))
    for number, (name, box) in enumerate(zip(ORGANS, boxes, strict=True), start=1):
        if box is None:
            if name in out.best:
                out.labels[out.best[name][1]] = number
            continue
        drawn = out.labels[box]
        parts, count = ndimage.label(drawn == number, np.ones((3, 3, 3)))
        if count > 1:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            drawn[(drawn == number) & (sizes[parts] < ISLAND * sizes.max())] = 0
