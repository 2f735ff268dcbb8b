"""What a cohort of prostate T2 phantoms is: its settings, checked when they are read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

Site = Literal["A", "B", "C"]

DEFAULTS: dict[str, dict[str, Any]] = {
    "A": {
        "matrix": 320,
        "field_of_view_mm": (192, 200),
        "slices": (18, 22),
        "slice_thickness_mm": 3.6,
    },
    "B": {
        "matrix": 400,
        "field_of_view_mm": (160, 160),
        "slices": (30, 36),
        "slice_thickness_mm": 3,
    },
    "C": {
        "matrix": 320,
        "field_of_view_mm": (215, 250),
        "slices": (64, 64),
        "slice_thickness_mm": 1.25,
    },
}
"""Grids as published. A: 0.6 to 0.625 mm, 3.6 to 4 mm; B: 0.4 mm, 3 mm; C: 0.67 to 0.79 mm, 1.25 mm
(Liu, IEEE TMI 2020;39:2713, Table I). Slices a volume: 15 to 24 of 320 x 320 at A and 30 to 38 of
400 x 400 at B (the NCI-ISBI 2013 files), 64 at C (I2CVB). C's matrix is an assumption."""


def _not_required(schema: dict[str, Any]) -> None:
    """Change the JSON schema so that settings that the site has need not be given."""
    schema["required"] = [name for name in schema["required"] if name not in DEFAULTS["A"]]


class ProstateSource(BaseModel, extra="forbid", json_schema_extra=_not_required):
    """One site's synthetic axial T2-weighted MRI of the prostate.

    Settings that are not given are the site's own, `DEFAULTS`; a smaller scale takes a smaller matrix and fewer,
    thicker slices.
    """

    kind: Literal["prostate_phantom"] = "prostate_phantom"
    site: Site = Field(description="the site whose scanner, coil, contrast and patients are simulated")
    patients: int = Field(ge=0)
    """The number of patients that are generated."""
    seed: int = Field(ge=0)
    """The seed of the random generator."""
    matrix: int = Field(ge=48, description="the rows and columns of a slice, in pixels")
    field_of_view_mm: tuple[float, float] = Field(description="the smallest and largest field of view")
    slices: tuple[int, int] = Field(description="the smallest and largest number of axial slices of a patient")
    slice_thickness_mm: float = Field(gt=0, description="the thickness of the slices, which have no gap")
    tumours: float = Field(0.6, ge=0, le=1, description="the share of patients with a visible tumour")

    @model_validator(mode="before")
    @classmethod
    def _site_s_own(cls, given: Any) -> Any:
        return DEFAULTS.get(given.get("site", ""), {}) | given if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _consistent(self) -> ProstateSource:
        fewest, most = self.slices
        if not 6 <= fewest <= most:
            raise ValueError(f"slices: need 6 <= fewest <= most, got {self.slices}")
        low, high = self.field_of_view_mm
        if not 120 <= low <= high <= 400:
            raise ValueError(f"field_of_view_mm: need 120 <= least <= most <= 400, got {low}, {high}")
        return self

    @property
    def mask_files(self) -> dict[str, str]:
        """Where the mask of each structure lies in a patient's folder.

        As the archives have it, A and B have one NRRD with the peripheral zone and the central gland, and C a
        folder of DICOM slices.
        """
        return {"prostate": "GT/prostate" if self.site == "C" else "zones.nrrd"}
