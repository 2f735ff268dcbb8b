"""What another tool's model was trained on: how many of the study's patients, and no test patient among them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from crossover.core.configuration import ConfigError
from crossover.core.image_names import stem
from crossover.core.wording import first_few
from crossover.exchange.predicted_files import CaseNames
from crossover.exchange.study_cases import StudyCase
from crossover.exchange.training_sets import TrainingSet
from crossover.study.schema import Study

_NAMED = 5  # patients of a finding


@dataclass(frozen=True)
class TrainedOn:
    """What the metrics table says of a model's training.

    Attributes:
        n_train: patients of the target cohort, those who validate among them, as the study counts; 0 where unknown, and
            for the cases of a training of the study on all patients or none of the target.
        fold: the fold that validated, of a study whose models each leave one out for that; and the number of one in
            nnU-Net's splits_final.json that no training of the study has.
    """

    n_train: int = 0
    replicate: int = 0
    draw: int = 0
    fold: int | None = None

    def model(self, name: str) -> str:
        """Return the model's name in the form of the study's: "nnunet-n13-r1"."""
        parts = [name, f"n{self.n_train}" if self.n_train else "", f"r{self.replicate}" if self.replicate else ""]
        return "-".join([part for part in parts if part] + ([] if self.fold is None else [f"f{self.fold}"]))


def read_trained_on(
    path: Path, fold: int | None, study: Study, cases: Sequence[StudyCase], sets: Sequence[TrainingSet]
) -> tuple[TrainedOn, list[str]]:
    """Return what a model was trained on by nnU-Net's splits_final.json and the fold in it, or a datalist of MONAI.

    Returns:
        What it was trained on, and what else there is to tell, a sentence each.

    Raises:
        ConfigError: the file is neither, has no such fold, names test patients, or has no name of a case.
    """
    known = CaseNames(cases)
    parts = [[_case(known, name) for name in part] for part in _parts(path, fold)]
    found = [case for part in parts for case in part if case]
    if not found:
        raise ConfigError(
            f"{path}: none of its training cases has the name of a case of study {study.study}, such as "
            f"{cases[0].name}: it does not show whether test patients are among them. Give --n if none is"
        )
    if tested := sorted({case.patient for case in found if case.test}):
        raise ConfigError(
            f"{path}: {first_few(tested, _NAMED)} are test patients of the study: "
            "a model that was trained on them can't be tested on them"
        )
    unknown = sum(case is None for part in parts for case in part)
    notes = [f"{path}: {unknown} training cases are none of this study's"] if unknown else []
    n_train = len({case.patient for case in found if case.cohort == study.target})
    train, validation = ({case.name for case in part if case} for part in parts)
    own = next((s for s in sets if {*s.train} == train and {*s.validation} == (validation or train)), None)
    if own is None:
        return TrainedOn(n_train, fold=fold), notes
    left_out = own.stage.fold if own.stage.fold_cohort is None else None
    if dict(own.stage.train).get(study.target) is None:  # all patients, which the study's own models count as no size
        n_train = 0
    return TrainedOn(n_train, own.stage.replicate, own.draw, left_out), notes


def _parts(path: Path, fold: int | None) -> tuple[list[str], list[str]]:
    """Return the names or image files of the training and of the validation cases that a file lists."""
    try:
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read as JSON: {getattr(error, 'strerror', None) or error}") from None
    try:
        if isinstance(content, list):
            if fold is None or not 0 <= fold < len(content):
                raise ConfigError(f"{path}: give --fold, from 0 to {len(content) - 1}")
            return [*map(str, content[fold]["train"])], [*map(str, content[fold]["val"])]
        return _listed(content["training"]), _listed(content.get("validation", []))
    except (KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path}: this is neither nnU-Net's splits_final.json nor a datalist with `training`"
        ) from None


def _listed(items: list) -> list[str]:
    images = [item["image"] if isinstance(item, dict) else item for item in items]
    return [str(image[0] if isinstance(image, list) else image) for image in images]


def _case(known: CaseNames, image: str) -> StudyCase | None:
    """Return the case that a name or an image file is of, else the nearest folder of the file; None for none."""
    *folders, file = image.replace("\\", "/").split("/")
    pairs = [f"{outer}_{inner}" for outer, inner in pairwise(folders)]
    names = [stem(file), *(name for two in zip(reversed(["", *pairs]), reversed(folders)) for name in two)]
    return next((split[0] for name in names if (split := known.split(name))), None)
