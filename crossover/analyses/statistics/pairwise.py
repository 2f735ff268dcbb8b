"""Every pair of families at every size on the same cases, corrected, beside the paper's way of comparing."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES
from crossover.statistics.differences.repeated import pairwise
from crossover.statistics.papers.published import comparison
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv", "statistics/tukey.csv"),
    sources=("published",),
    settings=(*SCORES, "statistics.alpha", "published"),
    writes={"statistics/pairwise.csv": ("test_set", "structure", "question", "a", "b")},
    order=10,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `differences.repeated.pairwise`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    tukey = given.optional("statistics/tukey.csv")
    return {"pairwise": pairwise(metrics, how.metric, how.alpha, comparison(study), tukey)}
