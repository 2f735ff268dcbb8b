"""What `crossover inspect` finds in folders of images, and that an ingest takes what it proposes."""

import copy
import itertools
import json
import shutil
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import yaml
from matplotlib.image import imread
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.execution.readiness import readiness
from crossover.imaging.volumes import image_path
from crossover.phantoms.head_neck.settings import HeadNeckSource
from crossover.phantoms.prostate.settings import ProstateSource
from crossover.report.inspection_page import _picture
from crossover.sources.cases import make_cases
from crossover.sources.findings import ELSEWHERE
from crossover.sources.inspection import inspect
from crossover.sources.inspection.inventory import NO_FILE, WINDOW, ChannelKind, Inventory, StructureKind, identifier
from crossover.sources.inspection.modality import named_modality
from crossover.sources.inspection.names import group_names, key_of
from crossover.sources.inspection.series import either
from crossover.sources.inspection.tree import layout
from crossover.sources.inspection.would_take import would_take
from crossover.sources.receive import receive
from crossover.sources.settings import DicomSource, IngestRules, VolumesSource
from crossover.sources.volumes import read_patient
from crossover.study.draft import _lines
from crossover.study.draft_names import (
    ChosenNames,
    DraftError,
    FoundCohort,
    matched_channels,
    matched_structures,
    merged,
    names_told,
)
from crossover.study.suggested import test_and_sizes as divided
from tests.test_blanked import patient as blanked

REAL = Path(__file__).parent.parent.parent / "shared/real"
real = pytest.mark.real
CASES = [f"c{i:02d}" for i in range(5)]

