"""A part of a claim: one effect with its interval, and the claim's verdict over all of them.

A claim of n parts of which k have to lie in a region (k = n but for a majority) *holds* where at least k
intervals lie inside, and *does not hold* where at least n - k + 1 lie outside, so that no k can be inside.
Both are tests of a partial conjunction (Benjamini & Heller 2008), each wrong in at most alpha of all cases
in whatever way the parts depend on each other: intervals have confidence 1 - alpha / (n - k + 1) for the first
and 1 - alpha / k for the second. So a claim that all parts hold is tested at alpha for each (intersection-union
test, Berger 1982), and one part fails it only after correction for their number. All else is *can't tell*: so is a
claim about methods of which only one training each is known, and nothing of how much another would differ.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossover.statistics.estimates.chance import METHODS
from crossover.statistics.learning_curves.crossing import whole_cases

Interval = tuple[float, float]
HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "can't tell", "not run"
VERDICTS = (HOLDS, FAILS, OPEN, NOT_RUN)


@dataclass(frozen=True)
class JudgedEffect:
    """One effect.

    Attributes:
        name: which it is, as "scratch at n = 13 on uterus"; "" where a claim has one.
        interval: confidence -> (low, high); NaN where there are too few cases for one.
        p: two-sided, of the effect being the bound of the claim's region; with two bounds, twice the
            one-sided one of the effect being at or beyond the nearer one.
        published: the paper's effect, NaN where it prints none.
        shown_interval: the one to show, where it is not the one to judge by.
        about: methods, or only the models that were trained (`estimates.chance`).
    """

    name: str
    effect: float
    interval: Callable[[float], Interval]
    p: float = math.nan
    published: float = math.nan
    shown_interval: Interval | None = None
    about: str = METHODS


class Missing(Exception):
    """What a claim needs and the tables lack; the message says what."""


def verdict(parts: Sequence[JudgedEffect], region: Interval, confidence: float, least: int | None = None) -> str:
    """Return the verdict on a claim: holds, does not hold, or can't tell.

    Args:
        parts: the claim's effects.
        region: where they have to lie.
        confidence: of the claim's test.
        least: how many of the parts have to lie there; all by default.
    """
    n, k = len(parts), least or len(parts)
    alpha = 1 - confidence
    inside = sum(_inside(p.interval(1 - alpha / (n - k + 1)), region) for p in parts)
    outside = sum(_outside(p.interval(1 - alpha / k), region) for p in parts)
    if inside >= k:
        return HOLDS
    return FAILS if outside >= n - k + 1 else OPEN


def decisive(
    parts: Sequence[JudgedEffect], region: Interval, confidence: float, least: int | None = None
) -> JudgedEffect:
    """Return the part that decides: of all that have to lie in the region the least clear one."""
    ranked = sorted(parts, key=lambda part: -_clearance(part.interval(confidence), region))
    return ranked[(least or len(parts)) - 1]


def sides(
    parts: Sequence[JudgedEffect], region: Interval, confidence: float
) -> tuple[list[JudgedEffect], list[JudgedEffect]]:
    """Return the parts whose own interval lies inside the region, and those whose lies outside."""
    found = [(part, part.interval(confidence)) for part in parts]
    inside = [part for part, interval in found if _inside(interval, region)]
    return inside, [part for part, interval in found if _outside(interval, region)]


def _inside(interval: Interval, region: Interval) -> bool:
    (low, high), (least, most) = interval, region
    if math.isinf(most):
        return low > least
    return high < most if math.isinf(least) else low >= least and high <= most


def _outside(interval: Interval, region: Interval) -> bool:
    """Return whether an interval lies outside a region; one that ends at a bound holds it, and excludes nothing."""
    (low, high), (least, most) = interval, region
    return high < least or low > most


def _clearance(interval: Interval, region: Interval) -> float:
    clear = min(interval[0] - region[0], region[1] - interval[1])
    return -math.inf if np.isnan(clear) else clear


def effect_text(row: Mapping[str, Any]) -> str:
    """Return an effect in words: "+0.07 (+0.01, +0.13) difference of DSC", with its interval where it has one."""
    if math.isnan(row["effect"]):
        return ""
    if row["measure"].startswith("n at"):
        ends = [_cases(row[k]) for k in ("effect", "ci_low", "ci_high")]
        between = "" if math.isnan(row["ci_low"]) else f" ({ends[1]}, {ends[2]})"
        return f"{ends[0]}{between} {row['measure']}"
    signed = "+" if "difference" in row["measure"] else ""
    digits = {"%": 1}.get(row["measure"].split()[0], 2 if not signed else 3)
    value, low, high = (f"{row[k]:{signed}.{digits}f}" for k in ("effect", "ci_low", "ci_high"))
    between = "" if math.isnan(row["ci_low"]) else f" ({low}, {high})"
    return f"{value}{between} {row['measure']}".replace("-", "−")


def _cases(n: float) -> str:
    return "below the sizes" if n == 0 else "beyond the sizes" if math.isinf(n) else whole_cases(n)
