"""Small examinations written as DICOM, in the ways that scanners write them: what readers are tried on."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    RTStructureSetStorage,
    generate_uid,
)
from pydicom.valuerep import DSfloat
from scipy.spatial.transform import Rotation

PLANES = {
    "axial": np.eye(3),
    "sagittal": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0.0]]),
    "coronal": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]),
    "oblique": Rotation.from_euler("xyz", (20, -35, 10), degrees=True).as_matrix().T,
}
"""Rows: along a row, along a column, the normal (patient axes)."""
CLASSES = {"MR": MRImageStorage, "CT": CTImageStorage}
ENHANCED = {"MR": EnhancedMRImageStorage, "CT": EnhancedCTImageStorage}
Edit = Callable[[Dataset, int], object]


@dataclass(frozen=True)
class Block:
    """A volume and where it lies in the patient."""

    values: np.ndarray
    """(slices, rows, columns), in the image's unit."""
    spacing: tuple[float, float, float] = (3.0, 0.75, 0.9)
    """Between slices, rows, columns in mm."""
    origin: tuple[float, float, float] = (-31.5, 12.25, 140.0)
    axes: np.ndarray = field(default_factory=lambda: PLANES["axial"])

    def position(self, k: float) -> np.ndarray:
        """Centre of slice k's first pixel."""
        return np.array(self.origin) + k * self.spacing[0] * self.axes[2]

    def point(self, k: int, i: int, j: int) -> np.ndarray:
        """Centre of a voxel (slice, row, column), patient mm."""
        along_row = j * self.spacing[2] * self.axes[0]
        return self.position(k) + along_row + i * self.spacing[1] * self.axes[1]

    def holding(self, values: np.ndarray) -> Block:
        return replace(self, values=values)


def block(
    plane: str = "axial",
    shape: tuple[int, int, int] = (5, 6, 8),
    seed: int = 0,
    low: int = 1,
    high: int = 1000,
    spacing: tuple[float, float, float] = (3.0, 0.75, 0.9),
) -> Block:
    """A volume without any symmetry: whole numbers at random."""
    values = np.random.default_rng(seed).integers(low, high, shape)
    return Block(values.astype(np.float64), spacing, axes=PLANES[plane])


def differences(image: sitk.Image, wanted: Block) -> tuple[float, float]:
    """Largest difference of the values, and of the voxels' places in mm, voxel by voxel."""
    assert sorted(image.GetSize()) == sorted(wanted.values.shape)
    values, apart = 0.0, 0.0
    for index in np.ndindex(*wanted.values.shape):
        point = wanted.point(*index)
        near = image.TransformPhysicalPointToIndex(point.tolist())
        place = image.TransformIndexToPhysicalPoint(near)
        apart = max(apart, float(np.abs(np.subtract(place, point)).max()))
        values = max(values, abs(float(image[near]) - float(wanted.values[index])))
    return values, apart


def uid(*names: object) -> str:
    """The same names give the same UID."""
    return generate_uid(entropy_srcs=[repr(names)])


# One file


def base(modality: str, tags: dict) -> Dataset:
    """What every object of a patient has. `tags` are DICOM keywords."""
    d = Dataset()
    d.PatientID = tags.pop("PatientID", "Q1")
    d.PatientName = "Doe^Jane"
    d.StudyID = str(tags.pop("StudyID", "1"))
    d.StudyInstanceUID = uid(d.PatientID, d.StudyID)
    d.StudyDate, d.StudyTime = f"2020010{d.StudyID[-1]}", "101500"
    d.Modality = modality
    d.Manufacturer = "SIEMENS"
    d.SeriesNumber = tags.pop("SeriesNumber", 1)
    d.SeriesInstanceUID = uid(d.StudyInstanceUID, int(d.SeriesNumber))
    d.FrameOfReferenceUID = uid(d.StudyInstanceUID, "frame")
    for keyword, value in tags.items():
        setattr(d, keyword, value)
    return d


