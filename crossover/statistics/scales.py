"""The metrics that are known by name: what they are called, their scale, and which values are better."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

Scale = tuple[float, float]
"""Lowest and highest value."""
SHARE, DISTANCE, PERCENT_SAVED, UNKNOWN = (0.0, 1.0), (0.0, inf), (-inf, 100.0), (-inf, inf)
AGREEMENT: Scale = (-inf, 1.0)
"""Of an intraclass correlation."""


@dataclass(frozen=True)
class Metric:
    """A measure of a segmentation against a reference.

    Attributes:
        label: as on an axis, with the unit.
        scale: lowest and highest value that it can have.
    """

    label: str
    scale: Scale = SHARE
    higher_is_better: bool = True

    @property
    def worst(self) -> float:
        """Return what a missing prediction counts as."""
        return self.scale[0] if self.higher_is_better else self.scale[1]


_SLICES = ", slices with the structure"
KNOWN = {
    "dsc": Metric("DSC"),
    "iou": Metric("IoU"),
    "hd95_mm": Metric("HD95 (mm)", DISTANCE, False),
    "nsd": Metric("NSD"),
    "dsc_structure_slices": Metric("DSC" + _SLICES),
    "iou_structure_slices": Metric("IoU" + _SLICES),
    "generalized_dice": Metric("Generalized Dice score"),
    "sensitivity": Metric("Sensitivity"),
    "precision": Metric("Precision"),
    "specificity": Metric("Specificity"),
    "hd_mm": Metric("Hausdorff distance (mm)", DISTANCE, False),
    "assd_mm": Metric("ASSD (mm)", DISTANCE, False),
}
"""By the name of its column. The first six are those of a study's metrics.csv."""
DIAGONAL = "diagonal_mm"
"""The column with the length of the image's diagonal: what a distance to an empty mask counts as."""


def scale(metric: str) -> Scale:
    """Lowest and highest value of a metric; without ends for one that isn't known."""
    return KNOWN[metric].scale if metric in KNOWN else UNKNOWN


def method(metric: str) -> str:
    """How intervals of its mean are made (`intervals.mean_interval`): "t on the logit scale"."""
    on = {SHARE: " on the logit scale", DISTANCE: " on the log scale"}
    return f"t{on.get(scale(metric), '')}"
