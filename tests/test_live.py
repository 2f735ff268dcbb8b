"""A run on a terminal has one view, whatever ends it ends its jobs, and its last lines are the answer and its place."""

import io
import json
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from crossover.core.paths import ROOT
from crossover.execution import progress
from crossover.execution.live import MARK, LiveRun, kind
from crossover.execution.workflow import how_it_ended, is_made, unless_final, without_command
from crossover.report.first_page import answers
from tests.dry_runs import copy_workflow
from tests.test_interrupted import SLOW, TARGET, processes_of, seen, until
from tests.tiers import first

COMMAND = [sys.executable, "-m", "crossover.execution.live", sys.executable, "-m", "snakemake", "--cores", "2",
           "--config", "scale=smoke", "studies=uterus", "--", TARGET]  # fmt: skip


def event(name: str, **about) -> str:
    return MARK + json.dumps({"event": name, **about})


def shown(run: LiveRun) -> str:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(run.drawn())
    return capture.get()


# ---- what is drawn


def test_steps_are_counted_by_kind_and_what_runs_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = LiveRun()
    assert "reading the studies" in shown(run)
    run.read(event("run_info", stats={"cases": 2, "figure_flow": 1, "table_patients": 1, "crossover": 3, "total": 7}))
    run.read(event("job_info", jobid=4, rule_name="cases", wildcards={"cohort": "cervix"}))
    run.read(event("job_info", jobid=5, rule_name="crossover", wildcards={"study": "uterus"}))
    run.read(event("job_finished", job_id=5))
    text = shown(run)
    assert "1 of 7 steps done" in text and re.search(r"data .* 0 of 2 +cases cervix", text)
    assert re.search(r"statistics .* 1 of 3", text) and re.search(r"figures .* 0 of 1", text)
    assert text.index("data") < text.index("statistics") < text.index("tables") < text.index("figures")


def test_a_failed_step_runs_no_more_and_is_not_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = LiveRun()
    run.read(event("run_info", stats={"train": 1, "total": 1}))
    run.read(event("job_info", jobid=1, rule_name="train", wildcards=None))
    run.read(event("job_error", jobid=1))
    assert "0 of 1 steps done" in shown(run) and not run.running


