"""Paired comparisons of a study's models on the same cases, from its metrics table."""

from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.paired import paired
from crossover.study.families import main_question
from crossover.study.schema import Study
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    metrics = read_metrics(job.metrics)
    settings = study.statistics
    there = set(metrics["family"])  # a family whose trainings all failed has no row
    main = [family for family in main_question(study) if family in there]
    table = paired(metrics, settings.metric, settings.alpha, main)
    table.to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "metrics", "out")
