"""The settings of how images are prepared for a network, checked when they are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crossover.core.configuration import ConfigSection


class BiasField(ConfigSection):
    """N4 bias field correction (Tustison et al. 2010), estimated on one channel and applied to the named channels."""

    method: Literal["n4", "none"]
    """The method: N4, or no correction."""
    estimate_on: str = ""
    """The channel on which the field is estimated."""
    apply_to: list[str] = []
    """The channels that are divided by the field."""
    shrink: Annotated[int, Field(ge=1)] = 4
    """The factor by which the image is downsampled before the field is fitted."""
    fit: Literal["bright", "tissue"] = "bright"
    """The voxels to which the field is fitted. bright: those above Otsu's threshold of the values; tissue: those above
    Otsu's threshold of their logarithms, for images in which the signal near a coil is much brighter than the rest."""
    iterations: list[int] = [50, 50, 50, 50]
    """The maximum number of iterations at each fitting level."""


class Normalisation(ConfigSection):
    """The normalisation of intensities.

    zscore: to mean 0 and SD 1 over the case or slice, without the pixels by which it is padded to the network's grid;
    window: from [low, high] to [0, 1], with clipping; training: with the mean and SD over the slices with a structure
    that the stage is trained on, for every case; these include padding, whose value is the case's lowest.
    """

    method: Literal["zscore", "window", "training"]
    """The method of normalisation; see above."""
    per: Literal["case", "slice"] = "case"
    """Whether `zscore` uses the mean and SD of the case or of each slice."""
    window: tuple[float, float] = (0.0, 1.0)
    """The values that `window` maps to 0 and 1."""

    @model_validator(mode="after")
    def _rising(self) -> Normalisation:
        if self.window[0] >= self.window[1]:
            raise ValueError(f"window: the first value must be below the second, got {self.window}")
        return self


class Slices(ConfigSection):
    """The slices that are the input of the network: the acquired planes on a centred grid."""

    size: tuple[int, int]
    """The rows and columns of a slice, in pixels."""
    spacing_mm: float | None = None
    """The in-plane pixel size. By default the acquired pixel size is kept, and slices are only cropped or padded."""
    smallest_mask_px: Annotated[int, Field(ge=0)] = 0
    """The number of pixels of the acquired matrix that the structure must exceed for a slice to count as one with the
    structure."""
    normalisation: Normalisation
    """The normalisation of intensities; it also applies to volumes (docs/patches.md)."""


class Preparation(ConfigSection):
    """The conversion of cases to slices: bias field correction, then grid and normalisation."""

    bias_field: BiasField
    """The bias field correction."""
    slices: Slices
    """The grid and the normalisation of slices."""
