"""Put tables of one form below each other."""

import pandas as pd

from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the rows of all tables as one table, as they are."""
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in job.tables]
    pd.concat(tables).to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "tables*", "out")
