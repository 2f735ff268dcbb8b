"""Which images a channel is made of: measured ones, of the right series, and told; and what holds no image."""

import copy
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import dicom_exports as export
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import Block, Part, block, write
from dicom_reading import assert_is, chosen, codes, name, refusal, run
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from crossover.sources.dicom.derived import Origin, added_name, origin_of
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.header import read_header
from crossover.sources.findings import Finding
from crossover.sources.settings import RulesFile

DWI = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
TRACEW = ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "DIS2D"]
PHILIPS = ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")


# What an image is by its header

KINDS = {
    "measured": [
        (DWI, ""),
        (TRACEW, "ep2d_diff_DYNDIST_TRACEW"),
        (DWI, "dwi_b0_1000_ADC"),  # a protocol may be called by what it is for
        (["ORIGINAL", "PRIMARY", "OTHER"], "Ax DWI b1000"),
        (["ORIGINAL", "PRIMARY", "OTHER"], "DWI Syn b2000"),  # GE: the measured part of it
        (PHILIPS, "DWI SENSE"),
        (["DERIVED", "SECONDARY", "M_SE", "M", "SE"], "dwi"),  # packed with loss on its way
        (["DERIVED", "PRIMARY", "DIFFUSION", "NONE", "ND", "NORM", "FM3_2"], "dwi"),
        (["DERIVED", "SECONDARY", "COMBINED"], "Ax DWI"),
        (["ORIGINAL", "PRIMARY", "OTHER"], "dwi calcaneus"),
    ],
    "map": [
        (["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"], "x"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "FA"], ""),
        (["DERIVED", "PRIMARY", "DIFFUSION", "FA", "RGB"], "dti_ColFA"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "COLFA"], ""),
        (["DERIVED", "PRIMARY", "DIFFUSION", "EXP"], ""),
        (["DERIVED", "PRIMARY", "EADC", "EADC"], ""),
        (["DERIVED", "PRIMARY", "DIFFUSION", "TENSOR_B0"], ""),
        (["DERIVED", "PRIMARY", "DIFFUSION", "DIFFUSION_ANISO"], ""),
        (["DERIVED", "PRIMARY", "PERFUSION", "RCBV"], ""),
        (["DERIVED", "PRIMARY", "M", "T2_STAR_MAP"], ""),
        (["DERIVED", "PRIMARY", "T2 MAP"], ""),
        (["DERIVED", "SECONDARY", "SUBTRACTION"], ""),
        (["DERIVED", "SECONDARY", "MIP"], "dwibs b800"),
        (["ORIGINAL", "PRIMARY", "ADC", "M", "SE"], "dwi"),
        (["ORIGINAL", "PRIMARY", "OTHER"], "Apparent Diffusion Coefficient (mm2/s)"),
        (["DERIVED", "SECONDARY", "PROCESSED"], "Fractional Aniso. FA"),
        (["DERIVED", "SECONDARY", "OTHER"], "T2-fit"),
        (["DERIVED", "SECONDARY", "OTHER"], "perfusion"),
        (["ORIGINAL", "PRIMARY", "OTHER"], "ep2d_diff_FA"),
    ],
    "calculated": [
        (TRACEW, "ep2d_diff_tra_DYNDISTCALC_BVAL"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "CALC_BVALUE", "TRACEW"], ""),
        (["DERIVED", "SECONDARY", "COMPUTED_DWI"], ""),
        (["DERIVED", "PRIMARY", "OTHER"], "DW Synthetic: Ax DWI b1400"),
        (["ORIGINAL", "PRIMARY", "OTHER"], "cDWI b1500"),
    ],
    "derived": [
        (["DERIVED", "SECONDARY", "PROCESSED"], ""),
        (["DERIVED", "PRIMARY", "DIFFUSION", "SOMETHING_NEW"], ""),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kinds,text,wanted", [(k, text, is_made) for is_made, own in KINDS.items() for k, text in own])
def test_what_an_image_is_stands_in_its_type_and_name(kinds: list, text: str, wanted: str):
    assert origin_of(kinds, "", text, "*ep_b1000t", False) == wanted


def test_what_an_image_is_stands_in_its_unit_and_its_sequence():
    assert origin_of(DWI, "10^-6 mm^2/s", "", "", False) == "map"
    assert origin_of(TRACEW, "US", "", "*ep_b50_800", True) == "calculated"
    assert origin_of(TRACEW, "US", "", "*ep_b50t", True) == "measured"
    assert origin_of(["DERIVED", "PRIMARY", "NEW"], "", "", "", True) == "measured"  # of one direction


NEUTRAL = st.lists(st.sampled_from(["PRIMARY", "NONE", "ND", "NORM", "DIS2D", "M", "DIFFUSION"]))
TEXT = st.text(max_size=30)


@settings(max_examples=15, deadline=None)
@given(NEUTRAL, st.sampled_from(["ORIGINAL", "DERIVED"]), TEXT, TEXT, st.booleans())
def test_a_word_for_a_map_makes_a_map_whatever_stands_beside_it(kinds, first, text, sequence, one):
    assert origin_of([first, *kinds, "FA"], "", text, sequence, one) == "map"
    assert origin_of([first, *kinds], "mm2/s", text, sequence, one) == "map"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=6), TEXT, TEXT, TEXT, TEXT, st.booleans())
def test_any_words_are_read(kinds, unit, description, protocol, sequence, one):
    named = added_name(description, protocol)
    assert named in description
    assert origin_of(kinds, unit, named, sequence, one) in get_args(Origin)


@given(NEUTRAL, st.sampled_from(["ORIGINAL", "DERIVED"]))
def test_words_that_tell_nothing_leave_an_image_measured(kinds: list[str], first: str):
    assert origin_of([first, *kinds], "", "", "", False) == "measured"


def test_scanners_add_to_the_protocols_name():
    assert added_name("dwi_adc_ADC", "dwi_adc") == "_ADC"
    assert added_name("dwi_adc", "dwi_adc") == added_name("dwi_adc", "") == "dwi_adc"


