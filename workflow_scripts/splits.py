"""Split the patients of a study's cohorts."""

import pandas as pd

from crossover.splits import split
from crossover.study import Splits
from workflow_scripts._job import run


def main(job) -> None:
    tables = {path.parent.name: pd.read_csv(path, dtype=str) for path in job.patients}
    cases = pd.concat([table.assign(cohort=cohort) for cohort, table in tables.items()])
    settings = Splits.model_validate(job.cfg["settings"])
    table = split(cases, job.cfg["tests"], settings, job.checks)
    table.to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "patients*", "out")
