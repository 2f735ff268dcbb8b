"""The number of cases from which one family stays ahead of another."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_sizes
from crossover.statistics.learning_curves.crossing import crossovers
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=(*SCORES, "statistics.confidence", "statistics.alpha"),
    applies=(several_sizes,),
    writes={"statistics/crossover.csv": ("test_set", "structure", "ahead", "overtakes")},
    order=13,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `learning_curves.crossing.crossovers`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    return {"crossover": crossovers(metrics, how.metric, how.confidence, how.alpha)}