# Maps and calculated images are no b-value


def signals(*b_values: float) -> tuple[dict[float, Block], np.ndarray]:
    """Of a known map in 1e-6 mm²/s: exact to a unit in a thousand."""
    rng = np.random.default_rng(8)
    adc, s0 = rng.uniform(300, 2800, (5, 6, 8)), rng.uniform(2e4, 6e4, (5, 6, 8))
    return {b: block().holding(np.rint(s0 * np.exp(-b * adc * 1e-6))) for b in b_values}, adc


MAP_TYPES = [
    ["DERIVED", "PRIMARY", "DIFFUSION", "FA"],
    ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"],
    ["DERIVED", "PRIMARY", "DIFFUSION", "EXP"],
    ["DERIVED", "PRIMARY", "PERFUSION", "CBV"],
    ["DERIVED", "SECONDARY", "SUBTRACTION"],
    ["DERIVED", "SECONDARY", "PROCESSED"],
]


@pytest.mark.parametrize(
    ("place", "kinds"),
    [*(("standard", kinds) for kinds in MAP_TYPES), *((place, MAP_TYPES[0]) for place in ("siemens", "ge", "philips"))],
)
def test_a_map_with_a_b_value_of_0_is_no_b_0(place: str, kinds: list[str], tmp_path: Path):
    """Neither where there is no other, nor beside one that there is."""
    images, adc = signals(0, 1000)
    put = export.B_PLACES[place]
    export.weighted(tmp_path, {0: block(seed=3)}, put, SeriesNumber=9, ImageType=kinds)
    export.weighted(tmp_path, {1000: images[1000]}, put, SeriesNumber=2)
    fit = {"image_type": "NO_MAP", "computed_from": [0, 1000]}
    for rule in ({"b_value": 0}, {"b_value": 0, "calculated": "PROCESSED" not in kinds}, fit):
        assert refusal(tmp_path, **rule).code == "series-missing"
    export.weighted(tmp_path, {0: images[0]}, put, SeriesNumber=1)
    found = chosen(tmp_path, **fit)
    assert_is(found.image, block().holding(adc), values=1)
    assert "series 1" in found.how and "series 2" in found.how
    assert [f.code for f in found.findings] == ["adc-computed"]


def test_a_map_among_the_frames_is_no_b_0(tmp_path: Path):
    fa = Part(block(seed=1), ("DERIVED", "PRIMARY", "DIFFUSION", "DIFFUSION_ANISO"), b_value=0)
    trace = Part(block(seed=2), b_value=1000, directionality="ISOTROPIC")
    export.write_enhanced(tmp_path / "dwi", [fa, trace])
    assert refusal(tmp_path, b_value=0).code == "series-missing"
    export.write_enhanced(tmp_path / "b0", [Part(block(), b_value=0)], SeriesNumber=2)
    assert_is(chosen(tmp_path, b_value=0).image, block())


CALCULATED: dict[str, dict] = {
    "named": {"SeriesDescription": "ep2dCALC_BVAL", "ProtocolName": "ep2d", "ImageType": TRACEW},
    "typed": {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "CALC_BVALUE", "TRACEW"]},
    "sequence": {"SequenceName": "*ep_b50_800", "ImageType": TRACEW},
    "ge": {"SeriesDescription": "DW Synthetic: Ax DWI", "ImageType": ["DERIVED", "PRIMARY", "OTHER"]},
    "canon": {"SeriesDescription": "computed DWI", "ImageType": ["DERIVED", "SECONDARY", "OTHER"]},
    "told": {"DerivationDescription": "computed from b 50 and b 800", "ImageType": TRACEW},
}  # fmt: skip


@pytest.mark.parametrize("how", CALCULATED)
def test_a_calculated_image_counts_only_where_the_rule_says_so(how: str, tmp_path: Path):
    """And there it gives way to a measured one."""
    export.weighted(tmp_path, {1400: block(seed=1)}, SeriesNumber=8, **CALCULATED[how])
    finding = refusal(tmp_path, b_value=1400)
    assert finding.code == "series-missing"
    assert "b 1400" in finding.what and "`calculated: true`" in finding.what
    found = chosen(tmp_path, b_value=1400, calculated=True)
    assert_is(found.image, block(seed=1))
    assert [f.code for f in found.findings] == ["b-calculated"]
    assert "calculated" in found.how
    export.weighted(tmp_path, {1400: block(seed=2)}, SeriesNumber=4, ImageType=TRACEW)
    for allowed in (False, True):
        found = chosen(tmp_path, b_value=1400, calculated=allowed)
        assert_is(found.image, block(seed=2))
        assert found.findings == []
    assert "1 calculated or derived passed over" in found.how


def test_the_sequence_of_what_was_made_from_several_b_values_names_none(tmp_path: Path):
    tags = {"SequenceName": "*ep_b50_800", "ScanningSequence": "EP", "ImageType": TRACEW}
    write(tmp_path, block(), **tags)
    assert refusal(tmp_path, b_value=50, calculated=True).code == "series-missing"


def test_a_fit_that_gives_no_tissue_is_told(tmp_path: Path):
    """As from images whose order or kind is another than their headers say."""
    images, _ = signals(0, 1000)
    for n, (b0, b1000) in enumerate([(images[1000], images[0]), (block(high=9), images[0])]):
        folder = tmp_path / str(n)
        export.weighted(folder, {0: b0, 1000: b1000})
        found = chosen(folder, image_type="ADC", computed_from=[0, 1000])
        assert [f.code for f in found.findings] == ["adc-computed", "adc-implausible"]


# b = 0


