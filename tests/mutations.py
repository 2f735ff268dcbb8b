"""Every leaf of a study's file, and another valid value for each."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crossover.core.configuration import ConfigError, merge, validate
from crossover.execution.preflight import check
from crossover.study.schema import Study

Leaf = tuple[str | int, ...]

OTHERS = {
    "adam": ["sgd"], "sgd": ["adam"], "cosine": ["constant"], "constant": ["cosine"], "poly": ["constant"],
    "n4": ["none"], "none": ["n4"], "keras": ["torch"], "torch": ["keras"], "MR": ["CT"], "CT": ["MR"],
    "random": ["imagenet", "stop"], "imagenet": ["random"], "stop": ["random"], "source": ["target"],
    "target": ["source"], "inference": ["batch"], "training": ["zscore"], "zscore": ["training"],
    "window": ["zscore"], "case": ["slice"], "all": ["n"], "n": ["all"], "tissue": ["bright"],
    "bright": ["tissue"], "fold": [0.2], "structure_slices": ["volumes"], "volumes": ["structure_slices"],
    "dice_bce": ["bce", "dice"], "bce": ["dice_bce", "dice"], "dice": ["dice_bce"],
    "cross_entropy": ["dice_bce", "dice"], "float32": ["bfloat16"], "axial": ["coronal"], "sagittal": ["coronal"],
    "dsc": ["dsc_structure_slices"], "mobilenet_v2": ["resnet18"], "resnet18": ["resnet34"],
    "ICC(A,1)": ["ICC(C,1)"], "2d": ["3d_fullres"], "default": ["ResEncM"],
    "morphologically abnormal structure": ["tissue"], "left": ["right"], "right": ["left"],
    "cut": ["keep"],
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


def mutations(base: Study, values: dict, place: Leaf, old: Any, real: bool) -> Iterator[tuple[dict, Study]]:
    """A study's file with other values at a place, with the study that each gives at its scale.

    Values that give no valid study are left out; those that change it come first.
    """
    same = []
    for new in candidates(old):
        changed = replaced(values, place, new)
        try:
            study = at_scale(changed, base.scale, real)
            check({base.study: study})
        except (ConfigError, ValueError, TypeError, AttributeError):
            continue
        if study.study == base.study and study != base:
            yield changed, study
        elif study == base:
            same.append((changed, study))
    yield from same


def at_scale(values: dict, scale: str, real: bool) -> Study:
    """What `load_study` gives of a file's values, of this scale alone."""
    own = copy.deepcopy(values)
    scales, patients = own.pop("scales"), own.pop("real", None) or {}
    merged = merge(merge(own, scales[scale] or {}), patients if real else {})
    return validate(Study, {**merged, "scale": scale}, Path("study.yaml"))
