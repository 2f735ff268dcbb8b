"""What every entry shares: its arguments, its log, the provenance record of its outputs, and one line when it fails.

Standard error is the rule's log; standard output reaches the person who runs the workflow.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import json
import logging
import os
import resource
import shlex
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from crossover.core import disk, locks, provenance
from crossover.core.paths import ROOT
from crossover.execution import begun, progress
from crossover.sources.redaction import without_places

KIBIBYTE = 1024


class Job(SimpleNamespace):
    """What an entry is given: its settings, and the paths that it names when it calls `run`."""

    cfg: dict[str, Any]
    """The settings that the rule reads, from `--cfg`."""
    checks: dict[str, Any]
    """Settings that change no result, from `--checks`."""
    code: dict[str, Any] | None
    """Source files (`entries`) and their `digest` when the workflow was started."""
    threads: int
    tickets: int
    """Of a GPU, see `crossover.training.devices`."""
    log: str
    imagenet: str
    """The folder of ImageNet weights; "" where none is named."""
    logger: str


def run(main: Callable[[Job], None], *paths: str) -> None:
    """Parse `--cfg` (JSON), `--threads` and the named paths, call `main` with them, and write the outputs' records.

    `imagenet`, the folder of ImageNet weights, is CROSSOVER_IMAGENET in the environment, and `logger`, where trainings
    report their course too, CROSSOVER_LOGGER.

    Args:
        main: the entry's work.
        paths: names of arguments that are paths of files; a name that ends with `*` takes several, with `?`
            may be missing. `out` is what the job writes, all others are what it reads.
    """
    script, starting = Path(sys.argv[0]).stem, since_process_start()
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--cfg", type=json.loads, default={})
    parser.add_argument("--checks", type=json.loads, default={}, help="changes no result")
    parser.add_argument("--code", type=json.loads, help="source files: entries and their digest")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tickets", type=int, default=0, help="of a GPU")
    parser.add_argument("--log", default="standard error", help="named where the job fails")
    for name in paths:
        nargs = name[-1] if name[-1] in "*?" else None
        parser.add_argument(f"--{name.rstrip('*?')}", type=Path, nargs=nargs, required=name.isidentifier())
    given = Job(**vars(parser.parse_args()))
    given.imagenet = os.environ.get("CROSSOVER_IMAGENET", "")
    given.logger = os.environ.get("CROSSOVER_LOGGER", "none")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    names = [name.rstrip("*?") for name in paths]
    outputs = sorted(_listed(given, "out"))
    try:
        with contextlib.ExitStack() as stack:
            for path in outputs:  # whoever was left over from a run that was killed ends first
                stack.enter_context(locks.held(path))
            try:
                _with_record(main, given, script, names, starting)
            except BaseException:
                for path in outputs:  # in part perhaps
                    path.unlink(missing_ok=True)
                raise
    except Exception as error:
        _failed(
            outputs[0],
            f"{script} failed: {disk.as_disk_full(error, outputs[0]) or described(error)}\n  log: {given.log}",
        )
        sys.exit(1)
    logging.shutdown()
    with contextlib.suppress(OSError):  # nobody reads it any more
        sys.stdout.flush()
    # All is written and closed: to take a learning framework apart takes a second or more.
    os._exit(0)


def since_process_start() -> float | None:
    """Return the seconds since the process started, imports included; None where the system doesn't say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError):
        return None
    return round(now - ticks / os.sysconf("SC_CLK_TCK"), 3)


def described(error: Exception) -> str:
    """Return an error's words; of a KeyError, which has the missing name alone, also what it is and where."""
    if not isinstance(error, KeyError):
        return str(error) or type(error).__name__
    own = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(ROOT)]
    ours = [each for each in own if "site-packages" not in each.filename]
    at = f" ({Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno})" if ours else ""
    return f"there is no column or key {error}{at}"


def _failed(output: Path, what: str) -> None:
    """Print at once what failed: on a full disk neither the log nor a file for later can be written."""
    with contextlib.suppress(OSError):
        traceback.print_exc()
    try:
        progress.fail(progress.name_of(output), what)
    except (OSError, IndexError):
        print(what, flush=True)


def _with_record(
    main: Callable[[Job], None], given: Job, script: str, names: list[str],
    starting: float | None,
) -> None:  # fmt: skip
    entries = given.code["entries"] if given.code else [f"workflow_scripts/{script}.py"]
    if given.code:
        begun.refuse_changes(min(map(str, _listed(given, "out"))), given.cfg, given.code)
    begins, start, imports = datetime.now(UTC), perf_counter(), _Imports()
    inputs = (path for name in names if name != "out" for path in _listed(given, name))
    read = provenance.digest_files(inputs)
    with imports:
        main(given)
    provenance.write_records(
        _listed(given, "out"),
        read,
        given.cfg,
        entries,
        redact=without_places,
        command=_command(script),
        begun=begins.isoformat(timespec="milliseconds"),
        starting=starting,
        seconds=round(perf_counter() - start, 3),
        importing=round(imports.seconds, 3),
        threads=given.threads,
        **_used(),
    )


def _used() -> dict[str, float]:
    """Return what this process, and those that it started and that have ended, took of processor and memory."""
    own, others = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in (own, others))
    peak = max(own.ru_maxrss, others.ru_maxrss) * KIBIBYTE
    return {"cpu_seconds": round(seconds, 3), "peak_bytes": peak}


class _Imports:
    """Seconds of the main thread in import statements, which many functions have inside: a job's start-up too."""

    def __init__(self) -> None:
        self.seconds, self._inside = 0.0, False
        self._import = builtins.__import__

    def __enter__(self) -> None:
        builtins.__import__ = self._timed

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._import

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        if self._inside or threading.current_thread() is not threading.main_thread():
            return self._import(*args, **kwargs)
        self._inside, start = True, perf_counter()
        try:
            return self._import(*args, **kwargs)
        finally:
            self._inside, self.seconds = False, self.seconds + perf_counter() - start


def _command(script: str) -> str:
    """Return the command as called, without the settings and the code, which the record holds."""
    words = sys.argv[1:]
    for option in {"--cfg", "--code", "--checks"} & set(words):
        at = words.index(option)
        del words[at : at + 2]
    return shlex.join(["python", "-m", f"workflow_scripts.{script}", *words])


def _listed(given: Job, name: str) -> list[Path]:
    value = getattr(given, name)
    return value if isinstance(value, list) else [value] if value else []
