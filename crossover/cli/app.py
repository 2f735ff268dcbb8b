"""The command line: which commands there are, and what their old names say."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from crossover.cli import data, exchange, machine, own_data, pacs, papers, planning, public_cohorts, runs, scores
from crossover.cli.shared import Commands, stop
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
RENAMED = {
    "whois": "reidentify",
    "crate": "export rocrate",
    "export-rocrate": "export rocrate",
    "clean": "clear-cache",
    "--series": "--rules",
}
"""Old names of commands and options, each with the name that it has now."""


class CurrentNames(TyperGroup):
    """The group of all commands. It answers an old name with the new one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of a call; an old name in the call ends it with exit status 2."""
        options = [word.partition("=")[0] for word in args[1:] if word.startswith("--")]
        for word in (args[0], *options):
            if word in RENAMED:
                stop(f"`{word}` is now called `{RENAMED[word]}`")
        return super().resolve_command(ctx, args)


app = Commands(cls=CurrentNames, add_completion=False, pretty_exceptions_enable=False)


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
    app.command()(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)
