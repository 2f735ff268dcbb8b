"""The residual U-Net of Kerfoot et al., "Left-ventricle quantification using residual U-Net", STACOM 2018.

It is MONAI's `UNet` with its names of settings: residual units, five stages, strides of 2 and instance normalisation.
"""

from __future__ import annotations

from math import prod
from typing import Annotated

from pydantic import Field

from crossover import networks
from crossover.networks.nnunet import parts_of

STAGES = 5
PARTS = parts_of(STAGES)
"""The head is the last residual unit with the transposed convolution before it, in which MONAI's network goes over from
maps to structures."""

LEVELS = {part: part for part in PARTS[1:]}
"""All before the part is frozen, by nnU-Net's words for the parts."""

DIMENSIONS = 3

MULTIPLE = 16
"""The encoder halves its input four times."""


class Settings(networks.Settings):
    """The settings that a study may choose."""

    filters: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=STAGES, max_length=STAGES)] = [
        16, 32, 64, 128, 256,
    ]  # fmt: skip
    """Channels of each stage: MONAI's `channels`, which here are those of the image."""
    num_res_units: Annotated[int, Field(ge=1)] = 2
    """Convolutions of a residual unit."""


def smallest_map(size: tuple[int, ...]) -> int:
    """Count voxels of the smallest map, each of which is normalised by itself, for an input of this size."""
    return prod(n // MULTIPLE for n in size)
