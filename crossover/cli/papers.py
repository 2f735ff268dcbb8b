"""Commands about the papers: their printed numbers, and whether their findings hold in our results."""

import json
from typing import Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import RESULTS, Json, MadeAt, Results, stop, stop_on
from crossover.core.configuration import ConfigError
from crossover.core.terminal import stdout_console


def audit(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of studies that have a paper, by default all; or a YAML file with the numbers of any paper."
        ),
    ] = None,
    results: Results = None,
    as_json: Json = False,
) -> None:
    """Check the numbers that a paper prints against each other: which of them agree, and which don't.

    The audit needs no data. If there are results of the study, the correlation between the scores of two models is
    taken from them; it is used for the probability that a claim of superiority is false.

    Exit status: 0, whatever the audit finds; 2 if there is no such paper or its file is wrong.
    """
    from crossover.core.paths import CONFIG
    from crossover.statistics.papers.audit.false_claims import false_claims
    from crossover.statistics.papers.audit.show import for_machines, show
    from crossover.statistics.papers.audit.statements import wrong_statements
    from crossover.statistics.papers.audit.table import audit_table
    from crossover.statistics.papers.published import load_published, published_path
    from crossover.statistics.scores.metrics_table import TableError, read_metrics

    names = studies or sorted(path.stem for path in (CONFIG / "published").glob("*.yaml"))
    with stop_on(ConfigError, TableError):
        papers = [load_published(name, CONFIG) for name in names]
        wrong = [
            f"{published_path(name, CONFIG)}: {said}"
            for name, paper in zip(names, papers)
            for said in wrong_statements(paper)
        ]
        if wrong:
            stop("\n".join(wrong))
        paths = [(results or RESULTS) / paper.study / "metrics.csv" for paper in papers]
        scores = [read_metrics(path) if path.exists() else None for path in paths]
    tables = [(audit_table(p), false_claims(p, own)) for p, own in zip(papers, scores)]
    if as_json:
        found = [for_machines(paper, *both) for paper, both in zip(papers, tables)]
        typer.echo(json.dumps({"studies": found}, indent=1))
        return
    for paper, both in zip(papers, tables):
        show(paper, *both, stdout_console())


@in_workflow_folder
def claims(
    studies: Annotated[
        list[str] | None, typer.Argument(help="Names of studies; by default all that have claims and results.")
    ] = None,
    results: Results = None,
    scale: MadeAt = "",
    as_json: Json = False,
) -> None:
    """Print which of the papers' findings hold in the available results.

    Exit status: 0, whatever the verdicts are; 2 if a file is missing or wrong.
    """
    from crossover.core.paths import CONFIG
    from crossover.statistics.papers.claims.verdict_table import records, show, verdicts
    from crossover.statistics.scores.metrics_table import TableError

    with stop_on(ConfigError, TableError):
        found = verdicts(studies or [], results or RESULTS, scale, CONFIG)
    if as_json:
        rows = [row for name, table in found.items() for row in records(table.assign(study=name))]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for name, table in found.items():
        show(table, name, stdout_console())
