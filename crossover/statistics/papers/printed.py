"""What a paper prints, piece by piece: the models behind `config/published/<study>.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crossover.core.configuration import Section
from crossover.statistics.papers.printed_number import Printed

Share = Annotated[Printed, Field(ge=0, le=1)]
NotNegative = Annotated[Printed, Field(ge=0)]
Pair = tuple[Printed, Printed]
Test = Literal[
    "t", "anova", "wilcoxon", "sign", "mann-whitney", "kruskal-wallis", "friedman", "other"
]  # fmt: skip
"""A test of differences that a paper names."""
RANK_TESTS = ("wilcoxon", "sign", "mann-whitney", "kruskal-wallis", "friedman")
"""The tests of ranks, whose p doesn't follow from means."""
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class PublishedModel(Section):
    """A model that the paper names: family and number of training patients."""

    family: str
    n_train: Annotated[int, Field(ge=0)]


class Alternative(Section):
    """What else a printed value may be of, where its sentence doesn't say: only what differs."""

    family: str | None = None
    n_train: int | None = None
    test_set: str | None = None


class TestSet(Section):
    """The cases that scores are of; a set that holds others names them in `pools`."""

    __test__ = False  # not one of pytest's
    cases: Annotated[int, Field(ge=1)]
    pools: list[str] = []
    where: str


class Value(Section):
    """A printed mean, or median, of one model on one test set.

    `sd_of` is what the SD or standard error is of: a score of each case, each case's average over its
    slices or structures, or averages of runs (folds, trainings). Papers don't always say.
    """

    model: PublishedModel
    structure: str | None = None
    """The structure; None in a study of one structure; "all" for the average over several."""
    test_set: str
    metric: str
    mean: Printed
    statistic: Literal["mean", "median"] = "mean"
    """Whether `mean` holds a mean or a median."""
    sd: NotNegative | None = None
    se: NotNegative | None = None
    """The standard error, where that is printed instead of the SD."""
    sd_of: Literal["cases", "averages", "runs"] | None = None
    ci: Pair | None = None
    iqr: Pair | None = None
    """The quartiles."""
    cases: Annotated[int, Field(ge=1)] | None = None
    """The number of cases, where it isn't the test set's."""
    or_of: list[Alternative] = []
    where: str

    @property
    def quantity(self) -> str:
        """The printed quantity: the metric's name for a mean, "median dsc" for a median."""
        return self.metric if self.statistic == "mean" else f"median {self.metric}"


class Ordering(Section):
    """The paper says that `higher` are above all of `lower` at each size, with p < `p_below`."""

    metric: str
    test_set: str | None
    """None where the paper names none."""
    n_train: list[int]
    structures: list[str | None] = [None]
    higher: list[str]
    lower: list[str]
    p_below: Printed | None = None
    """None where no p is printed."""
    test: Test | None = None
    where: str


class Gain(Section):
    """A printed gain of a metric: the mean of `families` above `over`, on one test set.

    `sources` are the cohorts that the sentence names as trained on before.
    """

    metric: str
    test_set: str
    structure: str | None = None
    families: list[str]
    over: str
    gain: Printed
    unit: Literal["%"] | None = None
    """Per cent, or percentage points, of scores that are printed as fractions."""
    sources: list[str] = []
    where: str


class GridCell(Section):
    """A printed mean and SD over the folds."""

    architecture: str
    encoder: str
    mean: Printed
    sd: NotNegative


class Grid(Section):
    """A printed table of validation scores: architectures with encoders, each trained for each fold."""

    where: str
    cohort: str
    metric: str
    folds: Annotated[int, Field(ge=2)]
    cells: list[GridCell]
    selected: tuple[str, str]
    """The architecture and encoder of the network that the paper selected."""


class CohortRow(Section):
    """A row of a printed table of cohorts."""

    cohort: str
    cases: Annotated[int, Field(ge=1)]
    attributes: dict[str, Printed | str] = {}
    """By the names of the study's attributes."""
    slices: Annotated[int, Field(ge=1)]
    where: str


