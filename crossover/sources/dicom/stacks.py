"""Planes -> stacks: what of a series forms one volume, and whether it does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import SimpleITK as sitk

from crossover.core.wording import counted, first_few
from crossover.imaging.grids import PLANES
from crossover.sources.dicom.diffusion import NONE
from crossover.sources.dicom.header import IMAGES, Frame, Instance
from crossover.sources.dicom.pixel_data import MAX_VALUES
from crossover.sources.findings import Refused

MIN_SLICES = 3
ALIKE_COSINE, ALIKE_SPACING_MM = 1e-3, 1e-4
"""By how much direction cosines and pixel spacing may differ in a volume: headers are rounded."""
EVEN_MM = 0.051
"""By how much a slice may lie off a regular grid, or 2% of the slices' distance: headers are rounded."""
ASIDE_MM = 0.1
"""By how much slices may be shifted in their plane."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of one series that differ in nothing but their place, sorted along their normal."""

    planes: tuple[tuple[Instance, Frame], ...]

    @property
    def instance(self) -> Instance:
        """The file of the first plane."""
        return self.planes[0][0]

    @property
    def frame(self) -> Frame:
        """The first plane."""
        return self.planes[0][1]

    @property
    def plane(self) -> str:
        """The anatomical plane that the images are nearest to."""
        if not self.frame.orientation:
            return "unknown"
        return PLANES[int(np.abs(axes(self.frame)[2]).argmax())]

    @cached_property
    def placed(self) -> bool:
        """Whether all planes have a position and an orientation."""
        return all(f.position and f.orientation and f.spacing for _, f in self.planes)

    @cached_property
    def places(self) -> np.ndarray:
        """The positions of the planes along the normal in mm."""
        return np.array([along(frame) for _, frame in self.planes])

    def files(self) -> list[str]:
        """Return the tokens of the files that the planes are from, each once."""
        return list(dict.fromkeys(instance.file.token for instance, _ in self.planes))

    def describe(self) -> str:
        """Describe it in numbers and closed words only: "MR axial 19 x 384 x 384, 3 x 0.5 x 0.5 mm, series 4"."""
        i, f = self.instance, self.frame
        text = f"{i.modality} {self.plane} {len(self.planes)} x {i.rows} x {i.columns}"
        if self.placed:
            step = abs(float(np.median(np.diff(self.places)))) if len(self.planes) > 1 else 0.0
            text += f", {step:.3g} x {f.spacing[0]:.3g} x {f.spacing[1]:.3g} mm"
        d = f.diffusion
        if d.b_value is not None and d.origin != "map":
            text += f", b {d.b_value:g}" + (", trace" if d.isotropic else "")
        text += f", {d.origin}" if d.origin != "measured" else ""
        for word in ("ADC", "LOCALIZER", "MPR", "MOSAIC"):
            text += f", {word.lower()}" if word in f.kinds else ""
        # Some workstations number series by the date, which tells when somebody was there.
        return text + (f", series {i.series_number}" if 0 <= i.series_number < 100_000 else "")


def axes(frame: Frame) -> np.ndarray:
    """Return three rows of unit vectors (patient axes): along a row, along a column, and the normal."""
    row, column = np.reshape(frame.orientation, (2, 3))
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    turned = np.stack([row, column, np.cross(row, column)])
    return np.where(np.abs(turned) < 1e-15, 0.0, turned)  # ITK can't invert what is all but zero


def along(frame: Frame) -> float:
    """Return the position of a plane along its normal, in mm."""
    return float(axes(frame)[2] @ np.array(frame.position))


def stacks(instances: Iterable[Instance]) -> list[Stack]:
    """Return all stacks of the images among `instances`; each plane is in one of them.

    Planes of a series are divided by orientation, matrix, kind and b-value, then, where several lie at one
    place, by the first of direction, echo, time point and acquisition that separates them.
    """
    groups: dict[tuple, list[tuple[Instance, Frame]]] = defaultdict(list)
    for instance, frame in _known_zeros([i for i in instances if i.modality in IMAGES and i.pixels]):
        groups[_key(instance, frame)].append((instance, frame))
    found = [Stack(tuple(part)) for group in groups.values() for alike in _alike(group) for part in _parted(alike)]
    return sorted(found, key=lambda s: (s.instance.series_number, s.instance.series, s.describe()))


