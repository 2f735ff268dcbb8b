"""Trainings that failed, and what is missing because of them: the holes in a study's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.study.plan import Model, Plan, Stage, plan
from crossover.study.schema import Study

FAILED = ["stage", "happened", "advice"]
TITLE = "Trainings that failed"


def failed_table(failed: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """What the stages' manifests list as failed, with the columns `FAILED`."""
    rows = [{"stage": name, **about} for name, about in failed.items()]
    return pd.DataFrame(rows, columns=FAILED)


def collapsed(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Stages that ran to their end with a validation DSC of 0 at every check."""
    return [r["stage"]["name"] for r in records if r.get("best_validation_dsc") == 0]


def failures_layout(failed: pd.DataFrame, study: Study) -> pd.DataFrame:
    """A row for each training that failed by itself: what happened, what to try, what is missing for it.

    What starts from it was not trained either, and counts among what is missing.
    """
    shown = plan(study)
    names = [name for name in shown.stages if name in set(failed["stage"])]
    about = failed.set_index("stage")
    roots = {name: _root(shown.stages[name], shown, names) for name in names}
    lost = {
        name: [m for m in shown.models.values() if roots.get(m.stage) == name] for name in names
    }
    rows = [
        {
            "Training": name,
            "What happened": about.loc[name, "happened"],
            "What to try": about.loc[name, "advice"],
            "Missing because of it": _missing(shown.stages[name], lost[name], names, study, shown),
        }
        for name in names
        if roots[name] == name
    ]
    return pd.DataFrame(rows)


def line(failed: pd.DataFrame, none: list[str]) -> str:
    """What stands at the top of the study's page; "" where no training failed or collapsed."""
    parts = []
    if len(failed):
        by_itself = ~failed["happened"].str.startswith("its parent ")
        text = _count(int(by_itself.sum()), "training") + " failed"
        if (~by_itself).any():
            text += f", and {_count(int((~by_itself).sum()), 'other')} could not start without"
        parts.append(f"{text}: what needs them is missing below, and no number stands in for it.")
    if none:
        parts.append(f"{_count(len(none), 'training')} ended with a validation DSC of 0.")
    return " ".join(parts)


def warning(none: list[str]) -> str:
    """About trainings that found nothing and stay in the results; "" without any."""
    if not none:
        return ""
    return (
        f"{_count(len(none), 'training')} ran to the end with a validation DSC of 0 at every check: "
        f"{', '.join(none)}. They stay in every table and figure, since leaving them out would flatter the "
        "strategy that they belong to; whoever reads its means should know."
    )


def _root(stage: Stage, shown: Plan, failed: list[str]) -> str:
    """The first of a stage's ancestors that failed, or itself."""
    while stage.parent in failed:
        stage = shown.stages[stage.parent]
    return stage.name


def _missing(
    stage: Stage, models: list[Model], failed: list[str], study: Study, shown: Plan
) -> str:
    parts = []
    if stage.cell:
        architecture, encoder = stage.cell
        assert stage.fold is not None, "a cell is trained for each fold"
        parts.append(
            f"fold {stage.fold + 1} of {style.architecture_label(architecture)} with "
            f"{style.encoder_label(encoder)}, which was not chosen from"
        )
    of: dict[tuple, list[Model]] = {}
    for model in shown.models.values():
        of.setdefault(_averaged(model), []).append(model)
    whole, partly = [], []
    for place in dict.fromkeys(map(_averaged, models)):
        left = [m for m in of[place] if m.stage not in failed]
        label = _label(of[place][0], study)
        if left:
            own = sum(m in models for m in of[place])
            kind = "replicates" if left[0].fold is None else "folds"
            partly.append(
                f"{label}: {own} of {len(of[place])} {kind}; its means are over the other {len(left)}"
            )
        else:
            whole.append(label)
    if whole:
        parts.append(f"every score of, and comparison with: {'; '.join(whole)}")
    if whole and study.network.per_structure:
        parts.append("means over all structures of these models")
    return ". ".join(part[:1].upper() + part[1:] for part in [*parts, *partly]) or "Nothing"


def _averaged(model: Model) -> tuple:
    """The same for models whose scores are averaged."""
    return model.family, model.n_train, model.structures, model.fold is None


def _label(model: Model, study: Study) -> str:
    """ "TL (L1), n = 13", "TL (L1), n = 13, folds"; of a network for one structure with its name."""
    parts = [style.family_label(study, model.family)]
    parts += [f"n = {model.n_train}"] if model.n_train else []
    parts += ["folds"] if model.fold is not None and not study.folded else []
    if study.network.per_structure:
        parts += [study.structures[s].label for s in model.structures]
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
