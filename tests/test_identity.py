"""Nobody can be told from what an ingest writes: not from a file, a name, a log or the terminal.

An export is written with marks in every attribute that holds text, a date, a number or a UID, in private tags,
contours' names, folders, archives and damaged files. Then every byte that comes out is searched for the marks.
"""

import csv
import datetime
import gzip
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.imaging.volumes import on_grid
from crossover.phantoms.pelvis.patients import write_patient
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.sources import cases
from crossover.sources.cases import CaseSource
from crossover.sources.dicom.examination import facts
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.header import Instance, read_header
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.scan import Examination
from crossover.sources.dicom.stacks import stacks
from crossover.sources.findings import KINDS
from crossover.sources.pseudonyms import days_back
from crossover.sources.settings import DicomSource, IngestRules

ROOT = Path(__file__).parent.parent
SECRET, OTHER_SECRET = "a secret of this test, ZZSECRETZZ", "another secret"
NUMBER, UID_ROOT, BIRTH, TIME = "7316490258", "2.25.7316490258", "19470911", "031747.316490"
MARKS = {
    "PN": "ZZPNZZ^MARIA", "LO": "ZZLOZZ", "SH": "ZZSHZZ", "LT": "ZZLTZZ", "ST": "ZZSTZZ", "UT": "ZZUTZZ",
    "UC": "ZZUCZZ", "UR": "http://zzurzz", "CS": "ZZCSZZ", "AE": "ZZAEZZ", "DA": BIRTH, "TM": TIME,
    "DT": BIRTH + TIME, "IS": NUMBER, "DS": NUMBER,
}  # fmt: skip
"""VR -> what is put into attributes of it."""

NEEDED = {
    "Modality", "SpecificCharacterSet", "PhotometricInterpretation", "ScanningSequence", "StudyDate",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "NumberOfFrames", "SegmentationType", "ContourGeometricType",
    "ContourData", "ROINumber", "ReferencedROINumber", "BurnedInAnnotation", "FrameType",
    "DiffusionDirectionality",
}  # fmt: skip
"""Without these the files would be refused, or be others."""

TOLD = {"PatientSex", "PatientAge", "MagneticFieldStrength", "RepetitionTime", "EchoTime"}
"""These are told, as numbers or words of a closed list (`header._facts`)."""

RULES = {
    "series": {
        "b0": {"modality": "MR", "b_value": 0},
        "b1000": {"modality": "MR", "b_value": 1000},
        "adc": {"modality": "MR", "image_type": "ADC", "description": "zzlozz"},
    },
    "structures": {"tumour": {"label": "Tumour"}, "gland": {"label": "Gland"}},
    "label_maps": {"gland": {"file": "ZZMAPSZZ/{patient}.nii.gz"}},
}
LEAK = re.compile(
    rb"zz[a-z0-9]{2,}zz|maria|m.{1,2}ller|7316490258|2\.25\.|1\.2\.840"
    rb"|19470911|1947-09-11|0?31747\.3|2019(?:0314|0317|0321|0322|0323|1122)|2019-(?:03|11)-\d\d",
    re.IGNORECASE,
)
"""Every mark, and any UID."""


@dataclass(frozen=True)
class Person:
    """A patient of the export."""

    id: str
    index: int
    """Which phantom it is."""
    fraction: float
    """0 for contours as RTSTRUCT, 1 for SEG."""
    date: str
    age: str
    study: int = 1


ANNA = Person("../../ZZANNAZZ/../..", 0, 0.0, "20190314", "093Y")
ANNA_LATER = Person("../../ZZANNAZZ/../..", 1, 0.0, "20191122", "094Y", study=2)
BERTA = Person("ZZBERTAZZ Müller", 2, 1.0, "20190317", "045Y")
CLARA = Person("ZZCLARAZZ", 3, 0.0, "20190321", "046Y")
"""Her images say that text is burnt in."""
DORA = Person("ZZDORAZZ", 4, 0.0, "20190322", "047Y")
"""Her contours are damaged."""
EMMA = Person("ZZEMMAZZ", 5, 0.0, "20190323", "048Y")
"""Her images are damaged."""