@pytest.mark.parametrize("place", [export.b_standard, export.b_philips, export.b_philips_bytes])
def test_a_spin_echo_b_0_is_known_by_the_others_of_its_series(place: Callable, tmp_path: Path):
    """Philips' classic files tell of the diffusion measurement nowhere else."""
    tags = {"ScanningSequence": "SE", "ImageType": PHILIPS, "Manufacturer": "Philips Healthcare"}
    images = {b: block(seed=b) for b in (0, 500)}
    export.weighted(tmp_path, images, place, SeriesNumber=5, **tags)
    export.weighted(tmp_path, {0: block(seed=9)}, place, SeriesNumber=3, **tags)  # a T2 image
    for b, wanted in images.items():
        found = chosen(tmp_path, b_value=b)
        assert_is(found.image, wanted)
        assert found.findings == [] and f"b {b}" in found.how


def test_a_map_in_the_series_of_its_sources_is_no_b_0(tmp_path: Path):
    """Though the others of its series have b-values; a lossy copy of a b 0 is one."""
    tags = {"ScanningSequence": "SE", "SeriesNumber": 5}
    export.weighted(tmp_path, {500: block(seed=1)}, ImageType=PHILIPS, **tags)
    other = partial(setattr_of, "InstanceNumber", 20)
    kinds = ["DERIVED", "SECONDARY", "OTHER"]
    write(tmp_path, block(seed=2), start=20, ImageType=kinds, DiffusionBValue=0.0, edit=other, **tags)
    assert refusal(tmp_path, b_value=0).code == "series-missing"
    lossy = ["DERIVED", *PHILIPS[1:]]
    images = {b: block(seed=b) for b in (0, 500)}
    export.weighted(tmp_path / "lossy", images, ImageType=lossy, **tags)
    assert_is(chosen(tmp_path / "lossy", b_value=0).image, images[0])


def setattr_of(keyword: str, value: object, d: Dataset, k: int) -> None:
    setattr(d, keyword, value + k if isinstance(value, int) else value)


