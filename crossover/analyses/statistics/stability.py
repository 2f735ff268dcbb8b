"""Whether the models of the folds differ."""

from __future__ import annotations

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.stability import stability
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=("statistics.metric",),
    writes={"statistics/stability.csv": ("family", "n_train", "structure", "cohort", "fold")},
    order=9,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.stability.stability`."""
    return {
        "stability": stability(read_metrics(given.path("metrics.csv")), study.statistics.metric)
    }
