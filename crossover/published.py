"""A paper's printed numbers as data (`config/published/<study>.yaml`), and ours beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, ValidationError, model_validator

from crossover.config import ConfigError, read_yaml
from crossover.study import Section

Pair = tuple[float, float]


class PublishedModel(Section):
    family: str
    n_train: Annotated[int, Field(ge=0)]


class Value(Section):
    """A printed mean of one model on one test set."""

    model: PublishedModel
    test_set: str
    metric: str
    mean: float
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
    p_below: float
    where: str


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
    icc: list[IccRange] = []
    table_one: TableOne | None = None
    facts: list[Fact] = []
    contradictions: list[Contradiction] = []

    @model_validator(mode="after")
    def _sizes_known(self) -> Published:
        named = {v.model.n_train for v in [*self.values, *self.icc]}
        named |= {n for ordering in self.orderings for n in ordering.n_train}
        if unknown := sorted(named - {0, *self.sizes}):
            raise ValueError(f"n_train {unknown} not in sizes {self.sizes}")
        return self

    def table(self) -> pd.DataFrame:
        """The values: family, n_train, test_set, metric, mean, ci_low, ci_high (or NaN), where."""
        rows = [
            {
                "family": v.model.family,
                "n_train": v.model.n_train,
                "test_set": v.test_set,
                "metric": v.metric,
                "mean": v.mean,
                "ci_low": v.ci[0] if v.ci else float("nan"),
                "ci_high": v.ci[1] if v.ci else float("nan"),
                "where": v.where,
            }
            for v in self.values
        ]
        columns = ["family", "n_train", "test_set", "metric", "mean", "ci_low", "ci_high", "where"]
        return pd.DataFrame(rows, columns=columns)


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


def beside(summary: pd.DataFrame, published: Published, sizes: list[int]) -> pd.DataFrame:
    """Our summary with the published values at the corresponding size.

    Args:
        summary: of `statistics.summary.summarise`.
        sizes: our training sizes, in the order of the paper's.

    Returns:
        The summary's rows with five more columns: published_n_train, published_mean,
        published_ci_low, published_ci_high and where. Missing where the paper prints nothing; a
        model that it prints in several places has a row for each. A score of the structure's slices
        only ("dsc_structure_slices") stands beside the paper's score of that name ("dsc") too, as
        papers don't always say which slices they scored.
    """
    columns = ("mean", "ci_low", "ci_high", "metric")
    theirs = at_sizes(published, sizes).rename(columns={c: f"published_{c}" for c in columns})
    theirs["published_n_train"] = theirs["published_n_train"].astype("Int64")
    ours = summary.assign(published_metric=summary["metric"].str.removesuffix("_structure_slices"))
    keys = ["family", "n_train", "test_set", "published_metric"]
    return ours.merge(theirs, how="left", on=keys).drop(columns="published_metric")