pytestmark = pytest.mark.filterwarnings("ignore:Unknown encoding")  # pydicom, where the marks are written


# The marked export


def written(person: Person, folder: Path) -> Path:
    """The person's phantom with marks, in folders that are called by her name."""
    source = PhantomSource(anatomy="uterus", patients=9, seed=5, matrix=32, slices=(6, 7), seg_fraction=person.fraction)
    write_patient(source, person.index, folder / "plain")
    target = folder / f"ZZFOLDERZZ {person.id.strip('./')} {person.study}"
    for k, path in enumerate(sorted((folder / "plain").rglob("*.dcm"))):
        dataset = dcmread(path)
        # All of the dictionary's text in an image and the object of two patients, which would take long in every one.
        some = path.stem in ("rtstruct", "seg") or path.parts[-2:] == ("ADC", "001.dcm")
        mark(dataset, person, whole=some and person in (ANNA, BERTA))
        out = target / path.parent.name.replace("CONTOUR", "ZZCONTOURZZ") / f"ZZFILEZZ{k}"
        out.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(out, enforce_file_format=True)
    shutil.rmtree(folder / "plain")
    return target


def mark(dataset: Dataset, person: Person, whole: bool) -> None:
    _mark_items(dataset)
    _mark_items(dataset.file_meta)
    dataset.preamble = b"ZZPREAMBLEZZ".ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = "ZZAEZZ"
    dataset.file_meta.PrivateInformationCreatorUID = f"{UID_ROOT}.1"
    dataset.file_meta.PrivateInformation = b"ZZPRIVATEZZ "
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items() if whole else ():
        plain = vr in MARKS and vr not in ("IS", "DS") and 0x0008 <= tag >> 16 < 0x7FE0
        if plain and keyword and keyword not in NEEDED | TOLD and tag not in dataset:
            dataset[tag] = DataElement(tag, vr, MARKS[vr])
    dataset.PatientID, dataset.StudyDate, dataset.PatientAge = person.id, person.date, person.age
    dataset.PatientName = f"ZZPNZZ^{person.id}"
    dataset.StudyTime = TIME
    dataset.StudyInstanceUID += f".{person.study}"
    dataset.SeriesNumber = int(person.date)  # as some workstations number them
    if "ImageType" in dataset:
        dataset.ImageType = [*dataset.ImageType, "ZZCSZZ"]
        dataset.Manufacturer = "SIEMENS ZZMAKERZZ"
    if dataset.Modality == "RTSTRUCT":
        _more_regions(dataset)
    if dataset.Modality == "SEG":
        dataset.SegmentSequence[0].SegmentLabel = "tumour"
    for group in (0x0009, 0x0019, 0x0029):
        block = dataset.private_block(group, f"ZZCREATOR{group}ZZ", create=True)
        block.add_new(0x01, "LO", "ZZPRIVATEZZ")
        block.add_new(0x10, "UN", b"ZZPRIVATEZZ ")
        block.add_new(0x20, "SQ", [_named("ZZPRIVATEZZ")])


def _mark_items(dataset: Dataset) -> None:
    for element in list(dataset):
        keyword = keyword_for_tag(element.tag)
        if element.VR == "SQ":
            for item in element.value:
                _mark_items(item)
        elif element.VR == "UI" and element.value:
            element.value = [_uid(str(u)) for u in _several(element.value)]
        elif element.VR in MARKS and keyword not in NEEDED | TOLD | {"ImageType"}:
            element.value = MARKS[element.VR]


def _several(value: object) -> list:
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]


def _uid(uid: str) -> str:
    """Another UID, always the same for the same, with a number that can be searched for."""
    if uid.startswith("1.2.840.10008."):
        return uid
    return UID_ROOT + uid.replace(".", "")[-30:]


def _named(name: str) -> Dataset:
    item = Dataset()
    item.PatientName = name
    return item


