"""Models in pairs on the same cases."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_families
from crossover.statistics.differences.paired import paired
from crossover.statistics.scores.missing import read_completed
from crossover.study.families import main_question
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=("design", *SCORES, "statistics.alpha", "statistics.confidence"),
    applies=(several_families,),
    writes={"statistics/paired.csv": ("test_set", "structure", "question", "a", "b")},
    order=3,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `differences.paired.paired`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    there = set(metrics["family"])  # a family whose trainings all failed has no row
    main = [family for family in main_question(study) if family in there]
    return {"paired": paired(metrics, how.metric, how.alpha, main)}
