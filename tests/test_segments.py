"""Segmentations: frames of any size, order and gaps come back to the voxel; segments by all they are called."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom import dcmread
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
)
from structure_exports import (
    DIRECTIONS,
    FRAME,
    body,
    code_item,
    codes,
    contours,
    lattice,
    plain_seg,
    refusal,
    roi,
    seg,
    segment_item,
    structure_set,
)

from crossover.sources.dicom.segmentation import segment_mask
from crossover.sources.dicom.structures import drawables, find_structure, unclaimed
from crossover.sources.settings import Structure


@st.composite
def segmentations(draw) -> tuple[sitk.Image, np.ndarray, dict]:
    """An image's lattice, segments (segments, slices, rows, columns) on it, and how they are written."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(int(n) for n in rng.integers((1, 2, 1, 1), (4, 7, 12, 12)))
    size, direction = shape[:0:-1], DIRECTIONS[draw(st.sampled_from(sorted(DIRECTIONS)))]
    values = rng.random(shape) < rng.choice([0.02, 0.3, 0.7])
    values &= (rng.random(shape[:2]) < 0.7)[..., None, None]  # some slices hold nothing
    kind = draw(st.sampled_from(["BINARY", "LABELMAP"]))
    if kind == "LABELMAP":
        values &= np.arange(shape[0])[:, None, None, None] == rng.integers(0, shape[0], shape[1:])
    spacing = 2.7 * draw(st.sampled_from([1, -1, 0]))
    image = lattice(direction, size)
    options = dict(between=spacing, empty=draw(st.booleans()), bits=draw(st.sampled_from([8, 16])))
    frames = len(plain_seg(values, image, kind, **options).PerFrameFunctionalGroupsSequence)
    return image, values, dict(kind=kind, order=rng.permutation(frames), **options)


@given(segmentations())
@settings(deadline=None, max_examples=60)
def test_any_segments_come_back(case):
    """Whatever the frames' size in bits, their order, the sign of their spacing, and slices left out."""
    image, values, how = case
    dataset = plain_seg(values, image, **how)
    for number, wanted in enumerate(values, 1):
        mask, findings = segment_mask(dataset, number, image)
        assert (mask == wanted).all() and not findings


def two_segments(overlap: bool) -> np.ndarray:
    """Segments, slices, rows, columns: frames of 21 x 23 pixels end within a byte."""
    values = np.random.default_rng(3).random((2, 6, 21, 23)) < 0.3
    values[0, [0, 3]] = False
    values[1] &= ~values[0] | overlap
    return values


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("BINARY", ExplicitVRLittleEndian),
        ("LABELMAP", ExplicitVRLittleEndian),
        ("LABELMAP", JPEGLSLossless),
        ("FRACTIONAL", ExplicitVRLittleEndian),
        ("FRACTIONAL", JPEGLSLossless),
    ],
)
def test_highdicom_reads_the_same(kind, syntax, tmp_path):
    import highdicom as hd

    image, values = lattice(size=(23, 21, 6)), two_segments(kind != "LABELMAP")
    written = np.moveaxis(values, 0, -1).astype(np.uint8)
    made = seg(written, image, kind, ("One", "Two"), transfer_syntax_uid=syntax)
    made.save_as(tmp_path / "seg.dcm")
    theirs = hd.seg.segread(tmp_path / "seg.dcm").get_volume()
    assert theirs.array.shape == (6, 21, 23, 2)
    mm = np.argwhere(np.ones(theirs.array.shape[:3])) @ theirs.affine[:3, :3].T + theirs.affine[:3, 3]
    turn = np.reshape(image.GetDirection(), (3, 3))
    x, y, z = np.round((mm - image.GetOrigin()) @ turn / image.GetSpacing()).astype(int).T
    for number in (1, 2):
        mask, _ = segment_mask(dcmread(tmp_path / "seg.dcm"), number, image)
        assert (mask[z, y, x] == (theirs.array[..., number - 1] > 0).ravel()).all()
        assert (mask == values[number - 1]).all() and mask.any()


@pytest.mark.parametrize("bits", [8, 16])
def test_run_length_encoded_label_maps(bits, tmp_path):
    image, values = lattice(size=(23, 21, 6)), two_segments(False)
    written = plain_seg(values, image, "LABELMAP", bits=bits)
    written.SOPClassUID, written.SOPInstanceUID = SegmentationStorage, f"{FRAME}.9"
    # GDCM's encoder ends the process over frames of an odd length.
    written.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    written.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    for number in (1, 2):
        mask, _ = segment_mask(dcmread(tmp_path / "seg.dcm"), number, image)
        assert (mask == values[number - 1]).all()


# What tells how far apart slices are


def every_other() -> np.ndarray:
    values = np.zeros((1, 8, 10, 13), bool)
    values[0, 1:6:2] = body()[1]
    return values