def test_an_image_without_a_b_value_is_canons_b_0_beside_weighted_ones(tmp_path: Path):
    tags = {"ScanningSequence": "EP", "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}
    tags |= {"Manufacturer": "CANON_MEC"}
    write(tmp_path, block(seed=0), **tags)
    write(tmp_path, block(seed=2), SeriesNumber=7, **tags)
    comment = partial(setattr_of, "ImageComments", "b=1500(0.445,0.000,0.895)")
    write(tmp_path, block(seed=1), start=5, edit=comment, **tags)
    assert_is(chosen(tmp_path, b_value=1500).image, block(seed=1))
    found = chosen(tmp_path, b_value=0)
    assert_is(found.image, block(seed=0))
    assert found.findings == []


def test_what_only_its_readout_suggests_is_taken_last_and_with_a_warning(tmp_path: Path):
    """Functional and perfusion images are echo-planar too, and GE writes a b-value of 0 to all."""
    tags = {"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}
    export.weighted(tmp_path, {0: block(seed=1)}, export.b_ge, SeriesNumber=2, **tags)
    found = chosen(tmp_path, b_value=0)
    assert [f.code for f in found.findings] == ["b-doubtful"]
    images = {b: block(seed=b) for b in (0, 800)}
    export.weighted(tmp_path, images, export.b_ge, SeriesNumber=3, **tags)
    found = chosen(tmp_path, b_value=0)
    assert_is(found.image, images[0])
    assert found.findings == [] and "1 not known for diffusion images passed over" in found.how


SIGNS = {
    "contrast": partial(setattr_of, "AcquisitionContrast", "DIFFUSION"),
    "name": partial(setattr_of, "SeriesDescription", "DWI b0"),
    "standard": partial(setattr_of, "DiffusionDirectionality", "NONE"),
    "siemens": lambda d, k: d.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0D, "CS", "NONE"),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_b_0_alone_in_its_series_is_known_by_its_header(sign: str, tmp_path: Path):
    tags = {"ScanningSequence": "SE", "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}
    export.weighted(tmp_path / "not", {0: block()}, **tags)
    assert refusal(tmp_path / "not", b_value=0).code == "series-missing"
    export.weighted(tmp_path, {0: block()}, edit=SIGNS[sign], SeriesNumber=2, **tags)
    assert chosen(tmp_path, b_value=0).findings == []


# The scanner's trace


def isotropic_philips(d: Dataset) -> None:
    d.Manufacturer = "Philips Medical Systems"
    own = d.private_block(0x2001, "Philips Imaging DD 001", create=True)
    own.add_new(0x04, "CS", "I")


def zeros(d: Dataset) -> None:
    d.DiffusionGradientOrientation = [0.0, 0.0, 0.0]


def trace_ge(d: Dataset) -> None:
    d.Manufacturer = "GE MEDICAL SYSTEMS"
    d.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x30, "SS", 19)


def isotropic_siemens(d: Dataset) -> None:
    own = d.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    own.add_new(0x0D, "CS", "ISOTROPIC")


def isotropic(d: Dataset) -> None:
    d.DiffusionDirectionality = "ISOTROPIC"


def untold(d: Dataset) -> None:
    """Known by the directions of the others."""


@pytest.mark.parametrize("tell", [isotropic, isotropic_siemens, isotropic_philips, trace_ge, zeros, untold])
def test_the_scanners_trace_is_no_further_direction(tell: Callable, tmp_path: Path):
    """It is taken alone; without it the directions are averaged; the report says which."""

    def direction(d: Dataset, k: int, n: int) -> None:
        d.DiffusionGradientOrientation = [float(n == axis) for axis in range(3)]

    directions = [block(seed=n) for n in range(3)]
    for n, content in enumerate(directions):
        edit = partial(direction, n=n)
        write(tmp_path, content, start=5 * n, edit=edit, ImageType=PHILIPS, DiffusionBValue=800.0)
    found = chosen(tmp_path, b_value=800)
    mean = np.exp(np.mean([np.log(own.values) for own in directions], axis=0))
    assert_is(found.image, block().holding(mean), values=1e-3)
    assert "geometric mean of 3" in found.how
    trace = block(seed=7)
    edit = lambda d, k: tell(d)  # noqa: E731
    write(tmp_path, trace, start=15, edit=edit, ImageType=PHILIPS, DiffusionBValue=800.0)
    found = chosen(tmp_path, b_value=800)
    assert_is(found.image, trace)
    assert "the scanner's trace image; 3 of single directions passed over" in found.how


# What a map is fitted from


def test_a_map_is_fitted_from_series_that_match_its_rule(tmp_path: Path):
    """Not from any that have the b-values."""
    images, adc = signals(0, 1000)
    other = {b: block(seed=b) for b in images}
    export.weighted(tmp_path, other, SeriesNumber=1, SeriesDescription="dwi neck")
    export.weighted(tmp_path, images, SeriesNumber=2, SeriesDescription="dwi pelvis")
    fit = partial(chosen, tmp_path, computed_from=[0, 1000])
    assert_is(fit(description="pelvis").image, block().holding(adc), values=1)
    assert_is(fit(image_type="ADC", series_number=2).image, block().holding(adc), values=1)
    for rule in ({"description": "knee"}, {"series_number": 3}, {"plane": "coronal"}):
        assert refusal(tmp_path, computed_from=[0, 1000], **rule).code == "series-missing"
    assert refusal(tmp_path, image_type="ADC", computed_from=[0, 1000]).code == "series-ambiguous"


def test_a_map_is_fitted_from_one_series_where_one_holds_all(tmp_path: Path):
    images, adc = signals(0, 1000)
    export.weighted(tmp_path, images, SeriesNumber=2)
    export.weighted(tmp_path, {0: block(seed=3)}, SeriesNumber=3)
    found = chosen(tmp_path, image_type="ADC", computed_from=[0, 1000])
    assert_is(found.image, block().holding(adc), values=1)
    export.weighted(tmp_path, {b: block(seed=4 + b) for b in (0, 1000)}, SeriesNumber=4)
    rule = {"image_type": "ADC", "computed_from": [0, 1000]}
    assert_is(chosen(tmp_path, repeated="first", **rule).image, block().holding(adc), values=1)
    assert "series 4" in chosen(tmp_path, repeated="last", **rule).how
    assert refusal(tmp_path, **rule).code == "series-ambiguous"


# What headers leave in doubt of a volume


def doubts(folder: Path, modality: str = "CT", **rule) -> dict[str, str]:
    return {f.code: f.what for f in chosen(folder, modality=modality, **rule).findings}


ALTERNATING = {
    "AcquisitionNumber": (1, 2),
    "KVP": (80, 140),
    "ConvolutionKernel": ("SOFT", ["HARD", "3"]),
    "EchoTime": (5, 90),
}


@pytest.mark.parametrize("keyword", ALTERNATING)
def test_settings_that_alternate_from_slice_to_slice_are_told(keyword: str, tmp_path: Path):
    write(tmp_path, block(), modality="CT", edit=lambda d, k: setattr(d, keyword, ALTERNATING[keyword][k % 2]))
    told = doubts(tmp_path)
    assert list(told) == ["slices-alternate"]
    assert told["slices-alternate"].endswith(f"alternate in {keyword}")


def test_parts_of_a_scan_that_lie_end_to_end_are_no_alternation(tmp_path: Path):
    def edit(d: Dataset, k: int) -> None:
        d.AcquisitionNumber, d.KVP, d.EchoTime = 1 + k // 2, 80 if k < 4 else 140, 4.6 + 0.01 * (k % 2)

    write(tmp_path, block(shape=(8, 6, 8)), modality="CT", edit=edit)
    assert not doubts(tmp_path)


@pytest.mark.parametrize(
    ("apart", "thick", "told"),
    [
        (1.5, 3, "2 times the SpacingBetweenSlices of 1.5 mm"),
        (-1.5, 3, "2 times"),
        (1, 1, "3 times"),
        (3, 3, ""),
        (-3, 5, ""),
        (5, 5, ""),  # of another reconstruction
        (0.5, 2.5, ""),  # the gap between slices
        (1.3, 3, ""),
        (0, 3, ""),
    ],
)
def test_slices_that_lie_farther_apart_than_their_header_says_are_told(apart, thick, told: str, tmp_path: Path):
    tags = {"SpacingBetweenSlices": apart, "edit": lambda d, k: setattr(d, "SliceThickness", thick)}
    write(tmp_path, block(), modality="CT", **tags)
    assert told in doubts(tmp_path).get("series-incomplete", "") and bool(doubts(tmp_path)) == bool(told)


def test_numbers_that_leave_out_others_from_slice_to_slice_are_told(tmp_path: Path):
    def every(n: int, first: int = 1) -> Callable:
        return lambda d, k: setattr(d, "InstanceNumber", first + n * k)

    write(tmp_path / "a", block(), modality="CT", edit=every(-2, 90))
    assert "rises by 2" in doubts(tmp_path / "a")["series-incomplete"]
    write(tmp_path / "b", block(), modality="CT", edit=every(2), SpacingBetweenSlices=3)
    write(tmp_path / "c", block(), modality="CT", edit=lambda d, k: setattr(d, "InstanceNumber", k + 10 * (k > 2)))
    assert not doubts(tmp_path / "b") and not doubts(tmp_path / "c")
    for n, b_value in enumerate((0.0, 800.0)):  # numbered by slice
        write(tmp_path / "d", block(), start=5 * n, edit=every(2, n), ImageType=DWI, DiffusionBValue=b_value)
    assert not doubts(tmp_path / "d", "MR", b_value=800)


@pytest.mark.parametrize("keyword,modality", [("ImagesInAcquisition", "CT"), ("NumberOfSlices", "PT")])
def test_a_series_of_fewer_images_than_its_header_declares_is_told(keyword: str, modality: str, tmp_path: Path):
    derived = ["DERIVED", "SECONDARY", "AXIAL"]
    for folder, tags in {
        "cut": {keyword: 20},
        "whole": {keyword: 5},
        "of": {keyword: 20, "ImageType": derived},
    }.items():
        write(tmp_path / folder, block(), modality="CT", Modality=modality, Units="GML", **tags)
    told = doubts(tmp_path / "cut", modality)
    assert told == {"series-incomplete": "its header declares 20 images, and the series has 5 here"}
    assert not doubts(tmp_path / "whole", modality) and not doubts(tmp_path / "of", modality)


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ("GML", ""),
        ("CM2ML", ""),
        ("BQML", "gives its values in Bq/ml"),
        ("CNTS", "gives its values in counts"),
        ("DOE^JANE", "gives its values in another unit than SUV's"),
        (None, "names no unit"),
    ],
)
def test_a_pet_in_another_unit_than_suv_is_told(units: str | None, told: str, tmp_path: Path):
    write(tmp_path, block(), modality="CT", Modality="PT", **({"Units": units} if units else {}))
    assert told in doubts(tmp_path, "PT").get("no-suv", "") and bool(doubts(tmp_path, "PT")) == bool(told)


