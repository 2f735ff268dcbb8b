"""All that the library knows of Snakemake: the graph of jobs as plain data, and the commands that other tools run.

No other module of the library imports Snakemake; nothing that computes imports this one. Snakemake has no public
interface for what follows, which is needed here, so parts of it are used that its documentation does not name:

- `crossover plan`, `verify` and `dvc` need every job of the graph with its files and parameters. The public
  interface builds a graph and prints it, and returns none (`read_workflow`); the Snakefile has it (`workflow.dag`).
- A result whose provenance record is not that of the planned job must be made again, whatever Snakemake's own
  metadata say: `--touch` rewrites them, and a partial copy lacks them. A workflow can't name results for
  `--forcerun` itself (`force_outdated`).
- It knows an unchanged input with a newer time by its metadata only, and writes into `.snakemake` also where it
  only shows what it would do (`keep_notes`).
- It prints the command of a job that failed or was interrupted, thousands of characters (`without_command`).
- It says of every run that ended early that a job failed, after the last line of the handler (`unless_final`).
- Its limit of jobs per second can't be turned off, and costs more the longer a run takes (`choose_at_ends`).
- It looks up which parameters a function of the rules takes at each of its calls, 90,000 times for 2,500 jobs
  (`ask_functions_once`).
- It calls no handler of the workflow when there is nothing to do (`when_nothing_is_done`).
- A run that is interrupted waits for its jobs on this machine, and may leave some to a scheduler (`end_with_jobs`).
- Of a scheduler's job that failed it prints all of its files and commands, or nothing, and never what the scheduler
  says of a group (`tell_of_failed_jobs`).
- Its executor for Slurm asks ever more seldom what became of jobs (`ask_often_enough`).
- It adds up the time of a group's jobs, and knows no limit of what a scheduler gives (`keep_to_limits`).

Snakemake's own files are not read. `.snakemake/metadata` is only named, for it travels with the results.
"""

import asyncio
import functools
import io
import json
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from crossover.core.configuration import ConfigError
from crossover.core.provenance import read_last_record
from crossover.core.wording import counted, duration
from crossover.study.plan import Plan
from crossover.study.schema import Study

SECONDS_TO_END = 10.0
"""The seconds until a process that was asked to end (SIGTERM) is killed."""
PROFILE = Path("profiles/default/profile.yaml")
NOTES = Path(".snakemake")
"""The folder of Snakemake's own files."""
METADATA = NOTES / "metadata"
"""The folder in which Snakemake keeps what it knows of each output."""

MAKE_STUDY = "snakemake --config studies={study} -- studies"
"""The command that makes all of one study except the report."""
MAKE_REPORT = "snakemake --allowed-rules report all"
"""The command that makes the report, and refuses to run anything else."""


@dataclass(frozen=True)
class GraphJob:
    """One job of the graph; files are relative to the workflow's folder."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[Path]
    inputs: list[Path]
    settings: Any
    code: dict[str, Any]
    threads: int = 1
    needed: bool = False
    """Whether Snakemake would run it, for a `reason` in its own words; known of the graph's jobs only."""
    reason: str = ""
    depends: list[int] = field(default_factory=list)
    """Places of the jobs whose outputs it reads, in the list of all."""


@dataclass(frozen=True)
class Workflow:
    """The graph, inputs before what reads them, and the studies that it is made of."""

    jobs: list[GraphJob]
    studies: dict[str, Study]
    plans: dict[str, Plan]
    cores: int
    disk_check: bool = True
    """Whether the run is refused where the disk seems too small."""
    counted: int = 0
    """The jobs that Snakemake counts: `all` makes no file and is not among `jobs`."""


