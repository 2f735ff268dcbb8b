"""The trail of a result: beside each output lies `<output's stem>.trail.json`, written by the job that made it.

It holds what went in and what came out, each file with its SHA-256, the settings, the source files, the
command and the versions of what was imported. Snakemake's own record says what a job was *asked* to be, and
can be rewritten (`snakemake --touch`); this one says what was done.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from crossover.core.files import digest, file_digest, read_json_or_none, write_json
from crossover.core.source_code import sources

T = TypeVar("T")
SUFFIX = ".trail.json"


def trail_path(output: Path) -> Path:
    """Where the trail of an output lies; outputs of one stem, as a figure's SVG and PNG, share it."""
    return output.with_suffix(SUFFIX)


def read_trail(output: Path) -> dict | None:
    """The trail of an output, None where there is none that can be read."""
    return read_json_or_none(trail_path(output))


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """Path -> SHA-256, of files that are there."""
    return {str(path): file_digest(path) for path in paths}


def write_trails(
    outputs: Iterable[Path],
    inputs: dict[str, str],
    settings: Any,
    entries: list[str],
    *,
    redact: Callable[[Any], Any],
    **facts: Any,
) -> None:
    """Write the trails of one job's outputs.

    Args:
        inputs: path -> SHA-256, as the job found them.
        settings: what the job was told of the configuration.
        redact: takes out of the settings what may identify people, before they are written.
        entries: of its source files, see `crossover.core.source_code.closure`.
        facts: command, starting (seconds from the process's start to its work, imports included), begun
            (ISO 8601, UTC), seconds (of its work), importing (of these, in import statements), threads.
    """
    outputs = list(outputs)
    content = {
        "inputs": inputs,
        "outputs": digests(outputs),
        "settings": redact(settings),
        "settings_digest": digest(settings),
        "code": {"entries": entries, "files": sources(*entries)},
        "versions": versions(),
        "platform": platform.platform(),
        **facts,
        "seconds_in": {what: round(seconds, 3) for what, seconds in _timed.items()},
    }
    content["digest"] = digest(content)
    for path in {trail_path(output) for output in outputs}:
        write_json(path, content)


_timed: dict[str, float] = {}


def timed(what: str, call: Callable[[], T]) -> T:
    """Call, and have this process's trails tell the seconds, of all calls for the same together."""
    start = perf_counter()
    try:
        return call()
    finally:
        _timed[what] = _timed.get(what, 0.0) + perf_counter() - start


def is_whole(trail: dict) -> bool:
    """Whether a trail is as it was written."""
    content = {key: value for key, value in trail.items() if key != "digest"}
    return trail.get("digest") == digest(content)


def versions() -> dict[str, str]:
    """Python's version, and of each package that this process has imported and that tells its own."""
    packages = sorted(n for n in set(sys.modules) - sys.stdlib_module_names if "." not in n)
    told = {name: vars(sys.modules[name]).get("__version__") for name in packages}
    known = {name: version for name, version in told.items() if isinstance(version, str)}
    return {"python": platform.python_version(), **known}
