"""One DICOM header -> one `Instance`: what series are chosen, sorted and read by, and nothing more.

Every header is read once. Pixel data stay where they are; their place in the file is noted, so that an
image that is stored plainly is later read without parsing the file again.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RTStructureSetStorage, UID_dictionary

from crossover.sources.dicom.derived import is_diffusivity
from crossover.sources.dicom.diffusion import Diffusion, diffusion, signal_scale
from crossover.sources.dicom.elements import kinds, number, numbers, text
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.mosaic import Tiles, tiles
from crossover.sources.dicom.mosaic import frames as mosaic_frames
from crossover.sources.dicom.pixel_data import Pixels, pixels_of
from crossover.sources.findings import Finding, Refused

# What pydicom says of an odd value quotes it, and a value may be a name: checks are our own.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

IMAGES = ("MR", "CT", "PT")
STRUCTURES = ("RTSTRUCT", "SEG")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
WITH_PIXELS = (
    "Segmentation Storage",
    "Label Map Segmentation Storage",
    "Height Map Segmentation Storage",
    "Parametric Map Storage",
)
FAR_MM = 1e5
"""The largest coordinate and pixel size that a header may give, in mm; its inverse is the smallest pixel size."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One plane of an image."""

    index: int
    position: tuple[float, ...]
    """The centre of the first pixel, patient axes, mm (0020,0032); empty where the file gives none."""
    orientation: tuple[float, ...]
    """The direction cosines along a row and along a column (0020,0037); empty where the file gives none."""
    spacing: tuple[float, ...]
    """The distances of rows and of columns, mm (0028,0030); empty where the file gives none."""
    thickness: float
    kinds: tuple[str, ...]
    """The values of ImageType (0008,0008) or FrameType (0008,9007), upper case."""
    slope: float
    intercept: float
    rescaled: bool
    """Whether the file gives a slope; else it is 1."""
    tabled: str
    """Why slope and intercept don't give the values: a table maps the stored ones; "" where they do."""
    unit: str
    """The unit of the rescaled values, as the file names it; "" where it doesn't."""
    signal_scale: float | None
    """What rescaled values must be divided by to compare images of one examination; None where no header has it."""
    diffusion: Diffusion
    repeat: tuple[str, ...]
    """What distinguishes repeated measurements of one plane: direction, echo, time point, acquisition."""
    apart_mm: float
    """The distance of neighbouring slices that the header gives (0018,0088), never negative; 0 where it gives none."""
    settings: tuple[str, ...]
    """AcquisitionNumber, ConvolutionKernel, KVP and EchoTime (these two to two digits); "" where there is none."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One file's header. `text`, `patient`, `study` and the UIDs never leave the process."""

    file: FileRef
    patient: str
    study: str
    date: str
    acquired: str
    """When its acquisition began, else its series, as fourteen digits and more; "" where the header has no time."""
    series: str
    uid: str
    modality: str
    frame_of_reference: str
    series_number: int
    number: int
    text: str
    """The series description and protocol name, which `description` rules search."""
    rows: int
    columns: int
    samples: int
    palette: bool
    """Whether pixels are indices of colours."""
    burnt_in: bool
    mosaic: str
    """Why a mosaic can't be parted into its slices; "" for other images, and for those that can."""
    tiles: Tiles | None
    """How a mosaic is tiled: rows, columns and frames are those of its tiles."""
    tilt_deg: float
    pixels: Pixels | None
    frames: tuple[Frame, ...]
    references: tuple[str, ...]
    """The series that an RTSTRUCT or SEG was drawn on."""
    declared: int
    """The number of images that the header gives for the acquisition (0020,1002), or for a PET's volume (0054,0081);
    0 where it gives none."""
    facts: tuple[tuple[str, str | float], ...]
    scanner: str
    """The maker, model and serial number, for a keyed hash."""
    person: tuple[str, str, str] = ("", "", "")
    """The name, birth date and sex, for a keyed hash; they never leave the process."""
    units: str = ""
    """The unit of a PET's values (0054,1001), as BQML or GML; "" where the header gives none."""

    @property
    def image(self) -> Pixels:
        """The place and form of its pixels; only for an instance that holds an image, such as those of a stack."""
        assert self.pixels is not None, f"{self.modality} without pixels"
        return self.pixels


