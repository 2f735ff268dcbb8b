"""RTSTRUCT: regions of interest as contours in mm, and as voxels of an image.

Contours are turned into voxels plane by plane. Each plane of contours stands for a slab that reaches
half-way to the next plane, and at the ends as far; a voxel is inside where its centre, moved along
the normal on its slab's plane, lies inside that plane's contours. With contours on every slice of
the image, that is each slice filled by its own contours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from skimage.measure import points_in_poly

from crossover.core.wording import counted
from crossover.sources.dicom.elements import numbers
from crossover.sources.dicom.raster import rasterise
from crossover.sources.dicom.rings import overlaps, without_copies
from crossover.sources.findings import Finding, Refused

CLOSED = ("CLOSEDPLANAR", "CLOSEDPLANARXOR")
"""The types of closed contours by their letters: the standard has CLOSEDPLANAR_XOR beside CLOSED_PLANAR, and files mix
the two."""
FLAT = 0.1
"""The most that a contour may leave its plane, or a plane lie off a slice to count as on it, in voxels along the
normal."""
SPREAD_MM = 10.0
"""Contours farther apart aren't joined: nothing is known of what lies between them."""
GAP = 1.25
"""A distance of more than this many typical ones is a gap."""
FAR_MM = 1e6
CODES = "RTROIIdentificationCodeSequence"


class Contour(NamedTuple):
    """Points (n, 3) in patient mm, (3006,0050), and their ContourGeometricType, (3006,0042)."""

    points: NDArray[np.float64]
    kind: str

    @property
    def typed_closed(self) -> bool:
        """Whether it is of a closed type."""
        return "".join(filter(str.isalpha, self.kind.upper())) in CLOSED

    @property
    def closed(self) -> bool:
        """Whether it encloses an area: it is of a closed type, and has three points or more."""
        return self.typed_closed and len(self.points) > 2


@dataclass(frozen=True)
class Roi:
    """A region of interest: its number, (3006,0022), and what is drawn of it."""

    number: int
    name: str
    frame_of_reference: str
    contours: list[Contour]
    descriptions: tuple[str, ...] = ()
    """The ROIDescription (3006,0028) and ROIObservationLabel (3006,0085)."""
    kind: Dataset | None = None
    """What it is by a code, the item of RTROIIdentificationCodeSequence (3006,0086)."""
    colour: tuple[int, ...] = ()
    """ROIDisplayColor (3006,002A): red, green, blue; empty where it has none."""
    reader: str = ""
    """ROIInterpreter (3006,00A6)."""
    shared: str = ""
    """What else has its number, so that contours can't be assigned; "" where nothing has."""


class _Plane(NamedTuple):
    """Contours of one plane: its place along the normal in mm, its slab [low, high), its rings (n, 3)."""

    position: float
    low: float
    high: float
    rings: list[NDArray[np.float64]]


def rois(dataset: Dataset) -> list[Roi]:
    """Return all regions of interest of an RTSTRUCT, in the order of StructureSetROISequence (3006,0020).

    It never raises for what is missing: a region without contours has none, an unknown frame of reference is
    "". Coordinates that are not numbers, or too few for the last point, become NaN.
    """
    frames = dataset.get("ReferencedFrameOfReferenceSequence") or [dataset]
    frame = str(frames[0].get("FrameOfReferenceUID") or "")
    drawn: dict[int, list[list[Contour]]] = defaultdict(list)
    colours: dict[int, tuple[int, ...]] = {}
    for item in dataset.get("ROIContourSequence") or []:
        colours.setdefault(
            _number(item, "ReferencedROINumber"), tuple(map(int, numbers(item, "ROIDisplayColor", 3) or ()))
        )
        if contours := [_contour(c) for c in item.get("ContourSequence") or []]:
            drawn[_number(item, "ReferencedROINumber")].append(contours)
    items = dataset.get("StructureSetROISequence") or []
    observed = {_number(item, "ReferencedROINumber"): item for item in dataset.get("RTROIObservationsSequence") or []}
    times = Counter(_number(item, "ROINumber") for item in items)
    return [
        Roi(
            number=number,
            name=str(item.get("ROIName") or ""),
            frame_of_reference=str(item.get("ReferencedFrameOfReferenceUID") or frame),
            contours=[c for contours in drawn[number] for c in contours] if number >= 0 else [],
            descriptions=_descriptions(item, observed.get(number)),
            kind=next(iter((observed.get(number) or {}).get(CODES) or []), None),
            colour=colours.get(number, ()),
            reader=str((observed.get(number) or {}).get("ROIInterpreter") or ""),
            shared=_shared(times[number], len(drawn[number])),
        )
        for item in items
        for number in [_number(item, "ROINumber")]
    ]


