"""Results that travel: a clone that pulls has nothing to do, no experiment tells what was not done, and every
file and number can be traced and verified."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rocrate.rocrate import ROCrate

from crossover.core.files import file_digest
from crossover.execution.dvc_file import dvc_file
from crossover.report.values import rounded
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


def test_a_clone_that_pulls_has_nothing_to_do(origin: Path, pulled: Path):
    assert "Nothing to be done" in run(pulled, "snakemake", "-n")
    again = run(pulled, "make", "-o", "setup", "reproduce", "CORES=2")
    assert "Nothing to be done" in again and f"The report: {pulled}/results/report.html" in again
    assert "up to date" in run(pulled, "dvc", "status")
    figures = sorted(path.relative_to(origin) for path in origin.glob("results/mini/figures/*.*"))
    assert len(figures) >= 9
    for path in [*figures, Path("results/report.html")]:
        assert (pulled / path).read_bytes() == (origin / path).read_bytes()


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


def test_touch_hides_no_change(clone: Path):
    """It writes the present settings beside results of others into Snakemake's metadata."""
    edit(clone, RATE, 0.003)
    run(clone, "snakemake", "--touch")
    assert "train" in run(clone, "snakemake", "-n") and trained_at(clone) == {0.002}


def test_what_was_changed_by_hand_is_not_taken_for_a_result(clone: Path):
    table = clone / "results/mini/metrics.csv"
    table.write_text(table.read_text().replace("0.0", "0.9", 1))
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


def test_a_cohort_of_two_studies_is_made_by_the_first():
    """DVC allows an output one stage; the others depend on it."""
    study = load_study("uterus", "demo", ROOT / "config")
    twin = study.model_copy(update={"study": "twin"})
    stages = yaml.safe_load(dvc_file({"uterus": study, "twin": twin}, []))["stages"]
    made = [path for stage in stages.values() for out in stage["outs"] for path in out]
    assert len(made) == len(set(made)) and "data/cases/cervix" in stages["twin"]["deps"]
    assert plan(twin).stages


# ---- trust and provenance, on the same results


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_verify_finds_nothing_on_results_as_they_were_made(pulled: Path):
    said = run(pulled, "crossover", "verify")
    assert said.count("nothing wrong") == 7
    counts = [int(line.split(": ")[1].split()[0]) for line in said.splitlines()]
    assert all(counts) and sum(counts) > 400


def test_verify_names_a_file_of_every_kind_with_a_flipped_byte(clone: Path):
    kinds = (
        "results/mini/tables/structures.csv", "results/mini/figures/flow.png", "results/mini/params.json",
        "results/mini/stages/*/weights.safetensors", "results/mini/stages/*/record.json",
        "results/mini/stages/*.provenance.json", "results/mini/predictions/*/*.nii.gz", "results/report.html",
        "data/raw/*/SYN*/*/*.dcm", "data/raw/*/SYN*/record.json", "data/cases/*/*/image_ct.nii.gz",
        "data/cases/*/manifest.provenance.json", "data/slices/mini/*/*/images.npy",
        "data/slices/mini/*/*/mask_*.npy", ".snakemake/metadata/*",
    )  # fmt: skip
    flipped = [sorted(clone.glob(pattern))[0] for pattern in kinds]
    for path in flipped:
        flip(path)
    said = run(clone, "crossover", "verify", fails=True)
    for path in flipped:
        assert str(path.relative_to(clone)) in named_in(said), path


def named_in(said: str) -> set[str]:
    return {word.rstrip(":,") for word in said.split()}


def test_a_stage_trained_again_is_the_same_to_the_bit(origin: Path):
    said = run(origin, "crossover", "verify", "--recompute", "mini/transfer-conv5-n3-brainstem")
    assert "verdict: identical" in said and "largest_difference: 0.0" in said


def test_the_way_back_from_a_table_ends_at_the_scanners_files(origin: Path):
    said = run(origin, "crossover", "trace", "results/mini/tables/structures.csv")
    for part in (
        "by structures",
        "by paired",
        "by evaluate",
        "by predict",
        "by train",
        "by slices",
        "by receive",
    ):
        assert part in said, part
    assert ".dcm" in said and "6 patients received as source_center" in said
    steps = json.loads(run(origin, "crossover", "trace", "results/mini/tables/structures.csv", "--json"))
    received = steps["data/raw/target_center/manifest.json"]["received"]
    for patient, files in received.items():
        for name, sha256 in files.items():
            assert sha256 == file_digest(origin / "data/raw/target_center" / patient / name)
    assert "does not exist" in run(origin, "crossover", "trace", "README.md", fails=True)


def test_the_crate_holds_results_and_steps_and_no_image(origin: Path, tmp_path: Path):
    run(origin, "crossover", "export", "rocrate", str(tmp_path / "crate"))
    crate = ROCrate(tmp_path / "crate")
    kinds = [entity.type for entity in crate.contextual_entities]
    records = [r for part in ("data", "results") for r in (origin / part).rglob("*.provenance.json")]
    jobs = {tuple(json.loads(r.read_text())["outputs"]) for r in records}
    assert len(jobs) > 20 and kinds.count("CreateAction") == len(jobs)
    table = crate.get("results/mini/tables/structures.csv")
    assert table["sha256"] == file_digest(origin / table.id)
    (made,) = [e for e in crate.contextual_entities if e.type == "CreateAction" and table in e["result"]]
    assert made["instrument"]["name"] == "crossover/analyses/tables/structures.py" and made["object"]
    written = {path.suffix for path in (tmp_path / "crate").rglob("*") if path.is_file()}
    assert not written & {".dcm", ".gz", ".npz", ".safetensors"}
    assert (tmp_path / "crate/results/mini/figures/overlays.png").exists(), "of phantoms"
    raw = origin / "data/raw/target_center/manifest.json"
    kept = raw.read_text()
    raw.write_text(json.dumps(json.loads(kept) | {"listing": "of a folder of patients"}))
    run(origin, "crossover", "export", "rocrate", str(tmp_path / "real"))
    raw.write_text(kept)
    shown = {path.name for path in (tmp_path / "real").rglob("*")}
    assert "organs.png" in shown and not shown & {"overlays.png", "overlays.svg", "report.html"}


def test_a_manuscripts_numbers_are_those_of_the_tables(origin: Path):
    named = json.loads((origin / "results/mini/values.json").read_text())
    summary = pd.read_csv(origin / "results/mini/statistics/summary.csv")
    row = summary[(summary.metric == "dsc") & summary["mean"].notna()].iloc[0]
    name = f"mini/summary/dsc/{row.test_set}/{row.structure}/{row.model}/mean"
    assert named[name] == row["mean"]
    assert f"\\crossover@set{{{name}}}{{{rounded(row['mean'])}}}" in (origin / "results/mini/values.tex").read_text()
