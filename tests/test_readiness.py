"""What `crossover check` tells of a study before anything runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.execution.estimate import Cut
from crossover.execution.readiness import (
    _beside,
    _clock,
    _lines,
    _statistics,
    _step_seconds,
    _threads,
    measure,
    readiness,
)
from crossover.study.config import load_study, place_of
from crossover.study.plan import plan
from crossover.study.splits import divided
from crossover.study.suggested import more_sizes
from crossover.training import step_time
from crossover.training.step_time import Measured
from tests.dry_runs import ROOT, WORKFLOW
from tests.two_sites import write_two_sites

TAKEN = "would be taken, if their masks can be used (this reads none of them)"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the workflow, and eight patients of two sites in folders with a table."""
    folder, data = tmp_path / "clone", tmp_path / "data"
    folder.mkdir()
    for name in WORKFLOW:  # a study is added to the configuration only
        (folder / name).symlink_to(ROOT / name)
    (folder / "config").unlink()
    shutil.copytree(ROOT / "config", folder / "config")
    write_two_sites(data)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    call = ["new", "mine", "--source", f"{data}:site=A", "--target", f"{data}:site=B", "--workers", "1"]
    made = CliRunner().invoke(app, call)
    assert made.exit_code == 0, made.output
    return folder


def edited(clone: Path, **changes) -> None:
    path = clone / "config/studies/mine.yaml"
    values = yaml.safe_load(path.read_text())
    for place, value in changes.items():
        node = values
        *parts, last = place.split("__")
        for part in parts:
            node = node[part]
        node[last] = value
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def test_it_counts_who_would_be_taken_and_says_what_the_design_settles(clone: Path):
    found = readiness("mine", {}, 1)
    assert found.wrong == []
    assert f"cohort mine_target: 8 of 8 patients {TAKEN}" in found.notes
    settles, sizes, labels = found.settles
    assert "Fewer than three sizes" in sizes and "Fewer than four sizes" in labels
    assert (
        "With 3 test patients and 3 trainings of each model" in settles
        and "an SD of 0.1 between patients and of 0.02 between trainings" in settles
    )


def test_what_the_patients_cannot_give_is_told_at_once_with_what_would_do(clone: Path):
    edited(clone, cohorts__mine_source__test=8, cohorts__mine_target__test=5)
    source, target = readiness("mine", {}, 1).wrong
    assert "mine_source: 8 patients leave 0 for training" in source
    assert "mine_target: 8 patients leave 3 for training after the test set of 5; 5 are needed" in target
    assert target.endswith("these values would work: test: 3, or test: 3 with sizes: [2, 5]")


def test_larger_sizes_are_told_where_patients_were_added(clone: Path):
    assert not [note for note in readiness("mine", {}, 1).notes if "largest size" in note]
    edited(clone, cohorts__mine_target__test=2)
    (note,) = [note for note in readiness("mine", {}, 1).notes if "largest size" in note]
    assert note.startswith("B has 6 patients to train on, and the largest size is 5: ")
    assert note.endswith("`sizes: [2, 3, 4, 6]` into config/studies/mine.yaml")


def test_a_missing_file_and_a_missing_folder_are_told(clone: Path):
    (clone.parent / "data/p1/gland.nii.gz").unlink()
    note = f"cohort mine_target: 7 of 8 patients {TAKEN}; left out: p1 (no structure gland)"
    for allow in ("structure-missing", "of-one-case"):
        edited(clone, cohorts__mine_target__source__allow=[allow])
        assert note in readiness("mine", {}, 1).notes
    edited(clone, cohorts__mine_target__source__allow=[])
    (wrong,) = [line for line in readiness("mine", {}, 1).wrong if "the file does not exist" in line]
    assert "cohort mine_target" in wrong and "structure gland" in wrong
    (clone / "config/folders.yaml").unlink()
    assert all("comes from a folder: give it with --data" in line for line in readiness("mine", {}, 1).wrong)


