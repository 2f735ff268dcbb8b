"""PyTorch layers that the networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossover.networks import FrozenBatchNorm, OwnSettings


class BatchNorm(nn.Module):
    """Batch normalisation with Keras' arithmetic, so that a network is the same under both engines.

    The running variance is the biased one, and a batch of a single value has variance 0, not an error.

    In training mode and with its parameters frozen it uses the batch's statistics and leaves the
    running ones alone; which mode a frozen layer is put in follows from `frozen` (see `frozen_mode`).
    """

    def __init__(self, channels: int, frozen: FrozenBatchNorm, momentum: float, epsilon: float) -> None:
        super().__init__()
        self.running_mean: Tensor
        self.running_var: Tensor
        self.frozen, self.momentum, self.epsilon = frozen, momentum, epsilon
        self.weight, self.bias = (
            nn.Parameter(torch.ones(channels)),
            nn.Parameter(torch.zeros(channels)),
        )
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.epsilon)
        out, mean, inverse_sd = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, 0.0, self.epsilon)
        if self.weight.requires_grad:
            with torch.no_grad():
                variance = (inverse_sd**-2 - self.epsilon).clamp_min(0)
                self.running_mean.lerp_(mean, 1 - self.momentum)
                self.running_var.lerp_(variance, 1 - self.momentum)
        return out


class ConvNorm(nn.Conv2d):
    """Convolution without bias, batch normalisation and (by default) ReLU; size kept at stride 1.

    Args:
        padding: of all sides; None for that which keeps the size at stride 1.
    """

    def __init__(
        self, settings: OwnSettings, inputs: int, outputs: int, kernel: int = 1, stride: int = 1,
        rate: int = 1, groups: int = 1, relu: bool = True, epsilon: float = 1e-3,
        padding: int | None = None,
    ) -> None:  # fmt: skip
        same = rate * (kernel - 1) // 2
        super().__init__(
            inputs, outputs, kernel, stride, same if padding is None else padding, rate, groups, False
        )  # fmt: skip
        self.bn = BatchNorm(outputs, settings.frozen_batchnorm, settings.batchnorm_momentum, epsilon)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(super().forward(x))
        return F.relu(x, inplace=True) if self.relu else x


def frozen_mode(part: nn.Module) -> None:
    """Put a frozen part into the mode of a training step: no dropout, batch normalisation as declared."""
    part.eval()
    for module in part.modules():
        if isinstance(module, BatchNorm):
            module.train(module.frozen == "batch")
