"""Trainings that fail: listed with what happened, the others go on, what reads them goes on without."""

from __future__ import annotations

import contextlib
import io
import itertools
import multiprocessing
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.cli.clone import MARKS
from crossover.core import incremental, locks
from crossover.core.files import read_json, write_json
from crossover.core.incremental import ItemsError, failed_of
from crossover.execution import progress
from crossover.execution.made import PROFILE, command, keep_call
from crossover.study.plan import Model, Stage
from crossover.training import attempts
from crossover.training.engines import out_of_memory
from crossover.training.failure import TrainingFailed
from crossover.training.job import train_stages
from crossover.training.prediction import predict_models

NAN = TrainingFailed("the loss was NaN at step 7", "a lower learning rate")


class FakeTrainer:
    """A key is the stage's name and its parent's key; stages of `breaking` raise."""

    def __init__(self, out: Path, breaking: dict[str, Exception | signal.Signals] | None = None) -> None:
        self.out, self.breaking, self.cache = out, breaking or {}, out.parent / "uterus"
        self.made: list[str] = []

    def key(self, stage: Stage, code: str, keys: dict[str, str]) -> str:
        record = self.out / str(stage.parent) / incremental.RECORD
        parent = stage.parent and (keys.get(stage.parent) or read_json(record)["key"])
        return f"{code}/{stage.name}/{parent}"

    def make(self, stage: Stage, key: str, folder: Path) -> dict:
        self.made.append(stage.name)
        (folder / "half-written").write_text("")
        if isinstance(how := self.breaking.get(stage.name), signal.Signals):
            os.kill(os.getpid(), how)
        if how:
            raise how
        return {"steps": 10, "best_validation_dsc": 0.5, "seconds": 1.0}

    def checkpoints(self, stage: str, key: str) -> list[Path]:
        return list((self.cache / stage).glob("*.safetensors"))

    def forget(self, stage: str) -> None:
        """Nothing was kept for it."""


def stage(name: str, parent: str | None = None) -> Stage:
    return Stage(name, (("uterus", None),), parent, None, ("tumour",))


def run(folder: Path, stages: list[Stage], breaking=None, name="b1", parents=(), code="1"):
    """The manifest of a job, what was tried, and what was told."""
    trainer = FakeTrainer(folder, breaking)
    told: dict[str, list] = {"done": [], "failed": [], "begun": []}
    train_stages(
        trainer, stages, folder / f"{name}.json", code, lambda what, _: told["done"].append(what),
        lambda *failed: told["failed"].append(failed), lambda n, _: told["begun"].append(n),
        [folder / f"{parent}.json" for parent in parents], {"channels": ["t2"]},
    )  # fmt: skip
    return read_json(folder / f"{name}.json"), trainer.made, told


def test_a_training_that_fails_is_listed_and_the_others_go_on(tmp_path):
    manifest, made, told = run(tmp_path, [stage("a"), stage("b"), stage("c")], {"b": NAN})
    assert made == ["a", "b", "c"]
    assert list(manifest["items"]) == ["a", "c"]
    about = {"happened": "the loss was NaN at step 7", "advice": "a lower learning rate"}
    assert manifest["failed"] == {"b": about} == failed_of([tmp_path / "b1.json"])
    assert told["failed"] == [("b", *about.values(), True)]
    assert not (tmp_path / "b" / incremental.RECORD).exists()


def test_the_record_of_a_training_tells_how_images_were_prepared(tmp_path):
    run(tmp_path, [stage("a")])
    assert read_json(tmp_path / "a" / incremental.RECORD)["prepared"] == {"channels": ["t2"]}


def test_a_manifest_without_failures_is_as_it_was(tmp_path):
    manifest, _, _ = run(tmp_path, [stage("a")])
    assert list(manifest) == ["items"]


