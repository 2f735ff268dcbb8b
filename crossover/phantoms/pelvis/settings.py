"""What a phantom cohort is: its settings, checked when they are read."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

Anatomy = Literal["cervix", "uterus"]
Scanner = Literal["Skyra", "TrioTim"]
SCANNERS: dict[Scanner, int] = {"Skyra": 248, "TrioTim": 72}
"""The number of the paper's patients on each scanner."""


class PhantomSource(BaseModel, extra="forbid"):
    """One synthetic cohort of pelvis MRI.

    The defaults are those of the paper (Lin 2023, Methods): sagittal slices of 4 mm with a gap of 1 mm, 256 x
    256 pixels on 200 mm, b = 0 and 1000 s/mm², and two scanners in the proportion 248:72.
    """

    kind: Literal["phantom"] = "phantom"
    anatomy: Anatomy = Field(description="the organ that contains the tumour")
    patients: int = Field(ge=0)
    """The number of patients that are generated."""
    seed: int = Field(ge=0)
    """The seed of the random generator."""
    matrix: int = Field(256, ge=32, description="the rows and columns of a slice, in pixels")
    field_of_view_mm: float = Field(200, gt=0)
    """The field of view."""
    slices: tuple[int, int] = Field(
        (14, 22), description="the smallest and largest number of sagittal slices of a patient"
    )
    slice_thickness_mm: float = Field(4, gt=0)
    """The thickness of the slices."""
    slice_gap_mm: float = Field(1, ge=0)
    """The gap between neighbouring slices."""
    b_values: tuple[int, int] = Field((0, 1000), description="the two b-values, in s/mm²")
    scanners: dict[Scanner, int] = Field(
        default_factory=SCANNERS.copy, description="the relative number of patients of each scanner"
    )
    seg_fraction: float = Field(
        0.5, ge=0, le=1, description="the share of patients whose contours are a DICOM SEG; the others have an RTSTRUCT"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "PhantomSource":
        fewest, most = self.slices
        if not 5 <= fewest <= most:
            raise ValueError(f"slices: need 5 <= fewest <= most, got {self.slices}")
        if not 0 <= self.b_values[0] < self.b_values[1]:
            raise ValueError(f"b_values: need 0 <= low < high, got {self.b_values}")
        if not self.scanners or min(self.scanners.values()) < 0 or sum(self.scanners.values()) == 0:
            raise ValueError(f"scanners: proportions must be >= 0, not all 0: {self.scanners}")
        return self

    @property
    def pixel_mm(self) -> float:
        """The distance between the centres of neighbouring pixels in plane, mm."""
        return self.field_of_view_mm / self.matrix

    @property
    def slice_spacing_mm(self) -> float:
        """The distance between the centres of neighbouring slices, mm."""
        return self.slice_thickness_mm + self.slice_gap_mm
