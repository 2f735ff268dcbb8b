"""What a paper prints, piece by piece: the models behind `config/published/<study>.yaml`."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from crossover.core.configuration import ConfigSection
from crossover.statistics.papers.paper_names import (
    MetricName,
    ModelName,
    StructureName,
    TestSetName,
    TrainingSize,
    names_of,
)
from crossover.statistics.papers.printed_number import Printed

Share = Annotated[Printed, Field(ge=0, le=1)]
NotNegative = Annotated[Printed, Field(ge=0)]
Pair = tuple[Printed, Printed]


def _without_sign(value: object) -> object:
    """Return the number of "13.5%"; all else as it is."""
    text = value.strip().removesuffix("%").rstrip() if isinstance(value, str) else ""
    return Printed(text) if isinstance(value, str) and value.strip() != text and _is_number(text) else value


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


Percent = Annotated[Printed, Field(ge=0), BeforeValidator(_without_sign)]
"""A percentage, with its sign or without."""
Test = Annotated[
    Literal["t", "anova", "wilcoxon", "sign", "mann-whitney", "kruskal-wallis", "friedman", "other"],
    BeforeValidator(lambda name: name.lower() if isinstance(name, str) else name),
]
"""A test of differences that a paper names; Tukey's or a mixed model's is `other`."""
RANK_TESTS = ("wilcoxon", "sign", "mann-whitney", "kruskal-wallis", "friedman")
"""The tests of ranks, whose p doesn't follow from means."""
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Placed(ConfigSection):
    """Something that stands at a place in the paper."""

    where: str
    """The place, as it is cited: "Table 2", "Abstract"."""


class PublishedModel(ConfigSection):
    """A model that the paper names: family and number of training patients."""

    family: ModelName
    """The model's name in the paper, or the family of the study to which it corresponds."""
    n_train: TrainingSize
    """The number of training cases; 0 where models have none."""


class Alternative(ConfigSection):
    """What else a printed value may be of, where its sentence doesn't say: only what differs."""

    family: ModelName | None = None
    """The other model."""
    n_train: TrainingSize | None = None
    """Its number of training cases."""
    test_set: TestSetName | None = None
    """The other test set."""


class TestSet(Placed):
    """The cases that scores are of; a set that holds others names them in `pools`."""

    __test__ = False  # not one of pytest's
    cases: Annotated[int, Field(ge=1)] | None = None
    """The number of cases, where the paper tells it."""
    pools: list[TestSetName] = []
    """The test sets that this one holds."""


class Value(Placed):
    """A printed mean, or median, of one model on one test set.

    `sd_of` is what the SD or standard error is of: a score of each case, each case's average over its
    slices or structures, or averages of runs (folds, trainings). Papers don't always say.
    """

    model: PublishedModel
    """The model that is scored."""
    structure: StructureName | None = None
    """The structure; None in a study of one structure; "all" for the average over several."""
    test_set: TestSetName
    """The test set, a key of `test_sets` where there are any."""
    metric: MetricName
    """The metric: `dsc`, `iou`, `hd95_mm`, another of docs/metrics.md by any of its names ("Dice", "HD95"), or one of
    `other_metrics`."""
    mean: Printed
    """The mean, or the median, with the digits that are printed."""
    statistic: Literal["mean", "median"] = "mean"
    """Whether `mean` holds a mean or a median."""
    sd: NotNegative | None = None
    """The standard deviation."""
    se: NotNegative | None = None
    """The standard error, where that is printed instead of the SD."""
    sd_of: Literal["cases", "averages", "runs"] | None = None
    """What the SD or standard error is of, where the paper says so."""
    ci: Pair | None = None
    """The confidence interval."""
    iqr: Pair | None = None
    """The quartiles."""
    cases: Annotated[int, Field(ge=1)] | None = None
    """The number of cases, where it isn't the test set's."""
    or_of: list[Alternative] = []
    """What else the value may be of, where its sentence does not say."""

    @property
    def quantity(self) -> str:
        """The printed quantity: the metric's name for a mean, "median dsc" for a median."""
        return self.metric if self.statistic == "mean" else f"median {self.metric}"


