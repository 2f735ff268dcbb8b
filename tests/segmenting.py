"""A model as if it were trained, for which what is bright is inside: what `crossover segment` is tried with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from crossover.core.files import write_json
from crossover.core.paths import ROOT
from crossover.execution import segment as segmenting
from crossover.study.config import load_study
from crossover.study.parameters import prepared
from crossover.study.plan import plan
from crossover.training import engines
from crossover.training.stage_files import WEIGHTS

SEGMENT = ["--study", "prostate", "--scale", "smoke"]


class Threshold:
    """In an engine's place: what is brighter than the slices' mean is inside."""

    at_once = 100

    def load(self, weights: dict) -> None:
        pass

    def predict(self, images: np.ndarray) -> np.ndarray:
        return (images > images.mean()).astype(np.float32)


def pretend_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where b_a-f0 is, as if it were trained: the folder of results."""
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    study = load_study("prostate", "smoke", ROOT / "config")
    stage = tmp_path / "results/prostate/stages" / plan(study).models["b_a-f0"].stage
    about = {
        "stage": {"structures": ["prostate"]},
        "network": study.network.cell(*study.cells[0]).model_dump(mode="json"),
        "standardised": None,
        "prepared": prepared(study, study.network),
    }
    write_json(stage / "record.json", about)
    save_file({"w": np.zeros(1)}, stage / WEIGHTS)
    monkeypatch.setattr(engines, "create", lambda *_: Threshold())
    monkeypatch.setattr(segmenting, "_picture", lambda *_: None)
    return tmp_path / "results"