def test_one_training_and_two_sizes_settle_less(clone: Path):
    edited(clone, splits={"replicates": {"draws": 1}})
    first, sizes, _, draws = readiness("mine", {}, 1).settles
    assert "two trained models (one training says nothing about the strategy)" in first
    assert "if there is an SD of 0.1 between patients;" in first, "no SD between trainings is assumed of one training"
    assert "Fewer than three sizes" in sizes and "One draw of" in draws


@pytest.mark.slow
def test_the_command_tells_hours_disk_and_memory_and_makes_nothing(clone: Path):
    before = sorted(clone.rglob("*.yaml"))
    said = CliRunner().invoke(app, ["check", "mine", "--scale", "smoke", "--cores", "1"])
    assert said.exit_code == 0, said.output
    assert (
        "mine at scale smoke" in said.output
        and "of wall-clock time on this machine" in said.output
        and "Disk: the run will write about" in said.output
    )
    assert sorted(clone.rglob("*.yaml")) == before and not (clone / "results").exists()
    call = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--config", "studies=mine", "scale=smoke"]
    run = subprocess.run(call, capture_output=True, text=True, check=True)
    [jobs] = {re.search(r"^total +(\d+)", text, re.M)[1] for text in [run.stdout + run.stderr]}
    assert f"The study has {jobs} jobs with" in said.output


def test_a_study_of_own_patients_that_names_a_paper_is_told_what_to_remove(clone: Path):
    assert not any("paper" in note for note in readiness("mine", {}, 1).notes)
    paper = yaml.safe_load((ROOT / "config/studies/uterus.yaml").read_text())["paper"]
    edited(clone, paper=paper, published="uterus")
    (note,) = [note for note in readiness("mine", {}, 1).notes if "paper" in note]
    assert "Lin YC" in note and "remove `paper` and `published` and rewrite title, question, data" in note
    assert not any("paper" in note for note in readiness("uterus", {"scale": "smoke"}, 1).notes)


def test_a_patient_who_lacks_a_file_is_named_with_what_is_lacking(clone: Path):
    for name in ("source", "target"):
        own = f"cohorts__mine_{name}__source"
        edited(clone, **{f"{own}__table": None, f"{own}__where": {}})
    data = clone.parent / "data"
    (data / "p1/gland.nii.gz").unlink()
    said = [note for note in readiness("mine", {}, 1).notes if "left out" in note]
    assert said and all(f"15 of 16 patients {TAKEN}; left out: p1 (no structure gland)" in line for line in said)


def test_patients_of_one_name_in_two_cohorts_are_told_before_a_run_stops_at_them(clone: Path):
    assert not [line for line in readiness("mine", {}, 1).wrong if "in both cohorts" in line]
    edited(clone, cohorts__mine_source__source__where={})
    (wrong,) = [line for line in readiness("mine", {}, 1).wrong if "in both cohorts" in line]
    assert wrong.startswith("cohorts mine_source, mine_target: 8 names occur in both cohorts (p")
    assert "write `prefix: b-` below `source:` of one of these cohorts" in wrong
    edited(clone, cohorts__mine_target__source__prefix="b-")
    assert not [line for line in readiness("mine", {}, 1).wrong if "in both cohorts" in line]


@pytest.mark.slow
@pytest.mark.parametrize("encoder, kept, left", [("resnet18", 0.9, None), ("efficientnet-b0", 0.99, "74%")])
def test_running_statistics_that_cannot_follow_within_the_steps_are_told(clone: Path, encoder, kept, left):
    """0.99 ** 30 is 74%, and 0.9 ** 30 is 4%."""
    edited(clone, network={"settings": {"encoder": encoder}}, recipe={"steps": [30, 30]})
    study = load_study("mine", "paper")
    found = _step_seconds(study, plan(study), times=1)
    assert found.kept.tolist() == pytest.approx([kept] * len(found), abs=1e-3)
    told = _statistics(study, plan(study), found)
    assert len(told) == (left is not None)
    assert all(
        f"unet {encoder}: after the 30 steps of the shortest training, {left} of the initial values" in line
        for line in told
    )


