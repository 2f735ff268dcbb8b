"""The paper's tables: patients by part of the split, and every model's scores beside the published;
with paired comparisons, their p values too."""

import pandas as pd

from crossover.findings.published import load_published
from crossover.report.paper_tables import table_two, table_two_paired
from crossover.statistics.table_one import table_one
from crossover.study.schema import Study
from crossover.study.splits import read_splits
from workflow_scripts._job import run

PARTS = {"train": "training", "test": "testing"}


def main(job) -> None:
    study = Study.of(job.cfg)
    splits = read_splits(job.splits)
    own = splits[splits.cohort == study.target].drop_duplicates("patient").set_index("patient")
    own = own.sort_values("part", ascending=False)  # training first, as in the papers
    patients = (
        pd.read_csv(job.patients, dtype={"patient": str}).drop(columns="case").set_index("patient")
    )
    first, second = job.out
    table_one(patients, own.part.map(PARTS)).to_csv(first, index=False)
    published = load_published(study.published) if study.published else None
    summary = pd.read_csv(job.summary, keep_default_na=True)
    if job.paired:
        table = table_two_paired(summary, pd.read_csv(job.paired), published, study)
    else:
        table = table_two(summary, published, study)
    table.to_csv(second, index=False)


if __name__ == "__main__":
    run(main, "splits", "patients", "summary", "paired?", "published?", "out*")
