"""What only shows when the cases of a cohort are compared: other values or planes, and structures exchanged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import TypedDict

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.core.paired_names import pairs_of
from crossover.core.wording import counted
from crossover.sources.findings import Finding

AIR_HU = -500.0
"""The value (HU) below which an image's lowest value shows that it is CT, with air in it."""
SCALE = 100.0
"""The factor by which the size of values must differ from that of the other cases to be told: units of ADC differ by
1,000 or more, and the signals of MR scanners by less than 100."""
SAMPLED = 1_000_000
"""About how many voxels of an image show the size of its values."""
FEWEST = 6
"""The fewest cases of which it can be said how two structures usually lie."""
FAR, NEAR = 6.0, 4.0
"""How many standard deviations a pair of structures must be off what is usual, and how many at most with exchanged
names, to be told."""
LEAST_SD = np.array([np.log(1.5), 5.0, 5.0, 5.0])
"""The smallest standard deviations that count: of the logarithm of two volumes' ratio, and of distances in mm."""


class Values(TypedDict):
    """The values of an image, in short."""

    lowest: float
    highest: float
    size: float
    """The 99th percentile of the magnitudes of those that aren't 0."""
    byte: bool
    """Whether they are stored in 8 bits."""


class StructureExtent(TypedDict):
    """A structure's size and place."""

    ml: float
    centre_mm: list[float]
    """The centroid in patient coordinates: to the left, to the back, to the head."""


