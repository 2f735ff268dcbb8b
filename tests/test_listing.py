"""What a folder holds, told quickly and without telling its names."""

from pathlib import Path

from crossover.sources.folder_state import listing_digest
from crossover.sources.settings import DicomSource


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