def test_children_of_a_failed_training_are_listed_and_not_trained(tmp_path):
    stages = [stage("a"), stage("b", "a"), stage("c", "b"), stage("d")]
    manifest, made, told = run(tmp_path, stages, {"a": NAN})
    assert made == told["begun"] == ["a", "d"]
    assert list(manifest["items"]) == ["d"]
    assert manifest["failed"]["c"]["happened"] == "its parent b failed: its parent a failed: the loss was NaN at step 7"
    assert manifest["failed"]["c"]["advice"] == "a lower learning rate"
    assert [by_itself for *_, by_itself in told["failed"]] == [True, False, False]


def test_children_in_other_jobs_too_and_what_is_left_of_an_older_one_is_gone(tmp_path):
    run(tmp_path, [stage("a")])
    run(tmp_path, [stage("b", "a")], name="b2", parents=["b1"])
    assert (tmp_path / "b" / incremental.RECORD).exists()
    run(tmp_path, [stage("a")], {"a": NAN}, code="2")
    manifest, made, _ = run(tmp_path, [stage("b", "a"), stage("c", "b"), stage("d")], name="b2", parents=["b1"])
    assert made == ["d"] and set(manifest["failed"]) == {"b", "c"}
    assert not (tmp_path / "b" / incremental.RECORD).exists()


def test_what_failed_is_tried_again_when_its_job_runs_again_and_the_rest_is_kept(tmp_path):
    run(tmp_path, [stage("a"), stage("b")], {"b": NAN})
    manifest, made, told = run(tmp_path, [stage("a"), stage("b")])
    assert made == ["b"] and set(manifest["items"]) == {"a", "b"} and "failed" not in manifest
    assert told["done"][0] == "a (kept)"


def test_any_other_exception_fails_the_job_as_ever(tmp_path):
    with pytest.raises(ItemsError, match="ValueError: unreadable"):
        run(tmp_path, [stage("a"), stage("b"), stage("c")],
            {"a": NAN, "b": ValueError("unreadable")})  # fmt: skip
    assert not (tmp_path / "b1.json").exists()
    assert (tmp_path / "c" / incremental.RECORD).exists()


def ended(folder: Path, by: signal.Signals) -> int:
    """The exit status of a job of a, b and c in a process of its own, which ends while it trains b."""
    job = multiprocessing.get_context("fork").Process(
        target=run, args=[folder, [stage("a"), stage("b"), stage("c")], {"b": by}]
    )
    job.start()
    job.join()
    return job.exitcode


def test_a_training_whose_process_is_killed_twice_at_the_same_place_stops_alone(tmp_path, monkeypatch):
    """As the kernel, or Slurm, does where memory runs out."""
    monkeypatch.setattr(attempts, "CACHE", tmp_path)
    folder = tmp_path / "stages"
    assert [ended(folder, signal.SIGKILL), ended(folder, signal.SIGKILL)] == [-signal.SIGKILL] * 2
    assert attempts.killed("uterus") == ["b"]
    assert ended(folder, signal.SIGKILL) == 0 and attempts.killed("uterus") == []
    manifest = read_json(folder / "b1.json")
    assert set(manifest["items"]) == {"a", "c"}
    assert manifest["failed"]["b"]["happened"].startswith("its process was killed, perhaps because memory ran out")
    manifest, made, _ = run(folder, [stage("a"), stage("b"), stage("c")])
    assert made == ["b"] and set(manifest["items"]) == {"a", "b", "c"}, "tried again, with more memory perhaps"


def test_kills_between_which_a_training_went_on_or_was_given_more_memory_are_not_counted(tmp_path, monkeypatch):
    folder = tmp_path / "stages"
    for number in range(4):
        checkpoint = tmp_path / "uterus/b/key.safetensors"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_text("")
        os.utime(checkpoint, (number, number))
        assert ended(folder, signal.SIGKILL) == -signal.SIGKILL
    assert ended(folder, signal.SIGKILL) == -signal.SIGKILL
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "8000")
    assert ended(folder, signal.SIGKILL) == -signal.SIGKILL
    assert ended(folder, signal.SIGKILL) == 0


def test_a_job_that_is_asked_to_end_is_not_counted_as_killed(tmp_path):
    """Ctrl-C, a scheduler's limit of time and a closed terminal."""
    for by in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
        assert ended(tmp_path / "stages", by) == -by


