"""The settings of every source of cases, chosen by `kind`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    StrictInt,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from crossover.core.configuration import PREFIX
from crossover.core.file_names import file_name
from crossover.phantoms.head_neck.settings import HeadNeckSource
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.phantoms.prostate.settings import ProstateSource

FileName = Annotated[str, AfterValidator(file_name)]
"""The name of a channel or structure, after which files of cases are called."""


def pattern(value: str) -> str:
    """Check a pattern of paths below a source; return it unchanged.

    Raises:
        ValueError: no path below a source can fit it.
    """
    if set(re.findall(r"{.*?}|[{}]", value)) - {"{patient}"}:
        raise ValueError(f"{value!r}: {{patient}} is the only name in braces that is known")
    if not value or value.startswith("/") or {"", ".", ".."} & set(value.split("/")):
        raise ValueError(f"{value!r} is not a path below the source")
    return value


Pattern = Annotated[str, AfterValidator(pattern)]
"""A pattern of paths below a source: "labels/**/{patient}*.nrrd"."""


class StructureCode(BaseModel, extra="forbid", frozen=True):
    """What a structure is in coded terms; the DICOM objects that `crossover segment --dicom` writes carry it."""

    value: str | None = Field(default=None, min_length=1, max_length=16)
    """CodeValue (0008,0100), as "41216001". Without one it is SNOMED's "Organ", 91772007."""
    meaning: str | None = Field(default=None, min_length=1, max_length=64)
    """CodeMeaning (0008,0104), as "Prostate": given where `value` is."""
    scheme: str = Field(default="SCT", min_length=1, max_length=16)
    """CodingSchemeDesignator (0008,0102): SCT is SNOMED CT."""
    category: Literal["anatomical structure", "morphologically abnormal structure", "tissue"] = "anatomical structure"
    """SegmentedPropertyCategoryCodeSequence (0062,0003)."""
    side: Literal["left", "right"] | None = None
    """The side of the body, for DICOM objects."""
    tg263: str | None = Field(default=None, min_length=1, max_length=16)
    """The structure's name by AAPM TG-263, as Parotid_L: what it is called in an RTSTRUCT, instead of its label."""

    @model_validator(mode="after")
    def _is_whole(self) -> StructureCode:
        if (self.value is None) != (self.meaning is None):
            raise ValueError("a code has a value and a meaning: give both, or neither")
        return self


Byte = Annotated[int, Field(ge=0, le=255)]


class StructureName(BaseModel, extra="forbid", frozen=True):
    """What identifies a structure where its name alone doesn't: all that is given must hold."""

    name: str | StrictInt | None = None
    """A name, as an entry of `Structure.names` is; None for any."""
    colour: tuple[Byte, Byte, Byte] | None = None
    """Red, green and blue: ROIDisplayColor (3006,002A), or RecommendedDisplayCIELabValue (0062,000D) in sRGB."""
    reader: str | None = None
    """The name of who drew it: ROIInterpreter (3006,00A6), ContentCreatorName (0070,0084), ReviewerName (300E,0008) or
    OperatorsName (0008,1070); case, spaces and punctuation don't matter."""
    series_number: int | None = None
    """SeriesNumber (0020,0011) of the RTSTRUCT or SEG object."""
    file: Pattern | None = None
    """Where the object lies below the source, as a pattern like a label map's: "**/reader_2/*"."""
    order: Annotated[int, Field(ge=1)] | None = None
    """Its place among a patient's structures for which all else holds, by file and number, counted from 1."""


class Structure(BaseModel, extra="forbid", frozen=True):
    """What is segmented."""

    label: str
    """What it is called in figures, tables and the report."""
    names: list[str | StrictInt | StructureName] = []
    """What RTSTRUCT and SEG objects call it; the key itself where none is given. Case, spaces and
    punctuation don't matter: `Parotid_L` is also "PAROTID L". A name is compared with ROI names and segments'
    labels, else descriptions, else coded meanings; a whole number with the numbers of ROIs and segments. Where one name
    is several structures', as two readers', an entry of `StructureName` says which is meant."""
    code: StructureCode | None = Field(default=None, exclude=True)
    """The code in DICOM objects that are written. Dumps of the settings leave it out, since it changes no result."""


