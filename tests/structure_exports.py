"""Structure sets and segmentations written as DICOM, small: what readers of structures are tried on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation
from skimage.measure import find_contours

from crossover.sources.dicom.rtstruct import Contour, Roi
from crossover.sources.findings import KINDS, Refused

FRAME = "1.2.826.0.1.3680043.8.498.1"
HALF, CENTRES = 0.5, 1 - 1e-6
"""Levels of `find_contours`: half-way between pixels, and through the outermost pixels' centres."""
DIRECTIONS = {
    "axial": np.eye(3),
    "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "oblique": Rotation.from_euler("zyx", [25, -40, 70], degrees=True).as_matrix(),
}
SIZE = (13, 10, 8)  # columns, rows, slices


AXIAL = np.eye(3)


def lattice(direction=AXIAL, size=SIZE, spacing=(0.8, 1.3, 2.7), origin=(-31.3, 12.9, 55.1)):
    image = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(o) for o in origin])
    image.SetDirection(np.ravel(direction).astype(float).tolist())
    return image


def body() -> np.ndarray:
    """An L with a hole, and a block of its own: no turn or flip of it is itself."""
    mask = np.zeros(SIZE[::-1], bool)
    mask[1:6, 1:9, 2:6] = True
    mask[1:4, 6:9, 2:12] = True
    mask[2:5, 3:5, 3:5] = False
    mask[4:7, 1:3, 9:12] = True
    return mask


def to_mm(index: np.ndarray, grid: sitk.Image) -> np.ndarray:
    """Voxel index (n, 3) as column, row, slice -> patient mm."""
    points = [grid.TransformContinuousIndexToPhysicalPoint(p) for p in index.tolist()]
    return np.reshape(points, (-1, 3))


def drawn(mask: np.ndarray, level: float) -> list[np.ndarray]:
    """Rings (n, 2) as x, y around a mask (rows, columns); padding closes those at the border."""
    lines = find_contours(np.pad(mask, 1).astype(float), level)
    return [line[:-1, ::-1] - 1 for line in lines]


def contours(mask: np.ndarray, grid: sitk.Image, level=HALF, axis=2, shift=0.0) -> list[Contour]:
    """Contours of a mask in the planes across one axis of its grid, `shift` planes off."""
    across = [a for a in range(3) if a != axis]
    found = []
    for k, plane in enumerate(np.moveaxis(mask, 2 - axis, 0)):
        for ring in drawn(plane, level):
            index = np.full((len(ring), 3), k + shift)
            index[:, across] = ring
            found.append(Contour(to_mm(index, grid), "CLOSED_PLANAR"))
    return found


def roi(found: Sequence[Contour], name="Tumour", number=1, frame=FRAME) -> Roi:
    return Roi(number, name, frame, list(found))


def box(x=(2, 5), y=(1, 4), z=3.0, grid=None, kind="CLOSED_PLANAR") -> Contour:
    """A rectangle on one slice, in voxels."""
    corners = [(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)]
    return Contour(to_mm(np.array(corners, float), lattice() if grid is None else grid), kind)


def refusal(call, *args) -> str:
    """The code of a refusal; its text holds nothing but our own words and numbers."""
    with pytest.raises(Refused) as caught:
        call(*args)
    assert caught.value.finding.code in KINDS
    assert "secret" not in str(caught.value).lower()
    return caught.value.finding.code


def codes(findings) -> list[str]:
    assert all("secret" not in f.what.lower() for f in findings)
    return [f.code for f in findings]


def structure_set(*regions: Roi, frame=FRAME) -> Dataset:
    dataset = Dataset()
    dataset.Modality = "RTSTRUCT"
    dataset.ReferencedFrameOfReferenceSequence = Items([Dataset()])
    dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = frame
    dataset.StructureSetROISequence, dataset.ROIContourSequence = Items(), Items()
    for region in regions:
        named, lines = Dataset(), Dataset()
        named.ROINumber = lines.ReferencedROINumber = region.number
        named.ROIName, named.ReferencedFrameOfReferenceUID = region.name, region.frame_of_reference
        lines.ContourSequence = Items()
        for contour in region.contours:
            item = Dataset()
            item.ContourGeometricType = contour.kind
            item.ContourData = [f"{v:.9g}" for v in contour.points.ravel()]
            lines.ContourSequence.append(item)
        dataset.StructureSetROISequence.append(named)
        dataset.ROIContourSequence.append(lines)
    return dataset


# SEG


def sources(grid: sitk.Image) -> list[Dataset]:
    """What highdicom wants to know of the images that a SEG was made on."""
    out = []
    for k in range(grid.GetSize()[2]):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = MRImageStorage, generate_uid(), "MR"
        ds.PatientID = ds.PatientName = "Secret^"
        ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ""
        ds.StudyDate, ds.StudyTime, ds.ReferringPhysicianName = "20000101", "120000", ""
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{FRAME}.2", f"{FRAME}.3"
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = FRAME, ""
        ds.SeriesNumber, ds.InstanceNumber = 1, k + 1
        ds.Columns, ds.Rows = grid.GetSize()[:2]
        turn = np.reshape(grid.GetDirection(), (3, 3))
        ds.ImageOrientationPatient = [f"{v:.9g}" for v in turn.T[:2].ravel()]
        ds.ImagePositionPatient = [f"{v:.9g}" for v in to_mm(np.array([[0, 0, k]]), grid)[0]]
        ds.PixelSpacing = list(grid.GetSpacing()[1::-1])
        ds.SliceThickness = ds.SpacingBetweenSlices = grid.GetSpacing()[2]
        ds.BitsAllocated, ds.SamplesPerPixel, ds.ImageType = 16, 1, ["ORIGINAL", "PRIMARY"]
        out.append(ds)
    return out


