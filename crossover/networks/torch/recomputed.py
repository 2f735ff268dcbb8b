"""A training step within less memory: blocks whose inner values the backward pass computes once more.

A forward pass keeps what the backward pass needs of every layer. Of a recomputed block it keeps the inputs
alone, and the backward pass runs the block again when it gets there (Chen et al., "Training deep nets with
sublinear memory cost", 2016, by `torch.utils.checkpoint`). Losses, weights and running statistics are the
same to the bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm2d, nn.InstanceNorm3d, nn.GroupNorm)


def kept_bytes(network: nn.Sequential, shape: tuple[int, ...]) -> int:
    """Return bytes that a training step keeps from its forward to its backward pass, its weights included.

    Found by a forward pass on the meta device, which computes and changes nothing.

    Args:
        network: in the mode of a training step, with what is frozen frozen.
        shape: of a batch: n, channels, rows, columns; of volumes the slices before the rows.
    """
    return sum(_kept(network, shape).values())


def enough_blocks(network: nn.Sequential, shape: tuple[int, ...], limit: float) -> list[nn.Module]:
    """Return the blocks to recompute so that a step keeps no more bytes than `limit`: few, those that keep most first.

    All blocks are returned if even that is not enough. The network is left with no block recomputed. Arguments are
    those of `kept_bytes`.
    """
    recompute(network, ())
    if not any(blocks(network)) or sum((kept := _kept(network, shape)).values()) <= limit:
        return []
    largest = sorted(blocks(network), key=lambda block: -kept.get(block, 0))

    def fits(count: int) -> bool:
        recompute(network, largest[:count])
        return kept_bytes(network, shape) <= limit

    count = bisect_left(range(len(largest)), True, key=fits)
    recompute(network, ())
    return largest[:count]


def recompute(network: nn.Sequential, chosen: Iterable[nn.Module]) -> None:
    """Let these blocks of a network be recomputed in its training steps from now on, and no others."""
    for block in blocks(network):
        block.__dict__.pop("forward", None)
    for block in chosen:
        block.forward = partial(_forward, block)


def blocks(network: nn.Sequential) -> Iterator[nn.Module]:
    """Yield the outermost members of sequences and lists, within a network's parts, that convolve and normalise."""
    for part in network:
        yield from _blocks(part)


def _kept(network: nn.Sequential, shape: tuple[int, ...]) -> dict[nn.Module | None, int]:
    """Return bytes that a step keeps, by the block in which each tensor is kept first; None is outside of blocks."""
    own = dict(network.named_parameters()) | dict(network.named_buffers())
    likewise = {
        name: torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
        for name, tensor in own.items()
    }
    kept: dict[Any, tuple[nn.Module | None, torch.UntypedStorage]] = {}
    running: list[nn.Module | None] = [None]

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        # on the device "meta", the public `data_ptr()` of every storage is 0
        kept.setdefault(storage._cdata, (running[-1], storage))
        return tensor

    with ExitStack() as stack:
        for block in blocks(network):
            stack.callback(block.register_forward_pre_hook(lambda block, given: running.append(block)).remove)
            stack.callback(block.register_forward_hook(lambda block, given, out: running.remove(block)).remove)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor))
        functional_call(network, likewise, torch.empty(shape, device="meta"))
    total: dict[nn.Module | None, int] = {}
    for place, storage in kept.values():
        total[place] = total.get(place, 0) + storage.nbytes()
    return total


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
