"""Summary and stability of a study, from its metrics table."""

from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.stability import stability
from crossover.statistics.summary import summarise
from workflow_scripts._job import run


def main(job) -> None:
    metrics = read_metrics(job.metrics)
    tables = {
        "summary": summarise(metrics, job.cfg["confidence"]),
        "stability": stability(metrics, job.cfg["metric"]),
    }
    for path in job.out:
        tables[path.stem].to_csv(path, index=False)


if __name__ == "__main__":
    run(main, "metrics", "out*")
