"""What a folder holds, told quickly and without telling its names."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from crossover.core.configuration import ConfigError
from crossover.core.paths import hand_over_folders
from crossover.execution.forecast import reasons
from crossover.execution.preflight import check_folders
from crossover.execution.workflow import GraphJob
from crossover.sources import folder_state
from crossover.sources.folder_state import changes, listing_digest
from crossover.sources.receive import receive
from crossover.sources.redaction import without_places
from crossover.sources.settings import DicomSource, VolumesSource


def test_a_new_file_is_noticed_and_its_name_is_not_to_be_guessed(tmp_path: Path, monkeypatch):
    (tmp_path / "MUSTERMANN.dcm").write_text("x")
    dicom = DicomSource(kind="dicom")
    digests = []
    for secret in ("one", "another"):
        monkeypatch.setenv("CROSSOVER_SECRET", secret)
        digests.append(listing_digest(dicom, str(tmp_path), tmp_path / "manifest.json"))
    assert digests[0] != digests[1]
    (tmp_path / "new.dcm").write_text("y")
    assert listing_digest(dicom, str(tmp_path), tmp_path / "manifest.json") not in digests


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, VolumesSource, Path]:
    """A folder of two patients, their source, and the manifest for which they were received."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    for name in ("P1", "P2"):
        (data / name).mkdir(parents=True)
        for file in ("image", "mask"):
            nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4)), data / name / f"{file}.nii")
    (data / "patients.csv").write_text("patient,site\nP1,north\nP2,south\n")
    source = VolumesSource(
        kind="volumes",
        where={"site": "north"},
        channels={"t2": "{patient}/image.nii"},
        structures={"organ": {"file": "{patient}/mask.nii"}},
        identifiers="public",
    )
    manifest = tmp_path / "raw/x/manifest.json"
    receive(source, manifest, data, "code", 1, listing_digest(source, str(data), manifest))
    return data, source, manifest


def rewritten(file: Path, old: bytes, new: bytes) -> None:
    """Another content of the same size under the same time."""
    state = file.stat()
    file.write_bytes(file.read_bytes().replace(old, new, 1))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("P1/mask.nii", b"\0" * 27, b"\1" * 27),
        ("P1/image.nii", b"\0" * 27, b"\7" * 27),
        ("patients.csv", b"P2,south", b"P2,north"),
    ],
)
def test_another_content_of_the_same_size_and_time_is_noticed(
    cohort: tuple[Path, VolumesSource, Path], name: str, old: bytes, new: bytes
):
    data, source, manifest = cohort
    first = listing_digest(source, str(data), manifest)
    rewritten(data / name, old, new)
    changed = listing_digest(source, str(data), manifest)
    assert changed != first
    receive(source, manifest, data, "code", 1, changed)
    assert listing_digest(source, str(data), manifest) == changed, "it is received once"
    rewritten(data / name, new, old)
    assert listing_digest(source, str(data), manifest) not in (first, changed), "and again after the way back"


def test_files_that_were_only_touched_or_copied_are_read_once_and_change_nothing(
    cohort: tuple[Path, VolumesSource, Path], monkeypatch: pytest.MonkeyPatch
):
    data, source, manifest = cohort
    first = listing_digest(source, str(data), manifest)
    read = []
    own = folder_state.file_digest
    monkeypatch.setattr(folder_state, "file_digest", lambda path: read.append(path.name) or own(path))
    for file in data.rglob("*"):
        os.utime(file, (0, 0))
    assert listing_digest(source, str(data), manifest) == first
    assert sorted(read) == ["image.nii", "mask.nii", "patients.csv"], "those of the cohort's own patient"
    assert listing_digest(source, str(data), manifest) == first and len(read) == 3
    moved = data.rename(data.with_name("elsewhere"))
    assert listing_digest(source, str(moved), manifest) == first and len(read) == 3


def test_a_listing_of_an_earlier_release_stays(cohort: tuple[Path, VolumesSource, Path]):
    data, source, manifest = cohort
    first = listing_digest(source, str(data), manifest)
    (manifest.parent / folder_state.SEEN).unlink()
    assert listing_digest(source, str(data), manifest) == first


