"""How long training will take, told before anything runs."""

from pathlib import Path

import pandas as pd
import pytest

from crossover.core.files import write_json
from crossover.execution.estimate import (
    TIMES,
    estimate,
    estimates_text,
    savings,
    stage_steps,
    step_seconds,
    training_patients,
)
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.sections import Cohort

CONFIG = Path(__file__).parent.parent / "config"
STUDIES = ("uterus", "nasopharynx", "prostate")


@pytest.fixture(params=STUDIES)
def study(request):
    return load_study(request.param, "paper", CONFIG)


def test_the_published_numbers_of_steps(tmp_path):
    """Lin: 6 versions of 1,694 slices (and half as many without tumour), less those that validate, in
    batches of 2, 100 epochs. Chen: 200,000 as published. Touijer: 4/5 of 24 patients' slices, 200 epochs."""
    lin, chen, touijer = (load_study(name, "paper", CONFIG) for name in STUDIES)
    largest = plan(lin).stages["scratch-n256"]
    assert stage_steps(largest, lin, tmp_path) == pytest.approx(100 * 10164 * 1.5 * 0.9 / 2, rel=0.01)
    assert {stage_steps(s, chen, tmp_path) for s in plan(chen).stages.values()} == {200_000}
    first = plan(touijer).stages["a-f0"]
    assert stage_steps(first, touijer, tmp_path) == 200 * round(24 * 0.8 * 13.2 / 16)


def test_hours_are_steps_times_seconds(study, tmp_path):
    p = plan(study)
    rows = {(*(s.cell or (study.network.architecture, "")), s.level or "") for s in p.stages.values()}
    if study.selection:
        rows = {(*cell, "") for cell in study.selection.cells}
    times = pd.DataFrame(rows, columns=["architecture", "encoder", "level"])
    times = times.assign(study=study.study, scale="paper", seconds=2.0, device="CPU")
    about = estimate(study, p, times, tmp_path)
    assert (about.stages, about.models) == (len(p.stages), len(p.models))
    assert about.hours == pytest.approx(2 * about.steps / 3600)
    lacking = estimate(study, p, times.iloc[1:], tmp_path)
    assert (lacking.hours is None and len(lacking.untimed) == 1) or study.selection


@pytest.mark.parametrize(("sizes", "left"), [([2, 3, 5, 8, 13], "[2, 3, 5, 13]"), ([2, 3, 5, 8], None)])
def test_no_cut_leaves_fewer_sizes_than_learning_curves_are_continued_of(sizes: list[int], left: str | None):
    study = load_study("uterus", "paper", CONFIG).model_copy(update={"sizes": sizes})
    own = plan(study)
    kinds = {(study.network.architecture, "", s.level or "") for s in own.stages.values()}
    times = pd.DataFrame(kinds, columns=["architecture", "encoder", "level"])
    times = times.assign(study=study.study, scale="paper", seconds=2.0, device="CPU")
    told = [cut for cut in savings(study, own, times) if cut.startswith("`sizes")]
    assert told == ([f"`sizes: {left}`"] if left else [])


def test_slices_that_are_there_are_counted(tmp_path):
    study = load_study("prostate", "paper", CONFIG)
    made = {f"p{i}": {"with_structure": n} for i, n in enumerate((10, 30))}
    write_json(tmp_path / "slices/prostate/site_a/manifest.json", {"items": made})
    first = plan(study).stages["a-f0"]
    assert stage_steps(first, study, tmp_path) == 200 * round(24 * 0.8 * 20 / 16)


@pytest.mark.parametrize("test", [0, 0.2, 3])
def test_the_patients_of_an_export_are_counted_once_it_was_read(tmp_path: Path, test: float):
    cohort = Cohort(label="Ours", role="target", source={"kind": "dicom"}, test=test)
    assert training_patients(cohort, tmp_path) is None
    (tmp_path / "patients.csv").write_text("case,patient\n" + "".join(f"p{i},p{i}\n" for i in range(10)))
    assert training_patients(cohort, tmp_path) == {0: 10, 0.2: 8, 3: 7}[test]


def test_every_network_of_the_published_designs_is_timed():
    studies = {name: load_study(name, "paper", CONFIG) for name in STUDIES}
    text = estimates_text(studies, {name: plan(study) for name, study in studies.items()})
    assert TIMES.exists() and "no step times" not in text and text.count("about") == 3
    assert text.count(" h on one NVIDIA") == 3


def test_times_are_those_of_the_device(monkeypatch):
    times = pd.read_csv(TIMES, dtype={"encoder": str, "level": str})
    study = load_study("nasopharynx", "paper", CONFIG)
    kind = ("resnet101_cascaded", "", "conv5")
    slow, fast = (step_seconds(study, times, gpu)[kind] for gpu in (False, True))
    assert slow > 10 * fast
    for found, seconds in (((), slow), (("0",), fast)):
        monkeypatch.setattr("crossover.execution.estimate.gpus", lambda found=found: found)
        assert step_seconds(study, times)[kind] == seconds
