"""The folder of the workflow, and commands that give the same answer wherever they are called."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from crossover.core.configuration import ConfigError
from crossover.core.paths import ROOT

MARKS = ("Snakefile", "profiles/default/profile.yaml", "config/studies")
"""What a folder of the workflow, a clone of the project, holds."""


def workflow_folder(start: Path) -> Path:
    """Return the nearest clone of the project upwards from a folder, else the one that this program lies in.

    Raises:
        ConfigError: there is neither.
    """
    if folder := _nearest((start, *start.parents, ROOT)):
        return folder
    raise ConfigError(
        f"{start} is not inside a clone of the project, and neither is this program: call it inside a clone"
    )


def other_clone(start: Path) -> Path | None:
    """Return the nearest clone of the project upwards from a folder, if it is not the one whose code runs here.

    So it is in a copy of a clone, whose programs begin with the Python of the place that it was copied from.
    """
    folder = _nearest((start, *start.parents))
    return folder if folder and folder.resolve() != ROOT.resolve() and (folder / "crossover").is_dir() else None


def _nearest(folders: Iterable[Path]) -> Path | None:
    return next((folder for folder in folders if all((folder / mark).exists() for mark in MARKS)), None)


def in_workflow_folder(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command so that it works in the workflow's folder; its paths are those of the caller's folder.

    Where there is no clone, as beside an installed package, it works where it is called if it is told
    `results`, or a `package` of a model.
    """

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        here = Path.cwd()
        try:
            home = workflow_folder(here)
        except ConfigError as error:
            if values.get("results") is None and values.get("package") is None:
                typer.echo(f"error: {error}", err=True)
                raise typer.Exit(2) from None
            home = here
        if home != here:
            values = {name: _from(here, name, value) for name, value in values.items()}
        with contextlib.chdir(home):
            try:
                command(**values)
            except PermissionError as error:
                typer.echo(f"error: {_barred(error, 'out' in values)}", err=True)
                raise typer.Exit(2) from None

    return wrapped


def _barred(error: PermissionError, has_out: bool) -> str:
    """Return what to do where a file may not be read or written; a path elsewhere may hold a patient's name."""
    path = os.path.relpath(error.filename or ".")
    file = "a file outside this clone" if path.startswith("..") else path
    remedy = "name a folder of your own with --out" if has_out else "ask its owner, or work in a clone of your own"
    return f"you may not read or write {file}: {remedy}"


def _from(here: Path, name: str, value: Any) -> Any:
    if isinstance(value, Path):
        return here / value
    return str(here / value) if name == "data" and value else value
