"""What a scheduler is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from crossover.core.configuration import canonical
from crossover.core.files import write_json
from crossover.core.provenance import record_path
from crossover.execution import resources
from crossover.execution.estimate import stage_steps
from crossover.execution.resources import SPARE, request
from crossover.sources.settings import VolumesSource
from crossover.study import parameters
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


def asked(study, rule="train", threads=1, lacked=None, **wildcards):
    return request(rule, wildcards, OUTPUT, study, plan(study), threads, lacked or {})


def test_a_training_is_given_its_measured_memory_and_its_steps_times_their_seconds(study):
    batches = plan(study).batches
    longest = next(b for b in batches if b.startswith("aggregated"))
    own = asked(study, batch=longest)
    assert own.mem_mb == round(SPARE * 4170)
    shorter = asked(study, batch=next(b for b in batches if b.startswith("transfer-L3")))
    assert own.runtime > shorter.runtime > 10


def test_a_further_attempt_has_twice_as_much_of_what_the_one_before_lacked(study):
    batch = next(iter(plan(study).batches))
    first, longer, larger = (asked(study, lacked=own, batch=batch) for own in ({}, {"runtime": 2}, {"mem_mb": 1}))
    assert longer == first._replace(runtime=4 * first.runtime)
    assert larger == first._replace(mem_mb=pytest.approx(2 * first.mem_mb, abs=2))


def test_a_training_that_was_never_measured_asks_for_its_few_steps_and_not_for_the_whole_node():
    """A smoke study of one's own asked for 15 GB and a day."""
    for scale, most in (("smoke", 120), ("paper", 1440)):
        own = load_study("uterus_public", scale, ROOT / "config").model_copy(update={"study": "mine"})
        batch = next(iter(plan(own).batches))
        assert 10 < asked(own, batch=batch).runtime <= most
    smoke = load_study("prostate", "smoke", ROOT / "config").model_copy(update={"study": "mine"})
    memory = asked(smoke, batch=next(iter(plan(smoke).batches))).mem_mb
    assert 1060 < memory < 2000, "what the first training of a smoke study took, where 975 was asked for"


