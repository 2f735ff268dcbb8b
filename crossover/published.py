"""A paper's printed numbers as data (`config/published/<study>.yaml`), and ours beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, ValidationError, model_validator

from crossover.config import ConfigError, read_yaml
from crossover.study import Fraction, Section

Pair = tuple[float, float]
VALUES = [
    "family", "n_train", "structure", "test_set", "metric", "mean", "sd", "ci_low", "ci_high", "where",
]  # fmt: skip
PAIRED_TESTS = [
    "structure", "test_set", "metric", "family_a", "n_train_a", "family_b", "n_train_b", "p", "where",
]  # fmt: skip
GAINS = ["test_set", "metric", "families", "over", "gain", "recomputed", "where"]


class PublishedModel(Section):
    family: str
    n_train: Annotated[int, Field(ge=0)]


class Value(Section):
    """A printed mean of one model on one test set."""

    model: PublishedModel
    structure: str | None = None
    """None in a study of one structure; "all" for the average over several."""
    test_set: str
    metric: str
    mean: float
    sd: Annotated[float, Field(ge=0)] | None = None
    ci: Pair | None = None
    where: str

    @model_validator(mode="after")
    def _inside(self) -> Value:
        if self.ci and not self.ci[0] <= self.mean <= self.ci[1]:
            raise ValueError(f"the mean {self.mean} is outside its interval {list(self.ci)}")
        return self


class Ordering(Section):
    """The paper says that `higher` are above all of `lower` at each size, with p < `p_below`."""

    metric: str
    test_set: str | None
    """None where the paper names none."""
    n_train: list[int]
    higher: list[str]
    lower: list[str]
    p_below: float | None = None
    """None where no p is printed."""
    where: str


class Gain(Section):
    """A printed gain of a metric: the mean of `families` above `over`, on one test set."""

    metric: str
    test_set: str
    families: list[str]
    over: str
    gain: float
    where: str


class GridCell(Section):
    """A printed mean and SD over the folds."""

    architecture: str
    encoder: str
    mean: Fraction
    sd: Annotated[float, Field(ge=0)]


class Grid(Section):
    """A printed table of validation scores: architectures with encoders, each trained for each fold."""

    where: str
    cohort: str
    metric: str
    folds: Annotated[int, Field(ge=2)]
    cells: list[GridCell]
    selected: tuple[str, str]
    """Architecture and encoder."""


class CohortRow(Section):
    """A row of a printed table of cohorts."""

    cohort: str
    cases: Annotated[int, Field(ge=1)]
    field_strength_t: Annotated[float, Field(gt=0)]
    coil: str
    slices: Annotated[int, Field(ge=1)]
    where: str


class PairedTest(Section):
    """A printed p value of two models on the same cases; `a` is named first, as "a vs. b"."""

    structure: str
    a: PublishedModel
    b: PublishedModel
    test_set: str
    metric: str
    p: Fraction
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
    p: float


class Category(Section):
    """[count, percent] of each part."""

    training: tuple[int, float]
    testing: tuple[int, float]


class CategoricalRow(Section):
    variable: str
    p: float
    categories: dict[str, Category]


class TableOne(Section):
    where: str
    cohort: str
    patients: dict[str, int]
    continuous: list[ContinuousRow]
    categorical: list[CategoricalRow]


class Fact(Section):
    about: str
    value: float
    unit: str | None = None
    where: str


class Contradiction(Section):
    about: str
    what: str


class Published(Section):
    """Everything that a paper printed; `sizes` are the training sizes that its models name."""

    study: str
    citation: str
    sizes: list[int]
    confidence: float
    values: list[Value]
    orderings: list[Ordering] = []
    gains: list[Gain] = []
    grid: Grid | None = None
    cohorts: list[CohortRow] = []
    paired: list[PairedTest] = []
    icc: list[IccRange] = []
    table_one: TableOne | None = None
    architecture: Architecture | None = None
    facts: list[Fact] = []
    contradictions: list[Contradiction] = []

    @model_validator(mode="after")
    def _sizes_known(self) -> Published:
        named = {v.model.n_train for v in [*self.values, *self.icc]}
        named |= {model.n_train for test in self.paired for model in (test.a, test.b)}
        named |= {n for ordering in self.orderings for n in ordering.n_train}
        if unknown := sorted(named - {0, *self.sizes}):
            raise ValueError(f"n_train {unknown} not in sizes {self.sizes}")
        return self

    def table(self) -> pd.DataFrame:
        """The values: `VALUES`; numbers that aren't printed are NaN, no structure is missing."""
        rows = [
            {
                "family": v.model.family,
                "n_train": v.model.n_train,
                "structure": v.structure,
                "test_set": v.test_set,
                "metric": v.metric,
                "mean": v.mean,
                "sd": float("nan") if v.sd is None else v.sd,
                "ci_low": v.ci[0] if v.ci else float("nan"),
                "ci_high": v.ci[1] if v.ci else float("nan"),
                "where": v.where,
            }
            for v in self.values
        ]
        return pd.DataFrame(rows, columns=VALUES)

    def paired_table(self) -> pd.DataFrame:
        """The paired tests: structure, test_set, metric, family_a, n_train_a, family_b, n_train_b, p,
        where."""
        rows = [
            {
                "structure": t.structure,
                "test_set": t.test_set,
                "metric": t.metric,
                "family_a": t.a.family,
                "n_train_a": t.a.n_train,
                "family_b": t.b.family,
                "n_train_b": t.b.n_train,
                "p": t.p,
                "where": t.where,
            }
            for t in self.paired
        ]
        return pd.DataFrame(rows, columns=PAIRED_TESTS)

    def gains_table(self) -> pd.DataFrame:
        """The stated gains: test_set, metric, families, over, gain, recomputed, where.

        `recomputed` is what the printed scores of the same models give, NaN where one isn't printed.
        """
        scores = {(v.model.family, v.test_set, v.metric): v.mean for v in self.values}
        rows = []
        for stated in self.gains:
            found = [
                scores.get((family, stated.test_set, stated.metric), float("nan"))
                for family in (*stated.families, stated.over)
            ]
            recomputed = sum(found[:-1]) / len(stated.families) - found[-1]
            rows.append(stated.model_dump() | {"recomputed": recomputed})
        return pd.DataFrame(rows, columns=GAINS)


