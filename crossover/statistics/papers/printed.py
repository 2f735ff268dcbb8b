"""What a paper prints, piece by piece: the models behind `config/published/<study>.yaml`."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

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


def _in_order(ends: tuple[float, float]) -> tuple[float, float]:
    """Return an interval.

    Raises:
        ValueError: its first number is the larger one.
    """
    if ends[0] > ends[1]:
        raise ValueError(f"write the lower end first: [{ends[1]}, {ends[0]}]")
    return ends


def _two(ends: object) -> object:
    """Return what stands for two numbers.

    Raises:
        ValueError: it is no list, or one of another length.
    """
    if not isinstance(ends, (list, tuple)):
        raise ValueError(f"write two numbers in brackets, such as [0.80, 0.88], not {ends!r}")
    if len(ends) != 2:
        raise ValueError(f"write two numbers with decimal points, such as [0.80, 0.88]; there are {len(ends)}")
    return ends


Pair = Annotated[tuple[Printed, Printed], BeforeValidator(_two)]
Interval = Annotated[Pair, AfterValidator(_in_order)]


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
MEASURES = frozenset((
    "%", "ms", "s", "sec", "second", "seconds", "min", "minute", "minutes", "h", "hr", "hrs", "hour", "hours", "d",
    "day", "days", "week", "weeks", "month", "months", "y", "yr", "yrs", "year", "years", "mm", "cm", "m", "µm",
    "mm2", "mm²", "cm2", "cm²", "mm3", "mm³", "cm3", "cm³", "cc", "ml", "l", "mg", "g", "kg", "mb", "gb", "tb", "t",
    "tesla", "hz", "khz", "mhz", "kv", "kvp", "ma", "mas", "gy", "mmhg", "hu", "kg/m2", "kg/m²", "mm2/s", "mm²/s",
    "s/mm2", "s/mm²", "degrees", "°",
))  # fmt: skip
"""The units, in small letters, of numbers that are measured, and so rounded however few digits they have."""
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Placed(ConfigSection):
    """Something that is printed at a place in the paper."""

    where: str
    """The place in the paper, such as "Table 2" or "Abstract"."""


class PublishedModel(ConfigSection):
    """A model that the paper names, by its family and its number of training cases."""

    family: ModelName
    """The name of the model in the paper, or the family of the study to which it corresponds."""
    n_train: TrainingSize
    """The number of training cases; 0 if the models have none."""


class Alternative(ConfigSection):
    """Another interpretation of a printed value whose sentence is ambiguous; only the keys that differ are given."""

    family: ModelName | None = None
    """The other model."""
    n_train: TrainingSize | None = None
    """The other number of training cases."""
    test_set: TestSetName | None = None
    """The other test set."""


class TestSet(Placed):
    """A set of cases on which models are scored; a set that contains other sets names them in `pools`."""

    __test__ = False  # not one of pytest's
    cases: Annotated[int, Field(ge=1)] | None = None
    """The number of cases, if the paper states it."""
    pools: list[TestSetName] = []
    """The test sets that this one contains."""


class Value(Placed):
    """A printed mean, or median, of one model on one test set.

    `sd_of` states which values the SD or standard error describes: the scores of the cases (cases), each case's average
    over its slices or structures (averages), or the averages of runs, which are folds or trainings (runs). Papers don't
    always say which.
    """

    model: PublishedModel
    """The model that was scored."""
    structure: StructureName | None = None
    """The structure; "all" for the average over several, and not given in a study of one structure."""
    test_set: TestSetName
    """The test set; a key of `test_sets` if that is given."""
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
    """The standard error, if it is printed instead of the SD."""
    sd_of: Literal["cases", "averages", "runs"] | None = None
    """The values that the SD or standard error describes, if the paper says so; see above."""
    ci: Interval | None = None
    """The confidence interval."""
    iqr: Interval | None = None
    """The first and third quartile."""
    cases: Annotated[int, Field(ge=1)] | None = None
    """The number of cases, if it differs from that of the test set."""
    or_of: list[Alternative] = []
    """Other possible interpretations of the value, if its sentence is ambiguous."""

    @property
    def quantity(self) -> str:
        """The printed quantity: the metric's name for a mean, "median dsc" for a median."""
        return self.metric if self.statistic == "mean" else f"median {self.metric}"


