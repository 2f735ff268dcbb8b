"""A paper's printed numbers as data (`config/published/<study>.yaml`), and ours beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field, model_validator

from crossover.core.configuration import ConfigError, ConfigSection, validate
from crossover.core.paths import PACKAGED
from crossover.statistics.papers.paper_names import MetricName, TrainingSize, names_in
from crossover.statistics.papers.printed import (
    Announcement,
    Architecture,
    Association,
    CohortRow,
    Contradiction,
    Fact,
    Gain,
    IccRange,
    Improvement,
    Ordering,
    PairedTest,
    Percentage,
    PrintedDifference,
    PrintedGrid,
    StatedTest,
    Statement,
    TableOne,
    TestSet,
    Value,
)
from crossover.statistics.papers.printed_number import Printed, read_printed
from crossover.statistics.papers.printed_table import ScoreTable, with_tables
from crossover.statistics.scores.scales import KNOWN, SHARE, scale
from crossover.study.families import Comparison
from crossover.study.schema import Study

VALUES = [
    "family", "n_train", "structure", "test_set", "metric", "mean", "sd", "ci_low", "ci_high", "where",
]  # fmt: skip
PAIRED_TESTS = [
    "structure", "test_set", "metric", "family_a", "n_train_a", "family_b", "n_train_b", "p", "where",
]  # fmt: skip
FILES = (".yaml", ".yml")
"""The endings of a paper's file."""
KEYS = ["family", "n_train", "structure", "test_set", "metric"]
"""What a printed value is of; of a value that stands at several places the first in the file counts."""
GAINS = ["test_set", "metric", "families", "over", "gain", "recomputed", "where"]


