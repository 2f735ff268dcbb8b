"""Choose the network: the cell of the highest mean validation DSC over the folds."""

from crossover.provenance import read_json, write_json
from crossover.statistics.cross_validation import cross_validation, select
from workflow_scripts._job import run


def main(job) -> None:
    records = [r for manifest in job.stages for r in read_json(manifest)["items"].values()]
    table = cross_validation(records, job.cfg["cells"])
    table.to_csv(job.table, index=False)
    write_json(job.out, select(table))


if __name__ == "__main__":
    run(main, "stages*", "table", "out")
