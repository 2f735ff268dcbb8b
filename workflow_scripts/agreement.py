"""Agreement of radiomics features between manual and predicted masks."""

from crossover.statistics.agreement import agreement, read_radiomics
from workflow_scripts._job import run


def main(job) -> None:
    table = agreement(read_radiomics(job.radiomics), job.cfg["icc"], job.cfg["confidence"])
    table.to_csv(job.out, index=False)


if __name__ == "__main__":
    run(main, "radiomics", "out")