Plane = Literal["axial", "sagittal", "coronal"]


Repeated = Literal["refuse", "first", "last", "most_slices"]


class SeriesChoice(BaseModel, extra="forbid", frozen=True):
    """Which of several series is one patient's, where the rule alone would leave it open."""

    series_number: int | None = None
    """SeriesNumber (0020,0011) of the series to take."""
    repeated: Repeated | None = None
    """Which of several series that match is taken."""


class SeriesRule(BaseModel, extra="forbid", frozen=True):
    """Which DICOM series is a channel: all that is given must match."""

    modality: str
    """Modality (0008,0060): MR, CT or PT."""
    plane: Plane | None = None
    """The anatomical plane that the images are nearest to."""
    b_value: float | None = None
    """The diffusion b-value in s/mm², from the standard attribute or the maker's private one. It matches measured
    images only, never a map."""
    calculated: bool = False
    """Whether images that were calculated for the b-value, or derived in an unknown way, count too;
    measured ones go before them."""
    image_type: str | None = None
    """A value of ImageType (0008,0008) or FrameType (0008,9007)."""
    description: str | None = None
    """A regular expression that the series' description or protocol name contains, in any case."""
    computed_from: list[float] | None = Field(default=None, min_length=2)
    """An ADC map may be fitted from the images at these b-values where the examination has none: from those
    that match all else that is given, but for `image_type`."""
    series_number: int | None = None
    """SeriesNumber (0020,0011)."""
    repeated: Repeated = "refuse"
    """Which of several series (or volumes of one) that match is taken, by the time of acquisition or, where
    not all have it, by number."""
    by_patient: dict[str, SeriesChoice] = {}
    """Case or patient, by its pseudonym in the report -> what holds for it instead."""

    def of(self, case: str, patient: str) -> SeriesRule:
        """Return the rule as it holds for one case; what names the case has precedence over what names its patient."""
        own = self.by_patient.get(case) or self.by_patient.get(patient) or SeriesChoice()
        return self.model_copy(update={"by_patient": {}, **own.model_dump(exclude_none=True)})

    def at_b_value(self, b_value: float) -> SeriesRule:
        """Return the rule of the images that an ADC map is fitted from."""
        other = {"b_value": b_value, "image_type": None, "computed_from": None}
        return self.model_copy(update=other)

    @field_validator("description")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return value


OtherGrids = Literal["refuse", "nearest", "linear", "bspline"]
"""What is done with a channel that is not on the first channel's grid: its case is excluded, or it is resampled."""


BlankEnds = Literal["keep", "cut"]
"""What is done with slices at a volume's ends in which an image was blanked: they are kept, or cut off."""


class IngestRules(BaseModel, extra="forbid"):
    """The rules by which series are channels and names are structures, of a study or in a file of their own."""

    series: dict[FileName, SeriesRule] = {}
    structures: dict[FileName, Structure] = {}
    other_grids: OtherGrids = "refuse"
    """What is done with a channel on another grid than the first one's, which is the grid of the case."""
    blank_ends: BlankEnds = "keep"
    """What is done with slices at a volume's ends in which next to nothing is left of the image."""


COLUMN = re.compile(r"{([^{}]*)}")


def columns_in(value: str) -> list[str]:
    """Return the columns that a pattern of files names: "{id}/{visit}.nii.gz" has id and visit."""
    return [name.strip() for name in COLUMN.findall(value)]


