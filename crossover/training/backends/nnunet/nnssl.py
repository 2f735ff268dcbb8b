"""Encoders that nnssl pretrained without labels (https://github.com/MIC-DKFZ/nnssl), as what a training begins with.

Its checkpoints hold `network_weights` and an `nnssl_adaptation_plan`: the architecture, the number of input channels,
and by which names the encoder and its stem are found among the weights. Only tensors and plain values are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from crossover.networks.nnunet import DECODER, HEAD
from crossover.training.backends.nnunet import checkpoints, levels

PLAN = "nnssl_adaptation_plan"
RESENC_L = {
    "n_stages": 6,
    "features_per_stage": [32, 64, 128, 256, 320, 320],
    "kernel_sizes": [[3, 3, 3]] * 6,
    "strides": [[1, 1, 1]] + [[2, 2, 2]] * 5,
    "n_blocks_per_stage": [1, 3, 4, 6, 6, 6],
    "n_conv_per_stage_decoder": [1] * 5,
    "conv_bias": True,
}
"""What nnssl builds for the architecture "ResEncL", whose plan has no `arch_kwargs`."""
NETWORK = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
ARCHITECTURES = ("ResEncL", "ResidualEncoderUNet")
"""Those that nnU-Net's planners plan, too; transformers (Primus) are none of them."""
LAYERS = ("conv_op", "norm_op", "nonlin", "dropout_op")
"""Kinds of layers that a plan names by their classes. They are compared with those that nnU-Net plans, and what a file
names is never imported."""


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder: nnU-Net plans for the study's own cases, and the network is the encoder's.

    Attributes:
        where: the file, for messages.
        weights: by the file's names.
        plan: the file's `nnssl_adaptation_plan`.
    """

    where: Path
    weights: dict[str, Tensor]
    plan: dict[str, Any]

    plans: ClassVar[None] = None
    """None to move: the study's cases are planned."""
    dataset: ClassVar[dict[str, Any]] = {}
    """It knows no labels."""

    def fitted(self, plans: dict[str, Any], configuration: str) -> dict[str, Any]:
        """Return plans with the encoder's architecture in a configuration, and the patch that it can take.

        The patch is the planned one, enlarged to a multiple of the encoder's strides, and to two at least, since
        instance normalisation can't train on a map of one voxel.

        Raises:
            ValueError: the architecture is none of nnU-Net's, or is for images of other dimensions.
        """
        given = self._architecture()
        planned = plans["configurations"][configuration]
        own = planned["architecture"]["arch_kwargs"]
        if len(given["strides"][0]) != len(planned["patch_size"]):
            raise ValueError(
                f"{self.where}: this encoder of nnssl is for images of {len(given['strides'][0])} dimensions, and "
                f"network.configuration: {configuration} has {len(planned['patch_size'])}: choose another configuration"
            )
        for layer in LAYERS:
            theirs, ours = (str(values.get(layer)).rpartition(".")[2] for values in (given, own))
            if layer in given and theirs != ours:
                raise ValueError(f"{self.where}: its {layer} is {theirs}, and nnU-Net plans {ours}")
        kept = {name: value for name, value in own.items() if name not in ("n_conv_per_stage", *RESENC_L)}
        shapes = {name: given[name] for name in RESENC_L}
        strides = [prod(along) for along in zip(*given["strides"], strict=True)]
        patch = [max(2, -(-n // s)) * s for n, s in zip(planned["patch_size"], strides, strict=True)]
        architecture = planned["architecture"] | {"network_class_name": NETWORK, "arch_kwargs": kept | shapes}
        changed = planned | {"architecture": architecture, "patch_size": patch}
        return plans | {"configurations": plans["configurations"] | {configuration: changed}}

    def load(self, network: nn.Module, dataset: dict[str, Any]) -> dict[str, Any]:
        """Set the weights of a network's encoder and stem; all of them must fit.

        Args:
            network: built by the plans that `fitted` returned.
            dataset: that it is trained on.

        Returns:
            loaded: the parts that were; not_loaded: part -> why; channels: how many the encoder was trained on.

        Raises:
            ValueError: naming the parts that don't fit, with the first weights and their shapes.
        """
        given = self._renamed(network)
        own = levels.parts(network)
        encoder = {part: values for part, values in own.items() if part not in (DECODER, HEAD)}
        wrong = {part: levels.differences(given, values) for part, values in encoder.items()}
        channels = self.plan["pretrain_num_input_channels"]
        if refused := "; ".join(f"{part}: {why}" for part, why in wrong.items() if why):
            raise ValueError(
                f"{self.where}: its encoder does not fit the network of its own plan for these images: {refused}. "
                f"It was trained on images of {channels} channels, and these have {len(dataset['channel_names'])}"
            )
        names = {name for values in encoder.values() for name in values}
        checkpoints.set_weights(network, {name: given[name] for name in names})
        out = dict.fromkeys((DECODER, HEAD), "of a checkpoint of nnssl, the encoder alone is loaded")
        return {"loaded": list(encoder), "not_loaded": out, "channels": channels}

    def _architecture(self) -> dict[str, Any]:
        """Return the shapes of the encoder's network by nnU-Net's names."""
        about = self.plan["architecture_plans"]
        name, given = about["arch_class_name"], about.get("arch_kwargs")
        if name not in ARCHITECTURES:
            raise ValueError(
                f"{self.where}: its architecture is {name}; of nnssl's, the backend nnunet takes "
                f"{' and '.join(ARCHITECTURES)}"
            )
        found = given or (RESENC_L if name == "ResEncL" else {})
        if missing := [key for key in RESENC_L if key not in found]:
            raise ValueError(f"{self.where}: its {PLAN} does not contain {', '.join(missing)} of its {name}")
        return found

    def _renamed(self, network: nn.Module) -> dict[str, Tensor]:
        """Return the weights of encoder and stem by the names that they have in a network."""
        found: dict[str, Tensor] = {}
        for key in ("key_to_encoder", "key_to_stem"):
            theirs, ours = f"{self.plan[key]}.", f"{getattr(network, key)}."
            found |= {
                ours + name.removeprefix(theirs): value
                for name, value in self.weights.items()
                if name.startswith(theirs)
            }
        return found


def of_checkpoint(path: Path, found: dict[str, Any]) -> Encoder:
    """Return the encoder of a checkpoint of nnssl's.

    Args:
        found: what `checkpoints.read` returned.

    Raises:
        ValueError: its plan lacks what is needed.
    """
    plan = found[PLAN]
    needed = ("architecture_plans", "pretrain_num_input_channels", "key_to_encoder", "key_to_stem")
    if missing := [key for key in needed if key not in plan]:
        raise ValueError(f"{path}: its {PLAN} does not contain {', '.join(missing)}")
    weights = {name.removeprefix("module."): value for name, value in found["network_weights"].items()}
    return Encoder(path, weights, plan)
