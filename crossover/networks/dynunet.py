"""DynUNet, MONAI's form of nnU-Net's plain U-Net (Isensee et al., Nature Methods 18:203, 2021).

It has five stages, convolutions of 3 x 3 x 3, strides of 2, instance normalisation, and no deep supervision.
"""

from __future__ import annotations

from math import prod
from typing import Annotated

from pydantic import Field

from crossover import networks
from crossover.networks.nnunet import parts_of

STAGES = 5
PARTS = parts_of(STAGES)

LEVELS = {part: part for part in PARTS[1:]}
"""All before the part is frozen, by nnU-Net's words for the parts."""

DIMENSIONS = 3

MULTIPLE = 16
"""The encoder halves its input four times."""


class Settings(networks.Settings):
    """The settings that a study may choose."""

    filters: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=STAGES, max_length=STAGES)] = [
        32, 64, 128, 256, 320,
    ]  # fmt: skip
    """Channels of each stage; by default nnU-Net's."""
    res_block: bool = False
    """Blocks of two convolutions with a shortcut around them."""


def smallest_map(size: tuple[int, ...]) -> int:
    """Count voxels of the smallest map, each of which is normalised by itself, for an input of this size."""
    return prod(n // MULTIPLE for n in size)
