"""What this Slurm has and says: what a run would wait for in vain, how long jobs may run, what waits, why a job ended.

A job that asks for more cores than any node has, or for more time than its partition gives, waits for ever.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SECONDS = 60
"""The seconds that Slurm may take to answer; without an answer nothing is refused."""
SOON = 5
"""The seconds in which a Slurm answers of which a command line would take advantage."""
WHERE = "set it between the lines of the profile (docs/cluster.md)"


def answers() -> bool:
    """Return whether a Slurm answers within `SOON` seconds: its commands may be installed without one."""
    done = _nodes(SOON)
    return done is not None and not done.returncode


def refusals(account: str, partition: str, cores: int | None, with_gpu: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with a run's settings, one sentence each.

    Args:
        account: `slurm_account` of the default resources; "" for none. Known are those of which `sacctmgr` tells.
        partition: `slurm_partition` of the default resources; "" for Slurm's default.
        cores: the most that one job asks for.
        with_gpu: the rules whose jobs ask for a GPU.
    """
    out = []
    if told := _silent():
        out.append(f"executor: slurm, but Slurm does not answer: {told}")
    elif told := _unknown_to_jobs():
        out.append(
            f"SLURM_CONF: without this variable Slurm does not answer on this machine ({told}), and the executor "
            "removes it from jobs, each of which would fail: docs/cluster.md says where Slurm finds its configuration"
        )
    nodes = [line.split() for line in _lines(["sinfo", "--noheader", "--format=%R %c %G"])]
    sizes = {name: max(int(size.rstrip("+")) for n, size, _ in nodes if n == name) for name, *_ in nodes}
    if partition and sizes and not (named := {*partition.split(",")}) <= {*sizes}:
        lacking = ", ".join(sorted(named - {*sizes}))
        out.append(f"slurm_partition: {lacking} does not exist; the partitions are {_listed(sizes)}: {WHERE}")
    most = max((sizes[name] for name in partition.split(",") if name in sizes), default=max(sizes.values(), default=0))
    if cores and 0 < most < cores:
        out.append(f"cores: {cores}, and no node has more than {most}, so that jobs would wait for ever: {WHERE}")
    if with_gpu and nodes and not any("gpu" in devices for *_, devices in nodes):
        out.append(
            f"set-resources: a GPU for {', '.join(with_gpu)}, and no node has one: remove these lines from"
            " the profile to compute on processors"
        )
    user = f"user={getpass.getuser()}"
    own = {*_lines(["sacctmgr", "--noheader", "--parsable2", "list", "associations", user, "format=account"])}
    if account and own and account.casefold() not in {name.casefold() for name in own}:
        out.append(f"slurm_account: you have no account {account}, only {_listed(own)}: {WHERE}")
    return out


def limits() -> dict[str, dict[str, int | None]]:
    """Return the most minutes (`runtime`) and MB (`mem_mb`) that a job can have, by partition; None without a limit.

    Those of Slurm's default partition are there as "" too.
    """
    found: dict[str, dict[str, int | None]] = {}
    for line in _lines(["sinfo", "--noheader", "--format=%P %l %m"]):
        told, time, memory = line.split()
        name = told.rstrip("*")
        limit = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):\d+", time)
        days, hours, minutes = (int(part or 0) for part in limit.groups()) if limit else (0, 0, 0)
        largest = max(int(memory.rstrip("+")), found.get(name, {}).get("mem_mb") or 0)  # nodes may differ
        found[name] = {"runtime": (days * 24 + hours) * 60 + minutes if limit else None, "mem_mb": largest}
        if told.endswith("*"):
            found[""] = found[name]
    return found


def most(found: dict[str, dict[str, int | None]], partition: str) -> dict[str, int]:
    """Return the limits of a job that may run in any of some partitions; none where one has no limit, or isn't known.

    Args:
        found: of `limits`.
        partition: names with commas; "" for Slurm's default.
    """
    own = [found.get(name, {}) for name in partition.split(",")]
    values = {what: [each.get(what) for each in own] for what in ("runtime", "mem_mb")}
    return {what: max(v for v in each if v is not None) for what, each in values.items() if None not in each}


class Queued(NamedTuple):
    """A job of this folder that is in Slurm's queue."""

    number: str
    state: str
    """As Slurm says it: PENDING, RUNNING, COMPLETING, ..."""
    reason: str
    """Why it waits, in Slurm's word: Resources, Priority, ReqNodeNotAvail, ..."""
    about: str
    """Its rule and wildcards; of a group, its name and rules."""


