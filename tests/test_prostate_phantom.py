"""The prostate phantoms: deterministic, read back exactly, true to the paper's table and to their sites."""

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydantic import TypeAdapter, ValidationError
from scipy import ndimage

from crossover.core.files import read_json
from crossover.imaging.volumes import image_path, structure_path
from crossover.phantoms.kit.canvas import EVERYWHERE
from crossover.phantoms.kit.draw import Draw
from crossover.phantoms.prostate import patients
from crossover.phantoms.prostate.clinical import write_clinical
from crossover.phantoms.prostate.examination import (
    CENTRAL,
    PERIPHERAL,
    Examination,
    clinical_record,
    examine,
    patient_id,
    stream,
)
from crossover.phantoms.prostate.gland import draw_gland
from crossover.phantoms.prostate.patients import write_patient
from crossover.phantoms.prostate.person import draw_person
from crossover.phantoms.prostate.scan import place_stack
from crossover.phantoms.prostate.settings import ProstateSource
from crossover.phantoms.prostate.sites import PROFILES
from crossover.phantoms.prostate.viscera import draw_balloon
from crossover.sources.cases import make_cases
from crossover.sources.receive import receive
from crossover.sources.settings import IngestRules, Source
from tests.phantom_files import assert_one_study, assert_synthetic, digests
from tests.prostate_phantoms import across, demo, tiny, volume

SITES = ("A", "B", "C")
RULES = IngestRules(
    series={"t2": {"modality": "MR", "plane": "axial", "description": "t2"}},
    structures={"prostate": {"label": "Prostate"}},
)
SLICES = {"A": 396 / 30, "B": 384 / 30, "C": 468 / 19}  # Table I: a patient
PIXEL_MM = {"A": (0.6, 0.625), "B": (0.4, 0.4), "C": (0.67, 0.79)}


@pytest.fixture(scope="module")
def cohorts() -> dict[str, list[Examination]]:
    return {site: [examine(demo(site), i) for i in range(2)] for site in SITES}


def prostate_ml(exam: Examination) -> float:
    """The volume of the gland as contoured."""
    return float(exam.prostate.sum()) * exam.t2.geometry.voxel_ml


