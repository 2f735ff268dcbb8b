"""Comparisons of a study's models as independent groups, from its metrics table."""

from crossover.statistics.comparisons import compare
from crossover.statistics.metrics_table import read_metrics
from workflow_scripts._job import run


def main(job) -> None:
    anova, tukey = compare(read_metrics(job.metrics), job.cfg["metric"], job.cfg["alpha"])
    for path, table in zip(job.out, (anova, tukey), strict=True):
        table.to_csv(path, index=False)


if __name__ == "__main__":
    run(main, "metrics", "out*")
