"""What a call of the workflow is told, as it was meant, and what of it is kept for later calls."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.cli.shared import CORES, check_words, run_words
from crossover.core.configuration import ConfigError, read_yaml
from crossover.core.files import write_json
from crossover.core.paths import CONFIG
from crossover.core.provenance import KEPT, record_path
from crossover.execution import at_stake, live, workflow
from crossover.execution.made import (
    PROFILE,
    call_of,
    call_with,
    command,
    completed_call,
    config_words,
    keep_call,
    meanwhile,
    settings_of,
)
from crossover.execution.workflow import GraphJob, Workflow
from crossover.study.config import Settings, load_study
from crossover.study.plan import plan

FOLDERS = (
    "/srv/export #2", "/srv/a: b", "[a]", "{a}", "'quoted'", '"', "/srv/it's \"here\"", "  /blanks ", "~", "true",
    "True", "nan", "12", "1e5", "!x", "*x", "/srv/Ölß", "/srv/\u2028\x85\U0001f600", "a\nb", "/srv/plain.d/a_b-c",
    "/" + "long " * 60,
)  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_snakemake_reads_each_setting_as_it_was_given(folder: str):
    settings = {"studies": "a,b", "scale": "demo", "data": folder}
    assert parse_config(config_words(settings)) == settings
    printed = shlex.split(command(settings, "--", "studies"))
    assert parse_config(printed[printed.index("--config") + 1 : -2]) == settings and printed[-2:] == ["--", "studies"]


def test_a_printed_command_is_of_the_clone_and_of_the_scheduler_that_the_run_was_given(tmp_path: Path, monkeypatch):
    """It can be pasted after `make reproduce` and `crossover run` too, and sends nothing to this machine by mistake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["snakemake", "--workflow-profile", "profiles/slurm", "--config", "studies=a"])
    call = call_with(Settings(studies=["a"], scale="demo"))
    assert call[PROFILE] == "profiles/slurm"
    assert command(call, "-n") == "snakemake --workflow-profile profiles/slurm --config studies=a scale=demo -n"
    Path(".venv/bin").mkdir(parents=True)
    Path(".venv/bin/snakemake").touch()
    assert command({}, "-n") == ".venv/bin/snakemake -n"
    Path("results/a").mkdir(parents=True)
    keep_call(["a"], call)
    assert call_of("a", Path("results")) == call
    Path("config/studies").mkdir(parents=True)
    Path("config/studies/a.yaml").touch()
    assert completed_call({}, RESULTS) == call and settings_of(call) == {"studies": "a", "scale": "demo"}
    assert run_words("gland", "smoke") == "run gland --scale smoke --workflow-profile profiles/slurm"
    assert check_words("gland") == "check gland --no-measure"
    keep_call(["a"], call | {PROFILE: "profiles/default"})
    assert check_words("gland") == "check gland"


def test_run_reads_the_patients_of_the_folder_that_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    called = []
    monkeypatch.setattr(live, "run", lambda command, plain: called.append(command) or 0)
    folder = tmp_path / "export #2"
    done = CliRunner().invoke(app, ["run", "headneck", "--scale", "demo", "--data", str(folder)])
    assert done.exit_code == 0, done.output
    words = called[0][called[0].index("--config") + 1 :]
    assert parse_config(words) == {"studies": "headneck", "scale": "demo", "data": str(folder)}


def test_plan_takes_the_name_of_a_study_as_check_and_run_do(clone: Path, monkeypatch: pytest.MonkeyPatch):
    (clone / "profiles/default").mkdir(parents=True)
    for name in ("Snakefile", "profiles/default/profile.yaml"):
        (clone / name).touch()
    asked = []

    def refuse(settings: dict, cores: int) -> None:
        asked.append(settings)
        raise ConfigError("read")

    monkeypatch.setattr(workflow, "read_workflow", refuse)
    assert "read" in CliRunner().invoke(app, ["plan", "uterus"]).output and asked == [{"studies": "uterus"}]
    both = CliRunner().invoke(app, ["plan", "uterus", "--studies", "prostate"])
    assert both.exit_code == 2 and "not both" in both.output


@pytest.mark.parametrize("given, before, words", [
    ([], "", ["--cores", str(CORES)]),
    ([], "profiles/slurm", ["--workflow-profile", "profiles/slurm"]),
    (["--workflow-profile", "profiles/default", "--cores", "3"], "profiles/slurm",
     ["--workflow-profile", "profiles/default", "--cores", "3"]),
])  # fmt: skip
def test_run_takes_the_profile_that_it_is_given_else_that_of_the_last_run_with_the_cores_of_the_profile(
    clone: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], before: str, words: list[str]
):
    if before:
        keep_call(["uterus"], {"studies": "uterus", "scale": "demo", PROFILE: before})
    called = []
    monkeypatch.setattr(live, "run", lambda command, plain: called.append(command) or 0)
    (clone / "profiles/default").mkdir(parents=True)
    for name in ("Snakefile", "profiles/default/profile.yaml"):
        (clone / name).touch()
    done = CliRunner().invoke(app, ["run", "uterus", *given])
    assert done.exit_code == 0, done.output
    assert called[0][3 : called[0].index("--config")] == words


