"""Each chain of trainings against its target's baseline, on the same cases; with sizes, at the largest."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, chained
from crossover.statistics.differences.chains import ChainScores, attribute_contrasts, chain_scores, contrasts, gains
from crossover.statistics.scores.missing import read_completed
from crossover.study.chains import chains
from crossover.study.families import at_largest
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv", "statistics/validation.csv"),
    settings=("design", *SCORES, "statistics.alpha", "statistics.confidence"),
    applies=(chained,),
    writes={
        "statistics/chains.csv": ("metric", "target", "family"),
        "statistics/gains.csv": ("metric", "target", "family"),
        "statistics/contrasts.csv": ("metric", "target", "a", "b"),
        "statistics/attributes.csv": (
            "attribute",
            "metric",
            "target",
            "a_family",
            "b_family",
            "a_value",
            "b_value",
        ),
    },
    order=6,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the tables of `differences.chains`: scores of the chains, gains, contrasts and contrasts by attribute."""
    of, how = chains(study), study.statistics
    validation = given.table("statistics/validation.csv")
    metrics = at_largest(read_completed(given.path("metrics.csv"), how.missing))
    scores = ChainScores(metrics, validation, how.metric)
    attributes = {a.name: study.of_cohorts(a.name) for a in study.attributes}
    return {
        "chains": chain_scores(scores, of, how.confidence),
        "gains": gains(scores, of, how.alpha),
        "contrasts": contrasts(scores, of, how.alpha),
        "attributes": attribute_contrasts(scores, of, attributes, how.alpha),
    }
