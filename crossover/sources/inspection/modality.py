"""Which modality volumes are of, guessed from what they are called and from their values, with the reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossover.core.wording import counted
from crossover.sources.unlike import AIR_HU, Values

WORDS = {
    "CT": re.compile(r"ct|ncct|cect|cbct|ldct|cta|ctp|hu"),
    "PT": re.compile(r"pet|suv|fdg"),
    "MR": re.compile(r"mri?|t1\w*|t2\w*|flair|stir|adc|dwi|dw|pd|swi|dce|tse|tof|b\d+|vibe|dixon"),
}
"""Words that name a modality, or one of its kinds of images."""
UNKNOWN = "image, taken for MR"
"""What is shown of volumes of which neither name nor values tell what they are."""
FLOOR_HU = -20
"""The value (HU) at which, or below, all images of CT end that were cut off at the same value."""
LEAST_HU = 100
"""The least range of values (HU) that a CT was cut off to."""


@dataclass(frozen=True)
class Guess:
    """A modality, and why."""

    modality: str
    """MR, CT or PT."""
    about: str
    """What is shown of it: "CT (values in HU)"."""
    values: tuple[float, float]
    """The medians of the volumes' lowest and highest values."""
    hu: bool
    """Whether the values can be HU."""
    doubt: str = ""
    """A sentence on what the guess rests on, where it isn't both the values and the name; "" where it is sure."""


def named_modality(*texts: str) -> str:
    """Return the modality that a word of the first of some texts names that has one: "CT" of "ct_venous"; "" for none.

    Of several words, the last counts: "ct_pet" is the PET of such an examination.
    """
    for text in texts:
        words = re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
        found = [modality for word in words for modality, known in WORDS.items() if known.fullmatch(word)]
        if found:
            return found[-1]
    return ""


def guess(values: Sequence[Values], *texts: str) -> Guess:
    """Return what volumes are taken for.

    Args:
        values: of each patient's volume.
        texts: what they are called, the surest first.
    """
    lowest, highest = (float(np.median([v[end] for v in values] or [0.0])) for end in ("lowest", "highest"))
    air = sum(v["lowest"] < AIR_HU for v in values) * 2 > len(values)
    floor, times = Counter(v["lowest"] for v in values).most_common(1)[0] if values else (0.0, 0)
    cut = floor <= FLOOR_HU and 3 <= times >= 0.8 * len(values) and highest - lowest >= LEAST_HU
    named = named_modality(*texts)
    modality = named or ("CT" if air or cut else "MR")
    hu = air or (lowest <= FLOOR_HU and highest - lowest >= LEAST_HU)
    shown = f"values from {lowest:.4g} to {highest:.4g}"
    if modality == "CT" and air:
        return Guess("CT", "CT (values in HU)", (lowest, highest), hu)
    if modality == "CT":
        by = "by its name" if named else f"since its lowest value is {floor:g} in {counted(times, 'patient')}"
        doubt = f"is taken for CT {by}, with {shown}" + ("" if hu else ", which are no HU")
        return Guess("CT", f"CT {'by its name' if named else 'by its values'}, {shown}", (lowest, highest), hu, doubt)
    if named:
        doubt = f"is taken for {named} by its name, though it has {shown}, as CT has" if air else ""
        return Guess(named, f"{named} by its name", (lowest, highest), hu, doubt)
    doubt = f"is taken for MR, since neither its name nor its values ({lowest:.4g} to {highest:.4g}) show what it is"
    return Guess("MR", UNKNOWN, (lowest, highest), hu, doubt)
