"""ImageNet weights for segmentation_models_pytorch's encoders, wherever `crossover.networks.imagenet` finds them."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from crossover.networks import imagenet
from crossover.networks.torch.unet import build

Arrays = dict[str, np.ndarray]

_NOT_OF_ENCODERS = re.compile(r"^_?fc\.|^classifier\.|\.num_batches_tracked$")
"""Weights of ImageNet's classes, and counters (see `crossover.networks.torch.smp.parts`)."""


def encoder_weights(encoder: str, path: str, sha256: str, channels: int) -> Arrays:
    """Return an encoder's ImageNet weights, by the names and in the shapes of a network with it ("encoder.").

    Args:
        path: where the user says that they are, see `crossover.networks.imagenet.find`.
        sha256: of the file that was found when the run was planned.
        channels: of the input, see `of_channels`.

    Raises:
        ValueError: the file is gone or another one, or it isn't this encoder's.
    """
    found = imagenet.find(encoder, path)
    if not found or found.sha256 != sha256:
        raise ValueError(f"ImageNet weights of {encoder}: the file was deleted or changed after the run began")
    weights = read(encoder, found)
    first = next(n for n, w in weights.items() if w.ndim == 4 and w.shape[1] == 3)
    weights[first] = of_channels(weights[first], channels)
    return {f"encoder.{name}": value for name, value in weights.items()}


def read(encoder: str, found: imagenet.Weights) -> Arrays:
    """Return the weights of a file by the encoder's own names, for three channels, checked.

    Raises:
        ValueError: names or shapes are not the encoder's, a value is not finite, or the weights of a
            package are not the known ones.
    """
    if found.kind == "package":
        # Of a pickle this makes tensors and nothing else, and its bytes are known.
        tensors = torch.load(found.file, map_location="cpu", weights_only=True)
        given = {_renamed(encoder, name): value.numpy() for name, value in tensors.items()}
    else:
        given = _safetensors(found)
    given = {n: v for n, v in given.items() if not _NOT_OF_ENCODERS.search(n)}
    shapes = _shapes(encoder)
    wrong = [n for n in shapes if n not in given or given[n].shape != shapes[n]]
    wrong += sorted(set(given) - set(shapes))
    wrong += [n for n, v in given.items() if v.dtype != np.float32 or not np.isfinite(v).all()]
    if wrong:
        raise ValueError(
            f"{found.where} does not contain the weights of {encoder}: {len(wrong)} of {len(shapes)} arrays are"
            f" missing, unknown, of another shape, not float32 or not finite, the first of them {wrong[0]}"
        )
    weights = {name: given[name] for name in shapes}
    if found.kind == "package" and digest(weights) != imagenet.PACKAGES[encoder].converted:
        raise ValueError(f"{found.where}: its weights of {encoder} are not the published ones (wrong digest)")
    return weights


def _safetensors(found: imagenet.Weights) -> Arrays:
    try:
        return load_file(found.file)
    except SafetensorError as error:
        raise ValueError(f"{found.where} is not a complete safetensors file: {error}") from error


def of_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return the first convolution for another number of channels than three, as segmentation_models_pytorch makes it.

    For one channel its kernels are summed: a grey image gives what it gives in all three. For others
    they are repeated in turn, scaled by three over the number of channels.
    """
    if channels == 1:
        return kernel.sum(axis=1, keepdims=True)
    scale = np.float32(3 / channels)
    return kernel if channels == 3 else kernel[:, np.arange(channels) % 3] * scale


def digest(weights: Arrays) -> str:
    """Return a SHA-256 of names, shapes and values, in the order of the names."""
    out = hashlib.sha256()
    for name in sorted(weights):
        out.update(f"{name} {weights[name].shape}\n".encode())
        out.update(np.ascontiguousarray(weights[name], dtype="<f4").tobytes())
    return out.hexdigest()


def _shapes(encoder: str) -> dict[str, tuple[int, ...]]:
    """Shapes of an encoder's weights for three channels, by name, the input's first."""
    with torch.device("meta"):
        own = build(32, 32, 3, encoder=encoder).get_submodule("encoder")
    return {name: tuple(value.shape) for name, value in own.state_dict().items()}


def _renamed(encoder: str, name: str) -> str:
    """Return the encoder's name of a weight in a package's file."""
    if encoder not in LITE_BLOCKS:
        return name
    return _lite_name(name, LITE_BLOCKS[encoder])


LITE_BLOCKS = {
    "timm-tf_efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1),
    "timm-tf_efficientnet_lite1": (1, 3, 3, 4, 4, 5, 1),
    "timm-tf_efficientnet_lite2": (1, 3, 3, 4, 4, 5, 1),
}
"""Blocks of each stage: the packages number them through, timm within their stage."""

_LITE_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_LITE_FIRST = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_LITE_LATER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _lite_name(name: str, blocks: tuple[int, ...]) -> str:
    """`_blocks.1._expand_conv.weight` is timm's `blocks.1.0.conv_pw.weight`."""
    inner = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if not inner:
        layer, kind = name.split(".")
        return f"{_LITE_OUTER.get(layer, layer)}.{kind}"
    places = [(stage, i) for stage, count in enumerate(blocks) for i in range(count)]
    stage, i = places[int(inner[1])]
    layer = (_LITE_LATER if stage else _LITE_FIRST)[inner[2]]
    return f"blocks.{stage}.{i}.{layer}.{inner[3]}"
