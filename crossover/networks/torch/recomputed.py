"""A training step within less memory: blocks whose inner values the backward pass computes once more.

A forward pass keeps what the backward pass needs of every layer. Of a recomputed block it keeps the inputs
alone, and the backward pass runs the block again when it gets there (Chen et al., "Training deep nets with
sublinear memory cost", 2016, by `torch.utils.checkpoint`). Losses, weights and running statistics are the
same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm2d, nn.InstanceNorm3d, nn.GroupNorm)


def kept_bytes(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Return bytes that a training step keeps from its forward to its backward pass, its weights included.

    Found by a forward pass on the meta device, which computes and changes nothing.

    Args:
        network: in the mode of a training step, with what is frozen frozen.
        shape: of a batch: n, channels, rows, columns; of volumes the slices before the rows.
    """
    own = dict(network.named_parameters()) | dict(network.named_buffers())
    likewise = {
        name: torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
        for name, tensor in own.items()
    }
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        functional_call(network, likewise, torch.empty(shape, device="meta"))
    return sum(storage.nbytes() for storage in kept.values())


def recompute(network: nn.Sequential, wanted: bool) -> None:
    """Let a network's blocks be recomputed in its training steps from now on, or not."""
    for block in blocks(network):
        block.__dict__.pop("forward", None)
        if wanted:
            block.forward = partial(_forward, block)


def blocks(network: nn.Sequential) -> Iterator[nn.Module]:
    """Yield the outermost members of sequences and lists, within a network's parts, that convolve and normalise."""
    for part in network:
        yield from _blocks(part)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    listed = isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict))
    for child in module.children():
        inner = list(child.modules())
        if listed and all(_has(inner, kinds) for kinds in (CONVOLUTIONS, NORMS)):
            yield child
        else:
            yield from _blocks(child)


def _has(modules: list[nn.Module], kinds: tuple[type[nn.Module], ...]) -> bool:
    return any(isinstance(module, kinds) for module in modules)


def _forward(block: nn.Module, *given: Any, **named: Any) -> Any:
    own = partial(type(block).forward, block)
    if not torch.is_grad_enabled():
        return own(*given, **named)
    contexts = partial(_contexts, block)
    return checkpoint(own, *given, use_reentrant=False, context_fn=contexts, **named)


def _contexts(block: nn.Module) -> tuple:
    """Around the first run of a block, and around the second."""
    return nullcontext(), _running_statistics_kept(block)


@contextmanager
def _running_statistics_kept(block: nn.Module) -> Iterator[None]:
    """Batch normalisation updates copies in here: the first run has updated its running statistics already."""
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    own = [(norm.running_mean, norm.running_var) for norm in norms]
    for norm, statistics in zip(norms, own, strict=True):
        norm.running_mean, norm.running_var = deepcopy(statistics)
    try:
        yield
    finally:
        for norm, statistics in zip(norms, own, strict=True):
            norm.running_mean, norm.running_var = statistics
