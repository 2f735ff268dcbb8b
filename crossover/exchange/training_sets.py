"""Who is trained on and who validates in each of a study's trainings, as other tools are told."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from crossover.study.plan import Plan, Stage, plan
from crossover.study.schema import Study
from crossover.study.splits import stage_cases


@dataclass(frozen=True)
class TrainingSet:
    """The cases of one training, by their names outside the study.

    Attributes:
        validation: those that choose the epoch. Where the study has none for a training of so few patients they are
            the training cases, as nnU-Net's own `all` does.
    """

    stage: Stage
    models: tuple[str, ...]
    train: tuple[str, ...]
    validation: tuple[str, ...]
    tested_on: str
    draw: int

    @property
    def cases(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The cases that are trained on, and those that validate."""
        return self.train, self.validation


def training_sets(study: Study, splits: pd.DataFrame) -> list[TrainingSet]:
    """Return the cases of every training that a model of the study needs, parents before children.

    Trainings that select the network are left out: they take the same cases.
    """
    planned = plan(study)
    return [_training_set(study, splits, planned, stage) for stage in planned.stages.values() if not stage.cell]


def _training_set(study: Study, splits: pd.DataFrame, planned: Plan, stage: Stage) -> TrainingSet:
    cases = stage_cases(splits, stage, study.splits.validation)
    names = cases.cohort + "_" + cases.case
    train, validation = (tuple(names[cases.use == use]) for use in ("train", "validation"))
    models = [model for model in planned.models.values() if model.stage == stage.name]
    tested = {"test cases" if m.fold_cohort is None else f"fold {m.fold} of {m.fold_cohort}" for m in models}
    draw = study.splits.replicates.draw(stage.replicate)
    return TrainingSet(
        stage, tuple(m.name for m in models), train, validation or train, ", ".join(sorted(tested)), draw
    )


def index_table(sets: list[TrainingSet], number: dict[str, str | int], column: str) -> pd.DataFrame:
    """Return one row for each training: what it is, and where another tool finds its cases.

    Args:
        number: stage -> what `column` says of it, such as the number of the fold.
    """
    rows = [
        {
            column: number[own.stage.name],
            "stage": own.stage.name,
            "models": " ".join(own.models),
            "trained_on": "; ".join(f"{c}: {'all' if n is None else n} patients" for c, n in own.stage.train),
            "structures": " ".join(own.stage.structures),
            "level": own.stage.level or "",
            "draw": own.draw,
            "replicate": own.stage.replicate,
            "left_out_fold": "" if own.stage.fold is None else own.stage.fold,
            "train_cases": len(own.train),
            "validation_cases": len(own.validation),
            "validated_on": "training cases" if own.validation == own.train else "validation cases",
            "tested_on": own.tested_on,
            "starts_from": own.stage.parent or own.stage.initial or "random",
            f"starts_from_{column}": number.get(own.stage.parent or "", ""),
        }
        for own in sets
    ]
    return pd.DataFrame(rows)
