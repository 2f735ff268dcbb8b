"""Architectures, one file each; what a file declares is read from its text, so that a configuration is
checked without importing a learning framework."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

_TYPES = {"int": int, "float": (int, float), "str": str, "bool": bool}


@dataclass(frozen=True)
class Declared:
    """What an architecture's file says of itself: fine-tune levels, and settings with their types."""

    levels: list[str]
    settings: dict[str, str]


def architectures() -> list[str]:
    """Names of the files here that build a network."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [f.stem for f in files if "\ndef build(" in f.read_text()]


def declared(architecture: str) -> Declared:
    """The `LEVELS` of an architecture and the keyword-only arguments of its `build`."""
    tree = ast.parse((Path(__file__).parent / f"{architecture}.py").read_text())
    levels, settings = [], {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "LEVELS":
            levels = list(ast.literal_eval(node.value))
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            settings = {a.arg: ast.unparse(a.annotation) for a in node.args.kwonlyargs}
    return Declared(levels, settings)


def wrong_settings(architecture: str, settings: dict) -> list[str]:
    """What is wrong with a network's settings; empty where nothing is."""
    known = declared(architecture).settings
    wrong = [
        f"{name}: unknown; it has {', '.join(known)}" for name in settings if name not in known
    ]
    for name, kind in known.items():
        value = settings.get(name)
        if value is not None and not isinstance(value, _TYPES[kind]):
            wrong.append(f"{name}: a {kind} is needed, not {value!r}")
    return wrong
