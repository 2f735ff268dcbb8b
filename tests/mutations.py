"""Every leaf of a study's file, and another valid value for each."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from crossover.config import ConfigError, load_study
from crossover.guard import check
from crossover.study import Study

Leaf = tuple[str | int, ...]

OTHERS = {
    "adam": ["sgd"], "sgd": ["adam"], "cosine": ["constant"], "constant": ["cosine"], "poly": ["constant"],
    "n4": ["none"], "none": ["n4"], "keras": ["torch"], "torch": ["keras"], "MR": ["CT"], "CT": ["MR"],
    "random": ["imagenet"], "imagenet": ["random"], "stop": ["random"], "source": ["target"],
    "target": ["source"], "inference": ["batch"], "training": ["zscore"], "zscore": ["training"],
    "window": ["zscore"], "case": ["slice"], "all": ["n"], "n": ["all"], "tissue": ["bright"],
    "bright": ["tissue"], "fold": [0.2], "structure_slices": ["volumes"], "volumes": ["structure_slices"],
    "dice_bce": ["bce", "dice"], "bce": ["dice_bce", "dice"], "dice": ["dice_bce"],
    "cross_entropy": ["dice_bce", "dice"], "float32": ["bfloat16"], "axial": ["coronal"], "dsc": ["dsc_structure_slices"],
    "ICC(A,1)": ["ICC(C,1)"], "independent": ["paired"], "paired": ["independent"],
    "chains": ["independent"],
}  # fmt: skip
"""Values of settings that take one of a few."""


def leaves(value: Any, place: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    """(place, value) of all that is neither a mapping nor a list."""
    items = value.items() if isinstance(value, dict) else None
    items = enumerate(value) if isinstance(value, list) else items
    if items is None:
        yield place, value
    else:
        for key, child in items:
            yield from leaves(child, (*place, key))


def written(place: Leaf) -> str:
    return ".".join(map(str, place))


def candidates(value: Any) -> Iterable[Any]:
    """Values of a leaf's kind other than its own, the nearest first."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2, value // 2, value + 0.5]
    if isinstance(value, float):
        return [value * 1.5, value / 2, value * 0.95, value + 1, 0.0]
    if value is None:
        return [1, 0.5, "x"]
    if value.startswith("#") and len(value) == 7:
        return [value[:-1] + ("0" if value[-1] != "0" else "1")]
    return [*OTHERS.get(value, []), f"{value}x"]


def replaced(values: dict, place: Leaf, new: Any) -> dict:
    out = copy.deepcopy(values)
    node = out
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = new
    return out


def mutate(
    base: Study, values: dict, place: Leaf, old: Any, config: Path, real: bool
) -> tuple[dict | None, Study | None]:
    """A study's file with another value at a place, and the study that it gives; None where all are refused.

    A value that changes the study is taken before one that doesn't.
    """
    kept: tuple[dict | None, Study | None] = (None, None)
    name, scale = base.study, base.scale
    path = config / f"studies/{name}.yaml"
    text = path.read_text()
    try:
        for new in candidates(old):
            changed = replaced(values, place, new)
            path.write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True))
            try:
                study = load_study(name, scale, config, real)
                check({name: study})
            except (ConfigError, ValueError):
                continue
            if study != base:
                return changed, study
            kept = (changed, study)
    finally:
        path.write_text(text)
    return kept
