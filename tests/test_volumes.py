"""Cases from volumes with a table of patients, and nothing that tells who they are."""

import gzip
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError, validate
from crossover.core.files import read_json
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.sources.cases import IngestError, make_cases
from crossover.sources.pseudonyms import case_names, pseudonym, secret
from crossover.sources.reading import Reading
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, VolumesSource, VolumeStructure
from crossover.sources.volumes import VolumesError, patient_files, read_patient, rows
from crossover.study.config import load_study
from crossover.study.sections import Cohort, Splits
from crossover.study.splits import split

CONFIG = Path(__file__).parent.parent / "config"
HEADNECK = Path(__file__).parent.parent.parent / "shared/real/headneck"


real = pytest.mark.real
RULES = IngestRules()
OPTION = "to leave out the rows whose files do not exist, set `allow: [series-missing, structure-missing]`"
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
        ct = np.random.default_rng(int(patient[-1])).integers(-1000, 1000, (4, 8, 10)).astype(np.int16)
        for name, array in (("ct", ct), ("labels", labels(patient))):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((2, 2, 3))
            sitk.WriteImage(image, str(folder / patient / f"{name}.nii.gz"))
    table = pd.DataFrame({"patient": list(PATIENTS), "center": PATIENTS.values(), "born": ["1950-01-02"] * 3})
    table.to_csv(folder / "patients.csv", index=False)
    return folder


def refusal(source: VolumesSource, root: Path) -> str:
    with pytest.raises(VolumesError) as caught:
        rows(source, root)
    return str(caught.value)


def retable(root: Path, change) -> None:
    table = pd.read_csv(root / "patients.csv", dtype=str)
    change(table).to_csv(root / "patients.csv", index=False)


def patients(source: VolumesSource, root: Path) -> list[str]:
    """The table's own identifiers of a cohort's cases."""
    return [own.row[source.patient] for own in rows(source, root).cases.values()]


def test_the_table_gives_the_patients_of_the_cohort(root: Path):
    assert patients(source(), root) == list(PATIENTS)
    assert patients(source(where={"center": "A"}), root) == ["MUSTERMANN-01", "MUSTERMANN-03"]
    assert patients(source(where={"center": "B"}), root) == ["MUSTERMANN-02"]


@pytest.fixture
def own_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")


def given(root: Path, text: str, encoding: str = "utf-8") -> None:
    (root / "patients.csv").write_bytes(text.encode(encoding))


def test_a_row_whose_file_is_missing_is_left_out_where_that_is_allowed_and_told(own_secret, root: Path):
    made = source(structures={"parotid": {"file": "{patient}/labels.nii.gz"}})
    (root / "MUSTERMANN-02/labels.nii.gz").unlink()
    assert "row 3" in refusal(made, root) and "the file does not exist" in refusal(made, root)
    assert refusal(made, root).endswith(
        "to leave out the rows whose files do not exist, set `allow: [series-missing, structure-missing]`"
    )
    allowed = made.model_copy(update={"allow": ["structure-missing"]})
    found = rows(allowed, root)
    assert len(found.cases) == 2 and found.left_out == {"MUSTERMANN-02": "no structure parotid"}
    (note,) = [f.what for f in found.findings if f.code == "files-missing"]
    assert note == "1 patient left out, although in the table: 1 with no structure parotid"
    (root / "MUSTERMANN-01/ct.nii.gz").unlink()  # the structure's code allows no other file to be missing
    assert "row 2" in refusal(allowed, root) and "channel ct" in refusal(allowed, root)
    for patient in PATIENTS:
        (root / patient / "labels.nii.gz").unlink(missing_ok=True)
    both = made.model_copy(update={"allow": ["structure-missing", "series-missing"]})
    assert "has all of these files" in refusal(both, root) and "3 patients" in refusal(both, root)


