"""The head-and-neck phantom: deterministic, read back exactly, true to the literature and its
centers."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydantic import TypeAdapter, ValidationError
from scipy import ndimage

from crossover.core.files import read_json
from crossover.phantoms.head_neck import patients
from crossover.phantoms.head_neck.body import draw_body
from crossover.phantoms.head_neck.centers import CENTERS
from crossover.phantoms.head_neck.clinical import write_clinical
from crossover.phantoms.head_neck.examination import (
    Examination,
    clinical_record,
    examine,
    patient_id,
)
from crossover.phantoms.head_neck.organ_shapes import ORGANS
from crossover.phantoms.head_neck.patients import write_patient
from crossover.phantoms.head_neck.scan import place_stack
from crossover.phantoms.head_neck.settings import HeadNeckSource
from crossover.sources.cases import make_cases
from crossover.sources.dicom.examination import read_examination
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.scan import read_headers
from crossover.sources.ingest import study_rules
from crossover.sources.receive import receive
from crossover.sources.settings import Source, Structure
from tests.phantom_files import assert_one_study, assert_synthetic, digests

RULES = study_rules("nasopharynx")
SIDED = ("parotid", "lens", "optic_nerve", "temporal_lobe")
FIELD = {"source": (235, 250), "target": (250, 265)}

# ml, over both centers: the literature as in `organs`, and what contours of 5.5 mm make of it.
VOLUMES = {
    "brainstem": (15, 42),
    "spinal_cord": (3, 16),
    "mandible": (33, 90),
    "pituitary": (0.25, 1.7),
    "parotid": (10, 50),
    "lens": (0.1, 0.5),
    "optic_nerve": (0.4, 1.6),
    "temporal_lobe": (45, 130),
}
# Median HU of the contoured voxels. The small organs are diluted by fat, vitreous or bone.
DENSITIES = {
    "brainstem": (24, 42),
    "spinal_cord": (15, 50),
    "mandible": (500, 1200),
    "pituitary": (40, 420),
    "parotid": (-25, 85),
    "lens": (35, 100),
    "optic_nerve": (-25, 60),
    "temporal_lobe": (24, 42),
}


def demo(center: str = "source", **changes: object) -> HeadNeckSource:
    settings = {
        "center": center,
        "patients": 4,
        "seed": 7,
        "matrix": 128,
        "field_of_view_mm": FIELD[center],
        "slices": (30, 32),
        "slice_thickness_mm": 5.5,
    }
    return HeadNeckSource(**settings | changes)


def tiny(center: str = "source", **changes: object) -> HeadNeckSource:
    return demo(center, **{"matrix": 64, "slices": (24, 24), "slice_thickness_mm": 7} | changes)


def kind(organ: str) -> str:
    return organ.removesuffix("_left").removesuffix("_right")


def middle(exam: Examination, organ: str) -> np.ndarray:
    """Centroid of an organ: x, y, z in patient mm."""
    k, row, column = (a.mean() for a in np.nonzero(exam.contours.organ(organ)))
    x, y, z = exam.geometry.origin
    g = exam.geometry
    return np.array([x + column * g.pixel_mm, y + row * g.pixel_mm, z + k * g.spacing_mm])


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def median(exams: Iterable[Examination], value) -> float:
    return float(np.median([value(exam) for exam in exams]))


@pytest.fixture(scope="module")
def cohorts() -> dict[str, list[Examination]]:
    return {center: [examine(demo(center), i) for i in range(2)] for center in CENTERS}


@pytest.fixture(scope="module")
def redrawn() -> list[Examination]:
    """The source center's patients with the target center's protocol on their images."""
    return [examine(demo(protocol="target"), i) for i in range(2)]


@pytest.fixture(scope="module")
def written(cohorts: dict[str, list[Examination]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient of each center, without examining it again."""
    out = tmp_path_factory.mktemp("head_neck")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patients, "examine", lambda source, index: cohorts[source.center][index])
        for center in CENTERS:
            write_patient(demo(center), 1, out)
    return out


def test_same_bytes_twice_whatever_the_number_of_patients(tmp_path: Path):
    for name, count in (("a", 3), ("b", 300)):
        write_patient(tiny(patients=count, slices=(14, 14)), 2, tmp_path / name)
    first = digests(tmp_path / "a")
    assert len(first) == 15 and first == digests(tmp_path / "b")