def test_the_terminal_hears_of_a_failure_at_once_and_at_the_end(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    manifest = Path("results/uterus/stages/b1.json")
    manifest.parent.mkdir(parents=True)
    call = {"studies": "uterus", "scale": "smoke", "data": "/srv/a b", PROFILE: "profiles/slurm"}
    keep_call(["uterus"], call)
    progress.fail_one("uterus", manifest, "a", NAN.happened, NAN.advice, True)
    progress.fail_one("uterus", manifest, "b", "its parent a failed: …", NAN.advice, False)
    first, second = capsys.readouterr().out.splitlines()
    assert "stage 1 of 3" in first and "a FAILED: the loss was NaN at step 7" in first
    assert "stage 2 of 3" in second
    end = progress.failures()
    assert "uterus: a failed: the loss was NaN at step 7\n  try: a lower learning rate" in end
    again = f"{command(call)} --forcerun results/uterus/stages/b1.json"
    assert end.count("--forcerun") == 1 and f"`{again}` tries it again" in end, "b's job can't help"
    assert "uterus: b failed: its parent a failed" in end
    progress.begin("prostate", 3, 1)
    progress.forget_failures(["prostate"])
    assert progress.failures(["uterus"]) == end and progress.failures(["prostate"]) == "", "a run of others has its own"
    progress.forget_failures(["uterus"])
    assert progress.failures() == ""


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("results/uterus/stages/b1.json", "uterus"),
        ("results/report.html", "report"),
        ("data/raw/center/manifest.json", "center"),
        ("data/corrected/uterus/center/part_1.json", "uterus"),
    ],
)
def test_a_failure_belongs_to_what_only_one_run_has_at_once(output, name):
    assert progress.name_of(Path(output)) == name


