"""A study of two backends at smoke scale, through the workflow: one table, one page, and nothing to do twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.core.files import read_json
from crossover.study.config import load_study
from crossover.study.plan import plan
from tests.smoke import assert_one_table, run_alone

pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: pip install 'crossover[nnunet]'")
pytestmark = [pytest.mark.slow, pytest.mark.thorough]

STUDY = "nnunet_phantom"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both") / "w"
    run_alone(folder, STUDY)
    return folder


def test_both_backends_fill_one_table_for_the_same_cases(ran: Path):
    assert_one_table(ran, STUDY)


def test_a_stage_of_nnunet_read_no_slices_and_one_of_the_own_loop_no_cases(ran: Path):
    planned = plan(load_study(STUDY, "smoke", ran / "config"))
    for name, batch in planned.batches.items():
        inputs = read_json(ran / f"results/{STUDY}/stages/{name}.provenance.json")["inputs"]
        read = {path.split("/")[1] for path in inputs if path.startswith("data/")}
        assert read == ({"cases"} if batch.stages[0].network else {"slices"})


def test_the_record_says_how_masks_are_predicted(ran: Path):
    record = read_json(ran / f"results/{STUDY}/stages/nnunet_source/record.json")
    assert record["inference"] == {"mirroring_axes": None, "tile_step_size": 1}


def test_a_second_run_does_nothing(ran: Path):
    assert "Nothing to be done" in run_alone(ran, STUDY)


def test_the_page_names_what_was_planned(ran: Path):
    assert "nnU-Net fine-tuned" in (ran / "results/report.html").read_text()
