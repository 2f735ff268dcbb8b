"""DICOM as hospitals export it: read to the last voxel, or refused for what is wrong with it."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import dicom_exports as export
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_exports import B_PLACES, COMPRESSED, Block, Part, block, write
from dicom_reading import assert_is, chosen, codes, headers, name, refusal
from dicom_reading import run as run_by
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.sources import ingest_report
from crossover.sources.dicom import scan
from crossover.sources.dicom.choose import channel
from crossover.sources.dicom.diffusion import adc_scale, fit_adc
from crossover.sources.dicom.stacks import stacks
from crossover.sources.findings import Refused
from crossover.sources.ingest import study_rules
from crossover.sources.inspection.would_take import would_take
from crossover.sources.people import doubtful_ids
from crossover.sources.settings import DicomSource, RulesFile, SeriesRule

DCM2NIIX = Path(sys.executable).parent / "dcm2niix"
ADC_KINDS = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
DWI_KINDS = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]


# Geometry


@pytest.mark.parametrize("plane", export.PLANES)
def test_each_plane_is_read_voxel_by_voxel(plane: str, tmp_path: Path):
    """Whatever the files are called and in whatever order they stand."""
    wanted = block(plane)
    paths = write(tmp_path, wanted)
    assert paths != sorted(paths)
    image = chosen(tmp_path).image
    assert_is(image, wanted)
    assert image.GetPixelID() == sitk.sitkInt16
    if plane != "oblique":
        assert_is(chosen(tmp_path, plane=plane).image, wanted)
        assert refusal(tmp_path, plane=next(p for p in export.PLANES if p != plane)).code


@pytest.mark.parametrize("plane", export.PLANES)
def test_slices_that_run_against_the_normal_are_read_where_they_lie(plane: str, tmp_path: Path):
    """Patients are scanned from head to foot and from foot to head."""
    wanted = block(plane)
    write(tmp_path, wanted, edit=lambda d, k: setattr(d, "InstanceNumber", 99 - k))
    assert_is(chosen(tmp_path).image, wanted)


@pytest.mark.parametrize("plane", export.PLANES)
def test_simpleitk_reads_the_same(plane: str, tmp_path: Path):
    wanted = block(plane)
    write(tmp_path, wanted)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    assert_is(reader.Execute(), wanted, mm=1e-4)


@pytest.mark.skipif(not DCM2NIIX.exists(), reason="dcm2niix is not here")
@pytest.mark.parametrize("plane", export.PLANES)
def test_dcm2niix_reads_the_same(plane: str, tmp_path: Path):
    """It turns rows over and may turn slices round; at one place in the patient the values agree."""
    wanted = block(plane, shape=(5, 16, 18))
    write(tmp_path / "in", wanted)
    (tmp_path / "out").mkdir()
    call = [DCM2NIIX, "-b", "n", "-z", "n", "-f", "it", "-o", tmp_path / "out", tmp_path / "in"]
    subprocess.run(call, check=True, capture_output=True)
    theirs = sitk.ReadImage(str(next((tmp_path / "out").glob("it.nii"))))
    assert_is(theirs, wanted, mm=1e-3)
    assert_is(chosen(tmp_path / "in").image, wanted)


@settings(max_examples=12, deadline=None)
@given(
    turn=st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1),
    spacing=st.tuples(st.floats(0.4, 9), st.floats(0.2, 3), st.floats(0.2, 3)),
    shape=st.tuples(st.integers(3, 6), st.integers(2, 5), st.integers(2, 5)),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    order=st.randoms(use_true_random=False),
)
@example((1e-310, 0.0, 0.0, 1.0), (3.0, 1.0, 1.0), (3, 3, 3), (0.0, 0.0, 0.0), random.Random(1))
def test_any_orientation_spacing_and_order_is_read_as_written(turn, spacing, shape, origin, order):
    axes = Rotation.from_quat(turn).as_matrix()
    wanted = Block(block(shape=shape).values, spacing, origin, axes)
    numbers = order.sample(range(100), shape[0])
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), wanted, edit=lambda d, k: setattr(d, "InstanceNumber", numbers[k]))
        assert_is(chosen(Path(folder)).image, wanted, mm=1e-5)


def test_orientations_and_spacings_that_differ_by_rounding_are_one_volume(tmp_path: Path):
    """Also where the values lie just left and right of a round number."""
    cosine, sine = 0.995, np.sqrt(1 - 0.995**2)
    axes = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    wanted = replace(block(), axes=axes, spacing=(3.0, 0.75, 0.90005))

    def jitter(d: Dataset, k: int) -> None:
        sign = 1e-6 if k % 2 else -1e-6
        d.ImageOrientationPatient = export.ds(axes[:2].ravel() + sign)
        d.PixelSpacing = export.ds((0.75, 0.90005 + sign))

    write(tmp_path, wanted, edit=jitter)
    assert_is(chosen(tmp_path).image, wanted, mm=1e-4)


def test_orientations_of_three_decimals_give_axes_at_right_angles(tmp_path: Path):
    """What writes NIfTI would else turn them by its own rule."""
    wanted = block("oblique")
    rounded = export.ds(np.round(wanted.axes[:2].ravel(), 3))
    write(tmp_path, wanted, edit=lambda d, k: setattr(d, "ImageOrientationPatient", rounded))
    image = chosen(tmp_path).image
    turned = np.reshape(image.GetDirection(), (3, 3))
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    assert_is(image, wanted, mm=0.01)


# Pixels


SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, *COMPRESSED]


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda s: s.keyword)
def test_each_transfer_syntax_is_decoded_without_loss(syntax, tmp_path: Path):
    wanted = block("oblique", shape=(4, 16, 18), high=4000)
    write(tmp_path, wanted, syntax=syntax)
    assert_is(chosen(tmp_path).image, wanted)


@pytest.mark.parametrize("syntax", SYNTAXES[:3], ids=lambda s: s.keyword)
@pytest.mark.parametrize("bits", [None, 12, 7])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_integers_of_any_width_are_read(dtype: str, bits: int | None, syntax, tmp_path: Path):
    """Fewer bits may be stored than allocated; the sign then stands in the highest stored one."""
    wanted = block(shape=(3, 3, 4), low=-60 if dtype[0] == "i" else 0, high=60)
    bits = bits if bits and bits < np.dtype(dtype).itemsize * 8 else None
    write(tmp_path, wanted, dtype=dtype, bits=bits, syntax=syntax)
    assert_is(chosen(tmp_path).image, wanted)


@pytest.mark.parametrize("syntax", SYNTAXES[:3], ids=lambda s: s.keyword)
def test_what_stands_above_the_stored_bits_is_no_value(syntax, tmp_path: Path):
    """Older scanners keep an overlay there."""
    high = "<u2" if syntax != ExplicitVRBigEndian else ">u2"

    def overlay(d: Dataset, k: int) -> None:
        d.PixelData = (np.frombuffer(d.PixelData, high) | 0xA000).astype(high).tobytes()

    wanted = block()
    write(tmp_path, wanted, bits=12, edit=overlay, syntax=syntax)
    assert_is(chosen(tmp_path).image, wanted)


def test_floats_are_read(tmp_path: Path):
    wanted = block()
    wanted = wanted.holding((wanted.values / 7).astype(np.float32))
    write(tmp_path, wanted, dtype="float32")
    assert_is(chosen(tmp_path).image, wanted)


@pytest.mark.parametrize("dtype,bits", [("uint16", None), ("int16", 12)])
@pytest.mark.parametrize("syntax", SYNTAXES[:2], ids=lambda s: s.keyword)
def test_files_without_the_prefix_of_part_10_are_read(syntax, dtype: str, bits, tmp_path: Path):
    wanted = block()
    paths = write(tmp_path, wanted, dtype=dtype, bits=bits, syntax=syntax, prefix=False)
    assert b"DICM" not in paths[0].read_bytes()
    assert_is(chosen(tmp_path).image, wanted)


def test_ct_is_read_in_hu(tmp_path: Path):
    wanted = block(low=-1024, high=3000)
    write(tmp_path, wanted, modality="CT", bits=12)
    assert_is(chosen(tmp_path, modality="CT").image, wanted)


def test_slices_with_scales_of_their_own_are_each_rescaled(tmp_path: Path):
    wanted = block()

    def rescale(d: Dataset, k: int) -> None:
        d.RescaleSlope, d.RescaleIntercept = 1 / 2**k, 0
        export.set_pixels(d, wanted.values[k] * 2**k, "uint16", None, False)

    write(tmp_path, wanted, edit=rescale)
    image = chosen(tmp_path).image
    assert_is(image, wanted)
    assert image.GetPixelID() == sitk.sitkFloat32


def test_enhanced_ct_is_read_from_shuffled_frames(tmp_path: Path):
    wanted = block("coronal", low=-1024)
    part = Part(wanted, ("ORIGINAL", "PRIMARY", "VOLUME", "NONE"), rescale=(1, -1024))
    export.write_enhanced(tmp_path / "ct", [part], "CT")
    assert_is(chosen(tmp_path, modality="CT").image, wanted)


# b-values


@pytest.mark.parametrize(
    ("one_series", "syntax"), [(True, ImplicitVRLittleEndian), (False, ExplicitVRLittleEndian)], ids=["one", "several"]
)
@pytest.mark.parametrize("place", B_PLACES)
def test_the_b_value_is_found_where_its_maker_writes_it(place: str, one_series: bool, syntax, tmp_path: Path):
    images = {b: block(shape=(3, 3, 4), seed=b) for b in (0, 800, 1000)}
    export.weighted(tmp_path, images, B_PLACES[place], one_series=one_series, syntax=syntax)
    read = stacks(headers(tmp_path))
    for b, wanted in images.items():
        found = channel(read, SeriesRule(modality="MR", b_value=b), ())
        assert_is(found.image, wanted)
        assert not found.findings
    with pytest.raises(Refused) as caught:
        channel(read, SeriesRule(modality="MR", b_value=400), ())
    assert caught.value.finding.code == "series-missing"


def test_an_enhanced_file_holds_all_b_values_and_the_map(tmp_path: Path):
    images = {b: block("sagittal", seed=b) for b in (0, 800, 1000)}
    adc = block("sagittal", seed=7, low=300, high=2500)
    parts = [Part(image, b_value=b) for b, image in images.items()]
    export.write_enhanced(tmp_path / "all", [*parts, Part(adc, tuple(ADC_KINDS), b_value=1000)])
    for b, wanted in images.items():
        assert_is(chosen(tmp_path, b_value=b).image, wanted)
    assert_is(chosen(tmp_path, image_type="ADC").image, adc)


def test_an_image_without_weighting_is_no_b_0(tmp_path: Path):
    """GE and Philips write a b-value of 0 to any image."""
    wanted = block(seed=1)
    export.weighted(tmp_path, {0: wanted}, export.b_philips)
    t2 = {"ScanningSequence": "SE", "ImageType": ["ORIGINAL", "PRIMARY", "M_SE"]}
    export.weighted(tmp_path, {0: block(seed=2)}, export.b_philips, SeriesNumber=2, **t2)
    assert_is(chosen(tmp_path, b_value=0).image, wanted)


def test_an_echo_planar_b_0_of_an_enhanced_file_needs_no_more(tmp_path: Path):
    wanted = block()
    part = Part(wanted, ("ORIGINAL", "PRIMARY", "OTHER", "NONE"), b_value=0)
    path = export.write_enhanced(tmp_path / "b0", [part], EchoPlanarPulseSequence="YES")
    d = dcmread(path)
    for groups in d.PerFrameFunctionalGroupsSequence:
        del groups.MRDiffusionSequence[0].DiffusionDirectionality
    d.save_as(path)
    assert_is(chosen(tmp_path, b_value=0).image, wanted)


def test_the_map_is_never_taken_for_its_b_value(tmp_path: Path):
    dwi = block(seed=1)
    export.weighted(tmp_path, {1000: dwi})
    export.weighted(tmp_path, {1000: block(seed=2)}, SeriesNumber=2, ImageType=ADC_KINDS)
    assert_is(chosen(tmp_path, b_value=1000).image, dwi)


def test_rules_choose_by_kind_plane_and_description(tmp_path: Path):
    t2 = {p: block(p, seed=k) for k, p in enumerate(("axial", "sagittal", "coronal"))}
    for k, (plane, image) in enumerate(t2.items()):
        write(tmp_path, image, SeriesNumber=k + 1, SeriesDescription=f"T2_TSE_{plane}")
    t1 = block(seed=9)
    write(tmp_path, t1, SeriesNumber=8, ProtocolName="t1 vibe", ImageType=["DERIVED", "PRIMARY", "W"])
    for plane, wanted in t2.items():
        assert_is(chosen(tmp_path, plane=plane, description="t2.*tse").image, wanted)
    assert_is(chosen(tmp_path, description="VIBE$").image, t1)
    assert_is(chosen(tmp_path, image_type="w").image, t1)
    assert refusal(tmp_path, plane="axial").code == "series-ambiguous"


# Directions of one b-value

DIRECTIONS = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


def standard_direction(d: Dataset, direction: tuple[float, ...]) -> None:
    d.DiffusionGradientOrientation = list(direction)


def siemens_direction(d: Dataset, direction: tuple[float, ...]) -> None:
    own = d.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    own.add_new(0x0E, "FD", list(direction))


def untold_direction(d: Dataset, direction: tuple[float, ...]) -> None:
    """Only the instance numbers tell measurements apart."""


def write_directions(folder: Path, tell=standard_direction, **tags) -> list[Block]:
    images = [block(seed=20 + n) for n in range(3)]
    for n, (image, direction) in enumerate(zip(images, DIRECTIONS.values())):

        def weight(d: Dataset, k: int, direction=direction) -> None:
            export.b_siemens(d, 1000)
            tell(d, direction)

        write(folder, image, start=5 * n, edit=weight, ImageType=DWI_KINDS, **tags)
    return images


def geometric_mean(images: list[Block]) -> Block:
    return images[0].holding(np.exp(np.mean([np.log(i.values) for i in images], axis=0)))


@pytest.mark.parametrize("tell", [standard_direction, siemens_direction, untold_direction])
def test_directions_are_combined_by_their_geometric_mean(tell: Callable, tmp_path: Path):
    images = write_directions(tmp_path, tell)
    found = chosen(tmp_path, b_value=1000)
    assert_is(found.image, geometric_mean(images), values=1e-3)
    (finding,) = found.findings
    assert (finding.code, finding.severity) == ("series-combined", "warning")
    assert "3 measurements at b 1000" in finding.what


def test_the_geometric_mean_of_small_signals_is_theirs_and_0_where_one_is(tmp_path: Path):
    """Scanners also store signals as fractions."""
    images = [block(seed=n).holding(block(seed=n).values / 1000) for n in range(3)]
    images[1].values[2, 3, 4] = 0
    for n, (image, direction) in enumerate(zip(images, DIRECTIONS.values())):

        def weight(d: Dataset, k: int, direction=direction) -> None:
            export.b_standard(d, 1000)
            standard_direction(d, direction)

        write(tmp_path, image, start=5 * n, edit=weight, ImageType=DWI_KINDS, rescale=(0.001, 0.0))
    with np.errstate(divide="ignore"):
        assert_is(chosen(tmp_path, b_value=1000).image, geometric_mean(images), values=1e-6)


def test_directions_of_an_enhanced_file_are_combined(tmp_path: Path):
    images = [block(seed=n) for n in range(3)]
    parts = [
        Part(image, b_value=1000, directionality="DIRECTIONAL", direction=direction)
        for image, direction in zip(images, DIRECTIONS.values())
    ]
    export.write_enhanced(tmp_path / "dwi", parts)
    found = chosen(tmp_path, b_value=1000)
    assert_is(found.image, geometric_mean(images), values=1e-3)
    assert [f.code for f in found.findings] == ["series-combined"]


@pytest.mark.parametrize("own_series", [True, False])
def test_the_trace_goes_before_the_directions(own_series: bool, tmp_path: Path):
    write_directions(tmp_path)
    trace = block(seed=5)
    kinds = ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]
    number = 2 if own_series else 1
    write(tmp_path, trace, start=50, SeriesNumber=number, ImageType=kinds, DiffusionBValue=1000.0)
    found = chosen(tmp_path, b_value=1000)
    assert_is(found.image, trace)
    assert not found.findings


def test_the_trace_among_an_enhanced_files_frames_goes_before_the_directions(tmp_path: Path):
    trace = block(seed=5)
    x = Part(block(seed=1), b_value=1000, directionality="DIRECTIONAL", direction=(1.0, 0.0, 0.0))
    isotropic = Part(trace, b_value=1000, directionality="ISOTROPIC")
    export.write_enhanced(tmp_path / "dwi", [x, isotropic])
    assert_is(chosen(tmp_path, b_value=1000).image, trace)


def test_time_points_of_one_series_are_kept_apart(tmp_path: Path):
    """Two volumes, whose slices' positions differ by rounding: never one made of both."""
    images = [block(seed=n) for n in range(2)]
    for n, image in enumerate(images):

        def edit(d: Dataset, k: int, n: int = n) -> None:
            d.TemporalPositionIdentifier = n + 1
            d.ImagePositionPatient = export.ds(block().position(k) + 1e-7 * (-1) ** (n + k))

        write(tmp_path, image, start=5 * n, edit=edit)
    found = stacks(headers(tmp_path))
    assert [[i.number for i, _ in s.planes] for s in found] == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    finding = refusal(tmp_path)
    assert finding.code == "doubled-slice" and "2 volumes" in finding.what