def test_what_trainings_tell_stays_in_the_view_and_all_else_is_for_good(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = LiveRun()
    assert run.read("[10:11:12] uterus: stage 1 of 3 done, about 2 min of training left: source") is None
    assert "stage 1 of 3" in shown(run)
    assert run.read("a warning") == "a warning" and "a warning" not in shown(run)
    assert run.read("I0000 00:00:17 21288 port.cc:153] oneDNN custom operations are on. You may see") is None


def test_trainings_are_those_of_this_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress.begin("prostate", stages=3, jobs=1)
    os.utime(progress.FOLDER / "prostate.json", (1, 1))
    run = LiveRun()
    progress.begin("uterus", stages=4, jobs=1)
    progress.tell("uterus", "source, 5 steps", 2.0)
    assert "uterus" not in shown(run), "nothing is trained in this run, for all that is known"
    run.read(event("run_info", stats={"train": 1, "total": 1}))
    text = shown(run)
    assert "uterus: 1 of 4 trainings done, about 6 s left" in text and "prostate" not in text


@pytest.mark.parametrize(
    ("rule", "of"),
    [("figure_flow", "figures"), ("table_patients", "tables"), ("pairwise", "statistics"), ("train", "trainings")],
)
def test_a_rule_has_a_kind(rule, of):
    assert kind(rule) == of


# ---- the last lines


def test_the_answers_are_those_of_the_page(tmp_path):
    page = tmp_path / "report.html"
    page.write_text(
        '<div class="brief">\n<h3><a href="#a">A &amp; B</a></h3>\n<p class="question">Which?</p>\n'
        '<div class="verdict"><p>With 4 cases, fine-tune; with 8, do not.</p><p>And more.</p></div>'
        '<div class="brief"><h3><a href="#c">C</a></h3><div class="verdict"><p>p &lt; 1.</p></div>'
    )
    assert answers(page) == [
        "A & B", "  With 4 cases, fine-tune;", "  with 8, do not.", "  And more.",
        "C", "  p < 1.",
    ]  # fmt: skip


# ---- on a terminal


class Terminal:
    """A run in a copy of the workflow, on a terminal of its own or without one."""

    def __init__(self, folder: Path, terminal: bool = True) -> None:
        self.folder, self.said = copy_workflow(folder / "w"), ""
        (self.folder / "workflow_scripts/receive.py").write_text(SLOW)
        ours, theirs = pty.openpty() if terminal else os.pipe()
        environment = {**os.environ, "PYTHONPATH": "", "OF_RUN": str(self.folder), "COLUMNS": "100", "LINES": "40",
                       "TERM": "xterm"}  # fmt: skip
        self.run = subprocess.Popen(COMMAND, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=theirs,
                                    stderr=theirs, start_new_session=True)  # fmt: skip
        os.close(theirs)
        self._ours = ours

    def until(self, true, seconds: float = 100) -> None:
        """Read what the run says until something holds."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.said[-2000:]
            self._read()

    def ended(self) -> bool:
        return self.run.poll() is not None and not self._read()

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 0.1)[0]:
            return False
        try:
            part = os.read(self._ours, 1 << 16)
        except OSError:  # a terminal that nobody writes to any more
            return False
        self.said += part.decode()
        return bool(part)


@pytest.mark.slow
def test_a_run_on_a_terminal_is_drawn_and_ends_with_its_last_lines(tmp_path):
    run = Terminal(tmp_path)
    run.until(lambda: "receive cervix" in run.said)
    (run.folder / "go").touch()
    run.until(run.ended)
    assert run.run.returncode == 0 and "1 of 1" in run.said
    assert "There is no report: the run was asked for other files." in run.said
    assert MARK not in run.said and "Select jobs" not in run.said and "jobid" not in run.said


@pytest.mark.slow
@pytest.mark.parametrize("name", first(["SIGINT", "SIGTERM", "SIGHUP"], "SIGINT"))
def test_a_drawn_run_that_is_interrupted_ends_its_jobs_and_leaves_no_process(tmp_path, name):
    run = Terminal(tmp_path)
    run.until(lambda: seen(run.folder))
    run.run.send_signal(getattr(signal, name))
    run.run.send_signal(getattr(signal, name))  # who is impatient
    run.until(run.ended, seconds=30)
    assert run.run.returncode == 1 and "the same command goes on from there." in run.said
    assert "WorkflowError" not in run.said, "it did not fail"
    until(lambda: processes_of(run.folder) == [], seconds=2)


@pytest.mark.slow
def test_without_a_terminal_there_are_lines_without_noise(tmp_path):
    run = Terminal(tmp_path, terminal=False)
    run.until(lambda: seen(run.folder))
    (run.folder / "go").touch()
    run.until(run.ended)
    assert run.run.returncode == 0 and "1 of 1 steps (100%) done" in run.said
    assert "\x1b" not in run.said and "Select jobs" not in run.said and "Execute 1 jobs" not in run.said


def test_messages_of_failed_jobs_do_not_hold_the_jobs_command():
    said = (
        "RuleException:\nCalledProcessError in file rules/data.smk, line 30:\nCommand 'set -e; python it\n''s' returned"
    )
    record = logging.LogRecord("", logging.ERROR, "", 0, f"{said} non-zero exit status 1.", None, None)
    record.shellcmd = "python it"
    assert without_command(record) and record.shellcmd == ""
    assert record.msg.endswith("line 30:\nThe command returned non-zero exit status 1.")


def test_a_failed_job_is_told_once(monkeypatch, capsys):
    """By the line of `tell_of_failed_jobs`, or that of the job; Snakemake's own names all of its files."""
    monkeypatch.syspath_prepend(ROOT / "workflow_scripts/live")
    from snakemake_interface_logger_plugins.common import LogEvent
    from snakemake_logger_plugin_crossover import LogHandler

    told = {None: "train of gland failed: TIMEOUT", LogEvent.JOB_ERROR: "Error in rule train",
            LogEvent.GROUP_ERROR: "Error in group tables", LogEvent.ERROR: "WorkflowError"}  # fmt: skip
    for event, said in told.items():
        record = logging.LogRecord("", logging.ERROR, "", 0, said, None, None)
        record.event, record.jobid = event, 4
        LogHandler(None, None).emit(record)
    said = capsys.readouterr().err.rstrip("\n").split("\n")
    assert [line for line in said if not line.startswith(MARK)] == ["train of gland failed: TIMEOUT", "WorkflowError"]
    assert [json.loads(line.removeprefix(MARK))["jobid"] for line in said if line.startswith(MARK)] == [4]


def test_the_last_line_of_a_run_that_somebody_ended_is_no_failure():
    kept = [
        said
        for said in ("Exiting because a job execution failed. Look above for error messages", "train of gland failed",
                     "WorkflowError:\nAt least one job did not complete successfully.", "WorkflowError:\nno such file")
        if unless_final(logging.LogRecord("", logging.ERROR, "", 0, said, None, None))
    ]  # fmt: skip
    assert kept == ["train of gland failed", "WorkflowError:\nno such file"]
    ends = [how_it_ended(SimpleNamespace(scheduler=SimpleNamespace(failed=failed))) for failed in (set(), {"job"})]
    assert [end.partition(".")[0] for end in ends] == ["The run ended before it was complete", "The run failed"]


@pytest.mark.parametrize(
    ("rules", "needed", "finished", "made"),
    [
        ("splits report", "", "", True),
        ("splits report", "report", "report", True),
        ("splits report", "report", "splits", False),  # with --until
        ("splits", "splits", "splits", False),
    ],
)
def test_a_report_counts_as_the_runs_own_only_where_it_is_up_to_date(rules, needed, finished, made):
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=name)) for name in rules.split()]
    dag = SimpleNamespace(
        jobs=jobs,
        needrun=lambda job: job.rule.name in needed.split(),
        finished=lambda job: job.rule.name in finished.split(),
    )
    assert is_made(SimpleNamespace(dag=dag), "report") == made
