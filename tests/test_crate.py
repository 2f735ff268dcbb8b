"""What an RO-Crate of results holds: no picture of a patient, whatever else came along with the results."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from crossover.core import provenance
from crossover.core.files import write_json
from crossover.execution.ro_crate import write_crate
from crossover.sources.redaction import without_places

PICTURES = ("figures/overlays.svg", "figures/overlays.png", "figures/examples.pdf", "figures/organs.png")
SHOWING = {"overlays.svg", "overlays.png", "examples.pdf", "report.html"}
PHANTOM, REAL = {"kind": "phantom", "seed": 1}, {"kind": "dicom", "folder": "Doe_Jane"}


def recorded(outputs: list[Path], settings: dict, inputs: Iterable[Path] = ()) -> None:
    read = provenance.digest_files(inputs)
    provenance.write_records(outputs, read, settings, ["workflow_scripts/gather.py"], redact=without_places)


def results(study: str, source: dict) -> list[Path]:
    """Results as a copy of `results/` has them, without `data/`; returns the pictures."""
    folder, settings = Path("results", study), {"cohorts": {"a": {"source": source}}}
    pictures = [folder / name for name in PICTURES]
    for path in (folder / "metrics.csv", *pictures, Path(f"config/studies/{study}.yaml")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("cohorts: {a: {source: {folder: Doe_Jane}}}")
    recorded(pictures, {})
    write_json(folder / "params.json", without_places(settings))
    recorded([folder / "params.json"], settings, pictures)
    return pictures


def report(*studies: str) -> None:
    page = Path("results/report.html")
    page.write_text("a page")
    shown = [Path("results", study, name) for study in studies for name in PICTURES]
    recorded([page], {"studies": [{"study": study} for study in studies]}, shown)


def crate(*studies: str) -> set[str]:
    """The names of the files in the crate of studies."""
    write_crate(Path("crate"), list(studies))
    return {path.name for path in Path("crate").rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")


def test_of_phantoms_all_is_shown(folder):
    results("one", PHANTOM)
    report("one")
    assert crate() >= SHOWING | {"organs.png", "one.yaml", "metrics.csv"}


def test_of_patients_no_picture_is_shown_without_their_data_and_their_folder_is_not_named(folder):
    results("one", REAL)
    report("one")
    named = crate()
    assert named >= {"organs.png", "metrics.csv", "params.json"}
    assert not named & {*SHOWING, "one.yaml"}
    assert "Doe_Jane" not in Path("crate/results/one/params.json").read_text()


def test_what_no_record_says_to_be_of_phantoms_counts_as_patients(folder):
    results("one", PHANTOM)
    report("one")
    provenance.record_path(Path("results/one/params.json")).unlink()
    assert not crate() & {*SHOWING, "one.yaml"}


def test_figures_of_a_later_run_with_patients_are_not_those_of_the_record(folder):
    """A run with patients that stopped before its last job: the settings are still those of the phantoms."""
    pictures = results("one", PHANTOM)
    for path in pictures:
        path.write_text("a patient")
    recorded(pictures, {})
    report("one")
    named = crate()
    assert "organs.png" in named and not named & SHOWING


def test_a_report_that_shows_patients_of_another_study_is_left_out(folder):
    results("one", PHANTOM)
    results("two", REAL)
    report("one", "two")
    named = crate("one")
    assert "overlays.png" in named and "report.html" not in named


def test_neither_a_file_of_weights_nor_a_reader_nor_a_patient_is_named(folder):
    """They are settings of a study of phantoms too, and records and params.json treat them alike."""
    settings = {
        "cohorts": {"a": {"source": PHANTOM}},
        "network": {"initial": {"weights": "model", "file": "/home/Doe_Jane/weights.safetensors"}},
        "structures": {"gland": {"names": ["Gland", {"reader": "Doe_Jane"}, {"file": "**/Doe_Jane/*"}]}},
        "series": {"t2": {"by_patient": {"Doe_Jane": {"series_number": 3}}}},
    }
    pictures = results("one", PHANTOM)
    write_json(Path("results/one/params.json"), without_places(settings))
    recorded([Path("results/one/params.json")], settings, pictures)
    write_json(Path("config/studies/one.yaml"), settings)
    named = crate()
    assert "overlays.png" in named and "one.yaml" not in named
    assert not [path for path in Path("crate").rglob("*.json") if "Doe_Jane" in path.read_text()]
    changed = settings | {"network": {"initial": {"weights": "model", "file": "/other"}}}
    assert without_places(changed) != without_places(settings), "a difference is still seen"


def test_the_settings_of_the_run_with_folders_of_this_machine_are_left_out(folder):
    results("one", PHANTOM)
    Path("config/config.yaml").write_text("data: /srv/Doe_Jane")
    assert "config.yaml" not in crate()


def test_a_study_whose_file_was_deleted_is_exported(folder):
    results("old", PHANTOM)
    Path("config/studies/old.yaml").unlink()
    assert crate() >= {"metrics.csv", "overlays.png"}
