"""The source files that code imports, with digests of what they say."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from crossover.core.files import digest, file_digest, read_json_or_none, write_json
from crossover.core.paths import ROOT

FOLDER = Path(".cache/sources")
"""What was read of each text of a source file, below the project's root: every job and every start of Snakemake
needs it of up to 350 files, and to parse them takes more than a second. It can be deleted at any time."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

SCHEMA = {
    "crossover/analyses/predicates.py",
    "crossover/core/configuration.py",
    "crossover/core/paths.py",
    "crossover/imaging/settings.py",
    "crossover/study/backends.py",
    "crossover/study/config.py",
    "crossover/study/consistency.py",
    "crossover/study/parameters.py",
    "crossover/study/plan.py",
    "crossover/study/schema.py",
    "crossover/study/sections.py",
    "crossover/phantoms/head_neck/settings.py",
    "crossover/phantoms/pelvis/settings.py",
    "crossover/phantoms/prostate/settings.py",
    "crossover/sources/settings.py",
}
"""Code that only reads, checks and derives the configuration. Its values stand whole in the rules'
parameters, so a change here reruns a rule exactly where it changes that rule's values."""

STUDY = ("crossover/study/plan.py", "crossover/study/schema.py", "crossover/study/sections.py")
"""What derives from settings inside a job, for the scripts that make a `Study` of theirs: entries of their code."""

SOURCES = tuple(sorted(f for f in SCHEMA if f.endswith("settings.py") and "/imaging/" not in f))
"""What `STUDY` is, for the scripts that make a source of theirs."""

BESIDE = {
    "crossover/training/freed_memory.py",
    "crossover/training/tensorboard.py",
    "crossover/core/disk.py",
    "crossover/core/locks.py",
    "crossover/execution/begun.py",
    "crossover/execution/progress.py",
    "crossover/core/provenance.py",
    "crossover/sources/redaction.py",
}
"""Code that reports the work, writes its provenance record or spares time and space; no result comes from it."""


def source_digest(path: str) -> str:
    """Return a digest of what a source file says, for a path relative to the project's root.

    Of Python that is its syntax tree without docstrings: comments, layout and documentation do not count. Of
    any other file it is the bytes.
    """
    return _source(path).digest


def closure(*entries: str) -> tuple[str, ...]:
    """Return the source files of this project that `entries` import, directly or not, and the entries themselves.

    Args:
        entries: paths of scripts or modules, relative to the project's root.

    Returns:
        Sorted paths relative to the root. Imports are read from the text, nothing is run; an import
        by name at run time is not seen, so the architecture of a network is named as an entry.
    """
    found: set[str] = set()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            if path.endswith(".py"):  # its own package runs before it
                own = path.removesuffix(".py").replace("/", ".")
                waiting += [f for name in (own, *_source(path).imports) for f in _files(ROOT, name)]
    return tuple(sorted(found))


class _Source(NamedTuple):
    imports: tuple[str, ...]
    digest: str


def _source(path: str) -> _Source:
    state = os.stat(f"{ROOT}/{path}")  # of hundreds of files, dozens of times: `Path` takes longer than the system
    return _read_source(ROOT, path, state.st_mtime_ns, state.st_size)


@functools.cache  # a workflow asks for many closures, which share most of their files
def _read_source(root: Path, path: str, modified: int, size: int) -> _Source:
    if not path.endswith(".py"):
        return _Source((), file_digest(root / path)[:24])
    text = (root / path).read_bytes()
    key = hashlib.sha256(b"\0".join([_reader(), path.encode(), text])).hexdigest()
    kept = root / FOLDER / f"{key}.json"
    known = read_json_or_none(kept)
    if known is None:
        known = _parsed(text, path)._asdict()
        with contextlib.suppress(OSError):  # where nothing can be kept it is parsed each time
            write_json(kept, known)
    return _Source(tuple(known["imports"]), known["digest"])


@functools.cache
def _reader() -> bytes:
    """Return what decides, beside a text, what is read of it: this Python and this module."""
    return sys.version.encode() + Path(__file__).read_bytes()


def _parsed(text: bytes, path: str) -> _Source:
    tree = ast.parse(text)
    imports = tuple(_imported(tree, Path(path).parent.parts))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return _Source(imports, hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:24])


def _imported(tree: ast.Module, package: tuple[str, ...]) -> Iterable[str]:
    """Yield the dotted names of all that may be modules among a file's imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


@functools.cache
def _files(root: Path, module: str) -> tuple[str, ...]:
    """Return the module's file and the `__init__` files that run before it."""
    parts = module.split(".")
    packages = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    files = [f"{p}/__init__.py" for p in packages] + [f"{packages[-1]}.py"]
    return tuple(f for f in files if f not in SCHEMA and f not in BESIDE and os.path.isfile(f"{root}/{f}"))


def sources(*entries: str) -> dict[str, str]:
    """Return the closure of `entries`, each file with its digest."""
    return {path: source_digest(path) for path in closure(*entries)}


def code_digest(*entries: str) -> str:
    """Return a digest of all that the closure of `entries` says."""
    return digest(sources(*entries))
