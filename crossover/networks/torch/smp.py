"""The networks of segmentation_models_pytorch, see `crossover.networks.encoder_decoder`."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crossover.networks.encoder_decoder import Settings

CHANNELS = [256, 128, 64, 32, 16]
"""Of the decoder's blocks, from the deepest on; DeepLabV3 has the first of them throughout."""

# The registry's torchvision needs CUDA's libraries. Beside a torch without CUDA its own library can't be
# loaded, and then its import fails at two operators that only that library defines. No network here uses
# them: their names are enough.
_torchvision = find_spec("torchvision")
assert _torchvision is not None and _torchvision.origin, "segmentation-models-pytorch needs it"
try:
    torch.ops.load_library(Path(_torchvision.origin).with_name("_C.so"))
except OSError:
    _names = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _names.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import segmentation_models_pytorch as smp  # noqa: E402


def build(kind: str, height: int, width_px: int, channels: int, structures: int = 1, **settings: Any) -> nn.Sequential:
    """Build a network: (n, channels, height, width_px) images -> (n, structures, height, width_px) logits.

    Its children are the declared parts. All its weights are random.

    Args:
        kind: class of segmentation_models_pytorch.
        height, width_px: input size in pixels, multiples of 32; the weights don't depend on it.
        settings: see `crossover.networks.encoder_decoder.Settings`.
    """
    s = Settings(**settings)
    decoder = [s.channels(full) for full in CHANNELS]
    with warnings.catch_warnings():  # of encoders that it has under two names
        warnings.simplefilter("ignore", DeprecationWarning)
        model = getattr(smp, kind)(
            encoder_name=s.encoder,
            encoder_weights=None,
            decoder_channels=decoder[0] if kind == "DeepLabV3" else decoder,
            in_channels=channels,
            classes=structures,
        )
    return parts(model)


def parts(model: smp.base.SegmentationModel) -> nn.Sequential:
    """Take a model of segmentation_models_pytorch apart: encoder, decoder and head.

    Batch normalisation counts its batches only where its momentum is not set, and it is: without the
    counters every weight is float32.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = None
    return nn.Sequential(OrderedDict(encoder=model.encoder, decoder=model.decoder, head=model.segmentation_head))
