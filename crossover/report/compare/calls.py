"""The call of a command that a person can paste: the program as it was called, and files in few words."""

import re
import shutil
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

PROGRAM = "crossover"


def program() -> str:
    """Return the program as it was called: ".venv/bin/crossover", or "crossover" where the shell finds it so."""
    called = Path(sys.argv[0])
    if called.name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    return PROGRAM if found and called.exists() and Path(found).samefile(called) else _near(str(called))


def shortened(sources: Sequence[str]) -> list[str]:
    """Return files as of `formats.read_scores`, those of one model whose paths differ by one digit as a pattern.

    "base=fold_0/x.json" to "base=fold_4/x.json" are "base=fold_[01234]/x.json", which `formats.expanded` reads.
    """
    out: list[str] = []
    for name, own in groupby(sources, lambda source: source.partition("=")[0] if "=" in source else None):
        paths = [_near(source.partition("=")[2] if name is not None else source) for source in own]
        pattern = _pattern(paths) if name is not None else ""
        out += [f"{name}={path}" if name is not None else path for path in ([pattern] if pattern else paths)]
    return out


def _near(path: str) -> str:
    """Return a path relative to the working folder where it lies in it."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def _pattern(paths: Sequence[str]) -> str:
    """Return the pattern of paths that differ in one place by a digit; "" where they don't."""
    if len(paths) < 2 or set("*?[]") & set("".join(paths)):
        return ""
    for place in re.finditer(r"(?<!\d)\d(?!\d)", paths[0]):
        before, after = paths[0][: place.start()], paths[0][place.end() :]
        digits = [path[len(before) : len(path) - len(after)] for path in paths]
        whole = all(path == before + digit + after for path, digit in zip(paths, digits, strict=True))
        if whole and len(set(digits)) == len(paths) and all(len(d) == 1 and d.isdigit() for d in digits):
            return f"{before}[{''.join(digits)}]{after}"
    return ""