# ADC maps


def adc_block(slope: float = 1.0) -> Block:
    """An ADC map in 1e-6 mm²/s; its values are multiples of the slope."""
    stored = np.random.default_rng(3).integers(300 / slope, 2500 / slope, (5, 6, 8))
    return block().holding(stored * slope)


@pytest.mark.parametrize(
    "unit,factor",
    [
        ("10^-6 mm^2/s", 1.0), ("10-6 mm2/s", 1.0), ("um2/s", 1.0), ("µm²/s", 1.0), ("x10^-6", 1.0),
        ("10^-3 mm^2/s", 1e-3), ("1e-3 mm²/s", 1e-3), ("mm2/s", 1e-6), ("mm^2/s", 1e-6),
        ("US", 1.0), ("US", 1e-3), ("US", 1e-6), ("", 1.0), ("", 1e-3), ("", 1e-6),
    ],
)  # fmt: skip
def test_a_map_in_any_unit_is_brought_to_one(unit: str, factor: float, tmp_path: Path):
    """By the rescale type, or by size where that tells nothing."""
    wanted = adc_block()

    def edit(d: Dataset, k: int) -> None:
        d.RescaleSlope, d.RescaleIntercept = export.ds((factor, 0))
        if unit:
            d.RescaleType = unit

    kept = wanted.holding(wanted.values)
    write(tmp_path, kept, ImageType=ADC_KINDS, edit=edit, SpecificCharacterSet="ISO_IR 192")
    for kind in ("ADC", "adc"):
        assert_is(chosen(tmp_path, image_type=kind).image, wanted, values=1e-3)


