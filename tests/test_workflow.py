"""The whole workflow at smoke scale from a clean state, and a second run that does nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from crossover.training.devices import gpus
from tests.dry_runs import ROOT, WORKFLOW, copy_workflow
from tests.smoke import ALL, snakemake

pytestmark = pytest.mark.slow


def test_it_makes_the_tables_figures_and_report(smoke):
    results = smoke / "results/uterus"
    metrics = pd.read_csv(results / "metrics.csv")
    main = metrics[metrics.fold.isna()]
    assert set(main.strategy) == {"pretrained", "scratch", "transfer", "aggregated"}
    assert set(main.groupby("model").size()) == {6}  # 2 cervix and 4 uterus test patients
    assert not main.duplicated(["model", "cohort", "case", "structure"]).any()
    for name in ("flow", "performance", "overlays", "subgroups", "reliability"):
        assert (results / f"figures/{name}.svg").stat().st_size > 1000
        assert (results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    report = (smoke / "results/report.html").read_text()
    assert "Synthetic" in report and "Assumptions" in report


def test_test_patients_were_trained_on_by_nobody(smoke):
    splits = pd.read_csv(smoke / "results/uterus/splits.csv")
    parts = splits.groupby("patient").part.nunique()
    assert (parts == 1).all()


def test_a_second_run_does_nothing_whatever_was_touched_or_reordered(smoke_copy):
    for path in (smoke_copy / "crossover/training/batches.py", smoke_copy / "results/uterus/splits.csv"):
        path.touch()
    study = smoke_copy / "config/studies/uterus.yaml"
    text = study.read_text()
    study.write_text("# a remark\n" + text)
    again = snakemake(smoke_copy, "-n", "--config", ALL, "scale=smoke")
    study.write_text(text)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr
    assert "prostate (smoke): 42 trainings, 38 models" in again.stdout + again.stderr


def kind_of(rule: str) -> str:
    """A rule's name; "figure" or "table" of those."""
    return re.sub(r"^(figure|table)_.*", r"\1", rule)


def test_the_plan_says_what_a_dry_run_says_with_the_keys_and_times(smoke_copy):
    """A learning rate reruns the trainings and what follows, but no data."""
    study = smoke_copy / "config/studies/uterus.yaml"
    text = study.read_text()
    study.write_text(text.replace("learning_rate: 0.001", "learning_rate: 0.002"))
    command = [
        sys.executable, "-m", "crossover", "plan", f"--{ALL}", "--scale", "smoke", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(smoke_copy)}
    told = subprocess.run(command, cwd=smoke_copy, env=environment, capture_output=True, text=True)
    run = snakemake(smoke_copy, "-n", "--config", ALL, "scale=smoke", "--quiet", "host")
    study.write_text(text)
    assert told.returncode == run.returncode == 0, told.stderr + run.stderr
    rules = set(re.findall(r"^(?:local)?rule (\w+):", run.stdout + run.stderr, re.M)) - {"all"}
    assert {"train", "predict", "evaluate", "summary", "report"} <= rules
    assert not rules & {"receive", "cases", "bias_field", "slices", "splits"}
    jobs = json.loads(told.stdout)["jobs"]
    assert {kind_of(job["rule"]) for job in jobs} == {kind_of(rule) for rule in rules}
    training = [job for job in jobs if job["rule"] == "train"]
    assert sum(len(job["stages"]) for job in training) == 13
    why = {"kind": "setting", "what": "recipe.learning_rate", "before": "0.001", "now": "0.002"}
    assert all(why in job["why"] for job in training)
    assert all(job["last_s"] > 0 and job["expected_s"] > 0 for job in jobs)


def test_a_further_patient_redoes_no_other_patients_preparation(smoke, tmp_path):
    for name in [*WORKFLOW, "data", ".snakemake"]:
        copy = shutil.copytree if (smoke / name).is_dir() else shutil.copy
        copy(smoke / name, tmp_path / name)
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("record.json")}
    study = tmp_path / "config/studies/uterus.yaml"
    text = study.read_text()
    more = "uterus: {source: {patients: 13, matrix: 64"
    assert text.count(more.replace("13", "12")) == 1
    study.write_text(text.replace(more.replace("13", "12"), more))
    slices = "data/slices/uterus/uterus/manifest.json"
    run = snakemake(tmp_path, "--config", ALL, "scale=smoke", "--", slices)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    now = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("record.json")}
    assert {p: now[p] for p in made} == made
    assert len(set(now) - set(made)) == 3  # received, case, sliced


def test_a_stages_record_tells_what_it_was(smoke):
    record = json.loads((smoke / "results/uterus/stages/scratch-n8/record.json").read_text())
    assert record["threads"] == 1 and (record["device"] == "CPU" or gpus())
    assert record["patients"] == {"train": 7, "validation": 1}
    assert {"tensorflow", "keras"} <= set(record["versions"])
    assert len(record["files"]["weights.safetensors"]["sha256"]) == 64