LAYOUTS: dict[str, tuple[list[str], list[str]]] = {
    "a folder for each patient": (
        ["{patient}/ct.nii.gz", "{patient}/structures.nii.gz"],
        [f"pt_{i}/{name}.nii.gz" for i in range(9) for name in ("ct", "structures")],
    ),
    "nnU-Net": (
        ["imagesTr/{patient}_0000.nii.gz", "imagesTr/{patient}_0001.nii.gz", "labelsTr/{patient}.nii.gz"],
        [f"imagesTr/{c}_{k:04d}.nii.gz" for c in CASES for k in range(2)] + [f"labelsTr/{c}.nii.gz" for c in CASES],
    ),
    "Decathlon": (
        ["imagesTr/{patient}.nii.gz", "labelsTr/{patient}.nii.gz"],
        [f"{folder}/prostate_{i:02d}.nii.gz" for i in range(5) for folder in ("imagesTr", "labelsTr")],
    ),
    "PROMISE12": (
        ["{patient}.mhd", "{patient}_segmentation.mhd"],
        [f"Case{i:02d}{what}.mhd" for i in range(5) for what in ("", "_segmentation")],
    ),
    "sites above patients": (
        ["{group}/{patient}/gland.nii", "{group}/{patient}/t2.nii"],
        [f"{site}/p{i}/{name}.nii" for site in "AB" for i in range(4) for name in ("t2", "gland")],
    ),
    "a folder for images and one for masks, with folders of patients": (
        ["images/{patient}/t2.nii.gz", "masks/{patient}/t2.nii.gz"],
        [f"{folder}/p{i}/t2.nii.gz" for i in range(6) for folder in ("images", "masks")],
    ),
    "BIDS": (
        ["derivatives/masks/{patient}/anat/{patient}_mask.nii.gz", "{patient}/anat/{patient}_T2w.nii.gz"],
        [f"sub-{i:02d}/anat/sub-{i:02d}_T2w.nii.gz" for i in range(4)]
        + [f"derivatives/masks/sub-{i:02d}/anat/sub-{i:02d}_mask.nii.gz" for i in range(4)],
    ),
    "BraTS": (
        ["{patient}/{patient}_flair.nii.gz", "{patient}/{patient}_seg.nii.gz"],
        [f"BraTS_{i:03d}/BraTS_{i:03d}_{name}.nii.gz" for i in range(1, 6) for name in ("flair", "seg")],
    ),
    "PI-CAI": (
        ["labels/{patient}.nii.gz", "{patient}/{patient}_t2w.mha"],
        [f"1000{i}_100000{i}/1000{i}_100000{i}_t2w.mha" for i in range(4)]
        + [f"labels/1000{i}_100000{i}.nii.gz" for i in range(3)],
    ),
    "LiTS": (
        ["segmentation-{patient}.nii", "volume-{patient}.nii"],
        [f"{name}-{i}.nii" for i in range(5) for name in ("volume", "segmentation")],
    ),
    "numbered folders with numbered masks": (
        ["{patient}/flair.nii.gz", *(f"{{patient}}/label_{k}.nii.gz" for k in range(11, 14))],
        [f"{i}/{name}.nii.gz" for i in range(1, 13) for name in ("flair", "label_11", "label_12", "label_13")],
    ),
    "letters as in words of kinds": (
        ["{patient}/ct.nii.gz", "{patient}/seg.nii.gz"],
        [f"T{i:02d}/{name}.nii.gz" for i in range(6, 18) for name in ("ct", "seg")],
    ),
    "numbers in two folders": (
        ["images/img{patient}.nii.gz", "masks/mask{patient}.nii.gz"],
        [f"images/img{i}.nii.gz" for i in range(12)] + [f"masks/mask{i}.nii.gz" for i in range(12)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_patients_of_a_tree_are_told_by_how_regular_it_is(name: str):
    patterns, paths = LAYOUTS[name]
    found = layout(paths)
    assert [*found.roles] == sorted(patterns) and not found.loose
    assert sum(map(len, found.roles.values())) == len(paths)


DATES = [["20190704", "2020-01-31"], ["20180101", "20190102"], ["2011-05-30", "20121224"]]
SCANS: dict[str, tuple[str, list[list[str]]]] = {
    "a folder for each date": ("{patient}/{scan}/{file}.nii.gz", DATES),
    "dates in names": ("{file}s/{patient}_{scan}.nii.gz", DATES),
    "time points in folders": ("{patient}/{scan}/{file}.nii.gz", [["t0", "t1"]]),
    "time points behind the names of folders": ("{patient}_{scan}/{file}.nii.gz", [["t1", "t2", "t3"]]),
    "time points within names": ("{patient}_{scan}_{file}.nii.gz", [["t0", "t1"], ["t0", "t2"]]),
    "visits before names": ("{file}s/{scan}_{patient}.nii.gz", [["visit1", "visit2"]]),
    "BIDS": ("{patient}/{scan}/anat/{patient}_{scan}_{file}.nii.gz", [["ses-01", "ses-02"], ["ses-01", "ses-03"]]),
    "follow-up": ("{patient}/{scan}/{file}.nii.gz", [["baseline", "followup"]]),
    "frames of any number": (
        "{patient}/{patient}_{scan}_{file}.nii.gz",
        [["frame01", "frame08"], ["frame01", "frame11"]],
    ),
    "numbers behind patients": ("{patient}-{scan}/{patient}-{scan}-{file}.nii.gz", [["100", "101"], ["100", "103"]]),
    "numbers that all have": ("{patient}/{file}/{patient}_{scan}_{file}.nii.gz", [["01", "02"]]),
    "names of studies behind patients": ("{patient}/{patient}_{scan}_{file}.nii.gz", [[]]),
    "folders below one": ("export/{patient}/{scan}/{file}.nii.gz", [["A-1", "A-2"], ["B-7", "B-8"], ["C-3", "C-4"]]),
    "folders of any name": ("{patient}/{scan}/{file}.nii.gz", [["E71", "E72"], ["E80", "E84"], ["E95", "E99"]]),
}
"""A tree's pattern, and the scans of the first patients, which are repeated for the others."""


def tree_of_scans(name: str, people: int = 9) -> tuple[str, list[str], set[tuple[str, str]]]:
    """The pattern, the paths, and who has which scan: every third patient has one only."""
    pattern, scans = SCANS[name]
    one = {i: [f"{7000 + 2 * i}", f"{7001 + 2 * i}"] for i in range(people)}
    of = {i: (scans[i % len(scans)] or one[i])[: 1 if i % 3 == 2 else 3] for i in range(people)}
    own = {(f"sub-{i:02d}", scan) for i in range(people) for scan in of[i]}
    files = ("t2", "seg")
    return pattern, [pattern.format(patient=p, scan=s, file=f) for p, s in sorted(own) for f in files], own


@pytest.mark.parametrize("name", SCANS)
def test_scans_of_one_patient_are_no_patients_of_their_own(name: str):
    """They could be trained on and tested on."""
    pattern, paths, own = tree_of_scans(name)
    found = layout(paths)
    files = {file: pattern.replace("{file}", file) for file in ("t2", "seg")}
    assert {*found.roles} == {*files.values()} and not found.loose
    assert found.scans == {f"{patient} {scan}": patient for patient, scan in own}
    for (patient, scan), (file, role) in itertools.product(own, files.items()):
        path = pattern.format(patient=patient, scan=scan, file=file)
        assert found.roles[role][f"{patient} {scan}"] == path


def test_dates_that_cannot_be_told_from_the_patients_names_are_refused(tmp_path: Path):
    """An ingest would take "p1_2011_05" for the patient."""
    paths = [f"{f}/p{i}_201{y}_05_30.nii.gz" for i in range(6) for y in (1, 2) for f in ("images", "masks")]
    assert layout(paths).roles == {}


@pytest.mark.parametrize(
    "pattern, files",
    [
        ("{patient}/{file}.nii.gz", ["pre", "post", "seg"]),
        ("{patient}/{patient}_{file}.nii.gz", ["t1", "t2", "seg"]),
        ("{patient}_{file}.nii.gz", ["t1", "t2"]),
        ("20200101/{patient}/{file}.nii.gz", ["t2", "seg"]),
        ("{patient}_nifti/{patient}_{file}.nii.gz", ["t2", "seg"]),
    ],
)
def test_contrasts_and_days_of_which_each_patient_has_one_are_no_scans(pattern: str, files: list[str]):
    paths = [pattern.format(patient=f"p{i:02d}", file=file) for i in range(8) for file in files]
    found = layout(paths)
    assert not found.scans and {*found.roles} == {pattern.replace("{file}", file) for file in files}


def test_no_mask_is_another_patients_where_folders_and_masks_have_the_same_numbers():
    """They were taken for `{patient}/flair` with `10/label_{patient}`: the masks of patient 10 for all."""
    paths = [f"{i}/{name}.nii.gz" for i in range(1, 11) for name in ("flair", *(f"label_{k}" for k in range(1, 9)))]
    for files in layout(paths).roles.values():
        assert all(path.startswith(f"{patient}/") for patient, path in files.items())


def test_files_that_fit_no_pattern_are_told():
    found = layout([*LAYOUTS["a folder for each patient"][1], "pt_3/scout_of_monday.nii.gz"])
    assert found.loose == ("pt_3/scout_of_monday.nii.gz",)
    assert layout(["x/a.nii.gz"]).roles == {}


def test_names_that_mean_the_same_are_one_structure():
    found = group_names([["Parotid_L", "Brainstem"], ["Left Parotid", "Brain Stem"], ["parotid gland li", "Parotid_R"]])
    assert [(own.names, sorted(own.patients)) for own in found] == [
        (("Parotid_L", "Left Parotid", "parotid gland li"), [0, 1, 2]),
        (("Brainstem", "Brain Stem"), [0, 1]),
        (("Parotid_R",), [2]),
    ]


def test_names_with_signs_at_their_ends_are_left_to_the_ingest_which_warns():
    (found,) = group_names([["GTV-", "GTV"], ["GTV-"], ["_gtv"]])
    assert (found.names, sorted(found.patients)) == (("GTV",), [0, 1, 2])
    assert group_names([["GTV-"]])[0].names == ("GTV-",)


@pytest.mark.parametrize("names", [["Lésion", "LESION", "le\u0301sion"], ["Läsion", "lasion"], ["前列腺"]])
def test_accents_part_no_names_and_any_script_has_some(names: list[str]):
    (only,) = group_names([[name] for name in names])
    assert set(only.names) == set(names) and len(only.patients) == len(names)
    assert identifier("Lésion à gauche", "structure") == "lesion_a_gauche"


def test_names_that_are_asked_for_together_are_one_structure_whatever_it_is_called():
    kinds = [StructureKind(name, [word], 1, {"names": [word]}) for name, word in (("a", "A"), ("b", "B"), ("c", "C"))]
    cases = {"1": {"b": "none", "c": "none"}, "2": {"a": "none", "c": "none"}, "3": {"a": "none", "b": "none"}}
    found = Inventory("a DICOM export", cases, [], kinds, [], {"kind": "dicom"})
    for asked, names, patients in (("b=a+b", ["A", "B"], 2), ("c=a+b", ["A", "B"], 2), ("d=c+b+a", ["A", "B", "C"], 3)):
        own = merged(found, [asked])
        (kind,) = [k for k in own.structures if k.name == asked[0]]
        assert kind.names == names and own.count_having(asked[0]) == patients


def test_a_join_that_was_made_is_not_proposed_again():
    words = ("Parotid_L", "Partoid_L", "Parotide_L")
    kinds = [StructureKind(identifier(word, ""), [word], 1, {"names": [word]}) for word in words]
    cases = {word: {k.name: "none" for k in kinds if k.names != [word]} for word in words}
    found = Inventory("a DICOM export", cases, [], kinds, ["odd"], {"kind": "dicom"})
    found.odd += found.spellings()
    assert "--structures parotid_l=" in found.odd[1]
    first, second, third = (kind.name for kind in kinds)
    assert merged(found, [f"{first}={first}+{second}+{third}"]).odd == ["odd"]
    odd, left = merged(found, [f"{first}={first}+{second}"]).odd
    assert odd == "odd" and third in left and second not in left.partition("--structures")[2]


def test_numbers_that_a_sign_parts_are_two():
    assert key_of("T1-2") != key_of("T12") == key_of("T 12")


def channel(name: str, drawn_on: int = 0) -> ChannelKind:
    return ChannelKind(name, "", [], 2, 0, "", "", {}, "MR", drawn_on=drawn_on)


@pytest.mark.parametrize(
    ("theirs", "chosen", "warned"), [(["adc", "t2"], ["t2"], False), (["adc", "tse"], ["adc"], True)]
)
def test_the_channel_is_the_one_that_either_cohort_is_known_to_have_drawn_on(theirs, chosen, warned: bool):
    kinds = {"source": [channel("t2", 2), channel("adc"), channel("b0")], "target": [channel(name) for name in theirs]}
    found = {c: Inventory("", {"1": {}, "2": {}}, own, [], [], {"kind": "dicom"}) for c, own in kinds.items()}
    cohorts = {c: FoundCohort(Path(c), own, c.capitalize()) for c, own in found.items()}
    channels = matched_channels(cohorts, [])
    assert [*channels.names] == chosen
    told = [note for note in names_told(cohorts, channels, ChosenNames(), []) if "were drawn on t2" in note]
    assert bool(told) == warned and all("--channels t2=NAME" in note for note in told)


@pytest.mark.parametrize(
    "theirs, asked, chosen",
    [(10, [], ["cord", "jaw"]), (4, [], ["cord"]), (4, ["cord", "jaw"], ["cord", "jaw"]), (0, [], ["cord"])],
)
def test_structures_are_those_that_most_patients_of_either_cohort_have(theirs: int, asked: list, chosen: list):
    """All ten of the target have both; of the source some lack the jaw."""
    kinds = [StructureKind(n, [n], 10, {"file": f"{{patient}}/{n}.nii.gz"}) for n in ("cord", "jaw")]
    cohorts = {
        cohort: FoundCohort(
            Path(cohort),
            Inventory("", {str(i): {} if i < having else {"jaw": NO_FILE} for i in range(10)}, [], kinds, [], {}),
            cohort,
        )
        for cohort, having in (("source", theirs), ("target", 10))
    }
    assert [*matched_structures(cohorts, asked).names] == chosen


def written(path: Path, array: np.ndarray, slice_mm: float = 3.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([2.0, 2.0, slice_mm, 1.0])), path)


@pytest.fixture
def decathlon(tmp_path: Path) -> Path:
    """Two channels in one file; the third patient has no peripheral zone, the fourth a mask on another grid."""
    rng = np.random.default_rng(1)
    for i in range(6):
        written(tmp_path / f"imagesTr/prostate_{i:02d}.nii.gz", rng.normal(100, 20, (8, 8, 6, 2)).astype(np.float32))
        mask = np.zeros((8, 8, 6), np.uint8)
        mask[2:5, 2:5, 1:4] = 1
        mask[5, 5, 1:4] = 0 if i == 2 else 2
        written(tmp_path / f"labelsTr/prostate_{i:02d}.nii.gz", mask, 4.0 if i == 3 else 3.0)
        (tmp_path / f"imagesTr/._prostate_{i:02d}.nii.gz").write_bytes(b"macOS")
    about = {
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "TZ", "2": "PZ"},
        "training": [
            {"image": f"./imagesTr/prostate_{i:02d}.nii.gz", "label": f"./labelsTr/prostate_{i:02d}.nii.gz"}
            for i in range(6)
        ],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    return tmp_path


def test_a_decathlon_dataset_is_known_with_its_channels_and_labels(decathlon: Path):
    found = inspect(decathlon, 1)
    assert found.form == "a dataset of the Decathlon's form" and len(found.cases) == 6
    assert [(c.name, c.rule["volume"], c.size) for c in found.channels] == [
        ("t2", 0, "8 x 8 x 6"),
        ("adc", 1, "8 x 8 x 6"),
    ]
    assert {c.modality for c in found.channels} == {"MR"}
    assert [(s.name, s.rule["label"], found.count_having(s.name)) for s in found.structures] == [
        ("tz", 1, 5),
        ("pz", 2, 4),
    ]
    left = found.left_out(["t2", "tz", "pz"])
    assert left["prostate_02"] == "pz: no voxel of it"
    assert "structure-refused" in left["prostate_03"] and set(left) == {"prostate_02", "prostate_03"}


def test_an_nnunet_dataset_is_known_by_its_json(tmp_path: Path):
    for c in CASES:
        written(tmp_path / f"imagesTr/{c}_0000.nii.gz", np.random.default_rng(0).normal(-900, 300, (6, 6, 5)))
        written(tmp_path / f"labelsTr/{c}.nii.gz", np.pad(np.ones((2, 2, 3), np.uint8), ((0, 4), (0, 4), (0, 2))))
    about = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    found = inspect(tmp_path, 1)
    assert found.form == "an nnU-Net dataset"
    assert [(c.name, c.modality) for c in found.channels] == [("ct", "CT")]
    assert [(s.name, s.rule) for s in found.structures] == [
        ("liver", {"file": "labelsTr/{patient}.nii.gz", "label": 1})
    ]


def test_regions_of_several_labels_are_structures(tmp_path: Path):
    """As in BraTS: the whole tumour is there in a case without one of its parts."""
    for i, case in enumerate(CASES):
        label = np.zeros((6, 6, 5), np.uint8)
        label[1:5, 1:5, 1:4], label[2:4, 2:4, 2], label[2, 2, 2] = 2, 1, 3 if i else 1
        written(tmp_path / f"imagesTr/{case}_0000.nii.gz", np.random.default_rng(i).normal(500, 90, (6, 6, 5)))
        written(tmp_path / f"labelsTr/{case}.nii.gz", label)
    regions = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [1, 3], "enhancing": "3"}
    about = {"channel_names": {"0": "FLAIR"}, "labels": regions, "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    found = inspect(tmp_path, 1)
    assert [(s.name, s.rule["label"], found.count_having(s.name)) for s in found.structures] == [
        ("whole_tumor", [1, 2, 3], 5),
        ("tumor_core", [1, 3], 5),
        ("enhancing", 3, 4),
    ]
    structures = {s.name: s.rule for s in found.structures[:2]}
    channels = {"flair": found.channels[0].rule}
    source = VolumesSource(kind="volumes", table=None, channels=channels, structures=structures)
    read = read_patient(source, {"patient": CASES[0]}, tmp_path)
    masks = {name: sitk.GetArrayFromImage(mask) for name, mask in read.structures.items()}
    assert masks["whole_tumor"].sum() == 4 * 4 * 3 and masks["tumor_core"].sum() == 4


def test_a_list_that_pairs_files_of_different_names_is_told(decathlon: Path):
    about = json.loads((decathlon / "dataset.json").read_text())
    pairs = [(i, (i + 1) % 6) for i in range(6)]
    files = ["imagesTr/prostate_{:02d}.nii.gz", "labelsTr/prostate_{:02d}.nii.gz"]
    about["training"] = [{"image": str(decathlon / files[0].format(i)), "label": files[1].format(j)} for i, j in pairs]
    (decathlon / "dataset.json").write_text(json.dumps(about))
    (line,) = [what for what in inspect(decathlon, 1).odd if what.startswith("the list has")]
    assert "6 cases whose files seem to be of different patients" in line


def test_a_list_without_some_labels_or_in_parts_is_read_and_what_it_leaves_out_is_told(decathlon: Path):
    items = json.loads((decathlon / "dataset.json").read_text())["training"]
    (decathlon / "dataset.json").unlink()
    first, last = ({"image": item["image"]} for item in (items[4], items[5]))
    parts = {"training": [*items[:2], first], "validation": [items[2]], "test": [items[3], last["image"], last]}
    (decathlon / "list.json").write_text(json.dumps(parts))
    found = inspect(decathlon, 1)
    assert found.form == "a MONAI datalist" and set(found.cases) == {f"prostate_0{i}" for i in range(5)}
    labels = [s.name for s in found.structures]
    assert found.left_out([found.channels[0].name, *labels])["prostate_04"].endswith("no such file")
    (kept,) = [what for what in found.odd if what.startswith("the list's parts")]
    assert "(training 3, validation 1, test 1) are not kept" in kept
    (left,) = [what for what in found.odd if what.startswith("the list leaves out")]
    assert "3 volumes" in left and "labelsTr/prostate_04.nii.gz" in left and "imagesTr/prostate_05.nii.gz" in left


def test_an_archive_of_other_things_beside_volumes_is_no_dicom(decathlon: Path):
    with ZipFile(decathlon / "papers.zip", "w") as archive:
        archive.writestr("paper.txt", "words" * 99)
    assert inspect(decathlon, 1).form == "a dataset of the Decathlon's form"


def test_a_table_whose_identifiers_lost_their_zeros_is_told(decathlon: Path):
    for path in decathlon.glob("*/prostate_*"):
        path.rename(path.with_name(path.name.removeprefix("prostate_0").zfill(len("001.nii.gz"))))
    (decathlon / "dataset.json").unlink()
    (decathlon / "sites.csv").write_text("id,site\n" + "".join(f"{i},{'AB'[i % 2]}\n" for i in range(6)))
    found = inspect(decathlon, 1)
    assert not found.columns
    assert any("sites.csv is not used: its column id lacks the leading zeros" in what for what in found.odd)


def test_tables_that_cannot_be_read_are_told_with_the_reason(decathlon: Path):
    (decathlon / "dataset.json").unlink()
    (decathlon / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    (decathlon / "empty.csv").write_text("id,site\n")
    odd = inspect(decathlon, 1).odd
    assert [what.partition(": ")[2][:30] for what in odd if what.startswith("the table old.xls")] == [
        "not a table: the file is an Ex"
    ]
    assert "the table empty.csv is not used: it has no rows" in odd


def test_patients_whose_names_may_be_one_are_told_in_a_folder_and_across_cohorts(tmp_path: Path, clone: Path):
    south, north = (Path(hospital(tmp_path / name, "t2", ["gland"], hu=False)) for name in ("South", "North"))
    (south / "p1").rename(south / "P01")
    (south / "p2").rename(south / "p01")
    assert any(what.startswith("patients P01 and p01 may be one") for what in inspect(south, 1).odd)
    (south / "P01").rename(south / "p8")
    for i in range(6):
        (north / f"p{i}").rename(north / f"P{i + 4:03d}")
    made = " ".join(new("mine", "--source", str(north), "--target", str(south)).output.split())
    assert "check: 3 names occur in both cohorts (P004 and p4, P005 and p5, P008 and p8), written so that" in made
    assert "write `prefix: source-` below `source:` of cohort mine_source" in made
    assert "prefix" not in study_of(clone)["cohorts"]["mine_source"]["source"]


def test_a_patient_whose_name_two_folders_have_in_two_forms_of_unicode_is_counted_once(tmp_path: Path):
    south = Path(hospital(tmp_path / "South", "t2", ["gland"], hu=False))
    for old, form in (("p1", "NFC"), ("p2", "NFD")):
        (south / old).rename(south / unicodedata.normalize(form, "M\u00fcller"))
    found = inspect(south, 1)
    assert found.counted == "5 patients (6 cases)" and not any("may be one" in what for what in found.odd)


def test_hospitals_that_number_patients_alike_are_told_the_line_that_parts_them(tmp_path: Path, clone: Path):
    from crossover.execution.readiness import readiness

    a, b = (hospital(tmp_path / name, "t2", ["gland"], hu=False) for name in ("North", "South"))
    made = " ".join(new("mine", "--source", a, "--target", b).output.split())
    assert "check: 6 names occur in both cohorts (p0, p1, p2, p3, p4, p5). If they are the same people, leave" in made
    assert "If they are different people, write `prefix: source-` below `source:` of cohort mine_source" in made
    study = study_of(clone)
    assert [about["source"].get("prefix") for about in study["cohorts"].values()] == [None, None]
    assert readiness("mine", {}, 1).wrong
    study["cohorts"]["mine_source"]["source"]["prefix"] = "source-"
    (clone / "config/studies/mine.yaml").write_text(yaml.safe_dump(study))
    assert not readiness("mine", {}, 1).wrong


def phantoms(source, folder: Path) -> Path:
    receive(source, folder / "manifest.json", None, "x", 1, None)
    for made in [folder / "manifest.json", folder / "clinical.csv", *folder.glob("*/record.json")]:
        made.unlink()
    return folder


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six patients of each center, which tests take copies of."""
    settings = {"kind": "head_neck_phantom", "patients": 6, "seed": 3, "matrix": 48, "slices": (12, 12)}
    folder = tmp_path_factory.mktemp("exports")
    for center in ("source", "target"):
        phantoms(HeadNeckSource(center=center, **settings, slice_thickness_mm=15.0), folder / center)
    return folder


def two_of(exports: Path, folder: Path) -> Path:
    """A copy of the source's first two patients."""
    for patient in sorted((exports / "source").iterdir())[:2]:
        shutil.copytree(patient, folder / patient.name)
    return folder


def taken(folder: Path, out: Path, source: dict, rules: dict) -> list[str]:
    """The cases that an ingest makes."""
    typed = DicomSource.model_validate(source)
    receive(typed, out / "received.json", folder, "", 1, None)
    rules_ = IngestRules.model_validate(rules)
    report = make_cases(out / "received.json", out / "manifest.json", typed, rules_, folder, "x", 1)
    return report["made"]


def test_what_is_proposed_of_a_dicom_export_is_what_an_ingest_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    source = ProstateSource(kind="prostate_phantom", site="A", patients=3, seed=3, matrix=64, slices=(8, 8))
    found = inspect(phantoms(source, tmp_path / "export"), 1)
    assert found.proposed_channels() == ["t2"] and found.proposed_structures() == ["zones_1", "zones_2"]
    maps = {s.name: s.rule for s in found.structures}
    rules = {
        "series": {c.name: c.rule for c in found.channels[:1]},
        "structures": {name: {"label": name} for name in maps},
    }
    assert len(taken(tmp_path / "export", tmp_path / "out", {**found.source, "label_maps": maps}, rules)) == 3


def test_series_of_one_examination_on_two_grids_are_brought_onto_the_first(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    source = ProstateSource(kind="prostate_phantom", site="A", patients=2, seed=3, matrix=64, slices=(8, 8))
    folder = phantoms(source, tmp_path / "export")
    series = {c.name: c.rule for c in inspect(folder, 1).channels if c.name in ("t2", "mr_sagittal")}
    made = taken(folder, tmp_path / "out", {"kind": "dicom"}, {"series": series, "other_grids": "linear"})
    assert len(made) == 2
    report = json.loads((tmp_path / "out/ingest.json").read_text())
    assert {f["code"] for case in report["cases"].values() for f in case["findings"]} == {"resampled"}
    t2, sagittal = (sitk.ReadImage(str(image_path(tmp_path / "out" / made[0], n))) for n in series)
    assert t2.GetSize() == sagittal.GetSize() and t2.GetOrigin() == sagittal.GetOrigin()


def test_folders_tell_patients_where_no_identifier_does(exports: Path, tmp_path: Path):
    import pydicom

    folder = two_of(exports, tmp_path / "export")
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientID = ""
        dataset.save_as(path)
    found = inspect(folder, 1)
    assert found.source == {"kind": "dicom", "patients": "folder"} and len(found.cases) == 2
    assert any("patients: folder" in what for what in found.odd)


def test_one_file_without_a_patient_makes_folders_no_patients(exports: Path, tmp_path: Path):
    folder = two_of(exports, tmp_path / "export")
    path = sorted(folder.rglob("*.dcm"))[3]
    dataset = pydicom.dcmread(path)
    dataset.PatientID = ""
    dataset.save_as(path)
    found = inspect(folder, 1)
    assert found.source == {"kind": "dicom"} and len(found.cases) == 2
    assert any("no PatientID (no-patient)" in what for what in found.odd)


def test_structures_of_one_name_are_told_before_an_ingest_refuses_those_that_differ(
    exports: Path, tmp_path: Path, monkeypatch
):
    import pydicom

    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    folder = two_of(exports, tmp_path / "export")
    drawn = next(path for path in sorted(folder.rglob("*.dcm")) if pydicom.dcmread(path).Modality == "RTSTRUCT")
    second = pydicom.dcmread(drawn)
    second.SOPInstanceUID += ".1"
    second.file_meta.MediaStorageSOPInstanceUID = second.SOPInstanceUID
    second.save_as(drawn.with_name("second.dcm"))
    rules = IngestRules(series={"ct": {"modality": "CT"}}, structures={"Brainstem": {"label": "Brainstem"}})
    taken = would_take(DicomSource(kind="dicom", folder="."), rules, folder, 1)
    (note,) = [note for note in taken.notes if "structure-doubled" in note]
    assert len(taken.patients) == 2 and "several structures have its name" in note
    told = [what for what in inspect(folder, 1).odd if "several structures called 'Brainstem'" in what]
    assert len(told) == 1 and f"({second.PatientID})" in told[0]


def test_a_structure_without_a_closed_contour_is_told_apart_from_one_that_is_not_there(
    exports: Path, tmp_path: Path, monkeypatch
):
    import pydicom

    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    folder = two_of(exports, tmp_path / "export")
    drawn = next(path for path in sorted(folder.rglob("*.dcm")) if pydicom.dcmread(path).Modality == "RTSTRUCT")
    dataset = pydicom.dcmread(drawn)
    (number,) = (roi.ROINumber for roi in dataset.StructureSetROISequence if roi.ROIName == "Brainstem")
    (drawing,) = (own for own in dataset.ROIContourSequence if own.ReferencedROINumber == number)
    drawing.ContourSequence = drawing.ContourSequence[:1]
    drawing.ContourSequence[0].ContourGeometricType = "POINT"
    dataset.save_as(drawn)
    what = "the structure with its name has no closed contour"
    assert what in inspect(folder, 1).left_out(["brainstem"])[dataset.PatientID]
    rules = IngestRules(series={"ct": {"modality": "CT"}}, structures={"Brainstem": {"label": "Brainstem"}})
    (why,) = would_take(DicomSource(kind="dicom", folder="."), rules, folder, 1).left_out.values()
    assert why == f"structure-empty, structure Brainstem: {what}"


@pytest.mark.parametrize("study", ["", "1.2.3"], ids=["two studies", "two series of one study"])
def test_structures_of_one_name_on_two_series_are_not_several(study: str, exports: Path, tmp_path: Path):
    import pydicom

    folder = two_of(exports, tmp_path / "export")
    for path in sorted(folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.StudyInstanceUID = "one", study or dataset.StudyInstanceUID
        dataset.save_as(path)
    assert not [what for what in inspect(folder, 1).odd if "several structures" in what]


def test_a_folder_above_a_described_dataset_is_refused_with_the_folder_to_give(tmp_path: Path):
    (tmp_path / "Dataset042_Pelvis/imagesTr").mkdir(parents=True)
    (tmp_path / "Dataset042_Pelvis/imagesTr/p_1_0000.nii.gz").touch()
    (tmp_path / "Dataset042_Pelvis/dataset.json").write_text("{}")
    with pytest.raises(ValueError, match=r"give that folder, such as .*/Dataset042_Pelvis"):
        inspect(tmp_path, 1)


def new(*words: str):
    return CliRunner().invoke(app, ["new", *words, "--workers", "1"])


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is one of the workflow, as far as commands look."""
    root = Path(__file__).parent.parent
    folder = tmp_path / "clone"
    shutil.copytree(root / "config", folder / "config")
    for name in ("Snakefile", "profiles/default/profile.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    return folder


@pytest.mark.slow
def test_two_exports_make_a_study_of_few_lines_whose_cases_are_all_made(exports: Path, tmp_path: Path, clone: Path):
    from crossover.study.config import data_of, load_settings, load_study

    a, b = exports / "source", exports / "target"
    asked = ("--structures", "brainstem", "--structures", "lobe=lobe_temporal_l+tl_l")
    made = new("mine", "--source", str(a), "--target", str(b), *asked)
    assert made.exit_code == 0, made.output
    assert len((clone / "config/studies/mine.yaml").read_text().splitlines()) <= 65
    study = load_study("mine", "demo")
    assert study.structures["lobe"].names == ["Lobe_Temporal_L", "TL-L"] and study.sizes == [2, 4]
    assert data_of("mine", load_settings({"studies": "mine", "scale": "demo"})) == str(exports)
    rules = {"series": study.series, "structures": study.structures}
    for cohort, about in study.cohorts.items():
        source = about.source.model_dump()
        assert len(taken(exports, tmp_path / cohort, source, rules)) == 6


def test_a_structure_that_the_source_lacks_is_told_with_those_that_are_there(exports: Path, clone: Path):
    a, b = exports / "source", exports / "target"
    made = new("mine", "--source", str(a), "--target", str(b), "--structures", "tl_l")
    assert made.exit_code == 2 and "has no structure 'tl_l'; there are: " in made.output
    assert "lobe_temporal_l" in made.output and not (clone / "config/studies/mine.yaml").exists()


def test_one_folder_is_parted_by_a_column_of_its_table(decathlon: Path, clone: Path):
    (decathlon / "sites.csv").write_text("id,site\n" + "".join(f"prostate_{i:02d},{'AB'[i % 2]}\n" for i in range(6)))
    both = new("mine", "--source", str(decathlon), "--target", str(decathlon))
    assert both.exit_code == 2 and "site: A, B" in both.output
    few = new("mine", "--source", f"{decathlon}:site=A", "--target", f"{decathlon}:site=B")
    assert few.exit_code == 2 and "6 or more are needed" in few.output
    wrong = new("mine", "--source", f"{decathlon}:site=A", "--target", f"{decathlon}:site=C")
    assert wrong.exit_code == 2 and "no patients have site=C; patients can be selected by site: A, B" in wrong.output


def hospital(folder: Path, image: str, structures: list[str], patients: int = 6, hu: bool = True) -> str:
    """Patients with a file for each image and structure."""
    for i in range(patients):
        values = np.random.default_rng(i).normal(-900 if hu else 900, 100, (6, 6, 5)).astype(np.float32)
        for name in image.split():
            written(folder / f"p{i}/{name}.nii.gz", values)
        for name in structures:
            written(folder / f"p{i}/{name}.nii.gz", np.pad(np.ones((2, 2, 3), np.uint8), ((0, 4), (0, 4), (0, 2))))
    return str(folder)


def test_masks_of_1_in_some_files_and_255_in_others_are_one_structure(tmp_path: Path):
    folder = Path(hospital(tmp_path / "South", "t2", ["gland"], hu=False))
    mask = np.pad(np.full((2, 2, 3), 255, np.uint8), ((0, 4), (0, 4), (0, 2)))
    written(folder / "p3/gland.nii.gz", mask)
    (gland,) = inspect(folder, 1).structures
    assert (gland.name, gland.rule, gland.patients) == ("gland", {"file": "{patient}/gland.nii.gz"}, 6)
    written(folder / "p4/gland.nii.gz", np.where(mask, mask, 1))  # two structures in one file
    assert {kind.rule["label"] for kind in inspect(folder, 1).structures} == {1, 255}


@pytest.mark.parametrize("name", SCANS)
def test_an_ingest_of_what_is_proposed_takes_as_many_patients_as_there_are(name: str, tmp_path: Path, clone: Path):
    pattern, _, own = tree_of_scans(name)
    rng = np.random.default_rng(0)
    for patient, scan in own:
        for file in ("t2", "seg"):
            values = np.pad(np.ones((2, 2, 3), np.uint8), 2) if file == "seg" else rng.normal(500, 90, (6, 6, 7))
            written(tmp_path / "South" / pattern.format(patient=patient, scan=scan, file=file), values)
    found = inspect(tmp_path / "South", 1)
    assert found.counted == f"9 patients ({len(own)} cases)"
    made = new("mine", "--target", str(tmp_path / "South"))
    assert made.exit_code == 0 and f"9 of 9 patients ({len(own)} of {len(own)} cases)" in made.output
    assert "would take" not in made.output
    source = VolumesSource.model_validate(study_of(clone)["cohorts"]["mine_target"]["source"] | {"folder": "South"})
    taken = would_take(source, IngestRules(), tmp_path, 1)
    assert len(taken.patients) == 9 and len(taken.cases) == len(own)


def test_a_table_that_names_each_patients_scans_is_used(tmp_path: Path, clone: Path):
    folder = Path(hospital(tmp_path / "South", "t2", ["gland"], patients=14, hu=False))
    rows = [f"p{i},{i // 2:03d},{50 + i}" for i in range(14)]
    (folder / "scans.csv").write_text("\n".join(["scan,patient_id,age", *rows]) + "\n")
    found = inspect(folder, 1)
    assert found.counted == "7 patients (14 cases)"
    assert (found.source["patient"], found.channels[0].rule) == ("patient_id", "{scan}/t2.nii.gz")
    made = new("mine", "--target", str(folder))
    assert made.exit_code == 0 and "check: target: the files" not in made.output
    assert "labels: South, as the folders or groups are called; the report prints them" in made.output


def test_patients_whom_the_proposed_rules_take_for_one_are_told(tmp_path: Path, clone: Path):
    """Two hospitals number different people alike; a table names who has no files."""
    for site in "AB":
        hospital(tmp_path / "all" / site, "t2", ["gland"], hu=False)
    made = new("mine", "--target", str(tmp_path / "all"))
    assert made.exit_code == 2 and not (clone / "config/studies/mine.yaml").exists()
    assert "target: the files seem to belong to 12 patients, but no rule selects exactly these" in " ".join(
        made.output.split()
    )
    folder = Path(hospital(tmp_path / "South", "t2", ["gland"], hu=False))
    (folder / "patients.csv").write_text("patient\n" + "".join(f"p{i}\n" for i in range(8)))
    made = new("other", "--target", str(folder))
    assert made.exit_code == 0 and "check: row 8, patient" in made.output and "does not exist" in made.output


def test_a_table_of_files_is_read_whatever_they_are_called(tmp_path: Path, clone: Path):
    """Eight patients, of whom the first has two scans; a ninth is in no row."""
    folder, rows = tmp_path / "South", ["patient,site,image_path,gland"]
    for i in range(10):
        image, mask = f"{'abc'[i % 3]}/export {7 * i}.nii.gz", f"drawn by {'xy'[i % 2]}/{i}z.nii.gz"
        written(folder / image, np.random.default_rng(i).normal(500, 90, (6, 6, 5)))
        written(folder / mask, np.pad(np.ones((2, 2, 3), np.uint8), ((0, 4), (0, 4), (0, 2))))
        rows += [f"P{max(i, 1)},{'AB'[i % 2]},{image},{mask}"] * (i < 9)
    (folder / "patients.csv").write_text("\n".join(rows) + "\n")
    found = inspect(folder, 1)
    assert found.counted == "8 patients (9 cases)" and [*found.columns] == ["site"]
    assert (found.channels[0].rule, found.structures[0].rule) == ("{image_path}", {"file": "{gland}"})
    assert [what for what in found.odd if what.startswith("2 volumes are in no row of patients.csv")]
    made = new("mine", "--target", str(folder))
    assert made.exit_code == 0 and "8 of 8 patients (9 of 9 cases)" in made.output
    drafted = study_of(clone)["cohorts"]["mine_target"]["source"]
    assert drafted["channels"] == {"image": "{image_path}"} and "table" not in drafted
    taken = would_take(VolumesSource.model_validate(drafted | {"folder": "South"}), IngestRules(), tmp_path, 1)
    assert len(taken.patients) == 8 and len(taken.cases) == 9


def test_scans_that_only_some_names_tell_need_a_table(tmp_path: Path, clone: Path):
    """Of twelve patients, two have two scans each, which have dates in their names; the others' names have none."""
    names = [f"S-{i:04d}" for i in range(10)] + [f"S-{i:04d}_{d}" for i in (23, 32) for d in ("20210314", "20220127")]
    folder = tmp_path / "South"
    for i, name in enumerate(names):
        written(folder / f"{name}_T2w.nii.gz", np.random.default_rng(i).normal(500, 90, (6, 6, 5)))
        written(folder / f"{name}_seg.nii.gz", np.pad(np.ones((2, 2, 3), np.uint8), ((0, 4), (0, 4), (0, 2))))
    (line,) = [what for what in inspect(folder, 1).odd if "8 volumes" in what]
    assert "would be read as those of further patients" in line and "write a table" in line
    made = new("mine", "--target", str(folder))
    assert made.exit_code == 2 and "several scans would count as several patients" in " ".join(made.output.split())
    rows = [f"{name[:6]},{name}" for name in names]
    (folder / "scans.csv").write_text("\n".join(["patient,scan", *rows]) + "\n")
    found = inspect(folder, 1)
    assert found.counted == "12 patients (14 cases)" and not [what for what in found.odd if "table" in what]
    assert new("mine", "--target", str(folder)).exit_code == 0
    source = VolumesSource.model_validate(study_of(clone)["cohorts"]["mine_target"]["source"] | {"folder": "South"})
    taken = would_take(source, IngestRules(), tmp_path, 1)
    assert len(taken.patients) == 12 and len(taken.cases) == 14


def study_of(clone: Path) -> dict:
    return yaml.safe_load((clone / "config/studies/mine.yaml").read_text())


def test_cohorts_whose_channels_have_other_names_share_the_only_one_of_its_modality(tmp_path: Path, clone: Path):
    a, b = hospital(tmp_path / "North", "CT", ["gland"]), hospital(tmp_path / "South", "image", ["gland"])
    made = new("mine", "--source", a, "--target", b)
    assert made.exit_code == 0 and "channel ct: image of South\n" in made.output
    cohorts = study_of(clone)["cohorts"].values()
    assert [c["source"]["channels"] for c in cohorts] == [
        {"ct": "{patient}/CT.nii.gz"},
        {"ct": "{patient}/image.nii.gz"},
    ]


def test_folders_of_one_name_and_structures_of_one_label_are_told_apart(tmp_path: Path, clone: Path):
    a, b = (hospital(tmp_path / site / "scans", "CT", ["first", "second"]) for site in ("North", "South"))
    made = new("mine", "--source", a, "--target", b, "--structures", "lung_l=first,l_lung=second")
    assert made.exit_code == 0, made.output
    drafted = study_of(clone)
    assert [cohort["label"] for cohort in drafted["cohorts"].values()] == ["scans (source)", "scans (target)"]
    assert [structure["label"] for structure in drafted["structures"].values()] == ["lung_l", "l_lung"]


def test_a_study_says_no_number_of_patients_which_more_patients_would_make_wrong(tmp_path: Path, clone: Path):
    a, b = hospital(tmp_path / "North", "CT", ["gland"]), hospital(tmp_path / "South", "CT", ["gland"])
    assert new("mine", "--source", a, "--target", b).exit_code == 0
    assert study_of(clone)["data"] == "The cases are patients of two cohorts, South and North."


def test_the_only_channel_of_a_ct_study_is_called_as_its_base_calls_it(tmp_path: Path, clone: Path):
    made = new("mine", "--target", hospital(tmp_path / "South", "image", ["gland"]), "--channels", "image")
    assert made.exit_code == 0 and "channel ct: image of South\n" in made.output
    assert study_of(clone)["channels"] == ["ct"]


def test_channels_that_may_be_either_are_refused_with_the_option_that_pairs_them(tmp_path: Path, clone: Path):
    a = hospital(tmp_path / "North", "t2 adc", ["gland"], hu=False)
    b = hospital(tmp_path / "South", "image", ["gland"], hu=False)
    made = new("mine", "--source", a, "--target", b)
    assert made.exit_code == 2 and "has no channel 'image'; there are: " in made.output
    pair = made.output.split("--channels ")[1].split()[0]
    assert pair in ("t2=image", "adc=image")
    assert new("mine", "--source", a, "--target", b, "--channels", pair).exit_code == 0
    assert study_of(clone)["channels"] == [pair.partition("=")[0]]


def test_structures_of_one_cohort_are_told_with_the_option_that_takes_either_name(tmp_path: Path, clone: Path):
    a = hospital(tmp_path / "North", "CT", ["BrainStem", "SpinalCord"])
    b = hospital(tmp_path / "South", "CT", ["brainstem", "cord"])
    made = new("mine", "--source", a, "--target", b)
    assert "structure brainstem: BrainStem.nii.gz of North; brainstem.nii.gz of South\n" in made.output
    assert "North has structures that South lacks: spinal_cord\n" in made.output
    option = made.output.split('--structures "')[1].split('"')[0]
    assert option == "brainstem,cord=cord+spinal_cord"
    (clone / "config/studies/mine.yaml").unlink()
    assert new("mine", "--source", a, "--target", b, "--structures", option).exit_code == 0
    files = [c["source"]["structures"]["cord"]["file"] for c in study_of(clone)["cohorts"].values()]
    assert files == ["{patient}/SpinalCord.nii.gz", "{patient}/cord.nii.gz"]


def renamed(folder: Path, names: dict[str, str], patients: Iterable[int]) -> None:
    """Give some files of some patients another name, and another format where the name says one."""
    for i, (old, new_name) in itertools.product(patients, names.items()):
        path = folder / f"p{i}/{old}.nii.gz"
        sitk.WriteImage(sitk.ReadImage(str(path)), str(folder / f"p{i}/{new_name}"))
        path.unlink()


def test_volumes_whose_names_differ_by_patient_are_joined_where_that_is_asked_for(tmp_path: Path, clone: Path):
    a, b = hospital(tmp_path / "North", "ct", ["gland", "cord"]), hospital(tmp_path / "South", "ct", ["gland", "cord"])
    renamed(tmp_path / "North", {"ct": "CT Hals.nii.gz", "gland": "Prostata.nii.gz"}, range(2, 4))
    renamed(tmp_path / "North", {"ct": "Planning CT.nrrd", "gland": "Whole Gland.nrrd"}, range(4, 6))
    shutil.copy(tmp_path / "North/p4/Whole Gland.nrrd", tmp_path / "North/p0/Whole Gland.nrrd")  # has both
    hint = "--channels ct=ct_hals+planning_ct+ct"
    assert any(line.endswith(hint) for line in inspect(Path(a), 1).odd)
    structures = "gland=gland+prostata+whole_gland,cord"
    made = new("mine", "--source", a, "--target", b, *hint.split(), "--structures", structures)
    assert made.exit_code == 0 and hint not in made.output, made.output
    assert "source: North, a folder of volumes; 5 of 6 patients have all" in made.output
    source = study_of(clone)["cohorts"]["mine_source"]["source"]
    files = {"ct.nii.gz", "CT Hals.nii.gz", "Planning CT.nrrd"}
    assert {*source["channels"]["ct"]} == {f"{{patient}}/{file}" for file in files}
    assert len(source["structures"]["gland"]["file"]) == 3 and source["allow"] == ["of-one-case"]
    assert study_of(clone)["cohorts"]["mine_target"]["source"]["channels"] == {"ct": "{patient}/ct.nii.gz"}


def test_a_folder_of_which_no_patient_has_all_is_refused_with_the_names_that_there_are(tmp_path: Path, clone: Path):
    a, b = hospital(tmp_path / "North", "ct", ["gland"]), hospital(tmp_path / "South", "ct", ["gland"])
    renamed(tmp_path / "North", {"gland": "Prostata.nii.gz"}, range(3))
    renamed(tmp_path / "North", {"ct": "CT Hals.nii.gz"}, range(3, 6))
    refused = new("mine", "--source", a, "--target", b)
    assert refused.exit_code == 2 and "no patient has all of ct, gland" in refused.output
    assert "--channels ct=ct_hals+ct\n" in refused.output and "structures: prostata (3), gland (3)" in refused.output
    assert "--structures NAME=FOUND+FOUND" in refused.output and not (clone / "config/studies/mine.yaml").exists()


def test_one_name_in_two_formats_is_one_channel_or_structure(tmp_path: Path, clone: Path):
    folder = tmp_path / "North"
    a = hospital(folder, "ct", ["Parotid_L", "cord"], patients=12)
    renamed(folder, {"ct": "ct.nrrd", "Parotid_L": "Parotid_L.nrrd"}, range(4))
    renamed(folder, {"cord": "cord.mha"}, range(11, 12))  # the only one in this format
    found = inspect(folder, 1)
    assert [kind.name for kind in found.channels] == ["ct"] and found.channels[0].patients == 12
    assert {s.name: found.count_having(s.name) for s in found.structures} == {"parotid_l": 12, "cord": 12}
    assert not found.left_out(found.proposed) and not found.odd
    assert new("mine", "--target", a).exit_code == 0
    assert len(study_of(clone)["cohorts"]["mine_target"]["source"]["channels"]["ct"]) == 2


def test_copies_in_another_format_are_not_joined(tmp_path: Path):
    folder = Path(hospital(tmp_path / "North", "ct", ["gland"]))
    for i in range(6):
        sitk.WriteImage(sitk.ReadImage(str(folder / f"p{i}/gland.nii.gz")), str(folder / f"p{i}/gland.nrrd"))
    found = inspect(folder, 1)
    assert [found.count_having(s.name) for s in found.structures] == [6, 6]


@pytest.mark.parametrize(
    ("asked", "warned"),
    [
        ("parotid_left", False),
        ("parotid_left=parotid_r", True),
        ("parotid=parotid_left+parotid_r", False),
        ("parotid=parotid_left+lobe_r", False),
        ("gland=gland_r+parotid_left", True),
    ],
)
def test_a_structure_whose_names_are_of_both_sides_is_told(tmp_path: Path, clone: Path, asked: str, warned: bool):
    a = hospital(tmp_path / "North", "CT", ["Parotid_L", "Parotid_R"])
    b = hospital(tmp_path / "South", "CT", ["parotid left", "parotid right", "gland_r"])
    made = new("mine", "--source", a, "--target", b, "--structures", asked)
    assert made.exit_code == 0 and ("check: the sides of structure" in made.output) == warned


@pytest.mark.parametrize(
    ("patients", "sizes"),
    [(6, [2, 4]), (9, [2, 3, 4, 6]), (15, [2, 3, 6, 10]), (24, [3, 5, 9, 16]), (60, [4, 9, 19, 39])],
)
def test_there_are_four_sizes_where_six_patients_are_left_to_train_on(patients: int, sizes: list[int]):
    test, found = divided(patients)
    assert found == sizes and test + found[-1] == patients


def test_groups_whose_files_have_other_names_are_told_once_with_the_folders_to_give(tmp_path: Path, clone: Path):
    a = hospital(tmp_path / "all/North", "CT", ["gland"], 8)
    b = hospital(tmp_path / "all/South", "image", ["prostate"])
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "all"), "--workers", "1"])
    told = "group South has other file names than group North: give each group's folder, as crossover new NAME "
    told += f'--source "{a}" --target "{b}"'
    assert shown.output.count(told) == 1 and "left out" not in shown.output
    assert "gland.nii.gz" in shown.output
    made = new("mine", "--source", f"{tmp_path}/all:group=North", "--target", f"{tmp_path}/all:group=South")
    assert made.exit_code == 2 and told in made.output


def test_the_page_shows_each_kind_of_image(decathlon: Path, tmp_path: Path):
    shown = CliRunner().invoke(
        app, ["inspect", str(decathlon), "--page", str(tmp_path / "page.html"), "--workers", "1"]
    )
    assert shown.exit_code == 0 and "4 of 6 patients" in shown.output
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "prostate_03" in page


def test_a_folder_without_images_is_told(tmp_path: Path):
    (tmp_path / "letter.txt").write_text("no image")
    said = CliRunner().invoke(app, ["inspect", str(tmp_path)])
    assert said.exit_code == 2 and "is a DICOM image" in said.output


@real
@pytest.mark.skipif(not REAL.exists(), reason="shared/real is not beside the project")
def test_real_examinations_get_rules_that_take_them():
    found = inspect(REAL / "dicom/prostate-mr-siemens-private-bvalues", 1)
    rules = {c.name: c.rule for c in found.channels}
    assert found.proposed_channels() == ["t2"]
    assert {"b50", "b400", "b800"} <= rules.keys() and rules["adc"]["computed_from"] == [50.0, 800.0]
    lung = inspect(REAL / "dicom/lung-ct-rtstruct-varian", 1)
    assert {s.name for s in lung.structures} == {"gtv_1", "lung_left", "lung_right", "spinal_cord"}


@real
@pytest.mark.skipif(not REAL.exists(), reason="shared/real is not beside the project")
def test_the_real_head_and_neck_patients_are_told_by_their_table(tmp_path: Path):
    for folder in sorted((REAL / "headneck").glob("pt_*"))[:8]:
        shutil.copytree(folder, tmp_path / folder.name)
    shutil.copy(REAL / "headneck/patients.csv", tmp_path)
    found = inspect(tmp_path, 1)
    assert len(found.cases) == 8 and found.source["table"] == "patients.csv"
    assert {value: len(own) for value, own in found.columns["center"].items()} == {"A": 52, "B": 30}
    assert sitk.GetArrayFromImage(found.channels[0].example()).shape == (128, 128, 128)


# What volumes are taken for, and what is unlike


def clipped(folder: Path, image: str, low: float, high: float, scaled: bool = False) -> str:
    """Patients of whom a CT was cut off, and perhaps brought to 0 to 1."""
    hospital(folder, image, ["gland"])
    for i in range(6):
        values = np.clip(np.random.default_rng(i).normal(40, 300, (12, 12, 8)), low, high)
        written(
            folder / f"p{i}/{image}.nii.gz", ((values - low) / (high - low) if scaled else values).astype(np.float32)
        )
    return str(folder)


def test_a_ct_that_was_cut_off_is_known_by_its_name_or_its_floor_and_told(tmp_path: Path, clone: Path):
    named = inspect(Path(clipped(tmp_path / "a", "CT", -160, 240)), 1)
    bare = inspect(Path(clipped(tmp_path / "b", "image", -160, 240)), 1)
    for found, why in ((named, "by its name"), (bare, "since its lowest value is -160 in 6 patients")):
        (kind,) = found.channels
        assert (kind.modality, kind.hu) == ("CT", True)
        assert f"{kind.name} is taken for CT {why}, with values from -160 to 240; if it is MR, use " in found.odd[0]
    made = new("mine", "--target", str(tmp_path / "b"))
    assert made.exit_code == 0 and f"check: b: {bare.odd[0]}\n" in made.output and study_of(clone)["extends"] == "ct"


def test_a_ct_between_0_and_1_gets_its_own_window(tmp_path: Path, clone: Path):
    made = new("mine", "--target", clipped(tmp_path / "a", "ct", -160, 240, scaled=True))
    assert "check: the values are CT's, but not in HU: the window is 0 to 1" in made.output
    assert study_of(clone)["extends"] == "ct"
    own = study_of(clone)["preparation"]["slices"]["normalisation"]
    assert own == {"method": "window", "window": [0.0, 1.0]}


def test_what_a_channel_is_taken_for_can_be_said_by_its_name(tmp_path: Path, clone: Path):
    folder = clipped(tmp_path / "a", "image", -160, 240, scaled=True)
    for asked, base, doubt in (("image", "mr", True), ("ct=image", "ct", False), ("mr=image", "mr", False)):
        made = new("mine", "--target", folder, "--channels", asked)
        assert ("neither its name nor its values (0 to 1) show what it is; if it is CT, use " in made.output) == doubt
        assert study_of(clone)["extends"] == base
        (clone / "config/studies/mine.yaml").unlink()


def test_cohorts_whose_values_have_another_unit_are_told(tmp_path: Path, clone: Path):
    a, b = clipped(tmp_path / "a", "ct", -160, 240), clipped(tmp_path / "b", "ct", -160, 240, scaled=True)
    made = new("mine", "--source", a, "--target", b)
    assert "check: the values of channel ct differ in unit or scale: -160 to 240 in a; 0 to 1 in b" in made.output


@pytest.mark.parametrize(
    ("text", "modality"),
    [("CT", "CT"), ("ct_venous", "CT"), ("T2w", "MR"), ("ct_pet", "PT"), ("ADC", "MR"), ("contact", ""), ("image", "")],
)
def test_words_name_a_modality(text: str, modality: str):
    assert named_modality(text) == modality


def test_masks_with_values_near_1_are_masks_and_wrong_ones_are_told(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "t2", ["gland"], hu=False))
    mask = np.pad(np.ones((2, 2, 3), np.float32), ((0, 4), (0, 4), (0, 2)))
    for i, inside in ((0, 0.9999), (1, 0.9)):
        written(folder / f"p{i}/gland.nii.gz", mask * np.float32(inside))
    found = inspect(folder, 1)
    assert [kind.name for kind in found.channels] == ["t2"] and [kind.name for kind in found.structures] == ["gland"]
    (left,) = found.left_out(["t2", "gland"]).items()
    assert left[0] == "p1" and "structure-refused" in left[1]


def test_values_and_labels_unlike_those_of_the_others_are_told(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "t2", [], patients=10, hu=False))
    labels = np.zeros((24, 24, 8), np.uint8)
    labels[3:12, 3:12, 1:7], labels[16:18, 16:18, 3:5] = 1, 2
    for i in range(10):
        values = np.random.default_rng(i).normal(900, 100, labels.shape).astype(np.float32)
        written(folder / f"p{i}/t2.nii.gz", values / (1000 if i == 2 else 1))
        written(folder / f"p{i}/map.nii.gz", np.array([0, 2, 1], np.uint8)[labels] if i == 7 else labels)
    odd = inspect(folder, 1).odd
    assert len(odd) == 2 and odd[0].startswith("1 patient whose t2 is unlike that of the others: p2: ")
    assert odd[1].startswith("1 patient (p7) in whom label_1 and label_2 seem to be exchanged")


