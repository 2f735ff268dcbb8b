"""Patients that files tell, without a table."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from crossover.core.configuration import ConfigError, validate
from crossover.core.files import read_json
from crossover.sources.cases import make_cases
from crossover.sources.file_patterns import filled, matching, paths_below
from crossover.sources.pseudonyms import key_of, pseudonym
from crossover.sources.receive import receive
from crossover.sources.reidentify import reidentify
from crossover.sources.settings import Export, IngestRules, VolumesSource
from crossover.sources.volumes import VolumesError, patient_files, read_patient, rows


def nnunet(**changes: object) -> VolumesSource:
    values = {
        "kind": "volumes",
        "folder": "Dataset001_Gland",
        "table": None,
        "channels": {"t2": "imagesTr/{patient}_0000.nii.gz", "adc": "imagesTr/{patient}_0001.nii.gz"},
        "structures": {"gland": {"file": "labelsTr/{patient}.nii.gz", "label": 1}},
        "identifiers": "public",
    }
    return VolumesSource.model_validate(values | changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for case in ("p_01", "p_02", "p_03"):
        for name in (f"imagesTr/{case}_0000", f"imagesTr/{case}_0001", f"labelsTr/{case}"):
            array = np.zeros((4, 5, 6), np.uint8)
            array[1:3, 2, 1:4] = 1
            array[0, 0, 0] = int(case[-1]) + 1 if "images" in name else 0  # no image is another patient's
            path = tmp_path / "Dataset001_Gland" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return tmp_path


def test_the_files_of_an_nnunet_dataset_tell_its_patients(root: Path):
    cases, findings, _ = rows(nnunet(), root)
    assert list(cases) == ["p_01", "p_02", "p_03"] and findings == []
    files = patient_files(nnunet(), cases["p_02"].row, root)
    names = ("imagesTr/p_02_0000.nii.gz", "imagesTr/p_02_0001.nii.gz", "labelsTr/p_02.nii.gz")
    assert list(files.values()) == [f"Dataset001_Gland/{name}" for name in names]
    reading = read_patient(nnunet(), cases["p_02"].row, root)
    assert not reading.failed
    assert sitk.GetArrayFromImage(reading.structures["gland"]).sum() == 6


def test_patients_who_lack_a_file_are_left_out_and_counted(root: Path):
    (root / "Dataset001_Gland/labelsTr/p_02.nii.gz").unlink()
    cases, (finding,), left_out = rows(nnunet(), root)
    assert list(cases) == ["p_01", "p_03"] and left_out == {"p_02": "no structure gland"}
    assert finding.code == "files-missing" and "1 with no structure gland" in finding.what


def test_of_several_patterns_each_patient_has_one_and_both_are_an_error_or_left_out(root: Path):
    folder = root / "Dataset001_Gland"
    (folder / "labelsTr/p_02.nii.gz").rename(folder / "labelsTr/gland p_02.nii.gz")
    (folder / "imagesTr/p_03_0000.nii.gz").rename(folder / "imagesTr/t2 p_03.nii.gz")
    changes = {
        "channels": {"t2": ["imagesTr/{patient}_0000.nii.gz", "imagesTr/t2 {patient}.nii.gz"]},
        "structures": {"gland": {"file": ["labelsTr/{patient}.nii.gz", "labelsTr/gland {patient}.nii.gz"]}},
    }
    either = nnunet(**changes)
    cases, findings, _ = rows(either, root)
    assert sorted(cases) == ["p_01", "p_02", "p_03"] and findings == []
    assert patient_files(either, cases["p_02"].row, root)["structure gland"].endswith("labelsTr/gland p_02.nii.gz")
    assert not read_patient(either, cases["p_03"].row, root).failed
    shutil.copy(folder / "labelsTr/p_01.nii.gz", folder / "labelsTr/gland p_01.nii.gz")
    both = r"p_01: structure gland \(labelsTr/{patient}.nii.gz or labelsTr/gland {patient}.nii.gz\): several of these"
    with pytest.raises(VolumesError, match=rf"(?s){both} files exist.*`allow: \[structure-doubled\]`"):
        rows(either, root)
    cases, (finding,), left_out = rows(nnunet(**changes, allow=["structure-doubled"]), root)
    assert sorted(cases) == ["p_02", "p_03"] and left_out == {"p_01": "several files of structure gland"}
    assert "1 with several files of structure gland" in finding.what
    validate(VolumesSource, either.model_dump(), Path("s.yaml"))
    with pytest.raises(ConfigError, match=r"channels\.t2\.entry 2: .* is not a path below"):
        validate(VolumesSource, either.model_dump() | {"channels": {"t2": ["{patient}.nii", "/{patient}"]}}, Path("s"))


def test_a_mask_beside_its_image_is_no_patient(root: Path):
    folder = root / "Dataset001_Gland"
    for path in folder.glob("labelsTr/*.nii.gz"):
        path.rename(folder / "imagesTr" / path.name.replace(".nii.gz", "_seg.nii.gz"))
        (folder / "imagesTr" / path.name.replace(".nii.gz", "_0000.nii.gz")).rename(folder / "imagesTr" / path.name)
    flat = nnunet(
        channels={"t2": "imagesTr/{patient}.nii.gz"},
        structures={"gland": {"file": "imagesTr/{patient}_seg.nii.gz"}},
    )
    for path in folder.glob("imagesTr/*_0001.nii.gz"):
        path.unlink()
    cases, findings, _ = rows(flat, root)
    assert list(cases) == ["p_01", "p_02", "p_03"] and findings == []


def test_no_patient_at_all_says_which_files_were_looked_for(root: Path):
    with pytest.raises(VolumesError, match=r"all of these files: img/{patient}.nii, labelsTr"):
        rows(nnunet(channels={"t2": "img/{patient}.nii"}), root)


def test_a_column_that_no_file_tells_is_an_error_of_the_configuration():
    values = nnunet().model_dump() | {"where": {"center": "A"}}
    with pytest.raises(ConfigError, match=r"does not contain {center}"):
        validate(VolumesSource, values, Path("s.yaml"))


def test_hidden_files_and_those_of_macos_are_passed_over(tmp_path: Path):
    for name in ("._p1.nii.gz", "p1.nii.gz", ".git/p2.nii.gz", "b/p3.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert paths_below(tmp_path) == ["b/p3.nii.gz", "p1.nii.gz"]


def test_linked_folders_are_not_passed_over_without_a_word(root: Path):
    """Such as a folder of links to the patients that somebody chose."""
    for name in ("of_p_04", "loop"):
        (root / "Dataset001_Gland/imagesTr" / name).symlink_to(root)
    cases, (finding,), _ = rows(nnunet(), root)
    assert list(cases) == ["p_01", "p_02", "p_03"]
    assert (finding.code, finding.severity) == ("link-skipped", "warning") and finding.what.endswith(": 2")


def test_a_volume_of_a_file_with_four_axes_is_a_channel(tmp_path: Path):
    import nibabel as nib

    array = np.stack([np.arange(60).reshape(3, 4, 5), np.arange(60).reshape(3, 4, 5) * 2], axis=-1)
    nib.save(nib.Nifti1Image(array.astype(np.int16), np.diag([2, 2, 3, 1])), tmp_path / "p1.nii.gz")
    channels = {"t2": {"file": "{patient}.nii.gz", "volume": 0}, "adc": {"file": "{patient}.nii.gz", "volume": 1}}
    source = nnunet(folder=".", channels=channels, structures={})
    (row,) = (case.row for case in rows(source, tmp_path).cases.values())
    read = {n: sitk.GetArrayFromImage(i) for n, i in read_patient(source, row, tmp_path).channels.items()}
    np.testing.assert_array_equal(read["adc"], 2 * read["t2"])
    np.testing.assert_array_equal(read["t2"], array[..., 0].T)
    beyond = nnunet(folder=".", channels={"t2": {"file": "{patient}.nii.gz", "volume": 2}}, structures={})
    (finding,) = read_patient(beyond, row, tmp_path).findings
    assert (
        finding.code == "volume-axes"
        and "no volume 2, counted from 0, along a fourth axis (3 x 4 x 5 x 2 voxels)" in finding.what
    )


names = st.text(st.characters(exclude_characters="/{}", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(names, names)
def test_a_pattern_that_is_filled_gives_its_values_back(site: str, patient: str):
    pattern = "{site}/sub-{patient}/anat/sub-{patient}_T2w.nii.gz"
    row = {"site": site, "patient": patient}
    assert list(matching([filled(pattern, row)], pattern)) == [row]


def test_a_column_that_stands_twice_has_one_value():
    assert list(matching(["a/b.nii", "a/a.nii"], "{p}/{p}.nii")) == [{"p": "a"}]


def two_channels(tmp_path: Path, shift_mm: float = 0.0) -> tuple[VolumesSource, dict[str, str]]:
    """A T2 of 1 mm pixels that rises along x by 1 a mm, and an ADC of the same values on pixels of 2 mm."""
    for name, size, mm in (("t2", 12, 1.0), ("adc", 6, 2.0)):
        array = np.broadcast_to(mm * np.arange(size) + mm / 2, (4, size, size)).astype(np.float32)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((mm, mm, 3.0))
        image.SetOrigin((mm / 2 + (shift_mm if name == "adc" else 0.0), mm / 2, 0.0))
        sitk.WriteImage(image, str(tmp_path / f"p1_{name}.nii.gz"))
    channels = {"t2": "{patient}_t2.nii.gz", "adc": "{patient}_adc.nii.gz"}
    return nnunet(folder=".", channels=channels, structures={}), {"patient": "p1"}


def test_a_channel_on_another_grid_is_refused_or_resampled_as_declared(tmp_path: Path):
    source, row = two_channels(tmp_path)
    (refused,) = read_patient(source, row, tmp_path).findings
    assert refused.code == "other-grid" and "other_grids: linear" in refused.remedy
    reading = read_patient(source, row, tmp_path, "linear")
    (note,) = reading.findings
    assert note.code == "resampled" and note.severity == "note" and "resampled (linear)" in note.what
    t2, adc = (sitk.GetArrayFromImage(reading.channels[name]) for name in ("t2", "adc"))
    assert reading.channels["adc"].GetSpacing() == reading.channels["t2"].GetSpacing()
    np.testing.assert_allclose(adc[:, :, 1:-1], t2[:, :, 1:-1], atol=1e-5)


def test_what_lies_outside_the_other_grid_is_told(tmp_path: Path):
    source, row = two_channels(tmp_path, shift_mm=6.0)
    (note,) = read_patient(source, row, tmp_path, "nearest").findings
    assert "50% of that grid is outside it" in note.what
    source, row = two_channels(tmp_path, shift_mm=100.0)
    (refused,) = read_patient(source, row, tmp_path, "linear").findings
    assert refused.code == "other-grid" and "none of it is inside" in refused.what


def test_a_patient_whom_files_tell_is_reidentified_by_them(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    case = pseudonym("p_02", b"a secret")
    assert case in rows(nnunet(identifiers="secret"), root).cases
    said = list(reidentify(root / "Dataset001_Gland", [case], Export()))
    assert f"{case}: patient p_02, imagesTr/p_02_0000.nii.gz" in said and not any("p_01" in line for line in said)
    every = list(reidentify(root / "Dataset001_Gland", [], Export()))
    assert any(line.startswith(f"{case}: patient p_02, ") for line in every)
    assert {line.partition(":")[0] for line in every} >= {*rows(nnunet(identifiers="secret"), root).cases}


def test_scans_of_a_patient_are_reidentified_by_their_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    (folder := tmp_path / "scans/Smith").mkdir(parents=True)
    for name in ("v1_t2", "v1_seg", "v2_t2", "v2_seg"):
        (folder / f"{name}.nii.gz").touch()
    source = VolumesSource(
        kind="volumes", folder="scans", table=None, channels={"t2": "{patient}/{visit}_t2.nii.gz"},
        structures={"gland": {"file": "{patient}/{visit}_seg.nii.gz"}},
    )  # fmt: skip
    cases = rows(source, tmp_path).cases
    said = list(reidentify(tmp_path / "scans", [*cases], Export()))
    assert len(cases) == 2 and sorted(said) == sorted(
        f"{case}: patient Smith, Smith/{about.row['visit']}_{kind}.nii.gz"
        for case, about in cases.items()
        for kind in ("t2", "seg")
    )


def test_who_is_left_out_stands_in_the_manifest_of_cases_by_a_pseudonym(root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    source = nnunet(identifiers="secret")
    (root / "Dataset001_Gland/labelsTr/p_02.nii.gz").unlink()
    raw, manifest = tmp_path / "raw/manifest.json", tmp_path / "cases/manifest.json"
    receive(source, raw, root, "code", 1, None)
    make_cases(raw, manifest, source, IngestRules(), root, "code", 1)
    assert read_json(manifest)["left_out"] == {pseudonym("p_02", key_of(source)): "no structure gland"}
