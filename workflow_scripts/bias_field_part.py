"""Correct the bias field of some of a cohort's cases, which `bias_field` then finds done."""

from crossover.core.source_code import code_digest
from crossover.imaging.prepare import correct
from crossover.imaging.settings import BiasField
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the corrected images of the part of the cohort, and a manifest of them."""
    settings, part = BiasField.model_validate(job.cfg["bias_field"]), job.cfg["part"]
    # keyed as `bias_field` keys them
    correct(job.cases, job.out, settings, code_digest("workflow_scripts/bias_field.py"), job.threads, part)


if __name__ == "__main__":
    run(main, "cases", "out")