def trained(study, batch: str, steps: int = 1, peak: float = 2e9, done: float = 900) -> None:
    """Write what a run of a batch leaves, whose stages took ten minutes in all."""
    own = plan(study).batches[batch]
    settings = json.loads(canonical(parameters.train(study, own)))
    write_json(record_path(OUTPUT), {"peak_bytes": peak, "seconds": 600, "cpu_seconds": done, "settings": settings})
    for stage in own.stages:
        each = {"seconds": 600 / len(own.stages), "cpu_seconds": 900 / len(own.stages)}
        write_json(OUTPUT.parent / stage.name / "record.json", each | {"steps": stage_steps(stage, study) // steps})


def test_an_earlier_run_of_the_job_tells_what_it_used(study):
    batch = next(iter(plan(study).batches))
    trained(study, batch)
    own = asked(study, batch=batch)
    assert (own.mem_mb, own.runtime) == (3000, 30)


def test_an_earlier_run_of_fewer_steps_tells_what_more_of_them_take(study):
    """A training of ten times the epochs was killed at the time of the earlier one."""
    batch = next(iter(plan(study).batches))
    trained(study, batch, steps=4)
    own = asked(study, batch=batch)
    assert own.mem_mb == 3000 and own.runtime == pytest.approx(10 + 4 * 20, abs=1)


def test_a_job_that_only_found_its_trainings_done_tells_nothing_of_one_that_trains(study):
    """After a resumption the record was of 0.07 s and 190 MB, and the next training was killed three times."""
    batch = next(iter(plan(study).batches))
    first = asked(study, batch=batch)
    trained(study, batch, peak=1.9e8, done=0.1)
    again = asked(study, batch=batch)
    assert (again.mem_mb, again.runtime) == (first.mem_mb, 30)


@pytest.mark.parametrize("change", ["scale", "size", "batch"])
def test_an_earlier_run_whose_steps_cost_less_tells_nothing(study, change):
    batch = next(iter(plan(study).batches))
    new = asked(study, batch=batch)
    slices, recipe = study.preparation.slices, study.recipe
    smaller = study.preparation.model_copy(update={"slices": slices.model_copy(update={"size": (64, 64)})})
    other = {
        "scale": load_study("uterus", "smoke", ROOT / "config"),
        "size": study.model_copy(update={"preparation": smaller}),
        "batch": study.model_copy(update={"recipe": recipe.model_copy(update={"batch": 1})}),
    }
    trained(other[change], next(iter(plan(other[change]).batches)), peak=2e6)
    assert asked(study, batch=batch) == new


def test_an_earlier_prediction_tells_what_the_same_one_takes_and_nothing_of_another(study):
    group, models = next(iter(plan(study).groups.items()))
    new = asked(study, "predict", group=group)
    settings = json.loads(canonical(parameters.predict(study, models)))
    for own, memory in ((settings, 3000), (settings | {"models": []}, new.mem_mb)):
        write_json(record_path(OUTPUT), {"peak_bytes": 2e9, "seconds": 6, "settings": own})
        again = asked(study, "predict", group=group)
        assert again == new._replace(mem_mb=memory), "more patients may be tested than before"


def test_the_masks_of_networks_that_were_never_measured_ask_for_no_more_than_a_day():
    """The first masks of a smoke study asked for 24 hours, of any size."""
    own = load_study("uterus", "smoke", ROOT / "config").model_copy(update={"study": "mine"})
    assert asked(own, "predict", group=next(iter(plan(own).groups))).runtime < 360
    large = load_study("uterus", "paper", ROOT / "config").model_copy(update={"study": "mine"})
    cohorts = {name: cohort.model_copy(update={"test": 60_000}) for name, cohort in large.cohorts.items()}
    many = large.model_copy(update={"cohorts": cohorts})
    assert asked(many, "predict", group=next(iter(plan(many).groups))).runtime == 1440


def test_image_rules_are_given_memory_for_each_process_and_less_time_for_several(study):
    one, eight = (asked(study, "cases", threads=n, cohort="uterus") for n in (1, 8))
    assert eight.mem_mb == pytest.approx(8 * one.mem_mb, abs=8)
    assert eight.runtime < one.runtime


def test_a_job_of_all_studies_is_given_what_tables_need(study):
    own = request("report", {}, Path("results/report.html"), None, None, 1)
    assert own.mem_mb == 3000 and own.runtime == 23


def test_a_job_with_a_gpu_is_given_the_time_of_one_where_it_was_measured(study):
    for rule, batch in (("train", "batch"), ("predict", "group")):
        name = next(iter(plan(study).batches if rule == "train" else plan(study).groups))
        cpu, gpu = (
            request(rule, {batch: name}, OUTPUT, study, plan(study), 1, gpu=gpu).runtime for gpu in (False, True)
        )
        assert 10 < gpu < cpu / 5


def test_scores_of_masks_are_given_time_by_their_voxels(study):
    group = next(iter(plan(study).groups))
    evaluation, radiomics = (asked(study, rule, group=group).runtime for rule in ("evaluate", "radiomics"))
    assert 10 < evaluation < radiomics < 1440
    assert asked(study, "radiomics_manual").runtime < radiomics


@pytest.fixture
def few(study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Eight patients of real volumes, of whom no case is made yet."""
    source = VolumesSource(kind="volumes", channels={"b0": "{patient}.nii.gz"}, structures={}, identifiers="public")
    names = [f"p{i}" for i in range(8)]
    (tmp_path / "patients.csv").write_text("\n".join(["patient", *names]))
    for name in names:
        (tmp_path / f"{name}.nii.gz").write_bytes(bytes(2_000_000))
    monkeypatch.setenv("CROSSOVER_DATA", json.dumps({"cervix": str(tmp_path)}))
    monkeypatch.setattr(resources, "_AMOUNTS", {})
    cohort = study.cohorts["cervix"].model_copy(update={"source": source})
    return study.model_copy(update={"cohorts": study.cohorts | {"cervix": cohort}})


def test_the_files_of_patients_who_are_no_cases_yet_tell_how_long_theirs_will_take(few):
    """A first run of eight patients asked for three days."""
    assert resources.amount_of(few, "cervix").patients == 8
    assert resources.amount_of(few, "cervix", files=False) is None, (
        "memory is that of a large case until they are counted"
    )
    own = [asked(few, rule, cohort="cervix").runtime for rule in ("receive", "cases", "slices")]
    assert 30 <= sum(own) <= 45


def test_tables_are_given_time_by_the_rows_of_their_scores(study):
    """The tables of eight patients asked for four hours; those of 500, which a benchmark has measured, need twenty
    minutes each."""
    few = asked(study, "summary").runtime
    large = {name: own.model_copy(update={"test": 60_000}) for name, own in study.cohorts.items()}
    many = asked(study.model_copy(update={"cohorts": large}), "summary").runtime
    assert few < 10 and many > 60


def test_the_rules_that_are_submitted_alone_are_those_without_a_group():
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    blocks = [block for text in texts for block in re.split(r"^rule ", text, flags=re.M)[1:]]
    assert sorted(block.partition(":")[0] for block in blocks if "    group:" not in block) == sorted(resources.ALONE)
