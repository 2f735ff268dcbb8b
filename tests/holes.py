"""Everything from the metrics table and the stages' manifests on, as the workflow's scripts make it, for
tests in which trainings failed."""

from __future__ import annotations

import importlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.plan import Model, plan
from crossover.study.schema import Study
from tests.chain_tables import (
    SITES,
    chain_metrics,
    chain_records,
    chain_splits,
    chain_study,
    strategies,
)
from tests.chen_tables import chen_metrics, chen_records, chen_study

HAPPENED = "the loss was NaN at step 17"
ADVICE = "a learning rate of a third"
SWEPT = ["spp", "conv4", "conv2"]
"""Few levels and chains, since every pair of families is tested; sources of two attributes end on North."""
CHAINS = [
    "north",
    "east",
    "south",
    "east_north",
    "south_north",
    "north_east",
    "together",
    "blank_north",
]


@dataclass(frozen=True)
class Case:
    """A study with simulated results of all its trainings."""

    study: Study
    metrics: pd.DataFrame
    records: list[dict]
    splits: pd.DataFrame
    radiomics: pd.DataFrame | None = None


def uterus() -> Case:
    study = few_trainings(load_study("uterus", "demo"))
    models = plan(study).models.values()
    rng = np.random.default_rng(1)
    rows, features = [], []
    structure = next(iter(study.structures))
    names = [(c, f"{c}_{i:03d}") for c in study.cohorts for i in range(4)]
    kinds = study.radiomics.features[:2]
    truth = {(case, f): rng.normal(100, 20) for _, case in names for f in kinds}
    manual = {"model": "manual", "family": "", "strategy": "", "level": "", "n_train": 0}
    for about in [manual, *({c: getattr(m, c) for c in manual if c != "model"} | {"model": m.name}
                            for m in models if m.fold is None)]:  # fmt: skip
        for cohort, case in names:
            for feature in kinds:
                value = truth[case, feature] + rng.normal(0, 3)
                features.append({**about, "replicate": 0, "cohort": cohort, "case": case,
                                 "structure": structure, "feature": feature, "value": value})  # fmt: skip
    for model in models:
        for cohort, case in names:
            dsc = float(np.clip(rng.normal(0.4 + 0.02 * model.n_train, 0.1), 0, 1))
            rows.append(scored(model, cohort, case, structure, dsc))
    return Case(study, pd.DataFrame(rows), records(study), splits(study, names), pd.DataFrame(features))


def few_trainings(study: Study) -> Study:
    """Two sizes and draws, and one level, since every pair of families is tested at every size."""
    values = study.model_dump(mode="json")
    values["sizes"] = [4, 32]
    values["strategies"]["transfer"]["chain"][1]["levels"] = ["L1"]
    values["splits"]["replicates"]["draws"] = 2
    values["figures"]["colours"] = {}
    values["figures"]["overlays"]["sizes"] = [32]
    return Study.model_validate(values)


def nasopharynx() -> Case:
    study = chen_study(organs=3, levels=SWEPT)
    names = [(c, f"{c}_{i:03d}") for c in study.cohorts for i in range(10)]
    made = [r | {"versions": {}, "best_validation_dsc": 0.8} for r in chen_records(study)]
    return Case(study, chen_metrics(study), made, splits(study, names))


def prostate() -> Case:
    tried = {
        "train": {"north": "all"},
        "architectures": ["unet", "manet"],
        "encoders": ["resnet18"],
    }
    every = strategies(tuple(SITES), most=2)
    named = {name: every[name] for name in CHAINS}
    study = chain_study(folds=3, selection=tried, strategies=named, figures={"order": [*named]})
    return Case(study, chain_metrics(study), chain_records(study), chain_splits(study))


CASES = {"uterus": uterus, "nasopharynx": nasopharynx, "prostate": prostate}


def scored(model: Model, cohort: str, case: str, structure: str, dsc: float) -> dict:
    about = {c: getattr(model, c) for c in ("family", "strategy", "level", "n_train", "replicate", "fold")}
    same = dict.fromkeys(("dsc", "iou", "nsd", "dsc_structure_slices", "iou_structure_slices"), dsc)
    return {
        "model": model.name, **about, "cohort": cohort, "case": case, "structure": structure,
        **same, "hd95_mm": 30 * (1 - dsc), "volume_manual_ml": 5.0, "volume_predicted_ml": 5 * dsc,
    }  # fmt: skip


def records(study: Study) -> list[dict]:
    return [
        {"stage": asdict(stage), "steps": 100, "best_step": 80, "best_validation_dsc": 0.6,
         "parameters": {"total": 10, "trained": 5}, "threads": 1, "device": "CPU", "seconds": 9.0,
         "versions": {"keras": "3"}, "initial": None,
         "network": {"architecture": "x", "engine": "keras", "settings": {}}}
        for stage in plan(study).stages.values()
    ]  # fmt: skip


