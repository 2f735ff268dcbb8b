"""Whether the models of the folds differ."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.design import SCORES
from crossover.statistics.missing import read_completed
from crossover.statistics.stability import stability
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=SCORES,
    writes={"statistics/stability.csv": ("family", "n_train", "structure", "cohort", "fold")},
    order=9,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.stability.stability`."""
    metrics = read_completed(given.path("metrics.csv"), study.statistics.missing)
    return {"stability": stability(metrics, study.statistics.metric)}
