"""What a study of so many patients can be: how many to test on, which sizes, which grid. Each a plain rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST = 6
"""The fewest patients of a target cohort: two to test on, and two sizes to train on."""
TESTED = 0.35
"""The share of a target's patients who are tested on: what they can decide grows with them, and so does what is
learnt from the rest."""
SOURCE_TESTED = 0.2
FIRST_SIZE, FEWEST_SIZES, MOST_SIZES = 3, 4, 5
"""The least first size, and how many sizes: learning curves are continued of four or more, and each size costs."""
FEW = 12
"""The number of training patients below which the first size may be 2."""
DIVIDED = 6
"""The fewest training patients of whom four sizes are made."""
MULTIPLE = 32
"""The number that the pixels of a side are a multiple of, since the encoders halve their input five times."""


def test_and_sizes(patients: int) -> tuple[int, list[int]]:
    """Return how many patients of a target to test on, and the sizes for the rest.

    The largest size is the number of all who are not tested on, and each is half of the next; where that
    gives fewer than four sizes, they are four at equal ratios, if there are six patients or more to train on.

    Raises:
        ValueError: there are fewer than `FEWEST` patients.
    """
    if patients < FEWEST:
        raise ValueError(
            f"{patients} patient{'s' * (patients != 1)} of the target can't be divided: {FEWEST} or more are needed"
        )
    test = max(2, round(TESTED * patients))
    return test, _sizes(patients - test)


def more_sizes(study: str, sizes: Sequence[int], most: int, whose: str, where: str = "sizes") -> list[str]:
    """Say which sizes a study can have whose target has more patients to train on than its largest size.

    Args:
        study: its name.
        sizes: the study's.
        most: how many patients of the target are not tested on.
        whose: the label of the target.
        where: the key of the study's file that says its sizes.

    Returns:
        A sentence; none where no size can be larger.
    """
    if not sizes or most <= sizes[-1]:
        return []
    more = [*sizes, most] if len(sizes) >= FEWEST_SIZES - 1 else _sizes(most)
    return [
        f"{whose} has {most} patients to train on, and the largest size is {sizes[-1]}: for larger ones write, for "
        f"example, `{where}: {more}` into config/studies/{study}.yaml"
    ]


def _sizes(most: int) -> list[int]:
    first = FIRST_SIZE if most >= FEW else 2
    halved = [most >> k for k in reversed(range(MOST_SIZES)) if most >> k >= first]
    if len(halved) >= FEWEST_SIZES or most < DIVIDED:
        return halved
    steps = FEWEST_SIZES - 1
    return [round(first * (most / first) ** (k / steps)) for k in range(FEWEST_SIZES)]


def source_test(patients: int) -> int:
    """Return how many patients of a source to test on: none where there are fewer than ten."""
    return round(SOURCE_TESTED * patients) if patients >= 10 else 0


def grid(extent_mm: float, pixel_mm: float, most: int) -> tuple[int, float]:
    """Return the pixels a side, and their size in mm, of a grid that holds a field of view.

    Pixels are as acquired where that fits, else larger; their number is a multiple of 32, and `most` at most.
    """
    pixels = min(most, MULTIPLE * math.ceil(extent_mm / pixel_mm / MULTIPLE - 0.01))
    spacing = max(pixel_mm, extent_mm / pixels)
    return pixels, float(f"{spacing:.3g}")
