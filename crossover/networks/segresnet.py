"""SegResNet: Myronenko, "3D MRI brain tumor segmentation using autoencoder regularization", 2018, less its autoencoder.

It is MONAI's `SegResNet`, which names its settings, with MONAI's blocks: 1, 2, 2 and 4 down, 1 for each stage up.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crossover import networks
from crossover.networks.nnunet import parts_of

PARTS = parts_of(4)

LEVELS = {part: part for part in PARTS[1:]}
"""All before the part is frozen, by nnU-Net's words for the parts."""

DIMENSIONS = 3

MULTIPLE = 8
"""The encoder halves its input three times."""


class Settings(networks.Settings):
    """The settings that a study may choose."""

    init_filters: Annotated[int, Field(ge=8, multiple_of=8)] = 8
    """Channels of the first stage; each further one has twice as many. Groups of 8 are normalised together."""
    upsample_mode: Literal["deconv", "nontrainable"] = "deconv"
    """How maps are enlarged: transposed convolution, or linear interpolation, which is MONAI's default and which no
    GPU repeats to the bit."""
