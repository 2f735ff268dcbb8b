"""The command that plans: how many cases and trainings a new study needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crossover.cli.shared import Json, stop, stop_on


def design(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="The pilot's scores, as `crossover compare` reads them; none for printed numbers."
        ),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(
            help="The difference to settle, by default that of the pilot or of the means."
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="The models to compare; given twice.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Their n_train, by default the largest that both have.")
    ] = None,
    metric: Annotated[str, typer.Option(help="What models are compared by.")] = "dsc",
    test_set: Annotated[str, typer.Option(help="The cohort whose cases are tested.")] = "all",
    structure: Annotated[str, typer.Option(help="By default each.")] = "",
    column: Annotated[
        list[str] | None, typer.Option(help="ROLE=NAME, as for `crossover compare`.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(help="A score: how many labelled cases reach it?")
    ] = None,
    more: Annotated[
        int, typer.Option("--next", help="What will so many further labelled cases buy?")
    ] = 10,
    assurance: Annotated[
        float, typer.Option(help="Probability that the planned study settles it.")
    ] = 0.8,
    alpha: Annotated[float, typer.Option(help="Its significance level.")] = 0.05,
    trainings: Annotated[
        list[int] | None,
        typer.Option(help="Trainings of each model; may be repeated. By default 1, 3, 5 and 10."),
    ] = None,
    minutes_per_case: Annotated[
        float | None, typer.Option(help="Of annotation, to count hours.")
    ] = None,
    mean: Annotated[
        list[float] | None, typer.Option(help="Printed: a model's mean; given twice.")
    ] = None,
    sd: Annotated[
        list[float] | None, typer.Option(help="Printed: SD between cases; once or twice.")
    ] = None,
    cases: Annotated[
        int, typer.Option(help="Printed: cases behind them. By default the SDs are taken as known.")
    ] = 0,
    correlation: Annotated[
        float, typer.Option(help="Of two models' scores of a case, which papers don't print.")
    ] = 0.5,
    between_runs: Annotated[
        float | None,
        typer.Option(help="SD of a model's mean between its trainings; else it is unknown."),
    ] = None,
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write the rows to this CSV too.")] = None,
) -> None:
    """Plan a study: test cases and trainings that settle a difference or the crossover, labelled cases for a score.

    From a pilot's scores, or from a paper's SDs (--sd, --difference). A study is planned for the test by which it will
    be judged, with an assurance that counts what the pilot leaves uncertain. Exit status: 0, or 2 where the call or a
    file is wrong.
    """  # fmt: skip
    from crossover.findings.planner import Printed, design_from_printed, show, wrong
    from crossover.report.compare.complete import read_all
    from crossover.report.compare.roles import Said
    from crossover.statistics.metrics_table import TableError
    from crossover.statistics.planning import TRAININGS, Rules
    from crossover.statistics.plans import Asked
    from crossover.statistics.plans import design as design_from_table

    chosen = sorted(set(trainings or TRAININGS))
    rules = Rules(assurance, alpha, 1 - alpha, chosen, minutes_per_case)
    asked = Asked(metric, difference, reach, more, model or (), size, test_set, structure, rules)
    printed = None if files else Printed(mean or (), sd or (), cases, correlation, between_runs)
    findings = wrong(asked, printed)
    if files and (mean or sd or cases or between_runs is not None):
        findings.append(
            "give files, or printed numbers (--mean, --sd, --cases, --between-runs), not both"
        )
    if findings:
        stop("\n".join(findings))
    with stop_on(TableError, OSError):
        if printed:
            table, notes = design_from_printed(asked, printed)
        else:
            scores, read = read_all(files or [], Said(column or (), [metric]))
            table, notes = design_from_table(scores, asked)
            notes = [*notes, *read]
        if out:
            table.to_csv(out, index=False)
    if as_json:
        typer.echo(json.dumps(json.loads(table.to_json(orient="records")), indent=1))
        return
    show(table, notes, Console())
