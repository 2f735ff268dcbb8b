"""A study as datalists for MONAI, in the form of the Medical Segmentation Decathlon: `crossover export monai`.

The form is that of MONAI's `load_decathlon_datalist`, release 1.6: "training", "validation" and "test", each a list of
{"image": path or paths, "label": path or paths}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from crossover.exchange.label_maps import LabelValues, flat_label_map, grid_of
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
from crossover.imaging.volumes import image_path, structure_path
from crossover.study.schema import Study

INDEX, README = "datalists.csv", "README.md"


def export(study: Study, results: Path, out: Path, structures: Sequence[str] = ()) -> str:
    """Write a study's images and labels, and a datalist for each training, to a folder.

    A case's label is one label map, or one mask for each structure where structures overlap.

    Args:
        structures: all of the study's where none is named.

    Returns:
        What was written, in a sentence.

    Raises:
        ConfigError: there is something at `out`, or cases are missing.
    """
    structures = chosen_structures(study, structures)
    cases = study_cases(study, results, structures)
    sets = training_sets(study, splits_of(study, results))
    labels = flat_label_map(cases, structures)
    apart = labels is None
    with folder_of_its_own(out) as part:
        items = {case.name: _write_case(study, case, structures, labels, part) for case in cases}
        about = _about(study, structures, apart)
        test = [items[case.name] for case in cases if case.test]
        for own in sets:
            write_ordered(part / datalist_name(own), about | _lists(own, items, test))
        names: dict[str, str | int] = {own.stage.name: datalist_name(own) for own in sets}
        index_table(sets, names, "datalist").to_csv(part / INDEX, index=False)
        (part / README).write_text(_readme(study, apart))
    labelled = "a mask for each structure, since structures overlap" if apart else "one label map a case"
    return f"{out}: {len(cases)} cases, {labelled}; {len(sets)} datalists, listed in {INDEX}"


def datalist_name(own: TrainingSet) -> str:
    """Return the name of a training's datalist."""
    return f"{own.stage.name}.json"


def _write_case(
    study: Study, case: StudyCase, structures: Sequence[str], labels: LabelValues | None, out: Path
) -> dict:
    """Write a case; return its item of a datalist, with paths from the folder of the datalists."""
    grid = grid_of(case, study.channels[0])
    images = {c: f"images/{case.name}_{c}.nii.gz" for c in study.channels}
    for channel, name in images.items():
        hand_over(image_path(case.folder, channel), out / name, grid)
    if labels:
        drawn = [f"labels/{case.name}.nii.gz"]
        labels.write(case, grid, out / drawn[0])
    else:
        drawn = [f"labels/{case.name}_{structure}.nii.gz" for structure in structures]
        for structure, name in zip(structures, drawn):
            hand_over(structure_path(case.folder, structure), out / name, grid)
    return {"image": _one_or_all([*images.values()]), "label": _one_or_all(drawn)}


def _one_or_all(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _about(study: Study, structures: Sequence[str], apart: bool) -> dict:
    """Return what a datalist says beside the cases. Masks apart are the label's channels, in this order from 0."""
    own = dict(enumerate(structures)) if apart else {0: "background", **dict(enumerate(structures, start=1))}
    return {
        "name": study.study,
        "description": study.title,
        "modality": {str(place): channel for place, channel in enumerate(study.channels)},
        "labels": {str(value): name for value, name in own.items()},
        "tensorImageSize": "3D" if len(study.channels) == 1 else "4D",
        "crossover": {"study": study.study, "scale": study.scale, "labels": "masks" if apart else "label map"},
    }


def _lists(own: TrainingSet, items: Mapping[str, dict], test: list[dict]) -> dict:
    return {
        "training": [items[name] for name in own.train],
        "validation": [items[name] for name in own.validation],
        "test": test,
        "numTraining": len(own.train),
        "numTest": len(test),
    }


def _readme(study: Study, apart: bool) -> str:
    label = "of one mask for each structure, its channels in the order of `labels`" if apart else "a label map"
    return f"""# The study {study.study} at scale {study.scale}, for MONAI

{INDEX} has a line for each training of the study, with the datalist of its cases, and of the training whose weights it
begins with. Paths are from this folder:

    from monai.data import load_decathlon_datalist
    training = load_decathlon_datalist("DATALIST.json", True, "training")
    validation = load_decathlon_datalist("DATALIST.json", True, "validation")
    test = load_decathlon_datalist("DATALIST.json", True, "test")

An image is of {len(study.channels)} channel(s), in the order of `modality`. A label is {label}.
Save predictions of the test cases on the image's grid (`Invertd`, `SaveImaged`), as label maps or a mask a structure:

    crossover score FOLDER --study {study.study} --scale {study.scale} --model monai --trained-on DATALIST.json

Images may be hard links to the study's own: don't change them in place.
"""
