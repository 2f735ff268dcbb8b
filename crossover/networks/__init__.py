"""Architectures of networks.

A file here that has PARTS declares one: its parts, fine-tune levels and settings; the file of the same name in the
folder of an engine builds it. What declares imports no learning framework, so a configuration is checked without one.

It may import `core`; `study`, `exchange`, `training`, `analyses`, `execution` and `cli` may import it. Begin with
`encoder_decoder` and `unet`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from crossover.core.configuration import ConfigError

_FOLDER = Path(__file__).parent

FrozenBatchNorm = Literal["inference", "batch"]
"""What a frozen batch normalisation normalises with in a training step. "inference": its running
statistics (Keras since 2.2; the frozen part is then a fixed function). "batch": the mini-batch's own
statistics, without updating the running ones (Keras 2.1.4, which Lin 2023 used)."""


class Settings(BaseModel):
    """What a study may set of an architecture; each declares its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OwnSettings(Settings):
    """Of the architectures that are built here layer by layer."""

    width: Annotated[float, Field(gt=0)] = 1.0
    """Factor on every layer's number of channels (1 as published)."""
    frozen_batchnorm: FrozenBatchNorm = "inference"
    batchnorm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Share of the running statistics that a training step keeps. Predictions use these, and after k steps a share of
    `batchnorm_momentum ** k` is what a network at random began with: of 100 steps 0.99 suits none, 0.9 does."""

    def channels(self, full: int) -> int:
        """Return `full` channels scaled by the width, at least 8 and a multiple of 8 (exact at width 1)."""
        return full if self.width == 1 else max(8, round(full * self.width / 8) * 8)


@dataclass(frozen=True)
class Declared:
    """What an architecture's file says of it.

    Attributes:
        parts: from input to output, as the layers' names begin.
        levels: fine-tune level -> the first part that is trained.
        engines: those that can build it.
        multiple: rows and columns of its input, and slices of a 3D one's, must be multiples of it.
        smallest_map: pixels of the smallest map that is normalised, of the input's size; None where a single value can
            be normalised too.
        dimensions: 2 for a network of slices, 3 for one of volumes.
        label: its name for readers; by default the file's.
    """

    name: str
    parts: tuple[str, ...]
    levels: dict[str, str]
    settings: type[Settings]
    engines: list[str]
    multiple: int
    smallest_map: Callable[[tuple[int, ...]], int] | None
    dimensions: int = 2
    label: str = ""

    def frozen(self, level: str | None) -> tuple[str, ...]:
        """Return the parts that are not trained at a level; None trains everything.

        Raises:
            ValueError: for a level that the architecture doesn't declare.
        """
        if level is None:
            return ()
        if level not in self.levels:
            raise ValueError(f"{self.name} has no level {level!r}; it has {', '.join(self.levels)}")
        return self.parts[: self.parts.index(self.levels[level])]

    def rates(self, decay: float) -> dict[str, float]:
        """Return each part's learning rate as a share of the last one's, where each has `decay` of the next one's."""
        return {part: decay**i for i, part in enumerate(reversed(self.parts))}


@cache  # every check of a configuration asks
def architectures(dimensions: int | None = None) -> tuple[str, ...]:
    """Return names of the architectures that some engine builds, where given those of so many dimensions alone."""
    names = sorted(f.stem for f in _FOLDER.glob("[!_]*.py") if _engines(f.stem) and _declares(f))
    return tuple(name for name in names if dimensions in (None, declared(name).dimensions))