def test_a_file_of_which_the_table_says_the_name_wrong_is_no_missing_one(own_secret, root: Path):
    allowed = source(allow=["structure-missing", "series-missing"])
    (root / "MUSTERMANN-02").rename(root / "Mustermann-02")
    assert "differs only in case or blanks" in refusal(allowed, root) and "to leave out" not in refusal(allowed, root)


@pytest.mark.parametrize("ids", [["007", "1e3", "02"], ["NA", "nan", "None"]])
def test_identifiers_stay_the_text_they_are(root: Path, ids: list[str]):
    retable(root, lambda t: t.assign(patient=ids))
    plain = source(channels={"ct": "MUSTERMANN-01/ct.nii.gz"}, structures={})
    assert patients(plain, root) == ids


@pytest.mark.parametrize(
    ("text", "encoding", "note"),
    [
        ("patient;center;clinic\nMUSTERMANN-01;A;Köln\n", "utf-8-sig", "semicolons"),
        ("patient,center,clinic\nMUSTERMANN-01 ,A,Köln\n,,\n", "cp1252", "Windows-1252"),
        ("patient\tcenter\nMUSTERMANN-01\t A\n", "utf-16", "row 2 column 2 (center)"),
    ],
)
def test_a_table_may_have_any_form_and_what_was_done_is_told(own_secret, root, text, encoding, note):
    given(root, text, encoding)
    cases, findings, _ = rows(source(where={"center": "A"}), root)
    assert [own.row["patient"] for own in cases.values()] == ["MUSTERMANN-01"]
    told = "\n".join(f.what for f in findings)
    assert note in told and "MUSTERMANN" not in told and {f.severity for f in findings} == {"note"}


def test_an_empty_cell_of_a_file_is_as_good_as_a_missing_file(own_secret, root: Path):
    retable(root, lambda t: t.assign(mask=[f"{p}/labels.nii.gz" for p in t["patient"]]))
    of_cell = {"parotid": {"file": "{mask}", "label": 1}}
    whole = rows(source(structures=of_cell), root)[0]
    retable(root, lambda t: t.assign(mask=["", *t["mask"][1:]]))
    told = refusal(source(structures=of_cell), root)
    assert "structure parotid ({mask}): the cell that names the file is empty" in told and OPTION in told
    cases, _, lacking = rows(source(structures=of_cell, allow=["structure-missing"]), root)
    assert len(cases) == len(whole) - 1 and list(lacking.values()) == ["no structure parotid"]


def test_a_row_that_where_nearly_takes_is_told(own_secret, root: Path):
    given(root, "patient,center\nMUSTERMANN-01,Site A\nMUSTERMANN-02,site a\nMUSTERMANN-03,B\n")
    cases, (finding,), _ = rows(source(where={"center": "Site A"}), root)
    assert len(cases) == 1 and finding.code == "row-passed" and "row 3" in finding.what


def test_the_findings_in_a_table_are_told_at_once_by_row_and_pattern_not_by_identifier(own_secret, root):
    (root / "MUSTERMANN-02/ct.nii.gz").unlink()
    (root / "MUSTERMANN-03/labels.nii.gz").unlink()
    retable(root, lambda t: pd.concat([t, t[:1], pd.DataFrame({"center": ["A"]}), t[2:]]))
    name = {p: pseudonym(p, b"a secret") for p in PATIENTS}
    message = refusal(source(), root)
    assert message.splitlines() == [
        "patients.csv:",
        f"  row 3, patient {name['MUSTERMANN-02']}: channel ct ({{patient}}/ct.nii.gz): the file does not exist",
        f"  row 4, patient {name['MUSTERMANN-03']}: structure parotid ({{patient}}/labels.nii.gz), "
        "structure any ({patient}/labels.nii.gz): the file does not exist",
        "  row 6: no value in column patient",
        f"  row 7, patient {name['MUSTERMANN-03']}: structure parotid ({{patient}}/labels.nii.gz), "
        "structure any ({patient}/labels.nii.gz): the file does not exist",
        *[
            f"  rows {rows}, patient {name[p]}: the same patient with the same files; delete the copies, or, "
            "if they are different scans, name their files by a column in which they differ"
            for p, rows in (("MUSTERMANN-01", "2 and 5"), ("MUSTERMANN-03", "4 and 7"))
        ],
        f"  {OPTION}",
    ]