def _more_regions(dataset: Dataset) -> None:
    """The wanted region's name, and one more that is named after the patient."""
    first = dataset.StructureSetROISequence[0]
    first.ROIName = "tumour"
    second = Dataset()
    second.ROINumber, second.ROIName, second.ROIDescription = 2, "ZZROIZZ", "ZZROIZZ"
    dataset.StructureSetROISequence.append(second)


def damage(folder: Path, root: Path) -> None:
    """Files that run into every way of refusing, each with marks at the place that is wrong."""
    folder.mkdir()
    image = next(written(EMMA, root).rglob("DWI_b0/*"))
    contour = next(written(DORA, root).rglob("*CONTOUR*/*"))
    content = image.read_bytes()
    (folder / "ZZCUTZZ").write_bytes(content[:3000])
    (folder / "ZZCUTZZ2").write_bytes(content[:-100])
    (folder / "ZZJUNKZZ").write_bytes(b"ZZJUNKZZ" * 100)
    (folder / "ZZJUNKZZ2").write_bytes(b"\0" * 128 + b"DICM" + b"ZZJUNKZZ" * 100)
    (folder / "ZZJUNKZZ.zip").write_bytes(b"PK\3\4" + b"ZZJUNKZZ" * 100)
    (folder / "ZZEMPTYZZ").write_bytes(b"")
    (folder / "ZZLINKZZ").symlink_to("/nowhere/ZZLINKZZ")
    (folder / "ZZLOOPZZ").symlink_to(folder)
    odd: dict[str, bytes] = {
        "PixelSpacing": b"ZZDSZZ\\ZZDSZZ ", "Rows": b"ZZUSZZ", "SeriesInstanceUID": b"ZZUIZZ",
        "SeriesNumber": b"ZZISZZ",
        "StudyDate": b"ZZDAZZ", "SpecificCharacterSet": b"ZZCHARSETZZ ", "ImagePositionPatient": b"ZZDSZZ",
        "DiffusionBValue": b"ZZFDZZ", "PatientAge": b"ZZASZZ", "TransferSyntaxUID": b"ZZUIZZ", "PatientID": b"",
        "SamplesPerPixel": b"ZZ", "Manufacturer": b"SIEMENS \x1b$BZZLOZZ",
    }  # fmt: skip
    for k, (keyword, value) in enumerate(odd.items()):
        with_value(image, folder / f"ZZODDZZ{k}", keyword, value, str(k))
    regions = [
        ("ContourData", b"ZZDSZZ\\1\\2\\ZZDSZZ"),
        ("ROINumber", b"ZZISZZ"),
        ("ROIName", b"\xff\xfeZZROIZZ"),
    ]
    for k, (keyword, value) in enumerate(regions):
        with_value(contour, folder / f"ZZCONTOURZZ{k}", keyword, value, f"9{k}")
    contour.unlink()
    index(folder / "DICOMDIR")


def with_value(source: Path, target: Path, keyword: str, value: bytes, instance: str) -> None:
    """A copy with raw bytes in all elements of a keyword, which pydicom itself would refuse to write."""
    dataset = dcmread(source)
    dataset.SOPInstanceUID += instance
    for item in [dataset, dataset.file_meta, *_items(dataset)]:
        if keyword in item:
            old = item[keyword]
            value += b" " * (len(value) % 2)
            item._dict[old.tag] = RawDataElement(old.tag, old.VR, len(value), value, 0, False, True)
    dataset.save_as(target, enforce_file_format=False, little_endian=True, implicit_vr=False)


def _items(dataset: Dataset) -> Iterator[Dataset]:
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            yield item
            yield from _items(item)