def save(d: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian, prefix: bool = True) -> Path:
    """Write a file; without `prefix`, the bare data set, as part 10 forbids and some exports do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not prefix:
        dcmwrite(path, d, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
        return path
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = COMPRESSED.get(syntax, syntax)
    dcmwrite(path, d, enforce_file_format=True)
    if syntax in COMPRESSED:
        _compress(path, syntax)
    return path


COMPRESSED = dict.fromkeys((RLELossless, JPEGLSLossless, JPEGLosslessSV1, JPEG2000Lossless), ExplicitVRLittleEndian)
"""Compressed syntax -> the one that the file is first written in."""


def _compress(path: Path, syntax: str) -> None:
    if syntax in (RLELossless, JPEGLSLossless):
        d = dcmread(path)
        d.compress(syntax, generate_instance_uid=False)
        d.save_as(path)
        return
    import gdcm

    reader, change, writer = (
        gdcm.ImageReader(),
        gdcm.ImageChangeTransferSyntax(),
        gdcm.ImageWriter(),
    )
    reader.SetFileName(str(path))
    assert reader.Read()
    kinds = gdcm.TransferSyntax
    j2k = syntax == JPEG2000Lossless
    kind = kinds.JPEG2000Lossless if j2k else kinds.JPEGLosslessProcess14_1
    change.SetTransferSyntax(gdcm.TransferSyntax(kind))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def set_pixels(d: Dataset, values: np.ndarray, dtype: str, bits: int | None, big: bool) -> None:
    """Stored values as they lie in the file: without sign extension where fewer bits are stored."""
    kind = np.dtype(dtype)
    d.Rows, d.Columns = values.shape[-2:]
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated = kind.itemsize * 8
    if kind.kind == "f":
        d.FloatPixelData = values.astype("<f4").tobytes()
        return
    d.BitsStored = bits or d.BitsAllocated
    d.HighBit = d.BitsStored - 1
    d.PixelRepresentation = int(kind.kind == "i")
    stored = np.rint(values).astype(np.int64) & ((1 << d.BitsStored) - 1)
    content = stored.astype(f"{'>' if big else '<'}u{kind.itemsize}").tobytes()
    d.PixelData = content + b"\0" * (len(content) % 2)
    d["PixelData"].VR = "OB" if kind.itemsize == 1 else "OW"


def ds(numbers: Sequence[float]) -> list[DSfloat]:
    return [DSfloat(float(n), auto_format=True) for n in numbers]


# Series


def write(
    folder: Path,
    content: Block,
    *,
    modality: str = "MR",
    start: int = 0,
    edit: Edit | None = None,
    syntax: str = ExplicitVRLittleEndian,
    prefix: bool = True,
    dtype: str = "uint16",
    bits: int | None = None,
    rescale: tuple[float, float] | None = None,
    **tags: object,
) -> list[Path]:
    """A classic series: one file for each slice, under names that tell nothing of their order.

    Args:
        start: instances of the series that were written before.
        edit: changes the data set of slice k before it is written.
        bits: bits stored; all that are allocated by default.
        rescale: slope and intercept; CT has -1024 by default.
        tags: DICOM keywords, of all slices. UIDs follow from PatientID, StudyID and SeriesNumber.

    Returns:
        The files in the order of the slices.
    """
    rescale = rescale or ((1.0, -1024.0) if modality == "CT" else None)
    out = []
    for k, values in enumerate(content.values):
        d = base(modality, dict(tags))
        d.SOPClassUID = CLASSES[modality]
        d.SOPInstanceUID = uid(d.SeriesInstanceUID, start + k)
        d.InstanceNumber = start + k + 1
        if "ImageType" not in d:
            d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "M"]
        d.ImagePositionPatient = ds(content.position(k))
        d.ImageOrientationPatient = ds(content.axes[:2].ravel())
        d.PixelSpacing = ds(content.spacing[1:])
        d.SliceThickness = ds(content.spacing[:1])[0]
        slope, intercept = rescale or (1.0, 0.0)
        if rescale:
            d.RescaleSlope, d.RescaleIntercept = ds((slope, intercept))
        set_pixels(d, (values - intercept) / slope, dtype, bits, syntax == ExplicitVRBigEndian)
        if edit:
            edit(d, k)
        out.append(save(d, folder / sha256(d.SOPInstanceUID.encode()).hexdigest()[:12], syntax, prefix))
    return out


@dataclass(frozen=True)
class Part:
    """A volume among the frames of an enhanced image."""

    content: Block
    kinds: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE")
    b_value: float | None = None
    directionality: str = ""
    direction: tuple[float, float, float] | None = None
    unit: str = "US"
    rescale: tuple[float, float] = (1.0, 0.0)


def write_enhanced(path: Path, parts: Sequence[Part], modality: str = "MR", seed: int = 0, **tags: object) -> Path:
    """All parts in one multi-frame file; the frames are shuffled."""
    d = base(modality, dict(tags))
    d.SOPClassUID, d.SOPInstanceUID = ENHANCED[modality], uid(d.SeriesInstanceUID, "enhanced")
    d.InstanceNumber = 1
    d.ImageType = ["ORIGINAL", "PRIMARY", "MIXED", "NONE"]
    first = parts[0].content
    shared = Dataset()
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = ds(first.axes[:2].ravel())
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = ds(first.spacing[1:])
    shared.PixelMeasuresSequence[0].SliceThickness = ds(first.spacing[:1])[0]
    d.SharedFunctionalGroupsSequence = [shared]
    frames = [(part, k) for part in parts for k in range(len(part.content.values))]
    order = np.random.default_rng(seed).permutation(len(frames))
    frames = [frames[i] for i in order]
    d.PerFrameFunctionalGroupsSequence = [_groups(part, k, modality) for part, k in frames]
    d.NumberOfFrames = len(frames)
    stored = [(p.content.values[k] - p.rescale[1]) / p.rescale[0] for p, k in frames]
    set_pixels(d, np.array(stored), "uint16", None, False)
    return save(d, path)


def _groups(part: Part, k: int, modality: str) -> Dataset:
    """The functional groups of one frame."""
    groups = Dataset()
    groups.PlanePositionSequence = [Dataset()]
    groups.PlanePositionSequence[0].ImagePositionPatient = ds(part.content.position(k))
    groups.PixelValueTransformationSequence = [Dataset()]
    values = groups.PixelValueTransformationSequence[0]
    values.RescaleSlope, values.RescaleIntercept = ds(part.rescale)
    values.RescaleType = part.unit
    kind = Dataset()
    kind.FrameType = list(part.kinds)
    setattr(groups, f"{modality}ImageFrameTypeSequence", [kind])
    if part.b_value is not None:
        weighting = Dataset()
        weighting.DiffusionBValue = float(part.b_value)
        weighting.DiffusionDirectionality = part.directionality or "NONE"
        if part.direction:
            weighting.DiffusionGradientDirectionSequence = [Dataset()]
            nested = weighting.DiffusionGradientDirectionSequence[0]
            nested.DiffusionGradientOrientation = list(part.direction)
        groups.MRDiffusionSequence = [weighting]
    return groups


def write_screenshot(path: Path, modality: str = "CT", **tags: object) -> Path:
    """A secondary capture, as of a dose report: colour, without a place in the patient."""
    d = base(modality, dict(tags))
    d.SOPClassUID, d.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", uid(d.SeriesInstanceUID, "shot")
    d.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    d.Rows, d.Columns, d.BitsAllocated, d.BitsStored, d.HighBit = 4, 4, 8, 8, 7
    d.SamplesPerPixel, d.PixelRepresentation, d.PlanarConfiguration = 3, 0, 0
    d.PhotometricInterpretation = "RGB"
    d.PixelData = bytes(range(48))
    return save(d, path)


def write_contours(path: Path, name: str, on: Block, number: int = 9, series: int = 1, **tags) -> Path:
    """An RTSTRUCT with one structure: a rectangle of 3 x 4 pixels on each slice but the outer ones."""
    d = base("RTSTRUCT", {"SeriesNumber": number, **tags})
    d.SOPClassUID, d.SOPInstanceUID = RTStructureSetStorage, uid(d.SeriesInstanceUID, "contours")
    d.StructureSetLabel, d.StructureSetDate, d.StructureSetTime = "plan", "20200102", "090000"
    d.InstanceNumber = 1
    frame, study, drawn_on = Dataset(), Dataset(), Dataset()
    drawn_on.SeriesInstanceUID = uid(d.StudyInstanceUID, series)
    drawn_on.ContourImageSequence = []
    study.RTReferencedSeriesSequence = [drawn_on]
    frame.FrameOfReferenceUID = d.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    d.ReferencedFrameOfReferenceSequence = [frame]
    roi, contours = Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, name, d.FrameOfReferenceUID
    contours.ReferencedROINumber = 1
    contours.ContourSequence = [_rectangle(on, k) for k in range(1, len(on.values) - 1)]
    d.StructureSetROISequence, d.ROIContourSequence = [roi], [contours]
    return save(d, path)


def _rectangle(on: Block, k: int) -> Dataset:
    """A closed contour around the pixels of rows 1 to 3 and columns 2 to 5."""
    corners = [(0.5, 1.5), (0.5, 5.5), (3.5, 5.5), (3.5, 1.5)]
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(corners)
    contour.ContourData = ds(np.concatenate([on.point(k, i, j) for i, j in corners]))
    return contour


def set_real_world(d: Dataset, slope: float, unit: str) -> None:
    """The unit of the values as a real-world mapping, instead of a rescale."""
    mapping, code = Dataset(), Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, 0.0
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    mapping.MeasurementUnitsCodeSequence = [code]
    d.RealWorldValueMappingSequence = [mapping]
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in d:
            del d[keyword]


# Where the b-value stands


def b_standard(d: Dataset, b: float) -> None:
    d.DiffusionBValue = float(b)


def b_siemens(d: Dataset, b: float) -> None:
    d.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", int(b))


def b_siemens_bytes(d: Dataset, b: float) -> None:
    """As software leaves it that does not know the element."""
    text = b"%d" % int(b)
    own = d.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    own.add_new(0x0C, "UN", text + b" " * (len(text) % 2))


def b_siemens_no_creator(d: Dataset, b: float) -> None:
    b_siemens_bytes(d, b)
    del d[0x0019, 0x0010]


def b_siemens_block_11(d: Dataset, b: float) -> None:
    """(0019,110C): another maker's elements have the first block."""
    d.private_block(0x0019, "ANOTHER MAKER", create=True).add_new(0x0C, "LO", "77")
    b_siemens(d, b)
    assert (0x0019, 0x110C) in d