class Ordering(Placed):
    """A statement that the models `better` are better than all of `worse` at each size, with p < `p_below`.

    If the paper says instead that numbers are higher, give `higher` and `lower`. For a distance, higher numbers are
    worse.
    """

    metric: MetricName
    """The metric by which the models are compared."""
    test_set: TestSetName | None
    """The test set; null if the paper names none."""
    n_train: list[TrainingSize]
    """The sizes to which the statement applies; 0 if the models have none."""
    structures: list[StructureName | None] = [None]
    """The structures to which the statement applies."""
    better: list[ModelName] = []
    """The models that are said to be better."""
    worse: list[ModelName] = []
    """The models that `better` are said to be better than."""
    higher: list[ModelName] = []
    """The models whose numbers are said to be higher, whether or not higher is better."""
    lower: list[ModelName] = []
    """The models whose numbers are said to be lower than those of `higher`."""
    p_below: Printed | None = None
    """The value below which p is said to be; not given if no p is printed."""
    test: Test | None = None
    """The test that the paper names."""

    @model_validator(mode="after")
    def _one_pair(self) -> Ordering:
        said = {key for key in ("better", "worse", "higher", "lower") if getattr(self, key)}
        if said not in ({"better", "worse"}, {"higher", "lower"}):
            raise ValueError("give either both better and worse, or both higher and lower")
        return self


def _as_list(value: object) -> object:
    return [] if value is None else value if isinstance(value, list) else [value]


class Gain(Placed):
    """A printed gain in a metric on one test set: the mean of `families` minus that of `over`.

    `sources` are the source cohorts that the sentence names.
    """

    metric: MetricName
    """The metric."""
    test_set: TestSetName
    """The test set."""
    structure: StructureName | None = None
    """The structure; not given in a study of one structure."""
    families: list[ModelName]
    """The models whose mean is compared with `over`."""
    over: ModelName
    """The model with which they are compared."""
    n_train: Annotated[list[TrainingSize], BeforeValidator(_as_list)] = []
    """The size of the models, or the sizes over which the gain is averaged: [5, 10, 20]; required if scores of several
    sizes are printed."""
    gain: Printed
    """The gain, with the digits that are printed."""
    unit: Literal["%"] | None = None
    """The unit of the gain, if it is printed in per cent or percentage points and the scores as fractions."""
    sources: list[str] = []
    """The source cohorts that the sentence names."""

    @model_validator(mode="after")
    def _one_size(self, info: ValidationInfo) -> Gain:
        names = names_of(info)
        if names is None or self.n_train:
            return self
        for family in (*self.families, self.over):
            sizes = names.printed.get((family, self.structure, self.test_set, self.metric), set())
            if len(sizes) > 1:
                told = f"scores of {family} are printed at the sizes {sorted(sizes)}"
                raise ValueError(f"n_train is required: {told}; of an average over sizes give all of them in brackets")
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
    """A printed table of validation scores: each architecture with each encoder, trained once for each fold."""

    cohort: str
    """The cohort on which the networks were validated."""
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
    """The name of the cohort."""
    cases: Annotated[int, Field(ge=1)]
    """The number of cases."""
    attributes: dict[str, Printed | str] = {}
    """The attributes of the cohort, by the names that the study gives them."""
    slices: Annotated[int, Field(ge=1)]
    """The number of slices."""


class Association(Placed):
    """A statement that relates an attribute of the cohorts to the results."""

    about: str
    """What the statement is about."""
    attribute: str
    """The attribute, which every row of `cohorts` must have."""


class PairedTest(Placed):
    """A printed p value of a comparison of two models on the same cases; `a` is named first, as in "a vs. b"."""

    structure: StructureName | None = None
    """The structure; not given in a study of one structure."""
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
    """Whether the paper prints only "p < ..."."""
    test: Test | None = None
    """The test that the paper names."""
    corrected: bool = False
    """Whether p is corrected for multiple comparisons (Bonferroni, Holm); the uncorrected p is at most as large."""


class Score(ConfigSection):
    """One of the printed means, named by what it is of."""

    model: PublishedModel
    """The model that was scored."""
    structure: StructureName | None = None
    """The structure; not given in a study of one structure."""
    test_set: TestSetName
    """The test set."""
    metric: MetricName
    """The metric."""


