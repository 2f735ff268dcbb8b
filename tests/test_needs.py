"""The disk and memory that a run needs, told before it."""

from pathlib import Path

import pandas as pd
import pytest

from crossover.core.files import write_json
from crossover.execution import cohort_size, requirements
from crossover.execution.cohort_size import Amount, amount
from crossover.execution.requirements import (
    CHECKPOINTS,
    MEMORY,
    Memory,
    Need,
    disk,
    memory,
    refusal,
    side_by_side,
)
from crossover.execution.workflow import GraphJob
from crossover.sources.settings import DicomSource, VolumesSource
from crossover.study.config import load_study
from crossover.study.plan import plan

CONFIG = Path(__file__).parent.parent / "config"
STUDIES = ("uterus", "nasopharynx", "prostate")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a workflow of which nothing was made, opened."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(rule: str, out: str, needed: bool = True, **wildcards: str) -> GraphJob:
    return GraphJob(rule, wildcards, [Path(out)], [], {}, {}, 1, needed, "")


def of_slices(study: str, cohort: str, needed: bool = True) -> GraphJob:
    out = f"data/slices/{study}/{cohort}/manifest.json"
    return job("slices", out, needed, study=study, cohort=cohort)


def wanted(jobs: list[GraphJob]) -> dict[tuple[str, str], Need]:
    """Of jobs at the published scale, in the folder that is open."""
    studies = {name: load_study(name, "paper", CONFIG) for name in STUDIES}
    plans = {name: plan(study) for name, study in studies.items()}
    return {(n.study, n.what): n for n in disk(jobs, studies, plans, 8)}


def test_slices_take_four_bytes_a_pixel_and_a_bit_for_each_structure(empty):
    """Chen: 360 patients of about 102 slices of 417 x 417."""
    cohorts = ("source_center", "target_center")
    own = wanted([of_slices("nasopharynx", c) for c in cohorts])["nasopharynx", "slices"]
    pixels = 360 * 102.5 * 417
    assert own.expected == pytest.approx(pixels * (417 * 4 + 12 * 53), rel=0.01)
    assert own.there == 0 and own.missing == own.expected


def test_what_is_there_is_not_written_again_and_what_is_not_needed_counts_nothing(empty):
    folder = empty / "data/slices/uterus/cervix/p1"
    folder.mkdir(parents=True)
    (folder / "images.npy").write_bytes(b"x" * 1_000_000)
    needed = [of_slices("uterus", "cervix"), of_slices("uterus", "uterus", needed=False)]
    own = wanted(needed)
    assert list(own) == [("uterus", "slices")]
    assert 1_000_000 <= own["uterus", "slices"].there < 1_010_000
    assert own["uterus", "slices"].missing == own["uterus", "slices"].expected - own["uterus", "slices"].there


def test_weights_are_parameters_times_four_and_checkpoints_come_beside(empty):
    out = "results/uterus/stages/scratch-n256.json"
    own = wanted([job("train", out, study="uterus", batch="scratch-n256")])
    assert own["uterus", "weights"].expected == pytest.approx(4 * 41_400_000, rel=0.02)
    assert own["uterus", CHECKPOINTS].expected == pytest.approx(8 * 2 * 4 * 41_400_000, rel=0.02)


def test_cases_that_are_there_are_counted_of_phantoms_those_that_will_be(tmp_path):
    """Phantoms that are there may be of another scale; a study's real patients are the same at each."""
    cases = {"a": (64, 48, 10), "b": (64, 64, 20)}
    write_json(tmp_path / "cases/cervix/manifest.json", {"items": {name: {} for name in cases}})
    for name, size in cases.items():
        write_json(tmp_path / "cases/cervix" / name / "case.json", {"size": size})
    study = load_study("uterus", "paper", CONFIG)
    assert amount(study, "cervix", tmp_path).patients == study.cohorts["cervix"].source.patients > 100
    held = amount(received(study, DicomSource(kind="dicom", folder="in")), "cervix", tmp_path)
    assert (held.patients, held.slices) == (2, 15)
    assert held.voxels == pytest.approx(64 * 48 * 10 + 64 * 64 * 20)


def received(study, source):
    cohort = study.cohorts["cervix"].model_copy(update={"source": source})
    return study.model_copy(update={"cohorts": {"cervix": cohort}})


