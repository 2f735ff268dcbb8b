"""A study of a 2D and a 3D network of the own loop at smoke scale, through the workflow; nothing to do twice."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from crossover.core.files import read_json
from tests.smoke import assert_one_table, run_alone

pytest.importorskip("monai", reason="MONAI is not installed: pip install 'crossover[monai]'")
pytestmark = [pytest.mark.slow, pytest.mark.thorough]

STUDY = "patches_phantom"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes") / "w"
    run_alone(folder, STUDY)
    return folder


def test_both_backends_fill_one_table_for_the_same_cases(ran: Path):
    assert_one_table(ran, STUDY)


def test_a_fine_tuned_3d_network_trained_its_decoder_and_began_validated(ran: Path):
    record = read_json(ran / f"results/{STUDY}/stages/volume_transfer-decoder-n2/record.json")
    assert record["parameters"]["trained"] < record["parameters"]["total"] / 2
    assert record["versions"].keys() == {"torch", "monai"} and record["volumes"]["train"] == 1
    history = pd.read_csv(ran / f"results/{STUDY}/stages/volume_transfer-decoder-n2/history.csv")
    assert history["step"].tolist() == [0, 2]
    assert not list((ran / f".cache/training/{STUDY}").rglob("*.npy")), "volumes go when a stage is done"


def test_a_second_run_does_nothing(ran: Path):
    assert "Nothing to be done" in run_alone(ran, STUDY)