def seg(values: np.ndarray, on: sitk.Image, kind="BINARY", labels=("Tumour",), **more) -> Dataset:
    """A SEG by highdicom with values (slices, rows, columns[, segments]) on a lattice."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    turn = np.reshape(on.GetDirection(), (3, 3)) * on.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn[:, ::-1], on.GetOrigin()
    described = [
        hd.seg.SegmentDescription(
            segment_number=number + 1,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type="MANUAL",
        )
        for number, label in enumerate(labels)
    ]
    given = dict(coordinate_system="PATIENT", frame_of_reference_uid=FRAME)
    if values.ndim == 4:
        given["channels"] = {"SegmentNumber": list(range(1, len(labels) + 1))}
    return hd.seg.Segmentation(
        source_images=sources(on),
        pixel_array=hd.Volume(values, affine, **given),
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=f"{FRAME}.4",
        series_number=2,
        sop_instance_uid=f"{FRAME}.5",
        instance_number=1,
        manufacturer="Crossover",
        manufacturer_model_name="phantom",
        software_versions="1",
        device_serial_number="0",
        **more,
    )


def plain_seg(
    values: np.ndarray,
    on: sitk.Image,
    kind: str = "BINARY",
    *,
    order: Sequence[int] | None = None,
    between: float | None = None,
    thickness: float | None = None,
    empty: bool = False,
    bits: int = 8,
) -> Dataset:
    """A SEG with values (segments, slices, rows, columns) of 0 and 1, element for element.

    Args:
        order: of the frames; of one segment after the other, from the first slice on, where none is given.
        between: SpacingBetweenSlices; the lattice's spacing by default, 0 for none.
        thickness: SliceThickness; the lattice's spacing by default, 0 for none.
        empty: whether there are frames for slices that hold nothing.
        bits: allocated, of a label map.
    """
    d = Dataset()
    d.Modality, d.SegmentationType, d.FrameOfReferenceUID = "SEG", kind, FRAME
    d.SegmentSequence = Items([segment_item(n + 1, f"Segment {n + 1}") for n in range(len(values))])
    if kind == "LABELMAP":
        assert (values.sum(axis=0) <= 1).all()
        values = (values * np.arange(1, len(values) + 1)[:, None, None, None]).sum(axis=0)[None]
    places = [p for p in np.ndindex(*values.shape[:2]) if empty or values[p].any()]
    places = [places[i] for i in order] if order is not None else places
    shared, turn = Dataset(), np.reshape(on.GetDirection(), (3, 3))
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Items([Dataset()]), Items()
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = _ds(turn.T[:2].ravel())
    shared.PixelMeasuresSequence.append(measures := Dataset())
    measures.PixelSpacing = _ds(on.GetSpacing()[1::-1])
    for keyword, own in {"SpacingBetweenSlices": between, "SliceThickness": thickness}.items():
        if own != 0:
            setattr(measures, keyword, _ds([on.GetSpacing()[2] if own is None else own])[0])
    d.SharedFunctionalGroupsSequence = Items([shared])
    d.PerFrameFunctionalGroupsSequence = Items([_groups(s, k, on, kind) for s, k in places])
    d.NumberOfFrames, (d.Rows, d.Columns), d.SamplesPerPixel = len(places), values.shape[2:], 1
    d.PhotometricInterpretation, d.PixelRepresentation = "MONOCHROME2", 0
    d.BitsAllocated = d.BitsStored = bits if kind == "LABELMAP" else 1
    d.HighBit = d.BitsStored - 1
    frames = np.array([values[place] for place in places]).reshape(-1, *values.shape[2:])
    if kind == "LABELMAP":
        content = frames.astype(f"<u{bits // 8}").tobytes()
    else:
        content = np.packbits(frames.ravel() > 0, bitorder="little").tobytes()
    d.PixelData = content + b"\0" * (len(content) % 2)
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return d


def _ds(numbers: Sequence[float]) -> list[str]:
    return [f"{n:.10g}" for n in numbers]


def _groups(segment: int, k: int, on: sitk.Image, kind: str) -> Dataset:
    own = Dataset()
    own.PlanePositionSequence = Items([Dataset()])
    place = to_mm(np.array([[0, 0, k]]), on)[0]
    own.PlanePositionSequence[0].ImagePositionPatient = _ds(place)
    if kind != "LABELMAP":
        own.SegmentIdentificationSequence = Items([Dataset()])
        own.SegmentIdentificationSequence[0].ReferencedSegmentNumber = segment + 1
    return own


def segment_item(
    number: int,
    label: str,
    description: str = "",
    code: tuple[str, str, str] = ("108369006", "SCT", "Neoplasm"),
    side: tuple[str, str, str] | None = None,
) -> Dataset:
    """An item of SegmentSequence; `code` and `side` are value, scheme and meaning."""
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, label
    if description:
        item.SegmentDescription = description
    item.SegmentedPropertyTypeCodeSequence = Items([code_item(*code)])
    if side:
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = Items([code_item(*side)])
    return item


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
