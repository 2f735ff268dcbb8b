"""What nobody should send: traps, loops, damage and nonsense. Each is survived, and named for what it is."""

import gzip
import io
import os
import resource
import socket
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import crashing
import numpy as np
import pytest
import yaml
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    generate_uid,
)

from benchmarks import fuzz_ingest
from crossover.core import incremental
from crossover.phantoms.pelvis.patients import write_patient
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.sources import cases
from crossover.sources.cases import CaseSource, make_cases
from crossover.sources.dicom.examination import Reading, read_examination
from crossover.sources.dicom.export_files import MAX_DEPTH, FileRef, list_files
from crossover.sources.dicom.header import Instance, read_header
from crossover.sources.dicom.scan import Examination, gather
from crossover.sources.findings import KINDS, Finding
from crossover.sources.ingest import ingest
from crossover.sources.pseudonyms import pseudonym
from crossover.sources.receive import receive
from crossover.sources.settings import DicomSource, IngestRules, RulesFile, SeriesRule, Structure

KEY = b"the key of these tests"
RULES = {"b0": SeriesRule(modality="MR", b_value=0)}
TUMOUR = {"tumour": Structure(label="Tumour")}
SOURCE = PhantomSource(anatomy="uterus", patients=2, seed=5, matrix=32, slices=(6, 7), seg_fraction=0.0)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole examination: b0, b1000, ADC and an RTSTRUCT."""
    root = tmp_path_factory.mktemp("phantom")
    write_patient(SOURCE, 0, root)
    return next(root.iterdir())


@pytest.fixture
def slices(phantom: Path) -> list[bytes]:
    """The files of the b0 series."""
    return [p.read_bytes() for p in sorted((phantom / "DWI_b0").iterdir())]


def codes(findings: list[Finding]) -> Counter[str]:
    assert all(f.code in KINDS for f in findings)
    return Counter(f.code for f in findings)


def scan(source: Path, name: Callable[[str], str], workers: int = 1) -> tuple[dict[str, Examination], list[Finding]]:
    """Return the examinations below a folder by case name, and findings about files of none."""
    return gather(*list_files(source, KEY), RULES, name, workers)


def look(folder: Path) -> tuple[Counter[str], list[Reading]]:
    """Codes about files of no case, and what each case gave."""
    found, findings = scan(folder, partial(pseudonym, key=KEY))
    rules = IngestRules(series=RULES, structures=TUMOUR)
    readings = [read_examination(e.instances or [], rules, {}, KEY) for e in found.values()]
    return codes(findings), readings


def header(content: bytes, folder: Path) -> Instance | Finding:
    (folder / "one").write_bytes(content)
    return read_header(FileRef(str(folder / "one"), None, "f0"))


def code(content: bytes, folder: Path) -> str:
    """The code of the finding that a file gives; "" where it is read."""
    found = header(content, folder)
    return found.code if isinstance(found, Finding) else ""


def peak_mb(call: Callable[[], object]) -> float:
    """The most memory that Python held during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def changed(content: bytes, **raw: bytes | None) -> bytes:
    """A file with raw bytes as values of attributes; None deletes one."""
    dataset = dcmread(io.BytesIO(content))
    for keyword, value in raw.items():
        own = dataset.file_meta if keyword == "TransferSyntaxUID" else dataset
        if value is None:
            delattr(own, keyword)
            continue
        tag, vr = own[keyword].tag, own[keyword].VR
        padded = value + b"\0" * (len(value) % 2)
        own._dict[tag] = RawDataElement(tag, vr, len(padded), padded, 0, False, True)
    out = io.BytesIO()
    dataset.save_as(out, little_endian=True, implicit_vr=False, force_encoding=True)
    return out.getvalue()


