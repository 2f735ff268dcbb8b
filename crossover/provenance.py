"""What a result was made from: digests of values and files, and the source files that code imports."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from crossover.config import canonical
from crossover.networks import declared

ROOT = Path(__file__).resolve().parent.parent

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


def digest(value: object) -> str:
    """Of a JSON-like value, by its canonical text; short, for keys."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:24]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
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
            if path.endswith(".py"):
                waiting += _imports(path)
    return tuple(sorted(found))


@functools.cache  # a workflow asks for many closures, which share most of their files
def _imports(path: str) -> tuple[str, ...]:
    """The files that one file imports, and the `__init__` files that run before it."""
    own = _files(path.removesuffix(".py").replace("/", "."))
    return tuple(dict.fromkeys([*own, *_imported(path)]))


def _imported(path: str) -> Iterable[str]:
    package = Path(path).parent.parts
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _files(name)


def _files(module: str) -> Iterable[str]:
    """The module's file and the `__init__` files that run before it."""
    parts = module.split(".")
    packages = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    for file in [f"{p}/__init__.py" for p in packages] + [f"{packages[-1]}.py"]:
        if (ROOT / file).is_file() and file not in SCHEMA:
            yield file


def network_files(architecture: str, engine: str) -> tuple[str, ...]:
    """The files of a network and its engine: imported by name, so no closure finds them."""
    folder = f"crossover/networks/{engine}"
    files = (f"{folder}/{architecture}.py", f"crossover/training/engines/{engine}.py")
    with_encoder = "encoder" in declared(architecture).settings.model_fields
    return (*files, f"{folder}/imagenet.py") if with_encoder else files


def code_digest(*entries: str) -> str:
    """Of the contents of the closure of `entries`."""
    return digest({path: file_digest(ROOT / path) for path in closure(*entries)})


def write_json(path: Path, value: object) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    part.replace(path)


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())
