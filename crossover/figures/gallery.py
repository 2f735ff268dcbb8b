"""Figures by name: each is drawn from its tables under `results/<study>/`.

A figure's module is imported when it is drawn, so that a change in one figure is not a change in all.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from crossover.study import Study


def draw(name: str, study: Study, results: Path, cases: Path) -> Figure:
    """Draw a figure of a study's first structure.

    Args:
        results: results/<study>. cases: data/cases.
    """
    module = importlib.import_module(f"crossover.figures.{name}")
    structure = next(iter(study.structures))

    def table(file: str) -> pd.DataFrame:
        return pd.read_csv(results / file)

    if name == "flow":
        return module.draw(table("splits.csv"), study)
    if name == "performance":
        return module.draw(table("metrics.csv"), study, structure)
    if name == "overlays":
        return module.draw(table("metrics.csv"), study, structure, cases, results / "predictions")
    if name == "reliability":
        return module.draw(table("statistics/icc.csv"), study, study.target, structure)
    return module.draw(
        table("statistics/summary.csv"), table("statistics/tukey.csv"), study, structure,
        _published(study),
    )  # fmt: skip


def _published(study: Study) -> pd.DataFrame | None:
    if study.published is None:
        return None
    published = importlib.import_module("crossover.published")
    return published.at_sizes(published.load_published(study.published), study.sizes)