def read_header(file: FileRef, mask: bool = False) -> Instance | Finding:
    """Read the header of one file, or say why there is none. It never raises.

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
        return Finding("unreadable", f"the header cannot be read ({type(error).__name__})", files=(file.token,))


def _read(file: FileRef, opened: BinaryIO, mask: bool) -> Instance | Finding:
    head = opened.read(1024)
    if head[:4] == b"PK\3\4" and not _is_dicom(head):
        raise Refused("zip-refused", "an archive where a DICOM file should be")
    if not _is_dicom(head):
        return Finding("not-dicom", "no DICOM file", files=(file.token,))
    classes = {_uid_in(head, b"\2\0\2\0"), _uid_in(head, b"\x08\0\x16\0")} - {""}
    if what := no_image(classes):  # before it is parsed: it may be large, cut off or deflated
        return Finding("no-image", what, files=(file.token,))
    if DeflatedExplicitVRLittleEndian.encode() in head:  # of even length: no zero follows
        raise Refused("deflated", "deflated as a whole (transfer syntax Deflated Explicit VR Little Endian)")
    opened.seek(0)
    dataset = pydicom.dcmread(opened, stop_before_pixels=True, force=True)
    classes |= {text(dataset, "SOPClassUID")} - {""}
    if what := no_image(classes, "Rows" not in dataset):
        return Finding("no-image", what, files=(file.token,))
    if "DirectoryRecordSequence" in dataset:
        return Finding("not-dicom", "an index (DICOMDIR)", files=(file.token,))
    needed = ("SOPInstanceUID", "SeriesInstanceUID", "Modality")
    missing = [tag for tag in needed if not text(dataset, tag)]
    if missing:
        raise Refused("truncated", f"the header has no {missing[0]}")
    if not (mask or file.patient or text(dataset, "PatientID").strip()):
        raise Refused("no-patient", "the header has no PatientID")
    drawn = mask or text(dataset, "Modality") in (*IMAGES, "SEG")
    pixels = pixels_of(dataset, opened) if drawn else None
    return _instance(file, dataset, pixels)


def _uid_in(head: bytes, tag: bytes) -> str:
    """Return a UID with explicit VR among a file's first bytes; "" where they hold none."""
    at = head.find(tag + b"UI")
    if at < 0:
        return ""
    start, length = at + 8, int.from_bytes(head[at + 6 : at + 8], "little")
    return head[start : start + length].decode("ascii", "replace").strip("\0 ")


def _is_dicom(head: bytes) -> bool:
    """Return whether it has the prefix of part 10, or is a bare data set whose first element is of group 2 or 8."""
    if head[128:132] == b"DICM":
        return True
    group, element = head[:2], int.from_bytes(head[2:4], "little")
    return len(head) > 8 and group in (b"\x02\x00", b"\x08\x00") and element < 0x20


def _instance(file: FileRef, d: Dataset, pixels: Pixels | None) -> Instance:
    modality = text(d, "Modality")
    image = pixels is not None and modality not in STRUCTURES
    per_frame = d.get("PerFrameFunctionalGroupsSequence")
    tiled = tiles(d) if image and not per_frame and "MOSAIC" in kinds(d, "ImageType") else None
    of_tiles = tiled if isinstance(tiled, Tiles) else None
    planes = tuple(_frames(d)) if image else ()
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
        rows=of_tiles.rows if of_tiles else int(number(d, "Rows", 0)),
        columns=of_tiles.columns if of_tiles else int(number(d, "Columns", 0)),
        samples=int(number(d, "SamplesPerPixel", 1)),
        palette=text(d, "PhotometricInterpretation").startswith("PALETTE"),
        burnt_in=text(d, "BurnedInAnnotation").upper() == "YES",
        mosaic=tiled if isinstance(tiled, str) else "",
        tiles=of_tiles,
        tilt_deg=number(d, "GantryDetectorTilt", 0.0),
        pixels=pixels,
        frames=mosaic_frames(planes[0], of_tiles) if of_tiles else planes,
        references=tuple(references(d)) if modality in STRUCTURES else (),
        declared=int(number(d, "ImagesInAcquisition", number(d, "NumberOfSlices", 0))),
        facts=tuple(_facts(d, first)),
        scanner="\n".join(text(d, t) for t in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber")),
        person=(text(d, "PatientName"), text(d, "PatientBirthDate"), text(d, "PatientSex")),
        units=text(d, "Units"),
    )


