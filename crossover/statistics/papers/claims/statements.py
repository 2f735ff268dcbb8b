"""What a paper's finding says, typed, so that tables can answer it.

A statement is about one or several *parts*: each pair of families, test set, structure and size that it
names, or what `combine` makes of them. Each part has an effect with an interval, and the statement says
where effects have to lie. Sizes are the paper's.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from crossover.core.configuration import ConfigSection
from crossover.statistics.scores.scales import direction, unit

Metric = Literal["dsc", "iou", "nsd", "dsc_structure_slices", "iou_structure_slices", "hd95_mm", "assd_mm"]
"""Of the last two, distances, lower values are better."""
Families = Annotated[list[str], Field(min_length=1)]
Sizes = list[Annotated[int, Field(ge=1)]]
ICC = "icc"
"""The metric whose values are the features' ICCs, each a part."""
MARGIN = 0.05
"""Difference of DSC up to which two models count as equal where a claim states none. No paper states one;
the smallest difference that Lin 2023 makes anything of is 0.06 (0.70 and 0.64 at n = 51). A claim of a paper
that makes something of less states its own."""


class Comparison(ConfigSection):
    """Families `a` against families `b` on the same test cases; "all" is every cohort's."""

    test_set: str
    a: Families
    b: Families


class _Testable(ConfigSection):
    @property
    def region(self) -> tuple[float, float]:
        """The two ends between which every effect lies where the statement holds."""
        match self:
            case Better(by=least):
                return self._better_by(least)
            case Majority() | Rises():
                return self._better_by(0.0)
            case Above(bound=least) | Time(at_least=least):
                return least, math.inf
            case Below(bound=most):
                return -math.inf, most
            case Within(low=low, high=high):
                return low, high
            case NoDifference(margin=margin):
                return -margin, margin
        return 0.0, math.inf


class _OfScores(_Testable):
    metric: Metric
    structures: list[str] = []
    """The structures; by default each of the study's; "all" is a case's mean over the study's."""
    sizes: Sizes = []
    """The sizes; none where no family has sizes. A family without sizes is the same at each."""

    def _better_by(self, least: float) -> tuple[float, float]:
        """Return the ends of the differences that are better by so much: of a distance, those below its negative."""
        return (-math.inf, 0 - least) if direction(self.metric) < 0 else (least, math.inf)


class _Compared(_OfScores):
    pairs: Annotated[list[Comparison], Field(min_length=1)]
    combine: Literal["each", "sides", "all"] = "each"
    """each: every a against every b; sides: the mean of the a against the mean of the b; all: that over all
    test sets, structures and sizes too, as one effect."""


class Better(_Compared):
    """Every difference a - b is above `by`; of a distance, below its negative."""

    kind: Literal["better"]
    metric: Metric | Literal["icc"]  # type: ignore[assignment]  # wider than of others, and never assigned to
    by: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _each_icc(self) -> Better:
        if self.metric == ICC and (self.combine != "each" or "all" in self.structures):
            raise ValueError("ICCs are compared feature by feature: remove combine, and name structures other than all")
        return self


class Majority(_Compared):
    """At least so many of the differences a - b are above 0; of a distance, below 0."""

    kind: Literal["majority"]
    at_least: Annotated[int, Field(ge=1)]


class NoDifference(_Compared):
    """Every difference a - b lies within the margin: equivalence. A test that finds nothing shows none."""

    kind: Literal["no_difference"]
    margin: Annotated[float, Field(gt=0)] = MARGIN
    """In the metric's unit; required for a distance."""

    @model_validator(mode="after")
    def _of_the_metric(self) -> NoDifference:
        if unit(self.metric) and "margin" not in self.model_fields_set:
            raise ValueError(f"give a margin in {unit(self.metric)}: the usual one is of a DSC")
        return self


class _Values(_OfScores):
    metric: Metric | Literal["icc"]  # type: ignore[assignment]  # wider than of others, and never assigned to
    test_set: str
    families: Families


class Above(_Values):
    """Every mean, or every feature's ICC, is above the bound."""

    kind: Literal["above"]
    bound: float


class Below(_Values):
    """Every mean, or every feature's ICC, is below the bound."""

    kind: Literal["below"]
    bound: float


class Within(_Values):
    """Every mean, or every feature's ICC, is from `low` to `high`."""

    kind: Literal["range"]
    low: float
    high: float

    @model_validator(mode="after")
    def _rising(self) -> Within:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        return self


class Rises(_OfScores):
    """Every family scores higher, or has a shorter distance, at each of the sizes than at the one before."""

    kind: Literal["rises"]
    test_set: str
    families: Families
    sizes: Annotated[Sizes, Field(min_length=2)]


class Crossover(ConfigSection):
    """`ahead` is better with few cases, and `overtakes` better than it from a size between the two on."""

    kind: Literal["crossover"]
    metric: Metric
    test_set: str
    structures: list[str] = []
    ahead: str
    overtakes: str
    between: tuple[int, int]

    @property
    def sizes(self) -> list[int]:
        """The sizes that the statement is about."""
        return list(self.between)

    @model_validator(mode="after")
    def _rising(self) -> Crossover:
        if self.between[0] >= self.between[1]:
            raise ValueError(f"between: the first size must be below the second, not {list(self.between)}")
        return self


class Time(_Testable):
    """Training `family` takes less time than training `over`: at least so many per cent."""

    kind: Literal["time"]
    family: str
    over: str
    sizes: Sizes
    at_least: Annotated[float, Field(ge=0, lt=100)] = 0.0


class BestNetwork(_Testable):
    """This network has a higher validation DSC over the folds than every other of the selection."""

    kind: Literal["best_network"]
    architecture: str
    encoder: str


class Untested(ConfigSection):
    """No table of a run can answer it."""

    kind: Literal["untested"]
    because: str


OnTestSet = Better | Majority | NoDifference | Above | Below | Within | Rises | Crossover
Testable = OnTestSet | Time | BestNetwork
Statement = Annotated[Testable | Untested, Field(discriminator="kind")]


class Claim(ConfigSection):
    """A finding: the paper's words, where they stand, and what they say of the tables.

    Attributes:
        interpretation: what we took the words to mean where they leave it open.
        published: what the paper prints of it that isn't among its scores, as a p value.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    words: str
    where: str
    statement: Statement
    interpretation: str = ""
    published: str = ""


class Claims(ConfigSection):
    """A study's file of claims."""

    study: str
    claims: Annotated[list[Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_of_each_id(self) -> Claims:
        ids = [claim.id for claim in self.claims]
        if again := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"claims: each id must be unique; several claims have {', '.join(again)}")
        return self
