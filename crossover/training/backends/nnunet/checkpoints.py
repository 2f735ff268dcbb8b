"""Weights as safetensors, and nnU-Net's own checkpoints read without unpickling what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crossover.core.wording import first_few
from crossover.training.backends.nnunet.levels import NAMED, weights


def read(path: Path) -> dict[str, Any]:
    """Return what a checkpoint of nnU-Net holds (`nnUNetTrainer.save_checkpoint`).

    Nothing is unpickled freely: PyTorch's restricted reader takes tensors, plain values and, as nnU-Net's logging has
    them, numbers of NumPy.

    Raises:
        ValueError: it holds something else, or is no such file.
    """
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [np.dtype, (scalar, "numpy._core.multiarray.scalar"), (scalar, "numpy.core.multiarray.scalar")]
    allowed += [type(np.dtype(kind)) for kind in ("float16", "float32", "float64", "int32", "int64", "bool")]
    try:
        with torch.serialization.safe_globals(allowed):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: not read, since it {_wrong(path, allowed)}") from error
    if not isinstance(found, dict) or "network_weights" not in found:
        raise ValueError(f"{path}: this is not a checkpoint of nnU-Net, since it has no network_weights")
    return found


def save_weights(network: nn.Module, path: Path) -> None:
    """Write all weights, each once, as safetensors."""
    save_file({name: value.detach().cpu().contiguous() for name, value in weights(network).items()}, path)


def _wrong(path: Path, allowed: list[Any]) -> str:
    """Return why the restricted reader took no file; its own message tells how to read the file without protection."""
    try:
        with torch.serialization.safe_globals(allowed):
            unsafe = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:
        return "is not a complete checkpoint of PyTorch"
    named = f" ({first_few(unsafe, NAMED)})" if unsafe else ""
    return f"contains objects other than tensors and numbers{named}, which could execute code"


def load_weights(network: nn.Module, path: Path) -> None:
    """Set all weights of a network from what `save_weights` wrote of one like it.

    Raises:
        ValueError: the file has other weights than the network.
    """
    given, own = load_file(path), weights(network)
    wrong = [n for n in {**own, **given} if n not in own or n not in given or own[n].shape != given[n].shape]
    if wrong:
        what = f"{len(wrong)} weights are missing, unknown or of another shape than in the planned network"
        raise ValueError(f"{path}: {what}, the first of them {wrong[0]}")
    set_weights(network, given)


def set_weights(network: nn.Module, given: Mapping[str, Tensor]) -> None:
    """Set some weights, in their places: an optimiser that holds them goes on with them."""
    own = weights(network)
    with torch.no_grad():
        for name, value in given.items():
            own[name].copy_(value)