def test_on_a_login_node_the_first_run_is_submitted(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(clone))
    assert run_words("gland", "smoke") == "run gland --scale smoke" and check_words("gland") == "check gland"
    (clone / "sinfo").write_text("#!/bin/sh\nexit 1\n")
    (clone / "sinfo").chmod(0o755)
    monkeypatch.setattr("crossover.cli.shared.find_spec", lambda name: name)
    assert run_words("gland", "smoke") == "run gland --scale smoke", "Slurm is installed, and does not answer"
    (clone / "sinfo").write_text("#!/bin/sh\n")
    monkeypatch.setattr("crossover.cli.shared.find_spec", lambda name: None)
    assert run_words("gland", "smoke") == "run gland --scale smoke", "without the executor no run could submit"
    monkeypatch.setattr("crossover.cli.shared.find_spec", lambda name: name)
    assert run_words("gland", "smoke") == "run gland --scale smoke --workflow-profile profiles/slurm"
    assert check_words("gland") == "check gland --no-measure", "it measures nothing on a login node"


def test_a_run_that_is_refused_beside_another_is_told_how_to_make_its_own_study():
    call = {"studies": "gland,uterus", "scale": "demo", PROFILE: "profiles/slurm"}
    cohorts = {"gland": ["a", "b"], "uterus": ["uterus", "cervix"]}
    assert meanwhile(call, {"report", "cervix"}, cohorts).endswith(
        "snakemake --workflow-profile profiles/slurm --config studies=gland scale=demo -- studies` makes all of gland "
        "but the report"
    )
    assert meanwhile(call, {"report", "cervix", "gland"}, cohorts) == ""


