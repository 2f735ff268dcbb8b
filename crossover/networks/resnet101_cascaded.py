"""ResNet-101 with cascaded atrous convolution and spatial pyramid pooling.

Chen et al. 2023, Table 1 and Fig. 1; the cascade is that of Men et al., "Cascaded atrous convolution
and spatial pyramid pooling for more accurate tumor target segmentation for rectal cancer radiotherapy",
Phys Med Biol 63:185016 (2018), the backbone that of He et al., "Deep residual learning for image
recognition", CVPR 2016. At full width and one structure: Conv1 to Conv4 27,529,152 parameters (with one
input channel), Conv5 14,964,736, SPP 114,696 (27.53 M, 14.96 M and 0.115 M).

What the paper doesn't say: the dilation rates, which are settings here; and what it counts as "103
layers" of which "the last 10" are re-trained, see `retrained_layers`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from crossover import networks

PARTS = (
    "conv1", "conv2", "conv3", "conv4a", "conv4b", "conv4c", "conv5b1", "conv5b2", "conv5b3", "spp",
)  # fmt: skip
"""Conv4's blocks are three parts of (nearly) a third each; Conv5-b1 to b3 are the cascade."""

LEVELS = {
    "spp": "spp",
    "conv5b3": "conv5b3",
    "conv5b2": "conv5b2",
    "conv5": "conv5b1",
    "conv4c": "conv4c",
    "conv4b": "conv4b",
    "conv4": "conv4a",
    "conv3": "conv3",
    "conv2": "conv2",
}
"""From "SPP only" back to all but Conv1. The paper's Model_ST is "conv5": Conv1 to Conv4 are locked."""

STRIDE = 8
"""The interpolation by 8 aligns corners, (53 - 1) * 8 + 1 = 417: at another size the output would be
stretched against the input, by 7 pixels of 96. So images of another size are padded to one, by their last row and
column, and the output is cut to theirs."""

Rates = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)]


class Settings(networks.OwnSettings):
    """The settings that a study may choose."""

    blocks: Annotated[list[int], Field(min_length=3, max_length=3)] = [3, 4, 23]
    """Bottlenecks of Conv2, Conv3 and Conv4, as published 3, 4 and 23; Conv4 has at least 3."""
    conv4_rate: Annotated[int, Field(ge=1)] = 2
    """Dilation of Conv4, which keeps the size of Conv3: 2 keeps the field of view of a stride."""
    conv5_rates: Rates = [4, 8, 16]
    """Dilations of the cascade's three bottlenecks."""
    spp_rates: Rates = [6, 12, 18]
    """Dilations of the pyramid's three 3x3 convolutions (those of DeepLab's)."""

    @model_validator(mode="after")
    def _every_part_has_a_block(self) -> Settings:
        if self.blocks[0] < 1 or self.blocks[1] < 1 or self.blocks[2] < 3:
            raise ValueError(f"blocks: {self.blocks}: Conv2 and Conv3 need at least 1 block, and Conv4 at least 3")
        return self

    @property
    def blocks_of(self) -> dict[str, int]:
        """The number of bottlenecks of each part that has any."""
        conv2, conv3, conv4 = self.blocks
        thirds = [round(conv4 * i / 3) for i in range(4)]
        conv4_parts = {f"conv4{'abc'[i]}": thirds[i + 1] - thirds[i] for i in range(3)}
        cascade = {f"conv5b{i}": 1 for i in (1, 2, 3)}
        return {"conv2": conv2, "conv3": conv3, **conv4_parts, **cascade}


def retrained_layers(settings: Settings) -> dict[str, int]:
    """Count convolution layers trained at each level, and in all as "all".

    Layers are counted along the network's longest path, as its depth: three in a bottleneck, one for
    the pyramid's four parallel convolutions, none for a shortcut. So "conv5" is the paper's "last 10",
    and the whole network has 101; no count that we know makes 10 of 103.
    """
    depths = {part: 3 * n for part, n in settings.blocks_of.items()}
    depths |= {"conv1": 1, "spp": 1}
    trained = {level: sum(depths[part] for part in PARTS[PARTS.index(first) :]) for level, first in LEVELS.items()}
    return {**trained, "all": sum(depths.values())}
