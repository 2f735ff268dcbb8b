"""A run through a real Slurm of two nodes gives what a run on this machine gives, also where a node is lost in it.

Needs Debian's `slurm-wlm` and `munge`, the executor of requirements-slurm.lock, and root; it is skipped elsewhere.
Both nodes are this machine, and their GPUs files that only count. With `slurmdbd` and `mariadb-server` the cluster
keeps accounts, and the runs in which a node is lost and a job is cancelled have one; the others ask for none.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from tests import slurm_cluster
from tests.dry_runs import ROOT, copy_workflow
from tests.slurm_cluster import ACCOUNT, accounts, missing
from tests.test_interrupted import SLOW, TARGET, processes_of, seen, until

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm"), accounting=accounts()) as folder:
        yield folder


def state(folder: Path) -> list[str]:
    """Return the names of the jobs of Slurm that run, with their nodes."""
    told = subprocess.run(["squeue", "--noheader", "--states=R", "--format=%k %N"], capture_output=True, text=True)
    return told.stdout.splitlines()


def test_a_node_lost_while_it_trains_changes_nothing(cluster: Path, smoke: Path, tmp_path: Path):
    folder = copy_workflow(tmp_path / "clone")
    with start(folder, asking=ACCOUNTED if accounts() else UNACCOUNTED) as run:
        lost = lose_a_node_that_trains(cluster, run)
        assert run.wait(timeout=900) == 0, (folder / "log").read_text()[-3000:]
    assert lost
    assert "group_tables" in (folder / "log").read_text(), "short jobs are one submission"
    ours, theirs = (pd.read_csv(f / "results/uterus/metrics.csv") for f in (folder, smoke))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert [own.cmdline() for node in ("node1", "node2") for own in running_on(node)] == [], "no job outlives the run"


ACCOUNTED = ("--default-resources", f"slurm_account={ACCOUNT}")
UNACCOUNTED = ("--slurm-no-account",)


@contextlib.contextmanager
def start(
    folder: Path, *targets: str, study: str = "uterus", asking: Sequence[str] = UNACCOUNTED
) -> Iterator[subprocess.Popen]:
    """A run of the smoke through Slurm; what it says goes to the file `log`."""
    command = [
        sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", "--cores", str(os.cpu_count()),
        "--slurm-init-seconds-before-status-checks", "1", *asking,
        "--config", f"studies={study}", "scale=smoke", *(["--", *targets] if targets else []),
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        yield subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture
def waiting(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the workflow in which the job of one target waits for a file `go`."""
    folder = copy_workflow(tmp_path / "clone")
    monkeypatch.setenv("OF_RUN", str(folder))  # Slurm hands it on to the jobs
    (folder / "workflow_scripts/receive.py").write_text(SLOW)
    return folder


