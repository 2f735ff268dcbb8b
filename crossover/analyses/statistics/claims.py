"""Whether each of the paper's findings holds in the study's tables."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import has_claims
from crossover.statistics.papers.claims.verdict_files import judge_claims
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=(
        "metrics.csv",
        "radiomics.csv",
        "statistics/training_time_saved.csv",
        "statistics/cross_validation.csv",
        "statistics/crossover.csv",
    ),
    sources=("claims", "published"),
    settings=(
        "study",
        "published",
        "sizes",
        "strategies",
        "recipe.steps",
        "radiomics",
        "statistics.confidence",
        "statistics.missing",
    ),
    applies=(has_claims,),
    writes={"statistics/claims.csv": ("id",)},
    order=17,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `statistics.papers.claims.verdict_files.judge_claims`."""
    return {"claims": judge_claims(study, given.tables)}