def _descriptions(item: Dataset, observed: Dataset | None) -> tuple[str, ...]:
    texts = (item.get("ROIDescription"), (observed or Dataset()).get("ROIObservationLabel"))
    return tuple(str(text) for text in texts if text)


def _shared(regions: int, parts: int) -> str:
    """Return what of a region's number is not its own: regions of that number, and sets of contours for it."""
    if not parts or (regions, parts) == (1, 1):
        return ""
    return f"{counted(regions, 'structure')} and {counted(parts, 'set')} of contours with its ROI number"


def unclaimed_contours(dataset: Dataset) -> list[Finding]:
    """Warn of contours in an RTSTRUCT for ROI numbers that none of its structures has."""
    known = {_number(i, "ROINumber") for i in dataset.get("StructureSetROISequence") or []} - {-1}
    drawn = dataset.get("ROIContourSequence") or []
    loose = [i for i in drawn if i.get("ContourSequence")]
    loose = [i for i in loose if _number(i, "ReferencedROINumber") not in known]
    contours = sum(len(i.ContourSequence) for i in loose)
    what = f"{contours} contours in {counted(len(loose), 'set')} with an ROI number that no structure has"
    return [Finding("numbers-unknown", what)] if loose else []


def _number(item: Dataset, keyword: str) -> int:
    try:
        return int(item.get(keyword))
    except (TypeError, ValueError):
        return -1


def _contour(item: Dataset) -> Contour:
    # Undecoded bytes: pydicom takes five times as long to make decimals of them.
    element = item.get_item("ContourData") if "ContourData" in item else None
    value: Any = None if element is None else element.value
    if isinstance(value, bytes):
        value = value.split(b"\\") if value.strip(b" \0") else None
    try:
        found = np.atleast_1d(np.array([] if value is None else value)).astype(float)
    except (TypeError, ValueError):
        found = np.full(1, np.nan)
    whole = np.append(found, np.full(-len(found) % 3, np.nan))
    return Contour(whole.reshape(-1, 3), str(item.get("ContourGeometricType") or ""))


