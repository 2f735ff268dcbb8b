"""What differs, and how long it will take."""

from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from crossover.core import provenance
from crossover.core.files import write_json
from crossover.core.paths import CONFIG
from crossover.core.wording import duration
from crossover.execution import forecast
from crossover.execution.estimate import costs_of_step
from crossover.execution.forecast import (
    ABSENT,
    Planned,
    Reason,
    _Clock,
    differences,
    reasons,
    wall_seconds,
)
from crossover.execution.forecast_table import show
from crossover.execution.workflow import GraphJob
from crossover.sources.redaction import without_places
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.plan import Stage, plan

ENTRY = "workflow_scripts/gather.py"


def row(job: int, seconds: float | None, *after: int, threads: int = 1, why: Sequence[Reason] = ()) -> Planned:
    outputs = [f"results/u/figures/{job}.svg"]
    times = {"last_s": 1.0, "expected_s": seconds, "threads": threads}
    return Planned(job, "figure", "u", None, outputs, [], [], list(why), after=list(after), **times)


def test_differences_name_the_leaf_and_both_values():
    before = {"recipe": {"rate": 0.1, "steps": [1, 2]}, "old": 1, "stages": [{"name": "a", "n": 1}]}
    now = {
        "recipe": {"rate": 0.2, "steps": [1, 3]},
        "stages": [{"name": "b", "n": 1}, {"name": "a", "n": 2}],
    }
    assert set(differences(before, now)) == {
        ("recipe.rate", "0.1", "0.2"), ("recipe.steps[1]", "2", "3"), ("old", "1", ABSENT),
        ("stages.b", ABSENT, "{'n': 1}"), ("stages.a.n", "1", "2"),
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=2), children, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@given(JSON, JSON)
def test_values_differ_exactly_where_differences_are_told(one, other):
    assert bool(list(differences(one, other))) == (one != other)
    assert not list(differences(one, one))


@pytest.mark.parametrize(
    ("rows", "cores", "seconds"),
    [
        ([row(0, 3.0), row(1, 4.0)], 2, 4.0),
        ([row(0, 3.0), row(1, 4.0)], 1, 7.0),
        ([row(0, 3.0), row(1, 4.0, 0)], 2, 7.0),
        ([row(0, 3.0, threads=4), row(1, 4.0, threads=4)], 2, 7.0),
        ([row(0, None), row(1, 4.0, 0)], 2, 4.0),
        ([row(0, None)], 2, None),
        ([], 2, 0.0),
    ],
)
def test_wall_time_is_that_of_jobs_on_cores(rows, cores, seconds):
    assert wall_seconds(rows, cores) == seconds


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.integers(1, 4))
def test_wall_time_lies_between_its_bounds(times, cores):
    rows = [row(i, t, *([i - 1] if i % 3 == 2 else [])) for i, t in enumerate(times)]
    wall = wall_seconds(rows, cores)
    assert max(max(times), sum(times) / cores) - 1e-6 <= wall <= sum(times) + 1e-6


def test_a_job_differs_by_settings_code_and_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, read = Path("results/u/metrics.csv"), Path("in.csv")
    out.parent.mkdir(parents=True)
    out.write_text("1")
    read.write_text("1")
    provenance.write_records(
        [out],
        provenance.digest_files([read]),
        {"alpha": 1},
        [ENTRY],
        redact=without_places,
        seconds=2.0,
    )

    def told(settings: dict, inputs: list[Path], entries: list[str] = [ENTRY]) -> list[tuple]:  # noqa: B006
        job = GraphJob("metrics", {}, [out], inputs, settings, {"entries": entries}, 1, True, "")
        why = reasons(job, provenance.read_record(out))
        return [astuple(w) for w in why]

    assert told({"alpha": 1}, [read]) == []
    assert told({"alpha": 2}, [read]) == [("setting", "alpha", "1", "2")]
    assert ("code", "crossover/report/values.py", ABSENT, "changed") in told(
        {"alpha": 1}, [read], [ENTRY, "crossover/report/values.py"]
    )
    other = Path("other.csv")
    assert told({"alpha": 1}, [other]) == [
        ("input", "in.csv", "read", "no longer read"), ("input", "other.csv", ABSENT, "read"),
    ]  # fmt: skip
    read.write_text("2")
    assert told({"alpha": 1}, [read]) == [("input", "in.csv", "", "changed")]
    out.unlink()
    assert ("missing", str(out), "", "") in told({"alpha": 1}, [read])