@pytest.mark.slow
def test_patients_and_centers_differ(cohorts: dict[str, list[Examination]]):
    exams = [e for found in cohorts.values() for e in found]
    assert len({e.hu.tobytes() for e in exams}) == len(exams)
    assert len({e.patient_id for e in exams}) == len(exams)
    assert patient_id(demo("target"), 7) == "SYN-HN-TARGET-0007"


def test_everything_says_that_it_is_synthetic_and_of_no_day(written: Path):
    assert_synthetic(written)


def test_one_study_one_frame_of_reference_distinct_instances(written: Path):
    assert_one_study(written / "SYN-HN-TARGET-0001", series=2)


def test_scanner_and_protocol_stand_in_the_headers(written: Path):
    for center, profile in CENTERS.items():
        ds = pydicom.dcmread(written / f"SYN-HN-{center.upper()}-0001/CT/001.dcm")
        scanner = profile.scanners[ds.ManufacturerModelName]
        assert (ds.Manufacturer, ds.ConvolutionKernel) == (scanner.maker, scanner.kernel)
        assert (ds.KVP, ds.Exposure) == (120, scanner.exposure_mas)
        assert ds.ImageOrientationPatient == [1, 0, 0, 0, 1, 0] and ds.PatientPosition == "HFS"


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.slow
def test_dicom_gives_image_and_contours_back_exactly(center: str, written: Path, cohorts: dict[str, list[Examination]]):
    exam = cohorts[center][1]
    folder = written / exam.patient_id
    refs = [FileRef(str(f), None, f.name) for f in sorted(folder.rglob("*.dcm"))]
    instances, wrong = read_headers(refs, 1)
    own = {n: Structure(label=n, names=[CENTERS[center].names[n]]) for n in ("body", "tumour")}
    read = read_examination(instances, RULES.model_copy(update={"structures": RULES.structures | own}), {}, b"key")
    # Primary and nodes are one region, with slices between them.
    assert not wrong and {f.about for f in read.findings} <= {"structure tumour"}
    image = read.channels["ct"]
    assert np.array_equal(sitk.GetArrayFromImage(image), exam.hu)
    assert image.GetOrigin() == pytest.approx(exam.geometry.origin)
    spacing = (exam.geometry.pixel_mm,) * 2 + (exam.geometry.spacing_mm,)
    assert image.GetSpacing() == pytest.approx(spacing)
    truth = {organ: exam.contours.organ(organ) for organ in ORGANS}
    truth |= {"body": exam.contours.body, "tumour": exam.contours.tumour}
    assert set(read.structures) == set(truth)
    for name, mask in read.structures.items():
        assert np.array_equal(sitk.GetArrayFromImage(mask) > 0, truth[name]), name


def test_a_structure_set_holds_more_than_is_asked_for(written: Path):
    sets = [pydicom.dcmread(f) for f in sorted(written.rglob("rtstruct.dcm"))]
    source, target = ([roi.ROIName for roi in ds.StructureSetROISequence] for ds in sets)
    assert len(source) == len(target) == 16 and not set(source) & set(target)
    for ds in sets:
        types = [item.RTROIInterpretedType for item in ds.RTROIObservationsSequence]
        assert types == ["EXTERNAL", *["ORGAN"] * 12, "GTV", "PTV", "ISOCENTER"]
        point = ds.ROIContourSequence[-1].ContourSequence[0]
        assert point.ContourGeometricType == "POINT" and point.NumberOfContourPoints == 1


def test_organs_lie_where_they_belong(cohorts: dict[str, list[Examination]]):
    for exam in (e for found in cohorts.values() for e in found):
        at = {organ: middle(exam, organ) for organ in ORGANS}
        for organ in SIDED:  # the patient's left is +x
            apart = at[f"{organ}_left"][0] - at[f"{organ}_right"][0]
            assert apart > (20 if organ == "optic_nerve" else 45), organ
        ahead = [at[o][1] for o in ("lens_left", "optic_nerve_left", "pituitary", "brainstem")]
        assert ahead == sorted(ahead) and ahead[1] - ahead[0] > 15
        up = [at[o][2] for o in ("mandible", "parotid_left", "brainstem", "temporal_lobe_right")]
        assert up == sorted(up) and at["spinal_cord"][2] < at["brainstem"][2] - 40
        assert abs(at["pituitary"][0] - at["brainstem"][0]) < 8


@pytest.mark.parametrize("organ", ORGANS)
def test_sizes_and_densities_are_in_the_range_of_the_literature(organ: str, cohorts: dict[str, list[Examination]]):
    low, high = VOLUMES[kind(organ)]
    dark, bright = DENSITIES[kind(organ)]
    for exam in (e for found in cohorts.values() for e in found):
        assert low <= exam.volume_ml(organ) <= high
        assert dark <= np.median(exam.hu[exam.contours.organ(organ)]) <= bright