@pytest.mark.parametrize(("code", "told"), [("g/ml{SUVbw}", ""), ("Bq/ml", "gives its values in Bq/ml")])
def test_the_unit_of_a_pet_may_stand_in_its_real_world_mapping(code: str, told: str, tmp_path: Path):
    unit = Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = code, "UCUM", code
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.5, 0.0
    mapping.MeasurementUnitsCodeSequence = [unit]

    def edit(d: Dataset, k: int) -> None:
        d.Modality, d.RealWorldValueMappingSequence = "PT", [mapping]
        del d.RescaleSlope, d.RescaleIntercept

    write(tmp_path, block(), modality="CT", edit=edit)
    assert told in doubts(tmp_path, "PT").get("no-suv", "") and bool(doubts(tmp_path, "PT")) == bool(told)


# What is told where none matches


def test_the_most_alike_and_all_b_values_are_told_of_many_series(tmp_path: Path):
    for n in range(14):
        write(tmp_path, block(seed=n), SeriesNumber=n, Modality="CT")
    export.weighted(tmp_path, {50: block(seed=20), 800: block(seed=21)}, SeriesNumber=90)
    what = refusal(tmp_path, b_value=1000).what
    assert "the b-values of all images are 50, 800" in what
    first, *others = what.partition("the most similar first: ")[2].split("; ")
    assert "MR" in first and "series 90" in first
    assert others[-2] == "4 other kinds"


def test_a_pattern_of_a_description_has_the_ends_of_the_description(tmp_path: Path):
    for n, text in enumerate(("t2_tse", "t2_tse_fs")):
        write(tmp_path, block(seed=n), SeriesNumber=n, SeriesDescription=text, ProtocolName="pelvis")
    assert_is(chosen(tmp_path, description="^t2_tse$").image, block(seed=0))
    assert refusal(tmp_path, description="^tse").code == "series-missing"
    assert refusal(tmp_path, description="^pelvis$").code == "series-ambiguous"


# Repeated series


def repeated(folder: Path, **tags: list) -> dict[int, Block]:
    """Three series of one name, the second with most slices; a tag's values are the series'."""
    images = {}
    for n, slices in enumerate((5, 7, 5)):
        images[n] = block(seed=n, shape=(slices, 6, 8))
        own = {keyword: values[n] for keyword, values in tags.items()}
        write(folder, images[n], **{"SeriesNumber": 4 + n, "SeriesDescription": "t2", **own})
    return images


@pytest.mark.parametrize("which,taken", [("first", 0), ("last", 2), ("most_slices", 1)])
def test_a_rule_takes_one_of_several_repetitions(which: str, taken: int, tmp_path: Path):
    images = repeated(tmp_path)
    assert refusal(tmp_path, description="t2").code == "series-ambiguous"
    found = chosen(tmp_path, repeated=which)
    assert_is(found.image, images[taken])
    assert [f.code for f in found.findings] == ["series-repeated"]
    assert "of 3 series" in found.how and f"series {4 + taken}" in found.how
    for n, image in images.items():
        assert_is(chosen(tmp_path, series_number=4 + n, repeated=which).image, image)


def test_first_and_last_go_by_the_time_of_acquisition_where_all_tell_it(tmp_path: Path):
    """Numbers are given anew where series are sent again."""
    times = ["120000", "100000.5", "11:00:00"]
    images = repeated(tmp_path / "told", AcquisitionTime=times)
    assert_is(chosen(tmp_path / "told", repeated="first").image, images[1])
    assert_is(chosen(tmp_path / "told", repeated="last").image, images[0])
    images = repeated(tmp_path / "some", AcquisitionTime=["120000", "", "110000"])
    assert_is(chosen(tmp_path / "some", repeated="first").image, images[0])


def test_what_is_as_good_as_another_is_refused(tmp_path: Path):
    for n in (4, 5):
        write(tmp_path, block(seed=n), SeriesNumber=n)
    assert refusal(tmp_path, repeated="most_slices").code == "series-ambiguous"


def test_the_contours_series_goes_before_the_repetition(tmp_path: Path):
    images = repeated(tmp_path)
    uid = export.uid(export.uid("Q1", "1"), 4)
    found = chosen(tmp_path, {uid}, repeated="last")
    assert_is(found.image, images[0])
    assert [f.code for f in found.findings] == ["series-preferred"]


def test_series_of_other_names_that_match_want_a_look(tmp_path: Path):
    images = repeated(tmp_path, SeriesDescription=["t2", "T2 ", "t1"])
    found = chosen(tmp_path, repeated="last")
    assert_is(found.image, images[2])
    assert [f.code for f in found.findings] == ["series-repeated", "series-unlike"]
    assert "2 different descriptions" in found.findings[1].what


