"""What only shows when cases are compared: other units, values that are cut off, labels that are exchanged."""

from pathlib import Path

import dicom_exports as export
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import block, write
from dicom_reading import name, run

from crossover.core.files import read_json
from crossover.sources.cases import make_cases
from crossover.sources.inspection.volumes import inspect_volumes
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, RulesFile, VolumesSource
from crossover.sources.unlike import drawn_of, exchanged, unlike_planes, unlike_values, values_of

RNG = np.random.default_rng(1)
ADC = [RNG.normal(1200, 200, (4, 8, 10)).astype(np.float32) for _ in range(5)]
HU = [np.where(RNG.random((4, 8, 10)) < 0.5, -1000, RNG.normal(40, 30, (4, 8, 10))).astype(np.int16) for _ in range(5)]


def told(*arrays: np.ndarray) -> dict[str, str]:
    images = [sitk.GetImageFromArray(np.ascontiguousarray(array)) for array in arrays]
    return unlike_values({f"p{k}": values_of(image) for k, image in enumerate(images)})


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3])
def test_a_map_in_another_unit_is_told(factor: float):
    found = told(*ADC[:4], (ADC[4] * factor).astype(np.float32))
    assert [*found] == ["p4"] and "another unit or scale" in found["p4"]


@pytest.mark.parametrize("change", [lambda hu: np.clip(hu, -160, 240), lambda hu: hu + 1024])
def test_a_ct_that_is_cut_off_or_no_hu_is_told(change):
    found = told(*HU[:4], change(HU[4]))
    assert [*found] == ["p4"] and "cut off, or not in HU" in found["p4"]


def test_eight_bits_among_others_are_told():
    assert [*told(*(a.astype(np.int16) for a in ADC[:4]), (ADC[4] / 10).astype(np.uint8))] == ["p4"]
    assert told(*((a / 10).astype(np.uint8) for a in ADC)) == {}


def test_scanners_whose_signals_differ_by_less_than_a_unit_are_not_told():
    assert told(*(a * factor for a, factor in zip(ADC, (1, 0.5, 3, 0.1, 20)))) == told(*ADC) == told(ADC[0]) == {}


def drawn(patient: int, other_way: bool = False) -> dict:
    """A large structure and a small one to the left of it, of which place and size differ by patient."""
    labels = np.zeros((8, 24, 24), np.uint8)
    shift = patient % 3
    labels[1:7, 3:12, 3 + shift : 12 + shift], labels[2:5, 4:8, 16 + shift : 19 + shift + patient % 2] = 1, 2
    image = sitk.GetImageFromArray(np.array([0, 2, 1], np.uint8)[labels] if other_way else labels)
    image.SetSpacing((2.0, 2.0, 3.0))
    return {{1: "gland", 2: "node"}[label]: own for label, own in drawn_of(image).items()}


def test_labels_that_are_exchanged_in_some_patients_are_told():
    cases = {f"p{k:02d}": drawn(k, k in (7, 19)) for k in range(30)}
    assert exchanged(cases) == {"p07": [("gland", "node")], "p19": [("gland", "node")]}
    assert exchanged({case: cases[case] for case in [*cases][:6]}) == {}, "too few to say what is usual"


def test_structures_that_lie_anywhere_are_not_told():
    """As metastases do, of any size."""
    rng = np.random.default_rng(2)

    def anywhere(x: float) -> dict:
        return {"ml": rng.lognormal(1, 1), "centre_mm": [x + rng.normal(0, 20), *rng.normal(0, 20, 2)]}

    cases = {f"p{k}": {"a": anywhere(0.0), "b": anywhere(10.0)} for k in range(200)}
    assert exchanged(cases) == {}


def test_size_and_centre_are_the_patients():
    (own,) = drawn_of(sitk.GetImageFromArray(np.eye(3, dtype=np.uint8)[None])).values()
    assert own == {"ml": 0.003, "centre_mm": [1.0, 1.0, 0.0]}