def test_sides_that_are_exchanged_in_a_patient_are_told(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "ct", []))
    for i in range(6):
        for x, name in ((0, "eye_l"), (4, "eye_r")):  # NIfTI's first axis points to the right
            mask = np.zeros((6, 6, 5), np.uint8)
            mask[4 - x if i == 3 else x, 2:4, 1:3] = 1
            written(folder / f"p{i}/{name}.nii.gz", mask)
    assert [line.partition(":")[0] for line in inspect(folder, 1).odd] == [
        "1 patient (p3) whose eye_l is on the patient's right of its partner"
    ]


def test_spellings_of_one_structure_are_told_where_no_patient_has_two(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "ct", ["cord", "eye_l", "eye_r"], patients=8))
    names = ["Parotid_L", "parotid l", "PAROTIDL", "Left Parotid"]
    for i in range(8):
        mask = np.pad(np.ones((2, 2, 3), np.uint8), ((0, 4), (0, 4), (0, 2)))
        written(folder / f"p{i}/{names[i % 4]}.nii.gz", mask)
    (told,) = [line for line in inspect(folder, 1).odd if line.startswith("no patient has two of ")]
    assert all(f"{name}.nii.gz (2)" in told for name in names) and "cord" not in told and "eye" not in told


def test_the_options_that_join_several_spellings_are_told_in_one_line(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "ct", [], patients=8))
    for i in range(8):
        for k, name in enumerate((["Cord", "Lung"], ["cord ", "lung_"])[i % 2]):
            mask = np.zeros((6, 6, 5), np.uint8)
            mask[k : k + 2, :2] = 1
            written(folder / f"p{i}/{name}.nii.gz", mask)
    lines = inspect(folder, 1).odd
    options = [line.rpartition(": ")[2] for line in lines if line.startswith("no patient has two of ")]
    assert len(options) == 2 and f"all of these names at once: {' '.join(options)}" in lines


