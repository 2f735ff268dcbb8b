"""Progress across the jobs of a run: stages done of all, and about how long the rest takes.

What jobs tell is in files of the run's folder, so that any machine that sees the folder can tell how far the run is.
"""

import functools
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import NamedTuple, ParamSpec

import psutil

from crossover.core import locks
from crossover.core.files import read_json, read_json_or_none, write_json
from crossover.core.wording import duration
from crossover.execution.made import call_of, command

P = ParamSpec("P")
log = logging.getLogger(__name__)
FOLDER = Path(".cache/progress")
REPORT = Path("results/report.html")
FAILURES = ".failures"
"""The end of the names of files with failures, one for each study and cohort, and one for the report."""
EVERY = 10.0
"""The fewest seconds between two lines on a job's running training."""


def harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """Return a call that only logs what it can't tell: nobody reads any more, the disk is full, a file is damaged.

    A training must not be lost because of those who watch it.
    """

    @functools.wraps(tell)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except (OSError, ValueError, TypeError, LookupError) as error:
            log.warning("progress can't be shown: %s: %s", type(error).__name__, error)

    return told


def begin(study: str, stages: int, jobs: int, done: Iterable[str] = (), old: Container[str] = ()) -> None:
    """Note at the start of a run what a study's trainings are.

    Args:
        study: its name.
        stages: how many it has.
        jobs: how many are trained side by side.
        done: the stages that an earlier run has made, of whose jobs none runs now.
        old: the stages of jobs that are still at work for an earlier run, which go on to tell of them.
    """
    told = [(seconds, stage) for seconds, stage in _done(study) if stage in old]

    FOLDER.mkdir(parents=True, exist_ok=True)
    write_json(FOLDER / f"{study}.json", {"stages": stages, "jobs": jobs})
    lines = [(0.0, stage) for stage in done] + told
    (FOLDER / f"{study}.done").write_text("".join(f"{seconds:.2f} {stage}\n" for seconds, stage in lines))
    for path in running_folder(study).glob("*.json"):
        if path.stem not in old:
            path.unlink()


def begun(study: str) -> float:
    """Return when the last run of a study was begun, in seconds of the clock; 0 where none was."""
    path = FOLDER / f"{study}.json"
    return path.stat().st_mtime if path.exists() else 0.0


def running_folder(study: str) -> Path:
    """Return the folder in which each training that runs has a file named after its stage."""
    return FOLDER / f"{study}.running"


@harmless
def tell(study: str, what: str, seconds: float) -> None:
    """Report that a stage is done (0 seconds: it was already). Nothing is reported where no run was begun.

    Args:
        study: the stage's study.
        what: begins with the stage's name; the rest may be an error's message, of several lines.
        seconds: of the stage's training.
    """
    if not (FOLDER / f"{study}.json").exists():
        return
    with (FOLDER / f"{study}.done").open("a") as file:
        file.write(f"{seconds:.2f} {what.split()[0].rstrip(',')}\n")
    now = line([seconds for seconds, _ in _done(study)], what, **read_json(FOLDER / f"{study}.json"))
    print(f"[{time.strftime('%H:%M:%S')}] {study}: {now}", flush=True)


def _done(study: str) -> list[tuple[float, str]]:
    """Return what is done: seconds of its training, and the stage's name; a job that is tried again tells it again.

    Lines that a power cut, or two nodes that wrote at once, left torn are passed over.
    """
    path = FOLDER / f"{study}.done"
    took: dict[str, float] = {}
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        seconds, _, stage = line.partition(" ")
        if stage and re.fullmatch(r"\d+\.\d\d", seconds):
            took[stage] = max(float(seconds), took.get(stage, 0.0))
    return [(seconds, stage) for stage, seconds in took.items()]


