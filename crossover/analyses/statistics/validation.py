"""How the model of each fold validated."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import chained
from crossover.core.incremental import failed_of, records_of
from crossover.statistics.scores.cross_validation import validation
from crossover.study.plan import plan
from crossover.study.schema import Study

ANALYSIS = Analysis(
    sources=("stages",),
    settings=("design",),
    applies=(chained,),
    writes={"statistics/validation.csv": ("model",)},
    order=5,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `scores.cross_validation.validation`."""
    models, failed = plan(study).models.values(), failed_of(given.stages)
    return {"validation": validation(records_of(given.stages), models, failed)}