def test_outlines_that_blank_ends_show_are_told_with_the_remedy(tmp_path: Path):
    for i, blank in enumerate((slice(12, None), slice(0))):
        reading = blanked(4.0, blank)
        body = sitk.Cast(reading.channels["ct"] > -500, sitk.sitkUInt8)
        for name, image in {**reading.channels, **reading.structures, "body": body}.items():
            (tmp_path / f"p{i}").mkdir(exist_ok=True)
            sitk.WriteImage(image, str(tmp_path / f"p{i}/{name}.nii.gz"))
    (told,) = [line for line in inspect(tmp_path, 1).odd if "outline-shown" in line]
    assert told.startswith("in 1 patient (p0) the image is blank around ") and "p1" not in told
    assert "cord" in told.partition(", so that a network can read the contour")[0] and "`blank_ends: cut`" in told


def test_blank_ends_are_cut_off_in_a_new_study_whose_outlines_they_show(tmp_path: Path, clone: Path):
    """One patient has the structure nowhere else."""
    for i in range(7):
        reading = blanked(4.0, slice(4, None), slices=8)
        mask = sitk.GetArrayFromImage(reading.structures["cord"])
        mask[: 4 * (i == 2)] = 0
        written(tmp_path / f"South/p{i}/ct.nii.gz", sitk.GetArrayFromImage(reading.channels["ct"]).transpose())
        written(tmp_path / f"South/p{i}/cord.nii.gz", mask.transpose())
    made = new("mine", "--target", str(tmp_path / "South"))
    assert made.exit_code == 0, made.output
    assert study_of(clone)["blank_ends"] == "cut"
    assert "\n  demo:\n    preparation: {" in (clone / "config/studies/mine.yaml").read_text(), (
        "lines may stand below it"
    )
    assert "South: in 7 patients (p0, p1, p2 and 4 more) the image is blank around cord, so that" in made.output
    assert made.output.count("is blank around") == 1
    assert "left out: p2: cord: all of it was in the blank ends" in made.output
    notes = " ".join(readiness("mine", {}, 1).notes)
    assert "6 of 7 patients would be taken cohort" in notes
    assert "1 case would be left out (structure-in-blank-ends): p2: structure cord: all of it was in the" in notes