class Association(Section):
    """The text relates an attribute of the cohorts to the results."""

    about: str
    attribute: str
    where: str


class PairedTest(Section):
    """A printed p value of two models on the same cases; `a` is named first, as "a vs. b"."""

    structure: str | None = None
    a: PublishedModel
    b: PublishedModel
    test_set: str
    metric: str
    p: Share
    p_below: bool = False
    """Whether only "p < ..." is printed."""
    test: Test | None = None
    where: str


class Improvement(Section):
    """The text says that every case improves: `model` above each of `over`, one of which is meant."""

    about: str
    model: PublishedModel
    over: list[PublishedModel]
    test_set: str
    metric: str
    where: str


class Layers(Section):
    """A row of a printed table of layers.

    `kernels` are the sides of the convolutions' squares, one after the other (or side by side, as the
    paper says), `repeats` how many times; `outputs` are rows, columns and channels after each.
    """

    layer: str
    kernels: list[int] = []
    repeats: Annotated[int, Field(ge=1)] = 1
    outputs: list[tuple[int, int, int]]


class Architecture(Section):
    """The network as the paper describes it."""

    where: str
    rows: list[Layers]


class IccRange(Section):
    """Smallest and largest ICC of a model's features."""

    model: PublishedModel
    range: Pair
    where: str


class ContinuousRow(Section):
    """[mean, SD] of each part."""

    variable: str
    training: Pair
    testing: Pair
    p: Share
    p_below: bool = False
    test: Test | None = None


class Category(Section):
    """[count, percent] of each part."""

    training: tuple[int, Printed]
    testing: tuple[int, Printed]


class CategoricalRow(Section):
    """A row of the table of patients with counts and shares."""

    variable: str
    p: Share
    p_below: bool = False
    categories: dict[str, Category]


class NoDifference(Section):
    """The text says that no variable's p is below `p_below`."""

    p_below: Printed
    where: str


class TableOne(Section):
    """The table of patients: training and testing, with p values."""

    where: str
    cohort: str
    patients: dict[str, int]
    continuous: list[ContinuousRow]
    categorical: list[CategoricalRow]
    no_difference: NoDifference | None = None


class Fact(Section):
    """A single number; `key` names it in statements, and is the same wherever it stands again.

    Whole numbers are exact counts and settings unless their unit is "%"; a decimal number is rounded
    unless `exact`, as settings are.
    """

    about: str
    key: Key | None = None
    value: Printed
    unit: str | None = None
    bound: Literal["at_most", "at_least"] | None = None
    """Whether the number is a bound, as "up to" and "at least" say."""
    exact: bool = False
    where: str


class Percentage(Section):
    """A printed percentage of a printed count."""

    about: str
    count: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=1)]
    percent: NotNegative
    where: str


class Statement(Section):
    """A relation that the text states, or that its numbers must have.

    `left` and the readings of `right` are expressions of facts and tables (`audit.expressions`). The
    relation "whole" needs no right side: the left one must be a whole number.
    """

    about: str
    left: str
    relation: Literal["equals", "at_most", "at_least", "below", "above", "whole"]
    right: dict[str, str] = {}
    """What the right side may mean -> expression."""
    or_rounded: bool = False
    """A number that isn't whole may have been rounded to one, as a share of patients is."""
    note: str = ""
    where: str

    @model_validator(mode="after")
    def _sides(self) -> Statement:
        if (self.relation == "whole") == bool(self.right):
            raise ValueError(f"{self.about}: `right` goes with every relation but whole")
        return self


class Announcement(Section):
    """Something that the text says was done; `shown` is where its result stands, None where nowhere."""

    about: str
    where: str
    shown: str | None = None


class Contradiction(Section):
    """Places that don't agree, which no check can find, and why none can."""

    about: str
    what: str
    unchecked: str