def _acquired(d: Dataset) -> str:
    """Return AcquisitionDateTime (0008,002A), else date and time of the acquisition or the series."""
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
    """Yield the planes of a classic image (one), or of an enhanced one (its functional groups)."""
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
    "CTReconstructionSequence",
    "CTXRayDetailsSequence",
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "MRDiffusionSequence",
    "MREchoSequence",
    "FrameContentSequence",
    "RealWorldValueMappingSequence",
    "MRImagingModifierSequence",
)


def _frame(index: int, parts: list[Dataset], whole: Dataset) -> Frame:
    """Return one plane; an attribute is that of the first part that has it."""

    def first(tag: str, n: int) -> tuple[float, ...] | None:
        return next((v for p in parts if (v := numbers(p, tag, n))), None)

    def word(tag: str) -> str:
        return next((v for p in parts if (v := text(p, tag))), "")

    own = next((v for p in parts if (v := kinds(p, "FrameType"))), kinds(whole, "ImageType"))
    rescale = _rescale(parts)
    slope, intercept, unit, _ = rescale or (1.0, 0.0, "", False)
    tabled = _tabled(parts, rescale)
    found = diffusion(parts, whole, own, unit)
    acquisition = word("AcquisitionNumber") or word("FrameAcquisitionNumber")
    measured = (first("KVP", 1), first("EchoTime", 1) or first("EffectiveEchoTime", 1))
    return Frame(
        index=index,
        position=_within(first("ImagePositionPatient", 3), -FAR_MM, FAR_MM),
        orientation=_orientation(first("ImageOrientationPatient", 6)),
        spacing=_within(first("PixelSpacing", 2), 1 / FAR_MM, FAR_MM),
        thickness=(first("SliceThickness", 1) or (0.0,))[0],
        kinds=own,
        slope=slope,
        intercept=intercept,
        rescaled=rescale is not None and rescale[3],
        tabled=tabled,
        unit=unit,
        signal_scale=signal_scale(parts, whole, slope),
        diffusion=found,
        repeat=(
            str(found.direction),
            word("EchoNumbers") or word("EffectiveEchoTime"),
            word("TemporalPositionIdentifier") or word("TemporalPositionIndex"),
            acquisition,
            word("TriggerTime"),
            word("ContentTime"),
        ),
        apart_mm=abs((first("SpacingBetweenSlices", 1) or (0.0,))[0]),
        settings=(acquisition, word("ConvolutionKernel"), *(f"{v[0]:.2g}" if v else "" for v in measured)),
    )


def _rescale(parts: list[Dataset]) -> tuple[float, float, str, bool] | None:
    """Return slope, intercept (0 where there is none), unit, and whether there is an intercept.

    They are those of RescaleSlope (0028,1053), else of the real-world mapping (0040,9096); an empty slope is none.

    Both are of the stored values. A mapping to an ADC's unit goes before a rescale to none, which is for display.
    """
    of_rescale = ("RescaleSlope", "RescaleIntercept")
    rescale = next(
        (
            (*_line(p, *of_rescale), text(p, "RescaleType"), numbers(p, "RescaleIntercept") is not None)
            for p in parts
            if numbers(p, "RescaleSlope")
        ),
        None,
    )
    mappings = [mapping for part in parts for mapping in _mappings(part)]
    of_adc = next((mapping for mapping in mappings if is_diffusivity(mapping[2])), None)
    if rescale and (of_adc is None or is_diffusivity(rescale[2])):
        return rescale
    return of_adc or next(iter(mappings), None)


def _mappings(part: Dataset) -> Iterator[tuple[float, float, str, bool]]:
    """Yield what `_rescale` returns of each real-world mapping that has a slope, and not a table of values."""
    of_mapping = ("RealWorldValueSlope", "RealWorldValueIntercept")
    for own in _real_world(part):
        if numbers(own, of_mapping[0]):
            yield *_line(own, *of_mapping), _unit(own), numbers(own, of_mapping[1]) is not None