def b_siemens_csa(d: Dataset, b: float) -> None:
    own = d.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    own.add_new(0x10, "OB", csa_header({"B_value": str(int(b)), "NumberOfImagesInMosaic": ""}))


def b_siemens_csa_block_11(d: Dataset, b: float) -> None:
    d.private_block(0x0029, "ANOTHER MAKER", create=True)
    b_siemens_csa(d, b)


def b_siemens_name(d: Dataset, b: float) -> None:
    d.SequenceName = f"*ep_b{int(b)}t"


def b_ge(d: Dataset, b: float) -> None:
    d.Manufacturer = "GE MEDICAL SYSTEMS"
    own = d.private_block(0x0043, "GEMS_PARM_01", create=True)
    own.add_new(0x39, "IS", [int(b), 8, 0, 0])


def b_ge_offset(d: Dataset, b: float) -> None:
    b_ge(d, 1_000_000_000 + b)


def b_ge_block_11(d: Dataset, b: float) -> None:
    d.private_block(0x0043, "ANOTHER MAKER", create=True).add_new(0x39, "LO", "77")
    b_ge_offset(d, b)


def b_ge_bytes(d: Dataset, b: float) -> None:
    d.Manufacturer = "GE MEDICAL SYSTEMS"
    own = d.private_block(0x0043, "GEMS_PARM_01", create=True)
    text = b"%d\\8\\0\\0" % (1_000_000_000 + int(b))
    own.add_new(0x39, "UN", text + b" " * (len(text) % 2))


