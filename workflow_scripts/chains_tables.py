"""The paper's tables of a study of chains: cohorts, networks, sources by targets, beside the published."""

import pandas as pd

from crossover.core.files import read_json
from crossover.findings.published import load_published
from crossover.report.chain_paper_tables import cohorts_table, grid_table, sources_table
from crossover.statistics.cross_validation import CELLS
from crossover.study.schema import Study
from crossover.study.splits import read_splits
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    published = load_published(study.published) if study.published else None
    slices = {
        path.parent.name: sum(item["with_structure"] for item in read_json(path)["items"].values())
        for path in job.slices
    }
    cohorts = cohorts_table(study, read_splits(job.splits), slices, published)
    first, second, third = job.out
    cohorts.to_csv(first, index=False)
    cells = pd.read_csv(job.cells) if job.cells else pd.DataFrame(columns=CELLS)
    grid_table(cells, published).to_csv(second, index=False)
    sources = sources_table(pd.read_csv(job.scores), published, study)
    sources.to_csv(third, index=False)


if __name__ == "__main__":
    run(main, "splits", "slices*", "cells?", "scores", "published?", "out*")