def read_workflow(config: dict[str, Any], cores: int, targets: Iterable[str] = (), checked: bool = True) -> Workflow:
    """Build the graph in the current folder as `snakemake` would, with the default profile, and run nothing.

    Args:
        config: as after `snakemake --config`.
        cores: of the run.
        targets: rules or files; the default target where none is given.
        checked: whether results are compared with their provenance records.

    Raises:
        ConfigError: Snakemake or the workflow found something wrong, which the message says.
    """
    from humanfriendly import parse_size
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import WorkflowError
    from snakemake.settings import types

    if not checked:
        os.environ["CROSSOVER_UNCHECKED"] = "1"
    profile = yaml.safe_load(PROFILE.read_text())
    output = types.OutputSettings(quiet={types.Quietness.ALL}, stdout=False)
    triggers = types.RerunTrigger.parse_choices_set(profile["rerun-triggers"])
    size = parse_size(profile["max-checksum-file-size"])
    resources = types.ResourceSettings(cores=cores)
    with SnakemakeApi(output) as api, redirect_stdout(io.StringIO()):
        try:
            graph = api.workflow(
                resources,
                config_settings=types.ConfigSettings(config=config),
                snakefile=Path("Snakefile"),
            ).dag(
                types.DAGSettings(
                    targets=frozenset(targets),
                    rerun_triggers=triggers,
                    max_checksum_file_size=size,
                    force_incomplete=profile["rerun-incomplete"],
                )
            )
            graph.printrulegraph()  # builds it
            resources.cores = cores  # Snakemake prints with one
            workflow, studies, plans, settings = _read.pop()
            dag = workflow.dag
            return Workflow(jobs(dag), studies, plans, cores, settings.disk_check, len(list(dag.jobs)))
        except (WorkflowError, SystemExit) as error:  # the latter where the workflow refuses
            raise ConfigError(str(error)) from None


_read: list[tuple[Any, dict[str, Study], dict[str, Plan], Any]] = []


def hand_over(workflow: Any, studies: dict[str, Study], plans: dict[str, Plan], settings: Any) -> None:
    """Take from the Snakefile what `read_workflow` returns; Snakemake's interface keeps it for itself."""
    _read[:] = [(workflow, studies, plans, settings)]


def jobs(dag: Any) -> list[GraphJob]:
    """Return the jobs of Snakemake's graph that make files, inputs before what reads them."""
    levels = [sorted(level, key=lambda j: (j.rule.name, *j.output)) for level in dag.toposorted()]
    ordered = [job for level in levels for job in level if job.output]
    places = {job: i for i, job in enumerate(ordered)}
    return [
        GraphJob(
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            outputs=[Path(f) for f in job.output],
            inputs=[Path(f) for f in job.input],
            settings=json.loads(job.params.get("cfg", "{}")),
            code=json.loads(job.params.code),
            threads=job.threads,
            needed=dag.needrun(job),
            reason=str(dag.reason(job)),
            depends=sorted(places[other] for other in dag.dependencies[job]),
        )
        for job in ordered
    ]


def is_made(workflow: Any, rule: str) -> bool:
    """Return whether a rule's outputs are up to date at the end of a run, which may have been asked for others only."""
    dag = workflow.dag
    return any(not dag.needrun(job) or dag.finished(job) for job in dag.jobs if job.rule.name == rule)


Maker = Callable[[Path], GraphJob | None]
"""Returns the planned job that makes a file; None for what no job makes."""


def force_outdated(workflow: Any, is_outdated: Callable[[GraphJob, Maker], bool]) -> None:
    """Make Snakemake run the jobs of outdated results of its graph again, as `--forcerun` would.

    Between the graph's jobs and the decision which of them run, Snakemake calls nothing of a workflow but the
    functions that name a job's inputs. So every rule gets one that names no file, and looks at the job's
    outputs.
    """
    rules = [rule for rule in workflow.rules if rule.output]
    inside: list[bool] = []

    def name_no_input(rule: Any, wildcards: Any) -> list[str]:
        if not inside and any(Path(path.apply_wildcards(wildcards)).exists() for path in rule.output):
            inside.append(True)  # the inputs are named by functions, of which this is one
            try:
                job = _planned_job(rule, wildcards)
                if is_outdated(job, functools.partial(_maker, rules, type(wildcards))):
                    workflow.dag.forcefiles.update(map(str, job.outputs))
            finally:
                inside.clear()
        return []

    for rule in rules:
        rule.set_input(functools.partial(name_no_input, rule))


def _maker(rules: Iterable[Any], wildcards: type, path: Path) -> GraphJob | None:
    """Return the planned job that makes a file, by the rules, whether or not it is in the graph yet."""
    rule = next((rule for rule in rules if rule.is_producer(str(path))), None)
    return rule and _planned_job(rule, wildcards(fromdict=rule.get_wildcards(str(path))))


def _planned_job(rule: Any, wildcards: Any) -> GraphJob:
    outputs = [Path(path.apply_wildcards(wildcards)) for path in rule.output]
    inputs = [Path(path) for path in rule.expand_input(wildcards)[0]]
    cfg, code = (rule.params.get(name, "{}") for name in ("cfg", "code"))
    given = [json.loads(p(wildcards) if callable(p) else p) for p in (cfg, code)]
    return GraphJob(rule.name, dict(wildcards.items()), outputs, inputs, *given)


