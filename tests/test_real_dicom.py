"""Real files of many makers: read as other readers read them, or refused for what is wrong with them."""

import functools
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from crossover.imaging.volumes import image_path, structure_path
from crossover.sources import ingest_report
from crossover.sources.cases import IngestError
from crossover.sources.dicom.choose import channel
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.label_map import label_map_mask
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.scan import read_headers
from crossover.sources.dicom.stacks import Stack, stacks
from crossover.sources.findings import Refused
from crossover.sources.ingest import ingest, study_rules
from crossover.sources.settings import RulesFile, SeriesRule, Structure

REAL = Path(__file__).parents[2] / "shared/real/dicom"
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.real

PROSTATE = "prostate-mr-siemens-private-bvalues/ProstateX-0000/07-07-2011"
LUNG = "lung-ct-rtstruct-varian/LUNG1-001/image"
SERIES = {
    # folder, from where a star may stand for its end: how many volumes it holds
    "breast-mr-seg-ge/image_dce_3dfgre_orig": 3,
    "breast-mr-seg-ge/image_dce_pe1": 1,
    "breast-mr-seg-ge/image_dce_ser": 1,
    "compressed/anatomical/001": 1,
    "compressed/anatomical/001_implicit": 1,
    "compressed/anatomical/002_non_isotropic": 1,
    "compressed/compressed/001": 1,
    "compressed/compressed_j2k/001": 1,
    "compressed/compressed_jpeg/001": 1,
    "compressed/compressed_jpegls/001": 1,
    "compressed/compressed_rle/001": 1,
    LUNG: 1,
    "mosaic-siemens/enhanced-xa30-dwi": 1,
    f"{PROSTATE}/3.*": 1,
    f"{PROSTATE}/4.*": 1,
    f"{PROSTATE}/5.*": 1,
    f"{PROSTATE}/6.*": 3,
    f"{PROSTATE}/7.*": 1,
    f"{PROSTATE}/8.*": 1,
    f"{PROSTATE}/9.*": 1,
    "vendors/ge/dti/001": 2,
    "vendors/ge/dti/001_implicit": 2,
    "vendors/ge/dti/002": 4,
    "vendors/hitachi/anatomical/001": 1,
    "vendors/hitachi/anatomical/001_implicit": 1,
    "vendors/philips_enhanced/dti/001": 4,
    "vendors/philips_enhanced/dti/001_implicit": 4,
    "vendors/siemens/dti_classic/001": 2,
    "vendors/siemens/dti_classic/001_implicit": 2,
    "vendors/siemens_multiframe/anatomical/001": 1,
}
ENHANCED = ("xa30", "philips_enhanced", "siemens_multiframe")
"""Multi-frame files, which ITK's series reader doesn't sort."""


def folder_of(pattern: str) -> Path:
    (found,) = REAL.glob(pattern)
    return found


@functools.cache
def volumes(folder: Path) -> list[tuple[Stack, sitk.Image]]:
    return [(stack, volume(stack)) for stack in found_in(folder)]


def found_in(folder: Path) -> list[Stack]:
    instances, wrong = read_headers(list_files(folder, b"key")[0], 1)
    assert {f.code for f in wrong} <= {"not-dicom"}
    return stacks(instances)


# How another reader's volume compares


@dataclass(frozen=True)
class Agreement:
    values: float
    """Largest difference of the values at one place in the patient."""
    mm: float
    """Largest distance of voxels that are the same."""


def compared(theirs: sitk.Image, ours: sitk.Image) -> Agreement | None:
    """None where their voxels don't stand along ours, or are not as many."""
    to_ours, origin = _affine(ours)
    to_theirs, their_origin = _affine(theirs)
    turn = np.round(np.linalg.inv(to_theirs) @ to_ours)
    if (np.abs(turn).sum(axis=0) != 1).any() or (np.abs(turn).sum(axis=1) != 1).any():
        return None
    order = np.abs(turn).argmax(axis=0)
    values = sitk.GetArrayViewFromImage(theirs).T.transpose(order)
    if values.shape != ours.GetSize():
        return None
    turned = turn.sum(axis=0) < 0
    values = values[tuple(slice(None, None, -1 if t else 1) for t in turned)].T
    start = np.where(turn.sum(axis=1) < 0, np.array(theirs.GetSize()) - 1, 0)
    corners = np.array(list(np.ndindex(2, 2, 2))).T * (np.array(ours.GetSize())[:, None] - 1)
    there = to_theirs @ (turn @ corners + start[:, None]) + their_origin[:, None]
    apart = there - (to_ours @ corners + origin[:, None])
    slices = zip(values, sitk.GetArrayViewFromImage(ours), strict=True)
    return Agreement(
        max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in slices),
        float(np.linalg.norm(apart, axis=0).max()),
    )