class Watched:
    """Tells of trainings' courses, at most every `EVERY` seconds. Silent where no run was begun.

    Args:
        now: a clock, in seconds.
    """

    def __init__(self, study: str, now: Callable[[], float] = time.monotonic) -> None:
        self.study, self._now = study, now
        self._last_report = self._last_noted = now()
        self._first: dict[str, tuple[float, int]] = {}
        self._reached: dict[str, int] = {}
        self._dsc: dict[str, float | None] = {}

    @harmless
    def begin(self, stage: str) -> None:
        """Report that a stage's training begins, to `status` alone: its first validation may be minutes away."""
        if (FOLDER / f"{self.study}.json").exists():
            self._write(stage, 0, None, None)

    def _write(self, stage: str, step: int, steps: int | None, dsc: float | None) -> None:
        where = {"host": socket.gethostname(), "process": os.getpid(), "job": os.environ.get("SLURM_JOB_ID", "")}
        status = {"step": step, "steps": steps, "dsc": dsc, **where, "time": time.time()}
        running_folder(self.study).mkdir(exist_ok=True)
        write_json(running_folder(self.study) / f"{stage}.json", status)

    def _note(self, stage: str, step: int, steps: int, now: float) -> None:
        self._last_noted = now
        if (FOLDER / f"{self.study}.json").exists():
            dsc = self._dsc[stage]
            self._write(stage, step, steps, None if dsc is None else float(dsc))

    @harmless
    def __call__(self, stage: str, step: int, steps: int, loss: float | None, dsc: float | None) -> None:
        """Report a validation, and to `status` alone a step, unless one was reported less than `EVERY` seconds ago.

        The first step that a process has done, or goes on from, is always told. A step before one that was done is of
        another attempt (`recipe.retries`), and its time left follows from its own pace.

        Args:
            stage: its name.
            step, steps: the step just done, of how many.
            loss: the mean training loss since the last validation; None where the step is no validation.
            dsc: the validation DSC, or that of the last one before this process; None without one.
        """
        now = self._now()
        if step < self._reached.get(stage, step):
            self._first.pop(stage, None)
            self._dsc.pop(stage, None)
            self._say(
                f"{stage} is trained again with another seed, since the training collapsed: its loss was not a number, "
                "or a structure had a DSC of 0 throughout (recipe.retries)"
            )
        self._reached[stage] = step
        self._dsc[stage] = self._dsc.get(stage) if dsc is None else dsc
        if loss is None or dsc is None:
            if stage not in self._first or now - self._last_noted >= EVERY:
                self._note(stage, step, steps, now)
            self._first.setdefault(stage, (now, step))
            return
        begun, first = self._first.setdefault(stage, (now, step))
        if now - self._last_report < EVERY or not (FOLDER / f"{self.study}.json").exists():
            return
        self._last_report = now
        self._note(stage, step, steps, now)
        text = f"{stage}: step {step} of {steps}, loss {loss:.3g}, validation DSC {dsc:.2f}"
        if first < step < steps:  # by this process's own pace: it may have gone on from a checkpoint
            text += f", about {duration((now - begun) / (step - first) * (steps - step))} left of it"
        self._say(text)

    def _say(self, text: str) -> None:
        if (FOLDER / f"{self.study}.json").exists():
            print(f"[{time.strftime('%H:%M:%S')}] {self.study}: {text}", flush=True)


def fail(name: str, what: str) -> None:
    """Keep a message about what failed, to be shown once more when the run ends.

    Args:
        name: the study, cohort or "report" to which it belongs: no two runs have one of them at once.
        what: the message.

    Raises:
        OSError: it can't be written.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}{FAILURES}").open("a") as file:
        file.write(what + "\n")


def name_of(output: Path) -> str:
    """Return the study, cohort or "report" to which an output belongs; its path is relative to the workflow's folder.

    Raises:
        IndexError: it lies neither in `results/` nor in `data/`.
    """
    return output.parts[1 if output.parts[0] == "results" else 2].removesuffix(".html")


@harmless
def fail_one(study: str, manifest: Path, name: str, happened: str, advice: str, by_itself: bool) -> None:
    """Report at once, and keep for the end, that one training failed while its job goes on.

    Args:
        study, name: of the stage.
        manifest: of its job.
        happened, advice: what went wrong and what to do.
        by_itself: whether it failed for a reason of its own, and not for its parent, which must be tried
            again first.
    """
    tell(study, f"{name} FAILED: {happened}", 0)
    text = f"{study}: {name} failed: {happened}"
    if by_itself:
        again = command(call_of(study, manifest.parents[2]), "--forcerun", str(manifest))
        retry = f"`{again}` tries it again and keeps what is done"
        text += f"\n  try: {advice}\n  if the cause lies outside the configuration, as memory does: {retry}"
    fail(study, text)


def failures(names: Iterable[str] | None = None, but: Container[str] = ()) -> str:
    """Return the failures in the last run of each study or cohort; by default of all that have any.

    Args:
        names: of studies, cohorts and "report". but: those to leave out.
    """
    paths = sorted(FOLDER.glob(f"*{FAILURES}")) if names is None else [FOLDER / f"{name}{FAILURES}" for name in names]
    own = (path for path in paths if path.exists() and path.name.removesuffix(FAILURES) not in but)
    return "".join(path.read_text(errors="replace") for path in own)


def forget_failures(names: Iterable[str]) -> None:
    """Forget the failures of studies and cohorts, since a run of them begins."""
    for name in names:
        (FOLDER / f"{name}{FAILURES}").unlink(missing_ok=True)


PLACES = ("data/*/*", "data/corrected/*/*", "data/slices/*/*", "results/*", "results/*/*")
"""Where the outputs of jobs lie, beside the report."""


def in_the_making() -> list[tuple[Path, str]]:
    """Return the files that jobs make now, but for trainings, and by which process, since when."""
    found = {locks.locked(path) for place in PLACES for path in Path().glob(f"{place}/.*.lock")} | {REPORT}
    held = ((path, locks.holder(path)) for path in sorted(found) if path.parent.name != "stages")
    return [(path, by) for path, by in held if by]


class Running(NamedTuple):
    """A training that has begun and is not done."""

    stage: str
    step: int
    """The step of its last report, or from which it goes on."""
    steps: int | None
    """The number of its steps; None while its images are read and its network is built."""
    dsc: float | None
    """The DSC of its last validation; None before the first."""
    host: str
    process: int
    """The number of its process on that host."""
    job: str
    """The number of its job in Slurm; "" where it is none."""
    seconds_ago: float
    """The seconds since its last report: minutes for large networks."""
    ended: bool
    """Whether its process, or its job in Slurm, is known to have ended before it was done."""

    @property
    def course(self) -> str:
        """How far it is, in words."""
        if self.steps is None:
            return "begun"
        validated = "not validated yet" if self.dsc is None else f"validation DSC {self.dsc:.2f}"
        return f"step {self.step} of {self.steps}, {validated}"


class Status(NamedTuple):
    """How far the trainings of a study's last run are."""

    study: str
    done: int
    """The stages that are done, failed ones among them."""
    stages: int
    running: list[Running]
    """Those that have begun and are not done, also where their process has ended."""
    seconds_left: float | None
    """About how long the rest takes; None where nothing was trained yet."""


