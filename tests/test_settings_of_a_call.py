"""What a call of the workflow is told, as it was meant, and what of it is kept for later calls."""

import shlex
from pathlib import Path

import pytest
from snakemake.cli import parse_config
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.execution import live
from crossover.execution.workflow import command, config_words

FOLDERS = (
    "/srv/export #2", "/srv/a: b", "[a]", "{a}", "'quoted'", '"', "/srv/it's \"here\"", "  /blanks ", "~", "true",
    "nan", "12", "1e5", "!x", "*x", "/srv/Ölß", "/srv/\u2028\x85\U0001f600", "a\nb", "/srv/plain.d/a_b-c",
    "/" + "long " * 60,
)  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_snakemake_reads_each_setting_as_it_was_given(folder: str):
    settings = {"studies": "a,b", "scale": "demo", "data": folder}
    assert parse_config(config_words(settings)) == settings
    printed = shlex.split(command(settings, "--", "studies"))
    assert parse_config(printed[2:-2]) == settings and printed[-2:] == ["--", "studies"]


def test_run_reads_the_patients_of_the_folder_that_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    called = []
    monkeypatch.setattr(live, "run", lambda command, plain: called.append(command) or 0)
    folder = tmp_path / "export #2"
    done = CliRunner().invoke(app, ["run", "headneck", "--scale", "demo", "--data", str(folder)])
    assert done.exit_code == 0, done.output
    words = called[0][called[0].index("--config") + 1 :]
    assert parse_config(words) == {"studies": "headneck", "scale": "demo", "data": str(folder)}
