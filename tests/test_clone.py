"""Commands give the same answer from any folder, or say in a line where to call them."""

import errno
import inspect
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from crossover.cli import clone
from crossover.cli.app import app
from crossover.cli.clone import in_workflow_folder, workflow_folder
from crossover.core.paths import ROOT
from crossover.core.provenance import digest_files, write_records
from crossover.sources.redaction import without_places


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Another clone than the one that the program lies in."""
    for mark in clone.MARKS:
        (tmp_path / "home" / mark).mkdir(parents=True)
    (tmp_path / "home/results/study").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "else where"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_workflow_is_that_of_the_nearest_clone_else_the_programs_own(home: Path, elsewhere: Path):
    assert workflow_folder(home) == workflow_folder(home / "results/study") == home
    assert workflow_folder(elsewhere) == ROOT


def test_the_version_comes_with_the_folder_of_the_code(elsewhere: Path):
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0 and re.fullmatch(rf"crossover \d+\.\d+\.\d+ \({re.escape(str(ROOT))}\)\n", done.output)


def called(*arguments: str) -> dict:
    seen: dict = {}
    own = typer.Typer()

    @own.command()
    @in_workflow_folder
    def command(path: Path, data: str = "", results: Path | None = None) -> None:
        seen.update(cwd=Path.cwd(), path=path, data=data, results=results)

    before = os.getcwd()
    assert CliRunner().invoke(own, list(arguments)).exit_code == 0
    assert os.getcwd() == before
    return seen


def test_paths_are_those_of_the_callers_folder(home: Path, elsewhere: Path, monkeypatch):
    assert called("a/b", "--data", "raw") == {
        "cwd": ROOT, "path": elsewhere / "a/b", "data": str(elsewhere / "raw"), "results": None,
    }  # fmt: skip
    assert called("/a", "--results", "../r")["results"] == elsewhere / "../r"
    monkeypatch.chdir(home)
    assert called("a/b", "--data", "raw") == {
        "cwd": home, "path": Path("a/b"), "data": "raw", "results": None,
    }  # fmt: skip


def test_the_program_runs_the_code_of_the_clone_that_it_is_called_in(home: Path, elsewhere: Path):
    """As in a copy of a clone, whose programs begin with the Python of the place that it was copied from."""
    (home / "crossover").mkdir()
    (home / "crossover/__init__.py").touch()
    (home / "crossover/__main__.py").write_text("import sys; print('of the clone:', *sys.argv[1:])")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = [Path(sys.executable).with_name("crossover")]
    for folder, call in ((home, ["plan", "--json"]), (home / "results/study", ["verify"])):
        said = subprocess.run([*program, *call], cwd=folder, env=environment, capture_output=True, text=True).stdout
        assert said == f"of the clone: {' '.join(call)}\n"
    own = subprocess.run([*program, "--help"], cwd=elsewhere, env=environment, capture_output=True, text=True).stdout
    assert "Usage: crossover" in own


@pytest.mark.parametrize(("path", "named"), [("figures/uterus", "figures/uterus"), ("../Smith^John", "outside")])
def test_a_file_of_somebody_else_is_told_in_a_line(home: Path, monkeypatch: pytest.MonkeyPatch, path: str, named: str):
    monkeypatch.chdir(home)
    own = typer.Typer()

    @own.command()
    @in_workflow_folder
    def command(out: Path = Path("figures")) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(home / path))

    done = CliRunner().invoke(own, [])
    assert done.exit_code == 2 and done.output.count("\n") == 1
    assert named in done.output and "--out" in done.output and "Smith" not in done.output


def test_without_a_clone_a_line_says_so(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clone, "ROOT", elsewhere)
    done = CliRunner().invoke(app, ["plan"])
    assert done.exit_code == 2 and done.output.count("\n") == 1
    assert "call it inside a clone" in done.output
    assert called("a", "--results", "r")["cwd"] == elsewhere, "an installed package with results"


@pytest.mark.parametrize(
    "command",
    ["segment", "plan", "verify", "claims", "figures", "dvc", "clear_cache"],
)
def test_commands_that_read_the_clone_go_there(command: str):
    (own,) = [c for c in app.registered_commands if c.callback.__name__ == command]
    assert own.callback.__wrapped__


def test_every_export_goes_to_the_clone():
    (group,) = [group.typer_instance for group in app.registered_groups if group.name == "export"]
    assert all(own.callback.__wrapped__ for own in group.registered_commands)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (["whois", "export"], "reidentify"),
        (["crate", "out.zip"], "export rocrate"),
        (["export-rocrate", "out.zip"], "export rocrate"),
        (["clean"], "clear-cache"),
        (["ingest", "export", "cases", "--series", "rules.yaml"], "--rules"),
        (["segment", "export", "out", "--series=rules.yaml"], "--rules"),
    ],
)
def test_an_old_name_is_an_error_that_tells_the_new_one(call: list[str], name: str):
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 2
    assert re.fullmatch(f"error: `[a-z-]+` is now called `{name}`\n", done.output)
    known = [CliRunner().invoke(app, [*call, "--help"]).output for call in ([], ["ingest"], ["export"])]
    assert name.split()[-1] in "".join(known)


def test_every_command_has_a_help_text_and_fits_on_a_screen():
    groups = [group.typer_instance for group in app.registered_groups]
    for own in [c for each in (app, *groups) for c in each.registered_commands]:
        function = inspect.unwrap(own.callback)
        assert function.__doc__ and len(inspect.getsource(function).splitlines()) <= 60, function


@pytest.fixture
def result(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """results/study/b.csv, made from a.csv, made from a file of the configuration."""
    monkeypatch.chdir(home)
    made = [Path("config/studies/study.yaml"), Path("results/a.csv"), Path("results/study/b.csv")]
    for file in made:
        file.write_text(str(file))
    for source, file in itertools.pairwise(made):
        script = "workflow_scripts/splits.py"
        write_records(
            [file],
            digest_files([source]),
            {},
            [script],
            redact=without_places,
            command="python",
            begun="2026-01-01",
        )
    return home / made[-1]


def traced(path: Path | str) -> str:
    done = CliRunner().invoke(app, ["trace", str(path)])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_trace_is_the_same_from_any_folder(result: Path, tmp_path: Path, monkeypatch):
    own = traced("results/study/b.csv")
    assert "config/studies/study.yaml" in own and "changed" not in own
    monkeypatch.chdir(result.parent)
    assert traced("b.csv") == traced("../study/b.csv") == own
    monkeypatch.chdir(tmp_path)
    assert traced(result) == own


def test_a_trace_tells_what_is_gone_and_what_was_moved(result: Path, tmp_path: Path):
    shutil.copytree(result.parent.parent, tmp_path / "copy/results")
    said = traced(tmp_path / "copy/results/study/b.csv")
    assert "not there any more" in said and "settings alone" not in said
    moved = shutil.copytree(result.parent, tmp_path / "moved")
    done = CliRunner().invoke(app, ["trace", str(moved / "b.csv")])
    assert done.exit_code == 2 and "was moved or renamed" in done.output
