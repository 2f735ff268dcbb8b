"""Label maps (NIfTI, NRRD, MetaImage) that lie beside a DICOM export, as patterns of `label_maps:`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from crossover.core.image_names import stem
from crossover.core.wording import first_few
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.findings import Refused
from crossover.sources.inspection.inventory import Lacks, StructureKind, identifier
from crossover.sources.inspection.layout import files_of
from crossover.sources.segment_names import segments_in, values_in
from crossover.sources.volume_file import read_volume

LabelKey = int | str
"""A value in label maps, or what their headers call it."""

MOST_VALUES = 256
"""The most different values in a label map; more are an image's."""
READ = 10
"""The number of a pattern's maps that are read, to learn their labels."""


@dataclass
class LabelMaps:
    """What there is of label maps."""

    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Pattern below the source -> patient -> path."""
    labels: Mapping[str, Sequence[LabelKey | None]] = field(default_factory=dict)
    """Pattern -> values in some of its maps, or names of segments."""
    odd: list[str] = field(default_factory=list)

    def structures(self, cases: Mapping[str, Lacks], patients: Mapping[str, str]) -> list[StructureKind]:
        """Return a structure for each label of each pattern; which case has no such file is noted in `cases`.

        Args:
            cases: case -> what it lacks.
            patients: case -> its patient.
        """
        out = []
        for pattern, own in self.files.items():
            called = identifier(stem(pattern).replace("{patient}", "").replace("*", ""), "mask")
            labels = self.labels[pattern]
            for label in labels:
                own_name = identifier(label, "label") if isinstance(label, str) else label
                name = f"{called}_{own_name}" if len(labels) > 1 else called
                rule = {"file": pattern} | ({"label": label} if len(labels) > 1 else {})
                out.append(StructureKind(name, [] if label is None else [label], len(own), rule))
                for case in (case for case in cases if patients[case] not in own):
                    cases[case][name] = "no such label map"
        return out


def label_maps(files: Sequence[FileRef], patients: Sequence[str]) -> LabelMaps:
    """Find whose label maps are by their places, and read some of each pattern."""
    loose = [f for f in files if f.member is None]
    paths = {f.place: f.path for f in loose}
    found = files_of(list(paths), patients)
    used = {path for own in found.values() for path in own.values()}
    times = {pattern: _times([paths[p] for p in sorted(own.values())[:READ]]) for pattern, own in found.items()}
    labels = {pattern: usual(there, read) if read else [] for pattern, (there, read) in times.items()}
    kept = {pattern: own for pattern, own in found.items() if labels[pattern]}
    odd = [line for pattern in kept for line in passed_labels(pattern, labels[pattern], times[pattern][0])]
    if left := len(paths) - len(used):
        odd.append(
            f"{left} NIfTI, NRRD or MetaImage files name no patient in their path: {sorted(paths.keys() - used)[0]}"
        )
    if packed := len(files) - len(loose):
        odd.append(f"{packed} label maps lie in an archive: unpack it, since they are read from folders only")
    return LabelMaps(kept, labels, odd)


def _times(paths: Sequence[str]) -> tuple[Counter[LabelKey], int]:
    """Return how many of some label maps have each value other than 0, by name if any, and how many maps were read.

    None was where a file is an image.
    """
    there: Counter[LabelKey] = Counter()
    read = 0
    for path in paths:
        try:
            parts = [(np.unique(sitk.GetArrayViewFromImage(i)), names) for i, names in layers(Path(path))]
        except Refused:
            continue
        for values, names in parts:
            if len(values) > MOST_VALUES or values.min() < 0 or (values != np.rint(values)).any():
                return Counter(), 0
            there.update(names.get(label, label) for label in values[values > 0].astype(int).tolist())
        read += 1
    return there, read


def layers(path: Path) -> list[tuple[sitk.Image, dict[int, str]]]:
    """Return each layer of a label map, of which most have one, and value -> the segment's name, as far as it has one.

    Raises:
        Refused: as `read_volume`.
    """
    segments = segments_in(path)
    return [
        (
            read_volume(path, layer=layer).image,
            {s.label: s.name for s in segments if s.layer == layer and _tells(s.name)},
        )
        for layer in values_in(segments, None)
    ]


def _tells(name: str) -> bool:
    """Return whether a study can give a name as `label`: digits alone are a value."""
    return bool(re.search(r"\D", name))


def in_order(labels: Iterable[LabelKey]) -> list[LabelKey]:
    """Return labels sorted, values before names."""
    return sorted(labels, key=lambda label: (isinstance(label, str), label))


def usual(times: Mapping[LabelKey, int], maps: int) -> list[LabelKey | None]:
    """Return the labels that half of the maps or more have; where none is, any label stands for the structure."""
    found: list[LabelKey | None] = [label for label in in_order(times) if times[label] >= maps / 2]
    return found or [None]


def passed_labels(pattern: str, taken: Sequence[LabelKey | None], times: Mapping[LabelKey, int]) -> list[str]:
    """Return what becomes of labels that are no structure of their own, a sentence each; see `usual`."""
    others = [str(label) for label in in_order(times) if label not in taken]
    if not others or len(times) == 1:
        return []
    if None in taken:
        return [f"{pattern}: its labels ({first_few(others)}) are taken together as one structure"]
    few = "is in fewer than half of the maps that were read, and is no structure here"
    return [f"{pattern}: label {first_few(others, sign=' or ')} {few}"]
