"""Dice and IoU of one model on one test set: of each case IoU = D / (2 - D), of means a range.

Papers don't say how they average an IoU, and the mean IoU of most libraries has the background in it. So an IoU out of
this range follows under that interpretation, unless others of the test set show how the paper averages.
"""

import math
from dataclasses import replace

from crossover.statistics.papers.audit.interval import Interval, exactly, unrounded
from crossover.statistics.papers.audit.lookup import first_values, key_of, key_text
from crossover.statistics.papers.audit.scores import unit_of
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    NOT,
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    places,
)
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.published import Published

CHECK = "Dice and IoU"
OTHERWISE = (
    "an IoU that is averaged in another way than the Dice: over classes, the background among them, or of all pixels "
    "of the cases together"
)


def overlap(published: Published) -> list[AuditRow]:
    """Check every IoU whose Dice score is printed too."""
    values = first_values(published)
    pairs = []
    for key, value in values.items():
        dice = values.get((*key[:4], "dsc"))
        if key[4] == "iou" and dice:
            units = [exactly(unit_of(metric, published)) for metric in ("iou", "dsc")]
            pairs.append((value, dice, _of_means(value, dice, *units)))
    return [row if _sure(row, dice, pairs) else _in_another_way(row) for _, dice, row in pairs]


def _sure(row: AuditRow, dice: Value, pairs: list[tuple[Value, Value, AuditRow]]) -> bool:
    """Return whether an IoU that doesn't go with its Dice can't be averaged in another way, either.

    A paper averages in one way throughout. With the background among the classes, an IoU is the more above the Dice,
    the lower this is: it is none where one of a lower Dice on the same test set is in its range. Nothing tells of an
    IoU below its range that it isn't of all pixels.
    """
    others = [(d.mean, r.verdict) for _, d, r in pairs if d is not dice and d.test_set == dice.test_set]
    above = row.verdict == NOT and float(row.printed) > row.high
    as_others = all(verdict != NOT for _, verdict in others)
    return row.verdict != NOT or (above and as_others and any(mean <= dice.mean for mean, _ in others))


def _in_another_way(row: AuditRow) -> AuditRow:
    return replace(row, verdict=DEPENDS, interpretation=OTHERWISE, off_by=math.nan)


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
    beyond = iou.mean / iou_unit.low - iou_of(mean) if mean <= 1 else 0.0  # `spread` finds a Dice above 1
    if beyond > 0:
        # Second-order: the mean exceeds the value at the mean by half the curvature times the variance.
        sd = math.sqrt(2 * beyond * (2 - mean) ** 3 / 4)
        note = f"It is {beyond:.4f} above the IoU of the mean Dice, which needs an SD of Dice of about {sd:.2f}"
    return judged(
        CHECK, f"IoU of {key_text(key_of(iou))}", places(iou.where, dice.where), iou.mean.text,
        f"a Dice of {dice.mean.text}", unrounded(iou.mean),
        [Interpretation("", allowed)], note=note, rests_on=numbers_of(iou, dice),
    )  # fmt: skip