@pytest.mark.parametrize("which,taken", [("first", 0), ("last", 10)])
def test_a_rule_takes_one_of_several_volumes_of_a_series(which: str, taken: int, tmp_path: Path):
    """Time points by their number: the tenth comes after the second."""
    for n in range(11):
        start, point = 5 * (10 - n), n + 1
        write(tmp_path, block(seed=n), start=start, TemporalPositionIdentifier=point)
    assert refusal(tmp_path).code == "doubled-slice"
    assert_is(chosen(tmp_path, repeated=which).image, block(seed=taken))


def test_what_differs_in_more_than_time_is_no_repetition(tmp_path: Path):
    write(tmp_path, block())
    write(tmp_path, block(shape=(5, 7, 8)), start=5)
    assert refusal(tmp_path, repeated="first").code == "mixed-matrix"


def test_a_map_that_is_named_by_its_type_may_have_a_b_value(tmp_path: Path):
    """As GE's, by a type that tells nothing."""
    kinds = ["DERIVED", "SECONDARY", "PROCESSED"]
    write(tmp_path, block(low=500, high=2500), ImageType=kinds, DiffusionBValue=1000.0)
    rule = {"image_type": "PROCESSED", "computed_from": [0, 1000]}
    assert_is(chosen(tmp_path, **rule).image, block(low=500, high=2500))
    assert refusal(tmp_path, computed_from=[0, 1000]).code == "series-missing"


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(3)), st.sampled_from(["first", "last", "most_slices"]))
def test_the_order_of_arrival_decides_nothing(tmp_path_factory, order: list[int], which: str):
    from crossover.sources.dicom.choose import channel
    from crossover.sources.dicom.stacks import stacks
    from crossover.sources.settings import SeriesRule

    folder = tmp_path_factory.mktemp("order")
    paths = [write(folder, block(seed=n, shape=(3 + n % 2, 3, 3)), SeriesNumber=n) for n in order]
    read = [read_header(FileRef(str(p), None, p.name)) for own in paths for p in own]
    wanted = {"first": 0, "last": 2, "most_slices": 1}[which]
    found = channel(stacks(read), SeriesRule(modality="MR", repeated=which), ())
    assert found.stacks[0].instance.series_number == wanted


def t2_rules(**more: object) -> RulesFile:
    return RulesFile(series={"t2": {"modality": "MR", "description": "t2", **more}})


def test_a_patients_own_series_number_holds_for_that_patient(tmp_path: Path):
    """Only the cases that it names are made again; names that are no case here are told."""
    images = {}
    for seed, patient in ((0, "Q1"), (10, "Q2")):
        for n in (1, 2):
            images[patient, n] = block(seed=seed + n)
            tags = {"SeriesNumber": n, "SeriesDescription": "t2", "PatientID": patient}
            write(tmp_path / "in", images[patient, n], **tags)
    out = tmp_path / "out"
    report = run(tmp_path / "in", out, t2_rules(repeated="last"))
    assert report["failed"] == []
    before = {p.parent.name: p.stat().st_mtime_ns for p in out.glob("*/record.json")}
    own = {name("Q1"): {"series_number": 1}, "p0123456789ab": {"repeated": "first"}}
    report = run(tmp_path / "in", out, t2_rules(repeated="last", by_patient=own))
    after = {p.parent.name: p.stat().st_mtime_ns for p in out.glob("*/record.json")}
    assert before[name("Q1")] != after[name("Q1")] and before[name("Q2")] == after[name("Q2")]
    assert codes(report, name("Q1")) == [] and codes(report, name("Q2")) == ["series-repeated"]
    for patient, n in (("Q1", 1), ("Q2", 2)):
        found = sitk.ReadImage(out / name(patient) / "image_t2.nii.gz")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), images[patient, n].values)
        assert f"series {n}" in report["cases"][name(patient)]["chosen"]["t2"]
    (told,) = report["folder"]
    assert told["code"] == "rule-unused" and told["what"].startswith("1 of 2 names")


def test_a_later_studys_own_rule_goes_before_its_patients(tmp_path: Path):
    for study in ("1", "2"):
        for n in (1, 2):
            tags = {"SeriesNumber": n, "SeriesDescription": "t2", "StudyID": study}
            write(tmp_path / "in", block(seed=10 * int(study) + n), **tags)
    own = {name("Q1"): {"repeated": "first"}, name("Q1", 2): {"series_number": 2}}
    report = run(tmp_path / "in", tmp_path / "out", t2_rules(by_patient=own))
    chosen_t2 = {case: about["chosen"]["t2"] for case, about in report["cases"].items()}
    assert "series 1" in chosen_t2[name("Q1")] and "series 2" in chosen_t2[name("Q1", 2)]


def test_an_earlier_study_that_is_added_and_renames_cases_is_told(tmp_path: Path):
    """Else a choice for one of them would hold for another, untold."""
    for study in ("3", "4"):
        for n in (1, 2):
            tags = {"SeriesNumber": n, "SeriesDescription": "t2", "StudyID": study}
            write(tmp_path / "in" / study, block(seed=10 * int(study) + n), **tags)
    own = {name("Q1", 2): {"series_number": 2}, name("Q1"): {"repeated": "first"}}
    rules = t2_rules(by_patient=own)
    before = run(tmp_path / "in", tmp_path / "out", rules)
    (tmp_path / "in").rename(tmp_path / "moved")
    assert not [f for f in before["folder"] if f["code"] == "case-renamed"]
    write(tmp_path / "moved/2", block(seed=7), SeriesDescription="t2", StudyID="2")
    report = run(tmp_path / "moved", tmp_path / "out", rules)
    (told,) = [f["what"] for f in report["folder"] if f["code"] == "case-renamed"]
    first, second, third = (name("Q1", n) for n in (1, 2, 3))
    assert told == (
        f"2 examinations renamed: {first} is {second} now; {second} is {third} now; `by_patient` or `allow` names "
        f"{second}"
    )
    again = run(tmp_path / "moved", tmp_path / "out", rules)
    assert not [f for f in again["folder"] if f["code"] == "case-renamed"]


