"""What is painted where."""

from dataclasses import dataclass

from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.kit.shapes import Shape


@dataclass(frozen=True)
class Layer:
    """A shape that is painted with one tissue."""

    shape: Shape
    tissue: Tissue
    uneven: float = 0  # HU that the texture moves it by, for one SD
