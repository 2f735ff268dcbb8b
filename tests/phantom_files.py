"""What holds for the files of every phantom."""

import hashlib
from pathlib import Path

import pydicom


def digests(folder: Path) -> dict[str, str]:
    """Each file below a folder -> the digest of its bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def assert_synthetic(folder: Path) -> None:
    """Every file says that its patient is synthetic, and has no day and no UID of anybody else's."""
    for path in folder.rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        assert ds.PatientName == f"Synthetic^{ds.PatientID}"
        assert ds.PatientIdentityRemoved == "YES" and "Synthetic phantom" in ds.StudyDescription
        for element in ds.iterall():
            if element.VR == "DA" and element.value:
                assert element.value == "20000101", element
            if element.VR == "UI":
                assert str(element.value).startswith(("2.25.", "1.2.840.10008.")), element


def assert_one_study(patient: Path, series: int) -> None:
    """A patient's files are one study in one frame of reference, of so many series, each instance once."""
    found = [pydicom.dcmread(f) for f in patient.rglob("*.dcm")]
    assert len({ds.StudyInstanceUID for ds in found}) == 1
    assert len({ds.FrameOfReferenceUID for ds in found}) == 1
    assert len({ds.SeriesInstanceUID for ds in found}) == series
    assert len({ds.SOPInstanceUID for ds in found}) == len(found)
