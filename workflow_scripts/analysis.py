"""Make one analysis of a study: a statistic, a table or a figure, which the first entry of its code names."""

from pathlib import Path

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.study.schema import Study
from workflow_scripts._job import Job, run

CASES, CORRECTED = Path("data/cases"), Path("data/corrected")
SOURCES = (
    "stages*",
    "selection*",
    "slices*",
    "images*",
    "corrected*",
    "patients?",
    "published?",
    "claims?",
)


def main(job: Job) -> None:
    """Run the analysis on what its rule names, and write what it returns."""
    results = job.out[0].parent.parent
    given = Inputs(
        results=results,
        tables=job.tables,
        stages=[p for p in [*job.stages, *job.selection] if p.parent.name == "stages"],
        slices=job.slices,
        patients=job.patients,
        predictions=job.images,
        cases=CASES,
        corrected=CORRECTED / results.name,
    )
    assert job.code, "the rule names the analysis as the first entry of its code"
    analysis = registry.find(*Path(job.code["entries"][0]).with_suffix("").parts[-2:])
    analysis.write(given, Study.of(job.cfg), results)


if __name__ == "__main__":
    run(main, "tables*", *SOURCES, "out*")
