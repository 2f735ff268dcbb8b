"""The layouts in which public sets of the prostate come, and the settings that read them."""

import contextlib
import csv
import json
import os
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from dicom_exports import block, uid, write
from mask_exports import SHAPE, body, image, mask, named
from pydantic import TypeAdapter, ValidationError
from pydicom import dcmread
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.files import read_json
from crossover.core.incremental import RECORD
from crossover.imaging.volumes import image_path, on_grid, structure_path
from crossover.sources.cases import IngestError, make_cases
from crossover.sources.dicom.export_files import FileRef, list_files
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.places import candidates, of_patient, parted
from crossover.sources.dicom.scan import read_headers
from crossover.sources.dicom.stacks import stacks
from crossover.sources.ingest import ingest
from crossover.sources.receive import receive
from crossover.sources.settings import Export, LabelMap, RulesFile, Source


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")


# Where they lie


def refs(*places: str) -> list[FileRef]:
    return [FileRef(f"/in/{p}", None, f"f{k}", p) for k, p in enumerate(places)]


def places_of(pattern: str, patient: str, *places: str) -> list[str]:
    files = refs(*places)
    return [one.files[0].place for one in of_patient(candidates(files, pattern), pattern, patient, {patient})]


def test_a_file_that_fits_two_patients_is_that_of_the_longer_identifier():
    found = candidates(refs("P1_2_seg.nrrd", "P1_seg.nrrd"), "{patient}*")
    patients = {"P1", "P1_2", "P3"}
    taken = {p: [one.files[0].place for one in of_patient(found, "{patient}*", p, patients)] for p in patients}
    assert taken == {"P1": ["P1_seg.nrrd"], "P1_2": ["P1_2_seg.nrrd"], "P3": []}


def test_a_pattern_names_a_file_or_a_folder_of_slices():
    found = candidates(refs("P 1/GT/pz/a", "P 1/GT/pz/b", "P 1/GT/pz/more/c", "P 1/T2W/a"), "{patient}/GT/pz")
    assert list(found) == ["P 1/GT/pz"] and found["P 1/GT/pz"].folder
    assert [f.place for f in found["P 1/GT/pz"].files] == ["P 1/GT/pz/a", "P 1/GT/pz/b"]
    (one,) = candidates(refs("a/P1.nrrd", "P1.nrrd"), "{patient}.nrrd").values()
    assert not one.folder and one.files[0].place == "P1.nrrd"


@pytest.mark.parametrize(
    ("pattern", "patient", "there"),
    [
        (
            "labels/**/{patient}*.nrrd",
            "Dx-01-0006",
            "labels/Training/Dx-01-0006_correctedLabels.nrrd",
        ),
        ("labels/**/{patient}*.nrrd", "3T-03-0001", "labels/Test/x/3T-03-0001_truth.nrrd"),
        ("labels/**/{patient}*.nrrd", "Dx-01-0001", "labels/Dx-01-0001.nrrd"),
        ("*{patient}.nii", "7", "case_7.nii"),
        ("mask{patient}.nii", "7", "mask7.nii"),
        ("*/{patient}/GT", "a.b (c)", "x/a.b (c)/GT/1"),
    ],
)
def test_patterns_find_names(pattern: str, patient: str, there: str):
    assert places_of(pattern, patient, there) == [there]


def test_a_star_takes_no_part_of_another_patients_name():
    there = "m/7.nii", "m/7_truth.nii", "m/70.nii", "m/17.nii", "m/7a.nii", "m/n/7.nii", "7.nii"
    assert places_of("m/{patient}*.nii", "7", *there) == ["m/7.nii", "m/7_truth.nii"]
    assert places_of("m/*{patient}.nii", "7", *there) == ["m/7.nii"]


def test_what_a_pattern_can_not_be_is_told():
    for wrong in ("/etc/{patient}", "../{patient}.nrrd", "a//b", "", "{name}.nrrd", "{patient"):
        with pytest.raises(ValidationError, match=r"is not a path below|only \{patient\} may stand"):
            LabelMap(file=wrong)
        if wrong:
            with pytest.raises(ValidationError):
                Export(images=wrong)