def columns_pattern(value: str) -> str:
    """Check a pattern of files below the data, with `{column}` for a patient's value; return it unchanged.

    What stands in braces is a column's name, whatever characters it has; this is no format of Python's.

    Raises:
        ValueError: it is no such pattern.
    """
    if {"{", "}"} & set(COLUMN.sub("", value)):
        raise ValueError(f"{value!r}: an opening brace needs a closing one, with a column's name between them")
    for name in columns_in(value):
        if not name or name.isdigit():
            raise ValueError(f"{value!r}: {{{name}}} names no column; write {{column}}")
        if re.search(r"![rsa]$|:[^:]*$", name):
            raise ValueError(
                f"{value!r}: {{{name}}} has a format, which is not known here: a column's values are taken "
                "as they stand; write {column}, and add a column that holds what the files are called"
            )
    return below(value)


def below(value: str) -> str:
    """Check a path below the folder of the data; return it unchanged.

    Raises:
        ValueError: it leads out of the folder.
    """
    if leads_out(value):
        raise ValueError(f"{value!r} is not a path below the folder of the data")
    return value


def leads_out(path: str) -> bool:
    """Return whether a path is absolute or goes up; links are followed, since whoever made them meant it."""
    return not path or path.startswith(("/", "~")) or ".." in re.split(r"[/\\]", path)


ColumnsPattern = Annotated[str, AfterValidator(columns_pattern)]


class VolumeStructure(BaseModel, extra="forbid"):
    """The file of a structure, and the labels that stand for it."""

    file: ColumnsPattern
    """Where the file lies, as a pattern with the table's columns in braces."""
    label: int | None = None
    """The structure's value in a label map; None for any non-zero value."""


class VolumeImage(BaseModel, extra="forbid"):
    """The file of a channel that shares it with others, as in the Medical Segmentation Decathlon."""

    file: ColumnsPattern
    """Where the file lies, as a pattern with the table's columns in braces."""
    volume: Annotated[int, Field(ge=0)]
    """Which of the volumes along the file's fourth axis, counted from 0."""


def _form_of_channel(value: object) -> str:
    return "<file>" if isinstance(value, str) else "<volume>"


VolumeChannel = Annotated[
    Annotated[ColumnsPattern, Tag("<file>")] | Annotated[VolumeImage, Tag("<volume>")],
    Discriminator(_form_of_channel),
]
"""The file of a channel, or a volume of a file. Tags are in brackets, so that the place of an error has none in it."""


class LabelMap(VolumeStructure):
    """A structure that comes beside the images: a NIfTI or NRRD file, or a folder of DICOM slices.

    `file` is its place below the source. `{patient}` in it is the patient, `*` any part of one name, and
    `**/` any folders: "labels/**/{patient}*.nrrd", "{patient}/GT/prostate".
    """

    file: Pattern
    """Where it lies below the source, as a pattern; see above."""
    slices: Literal["positions", "names"] = "positions"
    """Where a DICOM slice of the mask belongs: where its header says, or on the image's file of its own
    name, whatever its header says of its place."""


Prefix = Annotated[str, StringConstraints(pattern=PREFIX, max_length=20)]


class Export(BaseModel, extra="forbid"):
    """The settings of a folder of DICOM files beside the rules for its series."""

    patients: Literal["id", "folder"] = "id"
    """What identifies patients, and stands for `{patient}`: the PatientID (0010,0020), or the first folder below the
    source, where a set was given one PatientID for all, or none. An archive counts as a folder."""
    prefix: Prefix = ""
    """What stands before each patient's name from here on, where two cohorts number different people alike."""
    images: Pattern | None = None
    """The folders that hold images, as a pattern like a label map's: "*/T2W". None: all."""
    label_maps: dict[FileName, LabelMap] = {}
    """Structures that come as files beside the images."""
    allow: list[str] = []
    """Codes of findings, or names of cases, that may exclude a case without failing the run."""


class RulesFile(IngestRules, Export):
    """Rules in a file of their own, for `crossover ingest --rules`."""

    series: dict[FileName, SeriesRule] = Field(min_length=1)


