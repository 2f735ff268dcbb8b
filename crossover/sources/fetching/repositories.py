"""A commit of a Git repository: Git checks every file against the commit's identity."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from crossover.sources.fetching.cohort_registry import Repository
from crossover.sources.fetching.errors import FetchError


def fetch_commit(repository: Repository, folder: Path) -> list[Path]:
    """Put the registry's folders of the commit below a folder; what Git keeps for itself is removed.

    Raises:
        FetchError: Git is not there, or said what is wrong; the folders are then as they were.
    """
    if not shutil.which("git"):
        raise FetchError(f"{repository.url}: install Git, which is needed to fetch this repository")
    part = folder / ".repository.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _git(part, "init", "--quiet")
        _git(part, "sparse-checkout", "set", *repository.folders)
        _git(part, "fetch", "--quiet", "--depth", "1", repository.url, repository.commit)
        _git(part, "checkout", "--quiet", repository.commit)
        if lacking := [name for name in repository.folders if not (part / name).is_dir()]:
            raise FetchError(f"{repository.url}: commit {repository.commit} has no folder {', '.join(lacking)}")
        for name in repository.folders:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).replace(folder / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return [path for name in repository.folders for path in sorted((folder / name).rglob("*")) if path.is_file()]


def _git(folder: Path, *words: str) -> None:
    """Run Git without hooks, prompts and changes of files; links become plain files."""
    own_way = ("core.hooksPath=/dev/null", "core.autocrlf=false", "core.symlinks=false", "protocol.ext.allow=never")
    call = ["git", *(word for setting in own_way for word in ("-c", setting)), "-C", str(folder), *words]
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own["GIT_TERMINAL_PROMPT"] = "0"
    done = subprocess.run(call, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=own)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise FetchError(f"git {words[0]}: {said[-1] if said else f'exit status {done.returncode}'}")