def index(path: Path) -> None:
    """A DICOMDIR with files that are gone: pydicom's own reader warns with their names."""
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, "IMAGE"
    record.ReferencedFileID = ["ZZDIRZZ", "ZZGONEZZ"]
    dataset = Dataset()
    dataset.FileSetID, dataset.DirectoryRecordSequence = "ZZSETZZ", [record]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def label_map(person: Person, whole: Path, folder: Path) -> None:
    """A NIfTI on the grid of the person's images, whose header holds her name."""
    headers = [read_header(FileRef(str(p), None, "")) for p in whole.rglob("*") if p.is_file()]
    grid = volume(stacks(h for h in headers if isinstance(h, Instance))[0])
    mask = np.zeros(grid.GetSize()[::-1], np.uint8)
    mask[1:3, 5:15, 5:15] = 1
    folder.mkdir(exist_ok=True)
    path = folder / f"{person.id}.nii.gz"
    sitk.WriteImage(on_grid(mask, grid), str(path))
    header = bytearray(gzip.decompress(path.read_bytes()))
    header[148:160], header[328:340] = b"ZZDESCRIPZZ ", b"ZZINTENTZZ  "
    if person is CLARA:  # axes that aren't its pixels' size: ITK warns with the name of the file
        header[280:328] = (1.3 * np.frombuffer(header[280:328], "<f4")).astype("<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(header)))


def archive(folder: Path, path: Path) -> None:
    """Move a folder into an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.comment = b"ZZCOMMENTZZ"
        for member in sorted(p for p in folder.rglob("*") if p.is_file()):
            file.write(member, f"../ZZMEMBERZZ/{member.relative_to(folder)}")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good examinations of two patients, one with burnt-in text, and a folder of damaged files."""
    root = tmp_path_factory.mktemp("work") / "ZZEXPORTZZ Müller"
    root.mkdir()
    anna, berta, clara = (written(p, root) for p in (ANNA, BERTA, CLARA))
    written(ANNA_LATER, root)
    for path in sorted(clara.rglob("*"))[:8]:
        if path.is_file():
            dataset = dcmread(path)
            dataset.BurnedInAnnotation = "YES"
            dataset.save_as(path)
    damage(root / "ZZDAMAGEDZZ", root)
    for person, folder in [(BERTA, berta), (CLARA, clara)]:
        label_map(person, folder, root / "ZZMAPSZZ")
    archive(berta, root / "ZZARCHIVEZZ.zip")
    os.link(next(p for p in anna.rglob("*") if p.is_file()), os.fsencode(root) + b"/ZZBYTESZZ\xff")
    return root


# What comes out


@dataclass(frozen=True)
class Run:
    """A folder of results, and what was said."""

    folder: Path
    said: str
    status: int

    def report(self) -> dict:
        return json.loads(next(self.folder.rglob("ingest.json")).read_text())

    def told(self) -> dict[str, dict]:
        """case.json of each case."""
        found = {p.parent.name: json.loads(p.read_text()) for p in self.folder.rglob("case.json")}
        return dict(sorted(found.items()))


def call(folder: Path, secret: str, *arguments: str, **environment: str) -> Run:
    """Run a module of the project in a folder, its standard error kept there as a log is."""
    folder.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"CROSSOVER_SECRET": secret, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=env | environment, capture_output=True, text=True
    )  # fmt: skip
    (folder / f"{arguments[0]}.log").write_text(done.stderr)
    return Run(folder, done.stdout + done.stderr, done.returncode)