# Archives


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_names_in_an_archive_are_keys_and_never_paths(slices: list[bytes], tmp_path: Path):
    (tmp_path / "in").mkdir()
    odd = [
        "../../up",
        "/etc/absolute",
        "C:\\drive\\x",
        "a/../../b",
        "..",
        "\u202egnp.exe",
        "x" * 5000,
    ]
    zipped(tmp_path / "in/a.zip", dict(zip(odd, slices)))
    before = sorted(tmp_path.rglob("*"))
    loose, (reading,) = look(tmp_path / "in")
    assert not loose
    assert reading.channels["b0"].GetSize()[2] == len(slices)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_member_that_unpacks_to_far_more_is_not_unpacked(slices: list[bytes], tmp_path: Path):
    zipped(tmp_path / "bomb.zip", {"a": bytes(64 << 20), "b": slices[0]})
    found = list_files(tmp_path, KEY)
    assert codes(found[1]) == {"zip-refused": 1} and len(found[0]) == 1
    assert peak_mb(lambda: look(tmp_path)) < 16


def test_a_member_that_lies_about_its_size_is_unpacked_no_further(tmp_path: Path):
    path = zipped(tmp_path / "lies.zip", {"a": bytes(64 << 20)})
    content = path.read_bytes().replace(struct.pack("<I", 64 << 20), struct.pack("<I", 1000))
    path.write_bytes(content)
    assert peak_mb(lambda: look(tmp_path)) < 16
    assert look(tmp_path)[0] == {"unreadable": 1}


def test_single_files_may_be_packed(slices: list[bytes], tmp_path: Path):
    """As some archives store them: `*.dcm.gz`, loose or in a zip archive."""
    half = len(slices) // 2
    for n, content in enumerate(slices[:half]):
        (tmp_path / f"{n}.dcm.gz").write_bytes(gzip.compress(content))
    zipped(tmp_path / "more.zip", {f"{n}.DCM.GZ": gzip.compress(s) for n, s in enumerate(slices[half:])})
    loose, (reading,) = look(tmp_path)
    assert not loose
    assert reading.channels["b0"].GetSize()[2] == len(slices)


def test_packed_files_that_are_damaged_or_unpack_to_far_more_are_named(slices: list[bytes], tmp_path: Path):
    (tmp_path / "cut.dcm.gz").write_bytes(gzip.compress(slices[0])[:-20])
    (tmp_path / "none.dcm.gz").write_bytes(slices[0])
    (tmp_path / "notes.nii.gz").write_bytes(gzip.compress(bytes(2000)))
    assert look(tmp_path)[0] == {"unreadable": 2, "not-dicom": 1}
    (tmp_path / "bomb.dcm.gz").write_bytes(gzip.compress(bytes(64 << 20)))
    assert look(tmp_path)[0] == {"unreadable": 2, "not-dicom": 1, "too-large": 1}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_bound_are_refused(method: int, slices: list[bytes], tmp_path: Path):
    zipped(tmp_path / "a.zip", {"a": slices[0]}, method)
    with pytest.raises(ValueError, match="zip-refused, packed in another way than deflate"):
        look(tmp_path)


