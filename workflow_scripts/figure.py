"""Draw one figure of a study."""

from pathlib import Path

from crossover.analyses.figures.gallery import draw
from crossover.analyses.figures.style import save
from crossover.study.schema import Study
from workflow_scripts._job import run

CASES, CORRECTED = Path("data/cases"), Path("data/corrected")


def main(job) -> None:
    first = job.out[0]
    results = first.parent.parent
    study = Study.of(job.cfg)
    stages = [path for path in job.inputs if path.parent.name == "stages"]
    figure = draw(first.stem, study, results, CASES, CORRECTED / study.study, stages)
    save(figure, first.with_suffix(""))


if __name__ == "__main__":
    run(main, "inputs*", "out*")