@pytest.mark.parametrize(
    ("patient", "told"),
    [
        ("mustermann-01", "one whose name differs only in case or blanks"),
        ("7", "one with 3 digits where column patient has 1: leading zeros were lost"),
        ("../MUSTERMANN-01", "leads out of the folder of the data"),
        ("/etc", "leads out of the folder of the data"),
        ("a\\MUSTERMANN-01", "a backslash: write /"),
    ],
)
def test_why_a_file_is_not_found_is_told_without_the_identifier(own_secret, root, patient, told):
    (root / "007").mkdir()
    (root / "007/ct.nii.gz").touch()
    given(root, f"patient,center\n{patient},A\n")
    message = refusal(source(structures={}), root)
    assert told in message and "row 2" in message and "MUSTERMANN" not in message.upper()


def test_a_column_of_any_name_holds_the_files(own_secret, root: Path):
    given(root, "patient,ct.path (1)\nP1,MUSTERMANN-01/ct.nii.gz\n")
    dotted = source(channels={"ct": "{ct.path (1)}"}, structures={}, variables=[])
    (own,) = rows(dotted, root).cases.values()
    assert patient_files(dotted, own.row, root) == {"channel ct": "MUSTERMANN-01/ct.nii.gz"}


@pytest.mark.parametrize(
    "pattern",
    ["{id:03d}.nii", "{id!r}", "{}", "{0}", "{id", "id}", "{{id}}", "../{id}", "/{id}", ""],
)
def test_a_pattern_that_is_none_is_an_error_of_the_configuration_that_names_the_key(pattern: str):
    values = {
        "kind": "volumes",
        "channels": {"t2": pattern},
        "structures": {"gland": {"file": pattern}},
    }
    with pytest.raises(ConfigError) as caught:
        validate(Cohort, {"label": "", "role": "target", "test": 1, "source": values}, Path("s.yaml"))
    first, second = str(caught.value).splitlines()
    assert "s.yaml: source.channels.t2: " in first and "source.structures.gland.file: " in second
    assert repr(pattern) in first


SCANS = "patient,scan,center\nP1,MUSTERMANN-01,A\nP1,MUSTERMANN-02,A\nP2,MUSTERMANN-03,A\n"


def scans() -> VolumesSource:
    files = {"gland": {"file": "{scan}/labels.nii.gz", "label": 4}}
    return source(channels={"ct": "{scan}/ct.nii.gz"}, structures=files)


def test_two_scans_of_a_patient_are_two_cases_that_no_split_divides(own_secret, root, tmp_path):
    given(root, SCANS)
    manifest = make(root, tmp_path / "out", scans(), root)
    table = pd.read_csv(manifest.parent / "patients.csv", dtype=str).assign(cohort="x")
    names = [pseudonym(p, b"a secret") for p in ("P1", "P1", "P2")]
    assert table.patient.tolist() == names
    assert table.case.nunique() == 3 and table.case[2] == names[2]
    assert all(re.fullmatch(f"{names[0]}-[0-9a-f]{{6}}", case) for case in table.case[:2])
    report = read_json(manifest.parent / "ingest.json")
    assert "rows 2 and 3 of the table: scans of one patient" in str(report)
    for seed in range(8):
        images = pd.DataFrame(columns=["cohort", "case", "channel", "image"])
        parts = split(table, {"x": 1}, Splits(seed=seed, validation=0.5), {"x": 1}, images)
        assert (parts.groupby("patient").part.nunique() == 1).all() and len(parts) == 3


def test_a_further_row_renames_no_scan(own_secret, root: Path):
    given(root, SCANS)
    before = rows(scans(), root).cases
    given(root, "patient,scan,center\n" + "\n".join(reversed(SCANS.splitlines()[1:])))
    assert {c: r.row["scan"] for c, r in before.items()} == {
        c: r.row["scan"] for c, r in rows(scans(), root).cases.items()
    }


