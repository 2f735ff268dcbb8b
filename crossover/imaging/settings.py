"""The settings of how images are prepared for a network, checked when they are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crossover.core.configuration import ConfigSection


class BiasField(ConfigSection):
    """N4 (Tustison et al. 2010), estimated on one channel and divided out of the named channels."""

    method: Literal["n4", "none"]
    """N4, or no correction."""
    estimate_on: str = ""
    """The channel that the field is estimated on."""
    apply_to: list[str] = []
    """The channels that are divided by the field."""
    shrink: Annotated[int, Field(ge=1)] = 4
    """The factor by which the image is made coarser before the field is fitted."""
    fit: Literal["bright", "tissue"] = "bright"
    """The voxels that the field is fitted to: above Otsu's threshold of the values, or of their logarithms,
    where a coil's near field outshines all else."""
    iterations: list[int] = [50, 50, 50, 50]
    """The most iterations of each fitting level."""


class Normalisation(ConfigSection):
    """How intensities are normalised.

    zscore: mean 0 and SD 1 over the case or slice; window: [low, high] to [0, 1], clipped; training: by mean and SD
    over the slices that the stage is trained on, whoever the case.
    """

    method: Literal["zscore", "window", "training"]
    """How intensities are normalised; see above."""
    per: Literal["case", "slice"] = "case"
    """Whether mean and SD are those of the case or of each slice, for `zscore`."""
    window: tuple[float, float] = (0.0, 1.0)
    """The values that become 0 and 1, for `window`."""

    @model_validator(mode="after")
    def _rising(self) -> Normalisation:
        if self.window[0] >= self.window[1]:
            raise ValueError(f"window: {self.window} must rise")
        return self


class Slices(ConfigSection):
    """The slices that a network sees: the acquired planes on a centred grid of its own."""

    size: tuple[int, int]
    """The rows and columns of a slice, in pixels."""
    spacing_mm: float | None = None
    """The in-plane pixel size in mm; None keeps the acquired one and only crops or pads."""
    smallest_mask_px: Annotated[int, Field(ge=0)] = 0
    """A slice counts as one with the structure where more pixels than these of the acquired matrix are in it."""
    normalisation: Normalisation
    """How intensities are normalised; also those of volumes (docs/patches.md)."""


class Preparation(ConfigSection):
    """How cases become slices: bias field, then grid and normalisation."""

    bias_field: BiasField
    """The correction of the bias field."""
    slices: Slices
    """The grid and normalisation of slices."""