def test_a_setting_is_advised_only_where_the_network_has_it():
    for architecture, advice in (("unet", "encoder"), ("deeplabv3plus_xception", "batchnorm_momentum")):
        study = load_study("uterus", "smoke")
        found = pd.DataFrame({"architecture": [architecture], "encoder": [None], "level": [""], "kept": [0.99]})
        (told,) = _statistics(study, plan(study), found)
        assert told.endswith(f"network.settings.{advice}.") and told.count("network.settings.") == 1


@pytest.mark.parametrize("device, told", [("CPU", "this machine without a GPU, 4"), ("A100", "this machine's A100, 2")])
def test_hours_are_those_of_the_device_on_which_steps_were_measured(device: str, told: str, monkeypatch):
    """Trainings that share a GPU take turns: cores make none of them faster."""
    monkeypatch.setattr("crossover.execution.readiness.measured", lambda *given: Measured(1.0, 0.9, device))
    monkeypatch.setattr("crossover.execution.readiness.gpus", lambda: ("0", "1"))
    study = load_study("uterus", "smoke")
    found = _step_seconds(study, plan(study))
    assert set(found["device"]) == {"CPU"}, "they are of this machine, whatever it has: `estimate` is to take them"
    beside = _beside(found, study, cores=4 * study.execution.threads)
    assert _clock(found, beside) == f"of wall-clock time on {told} side by side"


@pytest.mark.parametrize("seconds, told", [({1: 2.0, 2: 1.0, 4: 3.0}, "0.50"), ({1: 1.1, 2: 1.0, 4: 1.0}, None)])
def test_another_number_of_threads_is_told_where_it_is_faster(seconds: dict, told: str | None, monkeypatch):
    tried = []

    def measure(*given) -> float:
        tried.append(given[-2:])
        return seconds[given[-2]]

    monkeypatch.setattr("crossover.execution.readiness.measured_side_by_side", measure)
    study = load_study("uterus", "smoke")
    said: list[str] = []
    lines = _threads(study, plan(study), pd.DataFrame({"on": ["CPU"]}), 4, said.append)
    assert "with 1, 2, 4 threads" in said[0]
    assert tried == [(1, 4), (2, 2), (4, 1)]
    better = f"take {told} of this time with execution: {{threads: 2}}, 2 at once instead of 4"
    (line,) = lines
    assert (better if told else "No other number of threads is clearly faster than the study's") in line
    assert not _threads(study, plan(study), pd.DataFrame({"on": ["A100"]}), 4, said.append), "steps take turns on a GPU"


@pytest.mark.parametrize("option, tried", [([], True), (["--no-measure"], False)])
def test_what_is_known_is_told_before_networks_are_tried_and_measured(clone: Path, option, tried, monkeypatch):
    def refuse(*given) -> Measured:
        raise ConfigError("this network fails")

    monkeypatch.setattr("crossover.execution.readiness.costs", lambda study, values, cores, tell: tell("12 jobs"))
    monkeypatch.setattr("crossover.execution.readiness.measured", refuse)
    monkeypatch.setattr("crossover.execution.slurm_site.answers", lambda: True)
    said = CliRunner().invoke(app, ["check", "mine", "--scale", "smoke", "--cores", "1", *option])
    known, _, after = said.output.partition("Trying the networks, and measuring some steps of")
    assert "No errors were found in the study's file, patients or plan." in known and "12 jobs" in known
    assert "not of the nodes to which Slurm submits" in known
    assert ("this network fails" in after, said.exit_code) == (tried, 2 if tried else 0)


def test_other_numbers_of_threads_are_tried_only_where_trainings_are_long(monkeypatch):
    monkeypatch.setattr("crossover.execution.readiness.gpus", lambda: ())
    study = load_study("uterus", "smoke")
    for seconds, long in ((0.001, False), (100.0, True)):
        monkeypatch.setattr("crossover.execution.readiness.measured", lambda *given: Measured(seconds, 0.0))  # noqa: B023
        monkeypatch.setattr("crossover.execution.readiness.measured_side_by_side", lambda *given: 1.0)
        monkeypatch.setattr("crossover.execution.readiness._at_paper_scale", lambda *given: [])
        said: list[str] = []
        measure(study, {}, 2, said.append)
        assert any(line.endswith(f"trained: {seconds:.2g} s a step") for line in said)
        assert any("with 1, 2 threads" in line for line in said) == long


