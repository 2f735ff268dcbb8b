"""The weights that a training begins with: a parent's, a stage's of another study, or a checkpoint of nnU-Net's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from crossover.core.files import read_json
from crossover.networks.nnunet import HEAD
from crossover.training.backends.nnunet import checkpoints, levels, nnssl
from crossover.training.backends.nnunet.dataset import DATASET
from crossover.training.backends.nnunet.prediction import PLANS
from crossover.training.stage_files import WEIGHTS


@dataclass(frozen=True)
class Beginning:
    """Weights, with the plans and the description of the data set that they were trained on.

    Attributes:
        where: the file, for messages.
        weights: by name. A checkpoint has each under all the names that it has.
    """

    where: Path
    weights: dict[str, Tensor]
    plans: dict[str, Any]
    dataset: dict[str, Any]

    def fitted(self, plans: dict[str, Any], configuration: str) -> dict[str, Any]:
        """Return moved plans as they are: their networks are those of these weights."""
        return plans

    def load(self, network: nn.Module, dataset: dict[str, Any]) -> dict[str, Any]:
        """Set a network's weights, as nnU-Net begins from pretrained ones: all but the segmentation layers must fit.

        These are taken too where they were trained for the same labels.

        Args:
            dataset: that the network is trained on.

        Returns:
            loaded: the parts that were; not_loaded: part -> why; channels: those that the weights were trained on.

        Raises:
            ValueError: naming the parts that don't fit, with the first weights and their shapes; or the channels, if
                they are the same in another order.
        """
        theirs, ours = _channels(self.dataset), _channels(dataset)
        if theirs != ours and sorted(theirs) == sorted(ours):
            raise ValueError(
                f"{self.where}: it was trained on the channels {', '.join(theirs)}, in this order, and the study's are "
                f"{', '.join(ours)}: give `channels` of the study the order of the checkpoint"
            )
        own, found = levels.parts(network), dict[str, Tensor]()
        wrong = {part: levels.differences(self.weights, values) for part, values in own.items()}
        out = {part: why for part, why in wrong.items() if why}
        if self.dataset["labels"] != dataset["labels"]:
            out[HEAD] = "trained for other labels: " + ", ".join(self.dataset["labels"])
        if refused := {part: why for part, why in out.items() if part != HEAD}:
            listed = "; ".join(f"{part}: {why}" for part, why in refused.items())
            channels = (len(names) for names in (theirs, ours))
            raise ValueError(
                f"{self.where}: its weights do not fit the network that its plans give for these images: {listed}. "
                "It was trained on images of {} channels, and these have {}".format(*channels)
            )
        for part in own:
            if part not in out:
                found |= {name: self.weights[name] for name in own[part]}
        checkpoints.set_weights(network, found)
        return {"loaded": [part for part in own if part not in out], "not_loaded": out, "channels": theirs}


def _channels(dataset: dict[str, Any]) -> list[str]:
    """Return the names of a data set's channels in their order, in lower case."""
    names = dataset.get("channel_names", {})
    return [str(names[place]).casefold() for place in sorted(names, key=int)]


def of_stage(folder: Path) -> Beginning:
    """Return what a stage of this backend ended with."""
    return _beside_plans(folder / WEIGHTS)


def _beside_plans(path: Path) -> Beginning:
    return Beginning(path, load_file(path), read_json(path.with_name(PLANS)), read_json(path.with_name(DATASET)))


def of_file(path: Path) -> Beginning | nnssl.Encoder:
    """Return what a file of a user holds: a checkpoint of nnU-Net or nnssl, or a stage's weights (.safetensors).

    Raises:
        ValueError: it is neither, or its plans are not known.
    """
    if path.suffix == ".safetensors":
        missing = [name for name in (PLANS, DATASET) if not (path.parent / name).is_file()]
        if missing:
            raise ValueError(f"{path}: {' and '.join(missing)} of its training must be in the same folder")
        return _beside_plans(path)
    found = checkpoints.read(path)
    if nnssl.PLAN in found:
        return nnssl.of_checkpoint(path, found)
    arguments = found.get("init_args") or {}
    if not {"plans", "dataset_json"} <= arguments.keys():
        raise ValueError(
            f"{path}: it does not contain its plans (init_args), as checkpoints of nnU-Net 2 do, or a {nnssl.PLAN}"
        )
    weights = {name.removeprefix("module."): value for name, value in found["network_weights"].items()}
    return Beginning(path, weights, arguments["plans"], arguments["dataset_json"])
