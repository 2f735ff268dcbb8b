"""What trainings and predictions find and leave on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pandas as pd

from crossover.items import RECORD
from crossover.provenance import read_json
from crossover.study import SELECTED, Prediction, Training

WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
Settings = TypeVar("Settings", Training, Prediction)


class Slices:
    """The slices of a study's cohorts, by their manifests: {cohort: data/slices/<study>/<cohort>/manifest.json}."""

    def __init__(self, manifests: dict[str, Path]) -> None:
        self._folders = {cohort: path.parent for cohort, path in manifests.items()}
        self._items = {cohort: read_json(path)["items"] for cohort, path in manifests.items()}

    def file(self, cohort: str, case: str) -> Path:
        return self._folders[cohort] / case / "slices.npz"

    def sha256(self, cohort: str, case: str) -> str:
        return self._items[cohort][case]["files"]["slices.npz"]["sha256"]

    def digests(self, cases: pd.DataFrame) -> dict[str, str]:
        return {f"{c.cohort}/{c.case}": self.sha256(c.cohort, c.case) for c in cases.itertuples()}


def with_selected(settings: Settings, selection: Path | None) -> Settings:
    """The settings with the network that the selection chose, where the study has one."""
    if settings.network.architecture != SELECTED:
        return settings
    assert selection, "a selected network needs the selection's file"
    chosen = read_json(selection)
    network = settings.network.cell(chosen["architecture"], chosen["encoder"])
    return settings.model_copy(update={"network": network})


def record_of(stages: Path, stage: str | None) -> dict:
    """The facts of a finished stage; none for no stage."""
    return read_json(stages / stage / RECORD) if stage else {}