def splits(study: Study, tested: Iterable[tuple[str, str]]) -> pd.DataFrame:
    rows = []
    for cohort in study.cohorts:
        for i in range(study.sizes[-1]):
            name = f"{cohort}_{900 + i}"
            rows.append({"cohort": cohort, "patient": name, "case": name, "replicate": 0, "part": "train",
                         "rank": i, "validation": i % 10 == 1, "fold": i % 5})  # fmt: skip
    for cohort, name in tested:
        rows.append({"cohort": cohort, "patient": name, "case": name, "replicate": 0, "part": "test",
                     "rank": np.nan, "validation": False, "fold": np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def with_descendants(study: Study, stages: Collection[str]) -> dict[str, dict]:
    """What the manifests list when these stages fail."""
    failed: dict[str, dict] = {}
    for stage in plan(study).stages.values():  # parents before children
        if stage.parent in failed:
            what = f"its parent {stage.parent} failed: {failed[stage.parent]['happened']}"
            failed[stage.name] = {"happened": what, "advice": ADVICE}
        elif stage.name in stages:
            failed[stage.name] = {"happened": HAPPENED, "advice": ADVICE}
    return failed


def make(
    case: Case,
    stages: Collection[str],
    folder: Path,
    figures: bool = True,
    only: Collection[str] = (),
) -> Path:
    """Everything down to the report, or only these analyses and the report, with these stages failed.

    Returns:
        results/.
    """
    study, failed = case.study, with_descendants(case.study, stages)
    out = folder / "results" / study.study
    lost = {m.name for m in plan(study).models.values() if m.stage in failed}
    (out / "stages").mkdir(parents=True)
    (out / "statistics").mkdir()
    kept = {r["stage"]["name"]: r for r in case.records if r["stage"]["name"] not in failed}
    for name in kept:
        history = {"step": [50, 100], "loss": [0.5, 0.4], "validation_dsc": [0.3, 0.6]}
        (out / "stages" / name).mkdir()
        pd.DataFrame(history).to_csv(out / "stages" / name / "history.csv", index=False)
    stages_file = out / "stages/all.json"
    stages_file.write_text(json.dumps({"items": kept, "failed": failed}))
    case.splits.to_csv(out / "splits.csv", index=False)
    case.metrics[~case.metrics["model"].isin(lost)].to_csv(out / "metrics.csv", index=False)
    if case.radiomics is not None:
        left = case.radiomics[~case.radiomics["model"].isin(lost)]
        left.to_csv(out / "radiomics.csv", index=False)
    if study.selection:
        run("selection", {"cells": study.selection.cells, "folds": study.splits.k_fold.k},
            stages=[stages_file], out=out / "selection.json")  # fmt: skip
    pictures = analyses(study, out, folder, stages_file, figures, only)
    statistics = sorted((out / "statistics").glob("*.csv"))
    values = [out / name for name in ("values.json", "values.tex", "scores.json", "params.json")]
    run("values", parameters.result_settings(study), statistics=statistics, after=[], out=values)
    inputs = [*statistics, *pictures, *(out / "tables").glob("*.csv"), out / "metrics.csv",
              out / "splits.csv", stages_file]  # fmt: skip
    run("report", {"studies": [parameters.report(study)]}, inputs=inputs,
        out=folder / "results/report.html")  # fmt: skip
    return folder / "results"


def analyses(study: Study, out: Path, folder: Path, stages: Path, figures: bool, only: Collection[str]) -> list[Path]:
    """Every analysis that fits the study and reads neither images nor claims; returns the figures."""
    slices = []
    for cohort in study.cohorts:
        slices.append(folder / f"data/slices/{study.study}/{cohort}/manifest.json")
        slices[-1].parent.mkdir(parents=True)
        slices[-1].write_text(json.dumps({"items": {"a": {"with_structure": 7}}}))
    patients = pd.read_csv(out / "splits.csv")
    first = next(c for c, cohort in study.cohorts.items() if cohort.role == "target")
    patients = patients[patients["cohort"] == first][["patient", "case"]].drop_duplicates()
    file, pictures = folder / "patients.csv", []
    patients.assign(age=range(len(patients))).to_csv(file, index=False)
    for analysis in registry.of_study(study, *registry.KINDS[: 3 if figures else 2]):
        if {"images", "claims"} & set(analysis.declared.sources):
            continue
        if only and analysis.name not in only:
            continue
        tables = [path for name in analysis.declared.reads if (path := out / name).exists()]
        given = Inputs(out, tables, [stages], slices, file)
        asked = Study.of(json.loads(json.dumps(analysis.settings(study))))
        if analysis.kind != "figures":
            analysis.write(given, asked, out)
            continue
        pictures.append(out / f"figures/{analysis.name}.png")
        pictures[-1].parent.mkdir(exist_ok=True)
        analysis.module().make(given, asked).savefig(pictures[-1], dpi=20)
    return pictures


def run(script: str, cfg: dict, **paths) -> None:
    module = importlib.import_module(f"workflow_scripts.{script}")
    module.main(SimpleNamespace(cfg=json.loads(json.dumps(cfg)), threads=1, **paths))