def _known_zeros(instances: Sequence[Instance]) -> Iterator[tuple[Instance, Frame]]:
    """Yield all planes; a b-value of 0 stays where the image, or others of its series, show a diffusion measurement.

    A derived image is known by others of its own kind only: maps stand in one series with their sources.
    """
    weighted: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for i in instances:
        kinds = {f.kinds for f in i.frames if f.diffusion.b_value and f.diffusion.origin == "measured"}
        weighted[i.series] |= kinds
    for i in instances:
        mates = weighted[i.series]
        for f in i.frames:
            d = f.diffusion
            if d.b_value == 0 and d.origin == "measured" and d.known_by != "header":
                if f.kinds in mates or (mates and "DERIVED" not in f.kinds):
                    d = d._replace(known_by="header")
                elif not d.known_by:
                    d = NONE
                f = replace(f, diffusion=d)
            yield i, f


def _key(i: Instance, f: Frame) -> tuple:
    d = f.diffusion
    return (
        i.series, i.frame_of_reference, i.rows, i.columns, i.samples, f.kinds,
        d.b_value, d.isotropic, d.origin, not f.position,
    )  # fmt: skip


def _alike(group: list[tuple[Instance, Frame]]) -> list[list[tuple[Instance, Frame]]]:
    """Divide planes into parts of one orientation and pixel spacing each."""
    parts: list[list[tuple[Instance, Frame]]] = []
    for plane in group:
        own = next((p for p in parts if same_view(p[0][1], plane[1])), None)
        if own is None:
            parts.append([plane])
        else:
            own.append(plane)
    return parts


def same_view(a: Frame, b: Frame) -> bool:
    """Return whether orientation and pixel spacing differ by no more than rounding."""
    turned = _apart(a.orientation, b.orientation) <= ALIKE_COSINE
    return turned and _apart(a.spacing, b.spacing) <= ALIKE_SPACING_MM