class Published(ConfigSection):
    """The numbers and statements that a paper prints."""

    study: str
    """The name of the study that reruns the paper, or any other name."""
    citation: str
    """The citation of the paper."""
    sizes: list[int]
    """The numbers of training cases that identify models; empty if the models have none."""
    tabulated: list[TrainingSize] = []
    """The sizes whose models are in the paper's table of scores; by default all of `sizes`."""
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The confidence level of the printed intervals, such as 0.95 for 95%; required if a `ci` is given."""
    comparison: Comparison | None = None
    """The method by which the paper compares its models, for a study that reruns it; the audit does not read it. It is
    not given if the paper doesn't test them."""
    alpha: Printed | None = None
    """The significance level below which the paper calls a p value significant; not given if the paper doesn't state
    it."""
    per_cent: list[MetricName] = []
    """The metrics that are printed in per cent, if this isn't evident from their means (most of them are above 1)."""
    other_metrics: dict[str, Literal["higher", "lower", "neither"]] = {}
    """The metrics that docs/metrics.md doesn't list, and which of their values are better."""
    without_scores: list[str] = []
    """The models and structures that the paper names but prints no score of."""
    tables: list[ScoreTable] = []
    """The printed tables of scores with a cell for each mean, which count as entries of `values`."""
    values: list[Value]
    """The printed means and medians of scores, beside those of `tables`."""
    test_sets: dict[str, TestSet] = {}
    """The test sets, by name."""
    orderings: list[Ordering] = []
    """The sentences which say that some models are better than others."""
    gains: list[Gain] = []
    """The printed gains of models over another model."""
    grid: PrintedGrid | None = None
    """The printed table of the validation scores of networks."""
    cohorts: list[CohortRow] = []
    """The rows of the printed table of cohorts."""
    associations: list[Association] = []
    """The attributes of cohorts that the text relates to the results."""
    paired: list[PairedTest] = []
    """The printed p values of comparisons of two models on the same cases."""
    differences: list[PrintedDifference] = []
    """The printed mean differences of two models on the same cases, with their SD, standard error or interval."""
    tests: list[StatedTest] = []
    """The tests that the text reports with their statistics."""
    improvements: list[Improvement] = []
    """The sentences which say that every case improves."""
    icc: list[IccRange] = []
    """The smallest and largest ICC of each model."""
    table_one: TableOne | None = None
    """The table of patients."""
    architecture: Architecture | None = None
    """The network that the paper describes."""
    facts: list[Fact] = []
    """The single numbers in the text."""
    percentages: list[Percentage] = []
    """The printed percentages of printed counts."""
    statements: list[Statement] = []
    """The relations that the text states, or that its numbers must satisfy."""
    announcements: list[Announcement] = []
    """The analyses that the text says were done."""
    contradictions: list[Contradiction] = []
    """The places in the paper that contradict each other and were found by reading."""

    @model_validator(mode="after")
    def _sizes_known(self) -> Published:
        named = {v.model.n_train for v in self.values} | {v.model.n_train for v in self.icc}
        named |= {model.n_train for test in self.paired for model in (test.a, test.b)}
        named |= {model.n_train for said in self.differences for model in (said.a, said.b)}
        named |= {score.model.n_train for test in self.tests for score in test.of}
        named |= {n for ordering in self.orderings for n in ordering.n_train}
        named |= {n for gain in self.gains for n in gain.n_train} | {*self.tabulated}
        if unknown := sorted(named - {0, *self.sizes}):
            raise ValueError(f"n_train {unknown} is not among the sizes {self.sizes}: add it to `sizes` or correct it")
        return self

    @model_validator(mode="after")
    def _confidence_told(self) -> Published:
        if self.confidence is None and (where := self._intervals()):
            raise ValueError(f"confidence is required because {where[0]} has a ci; write 0.95 for 95% intervals")
        if known := sorted(KNOWN.keys() & self.other_metrics.keys()):
            raise ValueError(f"other_metrics: {', '.join(known)} is a known metric; remove it from other_metrics")
        return self

    def _intervals(self) -> list[str]:
        """Return the places of printed intervals."""
        return [v.where for v in self.values if v.ci] + [d.where for d in self.differences if d.ci]

    @model_validator(mode="after")
    def _attributes_known(self) -> Published:
        for said in self.associations:
            without = [row.cohort for row in self.cohorts if said.attribute not in row.attributes]
            if without or not self.cohorts:
                raise ValueError(f"no {said.attribute!r} of cohorts {', '.join(without)}")
        return self

    def table(self) -> pd.DataFrame:
        """Return the means as a table with the columns `VALUES`.

        Shares are fractions. What isn't printed is NaN, and a structure that isn't named is missing.
        """
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
            if v.statistic == "mean"
        ]
        table = pd.DataFrame(rows, columns=VALUES)
        shares = [m for m in table["metric"].unique() if self.in_per_cent(m)]
        if shares:
            table.loc[table["metric"].isin(shares), ["mean", "sd", "ci_low", "ci_high"]] /= 100
        return table

    def in_per_cent(self, metric: str) -> bool:
        """Return whether a metric from 0 to 1 is printed in per cent: the file says so, or most means are above 1."""
        if metric in self.per_cent:
            return True
        grid = [c.mean for c in self.grid.cells] if self.grid and self.grid.metric == metric else []
        means = [v.mean for v in self.values if v.metric == metric] + grid
        return scale(metric) == SHARE and sum(m > 1 for m in means) > len(means) / 2

    def better(self, metric: str) -> Literal["higher", "lower", "neither"]:
        """Return which values of a metric are better; neither where those nearer to 0 are, or nothing tells."""
        if metric in self.other_metrics:
            return self.other_metrics[metric]
        found = KNOWN[metric].better if metric in KNOWN else "neither"
        return "neither" if found == "nearer to 0" else found

    def paired_table(self) -> pd.DataFrame:
        """Return the paired tests, with columns `PAIRED_TESTS`."""
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
        """Return the stated gains: test_set, metric, families, over, gain, recomputed, where.

        `recomputed` is what the printed scores of the same models give, over all of the gain's sizes, NaN where one
        isn't printed.
        """
        rows = []
        for stated in self.gains:
            gains = [self._gain(stated, n) for n in stated.n_train or (None,)]
            rows.append(stated.model_dump(include=set(GAINS)) | {"recomputed": sum(gains) / len(gains)})
        return pd.DataFrame(rows, columns=GAINS)

    def _gain(self, stated: Gain, n: int | None) -> float:
        """Return the gain of the printed scores at a size, or at the largest one; NaN where one isn't printed."""
        scores = {
            (v.model.family, v.structure, v.test_set, v.metric): v.mean
            for v in sorted(self.values, key=lambda v: v.model.n_train)
            if n is None or v.model.n_train in (0, n)
        }
        found = [
            scores.get((family, stated.structure, stated.test_set, stated.metric), float("nan"))
            for family in (*stated.families, stated.over)
        ]
        return sum(found[:-1]) / len(stated.families) - found[-1]


def load_published(name: str, folder: Path = PACKAGED or Path("config")) -> Published:
    """Read `published/<name>.yaml`, or the file itself where the name is a path that ends in .yaml or .yml.

    Raises:
        ConfigError: there is no such file, or keys and values are wrong; the message has all of them with
            their places.
    """
    path = published_path(name, folder)
    if not path.exists():
        raise ConfigError(_not_there(path, folder / "published"))
    values = with_tables(read_printed(path))
    return validate(Published, values, path, context=names_in(values))


