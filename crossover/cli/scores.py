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
        typer.Argument(help="Tables of scores, nnU-Net's summary.json or MONAI's raw.csv: PATH or NAME=PATH."),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="What models are compared by; may be repeated. By default all that are known."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=NAME: the column NAME is the model, case, structure, cohort, n_train, "
            "replicate, fold, level or metric; ROLE= for none. May be repeated."
        ),
    ] = None,
    structure: Annotated[
        list[str] | None,
        typer.Option(help="NEW=OLD: the structure OLD of any file is called NEW. May be repeated."),
    ] = None,
    missing: Missing = "worst",
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("comparison"),
) -> None:
    """Compare models on the same cases by scores from any tool: tables, tests, figures and a page.

    A table (CSV, TSV, semicolons, Excel) needs the columns model, case and one or more metrics; structure, cohort,
    n_train, replicate, fold and level may be there. The command prints what it took each column for. Exit status:
    0, or 2 where files are wrong.
    """
    from crossover.report.compare.run import answers, comparison, write
    from crossover.statistics.scores.metrics_table import TableError

    with stop_on(TableError, OSError):
        found = comparison(files, metric or [], column or [], structure or [], missing)
        typer.echo("\n".join([*found.notes, write(found, out), *answers(found)]))


@in_workflow_folder
def figures(
    studies: Annotated[list[str] | None, typer.Argument(help="By default all with results.")] = None,
    results: Results = None,
    scale: Annotated[
        str,
        typer.Option(help="The scale at which the results were made, by default that in params.json, else demo."),
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for <study>/<figure>.svg, .png and .pdf.")] = Path("figures"),
) -> None:
    """Draw all figures but those that show images again, from metrics.csv and the small tables beside it.

    For a figure that can't be drawn it prints what is missing. Exit status: 0, or 2 where there are no such results.
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