def _affine(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    turned = np.reshape(image.GetDirection(), (3, 3))
    return turned * np.array(image.GetSpacing()), np.array(image.GetOrigin())


def parts(path: Path) -> list[sitk.Image]:
    """The volumes of a file of three or four axes."""
    image = sitk.ReadImage(str(path))
    if image.GetDimension() == 3:
        return [image]
    return [image[..., k] for k in range(image.GetSize()[3])]


def best(theirs: list[sitk.Image], ours: sitk.Image) -> Agreement:
    """Their volume that is nearest to ours."""
    found = [a for image in theirs if (a := compared(image, ours))]
    assert found, "none of theirs has our voxels"
    return min(found, key=lambda a: (a.values, a.mm))


@pytest.mark.parametrize("pattern", [p for p in SERIES if not any(e in p for e in ENHANCED)])
def test_simpleitk_reads_the_same(pattern: str):
    """By GDCM, which sorts the slices itself."""
    found = volumes(folder_of(pattern))
    assert len(found) == SERIES[pattern]
    for stack, ours in found:
        files = [i.file.path for i, _ in stack.planes]
        reader = sitk.ImageSeriesReader()
        if len(found) == 1:
            files = reader.GetGDCMSeriesFileNames(str(folder_of(pattern)))
        reader.SetFileNames(files)
        agreement = compared(reader.Execute(), ours)
        assert agreement.values <= 1e-5 and agreement.mm <= 1e-5, agreement


@pytest.mark.skipif(not (BIN / "dcm2niix").exists(), reason="dcm2niix is not here")
@pytest.mark.parametrize("pattern", SERIES)
def test_dcm2niix_reads_the_same(pattern: str, tmp_path: Path):
    # Of Philips it would take a private scale, which gives other units than the standard's.
    scale = "n" if "philips" in pattern else "y"
    call = [BIN / "dcm2niix", "-b", "n", "-z", "n", "-p", scale, "-o", tmp_path, folder_of(pattern)]
    subprocess.run(call, check=True, capture_output=True)
    theirs = [image for path in tmp_path.glob("*.nii") for image in parts(path)]
    for _, ours in volumes(folder_of(pattern)):
        agreement = best(theirs, ours)
        assert agreement.values <= 1e-5 and agreement.mm <= 1e-3, agreement


TRUTHS = sorted(p.relative_to(REAL) for p in REAL.glob("[cv]*/**/*_ground_truth.nii.gz"))


@pytest.mark.parametrize("truth", [t for t in TRUTHS if "rgb" not in str(t)], ids=str)
def test_dicom2niftis_own_truth_is_what_is_read(truth: Path):
    theirs = parts(REAL / truth)
    if "philips" in str(truth):  # three of its four volumes are empty: a fault of the file's
        theirs = [image for image in theirs if sitk.GetArrayViewFromImage(image).any()]
        assert len(theirs) == 1
    folder = REAL / str(truth).removesuffix("_ground_truth.nii.gz")
    agreements = [best(theirs, ours) for _, ours in volumes(folder)]
    if "philips" in str(truth):
        agreements = [min(agreements, key=lambda a: a.values)]
    assert max(a.values for a in agreements) <= 1e-5
    assert max(a.mm for a in agreements) <= 1e-3


@pytest.mark.parametrize("table", sorted(p.relative_to(REAL) for p in REAL.glob("**/*.bval")), ids=str)
def test_the_b_values_are_those_that_dicom2nifti_tells(table: Path):
    found = found_in(REAL / str(table).removesuffix("_ground_truth.bval"))
    told = sorted(float(b) for b in (REAL / table).read_text().split())
    assert sorted(s.frame.diffusion.b_value for s in found) == told


@pytest.mark.skipif(not (BIN / "plastimatch").exists(), reason="plastimatch is not here")
def test_plastimatch_reads_the_same_ct(tmp_path: Path):
    call = [BIN / "plastimatch", "convert", "--input", REAL / LUNG, "--output-img"]
    subprocess.run([*call, tmp_path / "ct.mha"], check=True, capture_output=True)
    ((_, ours),) = volumes(REAL / LUNG)
    agreement = compared(sitk.ReadImage(str(tmp_path / "ct.mha")), ours)
    assert agreement.values == 0 and agreement.mm < 1e-6, agreement


# The prostate examination


@functools.cache
def prostate() -> list[Stack]:
    return found_in(REAL / PROSTATE)


def prostate_channel(found: list[Stack], **rule) -> sitk.Image:
    return channel(found, SeriesRule(modality="MR", **rule), ()).image


def test_the_computed_map_agrees_with_the_scanners():
    """Inside the prostate, and wherever the image at b 50 is well above its noise."""
    theirs = prostate_channel(prostate(), image_type="ADC")
    measured = [s for s in prostate() if "ADC" not in s.frame.kinds]
    ours = prostate_channel(measured, image_type="ADC", computed_from=[50, 400, 800])
    bright = sitk.GetArrayFromImage(prostate_channel(prostate(), b_value=50)) > 50
    gland, _ = label_map_mask(REAL / "prostate-mr-masks/gland_on_adc.nii.gz", None, theirs)
    a, b = (sitk.GetArrayFromImage(image).astype(np.float64) for image in (theirs, ours))
    for where, floor in ((bright, 0.999), (gland, 0.997)):
        inside = where & (a > 0)
        assert inside.sum() > 3000
        assert np.corrcoef(a[inside], b[inside])[0, 1] > floor
        # The scanner's own fit gives about 4% less.
        assert 1.0 < np.median(b[inside] / a[inside]) < 1.06


def test_the_scanners_calculated_image_is_no_measured_one():
    """Its ImageType is that of the measured ones; its name and its sequence tell."""
    with pytest.raises(Refused, match=r"series-missing.*`calculated: true`"):
        prostate_channel(prostate(), b_value=1000)
    found = channel(prostate(), SeriesRule(modality="MR", b_value=1000, calculated=True), ())
    assert [f.code for f in found.findings] == ["b-calculated"]
    assert found.stacks[0].instance.series_number == 8


MASKS = {
    "gland_Bosma22b": "t2", "gland_Guerbet23": "t2", "lesion_human": "t2",
    "lesion_human_resampled": "t2", "zones_HeviAI23": "t2", "zones_Yuan23": "t2",
    "gland_on_adc": "adc", "lesion_on_adc": "adc",
}  # fmt: skip


@pytest.mark.parametrize("mask", MASKS)
def test_label_maps_lie_on_the_grid_they_were_drawn_on(mask: str):
    """Voxel for voxel, and refused on the other grid."""
    path = REAL / f"prostate-mr-masks/{mask}.nii.gz"
    grids = {
        "t2": prostate_channel(prostate(), plane="axial", description="^t2"),
        "adc": prostate_channel(prostate(), image_type="ADC"),
    }
    found, findings = label_map_mask(path, None, grids.pop(MASKS[mask]))
    assert found.sum() == (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) != 0).sum() > 0
    assert findings == []
    with pytest.raises(Refused, match=r"structure-refused: .* mm"):
        label_map_mask(path, None, *grids.values())