def test_images_lie_where_the_source_says_and_folders_may_tell_patients():
    files = refs("A/T2W/1", "A/GT/pz/1", "A/GT/cap/1", "B.zip/T2W/1", "T2W/1", "A/x/T2W/1")
    source = Export(patients="folder", images="*/T2W", label_maps={"pz": {"file": "{patient}/GT/pz"}})
    images, maps = parted(source, files)
    assert {f.place: f.patient for f in images} == {"A/T2W/1": "A", "B.zip/T2W/1": "B.zip"}
    assert list(maps["pz"]) == ["A/GT/pz"]
    images, _ = parted(Export(label_maps=source.label_maps), files)
    assert [f.place for f in images] == [f.place for f in files if "pz" not in f.place]
    assert {f.patient for f in images} == {""}
    with pytest.raises(ValueError, match=r"none of the 6 files matches `images: \*/T1W`"):
        parted(Export(images="*/T1W"), files)


# The public sets' layouts

T2 = {"t2": {"modality": "MR", "plane": "axial"}}
PROSTATE = {"prostate": {"label": "Prostate"}}
I2CVB = {
    "patients": "folder",
    "images": "*/T2W",
    "label_maps": {"prostate": {"file": "{patient}/GT/prostate", "slices": "names"}},
}
NCI_ISBI = {"label_maps": {"prostate": {"file": "labels/**/{patient}*.nrrd"}}}
LEAK = re.compile(
    rb"zz\w*zz|patient[ _]\d|7316490258|Dx-01|Prostate-3T|2\.25\.|1\.2\.840|2020-?01-?0",
    re.IGNORECASE,
)


def write_i2cvb(root: Path, numbers: tuple[int, ...] = (383, 1036), **tags: object) -> dict[str, np.ndarray]:
    """Folders as of the release: T2W beside other series, and masks that carry the T2's headers, but lie
    against its slices. One PatientID for all. Returns folder -> the prostate."""
    out = {}
    for number in numbers:
        folder = root / f"Patient {number}"
        tags = {"PatientID": "ZZANONYMZZ", "StudyID": "1", "SeriesDescription": "ZZt2ZZ"} | tags
        on = image(folder / "T2W", **tags)
        write(folder / "DCE", block(shape=SHAPE, seed=2), **tags, SeriesNumber=4)
        (folder / "MRSI").mkdir()
        (folder / "MRSI/CSI.rda").write_bytes(b"ZZRDAZZ")
        out[folder.name] = np.roll(body(), number % 3, 2)
        for organ, values in {
            "prostate": out[folder.name],
            "cap": body() & False,
            "pz": body(),
        }.items():
            against = replace(on, values=values[::-1] * 255.0)
            files = write(folder / "GT" / organ, against, **tags)  # even the series' UID is the T2's
            named(folder / "GT" / organ, files[::-1])
    return out


def write_nci_isbi(root: Path) -> dict[str, np.ndarray]:
    """Folders as of the archive's downloader, and labels by their archives; 1 peripheral, 2 central.
    Returns PatientID -> zones."""
    names = {
        "Prostate3T-01-0001": "Training/{}.nrrd",
        "ProstateDx-01-0006": "Training/{}_correctedLabels.nrrd",
        "ProstateDx-03-0002": "Test/{}_truth.nrrd",
    }
    out = {}
    for k, (patient, name) in enumerate(names.items()):
        collection = "Prostate-3T" if "3T" in patient else "PROSTATE-DIAGNOSIS"
        folder = root / "manifest-1" / collection / patient / uid(k, 1) / uid(k, 2)
        on = image(folder, name="1-{:02d}.dcm", PatientID=patient, StudyID=str(k + 1))
        zones = np.where(body(), 1, 0)
        zones[:, :, 3:] *= 2
        out[patient] = np.roll(zones, k, 2)
        path = root / "labels" / name.format(patient)
        path.parent.mkdir(parents=True, exist_ok=True)
        grid = volume(stacks(read_headers(list_files(folder, b"key")[0], 1)[0])[0])
        part = sitk.GetImageFromArray(out[patient][1:6].astype(np.uint8))  # as of ProstateDx-01-0055
        part.SetSpacing(grid.GetSpacing())
        part.SetDirection(grid.GetDirection())
        part.SetOrigin(grid.TransformIndexToPhysicalPoint((0, 0, 1)))
        sitk.WriteImage(part, str(path))
        assert on.values.shape == SHAPE
    return out


