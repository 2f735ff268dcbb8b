"""Weights of a network from one engine to the other: names and layouts, nothing else.

PyTorch's `entry.block1.sep1.depthwise.weight` is Keras' `entry_block1_sep1_depthwise/kernel`, and
`entry.conv1.bn.running_mean` is `entry_conv1_bn/moving_mean`.
"""

from __future__ import annotations

import numpy as np

Arrays = dict[str, np.ndarray]

_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_CONVOLUTION = {"weight": "kernel", "bias": "bias"}


def to_keras(weights: Arrays) -> Arrays:
    """Reorder kernels from (out, in, rows, columns) to (rows, columns, in, out), all by Keras' names."""
    out = {}
    for name, value in weights.items():
        *modules, kind = name.split(".")
        kinds = _NORM if modules[-1] == "bn" else _CONVOLUTION
        out[f"{'_'.join(modules)}/{kinds[kind]}"] = _turned(value, (2, 3, 1, 0), modules)
    return out


def to_torch(weights: Arrays) -> Arrays:
    """Reorder kernels from (rows, columns, in, out) to (out, in, rows, columns), all by PyTorch's names."""
    out = {}
    for name, value in weights.items():
        layer, kind = name.split("/")
        modules = layer.split("_")
        kinds = _NORM if modules[-1] == "bn" else _CONVOLUTION
        kind = next(ours for ours, theirs in kinds.items() if theirs == kind)
        out[".".join([*modules, kind])] = _turned(value, (3, 2, 0, 1), modules)
    return out


def _turned(value: np.ndarray, axes: tuple[int, ...], modules: list[str]) -> np.ndarray:
    """Return a kernel with its axes in the other order; that of a depthwise kernel is its own inverse."""
    depthwise = modules[-1] == "depthwise"
    return value.transpose((2, 3, 0, 1) if depthwise else axes) if value.ndim == 4 else value
