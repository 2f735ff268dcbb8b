"""The workflow in another folder than that of its clone, as a module of another workflow, and in a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dry_runs import copy_workflow

pytestmark = pytest.mark.slow
OUTER = """
configfile: "config/config.yaml"
config.update(studies="uterus", scale="smoke")


module crossover:
    snakefile: "{home}/Snakefile"
    config: config


use rule * from crossover as crossover_*


rule count:
    default_target: True
    input: "results/uterus/splits.csv"
    output: "count.txt"
    shell: "wc --lines < {{input}} > {{output}}"
"""

APPTAINER = """#!/bin/bash
[ "$1" != --version ] || { echo apptainer version 1.3.4; exit; }
echo "$@" >> "$0.calls"
while [ "$1" != image.sif ]; do shift; done
shift
exec "$@"
"""
"""Runs what it is to run in the image without one."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("home") / "clone")


def snakemake(folder: Path, *arguments: str, **variables: str) -> None:
    """Run in a folder that has the configuration, and nothing else of the project."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    command = [sys.executable, "-P", "-m", "snakemake", "--cores", "1", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]


def assert_as_it_was(home: Path, before: list[Path]) -> None:
    made = {path for path in set(home.rglob("*")) - set(before) if "__pycache__" not in path.parts}
    assert not {path for path in made if path.relative_to(home).parts[0] in ("data", "results", "logs", ".cache")}


@pytest.mark.thorough
def test_another_workflow_in_another_folder_takes_the_rules_as_a_module(home: Path, tmp_path: Path):
    shutil.copytree(home / "config", tmp_path / "config")
    (tmp_path / "Snakefile").write_text(OUTER.format(home=home))
    before = sorted(home.rglob("*"))
    snakemake(tmp_path)
    assert int((tmp_path / "count.txt").read_text()) > 10
    assert_as_it_was(home, before)


def test_a_run_in_another_folder_leaves_the_clone_as_it_was(home: Path, tmp_path: Path):
    """Of the patients of one cohort."""
    shutil.copytree(home / "config", tmp_path / "config")
    before = sorted(home.rglob("*"))
    target, config = "data/raw/cervix/manifest.json", ("studies=uterus", "scale=smoke")
    snakemake(tmp_path, "--snakefile", f"{home}/Snakefile", "--config", *config, "--", target)
    assert (tmp_path / target).exists()
    assert_as_it_was(home, before)


def test_jobs_run_in_the_container_that_the_configuration_names(home: Path, tmp_path: Path):
    shutil.copytree(home / "config", tmp_path / "config")
    (tmp_path / "image.sif").touch()
    stub = tmp_path / "bin/apptainer"
    stub.parent.mkdir()
    stub.write_text(APPTAINER)
    stub.chmod(0o755)
    target, config = "data/raw/cervix/manifest.json", ("studies=uterus", "scale=smoke", "container=image.sif")
    arguments = ("--snakefile", f"{home}/Snakefile", "--sdm", "apptainer", "--config", *config, "--", target)
    snakemake(tmp_path, *arguments, PATH=f"{stub.parent}:{os.environ['PATH']}")
    assert (tmp_path / target).exists()
    (call,) = Path(f"{stub}.calls").read_text().splitlines()
    assert " image.sif " in call and " receive " in call
