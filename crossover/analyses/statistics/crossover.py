"""The number of cases from which one family stays ahead of another."""

from __future__ import annotations

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.design import several_sizes
from crossover.statistics.crossing import crossovers
from crossover.statistics.metrics_table import read_metrics
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=(
        "statistics.metric",
        "statistics.confidence",
        "statistics.alpha",
        "splits.replicates",
    ),
    applies=(several_sizes,),
    writes={"statistics/crossover.csv": ("test_set", "structure", "ahead", "overtakes")},
    order=13,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.crossing.crossovers`."""
    metrics, how = read_metrics(given.path("metrics.csv")), study.statistics
    trainings = study.splits.replicates.trainings
    return {
        "crossover": crossovers(metrics, how.metric, how.confidence, how.alpha, trainings=trainings)
    }
