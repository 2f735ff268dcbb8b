"""The settings of every source of cases, chosen by `kind`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt, field_validator

from crossover.sources.head_neck_settings import HeadNeckSource
from crossover.sources.phantom_settings import PhantomSource
from crossover.sources.prostate_settings import ProstateSource


class Structure(BaseModel, extra="forbid", frozen=True):
    """What is segmented."""

    label: str
    names: list[str | StrictInt] = []
    """What RTSTRUCT and SEG objects call it; the key itself where none is given. Case, spaces and
    punctuation don't matter: `Parotid_L` is also "PAROTID L". A name is compared with ROI names and segments'
    labels, else descriptions, else coded meanings; a whole number with the numbers of ROIs and segments."""


Plane = Literal["axial", "sagittal", "coronal"]


class SeriesRule(BaseModel, extra="forbid", frozen=True):
    """Which DICOM series is a channel: all that is given must match."""

    modality: str
    """(0008,0060): MR, CT or PT."""
    plane: Plane | None = None
    """The anatomical plane that the images are nearest to."""
    b_value: float | None = None
    """Diffusion b-value in s/mm², from the standard attribute or the maker's private one; never the
    ADC map."""
    image_type: str | None = None
    """A value of ImageType (0008,0008) or FrameType (0008,9007)."""
    description: str | None = None
    """A regular expression that the series' description or protocol name contains, in any case."""
    computed_from: list[float] | None = Field(default=None, min_length=2)
    """An ADC map may be fitted from the images at these b-values where the examination has none."""

    @field_validator("description")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return value

    def describe(self) -> str:
        return ", ".join(f"{k} {v}" for k, v in self.model_dump(exclude_none=True).items())


class IngestRules(BaseModel, extra="forbid"):
    """Which series are channels, and what structures are called: of a study, or in a file of its own."""

    series: dict[str, SeriesRule] = {}
    structures: dict[str, Structure] = {}


class VolumeStructure(BaseModel, extra="forbid"):
    file: str
    label: int | None = None
    """The structure's value in a label map; None for any non-zero value."""


class LabelMap(VolumeStructure):
    """A structure that comes beside the images: a NIfTI or NRRD file, or a folder of DICOM slices.

    `file` is its place below the source. `{patient}` in it is the patient, `*` any part of one name, and
    `**/` any folders: "labels/**/{patient}*.nrrd", "{patient}/GT/prostate".
    """

    slices: Literal["positions", "names"] = "positions"
    """Where a DICOM slice of the mask belongs: where its header says, or on the image's file of its own
    name, whatever its header says of its place."""

    @field_validator("file")
    @classmethod
    def _is_below(cls, value: str) -> str:
        return pattern(value)


def pattern(value: str) -> str:
    """A pattern of paths below a source, as it is.

    Raises:
        ValueError: where no such path can be.
    """
    if set(re.findall(r"{.*?}|[{}]", value)) - {"{patient}"}:
        raise ValueError(f"{value!r}: of what stands in braces only {{patient}} is known")
    if not value or value.startswith("/") or {"", ".", ".."} & set(value.split("/")):
        raise ValueError(f"{value!r} is no path below the source")
    return value


class Export(BaseModel, extra="forbid"):
    """What is to be known of a folder of DICOM files beside its series."""

    patients: Literal["id", "folder"] = "id"
    """What tells patients apart, and stands for `{patient}`: the PatientID, or the first folder below the
    source, where a set was given one PatientID for all, or none. An archive counts as a folder."""
    images: str | None = None
    """The folders that hold images, as a pattern like a label map's: "*/T2W". None: all."""
    label_maps: dict[str, LabelMap] = {}
    """Structures that come as files beside the images."""
    allow: list[str] = []
    """Codes of findings, or names of cases, that may exclude a case without failing the run."""

    @field_validator("images")
    @classmethod
    def _is_below(cls, value: str | None) -> str | None:
        return pattern(value) if value is not None else None


class RulesFile(IngestRules, Export):
    """Rules in a file of their own, for `crossover ingest --series`."""

    series: dict[str, SeriesRule] = Field(min_length=1)


class VolumesSource(BaseModel, extra="forbid"):
    """A folder of NIfTI or NRRD volumes with a table of patients.

    `{column}` in a file name is replaced by the patient's value in that column of the table.
    """

    kind: Literal["volumes"]
    table: str = "patients.csv"
    patient: str = "patient"
    where: dict[str, str] = {}
    """Column -> value: which rows of the table are this cohort."""
    channels: dict[str, str]
    structures: dict[str, VolumeStructure]
    variables: list[str] = []
    """Columns of the table that go on with the cases; no other column leaves the table."""
    identifiers: Literal["secret", "public"] = "secret"
    """"secret": patients get pseudonyms; "public": the table's identifiers are already public."""
    allow: list[str] = []
    """Codes of findings, or names of cases, that may exclude a case without failing the run."""


class DicomSource(Export):
    """A folder or zip archive of DICOM files in any layout; the study's `series` choose by attributes."""

    kind: Literal["dicom"]
    folder: str = "."
    """Folder or archive, below the folder of the data."""


class OpenKbpSource(BaseModel, extra="forbid"):
    """The released CSVs of the OpenKBP challenge; a center is told by its voxels' size."""

    kind: Literal["openkbp"]
    folder: str = "provided-data"
    pixel_mm: float
    slice_mm: float
    structures: dict[str, str]
    """Structure -> its file, without suffix."""
    identifiers: Literal["secret", "public"] = "public"
    variables: list[str] = []
    """Of spacing_x, spacing_y, spacing_z."""
    allow: list[str] = []
    """Codes of findings, or names of cases, that may exclude a case without failing the run."""


Phantom = PhantomSource | HeadNeckSource | ProstateSource
"""Cohorts that are made here, of nobody's data."""

PHANTOM_KINDS = ("phantom", "head_neck_phantom", "prostate_phantom")

Source = Annotated[
    Phantom | VolumesSource | DicomSource | OpenKbpSource, Field(discriminator="kind")
]