def test_the_t2_image_is_the_one_that_the_masks_came_with():
    ours = prostate_channel(prostate(), plane="axial", description="^t2")
    agreement = compared(sitk.ReadImage(str(REAL / "prostate-mr-masks/t2.nii.gz")), ours)
    assert agreement.values == 0 and agreement.mm < 1e-4


# Each set from its folder to cases, or to the reason why not

MR, CT = {"image": {"modality": "MR"}}, {"image": {"modality": "CT"}}
ADC = {"adc": {"modality": "MR", "image_type": "ADC"}}


def weighted(*b_values: int) -> dict:
    return {f"b{b}": {"modality": "MR", "b_value": b} for b in b_values}


CALCULATED = {"b1000": {"modality": "MR", "b_value": 1000, "calculated": True}}
SETS = {
    # folder: rules, then the codes of the case's errors and warnings
    "failing/gantrytilting": (CT, "gantry-tilt"),
    "failing/notavolume": (CT, "one-position"),
    "failing/slicecount": (MR, "too-few-slices"),
    "failing/sliceincrement/001": (CT, "missing-slice"),
    "failing/sliceincrement/002": (CT, "missing-slice"),
    "failing/sliceorientation": (MR, "mixed-orientation"),
    "mosaic-siemens/cmrr_Asc_6": (MR, "doubled-slice"),
    "mosaic-siemens/enhanced-xa30-dwi": (ADC, ""),
    "compressed/compressed": (MR, ""),
    "compressed/compressed_j2k": (MR, ""),
    "compressed/compressed_jpeg": (MR, ""),
    "compressed/compressed_jpegls": (MR, ""),
    "compressed/compressed_rle": (MR, ""),
    "compressed/anatomical/002_non_isotropic": (MR, ""),
    "compressed/rgb": (MR, "colour"),
    "prostate-mr-missing-slice": (CALCULATED, "missing-slice"),
    "vendors/ge/dti/001": (weighted(0, 1000), ""),
    "vendors/ge/dti/002": (weighted(0), "b-doubtful series-combined"),  # nothing tells of diffusion
    "vendors/philips_enhanced/dti/001": (weighted(0, 1300), "series-combined"),
    "vendors/siemens/dti_classic/001": (weighted(0, 1000), ""),
    "vendors/siemens_multiframe": (MR, ""),
    "vendors/hitachi/anatomical/001": (MR, ""),
    PROSTATE: ({**weighted(50, 400, 800), **ADC}, ""),
    "breast-mr-seg-ge/image_dce_3dfgre_orig": (MR, "doubled-slice"),
}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")