def test_patients_who_are_no_cases_yet_are_told_about_by_their_files(tmp_path):
    """Thirty images of 64 x 64 in three folders; three channels."""
    study = received(load_study("uterus", "paper", CONFIG), DicomSource(kind="dicom", folder="in"))
    assert amount(study, "cervix", tmp_path) is None
    for patient in "abc":
        (tmp_path / "in" / patient).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "in" / patient / f"{i}").write_bytes(bytes(2 * 64 * 64))
    held = amount(study, "cervix", tmp_path, tmp_path)
    assert held == Amount(3, pytest.approx(10 / 3), 64 * 64)
    cohort_size._below.cache_clear()
    (tmp_path / "in/all.zip").write_bytes(bytes(2 * 512 * 512 * 30))
    large = amount(study, "cervix", tmp_path, tmp_path)
    assert large.pixels <= 512 * 512 and large.voxels > held.voxels
    cohort_size._below.cache_clear()


def test_volumes_are_told_about_by_the_files_that_their_table_names(tmp_path):
    pd.DataFrame({"patient": ["1", "2"]}).to_csv(tmp_path / "patients.csv", index=False)
    for name in "12":
        (tmp_path / f"{name}.nii.gz").write_bytes(bytes(1_350_000))
    source = VolumesSource(kind="volumes", channels={"b0": "{patient}.nii.gz"}, structures={}, identifiers="public")
    study = received(load_study("uterus", "paper", CONFIG), source)
    held = amount(study, "cervix", tmp_path / "data", tmp_path)
    assert held.patients == 2 and held.voxels == pytest.approx(2_000_000 / 3)
    (tmp_path / "2.nii.gz").unlink()
    assert amount(study, "cervix", tmp_path / "data", tmp_path) is None


def test_a_run_that_the_disk_holds_is_not_refused(empty):
    free = requirements.shutil.disk_usage(empty).free
    few, many = (Need("s", "slices", bytes_, 0, Path("data/x")) for bytes_ in (free / 2, free * 2))
    assert refusal([few]) is None
    assert refusal([many._replace(expected=None)]) is None, "nothing is known"
    assert refusal([many._replace(there=free * 1.9)]) is None, "most is there"
    said = refusal([few, many, many._replace(study="t")])
    for words in ("slices of t", "GB free", "disk_check", str(empty.resolve())):
        assert words in said
    assert f"{4.5 * free / 1e9:,.1f} GB more" in said


def test_memory_is_that_of_trainings_side_by_side():
    studies = {name: load_study(name, "paper", CONFIG) for name in STUDIES}
    plans = {name: plan(study) for name, study in studies.items()}
    for own in memory(studies, plans, 16):
        assert own.beside == 4
        assert own.all == 4 * own.training > 1e9
    assert Memory("s", None, 2).all is None
    uterus = studies["uterus"]
    assert [side_by_side(uterus, plans["uterus"], cores) for cores in (1, 4, 9, 10**6)] == [
        1, 1, 2, len(plans["uterus"].batches)
    ]  # fmt: skip


def test_every_published_network_was_measured_and_trains_within_8_gb():
    known = pd.read_csv(MEMORY, dtype={"encoder": str}).fillna({"encoder": ""})
    published = known[known["scale"] == "paper"].set_index(["study", "architecture", "encoder"])
    for name in STUDIES:
        study = load_study(name, "paper", CONFIG)
        cells = study.selection.cells if study.selection else [(study.network.architecture, "")]
        assert all(published.loc[(name, *cell), "parameters"] > 1e6 for cell in cells)
        assert all(1 < published.loc[(name, *cell), "peak_gb"] <= 8 for cell in cells)


def test_a_network_is_taken_to_need_what_others_of_its_architecture_did(empty):
    study = load_study("uterus", "paper", CONFIG)
    mine = study.model_copy(update={"study": "mine"})
    assert requirements.weight_bytes(mine) == 4 * 41_253_073
    smoke = load_study("prostate", "smoke", CONFIG)
    assert requirements.peak_bytes(smoke.model_copy(update={"study": "mine"})) == requirements.peak_bytes(smoke)
    network = study.network.model_copy(update={"architecture": "something_else"})
    assert requirements.weight_bytes(mine.model_copy(update={"network": network})) is None