def test_frames_of_every_other_slice_land_on_their_slices():
    for between in (2.7, -2.7, 0):
        dataset = plain_seg(every_other(), lattice(), between=between)
        mask, findings = segment_mask(dataset, 1, lattice())
        assert (mask == every_other()[0]).all() and not findings


@pytest.mark.parametrize("told", [dict(between=5.4), dict(between=0, thickness=5.4)])
def test_slices_twice_as_thick_as_the_images_are_refused(told):
    dataset = plain_seg(every_other(), lattice(), **told)
    assert refusal(segment_mask, dataset, 1, lattice()) == "structure-refused"


# What contradicts itself


def odd_seg(change) -> object:
    dataset = plain_seg(two_segments(True), lattice(size=(23, 21, 6)))
    change(dataset)
    return dataset


def _padded_frames(d):
    """Each frame from a byte of its own."""
    d.PixelData = np.packbits(two_segments(True)[:, :, :, :].reshape(12, -1), axis=1).tobytes()


def _same_number(d):
    d.SegmentSequence[1].SegmentNumber = 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_padded_frames, "bits-contradict"),
        (lambda d: setattr(d, "HighBit", 7), "bits-contradict"),
        (lambda d: setattr(d, "BitsStored", 8), "bits-contradict"),
        (_same_number, "numbers-shared"),
        (
            lambda d: setattr(d.file_meta, "TransferSyntaxUID", ExplicitVRBigEndian),
            "pixels-unreadable",
        ),
        (lambda d: setattr(d, "PixelData", d.PixelData[:10]), "pixels-unreadable"),
    ],
)
def test_what_contradicts_itself_is_refused(change, code):
    assert refusal(segment_mask, odd_seg(change), 1, lattice(size=(23, 21, 6))) == code


def test_frames_of_no_segment_are_told():
    dataset = odd_seg(lambda d: d.SegmentSequence.pop())
    (finding,) = unclaimed(dataset)
    assert finding.code == "numbers-unknown" and finding.what.startswith("6 frames")
    assert unclaimed(odd_seg(lambda d: None)) == []


# What a segment is called

LEFT, RIGHT = ("7771000", "SCT", "Left"), ("24028007", "SCT", "Right")
KIDNEY, NODE = ("64033007", "SCT", "Kidney"), ("T-C4000", "SRT", "secret node")
IMAGE = lattice(size=(23, 21, 6))


def named(*items, values=None):
    """A SEG with these segments, each with other voxels."""
    values = two_segments(True)[: len(items)] if values is None else values
    dataset = plain_seg(values, IMAGE)
    dataset.SegmentSequence = Items(items)
    return dataset


def taken(names, *objects, on=(), frame=FRAME) -> tuple[int, list[str]]:
    """Which of `two_segments` it is, from 1 on, and what is told."""
    there = [d for o in objects for d in drawables(o)]
    mask, findings = find_structure(there, names, IMAGE, frame, on)
    (which,) = np.flatnonzero((two_segments(True) == sitk.GetArrayFromImage(mask)).all(axis=(1, 2, 3)))
    return int(which) + 1, codes(findings)


def test_segments_by_description_where_all_have_one_label():
    dataset = named(segment_item(1, "Segmentation", "GTV-p"), segment_item(2, "Segmentation", "Node"))
    assert taken(["gtvp"], dataset) == (1, ["structure-named"])
    assert taken(["NODE"], dataset) == (2, ["structure-named"])
    there = list(drawables(dataset))
    assert refusal(find_structure, there, ["Segmentation"], IMAGE, FRAME) == "structure-doubled"
    assert refusal(find_structure, there, ["neoplasm"], IMAGE, FRAME) == "structure-doubled"
    assert refusal(find_structure, there, ["--", "tumour"], IMAGE, FRAME) == "structure-missing"


def test_segments_by_number():
    dataset = named(segment_item(7, "2"), segment_item(2, "x"))
    for frames, number in zip(dataset.PerFrameFunctionalGroupsSequence, [7] * 4 + [2] * 6):
        frames.SegmentIdentificationSequence[0].ReferencedSegmentNumber = number
    assert taken(["2"], dataset) == (1, [])  # its label
    assert taken([2], dataset) == (2, ["structure-named"])
    assert taken(["2", 2], dataset) == (1, ["name-ambiguous"])


def test_names_are_text_or_whole_numbers():
    assert Structure(label="x", names=["2", 2]).names == ["2", 2]
    for odd in (True, 2.5, None):
        with pytest.raises(ValidationError):
            Structure(label="x", names=[odd])


def test_segments_by_the_meaning_of_their_code():
    kidneys = named(segment_item(1, "a", code=KIDNEY, side=LEFT), segment_item(2, "b", code=KIDNEY, side=RIGHT))
    assert taken(["Left kidney"], kidneys) == (1, ["structure-named"])
    assert taken(["kidney_right"], kidneys) == (2, ["structure-named"])
    there = list(drawables(kidneys))
    assert refusal(find_structure, there, ["kidney"], IMAGE, FRAME) == "structure-doubled"
    assert [s.describe() for s in there] == [
        "SEG segment 1: Kidney, Left",
        "SEG segment 2: Kidney, Right",
    ]