def test_a_busy_machine_and_what_would_shorten_hours_are_told(clone: Path, monkeypatch):
    """Nine trainings for each of three draws, of 1,200 steps, two at once: 4.5 hours at a second a step."""
    monkeypatch.setattr("crossover.execution.readiness.gpus", lambda: ())
    monkeypatch.setattr("crossover.execution.readiness._at_paper_scale", lambda *given: [])
    monkeypatch.setattr("crossover.execution.readiness._threads", lambda *given: [])
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    study = load_study("mine", "demo")
    for seconds, load in ((0.001, 1.5), (1.0, 7.9)):
        monkeypatch.setattr("crossover.execution.readiness.measured", lambda *given: Measured(seconds, 0.0))  # noqa: B023
        said: list[str] = []
        measure(study, {}, 2, said.append, load)
        told = " ".join(said)
        assert ("its load average was 7.9 on 2 cores before this command measured anything" in told) == (load > 2)
        assert ("To shorten the training" in told) == (seconds == 1.0)
    assert "`scales.demo.splits.replicates.draws: 2` saves 1.5 h" in told
    assert "; removing aggregated from strategies and figures.order saves 60 min" in told
    assert "`scales.demo.recipe.steps: [600, 600]` saves 2.2 h; " in told
    assert "sizes: " not in told, "fewer than three sizes tell no crossover"
    at = said.index(next(line for line in said if line.startswith("For about 50 min of training, write into")))
    assert "below `scales:` and `demo:`" in said[at]
    assert said[at + 1 : at + 5] == [
        "    splits: {replicates: {draws: 2}}",
        "    recipe: {steps: [600, 600]}",
        "  and remove aggregated from strategies and figures.order",
        "  and remove transfer from strategies and figures.order and figures.overlays.strategies",
    ]


def test_the_lines_of_a_shorter_demo_keep_what_the_file_says_beside_them_at_its_scale(clone: Path):
    """In place of `recipe: {batch: 4}` of the scale, `recipe: {steps: [600, 600]}` was told to be written."""
    recipe = load_study("mine", "demo").recipe.model_copy(update={"steps": (600, 600)})
    cuts = [
        Cut("splits.replicates.draws", "2"),
        Cut("recipe.steps", "[600, 600]", recipe=recipe),
        Cut("aggregated", ""),
    ]
    there = {
        "recipe": {"batch": 4, "steps": [9, 9]},
        "sizes": [3, 6],
        "splits": {"seed": 5, "replicates": {"folds": 3}},
    }
    assert _lines(cuts, there) == [
        "splits: {seed: 5, replicates: {folds: 3, draws: 2}}",
        "recipe: {batch: 4, steps: [600, 600]}",
    ]
    assert _lines([Cut("sizes", "[3, 8]")], there) == ["sizes: [3, 8]"]


def test_larger_sizes_are_to_be_written_where_they_count(clone: Path):
    file = clone / "config/studies/mine.yaml"
    assert place_of("sizes", "mine", "demo") == "sizes"
    values = yaml.safe_load(file.read_text())
    values.setdefault("scales", {})["demo"] = {"sizes": values["sizes"]}
    file.write_text(yaml.safe_dump(values))
    found = {scale: place_of("sizes", "mine", scale) for scale in ("demo", "paper")}
    assert found == {"demo": "scales.demo.sizes", "paper": "sizes"}
    assert "`scales.demo.sizes: [" in more_sizes("mine", [3, 4], 9, "ours", "scales.demo.sizes")[0]


