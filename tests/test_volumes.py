"""Cases from volumes with a table of patients, and nothing that tells who they are."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from crossover.provenance import read_json
from crossover.sources.cases import IngestError, make_cases
from crossover.sources.phantom import PhantomSource
from crossover.sources.pseudonyms import case_names, pseudonym, secret
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, VolumesSource, VolumeStructure
from crossover.sources.volumes import VolumesError, patient_files, read_patient, read_table, rows

HEADNECK = Path(__file__).parent.parent.parent / "shared/real/headneck"


real = pytest.mark.real
RULES = IngestRules()
PATIENTS = {"MUSTERMANN-01": "A", "MUSTERMANN-02": "B", "MUSTERMANN-03": "A"}


def source(**changes: object) -> VolumesSource:
    values = {
        "kind": "volumes",
        "channels": {"ct": "{patient}/ct.nii.gz"},
        "structures": {
            "parotid": {"file": "{patient}/labels.nii.gz", "label": 4},
            "any": {"file": "{patient}/labels.nii.gz"},
        },
        "variables": ["center"],
    }
    return VolumesSource(**values | changes)


def labels(patient: str) -> np.ndarray:
    """Label 4 in one corner, 2 in another; sizes differ by patient."""
    array = np.zeros((4, 8, 10), np.uint8)
    array[1, : int(patient[-1]), :3] = 4
    array[2, 5:, 6:] = 2
    return array


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    for patient in PATIENTS:
        (folder / patient).mkdir(parents=True)
        ct = (
            np.random.default_rng(int(patient[-1]))
            .integers(-1000, 1000, (4, 8, 10))
            .astype(np.int16)
        )
        for name, array in (("ct", ct), ("labels", labels(patient))):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((2, 2, 3))
            sitk.WriteImage(image, str(folder / patient / f"{name}.nii.gz"))
    table = pd.DataFrame(
        {"patient": list(PATIENTS), "center": PATIENTS.values(), "born": ["1950-01-02"] * 3}
    )
    table.to_csv(folder / "patients.csv", index=False)
    return folder


def refusal(source: VolumesSource, root: Path) -> str:
    with pytest.raises(VolumesError) as caught:
        read_table(source, root)
    return str(caught.value)


def retable(root: Path, change) -> None:
    table = pd.read_csv(root / "patients.csv", dtype=str)
    change(table).to_csv(root / "patients.csv", index=False)


def test_the_table_gives_the_patients_of_the_cohort(root: Path):
    assert list(read_table(source(), root).index) == list(PATIENTS)
    chosen = read_table(source(where={"center": "A"}), root)
    assert list(chosen.index) == ["MUSTERMANN-01", "MUSTERMANN-03"]
    assert set(rows(source(where={"center": "B"}), root)) == {"MUSTERMANN-02"}


def test_identifiers_stay_the_text_they_are(root: Path):
    retable(root, lambda t: t.assign(patient=["007", "1e3", "02"]))
    plain = source(channels={"ct": "MUSTERMANN-01/ct.nii.gz"}, structures={})
    assert list(rows(plain, root)) == ["007", "1e3", "02"]


def test_the_findings_in_a_table_are_told_at_once(root: Path):
    (root / "MUSTERMANN-02/ct.nii.gz").unlink()
    (root / "MUSTERMANN-03/labels.nii.gz").unlink()
    retable(root, lambda t: pd.concat([t, t[:1]]))
    message = refusal(source(identifiers="public"), root)
    for what in (
        "patients.csv",
        "MUSTERMANN-01 stands in several rows",
        "MUSTERMANN-02: the file of channel ct is not there",
        "MUSTERMANN-03: the file of structure parotid is not there",
    ):
        assert what in message


def test_a_wrong_table_is_told_without_the_identifiers(root: Path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    (root / "MUSTERMANN-02/ct.nii.gz").unlink()
    retable(root, lambda t: pd.concat([t, t[:1]]))
    message = refusal(source(), root)
    assert "MUSTERMANN" not in message.replace(str(root), "")
    for patient in ("MUSTERMANN-01", "MUSTERMANN-02"):
        assert pseudonym(patient, b"a secret") in message


def test_missing_columns_are_told_at_once_with_those_there_are(root: Path):
    asked = source(patient="id", where={"site": "A"}, variables=["age", "center"])
    message = refusal(asked, root)
    assert "no column age, id, site; there are patient, center, born" in message


def test_a_missing_table_and_a_cohort_without_rows_are_told(root: Path):
    assert "people.csv does not exist" in refusal(source(table="people.csv"), root)
    assert "no row with {'center': 'Z'}" in refusal(source(where={"center": "Z"}), root)


def row(patient: str) -> dict[str, str]:
    return {"patient": patient, "center": PATIENTS[patient]}


def test_a_structure_is_its_label_or_all_that_is_not_zero(root: Path):
    patient = "MUSTERMANN-02"
    channels, masks, _ = read_patient(source(), row(patient), root)
    assert list(channels) == ["ct"] and list(masks) == ["parotid", "any"]
    expected = labels(patient)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks["parotid"]), expected == 4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks["any"]), expected > 0)
    assert masks["parotid"].GetSpacing() == (2, 2, 3)
    assert patient_files(source(), row(patient)) == [
        f"{patient}/ct.nii.gz",
        f"{patient}/labels.nii.gz",
    ]


def test_empty_structures_and_values_that_are_not_finite_are_told_at_once(root: Path):
    bad = np.full((4, 8, 10), np.nan, np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(bad), str(root / "MUSTERMANN-01/ct.nrrd"))
    channels = {"ct": "{patient}/ct.nrrd"}
    structures = {"larynx": VolumeStructure(file="{patient}/labels.nii.gz", label=6)}
    with pytest.raises(VolumesError) as caught:
        read_patient(source(channels=channels, structures=structures), row("MUSTERMANN-01"), root)
    message = str(caught.value)
    assert "ct.nrrd holds values that are not finite" in message
    assert "no voxel of larynx; values: 0, 2, 4" in message


def test_pseudonyms_follow_from_the_secret(monkeypatch: pytest.MonkeyPatch):
    def names(key: str) -> dict[str, str]:
        monkeypatch.setenv("CROSSOVER_SECRET", key)
        return case_names(source(), list(PATIENTS))

    first, other = names("one"), names("another")
    assert first == names("one")
    assert len({*first.values(), *other.values()}) == 2 * len(PATIENTS)
    assert all(set(n[1:]) <= set("0123456789abcdef") and len(n) == 13 for n in first.values())
    assert first["MUSTERMANN-01"] == pseudonym("MUSTERMANN-01", b"one")


def test_public_and_synthetic_patients_keep_their_names():
    phantom = PhantomSource(anatomy="uterus", patients=1, seed=1)
    for public in (source(identifiers="public"), phantom):
        assert case_names(public, ["pt_1"]) == {"pt_1": "pt_1"}


def test_a_secret_is_made_once_outside_the_repository_and_read_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("CROSSOVER_SECRET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    first = secret()
    assert len(first) >= 32 and secret() == first
    (kept,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert os.stat(kept).st_mode & 0o077 == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    assert secret() != first


def make(root: Path, out: Path, source: VolumesSource, data: Path | None) -> Path:
    raw, manifest = out / "raw/x/manifest.json", out / "cases/x/manifest.json"
    receive(source, raw, root, "code", 1, "listing")
    make_cases(raw, manifest, source, RULES, data, "code", 1)
    return manifest


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, unpacked, by its path."""
    return {
        str(p.relative_to(folder)): gzip.decompress(p.read_bytes())
        if p.suffix == ".gz"
        else p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_nothing_written_tells_who_the_patients_are(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    manifest = make(root, tmp_path / "out", source(), root)
    names = {p: pseudonym(p, b"a secret") for p in PATIENTS}
    there = contents(tmp_path / "out")
    assert {f"cases/x/{names[p]}/image_ct.nii.gz" for p in PATIENTS} <= set(there)
    for path, text in there.items():
        for hidden in (b"MUSTERMANN", b"1950-01-02", b"a secret", str(root).encode()):
            assert hidden not in text and hidden.decode() not in path, path
    table = pd.read_csv(manifest.parent / "patients.csv")
    assert list(table.columns) == ["case", "patient", "center"]
    assert dict(zip(table.patient, table.center)) == {names[p]: c for p, c in PATIENTS.items()}
    case = read_json(manifest.parent / names["MUSTERMANN-02"] / "case.json")
    assert case["structures"]["parotid"] == pytest.approx(2 * 3 * 12 / 1000)
    assert case["size"] == [10, 8, 4] and case["spacing_mm"] == [2, 2, 3]


def test_under_another_secret_every_case_has_another_name(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    for key in ("one", "two"):
        monkeypatch.setenv("CROSSOVER_SECRET", key)
        seen.append(set(read_json(make(root, tmp_path / "out", source(), root))["items"]))
    assert not seen[0] & seen[1]
    folders = {p.name for p in (tmp_path / "out/cases/x").iterdir() if p.is_dir()}
    assert folders == seen[1], "the old names are gone"


def test_a_new_patient_redoes_nobody_elses_case(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    manifest = make(root, tmp_path / "out", source(where={"center": "A"}), root)
    first = manifest.parent / pseudonym("MUSTERMANN-01", b"a secret") / "case.json"
    before = first.stat().st_mtime_ns
    retable(root, lambda t: t.assign(center="A"))
    make(root, tmp_path / "out", source(where={"center": "A"}), root)
    assert len(read_json(manifest)["items"]) == 3 and first.stat().st_mtime_ns == before


def test_a_case_on_two_grids_is_named_and_the_others_are_made(root: Path, tmp_path: Path):
    image = sitk.ReadImage(str(root / "MUSTERMANN-02/labels.nii.gz"))
    image.SetOrigin((50, 0, 0))
    sitk.WriteImage(image, str(root / "MUSTERMANN-02/labels.nii.gz"))
    with pytest.raises(IngestError, match="1 of 3 cases have errors"):
        make(root, tmp_path / "out", source(identifiers="public"), root)
    report = read_json(tmp_path / "out/cases/x/ingest.json")
    (finding,) = report["cases"]["MUSTERMANN-02"]["findings"]
    assert finding["code"] == "volume-refused"
    assert "structure parotid, structure any: not on the grid" in finding["what"]
    assert report["made"] == ["MUSTERMANN-01", "MUSTERMANN-03"]
    assert not (tmp_path / "out/cases/x/manifest.json").exists()
    assert (tmp_path / "out/cases/x/MUSTERMANN-03/case.json").exists()


def test_without_the_folder_cases_that_are_made_are_not_asked_for_again(root: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="DATA=<folder>"):
        make(root, tmp_path / "out", source(identifiers="public"), None)
    with pytest.raises(ValueError, match="DATA=<folder>"):
        receive(source(), tmp_path / "raw/manifest.json", None, "code", 1, None)


def test_values_that_are_not_finite_are_told_in_nifti_too(root: Path):
    bad = sitk.GetImageFromArray(np.full((4, 8, 10), np.nan, np.float32))
    sitk.WriteImage(bad, str(root / "MUSTERMANN-01/ct.nii.gz"))
    with pytest.raises(VolumesError, match="not finite"):
        read_patient(source(), row("MUSTERMANN-01"), root)


def test_text_in_the_headers_of_images_stays_behind(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    path = str(root / "MUSTERMANN-01/ct.nii.gz")
    image = sitk.ReadImage(path)
    image.SetMetaData("ITK_FileNotes", "MUSTERMANN^ERIKA")
    image.SetMetaData("aux_file", "MUSTERMANN-01")
    sitk.WriteImage(image, path)
    manifest = make(root, tmp_path / "out", source(), root)
    assert not [p for p, text in contents(manifest.parent).items() if b"MUSTERMANN" in text]


def test_what_fails_is_told_without_the_identifier(root: Path, tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    image = sitk.ReadImage(str(root / "MUSTERMANN-02/labels.nii.gz"))
    sitk.WriteImage(image * 0, str(root / "MUSTERMANN-02/labels.nii.gz"))
    with pytest.raises(IngestError) as caught:
        make(root, tmp_path / "out", source(), root)
    report = (tmp_path / "out/cases/x/ingest.txt").read_text()
    assert pseudonym("MUSTERMANN-02", b"a secret") in report
    assert "MUSTERMANN" not in str(caught.value) + caplog.text + report


def test_an_empty_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As a kill, or another job, leaves it between making the file and writing it."""
    monkeypatch.delenv("CROSSOVER_SECRET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "crossover").mkdir()
    (tmp_path / "crossover/secret").touch()
    try:
        key = secret()
    except ValueError:
        return
    assert len(key) >= 32


def test_patients_whose_names_differ_by_space_are_told(root: Path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    try:
        names = case_names(source(), ["P1", "P1 "])
    except ValueError:
        return
    assert len(set(names.values())) == 2


def test_a_column_that_a_file_name_wants_and_the_table_lacks_is_told(root: Path):
    assert "visit" in refusal(source(channels={"ct": "{visit}/ct.nii.gz"}), root)


def headneck(center: str) -> VolumesSource:
    return VolumesSource(
        kind="volumes",
        where={"center": center},
        channels={"ct": "{patient}/ct.nii.gz"},
        structures={"left": {"file": "{patient}/structures.nii.gz", "label": 4}},
        identifiers="public",
    )


@real
def test_the_real_table_has_52_patients_of_one_center_and_30_of_the_other():
    tables = {center: read_table(headneck(center), HEADNECK) for center in "AB"}
    assert {c: len(t) for c, t in tables.items()} == {"A": 52, "B": 30}
    assert not set(tables["A"].index) & set(tables["B"].index)


@real
def test_a_real_case_is_read_with_its_left_parotid():
    row = read_table(headneck("A"), HEADNECK).iloc[0].to_dict()
    channels, masks, _ = read_patient(headneck("A"), row, HEADNECK)
    mask = sitk.GetArrayFromImage(masks["left"]) > 0
    ml = mask.sum() * np.prod(masks["left"].GetSpacing()) / 1000
    assert channels["ct"].GetSize()[:2] == (128, 128) and 5 < ml < 80
    assert -150 < np.median(sitk.GetArrayFromImage(channels["ct"])[mask]) < 150
    z, y, x = np.argwhere(mask).mean(axis=0)
    left = channels["ct"].TransformContinuousIndexToPhysicalPoint((x, y, z))[0]
    centre = channels["ct"].TransformContinuousIndexToPhysicalPoint((63.5, 63.5, z))[0]
    assert left != pytest.approx(centre, abs=15), "beside the midline"
