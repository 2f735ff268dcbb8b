"""The cases of a stage as a raw data set of nnU-Net, in a folder of the job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import SimpleITK as sitk

from crossover.core.wording import first_few
from crossover.exchange.label_maps import LabelValues, Overlap, label_map
from crossover.exchange.study_cases import StudyCase, hand_over, write_ordered
from crossover.imaging.volumes import image_path, read_grid
from crossover.training.failure import TrainingFailed
from crossover.training.stage_files import Cases, Place

ENDING = ".nii.gz"
DATASET = "dataset.json"
APART = "network.per_structure: true"
_NAMED = 3
"""The number of cases that a message names."""


def name_of(place: Place) -> str:
    """Return what a case is called in the data set; names of cases are unique in their cohort only."""
    return f"{place.cohort}_{place.case}"


def labels_of(dataset: Mapping) -> LabelValues:
    """Return which values of a label map belong to which structure, of a data set that `write_raw` wrote."""
    labels = {name: own for name, own in dataset["labels"].items() if name != "background"}
    return LabelValues({name: tuple(own) if isinstance(own, list) else (own,) for name, own in labels.items()})


def numbered(cases: Cases, used: Iterable[Place], structures: Sequence[str], parent: Mapping | None) -> LabelValues:
    """Return the label map of a stage's cases; that of its parent where it has one, whose outputs the network has.

    Args:
        parent: the data set of the parent stage.

    Raises:
        TrainingFailed: structures overlap otherwise than one label map, or the parent's, can hold.
    """
    own = [_study_case(cases, place) for place in used]
    if parent is None:
        try:
            return label_map(own, structures)
        except Overlap as error:
            what = f"one network cannot segment all structures: {error}"
            raise TrainingFailed(what, APART) from error
    before = labels_of(parent)
    if otherwise := [case.name for case in own if not before.holds(case)]:
        raise TrainingFailed(
            "the structures overlap otherwise than in the cases on which the parent was trained, in "
            + first_few(otherwise, _NAMED, what="cases"),
            APART,
        )
    return before


def write_raw(
    folder: Path,
    cases: Cases,
    used: Sequence[Place],
    channels: Sequence[str],
    names: Sequence[str],
    labels: LabelValues,
) -> None:
    """Write images as hard links or copies, label maps, and dataset.json (documentation/dataset_format.md of nnU-Net).

    Args:
        names: what nnU-Net calls the channels.
    """
    for place in used:
        link_images(folder / "imagesTr", cases, place, channels)
        target = folder / f"labelsTr/{name_of(place)}{ENDING}"
        labels.write(_study_case(cases, place), _grid(cases, place, channels), target)
    write_ordered(
        folder / DATASET,
        {
            "channel_names": {str(place): name for place, name in enumerate(names)},
            **labels.nnunet,
            "numTraining": len(used),
            "file_ending": ENDING,
            "overwrite_image_reader_writer": "SimpleITKIO",
        },
    )


def link_images(folder: Path, cases: Cases, place: Place, channels: Sequence[str]) -> list[Path]:
    """Put a case's images where nnU-Net reads them, all on exactly one grid; return their paths."""
    grid, paths = _grid(cases, place, channels), []
    for number, channel in enumerate(channels):
        path = folder / f"{name_of(place)}_{number:04}{ENDING}"
        path.unlink(missing_ok=True)
        hand_over(cases.image(place, channel), path, grid)
        paths.append(path)
    return paths


def _grid(cases: Cases, place: Place, channels: Sequence[str]) -> sitk.Image:
    return read_grid(image_path(cases.folder(place), channels[0]))


def _study_case(cases: Cases, place: Place) -> StudyCase:
    return StudyCase(place.cohort, place.case, "", False, cases.folder(place))
