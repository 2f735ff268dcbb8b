"""Snakemake's own records of what made a file, as Snakemake 9 keeps them: `.snakemake/metadata/<coded path>`."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

from crossover.provenance import read_json_or_none

NAME_MAX = 255
"""Longest name of a file: a longer coded path is cut, its beginnings being folders with an @."""


def read_record(output: Path, root: Path = Path(".")) -> dict | None:
    """The record of an output (path relative to `root`), None where there is none that can be read.

    It has `rule`, `params` (the `repr` of each), `input`, `input_checksums`, `starttime` and `endtime` (s).
    """
    return read_json_or_none(root / ".snakemake/metadata" / coded(output))


def is_unfinished(output: Path, root: Path = Path(".")) -> bool:
    """Whether a job is making the output now, or was killed while it did; Snakemake makes it again."""
    return (root / ".snakemake/incomplete" / coded(output)).exists()


def coded(output: Path) -> str:
    """The path of an output as its record is named."""
    text = urlsafe_b64encode(str(output).encode()).decode()
    parts = [text[i : i + NAME_MAX - 1] for i in range(0, len(text), NAME_MAX - 1)]
    return "/".join(["@" + part for part in parts[:-1]] + [parts[-1]])
