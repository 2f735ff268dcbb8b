"""The settings of every source of cases, chosen by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from crossover.sources.phantom_settings import PhantomSource


class Structure(BaseModel, extra="forbid", frozen=True):
    """What is segmented."""

    label: str
    names: list[str] = []
    """Its names in RTSTRUCT and SEG objects; the key itself where none is given."""


class SeriesRule(BaseModel, extra="forbid", frozen=True):
    """Which DICOM series is a channel: all that is given must match."""

    modality: str
    b_value: float | None = None
    """Diffusion b-value in s/mm² (0018,9087)."""
    image_type: str | None = None
    """A value of ImageType (0008,0008)."""

    def describe(self) -> str:
        return ", ".join(f"{k} {v}" for k, v in self.model_dump(exclude_none=True).items())


class VolumeStructure(BaseModel, extra="forbid"):
    file: str
    label: int | None = None
    """The structure's value in a label map; None for any non-zero value."""


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


class DicomSource(BaseModel, extra="forbid"):
    """A folder of DICOM files in any layout; the study's `series` choose by attributes."""

    kind: Literal["dicom"]
    folder: str = "."


Source = Annotated[PhantomSource | VolumesSource | DicomSource, Field(discriminator="kind")]
