"""What a phantom cohort is: its settings, checked when they are read."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

Anatomy = Literal["cervix", "uterus"]


class PhantomSource(BaseModel, extra="forbid"):
    """One synthetic cohort. The defaults are those of the paper (Lin 2023, Methods): sagittal
    slices of 4 mm with a gap of 1 mm, 256 x 256 pixels on 200 mm, b = 0 and 1000 s/mm², and two
    scanners in the proportion 248:72."""

    kind: Literal["phantom"] = "phantom"
    anatomy: Anatomy = Field(description="where the tumour is")
    patients: int = Field(ge=0)
    seed: int = Field(ge=0)
    matrix: int = Field(256, ge=32, description="pixels in plane, rows = columns")
    field_of_view_mm: float = Field(200, gt=0)
    slices: tuple[int, int] = Field((14, 22), description="fewest and most sagittal slices")
    slice_thickness_mm: float = Field(4, gt=0)
    slice_gap_mm: float = Field(1, ge=0)
    b_values: tuple[int, int] = Field((0, 1000), description="s/mm²")
    scanners: dict[str, int] = Field(
        default_factory=lambda: {"Skyra": 248, "TrioTim": 72}, description="model -> proportion"
    )
    seg_fraction: float = Field(0.5, ge=0, le=1, description="share of contours as DICOM SEG")

    @model_validator(mode="after")
    def _consistent(self) -> "PhantomSource":
        fewest, most = self.slices
        if not 5 <= fewest <= most:
            raise ValueError(f"slices: need 5 <= fewest <= most, got {self.slices}")
        if not 0 <= self.b_values[0] < self.b_values[1]:
            raise ValueError(f"b_values: need 0 <= low < high, got {self.b_values}")
        known = sorted(PROFILES)
        if not self.scanners or not set(self.scanners) <= set(known):
            raise ValueError(f"scanners: choose from {known}, got {sorted(self.scanners)}")
        if min(self.scanners.values()) < 0 or sum(self.scanners.values()) == 0:
            raise ValueError(f"scanners: proportions must be >= 0, not all 0: {self.scanners}")
        return self

    @property
    def pixel_mm(self) -> float:
        """Pixel spacing in plane, mm."""
        return self.field_of_view_mm / self.matrix

    @property
    def slice_spacing_mm(self) -> float:
        """Distance between the centres of neighbouring slices, mm."""
        return self.slice_thickness_mm + self.slice_gap_mm


class ScannerProfile(BaseModel, frozen=True):
    """How one scanner model's images look. Both are 3 T Siemens systems; Skyra has the denser
    coil arrays (more signal, flatter), TrioTim the older 6-channel matrix and weaker shim. The
    numbers are assumptions of the right order, not measurements."""

    snr_b0: float  # myometrium at b = 0, in the middle of the field of view
    coil_depth_mm: float  # depth over which the signal of one array falls to 1/e
    gain: float  # stored units, relative
    distortion: float  # size of the displacements, relative


PROFILES: dict[str, ScannerProfile] = {
    "Skyra": ScannerProfile(snr_b0=40, coil_depth_mm=150, gain=1.0, distortion=1.0),
    "TrioTim": ScannerProfile(snr_b0=30, coil_depth_mm=95, gain=0.65, distortion=1.3),
}