def test_a_file_that_a_manifest_lists_and_is_gone_stops_the_run(smoke_copy):
    weights = smoke_copy / "results/uterus/stages/scratch-n8/weights.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    run = snakemake(smoke_copy, "-n", "--config", ALL, "scale=smoke")
    weights.write_bytes(kept)
    said = run.stdout + run.stderr
    assert run.returncode != 0 and "scratch-n8/weights.safetensors" in said, said


def test_a_wrong_key_is_refused_at_once_with_its_place(smoke_copy):
    study = smoke_copy / "config/studies/uterus.yaml"
    text = study.read_text()
    study.write_text(text.replace("learning_rate: 0.001", "learning_rat: 0.001"))
    run = snakemake(smoke_copy, "-n", "--config", ALL, "scale=smoke")
    study.write_text(text)
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert "recipe.learning_rat: unknown key (did you mean learning_rate?); valid keys:" in said


CHOICES = """
from snakemake.scheduling.job_scheduler import JobScheduler
from crossover.execution.workflow import choose_at_ends

def told(self, jobs, choose=JobScheduler.job_selector):
    print("chooses", file=sys.stderr)
    return choose(self, jobs)

JobScheduler.job_selector = told
rule all:
    input: expand("{i}", i=range(4))
rule one:
    output: "{i}"
    shell: "sleep 1.3; touch {output}"
onstart:
    choose_at_ends(workflow)
"""


def test_snakemake_chooses_jobs_when_one_has_ended_and_not_every_second(tmp_path):
    """With its own limit of jobs per second it would choose 16 times, and more often the longer the run."""
    (tmp_path / "Snakefile").write_text("import sys\n" + CHOICES)
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("chooses") == 2 * 5  # when it runs one of the jobs, and when that has ended


def test_the_workflow_passes_snakemakes_own_lint():
    run = snakemake(ROOT, "--lint")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture
def second_study(smoke) -> Path:
    """The results of the nasopharynx study: PyTorch, CT, a network for each organ."""
    return smoke / "results/nasopharynx"


def test_a_second_study_and_engine_run_through_the_same_rules(second_study):
    metrics = pd.read_csv(second_study / "metrics.csv")
    organs = set(metrics.structure)
    assert len(organs) == 12
    for family in ("source", "target", "transfer-conv5"):
        assert set(metrics[metrics.family == family].structure) == organs
    paired = pd.read_csv(second_study / "statistics/paired.csv")
    main = paired[(paired.test_set == "target_center") & paired.corrected_over.notna() & (paired.structure != "all")]
    assert len(main) == 36 and (main.tests == 36).all()
    table = pd.read_csv(second_study / "tables/structures.csv")
    assert {"p_wilcoxon_asymptotic", "p_wilcoxon_exact", "published_p"} <= set(table)
    for name in ("organs", "sweep", "times", "overlays", "flow"):
        assert (second_study / f"figures/{name}.svg").stat().st_size > 1000
    record = json.loads((second_study / "stages/target-n3-lens_left/record.json").read_text())
    assert "torch" in record["versions"] and record["seconds_in"]["step"] > 0


@pytest.fixture
def third_study(smoke) -> Path:
    """The results of the prostate study: a selection, folds, chains, ImageNet weights."""
    return smoke / "results/prostate"


def test_the_selected_network_is_that_of_every_chain_and_is_not_trained_twice(third_study):
    chosen = json.loads((third_study / "selection.json").read_text())
    records = {p.parent.name: json.loads(p.read_text()) for p in third_study.glob("stages/*/record.json")}
    chains = {n: r for n, r in records.items() if not n.startswith("cell-")}
    assert {r["network"]["architecture"] for r in chains.values()} == {chosen["architecture"]}
    cell = f"cell-{chosen['architecture']}-{chosen['encoder']}-f1"
    assert chains["a-f1"]["same_as"] == cell
    assert chains["a-f1"]["files"] == records[cell]["files"]
    begun = chains["b-f0"]["initial"]
    assert begun["weights"] == "imagenet" and len(begun["sha256"]) == 64 and "package" in begun["from"]
    assert chains["random_b-f0"]["initial"] == {"weights": "random"}
    assert chains["b_a-f0"]["initial"] is None and chains["b_a-f0"]["standardised"]


def test_chains_are_tested_on_every_site_and_have_their_tables_and_figures(third_study):
    metrics = pd.read_csv(third_study / "metrics.csv")
    assert set(metrics.cohort) == {"site_a", "site_b", "site_c"} and set(metrics.fold) == {0, 1}
    assert (metrics.groupby("model").size() == metrics.groupby("model").size().iloc[0]).all()
    for name in ("cohorts", "networks", "sources"):
        assert len(pd.read_csv(third_study / f"tables/{name}.csv"))
    for name in ("scheme", "grid", "gains", "examples"):
        assert (third_study / f"figures/{name}.svg").stat().st_size > 1000


