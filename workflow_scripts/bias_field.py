"""Correct the bias field of a cohort's cases."""

from crossover.core.source_code import code_digest
from crossover.imaging.prepare import correct
from crossover.imaging.settings import BiasField
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the corrected images of the cohort and their manifest."""
    settings = BiasField.model_validate(job.cfg)
    correct(job.cases, job.out, settings, code_digest("workflow_scripts/bias_field.py"), job.threads)


if __name__ == "__main__":
    run(main, "cases", "parts*", "out")
