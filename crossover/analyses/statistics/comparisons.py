"""Models as independent groups: analysis of variance and Tukey's test."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_families
from crossover.statistics.differences.comparisons import compare
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=(*SCORES, "statistics.alpha"),
    applies=(several_families,),
    writes={
        "statistics/anova.csv": ("test_set", "structure", "question"),
        "statistics/tukey.csv": ("test_set", "structure", "question", "a", "b"),
    },
    order=2,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the tables of `differences.comparisons.compare`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    anova, tukey = compare(metrics, how.metric, how.alpha)
    return {"anova": anova, "tukey": tukey}
