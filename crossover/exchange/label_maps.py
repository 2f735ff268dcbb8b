"""Structures in one label map: which number stands for which, where they overlap too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from crossover.core.wording import first_few
from crossover.exchange.study_cases import StudyCase
from crossover.imaging.volumes import image_path, on_grid, read, read_grid, structure_path, write

_NAMED = 3  # cases of each overlap


class Overlap(ValueError):
    """Structures share voxels in a way that one label map can't hold; all such are named."""


@dataclass(frozen=True)
class LabelValues:
    """Which values of a label map belong to which structure.

    Attributes:
        values: structure -> the values of its voxels: its own first, then those of structures that lie within it. In
            the order in which structures are drawn, the outer before the inner.
    """

    values: Mapping[str, tuple[int, ...]]

    @property
    def nested(self) -> bool:
        """Whether a structure lies within another."""
        return any(len(own) > 1 for own in self.values.values())

    def drawn(self, case: StudyCase, grid: sitk.Image) -> sitk.Image:
        """Return the label map (uint8) of a case's manual masks, on a grid with the same voxels."""
        return on_grid(self._drawn({structure: _mask(case, structure) for structure in self.values}), grid)

    def holds(self, case: StudyCase) -> bool:
        """Return whether every manual mask of a case can be had back from its label map."""
        masks = {structure: _mask(case, structure) for structure in self.values}
        out = self._drawn(masks)
        return all(np.array_equal(np.isin(out, own), masks[structure]) for structure, own in self.values.items())

    def _drawn(self, masks: Mapping[str, np.ndarray]) -> np.ndarray:
        out = np.zeros(next(iter(masks.values())).shape, np.uint8)
        for structure, own in self.values.items():
            out[masks[structure]] = own[0]
        return out

    def write(self, case: StudyCase, grid: sitk.Image, path: Path) -> None:
        """Write the label map of a case's manual masks (`drawn`); the folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write(self.drawn(case, grid), path)

    @property
    def nnunet(self) -> dict[str, Any]:
        """What nnU-Net's dataset.json says of it: the labels and, where structures are nested, the order of drawing."""
        labels = {name: list(own) if len(own) > 1 else own[0] for name, own in self.values.items()}
        regions = {"regions_class_order": [own[0] for own in self.values.values()]} if self.nested else {}
        return {"labels": {"background": 0, **labels}, **regions}


def label_map(cases: Iterable[StudyCase], structures: Sequence[str]) -> LabelValues:
    """Give numbers from 1 to structures, in their order, so that every case's masks can be had back from one label map.

    A structure that lies within another in every case is drawn over it, and its value belongs to both.

    Raises:
        Overlap: two structures share voxels otherwise; the message names each such case.
    """
    sizes: dict[StudyCase, dict[str, int]] = {}
    shared: dict[tuple[str, str], dict[StudyCase, int]] = {}
    for case in cases:
        masks = {name: _mask(case, name) for name in structures}
        sizes[case] = {name: int(mask.sum()) for name, mask in masks.items()}
        if np.sum([*masks.values()], axis=0, dtype=np.uint8).max() < 2:
            continue
        for pair in combinations(structures, 2):
            if both := int((masks[pair[0]] & masks[pair[1]]).sum()):
                shared.setdefault(pair, {})[case] = both
    within, findings = _within(shared, sizes)
    if findings:
        raise Overlap("\n".join(findings))
    number = {name: place for place, name in enumerate(structures, start=1)}
    order = sorted(structures, key=lambda s: (sum(s in inner for inner in within.values()), number[s]))
    return LabelValues({s: (number[s], *sorted(number[i] for i in within.get(s, ()))) for s in order})


def flat_label_map(cases: Iterable[StudyCase], structures: Sequence[str]) -> LabelValues | None:
    """Return a label map in which each structure has a value of its own; None where structures share voxels."""
    try:
        found = label_map(cases, structures)
    except Overlap:
        return None
    return found if found.values and not found.nested else None


def _within(
    shared: Mapping[tuple[str, str], Mapping[StudyCase, int]], sizes: Mapping[StudyCase, Mapping[str, int]]
) -> tuple[dict[str, set[str]], list[str]]:
    """Return structure -> those that lie within it in every case, and what is wrong with all other overlaps."""
    within: dict[str, set[str]] = {}
    findings = []
    for pair, cases in shared.items():
        for inner, outer in (pair[::-1], pair):
            if all(cases.get(case, 0) == size[inner] for case, size in sizes.items()):
                within.setdefault(outer, set()).add(inner)
                break
        else:
            voxels = [f"{case.name} ({count} voxels)" for case, count in cases.items()]
            named = first_few(voxels, _NAMED, what="cases")
            findings.append(
                f"{pair[0]} and {pair[1]} overlap, and neither lies within the other in every case: " + named
            )
    return within, findings


def _mask(case: StudyCase, structure: str) -> np.ndarray:
    return sitk.GetArrayFromImage(read(structure_path(case.folder, structure))) > 0


def grid_of(case: StudyCase, channel: str) -> sitk.Image:
    """Return the grid of a case: that of its first channel."""
    return read_grid(image_path(case.folder, channel))