def load_published(name: str, folder: Path = Path("config")) -> Published:
    """Read `published/<name>.yaml`.

    Raises:
        ConfigError: no such file, or every key and value that is wrong, with its place.
    """
    path = folder / "published" / f"{name}.yaml"
    try:
        return Published.model_validate(read_yaml(path))
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def corresponding(sizes: list[int], published: Published) -> dict[int, int]:
    """Our training sizes -> the paper's: by position where there are as many, else the equal ones.

    0, no case of the target, corresponds to 0.
    """
    if len(sizes) == len(published.sizes):
        return {0: 0, **dict(zip(sizes, published.sizes, strict=True))}
    return {0: 0, **{n: n for n in sizes if n in published.sizes}}


def at_sizes(published: Published, sizes: list[int]) -> pd.DataFrame:
    """The published values at our training sizes.

    Returns:
        `Published.table` with `n_train` ours and the paper's as `published_n_train`; values at a
        size that corresponds to none of ours are left out.
    """
    ours = {theirs: n for n, theirs in corresponding(sizes, published).items()}
    table = published.table()
    table = table[table["n_train"].isin(list(ours))].reset_index(drop=True)
    return table.assign(published_n_train=table["n_train"], n_train=table["n_train"].map(ours))


def of_structure(table: pd.DataFrame, structure: str) -> pd.DataFrame:
    """The rows of a structure, and those that name none, as in a paper that has one."""
    return table[table["structure"].isna() | (table["structure"] == structure)]


def beside(summary: pd.DataFrame, published: Published, sizes: list[int]) -> pd.DataFrame:
    """Our summary with the published values at the corresponding size.

    Args:
        summary: of `statistics.summary.summarise`.
        sizes: our training sizes, in the order of the paper's.

    Returns:
        The summary's rows with six more columns: published_n_train, published_mean, published_sd,
        published_ci_low, published_ci_high and where. Missing where the paper prints nothing; a
        model that it prints in several places has a row for each. A value without a structure stands
        beside every structure. A score of the structure's slices only ("dsc_structure_slices") stands
        beside the paper's score of that name ("dsc") too, as papers don't always say which slices
        they scored.
    """
    columns = ("mean", "sd", "ci_low", "ci_high", "metric")
    theirs = at_sizes(published, sizes).rename(columns={c: f"published_{c}" for c in columns})
    every = list(summary["structure"].unique())
    theirs["structure"] = [[s] if pd.notna(s) else every for s in theirs["structure"]]
    theirs = theirs.explode("structure")
    theirs["published_n_train"] = theirs["published_n_train"].astype("Int64")
    ours = summary.assign(published_metric=summary["metric"].str.removesuffix("_structure_slices"))
    keys = ["family", "n_train", "structure", "test_set", "published_metric"]
    return ours.merge(theirs, how="left", on=keys).drop(columns="published_metric")
