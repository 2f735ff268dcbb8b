"""One DICOM header -> one `Instance`: what series are chosen, sorted and read by, and nothing more.

Every header is read once. Pixel data stay where they are; their place in the file is noted, so that an
image that is stored plainly is later read without parsing the file again.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
    UID_dictionary,
)

from crossover.sources.dicom.diffusion import Diffusion, diffusion
from crossover.sources.dicom.elements import kinds, number, numbers, text
from crossover.sources.dicom.files import FileRef
from crossover.sources.findings import Finding, Refused

# What pydicom says of an odd value quotes it, and a value may be a name: checks are our own.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

IMAGES = ("MR", "CT", "PT")
STRUCTURES = ("RTSTRUCT", "SEG")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
MAX_VALUES = 1 << 31
"""Pixels in one file: eight times a CT of 1,000 slices of 512 x 512."""
MAX_PLANE = 1 << 26
"""Pixels in one plane: 8,192 x 8,192."""
MAX_PACKING = 100_000
"""Bytes of pixels to a byte of compressed data; a large blank slice in JPEG-LS has a tenth of that."""
FAR_MM = 1e5
"""No image lies farther off, or has larger pixels."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One plane of an image."""

    index: int
    position: tuple[float, ...]
    """Centre of the first pixel, patient axes, mm (0020,0032); empty where the file gives none."""
    orientation: tuple[float, ...]
    """Direction cosines along a row and along a column (0020,0037); empty where the file gives none."""
    spacing: tuple[float, ...]
    """Between rows, between columns, mm (0028,0030); empty where the file gives none."""
    thickness: float
    kinds: tuple[str, ...]
    """ImageType (0008,0008) or FrameType (0008,9007), upper case."""
    slope: float
    intercept: float
    rescaled: bool
    """Whether the file gives a slope; else it is 1."""
    unit: str
    """Unit of the rescaled values, as the file names it; "" where it doesn't."""
    diffusion: Diffusion
    repeat: tuple[str, ...]
    """What tells repeated measurements of one plane apart: direction, echo, time point, acquisition."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where and how the pixel data are stored."""

    offset: int
    length: int
    syntax: str
    plain: bool
    """Uncompressed little endian integers, one sample a pixel: can be read as they lie."""
    bits: int
    stored: int
    """How many of the bits are the value's; what stands in the others is none of it."""
    signed: bool
    count: int
    """Images that the file declares."""
    contradiction: str = ""
    """What the header says of the pixels and can't be; such values would be misread."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One file's header. `text`, `patient`, `study` and the UIDs never leave the process."""

    file: FileRef
    patient: str
    study: str
    date: str
    acquired: str
    """When its acquisition began, else its series, as fourteen digits and more; "" where no time is told."""
    series: str
    uid: str
    modality: str
    frame_of_reference: str
    series_number: int
    number: int
    text: str
    """Series description and protocol name, which `description` rules search."""
    rows: int
    columns: int
    samples: int
    palette: bool
    """Whether pixels are indices of colours."""
    burnt_in: bool
    mosaic: bool
    tilt_deg: float
    pixels: Pixels | None
    frames: tuple[Frame, ...]
    references: tuple[str, ...]
    """Series that an RTSTRUCT or SEG was drawn on."""
    facts: tuple[tuple[str, str | float], ...]
    scanner: str
    """Maker, model and serial number, for a keyed hash."""

    @property
    def image(self) -> Pixels:
        """Return its pixels. Only for an instance that holds an image, such as those of a stack."""
        assert self.pixels is not None, f"{self.modality} without pixels"
        return self.pixels


def read_header(file: FileRef, mask: bool = False) -> Instance | Finding:
    """The header of one file, or why there is none. Never raises.

    Args:
        mask: whether it is a slice of a mask, which may be of any modality, and anybody's.
    """
    try:
        with warnings.catch_warnings(), file.open() as opened:
            warnings.simplefilter("ignore")
            return _read(file, opened, mask)
    except Refused as refused:
        return Finding(refused.finding.code, refused.finding.what, files=(file.token,))
    except (Exception, RecursionError) as error:  # damaged files raise nearly anything
        return Finding("unreadable", f"its header: {type(error).__name__}", files=(file.token,))


