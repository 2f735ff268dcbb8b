"""The validation scores of every network that the selection tried."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import has_selection
from crossover.core.incremental import records_of
from crossover.statistics.scores.cross_validation import cross_validation
from crossover.study.schema import Study

ANALYSIS = Analysis(
    sources=("selection",),
    settings=("selection",),
    applies=(has_selection,),
    writes={"statistics/cross_validation.csv": ("stage",)},
    order=16,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `scores.cross_validation.cross_validation`."""
    assert study.selection
    return {"cross_validation": cross_validation(records_of(given.stages), study.selection.cells)}
