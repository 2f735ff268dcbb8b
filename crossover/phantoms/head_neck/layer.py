"""What is painted where."""

from dataclasses import dataclass

from crossover.phantoms.head_neck.tissues import Tissue
from crossover.phantoms.kit.shapes import Shape


@dataclass(frozen=True)
class Layer:
    """One coat of paint."""

    shape: Shape
    tissue: Tissue
    uneven: float = 0  # HU that the texture moves it by, for one SD