# What holds no image

NO_IMAGES = {
    "raw data": "1.2.840.10008.5.1.4.1.1.66",
    "grey presentation": "1.2.840.10008.5.1.4.1.1.11.1",
    "colour presentation": "1.2.840.10008.5.1.4.1.1.11.2",
    "report": "1.2.840.10008.5.1.4.1.1.88.33",
    "dose report": "1.2.840.10008.5.1.4.1.1.88.67",
    "key objects": "1.2.840.10008.5.1.4.1.1.88.59",
    "pdf": "1.2.840.10008.5.1.4.1.1.104.1",
    "ecg": "1.2.840.10008.5.1.4.1.1.9.1.1",
    "spectrum": "1.2.840.10008.5.1.4.1.1.4.2",
    "registration": "1.2.840.10008.5.1.4.1.1.66.1",
    "fiducials": "1.2.840.10008.5.1.4.1.1.66.2",
    "surfaces": "1.2.840.10008.5.1.4.1.1.66.5",
    "tracts": "1.2.840.10008.5.1.4.1.1.66.6",
    "real-world values": "1.2.840.10008.5.1.4.1.1.67",
    "plan": "1.2.840.10008.5.1.4.1.1.481.5",
    "dose": "1.2.840.10008.5.1.4.1.1.481.2",
    "treatment": "1.2.840.10008.5.1.4.1.1.481.4",
    "hanging": "1.2.840.10008.5.1.4.38.1",
    "protocol": "1.2.840.10008.5.1.4.1.1.200.2",
    "Siemens": "1.3.12.2.1107.5.9.1",
    "Philips": "1.3.46.670589.11.0.0.12.2",
    "GE": "1.2.840.113619.4.30",
}


def bare(path: Path, sop_class: str, **tags: object) -> Path:
    """An object without pixels, and with the modality of the images."""
    d = export.base("MR", {"SeriesNumber": 77, **tags})
    d.SOPClassUID, d.SOPInstanceUID = sop_class, export.uid(sop_class, str(path.name))
    d.add_new((0x0009, 0x0010), "LO", "SOMEBODY")
    d.add_new((0x0009, 0x1001), "OB", bytes(4000))
    return export.save(d, path)


def header(path: Path) -> object:
    return read_header(FileRef(str(path), None, "f0"))


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_objects_without_an_image_are_a_note(kind: str, tmp_path: Path):
    """Whole, cut off, deflated, without a patient or a series, or without the prefix of part 10."""
    path = bare(tmp_path / "whole", NO_IMAGES[kind])
    standard = NO_IMAGES[kind].startswith("1.2.840.10008.")
    made_of = [header(path)]
    d = dcmread(path)
    for keyword in ("PatientID", "SeriesInstanceUID", "Modality"):
        delattr(d, keyword)
    made_of.append(header(export.save(d, tmp_path / "less")))
    made_of.append(header(export.save(d, tmp_path / "plain", prefix=False)))
    if standard:
        path.write_bytes(path.read_bytes()[:900])
        made_of.append(header(path))
        d.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        d.save_as(tmp_path / "deflated", enforce_file_format=True)
        made_of.append(header(tmp_path / "deflated"))
    assert all(isinstance(f, Finding) and f.code == "no-image" for f in made_of), made_of
    assert all("Storage, which contains no image" in f.what for f in made_of if standard)