def values_of(image: sitk.Image) -> Values:
    """Return what is compared of an image."""
    values = sitk.GetArrayViewFromImage(image)
    some = np.abs(values.reshape(-1)[:: max(1, values.size // SAMPLED)].astype(np.float64))
    size = float(np.percentile(some[some > 0], 99)) if some.any() else 0.0
    byte = image.GetPixelID() in (sitk.sitkUInt8, sitk.sitkInt8)
    return Values(lowest=float(values.min()), highest=float(values.max()), size=size, byte=byte)


def drawn_of(labels: sitk.Image) -> dict[int, StructureExtent]:
    """Return the size and place of each label (whole numbers) but 0, and of the 1 of a mask."""
    values = sitk.GetArrayViewFromImage(labels)
    at = np.nonzero(values)
    present, which, counts = np.unique(values[at], return_inverse=True, return_counts=True)
    centres = [np.bincount(which, weights=axis, minlength=len(present)) / counts for axis in reversed(at)]
    voxel = float(np.prod(labels.GetSpacing())) / 1000
    return {
        int(label): StructureExtent(
            ml=float(f"{int(n) * voxel:.6g}"),
            centre_mm=[round(v, 2) for v in labels.TransformContinuousIndexToPhysicalPoint([*map(float, index)])],
        )
        for label, n, index in zip(present, counts, zip(*centres))
    }


def unlike_values(values: Mapping[str, Values]) -> dict[str, str]:
    """Return case -> how one channel's values are unlike those of most others; cases that are alike don't stand there.

    Told are another unit or scale, by the size of the values; values that are cut off at the ends or no HU where the
    others' are, by the lowest; and 8 bits where the others have more.
    """
    names = [*values]
    sizes = np.log([max(own["size"], 1e-30) for own in values.values()])
    lowest = np.array([own["lowest"] for own in values.values()])
    air = lowest < AIR_HU
    byte = np.array([own["byte"] for own in values.values()])
    out = {}
    for k, name in enumerate(names if len(names) > 1 else []):
        own, rest = values[name], np.arange(len(names)) != k
        usual = float(np.exp(np.median(sizes[rest])))
        if abs(sizes[k] - np.log(usual)) >= np.log(SCALE):
            out[name] = (
                f"its values reach {own['size']:,.4g}, and those of most others {usual:,.4g}: another unit or scale"
            )
        elif air[k] != (air[rest].mean() > 0.5):
            out[name] = (
                f"its lowest value is {own['lowest']:.4g}, and that of most others "
                f"{np.median(lowest[rest]):.4g}: one of them is cut off, or not in HU"
            )
        elif byte[k] and byte[rest].mean() < 0.5:
            out[name] = (
                f"it has 8 bits, from {own['lowest']:g} to {own['highest']:g}, and most others have more: it may have "
                "been rescaled or cut off"
            )
    return out


def exchanged(drawn: Mapping[str, Mapping[str, StructureExtent]]) -> dict[str, list[tuple[str, str]]]:
    """Return case -> pairs of structures whose sizes and places are usual only if their names are exchanged.

    Of each pair, the logarithm of the volumes' ratio and the distance of the centroids along each axis are compared
    with the median of all cases, in standard deviations by the median absolute deviation. An exchange of the names
    changes the sign of all four. A left and a right structure are compared by `crossover.sources.sides`.

    Args:
        drawn: case -> structure -> its size and place; cases may lack some.
    """
    out: dict[str, list[tuple[str, str]]] = defaultdict(list)
    structures = list(dict.fromkeys(name for own in drawn.values() for name in own))
    sides = pairs_of(structures)
    for a, b in combinations(structures, 2):
        if b == sides.get(a) or a == sides.get(b):
            continue
        cases = [case for case, own in drawn.items() if a in own and b in own]
        if len(cases) <= FEWEST:
            continue
        found = np.array([_relation(drawn[case][a], drawn[case][b]) for case in cases])
        usual = np.median(found, axis=0)
        sd = np.maximum(1.4826 * np.median(np.abs(found - usual), axis=0), LEAST_SD)
        as_named, otherwise = ((np.abs(sign * found - usual) / sd).max(axis=1) for sign in (1, -1))
        for k in np.flatnonzero((as_named > FAR) & (otherwise < NEAR) & (otherwise < as_named / 2)):
            out[cases[k]].append((a, b))
    return dict(out)


def _relation(a: StructureExtent, b: StructureExtent) -> NDArray:
    """Return what tells two structures from each other: the logarithm of the volumes' ratio, and the distances (mm)."""
    return np.array([np.log(a["ml"] / b["ml"]), *np.subtract(a["centre_mm"], b["centre_mm"])])


def unlike_planes(planes: Mapping[str, str]) -> dict[str, str]:
    """Return case -> how its slices' plane is unlike that of the others; where no plane has the most, all are told."""
    counts = Counter(planes.values())
    most = max(counts.values(), default=0)
    usual = [plane for plane, n in counts.items() if n == most]
    having = " and ".join(f"{plane} ({n})" for plane, n in counts.most_common())
    return {
        case: f"its slices are {plane}; those of all {len(planes)} are {having}"
        for case, plane in planes.items()
        if len(usual) > 1 or plane != usual[0]
    }


def unlike_segments(segments: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return case -> structure -> how what its file calls the structure is unlike what the others call it.

    Where no name has the most cases, all are told.

    Args:
        segments: case -> structure -> a digest of the name that its file has for the structure's number.
    """
    out: dict[str, dict[str, str]] = defaultdict(dict)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for own in segments.values():
        for structure, name in own.items():
            counts[structure][name] += 1
    usual = {s: [name for name, n in c.items() if n == max(c.values())] for s, c in counts.items()}
    for case, own in segments.items():
        for structure, name in own.items():
            if usual[structure] == [name]:
                continue
            total, alike = counts[structure].total(), counts[structure][name]
            what = f"{alike} of {counted(total, 'file')} with names for segments call this number as its file does"
            others = [s for s, names in usual.items() if s != structure and name in names]
            if others and len(usual[structure]) == 1:
                what += f", and most others give this name to the number of {others[0]}"
            out[case][structure] = what
    return dict(out)


def unlike_cases(
    values: Mapping[str, Mapping[str, Values]],
    drawn: Mapping[str, Mapping[str, StructureExtent]],
    planes: Mapping[str, str],
    segments: Mapping[str, Mapping[str, str]],
) -> dict[str, list[Finding]]:
    """Return case -> findings, of a cohort's cases.

    Args:
        values: case -> channel -> its values.
        drawn: case -> structure -> its size and place.
        planes: case -> the plane of its slices.
        segments: see `unlike_segments`.
    """
    out: dict[str, list[Finding]] = defaultdict(list)
    for channel in dict.fromkeys(name for own in values.values() for name in own):
        of_cases = {case: own[channel] for case, own in values.items() if channel in own}
        for case, what in unlike_values(of_cases).items():
            out[case].append(Finding("values-unlike", what, f"channel {channel}"))
    for case, what in unlike_planes(planes).items():
        out[case].append(Finding("plane-unlike", what))
    for case, told in unlike_segments(segments).items():
        out[case] += [Finding("segments-unlike", what, f"structure {structure}") for structure, what in told.items()]
    for case, pairs in exchanged(drawn).items():
        for a, b in pairs:
            what = (
                f"by size and place, it is what {b} is in most of {counted(len(drawn), 'case')}, and {b} is what it is"
            )
            out[case].append(Finding("structures-exchanged", what, f"structure {a}"))
    return dict(out)
