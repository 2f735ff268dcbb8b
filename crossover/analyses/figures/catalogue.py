"""Which figures a study has, and from which tables each is drawn; nothing here draws."""

from __future__ import annotations

from crossover.study.plan import plan
from crossover.study.schema import Study

FIGURES: dict[str, list[str]] = {
    "flow": ["splits.csv"],
    "scheme": ["splits.csv", "statistics/validation.csv"],
    "grid": ["statistics/cross_validation.csv"],
    "gains": ["statistics/gains.csv", "statistics/chains.csv"],
    "examples": ["metrics.csv", "statistics/chains.csv", "statistics/validation.csv"],
    "performance": ["metrics.csv"],
    "learning_curves": [
        "metrics.csv",
        "statistics/learning_curves.csv",
        "statistics/crossover.csv",
    ],
    "organs": ["metrics.csv", "statistics/paired.csv"],
    "sweep": ["metrics.csv", "statistics/training_time.csv"],
    "times": ["statistics/training_time.csv", "statistics/training_time_saved.csv"],
    "overlays": ["metrics.csv"],
    "subgroups": ["statistics/summary.csv", "statistics/tukey.csv", "metrics.csv"],
    "reliability": ["statistics/icc.csv"],
    "training_curves": [],
}
"""Figure -> the files under results/<study>/ that it is drawn from, in the report's order."""

OF_CHAINS = {"scheme", "grid", "gains", "examples"}
OF_IMAGES = ("overlays", "examples")
"""Drawn from images and masks too."""
OF_HISTORIES = ("training_curves",)
"""Drawn from the stages' histories."""


def figures_of(study: Study) -> list[str]:
    """The figures that a study's sections allow."""
    if study.statistics.comparison == "chains":
        shown = OF_CHAINS | {"training_curves"}
        shown -= set() if study.selection else {"grid"}
        return [name for name in FIGURES if name in shown]
    paired = study.statistics.comparison == "paired"
    levels = {model.level for model in plan(study).models.values()} - {None}
    without = OF_CHAINS | (set() if study.radiomics else {"reliability"})
    without |= {"subgroups"} if paired else {"organs", "sweep", "times"}
    without |= {"performance", "learning_curves"} if len(study.sizes) == 1 else set()
    without |= set() if len(levels) > 1 else {"sweep"}
    without |= set() if study.figures.overlays else {"overlays", "reliability"}
    return [name for name in FIGURES if name not in without]