class NobodyReads(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


TORN = ["0.0093.11 transfer-n5", "\0\0\0\0", "", "12"]
"""As two nodes that wrote at once, and a power cut, leave lines."""


def test_a_training_is_kept_whatever_hinders_to_tell_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    (progress.FOLDER / "uterus.done").write_text("\n".join(TORN) + "\n")
    monkeypatch.setattr(sys, "stdout", NobodyReads())
    times = itertools.count(step=20)
    watched = progress.Watched("uterus", lambda: float(next(times)))
    progress.running_folder("uterus").write_text("a file where a folder shall be")

    def make(name: str, folder: Path) -> dict:
        watched.begin(name)
        watched(name, 1, 2, 0.3, 0.6)
        progress.tell("uterus", f"{name}, 70 steps", 7.0)
        return {}

    assert "a" in incremental.refresh(tmp_path / "out", {"a": "key"}, make)


def test_the_status_passes_over_torn_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    (progress.FOLDER / "uterus.done").write_text("\n".join(["7.00 a", *TORN, "5.00 b"]))
    (status,) = progress.statuses()
    assert status.done == 2 and status.seconds_left == pytest.approx(6)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_running_training_is_told_of_every_ten_seconds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    clock = Clock()
    watched = progress.Watched("uterus", clock)
    for seconds, step in ((4, 100), (9, 200), (11, 240), (14, 300), (24, 500), (40, 700)):
        clock.now = seconds
        watched("transfer-L1-n13", step, 700, 0.3123, 0.618)
    lines = [line.split("] ")[1] for line in capsys.readouterr().out.splitlines()]
    start = "uterus: transfer-L1-n13: step"
    assert lines == [  # 20 steps a second, told in time of this process alone
        f"{start} 240 of 700, loss 0.312, validation DSC 0.62, about 23 s left of it",
        f"{start} 500 of 700, loss 0.312, validation DSC 0.62, about 10 s left of it",
        f"{start} 700 of 700, loss 0.312, validation DSC 0.62",
    ]


def test_a_job_that_an_earlier_run_left_goes_on_to_count_its_trainings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    for stage in ("a", "b"):
        progress.tell("uterus", stage, 7.0)
    progress.Watched("uterus").begin("c")
    progress.begin("uterus", 3, 1, old=["a", "c"])
    assert [r.stage for r in progress.statuses()[0].running] == ["c"]
    progress.tell("uterus", "c", 7.0)
    assert "stage 2 of 3 done" in capsys.readouterr().out.splitlines()[-1]


def test_status_knows_steps_without_a_validation_and_from_which_step_a_training_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    clock, courses = Clock(), []
    watched = progress.Watched("uterus", clock)
    watched.begin("c")
    for clock.now, *told in ((0, 0, 700, None, None), (9, 90, 700, None, None), (11, 110, 700, None, None)):
        watched("c", *told)
        courses.append(progress.statuses()[0].running[0].course)
    assert courses == [f"step {step} of 700, not validated yet" for step in (0, 0, 110)]
    progress.Watched("uterus", clock)("c", 60, 700, None, 0.5)
    assert progress.statuses()[0].running[0].course == "step 60 of 700, validation DSC 0.50"
    assert capsys.readouterr().out == ""


def test_what_is_in_the_making_is_told_by_the_locks_that_are_held(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = ["data/cases/cervix/manifest.json", "data/slices/uterus/cervix/manifest.json", "results/uterus/x.csv"]
    with contextlib.ExitStack() as stack:
        for path in ("results/uterus", *made, "results/uterus/stages/b1.json"):
            stack.enter_context(locks.held(path))
        assert locks.holder("results/uterus").startswith(f"process {os.getpid()}, since 2")
        assert [str(path) for path, by in progress.in_the_making()] == made, "of trainings their steps are told"
    locks.lock_path(made[-1]).write_text("{}")  # of a job that was killed
    assert locks.holder("results/uterus") == "" and progress.in_the_making() == []


def test_trainings_that_an_earlier_run_made_are_done_from_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 5, 2, ["scratch-n2", "scratch-n8"])
    (status,) = progress.statuses()
    assert (status.done, status.stages, status.seconds_left) == (2, 5, None)


def test_no_time_is_told_before_this_run_trained_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 5, 2, ["a"])
    progress.tell("uterus", "b (kept)", 0)
    progress.tell("uterus", "c, 70 steps", 40.0)
    first, second = (line.partition(": ")[2] for line in capsys.readouterr().out.splitlines())
    assert first == "stage 2 of 5 done: b (kept)"
    assert second == "stage 3 of 5 done, about 40 s of training left: c, 70 steps"


def test_the_status_of_one_study_is_told_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in MARKS:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for study in ("uterus", "prostate"):
        progress.begin(study, 5, 2)
    told = [CliRunner().invoke(app, ["status", *words]).output for words in ([], ["uterus"], ["cervix"])]
    assert "uterus: 0 of 5" in told[0] and "prostate: 0 of 5" in told[0]
    assert "uterus: 0 of 5" in told[1] and "prostate" not in told[1]
    assert told[2] == "no run of cervix was begun in this folder\n"