def test_new_patients_are_segmented_by_a_trained_model(third_study, tmp_path):
    """From their DICOM files, as a user would: masks on their own grid, a picture, scores."""
    folder = third_study.parent.parent
    (tmp_path / "rules.yaml").write_text(
        "series: {t2: {modality: MR, plane: axial, description: t2}}\n"
        "structures: {prostate: {label: Prostate}}\n"
        "label_maps: {prostate: {file: '*/zones.nrrd'}}\n"
    )
    patient = next((folder / "data/raw/site_a").glob("SYN*"))
    shutil.copytree(patient, tmp_path / "export" / patient.name)
    command = [
        sys.executable, "-m", "crossover", "segment", "export", "out", "--study", "prostate",
        "--scale", "smoke", "--model", "b_a-f0", "--results", str(folder / "results"),
        "--rules", "rules.yaml",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CROSSOVER_SECRET": "s" * 32}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (row,) = pd.read_csv(tmp_path / "out/scores.csv").to_dict("records")
    (case,) = (
        pd.read_csv(third_study.parent.parent / "data/cases/site_a/patients.csv").query("case == @patient.name").case
    )
    assert patient.name not in run.stdout and row["volume_manual_ml"] > 5
    metrics = pd.read_csv(third_study / "metrics.csv")
    known = metrics[(metrics.model == "b_a-f0") & (metrics.case == case)]
    if len(known):  # a test patient: the workflow's own score
        assert row["dsc"] == pytest.approx(known.dsc.iloc[0], abs=1e-6)
    assert len(list((tmp_path / "out/predictions").glob("*_prostate.nii.gz"))) == 1
    assert len(list((tmp_path / "out/pictures").glob("*_prostate.png"))) == 1


@pytest.fixture
def no_room(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that find a disk with 1 kB left, and the workflow's copy as their folder."""
    small = tmp_path / "small"
    small.mkdir()
    told = "import shutil, collections\nkind = collections.namedtuple('usage', 'total used free')\n"
    (small / "sitecustomize.py").write_text(told + "shutil.disk_usage = lambda _: kind(9, 8, 1000)")
    copy_workflow(tmp_path / "clone")
    return {**os.environ, "PYTHONPATH": f"{small}:{tmp_path / 'clone'}"}


def test_a_run_that_the_disk_cannot_hold_is_refused_before_anything_runs(no_room, tmp_path):
    words = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", "studies=uterus"]
    begun = {"cwd": tmp_path / "clone", "env": no_room, "capture_output": True, "text": True}
    run = subprocess.run([*words, "scale=smoke"], **begun)
    assert run.returncode != 0
    plan = [sys.executable, "-m", "crossover", "plan", "--studies", "uterus"]
    assert subprocess.run(plan, **begun).returncode == 2
    said = run.stdout + run.stderr
    assert "0.0 MB free" in said and "disk_check: false" in said, said[-2000:]
    left = [path.name for path in (tmp_path / "clone/data").rglob("*")]
    assert set(left) <= {".cervix.lock", ".uterus.lock"} and "finished job" not in said.lower()


def test_the_plan_tells_needs_and_threads_and_the_check_can_be_turned_off(no_room, tmp_path):
    settings = tmp_path / "clone/config/config.yaml"
    settings.write_text(settings.read_text().replace("disk_check: true", "disk_check: false"))
    words = [sys.executable, "-m", "crossover", "plan", "--studies", "uterus", "--scale", "paper"]
    run = subprocess.run(
        [*words, "--json", "--cores", "8"], cwd=tmp_path / "clone", env=no_room, capture_output=True,
        text=True,
    )  # fmt: skip
    assert run.returncode == 0 and "disk_check" in run.stderr, "it is told, no more"
    told = json.loads(run.stdout)
    files = {need["files"]: need for need in told["disk"] if need["study"] == "uterus"}
    assert set(files) == {
        "raw data", "cases", "slices", "weights", "predictions", "tables and figures",
        "checkpoints, while training",
    }  # fmt: skip
    assert all(need["missing"] == need["bytes"] > 0 for need in files.values())
    assert told["memory"][0]["side_by_side"] == 2
    of_rules = {job["rule"]: job["threads"] for job in told["jobs"] if job["cohort"] != "cervix"}
    several = {"receive", "cases", "slices", "evaluate", "radiomics"}
    assert all(2 <= of_rules[rule] <= 8 for rule in several), of_rules
    assert (of_rules["splits"], of_rules["train"]) == (1, 4)