@pytest.mark.thorough
@pytest.mark.slow
def test_every_organ_is_drawn_on_every_grid():
    for center in CENTERS:
        for i in range(3):
            drawn = examine(tiny(center), i).contours
            assert all(drawn.organ(organ).any() for organ in ORGANS)
    short = examine(tiny(slices=(14, 14)), 0).contours
    assert all(short.organ(o).any() for o in ORGANS if kind(o) not in ("mandible", "spinal_cord"))


def test_a_lens_is_a_few_voxels_and_shows(cohorts: dict[str, list[Examination]]):
    for exam in (e for found in cohorts.values() for e in found):
        for side in ("left", "right"):
            lens = exam.contours.organ(f"lens_{side}")
            assert 5 <= lens.sum() <= 30
            around = ndimage.binary_dilation(lens, np.ones((1, 7, 7))) & ~lens
            assert np.median(exam.hu[lens]) > np.median(exam.hu[around]) + 15


def test_contours_stay_in_the_skin_and_off_each_other(cohorts: dict[str, list[Examination]]):
    for exam in (e for found in cohorts.values() for e in found):
        drawn = exam.contours
        assert (drawn.body | (drawn.labels == 0)).all()
        assert (drawn.tumour <= drawn.target).all() and (drawn.target <= drawn.body).all()
        stem, cord = (drawn.organ(o).any(axis=(1, 2)) for o in ("brainstem", "spinal_cord"))
        assert 0 <= np.flatnonzero(stem)[0] - np.flatnonzero(cord)[-1] <= 2
        for organ in ORGANS:  # in one piece, but for nerves thinner than a slice
            pieces = ndimage.label(drawn.organ(organ), np.ones((3, 3, 3)))[1]
            assert pieces == 1 or (pieces == 2 and "nerve" in organ), organ
        assert exam.hu[~drawn.body].mean() < -900
        assert np.percentile(exam.hu[drawn.body], 5) > -1000


def test_metal_and_tumours_come_in_the_asked_share():
    assert examine(tiny(fillings=1.0), 0).hu.max() > 2300  # teeth alone are below
    assert not examine(tiny(tumours=0.0), 0).contours.tumour.any()
    assert examine(tiny(tumours=1.0), 0).contours.tumour.any()


@pytest.mark.slow
def test_a_patient_is_the_same_at_every_resolution(cohorts: dict[str, list[Examination]]):
    coarse = cohorts["source"][1]
    fine = examine(demo(matrix=160, slices=(45, 45), slice_thickness_mm=4), 1)
    assert coarse.clinical == fine.clinical
    for organ in ("brainstem", "mandible", "parotid_left", "temporal_lobe_right"):
        assert coarse.volume_ml(organ) == pytest.approx(fine.volume_ml(organ), rel=0.12), organ


@pytest.mark.slow
def test_the_protocol_changes_contours_and_nothing_else(
    cohorts: dict[str, list[Examination]], redrawn: list[Examination]
):
    for own, other in zip(cohorts["source"], redrawn, strict=True):
        assert np.array_equal(own.hu, other.hu) and own.clinical == other.clinical
        for organ in ORGANS:
            assert 0.5 < dice(own.contours.organ(organ), other.contours.organ(organ)) < 0.97, organ


def test_protocols_differ_as_documented(cohorts: dict[str, list[Examination]], redrawn: list[Examination]):
    """Source against target on the same patients: ends, margins and parts."""
    source, target = cohorts["source"], redrawn
    pairs = list(zip(source, target, strict=True))

    def slices(exam: Examination, organ: str) -> np.ndarray:
        return np.flatnonzero(exam.contours.organ(organ).any(axis=(1, 2)))

    def front(exam: Examination, organ: str) -> float:
        return np.nonzero(exam.contours.organ(organ))[1].max() * exam.geometry.pixel_mm

    for s, t in pairs:
        assert len(slices(s, "brainstem")) > len(slices(t, "brainstem"))
        assert slices(t, "spinal_cord")[-1] >= slices(s, "spinal_cord")[-1]
        for side in ("left", "right"):
            lobe = f"temporal_lobe_{side}"
            assert 3 < front(t, lobe) - front(s, lobe) < 12
            assert front(s, f"optic_nerve_{side}") > front(t, f"optic_nerve_{side}") + 4
            assert s.volume_ml(f"parotid_{side}") > t.volume_ml(f"parotid_{side}")
    for organ, least, most in (
        ("spinal_cord", 1.3, 2.1),
        ("mandible", 1.05, 1.35),
        ("pituitary", 1.3, 2.4),
        ("lens_left", 1.1, 2.2),
        ("temporal_lobe_left", 1.15, 1.5),
    ):
        ratio = np.mean([t.volume_ml(organ) / s.volume_ml(organ) for s, t in pairs])
        assert least < ratio < most, organ
    assert list(CENTERS["source"].contours) == list(CENTERS["target"].contours)


