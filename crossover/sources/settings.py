"""The settings of every source of cases, chosen by `kind`."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from unicodedata import category

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
        raise ValueError(f"{value!r}: only {{patient}} may stand in braces")
    if not value or value.startswith("/") or {"", ".", ".."} & set(value.split("/")):
        raise ValueError(f"{value!r} is not a path below the source")
    return value


Pattern = Annotated[str, AfterValidator(pattern)]
"""A pattern of paths below a source: "labels/**/{patient}*.nrrd"."""


def one_value(value: str) -> str:
    r"""Check a text that DICOM objects contain; return it unchanged.

    Raises:
        ValueError: it has a backslash, which separates values there, or control characters.
    """
    if "\\" in value or any(category(c) == "Cc" for c in value):
        raise ValueError(f"{value!r}: DICOM objects contain this text, so it can have no backslash, tab or line break")
    return value


Text = Annotated[str, AfterValidator(one_value)]
"""A text that DICOM objects contain."""


class StructureCode(BaseModel, extra="forbid", frozen=True):
    """The code of a structure; the DICOM objects that `crossover segment --dicom` writes contain it."""

    value: Text | None = Field(default=None, min_length=1, max_length=16)
    """CodeValue (0008,0100), such as "41216001". By default the SNOMED CT code 91772007, "Organ"."""
    meaning: Text | None = Field(default=None, min_length=1, max_length=64)
    """CodeMeaning (0008,0104), such as "Prostate"; required if `value` is given."""
    scheme: Text = Field(default="SCT", min_length=1, max_length=16)
    """CodingSchemeDesignator (0008,0102): SCT is SNOMED CT."""
    category: Literal["anatomical structure", "morphologically abnormal structure", "tissue"] = "anatomical structure"
    """SegmentedPropertyCategoryCodeSequence (0062,0003)."""
    side: Literal["left", "right"] | None = None
    """The side of the body."""
    tg263: Text | None = Field(default=None, min_length=1, max_length=16)
    """The structure's name according to AAPM TG-263, such as Parotid_L; an RTSTRUCT uses it instead of the label."""

    @model_validator(mode="after")
    def _is_whole(self) -> StructureCode:
        if (self.value is None) != (self.meaning is None):
            raise ValueError("a code needs both a value and a meaning: give both, or neither")
        return self


Byte = Annotated[int, Field(ge=0, le=255)]


class StructureName(BaseModel, extra="forbid", frozen=True):
    """The properties that identify a structure if its name alone does not; all that are given must match."""

    name: str | StrictInt | None = None
    """A name, in the form of an entry of `names`; any name by default."""
    colour: tuple[Byte, Byte, Byte] | None = None
    """Red, green and blue: ROIDisplayColor (3006,002A), or RecommendedDisplayCIELabValue (0062,000D) converted to sRGB.
    """
    reader: str | None = None
    """The name of the person who drew the structure: ROIInterpreter (3006,00A6), ContentCreatorName (0070,0084),
    ReviewerName (300E,0008) or OperatorsName (0008,1070). Case, spaces and punctuation are ignored."""
    series_number: int | None = None
    """SeriesNumber (0020,0011) of the RTSTRUCT or SEG object."""
    file: Pattern | None = None
    """The path of the object below the source, as a pattern like that of a label map: "**/reader_2/*"."""
    order: Annotated[int, Field(ge=1)] | None = None
    """The position among those of a patient's structures that match all other properties, sorted by file and number and
    counted from 1."""


class Structure(BaseModel, extra="forbid", frozen=True):
    """A structure that is segmented."""

    label: Text
    """The name of the structure in figures, tables and the report."""
    names: list[str | StrictInt | StructureName] = []
    """The names of the structure in RTSTRUCT and SEG objects; by default the key itself. Case is ignored, as are
    spaces, underscores and hyphens between words: `Parotid_L` also matches "PAROTID L". A name is compared with ROI
    names and segment labels; if none matches, with their letters and digits alone (with a warning: "GTV-" may not be
    the `GTV`), then with descriptions, and then with coded meanings. A whole number is compared with the numbers of
    ROIs and segments. If several structures have the same name, for example those of two readers, an entry of the type
    StructureName states which one is meant."""
    code: StructureCode | None = Field(default=None, exclude=True)
    """The code of the structure in the DICOM objects that are written; it does not change results."""


