"""Locks between processes, by `filelock`: the system drops a lock when its process ends, however that happens.

A lock's file names its holder for those who wait. The file of a killed holder stays, without a lock on it.
"""

import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)
FOLDER = Path(".cache/locks")
WAIT_SECONDS = 0.5


class Held(RuntimeError):
    """Another process has the lock; the message says which, and since when."""


class Barred(RuntimeError):
    """This user may not write the lock's file; the message names it and says what to do."""


def take(path: Path) -> FileLock:
    """Take a lock without waiting; it is held until it is released or this process ends.

    Processes that are started meanwhile do not inherit it.

    Raises:
        Held: another process has it.
        Barred: this user may not write its file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(blocking=False)
    except Timeout:
        raise Held(_holder(path)) from None
    except PermissionError:
        raise Barred(
            f"you may not write {path.absolute()}, the lock by which no two processes make the same files. What to do: "
            "run in a clone of your own, or have this one shared with your group"
        ) from None
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    path.write_text(json.dumps({"process": os.getpid(), "on": platform.node(), "since": since}))
    return lock


@contextmanager
def held(what: str | Path, folder: Path = FOLDER) -> Iterator[None]:
    """Hold the lock of a file or folder that is made inside the block.

    Where another process has it, print which, and wait.
    """
    path = lock_path(what, folder)
    lock, waiting = None, False
    while lock is None:
        try:
            lock = take(path)
        except Held as by:
            if not waiting:
                waits = f"{what} is being made by {by} (of a run that was killed?): waiting for it"
                log.info(waits)
                print(f"[{time.strftime('%H:%M:%S')}] {waits}", flush=True)
                waiting = True
            time.sleep(WAIT_SECONDS)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before the release: who takes it next makes its own file
        lock.release()


def lock_path(what: str | Path, folder: Path = FOLDER) -> Path:
    """Return where the lock of a file or folder lies."""
    own = Path(what)
    return folder / f"{own.relative_to(own.anchor)}.lock"


def is_unfinished(what: str | Path) -> bool:
    """Return whether a process makes a file or folder now, or was killed while it did (see `held`)."""
    return lock_path(what).exists()


def _holder(path: Path) -> str:
    try:
        about = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # it has only just been taken, or given back
        return "another process"
    where = "" if about["on"] == platform.node() else f" on {about['on']}"
    return f"process {about['process']}{where}, since {about['since']}"