def statuses(queued: Container[str] | None = None, of_all_users: bool = True) -> list[Status]:
    """Return how far the trainings of the last run are, for each of its studies.

    Files that a power cut left empty are passed over.

    Args:
        queued: the numbers of the jobs in Slurm's queue; None where it is not known.
        of_all_users: whether these are all users' jobs, or only this user's.
    """
    runs = {path.stem: read_json_or_none(path) for path in sorted(FOLDER.glob("*.json"))}
    return [_status(study, run, queued, of_all_users) for study, run in runs.items() if run]


def _status(study: str, run: dict, queued: Container[str] | None, of_all_users: bool) -> Status:
    done, running = _done(study), []
    over = {stage for _, stage in done}
    for path in sorted(running_folder(study).glob("*.json")):
        if path.stem not in over and (status := read_json_or_none(path)):
            known = queued if of_all_users or path.stat().st_uid == os.getuid() else None
            ended, ago = _has_ended(status, known), time.time() - status.pop("time")
            running.append(Running(path.stem, seconds_ago=ago, ended=ended, **status))
    left = seconds_left([seconds for seconds, _ in done], **run)
    return Status(study, len(done), run["stages"], running, left if any(s for s, _ in done) else None)


def _has_ended(status: dict, queued: Container[str] | None) -> bool:
    """Return whether a training's job is no longer in the queue, or its process is no longer on this machine."""
    if status["job"] and queued is not None:
        return status["job"] not in queued
    return status["host"] == socket.gethostname() and not _was_there(status["process"], status["time"])


def _was_there(process: int, when: float) -> bool:
    """Return whether a process runs that was started before a time: another one may have its number since."""
    try:
        return bool(psutil.Process(process).create_time() <= when)
    except psutil.NoSuchProcess:
        return False


def line(took: list[float], what: str, stages: int, jobs: int) -> str:
    """Return "stage 7 of 37 done, about 3 min of training left: <what>"; no time before something was trained.

    Args:
        took: seconds of each stage that is done.
        what: what was done last.
        stages, jobs: how many there are, and how many are trained side by side.
    """
    known = any(took) or len(took) >= stages  # by what was done before a run no time of this one is known
    left = f", about {duration(seconds_left(took, stages, jobs))} of training left" if known else ""
    return f"stage {len(took)} of {stages} done{left}: {what}"


def seconds_left(took: list[float], stages: int, jobs: int) -> float:
    """Return how long the rest takes, in seconds, by the mean of what was trained so far."""
    trained = [t for t in took if t > 0]
    return (stages - len(took)) * sum(trained) / max(len(trained), 1) / jobs