def _read(file: FileRef, opened: BinaryIO, mask: bool) -> Instance | Finding:
    head = opened.read(1024)
    if head[:4] == b"PK\3\4" and not _is_dicom(head):
        raise Refused("zip-refused", "an archive in an archive")
    if not _is_dicom(head):
        return Finding("not-dicom", "no DICOM", files=(file.token,))
    classes = {_uid_in(head, b"\2\0\2\0"), _uid_in(head, b"\x08\0\x16\0")} - {""}
    if what := no_image(classes):  # before it is parsed: it may be large, cut off or deflated
        return Finding("no-image", what, files=(file.token,))
    if DeflatedExplicitVRLittleEndian.encode() in head:  # of even length: no zero follows
        raise Refused("deflated", "the whole file is deflated")
    opened.seek(0)
    dataset = pydicom.dcmread(opened, stop_before_pixels=True, force=True)
    classes |= {text(dataset, "SOPClassUID")} - {""}
    if what := no_image(classes, "Rows" not in dataset):
        return Finding("no-image", what, files=(file.token,))
    if "MediaStorageDirectory" in str(text(dataset.file_meta, "MediaStorageSOPClassUID")):
        return Finding("not-dicom", "an index", files=(file.token,))
    if "DirectoryRecordSequence" in dataset:
        return Finding("not-dicom", "an index (DICOMDIR)", files=(file.token,))
    needed = ("SOPInstanceUID", "SeriesInstanceUID", "Modality")
    missing = [tag for tag in needed if not text(dataset, tag)]
    if missing:
        raise Refused("truncated", f"the header ends before {missing[0]}")
    if not (mask or file.patient or text(dataset, "PatientID").strip()):
        raise Refused("no-patient", "no PatientID")
    drawn = mask or text(dataset, "Modality") in (*IMAGES, "SEG")
    pixels = _pixels(dataset, opened) if drawn else None
    return _instance(file, dataset, pixels)


def _uid_in(head: bytes, tag: bytes) -> str:
    """A UID with explicit VR among a file's first bytes; "" where they hold none."""
    at = head.find(tag + b"UI")
    if at < 0:
        return ""
    start, length = at + 8, int.from_bytes(head[at + 6 : at + 8], "little")
    return head[start : start + length].decode("ascii", "replace").strip("\0 ")


def no_image(classes: Collection[str], bare: bool = False) -> str:
    """What an object is, where its SOP class holds neither an image nor a structure; else "".

    By the names of PS3.6: raw data, presentation states, reports, waveforms, spectra, plans, registrations.
    Dose is no image of the patient. A private class is known by what it lacks.

    Args:
        classes: of the file's meta information (0002,0002) and of the data set (0008,0016): where they
            contradict each other, one is damaged, and the object may be an image.
        bare: whether the object has no rows of pixels.
    """
    said = [_no_image(sop_class, bare) for sop_class in sorted(classes)]
    return said[0] if said and all(said) else ""


def _no_image(sop_class: str, bare: bool) -> str:
    if sop_class not in UID_dictionary:
        private = bare and UID(sop_class).is_valid
        return "an object of a private class, without pixels" if private else ""
    name, kind = UID(sop_class).name, UID(sop_class).type
    drawn = "Image" in name or name in WITH_PIXELS or sop_class == RTStructureSetStorage
    storage = kind == "SOP Class" and not drawn and "Directory" not in name
    return f"{name} is no image" if storage else ""


WITH_PIXELS = (
    "Segmentation Storage",
    "Label Map Segmentation Storage",
    "Height Map Segmentation Storage",
    "Parametric Map Storage",
)


def _is_dicom(head: bytes) -> bool:
    """With the prefix of part 10, or as a bare data set whose first element is of group 2 or 8."""
    if head[128:132] == b"DICM":
        return True
    group, element = head[:2], int.from_bytes(head[2:4], "little")
    return len(head) > 8 and group in (b"\x02\x00", b"\x08\x00") and element < 0x20