def test_findings_of_a_folder_with_two_cohorts_are_those_of_each_ones_patients(tmp_path: Path, clone: Path):
    folder = Path(hospital(tmp_path / "all", "t2", ["gland"], patients=16, hu=False))
    (folder / "table.csv").write_text("patient,site\n" + "".join(f"p{i},{'AB'[i % 2]}\n" for i in range(16)))
    shutil.copy(folder / "p2/t2.nii.gz", folder / "p4/t2.nii.gz")
    shutil.copy(folder / "p2/t2.nii.gz", folder / "of_nobody.nii.gz")
    made = new("mine", "--source", f"{folder}:site=A", "--target", f"{folder}:site=B")
    assert made.exit_code == 0, made.output
    told = [line for line in made.output.splitlines() if "with the same image" in line]
    assert len(told) == 1 and told[0].startswith("check: A: 2 patients (p2, p4)")
    of_folder = [line for line in made.output.splitlines() if "of_nobody" in line]
    assert len(of_folder) == 1 and of_folder[0].startswith("check: A and B: ")


def test_names_of_one_patient_that_count_as_one_are_told(exports: Path, tmp_path: Path):
    folder = two_of(exports, tmp_path)
    for path in sorted(folder.iterdir())[0].rglob("*"):
        if path.is_file() and (dataset := pydicom.dcmread(path)).Modality == "RTSTRUCT":
            for roi in dataset.StructureSetROISequence:
                roi.ROIName = {"Parotid_R": "Left Parotid"}.get(roi.ROIName, roi.ROIName)
            dataset.save_as(path)
    assert any("several structures called 'Parotid_L' or 'Left Parotid'" in line for line in inspect(folder, 1).odd)


