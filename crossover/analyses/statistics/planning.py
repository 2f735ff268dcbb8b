"""What would make a study's answers surer: more test cases, more trainings, more labelled cases."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import SCORES, fine_tuned_and_scratch
from crossover.statistics.scores.missing import read_completed
from crossover.statistics.study_planning.planning import Rules
from crossover.statistics.study_planning.plans import surer
from crossover.study.families import baseline, fine_tuned
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("metrics.csv",),
    settings=("design", *SCORES, "statistics.alpha", "statistics.confidence"),
    applies=(fine_tuned_and_scratch,),
    writes={"statistics/planning.csv": ("question", "structure", "a", "trainings")},
    order=18,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `study_planning.plans.surer`.

    It compares fine-tuning with training from scratch on the target's test cases.
    """
    how = study.statistics
    metrics = read_completed(given.path("metrics.csv"), how.missing)
    rules = Rules(alpha=how.alpha, confidence=how.confidence, trainings=(3, 10))
    pair = (fine_tuned(study), str(baseline(study)))
    return {"planning": surer(metrics, how.metric, study.target, pair, rules)}
