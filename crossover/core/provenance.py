"""The provenance record of a result: beside each output lies `<output's stem>.provenance.json`, written by its job.

It holds what went in and what came out, each file with its SHA-256, the settings, the source files, the command
and the versions of what was imported. What verifies, traces or exports results, and what decides before a run
whether they are those of the present plan, reads it; nothing else says how a result was made. A copy in `KEPT` tells it
of an output that was cleared away with its record.
"""

import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from crossover.core.files import digest, file_digest, read_json_or_none, write_json
from crossover.core.source_code import sources

T = TypeVar("T")
SUFFIX = ".provenance.json"
KEPT = Path("results/.made")
"""A copy of the record of each output, under the path that this has in the workflow's folder."""


def record_path(output: Path) -> Path:
    """Return where the record of an output lies; outputs of one stem, as a figure's SVG and PNG, share it."""
    return output.with_suffix(SUFFIX)


def read_record(output: Path) -> dict | None:
    """Read the record of an output; None where there is none that can be read."""
    return read_json_or_none(record_path(output))


def read_last_record(output: Path) -> dict | None:
    """Read the record of an output that may have been cleared away with it; None where nothing is known of it."""
    return read_record(output) or read_json_or_none(KEPT / record_path(output))


def digest_files(paths: Iterable[Path]) -> dict[str, str]:
    """Return path -> SHA-256 of files."""
    return {str(path): file_digest(path) for path in paths}


def write_records(
    outputs: Iterable[Path],
    inputs: dict[str, str],
    settings: Any,
    entries: list[str],
    *,
    redact: Callable[[Any], Any],
    **facts: Any,
) -> None:
    """Write the records of one job's outputs.

    Args:
        inputs: path -> SHA-256, as the job found them.
        settings: the part of the configuration that the job was given.
        redact: takes out of the settings what may identify people, before they are written.
        entries: of its source files, see `crossover.core.source_code.closure`.
        facts: command, starting (seconds from the process's start to its work, imports included), begun
            (ISO 8601, UTC), seconds (of its work), importing (of these, in import statements), threads, cpu_seconds
            (of its processes), peak_bytes (of memory, of the largest of its processes).
    """
    outputs = list(outputs)
    content = {
        "inputs": inputs,
        "outputs": digest_files(outputs),
        "settings": redact(settings),
        "settings_digest": digest(settings),
        "code": {"entries": entries, "files": sources(*entries)},
        "versions": imported_versions(),
        "platform": platform.platform(),
        **facts,
        "seconds_in": {what: round(seconds, 3) for what, seconds in _timed.items()},
    }
    content["digest"] = digest(content)
    for path in {record_path(output) for output in outputs}:
        write_json(path, content)
        if not path.is_relative_to(".cache"):  # where `crossover verify` trains again, which is no job of a run
            write_json(KEPT / path, content)


_timed: dict[str, float] = {}


def timed(what: str, call: Callable[[], T]) -> T:
    """Call, and add the seconds to those that this process's records will have of this kind of work.

    Args:
        what: the kind of work.
        call: takes nothing.

    Returns:
        What the call returns.
    """
    start = perf_counter()
    try:
        return call()
    finally:
        _timed[what] = _timed.get(what, 0.0) + perf_counter() - start


def is_intact(record: dict) -> bool:
    """Return whether a record is as it was written."""
    content = {key: value for key, value in record.items() if key != "digest"}
    return record.get("digest") == digest(content)


def imported_versions() -> dict[str, str]:
    """Return the version of Python and of each package that this process has imported and that has one."""
    packages = sorted(n for n in set(sys.modules) - sys.stdlib_module_names if "." not in n)
    found = {name: vars(sys.modules[name]).get("__version__") for name in packages}
    known = {name: version for name, version in found.items() if isinstance(version, str)}
    return {"python": platform.python_version(), **known}
