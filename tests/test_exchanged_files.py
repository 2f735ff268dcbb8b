"""Files that are exchanged by their names or places alone: the cases that they change are made again, and no others."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from crossover.core.files import read_json
from crossover.sources.cases import make_cases
from crossover.sources.ingest import ingest
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, RulesFile, VolumesSource
from tests.dicom_exports import Block, write

COLUMNS = {"left": 10, "right": 2}


@pytest.fixture(autouse=True)
def own_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")


def drawn(path: Path, side: str) -> None:
    """Write a mask of one kidney on a grid of 5 x 12 x 14 voxels."""
    values = np.zeros((5, 12, 14), np.uint8)
    values[1:3, 4:7, COLUMNS[side] : COLUMNS[side] + 2] = 1
    mask = sitk.GetImageFromArray(values)
    mask.SetSpacing((1, 1, 3))
    path.parent.mkdir(exist_ok=True, parents=True)
    sitk.WriteImage(mask, str(path))


def exchange(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between), other.rename(one), between.rename(other)


def column(cases: Path, case: str) -> float:
    """Return the mean column of a case's left kidney."""
    mask = sitk.ReadImage(str(cases / case / "structure_kidney_left.nii.gz"))
    return float(np.nonzero(sitk.GetArrayFromImage(mask))[2].mean())


def made(cases: Path) -> dict[str, int]:
    return {case.name: (case / "case.json").stat().st_mtime_ns for case in cases.iterdir() if case.is_dir()}


def test_two_cells_of_a_table_that_are_exchanged_remake_their_case(tmp_path: Path):
    rng = np.random.default_rng(0)
    for patient in "ab":
        image = sitk.GetImageFromArray(rng.integers(0, 900, (5, 12, 14)).astype(np.int16))
        image.SetSpacing((1, 1, 3))
        sitk.WriteImage(image, str(tmp_path / f"{patient}.nii.gz"))
        for k, side in enumerate(COLUMNS):
            drawn(tmp_path / f"{patient}_{k}.nii.gz", side)
    source = VolumesSource(
        kind="volumes", table="patients.csv", identifiers="public", channels={"t2": "{image}"},
        structures={"kidney_left": {"file": "{left}"}, "kidney_right": {"file": "{right}"}},
    )  # fmt: skip
    raw, manifest = tmp_path / "raw/manifest.json", tmp_path / "cases/manifest.json"

    def run(of_b: str) -> tuple[dict[str, int], dict]:
        rows = ["patient,image,left,right", "a,a.nii.gz,a_0.nii.gz,a_1.nii.gz", f"b,b.nii.gz,{of_b}"]
        (tmp_path / "patients.csv").write_text("\n".join(rows))
        receive(source, raw, tmp_path, "code", 1, None)
        make_cases(raw, manifest, source, IngestRules(), tmp_path, "code", 1)
        return made(manifest.parent), read_json(raw)

    before, told = run("b_1.nii.gz,b_0.nii.gz")
    assert column(manifest.parent, "b") == 2.5
    after, said = run("b_0.nii.gz,b_1.nii.gz")
    assert column(manifest.parent, "b") == 10.5
    assert before["a"] == after["a"] and before["b"] != after["b"]
    assert told["items"]["b"] != said["items"]["b"]  # what reads the manifest alone is told too


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return an export of two patients with label maps beside the images; A2's two maps have each other's names."""
    rng = np.random.default_rng(0)
    for patient in ("A1", "A2"):
        block = Block(rng.integers(0, 900, (5, 12, 14)).astype(float), spacing=(3.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0))
        write(tmp_path / "export" / patient, block, modality="MR", PatientID=patient, SeriesNumber=1)
        for side, other in (("left", "right"), ("right", "left")):
            drawn(tmp_path / f"export/labels/{patient}_{side}.nrrd", side if patient == "A1" else other)
    return tmp_path / "export"


def test_two_label_maps_that_are_exchanged_remake_their_case(export: Path, tmp_path: Path):
    sides = {f"kidney_{side}": {"label": side, "names": []} for side in COLUMNS}
    maps = {f"kidney_{side}": {"file": f"labels/{{patient}}_{side}.nrrd"} for side in COLUMNS}
    rules = RulesFile(series={"t2": {"modality": "MR"}}, structures=sides, label_maps=maps)
    ingest(export, tmp_path / "cases", rules, 1)
    before = made(tmp_path / "cases")
    wrong = {case: column(tmp_path / "cases", case) for case in before}
    exchange(*(export / f"labels/A2_{side}.nrrd" for side in COLUMNS))
    ingest(export, tmp_path / "cases", rules, 1)
    right = {case: column(tmp_path / "cases", case) for case in before}
    after = made(tmp_path / "cases")
    assert sorted(wrong.values()) == [2.5, 10.5] and set(right.values()) == {10.5}
    assert {case for case in before if before[case] != after[case]} == {c for c in wrong if wrong[c] == 2.5}
