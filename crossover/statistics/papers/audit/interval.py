"""What a printed number may have been before it was rounded, and arithmetic with that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crossover.statistics.papers.printed_number import Printed

TOLERANCE = 1e-9
"""The tolerance of comparisons: sums of decimal fractions aren't exact in binary."""
TAIL = 3.29
"""The number of SDs within which 99.9% of a normal variable lie."""


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both ends included."""

    low: float
    high: float

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __abs__(self) -> Interval:
        near, far = sorted((abs(self.low), abs(self.high)))
        return Interval(0.0 if self.low <= 0 <= self.high else near, far)

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        return _hull([a * b for a in (self.low, self.high) for b in (other.low, other.high)])

    def __truediv__(self, other: Interval) -> Interval:
        """Return what the quotients may be.

        Raises:
            ZeroDivisionError: the other may be 0.
        """
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError(f"{other} holds 0")
        ends = [a / b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), max(ends))

    def widened(self, by: float) -> Interval:
        """Return the interval with both ends moved outwards."""
        return Interval(self.low - by, self.high + by)

    def clipped(self, low: float = 0.0, high: float = math.inf) -> Interval:
        """Return the part of the interval within the quantity's bounds; the nearer bound where it has none."""
        return Interval(min(max(self.low, low), high), min(max(self.high, low), high))

    @property
    def middle(self) -> float:
        """The mean of the two ends."""
        return (self.low + self.high) / 2

    @property
    def half_width(self) -> float:
        """Half of the distance between the two ends."""
        return (self.high - self.low) / 2


def exactly(value: float) -> Interval:
    """Return the interval that holds one number."""
    return Interval(float(value), float(value))


def unrounded(value: Printed, exact: bool = False) -> Interval:
    """Return all numbers that are printed as this one: half a unit of its last decimal to either side.

    Ties belong to both neighbours, as programs round them either way.
    """
    return exactly(value) if exact else exactly(value).widened(value.half_unit)


def average(terms: Sequence[Interval], weights: Sequence[float] | None = None) -> Interval:
    """Return the weighted mean, the weights being exact."""
    weights = list(weights) if weights is not None else [1.0] * len(terms)
    total = sum(weights)
    ends = ([t.low for t in terms], [t.high for t in terms])
    low, high = (math.fsum(w * v for w, v in zip(weights, end)) / total for end in ends)
    return Interval(low, high)


def likely_average(terms: Sequence[Interval]) -> Interval:
    """Return the mean of many rounded terms where their rounding errors are independent and uniform.

    99.9% of such means lie in it; `average` holds those, too, whose errors all have one sign.
    """
    worst = average(terms)
    spread = TAIL * math.sqrt(math.fsum(t.half_width**2 for t in terms) / 3) / len(terms)
    return exactly(worst.middle).widened(min(spread, worst.half_width))


def gap(left: Interval, relation: str, right: Interval) -> float:
    """Return how far the relation is from being possible; 0 where some of the numbers satisfy it.

    Args:
        relation: "equals", "at_most", "below", "at_least" or "above"; bounds count as reached, as
            rounding can't tell less from equal.

    Raises:
        ValueError: another relation.
    """
    above, below = left.low - right.high, right.low - left.high
    gaps = {"equals": max(above, below), "at_most": above, "below": above,
            "at_least": below, "above": below}  # fmt: skip
    if relation not in gaps:
        raise ValueError(f"no relation {relation!r}")
    return gaps[relation] if gaps[relation] > TOLERANCE else 0.0


def _hull(values: Sequence[float]) -> Interval:
    return Interval(min(values), max(values))
