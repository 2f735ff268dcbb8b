"""Kept activations on a disk of each node."""

from pathlib import Path

import pytest

from crossover.core.configuration import ConfigError
from crossover.execution.preflight import keep_activations_in
from crossover.training.cache import Cache


def test_kept_activations_lie_in_the_folder_that_each_node_makes_for_itself(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DISK", str(tmp_path / "disk"))
    link, disk = tmp_path / "w/.cache/activations", tmp_path / "disk/kept"
    for own in (True, True, False):
        keep_activations_in("$DISK/kept", own, link)
    disk.rmdir()  # another node's disk, which the link names and has no such folder yet
    keep_activations_in("$DISK/kept", False, link)
    with Cache(10_000, link).part("a") as part:
        (part.folder / "x").write_text("kept")
    assert (disk / "a/x").read_text() == "kept"
    keep_activations_in(str(tmp_path / "other"), True, link)
    assert link.resolve() == tmp_path / "other"


def test_activations_that_are_kept_in_the_working_folder_are_not_hidden(tmp_path: Path):
    link = tmp_path / ".cache/activations"
    (link / "part").mkdir(parents=True)
    with pytest.raises(ConfigError, match="clear-cache"):
        keep_activations_in(str(tmp_path / "disk"), True, link)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="name another folder"):
        keep_activations_in(str(tmp_path / "file/x"), True, link)
