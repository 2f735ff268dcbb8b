"""Each chain against its target's baseline on the same cases, and how its models validated."""

from crossover.core.incremental import failed_of, records_of
from crossover.statistics.chains import (
    Scores,
    attribute_contrasts,
    chain_scores,
    contrasts,
    gains,
)
from crossover.statistics.cross_validation import validation
from crossover.statistics.metrics_table import read_metrics
from crossover.study.chains import chains
from crossover.study.plan import plan
from crossover.study.schema import Study
from workflow_scripts._job import run


def main(job) -> None:
    study = Study.of(job.cfg)
    of, settings = chains(study), study.statistics
    records = records_of(job.stages)
    validated = validation(records, plan(study).models.values(), failed_of(job.stages))
    scores = Scores(read_metrics(job.metrics), validated)
    attributes = {a.name: study.of_cohorts(a.name) for a in study.attributes}
    tables = {
        "validation": validated,
        "chains": chain_scores(scores, of, settings.confidence),
        "gains": gains(scores, of, settings.alpha),
        "contrasts": contrasts(scores, of, settings.alpha),
        "attributes": attribute_contrasts(scores, of, attributes, settings.alpha),
    }
    for path in job.out:
        tables[path.stem].to_csv(path, index=False)


if __name__ == "__main__":
    run(main, "metrics", "stages*", "out*")
