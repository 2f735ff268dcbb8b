"""Locks between processes, by `filelock`: the system drops a lock when its process ends, however that happens.

A lock's file lies hidden beside what it guards, so that all clones that reach that by links share it. It names its
holder for those who wait. The file of a killed holder stays, without a lock on it.
"""

import errno
import fcntl
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
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""The errors of a file system that has no locks."""
WAIT_SECONDS = 0.5


class Held(RuntimeError):
    """Another process has the lock; the message says which, and since when."""


class Barred(RuntimeError):
    """There can be no lock: this user may not write its file, or the file system has none. The message has a remedy."""


def take(what: str | Path) -> FileLock:
    """Take the lock of a file or folder without waiting; it is held until it is released or this process ends.

    Processes that are started meanwhile do not inherit it.

    Raises:
        Held: another process has it.
        Barred: this user may not write its file, or the file system has no locks.
    """
    path = lock_path(what)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, fallback_to_soft=False)  # the soft one outlives a holder that is killed on another node
        lock.acquire(blocking=False)
    except Timeout:
        raise Held(_holder(path)) from None
    except PermissionError:
        raise Barred(
            f"you may not write {path.absolute()}, the lock by which no two processes make the same files. What to do: "
            "run in a clone of your own, or have this one shared with your group"
        ) from None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        raise Barred(
            f"the file system of {path.parent.absolute()} has no file locks (flock: {error.strerror}), by which no two "
            "processes make the same files. What to do: have it mounted with them (Lustre: option flock), or work in a "
            "folder of another file system"
        ) from None
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    path.write_text(json.dumps({"process": os.getpid(), "on": platform.node(), "since": since}))
    return lock


@contextmanager
def held(what: str | Path) -> Iterator[None]:
    """Hold the lock of a file or folder that is made inside the block.

    Where another process has it, print which, and wait.
    """
    path = lock_path(what)
    lock, waiting = None, False
    while lock is None:
        try:
            lock = take(what)
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


def holder(what: str | Path) -> str:
    """Return which process has the lock of a file or folder, and since when; "" where none that this machine sees has.

    A user who may only read may ask too.
    """
    path = lock_path(what)
    try:
        with path.open() as file:  # what is taken is given back when it is closed
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(path)
    except OSError:  # no such file; it may not be read; a file system without locks
        pass
    return ""


def lock_path(what: str | Path) -> Path:
    """Return where the lock of a file or folder lies: `.<name>.lock` beside it, which .dvcignore leaves out."""
    return Path(what).with_name(f".{Path(what).name}.lock")


def locked(path: Path) -> Path:
    """Return the file or folder that a lock's file is of."""
    return path.with_name(path.name.removeprefix(".").removesuffix(".lock"))


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
