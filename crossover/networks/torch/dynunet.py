"""MONAI's `DynUNet`, see `crossover.networks.dynunet`."""

from __future__ import annotations

from typing import Any

from crossover.networks.dynunet import STAGES, Settings
from crossover.networks.torch.monai import Decoder, DynUNet, Parts, parts


def build(slices: int, height: int, width_px: int, channels: int, structures: int = 1, **settings: Any) -> Parts:
    """Build the network: (n, channels, slices, height, width_px) images -> (n, structures, ...) logits.

    Args:
        slices, height, width_px: input size in voxels, multiples of 16; the weights don't depend on it.
        settings: see `crossover.networks.dynunet.Settings`.
    """
    s = Settings(**settings)
    halved = [2] * (STAGES - 1)
    model = DynUNet(
        3, channels, structures, [3] * STAGES, [1, *halved], halved, filters=s.filters, res_block=s.res_block
    )
    stages = [model.input_block, *model.downsamples, model.bottleneck]
    return parts(model, [[stage] for stage in stages], Decoder([*model.upsamples]), model.output_block)
