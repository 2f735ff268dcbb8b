"""A study of a 2D and a 3D network of the own loop at smoke scale, through the workflow; nothing to do twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from crossover.core.files import read_json
from crossover.study.config import load_study
from crossover.study.plan import plan
from tests.dry_runs import ROOT, copy_workflow
from tests.smoke import snakemake

pytest.importorskip("monai", reason="MONAI is not installed: pip install 'crossover[monai]'")
pytestmark = pytest.mark.slow

STUDY = "patches_phantom"
CONFIG = ("--config", f"studies={STUDY}", "scale=smoke")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_workflow(tmp_path_factory.mktemp("volumes") / "w")
    shutil.copy(ROOT / f"tests/{STUDY}.yaml", folder / f"config/studies/{STUDY}.yaml")
    run = snakemake(folder, *CONFIG)
    said = run.stdout + run.stderr
    assert run.returncode == 0, said[-4000:]
    assert "failed" not in said, said[-3000:]
    return folder


def test_both_backends_fill_one_table_for_the_same_cases(ran: Path):
    study = load_study(STUDY, "smoke", ran / "config")
    table = pd.read_csv(ran / f"results/{STUDY}/metrics.csv")
    cases = table.groupby("model")[["cohort", "case", "structure"]].apply(lambda rows: {*map(tuple, rows.values)})
    assert {*cases.index} == {*plan(study).models} and len({*map(frozenset, cases)}) == 1
    assert table["dsc"].between(0, 1).all()


def test_a_fine_tuned_3d_network_trained_its_decoder_and_began_validated(ran: Path):
    record = read_json(ran / f"results/{STUDY}/stages/volume_transfer-decoder-n2/record.json")
    assert record["parameters"]["trained"] < record["parameters"]["total"] / 2
    assert record["versions"].keys() == {"torch", "monai"} and record["volumes"]["train"] == 1
    history = pd.read_csv(ran / f"results/{STUDY}/stages/volume_transfer-decoder-n2/history.csv")
    assert history["step"].tolist() == [0, 2]
    assert not list((ran / f".cache/training/{STUDY}").rglob("*.npy")), "volumes go when a stage is done"


def test_a_second_run_does_nothing(ran: Path):
    run = snakemake(ran, *CONFIG)
    assert run.returncode == 0 and "Nothing to be done" in run.stdout + run.stderr
