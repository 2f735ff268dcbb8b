"""Draw one figure of a study."""

from crossover.figures.gallery import draw
from crossover.figures.style import save
from crossover.study import Study
from workflow_scripts._job import run


def main(job) -> None:
    figure = draw(job.out.stem, Study.of(job.cfg), job.results, job.cases, job.corrected)
    save(figure, job.out.with_suffix(""))


if __name__ == "__main__":
    run(main, "results", "cases", "corrected?", "out")
