"""What is read of a Slurm's answers, and what a run does with it, by stand-ins for its commands and the executor."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from crossover.execution import slurm_site
from crossover.execution.workflow import _end_slurm, ask_often_enough, keep_to_limits, submissions, tell_of_failed_jobs
from tests.dry_runs import ROOT


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a command that prints a text first in the path."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def says(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/{name}.asked\ncat <<'END'\n{text}\nEND\n")
        path.chmod(0o755)

    return says


def test_a_partition_gives_the_minutes_of_its_limit_and_the_memory_of_its_largest_node(commands):
    lines = [
        "main* 3-00:00:00 9000",
        "main* 3-00:00:00 64000",
        "short 10:00 9000",
        "long infinite 9000",
        "odd n/a 9000",
    ]
    commands("sinfo", "\n".join(lines))
    found = slurm_site.limits()
    named = ("", "short", "short,main", "short,long", "odd", "none")
    assert {name: slurm_site.most(found, name) for name in named} == {
        "": {"runtime": 4320, "mem_mb": 64000}, "short": {"runtime": 10, "mem_mb": 9000},
        "short,main": {"runtime": 4320, "mem_mb": 64000}, "short,long": {"mem_mb": 9000}, "odd": {"mem_mb": 9000},
        "none": {},
    }  # fmt: skip


def test_a_slurm_that_does_not_answer_is_told_at_the_start(tmp_path: Path, commands):
    """A run waited for ever."""
    silent = "#!/bin/sh\necho 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1\n"
    (tmp_path / "sinfo").write_text(silent)
    (tmp_path / "sinfo").chmod(0o755)
    (told,) = slurm_site.refusals("", "", 4)
    assert told.endswith("Slurm does not answer: slurm_load_partitions: Unable to contact slurm controller")
    assert not slurm_site.answers()


@pytest.mark.parametrize("parameters, refused", [("(null)", True), ("enable_configless", False)])
def test_a_configuration_of_which_jobs_do_not_know_is_refused(
    tmp_path: Path, commands, monkeypatch, parameters: str, refused: bool
):
    """Each of three submissions failed; where nodes have it from the controller they need no variable."""
    commands("scontrol", f"SlurmctldParameters     = {parameters}")
    commands("sinfo", "main 8 (null)")
    shell = (
        (tmp_path / "sinfo")
        .read_text()
        .replace("#!/bin/sh\n", "#!/bin/sh\n[ $SLURM_CONF ] || { echo no >&2; exit 1; }\n")
    )
    (tmp_path / "sinfo").write_text(shell)
    monkeypatch.setenv("SLURM_CONF", "/srv/slurm.conf")
    told = slurm_site.refusals("", "", None)
    assert [line.partition(",")[0] for line in told] == [
        "SLURM_CONF: without this variable Slurm does not answer on this machine (no)"
    ] * refused


def test_a_job_knows_the_cores_that_it_was_given():
    given = {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "4"}
    assert slurm_site.cores_given(given) == 4
    assert slurm_site.cores_given(given | {"SLURM_CPUS_PER_TASK": "2"}) == 2
    assert slurm_site.cores_given({"SLURM_JOB_ID": "7"}) is None
    assert slurm_site.cores_given({"SLURM_CPUS_ON_NODE": "4"}) is None


def test_a_job_that_runs_before_its_training_begins_is_counted():
    """Status said that nothing ran, while Slurm ran the job of these trainings."""
    jobs = [("7", "RUNNING", "gland_scratch.b1"), ("8", "RUNNING", "gland_b_x.b1"), ("9", "RUNNING", "gland_x.b2"),
            ("10", "PENDING", "gland_y.b3")]  # fmt: skip
    queued = [slurm_site.Queued(number, state, "", f"train {about}") for number, state, about in jobs]
    studies = ["gland", "gland_b"]
    assert [slurm_site.about_to_train(queued, study, studies, {"9"}) for study in studies] == [1, 1]


def test_a_partition_or_account_that_is_not_there_is_told_with_those_that_are(commands):
    commands("sinfo", "cpu 8 (null)")
    commands("sacctmgr", "lab\nroot")
    told = slurm_site.refusals("labb", "gpu", None)
    assert [line.partition(":")[2].rpartition(":")[0] for line in told] == [
        " gpu does not exist; the partitions are cpu", " you have no account labb, only lab, root",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "devices, refused", [("main 8 (null)", True), ("main 8 (null)\nbig 64+ gpu:a100:4(S:0-1)", False), ("", False)]
)
def test_a_gpu_of_a_cluster_without_any_is_refused_with_the_lines_to_remove(commands, devices: str, refused: bool):
    commands("sinfo", devices)
    told = slurm_site.refusals("", "", None, ["train", "predict"])
    assert ["GPU for train, predict, and no node has one: remove these lines" in line for line in told] == [
        True
    ] * refused
    assert slurm_site.refusals("", "", None) == []


def test_a_dry_run_says_what_of_the_profile_the_run_would_be_refused_for(commands):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    commands("sinfo", "main 8 (null)")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--workflow-profile", "profiles/slurm",
         "--config", "studies=uterus", "scale=smoke"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for said in ("cores: 32, and no node has more than 8", "set-resources: a GPU for train, predict, and no node has"):
        assert f"The run would be refused: {said}" in done.stderr


def test_a_slurm_that_does_not_answer_limits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm_site.most(slurm_site.limits(), "") == {} and slurm_site.queue(tmp_path) is None


def test_the_queue_has_the_jobs_of_the_folder_and_why_they_wait(commands, tmp_path: Path):
    rows = [
        "JOBID|STATE|REASON|COMMENT|WORK_DIR",
        f"9|PENDING|Resources|rule_train_wildcards_uterus_scratch.b1|{tmp_path}",
        f"10|RUNNING|None|rule_cohort_cases_receive_slices|{tmp_path}",
        "11|PENDING|Priority|(null)|/elsewhere",
    ]
    commands("squeue", "\n".join(rows))
    assert [tuple(job) for job in slurm_site.queue(tmp_path)] == [
        ("9", "PENDING", "Resources", "train uterus_scratch.b1"),
        ("10", "RUNNING", "", "cohort_cases_receive_slices"),
    ]
    assert "--user" not in (tmp_path / "squeue.asked").read_text(), "who runs need not own the folder"


@pytest.mark.parametrize(("private", "told"), [("none", True), ("jobs,usage", False), ("accounts", True)])
def test_a_site_may_keep_other_users_jobs_private(commands, private: str, told: bool):
    commands("scontrol", f"Configuration data\nPreemptMode      = OFF\nPrivateData      = {private}")
    assert slurm_site.tells_of_all_users() == told


@pytest.mark.parametrize("text, why", [
    ("slurmstepd-n1: error: Exceeded job memory limit\nStoring output\nWorkflowError:", "Exceeded job memory limit"),
    ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.\nend",
     "Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed."),
    ("slurmstepd-n1: error: *** JOB 26 ON n1 CANCELLED AT 2026-11-28T17:58:17 DUE TO TIME LIMIT ***\n",
     "*** JOB 26 ON n1 CANCELLED AT 2026-11-28T17:58:17 DUE TO TIME LIMIT ***"),
    ("slurmstepd-n1: error: *** JOB 27 ON n1 CANCELLED AT 2026-11-30T19:29:03 ***\nINFO 13 of 13 items to make",
     "*** JOB 27 ON n1 CANCELLED AT 2026-11-30T19:29:03 ***"),
    ("srun: fatal: Could not establish a configuration source\nWorkflowError:\nAt least one job did not complete.",
     "fatal: Could not establish a configuration source"),
    ("/bin/sh: 1: /srv/.venv/bin/python: not found\n\n", "/bin/sh: 1: /srv/.venv/bin/python: not found"),
    (None, ""),
])  # fmt: skip
def test_the_reason_of_an_end_is_what_slurm_says_else_the_last_line(tmp_path: Path, text: str | None, why: str):
    if text is not None:
        (tmp_path / "log").write_text(text)
    assert slurm_site.why_it_ended(tmp_path / "log") == why


def test_the_reason_of_a_group_that_failed_is_the_last_line_of_the_newest_log_of_its_rules(tmp_path: Path):
    told = {"cases": "an earlier run's", "receive": "Traceback\nOSError: No space left on device"}
    for when, (name, text) in enumerate(told.items()):
        (tmp_path / f"{name}.log").write_text(text + "\n")
        os.utime(tmp_path / f"{name}.log", (when, when))
    lines = [f"    log: {tmp_path}/{name}.log (check log file(s) for error details)" for name in (*told, "slices")]
    (tmp_path / "log").write_text("\n".join(["message: Error in group cohort", *lines, "WorkflowError:", ""]))
    assert slurm_site.why_it_ended(tmp_path / "log") == "OSError: No space left on device"


@pytest.mark.parametrize("said, lacked", [
    ("SLURM status is: 'TIMEOUT'. *** JOB 26 ON n1 CANCELLED AT 17:58:17 DUE TO TIME LIMIT ***", ["runtime"]),
    ("SLURM status is: 'OUT_OF_MEMORY'.", ["mem_mb"]),
    ("SLURM status is: 'FAILED'. Detected 1 oom_kill event in StepId=7.0.", ["mem_mb"]),
    ("SLURM status is: 'FAILED'. BrokenProcessPool: A process in the process pool was terminated abruptly", ["mem_mb"]),
    ("SLURM status is: 'CANCELLED'. *** JOB 27 ON n1 CANCELLED AT 19:29:03 ***", []),
    ("SLURM status is: 'FAILED'. ValueError: no patient to train on", []),
    ("SLURM sbatch failed. The error message was 'sbatch: error: Memory specification can not be satisfied'.", []),
])  # fmt: skip
def test_what_a_job_lacked_is_told_by_why_it_ended(said: str, lacked: list[str]):
    assert slurm_site.lacked(said) == lacked


class Job(SimpleNamespace):
    """A job of Snakemake, as the executor sees it: a training, or a group."""

    def __init__(self, attempt: int = 1, runtime: int = 1440, rules: tuple[str, ...] = ("train",)) -> None:
        super().__init__(
            attempt=attempt,
            restart_times=2,
            is_local=False,
            _resources={"runtime": runtime, "mem_mb": 15000, "slurm_partition": "short"},
        )
        self.rule, self.wildcards_dict = SimpleNamespace(name=rules[0]), {"study": "gland", "batch": "scratch.b1"}
        self.jobs = [Job(attempt, runtime, (rule,)) for rule in rules] if len(rules) > 1 else []

    @property
    def resources(self) -> dict[str, Any]:
        return self._resources

    def is_group(self) -> bool:
        return bool(self.jobs)

    __hash__ = object.__hash__


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
    lacked: list[tuple] = []
    workflow.scheduler._executor.run_uuid = "of Slurm"
    tell_of_failed_jobs(workflow, lambda log: "why", kept.append, lambda *of: lacked.append(of))
    logs = {"aux_logs": [str(tmp_path / "log")]} if "LOG" in told else {}
    with caplog.at_level(logging.ERROR, logger="snakemake.logging"):
        workflow.scheduler._executor.print_job_error(SimpleNamespace(job=job), msg, **logs)
    assert [rule for rule, *_ in lacked] == [own.rule.name for own in job.jobs or [job]]
    assert not any("LOG" in why for *_, why in lacked), "a folder's name is no reason"
    told = told.replace("LOG", str(tmp_path / "log"))
    assert caplog.messages == [told]
    assert kept == ([told.removesuffix(" It is not submitted again.")] if job.attempt == 3 else [])


def test_no_job_asks_for_more_than_its_partition_gives(workflow, caplog):
    keep_to_limits(workflow, lambda partition: {"runtime": 600, "mem_mb": 9000} if partition == "short" else {})
    for job in (Job(), Job(rules=("receive", "cases"), runtime=4320), Job(runtime=30)):
        workflow.scheduler._executor.run_job(job)
    asked = [dict(job.resources.items()) for job in workflow.scheduler._executor.calls]
    assert [(own["runtime"], own["mem_mb"]) for own in asked] == [(600, 9000), (600, 9000), (30, 9000)]
    assert caplog.messages == [
        f"train of gland scratch.b1 would request {what}={more}, but the partition short has only {most}; "
        f"it and similar jobs request {most} instead."
        for what, more, most in (("runtime", 1440, 600), ("mem_mb", 15000, 9000))
    ]


def test_a_run_that_is_ended_says_that_its_jobs_are_cancelled(commands, tmp_path, capsys):
    commands("scancel", "")
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n[ -f {tmp_path}/scancel.asked ] || echo '26\n27'\n")
    (tmp_path / "squeue").chmod(0o755)
    pool = SimpleNamespace(shutdown=lambda cancel_futures: None)
    _end_slurm(SimpleNamespace(_job_submission_executor=pool, run_uuid="crossover_1", tmpdir=tmp_path / "none"))
    assert capsys.readouterr().out == "Cancelling 2 jobs in Slurm, and waiting for their end.\n"


def test_slurm_is_asked_for_states_as_often_as_the_profile_says(workflow, executor, monkeypatch):
    """The executor waits ever longer, up to three minutes, so that a short study waited half of its time."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    workflow.remote_execution_settings = SimpleNamespace(seconds_between_status_checks=30)
    ask_often_enough(workflow)
    for executor.next_seconds_between_status_checks in (10, 180):
        asyncio.run(executor.sleep())
    assert waited == [10, 30]
    assert yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())["seconds-between-status-checks"] == 30


def test_a_run_says_what_it_will_submit_and_ask_for(workflow):
    group, train, local = Job(rules=("receive", "cases"), runtime=90), Job(runtime=1440), Job()
    group._resources |= {"_cores": 8}
    train._resources |= {"_cores": 2, "gpu": 1}
    local.is_local = True
    of = {id(own): group for own in group.jobs}
    workflow.dag = SimpleNamespace(
        needrun_jobs=lambda: [*group.jobs, train, local], get_job_group=lambda job: of.get(id(job))
    )
    assert submissions(workflow, lambda partition: {"runtime": 600}) == (
        "2 submissions to the scheduler. First attempts ask for at most 32.0 core-hours and 10.0 GPU-hours; "
        "the longest, train of gland scratch.b1, for 10 h."
    )
    workflow.dag.needrun_jobs = lambda: [local]
    assert submissions(workflow, lambda partition: {}) == ""