Plane = Literal["axial", "sagittal", "coronal"]


Repeated = Literal["refuse", "first", "last", "most_slices"]


class SeriesChoice(BaseModel, extra="forbid", frozen=True):
    """The choice among several series of one patient or case that match a rule."""

    series_number: int | None = None
    """SeriesNumber (0020,0011) of the series that is taken."""
    repeated: Repeated | None = None
    """The series that is taken if several match."""


class SeriesRule(BaseModel, extra="forbid", frozen=True):
    """The rule by which a DICOM series becomes a channel: all attributes that are given must match."""

    modality: str
    """Modality (0008,0060): MR, CT or PT."""
    plane: Plane | None = None
    """The anatomical plane that is nearest to the orientation of the images."""
    b_value: float | None = None
    """The diffusion b-value in s/mm², read from the standard attribute or the manufacturer's private one. It matches
    only measured images, never a map."""
    calculated: bool = False
    """Whether images that were calculated for the b-value, or derived in an unknown way, match as well; measured images
    are preferred."""
    image_type: str | None = None
    """A value that ImageType (0008,0008) or FrameType (0008,9007) must contain."""
    description: str | None = None
    """A regular expression that must match a part of the series description or protocol name; case is ignored."""
    computed_from: list[float] | None = Field(default=None, min_length=2)
    """The b-values from whose images an ADC map is fitted if the examination has no map. The images must match all
    other attributes of the rule except `image_type`."""
    series_number: int | None = None
    """SeriesNumber (0020,0011)."""
    repeated: Repeated = "refuse"
    """The series, or volume of a series, that is taken if several match: none (refuse), the first, the last, or the one
    with the most slices. They are ordered by acquisition time or, if some have none, by number."""
    by_patient: dict[str, SeriesChoice] = {}
    """The choices for single cases or patients, by their pseudonyms in the report."""

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
            raise ValueError(f"{value!r} is not a valid regular expression: {error}") from None
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
    """How a channel is treated that is not on the grid of the first channel, which is the grid of the case."""
    blank_ends: BlankEnds = "keep"
    """How slices at the ends of a volume are treated in which almost nothing of the image is left."""


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
            raise ValueError(f"{value!r}: {{{name}}} is not the name of a column; write {{column}}")
        if re.search(r"![rsa]$|:[^:]*$", name):
            raise ValueError(
                f"{value!r}: {{{name}}} contains a format, but a column's values are used as they are: write "
                "{column}, and add a column with the values as the files' names contain them"
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


def _form_of_file(value: object) -> str:
    return "<files>" if isinstance(value, list) else "<file>"


FilePatterns = Annotated[
    Annotated[ColumnsPattern, Tag("<file>")]
    | Annotated[Annotated[list[ColumnsPattern], Field(min_length=1)], Tag("<files>")],
    Discriminator(_form_of_file),
]
"""The pattern of a file, or those of which each patient has exactly one. Tags are as those of `VolumeChannel`."""


def _form_of_label(value: object) -> str:
    return "<name>" if isinstance(value, str) and not value.strip().removeprefix("-").isdecimal() else "<value>"


Label = Annotated[
    Annotated[int, Tag("<value>")] | Annotated[Annotated[str, Field(min_length=1)], Tag("<name>")],
    Discriminator(_form_of_label),
]
"""A value of a label map, or the name of a segment. Tags are as those of `VolumeChannel`."""


def _form_of_labels(value: object) -> str:
    return "<labels>" if isinstance(value, list) else "<label>"


Labels = Annotated[
    Annotated[Label, Tag("<label>")] | Annotated[Annotated[list[Label], Field(min_length=1)], Tag("<labels>")],
    Discriminator(_form_of_labels),
]
"""One label or several. Tags are as those of `VolumeChannel`."""


class VolumeStructure(BaseModel, extra="forbid"):
    """The file of a structure, and its label in the file."""

    file: FilePatterns
    """The path of the file, as a pattern with the table's columns in braces; or several, of which each patient must
    have exactly one."""
    label: Labels | None = None
    """The value of the structure in the label map, or its values: a region of nnU-Net; by default any non-zero value.
    In a .seg.nrrd of 3D Slicer, a segment's name, such as `gland`, or the names that it has in different files; case
    and the number of blanks are ignored."""

    @property
    def labels(self) -> list[int | str] | None:
        """The values and names of the structure; None: any value but 0."""
        return [self.label] if isinstance(self.label, int | str) else self.label


class VolumeImage(BaseModel, extra="forbid"):
    """The file of a channel that contains other channels as well, as in the Medical Segmentation Decathlon."""

    file: FilePatterns
    """The path of the file, as a pattern with the table's columns in braces; or several, of which each patient must
    have exactly one."""
    volume: Annotated[int, Field(ge=0)]
    """The index of the volume along the fourth axis of the file, counted from 0."""


def _form_of_channel(value: object) -> str:
    return "<file>" if isinstance(value, str | list) else "<volume>"


VolumeChannel = Annotated[
    Annotated[FilePatterns, Tag("<file>")] | Annotated[VolumeImage, Tag("<volume>")],
    Discriminator(_form_of_channel),
]
"""The file of a channel, or a volume of a file. Tags are in brackets, so that the place of an error has none in it."""


class LabelMap(VolumeStructure):
    """A structure in a file beside the images: a NIfTI or NRRD file, or a folder of DICOM slices.

    `file` is its path below the source, in which `{patient}` stands for the patient, `*` for any part of one name, and
    `**/` for any folders: "labels/**/{patient}*.nrrd", "{patient}/GT/prostate".
    """

    file: Pattern
    """The path of the file or folder below the source, as a pattern; see above."""
    slices: Literal["positions", "names"] = "positions"
    """How a DICOM slice of the mask is assigned to a slice of the image: by the position in its header, or by its file
    name, which must be that of the image's file; the position is then ignored."""


Prefix = Annotated[str, StringConstraints(pattern=PREFIX, max_length=20)]


class Export(BaseModel, extra="forbid"):
    """The settings of a folder of DICOM files beside the rules for its series."""

    patients: Literal["id", "folder"] = "id"
    """What identifies a patient and replaces `{patient}`: the PatientID (0010,0020), or the first folder below the
    source, for datasets in which all patients have the same PatientID or none. An archive counts as a folder."""
    prefix: Prefix = ""
    """A prefix for the patients' identifiers, needed if two cohorts use the same identifiers for different people."""
    images: Pattern | None = None
    """The folders that contain images, as a pattern like that of a label map: "*/T2W"; all by default."""
    label_maps: dict[FileName, LabelMap] = {}
    """The structures that come as files beside the images."""
    allow: list[str] = []
    """Codes of findings, or names of cases; a case that is excluded for one of them does not make the run fail.
    `of-one-case` stands for all errors that docs/findings.md calls "of one case"."""


class RulesFile(IngestRules, Export):
    """Rules in a file of their own, for `crossover ingest --rules`."""

    series: dict[FileName, SeriesRule] = Field(min_length=1)


class VolumesSource(BaseModel, extra="forbid"):
    """A folder of NIfTI or NRRD volumes, with a table of patients that has a row for each scan.

    `{column}` in a file name is replaced by the row's value in that column of the table. Rows with the same patient are
    several cases of that patient, and all of them go to the same part of a split.

    If a list of patterns is given in place of one, each patient must have exactly one of these files.

    Without a table, the patients are those for whom all files exist. The parts of the first channel's file name that
    match `{column}` are then the values of a row: "imagesTr/{patient}_0000.nii.gz" and "labelsTr/{patient}.nii.gz".
    """

    kind: Literal["volumes"]
    folder: Annotated[str, AfterValidator(below)] = "."
    """The folder with the table and all files, below the folder of the data."""
    table: Annotated[str, AfterValidator(below)] | None = "patients.csv"
    """The table: CSV with commas or semicolons, TSV or .xlsx. With null, the file names identify the patients."""
    patient: str = "patient"
    """The column that identifies patients."""
    prefix: Prefix = ""
    """A prefix for the patients' identifiers, needed if two cohorts use the same identifiers for different people."""
    where: dict[str, str] = {}
    """The rows of the table that belong to this cohort, as the value of each column."""
    channels: dict[FileName, VolumeChannel]
    """The file of each channel, as a pattern with the table's columns in braces; or a list of patterns."""
    structures: dict[FileName, VolumeStructure]
    """The file of each structure, and its label in the file."""
    variables: list[str] = []
    """The columns of the table that are stored with the cases; no other column is stored."""
    identifiers: Literal["secret", "public"] = "secret"
    """How patients are named. secret: by pseudonyms; public: by the identifiers in the table, which are public already.
    """
    allow: list[str] = []
    """Codes of findings, or names of cases; a case that is excluded for one of them does not make the run fail.
    `of-one-case` stands for all errors that docs/findings.md calls "of one case"."""

    @model_validator(mode="after")
    def _tells_patients(self) -> VolumesSource:
        if self.table is None and self.channels:
            asked = {self.patient, *self.where, *self.variables}
            asked |= {column for files in self.files.values() for file in files for column in columns_in(file)}
            for first in self.files["channel " + next(iter(self.channels))]:
                if missing := sorted(asked - {*columns_in(first)}):
                    raise ValueError(
                        f"without a table, the first channel's file {first!r} identifies the patients, but it does not "
                        f"contain {', '.join(f'{{{name}}}' for name in missing)}"
                    )
        return self

    @property
    def files(self) -> dict[str, list[str]]:
        """The patterns of each channel's and structure's file: "channel t2" -> ["{id}/t2.nii.gz"]."""
        images = {name: file.file if isinstance(file, VolumeImage) else file for name, file in self.channels.items()}
        files = {f"channel {name}": file for name, file in images.items()}
        files |= {f"structure {name}": s.file for name, s in self.structures.items()}
        return {what: file if isinstance(file, list) else [file] for what, file in files.items()}


class DicomSource(Export):
    """A folder or zip archive of DICOM files in any layout; the study's `series` select series by their attributes."""

    kind: Literal["dicom"]
    folder: str = "."
    """The path of the folder or archive, below the folder of the data."""


class OpenKbpSource(BaseModel, extra="forbid"):
    """The CSV files that the OpenKBP challenge released; the voxel size identifies a center."""

    kind: Literal["openkbp"]
    folder: str = "provided-data"
    """The folder that contains the patients' folders, below the folder of the data."""
    pixel_mm: float
    """The pixel spacing that identifies the center."""
    slice_mm: float
    """The slice spacing that identifies the center."""
    structures: dict[FileName, FileName]
    """The file of each structure, without suffix."""
    identifiers: Literal["secret", "public"] = "public"
    """How patients are named. secret: by pseudonyms; public: by their names in the challenge."""
    variables: list[str] = []
    """The variables that are stored with the cases: any of spacing_x, spacing_y and spacing_z."""
    allow: list[str] = []
    """Codes of findings, or names of cases; a case that is excluded for one of them does not make the run fail.
    `of-one-case` stands for all errors that docs/findings.md calls "of one case"."""


Phantom = PhantomSource | HeadNeckSource | ProstateSource
"""The sources of synthetic cohorts."""

PHANTOM_KINDS = ("phantom", "head_neck_phantom", "prostate_phantom")

Source = Annotated[Phantom | VolumesSource | DicomSource | OpenKbpSource, Field(discriminator="kind")]
