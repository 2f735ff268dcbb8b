"""What occurs twice: in a case, and one patient under two names, by copies of images and by identifiers written alike.

Copies are images with the same values. They are found whatever the type that values are stored in (whole numbers or
float32) and the order and direction of stored axes. Not found: images that were cropped, resampled, rescaled, or
changed in any voxel; and flipped copies of an image whose planes' sums read the same from both ends.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.core.file_names import WRITTEN_ALIKE
from crossover.core.wording import first_few
from crossover.sources.findings import Finding
from crossover.sources.ingest_report import CaseRecord

EQUAL = 1e-9
"""The largest difference, relative to the largest sum, of sums of planes that count as equal: their order of adding
differs."""


def values_digest(image: sitk.Image) -> str:
    """Return a digest of an image's values as float32, in an order of axes that depends on the values alone."""
    values = sitk.GetArrayViewFromImage(image).astype(np.float32) + np.float32(0)  # -0.0 is 0.0
    rows = values.sum(axis=0, dtype=np.float64)  # of whole numbers all sums are exact, in any order
    sums = [values.sum(axis=(1, 2), dtype=np.float64), rows.sum(axis=1), rows.sum(axis=0)]
    for axis, profile in enumerate(sums):
        if _compared(profile[::-1], profile) < 0:
            values, sums[axis] = np.flip(values, axis), profile[::-1]
    by_profile = functools.cmp_to_key(_order)
    ordered = sorted(range(len(sums)), key=lambda axis: by_profile(sums[axis]))
    digest = sha256(str([len(sums[axis]) for axis in ordered]).encode())
    digest.update(np.ascontiguousarray(values.transpose(ordered)).data)
    return digest.hexdigest()[:24]


def _order(a: NDArray, b: NDArray) -> int:
    return len(a) - len(b) or _compared(a, b)


def _compared(a: NDArray, b: NDArray) -> int:
    """Return which of two profiles has the smaller first value that differs: -1 the first, 1 the second, 0 none."""
    apart = a - b
    differing = np.flatnonzero(np.abs(apart) > EQUAL * np.abs(a).max())
    return int(np.sign(apart[differing[0]])) if len(differing) else 0


def equal_parts(channels: Mapping[str, sitk.Image], structures: Mapping[str, sitk.Image]) -> list[Finding]:
    """Find channels of one case that are equal in every value, and structures with the same voxels."""
    out = []
    for kind, images in (("channel", channels), ("structure", structures)):
        of_sum: dict[float, list[tuple[str, NDArray]]] = defaultdict(list)  # only those of one sum can be equal
        for name, image in images.items():
            values = sitk.GetArrayViewFromImage(image)
            others = of_sum[float(values.sum(dtype=np.float64))]
            first = next((other for other, there in others if np.array_equal(there, values)), "")
            if first:
                out.append(Finding(f"{kind}s-equal", f"it is equal to {kind} {first}", f"{kind} {name}"))
            else:
                others.append((name, values))
    return out


def same_images(records: Mapping[str, CaseRecord]) -> dict[str, list[Finding]]:
    """Find cases whose channel equals another's in every value: one patient under two names, or a copy."""
    out: dict[str, list[Finding]] = defaultdict(list)
    holders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for case, record in records.items():
        for channel, values in record["images"].items():
            holders[values].append((case, channel))
    for own in (o for o in holders.values() if len({case for case, _ in o}) > 1):
        for case, channel in own:
            others = sorted({c for c, _ in own} - {case})
            what = f"its values are those of an image of {first_few(others, 5)}"
            out[case].append(Finding("same-image", what, f"channel {channel}"))
    return out


def alike_patients(names: Iterable[tuple[str, str]]) -> list[Finding]:
    """Find patients of one cohort whose identifiers are written alike, so that they may be one person.

    Args:
        names: the pseudonym of each patient, as often as it occurs, with what alike identifiers have in common
            (`alike_name`); "" where that isn't known.
    """
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for patient, alike in names:
        groups[alike][patient] = None
    return [
        Finding("patients-alike", f"patients {' and '.join(own)} may be one: their identifiers {WRITTEN_ALIKE}")
        for alike, own in groups.items()
        if alike and len(own) > 1
    ]
