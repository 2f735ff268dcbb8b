"""How stable the ranks of the models are over bootstrap samples of the patients."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.design import several_families
from crossover.statistics.missing import read_completed
from crossover.statistics.ranking import ranking
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=("statistics.confidence", "statistics.missing"),
    applies=(several_families,),
    writes={
        "statistics/ranking.csv": ("metric", "test_set", "structure", "n_train", "family"),
    },
    order=19,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.ranking.ranking`."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    return {"ranking": ranking(metrics, how.confidence)}
