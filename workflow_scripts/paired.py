"""Paired comparisons of a study's models on the same cases, from its metrics table."""

from crossover.figures.families import main_question
from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.paired import paired
from crossover.study import Study
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    metrics = read_metrics(job.metrics)
    settings = study.statistics
    table = paired(metrics, settings.metric, settings.alpha, main_question(study))
    table.to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "metrics", "out")