def run(source: Path, out: Path, rules: RulesFile) -> tuple[str, dict]:
    """The only case of a source: its name and what the report tells of it."""
    try:
        ingest(source, out, rules, 1)
    except IngestError as error:
        assert "ingest.txt" in str(error)
    report = json.loads((out / ingest_report.JSON).read_text())
    assert {f["code"] for f in report["folder"]} <= {"not-dicom"}
    ((case, about),) = report["cases"].items()
    return case, about


def told(about: dict) -> str:
    return " ".join(sorted({f["code"] for f in about["findings"] if f["severity"] != "note"}))


@pytest.mark.parametrize("name", SETS)
def test_each_set_gives_a_case_or_is_refused_by_name(name: str, tmp_path: Path):
    series, codes = SETS[name]
    case, about = run(REAL / name, tmp_path, RulesFile(series=series))
    assert told(about) == codes
    errors = [f for f in about["findings"] if f["severity"] == "error"]
    assert about["status"] == ("excluded" if errors else "made")
    assert all(image_path(tmp_path / case, c).exists() != bool(errors) for c in series)


def test_a_plan_without_its_ct_is_refused_for_the_missing_images(tmp_path: Path):
    _, about = run(REAL / "head-rtstruct-without-ct", tmp_path, study_rules("nasopharynx"))
    assert about["status"] == "excluded" and told(about) == "series-missing"
    assert about["found"] == ["RTSTRUCT object"]


@pytest.mark.slow
def test_the_lungs_of_the_ct_hold_air(tmp_path: Path):
    """On its forty middle slices."""
    names = ["GTV-1", "Lung-Left", "Lung-Right", "Spinal-Cord"]
    structures = {n.lower().replace("-", "_"): Structure(label=n, names=[n]) for n in names}
    rules = RulesFile(series=CT, structures=structures)
    source = REAL / "lung-ct-rtstruct-varian/LUNG1-001"
    shutil.copytree(source / "mask_rtstruct", tmp_path / "in/mask_rtstruct")
    (tmp_path / "in/image").mkdir()
    for path in sorted((source / "image").iterdir())[45:85]:
        shutil.copy(path, tmp_path / "in/image")
    case, about = run(tmp_path / "in", tmp_path / "out", rules)
    assert about["status"] == "made"
    hu = sitk.GetArrayFromImage(sitk.ReadImage(image_path(tmp_path / "out" / case, "image")))
    mean = {}
    for structure in structures:
        mask = sitk.ReadImage(structure_path(tmp_path / "out" / case, structure))
        mean[structure] = hu[sitk.GetArrayFromImage(mask) > 0].mean()
    assert -840 < mean["lung_left"] < -740 and -840 < mean["lung_right"] < -740
    assert -150 < mean["gtv_1"] < 80 and 0 < mean["spinal_cord"] < 120


