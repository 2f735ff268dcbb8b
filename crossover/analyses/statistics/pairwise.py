"""Every pair of families at every size on the same cases, corrected, beside the paper's way of comparing."""

from __future__ import annotations

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.findings.published import comparison
from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.repeated import pairwise
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv", "statistics/tukey.csv"),
    sources=("published",),
    settings=("statistics.metric", "statistics.alpha", "published"),
    writes={"statistics/pairwise.csv": ("test_set", "structure", "question", "a", "b")},
    order=10,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.repeated.pairwise`."""
    metrics, how = read_metrics(given.path("metrics.csv")), study.statistics
    tukey = given.optional("statistics/tukey.csv")
    return {"pairwise": pairwise(metrics, how.metric, how.alpha, comparison(study), tukey)}
