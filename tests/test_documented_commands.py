"""Commands in fenced blocks of the pages exist with their arguments and options; those that take seconds are run."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import typer
import yaml
from snakemake.cli import get_argument_parser
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.paths import ROOT
from crossover.statistics.study_planning import planning
from crossover.statistics.study_planning.planned_crossing import cases_that_settle
from docs.reference import walked
from tests import drawn
from tests.dry_runs import copy_workflow
from tests.two_sites import write_two_sites

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GENERATED = "commands.md"
BLOCK = re.compile(r"^```(?:bash|sh)?\n(.*?)^```|((?:^ {4}\S.*\n)+)", re.M | re.S)
COMMANDS = dict(walked(typer.main.get_command(app)))
VARIABLES = {"STUDIES", "SCALE", "DATA", "CORES", "PYTHON", "UPGRADE"}
OTHERS = ("pip", "pytest", "unittest")


def documented() -> list[tuple[str, str]]:
    """(page, call) of each command, on one line, without what leads to the program and the comment behind it."""
    found = []
    for page in PAGES:
        for fenced, indented in BLOCK.findall(page.read_text()) if page.name != GENERATED else []:
            for line in (fenced or indented).replace("\\\n", " ").splitlines():
                calls = re.sub(r"\s#.*", "", line).split("&&")
                found += [(page.name, re.sub(r"^\.venv/bin/", "", " ".join(call.split()))) for call in calls]
    return [(page, call) for page, call in found if re.match(r"(crossover|make|snakemake|python -m) ", f"{call} ")]


CALLS = documented()


def of_crossover(words: list[str]) -> Iterator[str]:
    """Yield what is wrong with a call; a form of call ("[--metric dsc]...") counts as if all of it were given."""
    words = [word.strip("[]").removesuffix("...").strip("[]") for word in words]
    words = [word for word in words if word]
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS), None)
    if name is None:
        yield f"there is no command {words[0]}"
        return
    command = COMMANDS[name]
    context = command.context_class(command, info_name=name)
    try:
        given, left, _ = command.make_parser(context).parse_args(words[len(name.split()) :])
    except Exception as error:
        yield str(error)
        return
    if left:
        yield f"too many arguments: {left}"
    yield from (f"{p.name} is missing" for p in command.params if p.required and given.get(p.name) in (None, ()))


def of_make(words: list[str]) -> Iterator[str]:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for word in words:
        name, given, _ = word.partition("=")
        if name not in (VARIABLES if given else targets):
            yield f"make has no {name}"


def of_snakemake(words: list[str]) -> Iterator[str]:
    try:
        get_argument_parser().parse_args(words)
    except SystemExit:
        yield f"snakemake does not take {' '.join(words)}"


def of_python(words: list[str]) -> Iterator[str]:
    module = words[1]
    if module in OTHERS:
        return
    file = ROOT / f"{module.replace('.', '/')}.py"
    text = file.read_text() if file.exists() else ""
    if not text:
        yield f"there is no module {module}"
    yield from (f"{module} has no {word}" for word in words if word.startswith("--") and f'"{word}"' not in text)


PROGRAMS = {"crossover": of_crossover, "make": of_make, "snakemake": of_snakemake, "python": of_python}


def test_all_commands_of_the_pages_can_be_called():
    assert len(CALLS) > 80
    wrong = []
    for page, call in CALLS:
        program, *words = shlex.split(call)
        wrong += [(page, call, what) for what in PROGRAMS[program](words)]
    assert wrong == []


@pytest.mark.parametrize(
    "call",
    [
        "crossover nothing",
        "crossover compare",
        "crossover audit --jsn",
        "make everything",
        "make reproduce STUDY=uterus",
        "python -m benchmarks.nothing",
        "python -m benchmarks.chance --nothing",
        "snakemake --nothing",
    ],
)
def test_a_call_that_is_wrong_is_found(call):
    program, *words = shlex.split(call)
    assert list(PROGRAMS[program](words))


def run(call: str) -> str:
    """Run a command of the pages; return what it said."""
    program, *words = shlex.split(call)
    assert program == "crossover"
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{call}: {done.output[-1000:]}"
    return done.output


def calls_of(page: str) -> list[str]:
    return [call for name, call in CALLS if name == page and call.startswith("crossover ")]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the workflow, in which the commands are called."""
    folder = tmp_path / "clone"
    copy_workflow(folder)
    shutil.copytree(ROOT / "docs/demo", folder / "docs/demo")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    monkeypatch.setenv("COLUMNS", "200")
    return folder


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Sixteen patients of two sites, in folders with a table."""
    data = tmp_path / "data"
    write_two_sites(data)
    return data


@pytest.mark.slow
def test_the_commands_of_the_first_ten_minutes_say_what_the_page_says(clone: Path, monkeypatch: pytest.MonkeyPatch):
    """Of few simulated studies, which changes a number and no sentence, and with the figures' files that are shown."""
    monkeypatch.setattr(planning, "cases_that_settle", partial(cases_that_settle, studies=5))
    page = (ROOT / "docs/start.md").read_text()
    calls = calls_of("start.md")
    assert [call.split()[1] for call in calls] == ["compare", "figures", "design", "audit"]
    with drawn.only("svg"):
        said = {call.split()[1]: run(call) for call in calls if " figures " not in call}
    (written,) = (line for line in said["compare"].splitlines() if "index.html" in line)
    assert written.removeprefix(f"{clone}/") in page
    assert (clone / "comparison/index.html").exists()
    assert "test cases" in said["design"] and "may be false" in " ".join(said["audit"].split())