def reidentify(*names: str) -> tuple[int, str]:
    run = CliRunner().invoke(app, ["reidentify", *names])
    return run.exit_code, run.output


def test_reidentify_tells_the_row_and_identifier_of_a_table(own_secret, root: Path):
    given(root, SCANS)
    table, third = str(root / "patients.csv"), pseudonym("P2", b"a secret")
    assert reidentify(table, third) == (0, f"{third}: row 4 of patients.csv, patient P2\n")
    for case, own in rows(scans(), root).cases.items():
        row = 2 + int(own.row["scan"][-1]) - 1
        expected = f"{case}: row {row} of patients.csv, patient {own.row['patient']}\n"
        assert reidentify(str(root), case) == (0, expected)
    assert reidentify(table)[1].count(pseudonym("P1", b"a secret")) == 2


def test_reidentify_under_another_secret_says_that_nothing_matches_and_why(own_secret, root, tmp_path, monkeypatch):
    known, unknown = pseudonym("MUSTERMANN-01", b"a secret"), pseudonym("MUSTERMANN-02", b"other")
    status, told = reidentify(str(root), known, unknown)
    assert status == 1 and f"{known}: row 2 of patients.csv" in told
    assert f"is {unknown}: the secret is not the ingest's" in told
    monkeypatch.delenv("CROSSOVER_SECRET")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    status, told = reidentify(str(root), known)
    assert status == 2 and "there is no secret: " in told and not (tmp_path / "none").exists()


@pytest.mark.parametrize("identifiers", ["secret", "public"])
def test_two_cohorts_that_number_alike_are_told_apart_by_a_prefix(own_secret, root: Path, identifiers: str):
    plain, other = ({*rows(source(identifiers=identifiers, prefix=p), root).cases} for p in ("", "b-"))
    assert len(plain | other) == 2 * len(PATIENTS)
    name = "b-MUSTERMANN-01" if identifiers == "public" else pseudonym("b-MUSTERMANN-01", b"a secret")
    assert name in other
    expected = f"{name}: row 2 of patients.csv, patient MUSTERMANN-01\n"
    assert reidentify(str(root), "--prefix", "b-", name) == (0, expected)
    assert reidentify(str(root), name)[0] == 1


def test_a_prefix_that_no_file_can_have_is_refused_in_words():
    with pytest.raises(ConfigError, match="prefix: a prefix begins with a letter from A to Z or a digit"):
        validate(VolumesSource, source().model_dump() | {"prefix": "b/"}, Path("mine.yaml"))


def test_public_identifiers_that_name_no_file_are_refused_before_anything_is_written(root, tmp_path):
    ids = ["A/00", "ok", "..", "con", "x" * 101, "Ok", "a:b", ".x"]
    given(root, "patient,center\n" + "".join(f"{i},A\n" for i in ids))
    plain = source(channels={"ct": "MUSTERMANN-01/ct.nii.gz"}, structures={}, identifiers="public")
    with pytest.raises(VolumesError) as caught:
        make(root, tmp_path / "out", plain, root)
    message = str(caught.value)
    for told in (
        "row 2: the identifier in column patient contains /: with `identifiers: public`",
        "rows 4 and 9: the identifier in column patient begins with a dot",
        "row 5: the identifier in column patient is reserved by Windows",
        "row 6: the identifier in column patient is longer than 100 bytes",
        "rows 3 and 7: the identifiers in column patient differ only in case",
        "row 8: the identifier in column patient contains :",
    ):
        assert told in message
    assert not (tmp_path / "out").exists()
    given(root, "patient,center\n" + "".join(f"{i},A\n" for i in ids if i != "Ok"))
    assert set(rows(plain.model_copy(update={"identifiers": "secret"}), root).cases)


