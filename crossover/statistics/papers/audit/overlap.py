"""Dice and IoU of one model on one test set: of each case IoU = D / (2 - D), of means a range."""

import math

from crossover.statistics.papers.audit.interval import Interval, exactly, unrounded
from crossover.statistics.papers.audit.lookup import first_values, key_of, key_text
from crossover.statistics.papers.audit.scores import unit_of
from crossover.statistics.papers.audit.verdicts import AuditRow, Interpretation, judged, places
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.published import Published

CHECK = "Dice and IoU"


def overlap(published: Published) -> list[AuditRow]:
    """Check every IoU whose Dice score is printed too."""
    values = first_values(published)
    rows = []
    for key, value in values.items():
        dice = values.get((*key[:4], "dsc"))
        if key[4] == "iou" and dice:
            units = [exactly(unit_of(metric, published)) for metric in ("iou", "dsc")]
            rows.append(_of_means(value, dice, *units))
    return rows


def iou_of(dice: float) -> float:
    """Return the IoU of one case from its Dice score."""
    return dice / (2 - dice)


def mean_iou_range(mean_dice: Interval) -> Interval:
    """Return the range of the mean IoU for a mean Dice score D: from the IoU of D up to D.

    It is the least since D / (2 - D) is convex (Jensen), and the most where every case is 0 or 1.
    """
    inside = mean_dice.clipped(0, 1)
    return Interval(iou_of(inside.low), inside.high)


def _of_means(iou: Value, dice: Value, iou_unit: Interval, dice_unit: Interval) -> AuditRow:
    allowed = mean_iou_range(unrounded(dice.mean) / dice_unit) * iou_unit
    note = ""
    mean = dice.mean / dice_unit.low
    beyond = iou.mean / iou_unit.low - iou_of(mean)
    if beyond > 0:
        # Second-order: the mean exceeds the value at the mean by half the curvature times the variance.
        sd = math.sqrt(2 * beyond * (2 - mean) ** 3 / 4)
        note = f"It is {beyond:.4f} above the IoU of the mean Dice, which needs an SD of Dice of about {sd:.2f}"
    return judged(
        CHECK, f"IoU of {key_text(key_of(iou))}", places(iou.where, dice.where), iou.mean.text,
        f"a Dice of {dice.mean.text}", unrounded(iou.mean),
        [Interpretation("", allowed)], note=note,
    )  # fmt: skip