def made(source: Path, out: Path, **rules) -> dict:
    """The report of an ingest."""
    with contextlib.suppress(IngestError):
        ingest(source, out, RulesFile(series=T2, structures=PROSTATE, **rules), 1)
    report = read_json(out / "ingest.json")
    assert report["barred"] == [] and not any(f["severity"] == "error" for f in report["folder"])
    return report


def prostates(out: Path, cases: list[str]) -> list[np.ndarray]:
    read = [sitk.ReadImage(str(structure_path(out / c, "prostate"))) for c in cases]
    return [sitk.GetArrayFromImage(m) for m in read]


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    """Whether each wanted mask is found once."""
    return sorted(m.tobytes() for m in found) == sorted(m.astype(np.uint8).tobytes() for m in wanted)


def test_i2cvb_is_read_as_it_comes(tmp_path: Path):
    there = write_i2cvb(tmp_path / "in")
    report = made(tmp_path / "in", tmp_path / "out", **I2CVB)
    assert len(report["made"]) == len(report["cases"]) == 2
    assert same(prostates(tmp_path / "out", report["made"]), list(there.values()))
    for about in report["cases"].values():
        assert about["findings"] == [] and len(about["found"]) == 1
    # By their positions they would lie upside down, which would be said.
    maps = {"prostate": {"file": "{patient}/GT/prostate"}}
    report = made(tmp_path / "in", tmp_path / "other", **I2CVB | {"label_maps": maps})
    assert same(prostates(tmp_path / "other", report["made"]), [m[::-1] for m in there.values()])
    for about in report["cases"].values():
        assert [f["code"] for f in about["findings"]] == ["mask-order"]


def test_nci_isbi_is_read_as_it_comes(tmp_path: Path):
    there = write_nci_isbi(tmp_path / "in")
    report = made(tmp_path / "in", tmp_path / "out", **NCI_ISBI)
    assert len(report["made"]) == 3 and report["folder"] == []
    assert same(prostates(tmp_path / "out", report["made"]), [z > 0 for z in there.values()])
    central = {"prostate": {"file": "labels/**/{patient}*.nrrd", "label": 2}}
    report = made(tmp_path / "in", tmp_path / "central", label_maps=central)
    assert same(prostates(tmp_path / "central", report["made"]), [z == 2 for z in there.values()])


def write_saml(root: Path) -> dict[str, np.ndarray]:
    out = {}
    for site, ending, labels in (
        ("RUNMC", "_segmentation", (1, 2)), ("BMC", "_Segmentation", (1, 2)), ("I2CVB", "_segmentation", (1, 1)),
    ):  # fmt: skip
        (root / site).mkdir(parents=True)
        for case in range(2):
            values = block(shape=SHAPE, seed=case).values
            picture = sitk.GetImageFromArray(values.astype(np.int16) + len(site))
            picture.SetSpacing((0.6, 0.6, 3.6))
            sitk.WriteImage(picture, str(root / site / f"Case0{case}.nii.gz"))
            zones = np.where(np.roll(body(), case, 2), labels[0], 0)
            zones[:, :, 3:] *= labels[1]
            drawn = on_grid(zones.astype(np.uint8), picture)
            sitk.WriteImage(drawn, str(root / site / f"Case0{case}{ending}.nii.gz"))
            out[f"{site}-0{case}"] = zones > 0
    return out