def call_here(folder: Path, secret: str, *arguments: str) -> Run:
    """Run a command in this process, which spares its start."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CROSSOVER_SECRET", secret)
        patch.setenv("HOME", str(folder))
        done = CliRunner().invoke(app, [*arguments])
    (folder / "crossover.log").write_text(done.stderr)
    return Run(folder, done.output, done.exit_code)


def by_command(export: Path, folder: Path, secret: str) -> Run:
    folder.mkdir()
    (folder / "rules.yaml").write_text(yaml.safe_dump(RULES))
    # The rules are the study's own text: they may hold the marks that they look for.
    run = call(
        folder, secret, "crossover", "ingest", str(export), "out", "--rules", "rules.yaml", "--workers", "2"
    )  # fmt: skip
    (folder / "rules.yaml").unlink()
    return run


@pytest.fixture(scope="module")
def ingested(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return by_command(export, tmp_path_factory.mktemp("by-command") / "run", SECRET)


@pytest.fixture(scope="module")
def workflow(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same by the two scripts of the workflow."""
    folder = tmp_path_factory.mktemp("by-workflow")
    source = DicomSource(kind="dicom", folder=export.name, label_maps=RULES["label_maps"])
    cfg = {"source": source.model_dump(mode="json"), "listing": "0123"}
    shared = ("--threads", "2", "--log", "logs/a.log")
    data = {"CROSSOVER_DATA": json.dumps({"own": str(export.parent)})}
    raw = "data/raw/own/manifest.json"
    first = call(
        folder, SECRET, "workflow_scripts.receive", "--cfg", json.dumps(cfg), "--out", raw, *shared, **data
    )  # fmt: skip
    assert first.status == 0, first.said
    cfg = {"source": cfg["source"], "series": RULES["series"], "structures": RULES["structures"]}
    second = call(
        folder, SECRET, "workflow_scripts.cases", "--cfg", json.dumps(cfg), "--raw", raw,
        "--out", "data/cases/own/manifest.json", *shared, **data,
    )  # fmt: skip
    return Run(folder, first.said + second.said, second.status)


def leaks(run: Run) -> list[str]:
    """Every mark in what was said, in names of files, and in their bytes, packed ones unpacked."""
    out = [f"said: {m!r}" for m in LEAK.findall(run.said.encode())]
    searched = 0
    for path in sorted(p for p in run.folder.rglob("*")):
        name = str(path.relative_to(run.folder))
        out += [f"{name}: its name" for _ in LEAK.findall(os.fsencode(name))]
        for content in contents(path) if path.is_file() else ():
            searched += 1
            out += [f"{name}: {m!r}" for m in LEAK.findall(content)]
    assert searched > 10
    return out


def contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content
    if path.suffix == ".gz":
        yield gzip.decompress(content)
    if path.suffix == ".json":
        yield json.dumps(json.loads(content), ensure_ascii=False).encode()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            yield from (inner.read(name) for name in inner.namelist())


# Tests


@pytest.mark.slow
def test_the_marks_are_there_to_be_found(export: Path):
    """Else the search would prove nothing."""
    files = sorted(p for p in export.rglob("ADC/ZZFILEZZ*"))
    content = files[0].read_bytes() + next(export.rglob("ZZMAPSZZ/*")).read_bytes()
    for mark in [
        *MARKS.values(),
        "ZZPRIVATEZZ",
        "ZZPREAMBLEZZ",
        UID_ROOT,
        ANNA.id,
        ANNA.date,
        "ZZCREATOR9ZZ",
    ]:
        assert mark.encode() in content, mark
        assert LEAK.search(mark.encode()), mark
    assert content.count(b"ZZ") > 3000
    assert len(list(export.rglob("*"))) > 60


@pytest.mark.slow
def test_an_ingest_tells_nobody_who_it_was(ingested: Run):
    assert leaks(ingested) == []
    assert "Traceback" not in ingested.said


@pytest.mark.slow
def test_the_workflow_tells_nobody_who_it_was(workflow: Run):
    """Its logs neither, though a failed rule writes its error there."""
    assert leaks(workflow) == []
    assert workflow.status == 1 and "errors exclude" in workflow.said
    logs = "".join(p.read_text() for p in workflow.folder.glob("*.log"))
    assert "IngestError" in logs


def test_what_is_well_is_made_and_what_is_not_is_named(ingested: Run):
    report = ingested.report()
    codes = {c: {f["code"] for f in about["findings"]} for c, about in report["cases"].items()}
    assert ingested.status == 1
    assert len(report["cases"]) == 6  # Anna twice, and one each
    assert len(report["made"]) == 1  # Berta, whose label map is there
    assert [c for c in codes.values() if "burnt-in" in c]
    assert sum("structure-missing" in c for c in codes.values()) == 4  # the others have no label map
    assert [c for c in codes.values() if "structure-empty" in c]
    assert [c for c in codes.values() if "series-ambiguous" in c]
    loose = {f["code"] for f in report["folder"]}
    assert {"truncated", "not-dicom", "zip-refused", "link-skipped", "no-patient"} <= loose
    assert "dicomdir-missing" in loose
    told = [f for about in report["cases"].values() for f in about["findings"]] + report["folder"]
    for finding in told:
        assert finding["code"] in KINDS
        assert all(re.fullmatch(r"f[0-9a-f]{10,}", token) for token in finding["files"])
    assert not any(f["code"] == "failed" for f in told)


