"""Predict with the models of one family."""

from pydantic import TypeAdapter

from crossover.core.source_code import code_digest
from crossover.study.plan import Model
from crossover.study.splits import read_splits
from crossover.training import backends
from crossover.training.devices import claim, gpus
from crossover.training.prediction import predict_models
from crossover.training.stage_files import by_cohort
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the masks of the models of the family on their test cases."""
    models = TypeAdapter(list[Model]).validate_python(job.cfg["models"])
    splits = read_splits(job.splits)
    given = backends.Job(
        job.cfg["settings"],
        by_cohort(job.slices),
        by_cohort(job.cases),
        by_cohort(job.corrected),
        splits,
        job.threads,
        job.selection,
    )
    made = backends.part(given, "prediction").predictor(given)
    code = code_digest("workflow_scripts/predict.py", *backends.files(made.settings.network, "prediction"))
    with claim(gpus(), job.tickets):
        predict_models(made, models, splits, job.stages, job.out, code)


if __name__ == "__main__":
    run(main, "slices*", "splits", "cases*", "corrected*", "stages*", "selection?", "out")