@pytest.mark.slow
def test_the_demos_page_has_the_verdicts_that_its_command_prints(clone: Path):
    call = next(call for call in calls_of("demos.md") if " claims " in call)
    counted = " ".join(run(call).split())
    page = " ".join((ROOT / "docs/demos.md").read_text().split())
    counts = re.search(r"(\d+) holds, (\d+) does not hold, (\d+) can't tell, (\d+) not run", counted)
    holds, fails, unclear, unrun = counts.groups()
    said = f"{holds} hold in these scores, {fails} do not hold, the scores can't tell {unclear}, and {unrun} need"
    assert said in page


@pytest.mark.slow
def test_the_commands_for_own_patients_make_a_study_that_can_run(clone: Path, volumes: Path):
    """All but the run itself, on small volumes in place of the two folders."""
    calls = [call for call in calls_of("README.md") if call.split()[1] in ("inspect", "new", "check", "run")]
    assert calls == [call for call in calls_of("own-data.md")][: len(calls)]
    for call in calls[:3]:
        call = call.replace("/data/theirs", f"{volumes}:site=A").replace("/data/ours", f"{volumes}:site=B")
        run(call.replace(f"inspect {volumes}:site=B", f"inspect {volumes}"))
    assert (clone / "ours.html").exists()
    assert yaml.safe_load((clone / "config/studies/gland.yaml").read_text())["study"] == "gland"


@pytest.mark.slow
@pytest.mark.parametrize("call", ["crossover audit uterus --json", "crossover fetch", "crossover status"])
def test_commands_that_only_read_can_be_run(clone: Path, call: str):
    assert call in [call for _, call in CALLS]
    assert run(call)


def test_help_fills_the_terminal_and_shows_arguments_in_capitals():
    """Without angle brackets, which Markdown leaves out."""
    said = CliRunner().invoke(app, ["plan", "--help"]).output
    assert "plan [OPTIONS] [NAME]" in said and "the first one, those of config/config.yaml." in said
    assert "new [OPTIONS] NAME " in CliRunner().invoke(app, ["new", "--help"]).output
    texts = [text or "" for c in COMMANDS.values() for text in (c.help, *(getattr(p, "help", "") for p in c.params))]
    assert not [text for text in texts if "<" in text]
