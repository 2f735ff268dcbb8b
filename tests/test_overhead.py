"""What a run's cores did: from provenance records and Snakemake's logs, with times made up."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.overhead import KINDS, Job, Run, idle, overhead, runs, table
from workflow_scripts import POOLS

ROOT = Path(__file__).parent.parent


def job(begun: float, ended: float, output: str, *inputs: str, threads: int = 1) -> Job:
    return Job("s", "r", threads, begun, ended, {}, frozenset(inputs), frozenset([output]))


def test_idle_cores_are_snakemakes_while_a_job_is_ready():
    """Two cores, 0 to 20 s: a from 2 to 6; b, ready at 6, from 7 to 10; c with it until 15."""
    done = [job(2, 6, "a"), job(7, 10, "b", "a"), job(7, 15, "c", "a")]
    of_snakemake, waiting = idle(Run(0, 20, 2), done)
    before, between, after = 2 * 2, 1 * 2, 5 * 2
    assert of_snakemake == pytest.approx(before + between + after)
    assert waiting == pytest.approx(4 + 5), "one core beside a, one beside the end of c"


def test_a_job_of_two_threads_leaves_no_core_idle():
    assert idle(Run(0, 5, 2), [job(0, 5, "a", threads=2)]) == (0, 0)


def write_run(folder: Path) -> None:
    """One run of 20 s on 2 cores with a training from 2 to 16 s of it."""
    (folder / ".snakemake/log").mkdir(parents=True)
    log = folder / ".snakemake/log/2026-01-01T100000.000000.snakemake.log"
    log.write_text("Provided cores: 2\nElapsed time: 0:00:20.000000\n")
    (run,) = runs(folder)
    output = "results/s/stages/b.json"
    (folder / output).parent.mkdir(parents=True)
    stage = {
        "stage": {"name": "x"},
        "steps": 5,
        "seconds": 9.0,
        "seconds_in": {"build": 1.0, "first_step": 3.0, "step": 4.0},
    }
    twin = stage | {"same_as": "x"}
    (folder / output).write_text(json.dumps({"items": {"x": stage, "y": twin}}))
    begun = datetime.fromtimestamp(run.begun + 4, UTC).isoformat()
    record = {"inputs": {}, "outputs": {output: ""}, "starting": 2.0, "seconds": 12.0, "importing": 2.0,
              "threads": 1, "seconds_in": {}, "begun": begun,
              "code": {"entries": ["workflow_scripts/train.py"]}}  # fmt: skip
    (folder / "results/s/stages/b.provenance.json").write_text(json.dumps(record))


def test_every_core_second_of_a_run_is_counted_once(tmp_path: Path):
    write_run(tmp_path)
    (row,) = overhead(tmp_path, before=1).to_dict("records")
    assert (row["study"], row["rule"]) == ("s", "train")
    told = {kind: row[kind] for kind in KINDS}
    # 2 s before the work and 2 s of imports in it; 1 s to build and 3 - 4/4 s to trace
    assert told == pytest.approx({"start and imports": 4, "networks": 3, "work": 7,
                                  "Snakemake": 2 * (2 + 4) + 2, "waiting": 14})  # fmt: skip
    assert sum(told.values()) == pytest.approx(2 * (20 + 1))
    text = table(pd.DataFrame([row]), "study")
    assert text.splitlines()[-1] == "| all | 1 | 42 | 10% | 7% | 17% | 33% | 33% | 50% |"


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no finished run"):
        overhead(tmp_path)


PROBE = """
import os
import numpy as np
import SimpleITK as sitk
from workflow_scripts import POOLS
a = np.random.default_rng(0).random((600, 600))
a @ a
print(*(os.environ[name] for name in POOLS))
print(len(os.listdir("/proc/self/task")), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())
"""


@pytest.mark.parametrize(("given", "threads"), [([], 1), (["--threads", "3"], 3)])
def test_a_jobs_libraries_have_its_threads_and_no_more(tmp_path: Path, given: list, threads: int):
    """numpy's pool is there from its import on."""
    (tmp_path / "workflow_scripts").mkdir()
    shutil.copy(ROOT / "workflow_scripts/__init__.py", tmp_path / "workflow_scripts")
    (tmp_path / "workflow_scripts/probe.py").write_text(PROBE)
    command = [sys.executable, "-m", "workflow_scripts.probe", *given]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    pools, there = run.stdout.splitlines()
    assert pools.split() == [str(threads)] * len(POOLS)
    of_process, of_itk = map(int, there.split())
    assert of_process <= threads and of_itk == threads, there
