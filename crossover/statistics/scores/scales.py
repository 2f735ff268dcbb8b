"""The metrics that are known by name, each declared once: name, unit, scale, which values are better, other names."""

import re
from dataclasses import dataclass
from math import inf, isinf, nan
from typing import Literal, NamedTuple

Scale = tuple[float, float]
"""The lowest and highest value of a metric."""
SHARE, DISTANCE, PERCENT_SAVED, UNKNOWN = (0.0, 1.0), (0.0, inf), (-inf, 100.0), (-inf, inf)
AGREEMENT: Scale = (-inf, 1.0)
"""The scale of an intraclass correlation."""
PERCENT_MORE: Scale = (-100.0, inf)
"""The scale of a relative difference."""


@dataclass(frozen=True)
class Metric:
    """A measure of a segmentation against a reference.

    Attributes:
        name: as on an axis, without the unit.
        also: names that tools give it, compared without blanks, signs and the case of letters.
        unit: "mm" for a distance, "" for none.
        scale: lowest and highest value that it can have.
        better: which values are.
        worst: what a missing prediction counts as; NaN where nothing is the worst. A distance is the image's diagonal
            where that is known.
    """

    name: str
    also: tuple[str, ...] = ()
    unit: str = ""
    scale: Scale = SHARE
    better: Literal["higher", "lower", "nearer to 0"] = "higher"
    worst: float = 0.0

    @property
    def label(self) -> str:
        """The name with the unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def direction(self) -> int:
        """1 where higher values are better, -1 where lower ones are, 0 where neither are throughout."""
        return {"higher": 1, "lower": -1}.get(self.better, 0)

    @property
    def is_distance(self) -> bool:
        """Whether the metric is a distance, which does not exist for an empty mask."""
        return self.unit == "mm"


def _distance(name: str, *also: str) -> Metric:
    return Metric(name, also, "mm", DISTANCE, "lower", inf)


_SLICES = ", slices with the structure"
KNOWN = {
    "dsc": Metric("DSC", ("dice", "dice_score", "dice_coefficient", "dice_similarity_coefficient")),
    "iou": Metric("IoU", ("jaccard", "jaccard_index", "jaccard_score", "intersection_over_union")),
    "hd95_mm": _distance("HD95", "hd95", "95hd", "hausdorff95", "hausdorff_distance_95", "hausdorff_distance_95_mm",
                         "robust_hausdorff", "robust_hausdorff_95"),
    "nsd": Metric("NSD", ("surface_dice", "surface_dsc", "normalized_surface_dice", "normalised_surface_dice",
                          "normalized_surface_distance", "normalised_surface_distance")),
    "dsc_structure_slices": Metric("DSC" + _SLICES),
    "iou_structure_slices": Metric("IoU" + _SLICES),
    "dsc_mean_of_slices": Metric("DSC, mean of slices with the structure"),
    "assd_mm": _distance("ASSD", "assd", "average_symmetric_surface_distance", "avg_symmetric_surface_distance"),
    "volume_error_percent": Metric("Volume error", ("relative_volume_difference_percent",), "%", PERCENT_MORE,
                                   "nearer to 0", -100.0),
    "lesion_f1": Metric("Lesion F1", ("lesionwise_f1", "lesion_f1_score")),
    "lesion_sensitivity": Metric("Lesion sensitivity", ("lesionwise_sensitivity",)),
    "lesions_false": Metric("False lesions", ("false_positive_lesions",), "", DISTANCE, "lower", nan),
    "generalized_dice": Metric("Generalized Dice score", ("generalised_dice", "generalized_dice_score",
                                                          "generalised_dice_score")),
    "sensitivity": Metric("Sensitivity", ("recall", "true_positive_rate")),
    "precision": Metric("Precision", ("positive_predictive_value",)),
    "specificity": Metric("Specificity", ("true_negative_rate",)),
    "volumetric_similarity": Metric("Volumetric similarity", ("vs", "volume_similarity")),
    "hd_mm": _distance("Hausdorff distance", "hd100", "maximum_hausdorff_distance", "max_hausdorff_distance"),
}  # fmt: skip
"""The metrics by the names of their columns. Those down to lesions_false are of a study's metrics.csv
(`evaluation.metrics`)."""
AMBIGUOUS = dict.fromkeys(("hausdorff", "hd", "hausdorffdistance"), ("hd_mm", "hd95_mm"))
"""Names, as `plain` returns them, that papers and tools use for several metrics -> these."""
DIAGONAL = "diagonal_mm"
"""The column with the length of the image's diagonal: what a distance to an empty mask counts as."""
MANUAL = "volume_manual_ml"
"""The column with the volume of the reference mask: 0 where a case doesn't have the structure."""
FAILED = 0.1
"""The DSC below which a prediction counts as failed."""


def plain(name: object) -> str:
    """Return a name as names are compared: without blanks, signs and the case of letters."""
    return re.sub(r"[^0-9a-z]", "", str(name).lower())


def known_as(name: str) -> str:
    """Return the metric of `KNOWN` that a paper's or a tool's name stands for; the name itself where none is known."""
    return _BY_NAME.get(plain(name), name)


_BY_NAME = {plain(name): metric for metric, known in reversed(KNOWN.items()) for name in (metric, *known.also)}


def scale(metric: str) -> Scale:
    """Return the lowest and highest value of a metric; infinite ends for one that isn't known."""
    return KNOWN[metric].scale if metric in KNOWN else UNKNOWN


def unit(metric: str) -> str:
    """Return the unit of a metric, "mm" for a distance; "" where it has none or isn't known."""
    return KNOWN[metric].unit if metric in KNOWN else ""


class Shown(NamedTuple):
    """How tables and figures of differences show values: in per cent, and of a known metric beyond 0 to 1 in its unit.

    Attributes:
        factor: what a value is multiplied by.
        decimals: of the product.
        of_values, of_differences: the units in words; "" where the metric has none.
    """

    factor: int
    decimals: int
    of_values: str
    of_differences: str

    @property
    def per_cent(self) -> bool:
        """Whether values are in per cent, which the label of a metric doesn't say, as it says "mm"."""
        return self.factor == 100

    def text(self, value: float, digits: int | None = None) -> str:
        """Return a value without its unit: "89.3" for a DSC of 0.893, "4.12" for a distance in mm."""
        return f"{self.factor * value:.{self.decimals if digits is None else digits}f}"


def shown(metric: str) -> Shown:
    """Return how values of a metric are shown where its differences are: the one place that says so."""
    if metric in KNOWN and scale(metric) != SHARE:
        return Shown(1, 2, unit(metric), unit(metric))
    return Shown(100, 1, "per cent", "percentage points")  # also what papers print and isn't known here, as an AUC


def direction(metric: str) -> int:
    """Return 1 where higher values of a metric are better, -1 where lower ones are; 0 where neither are, or none knows.

    A difference times this is above 0 where the first is better.
    """
    return KNOWN[metric].direction if metric in KNOWN else 0


def method(metric: str) -> str:
    """Return words for how intervals of a metric's mean are computed: "t on the logit scale".

    `intervals.mean_interval` computes them.
    """
    lowest, highest = scale(metric)
    if isinf(lowest):
        return "t"
    return "t on the log scale" if isinf(highest) else "t on the logit scale"
