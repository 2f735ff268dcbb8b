"""Whether each of the paper's findings holds in this study's tables."""

import pandas as pd

from crossover.claims.evaluate import evaluate_claims
from crossover.claims.files import load_claims, sizes_here
from crossover.published import load_published
from crossover.statistics.agreement import read_radiomics
from crossover.statistics.metrics_table import read_metrics
from crossover.study import Study
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    tables = {path.stem: pd.read_csv(path) for path in job.statistics}
    tables["metrics"] = read_metrics(job.metrics)
    if job.radiomics:
        tables["radiomics"] = read_radiomics(job.radiomics[0])
    if study.published:
        tables["published"] = load_published(study.published).table()
    form = study.radiomics.icc if study.radiomics else "ICC(A,1)"
    confidence = study.statistics.confidence
    found = evaluate_claims(load_claims(study).claims, tables, confidence, sizes_here(study), form)
    found.to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "claims", "published*", "metrics", "radiomics*", "statistics*", "out")
