"""Comparisons of a study's models on the same cases, beside those of its paper."""

import pandas as pd

from crossover.statistics.metrics_table import read_metrics
from crossover.statistics.repeated import pairwise, repeated
from workflow_scripts._job import run


def main(job) -> None:
    metrics = read_metrics(job.metrics)
    tukey = pd.read_csv(job.tukey[0]) if job.tukey else None
    tables = {
        "pairwise": pairwise(metrics, **job.cfg, tukey=tukey),
        "repeated": repeated(metrics, **job.cfg),
    }
    for path in job.out:
        tables[path.stem].to_csv(path, index=False)


if __name__ == "__main__":
    run(main, "metrics", "tukey*", "out*")
