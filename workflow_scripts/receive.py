"""Receive a cohort: write phantoms, or list what a folder of real data holds."""

from pydantic import TypeAdapter

from crossover.core.paths import folder_of
from crossover.core.source_code import SOURCES, code_digest
from crossover.sources.receive import receive
from crossover.sources.settings import Source
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write what was received, with the digest of each file."""
    source = TypeAdapter(Source).validate_python(job.cfg["source"])
    code = code_digest("workflow_scripts/receive.py", *SOURCES)
    receive(source, job.out, folder_of(job.out.parent.name), code, job.threads, job.cfg["listing"])


if __name__ == "__main__":
    run(main, "out")
