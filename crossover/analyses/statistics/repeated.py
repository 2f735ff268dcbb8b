"""All families at once on the same cases: repeated measures, Friedman's test and a mixed model."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES
from crossover.statistics.differences.repeated import repeated
from crossover.statistics.papers.published import comparison
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    sources=("published",),
    settings=(*SCORES, "statistics.alpha", "published"),
    writes={"statistics/repeated.csv": ("test_set", "structure", "question", "method")},
    order=11,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the tables of `differences.repeated.repeated`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    return {"repeated": repeated(metrics, how.metric, how.alpha, comparison(study))}
