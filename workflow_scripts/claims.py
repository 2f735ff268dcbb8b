"""Whether each of the paper's findings holds in this study's tables."""

from crossover.findings.claims.files import judged
from workflow_scripts._job import run


def main(job) -> None:
    judged(job.cfg, job.tables).to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "claims", "published*", "tables*", "out")
