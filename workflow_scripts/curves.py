"""Learning curves of a study, where one family overtakes another, and how many cases each needs."""

from crossover.statistics.crossing import cases_needed, crossovers
from crossover.statistics.curves import learning_curves
from crossover.statistics.metrics_table import read_metrics
from workflow_scripts._job import run


def main(job) -> None:
    metrics, cfg = read_metrics(job.metrics), job.cfg
    tables = {
        "learning_curves": learning_curves(metrics, cfg["metric"], cfg["confidence"]),
        "crossover": crossovers(metrics, cfg["metric"], cfg["confidence"], cfg["alpha"]),
        "cases_needed": cases_needed(metrics, cfg["metric"], cfg["confidence"]),
    }
    for path in job.out:
        tables[path.stem].to_csv(path, index=False)


if __name__ == "__main__":
    run(main, "metrics", "out*")