def test_labels_that_are_taken_together_are_told(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "t2", [], hu=False))
    for i in range(6):
        mask = np.pad(np.full((2, 2, 3), i + 1, np.uint8), ((0, 4), (0, 4), (0, 2)))
        written(folder / f"p{i}/lesion.nii.gz", mask)
    found = inspect(folder, 1)
    assert len(found.structures) == 1 and "its labels (1, 2, 3, 4, 5, 6) are taken together" in found.odd[-1]


def test_patients_with_the_same_image_are_told(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "t2", ["gland"], patients=4, hu=False))
    (folder / "p3/t2.nii.gz").write_bytes((folder / "p1/t2.nii.gz").read_bytes())
    assert [line for line in inspect(folder, 1).odd if "same image" in line] == [
        "2 patients (p1, p3) with the same image: a run refuses them; take all but one out of the folder"
    ]


def test_a_file_whose_name_differs_in_capital_letters_is_told_with_its_new_name(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "t2", ["gland"], hu=False))
    (folder / "p2/gland.nii.gz").rename(folder / "p2/Gland.nii.gz")
    odd = inspect(folder, 1).odd
    assert odd[-1] == "names that differ in capital letters only; rename p2/Gland.nii.gz as p2/gland.nii.gz"


def test_of_a_patient_without_an_image_the_masks_are_read(tmp_path: Path):
    folder = Path(hospital(tmp_path / "a", "t2", ["gland"], hu=False))
    (folder / "p2/t2.nii.gz").unlink()
    found = inspect(folder, 1)
    assert found.left_out(["t2", "gland"]) == {"p2": f"t2: {NO_FILE}"} and found.structures[0].patients == 6