COMMAND = re.compile(r"Command '.*?' (?=returned non-zero|died with)", re.DOTALL)
"""The command of a job in what Snakemake says of its end."""


def without_command(record: logging.LogRecord) -> bool:
    """Take a job's command out of a message of its end, where it hides the reason; keep every message."""
    record.msg = COMMAND.sub("The command ", record.msg) if isinstance(record.msg, str) else record.msg
    if getattr(record, "shellcmd", None) and record.levelno >= logging.ERROR:
        record.shellcmd = ""
    return True


FINAL = re.compile(r"Exiting because a job execution failed|WorkflowError:\s+At least one job did not complete success")
"""Begins what Snakemake says of a run that failed or was ended, beside what the workflow's handler says."""


def unless_final(record: logging.LogRecord) -> bool:
    """Keep every message but those of `FINAL`, which call a run failed that somebody ended."""
    return not FINAL.match(str(record.msg))


def how_it_ended(workflow: Any) -> str:
    """Return, for a run that was not completed, whether a job failed, and what follows, in words."""
    what = "The run failed" if workflow.scheduler.failed else "The run ended before it was complete"
    return f"{what}. What is done stays; the same command goes on from there."


def keep_notes() -> None:
    """Make Snakemake know its inputs by the provenance records, and look without a right to write.

    By itself it takes each input for changed that has a newer time and no checksum in its metadata, as after a copy of
    results without them. Where this user can't use `.snakemake`, the notes of what only looks are kept in a temporary
    folder, and a run is refused.
    """
    from snakemake import workflow as of
    from snakemake.exceptions import WorkflowError

    make = getattr(of.FilePersistence, "__wrapped__", of.FilePersistence)

    @functools.wraps(make, updated=())
    def made(**given: Any) -> Any:
        workflow, barred = given["dag"].workflow, next(_barred_notes(), None)
        apart = None
        if barred and given.get("path") is None:
            if workflow.executor_plugin and not workflow.dryrun:
                raise WorkflowError(_refusal_of_others(barred))
            apart = tempfile.TemporaryDirectory(prefix="crossover-")
            given["path"] = Path(apart.name)
        notes = make(**given)
        notes.apart = apart  # it is removed with them
        notes.input_checksums = functools.partial(_recorded_checksums, functools.cache(read_last_record))
        return notes

    of.FilePersistence = made


def _barred_notes() -> Iterator[Path]:
    """Yield what of `.snakemake` this user may not read and write; the workflow's folder where it can't be made."""

    def there() -> Iterator[Path]:
        yield NOTES if NOTES.exists() else Path()
        if NOTES.exists():
            yield from NOTES.iterdir()
            yield from METADATA.rglob("*")

    return (path for path in there() if not os.access(path, os.R_OK | os.W_OK))


def _refusal_of_others(barred: Path) -> str:
    return (
        f"you may not read and write {barred.absolute()}, so that nothing can be run in this clone. `snakemake -n` and "
        "`crossover plan` show what a run would do. What to do: run in a clone of your own, or have this one shared "
        "with your group (docs/cluster.md, One clone for several people)"
    )


def _recorded_checksums(recorded: Callable[[Path], dict | None], job: Any, path: Any) -> set[str | None]:
    """Return the checksums of an input in the records of what a job made from it, in Snakemake's form."""
    found = [(recorded(Path(output)) or {}).get("inputs", {}).get(str(path)) for output in job.output]
    return {sha256 and f"sha256:{sha256}" for sha256 in found}