def test_encrypted_members_are_refused(slices: list[bytes], tmp_path: Path):
    path = zipped(tmp_path / "a.zip", {"a": slices[0]}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    (tmp_path / "b").write_bytes(slices[1])
    assert look(tmp_path)[0] == {"zip-refused": 1}


@pytest.mark.parametrize("name", ["inner.ZIP", "inner"])
def test_archives_in_archives_are_refused(name: str, slices: list[bytes], tmp_path: Path):
    inner = zipped(tmp_path / "inner", {"a": slices[0]}).read_bytes()
    (tmp_path / "inner").unlink()
    zipped(tmp_path / "a.zip", {name: inner, "b": slices[0]})
    assert look(tmp_path)[0] == {"zip-refused": 1}


@pytest.mark.parametrize("keep", [40, 3000, -30])
def test_an_archive_that_was_cut_off_is_named(keep: int, slices: list[bytes], tmp_path: Path):
    """Not passed over as a file that is no DICOM: a whole export may be in it."""
    path = zipped(tmp_path / "a.zip", {str(k): s for k, s in enumerate(slices)})
    path.write_bytes(path.read_bytes()[:keep])
    (tmp_path / "b").write_bytes(slices[0])
    assert look(tmp_path)[0] == {"zip-refused": 1}


def test_a_damaged_member_is_named_and_the_others_are_read(slices: list[bytes], tmp_path: Path):
    path = zipped(tmp_path / "a.zip", {"a": slices[0], "b": slices[1]}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    loose, (reading,) = look(tmp_path)
    assert loose == {"unreadable": 1} and len(reading.found) == 1


def test_two_members_of_one_name_are_refused(slices: list[bytes], tmp_path: Path):
    """Only one of them could be opened."""
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        warnings.simplefilter("ignore")
        for content in slices[:2]:
            file.writestr("a", content)
        file.writestr("b", slices[2])
    assert look(tmp_path)[0] == {"zip-refused": 1}


def test_thousands_of_members_are_one_finding(slices: list[bytes], tmp_path: Path):
    zipped(tmp_path / "a.zip", {str(k): b"x" for k in range(3000)} | {"z": slices[0]})
    _, findings = scan(tmp_path, str)
    assert [(f.code, len(f.files)) for f in findings] == [("not-dicom", 5)]
    assert findings[0].what.startswith("3000 files")


def test_an_image_may_begin_or_end_like_an_archive(slices: list[bytes], tmp_path: Path):
    for k, content in enumerate(slices):
        preamble = b"PK\3\4" + content[4:] if k % 2 else content
        (tmp_path / str(k)).write_bytes(preamble + (b"PK\5\6" + bytes(18)) * (k % 3))
    loose, (reading,) = look(tmp_path)
    assert not loose and "b0" in reading.channels


# Folders


def test_pipes_sockets_and_links_are_passed_and_named(slices: list[bytes], tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "elsewhere").write_bytes(slices[1])
    (folder / "image").write_bytes(slices[0])
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(os.path.relpath(folder / "socket"))
    (folder / "nowhere").symlink_to("/does/not/exist")
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    (folder / "device").symlink_to("/dev/zero")
    (folder / "file").symlink_to(tmp_path / "elsewhere")
    files, findings = list_files(folder, KEY)
    assert [Path(f.path).name for f in files] == ["file", "image"]
    assert codes(findings) == {"not-dicom": 3, "link-skipped": 3}


def test_folders_are_entered_to_a_depth(slices: list[bytes], tmp_path: Path):
    deep = tmp_path.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "too-deep").write_bytes(slices[0])
    tmp_path.joinpath(*["d"] * MAX_DEPTH, "image").write_bytes(slices[1])
    files, findings = list_files(tmp_path, KEY)
    assert [Path(f.path).name for f in files] == ["image"]
    assert codes(findings) == {"too-deep": 1}


def test_paths_longer_than_the_system_takes_are_named(slices: list[bytes], tmp_path: Path):
    (tmp_path / "image").write_bytes(slices[0])
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):  # 25 x 200 bytes: only to be reached step by step
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    files, findings = list_files(tmp_path, KEY)
    assert len(files) == 1
    assert codes(findings) == {"unreadable": 1}


def test_names_may_be_any_bytes(slices: list[bytes], tmp_path: Path):
    names = [b"\xff\xfe", b"a\nb", b"\x1b[2J", b" ", b"-rf", b"%s{0}", "ü".encode("latin-1"), b"*"]
    for name, content in zip(names, slices):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(content)
    loose, (reading,) = look(tmp_path)
    assert not loose and "b0" in reading.channels


def test_thousands_of_small_and_empty_files_are_one_finding_each(slices: list[bytes], tmp_path: Path):
    rng = np.random.default_rng(0)
    for k in range(1500):
        (tmp_path / f"j{k}").write_bytes(rng.bytes(k % 40))
        (tmp_path / f"d{k}").write_bytes(bytes(128) + b"DICM" + rng.bytes(k % 40))
    (tmp_path / "image").write_bytes(slices[0])
    found, findings = scan(tmp_path, str, workers=2)
    assert len(found) == 1
    assert set(codes(findings)) <= {"not-dicom", "truncated", "unreadable"}
    assert len(findings) < 15 and all(len(f.files) <= 5 for f in findings)


