"""An examination of a phantom: read as it was drawn, whatever its files are called; every finding told."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless, generate_uid

from crossover.core.files import read_json
from crossover.imaging.volumes import same_grid
from crossover.phantoms.pelvis.examination import Examination, examine
from crossover.phantoms.pelvis.patients import write_patient
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.sources.cases import make_cases
from crossover.sources.dicom.examination import Reading, read_examination
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.scan import read_headers, studies
from crossover.sources.findings import KINDS, table
from crossover.sources.ingest import ingest, study_rules
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, RulesFile, SeriesRule, Structure

ROOT = Path(__file__).parent.parent
RULES = {
    "b0": SeriesRule(modality="MR", b_value=0),
    "b1000": SeriesRule(modality="MR", b_value=1000),
    "adc": SeriesRule(modality="MR", image_type="ADC"),
}
STRUCTURES = {"tumour": Structure(label="Tumour")}
KINDS_OF_CONTOUR = {"SEG": 1.0, "RTSTRUCT": 0.0}


def source(kind: str, patients: int = 2) -> PhantomSource:
    share = KINDS_OF_CONTOUR[kind]
    return PhantomSource(anatomy="uterus", patients=patients, seed=5, matrix=32, slices=(6, 7), seg_fraction=share)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Examination]]:
    """One patient for each kind of contour: the folder and what was written."""
    out = {}
    for kind in KINDS_OF_CONTOUR:
        root = tmp_path_factory.mktemp(kind)
        write_patient(source(kind), 0, root)
        exam = examine(source(kind), 0)
        out[kind] = (root / exam.patient_id, exam)
    return out


@pytest.fixture
def copied(phantoms, tmp_path: Path) -> Callable[[str], Path]:
    def copy_of(kind: str = "RTSTRUCT") -> Path:
        return shutil.copytree(phantoms[kind][0], tmp_path / kind)

    return copy_of


def read(folder: Path, rules=RULES, structures=STRUCTURES) -> Reading:
    instances, findings = read_headers(list_files(folder, b"key")[0], 1)
    reading = read_examination(instances, IngestRules(series=rules, structures=structures), {}, b"key")
    reading.findings = findings + reading.findings
    return reading


def errors(folder: Path, rules=RULES, structures=STRUCTURES) -> dict[tuple[str, str], str]:
    """(what it is about, code) -> text of each error."""
    reading = read(folder, rules, structures)
    return {(f.about, f.code): f.what for f in reading.findings if f.severity == "error"}


def edit(path: Path, change: Callable[[Dataset], object]) -> None:
    dataset = dcmread(path)
    change(dataset)
    dataset.save_as(path)


def arrays(images: dict[str, sitk.Image]) -> dict[str, np.ndarray]:
    return {name: sitk.GetArrayFromImage(image) for name, image in images.items()}


@pytest.mark.parametrize("kind", KINDS_OF_CONTOUR)
def test_a_phantom_is_read_as_it_was_drawn(kind: str, phantoms):
    folder, exam = phantoms[kind]
    reading = read(folder)
    assert reading.findings == [] and exam.mask.any()
    got = arrays(reading.channels)
    np.testing.assert_array_equal(got["b0"], exam.b0)
    np.testing.assert_array_equal(got["b1000"], exam.b1000)
    np.testing.assert_array_equal(got["adc"], exam.adc_um2_s)
    np.testing.assert_array_equal(arrays(reading.structures)["tumour"].astype(bool), exam.mask)
    g = exam.geometry
    for image in [*reading.channels.values(), *reading.structures.values()]:
        assert same_grid(image, reading.channels["b0"])
        assert image.GetSpacing() == pytest.approx((g.pixel_mm, g.pixel_mm, g.spacing_mm))
        for k in (0, g.shape[0] - 1):
            point = image.TransformIndexToPhysicalPoint((0, 0, k))
            assert point == pytest.approx(g.position(k), abs=1e-6)


def test_the_computed_adc_is_the_vendors(phantoms):
    """ln(S0 / S1000) / 1000 s/mm² in 10⁻⁶ mm²/s, but for the rounding of the stored map."""
    folder, _ = phantoms["SEG"]
    fitted = {"adc": SeriesRule(modality="MR", image_type="FITTED", computed_from=[0, 1000])}
    ours = read(folder, fitted)
    assert [f.code for f in ours.findings] == ["adc-computed"]
    images = arrays(read(folder).channels)
    bright = (images["b1000"] > 50) & (images["b0"] > images["b1000"])
    assert bright.sum() > 100
    difference = arrays(ours.channels)["adc"][bright] - images["adc"][bright]
    assert np.abs(difference).max() <= 1


def test_every_finding_of_an_examination_is_told_at_once(copied):
    folder = copied()
    (folder / "ADC/003.dcm").unlink()
    shutil.rmtree(folder / "DWI_b1000")
    found = errors(folder, structures={"node": Structure(label="Node")})
    assert "1 slice missing" in found["channel adc", "missing-slice"]
    assert "no image matches modality MR, b_value 1000" in found["channel b1000", "series-missing"]
    assert "none of its 1 structures" in found["structure node", "structure-missing"]


def test_two_series_that_match_are_told_with_what_tells_them_apart(copied):
    folder = copied()
    shutil.copytree(folder / "ADC", folder / "ADC2")
    uid = generate_uid()
    for file in (folder / "ADC2").iterdir():
        edit(file, lambda d: d.update({"SeriesInstanceUID": uid, "SeriesNumber": 9}))
        edit(file, lambda d: setattr(d, "SOPInstanceUID", generate_uid()))
    text = errors(folder)["channel adc", "series-ambiguous"]
    assert "2 volumes match" in text and "series 3" in text and "series 9" in text


def test_a_copied_file_is_a_note_and_one_of_another_image_an_error(copied):
    folder = copied()
    shutil.copy(folder / "DWI_b0/002.dcm", folder / "DWI_b0/again.dcm")
    reading = read(folder)
    assert [f.code for f in reading.findings] == ["duplicate-file"] and not reading.failed
    edit(folder / "DWI_b0/again.dcm", lambda d: setattr(d, "PixelSpacing", [0.9, 0.9]))
    assert set(errors(folder)) == {("", "inconsistent-instances")}


def compress(d: Dataset) -> None:
    d.compress(RLELossless, generate_instance_uid=False)


@pytest.mark.parametrize("change", [lambda d: setattr(d, "RetrieveAETitle", "PACS2"), compress])
def test_an_image_exported_again_with_another_header_or_encoding_is_a_copy(copied, change):
    folder = copied()
    before = read(folder)
    shutil.copytree(folder / "DWI_b0", folder / "again")
    for file in (folder / "again").iterdir():
        edit(file, change)
    reading = read(folder)
    (note,) = reading.findings
    assert note.code == "duplicate-file" and "with the image of another" in note.what and not reading.failed
    b0 = (sitk.GetArrayFromImage(r.channels["b0"]) for r in (before, reading))
    assert np.array_equal(*b0)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: setattr(d, "RescaleSlope", 2),
        lambda d: setattr(d, "SeriesDescription", "other"),
        lambda d: setattr(d, "PixelData", d.PixelData[:-2] + b"\1\0"),
    ],
)
def test_a_copy_that_would_be_read_otherwise_is_an_error(copied, change):
    folder = copied()
    shutil.copy(folder / "DWI_b0/002.dcm", folder / "DWI_b0/again.dcm")
    edit(folder / "DWI_b0/again.dcm", change)
    assert set(errors(folder)) == {("", "inconsistent-instances")}


def test_a_structure_set_that_was_changed_under_its_number_is_an_error(copied):
    folder = copied()
    (plan,) = (p for p in folder.rglob("*.dcm") if dcmread(p).Modality == "RTSTRUCT")
    shutil.copy(plan, folder / "again.dcm")
    edit(folder / "again.dcm", lambda d: setattr(d, "StructureSetLabel", "other"))
    assert set(errors(folder)) == {("", "inconsistent-instances")}


@pytest.mark.parametrize("kept", [300, -500])
def test_a_file_cut_short_is_told(copied, kept: int):
    folder = copied()
    cut = folder / "DWI_b0/001.dcm"
    cut.write_bytes(cut.read_bytes()[:kept])
    assert ("", "truncated") in errors(folder)


def test_an_error_of_our_own_is_told_by_its_kind_and_place_only(copied, monkeypatch):
    def broken(*_: object) -> None:
        raise ValueError("the value ERIKA^MUSTERMANN is wrong")

    monkeypatch.setattr("crossover.sources.dicom.examination.find_structure", broken)
    text = errors(copied())["structure tumour", "failed"]
    assert "ValueError" in text and "MUSTERMANN" not in text


def test_shuffled_renamed_files_give_the_phantoms_cases_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The uterus study's own rules, over the phantoms' files without names, suffixes or folders."""
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    phantom = PhantomSource(anatomy="uterus", patients=3, seed=5, matrix=32, slices=(6, 7))
    rules = study_rules("uterus")
    raw, made = tmp_path / "raw/x/manifest.json", tmp_path / "cases/x/manifest.json"
    receive(phantom, raw, None, "code", 1, None)
    make_cases(raw, made, phantom, IngestRules(**only(rules)), None, "code", 1)
    files = sorted(p for p in raw.parent.rglob("*.dcm"))
    shuffled = tmp_path / "export"
    for i, j in enumerate(np.random.default_rng(1).permutation(len(files))):
        (shuffled / f"{i % 7}").mkdir(parents=True, exist_ok=True)
        shutil.copy(files[j], shuffled / f"{i % 7}/IM{i}")
    report = ingest(shuffled, tmp_path / "out", rules, 2)
    assert len(report["made"]) == 3

    def contents(folder: Path) -> set[tuple]:
        return {
            tuple((f, about["sha256"]) for f, about in sorted(item["files"].items()) if "nii" in f)
            for item in read_json(folder / "manifest.json")["items"].values()
        }

    assert contents(tmp_path / "out") == contents(made.parent)
    assert len(next(iter(contents(made.parent)))) == 4


def only(rules: RulesFile) -> dict:
    return {"series": rules.series, "structures": rules.structures}


def test_an_object_is_of_its_own_study_where_an_anonymiser_gave_all_studies_the_same_series():
    def made(modality: str, study: str, date: str, references: tuple = (), frame: str = "f") -> SimpleNamespace:
        return SimpleNamespace(modality=modality, study=study, date=date, series="s", frame_of_reference=frame,
                               references=references)  # fmt: skip

    images = [made("CT", "A", "2020"), made("CT", "B", "2021")]
    contours = made("RTSTRUCT", "A", "2019", ("s",))
    assert [[i.modality for i in own] for own in studies([*images, contours])] == [["CT", "RTSTRUCT"], ["CT"]]
    apart = made("RTSTRUCT", "C", "2022")  # whose frame is of both
    assert [len(own) for own in studies([*images, apart]) if own[0].modality == "CT"] == [1, 1]
    alone = made("RTSTRUCT", "C", "2022")
    assert [len(own) for own in studies([images[0], alone])] == [2]


def test_the_documentation_lists_every_finding():
    assert table() in (ROOT / "docs/findings.md").read_text()
    assert all(kind.remedy for kind in KINDS.values())