def _real_world(part: Dataset) -> list[Dataset]:
    """Return what may be a real-world mapping: the part, which is one in the macro, and the items of its sequence."""
    return [part, *(part.get("RealWorldValueMappingSequence") or [])]


def _unit(mapping: Dataset) -> str:
    codes = mapping.get("MeasurementUnitsCodeSequence")
    return text(codes[0], "CodeValue") if codes else ""


def _tabled(parts: list[Dataset], line: tuple[float, float, str, bool] | None) -> str:
    """Return which table, that isn't read, gives the values; "" where the slope and intercept that are read do.

    A real-world mapping may have a table (RealWorldValueLUTData (0040,9212)) instead of a slope, or be one of several
    for a part of the stored values each. A rescale, or another mapping, goes before it unless the table is of an
    ADC's unit and they are not. A Modality LUT (0028,3000) stands instead of a rescale.
    """
    mappings = [own for part in parts for own in _real_world(part)]
    tables = [own for own in mappings if "RealWorldValueLUTData" in own]
    of_adc = any(is_diffusivity(_unit(own)) for own in tables)
    if tables and (line is None or (of_adc and not is_diffusivity(line[2]))):
        return "a table of real-world values (0040,9212) gives its values"
    if line is None:
        return "a Modality LUT (0028,3000) gives its values" * any("ModalityLUTSequence" in p for p in parts)
    alike = [own for own in mappings if "RealWorldValueSlope" in own and _unit(own) == line[2]]
    lines = {_line(own, "RealWorldValueSlope", "RealWorldValueIntercept") for own in alike}
    ranges = {str(own.get("RealWorldValueFirstValueMapped")) for own in alike}
    several = line[:2] in lines and len(lines) > 1 and len(ranges) > 1
    return "several real-world mappings (0040,9096), each of a range, give its values" * several


def _line(part: Dataset, slope: str, intercept: str) -> tuple[float, float]:
    return number(part, slope, 1.0), number(part, intercept, 0.0)


def references(d: Dataset) -> Iterator[str]:
    """Yield the series that contours or segments were drawn on."""
    for frame in d.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for series in study.get("RTReferencedSeriesSequence") or []:
                yield text(series, "SeriesInstanceUID")
    for series in d.get("ReferencedSeriesSequence") or []:
        yield text(series, "SeriesInstanceUID")


def _structure_frame(d: Dataset) -> str:
    """Return the one frame of reference of a structure set; "" where it has several."""
    rois = d.get("StructureSetROISequence") or []
    named = {text(roi, "ReferencedFrameOfReferenceUID") for roi in rois}
    return named.pop() if len(named) == 1 else ""


MAKERS = ("siemens", "ge medical", "philips", "toshiba", "canon", "hitachi", "uih", "varian")


def _facts(d: Dataset, first: Dataset | None) -> Iterator[tuple[str, str | float]]:
    """Yield the allow-list of what may be told: numbers, and words of a closed list. No free text."""
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
    """Return the numbers where all lie within the limits, else none; what is absurd is as good as missing."""
    return found if found and low <= min(found) and max(found) <= high else ()


def _orientation(cosines: tuple[float, ...] | None) -> tuple[float, ...]:
    """Return two unit vectors at right angles, else nothing."""
    if cosines is None:
        return ()
    row, column = cosines[:3], cosines[3:]
    lengths = [math.hypot(*row), math.hypot(*column)]
    dot = sum(a * b for a, b in zip(row, column))
    unit = all(abs(length - 1) < 0.01 for length in lengths) and abs(dot) < 0.01
    return cosines if unit else ()


def no_image(classes: Collection[str], bare: bool = False) -> str:
    """Return what an object is whose SOP class holds neither an image nor a structure; "" for one that may.

    Kinds are called by the names of PS3.6: raw data, presentation states, reports, waveforms, spectra, plans,
    registrations. Dose is no image of the patient. A private class is known by what it lacks.

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
        return "an object of a private class without pixels" if private else ""
    name, kind = UID(sop_class).name, UID(sop_class).type
    drawn = "Image" in name or name in WITH_PIXELS or sop_class == RTStructureSetStorage
    storage = kind == "SOP Class" and not drawn and "Directory" not in name
    return f"{name}, which contains no image" if storage else ""