def choose_at_ends(workflow: Any) -> None:
    """Make Snakemake choose the next jobs only when a job has ended, before it runs any.

    By default it starts 100 jobs a second at most, and asks again a second after every choice. Each job that
    ends adds a choice that is repeated every second from then on: 30 a second after 70 jobs, a tenth of a
    core. Where jobs run on this machine its cores are limit enough.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def ask_functions_once() -> None:
    """Make Snakemake look up once which parameters a function takes.

    These look-ups take a sixth of the time in which a large graph is built.
    """
    from snakemake import common, rules

    if hasattr(common.get_function_params, "cache_clear"):  # of a graph that this process built before
        common.get_function_params.cache_clear()
    else:
        common.get_function_params = rules.get_function_params = functools.cache(common.get_function_params)


def when_nothing_is_done(workflow: Any, tell: Callable[[], None]) -> None:
    """Call a function when all that a run was asked for is there: its handlers are called only after jobs.

    Like them, the function is that of the workflow that was started, not of one that it takes as a module.
    """
    from snakemake.common import NOTHING_TO_BE_DONE_MSG
    from snakemake.logging import logger

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == NOTHING_TO_BE_DONE_MSG:
                tell()

    if workflow.modifier.is_main_snakefile():
        logger.addHandler(Told())


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a run: Ctrl-C; `kill`, a scheduler or a shutdown; the terminal that was closed, unless with `nohup`."""
CANCEL_SECONDS = 120
"""The seconds that Slurm may take to answer, and to end all jobs of a run."""
WAIT_SECONDS = 0.2


def end_with_jobs(workflow: Any) -> None:
    """Make a run that a signal of `ENDING` reaches end its jobs first, and leave none, here or in Slurm.

    By itself Snakemake waits for the jobs on this machine after SIGINT sent to it alone, and for those
    everywhere after SIGTERM; SIGHUP leaves those of a scheduler running. It forgets submissions that are
    under way, and all jobs while it asks for their states.
    """
    for name in ENDING:
        if signal.getsignal(name) != signal.SIG_IGN:
            signal.signal(name, _interrupt)
    scheduler = workflow.scheduler
    remote = None if workflow.local_exec else scheduler._executor
    local = (scheduler._local_executor if remote else scheduler._executor).cancel
    elsewhere = (
        functools.partial(_end_slurm, remote) if hasattr(remote, "run_uuid") else getattr(remote, "cancel", None)
    )

    def cancel() -> None:
        if elsewhere:
            elsewhere()
        ending = threading.Thread(target=local)
        ending.start()
        while ending.is_alive():  # it waits for jobs, of which one may only begin now
            end_descendants()
            ending.join(WAIT_SECONDS)

    scheduler._executor.cancel = cancel