def _apart(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    if not a or not b:
        return 0.0 if a == b else np.inf
    return max(abs(x - y) for x, y in zip(a, b))


def _parted(group: list[tuple[Instance, Frame]]) -> list[list[tuple[Instance, Frame]]]:
    if not all(f.position and f.orientation for _, f in group):
        return [group]
    group = sorted(group, key=lambda p: (_place(p[1]), p[0].number, p[0].uid, p[1].index))
    places = Counter(_place(frame) for _, frame in group)
    if len(places) == 1 or max(places.values()) == 1:
        return [group]
    for k in range(len(group[0][1].repeat)):
        parts: dict[str, list] = defaultdict(list)
        for plane in group:
            parts[plane[1].repeat[k]].append(plane)
        if len(parts) > 1 and all(_whole(part, places) for part in parts.values()):
            return list(parts.values())
    if len(set(places.values())) == 1:  # the k-th image at each place is the k-th measurement
        times = max(places.values())
        return [group[k::times] for k in range(times)]
    return [group]


def _place(frame: Frame) -> int:
    """Return the position along the normal in micrometres."""
    return round(along(frame) * 1000)


def _whole(part: Sequence[tuple[Instance, Frame]], places: Collection[int]) -> bool:
    """Return whether the part has each place once."""
    return Counter(_place(frame) for _, frame in part) == dict.fromkeys(places, 1)


def grid(stack: Stack) -> sitk.Image:
    """Return the stack's grid as an image without values: index (column, row, slice) to patient mm.

    Raises:
        Refused: where the planes form no regular volume, saying which of the known ways it is.
    """
    _refuse_what_is_no_measurement(stack)
    n, files = len(stack.planes), stack.files()
    placed = [f for _, f in stack.planes if f.position and f.orientation and f.spacing]
    if len(placed) < n:
        what = f"{n - len(placed)} of {n} images lack position, orientation or pixel spacing"
        raise Refused("no-geometry", what, files)
    steps = np.diff(stack.places)
    if n > 1 and np.ptp(stack.places) < 1e-3:
        raise Refused("one-position", f"all {n} images have the same position, as in a time series", files)
    if (count := n * stack.instance.rows * stack.instance.columns) > MAX_VALUES:
        raise Refused("too-large", f"the volume has {count} pixels", files)
    if n < MIN_SLICES:
        raise Refused("too-few-slices", f"{counted(n, 'slice')}; a volume has {MIN_SLICES} or more", files)
    if (steps < 1e-3).any():
        what = f"{int((steps < 1e-3).sum())} of {n} slices have the same position as another"
        raise Refused("doubled-slice", what, files)
    step = _even_step(stack, steps)
    _refuse_shear(stack, step)
    image = sitk.Image([stack.instance.columns, stack.instance.rows, n], sitk.sitkUInt8)
    row_mm, column_mm = stack.frame.spacing
    image.SetSpacing((column_mm, row_mm, step))
    image.SetOrigin(stack.frame.position)
    image.SetDirection(axes(stack.frame).T.ravel().tolist())
    return image


def alternates(values: Sequence[object]) -> bool:
    """Return whether a few values change from slice to slice and come back, as where two measurements are interleaved.

    Values of parts that lie end to end don't come back.
    """
    changes, different = sum(a != b for a, b in pairwise(values)), len(set(values))
    return different <= changes and different <= len(values) // 2 and 2 * changes >= len(values) - 1


def _refuse_what_is_no_measurement(stack: Stack) -> None:
    i, files = stack.instance, stack.files()
    if i.mosaic:
        what = f"{counted(len(files), 'Siemens mosaic')} that cannot be divided into slices: {i.mosaic}"
        raise Refused("mosaic", what, files)
    if i.samples != 1:
        raise Refused("colour", f"each pixel has {i.samples} values", files)
    if i.palette:
        what = f"the pixels of {counted(len(files), 'image')} are numbers of colours in a palette"
        raise Refused("colour", what, files)
    if burnt := [j.file.token for j, _ in stack.planes if j.burnt_in]:
        what = f"{counted(len(burnt), 'image')} with BurnedInAnnotation YES in the header"
        raise Refused("burnt-in", what, burnt)


def _even_step(stack: Stack, steps: np.ndarray) -> float:
    """Return the distance between neighbouring slices in mm."""
    n = len(stack.planes)
    regular = (stack.places[-1] - stack.places[0]) / (n - 1)
    off = np.abs(stack.places - stack.places[0] - regular * np.arange(n)).max()
    if off <= max(EVEN_MM, 0.02 * regular):
        return float(regular)
    times = steps / steps.min()
    if times.max() < 20 and np.abs(times - times.round()).max() < 0.05:
        gaps = [k for k in range(n - 1) if times[k] > 1.5]
        lost = round(float(times.sum())) + 1 - n
        where = [f"{stack.places[k]:.1f} and {stack.places[k + 1]:.1f} mm" for k in gaps]
        what = f"{counted(lost, 'slice')} missing, at positions between {first_few(where, 3, '; ', 'gaps')}"
        raise Refused("missing-slice", what, stack.files())
    found = [f"{s:.2f}" for s in sorted({round(float(s), 2) for s in steps})]
    what = f"the distances between slices, in mm, are {first_few(found, 6)}"
    raise Refused("uneven-slices", what, stack.files())


def _refuse_shear(stack: Stack, step: float) -> None:
    """Refuse slices of a tilted gantry, which shifts each slice against its neighbour, in the plane."""
    places = np.array([f.position for _, f in stack.planes])
    turned = axes(stack.frame)
    aside = float(np.abs((places - places[0]) @ turned[:2].T).max())
    if aside > ASIDE_MM:
        angle = np.degrees(np.arctan2(aside, step * (len(places) - 1)))
        what = f"the slices are shifted by up to {aside:.1f} mm within their planes ({angle:.1f}°)"
        tilt_deg = stack.instance.tilt_deg
        what += f"; the header gives a gantry tilt of {tilt_deg:g}°" if tilt_deg else ""
        raise Refused("gantry-tilt", what, stack.files())
