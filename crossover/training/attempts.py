"""Trainings whose process was killed without a word: a lack of memory ends with SIGKILL, which nothing can catch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from crossover.core.files import read_json_or_none, write_json
from crossover.core.incremental import KILLED
from crossover.training.failure import TrainingFailed

CACHE = Path(".cache/training")
"""The folder with a folder for each study, in which each stage has one until it is done."""
NOTE = "attempt.json"
GIVEN = "CROSSOVER_MEM_MB"
"""The variable of the environment with the MB of memory that the job was given."""
MOST = 2
"""How often a process may be killed while it trains one stage, without a new checkpoint between."""
ADVICE = "more memory, a smaller recipe.batch, or fewer trainings at once (--cores, execution.per_gpu)"
ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)
"""What ends a job by somebody's will; SIGINT is an exception."""
_handled: set[int] = set()
"""The signals that `attempt` handles now."""


def _end_as_ever() -> None:
    """Let a fork end by a signal as it would without `attempt`.

    A handler in Python waits until a call returns, and a worker of a pool that waits for work would never end.
    """
    for number in _handled:
        signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_end_as_ever)


def memory_given(environment: Mapping[str, str]) -> int | None:
    """Return the MB that a scheduler gives this job; 0 without a scheduler, None where they aren't known.

    Slurm tells them in the job's script only: from the environment of its steps the executor removes them, so that
    the rules, which the script reads first, hand them over as `GIVEN`.
    """
    node, core = (environment.get(f"SLURM_MEM_PER_{what}", "") for what in ("NODE", "CPU"))
    if node.isdigit():
        return int(node)
    if core.isdigit():
        cores = environment.get("SLURM_CPUS_ON_NODE") or environment.get("SLURM_CPUS_PER_TASK") or ""
        return int(core) * int(cores) if cores.isdigit() else None
    if handed := environment.get(GIVEN):
        return int(handed)
    return None if "SLURM_JOB_ID" in environment else 0


@contextmanager
def attempt(folder: Path, key: str, checkpoints: Iterable[Path]) -> Iterator[None]:
    """Keep a note in a folder while a stage is trained inside the block.

    A note that is found there is of a process that was killed: one that ends by an exception, or is asked to end,
    removes it. Only kills at the same place are counted, and not those of a training that went on between them; a job
    that a scheduler now gives more memory, or nobody knows how much, is tried.

    Args:
        folder: of what is kept of the stage while it is not done.
        key: of the stage; kills of a training of another key are forgotten.
        checkpoints: the files from which the training would go on.

    Raises:
        TrainingFailed: processes were killed `MOST` times; the kills are forgotten, for whoever tries again.
    """
    path, memory = folder / NOTE, memory_given(os.environ)
    place = [key, *sorted(f"{file.name} {file.stat().st_mtime_ns}" for file in checkpoints)]
    left = read_json_or_none(path) or {}
    kills = left["kills"] + 1 if left.get("place") == place else 0
    known = memory is not None and left.get("memory") is not None
    if kills >= MOST and known and memory <= left["memory"]:
        path.unlink()
        raise TrainingFailed(f"{KILLED}, {kills} times at the same place", ADVICE)
    write_json(path, {"place": place, "kills": kills, "memory": memory})
    try:
        with _removed_at_end(path):
            yield
    finally:
        path.unlink(missing_ok=True)


def killed(study: str) -> list[str]:
    """Return the stages of a study whose process was killed when it last trained them; none may be trained now."""
    return sorted(path.parent.name for path in (CACHE / study).glob(f"*/{NOTE}"))


@contextmanager
def _removed_at_end(path: Path) -> Iterator[None]:
    """Remove a file if this process is asked to end, which it then does as ever. Only a main thread can be asked."""

    def end(number: int, _: FrameType | None) -> None:
        with suppress(OSError):
            path.unlink()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    in_main = threading.current_thread() is threading.main_thread()
    own = [number for number in ASKED_TO_END if in_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in own:
        signal.signal(number, end)
    _handled.update(own)
    try:
        yield
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL)
        _handled.difference_update(own)
