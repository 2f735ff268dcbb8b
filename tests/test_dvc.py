"""Results that travel by DVC: a clone that pulls has nothing to do, and no experiment tells what was not done."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from crossover.execution.dvc_file import dvc_file
from crossover.study.config import load_study
from crossover.study.plan import plan
from tests.dry_runs import ROOT, copy_workflow

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
STUDY = "config/studies/mini.yaml"
RATE = "scales.smoke.recipe.learning_rate"
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "DVC_NO_ANALYTICS": "1",
}


def run(folder: Path, *command: str, fails: bool = False) -> str:
    """What a command says; `dvc`, `snakemake` and `crossover` are those of this environment."""
    program = [str(BIN / command[0]) if (BIN / command[0]).exists() else command[0]]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder)} if command[0] == "crossover" else ENVIRONMENT
    done = subprocess.run([*program, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, f"{' '.join(command)}: {said[-4000:]}"
    return said


def small_study() -> dict:
    """Two organs and three trainings for each of the nasopharynx study."""
    values = yaml.safe_load((ROOT / "config/studies/nasopharynx.yaml").read_text())
    organs = ("brainstem", "mandible")
    values["study"] = "mini"
    values["structures"] = {name: values["structures"][name] for name in organs}
    del values["published"], values["paper"]
    for part in (values, values["scales"]["smoke"]):
        del part["strategies"]["sweep"]
    values["figures"]["order"].remove("sweep")
    values["figures"]["structures"] = list(organs)
    values["figures"]["overlays"]["structures"] = list(organs)
    values["scales"] = {"smoke": values["scales"]["smoke"]}
    for cohort in values["scales"]["smoke"]["cohorts"].values():  # half the files
        cohort["source"] |= {"slices": [12, 12], "slice_thickness_mm": 14.0}
    return values


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """A repository whose results `dvc repro` made and `dvc push` sent to a folder."""
    folder = copy_workflow(tmp_path_factory.mktemp("dvc") / "origin")
    for name in ("Makefile", "requirements.lock", "pyproject.toml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / STUDY).write_text(yaml.safe_dump(small_study(), sort_keys=False))
    (folder / "config/config.yaml").write_text('studies: [mini]\nscale: smoke\ndata: ""\nimagenet: ""\n')
    (folder / ".venv").symlink_to(BIN.parent)
    run(folder, "git", "init", "-q", "-b", "main")
    (folder / ".git/info/exclude").write_text(".venv\n")
    run(folder, "dvc", "init", "-q")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    run(folder, "dvc", "remote", "add", "-q", "-d", "store", str(folder.parent / "remote"))
    assert "mini" in run(folder, "crossover", "dvc")
    commit(folder, "begun")
    run(folder, "dvc", "repro")
    commit(folder, "run")
    run(folder, "dvc", "push")
    return folder


def commit(folder: Path, why: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "-q", "-m", why)


@pytest.fixture(scope="module")
def pulled(origin: Path) -> Path:
    """Another folder, after `git clone` and `dvc pull`; no test changes it."""
    folder = origin.parent / "elsewhere/clone"
    run(origin.parent, "git", "clone", "-q", str(origin), str(folder))
    (folder / ".venv").symlink_to(BIN.parent)
    (folder / ".git/info/exclude").write_text(".venv\n")
    run(folder, "dvc", "pull")
    return folder


@pytest.fixture
def clone(pulled: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return shutil.copytree(pulled, tmp_path / "clone", symlinks=True)


def edit(folder: Path, key: str, value: object) -> None:
    """As a person would, in the file."""
    values = yaml.safe_load((folder / STUDY).read_text())
    node = values
    *places, last = key.split(".")
    for place in places:
        node = node[place]
    node[last] = value
    (folder / STUDY).write_text(yaml.safe_dump(values, sort_keys=False))


def trained_at(folder: Path) -> set[float]:
    """The learning rates of the trainings whose results are there, by their own records."""
    records = (folder / "results/mini/stages").glob("*.provenance.json")
    return {json.loads(r.read_text())["settings"]["settings"]["recipe"]["learning_rate"] for r in records}


def shown_rate(folder: Path) -> float:
    return json.loads((folder / "results/mini/params.json").read_text())["recipe"]["learning_rate"]


def weights(folder: Path) -> dict[str, bytes]:
    paths = (folder / "results/mini/stages").glob("*/weights.safetensors")
    return {path.parent.name: path.read_bytes() for path in paths}


def trained_when(folder: Path) -> dict[str, int]:
    """When each model's weights were written, in ns."""
    paths = (folder / "results/mini/stages").glob("*/weights.safetensors")
    return {path.parent.name: path.stat().st_mtime_ns for path in paths}


@pytest.mark.thorough
def test_a_clone_that_pulls_has_nothing_to_do(origin: Path, pulled: Path):
    assert "Nothing to be done" in run(pulled, "snakemake", "-n")
    again = run(pulled, "make", "-o", "setup", "reproduce", "CORES=2")
    assert "Nothing to be done" in again and f"The report: {pulled}/results/report.html" in again
    assert "up to date" in run(pulled, "dvc", "status")
    tracked = re.search(
        r"tracked files against dvc.lock: (\d+) checked, nothing wrong", run(pulled, "crossover", "verify")
    )
    assert tracked and int(tracked[1]) > 100
    figures = sorted(path.relative_to(origin) for path in origin.glob("results/mini/figures/*.*"))
    assert len(figures) >= 9
    for path in [*figures, Path("results/report.html")]:
        assert (pulled / path).read_bytes() == (origin / path).read_bytes()


