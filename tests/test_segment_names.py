"""Segments of 3D Slicer, which a file numbers in the order in which they were drawn, by their names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from crossover.core.files import read_json
from crossover.sources.cases import make_cases
from crossover.sources.findings import Refused
from crossover.sources.inspection import inspect
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, VolumesSource
from crossover.sources.volume_file import read_mask

GLAND = np.zeros((5, 12, 12), np.uint8)
GLAND[1:4, 2:9, 2:9] = 1
LESION = np.zeros_like(GLAND)
LESION[2:4, 3:5, 3:6] = 1
DRAWN = {"gland": GLAND, "lesion": LESION}


def slicer(path: Path, names: Sequence[str], layers: bool = False, **renamed: str) -> Path:
    """Write segments in this order, as 3D Slicer does: on one another, or each in a layer of its own."""
    drawn = [DRAWN[name] for name in names]
    if layers:
        image = sitk.GetImageFromArray(np.stack(drawn, axis=-1), isVector=True)
    else:
        flat = np.zeros_like(GLAND)
        for name in ("gland", "lesion"):
            flat[DRAWN[name] > 0] = names.index(name) + 1
        image = sitk.GetImageFromArray(flat)
    image.SetSpacing((1, 1, 3))
    for n, name in enumerate(names):
        image.SetMetaData(f"Segment{n}_Name", renamed.get(name, name))
        image.SetMetaData(f"Segment{n}_LabelValue", "1" if layers else str(n + 1))
        image.SetMetaData(f"Segment{n}_Layer", str(n if layers else 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def cohort(folder: Path, orders: Sequence[Sequence[str]], **options) -> Path:
    """Patients p0, p1, ..., whose segments were drawn in these orders."""
    for k, names in enumerate(orders):
        slicer(folder / f"p{k}/drawn.seg.nrrd", names, **options)
        image = sitk.GetImageFromArray(np.random.default_rng(k).normal(100, 20, GLAND.shape).astype(np.float32))
        image.SetSpacing((1, 1, 3))
        sitk.WriteImage(image, str(folder / f"p{k}/t2.nrrd"))
    return folder


ORDERS = [("gland", "lesion"), ("gland", "lesion"), ("lesion", "gland")]


def made(folder: Path, out: Path, **labels: int | str | list) -> tuple[dict, dict[str, list[int]]]:
    """The findings of each case, and the voxels of each structure."""
    source = VolumesSource(
        kind="volumes", table=None, channels={"t2": "{patient}/t2.nrrd"}, identifiers="public",
        structures={name: {"file": "{patient}/drawn.seg.nrrd", "label": label} for name, label in labels.items()},
    )  # fmt: skip
    receive(source, out / "raw.json", folder, "", 1, None)
    report = make_cases(out / "raw.json", out / "manifest.json", source, IngestRules(), folder, "code", 1)
    findings = {
        case: [f for f in about["findings"] if f["code"] != "file-name"] for case, about in report["cases"].items()
    }
    masks = {
        name: [
            int(sitk.GetArrayFromImage(sitk.ReadImage(str(out / c / f"structure_{name}.nii.gz"))).sum())
            for c in report["made"]
        ]
        for name in labels
    }
    return findings, masks


@pytest.mark.parametrize("layers", [False, True])
def test_a_segment_is_read_by_its_name_wherever_it_stands(tmp_path: Path, layers: bool):
    for names in ORDERS[1:]:
        path = slicer(tmp_path / "a.seg.nrrd", names, layers, gland="Prostate  gland")
        lesion, _ = read_mask(path, ["LESION"])
        np.testing.assert_array_equal(sitk.GetArrayFromImage(lesion), LESION)
        gland, _ = read_mask(path, ["gland", "prostate gland"])
        np.testing.assert_array_equal(sitk.GetArrayFromImage(gland), GLAND if layers else GLAND - LESION)
        for everything in (["prostate gland", "lesion"], None):
            np.testing.assert_array_equal(sitk.GetArrayFromImage(read_mask(path, everything)[0]), GLAND)


def test_names_that_no_segment_has_or_two_have_are_refused_without_quoting_them(tmp_path: Path):
    def said(path: Path, *labels: int | str) -> str:
        with pytest.raises(Refused) as caught:
            read_mask(path, labels)
        assert "lesion" not in str(caught.value)
        return str(caught.value)

    path = slicer(tmp_path / "a.seg.nrrd", ORDERS[0])
    assert said(path, "node").startswith("structure-missing: none of its 2 named segments has a name that `label`")
    assert said(slicer(tmp_path / "b.seg.nrrd", ORDERS[0], gland="lesion"), "lesion").startswith("structure-doubled")
    layered = slicer(tmp_path / "c.seg.nrrd", ORDERS[0], layers=True)
    assert said(layered, 1).startswith("structure-refused: its segments may overlap and lie in 2 layers")
    plain = tmp_path / "d.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(GLAND), str(plain))
    assert said(plain, "lesion") == (
        "structure-missing: `label` gives a name, and the file names no segments: give a number"
    )


def test_a_number_that_files_give_to_segments_of_other_names_is_told(tmp_path: Path):
    folder = cohort(tmp_path / "in", ORDERS)
    findings, masks = made(folder, tmp_path / "numbers", gland=1, lesion=2)
    assert [*map(len, findings.values())] == [0, 0, 2]
    assert {f["code"] for f in findings["p2"]} == {"segments-unlike"}
    assert findings["p2"][0]["what"] == (
        "1 of 3 files with names for segments call this number as its file does, and most others give this name to "
        "the number of lesion"
    )
    assert masks["lesion"][2] > masks["gland"][2]
    written = read_json(tmp_path / "numbers/manifest.json")["items"]["p2"]["segments"]
    assert [*written] == ["gland", "lesion"] and not {"gland", "lesion"} & {*written.values()}
    findings, masks = made(folder, tmp_path / "names", gland="gland", lesion="lesion")
    assert not any(findings.values())
    assert {*masks["gland"]} == {int(GLAND.sum() - LESION.sum())} and {*masks["lesion"]} == {int(LESION.sum())}


@pytest.mark.parametrize("layers", [False, True])
def test_inspect_calls_segments_by_their_names(tmp_path: Path, layers: bool):
    found = inspect(cohort(tmp_path, ORDERS, layers=layers, gland="Prostate gland"), 1)
    assert {s.name: (s.rule, found.count_having(s.name)) for s in found.structures} == {
        "prostate_gland": ({"file": "{patient}/drawn.seg.nrrd", "label": "Prostate gland"}, 3),
        "lesion": ({"file": "{patient}/drawn.seg.nrrd", "label": "lesion"}, 3),
    }
    assert not found.left_out(["t2", "prostate_gland", "lesion"])