def documented(language: str) -> list[str]:
    text = (Path(__file__).parent.parent / "docs/prostate-data.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def cohort(out: Path, settings: dict, data: Path, series: dict) -> dict:
    """The report of a cohort of a study, by the two steps of the workflow."""
    source = TypeAdapter(Source).validate_python(settings)
    raw, manifest = out / "raw/manifest.json", out / "cases/manifest.json"
    receive(source, raw, data, "code", 1, None)
    rules = RulesFile(series=series, structures=PROSTATE)
    return make_cases(raw, manifest, source, rules, data, "code", 1)


def test_the_documented_sources_of_dicom_read_the_three_sites(tmp_path: Path):
    zones = write_nci_isbi(tmp_path / "in/NCI-ISBI")
    glands = write_i2cvb(tmp_path / "in/I2CVB/Siemens")
    study = yaml.safe_load(documented("yaml")[0])
    wanted = {
        "site_a": [zones["Prostate3T-01-0001"] > 0],
        "site_b": [zones["ProstateDx-01-0006"] > 0],  # the other is of another part of the challenge
        "site_c": list(glands.values()),
    }
    for site, masks in wanted.items():
        settings = study["cohorts"][site]["source"]
        report = cohort(tmp_path / site, settings, tmp_path / "in", study["series"])
        assert same(prostates(tmp_path / site / "cases", report["made"]), masks), site
        assert report["failed"] == [] and report["folder"] == []


def test_the_documented_table_and_sources_read_the_volumes_of_three_sites(tmp_path: Path, monkeypatch):
    """Of Liu et al., which need a table and no more."""
    there = write_saml(tmp_path / "in")
    monkeypatch.chdir(tmp_path / "in")
    (snippet,) = documented("python")
    exec(snippet, {})
    study = yaml.safe_load(documented("yaml")[1])
    for site, folder in {"site_a": "RUNMC", "site_b": "BMC", "site_c": "I2CVB"}.items():
        settings = study["cohorts"][site]["source"]
        cases = cohort(tmp_path / site, settings, tmp_path / "in", T2)["made"]
        assert cases == [f"{folder}-00", f"{folder}-01"]
        for case, found in zip(cases, prostates(tmp_path / site / "cases", cases)):
            assert (found == there[case]).all()
            assert image_path(tmp_path / site / "cases" / case, "t2").exists()


# What goes with it


def test_label_maps_may_stand_nowhere_or_twice(tmp_path: Path):
    write_nci_isbi(tmp_path / "in")
    labels = tmp_path / "in/labels"
    shutil.copy(labels / "Training/Prostate3T-01-0001.nrrd", labels / "Prostate3T-01-0001.nrrd")
    (labels / "Test/ProstateDx-03-0002_truth.nrrd").unlink()
    report = made(tmp_path / "in", tmp_path / "out", **NCI_ISBI)
    findings = [f for about in report["cases"].values() for f in about["findings"]]
    said = sorted(f["code"] for f in findings if f["severity"] == "error")
    assert said == ["structure-doubled", "structure-missing"] and len(report["made"]) == 1
    doubled = [f for about in report["cases"].values() for f in about["findings"] if f["files"]]
    assert [len(f["files"]) for f in doubled] == [2]


def test_a_changed_mask_makes_its_own_case_again(tmp_path: Path):
    there = write_i2cvb(tmp_path / "in", (383, 387, 1036))
    first = made(tmp_path / "in", tmp_path / "out", **I2CVB)["made"]

    def times() -> dict[str, int]:
        return {c: (tmp_path / "out" / c / RECORD).stat().st_mtime_ns for c in first}

    before = times()
    path = tmp_path / "in/Patient 387/GT/prostate/image2.dcm"
    dataset = dcmread(path)
    pixels = dataset.pixel_array.copy()
    pixels[0, 0] = 255
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    assert made(tmp_path / "in", tmp_path / "out", **I2CVB)["made"] == first
    after = times()
    changed = [c for c in first if after[c] != before[c]]
    assert len(changed) == 1
    (mask_now,) = prostates(tmp_path / "out", changed)
    wanted = there["Patient 387"].copy()
    wanted[2, 0, 0] = True
    assert (mask_now == wanted).all()
    # What lies in none of the folders that hold images or masks is not even listed.
    seen = read_json(tmp_path / "out/received.json")["items"]
    assert len(seen) == 3 * 2 * 7


def test_masks_in_an_archive_are_read_there(tmp_path: Path):
    there = write_i2cvb(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(p for p in (tmp_path / "in").rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(tmp_path / "in"))
    report = made(tmp_path / "all.zip", tmp_path / "out", **I2CVB)
    assert same(prostates(tmp_path / "out", report["made"]), list(there.values()))


def test_a_volume_in_an_archive_is_to_be_unpacked(tmp_path: Path):
    write_nci_isbi(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "in/labels.zip", "w") as archive:
        for path in sorted((tmp_path / "in/labels").rglob("*.nrrd")):
            archive.write(path, path.name)
    shutil.rmtree(tmp_path / "in/labels")
    maps = {"prostate": {"file": "labels.zip/{patient}*.nrrd"}}
    report = made(tmp_path / "in", tmp_path / "out", label_maps=maps)
    said = {f["what"] for about in report["cases"].values() for f in about["findings"]}
    assert said == {"its label map is in a zip archive: unpack the archive"}


def test_masks_are_no_series_of_images(tmp_path: Path):
    """Though their headers are the T2's, to the UID, and no setting says where images lie."""
    on = image(tmp_path / "in/a/t2", PatientID="ZZPZZ")
    mask(tmp_path / "in/masks/ZZPZZ", on, PatientID="ZZPZZ", SeriesNumber=1)
    maps = {"prostate": {"file": "masks/{patient}"}}
    report = made(tmp_path / "in", tmp_path / "out", label_maps=maps)
    (about,) = report["cases"].values()
    assert about["status"] == "made" and len(about["found"]) == 1 and about["findings"] == []
    assert made(tmp_path / "in", tmp_path / "other")["made"] == []


# Nobody is told


def leaks(folder: Path) -> list[str]:
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = os.fsencode(path.relative_to(folder))
        content = path.read_bytes()
        if path.suffix == ".json":
            content += json.dumps(json.loads(content), ensure_ascii=False).encode()
        found += [f"{name}: {m!r}" for m in LEAK.findall(name + content)]
    return found


def spoil_some(root: Path) -> None:
    """Damage in masks, each of another kind, in folders that are named after patients."""
    (root / "Patient 2/GT/prostate/ZZJUNKZZ").write_bytes(b"ZZJUNKZZ" * 100)
    cut = root / "Patient 2/GT/prostate/image1.dcm"
    cut.write_bytes(cut.read_bytes()[:-30])
    shutil.rmtree(root / "Patient 3/GT/prostate")
    for path in (root / "Patient 4/GT/prostate").iterdir():
        path.rename(path.with_name(f"ZZ{path.name}ZZ"))
    odd = root / "Patient 5/GT/prostate/image0.dcm"
    odd.write_bytes(odd.read_bytes()[:400] + b"ZZODDZZ" * 20)
    for path in (root / "Patient 6/GT/prostate").iterdir():
        dataset = dcmread(path)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path)


def test_masks_and_folders_tell_nobody_who_it_was(tmp_path: Path):
    write_i2cvb(tmp_path / "ZZINZZ", (1, 2, 3, 4, 5, 6, 7316490258), PatientName="ZZPNZZ^MARIA")
    spoil_some(tmp_path / "ZZINZZ")
    folder = tmp_path / "out"
    folder.mkdir()
    rules = folder / "rules.yaml"
    rules.write_text(json.dumps({"series": T2, "structures": PROSTATE, **I2CVB}))
    call = [
        "ingest",
        str(tmp_path / "ZZINZZ"),
        str(folder),
        "--rules",
        str(rules),
        "--workers",
        "1",
    ]
    done = CliRunner().invoke(app, call)
    rules.rename(tmp_path / "rules.yaml")
    assert done.exit_code == 1, done.output
    report = read_json(folder / "ingest.json")
    told = [f for about in report["cases"].values() for f in about["findings"]]
    named = {"not-dicom", "truncated", "structure-missing", "structure-refused", "structure-empty"}
    assert {f["code"] for f in told} == named
    assert len(report["made"]) == 2 and len(report["cases"]) == 7
    assert all(re.fullmatch(r"f[0-9a-f]{10}", t) for f in told for t in f["files"])
    assert leaks(folder) == []
    assert [m for m in LEAK.findall(done.output.replace(str(tmp_path), "").encode())] == []


def test_reidentify_goes_by_folders_where_the_ingest_did(tmp_path: Path):
    write_i2cvb(tmp_path / "in")
    (tmp_path / "rules.yaml").write_text(json.dumps({"series": T2, "structures": PROSTATE, **I2CVB}))
    report = made(tmp_path / "in", tmp_path / "out", **I2CVB)
    told = [str(tmp_path / "in"), *report["made"]]
    by_folder = CliRunner().invoke(app, ["reidentify", *told, "--rules", str(tmp_path / "rules.yaml")])
    for number in (383, 1036):
        assert f": patient Patient {number}\n" in by_folder.output
    by_id = CliRunner().invoke(app, ["reidentify", *told])
    assert by_id.exit_code == 1 and "patient Patient" not in by_id.output


def test_the_table_of_cases_has_a_patient_for_each_folder(tmp_path: Path):
    write_i2cvb(tmp_path / "in")
    made(tmp_path / "in", tmp_path / "out", **I2CVB)
    with (tmp_path / "out/patients.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({r["patient"] for r in rows}) == len(rows) == 2
