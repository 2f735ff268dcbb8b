"""Figures by name: each is drawn from its tables under `results/<study>/`.

A figure's module is imported when it is drawn, so that a change in one figure is not a change in all.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from crossover import networks
from crossover.study.schema import Study


def draw(
    name: str, study: Study, results: Path, cases: Path, corrected: Path | None = None,
    stages: Sequence[Path] = (),
) -> Figure:  # fmt: skip
    """Draw a figure: of all structures where it is made for that, else of the study's first.

    Args:
        results: results/<study>. cases: data/cases. corrected: data/corrected/<study>, for examples.
        stages: manifests of the stages, for the curves.
    """
    module = importlib.import_module(f"crossover.analyses.figures.{name}")
    structure = next(iter(study.structures))

    def table(file: str) -> pd.DataFrame:
        return pd.read_csv(results / file)

    if name == "training_curves":
        return module.draw(*module.read(stages), study)
    if name == "flow":
        return module.draw(table("splits.csv"), study)
    if name == "scheme":
        return module.draw(table("splits.csv"), study, table("statistics/validation.csv"))
    if name == "grid":
        return module.draw(table("statistics/cross_validation.csv"), study)
    if name == "gains":
        return module.draw(table("statistics/gains.csv"), table("statistics/chains.csv"), study)
    if name == "examples":
        tables = [
            table(f"{n}.csv") for n in ("metrics", "statistics/chains", "statistics/validation")
        ]
        return module.draw(*tables, study, cases, corrected, results / "predictions")
    if name == "performance":
        return module.draw(table("metrics.csv"), study, structure)
    if name == "learning_curves":
        curves, crossover = (table(f"statistics/{n}.csv") for n in ("learning_curves", "crossover"))
        return module.draw(table("metrics.csv"), curves, crossover, study, structure)
    if name == "overlays":
        return module.draw(table("metrics.csv"), study, cases, results / "predictions")
    if name == "reliability":
        return module.draw(table("statistics/icc.csv"), study, study.target, structure)
    if name == "organs":
        paired = table("statistics/paired.csv")
        return module.draw(table("metrics.csv"), paired, study, _published(study))
    if name == "sweep":
        times = table("statistics/training_time.csv")
        return module.draw(table("metrics.csv"), times, study, levels_of(study))
    if name == "times":
        times = table("statistics/training_time.csv")
        return module.draw(times, table("statistics/training_time_saved.csv"), study)
    return module.draw(
        table("statistics/summary.csv"), table("statistics/tukey.csv"), study, structure,
        table("metrics.csv"), _published(study, structure),
    )  # fmt: skip


def levels_of(study: Study) -> dict[str, int | None]:
    """The architecture's levels, the least re-trained first, with their number of re-trained layers.

    The whole network is "", last. No number where the architecture doesn't count its layers.
    """
    architecture = networks.declared(study.network.architecture)
    module = importlib.import_module(f"crossover.networks.{architecture.name}")
    settings = architecture.settings(**study.network.settings)
    counted: Mapping[str, int] = getattr(module, "retrained_layers", lambda _: {})(settings)
    shallow = sorted(architecture.levels, key=lambda level: -len(architecture.frozen(level)))
    return {**{level: counted.get(level) for level in shallow}, "": counted.get("all")}


def _published(study: Study, structure: str | None = None) -> pd.DataFrame | None:
    if study.published is None:
        return None
    published = importlib.import_module("crossover.findings.published")
    table = published.at_sizes(published.load_published(study.published), study.sizes)
    return table if structure is None else published.of_structure(table, structure)