def b_philips(d: Dataset, b: float) -> None:
    d.Manufacturer = "Philips Healthcare"
    d.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "FL", float(b))


def b_philips_block_11(d: Dataset, b: float) -> None:
    d.private_block(0x2001, "ANOTHER MAKER", create=True).add_new(0x03, "FL", 77.0)
    b_philips(d, b)


def b_philips_bytes(d: Dataset, b: float) -> None:
    d.Manufacturer = "Philips Medical Systems"
    own = d.private_block(0x2001, "Philips Imaging DD 001", create=True)
    own.add_new(0x03, "UN", struct.pack("<f", b))


B_PLACES: dict[str, Callable[[Dataset, float], None]] = {
    "standard": b_standard,
    "siemens": b_siemens,
    "siemens-bytes": b_siemens_bytes,
    "siemens-no-creator": b_siemens_no_creator,
    "siemens-block-11": b_siemens_block_11,
    "siemens-csa": b_siemens_csa,
    "siemens-csa-block-11": b_siemens_csa_block_11,
    "siemens-name": b_siemens_name,
    "ge": b_ge,
    "ge-offset": b_ge_offset,
    "ge-block-11": b_ge_block_11,
    "ge-bytes": b_ge_bytes,
    "philips": b_philips,
    "philips-block-11": b_philips_block_11,
    "philips-bytes": b_philips_bytes,
}


def csa_header(elements: Mapping[str, str | list[str]]) -> bytes:
    """A Siemens CSA2 header ("SV10"): elements with their items, followed by empty ones."""
    out = b"SV10\4\3\2\1" + struct.pack("<2I", len(elements), 77)
    for name, text in elements.items():
        items = text if isinstance(text, list) else [text] if text else []
        vm = len(items)
        kind = b"FD\0\0" if isinstance(text, list) else b"IS\0\0"
        out += struct.pack("<64si4s3i", name.encode(), vm, kind, 6, 6, 77)
        for item in [*(own.encode() + b"\0" for own in items), *([b""] * (6 - vm))]:
            out += struct.pack("<4i", len(item), len(item), 77, len(item))
            out += item + b"\0" * (-len(item) % 4)
    return out + b"\0" * (len(out) % 2)


def weighted(
    folder: Path,
    images: dict[float, Block],
    place: Callable[[Dataset, float], None] = b_standard,
    *,
    one_series: bool = True,
    edit: Edit | None = None,
    **tags: object,
) -> None:
    """A diffusion measurement with an image for each b-value, in one series or in one each."""
    for n, (b, content) in enumerate(images.items()):

        def weight(d: Dataset, k: int, b: float = b) -> None:
            place(d, b)
            if edit:
                edit(d, k)

        own = {"ScanningSequence": "EP", "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]}
        number = int(tags.get("SeriesNumber", 1)) + (0 if one_series else n)
        start = n * len(content.values)
        write(folder, content, start=start, edit=weight, **{**own, **tags, "SeriesNumber": number})