class StatedTest(Placed):
    """A test that the text reports with its statistic: "t(19) = 2.94, p = 0.008" or "r = 0.91, n = 20, p < 0.001"."""

    about: str
    """What the test is about."""
    statistic: Literal["t", "F", "chi2", "z", "r", "rho", "W", "U"]
    """The statistic; `r` is Pearson's correlation, `rho` is Spearman's, `W` is that of Wilcoxon's signed-rank test, and
    `U` that of Mann and Whitney's test (R prints it as W)."""
    value: Printed
    """The value of the statistic."""
    df: Annotated[list[Annotated[Printed, Field(gt=0)]], BeforeValidator(_as_list)] = []
    """The degrees of freedom: 19, or [2, 57] for an F."""
    cases: Annotated[list[Annotated[int, Field(ge=2)]], Field(max_length=2), BeforeValidator(_as_list)] = []
    """The number of cases, or those of two groups of different cases: [18, 16], which a U needs. For a t, r or rho
    without `df`, the degrees of freedom follow from it; if both are given, they are checked against each other."""
    of: Annotated[list[Score], Field(max_length=2)] = []
    """The two printed means that a t of different cases compares, as of one model on two test sets: t and df are
    checked by their SDs and cases (Welch's test or Student's)."""
    p: Share
    """The p value, with the digits that are printed."""
    p_below: bool = False
    """Whether the paper prints only "p < ..."."""
    one_sided: bool = False
    """Whether the paper says that the test is one-sided."""
    corrected: bool = False
    """Whether p is corrected for multiple comparisons (Bonferroni, Holm); the uncorrected p is at most as large."""

    @model_validator(mode="after")
    def _degrees_told(self) -> StatedTest:
        none = dict.fromkeys(("z", "W", "U"), (0, "no number"))
        needed, words = ({"F": (2, "two numbers")} | none).get(self.statistic, (1, "one number"))
        correlation = self.statistic in ("r", "rho")
        from_cases = correlation or self.statistic == "t"
        if len(self.df) != needed and (self.df or not from_cases or not (self.cases or self.of)):
            also = ", or give `cases` instead" if from_cases else ""
            raise ValueError(f"df of {self.statistic} must be {words}{also}; {len(self.df)} given")
        if correlation and abs(self.value) > 1:
            raise ValueError(f"{self.statistic} must be from -1 to 1, not {self.value.text}")
        if self.statistic in ("F", "chi2") and self.value < 0:
            raise ValueError(f"{self.statistic} must be at least 0, not {self.value.text}")
        if self.one_sided and self.statistic in ("F", "chi2"):
            raise ValueError(f"one_sided doesn't apply to {self.statistic}, whose p has one tail; remove it")
        return self

    @model_validator(mode="after")
    def _cases_told(self) -> StatedTest:
        if self.statistic == "W" and len(self.cases) != 1:
            raise ValueError("W needs the number of cases: cases: 34")
        if self.statistic == "U" and len(self.cases) + len(self.of) < 2:
            raise ValueError("U needs the cases of both groups: cases: [18, 16]")
        if self.of and (self.statistic not in ("t", "U") or len(self.of) != 2):
            raise ValueError("of names the two means that a t or U compares")
        if self.of and self.of[0].test_set == self.of[1].test_set:
            raise ValueError("of names means of different cases; two models on one test set stand in `differences`")
        return self


class PrintedDifference(Placed):
    """A printed mean difference of two models on the same cases, `a` minus `b`: "0.021 (95% CI 0.008 to 0.034)".

    SD, standard error and interval are those of the differences of the single cases.
    """

    structure: StructureName | None = None
    """The structure; not given in a study of one structure."""
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
    """The unit of the difference, if it is printed in percentage points and the scores as fractions."""
    sd: NotNegative | None = None
    """The standard deviation of the differences."""
    se: NotNegative | None = None
    """The standard error of the mean difference."""
    ci: Interval | None = None
    """The confidence interval of the mean difference."""
    t: Printed | None = None
    """The t of the difference: the standard error is |difference / t|."""
    df: Annotated[Printed, Field(gt=0)] | None = None
    """The degrees of freedom of t. If the number of cases isn't printed, it is one more."""
    cases: Annotated[int, Field(ge=2)] | None = None
    """The number of cases, if it differs from that of the test set."""
    p: Share | None = None
    """The p value of the difference, with the digits that are printed."""
    p_below: bool = False
    """Whether the paper prints only "p < ..."."""
    test: Test | None = None
    """The test that gave p, if the paper names it; `t` is the paired t test."""
    corrected: bool = False
    """Whether p is corrected for multiple comparisons (Bonferroni, Holm); the uncorrected p is at most as large."""

    @model_validator(mode="after")
    def _freedom_of_t(self) -> PrintedDifference:
        if self.df is not None and self.t is None:
            raise ValueError("df is that of t: give both, or remove df")
        return self


class Improvement(Placed):
    """A statement that every case improves with `model`, compared with one of `over`."""

    about: str
    """What the statement is about."""
    model: PublishedModel
    """The model with the better scores."""
    over: list[PublishedModel]
    """The models of which the text may mean any one."""
    test_set: TestSetName
    """The test set."""
    metric: MetricName
    """The metric."""


class Layers(ConfigSection):
    """A row of a printed table of layers.

    `kernels` are the kernel sizes of the convolutions, which follow each other or are parallel, as the paper says;
    `repeats` is how often they are repeated; `outputs` are the rows, columns and channels of the outputs, in order.
    """

    layer: str
    """The name of the row."""
    kernels: list[int] = []
    """The kernel sizes of the convolutions, which follow each other or are parallel, as the paper says."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """How often the convolutions are repeated."""
    outputs: list[tuple[int, int, int]]
    """The rows, columns and channels of each output that the row lists, in order."""


class Architecture(Placed):
    """The network that the paper describes."""

    rows: list[Layers]
    """The rows of the table."""


class IccRange(Placed):
    """The smallest and largest ICC of a model's features."""

    model: PublishedModel
    """The model whose features are compared."""
    range: Interval
    """The smallest and the largest ICC."""


