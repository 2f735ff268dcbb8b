"""DeepLabV3+ with Xception for PyTorch, see `crossover.networks.deeplabv3plus_xception`.

Module for layer the same network as the Keras one, named alike: `entry.block1.sep1.depthwise` is
Keras' `entry_block1_sep1_depthwise`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossover.networks.deeplabv3plus_xception import STRIDES, Settings
from crossover.networks.torch.layers import ConvNorm

HEAD_EPSILON = 1e-5
"""Of batch normalisation after the backbone."""


class Separable(nn.Module):
    """Depthwise 3x3 then pointwise 1x1, each normalised. ReLU after each, or once before both."""

    def __init__(self, settings: Settings, inputs: int, outputs: int, stride: int = 1, rate: int = 1,
                 inner_relu: bool = True, epsilon: float = HEAD_EPSILON) -> None:  # fmt: skip
        super().__init__()
        self.relu_first = not inner_relu
        self.depthwise = ConvNorm(settings, inputs, inputs, 3, stride, rate, inputs, inner_relu, epsilon)
        self.pointwise = ConvNorm(settings, inputs, outputs, relu=inner_relu, epsilon=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(F.relu(x) if self.relu_first else x))


class Block(nn.Module):
    """An Xception block of three separable convolutions; gives (output, after the second)."""

    def __init__(self, settings: Settings, inputs: int, filters: tuple[int, int, int], shortcut: str,
                 stride: int = 1, rate: int = 1, inner_relu: bool = False) -> None:  # fmt: skip
        super().__init__()
        widths = [inputs, *map(settings.channels, filters)]
        self.sep1, self.sep2, self.sep3 = (
            Separable(settings, before, after, by, rate, inner_relu, 1e-3)
            for before, after, by in zip(widths, widths[1:], (1, 1, stride), strict=False)
        )
        self.sum = shortcut != "none"
        self.shortcut = (
            ConvNorm(settings, inputs, widths[-1], stride=stride, relu=False) if shortcut == "conv" else nn.Identity()
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.sep2(self.sep1(x))
        y = self.sep3(skip)
        return (self.shortcut(x) + y if self.sum else y), skip


class Entry(nn.Module):
    """image -> (features, the skip connection's features)."""

    def __init__(self, s: Settings, channels: int, size: tuple[int, int], stride3: int) -> None:
        super().__init__()
        widths = [s.channels(n) for n in (32, 64, 128, 256, 728)]
        self.padding = [p for n in reversed(size) for p in _same_padding(n)]
        self.conv1 = ConvNorm(s, channels, widths[0], 3, 2, padding=0)
        self.conv2 = ConvNorm(s, widths[0], widths[1], 3)
        self.block1 = Block(s, widths[1], (128, 128, 128), "conv", 2)
        self.block2 = Block(s, widths[2], (256, 256, 256), "conv", 2)
        self.block3 = Block(s, widths[3], (728, 728, 728), "conv", stride3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv2(self.conv1(F.pad(image, self.padding)))
        x, _ = self.block1(x)
        x, skip = self.block2(x)
        return self.block3(x)[0], skip


class Blocks(nn.ModuleDict):
    """Xception blocks in a row, the skip connection passed by."""

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, skip = features
        for block in self.values():
            x, _ = block(x)
        return x, skip


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling: convolutions at several rates, and the mean of the image."""

    def __init__(self, s: Settings, rates: tuple[int, int, int]) -> None:
        super().__init__()
        inputs, filters = s.channels(2048), s.channels(256)
        self.pool = nn.ModuleDict({"conv": ConvNorm(s, inputs, filters, epsilon=HEAD_EPSILON)})
        self.conv = ConvNorm(s, inputs, filters, epsilon=HEAD_EPSILON)
        self.rates = [f"rate{rate}" for rate in rates]
        for name, rate in zip(self.rates, rates):
            self.add_module(name, Separable(s, inputs, filters, rate=rate))

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, skip = features
        pooled = self.pool["conv"](x.mean((2, 3), keepdim=True))
        branches = [pooled.expand(-1, -1, *x.shape[2:]), self.conv(x)]
        branches += [self.get_submodule(name)(x) for name in self.rates]
        return torch.cat(branches, 1), skip


class Projection(nn.Module):
    """The convolution that joins the outputs of the pyramid."""

    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.conv = ConvNorm(s, 5 * s.channels(256), s.channels(256), epsilon=HEAD_EPSILON)

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, skip = features
        return self.conv(x), skip


class Decoder(nn.Module):
    """(features, the skip connection's features) -> logits of `size`."""

    def __init__(self, s: Settings, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        inputs, width = s.channels(48), s.channels(256)
        self.size = size
        self.dropout = nn.Dropout(s.dropout)
        self.skip = ConvNorm(s, width, inputs, epsilon=HEAD_EPSILON)
        self.sep1 = Separable(s, width + inputs, width)
        self.sep2 = Separable(s, width, width)
        self.logits = nn.Conv2d(width, classes, 1)
        assert self.logits.bias is not None
        nn.init.zeros_(self.logits.bias)

    def forward(self, features: tuple[Tensor, Tensor]) -> Tensor:
        x, skip = features
        x = F.interpolate(self.dropout(x), skip.shape[2:], mode="bilinear")
        x = self.sep2(self.sep1(torch.cat([x, self.skip(skip)], 1)))
        return F.interpolate(self.logits(x), self.size, mode="bilinear")


def build(height: int, width_px: int, channels: int, classes: int = 1, **settings: Any) -> nn.Sequential:
    """Build the network: (n, channels, height, width_px) images -> (n, classes, height, width_px) logits.

    Its children are the declared parts.

    Args:
        height, width_px: input size in pixels.
        settings: see `crossover.networks.deeplabv3plus_xception.Settings`.
    """
    s = Settings(**settings)
    size = (height, width_px)
    stride3, middle_rate, exit_rates, aspp_rates = STRIDES[s.output_stride]
    middle, out = s.channels(728), s.channels(1024)
    units = {
        f"unit{i}": Block(s, middle, (728, 728, 728), "sum", rate=middle_rate) for i in range(1, s.middle_units + 1)
    }
    exit_blocks = {
        "block1": Block(s, middle, (728, 1024, 1024), "conv", rate=exit_rates[0]),
        "block2": Block(s, out, (1536, 1536, 2048), "none", rate=exit_rates[1], inner_relu=True),
    }
    network = nn.Sequential(
        OrderedDict(
            entry=Entry(s, channels, size, stride3),
            middle=Blocks(units),
            exit=Blocks(exit_blocks),
            aspp=Aspp(s, aspp_rates),
            projection=Projection(s),
            decoder=Decoder(s, classes, size),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as Keras begins
            nn.init.xavier_uniform_(module.weight)
    return network


def _same_padding(size: int) -> tuple[int, int]:
    """TensorFlow's "same" for a 3x3 convolution of stride 2: unequal where the size is even."""
    total = (-(-size // 2) - 1) * 2 + 3 - size
    return total // 2, total - total // 2