class Ordering(Placed):
    """The paper says that `better` are better than all of `worse` at each size, with p < `p_below`.

    `higher` and `lower` stand instead where it says that numbers are higher: of a distance, those are the worse ones.
    """

    metric: MetricName
    """The metric that is compared."""
    test_set: TestSetName | None
    """The test set; none where the paper names none."""
    n_train: list[TrainingSize]
    """The sizes at which it is said; 0 where models have none."""
    structures: list[StructureName | None] = [None]
    """The structures of which it is said."""
    better: list[ModelName] = []
    """The models that are said to be better."""
    worse: list[ModelName] = []
    """The models that they are better than."""
    higher: list[ModelName] = []
    """The models whose numbers are said to be higher, whichever are better."""
    lower: list[ModelName] = []
    """The models whose numbers they are higher than."""
    p_below: Printed | None = None
    """The p below which the difference is said to be; none where no p is printed."""
    test: Test | None = None
    """The test that the paper names."""

    @model_validator(mode="after")
    def _one_pair(self) -> Ordering:
        said = {key for key in ("better", "worse", "higher", "lower") if getattr(self, key)}
        if said not in ({"better", "worse"}, {"higher", "lower"}):
            raise ValueError("better and worse are needed, or higher and lower")
        return self


class Gain(Placed):
    """A printed gain of a metric: the mean of `families` above `over`, on one test set.

    `sources` are the cohorts that the sentence names as trained on before.
    """

    metric: MetricName
    """The metric."""
    test_set: TestSetName
    """The test set."""
    structure: StructureName | None = None
    """The structure; none in a study of one."""
    families: list[ModelName]
    """The models that gain, whose mean is meant."""
    over: ModelName
    """The model over which they gain."""
    n_train: TrainingSize | None = None
    """The size at which they gain; needed where scores of several sizes are printed."""
    gain: Printed
    """The gain, with the digits that are printed."""
    unit: Literal["%"] | None = None
    """Per cent, or percentage points, of scores that are printed as fractions."""
    sources: list[str] = []
    """The cohorts that the sentence names as trained on before."""

    @model_validator(mode="after")
    def _one_size(self, info: ValidationInfo) -> Gain:
        names = names_of(info)
        if names is None or self.n_train is not None:
            return self
        for family in (*self.families, self.over):
            sizes = names.printed.get((family, self.structure, self.test_set, self.metric), set())
            if len(sizes) > 1:
                raise ValueError(f"n_train is needed: scores of {family} are printed at {sorted(sizes)}")
        return self


class GridCell(ConfigSection):
    """A printed mean and SD over the folds."""

    architecture: str
    """The architecture."""
    encoder: str
    """The encoder."""
    mean: Printed
    """The mean over the folds."""
    sd: NotNegative
    """The SD over the folds."""


class PrintedGrid(Placed):
    """A printed table of validation scores: architectures with encoders, each trained for each fold."""

    cohort: str
    """The cohort that is validated on."""
    metric: MetricName
    """The metric."""
    folds: Annotated[int, Field(ge=2)]
    """The number of folds."""
    cells: list[GridCell]
    """The printed means and SDs."""
    selected: tuple[str, str]
    """The architecture and encoder of the network that the paper selected."""

    @model_validator(mode="after")
    def _selected_there(self) -> PrintedGrid:
        there = [f"[{c.architecture}, {c.encoder}]" for c in self.cells]
        if (said := f"[{', '.join(self.selected)}]") not in there:
            raise ValueError(f"selected: no cell {said}; there are: {', '.join(there)}")
        return self


class CohortRow(Placed):
    """A row of a printed table of cohorts."""

    cohort: str
    """The cohort's name."""
    cases: Annotated[int, Field(ge=1)]
    """The number of cases."""
    attributes: dict[str, Printed | str] = {}
    """By the names of the study's attributes."""
    slices: Annotated[int, Field(ge=1)]
    """The number of slices."""


class Association(Placed):
    """The text relates an attribute of the cohorts to the results."""

    about: str
    """What the text relates."""
    attribute: str
    """The attribute, one of `cohorts`."""


class PairedTest(Placed):
    """A printed p value of two models on the same cases; `a` is named first, as "a vs. b"."""

    structure: StructureName | None = None
    """The structure; none in a study of one."""
    a: PublishedModel
    """The model that is named first."""
    b: PublishedModel
    """The other model."""
    test_set: TestSetName
    """The test set."""
    metric: MetricName
    """The metric."""
    p: Share
    """The p value, with the digits that are printed."""
    p_below: bool = False
    """Whether only "p < ..." is printed."""
    test: Test | None = None
    """The test that the paper names."""
    corrected: bool = False
    """Whether the p is corrected for several comparisons (Bonferroni, Holm): the test's own is as large at most."""


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