@pytest.mark.parametrize("axes", ["LPS", "RAS", "RAI", "PIR", "ASL", "LSA"])
def test_pictures_are_shown_as_radiologists_see_them(axes):
    """Of each plane the corner to the patient's right, front and head is at the top left."""
    values = np.zeros((8, 8, 8), np.float32)
    values[3:, :5, :5] = 1  # to the head, the front and the right, beyond the middle
    image = sitk.DICOMOrient(sitk.GetImageFromArray(values), axes)
    shown = imread(BytesIO(b64decode(_picture(lambda: image).split(",")[1])))[..., 0]
    assert shown[:5, :5].all() and shown.sum() == 25


def test_a_picture_is_shown_in_its_own_window_or_that_of_the_body():
    """Air with a body of soft tissue (0 to 79 HU) and some bone; the window 40/400 shows -160 black and 240 white."""
    values = np.full((1, 20, 20), -1000, np.float32)
    values[0, 5:15, 5:13] = np.arange(80).reshape(10, 8)
    values[0, 5:15, 13:15] = 1000
    image = sitk.GetImageFromArray(values)

    def greys() -> np.ndarray:
        return imread(BytesIO(b64decode(_picture(lambda: image).split(",")[1])))[..., 0]

    assert greys()[0, 0] == 0 and 0.05 < np.ptp(greys()[5:15, 5:13]) < 0.1, "from soft tissue to bone"
    for tag, value in zip(WINDOW, ("40", "400")):
        image.SetMetaData(tag, value)
    assert greys()[5, 5] == pytest.approx(160 / 400, abs=0.01) and greys()[5, 14] == 1
    image.SetMetaData(WINDOW[0], "30000")
    assert 0.05 < np.ptp(greys()[5:15, 5:13]) < 0.1, "a window of other values is none"