def roi_mask(roi: Roi, grid: sitk.Image) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Draw a region of interest as voxels (slices, rows, columns) of an image; return them with the findings.

    Inside is even-odd over all closed contours of a plane, see `raster.rasterise`; a contour that is there
    twice counts once, see `rings.without_copies`. Planes may lie along any axis of the grid, oblique to it, or between
    its slices; a contour within `FLAT` of a slice is on it. Planes up to `SPREAD_MM` apart are joined
    half-way; where one is missing in between, or there are fewer than three, the gap stays empty. The mask
    may be empty.

    Raises:
        Refused: numbers-shared, structure-empty (no closed contour), structure-outside, structure-refused
        (coordinates that are not numbers or all zero; contours that aren't flat or not parallel),
            contours-redrawn (one outline twice on a plane, not quite the same).
    """
    if roi.shared:
        raise Refused("numbers-shared", roi.shared)
    rings, left_out = _closed(roi)
    lines = [_to_index(c.points, grid) for c in roi.contours if not c.closed and len(c.points) > 2]
    index = [_to_index(ring, grid) for ring in rings]
    findings = _leaving(index, grid)
    mask = np.zeros(grid.GetSize()[::-1], bool)
    spacing = np.array(grid.GetSpacing())
    rings = [ring * spacing for ring in index]
    bends = np.max([np.ptp(ring, axis=0) for ring in index], axis=0)
    axis = next((a for a in (2, 1, 0) if bends[a] <= 2 * FLAT), None)
    normal = _normal(rings, spacing) if axis is None else np.eye(3)[axis]
    # The extent of a voxel along the normal: along an axis its spacing.
    own = float(np.linalg.norm(normal * spacing))
    planes, missing = _planes(rings, normal, own)
    planes, repeated = _each_once(planes, normal, float(spacing.min()))
    findings += repeated
    findings += _left_out(left_out, [line * spacing for line in lines], planes, normal, own)
    fill = _fill_oblique if axis is None else _fill_along
    reach, thin = fill(mask, planes, normal, spacing)
    if thin:
        what = f"the contours of {counted(thin, 'plane')} of {len(planes)} enclose no voxel's centre"
        findings.append(Finding("contours-lost", what))
    if reach > FLAT * own:
        apart = f"voxels are filled from contours up to {reach:.2f} mm away along the normal"
        findings.append(Finding("contours-spread", f"{apart}; a voxel measures {own:.2f} mm in this direction"))
    if missing:
        gaps = f"{counted(missing, 'gap')} between {len(planes)} planes of contours"
        findings.append(Finding("contours-skip", gaps))
    return mask, findings


def _closed(roi: Roi) -> tuple[list[NDArray[np.float64]], str]:
    """Return the points of the closed contours, (n, 3) in mm, and words that count the others, "" for none."""
    closed = [c for c in roi.contours if c.closed]
    rings = [c.points for c in closed]
    few = sum(c.typed_closed for c in roi.contours) - len(closed)
    passed = len(roi.contours) - len(closed)
    what = f"{passed} of {len(roi.contours)} contours left out: {few} with fewer than three points"
    what += f", {passed - few} not of a closed type"
    if not rings:
        raise Refused("structure-empty", what if passed else "it has no contours")
    bad = sum(not (np.abs(ring) < FAR_MM).all() for ring in rings)  # NaN is not less either
    if bad:
        what = f"{counted(bad, 'contour')} with coordinates that are missing, not numbers, or {FAR_MM:,.0f} mm or more"
        raise Refused("structure-refused", what)
    zero = sum(not ring.any() for ring in rings)
    if zero:
        raise Refused("structure-refused", f"{counted(zero, 'contour')} with only zeros as coordinates")
    return rings, what if passed else ""


def _to_index(points: NDArray[np.float64], grid: sitk.Image) -> NDArray[np.float64]:
    """Return points in patient mm as continuous voxel index (x, y, z); both (n, 3)."""
    direction = np.reshape(grid.GetDirection(), (3, 3))
    return (points - grid.GetOrigin()) @ direction / grid.GetSpacing()


def _leaving(index: Sequence[NDArray], grid: sitk.Image) -> list[Finding]:
    """Warn of contours (voxel index) that leave the image, whose voxels count to their outer faces."""
    last = np.array(grid.GetSize()) - 0.5
    low, high = (np.array([f(i, axis=0) for i in index]) for f in (np.min, np.max))
    if (high.max(axis=0) < -0.5).any() or (low.min(axis=0) > last).any():
        raise Refused("structure-outside", f"all of its {len(index)} contours are outside the image")
    beyond = np.maximum(-0.5 - low, high - last).clip(0)
    out = (beyond > FLAT / 10).any(axis=1).sum()
    most = (beyond * grid.GetSpacing()).max()
    what = f"{out} of its {len(index)} contours extend beyond the image, by up to {most:.1f} mm"
    return [Finding("structure-clipped", what)] if out else []


def _normal(rings: Sequence[NDArray], spacing: NDArray) -> NDArray[np.float64]:
    """Return the common normal of rings (n, 3) in mm along the grid's axes.

    Raises:
        Refused: where rings aren't flat or not parallel.
    """
    areas = [np.cross(r - r[0], np.roll(r, -1, axis=0) - r[0]).sum(axis=0) for r in rings]
    normal = np.linalg.eigh(np.einsum("ri,rj->ij", areas, areas))[1][:, -1]
    normal *= np.sign(normal[np.abs(normal).argmax()])
    own = np.linalg.norm(normal * spacing)
    bent = sum(np.ptp(ring @ normal) > 2 * FLAT * own for ring in rings)
    if bent:
        what = f"{bent} of its {len(rings)} contours are not flat, or not parallel to the others"
        raise Refused("structure-refused", what)
    return normal


def _planes(rings: Sequence[NDArray], normal: NDArray, own: float) -> tuple[list[_Plane], int]:
    """Return rings (n, 3) in mm as planes with their slabs, from low to high, and the number of gaps."""
    places = np.array([float((ring @ normal).mean()) for ring in rings])
    order = np.argsort(places, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(places[order]) > FLAT * own) + 1)
    positions = np.array([places[g].mean() for g in groups])
    if max(np.ptp(places[g]) for g in groups) > 2 * FLAT * own:
        what = f"its {len(rings)} contours are too close to each other to be assigned to planes"
        raise Refused("structure-refused", what)
    gaps = np.diff(positions)
    typical = float(np.median(gaps)) if len(gaps) else own
    # Two planes don't show a regular distance, and far ones nothing of what lies between them.
    if len(gaps) < 2 or typical > SPREAD_MM:
        typical = min(typical, own)
    wide = gaps > GAP * typical
    middle = positions[:-1] + gaps / 2
    low = np.append(positions[0] - typical / 2, np.where(wide, positions[1:] - typical / 2, middle))
    high = np.append(np.where(wide, positions[:-1] + typical / 2, middle), positions[-1] + typical / 2)
    # A slice half-way between two planes goes to the upper, whatever the decimals say.
    low, high = low - 1e-3 * own, high - 1e-3 * own
    return [
        _Plane(p, a, b, [rings[i] for i in group]) for p, a, b, group in zip(positions, low, high, groups, strict=True)
    ], int(wide.sum())


def _left_out(
    said: str, lines: Sequence[NDArray], planes: Sequence[_Plane], normal: NDArray, own: float
) -> list[Finding]:
    """Tell of contours that enclose nothing: a warning where the structure lacks something without them.

    Args:
        said: how many they are; "" for none.
        lines: those with three points or more, (n, 3) in mm.
    """
    positions = np.array([plane.position for plane in planes])
    places = [float((line @ normal).mean()) for line in lines]
    bare = {round(place / own) for place in places if np.abs(positions - place).min() > FLAT * own}
    rings = sum(np.allclose(line[0], line[-1]) for line in lines)
    if not (rings or bare):
        return [Finding("contours-passed", said)] if said else []
    what = (
        f"{said}; the last point of {rings} of them is the first; {counted(len(bare), 'plane')} with no other contour"
    )
    return [Finding("contours-lost", what)]


def _each_once(planes: Sequence[_Plane], normal: NDArray, pixel: float) -> tuple[list[_Plane], list[Finding]]:
    """Leave out the rings that stand on their plane already; return the planes, and findings of copies and overlaps.

    Raises:
        Refused: contours-redrawn.
    """
    basis = np.linalg.svd(normal[None])[2][1:].T  # (3, 2), two directions within the planes
    out, copies, redrawn, partly = [], 0, 0, 0
    for plane in planes:
        flat = [ring @ basis / pixel for ring in plane.rings]
        kept = without_copies(flat, FLAT)
        twice, part = overlaps([flat[k] for k in kept])
        copies, redrawn, partly = copies + len(flat) - len(kept), redrawn + twice, partly + part
        out.append(plane._replace(rings=[plane.rings[k] for k in kept]))
    if redrawn:
        what = f"{counted(redrawn, 'pair')} of contours that are nearly the same and in the same plane"
        raise Refused("contours-redrawn", what)
    findings = []
    if copies:
        what = f"{counted(copies, 'contour')} repeating another in the same plane: each counts once"
        findings.append(Finding("contours-doubled", what))
    if partly:
        what = f"{counted(partly, 'pair')} of contours that overlap in part: the area within both counts as outside"
        findings.append(Finding("contours-overlap", what))
    return out, findings


def _fill_along(
    mask: NDArray[np.bool_], planes: Sequence[_Plane], normal: NDArray, spacing: NDArray
) -> tuple[float, int]:
    """Fill a mask from planes along an axis of the grid.

    Return the farthest in mm that a voxel was filled from, and how many planes have slices and fill no voxel of them.
    """
    axis = int(normal.argmax())
    across = [a for a in range(3) if a != axis]
    layers = np.moveaxis(mask, 2 - axis, 0)
    places = np.arange(len(layers)) * spacing[axis]
    farthest, thin = 0.0, 0
    for plane in planes:
        ks = np.flatnonzero((places >= plane.low) & (places < plane.high))
        if len(ks):
            rings = [(ring / spacing)[:, across] for ring in plane.rings]
            layers[ks] = filled = rasterise(rings, layers.shape[1:])
            farthest = max(farthest, float(np.abs(places[ks] - plane.position).max()))
            thin += not filled.any()
    return farthest, thin


def _fill_oblique(
    mask: NDArray[np.bool_], planes: Sequence[_Plane], normal: NDArray, spacing: NDArray
) -> tuple[float, int]:
    """Fill a mask from oblique planes; return as `_fill_along`, where slabs thinner than a voxel have no slices."""
    basis = np.linalg.svd(normal[None])[2][1:].T  # (3, 2), two directions within the planes
    flat = [[ring @ basis for ring in plane.rings] for plane in planes]
    low, high, positions = (np.array([p[i] for p in planes]) for i in (1, 2, 0))
    x, y, z = _around(planes, normal, spacing, mask.shape[::-1])
    farthest, seen, filled = 0.0, *np.zeros((2, len(planes)), bool)
    for k in z:
        rows, columns = (i.ravel() for i in np.meshgrid(y, x, indexing="ij"))
        depth = columns * (normal[0] * spacing[0]) + rows * (normal[1] * spacing[1])
        depth += k * (normal[2] * spacing[2])
        plane = np.searchsorted(low, depth, side="right") - 1
        plane[depth >= high[plane]] = -1
        order = np.argsort(plane, kind="stable")
        cuts = np.flatnonzero(np.diff(plane[order])) + 1
        for some in np.split(order, cuts):
            if len(some) and (j := plane[some[0]]) >= 0:
                points = np.column_stack([columns[some], rows[some], np.full(len(some), k)])
                inside = _inside(points * spacing @ basis, flat[j])
                mask[k, rows[some], columns[some]] = inside
                seen[j], filled[j] = True, filled[j] | inside.any()
                far = np.abs(depth[some] - positions[j])[inside]
                farthest = max(farthest, float(far.max(initial=0)))
    thick = high - low > 0.99 * np.linalg.norm(normal * spacing)
    return farthest, int((thick & seen & ~filled).sum())


def _around(planes: Sequence[_Plane], normal: NDArray, spacing: NDArray, size: Sequence[int]) -> list[NDArray[np.int_]]:
    """Return the voxels along each axis that the slabs may reach."""
    thick = max(plane.high - plane.low for plane in planes) * np.abs(normal)
    low = np.min([ring.min(axis=0) for plane in planes for ring in plane.rings], axis=0) - thick
    high = np.max([ring.max(axis=0) for plane in planes for ring in plane.rings], axis=0) + thick
    first, last = np.floor(low / spacing).astype(int), np.ceil(high / spacing).astype(int)
    return [np.arange(max(a, 0), min(b + 1, n)) for a, b, n in zip(first, last, size)]


def _inside(points: NDArray, rings: Sequence[NDArray]) -> NDArray[np.bool_]:
    """Return which points (n, 2) lie inside rings (m, 2) by the even-odd rule."""
    inside = np.zeros(len(points), bool)
    for ring in rings:
        near = ((points >= ring.min(axis=0)) & (points <= ring.max(axis=0))).all(axis=1)
        inside[near] ^= points_in_poly(points[near], ring)
    return inside
