"""Training time of every stage, and what fine-tuning saved against training from scratch."""

from crossover.figures.families import baseline
from crossover.plan import plan
from crossover.provenance import read_json
from crossover.statistics.training_time import savings, training_times
from crossover.study import Study
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    records = [r for manifest in job.stages for r in read_json(manifest)["items"].values()]
    times = training_times(records, plan(study).models.values())
    times.to_csv(job.out / "training_time.csv", index=False)
    saved = savings(times, baseline(study))
    saved.to_csv(job.out / "training_time_saved.csv", index=False)


if __name__ == "__main__":
    run(main, "stages*", "out")
