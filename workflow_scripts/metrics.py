"""Put the scores of a study's own models, and those of other tools' masks, below each other."""

import pandas as pd

from crossover.exchange.external_tables import check_tables
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the rows of all tables as one table, as they are; other tools' must be of the study as it is now."""
    external = [path for path in job.external if path.suffix == ".csv"]
    if external:
        check_tables(external, job.splits, job.cases, job.cfg)
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in [*job.tables, *external]]
    pd.concat(tables).to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "tables*", "external*", "splits?", "cases*", "out")
