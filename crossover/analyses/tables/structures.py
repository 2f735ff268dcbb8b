"""Every model's scores on each structure with paired tests between models, beside the paper's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_structures, sized
from crossover.statistics.papers.published import Published, at_sizes, corresponding, first_printed, paper_of
from crossover.statistics.scores.metrics_table import POOLED, tested, with_all_structures, with_runs
from crossover.statistics.scores.missing import read_completed
from crossover.study.families import main_question, pairs_of, references
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv", "statistics/summary.csv", "statistics/paired.csv"),
    sources=("published",),
    settings=("design", "labels", *SCORES, "published"),
    applies=(sized, several_structures),
    writes={"tables/structures.csv": ()},
    order=2,
)

COLUMNS = [
    "structure", "n_train", "kind", "a", "b", "cases", "mean", "sd", "replicates",
    "sd_replicates", "difference", "ci_low", "ci_high",
    "p", "about", "p_holm", "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_westfall_young",
    "published_mean", "published_sd", "published_p",
]  # fmt: skip
_TESTED = [
    "cases", "difference", "ci_low", "ci_high",
    "p", "about", "p_holm", "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_westfall_young",
]  # fmt: skip


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `table_two_paired`."""
    published = paper_of(study)
    summary, paired = given.table("statistics/summary.csv"), given.optional("statistics/paired.csv")
    metrics = read_completed(given.path("metrics.csv"), study.statistics.missing)
    return {"structures": table_two_paired(metrics, summary, paired, published, study)}


def table_two_paired(
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    paired: pd.DataFrame | None,
    published: Published | None,
    study: Study,
) -> pd.DataFrame:
    """Return the main question's models and comparisons on the target's test cases, as a tidy table.

    Args:
        metrics: of `missing.completed`.
        summary: of `estimates.summary.summarise`.
        paired: of `differences.paired.paired`; None where the study has a single family.
        published: the paper's numbers, if the study has a paper.

    Returns:
        The columns `COLUMNS`: for each size and structure one row of kind "model" for each family (`a`), and
            one of kind "comparison" for each pair, `a` the later family in the study's order. Where there are
            several structures, "all" comes last: means and comparisons are of each case's mean over the
            structures that it has, the SD of a model is that of the cases of all structures; a model that lacks
            a structure has neither. The paper's numbers stand beside ours at the corresponding
            size.
    """
    metric = study.statistics.metric
    ours = summary[(summary["metric"] == metric) & (summary["test_set"] == study.target)]
    tests = None if paired is None else paired[paired["test_set"] == study.target]
    over = _over_structures(metrics[metrics["cohort"] == study.target], metric)
    rows = [
        row
        for n in study.sizes
        for structure in [*study.structures, *([POOLED] if len(study.structures) > 1 else [])]
        for row in _rows(ours, over, tests, structure, n, study)
    ]
    table = pd.DataFrame(rows, columns=[c for c in COLUMNS if not c.startswith("published")])
    return _with_published(table, published, study)[COLUMNS]


def _over_structures(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the mean and number of the cases' means over the structures, by (family, n_train), as `paired` has them.

    Of infinite distances there is no mean.
    """
    whole = with_all_structures(with_runs(tested(metrics)).dropna(subset=metric))
    case = ["family", "n_train", "cohort", "case"]
    means = whole.groupby([*case, "run", "structure"])[metric].mean()
    for kept in ([*case, "run"], case):
        means = means.groupby(kept).mean()
    found = means.groupby(case[:2]).agg(["mean", "size"])
    return found.assign(mean=found["mean"].where(np.isfinite(found["mean"])))


def _rows(
    summary: pd.DataFrame, over: pd.DataFrame, tests: pd.DataFrame | None, structure: str, n: int, study: Study
) -> Iterator[dict]:
    place = {"structure": structure, "n_train": n}
    for family in main_question(study):
        size = 0 if family in references(study) else n
        own = summary[(summary["family"] == family) & (summary["n_train"] == size)]
        own = own[own["structure"].isin(study.structures if structure == POOLED else [structure])]
        whole = structure != POOLED or (
            own["structure"].nunique() == len(study.structures) and (family, size) in over.index
        )
        if len(own) and whole:
            score = _score(own) if structure != POOLED else _pooled(own, over.loc[(family, size)])
            yield place | {"kind": "model", "a": family, "b": ""} | score
    if tests is None:
        return
    for a, b in pairs_of(study):
        size = 0 if {a, b} <= set(references(study)) else n
        pair = (tests["family_a"] == a) & (tests["family_b"] == b) & (tests["n_train"] == size)
        for row in tests[pair & (tests["structure"] == structure)][_TESTED].to_dict("records"):
            yield place | {"kind": "comparison", "a": a, "b": b} | row


def _score(own: pd.DataFrame) -> dict[str, float]:
    row = own.iloc[0]
    return {n: row[n] for n in ("cases", "mean", "sd", "replicates", "sd_replicates") if n in row}


def _pooled(own: pd.DataFrame, over: pd.Series) -> dict[str, float]:
    """Return the mean of `_over_structures`, and the SD of the cases of all structures, from their summaries."""
    mean, cases = own["mean"].mean(), own["cases"].sum()
    within = (own["cases"] - 1) * own["sd"].fillna(0) ** 2
    squares = (within + own["cases"] * (own["mean"] - mean) ** 2).sum()
    sd = float(np.sqrt(squares / (cases - 1))) if cases > 1 else np.nan
    return {"cases": over["size"], "mean": over["mean"], "sd": sd}


def _with_published(table: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    empty = ["published_mean", "published_sd", "published_p"]
    if published is None or table.empty:
        return table.assign(**dict.fromkeys(empty, np.nan))
    metric = study.statistics.metric.removesuffix("_structure_slices")

    def here(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[(rows["test_set"] == study.target) & (rows["metric"] == metric)]

    values = here(first_printed(at_sizes(published, study.sizes))).set_index(["structure", "family", "n_train"])
    size = corresponding(study.sizes, published)
    tests = here(published.paired_table())
    keys = ["structure", "family_a", "n_train_a", "family_b", "n_train_b"]
    printed = tests.drop_duplicates(keys).set_index(keys)["p"].to_dict()

    def own_size(family: str, n: int) -> int:
        return 0 if family in references(study) else n

    def theirs(row: Any) -> tuple[float, float, float]:
        if row.kind == "model":
            key = (row.structure, row.a, own_size(row.a, row.n_train))
            found = values.loc[[key]].iloc[0] if key in values.index else None
            return (np.nan, np.nan, np.nan) if found is None else (found["mean"], found["sd"], np.nan)
        a, b = ((f, size.get(own_size(f, row.n_train))) for f in (row.a, row.b))
        p = printed.get((row.structure, *a, *b), printed.get((row.structure, *b, *a), np.nan))
        return np.nan, np.nan, p

    found = [theirs(row) for row in table.itertuples()]
    return table.assign(**dict(zip(empty, zip(*found, strict=True), strict=True)))