def test_a_file_that_comes_in_while_others_are_read_is_taken_and_read_again(slices: list[bytes], tmp_path: Path):
    """The case is made at once, and once more when the file has been listed."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for k, content in enumerate(slices[:-1]):
        (source / str(k)).write_bytes(content)
    settings, rules = DicomSource(kind="dicom"), RulesFile(series=RULES)
    receive(settings, out / "received.json", source, "", 1, None)
    (source / "late").write_bytes(slices[-1])
    for _ in range(2):
        report = make_cases(out / "received.json", out / "manifest.json", settings, rules, source, "", 2)
        (case,) = report["made"]
        assert f"{len(slices)} x 32 x 32" in report["cases"][case]["chosen"]["b0"]
        receive(settings, out / "received.json", source, "", 1, None)


def index(path: Path, names: list[str]) -> None:
    """A DICOMDIR whose records follow each other in a ring."""
    dataset = Dataset()
    dataset.FileSetID = "SET"
    dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.DirectoryRecordSequence = []
    for name in names:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord = 0
        record.RecordInUseFlag = 0xFFFF
        record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = name.split("/")
        dataset.DirectoryRecordSequence.append(record)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for _ in range(2):  # at first it isn't known where the records come to lie
        dataset.save_as(path, enforce_file_format=True)
        first, *_ = dcmread(path).DirectoryRecordSequence
        for record in dataset.DirectoryRecordSequence:
            record.OffsetOfTheNextDirectoryRecord = first.seq_item_tell
        dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = first.seq_item_tell


def test_an_index_that_runs_in_a_ring_is_read_once(
    slices: list[bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "image").write_bytes(slices[0])
    index(tmp_path / "DICOMDIR", ["IMAGE", "GONE/A", "../../etc/passwd"])
    capfd.readouterr()
    _, findings = scan(tmp_path, str)
    (gone,) = (f for f in findings if f.code == "dicomdir-missing")
    assert gone.what.startswith("2 of the 3 files")
    assert capfd.readouterr() == ("", "")


# Headers


def test_sequences_in_sequences_without_an_end_are_named(slices: list[bytes], tmp_path: Path):
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    start = slices[0].index(b"\x08\x00\x60\x00")
    for depth in (3, 200, 5000, 100_000):
        content = slices[0][:start] + opening * depth + slices[0][start:]
        assert code(content, tmp_path) in ("unreadable", "truncated", "no-patient")


def test_a_sequence_that_runs_to_the_end_of_the_file_is_named(slices: list[bytes], tmp_path: Path):
    start = slices[0].index(b"\x08\x00\x60\x00")
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
    incremental = (b"\xfe\xff\x00\xe0" + bytes(4)) * 20_000
    assert code(slices[0][:start] + opening + incremental, tmp_path) in ("unreadable", "truncated")


MEMORY = """
import resource, sys
from pathlib import Path
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.header import read_header

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

read_header(FileRef(sys.argv[1], None, "f0"))
before = peak()
for path in Path(sys.argv[2]).iterdir():
    print(read_header(FileRef(str(path), None, "f0")).code)
