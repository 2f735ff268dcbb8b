"""`make` and its set-up, with a Python that installs nothing: what is called, what is told, what is taken for whole."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from snakemake.cli import parse_config

from tests.dry_runs import ROOT

PYTHON = """#!/bin/bash
# Stands for Python 3.11: makes an environment of itself, and pip writes down what it was asked for.
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip "*)
        echo "Collecting something"
        for word; do [[ $word != /dev/fd/* ]] || grep -oE '^[^=]+==' "$word" >>"$CALLS"; done
        echo "pip $*" >>"$CALLS"
        if [ -n "$SLOW" ]; then echo "Installing collected packages: a, b"; "$SLOW" 0.5; fi
        if [ -n "$FAILING" ] && [[ "$*" == *"$FAILING"* ]]; then echo "no such file"; exit 1; fi ;;
esac
"""
SNAKEMAKE = """#!/bin/bash
printf '%s\\0' "$(basename "$0")" "$@" >"$CALLS"
"""


class Clone:
    """A clone in a folder with blanks and parentheses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "my clone (1)"
        (self.folder / "envs").mkdir(parents=True)
        for name in ("Makefile", "requirements.lock", "pyproject.toml", "envs/setup.sh"):
            shutil.copy(ROOT / name, self.folder / name)
        self.python = folder / "python3.11"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)
        self.calls = folder / "calls"

    def run(self, *command: str, failing: str = "", **more: str) -> subprocess.CompletedProcess:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        environment |= {"PYTHON": str(self.python), "CALLS": str(self.calls), "FAILING": failing}
        self.calls.unlink(missing_ok=True)
        return subprocess.run(command, cwd=self.folder, env=environment | more, capture_output=True, text=True)

    def setup(self, *what: str, **more: str) -> tuple[int, list[str], str]:
        """Exit status, the steps that it told, and what it said besides."""
        done = self.run("envs/setup.sh", *what, **more)
        steps = [line.partition(", ")[2].partition(", ")[2] for line in done.stdout.splitlines()]
        return done.returncode, [step for step in steps if step], done.stderr

    def installed(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    nothing = tmp_path / "path"  # no GPU, whatever this machine has
    nothing.mkdir()
    kept = ["bash", "cat", "cut", "dirname", "flock", "grep", "make", "mkdir", "nproc", "readlink"]
    kept += ["realpath", "rm", "sed", "sh", "sha256sum", "tail", "touch", "tr", "uname", "cp"]
    for name in [*kept, "basename", "printf", "env"]:
        (nothing / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(nothing))
    return Clone(tmp_path)


RUN, _, TESTS = (ROOT / "requirements.lock").read_text().partition("# Only for tests")
PACKAGES = ["Python environment .venv", f"{RUN.count('==')} packages of requirements.lock"]
PACKAGES += ["PyTorch, the build that this machine's pip finds"]
DEV, PROJECT = f"{TESTS.count('==')} packages for tests and benchmarks", "Crossover itself"


def test_it_tells_its_steps_and_then_is_silent(clone: Clone):
    assert clone.setup() == (0, [*PACKAGES, PROJECT], "")
    assert "torch==" not in clone.installed() and "numpy==" in clone.installed()
    assert "pytest==" not in clone.installed()
    hashed = [line for line in clone.installed() if "/dev/fd" in line]
    assert all("--require-hashes --no-deps --no-build-isolation" in line for line in hashed)
    assert clone.setup() == (0, [], "")


def test_it_tells_how_far_it_is_while_pip_says_nothing(clone: Clone):
    (Path(os.environ["PATH"]) / "du").symlink_to(shutil.which("du", path="/bin:/usr/bin"))
    script = clone.folder / "envs/setup.sh"
    script.write_text(script.read_text().replace("SILENCE_S=60", "SILENCE_S=0.1"))
    done = clone.run("envs/setup.sh", SLOW=str(shutil.which("sleep", path="/bin:/usr/bin")))
    assert done.returncode == 0 and re.search(r"unpacking\n +still unpacking, \.venv has \d", done.stdout)


def test_tests_need_more_and_runs_do_not_lose_it(clone: Clone):
    clone.setup()
    assert clone.setup("dev") == (0, [DEV], "")
    assert "pytest==" in clone.installed() and "numpy==" not in clone.installed()
    assert clone.setup() == clone.setup("dev") == (0, [], "")
    shutil.rmtree(clone.folder / ".venv")
    assert clone.setup("dev")[1] == [*PACKAGES, DEV, PROJECT]


@pytest.mark.parametrize(
    ("failing", "at"), [("/dev/fd", "step 1 of 4"), ("torch==", "step 3 of 4"), ("editable", "step 4 of 4")]
)  # fmt: skip
def test_a_failed_step_is_named_and_done_again(clone: Clone, failing: str, at: str):
    status, _, said = clone.setup(failing=failing)
    assert status == 1
    assert f"{at}, " in said and "no such file" in said and ".venv/setup.log" in said
    steps = [PROJECT] if failing == "editable" else [*PACKAGES, PROJECT]
    assert clone.setup() == (0, steps, "")


def test_with_a_gpu_tensorflow_is_the_one_for_it(clone: Clone):
    (Path(os.environ["PATH"]) / "nvidia-smi").symlink_to(shutil.which("true", path="/bin:/usr/bin"))
    assert clone.setup() == (0, [*PACKAGES, "TensorFlow for the GPU", PROJECT], "")
    version = re.search(r"^tensorflow-cpu==(\S+)", RUN, re.M)[1]
    calls = [line for line in clone.installed() if "tensorflow" in line and line.startswith("pip")]
    assert calls == [
        "pip -m pip uninstall --yes tensorflow-cpu",
        f"pip -m pip install tensorflow[and-cuda]=={version}",
    ]
    assert clone.setup() == (0, [], "")


def test_a_clone_that_was_set_up_without_a_gpu_gets_what_one_needs(clone: Clone):
    clone.setup()
    assert clone.setup(CUDA="1") == (0, ["TensorFlow for the GPU"], "")
    assert clone.setup() == (0, [], "")


def test_a_failed_step_for_tests_leaves_what_runs(clone: Clone):
    clone.setup()
    assert clone.setup("dev", failing="ignore-installed")[0] == 1
    assert clone.setup() == (0, [], "")
    assert clone.setup("dev") == (0, [DEV], "")


def test_what_a_killed_set_up_left_is_made_anew(clone: Clone):
    clone.setup(failing="torch==")
    left = clone.folder / ".venv/half-made"
    left.touch()
    assert clone.setup()[0] == 0
    assert not left.exists()


def test_changes_are_followed(clone: Clone):
    clone.setup("dev")
    with (clone.folder / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    assert clone.setup("dev") == (0, [PROJECT], "")
    with (clone.folder / "requirements.lock").open("a") as file:
        file.write("\n# changed\n")
    assert clone.setup("dev") == (0, [*PACKAGES, DEV, PROJECT], "")
    clone.folder = clone.folder.rename(clone.folder.with_name("moved"))  # environments can't be
    assert clone.setup() == (0, [*PACKAGES, PROJECT], "")


def test_an_environment_of_others_is_left_alone(clone: Clone):
    (clone.folder / ".venv/lib").mkdir(parents=True)
    status, steps, said = clone.setup()
    assert (status, steps) == (1, [])
    assert ".venv is here and was not made by this set-up" in said
    assert (clone.folder / ".venv/lib").is_dir()


def test_another_python_is_refused(clone: Clone):
    clone.python.write_text("#!/bin/bash\nexit 1\n")
    status, steps, said = clone.setup()
    assert (status, steps) == (1, [])
    assert "no Python 3.11 with venv" in said and "make PYTHON=" in said
    assert not (clone.folder / ".venv").exists()


FOLDERS = [
    "/data/my data (x)",
    "my data (x)",
    "/data/it's",
    '/data/"a: b" # c',
    "/data/$HOME `x`",
    "/data/7",
    "/d/ö",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_make_hands_folders_on_as_they_are(clone: Clone, folder: str):
    """From a clone whose own path has blanks too."""
    clone.setup()
    stub = clone.folder / ".venv/bin/snakemake"
    stub.write_text(SNAKEMAKE)
    stub.chmod(0o755)
    for call, studies in ((["reproduce", "STUDIES=x,y"], "x,y"), (["headneck"], "headneck")):
        done = clone.run("make", *call, "SCALE=smoke", "CORES=2", f"DATA={folder}")
        assert done.returncode == 0, done.stderr
        words = clone.calls.read_text().split("\0")[1:-1]
        assert words[:3] == ["--cores", "2", "--config"]
        config = {"studies": studies, "scale": "smoke", "data": str(clone.folder / folder)}
        assert parse_config(words[3:]) == config


def test_make_without_choices_configures_nothing(clone: Clone):
    clone.setup()
    for name in ("snakemake", "crossover"):
        (clone.folder / ".venv/bin" / name).write_text(SNAKEMAKE)
        (clone.folder / ".venv/bin" / name).chmod(0o755)
    for call, words in (
        (["reproduce", "CORES=1"], ["snakemake", "--cores", "1"]),
        (["figures", "STUDIES=a,b", "SCALE=demo"], ["crossover", "figures", "a", "b", "--scale", "demo"]),
    ):  # fmt: skip
        assert clone.run("make", *call).returncode == 0
        assert clone.calls.read_text().split("\0")[:-1] == words


@pytest.mark.parametrize(("wrong", "mends"), [("ruff", "ruff format ."), ("snakefmt", "snakefmt Snakefile rules")])
def test_lint_names_the_command_that_formats(tmp_path: Path, wrong: str, mends: str):
    for name in ("ruff", "snakefmt", "mypy", "hadolint"):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n[ {name} != {wrong} ] || [ $1 = check ]\n")
        tool.chmod(0o755)
    call = ["make", "lint", "--assume-old=setup-dev", f"BIN={tmp_path}"]
    run = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode and run.stderr.startswith(f"To format them: {tmp_path}/{mends}\n")
