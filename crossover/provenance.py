"""What a result was made from: digests of values and files, and the source files that code imports."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from crossover.config import PACKAGED, canonical
from crossover.networks import declared

ROOT = Path(__file__).resolve().parent.parent
CONFIG = PACKAGED or ROOT / "config"
"""The configuration that goes with this code: a wheel has a copy of the repository's `config/`."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

SCHEMA = {
    "crossover/config.py",
    "crossover/design.py",
    "crossover/plan.py",
    "crossover/study.py",
    "crossover/sources/head_neck_settings.py",
    "crossover/sources/phantom_settings.py",
    "crossover/sources/prostate_settings.py",
    "crossover/sources/settings.py",
}
"""Code that only reads, checks and derives the configuration. Its values stand whole in the rules'
parameters, so a change here reruns a rule exactly where it changes that rule's values."""

STUDY = ("crossover/plan.py", "crossover/study.py")
"""What derives from settings inside a job, for the scripts that make a `Study` of theirs: entries of their code."""

SOURCES = tuple(sorted(file for file in SCHEMA if file.endswith("settings.py")))
"""As `STUDY`, for the scripts that make a source of theirs."""

BESIDE = {
    "crossover/curves.py",
    "crossover/disk.py",
    "crossover/locks.py",
    "crossover/progress.py",
    "crossover/trail.py",
}
"""Code that tells of the work and keeps its trail; no result comes from it."""


def digest(value: object) -> str:
    """Of a JSON-like value, by its canonical text; short, for keys."""
    return digest_of_text(canonical(value))


def digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest(path: str) -> str:
    """Of what a source file says, for a path relative to the project's root.

    Of Python that is its syntax tree without docstrings: comments, layout and documentation count for
    nothing. Of any other file it is the bytes.
    """
    return _source(path).digest


def closure(*entries: str) -> tuple[str, ...]:
    """Source files of this project that `entries` import, directly or not, and the entries themselves.

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
    state = (ROOT / path).stat()
    return _read_source(ROOT, path, state.st_mtime_ns, state.st_size)


@functools.cache  # a workflow asks for many closures, which share most of their files
def _read_source(root: Path, path: str, modified: int, size: int) -> _Source:
    if not path.endswith(".py"):
        return _Source((), file_digest(root / path)[:24])
    tree = ast.parse((root / path).read_text())
    imports = tuple(_imported(tree, Path(path).parent.parts))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return _Source(imports, hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:24])


def _imported(tree: ast.Module, package: tuple[str, ...]) -> Iterable[str]:
    """Dotted names of all that may be modules among a file's imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


@functools.cache
def _files(root: Path, module: str) -> tuple[str, ...]:
    """The module's file and the `__init__` files that run before it."""
    parts = module.split(".")
    packages = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    files = [f"{p}/__init__.py" for p in packages] + [f"{packages[-1]}.py"]
    return tuple(f for f in files if f not in SCHEMA | BESIDE and (root / f).is_file())


def network_files(architecture: str, engine: str) -> tuple[str, ...]:
    """The files of a network and its engine: imported by name, so no closure finds them."""
    folder = f"crossover/networks/{engine}"
    declaration = f"crossover/networks/{architecture}.py"
    builder = f"{folder}/{architecture}.py"
    files = (declaration, builder, f"crossover/training/engines/{engine}.py")
    with_encoder = "encoder" in declared(architecture).settings.model_fields
    return (*files, f"{folder}/imagenet.py") if with_encoder else files


def sources(*entries: str) -> dict[str, str]:
    """The closure of `entries`, each file with its digest."""
    return {path: source_digest(path) for path in closure(*entries)}


def code_digest(*entries: str) -> str:
    """Of all that the closure of `entries` says."""
    return digest(sources(*entries))


def write_json(path: Path, value: object) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def read_json_or_none(path: Path) -> dict | None:
    """None where there is no such file, or what it holds is damaged."""
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
