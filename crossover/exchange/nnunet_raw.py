"""A study as a raw data set of nnU-Net 2: `crossover export nnunet`.

The form is that of nnU-Net's documentation/dataset_format.md and manual_data_splits.md, release 2.7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.exchange.label_maps import LabelValues, Overlap, grid_of, label_map
from crossover.exchange.study_cases import (
    StudyCase,
    chosen_structures,
    folder_of_its_own,
    hand_over,
    splits_of,
    study_cases,
    write_ordered,
)
from crossover.exchange.training_sets import TrainingSet, index_table, training_sets
from crossover.imaging.volumes import image_path
from crossover.study.backends import channel_name
from crossover.study.schema import Study

ENDING = ".nii.gz"
DATASET, SPLITS, FOLDS, README = "dataset.json", "splits_final.json", "folds.csv", "README.md"
_NAME = re.compile(r"Dataset\d{3}_\w+")
_TAKEN = ("background", "ignore")
"""Labels that mean something of their own to nnU-Net."""


def export(study: Study, results: Path, out: Path, structures: Sequence[str] = ()) -> str:
    """Write a study's cases, labels and splits to a folder `DatasetNNN_Name`, which belongs into nnUNet_raw.

    Args:
        structures: all of the study's where none is named.

    Returns:
        What was written, in a sentence.

    Raises:
        ConfigError: the folder has another kind of name or is there already, cases are missing, or a label map
            can't hold the structures.
    """
    if not _NAME.fullmatch(out.name):
        proper = f"Dataset501_{study.study.capitalize()}"
        raise ConfigError(f"{out.name}: name the folder as nnU-Net does, DatasetNNN_Name, for instance {proper}")
    structures = chosen_structures(study, structures)
    if taken := [name for name in structures if name in _TAKEN]:
        raise ConfigError(
            f"structure {', '.join(taken)}: nnU-Net reserves this name; rename the structure in the study"
        )
    cases = study_cases(study, results, structures)
    sets = training_sets(study, splits_of(study, results))
    try:
        labels = label_map(cases, structures)
    except Overlap as error:
        raise ConfigError(
            f"{error}\nOne label map cannot contain these structures: export them separately by --structure"
        ) from None
    with folder_of_its_own(out) as part:
        for case in cases:
            _write_case(study, case, labels, part)
        training = sum(not case.test for case in cases)
        write_ordered(part / DATASET, dataset(study, labels, training))
        unique = write_splits(sets, part)
        (part / README).write_text(_readme(study, out.name, unique))
    return f"{out}: {training} cases for training, {len(cases) - training} for testing, {unique} folds in {SPLITS}"


def _write_case(study: Study, case: StudyCase, labels: LabelValues, out: Path) -> None:
    grid, part = grid_of(case, study.channels[0]), "Ts" if case.test else "Tr"
    for place, channel in enumerate(study.channels):
        hand_over(image_path(case.folder, channel), out / f"images{part}/{case.name}_{place:04}{ENDING}", grid)
    labels.write(case, grid, out / f"labels{part}/{case.name}{ENDING}")


def dataset(study: Study, labels: LabelValues, training: int) -> dict:
    """Return what nnU-Net reads of a data set.

    Args:
        training: number of training cases.
    """
    return {
        "name": study.study,
        "description": study.title,
        "channel_names": {str(place): channel_name(study, c) for place, c in enumerate(study.channels)},
        **labels.nnunet,
        "numTraining": training,
        "file_ending": ENDING,
        "converted_by": "crossover export nnunet",
        "crossover": {"study": study.study, "scale": study.scale, "channels": study.channels},
    }


def write_splits(sets: list[TrainingSet], out: Path) -> int:
    """Write the cases of every training as folds, each only once, and a table that tells which is which.

    Returns:
        The number of folds.
    """
    unique = list(dict.fromkeys(own.cases for own in sets))
    folds = [{"train": list(train), "val": list(validation)} for train, validation in unique]
    write_ordered(out / SPLITS, folds)
    numbers: dict[str, str | int] = {own.stage.name: unique.index(own.cases) for own in sets}
    index_table(sets, numbers, "fold").to_csv(out / FOLDS, index=False)
    return len(unique)


def _readme(study: Study, name: str, folds: int) -> str:
    number = name.removeprefix("Dataset")[:3]
    return f"""# {name}: the study {study.study} at scale {study.scale}, for nnU-Net 2

{FOLDS} has a line for each training of the study. Its column `fold` is the number of the training's cases in {SPLITS},
from 0 to {folds - 1}; `starts_from_fold` is that of the training whose weights it begins with.

Put this folder into $nnUNet_raw, then:

    nnUNetv2_plan_and_preprocess -d {number} --verify_dataset_integrity
    cp $nnUNet_raw/{name}/{SPLITS} $nnUNet_preprocessed/{name}/
    nnUNetv2_train {number} 3d_fullres FOLD
    nnUNetv2_predict -d {number} -c 3d_fullres -f FOLD -i $nnUNet_raw/{name}/imagesTs -o predictions
    crossover score predictions --study {study.study} --scale {study.scale} --model nnunet \\
        --trained-on $nnUNet_raw/{name}/{SPLITS} --fold FOLD

nnU-Net plans by the sizes, spacings and intensities of all training cases, also of those that a fold leaves out.
Images may be hard links to the study's own: don't change them in place.
"""