@pytest.mark.thorough
def test_one_key_changed_in_the_clone_reruns_its_part_and_dvc_tells(clone: Path):
    """The learning rate is a value that the scale replaces: no model is trained again for it."""
    edit(clone, "figures.overlays.window", [-100, 200])
    edit(clone, "recipe.learning_rate", 0.5)
    planned = json.loads(run(clone, "crossover", "plan", "--json"))["jobs"]
    assert {job["rule"] for job in planned} == {"figure_overlays", "values", "report"}
    before = trained_when(clone)
    said = run(clone, "dvc", "exp", "run", "-n", "bone")  # as `dvc repro`, and kept
    assert "Running stage 'mini'" in said and "Nothing to be done" in run(clone, "snakemake", "-n")
    assert trained_when(clone) == before
    assert "figures.overlays.window" in run(clone, "dvc", "params", "diff")
    assert run(clone, "dvc", "metrics", "diff").strip() == ""
    run(clone, "dvc", "plots", "diff")
    assert (clone / "dvc_plots/index.html").exists()
    scores = run(clone, "dvc", "metrics", "show", "--json")
    assert "target_center" in scores and "transfer-conv5-n3" in scores


@pytest.mark.thorough
def test_an_experiment_has_the_parameters_that_its_models_were_trained_with(clone: Path):
    """In a temporary workspace, where nothing lies but what DVC and git know of: of the study's stage alone, not even
    Snakemake's metadata, which belong to the report's.

    A value that the scale replaces, as the second here, is none that the models were trained with.
    """
    before = weights(clone)
    assert trained_at(clone) == {0.002}
    changes = (f"{STUDY}:{RATE}=0.004", f"{STUDY}:recipe.learning_rate=0.5")
    options = ["--temp", "-n", "faster", *(word for change in changes for word in ("-S", change))]
    run(clone, "dvc", "exp", "run", *options, "mini")
    table = json.loads(run(clone, "dvc", "exp", "show", "--json"))
    revisions = [e["revs"][0] for base in table for e in base.get("experiments") or []]
    (shown,) = [r for r in revisions if r["name"] == "faster"]
    params = shown["data"]["params"]["results/mini/params.json"]["data"]
    assert params["recipe"]["learning_rate"] == 0.004
    run(clone, "dvc", "exp", "apply", "faster")
    assert trained_at(clone) == {0.004} == {shown_rate(clone)}
    assert all(weights(clone)[name] != kept for name, kept in before.items())


@pytest.mark.thorough
def test_touch_hides_no_change(clone: Path):
    """It writes the present settings beside results of others into Snakemake's metadata."""
    edit(clone, RATE, 0.003)
    run(clone, "snakemake", "--touch")
    assert "train" in run(clone, "snakemake", "-n") and trained_at(clone) == {0.002}


@pytest.mark.thorough
def test_what_was_changed_by_hand_is_not_taken_for_a_result(clone: Path):
    table = clone / "results/mini/metrics.csv"
    table.write_text(table.read_text().replace("0.0", "0.9", 1))
    said = run(clone, "crossover", "verify", fails=True)
    assert re.search(r"tracked files against dvc.lock: \d+ checked, 1 wrong\nresults/mini/metrics.csv", said), said
    for command in (("snakemake", "-n"), ("dvc", "repro", "-f")):
        assert "results/mini/metrics.csv: it is not what its job wrote" in run(clone, *command, fails=True)
    run(clone, "dvc", "checkout", "--force")
    assert "Nothing to be done" in run(clone, "snakemake", "-n")


def test_the_repositorys_dvc_file_is_what_the_command_writes():
    """Of the studies that config.yaml names, with every folder that they fill."""
    text = (ROOT / "dvc.yaml").read_text()
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    studies = {n: load_study(n, settings["scale"], ROOT / "config") for n in settings["studies"]}
    figures = [Path(path) for path in yaml.safe_load(text)["plots"]]
    assert text == dvc_file(studies, figures)
    for name in studies:
        assert any(path.match(f"results/{name}/figures/*.png") for path in figures)


def test_a_study_depends_on_all_that_its_file_names():
    study = load_study("headneck", "demo", ROOT / "config")
    initial = study.network.initial.model_copy(
        update={"weights": "model", "file": "results/other/stages/a/w.safetensors"}
    )
    given = study.model_copy(update={"network": study.network.model_copy(update={"initial": initial})})
    stage = yaml.safe_load(dvc_file({"headneck": given}, []))["stages"]["headneck"]
    assert {"config/bases", "results/other/stages/a/w.safetensors"} <= {*stage["deps"]}, "it extends one of the bases"
    phantoms = load_study("uterus", "demo", ROOT / "config")
    assert "always_changed" not in dvc_file({"uterus": phantoms}, [])


def test_a_study_of_patients_is_left_to_snakemake():
    """Their folder lies outside of the repository, so that DVC can't see a new patient."""
    study = load_study("headneck", "demo", ROOT / "config")
    assert yaml.safe_load(dvc_file({"headneck": study}, []))["stages"]["headneck"]["always_changed"] is True


def test_a_cohort_of_two_studies_is_made_by_the_first():
    """DVC allows an output one stage; the others depend on it."""
    study = load_study("uterus", "demo", ROOT / "config")
    twin = study.model_copy(update={"study": "twin"})
    stages = yaml.safe_load(dvc_file({"uterus": study, "twin": twin}, []))["stages"]
    made = [path for stage in stages.values() for out in stage["outs"] for path in out]
    assert len(made) == len(set(made)) and "data/cases/cervix" in stages["twin"]["deps"]
    assert plan(twin).stages
