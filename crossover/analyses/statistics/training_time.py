"""The time of every training, and what fine-tuning saved against training from scratch."""

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import fine_tuned_and_scratch
from crossover.core.incremental import records_of
from crossover.statistics.scores.training_time import savings, training_times
from crossover.study.families import baseline
from crossover.study.plan import plan
from crossover.study.schema import Study

ANALYSIS = Analysis(
    sources=("stages",),
    settings=("design",),
    applies=(fine_tuned_and_scratch,),
    writes={
        "statistics/training_time.csv": ("stage",),
        "statistics/training_time_saved.csv": ("structure", "n_train", "replicate", "family"),
    },
    order=4,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the tables of `scores.training_time`: the time of every training, and what fine-tuning saved."""
    times = training_times(records_of(given.stages), plan(study).models.values())
    return {"training_time": times, "training_time_saved": savings(times, baseline(study))}
