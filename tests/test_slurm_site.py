"""What is read of a Slurm's answers, and what a run does with it, by stand-ins for its commands and the executor."""

from __future__ import annotations

import getpass
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crossover.execution import slurm_site
from crossover.execution.workflow import keep_to_time_limit, tell_of_failed_jobs


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a command that prints a text first in the path."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def says(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/{name}.asked\ncat <<'END'\n{text}\nEND\n")
        path.chmod(0o755)

    return says


def test_a_partition_gives_the_minutes_of_its_limit(commands):
    commands("sinfo", "main* 3-00:00:00\nshort 10:00\nday 23:59:00\nlong infinite\nodd n/a")
    limits = slurm_site.longest()
    assert limits == {"main": 4320, "": 4320, "short": 10, "day": 1439}
    asked = {"": 4320, "short": 10, "short,day": 1439, "short,long": None, "long": None}
    assert {name: slurm_site.most_minutes(limits, name) for name in asked} == asked


def test_a_slurm_that_does_not_answer_limits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm_site.most_minutes(slurm_site.longest(), "main") is None and slurm_site.queue(tmp_path) == []


def test_the_queue_has_the_jobs_of_the_folder_and_why_they_wait(commands, tmp_path: Path):
    rows = [
        f"9|PENDING|Resources|rule_train_wildcards_uterus_scratch.b1|{tmp_path}",
        f"10|RUNNING|None|rule_cohort_cases_receive_slices|{tmp_path}",
        "11|PENDING|Priority|(null)|/elsewhere",
    ]
    commands("squeue", "\n".join(rows))
    assert [tuple(job) for job in slurm_site.queue(tmp_path)] == [
        ("9", "PENDING", "Resources", "train uterus_scratch.b1"),
        ("10", "RUNNING", "", "cohort_cases_receive_slices"),
    ]
    assert f"--user={getpass.getuser()}" in (tmp_path / "squeue.asked").read_text()


@pytest.mark.parametrize("text, why", [
    ("slurmstepd-n1: error: Exceeded job memory limit\nStoring output\nWorkflowError:", "Exceeded job memory limit"),
    ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.\nend",
     "Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed."),
    ("slurmstepd-n1: error: *** JOB 26 ON n1 CANCELLED AT 2026-11-28T17:58:17 DUE TO TIME LIMIT ***\n",
     "*** JOB 26 ON n1 CANCELLED AT 2026-11-28T17:58:17 DUE TO TIME LIMIT ***"),
    ("/bin/sh: 1: /srv/.venv/bin/python: not found\n\n", "/bin/sh: 1: /srv/.venv/bin/python: not found"),
    (None, ""),
])  # fmt: skip
def test_the_reason_of_an_end_is_what_slurm_says_else_the_last_line(tmp_path: Path, text: str | None, why: str):
    if text is not None:
        (tmp_path / "log").write_text(text)
    assert slurm_site.why_it_ended(tmp_path / "log") == why


class Job(SimpleNamespace):
    """A job of Snakemake, as the executor sees it: a training, or a group."""

    def __init__(self, attempt: int = 1, runtime: int = 1440, rules: tuple[str, ...] = ("train",)) -> None:
        super().__init__(attempt=attempt, restart_times=2, _resources={"runtime": runtime, "slurm_partition": "short"})
        self.rule, self.wildcards_dict = SimpleNamespace(name=rules[0]), {"study": "gland", "batch": "scratch.b1"}
        self.jobs = [Job(attempt, runtime, (rule,)) for rule in rules] if len(rules) > 1 else []

    @property
    def resources(self) -> dict[str, Any]:
        return self._resources

    def is_group(self) -> bool:
        return bool(self.jobs)


@pytest.fixture
def executor() -> SimpleNamespace:
    calls: list[Any] = []
    return SimpleNamespace(calls=calls, run_job=calls.append, print_job_error=lambda *_, **__: None)


@pytest.fixture
def workflow(executor: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(local_exec=False, scheduler=SimpleNamespace(_executor=executor))


REFUSED = "SLURM sbatch failed. The error message was 'sbatch: error: Requested node configuration is not available'.\n"


@pytest.mark.parametrize("job, msg, told", [
    (Job(), REFUSED + "    sbatch call:\n        sbatch --job-name ...",
     f"train of gland scratch.b1 failed: {REFUSED.strip()} It is submitted again."),
    (Job(attempt=3), "SLURM status is: 'FAILED'. Detailed failure reason unavailable (status command is not 'sacct').",
     "train of gland scratch.b1 failed: SLURM status is: 'FAILED'. why. Its log is LOG. It is not submitted again."),
    (Job(rules=("receive", "cases")), None,
     "cases, receive of gland failed: why. Its log is LOG. It is submitted again."),
])  # fmt: skip
def test_a_failed_job_is_told_with_the_words_of_its_scheduler(workflow, job, msg, told, caplog, tmp_path):
    kept: list[str] = []
    tell_of_failed_jobs(workflow, lambda log: "why", kept.append)
    logs = {"aux_logs": [str(tmp_path / "log")]} if "LOG" in told else {}
    with caplog.at_level(logging.ERROR, logger="snakemake.logging"):
        workflow.scheduler._executor.print_job_error(SimpleNamespace(job=job), msg, **logs)
    told = told.replace("LOG", str(tmp_path / "log"))
    assert caplog.messages == [told]
    assert kept == ([told.removesuffix(" It is not submitted again.")] if job.attempt == 3 else [])


def test_no_job_asks_for_more_time_than_its_partition_gives(workflow, caplog):
    keep_to_time_limit(workflow, {"short": 600}.get)
    for job in (Job(), Job(rules=("receive", "cases"), runtime=4320), Job(runtime=30)):
        workflow.scheduler._executor.run_job(job)
    assert [dict(job.resources.items())["runtime"] for job in workflow.scheduler._executor.calls] == [600, 600, 30]
    assert len(caplog.messages) == 1 and "partition short ends jobs after 600 minutes" in caplog.messages[0]