class VolumesSource(BaseModel, extra="forbid"):
    """A folder of NIfTI or NRRD volumes with a table of patients: a row for each scan.

    `{column}` in a file name is replaced by the row's value in that column of the table. Rows with the same
    patient are several cases of that patient, whom no split divides.

    Without a table the patients are those whose files are all there, and what stands for `{column}` in the first
    channel's file is their row: "imagesTr/{patient}_0000.nii.gz" and "labelsTr/{patient}.nii.gz".
    """

    kind: Literal["volumes"]
    folder: Annotated[str, AfterValidator(below)] = "."
    """Where the table and all files are, below the folder of the data."""
    table: Annotated[str, AfterValidator(below)] | None = "patients.csv"
    """The table: CSV, TSV, semicolons or .xlsx (see `crossover.core.tables`). None (null): files identify patients."""
    patient: str = "patient"
    """The column that identifies patients."""
    prefix: Prefix = ""
    """What stands before each patient's name from here on, where two cohorts number different people alike."""
    where: dict[str, str] = {}
    """Column -> value: which rows of the table are this cohort."""
    channels: dict[FileName, VolumeChannel]
    """Channel -> its file, as a pattern with the table's columns in braces."""
    structures: dict[FileName, VolumeStructure]
    """Structure -> its file, and the label that stands for it."""
    variables: list[str] = []
    """The columns of the table that are kept with the cases; no other column leaves the table."""
    identifiers: Literal["secret", "public"] = "secret"
    """"secret": patients get pseudonyms; "public": the table's identifiers are already public, and files
    are called after them."""
    allow: list[str] = []
    """Codes of findings, or names of cases, that may exclude a case without failing the run."""

    @model_validator(mode="after")
    def _tells_patients(self) -> VolumesSource:
        if self.table is None and self.channels:
            first = self.files["channel " + next(iter(self.channels))]
            asked = {self.patient, *self.where, *self.variables}
            asked |= {column for file in self.files.values() for column in columns_in(file)}
            if missing := sorted(asked - {*columns_in(first)}):
                raise ValueError(
                    f"without a table the first channel's file {first!r} tells the patients, and it has no "
                    f"{', '.join(f'{{{name}}}' for name in missing)}"
                )
        return self

    @property
    def files(self) -> dict[str, str]:
        """The pattern of each channel's and structure's file: "channel t2" -> "{id}/t2.nii.gz"."""
        images = {name: file.file if isinstance(file, VolumeImage) else file for name, file in self.channels.items()}
        channels = {f"channel {name}": file for name, file in images.items()}
        return channels | {f"structure {name}": s.file for name, s in self.structures.items()}


class DicomSource(Export):
    """A folder or zip archive of DICOM files in any layout; the study's `series` choose series by attributes."""

    kind: Literal["dicom"]
    folder: str = "."
    """The folder or archive, below the folder of the data."""


class OpenKbpSource(BaseModel, extra="forbid"):
    """The released CSVs of the OpenKBP challenge; the size of voxels identifies a center."""

    kind: Literal["openkbp"]
    folder: str = "provided-data"
    """Where the patients' folders are, below the folder of the data."""
    pixel_mm: float
    """The distance of pixels that identifies the center, in mm."""
    slice_mm: float
    """The distance of slices that identifies the center, in mm."""
    structures: dict[FileName, FileName]
    """Structure -> its file, without suffix."""
    identifiers: Literal["secret", "public"] = "public"
    """Whether patients get pseudonyms (secret) or keep their names of the challenge (public)."""
    variables: list[str] = []
    """Which of spacing_x, spacing_y and spacing_z are kept with the cases."""
    allow: list[str] = []
    """Codes of findings, or names of cases, that may exclude a case without failing the run."""


Phantom = PhantomSource | HeadNeckSource | ProstateSource
"""The sources of synthetic cohorts."""

PHANTOM_KINDS = ("phantom", "head_neck_phantom", "prostate_phantom")

Source = Annotated[Phantom | VolumesSource | DicomSource | OpenKbpSource, Field(discriminator="kind")]
