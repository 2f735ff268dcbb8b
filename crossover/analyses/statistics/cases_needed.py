"""How many cases each family needs for a score."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_sizes
from crossover.statistics.learning_curves.crossing import cases_needed
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=(*SCORES, "statistics.confidence"),
    applies=(several_sizes,),
    writes={"statistics/cases_needed.csv": ("test_set", "structure", "family", "target")},
    order=14,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `learning_curves.crossing.cases_needed`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    return {"cases_needed": cases_needed(metrics, how.metric, how.confidence)}