def test_another_attempt_is_told_and_its_time_left_follows_from_its_own_pace(tmp_path, monkeypatch, capsys):
    """The steps began anew without a word, and three minutes were said to be left of one."""
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    clock = Clock()
    watched = progress.Watched("uterus", clock)
    for step in (0, 100, 200, 0, 100):
        clock.now += 20
        watched("c", step, 200, 0.3 if step else None, 0.5 if step else None)
    lines = [line.partition("uterus: ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines[2].startswith("c is trained again with another seed, since the training collapsed")
    assert lines[3].endswith("about 20 s left of it") and lines[3].startswith("c: step 100 of 200") and len(lines) == 4


def test_the_status_of_a_run_tells_what_is_done_what_runs_and_what_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 5, 2)
    progress.tell("uterus", "a, 70 steps, validation DSC 0.60", 40.0)
    progress.tell("uterus", "b (kept)", 0)
    progress.tell("uterus", "e FAILED: no memory left:\nof 2 GB", 0)
    clock = Clock()
    watched = progress.Watched("uterus", clock)
    watched.begin("c")
    assert [(r.stage, r.step, r.dsc) for r in progress.statuses()[0].running] == [("c", 0, None)]
    for stage in ("a", "c"):
        clock.now += 20
        watched(stage, 10, 70, 0.3, 0.61)
    progress.fail("uterus", "d failed")
    (own,) = progress.statuses()
    assert (own.study, own.done, own.stages, own.seconds_left) == ("uterus", 3, 5, 40.0)
    (running,) = own.running
    assert (running.stage, running.step, running.steps, running.dsc) == ("c", 10, 70, 0.61)
    assert running.seconds_ago < 60
    assert progress.failures() == "d failed\n"
    assert not running.ended
    progress.begin("uterus", 5, 2)
    (own,) = progress.statuses()
    assert (own.done, own.running, own.seconds_left) == (0, [], None)


def test_a_training_whose_process_or_job_has_ended_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 5, 2)
    context = multiprocessing.get_context("fork")
    for stage, job in (("killed", ""), ("lost", "7"), ("queued", "8"), ("elsewhere", "")):
        if stage == "elsewhere":
            monkeypatch.setattr(socket, "gethostname", lambda: "node2")
        monkeypatch.setenv("SLURM_JOB_ID", job)
        child = context.Process(target=progress.Watched("uterus").begin, args=[stage])
        child.start()
        child.join()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    (own,) = progress.statuses({"8"})
    assert {each.stage: each.ended for each in own.running} == {
        "elsewhere": False, "killed": True, "lost": True, "queued": False,
    }  # fmt: skip
    (own,) = progress.statuses(None)  # no Slurm answers: only what ran on this machine is known
    assert [each.stage for each in own.running if not each.ended] == ["elsewhere"]
    monkeypatch.setattr(socket, "gethostname", lambda: "login")
    (own,) = progress.statuses({"8"}, of_all_users=False)
    assert [each.stage for each in own.running if each.ended] == ["lost"]
    monkeypatch.setattr(os, "getuid", lambda: -1)  # another user, whom Slurm tells of no jobs of this one
    (own,) = progress.statuses(set(), of_all_users=False)
    assert not any(each.ended for each in own.running)


def test_a_process_that_has_the_number_of_an_ended_one_does_not_train(tmp_path, monkeypatch):
    """As after a reboot: this process was started later than the report."""
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 5, 2)
    progress.Watched("uterus").begin("c")
    (path,) = progress.running_folder("uterus").iterdir()
    write_json(path, read_json(path) | {"time": time.time() - 30 * 86400})
    (running,) = progress.statuses()[0].running
    assert running.ended


def test_the_status_passes_over_what_a_power_cut_left_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for study in ("uterus", "prostate"):
        progress.begin(study, 5, 2)
        progress.Watched(study).begin("c")
    (progress.FOLDER / "prostate.json").write_text("")
    (progress.running_folder("uterus") / "c.json").write_text("")
    assert [(s.study, s.running) for s in progress.statuses()] == [("uterus", [])]