def published_path(name: str, folder: Path) -> Path:
    """Return the file of a paper: `published/<name>.yaml` in a folder, or the name where it ends in .yaml or .yml."""
    own = Path(name)
    return own if own.suffix in FILES else folder / "published" / f"{name}.yaml"


def _not_there(path: Path, papers: Path) -> str:
    """Say which papers, and which files of the folder, a name may have meant."""
    ours = f"the papers that come along are {', '.join(sorted(p.stem for p in papers.glob('*.yaml'))) or 'none'}"
    if path.parent == papers:
        own = [own for suffix in FILES if (own := Path(f"{path.stem}{suffix}")).exists()]
        hint = f"; a file of your own is named with its ending: {own[0]}" if own else ""
        return f"no paper {path.stem!r}: {ours}{hint}"
    there = sorted(p.name for p in path.parent.glob("*") if p.suffix in FILES)
    return f"{path} does not exist; its folder has: {', '.join(there) or 'no such files'}; {ours}"


def paper_of(study: Study) -> Published | None:
    """Read what a study's paper printed; None where it has no paper."""
    return load_published(study.published) if study.published else None


def corresponding(sizes: list[int], published: Published) -> dict[int, int]:
    """Match our training sizes to the paper's: by position where there are as many, else the equal ones.

    0, no case of the target, corresponds to 0.
    """
    if len(sizes) == len(published.sizes):
        return {0: 0, **dict(zip(sizes, published.sizes, strict=True))}
    return {0: 0, **{n: n for n in sizes if n in published.sizes}}


def at_sizes(published: Published, sizes: list[int]) -> pd.DataFrame:
    """Return the published values at our training sizes.

    Returns:
        `Published.table` with `n_train` ours and the paper's as `published_n_train`; values at a
        size that corresponds to none of ours are left out.
    """
    ours = {theirs: n for n, theirs in corresponding(sizes, published).items()}
    table = published.table()
    table = table[table["n_train"].isin(list(ours))].reset_index(drop=True)
    return table.assign(published_n_train=table["n_train"], n_train=table["n_train"].map(ours))


def first_printed(values: pd.DataFrame) -> pd.DataFrame:
    """Keep each printed value once (`KEYS`), at the place that comes first in the file."""
    return values.drop_duplicates(KEYS)


def printed_metric(metrics: pd.Series) -> pd.Series:
    """Return the metric that a paper's name stands for; papers don't always say which slices they scored."""
    return metrics.str.removesuffix("_structure_slices").str.removesuffix("_mean_of_slices")


def numbers_of(study: Study) -> pd.DataFrame | None:
    """Return a paper's values of the study's metric at its training sizes; None where it has no paper."""
    if not (published := paper_of(study)):
        return None
    values = at_sizes(published, study.sizes)
    return values[values["metric"].isin(printed_metric(pd.Series([study.statistics.metric])))]


def comparison(study: Study) -> Comparison | None:
    """Return how a study's paper tests its models; None where there is no paper, or it doesn't."""
    published = paper_of(study)
    return published.comparison if published else None


def of_structure(table: pd.DataFrame, structure: str) -> pd.DataFrame:
    """Return the rows of a structure, and those that name none, as in a paper on a single structure."""
    return table[table["structure"].isna() | (table["structure"] == structure)]


def beside(summary: pd.DataFrame, published: Published, sizes: list[int]) -> pd.DataFrame:
    """Return our summary with the published values at the corresponding size beside it.

    Args:
        summary: of `estimates.summary.summarise`.
        sizes: our training sizes, in the order of the paper's.

    Returns:
        The summary's rows with six more columns: published_n_train, published_mean, published_sd,
        published_ci_low, published_ci_high and where. Missing where the paper prints nothing. A value without a
        structure stands beside every structure. A score of the structure's slices only ("dsc_structure_slices") stands
        beside the paper's score of that name ("dsc") too, as papers don't always say which slices
        they scored.
    """
    columns = ("mean", "sd", "ci_low", "ci_high", "metric")
    theirs = first_printed(at_sizes(published, sizes)).rename(columns={c: f"published_{c}" for c in columns})
    every = list(summary["structure"].unique())
    theirs["structure"] = [[s] if pd.notna(s) else every for s in theirs["structure"]]
    theirs = theirs.explode("structure")
    theirs["published_n_train"] = theirs["published_n_train"].astype("Int64")
    ours = summary.assign(published_metric=printed_metric(summary["metric"]))
    keys = ["family", "n_train", "structure", "test_set", "published_metric"]
    return ours.merge(theirs, how="left", on=keys).drop(columns="published_metric")
