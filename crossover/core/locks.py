"""One process at a time: locks of the system, which end with their process, so that a kill leaves none behind."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

log = logging.getLogger(__name__)
FOLDER = Path(".cache/locks")
WAIT_SECONDS = 0.5


class Held(RuntimeError):
    """Another process has the lock; the message says which, and since when."""


def take(path: Path) -> TextIO:
    """Take a lock for as long as the returned file stays open; processes that are started don't inherit it.

    Raises:
        Held: another process has it.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:  # whoever had it before removed the folder
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = _holder(file)
            file.close()
            raise Held(by) from None
        if _is_at(file, path):
            break
        file.close()  # the one before removed it between the opening and the lock
    file.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    json.dump({"process": os.getpid(), "on": platform.node(), "since": since}, file)
    file.flush()
    return file


@contextmanager
def held(what: str | Path, folder: Path = FOLDER) -> Iterator[None]:
    """Hold the lock of what is made inside, a file or folder; wait for it, and say for whom, where another has it."""
    path = lock_path(what, folder)
    file, told = None, False
    while file is None:
        try:
            file = take(path)
        except Held as by:
            if not told:
                waits = f"{what} is being made by {by} (of a run that was killed?): waiting for it"
                log.info(waits)
                print(f"[{time.strftime('%H:%M:%S')}] {waits}", flush=True)
                told = True
            time.sleep(WAIT_SECONDS)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def lock_path(what: str | Path, folder: Path = FOLDER) -> Path:
    """Where the lock of a file or folder lies."""
    own = Path(what)
    return folder / f"{own.relative_to(own.anchor)}.lock"


def _holder(file: TextIO) -> str:
    file.seek(0)
    try:
        about = json.loads(file.read())
    except ValueError:  # it has only just taken it
        return "another process"
    where = "" if about["on"] == platform.node() else f" on {about['on']}"
    return f"process {about['process']}{where}, since {about['since']}"


def _is_at(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
