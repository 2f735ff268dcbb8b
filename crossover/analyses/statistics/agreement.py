"""Agreement of radiomics features between manual and predicted masks."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import has_radiomics
from crossover.statistics.estimates.agreement import agreement, read_radiomics
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("radiomics.csv",),
    settings=("radiomics", "statistics.confidence"),
    applies=(has_radiomics,),
    writes={"statistics/icc.csv": ("test_set", "structure", "model", "feature")},
    order=15,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `estimates.agreement.agreement`."""
    assert study.radiomics
    features = read_radiomics(given.path("radiomics.csv"))
    return {"icc": agreement(features, study.radiomics.icc, study.statistics.confidence)}
