"""A PACS by DICOMweb, here Debian's Orthanc: what is stored, retrieved and segmented is the same to the voxel."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import block, write
from pydicom import Dataset, dcmread
from pydicom.uid import JPEGLSLossless
from segmenting import SEGMENT, pretend_trained
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.exchange.dicomweb import Pacs, PacsError
from crossover.sources.dicom.rtstruct import roi_mask, rois
from crossover.sources.dicom.segmentation import segment_mask

ORTHANC, PLUGIN = shutil.which("Orthanc"), Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
absent = "" if ORTHANC and PLUGIN.exists() else "Orthanc is not here (apt-get install orthanc orthanc-dicomweb)"


def needs_orthanc(test: Callable) -> Callable:
    return pytest.mark.slow(pytest.mark.skipif(bool(absent), reason=absent)(test))


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("find", "pacs.example", "PatientID=1"), "give the address of DICOMweb services"),
        (("find", "https://doctor:secret@pacs.example/dicom-web", "PatientID=1"), "CROSSOVER_PACS_USER"),
        (("find", "https://pacs.example/dicom-web?PatientID=1", "Modality=MR"), "as PatientID=123"),
        (("find", "http://localhost:9/dicom-web", "PatientID"), "a keyword and its value"),
        (("find", "http://localhost:9/dicom-web", "PatientsID=1"), "PatientsID: not a DICOM keyword"),
        (("find", "http://localhost:9/dicom-web", "PatientID=1"), "there is no server at this address"),
        (("find", "http://localhost:9/dicom-web"), "Missing argument"),
        (("retrieve", "http://localhost:9/dicom-web", "out"), "Missing argument"),
        (("store", "http://localhost:9/dicom-web", "nowhere"), "no DICOM file found"),
    ],
)
def test_what_can_not_be_asked_is_told_with_what_to_do(arguments, told: str, tmp_path: Path, monkeypatch):
    pytest.importorskip("dicomweb_client")
    monkeypatch.chdir(tmp_path)
    status, said = call("pacs", *arguments)
    assert status == 2 and told in said and "secret" not in said and not [*tmp_path.iterdir()]


# Servers that do what they shouldn't


class Odd(BaseHTTPRequestHandler):
    """Lists two instances of a series, and sends one of them."""

    counted, listed = 0, ("1.2.3.1", "1.2.3.2")

    series, sent, seen, stored = "1.2.3", b"", [], None  # set by the tests; it refuses files unless `stored` is a list

    statuses: list[int] = []
    """Of the next answers, in place of what it would answer."""

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization"))
        if self.statuses:
            return self._answer(b"no", "text/plain", self.statuses.pop(0))
        if "offset=0" not in self.path and "?" in self.path:
            return self._answer(b"[]")
        if self.path.partition("?")[0].endswith("/series"):
            more = {"NumberOfSeriesRelatedInstances": self.counted} if self.counted else {}
            return self._answer(listing(StudyInstanceUID="1.2", SeriesInstanceUID=self.series, PatientID="V1", **more))
        if "/instances?" in self.path:
            two = (listing(SOPInstanceUID=uid)[1:-1] for uid in self.listed)
            return self._answer(b"[" + b",".join(two) + b"]")
        part = b"\r\nContent-Type: application/dicom\r\n\r\n" + self.sent + b"\r\n"
        self._answer(b"--x" + part + b"--x--", 'multipart/related; type="application/dicom"; boundary=x', 206)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.statuses:
            return self._answer(b"no", "text/plain", self.statuses.pop(0))
        one, d = Dataset(), Dataset()
        if self.stored is None:
            one.ReferencedSOPInstanceUID, one.FailureReason = "1.2.3.1", 0xA700
            d.FailedSOPSequence = [one]
        else:
            sent = dcmread(BytesIO(body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n--")]))
            self.stored.append(sent)
            one.ReferencedSOPInstanceUID = sent.SOPInstanceUID
            d.ReferencedSOPSequence = [one]
        self._answer(json.dumps(d.to_json_dict()).encode(), status=409 if self.stored is None else 200)

    def _answer(self, content: bytes, kind: str = "application/dicom+json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def listing(**attributes: object) -> bytes:
    d = Dataset()
    for keyword, value in attributes.items():
        setattr(d, keyword, value)
    return json.dumps([d.to_json_dict()]).encode()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("dicomweb_client")
    (path,) = write(tmp_path / "one", block(shape=(1, 2, 2)), PatientID="V1")
    monkeypatch.setattr(Odd, "seen", [])
    monkeypatch.setattr(Odd, "stored", None)
    monkeypatch.setattr(Odd, "statuses", [])
    monkeypatch.setattr("retrying.time.sleep", lambda _: None)
    sent = dcmread(path)
    sent.SOPInstanceUID = sent.file_meta.MediaStorageSOPInstanceUID = "1.2.3.1"
    sent.SeriesInstanceUID = Odd.series
    sent.save_as(path)
    monkeypatch.setattr(Odd, "sent", path.read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_series_of_which_a_part_comes_is_an_error(odd: str, tmp_path: Path):
    status, said = call("pacs", "retrieve", odd, tmp_path / "in", "PatientID=V1")
    assert status == 1 and "1 of 2 instances of the series were not received" in said
    assert [p.name for p in (tmp_path / "in").rglob("*.*") if p.is_file()] == ["1.2.3.1.dcm"]


@pytest.mark.parametrize(
    ("counted", "listed", "told"),
    [
        (120, ("1.2.3.1",), "119 of 120 instances of the series were not received"),
        (120, (), "(the server counts 120 and lists 0)"),
        (0, (), "the server lists no instance of the series"),
    ],
)
def test_a_series_of_which_the_server_lists_a_part_is_an_error(
    odd: str, tmp_path: Path, monkeypatch, counted: int, listed: tuple[str, ...], told: str
):
    """Also when it is asked for again, though all that is listed is there."""
    monkeypatch.setattr(Odd, "counted", counted)
    monkeypatch.setattr(Odd, "listed", listed)
    for _ in range(2):
        status, said = call("pacs", "retrieve", odd, tmp_path / "in", "PatientID=V1")
        assert status == 1 and told in said


def test_a_series_that_is_as_large_as_the_server_counts_is_whole(odd: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Odd, "counted", 1)
    monkeypatch.setattr(Odd, "listed", ())
    status, said = call("pacs", "retrieve", odd, tmp_path / "in", "PatientID=V1")
    assert status == 0 and said.endswith(": 1 files\n")


def test_a_server_can_not_name_a_place_outside_of_the_folder(odd: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Odd, "series", "../../elsewhere")
    status, said = call("pacs", "retrieve", odd, tmp_path / "a/b/in", "PatientID=V1")
    assert status != 0 and "error: " in said and not [*tmp_path.rglob("elsewhere*")] and not (tmp_path / "a").exists()


def test_a_token_goes_before_what_netrc_says(odd: str, tmp_path: Path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login reader password other\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CROSSOVER_PACS_TOKEN", "a-token")
    assert call("pacs", "find", odd, "PatientID=V1")[0] == 0
    assert set(Odd.seen) == {"Bearer a-token"}


def test_a_refusal_is_told_with_the_reason_that_the_server_gives(odd: str, tmp_path: Path):
    status, said = call("pacs", "store", odd, tmp_path / "one")
    assert status == 1 and "the server refused the file: failure reason 0xa700" in said


def test_a_file_that_is_no_dicom_is_told(odd: str, tmp_path: Path):
    (tmp_path / "note.txt").write_text("no image")
    status, said = call("pacs", "store", odd, tmp_path / "note.txt")
    assert status == 1 and "the file cannot be read as DICOM" in said and "0 of 1 files are stored" in said


def test_what_a_killed_command_left_is_not_stored(odd: str, tmp_path: Path, monkeypatch):
    """Half an object has the UID of the whole one, which a server that has it then doesn't keep."""
    monkeypatch.setattr(Odd, "stored", [])
    (whole,) = (tmp_path / "one").iterdir()
    data = whole.read_bytes()
    for name in (f".{whole.name}.part", "1.2.part", ".hidden/a.dcm"):
        (tmp_path / "one" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "one" / name).write_bytes(data)
    (tmp_path / "one/0.dcm").write_bytes(data[:-3])
    status, said = call("pacs", "store", odd, tmp_path / "one")
    assert status == 1 and "0.dcm: the file is cut off" in said and "1 of 2 files are stored" in said
    assert [d.PixelData for d in Odd.stored] == [dcmread(whole).PixelData]


