"""MONAI's `UNet` with residual units, see `crossover.networks.residual_unet`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from crossover.networks.residual_unet import STAGES, Settings
from crossover.networks.torch.monai import Decoder, Parts, UNet, parts


class Up(nn.Module):
    """A map enlarged, with the encoder's next map beside it: what MONAI's next step, or the head, takes."""

    def __init__(self, larger: nn.Module | None) -> None:
        super().__init__()
        self.larger = larger

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        return torch.cat([skipped, x if self.larger is None else self.larger(x)], dim=1)


def build(slices: int, height: int, width_px: int, channels: int, structures: int = 1, **settings: Any) -> Parts:
    """Build the network: (n, channels, slices, height, width_px) images -> (n, structures, ...) logits.

    Args:
        slices, height, width_px: input size in voxels, multiples of 16; the weights don't depend on it.
        settings: see `crossover.networks.residual_unet.Settings`.
    """
    s = Settings(**settings)
    model = UNet(3, channels, structures, s.filters, [2] * (STAGES - 1), num_res_units=s.num_res_units)
    downs: list[nn.Module] = []
    ups: list[nn.Module] = []
    inner: Any = model.model
    while isinstance(inner, nn.Sequential):  # down, what lies below with a skip around it, up
        down, skip, up = inner
        downs, ups, inner = [*downs, down], [*ups, up], skip.submodule
    head, *between = ups
    steps = [Up(up) for up in (None, *reversed(between))]
    return parts(model, [[own] for own in (*downs, inner)], Decoder(steps), head)