class StatedTest(Placed):
    """A test that the text states with its statistic, as "t(19) = 2.94, p = 0.008" or "r = 0.91, n = 20, p < 0.001"."""

    about: str
    """What is tested."""
    statistic: Literal["t", "F", "chi2", "z", "r", "rho"]
    """The statistic; `r` is Pearson's correlation, `rho` is Spearman's."""
    value: Printed
    """Its value."""
    df: Annotated[list[Annotated[Printed, Field(gt=0)]], BeforeValidator(_as_list)] = []
    """The degrees of freedom: 19, or [2, 57] of an F."""
    cases: Annotated[int, Field(ge=3)] | None = None
    """The number of cases: without `df` those of a t, r or rho follow from it, with both each is checked by the other.
    """
    p: Share
    """The p value, with the digits that are printed."""
    p_below: bool = False
    """Whether only "p < ..." is printed."""
    one_sided: bool = False
    """Whether the paper says that the test is one-sided."""
    corrected: bool = False
    """Whether the p is corrected for several comparisons (Bonferroni, Holm): the test's own is as large at most."""

    @model_validator(mode="after")
    def _degrees_told(self) -> StatedTest:
        needed, words = {"F": (2, "two numbers"), "z": (0, "no number")}.get(self.statistic, (1, "one number"))
        correlation = self.statistic in ("r", "rho")
        from_cases = correlation or self.statistic == "t"
        if len(self.df) != needed and (self.df or not from_cases or self.cases is None):
            also = ", or `cases` stands in its place" if from_cases else ""
            raise ValueError(f"df of {self.statistic} is {words}{also}; {len(self.df)} given")
        if correlation and abs(self.value) > 1:
            raise ValueError(f"{self.statistic} is from -1 to 1, not {self.value.text}")
        if self.statistic in ("F", "chi2") and self.value < 0:
            raise ValueError(f"{self.statistic} is from 0, not {self.value.text}")
        if self.one_sided and self.statistic in ("F", "chi2"):
            raise ValueError(f"one_sided is of t, z, r and rho: the p of {self.statistic} has one tail")
        return self


class PrintedDifference(Placed):
    """A printed mean difference of two models on the same cases, `a` minus `b`: "0.021 (95% CI 0.008 to 0.034)".

    SD, standard error and interval are those of the differences, one of each case.
    """

    structure: StructureName | None = None
    """The structure; none in a study of one."""
    a: PublishedModel
    """The model whose scores come first in the difference."""
    b: PublishedModel
    """The model whose scores are subtracted."""
    test_set: TestSetName
    """The test set."""
    metric: MetricName
    """The metric."""
    difference: Printed
    """The mean difference, with the digits that are printed."""
    unit: Literal["%"] | None = None
    """Percentage points, of scores that are printed as fractions."""
    sd: NotNegative | None = None
    """The standard deviation of the differences."""
    se: NotNegative | None = None
    """The standard error of the mean difference."""
    ci: Pair | None = None
    """The confidence interval of the mean difference."""
    cases: Annotated[int, Field(ge=2)] | None = None
    """The number of cases, where it isn't the test set's."""
    p: Share | None = None
    """The p value that stands beside it, with the digits that are printed."""
    p_below: bool = False
    """Whether only "p < ..." is printed."""
    test: Test | None = None
    """The test behind the p, where the paper names it; the t test is the paired one."""
    corrected: bool = False
    """Whether the p is corrected for several comparisons (Bonferroni, Holm): the test's own is as large at most."""


class Improvement(Placed):
    """The text says that every case improves: `model` above each of `over`, one of which is meant."""

    about: str
    """What the text says."""
    model: PublishedModel
    """The model that is above."""
    over: list[PublishedModel]
    """The models of which one is meant."""
    test_set: TestSetName
    """The test set."""
    metric: MetricName
    """The metric."""