def test_a_file_that_is_received_in_part_is_not_written(odd: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Odd, "sent", Odd.sent[:-3])
    status, said = call("pacs", "retrieve", odd, tmp_path / "in", "PatientID=V1")
    assert status == 1 and "the file is cut off" in said
    assert not [p for p in (tmp_path / "in").rglob("*") if p.is_file()]


@pytest.mark.parametrize("status", [408, 429, 503, 504])
def test_a_busy_server_fails_one_file_and_no_other(odd: str, tmp_path: Path, monkeypatch, status: int):
    monkeypatch.setattr(Odd, "stored", [])
    monkeypatch.setattr(Odd, "statuses", [status] * 3)
    (path,) = (tmp_path / "one").iterdir()
    (tmp_path / "one/0.dcm").write_bytes(path.read_bytes())
    told, said = call("pacs", "store", odd, tmp_path / "one")
    assert told == 1 and f"0.dcm: the server answers {status}" in said and "1 of 2 files are stored" in said
    monkeypatch.setattr(Odd, "statuses", [status] * 3)
    told, said = call("pacs", "find", odd, "PatientID=V1")
    assert told == 2 and f"the server answers {status}" in said and "after 3 attempts" in said


def test_a_large_file_is_sent_whole_once_the_server_is_not_busy_any_more(odd: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Odd, "stored", [])
    monkeypatch.setattr(Odd, "statuses", [503])
    (path,) = write(tmp_path / "large", block(shape=(1, 800, 800)))
    assert call("pacs", "store", odd, path) == (0, "1 of 1 files are stored\n")
    assert Odd.stored == [dcmread(path)]


