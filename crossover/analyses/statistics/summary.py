"""The mean of every metric with its confidence interval, for each model and test set."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=("statistics.confidence", "statistics.missing"),
    writes={"statistics/summary.csv": ("metric", "test_set", "structure", "model")},
    order=1,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `estimates.summary.summarise`."""
    metrics = read_completed(given.path("metrics.csv"), study.statistics.missing)
    return {"summary": summarise(metrics, study.statistics.confidence)}