def queue(folder: Path) -> list[Queued] | None:
    """Return the jobs that were submitted from a folder and have not ended; None where no Slurm answers.

    Those of all users, or only this user's (`tells_of_all_users`).

    Args:
        folder: that of the run.
    """
    heads, *lines = _lines(["squeue", "--format=%A|%T|%r|%k|%Z"]) or [""]
    if not heads:
        return None
    rows = [line.split("|", 4) for line in lines]
    return [
        Queued(
            number, state, "" if reason == "None" else reason, about.removeprefix("rule_").replace("_wildcards_", " ")
        )
        for number, state, reason, about, where in rows
        if Path(where).resolve() == folder.resolve()
    ]


def about_to_train(queued: Sequence[Queued], study: str, studies: Collection[str], at_work: Collection[str]) -> int:
    """Return how many of a study's training jobs run in Slurm, in which no training is at work yet or just now.

    Args:
        queued: of `queue`.
        studies: the names of all studies, of which one may begin with another.
        at_work: the numbers of the jobs in which a training is at work.
    """
    running = (job for job in queued if job.state == "RUNNING" and job.number not in at_work)
    of = [[name for name in studies if job.about.startswith(f"train {name}_")] for job in running]
    return sum(max(names, key=len, default="") == study for names in of)


def tells_of_all_users() -> bool:
    """Return whether this Slurm tells a user of other users' jobs: a site may keep them private."""
    private = [line for line in _lines(["scontrol", "show", "config"]) if line.startswith("PrivateData")]
    return not any(re.search(r"\b(jobs|all)\b", line.partition("=")[2]) for line in private)


def cores_given(environment: Mapping[str, str]) -> int | None:
    """Return the cores that Slurm gives a process of the job in this environment; None outside a job."""
    given = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE") or ""
    return int(given) if "SLURM_JOB_ID" in environment and given.isdigit() else None


SLURM_SAYS = re.compile(
    r"^(?:slurmstepd|srun|slurmd)\S*: (?:error: )?(fatal: .*|.*(?:memory|oom|PREEMPT|NODE FAIL|CANCELLED AT).*)$", re.M
)
"""In a job's log, the lines in which Slurm says why it ended the job."""


RULES_LOG = re.compile(r"^ *log: (.+?) \(check log file", re.M)
"""In a job's log, where Snakemake names the logs of the rules of a job that failed."""


def why_it_ended(log: Path) -> str:
    """Return why a job ended: in Slurm's words, else the last line of the log that its rules, or itself, wrote last."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    if said := SLURM_SAYS.findall(text):
        return str(said[-1])
    own = [path for path in map(Path, RULES_LOG.findall(text)) if path.is_file()]
    if own:
        text = max(own, key=lambda path: path.stat().st_mtime).read_text(errors="replace")
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")


def lacked(said: str) -> list[str]:
    """Return what a job lacked that ended, by why it did: "mem_mb", "runtime" or nothing.

    A process that was only killed may have lacked memory: not each system says so. A job that was cancelled or
    preempted, that lost its node, or that failed by an error of its own lacked nothing.
    """
    by = {
        "runtime": r"TIMEOUT|TIME LIMIT",
        "mem_mb": r"(?i)memory|\boom\b|oom_kill|killed|terminated abruptly|SIGKILL|status 137|bus error",
    }
    return [what for what, words in by.items() if re.search(words, said) and "sbatch failed" not in said]


def _listed(names: Sequence[str] | set[str] | dict[str, int]) -> str:
    return ", ".join(sorted(names))


def _silent() -> str:
    """Return why Slurm gives no list of its nodes; "" where it does, or takes longer than `SECONDS`."""
    return _reason(_nodes(SECONDS))


def _unknown_to_jobs() -> str:
    """Return why Slurm does not answer without SLURM_CONF; "" where it does, or configures its nodes itself."""
    if "SLURM_CONF" not in os.environ:
        return ""
    told = _reason(_nodes(SECONDS, {name: value for name, value in os.environ.items() if name != "SLURM_CONF"}))
    configless = any("enable_configless" in line for line in _lines(["scontrol", "show", "config"])) if told else False
    return "" if configless else told


def _reason(done: subprocess.CompletedProcess[str] | None) -> str:
    """Return the last line of what a command said that ended with an error; "" of any other."""
    if done is None or not done.returncode:
        return ""
    return (done.stderr.strip().splitlines() or ["sinfo ended with an error"])[-1]


def _nodes(seconds: int, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str] | None:
    """Return how Slurm's list of its nodes ended; None where it can't be asked, or takes longer."""
    command = ["sinfo", "--noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment)
    except (subprocess.SubprocessError, OSError):
        return None


def _lines(command: list[str]) -> list[str]:
    """Return what a command of Slurm prints; nothing where it can't answer, as `sacctmgr` without accounts."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