def _instance(file: FileRef, d: Dataset, pixels: Pixels | None) -> Instance:
    modality = text(d, "Modality")
    image = pixels is not None and modality not in STRUCTURES
    first = next(iter(d.get("PerFrameFunctionalGroupsSequence") or []), None)
    return Instance(
        file=file,
        patient=file.patient or text(d, "PatientID").strip(),
        study=text(d, "StudyInstanceUID"),
        date=text(d, "StudyDate") + text(d, "StudyTime"),
        acquired=_acquired(d),
        series=text(d, "SeriesInstanceUID"),
        uid=text(d, "SOPInstanceUID"),
        modality=modality,
        frame_of_reference=text(d, "FrameOfReferenceUID") or _structure_frame(d),
        series_number=int(number(d, "SeriesNumber", -1)),
        number=int(number(d, "InstanceNumber", 0)),
        text=f"{text(d, 'SeriesDescription')}\n{text(d, 'ProtocolName')}",
        rows=int(number(d, "Rows", 0)),
        columns=int(number(d, "Columns", 0)),
        samples=int(number(d, "SamplesPerPixel", 1)),
        palette=text(d, "PhotometricInterpretation").startswith("PALETTE"),
        burnt_in=text(d, "BurnedInAnnotation").upper() == "YES",
        mosaic="MOSAIC" in kinds(d, "ImageType"),
        tilt_deg=number(d, "GantryDetectorTilt", 0.0),
        pixels=pixels,
        frames=tuple(_frames(d)) if image else (),
        references=tuple(references(d)) if modality in STRUCTURES else (),
        facts=tuple(_facts(d, first)),
        scanner="\n".join(text(d, t) for t in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber")),
    )


def _acquired(d: Dataset) -> str:
    """From AcquisitionDateTime (0008,002A), or date and time of the acquisition or the series."""
    whole = text(d, "AcquisitionDateTime")
    if len(whole) >= 14 and whole[:14].isdecimal():
        return whole
    for of in ("Acquisition", "Series"):
        date = text(d, f"{of}Date") or text(d, "StudyDate")
        time = text(d, f"{of}Time").replace(":", "")
        if time[:6].isdecimal() and len(time) >= 6 and date.replace(".", "").isdecimal():
            return date.replace(".", "") + time
    return ""


def _frames(d: Dataset) -> Iterator[Frame]:
    """The planes of a classic image (one), or of an enhanced one (its functional groups)."""
    per_frame = d.get("PerFrameFunctionalGroupsSequence")
    if not per_frame:
        yield _frame(0, [d], d)
        return
    shared = next(iter(d.get("SharedFunctionalGroupsSequence") or []), Dataset())
    for i, own in enumerate(per_frame):
        nested = [g[m][0] for m in MACROS for g in (own, shared) if m in g and g[m].VM]
        yield _frame(i, [*nested, own, shared, d], d)


MACROS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "MRDiffusionSequence",
    "MREchoSequence",
    "FrameContentSequence",
    "RealWorldValueMappingSequence",
    "MRImagingModifierSequence",
)


def _frame(index: int, parts: list[Dataset], whole: Dataset) -> Frame:
    """One plane; an attribute is that of the first part that has it."""

    def first(tag: str, n: int) -> tuple[float, ...] | None:
        return next((v for p in parts if (v := numbers(p, tag, n))), None)

    def word(tag: str) -> str:
        return next((v for p in parts if (v := text(p, tag))), "")

    own = next((v for p in parts if (v := kinds(p, "FrameType"))), kinds(whole, "ImageType"))
    rescale = _rescale(parts)
    slope, intercept, unit = rescale or (1.0, 0.0, "")
    found = diffusion(parts, whole, own, unit)
    return Frame(
        index=index,
        position=_within(first("ImagePositionPatient", 3), -FAR_MM, FAR_MM),
        orientation=_orientation(first("ImageOrientationPatient", 6)),
        spacing=_within(first("PixelSpacing", 2), 1 / FAR_MM, FAR_MM),
        thickness=(first("SliceThickness", 1) or (0.0,))[0],
        kinds=own,
        slope=slope,
        intercept=intercept,
        rescaled=rescale is not None,
        unit=unit,
        diffusion=found,
        repeat=(
            str(found.direction),
            word("EchoNumbers") or word("EffectiveEchoTime"),
            word("TemporalPositionIdentifier") or word("TemporalPositionIndex"),
            word("AcquisitionNumber") or word("FrameAcquisitionNumber"),
            word("TriggerTime"),
            word("ContentTime"),
        ),
    )