def test_nothing_is_told_where_no_run_was_begun(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    watched = progress.Watched("uterus", clock)
    clock.now = 60.0
    watched("a", 1, 2, 0.3, 0.6)
    assert capsys.readouterr().out == ""


def test_predict_lists_models_without_a_stage_and_removes_their_older_masks(tmp_path):
    stages, out = tmp_path / "stages/b1.json", tmp_path / "predictions/group.json"
    write_json(stages, {"items": {}, "failed": {"a": {"happened": "NaN", "advice": "less"}}})
    old = out.parent / "model-a/uterus_1_tumour.nii.gz"
    old.parent.mkdir(parents=True)
    old.write_text("")
    models = [SimpleNamespace(name="model-a", stage="a")]
    predict_models(None, models, pd.DataFrame(), [stages], out, "")
    assert read_json(out) == {
        "items": {}, "failed": {"model-a": {"happened": "NaN", "advice": "less", "stage": "a"}}
    }  # fmt: skip
    assert not old.exists()


def test_predict_records_slices_and_seconds(tmp_path):
    """Masks of 4 and 3 slices, by a backend that reads nothing."""
    stages, out = tmp_path / "stages/b1.json", tmp_path / "predictions/group.json"
    write_json(stages, {"items": {}})
    write_json(
        tmp_path / "stages/a/record.json", {"files": {"weights.safetensors": {"sha256": ""}}, "standardised": None}
    )
    masks = [[sitk.Image(2, 2, depth, sitk.sitkUInt8)] for depth in (4, 3)]
    splits = pd.DataFrame({"cohort": "c", "case": ["1", "2"], "part": "test", "replicate": 0, "fold": None})
    predictor = SimpleNamespace(
        settings=SimpleNamespace(model_dump=lambda mode: {}),
        begins=lambda record: record["files"],
        digests=lambda cases: {},
        masks=lambda *_: iter(masks),
    )
    models = [Model("m", "m", "m", None, 0, 0, None, None, "a", ("tumour",))]
    predict_models(predictor, models, splits, [stages], out, "")
    record = read_json(out)["items"]["m"]
    assert (record["model"], record["slices"]) == ("m", 7) and record["seconds"] >= 0


# ---- TensorBoard


def read_back(folder: Path) -> dict[str, list[tuple[int, float]]]:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(e.step, round(e.value, 6)) for e in events.Scalars(tag)] for tag in tags}


def told(folder: Path, key: str, steps: list[int], shift: float = 0.0):
    from crossover.training.tensorboard import Curves

    curves = Curves(folder)
    curves.begin("a", key)
    for step in steps:
        curves.add("a", step, 100, np.float32(1 / step + shift), step / 100)


@pytest.mark.slow
def test_tensorboard_reads_what_was_written(tmp_path):
    told(tmp_path, "key", [10, 20, 50])
    assert read_back(tmp_path / "a") == {
        "loss": [(10, 0.1), (20, 0.05), (50, 0.02)],
        "validation_dsc": [(10, 0.1), (20, 0.2), (50, 0.5)],
    }


@pytest.mark.slow
def test_a_resumed_training_goes_on_in_the_same_curve(tmp_path):
    told(tmp_path, "key", [10, 20, 30])
    told(tmp_path, "key", [20, 30, 40], shift=1.0)  # from a checkpoint after step 10
    losses = [(10, 0.1), (20, 1.05), (30, 1.033333), (40, 1.025)]
    assert read_back(tmp_path / "a")["loss"] == losses
    assert len(list((tmp_path / "a").iterdir())) == 1


@pytest.mark.slow
def test_a_training_made_from_something_else_begins_a_new_curve(tmp_path):
    told(tmp_path, "key", [10, 20, 30])
    told(tmp_path, "other", [50])
    assert read_back(tmp_path / "a")["loss"] == [(50, 0.02)]


def test_writing_curves_imports_no_framework():
    import subprocess
    import sys

    code = (
        "import sys, tempfile, pathlib; from crossover.training.tensorboard import Curves\n"
        "c = Curves(pathlib.Path(tempfile.mkdtemp())); c.begin('a', 'k'); c.add('a', 1, 2, .5, .5)\n"
        "assert 'tensorboard' in sys.modules; print({'tensorflow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_lack_of_memory_is_recognised_by_what_followed_from_it():
    """A recording on a GPU that lacks memory ends with an error of its own, whose context tells why."""

    class Recording:
        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            raise RuntimeError("operation failed due to a previous error during capture")

    def recorded(error: Exception) -> Exception:
        try:
            with Recording():
                raise error
        except RuntimeError as ended:
            return ended
        raise AssertionError

    assert out_of_memory(recorded(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")))
    assert not out_of_memory(recorded(RuntimeError("no deterministic implementation")))


def test_a_training_that_is_told_twice_is_done_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A job that ran out of time after its trainings were done is submitted again, and tells them again."""
    monkeypatch.chdir(tmp_path)
    progress.begin("uterus", 3, 1)
    for seconds in (7.0, 0.0):
        for stage in ("a", "b"):
            progress.tell("uterus", stage, seconds)
    (status,) = progress.statuses()
    assert (status.done, status.stages) == (2, 3) and status.seconds_left == pytest.approx(7)