def test_centers_differ_as_documented(cohorts: dict[str, list[Examination]]):
    source, target = cohorts["source"], cohorts["target"]

    def noise(exam: Examination) -> float:
        """SD of the difference of neighbouring slices, deep in a temporal lobe: noise and
        texture."""
        deep = ndimage.binary_erosion(exam.contours.organ("temporal_lobe_left"), np.ones((1, 9, 9)), iterations=1)
        both = deep[1:] & deep[:-1]
        change = (exam.hu[1:].astype(float) - exam.hu[:-1])[both]
        return float(np.subtract(*np.percentile(change, [75, 25])) / 1.349 / np.sqrt(2))

    def at(organ: str):
        return lambda exam: np.median(exam.hu[exam.contours.organ(organ)])

    assert 3 < median(source, noise) < 6.8 < median(target, noise) < 11
    assert median(source, at("parotid_left")) > median(target, at("parotid_left")) + 5
    tumour = [median(e, lambda x: np.median(x.hu[x.contours.tumour])) for e in (source, target)]
    assert tumour[0] > tumour[1] + 5
    assert {e.clinical.scanner for e in source} <= set(CENTERS["source"].scanners)
    assert {e.clinical.scanner for e in target} <= set(CENTERS["target"].scanners)


def test_the_paper_s_grid_is_the_default():
    for center, (least, most) in (("source", (0.96, 1.27)), ("target", (0.98, 1.19))):
        source = HeadNeckSource(center=center, patients=1, seed=1)
        for i in range(20):
            rng = np.random.default_rng(i)
            geometry = place_stack(source, draw_body("M", rng, None), rng)
            assert geometry.shape[1:] == (512, 512) and geometry.spacing_mm == 3
            assert least <= geometry.pixel_mm <= most and 95 <= geometry.shape[0] <= 110


def test_clinical_shares_and_table(tmp_path: Path):
    records = [clinical_record(demo(patients=400), i) for i in range(400)]
    assert np.mean([r.sex == "M" for r in records]) == pytest.approx(0.74, abs=0.07)
    assert {r.t_stage for r in records} == {"1", "2", "3", "4"}
    assert min(r.age for r in records) >= 19 and max(r.age for r in records) <= 78
    rows = [{"patient": patient_id(demo(), i), **vars(records[i])} for i in (1, 0)]
    write_clinical(rows, tmp_path / "clinical.csv")
    with (tmp_path / "clinical.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["patient"] for row in found] == ["SYN-HN-SOURCE-0000", "SYN-HN-SOURCE-0001"]
    assert list(found[0]) == ["patient", "age", "sex", "t_stage", "n_stage", "scanner"]


def test_a_cohort_is_received_and_becomes_cases(tmp_path: Path):
    settings = tiny("target", patients=2).model_dump()
    source = TypeAdapter(Source).validate_python(settings)
    assert isinstance(source, HeadNeckSource)
    raw, made = tmp_path / "raw/target/manifest.json", tmp_path / "cases/target/manifest.json"
    receive(source, raw, None, "code", 1, None)
    report = make_cases(raw, made, source, RULES, None, "code", 1)
    assert report["made"] == ["SYN-HN-TARGET-0000", "SYN-HN-TARGET-0001"]
    case = read_json(made.parent / "SYN-HN-TARGET-0000/case.json")
    exam = examine(source, 0)
    for organ in ORGANS:
        assert case["structures"][organ] == pytest.approx(exam.volume_ml(organ), abs=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"slices": (30, 20)},
        {"center": "elsewhere"},
        {"field_of_view_mm": (300, 250)},
        {"matrx": 64},
        {"fillings": 1.5},
    ],
)
def test_bad_settings_are_refused(changes: dict):
    with pytest.raises(ValidationError):
        HeadNeckSource(**{"center": "source", "patients": 1, "seed": 1} | changes)