def _rescale(parts: list[Dataset]) -> tuple[float, float, str] | None:
    """Slope, intercept and unit: RescaleSlope (0028,1053), else the real-world mapping (0040,9096)."""
    for part in parts:
        if "RescaleSlope" in part:
            unit = text(part, "RescaleType")
            return number(part, "RescaleSlope", 1.0), number(part, "RescaleIntercept", 0.0), unit
    for part in parts:
        if "RealWorldValueSlope" in part or part.get("RealWorldValueMappingSequence"):
            own = part if "RealWorldValueSlope" in part else part.RealWorldValueMappingSequence[0]
            codes = own.get("MeasurementUnitsCodeSequence")
            unit = text(codes[0], "CodeValue") if codes else ""
            slope = number(own, "RealWorldValueSlope", 1.0)
            return slope, number(own, "RealWorldValueIntercept", 0.0), unit
    return None


def _pixels(d: Dataset, opened: BinaryIO) -> Pixels:
    """Where the pixel data lie; pydicom stopped before their tag.

    Raises:
        Refused: where there are none, fewer than the header declares, or absurdly many.
    """
    syntax = getattr(d.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian)
    offset, length, name = _element(opened, d)
    sizes = [int(number(d, t, 0)) for t in ("Rows", "Columns", "BitsAllocated")]
    sizes += [int(number(d, t, 1)) for t in ("NumberOfFrames", "SamplesPerPixel")]
    if min(sizes) <= 0:
        raise Refused("unreadable", "no size or bit depth of its pixels")
    bits = sizes[2]
    count = math.prod(sizes) // bits
    if count > MAX_VALUES or sizes[0] * sizes[1] > MAX_PLANE:
        raise Refused("too-large", f"declares {count} pixels")
    end = opened.seek(0, os.SEEK_END)
    uncompressed = syntax in PLAIN or str(syntax) == "1.2.840.10008.1.2.2"
    needed = max(1, count * bits // 8 // (1 if uncompressed else MAX_PACKING))
    if offset + max(needed, length if length != 0xFFFFFFFF else 0) > end:
        raise Refused("truncated", f"{end - offset} of {needed} bytes of its pixels are there")
    stored, signed = stored_bits(d), int(number(d, "PixelRepresentation", 0)) == 1
    whole = bits in (8, 16, 32) and int(number(d, "SamplesPerPixel", 1)) == 1
    plain = syntax in PLAIN and whole and name == "PixelData" and not (signed and stored < bits)
    odd = contradiction(d)
    # Another matrix, depth or number of frames than declared; a few bytes are padding.
    if not odd and uncompressed and length * 8 >= (count + count // sizes[3]) * bits:
        odd = f"{length} bytes of pixels, where {needed} are declared"
    return Pixels(offset, length, str(syntax), plain, bits, stored, signed, sizes[3], odd)


def stored_bits(d: Dataset) -> int:
    """BitsStored (0028,0101); where it isn't given, as many as HighBit (0028,0102) or BitsAllocated tell."""
    high = number(d, "HighBit", number(d, "BitsAllocated", 0) - 1)
    return int(number(d, "BitsStored", high + 1))


def contradiction(d: Dataset) -> str:
    """What of the bits of stored values can't be, by PS3.5, 8.1.1; "" where nothing is wrong.

    HighBit (0028,0102) is one less than BitsStored (0028,0101), which is BitsAllocated (0028,0100) at most.
    Old files kept values in the upper bits; as many have a wrong HighBit only, so neither is guessed.
    """
    bits, stored = int(number(d, "BitsAllocated", 0)), stored_bits(d)
    high, sign = int(number(d, "HighBit", stored - 1)), int(number(d, "PixelRepresentation", 0))
    if high == stored - 1 and 1 <= stored <= bits and sign in (0, 1):
        return ""
    told = f"{bits} bits allocated, {stored} stored, the highest being bit {high}"
    return told if sign in (0, 1) else f"{told}; representation {sign}"


def _element(opened: BinaryIO, d: Dataset) -> tuple[int, int, str]:
    """Offset of the value, its length, and which of the pixel elements it is."""
    head = opened.read(12)
    little = d.original_encoding[1] is not False
    order: Literal["little", "big"] = "little" if little else "big"
    group, element = int.from_bytes(head[:2], order), int.from_bytes(head[2:4], order)
    names = {0x0010: "PixelData", 0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData"}
    if len(head) < 8 or group != 0x7FE0 or element not in names:
        raise Refused("truncated", "it ends before its pixels")
    if d.original_encoding[0]:  # implicit VR: a length of four bytes follows the tag
        return opened.tell() - len(head) + 8, int.from_bytes(head[4:8], order), names[element]
    return opened.tell(), int.from_bytes(head[8:12], order), names[element]


def references(d: Dataset) -> Iterator[str]:
    """Series that contours or segments were drawn on."""
    for frame in d.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for series in study.get("RTReferencedSeriesSequence") or []:
                yield text(series, "SeriesInstanceUID")
    for series in d.get("ReferencedSeriesSequence") or []:
        yield text(series, "SeriesInstanceUID")


def _structure_frame(d: Dataset) -> str:
    """The one frame of reference of a structure set; "" where it has several."""
    rois = d.get("StructureSetROISequence") or []
    named = {text(roi, "ReferencedFrameOfReferenceUID") for roi in rois}
    return named.pop() if len(named) == 1 else ""


MAKERS = ("siemens", "ge medical", "philips", "toshiba", "canon", "hitachi", "uih", "varian")


def _facts(d: Dataset, first: Dataset | None) -> Iterator[tuple[str, str | float]]:
    """The allow-list of what may be told: numbers, and words of a closed list. No free text."""
    maker = text(d, "Manufacturer").lower()
    yield "manufacturer", next((m for m in MAKERS if m in maker), "other")
    sex = text(d, "PatientSex").upper()
    if sex in ("F", "M", "O"):
        yield "sex", sex
    age = text(d, "PatientAge")
    if age[:3].isdecimal() and age[3:] == "Y":
        yield "age_years", min(int(age[:3]), 90)  # ages above 89 can tell who it is
    numbers = {
        "field_strength_t": "MagneticFieldStrength",
        "tube_voltage_kv": "KVP",
        "slice_thickness_mm": "SliceThickness",
        "repetition_time_ms": "RepetitionTime",
        "echo_time_ms": "EchoTime",
    }
    for name, tag in numbers.items():
        if tag in d and (value := number(d, tag, 0.0)) > 0:
            yield name, value


def _within(found: tuple[float, ...] | None, low: float, high: float) -> tuple[float, ...]:
    """The numbers where all lie within the limits, else none; what is absurd is as good as missing."""
    return found if found and low <= min(found) and max(found) <= high else ()


def _orientation(cosines: tuple[float, ...] | None) -> tuple[float, ...]:
    """Two unit vectors at right angles, else nothing."""
    if cosines is None:
        return ()
    row, column = cosines[:3], cosines[3:]
    lengths = [math.hypot(*row), math.hypot(*column)]
    dot = sum(a * b for a, b in zip(row, column))
    unit = all(abs(length - 1) < 0.01 for length in lengths) and abs(dot) < 0.01
    return cosines if unit else ()