def test_the_table_tells_causes_once_and_jobs_by_rule(capsys):
    rows = [row(i, 1.0, why=[Reason("setting", "alpha", "0.05", "0.01")]) for i in range(3)]
    show(rows, 2, Console(width=150))
    said = capsys.readouterr().out
    assert said.count("alpha") == 1 and "figure (3)" in said and "and 1 more file" in said
    assert "3 jobs (Snakemake counts `all` as one more), 0 trainings; about 2 s on 2 cores" in said
    show([], 2, Console())
    assert "Nothing to be done" in capsys.readouterr().out


def test_trainings_that_may_be_kept_are_counted_as_the_most_that_run(capsys):
    def shown(*why: Reason, last_s: float | None = 1.0) -> str:
        train = replace(row(0, 1.0, why=why), rule="train", stages=["source", "scratch-n7"], last_s=last_s)
        show([train], 2, Console(width=150))
        return capsys.readouterr().out

    follows = Reason("follows", "results/u/splits.csv")
    assert "at most 2 trainings" in shown(follows) and "are kept, not made again" in shown(follows)
    certain = [shown(follows, last_s=None), shown(follows, Reason("code", "crossover/training/loop.py"))]
    assert not any("at most" in said or "are kept" in said for said in certain)


def test_files_of_another_study_that_the_report_no_longer_reads_are_one_row(capsys):
    gone = [Reason("input", f"results/other/figures/{k}.svg", "read", "no longer read") for k in range(40)]
    changed = Reason("input", "results/u/metrics.csv", "", "changed")
    show([replace(row(0, 1.0, why=[*gone, changed]), rule="report")], 2, Console(width=150))
    said = capsys.readouterr().out
    assert "40 files of results/other" in said and ".svg" not in said.partition("What runs")[0]
    assert "results/u/metrics.csv" in said


def training(study, place: Path) -> tuple[GraphJob, Stage, dict]:
    """The first training job of a study, its first stage, and the record of the job at the study's settings."""
    name, batch = next(iter(plan(study).batches.items()))
    settings = parameters.train(study, batch)
    own = {"study": study.study, "batch": name}
    job = GraphJob("train", own, [place / f"{name}.json"], [], settings, {"entries": [ENTRY]})
    return job, batch.stages[0], {"settings": settings, "seconds": 20.0}


@pytest.mark.parametrize("name", ["uterus", "headneck_nnunet", "headneck_volumes"])
@pytest.mark.parametrize(
    ("before", "now", "timed"), [("smoke", "smoke", True), ("demo", "smoke", False), ("smoke", "paper", False)]
)
def test_a_training_is_timed_by_others_whose_steps_cost_as_much(tmp_path, monkeypatch, name, before, now, timed):
    """The demo's trainings were timed by the small images of the scale smoke."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forecast, "step_seconds", lambda *_: {})
    monkeypatch.setattr(forecast, "stage_steps", lambda *_: 100)
    job, stage, record = training(load_study(name, before, CONFIG), tmp_path)
    other, _, _ = training(study := load_study(name, now, CONFIG), tmp_path)
    done = {"steps": 10, "seconds": 20.0}
    write_json(tmp_path / stage.name / "record.json", done)
    workflow = SimpleNamespace(jobs=[job, other], studies={name: study}, plans={name: plan(study)})
    clock = _Clock(workflow, {0: record, 1: None}, {})
    assert clock.expected(1, other, [stage.name]) == (200.0 if timed else None)
    again = _Clock(workflow, {0: record, 1: record}, {})
    assert again.expected(1, other, [stage.name]) == (200.0 if timed else None)


def test_a_training_is_not_timed_by_those_of_another_level_or_without_a_step(tmp_path):
    study = load_study("uterus", "smoke", CONFIG)
    job, stage, record = training(study, tmp_path)
    clock = _Clock(SimpleNamespace(jobs=[job]), {0: record}, {})
    for level, steps in (("another", 10), (stage.level, 0)):
        done = {"steps": steps, "seconds": 20.0}
        clock._trained = {"uterus": [(level, costs_of_step(record["settings"]), done)]}
        assert clock._step_of_others(job, stage) == []


def test_durations_are_told_in_the_unit_that_suits():
    seconds = (0.42, 41.6, 120, 5300, 9000, 36000, 3.6e6)
    assert [*map(duration, seconds)] == ["0.4 s", "42 s", "2 min", "88 min", "2.5 h", "10 h", "1,000 h"]
