"""The parts of nnU-Net's networks by name, and what is trained at a level."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from crossover.core.wording import first_few
from crossover.networks.nnunet import BOTTLENECK, DECODER, HEAD, parts_of
from crossover.training.failure import TrainingFailed

SEG_LAYERS = "decoder.seg_layers."
NAMED = 3
"""Weights that a message names."""


def parts(network: nn.Module) -> dict[str, dict[str, Tensor]]:
    """Return part -> the names of its weights, each once though modules stand in several places, and the weights.

    The encoder's stages and its stem are found as the network declares them (`key_to_encoder`, `key_to_stem` of
    dynamic-network-architectures); a stem outside the stages is of `stage0`.

    Raises:
        TrainingFailed: the network doesn't declare them.
    """
    encoder, stem = getattr(network, "key_to_encoder", None), getattr(network, "key_to_stem", None)
    if encoder is None or stem is None or not hasattr(network, "decoder"):
        raise TrainingFailed(
            f"{type(network).__name__} does not declare its encoder and stem (key_to_encoder, key_to_stem)",
            "plans of nnU-Net's own planners (network.plans)",
        )
    names = parts_of(len(network.get_submodule(encoder)))  # type: ignore[arg-type]  # a Sequential
    found: dict[str, dict[str, Tensor]] = {name: {} for name in names}
    for name, value in weights(network).items():
        if name.startswith(f"{encoder}."):
            part = names[int(name.removeprefix(f"{encoder}.").split(".")[0])]
        elif name.startswith(f"{stem}."):
            part = names[0]
        else:
            part = HEAD if name.startswith(SEG_LAYERS) else DECODER
        found[part][name] = value
    return found


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name; those that have several names by their first."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def differences(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Return which of a network's own weights are missing in some given ones or have another shape; "" where none."""
    found = []
    for name, value in own.items():
        if name not in given:
            found.append(f"{name} is missing")
        elif given[name].shape != value.shape:
            found.append(f"{name} is {list(given[name].shape)}, not {list(value.shape)}")
    return first_few(found, NAMED)


def frozen(names: tuple[str, ...], level: str | None) -> tuple[str, ...]:
    """Return the parts of a network that are not trained at a level; None trains all.

    Args:
        names: the parts, from input to output.

    Raises:
        TrainingFailed: the plan's network has no such part.
    """
    if level is None:
        return ()
    if level not in names:
        last = names[names.index(BOTTLENECK) - 1] if names[0] != BOTTLENECK else BOTTLENECK
        raise TrainingFailed(
            f"the network that nnU-Net planned has no part {level!r}: its encoder ends with {last} and the bottleneck",
            f"a level among {', '.join(names[1:])}",
        )
    return names[: names.index(level)]


def freeze(network: nn.Module, level: str | None) -> list[nn.Module]:
    """Take the gradient of all before a level.

    Returns:
        The modules that are frozen whole, whose normalisation must keep its running values while the others train.
    """
    own = parts(network)
    out = frozen(tuple(own), level)
    held = {id(value) for part in out for value in own[part].values()}
    for value in network.parameters():
        value.requires_grad_(id(value) not in held)
    return [
        module
        for module in network.modules()
        if (all_of := [*module.parameters(), *module.buffers()]) and all(id(value) in held for value in all_of)
    ]


def counts(network: nn.Module) -> dict[str, int]:
    """Return the numbers of parameters: "total", and "trained"."""
    every = list(network.parameters())
    return {
        "total": sum(value.numel() for value in every),
        "trained": sum(value.numel() for value in every if value.requires_grad),
    }
