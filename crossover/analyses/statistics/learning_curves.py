"""The score of each family as a function of the number of cases, fitted."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_sizes
from crossover.statistics.learning_curves.curves import learning_curves
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=(*SCORES, "statistics.confidence"),
    applies=(several_sizes,),
    writes={"statistics/learning_curves.csv": ("test_set", "structure", "family", "n_train")},
    order=12,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `learning_curves.curves.learning_curves`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    return {"learning_curves": learning_curves(metrics, how.metric, how.confidence)}