@pytest.mark.parametrize("two", [("007", "7"), ("P01", "p1"), ("12", "12.0"), ("A 1", "a1"), ("A_1", "a-1")])
@pytest.mark.parametrize("identifiers", ["public", "secret"])
def test_one_patients_identifier_written_in_two_ways_is_refused(root: Path, identifiers: str, two: tuple[str, str]):
    """The patient would be two, of whom one may be trained on and the other tested on."""
    given(root, "patient,center\n" + "".join(f"{i},A\n" for i in (two[0], "P02", two[1], "120", "A 12")))
    plain = source(channels={"ct": "MUSTERMANN-01/ct.nii.gz"}, structures={}, identifiers=identifiers)
    message = refusal(plain, root)
    assert "rows 2 and 4: the identifiers in column patient differ only in case, blanks, leading zeros" in message
    assert message.count("differ only") == 1 and two[0] not in message.replace("rows 2 and 4", "")


@pytest.mark.parametrize("identifiers", ["public", "secret"])
def test_folders_in_two_forms_of_unicode_are_scans_of_one_patient(own_secret, root: Path, identifiers: str):
    """As a name's accents come from macOS and from elsewhere."""
    one, other = (unicodedata.normalize(form, "M\u00fcller") for form in ("NFC", "NFD"))
    for old, new in zip(PATIENTS, (one, other, "Weber")):
        (root / old).rename(root / new)
    plain = source(table=None, variables=[], identifiers=identifiers)
    cases = rows(plain, root).cases
    names = {own.row["patient"]: own.patient for own in cases.values()}
    assert len(cases) == 3 and len({own.alike for own in cases.values()}) == 2
    assert names[one] == names[other] == (one if identifiers == "public" else pseudonym(one, b"a secret"))
    for case, own in cases.items():
        assert f"{case}: " in reidentify(str(root), case)[1] or identifiers == "public", own
        assert (root / patient_files(plain, own.row, root)["channel ct"]).is_file()


def test_different_people_whose_identifiers_are_alike_are_taken_where_the_source_says_so(own_secret, root, tmp_path):
    given(root, "patient,center\n01,A\n1,A\n")
    images, drawn = {"ct": "MUSTERMANN-01/ct.nii.gz"}, {"gland": {"file": "MUSTERMANN-01/labels.nii.gz", "label": 4}}
    assert "different people, set `allow: [patients-alike]`" in refusal(source(channels=images, structures=drawn), root)
    both = source(channels=images, structures=drawn, allow=["patients-alike", "same-image"])
    assert len(rows(both, root).cases) == 2


@pytest.mark.parametrize("identifiers", ["public", "secret"])
def test_what_alike_identifiers_have_in_common_is_one_in_all_cohorts_but_for_a_prefix(own_secret, root, identifiers):
    """It tells no identifier where they are secret, and is what `split` refuses two cohorts for."""

    def alike(patient: str, **changes) -> str:
        given(root, f"patient,center\n{patient},A\n")
        own = source(channels={"ct": "MUSTERMANN-01/ct.nii.gz"}, structures={}, identifiers=identifiers, **changes)
        (own,) = rows(own, root).cases.values()
        return own.alike

    assert alike("P007") == alike("p 7") == alike("P7.0") != alike("P70")
    assert alike("7", prefix="b-") == alike("b-007") != alike("7")
    assert re.fullmatch("a[0-9a-f]{12}", alike("P007"))


def test_missing_columns_are_told_at_once_with_those_there_are(root: Path):
    asked = source(patient="id", where={"site": "A"}, variables=["age", "center"])
    message = refusal(asked, root)
    assert "no column age, id, site; there are patient, center, born" in message


def test_a_missing_table_and_a_cohort_without_rows_are_told(root: Path):
    assert "people.csv does not exist" in refusal(source(table="people.csv"), root)
    assert "no row has center 'Z'" in refusal(source(where={"center": "Z"}), root)


def row(patient: str) -> dict[str, str]:
    return {"patient": patient, "center": PATIENTS[patient]}


