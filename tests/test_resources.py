"""What a scheduler is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossover.core.provenance import record_path
from crossover.execution.resources import SPARE, request
from crossover.study.config import load_study
from crossover.study.plan import plan
from tests.dry_runs import ROOT

OUTPUT = Path("results/uterus/stages/scratch.b1.json")


@pytest.fixture(scope="module")
def study():
    return load_study("uterus", "paper", ROOT / "config")


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asked(study, rule="train", threads=1, attempt=1, **wildcards):
    return request(rule, wildcards, OUTPUT, study, plan(study), threads, attempt)


def test_a_training_is_given_its_measured_memory_and_its_steps_times_their_seconds(study):
    batches = plan(study).batches
    longest = next(b for b in batches if b.startswith("aggregated"))
    own = asked(study, batch=longest)
    assert own.mem_mb == round(SPARE * 4170)
    shorter = asked(study, batch=next(b for b in batches if b.startswith("transfer-L3")))
    assert own.runtime > shorter.runtime > 10


def test_each_further_attempt_has_twice_as_much_memory_and_time(study):
    batch = next(iter(plan(study).batches))
    first, third = (asked(study, attempt=n, batch=batch) for n in (1, 3))
    assert (third.mem_mb, third.runtime) == (pytest.approx(4 * first.mem_mb, abs=2), 4 * first.runtime)
    assert third.disk_mb == first.disk_mb


def test_an_earlier_run_of_the_job_tells_what_it_used(study):
    path = record_path(OUTPUT)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"peak_bytes": 2e9, "seconds": 600}))
    own = asked(study, batch=next(iter(plan(study).batches)))
    assert (own.mem_mb, own.runtime) == (3000, 30)


def test_an_earlier_run_at_another_scale_tells_nothing(study):
    batch = next(iter(plan(study).batches))
    new = asked(study, batch=batch)
    path = record_path(OUTPUT)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"peak_bytes": 2e6, "seconds": 6}))
    Path("results/uterus/params.json").write_text('{"scale": "smoke"}')
    assert asked(study, batch=batch) == new


def test_image_rules_are_given_memory_for_each_process_and_less_time_for_several(study):
    one, eight = (asked(study, "cases", threads=n, cohort="uterus") for n in (1, 8))
    assert eight.mem_mb == pytest.approx(8 * one.mem_mb, abs=8)
    assert eight.runtime < one.runtime


def test_a_job_of_all_studies_is_given_what_tables_need(study):
    own = request("report", {}, Path("results/report.html"), None, None, 1, 1)
    assert own.mem_mb == 3000 and own.runtime == 70


def test_a_job_with_a_gpu_is_given_the_time_of_one_where_it_was_measured(study):
    for rule, batch in (("train", "batch"), ("predict", "group")):
        name = next(iter(plan(study).batches if rule == "train" else plan(study).groups))
        cpu, gpu = (
            request(rule, {batch: name}, OUTPUT, study, plan(study), 1, 1, gpu).runtime for gpu in (False, True)
        )
        assert 10 < gpu < cpu / 5


def test_scores_of_masks_are_given_time_by_their_voxels(study):
    group = next(iter(plan(study).groups))
    evaluation, radiomics = (asked(study, rule, group=group).runtime for rule in ("evaluate", "radiomics"))
    assert 10 < evaluation < radiomics < 1440
    assert asked(study, "radiomics_manual").runtime < radiomics
