"""DeepLabV3+ with a modified Xception backbone.

Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation",
ECCV 2018. At full width, one class and output stride 16 it has the layers and the 41,253,073
parameters of the implementation that Lin et al. 2023 name as theirs (github.com/bonlime/
keras-deeplab-v3-plus). Two things are today's semantics, not those of 2018: bilinear resizing
places pixels by their centres (it aligned corners then), and a frozen batch normalisation is a
declared setting.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crossover import networks

PARTS = ("entry", "middle", "exit", "aspp", "projection", "decoder")

LEVELS = {"L1": "aspp", "L2": "projection", "L3": "decoder"}
"""Lin 2023, "Model experiments" and Fig. 1."""


class Settings(networks.OwnSettings):
    """The settings that a study may choose."""

    middle_units: Annotated[int, Field(ge=0)] = 16
    """Xception units in the middle flow (16 as published)."""
    output_stride: Literal[8, 16] = 16
    """Input size over the size of the deepest features."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """After the projection, as published 0.1."""


STRIDES = {  # output stride -> stride of entry block 3, rate of the middle, rates of the exit, of the ASPP
    16: (2, 1, (1, 2), (6, 12, 18)),
    8: (1, 2, (2, 4), (12, 24, 36)),
}
