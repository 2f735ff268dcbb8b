"""The last of a study: all its numbers by name, its scores, and the settings that they were made with.

One job, after all others: settings and scores can't belong to different runs.
"""

from crossover.core.files import write_json
from crossover.core.written_tables import read_written
from crossover.report.values import latex, scores, values
from crossover.sources.redaction import without_places
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write all values by name, as LaTeX too, the few scores, and the settings without places."""
    tables = {path.stem: read_written(path) for path in job.statistics}
    named = values(tables, job.cfg["study"])
    all_values, macros, few, settings = job.out
    write_json(all_values, named)
    macros.write_text(latex(named))
    write_json(few, scores(tables["summary"], job.cfg["statistics"]["metric"]))
    write_json(settings, without_places(job.cfg))


if __name__ == "__main__":
    run(main, "statistics*", "after*", "out*")