print(peak() - before)
"""


def test_lengths_beyond_the_file_take_no_memory(slices: list[bytes], tmp_path: Path):
    """Asked for in vain they cost address space, which is given back untouched."""
    start = slices[0].index(b"\x08\x00\x60\x00")
    (tmp_path / "in").mkdir()
    for declared in (0xFFFFFFFE, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 30):
        for vr in (b"OB", b"UT", b"SQ", b"UN"):
            element = b"\x08\x00\x40\x11" + vr + b"\0\0" + struct.pack("<I", declared)
            content = slices[0][:start] + element + slices[0][start:]
            (tmp_path / "in" / f"{vr.decode()}{declared}").write_bytes(content)
    (tmp_path / "good").write_bytes(slices[0])
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "good"), str(tmp_path / "in")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    *told, megabytes = done.stdout.split()
    assert len(told) == 16 and set(told) <= {"unreadable", "truncated", "no-patient"}
    assert int(megabytes) < 100


def test_zeros_without_end_are_named(slices: list[bytes], tmp_path: Path):
    """A copy that broke off on a medium that sets space aside beforehand."""
    assert code(slices[0][:600] + bytes(1 << 20), tmp_path) in ("truncated", "unreadable")


US = struct.Struct("<H").pack
ABSURD: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no rows": ({"Rows": US(0)}, "unreadable"),
    "no depth": ({"BitsAllocated": US(0)}, "unreadable"),
    "no samples": ({"SamplesPerPixel": US(0)}, "unreadable"),
    "largest matrix": ({"Rows": US(65535), "Columns": US(65535)}, "too-large"),
    "large matrix": ({"Rows": US(8192), "Columns": US(8192)}, "truncated"),
    "longest row": ({"Rows": US(2000), "Columns": US(65535)}, "too-large"),
    "one row more": ({"Rows": US(33)}, "truncated"),
    "deeper": ({"BitsAllocated": US(64)}, "truncated"),
    "deepest": ({"BitsAllocated": US(65535)}, "truncated"),
    "more samples": ({"SamplesPerPixel": US(3)}, "truncated"),
    "rows of text": ({"Rows": b""}, "unreadable"),
    "no rows at all": ({"Rows": None}, "unreadable"),
    "no pixels": ({"PixelData": None}, "truncated"),
    "half the pixels": ({"PixelData": bytes(1024)}, "truncated"),
    "no identity": ({"PatientID": b""}, "no-patient"),
    "blank identity": ({"PatientID": b"    "}, "no-patient"),
    "no series": ({"SeriesInstanceUID": None}, "truncated"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_a_header_that_cannot_be_is_named(name: str, slices: list[bytes], tmp_path: Path):
    raw, expected = ABSURD[name]
    seen = []
    assert peak_mb(lambda: seen.append(code(changed(slices[0], **raw), tmp_path))) < 16
    assert seen == [expected]


@pytest.mark.parametrize(("frames", "expected"), [(2, "truncated"), (2_000_000_000, "too-large"), (-1, "unreadable")])
def test_more_frames_than_there_are_pixels_are_named(frames: int, expected: str, slices: list[bytes], tmp_path: Path):
    dataset = dcmread(io.BytesIO(slices[0]))
    dataset.NumberOfFrames = frames
    out = io.BytesIO()
    dataset.save_as(out)
    assert code(out.getvalue(), tmp_path) == expected


def test_little_that_claims_to_unpack_to_much_is_named(slices: list[bytes], tmp_path: Path):
    dataset = dcmread(io.BytesIO(slices[0]))
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 4096, 4096, 100
    out = io.BytesIO()
    dataset.save_as(out)
    assert code(out.getvalue(), tmp_path) == "truncated"


def test_a_segmentation_without_its_pixels_is_named(tmp_path: Path):
    write_patient(SOURCE.model_copy(update={"seg_fraction": 1.0}), 1, tmp_path)
    content = next(tmp_path.rglob("seg.dcm")).read_bytes()
    assert code(content, tmp_path) == ""
    for raw in ({"PixelData": bytes(8)}, {"Rows": US(8000), "Columns": US(8000)}):
        assert code(changed(content, **raw), tmp_path) == "truncated"


def test_files_that_are_deflated_as_a_whole_are_refused(slices: list[bytes], tmp_path: Path):
    content = changed(slices[0], TransferSyntaxUID=b"1.2.840.10008.1.2.1.99")
    assert code(content, tmp_path) == "deflated"


# Volumes

NOWHERE = {
    "ImagePositionPatient": [b"nan\\0\\0", b"1e308\\1e308\\1e308", b"inf\\0\\0", b"1\\2", b"x\\y\\z", b"", None],
    "ImageOrientationPatient": [b"0\\0\\0\\0\\0\\0", b"1\\0\\0\\1\\0\\0", b"nan\\0\\0\\0\\1\\0",
    b"1e200\\0\\0\\0\\1\\0", None],
    "PixelSpacing": [b"0\\0", b"-1\\1", b"nan\\1", b"1e-300\\1", b"1e300\\1", b"1", None],
}  # fmt: skip


@pytest.mark.parametrize(("keyword", "value"), [(k, v) for k, all_ in NOWHERE.items() for v in all_])
@pytest.mark.parametrize("which", ["one", "all"])
def test_a_volume_that_is_nowhere_is_refused(
    keyword: str, value: bytes | None, which: str, slices: list[bytes], tmp_path: Path
):
    for k, content in enumerate(slices):
        wrong = which == "all" or k == 2
        (tmp_path / str(k)).write_bytes(changed(content, **{keyword: value}) if wrong else content)
    _, (reading,) = look(tmp_path)
    found = codes(reading.findings)
    assert reading.failed and "failed" not in found
    allowed = {"no-geometry", "missing-slice", "mixed-matrix", "mixed-orientation"}
    assert allowed & set(found), found


NO_MEASUREMENT = {
    "RescaleSlope": ([b"0", b"1e300"], "non-finite"),
    "RescaleIntercept": ([b"1e300", b"-1e39"], "non-finite"),
    "BitsAllocated": ([US(12), US(13)], "pixels-unreadable"),
    "BitsStored": ([US(1), US(17), US(0)], "bits-contradict"),
    "BurnedInAnnotation": ([b"YES"], "burnt-in"),
}


@pytest.mark.parametrize(("keyword", "value"), [(k, v) for k, (a, _) in NO_MEASUREMENT.items() for v in a])
def test_values_that_are_no_measurement_are_refused(keyword: str, value: bytes, slices: list[bytes], tmp_path: Path):
    for k, content in enumerate(slices):
        dataset = dcmread(io.BytesIO(content))
        dataset.BurnedInAnnotation, dataset.RescaleSlope, dataset.RescaleIntercept = "NO", "1", "0"
        out = io.BytesIO()
        dataset.save_as(out)
        (tmp_path / str(k)).write_bytes(changed(out.getvalue(), **{keyword: value}))
    _, (reading,) = look(tmp_path)
    assert codes([f for f in reading.findings if f.about == "channel b0"]) == {NO_MEASUREMENT[keyword][1]: 1}


def test_any_identity_gives_a_pseudonym_and_no_path(slices: list[bytes], tmp_path: Path):
    odd = [
        b"..",
        b"/",
        b"../../etc",
        b"a\\b",
        b"p0123456789ab",
        b"\xff\xfe",
        b"c\nd",
        b"x" * 60_000,
    ]
    odd += [b"\x1b$B\x1b(J", b"con", b"*", b"~root", b"$(id)"]
    rng = np.random.default_rng(0)
    source = tmp_path / "in"
    for n, identity in enumerate(odd):
        (source / str(n)).mkdir(parents=True)
        for k, content in enumerate(slices):
            dataset = dcmread(io.BytesIO(content))
            dataset.PixelData = rng.integers(0, 4095, 32 * 32).astype("<u2").tobytes()
            out = io.BytesIO()
            dataset.save_as(out)
            own = changed(out.getvalue(), PatientID=identity, SOPInstanceUID=b"2.25.%d.%d" % (n, k))
            (source / str(n) / str(k)).write_bytes(own)
    before = sorted(tmp_path.parent.glob("*"))
    report = ingest(source, tmp_path / "out", RulesFile(series=RULES), 2)
    assert len(report["made"]) == len(odd) == len(report["cases"])
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == set(report["made"])
    assert sorted(tmp_path.parent.glob("*")) == before


# Processes


def test_an_item_that_kills_its_process_is_named_and_the_others_are_made(tmp_path: Path):
    keys = {f"i{k:02d}": "key" for k in range(20)}
    with pytest.raises(incremental.ItemsError) as caught:
        incremental.refresh(tmp_path, keys, crashing.make, workers=2)
    assert caught.value.failed == {"i07": incremental.KILLED}
    assert set(caught.value.records) == set(keys) - {"i07"} == {path.name for path in tmp_path.iterdir()}


def test_a_case_whose_reader_crashes_is_excluded_and_the_others_are_kept(tmp_path: Path):
    names = ["i06", "i07", "i08"]
    work = {name: CaseSource(name, {}, {}, Examination(name, name, [])) for name in names}
    records = cases._refresh(tmp_path, dict.fromkeys(names, "key"), crashing.make, 2, work)
    told = {name: [f["code"] for f in record["findings"]] for name, record in records.items()}
    assert told == {"i06": [], "i07": ["reader-crashed"], "i08": []}
    assert not (tmp_path / "i07" / incremental.RECORD).exists()  # so that it is tried again


COMPRESSED = (
    RLELossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless,
    JPEG2000Lossless, JPEG2000, UID("1.2.840.10008.1.2.4.201"), UID("1.2.840.10008.1.2.4.102"), UID("1.2.3.4"),
)  # fmt: skip


def compressed_junk(content: bytes, number: int, syntax: UID, k: int) -> Dataset:
    rng = np.random.default_rng(100 * number + k)
    heads = [
        b"",
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff\xc3",
        b"\xff\x4f\xff\x51",
        b"\1\0\0\0\x40\0\0\0",
    ]
    dataset = dcmread(io.BytesIO(content))
    dataset.PatientID = f"junk {number}"
    dataset.SOPInstanceUID = f"2.25.{number}.{k}"
    dataset.PixelData = encapsulate([heads[k % len(heads)] + rng.bytes(2000)])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].is_undefined_length = True
    return dataset


def hostile(folder: Path, phantom: Path, slices: list[bytes]) -> None:
    """One good patient among all kinds of the rest."""
    for path in phantom.rglob("*.dcm"):
        (folder / "good").mkdir(parents=True, exist_ok=True)
        (folder / "good" / f"{path.parent.name}{path.name}").write_bytes(path.read_bytes())
    for number, syntax in enumerate(COMPRESSED):
        for k, content in enumerate(slices):
            compressed_junk(content, number, syntax, k).save_as(
                folder / f"{number}-{k}", implicit_vr=False, little_endian=True
            )
    (folder / "cut").write_bytes(slices[0][:1500])
    (folder / "junk").write_bytes(bytes(128) + b"DICM" + os.urandom(5000))
    huge = changed(slices[0], Rows=US(65535), Columns=US(65535))
    (folder / "huge").write_bytes(huge)
    zipped(folder / "bomb.zip", {"a": bytes(64 << 20)})
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder)
    index(folder / "DICOMDIR", ["GONE"])


@pytest.mark.slow
def test_all_of_it_together_leaves_the_good_patient_and_names_the_rest(
    phantom: Path, slices: list[bytes], tmp_path: Path
):
    """Through the command, within 6 GB of address space; garbage for decoders in C++ included."""
    hostile(tmp_path / "in", phantom, slices)
    rules = {
        "series": {"b0": {"modality": "MR", "b_value": 0}},
        "structures": {"tumour": {"label": "Tumour"}},
        "allow": [c for c, kind in KINDS.items() if kind.severity == "error"],
    }
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    limit = 6 << 30
    done = subprocess.run(
        [sys.executable, "-m", "crossover", "ingest", "in", "out", "--rules", "rules.yaml", "--workers", "2"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "CROSSOVER_SECRET": "s"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    report = yaml.safe_load((tmp_path / "out/ingest.json").read_text())
    assert len(report["made"]) == 1 and len(report["cases"]) == 1 + len(COMPRESSED)
    for about in report["cases"].values():
        told = {f["code"] for f in about["findings"] if f["about"] != "structure tumour"}
        known = {"pixels-unreadable", "no-decoder", "reader-crashed", "mixed-matrix"}
        assert about["status"] == "made" or told & known, told
    loose = {f["code"] for f in report["folder"]}
    assert {"truncated", "too-large", "zip-refused", "link-skipped", "dicomdir-missing"} <= loose


# Damage at random


@pytest.mark.slow
def test_files_damaged_at_random_are_read_or_named(tmp_path: Path):
    """A short run of `benchmarks/fuzz_ingest.py`, which tells how to repeat what it finds."""
    fuzz_ingest.phantoms(tmp_path)
    tally = fuzz_ingest.fuzz(tmp_path, seconds=60, seed=1, most=80)
    assert tally.faults == []
    assert tally.runs > 20
    assert {"made", "truncated", "unreadable"} <= set(tally.codes)
