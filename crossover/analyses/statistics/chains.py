"""Each chain of trainings against its target's baseline, on the same cases."""

from __future__ import annotations

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.design import chained
from crossover.statistics.chains import Scores, chain_scores, contrasts, field_strength, gains
from crossover.statistics.metrics_table import read_metrics
from crossover.study.chains import chains
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv", "statistics/validation.csv"),
    settings=("design", "statistics.metric", "statistics.alpha", "statistics.confidence"),
    applies=(chained,),
    writes={
        "statistics/chains.csv": ("metric", "target", "family"),
        "statistics/gains.csv": ("metric", "target", "family"),
        "statistics/contrasts.csv": ("metric", "target", "a", "b"),
        "statistics/field_strength.csv": ("metric", "target", "low_family", "high_family"),
    },
    order=6,
)


def make(given: Inputs, study: Study) -> Frames:
    """See `statistics.chains`."""
    of, how = chains(study), study.statistics
    validation = given.table("statistics/validation.csv")
    scores = Scores(read_metrics(given.path("metrics.csv")), validation)
    strengths = {name: cohort.field_strength_t for name, cohort in study.cohorts.items()}
    return {
        "chains": chain_scores(scores, of, how.confidence),
        "gains": gains(scores, of, how.alpha),
        "contrasts": contrasts(scores, of, how.alpha),
        "field_strength": field_strength(scores, of, strengths, how.alpha),
    }