@pytest.mark.parametrize("unit,factor", [("mm2/s", 1e-6), ("um2/s", 1.0), ("10*-3.mm2/s", 1e-3), ("10*-6.mm2/s", 1.0)])
def test_the_unit_of_a_real_world_mapping_counts(unit: str, factor: float, tmp_path: Path):
    wanted = adc_block()
    write(
        tmp_path, wanted, ImageType=ADC_KINDS,
        edit=lambda d, k: export.set_real_world(d, factor, unit),
    )  # fmt: skip
    assert_is(chosen(tmp_path, image_type="ADC").image, wanted, values=1e-3)


@pytest.mark.parametrize("unit,factor", [("mm2/s", 1e-6), ("um2/s", 1.0)])
def test_a_real_world_mapping_to_an_adc_goes_before_a_rescale_without_a_unit(unit: str, factor: float, tmp_path: Path):
    """Twice the map is stored, and the rescale of 1 is for display."""
    wanted = adc_block()

    def edit(d: Dataset, k: int) -> None:
        export.set_real_world(d, factor / 2, unit)
        d.RescaleSlope, d.RescaleIntercept = export.ds((1, 0))
        d.RescaleType = "US"

    write(tmp_path, wanted.holding(2 * wanted.values), ImageType=ADC_KINDS, edit=edit)
    assert_is(chosen(tmp_path, image_type="ADC").image, wanted, values=1e-3)


def test_a_map_with_philips_scales_is_read_by_them(tmp_path: Path):
    wanted = adc_block(slope=0.610500610500611)
    write(tmp_path, wanted, ImageType=ADC_KINDS, rescale=(0.610500610500611, 0.0), bits=12)
    assert_is(chosen(tmp_path, image_type="ADC").image, wanted, values=1e-3)


def test_a_map_chosen_by_its_description_is_brought_to_the_unit_too(tmp_path: Path):
    wanted = adc_block()
    tags = {"SeriesDescription": "ADC (10^-3 mm2/s)", "RescaleType": "10^-3 mm^2/s"}
    kinds = ["DERIVED", "SECONDARY", "OTHER"]
    edit = lambda d, k: setattr(d, "RescaleSlope", "0.001")  # noqa: E731
    write(tmp_path, wanted, ImageType=kinds, rescale=(1.0, 0.0), edit=edit, **tags)
    found = chosen(tmp_path, description=r"\badc\b", computed_from=[0, 1000])
    assert_is(found.image, wanted, values=1e-3)


@pytest.mark.parametrize(
    "description,kinds,scaled",
    [
        ("ADC", ["DERIVED", "SECONDARY", "OTHER"], True),
        ("Apparent Diffusion Coefficient", ["DERIVED", "PRIMARY"], True),
        ("Exponential Apparent Diffusion Coefficient", ["DERIVED", "PRIMARY"], False),
        ("FA beside ADC", ["DERIVED", "PRIMARY", "FA"], False),
        ("T2 beside ADC", ["ORIGINAL", "PRIMARY", "M"], False),
    ],
)
def test_a_derived_image_named_adc_is_brought_to_the_unit_without_a_rule_that_says_so(
    description: str, kinds: list[str], scaled: bool, tmp_path: Path
):
    wanted = adc_block()
    edit = lambda d, k: setattr(d, "RescaleSlope", "0.001")  # noqa: E731
    write(tmp_path, wanted, ImageType=kinds, rescale=(1.0, 0.0), edit=edit, SeriesDescription=description)
    found = chosen(tmp_path, description=description.split()[0])
    factor = 1.0 if scaled else 1e-3
    assert_is(found.image, wanted.holding(wanted.values * factor), values=1e-3)
    assert found.adc is scaled


@pytest.mark.parametrize("unit,scale", [("10*-6.mm2/s", 1.0), ("10*-3.mm2/s", 1e3), ("mm2/s", 1e6), ("m2/s", 1e12)])
def test_a_named_unit_goes_before_the_size(unit: str, scale: float):
    assert adc_scale(unit, np.array([1.2e5])) == scale


def noise_free(b_values: tuple[int, ...]) -> tuple[dict[float, Block], np.ndarray]:
    """Signals of a known map, S = S0 exp(-b ADC), and the map in 1e-6 mm²/s."""
    rng = np.random.default_rng(8)
    adc, s0 = rng.uniform(300, 2800, (5, 6, 8)), rng.uniform(300, 1000, (5, 6, 8))
    return {b: block().holding(s0 * np.exp(-b * adc * 1e-6)) for b in b_values}, adc


@pytest.mark.parametrize("b_values", [(0, 1000), (50, 400, 800), (0, 50, 400, 1000)])
def test_a_map_computed_from_noise_free_images_is_the_true_one(b_values, tmp_path: Path):
    images, adc = noise_free(b_values)
    export.weighted(tmp_path, images, dtype="uint32", rescale=(1e-6, 0.0))
    found = chosen(tmp_path, image_type="ADC", computed_from=list(b_values))
    assert_is(found.image, block().holding(adc), values=0.01)
    assert [f.code for f in found.findings] == ["adc-computed"]
    assert len(found.stacks) == len(b_values)


