"""Which predictions each model lacks, by test set and structure."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.statistics.scores.metrics_table import read_metrics
from crossover.statistics.scores.missing import counts, missing_predictions
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    writes={"statistics/missing.csv": ("test_set", "structure", "family", "n_train")},
    order=20,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `scores.missing.counts`.

    It counts in the table of scores as it was written, whatever the study does about missing predictions.
    """
    metrics = read_metrics(given.path("metrics.csv"))
    return {"missing": counts(metrics, missing_predictions(metrics))}
