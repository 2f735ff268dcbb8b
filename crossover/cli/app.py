"""The command line: which commands there are."""

from importlib.metadata import version
from typing import Annotated

import typer

from crossover.cli import data, exchange, machine, own_data, pacs, papers, planning, public_cohorts, runs, scores
from crossover.cli.shared import Commands, EachOnce
from crossover.core.paths import ROOT

COMMANDS = (
    own_data.inspect,
    own_data.new,
    own_data.check,
    own_data.run,
    public_cohorts.fetch,
    data.ingest,
    data.segment,
    data.reidentify,
    exchange.score,
    exchange.package,
    runs.plan,
    runs.status,
    runs.verify,
    runs.trace,
    runs.dvc,
    papers.audit,
    papers.claims,
    scores.compare,
    scores.figures,
    planning.design,
    machine.weights,
    machine.clear_cache,
)
GROUPS = {"export": exchange.export, "pacs": pacs.app}
"""Commands that have commands of their own."""
app = Commands(add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crossover {version('crossover')} ({ROOT})")
        raise typer.Exit


@app.callback()
def main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and the folder of the code."
        ),
    ] = False,
) -> None:
    """With n labelled cases of your own, should you fine-tune, train from scratch, or train on everything?"""


for _command in COMMANDS:
    app.command(cls=EachOnce if _command in (scores.compare, planning.design) else None)(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)