def _interrupt(*_: object) -> None:
    """Interrupt once: a second Ctrl-C would leave what the first has not ended yet."""
    for name in ENDING:
        signal.signal(name, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_slurm(executor: Any) -> None:
    """Cancel all jobs of this run, which have its name in Slurm, begin no other, and wait until they have ended."""
    executor._job_submission_executor.shutdown(cancel_futures=True)
    cancel, running = (["scancel", "--name"], ["squeue", "--noheader", "--name"])
    end = time.monotonic() + CANCEL_SECONDS
    try:
        if jobs := _output_of([*running, executor.run_uuid]).splitlines():
            print(f"Cancelling {counted(len(jobs), 'job')} in Slurm, and waiting for their end.", flush=True)
        _output_of([*cancel, executor.run_uuid])
        while _output_of([*running, executor.run_uuid]) and time.monotonic() < end:
            time.sleep(WAIT_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        why = getattr(error, "stderr", None) or error
        print(f"jobs may be left in Slurm, see squeue --name {executor.run_uuid}: {why}", flush=True)
    shutil.rmtree(executor.tmpdir, ignore_errors=True)


def _output_of(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=CANCEL_SECONDS)
    return done.stdout


def tell_of_failed_jobs(
    workflow: Any,
    why: Callable[[Path], str],
    keep: Callable[[str], None],
    lacked: Callable[[str, Mapping[str, str], str], None],
) -> None:
    """Make a run print one line for each job of a scheduler that failed: which, why, where its log is, what follows.

    Args:
        why: returns, of a job's log, why the job ended.
        keep: is given the lines of jobs that are not submitted again.
        lacked: is given rule and wildcards of each job that ended in Slurm, of each in a group, and why.
    """
    from snakemake.logging import logger

    if workflow.local_exec:
        return
    executor = workflow.scheduler._executor
    quiet, in_slurm = executor.print_job_error, hasattr(executor, "run_uuid")

    def tell(job_info: Any, msg: str | None = None, **more: Any) -> None:
        job, logs = job_info.job, [path for path in more.get("aux_logs") or () if path]
        said = (msg or "").split("\n    sbatch call")[0].partition("Detailed failure reason")[0].split()
        causes = [" ".join(said), *(why(Path(path)) for path in logs)]
        told = [*causes, *(f"Its log is {path}" for path in logs)]
        text = f"{_name_of(job)} failed: {' '.join(each.rstrip('.') + '.' for each in told if each)}"
        again = job.attempt <= job.restart_times
        logger.error(f"{text} {'It is submitted again.' if again else 'It is not submitted again.'}")
        if not again:
            keep(text)
        for own in (job.jobs if job.is_group() else [job]) if in_slurm else ():
            lacked(own.rule.name, own.wildcards_dict, " ".join(causes))
        quiet(job_info, msg, **more)

    executor.print_job_error = tell


def keep_to_limits(workflow: Any, limits: Callable[[str], Mapping[str, int]]) -> None:
    """Make a run ask a scheduler for no more than it can give: such a job would be refused, or wait for ever.

    A training that needs more time goes on from its checkpoint when it is submitted again.

    Args:
        limits: returns the most of `runtime` and `mem_mb` that a job can have in a partition, by its name.
    """
    from snakemake.iocontainers import ResourceList
    from snakemake.logging import logger

    executor = workflow.scheduler._executor
    submit, told = executor.run_job, set()

    def run_job(job: Any) -> None:
        asked = dict(job.resources.items())
        partition = str(asked.get("slurm_partition") or "")
        less = {what: most for what, most in limits(partition).items() if asked.get(what, 0) > most}
        if less:
            job._resources = ResourceList(fromdict=asked | less)
        for what, most in less.items():
            if (partition, what) not in told:
                told.add((partition, what))
                where = f"the partition {partition}" if partition else "Slurm's default partition"
                why = f"{_name_of(job)} would request {what}={asked[what]}, but {where} has only {most}"
                logger.warning(f"{why}; it and similar jobs request {most} instead.")
        submit(job)

    executor.run_job = run_job


def ask_often_enough(workflow: Any) -> None:
    """Make a run ask Slurm for the states of its jobs at least every `--seconds-between-status-checks`.

    The executor asks 10 seconds later each time that no job has ended, up to 180, and has no setting for that.
    """
    executor = workflow.scheduler._executor
    most = workflow.remote_execution_settings.seconds_between_status_checks

    async def sleep() -> None:
        await asyncio.sleep(min(executor.next_seconds_between_status_checks, most))

    executor.sleep = sleep


def submissions(workflow: Any, limits: Callable[[str], Mapping[str, int]]) -> str:
    """Return what a run will submit to a scheduler and ask of it, in a sentence; "" where nothing is submitted.

    Args:
        limits: as of `keep_to_limits`.
    """
    own = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    hours, cores, on_gpus = {}, 0.0, 0.0
    for job in {workflow.dag.get_job_group(job) or job: None for job in own}:
        asked = dict(job.resources.items())
        most = limits(str(asked.get("slurm_partition") or "")).get("runtime", math.inf)
        hours[job] = min(asked.get("runtime", 0), most) / 60
        cores += hours[job] * asked.get("_cores", 1)
        on_gpus += hours[job] * int(asked.get("gpu", 0))
    if not hours:
        return ""
    longest = max(hours, key=hours.__getitem__)
    gpu_hours = f" and {on_gpus:,.1f} GPU-hours" if on_gpus else ""
    return (
        f"{counted(len(hours), 'submission')} to the scheduler. First attempts ask for at most {cores:,.1f} core-hours"
        f"{gpu_hours}; the longest, {_name_of(longest)}, for {duration(hours[longest] * 3600)}."
    )


def _name_of(job: Any) -> str:
    """Return what a job makes, in words: its rule and wildcards; of a group, its rules and what they are of."""
    if not job.is_group():
        return f"{job.rule.name} of {' '.join(map(str, job.wildcards_dict.values())) or 'all'}"
    rules = textwrap.shorten(", ".join(sorted({own.rule.name for own in job.jobs})), 60, placeholder=" and more")
    found = (own.wildcards_dict for own in job.jobs)
    return f"{rules} of {', '.join(sorted({w.get('cohort') or w.get('study') or 'all' for w in found}))}"


def end_descendants(seconds: float = SECONDS_TO_END) -> None:
    """End all processes below this one, and return when none of them runs any more.

    All are asked at once, whoever started them: a shell that ends first leaves what it started to no one.

    Args:
        seconds: until those that don't end by themselves are killed.
    """
    those = psutil.Process().children(recursive=True)
    for process in those:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            process.terminate()
    _, left = psutil.wait_procs(those, seconds)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, seconds)
