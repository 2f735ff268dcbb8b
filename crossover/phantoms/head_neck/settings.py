"""What a cohort of head-and-neck CT phantoms is: its settings, checked when they are read."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

Center = Literal["source", "target"]


class HeadNeckSource(BaseModel, extra="forbid"):
    """One center's synthetic planning CTs with twelve organs at risk.

    The defaults are those of the paper (Chen 2023, Methods): 512 x 512 pixels of the center's own
    size, axial slices of 3 mm.

    A smaller scale takes a smaller matrix with a smaller field of view, so that a lens stays some
    pixels wide, and fewer, thicker slices; `scanners` and `contouring` say how the rest differs.
    """

    kind: Literal["head_neck_phantom"] = "head_neck_phantom"
    center: Center = Field(
        description="the center whose scanners, contrast phase and contouring protocol the patients have"
    )
    patients: int = Field(ge=0)
    """The number of patients that are generated."""
    seed: int = Field(ge=0)
    """The seed of the random generator."""
    protocol: Center | None = Field(
        None, description="the center whose contouring protocol is used, if it is not `center`"
    )
    matrix: int = Field(512, ge=48, description="the rows and columns of a slice, in pixels")
    field_of_view_mm: tuple[float, float] | None = Field(
        None, description="the smallest and largest field of view; by default those of the center"
    )
    slices: tuple[int, int] = Field(
        (95, 110), description="the smallest and largest number of axial slices of a patient"
    )
    slice_thickness_mm: float = Field(3, gt=0, description="the thickness of the slices, which have no gap")
    fillings: float = Field(0.4, ge=0, le=1, description="the share of patients with metal dental fillings")
    tumours: float = Field(1, ge=0, le=1, description="the share of patients with a visible tumour")

    @model_validator(mode="after")
    def _consistent(self) -> "HeadNeckSource":
        fewest, most = self.slices
        if not 12 <= fewest <= most:
            raise ValueError(f"slices: need 12 <= fewest <= most, got {self.slices}")
        span = self.field_of_view_mm
        if span and not 200 <= span[0] <= span[1] <= 700:
            raise ValueError(f"field_of_view_mm: need 200 <= least <= most <= 700, got {span}")
        return self

    @property
    def drawn_by(self) -> Center:
        """The center whose contouring protocol is used."""
        return self.protocol or self.center