class Layers(ConfigSection):
    """A row of a printed table of layers.

    `kernels` are the sides of the convolutions' squares, one after the other (or side by side, as the
    paper says), `repeats` how many times; `outputs` are rows, columns and channels after each.
    """

    layer: str
    """The row's name."""
    kernels: list[int] = []
    """The sides of the convolutions' squares, one after the other, or side by side as the paper says."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """How many times they follow each other."""
    outputs: list[tuple[int, int, int]]
    """Rows, columns and channels after each."""


class Architecture(Placed):
    """The network as the paper describes it."""

    rows: list[Layers]
    """The rows of the table."""


class IccRange(Placed):
    """Smallest and largest ICC of a model's features."""

    model: PublishedModel
    """The model."""
    range: Pair
    """The smallest and the largest ICC."""


class ContinuousRow(ConfigSection):
    """[mean, SD] of each part."""

    variable: str
    """The variable."""
    training: Pair
    """Mean and SD of the patients who are trained on."""
    testing: Pair
    """Mean and SD of those who are tested on."""
    p: Share
    """The p value."""
    p_below: bool = False
    """Whether only "p < ..." is printed."""
    test: Test | None = None
    """The test that the paper names."""


class Category(ConfigSection):
    """[count, percent] of each part."""

    training: tuple[int, Percent]
    """Count and percentage of the patients who are trained on."""
    testing: tuple[int, Percent]
    """Count and percentage of those who are tested on."""


class CategoricalRow(ConfigSection):
    """A row of the table of patients with counts and shares."""

    variable: str
    """The variable."""
    p: Share
    """The p value."""
    p_below: bool = False
    """Whether only "p < ..." is printed."""
    categories: dict[str, Category]
    """The categories, by name."""


class NoDifference(Placed):
    """The text says that no variable's p is below `p_below`."""

    p_below: Printed
    """The threshold below which no p is."""


class TableOne(Placed):
    """The table of patients: training and testing, with p values."""

    cohort: str
    """The cohort."""
    patients: dict[str, int]
    """The number of patients of each part, `training` and `testing`."""
    continuous: list[ContinuousRow]
    """The rows with means and SDs."""
    categorical: list[CategoricalRow]
    """The rows with counts and percentages."""
    no_difference: NoDifference | None = None
    """What the text says of the p values."""


class Fact(Placed):
    """A single number; `key` names it in statements, and is the same wherever it stands again.

    Whole numbers are exact counts and settings unless their unit is "%"; a decimal number is rounded
    unless `exact`, as settings are.
    """

    about: str
    """What the number is of."""
    key: Key | None = None
    """The name by which statements refer to it."""
    value: Printed
    """The number, with the digits that are printed."""
    unit: str | None = None
    """Its unit; "%" is a percentage."""
    bound: Literal["at_most", "at_least"] | None = None
    """Whether the number is a bound, as "up to" and "at least" say."""
    exact: bool = False
    """Whether a decimal number is exact, as a setting is, and no rounded one."""


class Percentage(Placed):
    """A printed percentage of a printed count."""

    about: str
    """What it is of."""
    count: Annotated[int, Field(ge=0)]
    """The printed count."""
    of: Annotated[int, Field(ge=1)]
    """The printed total."""
    percent: Percent
    """The printed percentage: 13.5 or 13.5%."""


class Statement(Placed):
    """A relation that the text states, or that its numbers must have.

    `left` and the readings of `right` are expressions of facts and tables (`audit.expressions`). The
    relation "whole" needs no right side: the left one must be a whole number.
    """

    about: str
    """What is stated."""
    left: str
    """An expression of facts and tables."""
    relation: Literal["equals", "at_most", "at_least", "below", "above", "whole"]
    """How the left side relates to the right one; "whole" needs no right side."""
    right: dict[str, str] = {}
    """What the right side may mean -> expression."""
    or_rounded: bool = False
    """A number that isn't whole may have been rounded to one, as a share of patients is."""
    note: str = ""
    """A remark that is printed with the result."""

    @model_validator(mode="after")
    def _sides(self) -> Statement:
        if (self.relation == "whole") == bool(self.right):
            raise ValueError(f"{self.about}: `right` goes with every relation but whole")
        return self


class Announcement(Placed):
    """Something that the text says was done; `shown` is where its result stands, None where nowhere."""

    about: str
    """What the text says was done."""
    shown: str | None = None
    """Where its result stands; none where nowhere."""


class Contradiction(ConfigSection):
    """Places that don't agree, which no check can find, and why none can."""

    about: str
    """What the places are about."""
    what: str
    """What stands where."""
    unchecked: str
    """Why no check can find it."""
