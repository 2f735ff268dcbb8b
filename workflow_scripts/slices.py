"""Make the slices that a network sees of a cohort's cases."""

from crossover.core.source_code import code_digest
from crossover.imaging.prepare import slice_cases
from crossover.imaging.settings import Slices
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the slices of each case of the cohort."""
    slice_cases(
        job.cases,
        job.corrected,
        job.out,
        Slices.model_validate(job.cfg["slices"]),
        job.cfg["channels"],
        job.cfg["structures"],
        code_digest("workflow_scripts/slices.py"),
        job.threads,
    )


if __name__ == "__main__":
    run(main, "cases", "corrected?", "out")
