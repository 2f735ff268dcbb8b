"""Training time of every stage, and what fine-tuning saved against training from scratch."""

from crossover.core.incremental import records_of
from crossover.statistics.training_time import savings, training_times
from crossover.study.families import baseline
from crossover.study.plan import plan
from crossover.study.schema import Study
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    records = records_of(job.stages)
    times = training_times(records, plan(study).models.values())
    for path, table in zip(job.out, (times, savings(times, baseline(study))), strict=True):
        table.to_csv(path, index=False)


if __name__ == "__main__":
    run(main, "stages*", "out*")
