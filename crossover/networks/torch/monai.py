"""MONAI's 3D networks taken apart into an encoder's stages, the decoder and the head, which are frozen by level."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import ModuleType

import torch
from torch import Tensor, nn

from crossover.networks.nnunet import parts_of

# MONAI imports TensorBoard, which imports TensorFlow where that is installed, unless it finds this module of its own.
_NO_TENSORFLOW = "tensorboard.compat.notf"
sys.modules.setdefault(_NO_TENSORFLOW, ModuleType(_NO_TENSORFLOW))

try:
    from monai.inferers.utils import sliding_window_inference
    from monai.networks.nets.dynunet import DynUNet
    from monai.networks.nets.segresnet import SegResNet
    from monai.networks.nets.unet import UNet
except ModuleNotFoundError as error:
    raise RuntimeError(
        "MONAI is not installed in this environment: pip install 'crossover[monai]', or pip install --no-deps -r "
        "requirements-exchange.lock in addition to requirements.lock (docs/patches.md)"
    ) from error

__all__ = [
    "Decoder",
    "DynUNet",
    "EncoderStage",
    "Parts",
    "SegResNet",
    "UNet",
    "names",
    "parts",
    "sliding_window_inference",
]


class Parts(nn.Sequential):
    """The parts of a network, each called with what the one before it gives.

    Attributes:
        theirs: MONAI's name of each weight -> its name here.
    """

    theirs: dict[str, str]


class EncoderStage(nn.Module):
    """A stage of the encoder: the maps of all stages before it in, these and its own out; the first gets the image."""

    def __init__(self, *blocks: nn.Module, first: bool = False) -> None:
        super().__init__()
        self.blocks, self.first = nn.Sequential(*blocks), first

    def forward(self, given: Tensor | list[Tensor]) -> list[Tensor]:
        maps = [given] if isinstance(given, Tensor) else list(given)
        own = self.blocks(maps[-1])
        return [own] if self.first else [*maps, own]


class Decoder(nn.Module):
    """The way back up, from the deepest stage on.

    Args:
        steps: for each, what is called with the map so far and the map of the encoder's stage of its size.
    """

    def __init__(self, steps: Sequence[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, maps: list[Tensor]) -> Tensor:
        *before, x = maps
        for step, skipped in zip(self.steps, reversed(before), strict=True):
            x = step(x, skipped)
        return x


def parts(model: nn.Module, stages: list[list[nn.Module]], decoder: Decoder, head: nn.Module) -> Parts:
    """Return a network of MONAI's by its parts.

    Args:
        model: the whole network; its modules are those of the parts, and compute nothing by themselves.
        stages: the modules of each stage of the encoder, the bottleneck last.
    """
    encoder = [EncoderStage(*own, first=i == 0) for i, own in enumerate(stages)]
    network = Parts(OrderedDict(zip(parts_of(len(stages)), [*encoder, decoder, head], strict=True)))
    named = {id(value): name for name, value in network.state_dict(keep_vars=True).items()}
    theirs = model.state_dict(keep_vars=True)
    assert {id(value) for value in theirs.values()} == named.keys(), "every weight has a part"
    network.theirs = {name: named[id(value)] for name, value in theirs.items()}
    return network


def names(build: Callable[[], Parts]) -> dict[str, str]:
    """Return MONAI's name of each weight -> its name here; nothing is computed.

    Args:
        build: makes the network.
    """
    with torch.device("meta"):
        return build().theirs