def test_a_computed_map_agrees_with_the_scanners(tmp_path: Path):
    """Signals are whole numbers here, and so is the scanner's map."""
    images, adc = noise_free((0, 1000))
    export.weighted(tmp_path / "dwi", images)
    write(tmp_path / "adc", block().holding(np.rint(adc)), ImageType=ADC_KINDS, SeriesNumber=2)
    theirs = chosen(tmp_path, image_type="ADC", computed_from=[0, 1000])
    ours = chosen(tmp_path / "dwi", image_type="ADC", computed_from=[0, 1000])
    assert not theirs.findings and [f.code for f in ours.findings] == ["adc-computed"]
    a, b = (sitk.GetArrayFromImage(c.image).ravel() for c in (theirs, ours))
    assert np.corrcoef(a, b)[0, 1] > 0.999
    assert np.abs(a - b).mean() < 5


def set_philips_scale(d: Dataset, scale: float) -> None:
    own = d.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    own.add_new(0x0E, "FL", scale)


SCALES = {0: (1.5, 0.5), 1000: (0.75, 0.9)}
"""b-value -> RescaleSlope and Philips' scale slope, by both of which signals are multiplied."""


def test_a_map_is_computed_from_signals_that_philips_scaled_apart(tmp_path: Path):
    images, adc = noise_free((0, 1000))

    def edit(d: Dataset, k: int) -> None:
        slope, scale = SCALES[int(d.DiffusionBValue)]
        d.RescaleSlope, d.RescaleIntercept = export.ds((slope / 1e3, 0))
        set_philips_scale(d, scale * 1e3)

    stored = {b: image.holding(image.values * SCALES[b][1] * 1e3) for b, image in images.items()}
    export.weighted(tmp_path, stored, dtype="uint32", edit=edit, Manufacturer="Philips Medical Systems")
    found = chosen(tmp_path, image_type="ADC", computed_from=[0, 1000])
    assert_is(found.image, block().holding(adc), values=0.1)


def test_a_map_is_computed_from_frames_that_philips_scaled_apart(tmp_path: Path):
    images, adc = noise_free((0, 1000))
    parts = [
        Part(image.holding(image.values * slope * scale), b_value=b, rescale=(slope / 60, 0))
        for (b, image), (slope, scale) in zip(images.items(), SCALES.values())
    ]
    path = export.write_enhanced(tmp_path / "dwi", parts, Manufacturer="Philips Medical Systems")
    enhanced = dcmread(path)
    for groups in enhanced.PerFrameFunctionalGroupsSequence:
        own = Dataset()
        set_philips_scale(own, 60 * SCALES[int(groups.MRDiffusionSequence[0].DiffusionBValue)][1])
        groups.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        groups.add_new((0x2005, 0x140F), "SQ", [own])
    enhanced.save_as(path)
    found = chosen(tmp_path, image_type="ADC", computed_from=[0, 1000])
    assert_is(found.image, block().holding(adc), values=2)


def test_a_scale_that_only_some_philips_images_have_changes_nothing(tmp_path: Path):
    images, adc = noise_free((0, 1000))

    def edit(d: Dataset, k: int) -> None:
        if d.DiffusionBValue:
            set_philips_scale(d, 9.0)

    export.weighted(
        tmp_path, images, dtype="uint32", rescale=(1e-6, 0.0), edit=edit, Manufacturer="Philips Medical Systems"
    )
    found = chosen(tmp_path, image_type="ADC", computed_from=[0, 1000])
    assert_is(found.image, block().holding(adc), values=0.01)


def test_where_a_signal_is_zero_the_computed_map_is_zero():
    adc = fit_adc({0: np.array([0.0, 100, 100, 100]), 1000: np.array([50.0, 0, 200, 50])})
    np.testing.assert_allclose(adc, [0, 0, 0, np.log(2) * 1000], rtol=1e-5)
    with pytest.raises(ValueError, match="two b-values"):
        fit_adc({0: np.ones(3)})


# Which series


def test_the_structures_series_decides_between_two_reconstructions(tmp_path: Path):
    soft, sharp = block(seed=1), block(seed=2)
    write(tmp_path, soft, modality="CT", SeriesNumber=1)
    write(tmp_path, sharp, modality="CT", SeriesNumber=2)
    finding = refusal(tmp_path, modality="CT")
    assert finding.code == "series-ambiguous"
    assert "series 1" in finding.what and "series 2" in finding.what
    uid = next(i.series for i in headers(tmp_path) if i.series_number == 2)
    found = chosen(tmp_path, {uid}, modality="CT")
    assert_is(found.image, sharp)
    assert [f.code for f in found.findings] == ["series-preferred"]


def test_what_stands_beside_the_volume_of_nearly_every_study_is_passed_over(tmp_path: Path):
    """Localisers and screenshots, also with the modality of the images."""
    wanted = block()
    write(tmp_path, wanted, modality="CT", SeriesNumber=2)
    kinds = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    for n, plane in enumerate(("sagittal", "coronal")):
        scout = block(plane, shape=(1, 6, 8))
        write(tmp_path, scout, modality="CT", SeriesNumber=1, start=n, ImageType=kinds)
    export.write_screenshot(tmp_path / "dose", SeriesNumber=999)
    assert_is(chosen(tmp_path, modality="CT").image, wanted)
    assert refusal(tmp_path, modality="CT", image_type="LOCALIZER").code == "mixed-orientation"


# What is refused


def aside(d: Dataset, k: int, mm: float = 0.7) -> None:
    d.ImagePositionPatient = export.ds(np.array(d.ImagePositionPatient, float) + [0, k * mm, 0])
    d.GantryDetectorTilt = 13.0


def moved(places: Callable[[int], float]) -> export.Edit:
    return lambda d, k: setattr(d, "ImagePositionPatient", export.ds(block().position(places(k))))


def without(*keywords: str, of: Collection[int] = range(5)) -> export.Edit:
    def edit(d: Dataset, k: int) -> None:
        for keyword in keywords if k in of else ():
            delattr(d, keyword)

    return edit


def given_tag(keyword: str, value: object, of: Collection[int] = range(5)) -> export.Edit:
    return lambda d, k: setattr(d, keyword, value) if k in of else None


def not_numbers(d: Dataset, k: int) -> None:
    d.FloatPixelData = np.full(48, np.nan, "<f4").tobytes()


