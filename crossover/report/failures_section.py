"""Trainings that failed, were repeated or found nothing, and what is missing because of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.formats import listed
from crossover.report.prose import statements
from crossover.report.results import Section, StudyResults, TableKind, titled_tables
from crossover.study.plan import Model, Plan, Stage, plan
from crossover.study.schema import Study

FAILED = ["stage", "happened", "advice"]


def failed_table(failed: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return what the stages' manifests list as failed, with the columns `FAILED`."""
    rows = [{"stage": name, **about} for name, about in failed.items()]
    return pd.DataFrame(rows, columns=FAILED)


def scored_zero(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the stages whose kept weights have a validation DSC of 0.

    This is not what makes a training collapse and be done again (`training.stage.Trained.collapsed`): there the
    weights that the training began with don't count, while here a fine-tuning that found nothing keeps them, and
    with them their score.
    """
    return [r["stage"]["name"] for r in records if r.get("best_validation_dsc") == 0]


def retried(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the stages that collapsed and were done again with another seed -> what happened in the one not kept.

    Of several that were not kept it is the first. That need not be the first attempt: where all collapsed, the best is
    kept (`training.loop`).
    """
    return {r["stage"]["name"]: r["collapsed"][0]["happened"] for r in records if r.get("collapsed")}


def failures_in_short(results: StudyResults) -> str:
    """Return what stands at the top of the study's page; "" where no training failed or scored 0."""
    happened = results.frame("failed", *FAILED)["happened"].astype(str)
    unstarted = int(happened.str.startswith("its parent ").sum())
    said = statements(
        results.study, "failed_and_scored_zero",
        failed=len(happened) - unstarted, unstarted=unstarted, scored_zero=len(results.scored_zero),
    )  # fmt: skip
    return " ".join(said)


def failures_section(results: StudyResults) -> Section | None:
    """Return the section of the trainings that failed, were done again, or scored 0; None where there are none."""
    said = statements(results.study, "retried_and_scored_zero", names=results.scored_zero, retried=results.retried)
    tables = titled_tables(results, [TableKind("failed", "failed", failures_layout, wraps=True)])
    happened = {
        "failed": tables,
        "were repeated": results.retried,
        "ended with a validation DSC of 0": results.scored_zero,
    }  # fmt: skip
    title = f"Trainings that {listed([text for text, those in happened.items() if those], 'or')}"
    return Section("failed", title, said, tables, part="checks") if said or tables else None


def failures_layout(failed: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return a row for each training that failed by itself: what happened, what to try, what is missing for it.

    What starts from it was not trained either, and counts among what is missing.
    """
    shown, about = plan(study), failed.set_index("stage")
    names = [name for name in shown.stages if name in about.index]
    roots = {name: _root(shown.stages[name], shown, names) for name in names}
    rows = []
    for name in (n for n in names if roots[n] == n):
        lost = [m for m in shown.models.values() if roots.get(m.stage) == name]
        rows.append({
            "Training": name,
            "What happened": about.loc[name, "happened"],
            "What to try": about.loc[name, "advice"],
            "Missing because of it": _missing(shown.stages[name], lost, names, study, shown),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _root(stage: Stage, shown: Plan, failed: list[str]) -> str:
    """Return the first of a stage's ancestors that failed, or itself."""
    while stage.parent in failed:
        stage = shown.stages[stage.parent]
    return stage.name


def _missing(stage: Stage, models: list[Model], failed: list[str], study: Study, shown: Plan) -> str:
    of: dict[tuple, list[Model]] = {}
    for model in shown.models.values():
        of.setdefault(_averaged(model), []).append(model)
    whole, partly = [], []
    for place in dict.fromkeys(map(_averaged, models)):
        left = sum(m.stage not in failed for m in of[place])
        label, kind = _label(of[place][0], study), "replicates" if place[-1] else "folds"
        lost = sum(m in models for m in of[place])
        if left:
            partly.append(f"{label}: {lost} of {len(of[place])} {kind}; its means are over the other {left}")
        else:
            whole.append(label)
    cell = stage.cell and (
        style.architecture_label(stage.cell[0]),
        style.encoder_label(stage.cell[1]),
    )
    [said] = statements(
        study, "missing_without_training", cell=cell, fold=stage.fold, whole=whole, partly=partly,
    )  # fmt: skip
    return said


def _averaged(model: Model) -> tuple:
    """Return a key that is equal for models whose scores are averaged."""
    return model.family, model.n_train, model.structures, model.fold is None


def _label(model: Model, study: Study) -> str:
    """Return "TL (L1), n = 13", "TL (L1), n = 13, folds"; of a network for one structure with its name."""
    parts = [style.family_label(study, model.family)]
    parts += [f"n = {model.n_train}"] if model.n_train else []
    parts += ["folds"] if model.fold is not None and not study.folded else []
    if study.network.per_structure:
        parts += [study.structures[s].label for s in model.structures]
    return ", ".join(parts)
