"""Volumes and masks from one file: what is read as it is, and what is refused with its cause."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.sources.findings import Refused
from crossover.sources.reading import Reading
from crossover.sources.settings import VolumesSource
from crossover.sources.volume_file import read_image, read_mask, read_volume
from crossover.sources.volumes import read_patient

SHAPE = (9, 8, 5)
AFFINE = np.array([[-1, 0, 0, 12], [0, -1, 0, 10], [0, 0, 2.5, -7], [0, 0, 0, 1.0]])


def values(dtype=np.int16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 900, SHAPE).astype(dtype)


def labels(dtype=np.uint8) -> np.ndarray:
    out = np.zeros(SHAPE, dtype)
    out[2:6, 3:7, 1:4] = 1
    out[6, 3:5, 1] = 2
    return out


def nifti(array, affine=AFFINE, q=1, s=1, edit: Callable | None = None, kind=nib.Nifti1Image) -> bytes:
    image = kind(array, affine, dtype=array.dtype)
    image.set_qform(affine, q)
    image.set_sform(affine, s)
    if edit:
        edit(image)
    return image.to_bytes()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def refusal(call: Callable, *arguments) -> str:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return str(caught.value)


def scaled(slope: float, inter: float) -> Callable:
    return lambda image: image.header.set_slope_inter(slope, inter)


def nrrd(path: Path, *fields: str) -> Path:
    head = ["NRRD0004", "type: short", "dimension: 3", "sizes: 9 8 5", "encoding: raw", "endian: little", *fields]
    return put(path / "a.nrrd", "\n".join([*head, "", ""]).encode() + values("<i2").tobytes("F"))


def mha(path: Path, *fields: str) -> Path:
    head = ["NDims = 3", "DimSize = 9 8 5", "ElementType = MET_SHORT", "ElementByteOrderMSB = False", *fields]
    return put(path / "a.mha", "\n".join([*head, "ElementDataFile = LOCAL", ""]).encode() + values("<i2").tobytes("F"))


DIRECTIONS = "space directions: (0.5,0,0) (0,0.7,0) (0,0,3)"


@pytest.mark.parametrize(
    "write, fields, placed",
    [
        (nrrd, ("space: RAS", DIRECTIONS), True),
        (nrrd, ("Space: left-posterior-superior", DIRECTIONS.title()), True),
        (nrrd, ("space: scanner-xyz", DIRECTIONS), False),
        (nrrd, ("space dimension: 3", DIRECTIONS), False),
        (nrrd, ("spacings: 0.5 0.7 3",), False),
        (mha, ("ElementSpacing = 0.5 0.7 3", "TransformMatrix = 1 0 0 0 1 0 0 0 1"), True),
        (mha, ("ElementSpacing = 0.5 0.7 3",), False),
        (mha, ("ElementSize = 0.5 0.7 3",), False),
    ],
)
def test_an_nrrd_or_mha_header_without_orientation_is_told(
    tmp_path: Path, write: Callable, fields: tuple[str, ...], placed: bool
):
    image, findings, _ = read_volume(write(tmp_path, *fields))
    assert image.GetSpacing() == (0.5, 0.7, 3.0)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image).T, values())
    assert [f.code for f in findings] == ([] if placed else ["no-orientation"])


# What is read


@given(
    st.sampled_from([np.int16, np.uint8, np.int32, np.float32, np.float64, ">i2", ">f4"]),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.sampled_from([(1, 1), (1, 0), (0, 2), (2, 4)]),
    st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
)
@settings(deadline=None, max_examples=20)
def test_nifti_is_where_nibabel_and_itk_put_it(tmp_path_factory, dtype, order, signs, codes, kind):
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3)[list(order)] * signs).T @ np.diag([0.9, 1.1, 2.5])
    affine[:3, 3] = (3.5, -20, 11)
    array = values(np.int16).astype(dtype)
    path = put(tmp_path_factory.mktemp("n") / "a.nii", nifti(array, affine, *codes, kind=kind))
    image, findings, _ = read_volume(path)
    assert not findings
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image).T, array)
    # ITK reads no NIfTI-2
    theirs = sitk.ReadImage(str(path)) if kind is nib.Nifti1Image else image
    for corner in np.ndindex(2, 2, 2):
        at = (np.array(corner) * (np.array(SHAPE) - 1)).tolist()
        mm = image.TransformIndexToPhysicalPoint(at)
        by_nibabel = (nib.load(path).affine @ [*at, 1])[:3] * (-1, -1, 1)
        np.testing.assert_allclose(mm, by_nibabel, atol=1e-4)
        np.testing.assert_allclose(mm, theirs.TransformIndexToPhysicalPoint(at), atol=1e-4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_forms_hold_the_same_volume(tmp_path: Path, suffix: str):
    first, _, _ = read_volume(put(tmp_path / "first.nii", nifti(values())))
    sitk.WriteImage(first, str(tmp_path / f"other{suffix}"))
    other, findings, _ = read_volume(tmp_path / f"other{suffix}")
    assert not findings and other.GetPixelID() == first.GetPixelID()
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(other, get)(), getattr(first, get)(), atol=1e-6)
    np.testing.assert_array_equal(*map(sitk.GetArrayViewFromImage, (first, other)))


def test_content_counts_and_not_the_name(tmp_path: Path):
    plain = put(tmp_path / "a.nii", nifti(values())).rename(tmp_path / "plain.nii.gz")
    packed = put(tmp_path / "a.nii.gz", nifti(values())).rename(tmp_path / "packed.nii")
    for path in (plain, packed):
        image, (note,), _ = read_volume(path)
        assert note.code == "file-name"
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image).T, values())


def test_further_axes_of_length_one_are_dropped(tmp_path: Path):
    for extra in ((1,), (1, 1)):
        path = put(tmp_path / "a.nii", nifti(values().reshape(*SHAPE, *extra)))
        assert read_volume(path).image.GetSize() == SHAPE
    sitk.WriteImage(sitk.JoinSeries([read_volume(path).image]), str(tmp_path / "a.nrrd"))
    assert read_volume(tmp_path / "a.nrrd").image.GetSize() == SHAPE


def test_units_scaling_and_precision(tmp_path: Path):
    def metres(image):
        image.header.set_xyzt_units("meter")

    affine = np.diag([0.001, 0.001, 0.0025, 1])
    path = put(tmp_path / "a.nii", nifti(values(), affine, edit=metres))
    np.testing.assert_allclose(read_volume(path).image.GetSpacing(), (1, 1, 2.5), rtol=1e-6)
    image, _ = read_image(put(tmp_path / "b.nii", nifti(values(), edit=scaled(2, -3))))
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image).T, values() * 2.0 - 3)


def test_a_header_without_orientation_is_told(tmp_path: Path):
    image, (warning,), _ = read_volume(put(tmp_path / "a.nii", nifti(values(), q=0, s=0)))
    assert warning.code == "no-orientation" and warning.severity == "warning"
    np.testing.assert_allclose(image.GetDirection(), np.eye(3).ravel())
    assert image.GetSpacing() == (1, 1, 2.5)


def test_a_shear_by_rounding_is_read(tmp_path: Path):
    affine = AFFINE.copy()
    affine[0, 1] = 0.002
    image, findings, _ = read_volume(put(tmp_path / "a.nii", nifti(values(), affine, q=0)))
    assert not findings
    far = image.TransformIndexToPhysicalPoint([n - 1 for n in SHAPE])
    theirs = (affine @ [*(n - 1 for n in SHAPE), 1])[:3] * (-1, -1, 1)
    assert np.linalg.norm(far - theirs) < 0.1


def forms(by: np.ndarray, codes=(1, 2)) -> Callable:
    """Sets a qform that differs from the sform."""

    def edit(image):
        image.set_qform(by @ AFFINE, codes[0])
        image.set_sform(AFFINE, codes[1])

    return edit


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1)])
def test_forms_that_put_an_image_elsewhere_are_told_and_the_sform_taken(tmp_path: Path, codes):
    away = np.eye(4)
    away[0, 3] = 10
    path = put(tmp_path / "a.nii", nifti(values(), edit=forms(away, codes)))
    image, (warning,), _ = read_volume(path)
    assert warning.code == "header-forms" and "differ by 10 mm" in warning.what
    assert image.GetOrigin() == (-12, -10, -7)


# What is refused


def sheared(path: Path) -> Path:
    affine = AFFINE.copy()
    affine[0, 1] = 0.2
    return put(path / "a.nii", nifti(values(), affine, q=0))


def sheared_nrrd(path: Path) -> Path:
    sitk.WriteImage(read_volume(put(path / "a.nii", nifti(values()))).image, str(path / "a.nrrd"))
    text = (path / "a.nrrd").read_bytes()
    directions = rb"space directions: (1,0.2,0) (0,1,0) (0,0,2.5)"
    (path / "a.nrrd").write_bytes(re.sub(rb"space directions: [^\n]*", directions, text))
    return path / "a.nrrd"


def other_sizes(path: Path) -> Path:
    return put(path / "a.nii", nifti(values(), edit=forms(np.diag([2, 2, 1, 1]))))


def cut(suffix: str, by: int) -> Callable:
    def make(path: Path) -> Path:
        file = path / f"a{suffix}"
        sitk.WriteImage(sitk.GetImageFromArray(values()), str(file))
        file.write_bytes(file.read_bytes()[:-by])
        return file

    make.__name__ = f"cut_by_{by}{suffix}"
    return make


def flipped_bit(path: Path) -> Path:
    file = put(path / "a.nii.gz", nifti(values()))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 8
    file.write_bytes(content)
    return file


def with_content(content: bytes, name: str = "a.nii.gz") -> Callable:
    def make(path: Path) -> Path:
        (path / name).write_bytes(content)
        return path / name

    return make


def folder(path: Path) -> Path:
    (path / "a.nii.gz").mkdir()
    return path / "a.nii.gz"


def colours(path: Path) -> Path:
    rgb = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    return put(path / "a.nii", nib.Nifti1Image(rgb, AFFINE).to_bytes())


def vectors(suffix: str) -> Callable:
    def make(path: Path) -> Path:
        image = sitk.GetImageFromArray(np.stack([labels(), labels()], -1), isVector=True)
        sitk.WriteImage(image, str(path / f"a{suffix}"))
        return path / f"a{suffix}"

    return make


def in_time(suffix: str) -> Callable:
    def make(path: Path) -> Path:
        image = sitk.GetImageFromArray(values())
        sitk.WriteImage(sitk.JoinSeries([image, image]), str(path / f"a{suffix}"))
        return path / f"a{suffix}"

    return make


def nifti_of(*arguments, **more) -> Callable:
    return lambda path: put(path / "a.nii.gz", nifti(*arguments, **more))


def no_spacing(path: Path) -> Path:
    content = bytearray(nifti(values(), q=0))
    content[280:296] = bytes(16)  # srow_x
    return put(path / "a.nii", content)


def edited(at: int, content: bytes, suffix: str = ".nii.gz") -> Callable:
    """A header with other bytes."""

    def make(path: Path) -> Path:
        whole = bytearray(nifti(values()))
        whole[at : at + len(content)] = content
        return put(path / f"a{suffix}", bytes(whole))

    return make


def as_tiff(path: Path) -> Path:
    """A stack of slices, to which ITK gives a distance of 1 mm."""
    sitk.WriteImage(sitk.Image([4, 5, 3], sitk.sitkUInt16), str(path / "a.tif"))
    return path / "a.tif"


REFUSED = {
    "a folder": (folder, "volume-unreadable: it is a folder"),
    "nothing": (lambda path: path / "a.nii", "volume-unreadable: its file does not exist"),
    "no byte": (with_content(b""), r"volume-unreadable: its file is empty"),
    "text": (with_content(b"1,2,3\n"), "volume-unreadable: it is no NIfTI, NRRD or MetaImage file"),
    "a stack of another format": (as_tiff, "volume-unreadable: it is no NIfTI, NRRD or MetaImage file"),
    "packed text": (with_content(gzip.compress(b"1,2")), "volume-unreadable: .*decompress"),
    "a pointer": (
        with_content(b"version https://git-lfs.github.com/spec/v1\n"),
        "volume-unreadable: .*Git LFS",
    ),
    "a short header": (with_content(nifti(values())[:200]), "volume-unreadable"),
    "half a NIfTI": (cut(".nii", 300), r"volume-unreadable: .*cut short"),
    "half a packed NIfTI": (cut(".nii.gz", 300), r"volume-unreadable: .*cut short"),
    "a packed NIfTI without its check": (cut(".nii.gz", 4), r"volume-unreadable: .*cut short"),
    "a damaged NIfTI": (flipped_bit, "volume-unreadable: .*damaged"),
    "half an NRRD": (cut(".nrrd", 300), "volume-unreadable"),
    "half an MHA": (cut(".mha", 300), "volume-unreadable"),
    "two points in time": (in_time(".nii.gz"), r"volume-axes: it has 4 axes \(.* x 2\)"),
    "two in an NRRD": (in_time(".nrrd"), r"volume-axes: it has 4 axes"),
    "one slice": (nifti_of(values()[:, :, 0]), "volume-axes: it has 2 axes"),
    "colours": (colours, "volume-axes: .*3 numbers"),
    "vectors": (vectors(".nii.gz"), r"volume-axes: "),
    "overlapping segments": (vectors(".seg.nrrd"), "volume-axes: a voxel has 2 numbers"),
    "complex numbers": (nifti_of(values(np.complex64)), "volume-axes: .*complex"),
    "sheared": (sheared, r"volume-header: its axes are not at right angles: two of them are 101\.310 degrees"),
    "no voxel size in an NRRD": (nrrd, "volume-header: its header gives no voxel size"),
    "none of slices in an NRRD": (lambda p: nrrd(p, "spacings: 1 1 NaN"), "volume-header: its header gives no voxel"),
    "no voxel size in an MHA": (mha, "volume-header: its header gives no voxel size"),
    "a sheared NRRD": (sheared_nrrd, "volume-header: its axes are not at right angles"),
    "two sizes of voxels": (
        other_sizes,
        "volume-header: its sform and qform give different voxel sizes: 1 x 1 x 2.5 and 2 x 2 x 2.5",
    ),
    "more voxels than the file holds": (
        edited(42, np.array([30000] * 3, "<i2").tobytes()),
        "volume-unreadable: .*too small for what its header says",
    ),
    "an unknown type": (
        edited(70, np.array([9999], "<i2").tobytes()),
        r"volume-unreadable: its NIfTI header is damaged \(HeaderDataError\)",
    ),
    "an infinite slope": (
        edited(112, np.array([np.inf], "<f4").tobytes()),
        "volume-header: its slope",
    ),
    "an unknown place": (edited(292, np.array([np.nan], "<f4").tobytes()), "volume-header: "),
    "no spacing": (no_spacing, "volume-header: its header gives voxels of 0 x"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_volume_is_refused_with_its_cause(kind: str, tmp_path: Path):
    make, expected = REFUSED[kind]
    path = make(tmp_path)
    for call in (read_image, lambda path: read_mask(path, None)):
        said = refusal(call, path)
        assert re.match(expected, said), said
        assert str(tmp_path) not in said and "report this" not in said


@given(st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_whatever_a_header_says_it_is_read_or_refused(tmp_path_factory, damage):
    content = bytearray(nifti(values()))
    for at, byte in damage:
        content[at] = byte
    path = put(tmp_path_factory.getbasetemp() / "damaged.nii", bytes(content))
    try:
        image, _, _ = read_volume(path)
    except Refused:
        return
    assert image.GetDimension() == 3 and image.GetNumberOfComponentsPerPixel() == 1


SOFT = np.where(labels() > 0, 0.98, 0.01).astype(np.float32)
HALF = labels(np.float32) * 0.5
HOLED = np.where(labels() > 1, np.nan, labels()).astype(np.float32)
MASKS = {
    "probabilities": (SOFT, None, None, r"structure-refused: 360 of 360 .* \(0\.01, 0\.98\).*threshold"),
    "half a label": (HALF, [1], None, r"structure-refused: .*not whole numbers \(0\.5\)"),
    "NaN": (HOLED, [1], None, "structure-refused: 2 of 360 values are NaN or infinite instead of whole"),
    "infinite": (np.where(labels() > 1, np.inf, 0), [1], None, "structure-refused: .*NaN or infinite"),
    "a scaled mask": (
        labels(), [1], scaled(0.3, 0), r"structure-refused: .*after slope 0\.3\d* and intercept 0"),
    "a shifted mask": (labels(), [1], scaled(1, 4), "structure-empty: .*label 1; its values are 4, 5, 6"),
    "another label": (labels(), [7], None, "structure-empty: .*label 7; its values are 0, 1, 2"),
    "a label beyond the type": (labels(), [300], None, "structure-empty: .*label 300; its values are 0"),
    "nothing": (labels() * 0, None, None, "structure-empty"),
    "an image": (values(np.int32), None, None, r"structure-refused: it has \d+ different values"),
    "all inside": (labels() * 0 + 1, [1], None, "structure-refused: every voxel of the label map is inside"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_what_is_no_mask_is_refused_with_its_cause(kind: str, suffix: str, tmp_path: Path):
    array, chosen, edit, expected = MASKS[kind]
    path = put(tmp_path / "a.nii.gz", nifti(array, edit=edit))
    if suffix == ".nrrd":
        if edit:
            pytest.skip("NRRD has no slope")
        sitk.WriteImage(read_volume(path).image, str(tmp_path / "a.nrrd"))
    assert re.match(expected, said := refusal(read_mask, tmp_path / f"a{suffix}", chosen)), said


@pytest.mark.parametrize(
    "array, edit",
    [
        (labels(np.float64), None),
        (labels(np.float32) * np.float32(0.9999999), None),
        (labels(np.int16) * 2, scaled(0.5, 0)),
        (labels(np.int16) + 3, scaled(1, -3)),
        (labels(np.int64), None),
    ],
    ids=["float64", "rounded", "slope", "intercept", "int64"],
)
def test_whole_numbers_are_labels_in_any_type(tmp_path: Path, array, edit):
    mask, findings = read_mask(put(tmp_path / "a.nii", nifti(array, edit=edit)), [1])
    assert not findings and mask.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(mask).T, labels() == 1)


def test_images_hold_finite_values_that_differ(tmp_path: Path):
    holed = values(np.float32)
    holed[0, 0, :2] = np.nan, np.inf
    for suffix in (".nii", ".nrrd"):
        first = read_volume(put(tmp_path / "b.nii", nifti(holed))).image
        sitk.WriteImage(first, str(tmp_path / f"c{suffix}"))
        said = refusal(read_image, tmp_path / f"c{suffix}")
        assert said == "non-finite: 2 of 360 values are NaN or infinite"
    assert refusal(read_image, put(tmp_path / "a.nii", nifti(values() * 0))).startswith("constant")


# A patient


def patient(root: Path, **files: bytes) -> Reading:
    structures = {n: {"file": f"{n}.nii.gz", "label": 1} for n in files if not n.startswith("t")}
    channels = {n: f"{n}.nii.gz" for n in files if n.startswith("t")}
    for name, content in files.items():
        put(root / f"{name}.nii.gz", content)
    source = VolumesSource(kind="volumes", channels=channels, structures=structures)
    return read_patient(source, {"patient": "P1"}, root)


def told(reading: Reading) -> list[tuple[str, str]]:
    return [(f.code, f.about) for f in reading.findings]


@given(st.permutations([0, 1, 2]), st.lists(st.booleans(), min_size=3, max_size=3))
@settings(deadline=None, max_examples=15)
def test_stored_axes_of_a_mask_and_a_channel_may_differ(tmp_path_factory, order, flips):
    root = tmp_path_factory.mktemp("p")
    for name, array in (("t2", values()), ("t1", values() + 1), ("gland", labels())):
        image = read_volume(put(root / "x.nii", nifti(array))).image
        if name != "t2":
            image = sitk.Flip(sitk.PermuteAxes(image, order), flips)
        sitk.WriteImage(image, str(root / f"{name}.nrrd"))
    source = VolumesSource(
        kind="volumes",
        channels={"t2": "t2.nrrd", "t1": "t1.nrrd"},
        structures={"gland": {"file": "gland.nrrd", "label": 1}},
    )
    reading = read_patient(source, {}, root)
    assert not reading.findings
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(reading.structures["gland"]).T, labels() == 1)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(reading.channels["t1"]).T, values() + 1)


def test_all_findings_of_a_patient_are_told_at_once(tmp_path: Path):
    away = AFFINE.copy()
    away[0, 3] += 0.3
    reading = patient(
        tmp_path,
        t2=nifti(values()),
        t1=nifti(values() + 1, away),
        t0=nifti(np.stack([values()] * 2, -1)),
        soft=nifti(SOFT),
        moved=nifti(labels(), away),
        good=nifti(labels()),
    )
    assert told(reading) == [
        ("other-grid", "channel t1"),
        ("volume-axes", "channel t0"),
        ("structure-refused", "structure soft"),
        ("structure-refused", "structure moved"),
    ]
    assert "its grid is not that of channel t2: voxels of 1 x 1 x 2.5 mm against" in reading.findings[0].what
    assert "corners up to 0.3 mm apart" in reading.findings[3].what
    assert list(reading.structures) == ["good"]


def test_masks_are_checked_where_no_channel_can_be_read(tmp_path: Path):
    reading = patient(tmp_path, t2=b"", gland=nifti(SOFT))
    assert told(reading) == [
        ("volume-unreadable", "channel t2"),
        ("structure-refused", "structure gland"),
    ]


def test_a_mask_on_the_other_form_of_a_header_is_refused_and_not_moved(tmp_path: Path):
    """By a whole number of voxels it would pass for one that covers a part."""
    away = np.eye(4)
    away[0, 3] = 2
    image = nifti(values(), edit=forms(away))
    reading = patient(tmp_path, t2=image, gland=nifti(labels(), away @ AFFINE))
    assert told(reading) == [
        ("header-forms", "channel t2"),
        ("structure-refused", "structure gland"),
    ]
    assert told(patient(tmp_path, t2=image, gland=nifti(labels()))) == [("header-forms", "channel t2")]