def test_cases_and_patients_have_pseudonyms_only(ingested: Run):
    report = ingested.report()
    assert all(re.fullmatch(r"p[0-9a-f]{12}(-2)?", case) for case in report["cases"])
    folders = {p.name for p in (ingested.folder / "out").iterdir() if p.is_dir()}
    assert folders <= set(report["cases"])


@pytest.fixture(scope="module")
def without_maps(export: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Without label maps, so that all good examinations are made; with two secrets."""
    runs = []
    for secret in (SECRET, OTHER_SECRET):
        folder = tmp_path_factory.mktemp("without-maps")
        errors = [code for code, kind in KINDS.items() if kind.severity == "error"]
        rules = {
            "series": RULES["series"],
            "structures": {"tumour": {"label": "T"}},
            "allow": errors,
        }
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        command = ("ingest", str(export), "out", "--rules", "rules.yaml")
        if secret == SECRET:
            runs.append(call(folder, secret, "crossover", *command))
        else:
            runs.append(call_here(folder, secret, *command, "--workers", "1"))
        (folder / "rules.yaml").unlink()
    return runs


@pytest.mark.slow
def test_with_all_errors_allowed_the_good_cases_are_made_and_tell_nobody(without_maps: list[Run]):
    for run in without_maps:
        assert run.status == 0, run.said
        assert leaks(run) == []
        assert len(run.told()) == 3, run.said
        with next(run.folder.rglob("patients.csv")).open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 3 and len({r["patient"] for r in rows}) == 2
        assert set(rows[0]) == {"case", "patient"}


@pytest.mark.slow
def test_case_descriptions_hold_closed_words_and_numbers_only(without_maps: list[Run]):
    keys = {
        "channels", "structures", "size", "spacing_mm", "manufacturer", "sex", "age_years", "field_strength_t",
        "slice_thickness_mm", "repetition_time_ms", "echo_time_ms", "scanner", "study_date_moved",
    }  # fmt: skip
    for told in without_maps[0].told().values():
        assert set(told) <= keys
        assert told["manufacturer"] == "siemens" and told["sex"] == "F"
        assert re.fullmatch(r"s[0-9a-f]{6}", told["scanner"])


def date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def test_dates_move_by_one_offset_for_each_patient(without_maps: list[Run]):
    told = without_maps[0].told()
    twice = next(c for c in told if c.endswith("-2"))
    first, later = (date(told[c]["study_date_moved"]) for c in (twice.removesuffix("-2"), twice))
    assert later - first == date("2019-11-22") - date("2019-03-14")
    other = next(c for c in told if not c.startswith(twice.removesuffix("-2")))
    moved = {
        date("2019-03-14") - first,
        date("2019-03-17") - date(told[other]["study_date_moved"]),
    }
    assert len(moved) == 2 and all(0 < m.days <= 3650 for m in moved)
    assert first == date("2019-03-14") - datetime.timedelta(days=days_back(ANNA.id, SECRET.encode()))


def test_ages_above_89_are_told_as_90(without_maps: list[Run]):
    ages = sorted(t["age_years"] for t in without_maps[0].told().values())
    assert ages == [45, 90, 90]


def test_another_secret_gives_other_names_and_dates_throughout(without_maps: list[Run]):
    def names(run: Run) -> set[str]:
        report = run.report()
        told = run.told().values()
        tokens = {t for f in report["folder"] for t in f["files"]}
        seen = {t for t in json.loads(next(run.folder.rglob("received.json")).read_text())["items"]}
        kept = {t["scanner"] for t in told} | {t["study_date_moved"] for t in told}
        return set(report["cases"]) | tokens | seen | kept

    one, other = (names(run) for run in without_maps)
    assert len(one) == len(other) > 60
    assert not one & other


@pytest.mark.slow
def test_one_secret_gives_the_same_names_by_either_way(ingested: Run, workflow: Run, export: Path):
    assert set(ingested.report()["cases"]) == set(workflow.report()["cases"])


@pytest.mark.slow
def test_reidentify_tells_on_the_terminal_and_writes_nothing(export: Path, ingested: Run, tmp_path: Path):
    case = next(c for c in ingested.report()["cases"] if c.endswith("-2"))
    loose = next(f for f in ingested.report()["folder"] if f["code"] == "no-patient")["files"][0]
    before = sorted(export.rglob("*"))
    run = call_here(tmp_path / "empty", SECRET, "reidentify", str(export), case, loose)
    assert run.status == 0, run.said
    assert f"{case.removesuffix('-2')}: patient {ANNA.id}" in run.said
    assert "ZZROIZZ" in run.said and "ZZLOZZ" in run.said
    assert re.search(rf"{loose}: .*ZZ(ODD|JUNK)ZZ", run.said)
    assert BERTA.id not in run.said
    assert [p.name for p in (tmp_path / "empty").rglob("*")] == ["crossover.log"]
    assert (tmp_path / "empty/crossover.log").read_text() == ""
    assert sorted(export.rglob("*")) == before


@pytest.mark.slow
def test_reidentify_sends_no_control_characters_and_takes_names_that_are_no_text(export: Path, tmp_path: Path):
    folder = tmp_path / "odd"
    folder.mkdir()
    source = next(p for p in export.rglob("ZZFILEZZ*") if p.is_file())
    dataset = dcmread(source)
    dataset.PatientID = "ZZ\x1b]0;owned\x07"
    dataset.save_as(os.fsdecode(os.fsencode(folder) + b"/\x1b[2J\xff"))
    run = call_here(tmp_path / "empty", SECRET, "reidentify", str(folder))
    assert run.status == 0, run.said
    assert "owned" in run.said and "\x1b" not in run.said


def test_an_unforeseen_error_leaves_no_text_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    def broken(*_: object) -> None:
        raise ValueError("could not convert string to float: 'ZZNAMEZZ'")

    monkeypatch.setattr(cases, "_read_dicom", broken)
    work = {"p1": CaseSource("p1", {}, {}, Examination("p1", "p1", []))}
    rules = IngestRules(series={"a": {"modality": "MR"}})
    make = cases.partial(cases._make, work, DicomSource(kind="dicom"), rules, None)
    with caplog.at_level(logging.DEBUG):
        records = cases._refresh(tmp_path, {"p1": "key"}, make, 1, work)
    assert "ValueError at test_identity.py" in records["p1"]["findings"][0]["what"]
    assert records["p1"]["findings"][0]["code"] == "failed"
    assert "ZZNAMEZZ" not in json.dumps(records) + caplog.text
    assert "CaseError" in caplog.text


def test_facts_need_no_date_and_no_age(export: Path):
    """What is no date or no age is left out, whatever stands there."""
    source = next(p for p in export.rglob("ZZFILEZZ*") if p.is_file())
    header = read_header(FileRef(str(source), None, "f0"))
    assert isinstance(header, Instance)
    told = facts(header, b"key")
    assert "study_date_moved" in told
    for wrong in ("ZZDAZZ", "", "20190231", "00010101"):
        changed = Instance(**{n: getattr(header, n) for n in Instance.__slots__} | {"date": wrong})
        assert "study_date_moved" not in facts(changed, b"key")


def test_a_tag_of_the_dictionary_that_is_told_stands_on_the_list_above():
    """If the reader comes to tell more, this list, and the search, must be looked at again."""
    assert {keyword_for_tag(Tag(k)) for k in TOLD} == TOLD
