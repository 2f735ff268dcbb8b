"""One run of the whole workflow at smoke scale, from a clean state, for every test that reads what such a run makes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from crossover.study.config import load_study
from crossover.study.plan import plan
from tests.dry_runs import ROOT, copy_workflow

ALL = "studies=uterus,nasopharynx,prostate,fourth"
"""The papers' studies, and one that mixes what they do."""
FOURTH = ROOT / "tests/fourth.yaml"


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def run_all(folder: Path) -> None:
    """Make every study's results in a copy of the workflow."""
    copy_workflow(folder)
    shutil.copy(FOURTH, folder / "config/studies/fourth.yaml")
    run = snakemake(folder, "--config", ALL, "scale=smoke")
    said = run.stdout + run.stderr
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "The report: " in run.stdout and "failed" not in said, said[-3000:]
    assert re.search(r"uterus: stage 13 of 13 done", run.stdout), run.stdout[-3000:]


def run_alone(folder: Path, study: str) -> str:
    """Run a study of `tests/` alone, with its file put into a copy of the workflow; return what was said."""
    if not folder.exists():
        copy_workflow(folder)
        shutil.copy(ROOT / f"tests/{study}.yaml", folder / f"config/studies/{study}.yaml")
    run = snakemake(folder, "--config", f"studies={study}", "scale=smoke")
    said = run.stdout + run.stderr
    assert run.returncode == 0, said[-4000:]
    assert "failed" not in said, said[-3000:]
    return said


def assert_one_table(folder: Path, study: str) -> None:
    """All models of the study are in one table of scores, for the same cases and structures."""
    table = pd.read_csv(folder / f"results/{study}/metrics.csv")
    cases = table.groupby("model")[["cohort", "case", "structure"]].apply(lambda rows: {*map(tuple, rows.values)})
    models = plan(load_study(study, "smoke", folder / "config")).models
    assert {*cases.index} == {*models} and len({*map(frozenset, cases)}) == 1
    assert table["dsc"].between(0, 1).all()
