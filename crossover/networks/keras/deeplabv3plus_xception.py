"""DeepLabV3+ with Xception for Keras 3, see `crossover.networks.deeplabv3plus_xception`.

A layer belongs to the part before its name's first `_`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crossover.networks.deeplabv3plus_xception import STRIDES, Settings
from crossover.networks.keras.layers import BatchNorm


class _Builder:
    """Adds named blocks to a functional graph; holds what all blocks share."""

    def __init__(self, settings: Settings) -> None:
        self.frozen, self.momentum = settings.frozen_batchnorm, settings.batchnorm_momentum
        self.channels = settings.channels

    def conv(self, x: Any, filters: int, name: str, kernel: int = 1, stride: int = 1, relu: bool = True,
             epsilon: float = 1e-3) -> Any:  # fmt: skip
        """Apply a convolution without bias, batch normalisation and (by default) ReLU."""
        x, padding = self._pad(x, name, kernel, stride, 1)
        x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False, name=name)(x)
        return self.norm(x, name, relu, epsilon)

    def norm(self, x: Any, name: str, relu: bool, epsilon: float = 1e-3) -> Any:
        x = BatchNorm(self.frozen, momentum=self.momentum, epsilon=epsilon, name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def separable(self, x: Any, filters: int, name: str, stride: int = 1, rate: int = 1,
                  inner_relu: bool = False, epsilon: float = 1e-3) -> Any:  # fmt: skip
        """Apply depthwise 3x3, then pointwise 1x1, each normalised; ReLU after each, or once before both."""
        if not inner_relu:
            x = layers.ReLU(name=f"{name}_relu")(x)
        x, padding = self._pad(x, name, 3, stride, rate)
        depthwise = f"{name}_depthwise"
        x = layers.DepthwiseConv2D(3, stride, padding, dilation_rate=rate, use_bias=False, name=depthwise)(x)
        x = self.norm(x, depthwise, inner_relu, epsilon)
        return self.conv(x, filters, f"{name}_pointwise", relu=inner_relu, epsilon=epsilon)

    def block(self, x: Any, filters: tuple[int, int, int], name: str, shortcut: str, stride: int = 1,
              rate: int = 1, inner_relu: bool = False) -> Any:  # fmt: skip
        """Apply an Xception block of three separable convolutions; return (output, after the second)."""
        y = x
        for i, full in enumerate(filters, start=1):
            y = self.separable(y, self.channels(full), f"{name}_sep{i}", stride if i == 3 else 1, rate, inner_relu)
            if i == 2:
                skip = y
        if shortcut == "conv":
            x = self.conv(x, self.channels(filters[-1]), f"{name}_shortcut", stride=stride, relu=False)
        if shortcut != "none":
            y = layers.Add(name=f"{name}_add")([y, x])
        return y, skip

    @staticmethod
    def _pad(x: Any, name: str, kernel: int, stride: int, rate: int) -> tuple[Any, str]:
        """Symmetric padding for strided convolutions: 'same' would shift the grid by a pixel."""
        if stride == 1 or kernel == 1:
            return x, "same"
        total = (kernel - 1) * rate
        pad = (total // 2, total - total // 2)
        return layers.ZeroPadding2D((pad, pad), name=f"{name}_pad")(x), "valid"


def build(height: int, width_px: int, channels: int, classes: int = 1, **settings: Any) -> keras.Model:
    """Build the network: (n, height, width_px, channels) images -> (n, height, width_px, classes) logits.

    Args:
        height, width_px: input size in pixels.
        settings: see `crossover.networks.deeplabv3plus_xception.Settings`.
    """
    chosen = Settings(**settings)
    b = _Builder(chosen)
    stride3, middle_rate, exit_rates, aspp_rates = STRIDES[chosen.output_stride]
    image = keras.Input((height, width_px, channels), name="image")
    deep, skip = _backbone(b, image, stride3, chosen.middle_units, middle_rate, exit_rates)
    x = _aspp(b, deep, aspp_rates)
    x = b.conv(x, b.channels(256), "projection_conv", epsilon=1e-5)
    logits = _decoder(b, x, skip, chosen.dropout, classes)
    logits = layers.Resizing(height, width_px, "bilinear", name="decoder_upsample")(logits)
    return keras.Model(image, logits, name="deeplabv3plus_xception")


def _backbone(b: _Builder, image: Any, stride3: int, units: int, rate: int, exit_rates: tuple[int, int]) -> Any:
    x = layers.Conv2D(
        b.channels(32), 3, 2, "same", use_bias=False, name="entry_conv1"
    )(image)  # fmt: skip
    x = b.norm(x, "entry_conv1", relu=True)
    x = b.conv(x, b.channels(64), "entry_conv2", kernel=3)
    x, _ = b.block(x, (128, 128, 128), "entry_block1", "conv", stride=2)
    x, skip = b.block(x, (256, 256, 256), "entry_block2", "conv", stride=2)
    x, _ = b.block(x, (728, 728, 728), "entry_block3", "conv", stride=stride3)
    for i in range(1, units + 1):
        x, _ = b.block(x, (728, 728, 728), f"middle_unit{i}", "sum", rate=rate)
    x, _ = b.block(x, (728, 1024, 1024), "exit_block1", "conv", rate=exit_rates[0])
    x, _ = b.block(x, (1536, 1536, 2048), "exit_block2", "none", rate=exit_rates[1], inner_relu=True)
    return x, skip


def _aspp(b: _Builder, x: Any, rates: tuple[int, int, int]) -> Any:
    filters, (height, width_px) = b.channels(256), x.shape[1:3]
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(x)
    pooled = b.conv(pooled, filters, "aspp_pool_conv", epsilon=1e-5)
    pooled = layers.Resizing(height, width_px, "bilinear", name="aspp_pool_resize")(pooled)
    branches = [pooled, b.conv(x, filters, "aspp_conv", epsilon=1e-5)]
    for rate in rates:
        branches.append(b.separable(x, filters, f"aspp_rate{rate}", rate=rate, inner_relu=True, epsilon=1e-5))
    return layers.Concatenate(name="aspp_concat")(branches)


def _decoder(b: _Builder, x: Any, skip: Any, dropout: float, classes: int) -> Any:
    x = layers.Dropout(dropout, seed=0, name="decoder_dropout")(x)
    x = layers.Resizing(*skip.shape[1:3], "bilinear", name="decoder_resize")(x)
    skip = b.conv(skip, b.channels(48), "decoder_skip", epsilon=1e-5)
    x = layers.Concatenate(name="decoder_concat")([x, skip])
    for i in (1, 2):
        x = b.separable(x, b.channels(256), f"decoder_sep{i}", inner_relu=True, epsilon=1e-5)
    return layers.Conv2D(classes, 1, name="decoder_logits")(x)