RESULTS = Path("results")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with results of two studies, and the names of their files."""
    monkeypatch.chdir(tmp_path)
    for study in ("prostate", "uterus"):
        (RESULTS / study).mkdir(parents=True)
        Path("config/studies").mkdir(parents=True, exist_ok=True)
        Path(f"config/studies/{study}.yaml").touch()
    return tmp_path


def told(*studies: str, **given: str) -> dict[str, str]:
    call = call_with(Settings.model_validate({"studies": studies, **given}))
    keep_call(studies, call)
    return call


def test_what_a_call_leaves_out_is_as_the_run_was_told_that_made_the_results(clone: Path):
    assert completed_call({}, RESULTS) == {} and call_of("prostate", RESULTS) == {"studies": "prostate"}
    before = told("prostate", scale="paper", data="drive #2", imagenet="/weights")
    assert before["data"] == str(clone / "drive #2") and completed_call({}, RESULTS) == before
    assert completed_call({"studies": "prostate", "scale": "demo"}, RESULTS) == before | {"scale": "demo"}
    assert completed_call({"studies": "uterus"}, RESULTS) == {"studies": "uterus"}


def test_what_runs_of_several_studies_were_told_differently_is_left_out(clone: Path):
    told("uterus", scale="smoke", imagenet="/weights")
    told("prostate", scale="paper", imagenet="/weights")
    both = {"studies": "uterus,prostate"}
    assert completed_call(both, RESULTS) == both | {"imagenet": "/weights"}


def test_results_from_elsewhere_tell_their_scale_and_none_tell_nothing(clone: Path):
    write_json(RESULTS / "uterus/params.json", {"scale": "smoke"})
    assert completed_call({"studies": "uterus"}, RESULTS) == {"studies": "uterus", "scale": "smoke"}
    told("gone", scale="paper")
    assert completed_call({"studies": "gone"}, RESULTS) == {"studies": "gone"} and call_of("gone", RESULTS) == {}


def begun(scale: str, rule: str, needed: bool = True) -> Workflow:
    """A run of a study with one job, of which the results of three trainings, of an hour each, or cases are there."""
    study = load_study("prostate", scale, CONFIG)
    planned = plan(study)
    stages = [*planned.stages][:3]
    for stage in stages:
        write_json(RESULTS / f"prostate/stages/{stage}/record.json", {"seconds": 3600.0, "steps": 1})
    cohort = next(iter(study.cohorts))
    cases = Path(f"data/cases/{cohort}/manifest.json")
    write_json(cases, {"items": {case: {} for case in "abc"}})
    outputs = {"train": RESULTS / "prostate/stages/b.json", "cases": cases}
    wildcards = {"study": "prostate", "batch": "b"} if rule == "train" else {"cohort": cohort}
    settings = {"stages": [{"name": stage} for stage in stages]}
    job = GraphJob(rule, wildcards, [outputs[rule]], [], settings, {"entries": []}, needed=needed)
    return Workflow([job], {"prostate": study}, {"prostate": planned}, 1)


def came_from(kind: str, workflow: Workflow) -> None:
    for cohort in workflow.studies["prostate"].cohorts:
        record = record_path(Path(f"data/raw/{cohort}/manifest.json"))
        record.parent.mkdir(parents=True, exist_ok=True)
        write_json(record, {"settings": {"source": {"kind": kind}}})


def test_hours_of_a_larger_scale_are_asked_for_with_both_ways_on(clone: Path):
    before = told("prostate", scale="paper", data="/srv/export #2")
    said = at_stake.refusal(begun("demo", "train"), {"studies": "prostate", "scale": "demo"})
    assert "its results are of scale paper, and this run is of scale demo" in said
    assert "3 trainings that took 3.0 h" in said
    assert f"`{command(before)}`" in said
    assert "`snakemake --config studies=prostate scale=demo replace=true`" in said


@pytest.mark.parametrize(
    ("before", "needed", "seconds"),
    [("smoke", True, 3600), ("demo", True, 3600), ("paper", False, 3600), ("paper", True, 60)],
)
def test_nothing_is_asked_on_the_way_up_or_where_little_is_lost(clone: Path, before: str, needed: bool, seconds: int):
    told("prostate", scale=before)
    workflow = begun("demo", "train", needed)
    for record in RESULTS.glob("prostate/stages/*/record.json"):
        write_json(record, {"seconds": seconds, "steps": 1})
    assert at_stake.refusal(workflow, {}) == ""


@pytest.mark.parametrize("rule", ["train", "cases"])
def test_patients_that_become_phantoms_are_asked_for(clone: Path, rule: str):
    workflow = begun("demo", rule)
    came_from("prostate_phantom", workflow)
    assert at_stake.refusal(workflow, {}) == ""
    came_from("dicom", workflow)
    said = at_stake.refusal(workflow, {})
    assert "came from dicom, and now comes from prostate_phantom" in said
    assert ("3 trainings" if rule == "train" else "3 cases of real patients") in said
    shutil.copytree("data", KEPT / "data")
    shutil.rmtree("data")
    assert "came from dicom" in at_stake.refusal(begun("demo", rule), {})


@pytest.fixture
def neighbour(clone: Path) -> Path:
    """Results of a second study of the same cohorts, made from the cases that are there; its file."""
    shutil.rmtree("config")
    shutil.copytree(CONFIG, "config")
    file = Path("config/studies/second.yaml")
    values = read_yaml(Path("config/studies/prostate.yaml"))
    file.write_text(yaml.safe_dump(values | {"study": "second"}))
    manifest, splits = "data/cases/site_a/manifest.json", RESULTS / "second/splits.csv"
    splits.parent.mkdir()
    splits.touch()
    write_json(record_path(splits), {"inputs": {manifest: "1"}})
    write_json(record_path(Path(manifest)), {"outputs": {manifest: "1"}, "settings": {}})
    return file


def test_cases_of_another_studys_results_are_not_replaced_where_it_defines_the_cohort_otherwise(neighbour: Path):
    call = {"studies": "prostate", "scale": "demo"}
    assert at_stake.refusal(begun("demo", "cases"), call) == "", "both studies define it alike"
    values = read_yaml(neighbour)
    values["cohorts"]["site_a"]["source"]["seed"] = 4711
    neighbour.write_text(yaml.safe_dump(values))
    said = at_stake.refusal(begun("demo", "cases"), call)
    assert said.startswith(
        "cohort site_a of study prostate differs from cohort site_a of study second in source: give one"
    )
    assert "cases of site_a that results of second came from" in said and "replace=true`" in said
    assert at_stake.refusal(begun("demo", "cases", needed=False), call) == ""
    write_json(record_path(RESULTS / "second/splits.csv"), {"inputs": {"data/cases/site_a/manifest.json": "2"}})
    assert at_stake.refusal(begun("demo", "cases"), call) == "", "they were replaced before"


def test_a_study_without_a_file_keeps_no_cases(neighbour: Path):
    neighbour.unlink()
    assert at_stake.refusal(begun("demo", "cases"), {}) == ""


def test_run_takes_scale_and_folder_of_the_last_run(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("crossover.cli.clone.workflow_folder", lambda start: start)
    called = []
    monkeypatch.setattr(live, "run", lambda command, plain: called.append(command) or 0)
    CliRunner().invoke(app, ["run", "prostate"])
    told("prostate", scale="paper", data="/srv/a")
    CliRunner().invoke(app, ["run", "prostate"])
    CliRunner().invoke(app, ["run", "prostate", "--scale", "smoke"])
    assert [parse_config(words[words.index("--config") + 1 :]) for words in called] == [
        {"scale": "demo", "studies": "prostate"},
        {"scale": "paper", "studies": "prostate", "data": "/srv/a"},
        {"scale": "smoke", "studies": "prostate", "data": "/srv/a"},
    ]