def test_a_label_comes_before_a_description_and_that_is_told():
    dataset = named(segment_item(1, "Node"), segment_item(2, "b", "Node"))
    assert taken(["node"], dataset) == (1, ["name-ambiguous"])


def test_a_segment_that_a_program_drew_alone_is_taken_with_a_warning():
    dataset = named(segment_item(1, "Node"), segment_item(2, "GTV"))
    dataset.SegmentSequence[1].SegmentAlgorithmType = "AUTOMATIC"
    assert taken(["node"], dataset) == (1, [])
    assert taken(["gtv"], dataset) == (2, ["mask-automatic"])


def test_what_is_told_of_segments_is_no_text_of_the_file():
    dataset = named(
        segment_item(1, "secret", "secret", NODE),
        segment_item(2, "secret", code=("1", "99SECRET", "secret")),
    )
    there = list(drawables(dataset))
    assert [s.describe() for s in there] == ["SEG segment 1: Lymph Node", "SEG segment 2"]
    assert taken(["secret node"], dataset)[0] == taken(["Lymph node"], dataset)[0] == 1
    assert refusal(find_structure, there, ["x"], IMAGE, FRAME) == "structure-missing"


# Which series it was drawn on


def drawn_on(dataset, *series: str):
    dataset.ReferencedSeriesSequence = Items()
    for uid in series:
        item = code_item("", "", "")
        item.SeriesInstanceUID = uid
        dataset.ReferencedSeriesSequence.append(item)
    return dataset


def test_of_several_the_one_on_the_chosen_series_is_taken():
    one, two = (
        drawn_on(named(segment_item(1, "GTV"), values=v[None]), f"1.{n}") for n, v in enumerate(two_segments(True), 1)
    )
    both = [[{"1.1"}], [{"1.2"}], [{"1.9"}, {"1.9", "1.2"}]]
    assert [taken(["gtv"], one, two, on=on) for on in both] == [
        (1, ["structure-preferred"]),
        (2, ["structure-preferred"]),
        (2, ["structure-preferred"]),
    ]
    there = [*drawables(one), *drawables(two)]
    for on in ([], [{"1.9"}]):
        found = refusal(find_structure, there, ["gtv"], IMAGE, FRAME, on)
        assert found == "structure-doubled"
    assert taken(["gtv"], one, on=[{"1.9"}]) == (1, ["drawn-elsewhere"])  # the only one, in the image's frame
    drawn_on(two, "1.1")
    assert refusal(find_structure, there[:1] + list(drawables(two)), ["gtv"], IMAGE, FRAME, [{"1.1"}])


@pytest.mark.parametrize(
    ("series", "frame", "images", "said"),
    [
        ([], FRAME, {}, ""),
        (["1.1"], "", {}, ""),
        (["1.3", "1.9"], FRAME, {}, ""),
        (["1.2", "1.9"], FRAME, {"1.2": "CT axial, series 2"}, "another series than the image's: CT axial, series 2"),
        (["1.2"], FRAME, {}, "a series that is not in the export"),
        ([], "", {}, "neither the series"),
    ],
)
def test_what_was_drawn_elsewhere_is_taken_with_a_warning(series: list, frame: str, images: dict, said: str):
    dataset = drawn_on(named(segment_item(1, "GTV")), *series)
    dataset.FrameOfReferenceUID = frame
    _, findings = find_structure(list(drawables(dataset)), ["gtv"], IMAGE, FRAME, [{"1.1"}, {"1.1", "1.3"}], images)
    assert codes(findings) == ["drawn-elsewhere"] * bool(said)
    assert not findings or said in findings[0].what


def test_two_structure_sets_with_the_same_names():
    sets = []
    for n, shift in enumerate((0, 1), 1):
        mask = np.roll(body(), shift, axis=2)
        dataset = structure_set(roi(contours(mask, lattice()), "GTV"))
        study, series = code_item("", "", ""), code_item("", "", "")
        series.SeriesInstanceUID = f"1.{n}"
        study.RTReferencedSeriesSequence = Items([series])
        dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence = Items([study])
        sets.append((dataset, mask))
    there = [d for dataset, _ in sets for d in drawables(dataset)]
    for n, (_, mask) in enumerate(sets, 1):
        found, findings = find_structure(there, ["gtv"], lattice(), FRAME, [{f"1.{n}"}])
        assert (sitk.GetArrayFromImage(found) == mask).all()
        assert codes(findings) == ["structure-preferred"]
    assert refusal(find_structure, there, ["gtv"], lattice(), FRAME) == "structure-doubled"