def test_the_example_of_a_dicom_export_has_the_window_of_its_header(exports: Path):
    image = inspect(exports / "source", 1).channels[0].example()
    assert [float(image.GetMetaData(tag)) for tag in WINDOW] == [40, 400]


def both_centers(exports: Path, folder: Path, change: Callable[[int, pydicom.Dataset], object]) -> Path:
    """All patients in one folder, each dataset changed by `change(number of the patient, dataset)`."""
    for k, path in enumerate(sorted(p for p in exports.glob("*/*") if p.is_dir())):
        for file in sorted(path.rglob("*.dcm")):
            dataset = pydicom.dcmread(file)
            change(k, dataset)
            place = folder / f"{k:02d}" / file.relative_to(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(place)
    return folder


def test_series_of_two_names_are_one_channel_by_patient(exports: Path, tmp_path: Path):
    """All twelve patients have a PD; the even ones a T2 too, the others a FLAIR, and the first both of these."""
    folder = tmp_path / "all"
    for k, path in enumerate(sorted(p for p in exports.glob("*/*") if p.is_dir())):
        for file in path.rglob("*.dcm"):
            dataset = pydicom.dcmread(file)
            kinds = ("pd", "flair" if k % 2 else "t2 tse", *(["flair"] if k == 0 else []))
            for n, kind in enumerate(kinds if dataset.Modality == "CT" else ()):
                image = copy.deepcopy(dataset)
                image.Modality, image.SeriesDescription = "MR", kind
                image.SeriesInstanceUID += f".{n}"
                image.SOPInstanceUID += f".{n}"
                (folder / f"{k}/{n}").mkdir(parents=True, exist_ok=True)
                image.save_as(folder / f"{k}/{n}" / file.name)
    found = inspect(folder, 1)
    joined = merged(found, [], ["mr=t2+flair"])
    rule = next(kind.rule for kind in joined.channels if kind.name == "mr")
    assert {"t2", "flair"}.isdisjoint(kind.name for kind in joined.channels)
    assert (found.count_having("t2"), joined.count_having("mr")) == (6, 11)
    data = DicomSource(kind="dicom", folder=".", **{k: v for k, v in found.source.items() if k == "patients"})
    taken = would_take(data, IngestRules(series={"mr": rule}), folder, 1)
    assert len(taken.patients) == joined.count_having("mr")


def test_series_that_differ_in_more_than_words_are_no_channel():
    t2, flair, pet = (
        {"modality": "MR", "description": "t2"},
        {"modality": "MR", "description": "flair"},
        {"modality": "PT"},
    )
    assert either([t2, flair]) == {"modality": "MR", "description": "(?:t2)|(?:flair)"}
    assert either([t2 | {"plane": "axial"}, flair | {"plane": "axial", "repeated": "last"}]) == {
        "modality": "MR", "plane": "axial", "description": "(?:t2)|(?:flair)"
    }  # fmt: skip
    assert either([t2, {"modality": "MR"}]) == {"modality": "MR"}
    assert either([t2, pet]) is None
    found = Inventory(
        "", {}, [replace(channel(n), rule=r) for n, r in (("t2", t2), ("pet", pet))], [], [], {"kind": "dicom"}
    )
    with pytest.raises(DraftError, match="differ in more than their plane and the words"):
        merged(found, [], ["x=t2+pet"])


def test_who_is_left_out_for_one_reason_is_told_together():
    found = Inventory("", {}, [], [], [], {"kind": "volumes"})
    left = {f"p{i}": "ct: no such file" for i in range(7)} | {"q": "cord: no voxel of it", "r": "other"}
    assert found.about_left_out(left, 2) == [
        "left out: p0, p1, p2, p3, p4 and 2 more: ct: no such file",
        "left out: q: cord: no voxel of it",
        "and 1 more case left out: `crossover inspect` has all with --page or --json",
    ]


def drawn_elsewhere(dataset: pydicom.Dataset) -> None:
    if dataset.Modality == "RTSTRUCT":
        for item in dataset.ReferencedFrameOfReferenceSequence:
            item.FrameOfReferenceUID = "1.2.3.4"
        for roi in dataset.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = "1.2.3.4"
    elif dataset.Modality == "SEG":
        dataset.FrameOfReferenceUID = "1.2.3.4"


def test_all_commands_leave_out_the_same_patients_and_count_the_same(exports: Path, tmp_path: Path, clone: Path):
    """One patient's structures lie in another frame of reference, one patient has two studies."""

    def change(k: int, dataset: pydicom.Dataset) -> None:
        dataset.PatientID = f"P{max(k, 1):02d}" if k < 2 else f"P{k:02d}"
        if k == 2:
            drawn_elsewhere(dataset)

    folder = both_centers(exports, tmp_path / "South", change)
    found = inspect(folder, 1)
    assert found.counted == "11 patients (12 cases)"
    names = [*found.proposed_channels(), "brainstem"]
    count = "10 of 11 patients (11 of 12 cases)"
    assert found.taken(names) == count
    assert found.left_out(names) == {"P02": f"brainstem: two-frames, {ELSEWHERE}"}
    assert (found.channels[0].patients, found.count_having("brainstem")) == (11, 11)
    made = new("mine", "--target", str(folder), "--structures", "brainstem")
    said = " ".join(made.output.split())
    assert made.exit_code == 0 and f"{count} have all that the study asks for" in said
    assert f"left out: P02: brainstem: two-frames, {ELSEWHERE}" in said
    checked = readiness("mine", {}, 1)
    assert not checked.wrong and f"cohort mine_target: {count} would be taken" in checked.notes
    assert any("1 case would be left out (two-frames)" in note for note in checked.notes)
    study = study_of(clone)
    rules = {"series": study["series"], "structures": study["structures"]}
    source = study["cohorts"]["mine_target"]["source"] | {"folder": "."}
    assert len(taken(folder, tmp_path / "out", source, rules)) == 11
    assert f"Made: {count}; 1 case left out" in (tmp_path / "out/ingest.txt").read_text()


def test_joined_structures_lie_elsewhere_where_all_that_a_case_has_of_them_do():
    cases = {"a": {}, "b": {"left": "none"}, "c": {}}
    elsewhere = {case: {"ct": apart} for case, apart in {"a": ["left"], "b": ["l"], "c": ["left", "l"]}.items()}
    kinds = [StructureKind(name, [name], 3, {"names": [name]}) for name in ("left", "l")]
    found = Inventory("", cases, [channel("ct")], kinds, [], {"kind": "dicom"}, elsewhere=elsewhere)
    joined = merged(found, ["left=left+l"])
    assert joined.left_out(["ct", "left"]) == {case: f"left: two-frames, {ELSEWHERE}" for case in "bc"}


def test_a_study_without_any_of_the_channels_is_no_case_of_a_patient_who_has_another():
    why = "series-missing, no series matches"
    cases = {"a": {"ct": why}, "a-2": {"gland": "none"}, "b": {"ct": why}, "c": {}, "c-2": {}}
    scans = {case: case[0] for case in cases}
    found = Inventory("", cases, [channel("ct")], [], [], {"kind": "dicom"}, scans=scans)
    assert found.taken(["ct"]) == "2 of 3 patients (3 of 4 cases)"
    assert found.taken(["ct", "gland"]) == "1 of 3 patients (2 of 4 cases)"
    assert set(found.left_out(["ct", "gland"])) == {"a-2", "b"}
    assert found.patients_with(["ct"]) == {"a", "c"}


def test_long_lines_are_broken_between_words_only():
    words = [f"two-parted-{k}" for k in range(40)]
    assert yaml.safe_load("\n".join(_lines("allow", words, "  "))) == {"allow": words}
    assert yaml.safe_load("\n".join(_lines("title", " ".join(words), ""))) == {"title": " ".join(words)}
    assert all(len(line) <= 120 for line in _lines("allow", words, "  "))
