"""The tissues of a phantom: one list for each anatomy, of names with what images show of them."""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TissueTable(IntEnum):
    """The base of each anatomy's tissues, which are declared as `NAME = properties`.

    A tissue is a number, counted from 0 in the order of the list, so that arrays of labels can hold it.
    """

    properties: Any
    """What the anatomy's images show of the tissue: a record of means and spreads."""

    def __new__(cls, properties: Any) -> "TissueTable":
        """Give the tissue its number, and keep its properties."""
        number = len(cls.__members__)
        tissue = int.__new__(cls, number)
        tissue._value_ = number
        tissue.properties = properties
        return tissue


def spread_steps(rng: np.random.Generator, shape: int | tuple[int, ...]) -> NDArray[np.float64]:
    """Return standard normal numbers of this shape, those beyond two SD cut back to two SD."""
    return np.clip(rng.standard_normal(shape), -2, 2)