def test_a_structure_is_its_label_or_all_that_is_not_zero(root: Path):
    patient = "MUSTERMANN-02"
    reading = read_patient(source(), row(patient), root)
    channels, masks = reading.channels, reading.structures
    assert list(channels) == ["ct"] and list(masks) == ["parotid", "any"]
    expected = labels(patient)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks["parotid"]), expected == 4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks["any"]), expected > 0)
    assert masks["parotid"].GetSpacing() == (2, 2, 3)
    assert patient_files(source(), row(patient), root) == {
        "channel ct": f"{patient}/ct.nii.gz",
        "structure parotid": f"{patient}/labels.nii.gz",
        "structure any": f"{patient}/labels.nii.gz",
    }


def told(reading: Reading) -> list[str]:
    return [f"{f.code}: {f.about}: {f.what}" for f in reading.findings]


def test_empty_structures_and_values_that_are_not_finite_are_told_at_once(root: Path):
    bad = np.full((4, 8, 10), np.nan, np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(bad), str(root / "MUSTERMANN-01/ct.nrrd"))
    channels = {"ct": "{patient}/ct.nrrd"}
    structures = {"larynx": VolumeStructure(file="{patient}/labels.nii.gz", label=6)}
    asked = source(channels=channels, structures=structures)
    assert told(read_patient(asked, row("MUSTERMANN-01"), root)) == [
        "non-finite: channel ct: 320 of 320 values are NaN or infinite",
        "structure-empty: structure larynx: no voxel of the label map has the label 6; its values are 0, 2, 4",
    ]


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


