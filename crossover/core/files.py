"""Digests of values and files, and JSON files that are written whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from crossover.core.configuration import canonical


def digest(value: object) -> str:
    """Return 24 hexadecimal digits of the SHA-256 of a JSON-like value's canonical text, for keys."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:24]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unchanged_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read once by a process as long as its size and time stay.

    A graph asks for every job.
    """
    state = path.stat()
    return _digest_as_of(path, state.st_mtime_ns, state.st_size)


@functools.cache
def _digest_as_of(path: Path, modified: int, size: int) -> str:
    return file_digest(path)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict:
    """Read a JSON file.

    Raises:
        ValueError: what it holds is no JSON, as after damage to the file; the message names it.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: the file is damaged, or is no JSON ({error})") from error


def read_json_or_none(path: Path) -> dict | None:
    """Read a JSON file; None where there is no such file, or what it holds is damaged."""
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
