"""The mean of every metric with its confidence interval, for each model and test set."""

from __future__ import annotations

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.summary import summarise
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=("statistics.confidence",),
    writes={"statistics/summary.csv": ("metric", "test_set", "structure", "model")},
    order=1,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.summary.summarise`."""
    metrics = read_metrics(given.path("metrics.csv"))
    return {"summary": summarise(metrics, study.statistics.confidence)}