@pytest.fixture(scope="module")
def written(cohorts: dict[str, list[Examination]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient of each site, without examining it again."""
    out = tmp_path_factory.mktemp("prostate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patients, "examine", lambda source, index: cohorts[source.site][index])
        for site in SITES:
            write_patient(demo(site), 1, out)
    return out


@pytest.mark.parametrize("site", SITES)
def test_same_bytes_twice_whatever_the_number_of_patients(tmp_path: Path, site: str):
    for name, count in (("a", 3), ("b", 300)):
        write_patient(tiny(site, patients=count, slices=(8, 8)), 2, tmp_path / name)
    first = digests(tmp_path / "a")
    masks = 8 if site == "C" else 1
    assert len(first) == 8 + 5 + 3 + masks and first == digests(tmp_path / "b")


@pytest.mark.slow
def test_patients_and_sites_differ(cohorts: dict[str, list[Examination]]):
    exams = [e for found in cohorts.values() for e in found]
    assert len({e.t2.image.tobytes() for e in exams}) == len(exams)
    assert len({e.patient_id for e in exams}) == len(exams)
    assert patient_id(demo("B"), 7) == "SYN-PROSTATE-B-0007"


def test_everything_says_that_it_is_synthetic_and_of_no_day(written: Path):
    assert_synthetic(written)
    assert {pydicom.dcmread(path).PatientSex for path in written.rglob("*.dcm")} == {"M"}


def test_one_study_one_frame_of_reference_distinct_instances(written: Path):
    assert_one_study(written / "SYN-PROSTATE-C-0001", series=4)


def test_field_strength_coil_and_maker_are_table_i_s(written: Path):
    stated = {
        "A": (3, "BodyMatrix", "SIEMENS"),
        "B": (1.5, "ENDO", "Philips Medical Systems"),
        "C": (3, "Body", "SIEMENS"),
    }
    for site, (tesla, coil, maker) in stated.items():
        ds = pydicom.dcmread(written / f"SYN-PROSTATE-{site}-0001/T2W/001.dcm")
        assert (ds.MagneticFieldStrength, ds.ReceiveCoilName, ds.Manufacturer) == (
            tesla,
            coil,
            maker,
        )
        assert ds.ManufacturerModelName in PROFILES[site].models
        assert ds.ImageOrientationPatient == [1, 0, 0, 0, 1, 0] and ds.EchoTime > 100


def test_an_examination_holds_more_than_is_asked_for(written: Path):
    for site in SITES:
        folder = written / f"SYN-PROSTATE-{site}-0001"
        sagittal, localizer = (pydicom.dcmread(folder / name / "001.dcm") for name in ("T2W_SAG", "LOCALIZER"))
        assert "t2" in sagittal.SeriesDescription.lower()
        assert sagittal.ImageOrientationPatient == [0, 1, 0, 0, 0, -1]
        assert "t2" not in localizer.SeriesDescription.lower()
        assert localizer.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


@pytest.mark.slow
def test_a_sagittal_series_shows_the_same_person(cohorts: dict[str, list[Examination]]):
    """Where the series cross, they show about the same."""
    exam = cohorts["A"][1]
    sagittal = exam.others[0]
    axial = volume(exam)
    seen, same = [], []
    g = sagittal.geometry
    for row in range(10, g.shape[1] - 10, 3):
        for column in range(10, g.shape[2] - 10, 3):
            x, y, z = np.array(g.position(2)) + (0, column * g.pixel_mm, -row * g.pixel_mm)
            index = axial.TransformPhysicalPointToIndex((x, y, z))
            if all(0 <= i < n for i, n in zip(index, axial.GetSize(), strict=True)):
                seen.append(float(sagittal.image[2, row, column]))
                same.append(axial[index])
    assert len(seen) > 60 and np.corrcoef(seen, same)[0, 1] > 0.7


def test_a_and_b_have_both_zones_in_one_nrrd_and_c_a_series_of_the_whole(written: Path, cohorts):
    for site in ("A", "B"):
        image = sitk.ReadImage(str(written / f"SYN-PROSTATE-{site}-0001/zones.nrrd"))
        zones = sitk.GetArrayFromImage(image)
        assert np.array_equal(zones, cohorts[site][1].zones)
        assert set(np.unique(zones)) == {0, PERIPHERAL, CENTRAL}
    exam = cohorts["C"][1]
    folder = written / exam.patient_id
    for k in range(exam.t2.geometry.shape[0]):
        mask, image = (pydicom.dcmread(folder / name / f"{k + 1:03d}.dcm") for name in ("GT/prostate", "T2W"))
        assert np.array_equal(mask.pixel_array, 255 * exam.prostate[k])
        assert mask.ImagePositionPatient == image.ImagePositionPatient
        assert mask.SeriesInstanceUID != image.SeriesInstanceUID


@pytest.mark.parametrize("site", SITES)
def test_a_cohort_is_received_and_its_cases_are_what_was_drawn(tmp_path: Path, site: str):
    source = TypeAdapter(Source).validate_python(tiny(site, patients=2, slices=(8, 8)).model_dump())
    assert isinstance(source, ProstateSource)
    raw, made = tmp_path / "raw/x/manifest.json", tmp_path / "cases/x/manifest.json"
    receive(source, raw, None, "code", 1, None)
    report = make_cases(raw, made, source, RULES, None, "code", 1)
    assert report["made"] == [patient_id(source, i) for i in range(2)]
    for i, case in enumerate(report["made"]):
        exam, folder = examine(source, i), made.parent / case
        image = sitk.ReadImage(str(image_path(folder, "t2")))
        mask = sitk.ReadImage(str(structure_path(folder, "prostate")))
        assert np.array_equal(sitk.GetArrayFromImage(image), exam.t2.image)
        assert np.array_equal(sitk.GetArrayFromImage(mask) > 0, exam.prostate)
        assert image.GetOrigin() == pytest.approx(exam.t2.geometry.origin)
        about = read_json(folder / "case.json")
        assert about["structures"]["prostate"] == pytest.approx(prostate_ml(exam), abs=1e-3)
        assert about["field_strength_t"] == PROFILES[site].field_t


@pytest.mark.slow
def test_slices_and_grids_are_the_paper_s_by_default():
    """Slices with more than 200 pixels of the gland, whatever its contour: counted on pixels four times as wide."""
    for site, expected in SLICES.items():
        own = ProstateSource(site=site, patients=8, seed=1)
        coarse = own.model_copy(update={"matrix": own.matrix // 4})
        counts = []
        for i in range(8):
            tumour = clinical_record(own, i).tumour == "yes"
            person = draw_person(PROFILES[site], tumour, stream(own, i, 1))
            wide, fine = (place_stack(source, person, stream(own, i, 3)) for source in (coarse, own))
            x, y, z = wide.axes()
            middle = slice(len(x) // 4, -(len(x) // 4))
            field = person.body.field(x[middle], y[middle], z)
            gland = person.gland.whole.distance(field.points(EVERYWHERE)) < 0
            assert not gland[:, [0, -1]].any() and not gland[:, :, [0, -1]].any()
            counts.append(int((gland.sum(axis=(1, 2)) * 16 > 200).sum()))
            assert 12 < gland.sum() * wide.voxel_ml < 125
            low, high = PIXEL_MM[site]
            assert low - 1e-9 <= fine.pixel_mm <= high and wide.shape[0] == fine.shape[0]
        assert np.mean(counts) == pytest.approx(expected, rel=0.15), site


def test_masks_are_whole_and_inside(cohorts: dict[str, list[Examination]]):
    for exam in (e for found in cohorts.values() for e in found):
        mask = exam.prostate
        assert not mask[[0, -1]].any(), "a free slice on each side"
        assert not mask[:, [0, -1]].any() and not mask[:, :, [0, -1]].any()
        assert ndimage.label(mask, np.ones((3, 3, 3)))[1] == 1
        median = {z: np.median(exam.t2.image[exam.zones == z]) for z in (PERIPHERAL, CENTRAL)}
        rows = {z: np.nonzero(exam.zones == z)[1].mean() for z in median}
        assert rows[PERIPHERAL] > rows[CENTRAL], "the peripheral zone lies behind"
        assert median[PERIPHERAL] > median[CENTRAL] > 3 * exam.look.sigma * exam.look.gain


@pytest.mark.thorough
@pytest.mark.slow
def test_a_gland_is_the_same_at_every_resolution(cohorts: dict[str, list[Examination]]):
    for site in SITES:
        coarse = cohorts[site][1]
        fine = examine(demo(site, matrix=160, slices=(24, 24), slice_thickness_mm=3), 1)
        assert coarse.clinical == fine.clinical and coarse.look.te_ms == fine.look.te_ms
        assert prostate_ml(coarse) == pytest.approx(prostate_ml(fine), rel=0.1)


def test_sites_are_different_domains(cohorts: dict[str, list[Examination]]):
    def median(site: str, value) -> float:
        return float(np.median([value(e) for e in cohorts[site]]))

    peripheral = {s: median(s, lambda e: np.median(e.t2.image[e.zones == 1])) for s in SITES}
    assert peripheral["B"] > 1.5 * peripheral["A"] > 2 * peripheral["C"]
    noise = {s: median(s, lambda e: e.look.sigma * e.look.gain) / peripheral[s] for s in SITES}
    assert noise["C"] > 1.5 * noise["A"]
    wide = {s: median(s, lambda e: e.t2.geometry.pixel_mm * 112) for s in SITES}
    assert wide["C"] > wide["A"] + 15 > wide["B"] + 40


def test_only_the_endorectal_coil_has_a_near_field(cohorts: dict[str, list[Examination]]):
    """Signal at the gland's back over that at its front: several times at B, about 1 elsewhere."""
    for site, (low, high) in {"A": (0.8, 1.25), "B": (3, 9), "C": (0.7, 1.4)}.items():
        assert all(low < across(e, e.weight) < high for e in cohorts[site]), site
    for exam in cohorts["B"]:
        seen = exam.weight[exam.prostate]
        assert 5 < seen.max() / seen.min() < 13


def test_tumours_come_in_the_asked_share_and_are_dark():
    some, none = (examine(demo(tumours=share), 1) for share in (1.0, 0.0))
    assert (some.clinical.tumour, none.clinical.tumour) == ("yes", "no")
    assert np.array_equal(some.zones, none.zones)
    darker = none.t2.image.astype(int) - some.t2.image
    changed = np.abs(darker) > 4 * some.look.sigma * some.look.gain
    assert changed.any() and not changed[~some.prostate].any()
    assert darker[changed].mean() > 0


def test_clinical_table(tmp_path: Path):
    source = demo(patients=400)
    records = [clinical_record(source, i) for i in range(400)]
    assert np.mean([r.tumour == "yes" for r in records]) == pytest.approx(0.6, abs=0.08)
    assert min(r.age for r in records) >= 45 and max(r.age for r in records) <= 82
    assert {r.scanner for r in records} == set(PROFILES["A"].models)
    rows = [{"patient": patient_id(source, i), **vars(records[i])} for i in (1, 0)]
    write_clinical(rows, tmp_path / "clinical.csv")
    with (tmp_path / "clinical.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["patient"] for row in found] == ["SYN-PROSTATE-A-0000", "SYN-PROSTATE-A-0001"]
    assert list(found[0]) == ["patient", "age", "tumour", "scanner"]


@pytest.mark.parametrize("ml", [18, 45, 95])
@pytest.mark.parametrize("endorectal", [False, True])
def test_a_gland_has_the_asked_volume(ml: float, endorectal: bool):
    """With and without a balloon that dents it."""
    for seed in range(3):
        draw = Draw(np.random.default_rng(seed))
        pressed = draw_balloon(draw).outer if endorectal else None
        whole = draw_gland(ml, pressed, False, draw).whole
        axes = [np.arange(a, b, 0.8, np.float32) for a, b in zip(*whole.bounds(), strict=True)]
        inside = whole.distance(tuple(np.meshgrid(*axes, indexing="ij"))) < 0
        assert inside.sum() * 0.8**3 / 1000 == pytest.approx(ml, rel=0.03)


@pytest.mark.parametrize(
    "changes",
    [
        {"slices": (20, 12)},
        {"site": "D"},
        {"field_of_view_mm": (300, 250)},
        {"matrx": 64},
        {"tumours": 1.5},
    ],
)
def test_bad_settings_are_refused(changes: dict):
    with pytest.raises(ValidationError):
        ProstateSource(**{"site": "A", "patients": 1, "seed": 1} | changes)
