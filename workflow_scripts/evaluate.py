"""Score the predictions of one family's models."""

import pandas as pd
from pydantic import TypeAdapter

from crossover.core.incremental import failed_of
from crossover.evaluation.metrics import COLUMNS, score_models
from crossover.study.plan import Model
from crossover.study.splits import read_splits
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the rows of the metrics table for the models of the family."""
    models = TypeAdapter(list[Model]).validate_python(job.cfg["models"])
    failed = failed_of([job.predictions])
    splits = read_splits(job.splits)
    rows = score_models(
        [model for model in models if model.name not in failed],
        splits,
        job.cases[0].parent.parent,
        job.predictions.parent,
        job.cfg["nsd_tolerance_mm"],
        job.cfg["smallest_mask_px"],
        job.threads,
    )
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["draw"] = table["model"].map(job.cfg["draws"])
    whose = splits.drop_duplicates(["cohort", "case"])[["cohort", "case", "patient"]]
    table = table.drop(columns="patient").merge(whose, "left", ["cohort", "case"])[COLUMNS]
    table.to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "splits", "cases*", "predictions", "out")
