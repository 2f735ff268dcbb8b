"""The scores of every chain by what was trained on before, beside the paper's."""

import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import chained
from crossover.statistics.papers.published import Published, at_sizes, first_printed, paper_of, printed_metric
from crossover.study.families import at_largest
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("statistics/chains.csv",),
    sources=("published",),
    settings=("design", "labels", "published"),
    applies=(chained,),
    writes={"tables/sources.csv": ()},
    order=3,
)

SOURCES = [
    "target", "family", "kind", "sources", "metric", "folds", "cases", "best_fold",
    "best_fold_mean", "mean", "ci_low", "ci_high", "published",
]  # fmt: skip


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `sources_table`."""
    published = paper_of(study)
    return {"sources": sources_table(given.table("statistics/chains.csv"), published, study)}


def sources_table(scores: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    """Return Table III of Touijer: a row for each target, family and metric, with the columns `SOURCES`.

    The paper's score of a name ("dsc") stands beside ours of whole volumes and of the structure's slices.

    Args:
        scores: of `differences.chains.chain_scores`.
        published: the paper's numbers, if the study has a paper.
    """
    keys = ["target", "family", "printed"]
    printed = pd.DataFrame(columns=[*keys, "published"])
    if published:
        values = at_largest(first_printed(at_sizes(published, study.sizes)))
        names = {"test_set": "target", "metric": "printed", "mean": "published"}
        printed = values.rename(columns=names)[[*keys, "published"]]
    ours = scores.assign(printed=printed_metric(scores["metric"]))
    return ours.merge(printed, "left", keys)[SOURCES]