def queue(form: str = "%i") -> list[str]:
    return subprocess.run(["squeue", "--noheader", f"--format={form}"], capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_interrupted_leaves_no_job_and_no_process(waiting: Path, name: str):
    with start(waiting, TARGET) as run:
        until(lambda: seen(waiting))
        run.send_signal(getattr(signal, name))
        assert run.wait(timeout=60) == 1, (waiting / "log").read_text()[-3000:]
    assert queue() == [] and "Cancelling 1 job in Slurm" in (waiting / "log").read_text()
    until(lambda: processes_of(waiting) == [], seconds=5)
    (waiting / "go").touch()
    with start(waiting, TARGET) as run:
        assert run.wait(timeout=120) == 0 and (waiting / TARGET).exists()


def test_what_is_done_of_a_job_of_several_rules_stays_when_the_run_is_interrupted(waiting: Path):
    entry, both = waiting / "workflow_scripts/cases.py", "data/cases/cervix/manifest.json"
    shutil.copy(ROOT / "workflow_scripts/receive.py", waiting / "workflow_scripts/receive.py")
    wait = (
        "import pathlib, time\n\ndef main(job: Job) -> None:\n    pathlib.Path('begun').touch()\n    while not pathlib"
    )
    entry.write_text(
        entry.read_text().replace("def main(job: Job) -> None:\n", f"{wait}.Path('go').exists(): time.sleep(1)\n")
    )
    with start(waiting, both) as run:
        until((waiting / "begun").exists)
        before = (waiting / TARGET).stat()
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 1
    (waiting / "go").touch()
    with start(waiting, both) as run:
        assert run.wait(timeout=120) == 0 and (waiting / both).exists(), (waiting / "log").read_text()[-3000:]
    assert (waiting / TARGET).stat().st_mtime_ns == before.st_mtime_ns


def test_a_job_that_is_cancelled_leaves_no_process_and_is_submitted_again(waiting: Path):
    with start(waiting, TARGET, asking=ACCOUNTED if accounts() else UNACCOUNTED) as run:
        until(lambda: seen(waiting))
        asked = queue("%m %l")
        subprocess.run(["scancel", *queue()], check=True)
        (_, process, _), *_ = seen(waiting)
        until(lambda: not Path("/proc", process).exists(), seconds=20)
        until(lambda: len(seen(waiting)) == 2)
        assert queue("%m %l") == asked, "it lacked neither memory nor time"
        (waiting / "go").touch()
        assert run.wait(timeout=120) == 0, (waiting / "log").read_text()[-3000:]
    assert [what for what, *_ in seen(waiting)] == ["begins", "begins", "ends"]
    assert queue() == [] and processes_of(waiting) == []


def test_a_study_that_is_edited_while_a_run_is_submitted_is_not_mixed_into_it(waiting: Path):
    (waiting / "workflow_scripts/receive.py").write_text(SLOW.replace('"cervix" in str(job.out) and ', ""))
    both = [TARGET, TARGET.replace("cervix", "uterus")]
    with start(waiting, *both, asking=[*UNACCOUNTED, "--jobs", "1", "--retries", "0"]) as run:
        until(lambda: seen(waiting), seconds=180)
        study = waiting / "config/studies/uterus.yaml"
        study.write_text(study.read_text().replace("seed: 11", "seed: 4711").replace("seed: 12", "seed: 4712"))
        (waiting / "go").touch()
        assert run.wait(timeout=900) == 1, (waiting / "log").read_text()[-3000:]
    assert [what for what, *_ in seen(waiting)] == ["begins", "ends"]
    assert "config/studies/uterus.yaml changed since the run began" in (waiting / "log").read_text()


@pytest.mark.parametrize("asked, why", [
    (["slurm_partition=nosuch"], "slurm_partition: nosuch does not exist; the partitions are main, short"),
    *([(["slurm_account=lap"], f"slurm_account: you have no account lap, only {ACCOUNT}")] if accounts() else []),
    (["--cores", "64"], "cores: 64, and no node has more than"),
])  # fmt: skip
def test_what_this_slurm_has_not_is_refused_before_anything_is_submitted(waiting: Path, asked: list[str], why: str):
    with start(waiting, TARGET, asking=asked if "--cores" in asked else ["--default-resources", *asked]) as run:
        assert run.wait(timeout=60) == 1
    said = (waiting / "log").read_text()
    assert why in said and "the profile" in said and queue() == []


def test_a_partition_of_less_time_than_a_job_asks_for_runs_it_and_status_tells_of_it(waiting: Path):
    asking = ["--default-resources", "slurm_partition=short", "--set-resources", "receive:runtime=30", *UNACCOUNTED]
    with start(waiting, TARGET, asking=asking) as run:
        until(lambda: seen(waiting))
        told = subprocess.run(
            [sys.executable, "-m", "crossover", "status"], cwd=waiting, capture_output=True, text=True
        )
        (waiting / "go").touch()
        assert run.wait(timeout=120) == 0 and (waiting / TARGET).exists()
    assert "cohort_cervix_receive: running" in told.stdout, told
    said = (waiting / "log").read_text()
    assert "the partition short has only 10;" in said
    assert "1 submission to the scheduler. First attempts ask for at most 0.2 core-hours; the longest" in said


def test_a_submission_that_slurm_refuses_is_told_in_its_words(waiting: Path):
    with start(waiting, TARGET, asking=[*UNACCOUNTED, "--set-resources", "receive:gpu=9", "--retries", "0"]) as run:
        assert run.wait(timeout=60) == 1
    said = (waiting / "log").read_text()
    assert "failed: SLURM sbatch failed." in said and "Requested node configuration is not available" in said


def test_a_cohort_is_corrected_by_several_jobs_to_the_same_bits(cluster: Path, smoke: Path, tmp_path: Path):
    folder, corrected = copy_workflow(tmp_path / "clone"), "data/corrected/prostate/site_a/manifest.json"
    study = folder / "config/studies/prostate.yaml"
    values = yaml.safe_load(study.read_text())
    values["scales"]["smoke"]["execution"]["bias_field_jobs"] = 3
    study.write_text(yaml.safe_dump(values, sort_keys=False))
    with start(folder, "data/slices/prostate/site_a/manifest.json", study="prostate") as run:
        assert run.wait(timeout=300) == 0, (folder / "log").read_text()[-3000:]
    submitted = re.findall(r"log: .*/slurm_logs/(\w+)/", (folder / "log").read_text())
    assert [name.split("_")[1] for name in sorted(submitted)] == ["cohort", "corrected", "bias", "bias", "bias"]
    assert (folder / corrected).read_bytes() == (smoke / corrected).read_bytes()


def running_on(node: str) -> list[psutil.Process]:
    """Return the processes of the jobs of a node, which Slurm names in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SLURMD_NODENAME") == node:
                found.append(process)
    return found


def lose_a_node_that_trains(cluster: Path, run: subprocess.Popen) -> bool:
    """Kill a node and what it runs as soon as a training runs there; return whether there was one."""
    while run.poll() is None:
        for job in state(cluster):
            about, node = job.rsplit(" ", 1)
            if "train" in about:
                time.sleep(8)
                for process in (f"slurmd -N {node}", "slurmstepd"):
                    subprocess.run(["pkill", "-KILL", "-f", process])
                for own in running_on(node):
                    own.kill()
                subprocess.Popen(["sh", "-c", f"sleep 20; slurmd -N {node}"])
                submit_again_at_once(run)
                return True
        time.sleep(1)
    return False


def submit_again_at_once(run: subprocess.Popen) -> None:
    """Don't wait the two minutes that Slurm waits before it starts a job of a lost node again."""
    while run.poll() is None:
        told = subprocess.run(["squeue", "--noheader", "--format=%i %r"], capture_output=True, text=True).stdout
        for job in told.splitlines():
            number, reason = job.split(" ", 1)
            if reason == "BeginTime":
                subprocess.run(["scontrol", "update", f"JobId={number}", "StartTime=now"], check=True)
                return
        time.sleep(1)
