"""Whether the models of the folds differ."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES
from crossover.statistics.differences.stability import stability
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=SCORES,
    writes={"statistics/stability.csv": ("family", "n_train", "structure", "cohort", "fold")},
    order=9,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `differences.stability.stability`."""
    metrics = read_completed(given.path("metrics.csv"), study.statistics.missing)
    return {"stability": stability(metrics, study.statistics.metric)}