def make(root: Path, out: Path, source: VolumesSource, data: Path | None, rules: IngestRules = RULES) -> Path:
    raw, manifest = out / "raw/x/manifest.json", out / "cases/x/manifest.json"
    receive(source, raw, root, "code", 1, "listing")
    make_cases(raw, manifest, source, rules, data, "code", 1)
    return manifest


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, unpacked, by its path."""
    return {
        str(p.relative_to(folder)): gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_nothing_written_tells_who_the_patients_are(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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


def test_under_another_secret_every_case_has_another_name(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
    with pytest.raises(IngestError, match="errors exclude 1 of 3 cases"):
        make(root, tmp_path / "out", source(identifiers="public"), root)
    report = read_json(tmp_path / "out/cases/x/ingest.json")
    findings = report["cases"]["MUSTERMANN-02"]["findings"]
    assert [f["about"] for f in findings] == ["structure parotid", "structure any"]
    assert {f["code"] for f in findings} == {"structure-outside"}
    assert report["made"] == ["MUSTERMANN-01", "MUSTERMANN-03"]
    assert not (tmp_path / "out/cases/x/manifest.json").exists()
    assert (tmp_path / "out/cases/x/MUSTERMANN-03/case.json").exists()


def test_structures_on_each_others_side_are_told_of_every_case_that_is_made(own_secret, root: Path, tmp_path: Path):
    """The file's label 4 lies on the patient's right of label 2."""
    labels = {"eye_left": 4, "eye_right": 2}
    sides = {name: {"file": "{patient}/labels.nii.gz", "label": label} for name, label in labels.items()}
    manifest = make(root, tmp_path, source(structures=sides), root)
    report = read_json(manifest.with_name("ingest.json"))["cases"]
    found = [f for case in report.values() for f in case["findings"]]
    assert [(f["code"], f["about"]) for f in found] == [("sides-swapped", "structure eye_left")] * 3
    assert len(read_json(manifest)["items"]) == 3


def test_structures_for_which_one_label_was_given_are_told(own_secret, root: Path, tmp_path: Path):
    same = {name: {"file": "{patient}/labels.nii.gz", "label": 4} for name in ("eye_left", "eye_right")}
    report = read_json(make(root, tmp_path, source(structures=same), root).with_name("ingest.json"))["cases"]
    found = [f for case in report.values() for f in case["findings"]]
    assert [(f["code"], f["severity"], f["about"]) for f in found] == [
        ("structures-equal", "warning", "structure eye_right")
    ] * 3


def test_blank_ends_are_cut_off_if_the_study_says_so(own_secret, root: Path, tmp_path: Path):
    path = root / "MUSTERMANN-02/ct.nii.gz"
    image = sitk.ReadImage(str(path))
    image[:, :, 3] = -1024
    sitk.WriteImage(image, str(path))
    sizes = {}
    for choice in ("keep", "cut"):
        manifest = make(root, tmp_path / choice, source(), root, RULES.model_copy(update={"blank_ends": choice}))
        cases = sorted(manifest.parent.glob("*/image_ct.nii.gz"))
        sizes[choice] = sorted(sitk.ReadImage(str(case)).GetSize()[2] for case in cases)
    assert sizes == {"keep": [4, 4, 4], "cut": [3, 4, 4]}
    codes = [f["code"] for c in read_json(manifest.with_name("ingest.json"))["cases"].values() for f in c["findings"]]
    assert codes == ["ends-cut"]


def test_without_the_folder_cases_that_are_made_are_not_asked_for_again(root: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="DATA=<folder>"):
        make(root, tmp_path / "out", source(identifiers="public"), None)
    with pytest.raises(ValueError, match="DATA=<folder>"):
        receive(source(), tmp_path / "raw/manifest.json", None, "code", 1, None)


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
    cases = {center: rows(headneck(center), HEADNECK).cases for center in "AB"}
    assert {c: len(t) for c, t in cases.items()} == {"A": 52, "B": 30}
    assert not set(cases["A"]) & set(cases["B"])


@real
@pytest.mark.slow
@pytest.mark.parametrize("name", ["headneck", "headneck_nnunet", "headneck_volumes"])
def test_the_shipped_studies_take_the_real_patients_but_one(name: str, tmp_path: Path):
    study = load_study(name, "demo", CONFIG)
    made = {}
    for cohort in study.cohorts.values():
        rules = IngestRules(blank_ends=study.blank_ends)
        manifest = make(HEADNECK, tmp_path / cohort.label, cohort.source, HEADNECK, rules)
        made[cohort.label] = len(read_json(manifest)["items"])
    assert made == {"Center A": 51, "Center B": 30}


@real
def test_a_real_case_is_read_with_its_left_parotid():
    case = next(iter(rows(headneck("A"), HEADNECK).cases.values()))
    reading = read_patient(headneck("A"), case.row, HEADNECK)
    channels, masks = reading.channels, reading.structures
    mask = sitk.GetArrayFromImage(masks["left"]) > 0
    ml = mask.sum() * np.prod(masks["left"].GetSpacing()) / 1000
    assert channels["ct"].GetSize()[:2] == (128, 128) and 5 < ml < 80
    assert -150 < np.median(sitk.GetArrayFromImage(channels["ct"])[mask]) < 150
    z, y, x = np.argwhere(mask).mean(axis=0)
    left = channels["ct"].TransformContinuousIndexToPhysicalPoint((x, y, z))[0]
    centre = channels["ct"].TransformContinuousIndexToPhysicalPoint((63.5, 63.5, z))[0]
    assert left != pytest.approx(centre, abs=15), "beside the midline"


def shortened(root: Path, keep: tuple[slice, slice, slice]) -> list[str]:
    """What is told of a patient whose label map holds a part (slices, rows, columns) of the image."""
    path = str(root / "MUSTERMANN-02/labels.nii.gz")
    sitk.WriteImage(sitk.ReadImage(path)[keep[::-1]], path)
    return told(read_patient(source(), row("MUSTERMANN-02"), root))


def test_a_label_map_that_ends_before_the_image_where_it_still_holds_the_structure_is_told(root: Path):
    every = slice(None)
    what = "its file lacks 1 of the image's 4 planes, and the structure reaches the file's end there"
    assert shortened(root, (slice(3), every, every)) == [f"mask-short: structure any: {what}"]


def test_a_label_map_that_was_cropped_to_what_is_drawn_is_not_told(root: Path):
    assert shortened(root, (slice(1, 3), slice(1, 8), slice(0, 10))) == []
