"""Choose the network: the cell of the highest mean validation DSC over the folds."""

from crossover.core.files import write_json
from crossover.core.incremental import records_of
from crossover.statistics.scores.cross_validation import cross_validation, select
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the scores of each network on each fold, and the network that is chosen."""
    records = records_of(job.stages)
    table = cross_validation(records, job.cfg["cells"])
    write_json(job.out, select(table, job.cfg["cells"], job.cfg["folds"]))


if __name__ == "__main__":
    run(main, "stages*", "out")
