"""How stable the ranks of the models are over bootstrap samples of the patients."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, several_families
from crossover.statistics.differences.ranking import rank_shares, ranking
from crossover.statistics.scores.missing import read_completed
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=(*SCORES, "statistics.confidence"),
    applies=(several_families,),
    writes={
        "statistics/ranking.csv": ("metric", "test_set", "structure", "n_train", "family"),
        "statistics/rank_shares.csv": ("metric", "test_set", "structure", "n_train", "family", "rank"),
    },
    order=19,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the tables of `differences.ranking`: the rankings, and how often each model has each rank."""
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    return {"ranking": ranking(metrics, how.confidence), "rank_shares": rank_shares(metrics, how.metric)}
