"""MONAI's `SegResNet`, see `crossover.networks.segresnet`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from crossover.networks.segresnet import Settings
from crossover.networks.torch.monai import Decoder, Parts, SegResNet, parts


class Up(nn.Module):
    """A map enlarged, with the encoder's map of its size added."""

    def __init__(self, larger: nn.Module, blocks: nn.Module) -> None:
        super().__init__()
        self.larger, self.blocks = larger, blocks

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        return self.blocks(self.larger(x) + skipped)


def build(slices: int, height: int, width_px: int, channels: int, structures: int = 1, **settings: Any) -> Parts:
    """Build the network: (n, channels, slices, height, width_px) images -> (n, structures, ...) logits.

    Args:
        slices, height, width_px: input size in voxels, multiples of 8; the weights don't depend on it.
        settings: see `crossover.networks.segresnet.Settings`.
    """
    s = Settings(**settings)
    model = SegResNet(3, s.init_filters, channels, structures, upsample_mode=s.upsample_mode)
    first, *rest = model.down_layers
    ups = [Up(*pair) for pair in zip(model.up_samples, model.up_layers, strict=True)]
    return parts(model, [[model.convInit, *first], *([*own] for own in rest)], Decoder(ups), model.conv_final)