class ContinuousRow(ConfigSection):
    """A row of the table of patients with the mean and SD of each part."""

    variable: str
    """The variable."""
    training: Pair
    """The mean and SD of the patients who are trained on."""
    testing: Pair
    """The mean and SD of the patients who are tested on."""
    p: Share
    """The p value."""
    p_below: bool = False
    """Whether the paper prints only "p < ..."."""
    test: Test | None = None
    """The test that the paper names."""


class Category(ConfigSection):
    """The count and percentage of a category in each part."""

    training: tuple[int, Percent]
    """The count and percentage of the patients who are trained on."""
    testing: tuple[int, Percent]
    """The count and percentage of the patients who are tested on."""


class CategoricalRow(ConfigSection):
    """A row of the table of patients with the counts and percentages of categories."""

    variable: str
    """The variable."""
    p: Share
    """The p value."""
    p_below: bool = False
    """Whether the paper prints only "p < ..."."""
    test: Test | None = None
    """The test that the paper names, if it is one of ranks (`mann-whitney`), of means (`t`), or `other` (no test of
    counts)."""
    categories: dict[str, Category]
    """The categories, by name; ordered ones, as stages, in their order."""


class NoSignificantVariable(Placed):
    """A statement that no variable has a p below `p_below`."""

    p_below: Printed
    """The threshold."""


class TableOne(Placed):
    """The table of patients, with the parts `training` and `testing` and p values."""

    cohort: str
    """The cohort."""
    patients: dict[str, int]
    """The number of patients in each part, `training` and `testing`."""
    continuous: list[ContinuousRow]
    """The rows with means and SDs."""
    categorical: list[CategoricalRow]
    """The rows with counts and percentages."""
    no_difference: NoSignificantVariable | None = None
    """The statement of the text about the p values."""


class Fact(Placed):
    """A single number; statements refer to it by `key`, which is the same wherever the number is printed again.

    Whole numbers are exact counts, unless their unit is "%" or one of measurement (min, h, mm, ml, years, ...), which
    are rounded. A rounded number is exact where `exact` is true, as for settings.
    """

    about: str
    """What the number describes."""
    key: Key | None = None
    """The name by which statements refer to it."""
    value: Printed
    """The number, with the digits that are printed."""
    unit: str | None = None
    """The unit; "%" marks a percentage."""
    bound: Literal["at_most", "at_least"] | None = None
    """The kind of bound, if the text says "up to" (at_most) or "at least" (at_least)."""
    exact: bool = False
    """Whether a decimal or measured number is exact, such as a setting, and not rounded."""

    @property
    def is_exact(self) -> bool:
        """Whether the number is all that it stands for: a count, or what the file says is exact."""
        measured = (self.unit or "").lower().rstrip(".") in MEASURES
        return self.exact or (self.value.decimals == 0 and not measured)


class Percentage(Placed):
    """A printed percentage of a printed count."""

    about: str
    """What the percentage describes."""
    count: Annotated[int, Field(ge=0)]
    """The printed count."""
    of: Annotated[int, Field(ge=1)]
    """The printed total."""
    percent: Percent
    """The printed percentage: 13.5 or 13.5%."""


class Statement(Placed):
    """A relation that the text states, or that its numbers must satisfy.

    `left` and the interpretations of `right` are expressions of facts and tables (`audit.expressions`). The relation
    "whole" has no right side: it says that the left side is a whole number.
    """

    about: str
    """What the statement is about."""
    left: str
    """The left side, an expression of facts and tables."""
    relation: Literal["equals", "at_most", "at_least", "below", "above", "whole"]
    """The relation between the left side and the right side; "whole" has no right side."""
    right: dict[str, str] = {}
    """The possible interpretations of the right side, each with its expression."""
    or_rounded: bool = False
    """Whether a number that isn't whole may have been rounded to a whole one, such as a share of patients."""
    note: str = ""
    """A remark that is printed with the result."""

    @model_validator(mode="after")
    def _sides(self) -> Statement:
        if (self.relation == "whole") == bool(self.right):
            raise ValueError(f"{self.about}: every relation except whole needs `right`, and whole must not have it")
        return self


class Announcement(Placed):
    """An analysis that the text says was done; `shown` is the place of its result."""

    about: str
    """The analysis that the text says was done."""
    shown: str | None = None
    """The place where the result is printed; not given if it isn't printed."""


class Contradiction(ConfigSection):
    """Places that contradict each other in a way that no check can find, and the reason why none can."""

    about: str
    """What the contradiction is about."""
    what: str
    """What each place says."""
    unchecked: str
    """The reason why no check can find the contradiction."""
