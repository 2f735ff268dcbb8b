"""Radiomics of the manual masks, or of the masks of one family's models."""

import pandas as pd
from pydantic import TypeAdapter

from crossover.core.incremental import failed_of
from crossover.evaluation.radiomics_table import COLUMNS, radiomics_rows
from crossover.study.plan import Model
from crossover.study.splits import read_splits
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the features of each test case, model and structure."""
    models = TypeAdapter(list[Model] | None).validate_python(job.cfg["models"])
    failed = failed_of([job.predictions] if job.predictions else [])
    there = None if models is None else [model for model in models if model.name not in failed]
    rows = radiomics_rows(
        there,
        read_splits(job.splits),
        job.cfg["structures"],
        job.cases[0].parent.parent,
        job.predictions.parent if job.predictions else None,
        job.cfg["settings"],
        job.threads,
    )
    pd.DataFrame(rows, columns=COLUMNS).to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "splits", "cases*", "predictions?", "out")
