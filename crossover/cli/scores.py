"""Commands that work on tables of scores: comparisons of any tool's models, and figures from results."""

from pathlib import Path
from typing import Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import RESULTS, Missing, Results, stop_on
from crossover.core.configuration import ConfigError


def compare(
    files: Annotated[
        list[str],
        typer.Argument(help="Tables of scores, nnU-Net's summary.json or MONAI's raw.csv, each as PATH or NAME=PATH."),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric by which models are compared; may be repeated. By default all known metrics."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Role of a column, as ROLE=NAME, where ROLE is model, case, patient, structure, cohort, n_train, "
            "replicate, draw, fold, level, family, strategy, diagonal_mm, volume_manual_ml or the name of a "
            "metric; ROLE= says that no column has the role. May be repeated."
        ),
    ] = None,
    structure: Annotated[
        list[str] | None,
        typer.Option(help="New name of a structure, as NEW=OLD, in all files; may be repeated."),
    ] = None,
    test_set: Annotated[
        str,
        typer.Option(help="Test set whose answers are shown; by default all. Tests and tables keep all of them."),
    ] = "",
    missing: Missing = "worst",
    out: Annotated[Path, typer.Option(help="Folder to write the comparison to.")] = Path("comparison"),
) -> None:
    """Compare models by their scores on the same cases, from any tool; write tables, tests, figures and a page.

    A table (CSV, with commas or semicolons, TSV or Excel) needs the columns model and case and one or more metrics.
    Other columns, such as patient, structure, cohort, n_train, replicate, draw and fold, are optional. The command
    prints how it interpreted each column.

    Exit status: 0 if the comparison was written, 2 if files are wrong.
    """
    from crossover.report.compare.answers import answers
    from crossover.report.compare.output import write
    from crossover.report.compare.run import comparison
    from crossover.statistics.scores.metrics_table import TableError

    with stop_on(TableError, OSError):
        found = comparison(files, metric or [], column or [], structure or [], missing)
        said = answers(found, test_set)
        typer.echo("\n".join([*said, "", write(found, said, out), *found.notes]))


@in_workflow_folder
def figures(
    studies: Annotated[
        list[str] | None, typer.Argument(help="Names of studies; by default all that have results.")
    ] = None,
    results: Results = None,
    scale: Annotated[
        str,
        typer.Option(help="Scale at which the results were made; by default that in params.json, else demo."),
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder to write STUDY/FIGURE.svg, .png and .pdf to.")] = Path("figures"),
) -> None:
    """Redraw the figures from metrics.csv and the small tables in its folder, except those that show images.

    For each figure that can't be drawn, the command prints what is missing.

    Exit status: 0 if the results were found, 2 if there are no such results.
    """
    from crossover.core.paths import CONFIG
    from crossover.report.redraw import redraw, studies_in
    from crossover.statistics.scores.metrics_table import TableError

    results = results or RESULTS
    with stop_on(ConfigError, TableError):
        for study in studies_in(results, studies or [], scale, CONFIG):
            folder = out / study.study
            for outcome in redraw(study, results / study.study, folder):
                state = f"not drawn: {outcome.because}" if outcome.because else "drawn"
                typer.echo(f"{folder / outcome.figure}: {state}")