@pytest.mark.parametrize("modality", ["MR", "CT", "PT", "SEG"])
def test_an_image_whose_pixels_are_missing_stays_truncated(modality: str, tmp_path: Path):
    classes = {
        "MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2.1",
        "PT": "1.2.840.10008.5.1.4.1.1.128", "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    }  # fmt: skip
    path = bare(tmp_path / "x", classes[modality], Modality=modality)
    assert header(path).code == "truncated"


@pytest.mark.parametrize("keyword", ["SOPClassUID", "MediaStorageSOPClassUID"])
def test_an_image_with_one_damaged_class_is_an_image(keyword: str, tmp_path: Path):
    """A single digit makes a class of overlays of it."""
    for path in write(tmp_path, block()):
        content = path.read_bytes()
        classes = [m.end() for m in re.finditer(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(?=4\0)", content)]
        at = classes[keyword == "SOPClassUID"]
        path.write_bytes(content[:at] + b"8" + content[at + 1 :])
        d = dcmread(path)
        assert (d if keyword in d else d.file_meta)[keyword].value.endswith("1.1.8")
    assert_is(chosen(tmp_path).image, block())


def test_an_image_of_a_private_class_is_an_image(tmp_path: Path):
    edit = partial(setattr_of, "SOPClassUID", "1.2.840.113619.4.3")
    write(tmp_path / "ct", block(), modality="CT", edit=edit)
    assert_is(chosen(tmp_path / "ct", modality="CT").image, block())


def test_objects_without_an_image_exclude_nobody(tmp_path: Path):
    """Neither the patient whose images stand beside them nor one who has nothing else."""
    write(tmp_path / "in", block(), SeriesDescription="t2")
    for kind, sop_class in NO_IMAGES.items():
        for patient in ("Q1", "Q7"):
            bare(tmp_path / "in" / f"{kind} {patient}", sop_class, PatientID=patient)
    report = run(tmp_path / "in", tmp_path / "out", t2_rules())
    assert report["made"] == list(report["cases"]) == [name("Q1")]
    assert report["failed"] == report["barred"] == []
    assert {f["code"] for f in report["folder"]} == {"no-image"}
    assert codes(report, name("Q1")) == []


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_after_the_prefix_are_read(tmp_path_factory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(bytes(128) + b"DICM\2\0\2\0UI" + content)
    assert isinstance(header(path), Finding)


# Who is meant


def test_each_finding_names_its_channel_or_structure(tmp_path: Path):
    content = block()
    write(tmp_path / "in", content, SeriesDescription="t2")
    export.write_contours(tmp_path / "in/plan", "liver", content)
    structures = {s: {"label": s} for s in ("liver", "spleen", "kidney_left")}
    structures |= {"gland": {"label": "Gland"}}
    rules = RulesFile(
        series={"t2": {"modality": "MR"}, "b0": {"modality": "MR", "b_value": 0}},
        structures=structures,
        label_maps={"gland": {"file": "{patient}.nii.gz"}},
    )
    report = run(tmp_path / "in", tmp_path / "out", rules)
    told = report["cases"][name("Q1")]["findings"]
    assert {(f["code"], f["about"]) for f in told} == {
        ("series-missing", "channel b0"),
        ("structure-missing", "structure spleen"),
        ("structure-missing", "structure kidney_left"),
        ("structure-missing", "structure gland"),
    }
    text = (tmp_path / "out/ingest.txt").read_text()
    for word in ("spleen", "kidney_left", "gland", "channel b0"):
        assert word in text


@pytest.mark.parametrize(
    ("kinds", "echo", "drawn_on", "said"),
    [
        (DWI, 80, 2, ""),
        (DWI, 80, 1, "another series than the image's: MR axial"),
        (DWI, 80, 7, "not in the export"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "ADC"], 80, 1, ""),
        (TRACEW, 80, 1, ""),
        (TRACEW, 120, 1, "another series"),
    ],
)
def test_contours_of_another_series_are_told_unless_one_was_made_from_the_other(
    kinds: list, echo: int, drawn_on: int, said: str, tmp_path: Path
):
    write(tmp_path / "in", block(), SeriesDescription="drawn", EchoTime=80)
    taken = {"SeriesNumber": 2, "SeriesDescription": "taken", "ImageType": kinds, "EchoTime": echo}
    write(tmp_path / "in", block(seed=1), **taken)
    export.write_contours(tmp_path / "in/plan", "liver", block(), series=drawn_on)
    rules = RulesFile(series={"mr": {"modality": "MR", "description": "taken"}}, structures={"liver": {"label": "L"}})
    told = run(tmp_path / "in", tmp_path / "out", rules)["cases"][name("Q1")]["findings"]
    assert [f["code"] for f in told] == ["drawn-elsewhere"] * bool(said)
    assert not told or said in told[0]["what"]


@pytest.mark.parametrize(("frame", "told"), [("", []), ("1.2.3", ["frames-unlike"])])
def test_channels_of_one_grid_in_two_frames_of_reference_are_told(frame: str, told: list, tmp_path: Path):
    write(tmp_path / "in", block(), SeriesDescription="t2")
    write(tmp_path / "in", block(seed=1), SeriesNumber=2, SeriesDescription="t1", FrameOfReferenceUID=frame)
    rules = RulesFile(series={d: {"modality": "MR", "description": d} for d in ("t2", "t1")})
    report = run(tmp_path / "in", tmp_path / "out", rules)
    assert codes(report, name("Q1")) == told and len(report["made"]) == 1


# Values that are not slope times what is stored, plus intercept


def with_table(d: Dataset, k: int) -> None:
    mapping, code = Dataset(), Dataset()
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 3
    mapping.RealWorldValueLUTData = [0.0, 10.0, 1000.0, 4000.0]
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "um2/s", "UCUM", "um2/s"
    mapping.MeasurementUnitsCodeSequence = [code]
    d.RealWorldValueMappingSequence = [mapping]


def with_modality_table(d: Dataset, k: int) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = (
        [4, 0, 16],
        "US",
        np.array([0, 10, 1000, 4000], "<u2").tobytes(),
    )
    d.ModalityLUTSequence = [table]


def with_ranges(d: Dataset, k: int) -> None:
    export.set_real_world(d, 2.0, "1")
    (first,) = d.RealWorldValueMappingSequence
    other = copy.deepcopy(first)
    first.RealWorldValueFirstValueMapped, other.RealWorldValueFirstValueMapped = 0, 2000
    other.RealWorldValueSlope = 9.0
    d.RealWorldValueMappingSequence = [first, other]


@pytest.mark.parametrize("edit", [with_table, with_modality_table, with_ranges])
@pytest.mark.parametrize("enhanced", [False, True])
def test_values_that_a_table_gives_are_refused_by_name(edit: Callable, enhanced: bool, tmp_path: Path):
    if enhanced:
        path = export.write_enhanced(tmp_path / "a.dcm", [Part(block())])
        d = dcmread(path)
        edit(d.SharedFunctionalGroupsSequence[0], 0)
        for frame in d.PerFrameFunctionalGroupsSequence:
            del frame.PixelValueTransformationSequence
        d.save_as(path)
    else:
        write(tmp_path, block(), edit=edit)
    found = refusal(tmp_path)
    assert found.code == "values-tabled" and re.search(r"\(00[24][08],\w{4}\)", found.what)


def test_a_table_of_real_values_beside_a_rescale_to_its_unit_is_not_needed(tmp_path: Path):
    """HU follow from slope and intercept, whatever else maps the stored values."""

    def edit(d: Dataset, k: int) -> None:
        with_table(d, k)
        d.RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = "[hnsf'U]"

    write(tmp_path, block(), modality="CT", edit=edit)
    assert chosen(tmp_path, modality="CT").findings == []


def test_an_original_image_in_a_unit_of_an_adc_is_one(tmp_path: Path):
    """Whatever its type says; chosen by its description."""
    wanted = block().holding(np.random.default_rng(0).integers(600, 2500, (5, 6, 8)))
    edit = partial(lambda d, k: export.set_real_world(d, 1e-3, "10*-3.mm2/s"))
    write(tmp_path, wanted, ImageType=["ORIGINAL", "PRIMARY", "OTHER"], edit=edit, SeriesDescription="DWI quant")
    found = chosen(tmp_path, description="quant")
    assert found.adc
    assert_is(found.image, wanted, values=1e-3)