def declared(architecture: str) -> Declared:
    """Return what the module of an architecture declares.

    Raises:
        ConfigError: a name is missing in the module, or a level begins with a part that there isn't, or with the first,
            so that it freezes nothing.
    """
    module = importlib.import_module(f"crossover.networks.{architecture}")
    place = f"crossover/networks/{architecture}.py"
    if missing := [name for name in ("PARTS", "LEVELS", "Settings") if not hasattr(module, name)]:
        raise ConfigError(f"{place}: {', '.join(missing)} missing; a network's file has PARTS, LEVELS and Settings")
    if wrong := {level: part for level, part in module.LEVELS.items() if part not in module.PARTS}:
        listed = ", ".join(f"{level}: {part!r}" for level, part in wrong.items())
        raise ConfigError(f"{place}: LEVELS has {listed}, but PARTS are {', '.join(module.PARTS)}")
    if whole := [level for level, part in module.LEVELS.items() if part == module.PARTS[0]]:
        raise ConfigError(
            f"{place}: LEVELS has {', '.join(whole)} from {module.PARTS[0]!r} on, the first part, which freezes "
            "nothing: a step without `levels` trains the whole network"
        )
    return Declared(
        architecture,
        module.PARTS,
        module.LEVELS,
        module.Settings,
        list(_engines(architecture)),
        getattr(module, "MULTIPLE", 1),
        getattr(module, "smallest_map", None),
        getattr(module, "DIMENSIONS", 2),
        getattr(module, "LABEL", architecture),
    )


def builder(architecture: str, engine: str) -> Callable:
    """Return the architecture's `build(height, width_px, channels, classes, **settings)` for an engine.

    That of a network of volumes has the number of slices before the height.
    """
    return importlib.import_module(f"crossover.networks.{engine}.{architecture}").build


def encoder_weights(engine: str) -> Callable:
    """Return the engine's `encoder_weights(encoder, path, sha256, channels)`, which reads ImageNet weights."""
    return importlib.import_module(f"crossover.networks.{engine}.imagenet").encoder_weights


def wrong_settings(architecture: str, settings: dict) -> list[str]:
    """Return what is wrong with a network's settings; empty where nothing is."""
    kind = declared(architecture).settings
    try:
        kind(**settings)
    except ValidationError as error:
        return [_finding(e, kind) for e in error.errors()]
    return []


def wrong_size(architecture: str, size: tuple[int, ...]) -> list[str]:
    """Return what is wrong with the size (rows, columns; slices first) of a network's input; empty where nothing is."""
    multiple = declared(architecture).multiple
    fitting = [max(n // multiple, 1) * multiple for n in size]
    if list(size) == fitting:
        return []
    larger = [n + multiple for n in fitting]
    return [f"{list(size)}: {architecture} needs multiples of {multiple}, as {fitting} or {larger}"]


def wrong_batch(architecture: str, batch: int, size: tuple[int, int]) -> list[str]:
    """Return what is wrong with the number of slices in a batch, of a size (rows, columns); empty where nothing is."""
    smallest = declared(architecture).smallest_map
    if smallest is None or batch * smallest(size) > 1:
        return []
    return [f"{batch}: {architecture} normalises maps of a single pixel at {list(size)}, which needs 2 slices or more"]


def _finding(error: ErrorDetails, kind: type[Settings]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown; it has {', '.join(kind.model_fields)}"
    if error["type"] == "value_error":  # of several settings together; it names them
        return str(error["ctx"]["error"])
    return f"{place}: {error['msg']}, not {error['input']!r}"


def _declares(file: Path) -> bool:
    """Whether a file here declares an architecture; others have their engines' side too."""
    return hasattr(importlib.import_module(f"crossover.networks.{file.stem}"), "PARTS")


def what_it_lacks(architecture: str) -> str:
    """Return which file of an architecture is missing beside another, as the end of a message; "" of others."""
    place, engine = f"crossover/networks/{architecture}.py", f"crossover/networks/torch/{architecture}.py"
    if not architecture.isidentifier():
        return ""
    if (_FOLDER / f"{architecture}.py").exists() and not _engines(architecture):
        return f"; {place} is there, and {engine}, which builds the network, is missing"
    if _engines(architecture) and not (_FOLDER / f"{architecture}.py").exists():
        return f"; {place}, which declares the network, is missing"
    return ""


@cache
def _engines(architecture: str) -> tuple[str, ...]:
    return tuple(sorted(f.parent.name for f in _FOLDER.glob(f"*/{architecture}.py")))
