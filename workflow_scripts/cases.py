"""Make a cohort's cases from what was received."""

from pydantic import TypeAdapter

from crossover.core.paths import folder_of
from crossover.core.source_code import SOURCES, code_digest
from crossover.sources.cases import make_cases
from crossover.sources.settings import IngestRules, Source
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the cases of the cohort, their manifest, and the report of what is wrong."""
    make_cases(
        job.raw,
        job.out[0],
        TypeAdapter(Source).validate_python(job.cfg["source"]),
        IngestRules(**{key: job.cfg[key] for key in IngestRules.model_fields if key in job.cfg}),
        folder_of(job.raw.parent.name),
        code_digest("workflow_scripts/cases.py", *SOURCES),
        job.threads,
    )


if __name__ == "__main__":
    run(main, "raw", "out*")