def test_the_breast_segment_comes_onto_its_image(tmp_path: Path):
    """A GE examination with a SEG; one rule names the map that it belongs to."""
    series = {"ser": {"modality": "MR", "image_type": "SER"}}
    rules = RulesFile(series=series, structures={"breast": {"label": "Breast"}})
    case, about = run(REAL / "breast-mr-seg-ge", tmp_path, rules)
    assert about["status"] == "made"
    mask = sitk.ReadImage(structure_path(tmp_path / case, "breast"))
    (path,) = (REAL / "breast-mr-seg-ge/mask").iterdir()
    assert sitk.GetArrayViewFromImage(mask).sum() == (dcmread(path).pixel_array > 127).sum() > 0


def test_a_label_map_beside_the_images_becomes_a_structure(tmp_path: Path):
    shutil.copytree(folder_of(f"{PROSTATE}/4.*"), tmp_path / "in/t2")
    shutil.copy(REAL / "prostate-mr-masks/zones_Yuan23.nii.gz", tmp_path / "in/ProstateX-0000.nii.gz")
    zones = {z: {"file": "{patient}.nii.gz", "label": k + 1} for k, z in enumerate(("one", "two"))}
    rules = RulesFile(
        series={"t2": {"modality": "MR", "plane": "axial"}},
        structures={zone: {"label": zone} for zone in zones},
        label_maps=zones,
    )
    case, about = run(tmp_path / "in", tmp_path / "out", rules)
    assert about["status"] == "made", about
    drawn = sitk.GetArrayFromImage(sitk.ReadImage(REAL / "prostate-mr-masks/zones_Yuan23.nii.gz"))
    for k, zone in enumerate(zones):
        mask = sitk.ReadImage(structure_path(tmp_path / "out" / case, zone))
        assert sitk.GetArrayViewFromImage(mask).sum() == (drawn == k + 1).sum() > 0


def as_slices(path: Path, t2: Path, folder: Path) -> np.ndarray:
    """A mask as files of the T2 series with other pixels, as I2CVB's masks are; returns its voxels."""
    drawn = sitk.ReadImage(str(path))
    values = sitk.GetArrayFromImage(drawn) != 0
    folder.mkdir(parents=True)
    for file in t2.iterdir():
        dataset = dcmread(file)
        k = drawn.TransformPhysicalPointToIndex([float(v) for v in dataset.ImagePositionPatient])[2]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = (values[k] * np.uint8(255)).tobytes()
        dataset["PixelData"].VR = "OB"
        dataset.save_as(folder / file.name)
    return values


@pytest.mark.parametrize("slices", ["positions", "names"])
def test_a_real_gland_as_dicom_slices_is_the_same_as_a_volume(slices: str, tmp_path: Path):
    """The masks' headers are the T2's to the last UID, so only their place tells them apart."""
    source = tmp_path / "in/Patient 1"
    shutil.copytree(folder_of(f"{PROSTATE}/4.*"), source / "T2W")
    gland = REAL / "prostate-mr-masks/gland_Bosma22b.nii.gz"
    drawn = as_slices(gland, source / "T2W", source / "GT/prostate")
    shutil.copy(gland, source / "gland.nii.gz")
    rules = RulesFile(
        series={"t2": {"modality": "MR", "plane": "axial"}},
        structures={"slices": {"label": "A"}, "volume": {"label": "B"}},
        patients="folder",
        label_maps={
            "slices": {"file": "{patient}/GT/prostate", "slices": slices},
            "volume": {"file": "{patient}/gland.nii.gz"},
        },
    )
    case, about = run(tmp_path / "in", tmp_path / "out", rules)
    assert about["status"] == "made"
    assert [f["code"] for f in about["findings"]] == ["structures-equal"]
    one, other = (
        sitk.GetArrayFromImage(sitk.ReadImage(structure_path(tmp_path / "out" / case, name)))
        for name in ("slices", "volume")
    )
    assert (one == other).all() and one.sum() == drawn.sum() > 10_000
