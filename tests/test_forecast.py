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
from crossover.study.config import load_study
from crossover.study.plan import plan

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


def test_a_training_that_never_ran_is_timed_by_others_of_its_network_and_level(tmp_path):
    study = load_study("uterus", "smoke", CONFIG)
    stage = next(iter(plan(study).stages.values()))
    network = study.network.model_dump(mode="json")
    for name, level, steps in (("a", stage.level, 10), ("b", "another", 10), ("c", stage.level, 0)):
        done = {"stage": {"level": level}, "network": network, "steps": steps, "seconds": 20.0}
        write_json(tmp_path / name / "record.json", done)
    clock = _Clock(SimpleNamespace(jobs=[]), {}, {})
    assert clock._step_of_others(study, stage, tmp_path) == [2.0]


def test_durations_are_told_in_the_unit_that_suits():
    seconds = (0.42, 41.6, 120, 5300, 9000, 36000, 3.6e6)
    assert [*map(duration, seconds)] == ["0.4 s", "42 s", "2 min", "88 min", "2.5 h", "10 h", "1,000 h"]
