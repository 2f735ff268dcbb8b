"""A job of a run is made with the settings and the code with which the run began, or not at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crossover.core import source_code
from crossover.execution import begun
from tests.dry_runs import copy_workflow
from tests.test_interrupted import TARGET, start

STUDY = Path("config/studies/gland.yaml")
ENTRY, OUTPUT = "entry.py", "results/gland/metrics.csv"
SETTINGS = {"alpha": 0.05}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The code of a job of a run that has begun in a small project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(begun.VARIABLE, "")
    monkeypatch.setattr(source_code, "ROOT", tmp_path)
    for file, text in ((Path("lib.py"), "x = 1"), (Path(ENTRY), "import lib"), (STUDY, "alpha: 0.05")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    begun.begin(["gland"], {OUTPUT: (SETTINGS, planned())})
    return planned()


def planned() -> dict:
    """The code as a Snakemake that begins now gives it."""
    return {"entries": [ENTRY], "digest": source_code.code_digest(ENTRY)}


def test_a_job_of_a_run_in_which_nothing_changed_is_made(code: dict):
    begun.refuse_changes(OUTPUT, SETTINGS, code)
    STUDY.write_text("# a remark\nalpha: 0.05")
    Path("lib.py").write_text("x = 1  # a remark")
    begun.refuse_changes(OUTPUT, SETTINGS, planned())


@pytest.mark.parametrize("on_a_node", [True, False])
def test_code_that_changed_is_named_here_and_on_nodes(code: dict, on_a_node: bool):
    Path("lib.py").write_text("x = 2 ")
    with pytest.raises(RuntimeError, match=r"^lib.py changed since the run began: put it back as it was, or end"):
        begun.refuse_changes(OUTPUT, SETTINGS, planned() if on_a_node else code)


def test_a_setting_that_changed_is_told_by_its_file(code: dict):
    STUDY.write_text("alpha: 0.01")
    with pytest.raises(RuntimeError, match=f"^{STUDY} changed since the run began"):
        begun.refuse_changes(OUTPUT, {"alpha": 0.01}, code)
    STUDY.write_text("alpha: 0.05")
    with pytest.raises(RuntimeError, match=r"^what its settings depend on"):
        begun.refuse_changes(OUTPUT, {"alpha": 0.01}, code)


def test_what_is_called_outside_a_run_compares_its_code_alone(code: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(begun.VARIABLE)
    begun.refuse_changes(OUTPUT, {"alpha": 0.01}, code)
    with pytest.raises(RuntimeError, match=r"^the source code changed"):
        begun.refuse_changes(OUTPUT, SETTINGS, code | {"digest": "other"})


@pytest.mark.slow
def test_a_job_that_another_snakemake_starts_after_an_edit_fails_and_names_the_file(tmp_path: Path):
    """As on a node of a cluster."""
    folder = copy_workflow(tmp_path / "w")
    job = "from crossover.core.files import write_json\nfrom workflow_scripts._job import run\n"
    job += "run(lambda job: write_json(job.out, {'items': {}}), 'out')\n"
    (folder / "workflow_scripts/receive.py").write_text(job)
    said, _ = start(folder).communicate(timeout=200)
    assert (folder / TARGET).exists(), said
    study = folder / "config/studies/uterus.yaml"
    study.write_text(study.read_text().replace("seed: 11", "seed: 4711"))
    (file,) = (folder / begun.FOLDER).iterdir()
    node = [
        sys.executable, "-m", "snakemake", "--cores", "1", "--force", "--nolock", "--no-hooks", "--mode", "remote",
        "--target-jobs", "receive:cohort=cervix", "--config", "studies=uterus", "scale=smoke",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": "", begun.VARIABLE: str(file.relative_to(folder))}
    shutil.rmtree(folder / "data")
    done = subprocess.run(node, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and not (folder / TARGET).exists(), done.stderr
    said = (folder / "logs/receive/cervix.log").read_text()
    assert "config/studies/uterus.yaml changed since the run began" in said