def test_it_is_told_that_added_patients_change_who_is_tested(clone: Path, monkeypatch):
    """Twelve patients were added, and both test patients were trained on without a word."""
    study = load_study("mine", "demo")
    target = study.cohorts[study.target]
    there = {f"p{i}" for i in range(30)}
    tested, others = divided(there, target.test, study.splits.seed, study.target)
    before = {*others[:7], *tested[:1]}
    earlier, trained = divided(before, target.test, study.splits.seed, study.target)
    rows = [(study.target, p, "test") for p in earlier] + [(study.target, p, "train") for p in trained]
    Path("results/mine").mkdir(parents=True)
    pd.DataFrame(rows, columns=["cohort", "patient", "part"]).to_csv("results/mine/splits.csv", index=False)
    moved = len({*earlier} - {*tested})
    assert moved == len(earlier) - 1 > 0
    for scale, patients, told in (("smoke", there, False), ("demo", there, True), ("demo", before, False)):
        Path("results/mine/params.json").write_text(f'{{"scale": "{scale}"}}')
        monkeypatch.setattr("crossover.execution.readiness._patients", lambda study, cohort, *_: patients)  # noqa: B023
        notes = [note for note in readiness("mine", {"scale": "demo"}, 1).notes if "since the last run" in note]
        assert bool(notes) == told
        assert not told or f"of its {len(earlier)} test patients, {moved} would be trained on instead" in notes[0]


@pytest.mark.parametrize("slowed, load, told", [(9.6, 7.9, True), (1.2, 7.9, False), (9.6, 1.0, False)])
def test_by_how_much_a_busy_machine_slows_steps_is_told(
    clone: Path, monkeypatch, slowed: float, load: float, told: bool
):
    """Times were up to ten times too long, and only called too long."""
    monkeypatch.setattr("crossover.execution.readiness.gpus", lambda: ())
    monkeypatch.setattr("crossover.execution.readiness._at_paper_scale", lambda *given: [])
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    found = Measured(0.001, 0.0, slowed=slowed)
    monkeypatch.setattr("crossover.execution.readiness.measured", lambda *given: found)
    said: list[str] = []
    measure(load_study("mine", "demo"), {}, 2, said.append, load)
    assert any(line.endswith("the times here may be 9.6 times too long.") for line in said) == told


@pytest.mark.thorough
def test_scales_with_other_numbers_of_threads_are_measured_one_after_the_other():
    """As the uterus study's are; TensorFlow refuses another number in the process that it has begun to work in."""
    command = [sys.executable, "-m", "crossover", "check", "uterus", "--scale", "smoke", "--cores", "1"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr[-2000:]
    assert "At the paper scale there are 61 trainings" in said.stdout


@pytest.mark.slow
def test_trainings_at_the_same_time_are_processes():
    study = load_study("prostate", "smoke")
    seconds = step_time.measured_side_by_side(study, study.network.cell("unet", "mobilenet_v2"), None, 1, 1, 2)
    assert 0 < seconds < 60


@pytest.mark.parametrize("device, batches", [("CPU", [2] * 4), ("A100", [16] * 7)])
def test_on_a_gpu_a_whole_batch_is_measured_once_its_kernels_are_chosen(device: str, batches: list[int], monkeypatch):
    seen: list[int] = []
    engine = SimpleNamespace(device=device, start=lambda *given: None)
    monkeypatch.setattr(step_time.engines, "create", lambda *given: engine)
    monkeypatch.setattr(step_time.engines, "whole_step", lambda engine, images, masks, rate: seen.append(len(images)))
    monkeypatch.setattr(step_time, "check_output", lambda *given: None)
    monkeypatch.setattr(step_time, "_kept", lambda *given: 0.9)
    study = load_study("prostate", "paper")
    assert study.recipe.batch == 16
    assert step_time.measured(study, study.network.cell("unet", "resnet18"), None, 1, 1).device == device
    assert seen == batches


def test_a_patient_of_both_cohorts_under_two_spellings_is_told(clone: Path):
    table = pd.read_csv(clone.parent / "data/patients.csv", dtype=str)
    table["person"] = table["id"].replace({"p2": "P 03"})
    table.to_csv(clone.parent / "data/patients.csv", index=False)
    edited(clone, cohorts__mine_target__source__patient="person", cohorts__mine_source__source__patient="person")
    (wrong,) = readiness("mine", {}, 1).wrong
    assert wrong.startswith("cohorts mine_source, mine_target: the identifiers of 1 patient differ only in case")