def test_refused_credentials_are_not_tried_again(odd: str, tmp_path: Path, monkeypatch):
    """Each attempt counts towards the lock of an account."""
    monkeypatch.setattr(Odd, "stored", [])
    monkeypatch.setattr(Odd, "statuses", [401] * 9)
    (path,) = (tmp_path / "one").iterdir()
    (tmp_path / "one/0.dcm").write_bytes(path.read_bytes())
    status, said = call("pacs", "store", odd, tmp_path / "one")
    assert status == 2 and "401" in said and "0 of 2 files are stored" in said and len(Odd.statuses) == 8


def test_a_server_that_is_not_there_is_not_tried_for_each_file(tmp_path: Path):
    pytest.importorskip("dicomweb_client")
    write(tmp_path, block(shape=(2, 2, 2)))
    status, said = call("pacs", "store", "http://localhost:9/dicom-web", tmp_path)
    assert status == 2 and said.count("there is no server at this address") == 1


def test_a_full_disk_fails_a_series_without_a_traceback(odd: str, tmp_path: Path, monkeypatch):
    def full(path: Path, _: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    status, said = call("pacs", "retrieve", odd, tmp_path / "in", "PatientID=V1")
    assert status == 1 and "in can't be written: No space left on device" in said
    assert not [p for p in (tmp_path / "in").rglob("*") if p.is_file()]


class Answers:
    """In a client's place: what a server answers to each search, and what it sends."""

    def __init__(self, *listed: dict, sent: Sequence[Dataset] = ()) -> None:
        self.listed, self.sent = listed, sent

    def search_for_series(self, limit: int, offset: int, **_: object) -> list[dict]:
        return [*self.listed[offset : offset + limit]]

    search_for_instances = search_for_series

    def set_chunk_size(self, _: int) -> None:
        pass

    def iter_series(self, *_: object, **__: object) -> Iterator[Dataset]:
        yield from self.sent


def asked(*listed: dict, sent: Sequence[Dataset] = ()) -> Pacs:
    pytest.importorskip("dicomweb_client")
    server = Pacs("http://localhost:9/dicom-web")
    server._client = Answers(*listed, sent=sent)
    return server


def of_patient(number: int, **attributes: object) -> dict:
    d = Dataset()
    d.StudyInstanceUID, d.SeriesInstanceUID, d.PatientID = f"1.2.{number}", f"1.3.{number}", f"V{number}"
    for keyword, value in attributes.items():
        setattr(d, keyword, value)
    return d.to_json_dict()


@pytest.mark.parametrize(
    "wanted",
    [
        {"PatientID": "V1"}, {"SeriesDescription": "T2*"}, {"SeriesDescription": "t2?tse"}, {"SeriesNumber": "3"},
        {"SeriesInstanceUID": "1.9,1.3.1"}, {"StudyDate": "20200101"}, {"StudyDate": "20190101-20201231"},
    ],
)  # fmt: skip
def test_series_that_do_not_match_are_left_out_where_a_server_ignores_a_keyword(wanted: dict[str, str]):
    one = of_patient(1, SeriesDescription="t2 tse", StudyDate="20200101", SeriesNumber=3)
    two = of_patient(2, SeriesDescription="flair", StudyDate="20220101", SeriesNumber=4)
    found = asked(one, two).find(wanted)
    assert [s.patient for s in found.series] == ["V1"] and not found.left_out and not found.unconfirmed


@pytest.mark.parametrize(
    "wanted",
    ["Smith*", "SMITH^ANNA", "smith", "Smith^A*", "*anna*", "Sm?th^Anna^^", "Smith^Anna^", "山田*", "Smíth^Anna"],
)
def test_other_peoples_series_are_left_out_where_a_server_ignores_the_name(wanted: str):
    names = ("Smith^Anna=山田^太郎", "Jones^Bob", "Smithers^Bob", "Blacksmith^Anna", "Smith^Bob")
    all_ = [of_patient(k, PatientName=name) for k, name in enumerate(names)]
    by_first_name = wanted in ("*anna*",)
    expected = {"V0"} | ({"V3"} if by_first_name else set())
    expected |= {"V2"} if wanted == "Smith*" else set()
    expected |= {"V4"} if wanted in ("Smith*", "smith") else set()
    assert {s.patient for s in asked(*all_).find({"PatientName": wanted}).series} == expected


@pytest.mark.parametrize("key", ["PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"])
def test_series_of_which_a_server_does_not_say_whose_they_are_are_left_out(key: str):
    nobodys, empty = of_patient(1), of_patient(2)
    nobodys.pop("00100020")
    empty["00100020"] = {"vr": "LO"}
    found = asked(nobodys, empty).find({key: "*"})
    assert not found.series and found.left_out == {key: 2}


def test_what_a_server_does_not_confirm_is_told():
    found = asked(of_patient(1, Modality="MR"), of_patient(2, BodyPartExamined="HEAD", Modality="MR")).find(
        {"BodyPartExamined": "HEAD", "Modality": "MR"}
    )
    assert [s.patient for s in found.series] == ["V1", "V2"] and found.unconfirmed == ("BodyPartExamined",)


def test_a_file_of_another_series_is_refused_and_not_written(tmp_path: Path):
    stranger = Dataset()
    stranger.SOPInstanceUID, stranger.SeriesInstanceUID = "1.4", "1.3.2"
    listed = {"00080018": {"vr": "UI", "Value": ["1.4"]}}
    (wanted,) = asked(of_patient(1)).find({"PatientID": "V1"}).series
    with pytest.raises(PacsError, match="a file of another series"):
        asked(listed, sent=[stranger]).retrieve(wanted, tmp_path)
    assert not [*tmp_path.rglob("*.*.dcm")]


@pytest.mark.parametrize("element", [{"vr": "IS", "Value": ["3A"]}, {"Value": ["3"]}])
def test_an_answer_that_is_not_valid_is_told_without_its_values(element: dict):
    with pytest.raises(PacsError, match=r"not valid DICOMweb: [A-Za-z]+$"):
        asked(of_patient(1) | {"00200011": element}).find({"PatientID": "V1"})


def test_an_instance_without_a_uid_is_told(tmp_path: Path):
    (wanted,) = asked(of_patient(1)).find({"PatientID": "V1"}).series
    with pytest.raises(PacsError, match="a UID that is not valid"):
        asked(of_patient(1)).retrieve(wanted, tmp_path)


# With Orthanc


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """Its address; it asks for a user and a password."""
    pytest.importorskip("dicomweb_client")
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"reader": "a password"},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        running = subprocess.Popen([str(ORTHANC), str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        _wait(port, running, folder / "log")
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        running.terminate()
        running.wait(30)


def _wait(port: int, running: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        assert running.poll() is None, log.read_text()
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_PACS_USER", "reader")
    monkeypatch.setenv("CROSSOVER_PACS_PASSWORD", "a password")


@needs_orthanc
def test_without_credentials_it_says_where_they_belong(server: str, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    status, said = call("pacs", "find", server, "PatientID=R1")
    assert status == 2 and "401" in said and "CROSSOVER_PACS_USER" in said and "R1" not in said


@needs_orthanc
def test_credentials_in_netrc_are_taken(server: str, monkeypatch, tmp_path: Path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login reader password 'a password'\n".replace("'", '"'))
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    status, said = call("pacs", "find", server, "PatientID=nobody")
    assert status == 1 and "no series matches" in said


@needs_orthanc
def test_a_patient_is_stored_found_retrieved_segmented_and_the_results_stored_and_read_back(
    server: str, signed_in, monkeypatch, tmp_path: Path
):
    results = pretend_trained(tmp_path, monkeypatch)
    for seed, (patient, syntax) in enumerate({"R1": None, "R2": JPEGLSLossless}.items()):
        content = block(("axial", "oblique")[seed], (5, 12, 10), seed, spacing=(3.0, 4.0, 4.0))
        more = {"syntax": syntax} if syntax else {}
        write(tmp_path / "scanner" / patient, content, PatientID=patient, SeriesDescription="t2", **more)
    assert call("pacs", "store", server, tmp_path / "scanner") == (0, "10 of 10 files are stored\n")
    status, said = call("pacs", "find", server, "PatientID=R*", "Modality=MR")
    assert status == 0 and [line.split()[0] for line in said.splitlines()] == ["R1", "R2"]
    assert "5 instances: t2" in said
    status, said = call("pacs", "retrieve", server, tmp_path / "in", "PatientID=R*", "Modality=MR")
    assert (status, said) == (0, "series 1 of R1: 5 files\nseries 1 of R2: 5 files\n")
    _same_files(tmp_path / "scanner", tmp_path / "in")

    out, made = tmp_path / "out", tmp_path / "objects"
    status, said = call(
        "segment", tmp_path / "in", out, *SEGMENT, "--model", "b_a-f0", "--results", results,
        "--workers", 1, "--dicom", made,
    )  # fmt: skip
    assert status == 0, said
    assert call("pacs", "store", server, made) == (0, "4 of 4 files are stored\n")
    assert call("pacs", "store", server, made) == (0, "4 of 4 files are stored\n")
    for modality in ("SEG", "RTSTRUCT"):
        back = tmp_path / modality
        status, said = call("pacs", "retrieve", server, back, "PatientID=R*", f"Modality={modality}")
        assert status == 0 and said.count(": 1 files") == 2, said
        _same_voxels(made, out, [*back.rglob("*.dcm")])


def _same_files(sent: Path, back: Path) -> None:
    """In the transfer syntax that they were sent in too."""
    one, other = ({d.SOPInstanceUID: d for d in map(dcmread, _files(folder))} for folder in (sent, back))
    assert one.keys() == other.keys()
    for uid, dataset in one.items():
        assert dataset == other[uid]
        assert dataset.file_meta.TransferSyntaxUID == other[uid].file_meta.TransferSyntaxUID


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def _same_voxels(made: Path, out: Path, back: list[Path]) -> None:
    case = {dcmread(p).SOPInstanceUID: p.name.partition("_")[0] for p in made.iterdir()}
    assert len(back) == 2
    for dataset in map(dcmread, back):
        mask = sitk.ReadImage(str(out / f"predictions/{case[dataset.SOPInstanceUID]}_prostate.nii.gz"))
        if dataset.Modality == "SEG":
            found, _ = segment_mask(dataset, 1, mask)
        else:
            found, _ = roi_mask(rois(dataset)[0], mask)
        assert (found == (sitk.GetArrayFromImage(mask) > 0)).all() and found.any()


@needs_orthanc
def test_a_second_retrieval_asks_for_what_is_missing_only(server: str, signed_in, tmp_path: Path, monkeypatch):
    write(tmp_path / "scanner", block(), PatientID="S1")
    call("pacs", "store", server, tmp_path / "scanner")
    wanted = ("pacs", "retrieve", server, tmp_path / "in", "PatientID=S1")
    assert call(*wanted)[0] == 0
    first, *others = sorted((tmp_path / "in").rglob("*.dcm"))
    times = [p.stat().st_mtime_ns for p in others]
    assert call(*wanted) == (0, "series 1 of S1: 5 files\n")
    assert times == [p.stat().st_mtime_ns for p in others]
    first.unlink()
    assert call(*wanted) == (0, "series 1 of S1: 5 files\n") and first.exists()


@needs_orthanc
def test_a_file_that_the_server_refuses_is_told_and_stops_no_other(server: str, signed_in, tmp_path: Path):
    _, bad = write(tmp_path / "scanner", block(shape=(2, 3, 4)), PatientID="T1")
    dataset = dcmread(bad)
    del dataset.StudyInstanceUID
    dataset.save_as(bad)
    status, said = call("pacs", "store", server, tmp_path / "scanner")
    assert status == 1 and f"error: {bad}" in said and "1 of 2 files are stored" in said


@needs_orthanc
def test_more_series_than_a_page_are_all_found(server: str, signed_in, tmp_path: Path, monkeypatch):
    from crossover.exchange import dicomweb

    monkeypatch.setattr(dicomweb, "PAGE", 2)
    for number in range(1, 6):
        write(tmp_path / str(number), block(shape=(1, 2, 2)), PatientID="U1", SeriesNumber=number)
    call("pacs", "store", server, tmp_path)
    status, said = call("pacs", "find", server, "PatientID=U1")
    assert status == 0 and [line.split("series ")[1][0] for line in said.splitlines()] == ["1", "2", "3", "4", "5"]
    assert np.unique([line.split("UID=")[1] for line in said.splitlines()]).size == 5