def test_volumes_in_two_units_are_told_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    mask = np.zeros((4, 8, 10), np.uint8)
    mask[1, 2:5, 3:6] = 1
    for k, values in enumerate(ADC):
        for what, array in (("adc", values * (1e-6 if k == 3 else 1)), ("gland", mask)):
            (tmp_path / "in" / f"p{k}").mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / f"in/p{k}/{what}.nii.gz"))
    source = VolumesSource(
        kind="volumes", table=None, channels={"adc": "{patient}/adc.nii.gz"}, identifiers="public",
        structures={"gland": {"file": "{patient}/gland.nii.gz"}},
    )  # fmt: skip
    receive(source, tmp_path / "raw.json", tmp_path / "in", "", 1, None)
    make_cases(tmp_path / "raw.json", tmp_path / "out/manifest.json", source, IngestRules(), tmp_path / "in", "x", 1)
    report = read_json(tmp_path / "out/ingest.json")["cases"]
    assert {case: [(f["code"], f["about"]) for f in about["findings"]] for case, about in report.items()} == {
        f"p{k}": [("values-unlike", "channel adc")] * (k == 3) for k in range(5)
    }


def test_maps_that_say_they_are_original_and_have_no_unit_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They are kept as they are, since only their description says what they are."""
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")
    for k in range(4):
        stored = np.random.default_rng(k).integers(600, 2500, (5, 6, 8))
        slope = export.ds((1e-3 if k == 2 else 1, 0))
        edit = lambda d, _, slope=slope: setattr(d, "RescaleSlope", slope[0])  # noqa: E731
        write(
            tmp_path / f"in/{k}", block().holding(stored), PatientID=f"P{k}", edit=edit,
            ImageType=["ORIGINAL", "PRIMARY", "OTHER"], rescale=(1.0, 0.0), SeriesDescription="ADC",
        )  # fmt: skip
    rules = RulesFile(series={"adc": {"modality": "MR", "description": "adc"}})
    cases = run(tmp_path / "in", tmp_path / "out", rules)["cases"]
    assert {case for case, about in cases.items() if about["findings"]} == {name("P2")}


def test_slices_in_another_plane_are_told_and_a_cohort_of_one_plane_is_not():
    some = {"a": "axial", "b": "axial", "c": "coronal"}
    assert unlike_planes(some) == {"c": "its slices are coronal; those of all 3 are axial (2) and coronal (1)"}
    assert {*unlike_planes(some | {"d": "coronal"})} == {*"abcd"}, "none has the most"
    assert unlike_planes(dict.fromkeys("abc", "sagittal")) == unlike_planes({}) == {}


def test_volumes_whose_last_axis_is_another_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an ingest, and by `crossover inspect`."""
    mask = np.zeros((4, 8, 10), np.uint8)
    mask[1:3, 2:5, 3:6] = 1
    for k in range(4):
        for what, array in (("adc", ADC[k]), ("gland", mask)):
            image = sitk.GetImageFromArray(array)
            (tmp_path / f"in/p{k}").mkdir(parents=True, exist_ok=True)
            turned = sitk.PermuteAxes(image, [1, 2, 0]) if k == 2 else image
            sitk.WriteImage(turned, str(tmp_path / f"in/p{k}/{what}.nii.gz"))
    source = VolumesSource(
        kind="volumes", table=None, channels={"adc": "{patient}/adc.nii.gz"}, identifiers="public",
        structures={"gland": {"file": "{patient}/gland.nii.gz"}},
    )  # fmt: skip
    receive(source, tmp_path / "raw.json", tmp_path / "in", "", 1, None)
    make_cases(tmp_path / "raw.json", tmp_path / "out/manifest.json", source, IngestRules(), tmp_path / "in", "x", 1)
    cases = read_json(tmp_path / "out/ingest.json")["cases"]
    found = {case: [(f["code"], f["what"]) for f in about["findings"]] for case, about in cases.items()}
    what = "its slices are sagittal; those of all 4 are axial (3) and sagittal (1)"
    assert found == {f"p{k}": [("plane-unlike", what)] * (k == 2) for k in range(4)}
    odd = inspect_volumes(tmp_path / "in", 1).odd
    assert f"1 patient whose slices lie in another plane: p2: {what}" in odd


def test_dicom_series_in_another_plane_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")
    for k, plane in enumerate(("sagittal", "sagittal", "axial")):
        write(tmp_path / f"in/{k}", block(plane, seed=k), PatientID=f"P{k}")
    cases = run(tmp_path / "in", tmp_path / "out", RulesFile(series={"t2": {"modality": "MR"}}))["cases"]
    found = {case for case, about in cases.items() if "plane-unlike" in {f["code"] for f in about["findings"]}}
    assert found == {name("P2")}
