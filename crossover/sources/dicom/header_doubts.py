"""What the headers of a chosen volume leave in doubt: whether it is one measurement, complete, and in a known unit.

Such headers are often wrong, so nothing is refused by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from crossover.core.wording import counted
from crossover.sources.dicom.stacks import Stack, alternates
from crossover.sources.findings import Finding

SETTINGS = ("AcquisitionNumber", "ConvolutionKernel", "KVP", "EchoTime")
"""The names of `Frame.settings`."""
SUV = ("GML", "G/ML", "CM2ML", "CM2/ML")
"""How the units of standardized uptake values begin: by body weight or lean mass, and by body surface."""
OTHER_UNITS = {"BQML": "Bq/ml", "BQ/ML": "Bq/ml", "CNTS": "counts", "CPS": "counts per second", "PCNT": "per cent"}
"""Other units of a PET that a header may name; no further text of a header is written."""
ROUNDED = 0.05
"""By which part of the smaller distance two may differ and count as equal, or one as a multiple of the other."""


def header_doubts(chosen: Sequence[Stack], there: Sequence[Stack]) -> list[Finding]:
    """Return what headers leave in doubt of the volumes that make a channel, each kind once.

    Args:
        chosen: volumes, whose slices are at even distances.
        there: all stacks of the examination, which hold the other images of the same series.
    """
    found = [f for s in chosen for f in (*_alternating(s), *_incomplete(s, there), *_no_uptake(s))]
    return list({f.code: f for f in found}.values())


def _alternating(stack: Stack) -> list[Finding]:
    columns = zip(SETTINGS, zip(*(frame.settings for _, frame in stack.planes)))
    names = [name for name, values in columns if alternates(values)]
    what = f"from slice to slice, its headers alternate in {' and '.join(names)}"
    return [Finding("slices-alternate", what, files=tuple(stack.files()[:5]))] if names else []


def _incomplete(stack: Stack, there: Sequence[Stack]) -> list[Finding]:
    series = [plane for s in there if s.instance.series == stack.instance.series for plane in s.planes]
    numbers = {instance.number for instance, _ in series}
    said = [text for text in (_lost_between(stack, numbers), _cut(stack, len(series))) if text]
    return [Finding("series-incomplete", "; ".join(said), files=tuple(stack.files()[:5]))] if said else []


def _lost_between(stack: Stack, numbers: set[int]) -> str:
    """Return what says that slices between those of the stack were lost; "" where nothing does.

    Slices that lie evenly lack none, or the same number everywhere. InstanceNumber tells less than the distance: phases
    that were numbered together are exported one by one, too.

    Args:
        numbers: of all images of the series that are here.
    """
    frame, step = stack.frame, float(np.median(np.abs(np.diff(stack.places))))
    apart, thick = frame.apart_mm, frame.thickness
    gap = apart + thick if 0 < apart < thick else 0.0  # some scanners write the gap between slices there
    if any(abs(distance - step) <= ROUNDED * step for distance in (apart, gap)):
        return ""
    times = step / apart if apart else 0.0
    if "DERIVED" not in frame.kinds and times > 1.5 and abs(times - round(times)) <= ROUNDED:
        return f"slices are {step:.3g} mm apart, {round(times)} times the SpacingBetweenSlices of {apart:.3g} mm"
    own = [instance.number for instance, _ in stack.planes]
    stride = abs(own[1] - own[0])
    even = {abs(b - a) for a, b in pairwise(own)} == {stride}
    between = {n for n in numbers - set(own) if min(own) < n < max(own)}
    if even and stride > 1 and not between:
        return (
            f"InstanceNumber rises by {stride} from slice to slice, and no image of the series has a number in between"
        )
    return ""


def _no_uptake(stack: Stack) -> list[Finding]:
    """Return a finding of a PET whose values are not standardized uptake values (SUV), by its header.

    Their unit is GML in Units (0054,1001) of a classic image; in the real-world mapping of an enhanced one it is g/ml
    with what it is divided by, as g/ml{SUVbw}.
    """
    unit = stack.instance.units or stack.frame.unit
    if stack.instance.modality != "PT" or unit.upper().startswith(SUV):
        return []
    known = OTHER_UNITS.get(unit.upper(), "another unit than SUV's")
    what = f"its header gives its values in {known}" if unit else "its header names no unit of its values"
    return [Finding("no-suv", what, files=tuple(stack.files()[:5]))]


def _cut(stack: Stack, count: int) -> str:
    """Return what says that the series had more than its `count` images; "" where nothing does."""
    declared = max(instance.declared for instance, _ in stack.planes)
    if count >= declared or "DERIVED" in stack.frame.kinds:  # derived images keep their sources' number
        return ""
    return f"its header declares {counted(declared, 'image')}, and the series has {count} here"