def test_a_folder_that_is_not_there_or_empty_is_as_none_and_not_one_of_no_patients(
    cohort: tuple[Path, VolumesSource, Path],
):
    data, source, manifest = cohort
    first = listing_digest(source, str(data), manifest)
    data.rename(data.with_name("unmounted"))
    assert listing_digest(source, str(data), manifest) == first
    data.mkdir()
    assert listing_digest(source, str(data), manifest) == first
    (data / "new.nii").write_text("x")
    assert listing_digest(source, str(data), manifest) != first


@pytest.mark.parametrize("there", ["files", "no file", "no folder", "no name"])
@pytest.mark.parametrize("rule", ["receive", "cases", "slices"])
@pytest.mark.parametrize("needed", [True, False])
def test_a_run_is_refused_only_if_a_job_reads_patients_who_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, rule: str, needed: bool
):
    data = tmp_path / "drive"
    if there != "no folder":
        data.mkdir()
    if there == "files":
        (data / "image.dcm").write_text("x")
    monkeypatch.setenv("CROSSOVER_DATA", json.dumps({"x": None if there == "no name" else str(data)}))
    study: Any = SimpleNamespace(cohorts={"x": SimpleNamespace(source=DicomSource(kind="dicom"))})
    job = GraphJob(rule, {"cohort": "x"}, [Path("data/raw/x/manifest.json")], [], {}, {}, needed=needed)
    if there == "files" or rule == "slices" or not needed:
        check_folders([job], {"s": study})
        return
    with pytest.raises(ConfigError, match="DATA=<folder>") as refused:
        check_folders([job, job], {"s": study})
    assert str(refused.value).count("cohort x must be read again") == 1
    assert (str(data) in str(refused.value)) == (there != "no name")


def test_a_plan_says_in_words_what_changed_in_a_folder(cohort: tuple[Path, VolumesSource, Path]):
    data, source, manifest = cohort
    source = source.model_copy(update={"where": {}})
    receive(source, manifest, data, "code", 1, listing_digest(source, str(data), manifest))
    assert changes(source, data, manifest) == ""
    (data / "P3").mkdir()
    for name in ("image", "mask"):
        (data / f"P3/{name}.nii").write_text("x")
    (data / "P1/mask.nii").unlink()
    rewritten(data / "patients.csv", b"P2,south", b"P2,north")
    assert changes(source, data, manifest) == (
        "2 files not received before (in 1 other folder), 1 file gone, 1 file written to since"
    )
    settings = {"source": source.model_dump(mode="json"), "listing": "now"}
    job = GraphJob("receive", {"cohort": "x"}, [manifest], [], settings, {"entries": []})
    record = {"settings": without_places(settings | {"listing": "before"}), "code": {"files": {}}, "inputs": {}}
    hand_over_folders({"x": str(data)})
    (why,) = reasons(job, record)
    assert (why.what, why.before) == ("files of its folder", "as received") and "1 file gone" in why.now


def test_a_plan_counts_only_files_that_the_cohort_takes_of_a_folder_with_two(cohort: tuple[Path, VolumesSource, Path]):
    """P2 is of the other cohort, and was not received."""
    data, source, manifest = cohort
    (data / "P3").mkdir()
    for name in ("image", "mask"):
        (data / f"P3/{name}.nii").write_bytes((data / f"P1/{name}.nii").read_bytes())
    with (data / "patients.csv").open("a") as table:
        table.write("P3,north\n")
    settings = {"source": source.model_dump(mode="json"), "listing": "now"}
    job = GraphJob("receive", {"cohort": "x"}, [manifest], [], settings, {"entries": []})
    record = {"settings": without_places(settings | {"listing": "before"}), "code": {"files": {}}, "inputs": {}}
    hand_over_folders({"x": str(data)})
    (why,) = reasons(job, record)
    assert why.now.startswith("2 files not received before (in 1 other folder)")
