"""What the networks of segmentation_models_pytorch 0.6.0 share.

They have an encoder that has ImageNet weights, a decoder and a head. Touijer et al. choose theirs among four of these
(Table II).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crossover import networks

PARTS = ("encoder", "decoder", "head")

LEVELS = {"decoder": "decoder", "head": "head"}
"""The encoder is frozen; all but the head is frozen."""

MULTIPLE = 32
"""The encoder halves its input five times."""

Encoder = Literal[
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
    "resnet18", "resnet34", "resnet50",
    "mobilenet_v2",
    "timm-tf_efficientnet_lite0", "timm-tf_efficientnet_lite1", "timm-tf_efficientnet_lite2",
]  # fmt: skip
"""By that package's names: the seven of Touijer's Table II, and those whose weights are in packages (see
`crossover.networks.imagenet`)."""


class Settings(networks.Settings):
    """The settings that a study may choose."""

    encoder: Encoder
    decoder_width: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the decoder's numbers of channels (1 as in that package)."""

    def channels(self, full: int) -> int:
        """Return `full` channels of the decoder scaled by its width, at least 4 and a multiple of 4."""
        return max(4, round(full * self.decoder_width / 4) * 4)


def smallest_map(size: tuple[int, int]) -> int:
    """Count pixels of the smallest map that is batch-normalised, for an input of so many rows and columns."""
    return size[0] // 32 * (size[1] // 32)
