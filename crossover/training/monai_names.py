"""Weights of files that MONAI's own networks wrote, by the names that the networks have here."""

from __future__ import annotations

from crossover.networks import builder
from crossover.study.sections import Network
from crossover.training import engines


def by_own_names(given: engines.Arrays, network: Network, shape: tuple[int, ...], structures: int) -> engines.Arrays:
    """Return weights of a file by the names that the network has here, where they have MONAI's.

    Args:
        shape: of what the network sees: slices, rows, columns, channels.
    """
    from crossover.networks.torch.monai import names

    theirs = names(lambda: builder(network.architecture, "torch")(*shape, structures, **network.settings))
    return {theirs.get(name, name): value for name, value in given.items()}
