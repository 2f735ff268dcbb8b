"""The series that a case's grid is: found again by the rules that chose it, whatever else lies on the same grid."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_exports import block, weighted, write
from dicom_reading import headers

from crossover.exchange.original_series import NoOriginal, Originals
from crossover.sources.dicom.choose import channel, matching_stacks
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.stacks import Stack, stacks
from crossover.sources.pseudonyms import secret
from crossover.sources.settings import RulesFile, SeriesRule


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests")


def found(folder: Path, mask_of: Stack, **series: dict) -> str:
    """SeriesInstanceUID of the original of a mask on the grid of a stack."""
    tokens = [f.token for f in list_files(folder, secret())[0]]
    return Originals(folder, RulesFile(series=series)).of("p1", tokens, volume(mask_of)).series


def test_of_series_on_one_grid_it_is_the_one_that_the_rules_take(tmp_path: Path):
    for number in (1, 2, 3):
        write(tmp_path / str(number), block(seed=number), SeriesNumber=number, SeriesDescription="t2")
    there = stacks(headers(tmp_path))
    rule = {"modality": "MR", "description": "t2", "repeated": "last"}
    assert found(tmp_path, there[0], t2=rule) == there[2].instance.series
    own = {"p1": {"series_number": 2, "repeated": "refuse"}}
    assert found(tmp_path, there[0], t2={**rule, "by_patient": own}) == there[1].instance.series


def test_it_is_the_channel_whose_grid_the_mask_has(tmp_path: Path):
    write(tmp_path / "a", block("axial"), SeriesNumber=1, SeriesDescription="t2")
    write(tmp_path / "b", block("sagittal"), SeriesNumber=2, SeriesDescription="t2")
    axial, sagittal = stacks(headers(tmp_path))
    rules = {plane: {"modality": "MR", "plane": plane} for plane in ("axial", "sagittal")}
    assert found(tmp_path, axial, **rules) == axial.instance.series
    assert found(tmp_path, sagittal, **rules) == sagittal.instance.series
    with pytest.raises(NoOriginal, match="no series of the examination has the voxels"):
        found(tmp_path, axial, sagittal=rules["sagittal"])


def test_the_stacks_that_a_fitted_map_is_from_are_picked_without_reading_a_pixel(tmp_path: Path, monkeypatch):
    weighted(tmp_path, {b: block(seed=int(b), low=100) for b in (0.0, 800.0)})
    there = stacks(headers(tmp_path))
    rule = SeriesRule(modality="MR", image_type="ADC", computed_from=[0, 800])
    used = channel(there, rule, set()).stacks
    monkeypatch.setattr("crossover.sources.dicom.choose.volume", lambda _: pytest.fail("pixels are read"))
    assert matching_stacks(there, rule, set()) == used and len(used) == 2