EDITS = {
    "mosaic": (given_tag("ImageType", ["ORIGINAL", "PRIMARY", "MOSAIC"]), r"5 .*mosaics"),
    "colour": (given_tag("PhotometricInterpretation", "PALETTE COLOR"), r"5 images"),
    "burnt-in": (given_tag("BurnedInAnnotation", "YES", of=[1, 2]), r"2 images"),
    "no-geometry": (without("ImagePositionPatient", of=range(5)), r"5 of 5"),
    "no-geometry 2": (without("PixelSpacing"), r"5 of 5"),
    "no-geometry 3": (given_tag("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), r"5 of 5"),
    "one-position": (moved(lambda k: 0), r"5 images"),
    "missing-slice": (moved(lambda k: k + (k > 2)), r"1 slice missing, at positions between 146.0 and 152.0 mm"),
    "missing-slice 2": (moved(lambda k: k + 2 * (k > 1) + (k > 2)), r"3 slices missing, at positions between 143.0"),
    "doubled-slice": (moved(lambda k: k - (k > 2)), r"1 of 5 slices"),
    "uneven-slices": (moved(lambda k: k**1.4), r"between slices, in mm, are 3\.00"),
    "gantry-tilt": (aside, r"2\.8 mm .*\(13\.1°\); the header gives a gantry tilt of 13°"),
    "non-finite": (given_tag("RescaleSlope", "0", of=[3]), r"slice 4 "),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_a_series_that_is_no_volume_is_refused_for_what_it_is(name: str, tmp_path: Path):
    edit, told = EDITS[name]
    write(tmp_path, block(), edit=edit)
    finding = refusal(tmp_path)
    assert finding.code == name.split()[0]
    assert re.search(told, finding.what), finding.what
    assert finding.severity == "error" and finding.files


def two_orientations(folder: Path) -> None:
    write(folder, block())
    write(folder, block("sagittal"), start=9)


def two_sizes(folder: Path) -> None:
    write(folder, block())
    write(folder, block(shape=(5, 6, 9)), start=9)


def two_spacings(folder: Path) -> None:
    write(folder, block(), edit=given_tag("PixelSpacing", export.ds((0.75, 0.91)), of=[3, 4]))


def not_finite(folder: Path) -> None:
    write(folder, block(), dtype="float32", edit=not_numbers)


def unknown_codec(folder: Path) -> None:
    _other_syntax(folder, "1.2.840.10008.1.2.4.100")


def absent_codec(folder: Path) -> None:
    _other_syntax(folder, "1.2.840.10008.1.2.4.201")


def _other_syntax(folder: Path, syntax: str) -> None:
    for path in write(folder, block(), syntax=RLELossless):
        d = dcmread(path)
        d.file_meta.TransferSyntaxUID = syntax
        d.save_as(path)


def broken_codestream(folder: Path) -> None:
    for path in write(folder, block(), syntax=RLELossless):
        d = dcmread(path)
        d.PixelData = encapsulate([b"\1" * 40])
        d.save_as(path)


def lossless(b: Block) -> Block:
    return b.holding(np.full(b.values.shape, 7.0))


FOLDERS = {
    "colour": (lambda f: export.write_screenshot(f / "shot", "MR"), {}, r"3 values"),
    "mixed-orientation": (two_orientations, {}, r"2 volumes"),
    "mixed-matrix": (two_sizes, {}, r"2 volumes.* 6 x 9"),
    "mixed-matrix 2": (two_spacings, {}, r"2 volumes.* 0.91 mm"),
    "too-few-slices": (lambda f: write(f, block(shape=(2, 6, 8))), {}, r"2 slices"),
    "non-finite": (not_finite, {}, r"240 of 240 values"),
    "constant": (lambda f: write(f, lossless(block())), {}, r"are 7"),
    "no-decoder": (unknown_codec, {}, r"transfer syntax"),
    "no-decoder 2": (absent_codec, {}, r"install one of these: .*pylibjpeg"),
    "pixels-unreadable": (broken_codestream, {}, r"^a file with 1 image"),
    "series-missing": (two_sizes, {"b_value": 800}, r"b_value 800.*5 x 6 x 8.*series 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_what_gives_no_channel_is_refused_for_what_it_is(name: str, tmp_path: Path):
    make, rule, told = FOLDERS[name]
    make(tmp_path)
    finding = refusal(tmp_path, **rule)
    assert finding.code == name.split()[0]
    assert re.search(told, finding.what), finding.what


def test_voxels_of_a_structure_without_an_adc_are_told(tmp_path: Path):
    source = write_patient(tmp_path / "export", "P1", 7)
    shutil.rmtree(source / "adc")
    report = run(source, tmp_path / "cases")
    (told,) = [f for f in report["cases"][name("P1")]["findings"] if f["code"] == "adc-undefined"]
    adc, mask = (v for k, v in sorted(arrays(tmp_path / "cases").items()) if "adc" in k or "tumour" in k)
    lacking, inside = int(((adc <= 0) & (mask > 0)).sum()), int((mask > 0).sum())
    assert 0 < lacking < inside
    assert f"{lacking} of {inside} voxels of tumour" in told["what"]
    whole = run(write_patient(tmp_path / "whole", "P1", 7), tmp_path / "others")
    assert "adc-undefined" not in codes(whole, name("P1"))


def test_a_ct_without_a_rescale_has_no_hu(tmp_path: Path):
    write(tmp_path, block(), modality="CT", edit=without("RescaleSlope", of=[2]))
    finding = refusal(tmp_path, modality="CT")
    assert finding.code == "no-hu" and "1 of 5" in finding.what


@pytest.mark.parametrize(
    "edit",
    [
        without("RescaleIntercept"),
        lambda d, k: setattr(d, "RescaleSlope", None),
        lambda d, k: setattr(d, "RescaleType", "Z_EFF"),
    ],
)
def test_a_ct_of_another_unit_or_with_half_a_rescale_has_no_hu(tmp_path: Path, edit: export.Edit):
    write(tmp_path, block(), modality="CT", edit=edit)
    assert refusal(tmp_path, modality="CT").code == "no-hu"


def test_an_empty_rescale_gives_way_to_a_real_world_mapping(tmp_path: Path):
    def edit(d: Dataset, k: int) -> None:
        mapping = Dataset()
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 1.0, -1024.0
        d.RescaleSlope, d.RescaleIntercept, d.RealWorldValueMappingSequence = None, None, [mapping]

    write(tmp_path, block(), modality="CT", edit=edit)
    assert_is(chosen(tmp_path, modality="CT").image, block())


@pytest.mark.parametrize("value, outside", [(-2000, -3024.0), (63536, 62512.0)])
def test_padding_of_a_ct_gets_the_lowest_measured_value(tmp_path: Path, value: int, outside: float):
    content = block(low=-1000)
    wanted = replace(content, values=content.values.copy())
    content.values[:, 0], wanted.values[:, 0] = outside, content.values[:, 1:].min()
    tag = given_tag("PixelPaddingValue", value)
    write(tmp_path, content, modality="CT", dtype="int16" if value < 0 else "uint16", edit=tag)
    found = chosen(tmp_path, modality="CT")
    assert_is(found.image, wanted)
    assert not found.findings


def test_values_of_a_ct_that_cannot_be_hu_are_told(tmp_path: Path):
    content = block(low=-1000)
    content.values[:, 0] = -3024.0
    write(tmp_path, content, modality="CT", dtype="int16")
    (finding,) = chosen(tmp_path, modality="CT").findings
    assert finding.code == "hu-implausible" and "16.67% of its values are below -1100" in finding.what


def test_a_map_whose_unit_nothing_tells_is_refused(tmp_path: Path):
    image = block()
    write(tmp_path, image.holding(image.values + 30000), ImageType=ADC_KINDS)
    finding = refusal(tmp_path, image_type="ADC")
    assert finding.code == "adc-unit" and re.search(r"3\.0\de\+04", finding.what)


def test_the_median_that_shows_no_unit_is_that_of_the_positive_values(tmp_path: Path):
    """A background of zeros made it 0, whatever the map's values."""
    values = np.where(np.arange(8) < 5, 0, block().values + 30000)
    write(tmp_path, block().holding(values), ImageType=ADC_KINDS)
    assert re.search(r"3\.0\de\+04", refusal(tmp_path, image_type="ADC").what)


def test_a_map_whose_unit_cannot_be_the_one_that_is_named_is_refused(tmp_path: Path):
    """As where mm²/s stands beside values in 1e-6 mm²/s."""
    tags = {"RescaleType": "mm2/s", "ImageType": ADC_KINDS}
    write(tmp_path, adc_block(), rescale=(1.0, 0.0), **tags)
    finding = refusal(tmp_path, image_type="ADC")
    assert finding.code == "adc-unit" and re.search(r"1\.\d+e\+09", finding.what)


def test_a_phase_image_is_no_signal(tmp_path: Path):
    for n, kind in enumerate(("M", "P")):
        kinds = ["ORIGINAL", "PRIMARY", "DIFFUSION", kind]
        write(tmp_path, block(seed=n), start=9 * n, ImageType=kinds, DiffusionBValue=1000.0)
    assert_is(chosen(tmp_path, b_value=1000).image, block(seed=0))
    assert_is(chosen(tmp_path, image_type="P").image, block(seed=1))


def test_images_of_two_kinds_are_not_combined(tmp_path: Path):
    for n, kind in enumerate(("ND", "NORM")):
        kinds = ["ORIGINAL", "PRIMARY", "DIFFUSION", kind]
        write(tmp_path, block(seed=n), start=9 * n, ImageType=kinds, DiffusionBValue=1000.0)
    assert refusal(tmp_path, b_value=1000).code == "doubled-slice"
    assert_is(chosen(tmp_path, b_value=1000, image_type="NORM").image, block(seed=1))


def test_a_map_is_not_computed_from_images_on_two_grids(tmp_path: Path):
    export.weighted(tmp_path, {0: block(), 1000: block(shape=(4, 6, 8))}, one_series=False)
    finding = refusal(tmp_path, image_type="ADC", computed_from=[0, 1000])
    assert finding.code == "other-grid" and "b 0, 1000" in finding.what


def test_a_slice_that_is_missing_in_one_of_two_measurements_is_found(tmp_path: Path):
    paths = [write(tmp_path, block(), start=5 * n, EchoNumbers=n + 1) for n in range(2)]
    paths[1][2].unlink()
    assert refusal(tmp_path).code == "doubled-slice"


# Folders

RULES = RulesFile(
    series={
        "b0": {"modality": "MR", "b_value": 0},
        "b1000": {"modality": "MR", "b_value": 1000},
        "adc": {"modality": "MR", "image_type": "ADC", "computed_from": [0, 1000]},
    },
    structures={"tumour": {"label": "Tumour", "names": ["Tumour"]}},
)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")


def write_patient(folder: Path, patient: str, seed: int, study: str = "1", **more: str) -> Path:
    """b 0 and b 1000 in one series, the map, and contours."""
    tags = {"PatientID": patient, "StudyID": study} | more
    images = {b: block(seed=seed + b, shape=(4, 6, 8)) for b in (0, 1000)}
    export.weighted(folder / "dwi", images, export.b_siemens, **tags)
    adc = block(seed=seed + 1, shape=(4, 6, 8), low=300, high=2500)
    write(folder / "adc", adc, ImageType=ADC_KINDS, SeriesNumber=2, **tags)
    export.write_contours(folder / "contours", "Tumour", adc, **tags)
    return folder


def run(source: Path, out: Path, rules: RulesFile = RULES) -> dict:
    return run_by(source, out, rules)


def made_files(out: Path) -> dict[str, tuple[int, int]]:
    """Case -> when and where its record was written: both change when it is made again."""
    stats = {p.parent.name: p.stat() for p in out.glob("*/record.json")}
    return {case: (about.st_mtime_ns, about.st_ino) for case, about in stats.items()}


def arrays(out: Path) -> dict[str, np.ndarray]:
    images = sorted(out.glob("*/*.nii.gz"))
    return {str(p.relative_to(out)): sitk.GetArrayFromImage(sitk.ReadImage(p)) for p in images}


def flattened(source: Path, target: Path) -> Path:
    """All files in one folder, numbered, without suffixes."""
    target.mkdir()
    for k, path in enumerate(sorted(p for p in source.rglob("*") if p.is_file())):
        shutil.copy(path, target / f"{k}")
    return target


def zipped(source: Path, target: Path) -> Path:
    with zipfile.ZipFile(target.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (p for p in source.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(source))
    return target.with_suffix(".zip")


def on_medium(source: Path, target: Path) -> Path:
    """As on a disc: eight-letter names and a DICOMDIR."""
    medium = FileSet()
    for path in (p for p in source.rglob("*") if p.is_file()):
        medium.add(path)
    medium.write(target)
    return target


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, not to be changed."""
    folder = tmp_path_factory.mktemp("cohort")
    for n, patient in enumerate(("Q1", "Q2")):
        write_patient(folder / patient, patient, 10 * n)
    return folder


@pytest.fixture
def copied(cohort: Path, tmp_path: Path) -> Path:
    return shutil.copytree(cohort, tmp_path / "source")


@pytest.fixture(scope="module")
def made(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, np.ndarray]]:
    """The cohort's cases as read from its own folder."""
    out = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSOVER_SECRET", "a secret of the tests, long enough")
        report = run(cohort, out)
    assert [about["status"] for about in report["cases"].values()] == ["made", "made"]
    yield arrays(out)


def test_a_case_holds_what_was_written(made: dict[str, np.ndarray]):
    for seed, patient in ((0, "Q1"), (10, "Q2")):
        for channel_name, own in (("b0", seed), ("b1000", seed + 1000)):
            wanted = block(seed=own, shape=(4, 6, 8)).values
            found = made[f"{name(patient)}/image_{channel_name}.nii.gz"]
            np.testing.assert_array_equal(found, wanted)
        tumour = np.zeros((4, 6, 8))
        tumour[1:3, 1:4, 2:6] = 1
        np.testing.assert_array_equal(made[f"{name(patient)}/structure_tumour.nii.gz"], tumour)


@pytest.mark.parametrize("arrange", [flattened, zipped, on_medium])
def test_any_layout_gives_the_same_cases(arrange, cohort: Path, made: dict, tmp_path: Path):
    report = run(arrange(cohort, tmp_path / "arranged"), tmp_path / "out")
    assert report["failed"] == []
    again = arrays(tmp_path / "out")
    assert made.keys() == again.keys()
    for file, values in made.items():
        np.testing.assert_array_equal(again[file], values)
    loose = ["not-dicom"] if arrange is on_medium else []
    assert [f["code"] for f in report["folder"]] == loose


def test_files_that_the_index_lists_and_that_are_gone_are_told(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where the source is a relative path, and where the copy has its names in lower case."""
    medium = on_medium(cohort, tmp_path / "medium")
    monkeypatch.chdir(tmp_path)
    assert [f["code"] for f in run(Path("medium"), tmp_path / "out")["folder"]] == ["not-dicom"]
    first = sorted(p for p in medium.rglob("*") if p.is_file() and p.name != "DICOMDIR")[0]
    first.with_name(first.name.lower()).write_bytes(first.read_bytes())
    first.unlink()
    assert [f["code"] for f in run(Path("medium"), tmp_path / "out")["folder"]] == ["not-dicom"]
    first.with_name(first.name.lower()).unlink()
    found = {f["code"]: f["what"] for f in run(Path("medium"), tmp_path / "out")["folder"]}
    assert found["dicomdir-missing"].startswith("1 of ")


def test_each_patients_studies_are_told_apart(copied: Path, tmp_path: Path):
    """A later study is a case of its own; one without any wanted series is passed, with a note."""
    write_patient(copied / "later", "Q1", 50, study="2")
    write(copied / "knee", block("sagittal", seed=60), PatientID="Q1", StudyID="3")
    write(copied / "ct", block(seed=61), modality="CT", PatientID="Q2", StudyID="1", SeriesNumber=7)
    export.write_screenshot(copied / "shot", "MR", PatientID="Q2", SeriesNumber=8)
    report = run(copied, tmp_path / "out")
    assert list(report["cases"]) == sorted([name("Q1"), name("Q1", 2), name("Q2")])
    assert codes(report, name("Q1")) == codes(report, name("Q1", 2)) == ["study-passed"]
    assert codes(report, name("Q2")) == []
    assert report["failed"] == []
    later = arrays(tmp_path / "out")[f"{name('Q1', 2)}/image_b0.nii.gz"]
    np.testing.assert_array_equal(later, block(seed=50, shape=(4, 6, 8)).values)
    table = (tmp_path / "out/patients.csv").read_text().split()
    assert f"{name('Q1', 2)},{name('Q1')}" in table


def test_the_contours_choose_between_two_reconstructions(tmp_path: Path):
    """Without them it stays open; drawn in another frame of reference they lie nowhere."""
    images = {n: block(seed=n) for n in (1, 2)}
    for n, image in images.items():
        write(tmp_path / "in", image, modality="CT", SeriesNumber=n)
    rules = RulesFile(series={"ct": {"modality": "CT"}}, structures=RULES.structures)
    assert codes(run(tmp_path / "in", tmp_path / "out", rules), name("Q1")) == ["series-ambiguous"]
    plan = export.write_contours(tmp_path / "in/plan", "tumour", images[2], series=2)
    assert codes(run(tmp_path / "in", tmp_path / "out", rules), name("Q1")) == ["series-preferred"]
    (image,) = (v for f, v in arrays(tmp_path / "out").items() if "image_ct" in f)
    np.testing.assert_array_equal(image, images[2].values)
    frame = {"FrameOfReferenceUID": export.uid("elsewhere")}
    export.write_contours(plan, "tumour", images[2], series=2, **frame)
    assert "two-frames" in codes(run(tmp_path / "in", tmp_path / "out", rules), name("Q1"))


def test_notes_do_not_depend_on_the_order_of_arrival(copied: Path, tmp_path: Path):
    run(copied, tmp_path / "out")
    write(copied / "knee", block("sagittal", seed=60), PatientID="Q1", StudyID="3")
    grown, fresh = run(copied, tmp_path / "out"), run(copied, tmp_path / "fresh")
    assert grown == fresh
    assert codes(grown, name("Q1")) == ["study-passed"]


def test_copies_are_passed_and_two_contents_of_one_instance_refused(copied: Path, tmp_path: Path):
    shutil.copytree(copied / "Q1/dwi", copied / "again")
    report = run(copied, tmp_path / "out")
    assert codes(report, name("Q1")) == ["duplicate-file"] and report["failed"] == []
    (finding,) = report["cases"][name("Q1")]["findings"]
    assert finding["what"].startswith("8 files")
    path = sorted((copied / "again").iterdir())[0]
    d = dcmread(path)
    d.PixelData = bytes(len(d.PixelData))
    d.save_as(path)
    report = run(copied, tmp_path / "out")
    assert codes(report, name("Q1"))[0] == "inconsistent-instances"
    assert report["failed"] == [name("Q1")] and report["made"] == [name("Q2")]


def test_one_image_under_two_patients_is_refused_on_both(copied: Path, tmp_path: Path):
    """As where one patient's study was sent under two identifiers."""
    write_patient(copied / "other", "Q9", 0)
    report = run(copied, tmp_path / "out")
    assert set(report["failed"]) == {name("Q1"), name("Q9")} and report["made"] == [name("Q2")]
    for own, other in (("Q1", "Q9"), ("Q9", "Q1")):
        assert codes(report, name(own)) == ["same-image"] * 3
        assert name(other) in report["cases"][name(own)]["findings"][0]["what"]


def test_one_patient_under_several_spellings_stops_the_ingest_until_it_says_that_they_are_several(
    copied: Path, tmp_path: Path, opened: list[Path]
):
    """Also where the other case was made before, and its headers are not read again."""
    run(copied, tmp_path / "out")
    opened.clear()
    write_patient(copied / "typed", "q 01", 70)
    report = run(copied, tmp_path / "out")
    assert all("typed" in p.parts for p in opened)
    (told,) = (f for f in report["folder"] if f["code"] == "patients-alike")
    (before,) = would_take(DicomSource(kind="dicom"), RULES, copied, 1).wrong
    assert before.startswith(f"patients-alike: {told['what']}")
    assert report["barred"] == ["patients-alike"] and len(report["made"]) == 3
    assert name("Q1") in told["what"] and name("q 01") in told["what"] and name("Q2") not in told["what"]
    text = (tmp_path / "out/ingest.txt").read_text()
    assert "`allow: [patients-alike]`" in " ".join(text.split())
    allowed = run(copied, tmp_path / "out", RULES.model_copy(update={"allow": ["patients-alike"]}))
    assert allowed["barred"] == [] and len(allowed["made"]) == 3


def test_one_patient_in_two_forms_of_unicode_is_one(copied: Path, tmp_path: Path):
    """As where folders' names are from macOS and from elsewhere."""
    one, other = (unicodedata.normalize(form, "M\u00fcller") for form in ("NFC", "NFD"))
    (copied / "Q1").rename(copied / one)
    write_patient(copied / other, "Q1", 70, study="2")
    report = run(copied, tmp_path / "out", RULES.model_copy(update={"patients": "folder"}))
    assert report["made"] == sorted([name(one), name(one, 2), name("Q2")]) and report["folder"] == []
    assert {about["patient"] for about in report["cases"].values()} == {name(one), name("Q2")}


def written_people(folder: Path, people: list[tuple[str, str, str]]) -> Path:
    """An examination for each PatientID, name and birth date."""
    for k, (patient, person, born) in enumerate(people):
        more = {"PatientName": person, "PatientBirthDate": born, "PatientSex": "F"}
        write_patient(folder / "export" / str(k), patient, 10 * k, study=str(k + 1), **more)
    return folder / "export"


JANE, MARY = ("Doe^Jane", "19500101"), ("Roe^Mary", "19610203")


def test_patients_who_may_be_one_or_several_by_name_and_birth_date_are_told(tmp_path: Path, opened: list[Path]):
    """Again where nothing is read anew; and nothing but codes is kept."""
    people = [("Q1", *JANE), ("Q2", "DOE^JANE^", JANE[1]), ("Q3", *MARY), ("Q3", "Poe^Ann", MARY[1]), ("Q4", "", "")]
    source = written_people(tmp_path, people)
    wanted = {
        ("id-shared", f"patient {name('Q3')}: its images have 2 combinations of name, birth date and sex"),
        (
            "id-doubled",
            f"2 patients have one name, birth date and sex: {', '.join(sorted(map(name, ('Q1', 'Q2'))))}",
        ),
    }
    for _ in range(2):
        opened.clear()
        report = run(source, tmp_path / "out")
        assert {(f["code"], f["what"]) for f in report["folder"]} == wanted
        assert len(report["made"]) == 5 and report["barred"] == []
    assert not opened
    assert {", ".join(told) for told in wanted} <= {*would_take(DicomSource(kind="dicom"), RULES, source, 1).notes}
    kept = [path.read_text() for path in (tmp_path / "out").rglob("*.json")]
    assert not any(part in text for text in kept for part in ("Jane", "JANE", "Roe", "1950", "1961"))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    for case, item in manifest["items"].items():  # as `verify` compares them
        assert item == json.loads((tmp_path / "out" / case / "record.json").read_text())


@pytest.mark.parametrize("sexes, doubled", [("FFFMMM", 2), ("FFFFFFMMMM", 0), ("FFFM", 1), ("FFMM", 2)])
def test_one_anonymised_name_with_each_sex_tells_nobody_apart(sexes: str, doubled: int):
    people = [(f"p{k}", [f"hash of {sex}"]) for k, sex in enumerate(sexes)]
    assert [finding.code for finding in doubtful_ids(people)] == ["id-doubled"] * doubled


def test_one_patient_id_for_all_is_told_by_folders_and_a_name_that_all_have_is_not(tmp_path: Path):
    source = written_people(tmp_path, [("ANONYMOUS", *JANE)] * 2)
    (told,) = run(source, tmp_path / "out")["folder"]
    assert told["code"] == "id-shared" and "all 2 examinations have one PatientID, and lie in 2 folders" in told["what"]
    assert "`patients: folder`" in told["remedy"]
    apart = written_people(tmp_path / "apart", [(f"Q{k}", *JANE) for k in range(3)])
    assert run(apart, tmp_path / "other")["folder"] == []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files whose headers are read while cases are told apart."""
    paths: list[Path] = []
    read = scan.read_header

    def counted(file):
        paths.append(Path(file.path))
        return read(file)

    monkeypatch.setattr(scan, "read_header", counted)
    return paths


def test_a_new_patient_leaves_the_others_alone(copied: Path, tmp_path: Path, opened: list[Path]):
    out = tmp_path / "out"
    run(copied, out)
    before, whole = made_files(out), len(opened)
    opened.clear()
    run(copied, out)
    assert opened == [] and made_files(out) == before
    write_patient(copied / "Q3", "Q3", 30)
    run(copied, out)
    assert len(opened) == whole / 2 and all("Q3" in p.parts for p in opened)
    after = made_files(out)
    assert after.keys() - before.keys() == {name("Q3")}
    assert {case: after[case] for case in before} == before


def test_a_patient_who_is_gone_is_gone_from_the_cases(copied: Path, tmp_path: Path, opened):
    out = tmp_path / "out"
    run(copied, out)
    before = made_files(out)
    opened.clear()
    shutil.rmtree(copied / "Q2")
    report = run(copied, out)
    assert opened == [] and list(report["cases"]) == [name("Q1")]
    assert made_files(out) == {name("Q1"): before[name("Q1")]}
    assert name("Q2") not in (out / "patients.csv").read_text()


def test_a_changed_file_makes_its_own_case_anew(copied: Path, tmp_path: Path, opened):
    out = tmp_path / "out"
    run(copied, out)
    before = made_files(out)
    opened.clear()
    path = sorted((copied / "Q1/dwi").iterdir())[0]
    d = dcmread(path)
    d.PixelData = np.full(48, 77, "<u2").tobytes()
    d.save_as(path)
    run(copied, out)
    after = made_files(out)
    assert all("Q1" in p.parts for p in opened)
    assert after[name("Q1")] != before[name("Q1")] and after[name("Q2")] == before[name("Q2")]
    assert any((v == 77).any() for f, v in arrays(out).items() if name("Q1") in f)


def test_other_rules_give_what_they_would_have_given_at_first(copied: Path, tmp_path: Path):
    """A patient with two studies of which other rules want one."""
    b0 = {0: block(seed=70, shape=(4, 6, 8))}
    export.weighted(copied / "first", b0, PatientID="Q1", StudyID="0")
    loose = RulesFile(series={"b0": RULES.series["b0"]})
    strict = RulesFile(series={"b1000": RULES.series["b1000"]})
    assert set(run(copied, tmp_path / "out", loose)["cases"]) >= {name("Q1"), name("Q1", 2)}
    again = run(copied, tmp_path / "out", strict)
    (told,) = again["folder"]
    assert told["code"] == "case-renamed" and told["what"].endswith(f"{name('Q1', 2)} is {name('Q1')} now")
    assert again | {"folder": []} == run(copied, tmp_path / "fresh", strict)
    assert list(again["cases"]) == sorted([name("Q1"), name("Q2")]) and again["failed"] == []


def test_errors_that_are_allowed_by_code_or_by_case_fail_nothing(copied: Path, tmp_path: Path):
    next((copied / "Q1/dwi").iterdir()).unlink()
    os.remove(copied / "Q2/contours")
    report = run(copied, tmp_path / "out")
    assert report["made"] == [] and set(report["failed"]) == {name("Q1"), name("Q2")}
    write_patient(copied / "Q3", "Q3", 30)
    allowing = RULES.model_copy(update={"allow": ["structure-missing", name("Q1")]})
    report = run(copied, tmp_path / "out", allowing)
    status = {case: about["status"] for case, about in report["cases"].items()}
    assert status == {name("Q1"): "allowed", name("Q2"): "allowed", name("Q3"): "made"}
    assert report["failed"] == []
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert list(manifest["items"]) == [name("Q3")]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def no_patient(path: Path) -> None:
    d = dcmread(path)
    d.PatientID = ""
    d.save_as(path)


def deflate(path: Path) -> None:
    d = dcmread(path)
    d.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    d.save_as(path)


@pytest.mark.parametrize(
    "code,damage",
    [
        ("truncated", cut),
        ("no-patient", no_patient),
        ("deflated", deflate),
        ("not-dicom", lambda path: path.write_text("a letter")),
    ],
)
def test_a_file_that_is_of_no_patient_is_told_beside_the_cases(
    code: str, damage: Callable, cohort: Path, tmp_path: Path
):
    """An error fails the run, unless its code is allowed; the cases are made all the same."""
    extra = write(tmp_path / "source/extra", block(), SeriesNumber=40, PatientID="Q1")[0]
    shutil.copytree(cohort / "Q1", tmp_path / "source/Q1")
    damage(extra)
    for other in (p for p in extra.parent.iterdir() if p != extra):
        other.unlink()
    report = run(tmp_path / "source", tmp_path / "out")
    (finding,) = report["folder"]
    assert finding["code"] == code and finding["what"].startswith("1 file")
    assert report["made"] == [name("Q1")]
    assert report["barred"] == ([] if code == "not-dicom" else [code])
    assert run(tmp_path / "source", tmp_path / "out", RULES.model_copy(update={"allow": [code]}))["failed"] == []


# The command


def call(*arguments: object):
    return CliRunner().invoke(app, ["ingest", *map(str, arguments), "--workers", "1"])


RULES_YAML = """
series:
  b0: {modality: MR, b_value: 0}
  adc: {modality: MR, image_type: ADC, computed_from: [0, 1000]}
structures:
  tumour: {label: Tumour, names: [Tumour]}
"""


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES_YAML)
    return path


def test_the_command_tells_by_its_exit_status_how_it_went(copied: Path, rules_file: Path, tmp_path: Path):
    out = tmp_path / "out"
    good = call(copied, out, "--rules", rules_file)
    assert good.exit_code == 0, good.output
    assert "Made: 2 of 2 patients; no error" in good.output
    os.remove(copied / "Q1/contours")
    bad = call(copied, out, "--rules", rules_file)
    assert bad.exit_code == 1
    assert "structure-missing" in bad.output and "1 of 2 cases" in bad.output
    assert "exclude these cases with `allow: [structure-missing]`" in " ".join(bad.output.split())
    assert "`allow: [structure-missing]`" in " ".join((out / ingest_report.TEXT).read_text().split())
    report = json.loads((out / ingest_report.JSON).read_text())
    rules_file.write_text(RULES_YAML + "allow: [structure-missing]\n")
    assert call(copied, tmp_path / "allowed", "--rules", rules_file).exit_code == 0
    allowed = (tmp_path / "allowed" / ingest_report.TEXT).read_text()
    assert "left out" in allowed.partition("What to do")[0] and "allowed" not in allowed
    assert report["cases"][name("Q1")]["status"] == "excluded"
    assert report["made"] == [name("Q2")] and report["failed"] == [name("Q1")]
    text = (out / ingest_report.TEXT).read_text()
    for word in (name("Q1"), "excluded", "structure-missing", "What to do", "b0: MR axial"):
        assert word in text


def test_a_wrong_call_says_what_would_be_right(copied: Path, rules_file: Path, tmp_path: Path):
    rules_file.with_name("wrong.yaml").write_text("series: {b0: {modality: MR, bvalue: 0}}")
    (tmp_path / "empty").mkdir()
    wrong = {
        "--study": [copied, tmp_path / "out"],
        "no rules for a study": [copied, tmp_path / "out", "--study", "spleen"],
        "bvalue": [copied, tmp_path / "out", "--rules", rules_file.with_name("wrong.yaml")],
        "does not exist": [tmp_path / "gone", tmp_path / "out", "--rules", rules_file],
        "no file": [tmp_path / "empty", tmp_path / "out", "--rules", rules_file],
    }
    for told, arguments in wrong.items():
        result = call(*arguments)
        assert result.exit_code == 2, (told, result.output)
        assert told in result.output
    assert not (tmp_path / "out" / ingest_report.JSON).exists()


@pytest.mark.parametrize("study,channels", [("uterus", "b0 b1000 adc"), ("nasopharynx", "ct"), ("prostate", "t2")])
def test_the_rules_of_each_study_load(study: str, channels: str):
    rules = study_rules(study)
    assert list(rules.series) == channels.split() and rules.structures


def test_the_command_takes_a_studys_rules(tmp_path: Path):
    image = block()
    write(tmp_path / "in", image, SeriesDescription="t2_tse_tra")
    export.write_contours(tmp_path / "in/plan", "WHOLE GLAND", image)
    result = call(tmp_path / "in", tmp_path / "out", "--study", "prostate")
    assert result.exit_code == 0, result.output
    case = json.loads((tmp_path / "out" / name("Q1") / "case.json").read_text())
    assert case["channels"] == ["t2"]
    assert case["structures"]["prostate"] == pytest.approx(36 * 3.0 * 0.75 * 0.9 / 1000, abs=1e-4)
