"""The command line: `crossover ingest` and what goes with it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crossover.config import ConfigError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """How many labelled cases until transfer learning stops paying?"""


@app.command()
def ingest(
    source: Annotated[Path, typer.Argument(help="Folder or zip archive that the PACS wrote.")],
    out: Annotated[Path, typer.Argument(help="Folder for the cases and the report.")],
    study: Annotated[str | None, typer.Option(help="Take the rules of this study.")] = None,
    series: Annotated[Path | None, typer.Option(help="Take the rules of this YAML file.")] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Turn a hospital's DICOM export into checked, pseudonymous cases, or say all that is wrong with it.

    Exit status: 0 where every case was made, 1 where some have errors, 2 where the call is wrong.
    """
    # These take a second to import: here, and beside it in the workers' process; in no other command.
    from crossover.items import warm

    warm("crossover.sources.cases")
    from crossover.provenance import read_json
    from crossover.sources.cases import IngestError
    from crossover.sources.ingest import ingest, load_rules, study_rules
    from crossover.sources.ingest_report import JSON, TEXT, show

    if (study is None) == (series is None):
        _stop("give either --study <name> or --series <file of rules>")
    logging.basicConfig(level=logging.ERROR)
    error = None
    try:
        rules = study_rules(study) if study else load_rules(series)
        ingest(source, out, rules, workers)
    except IngestError as caught:
        error = caught
    except (ConfigError, ValueError) as caught:
        _stop(str(caught))
    except OSError as caught:  # without the path, which may hold a name
        _stop(f"{out} can't be written: {caught.strerror}")
    show(read_json(out / JSON), Console())
    typer.echo(f"report: {out / TEXT} (for people), {out / JSON} (for machines)")
    if error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1)


@app.command()
def whois(
    source: Annotated[Path, typer.Argument(help="The folder or archive that was ingested.")],
    names: Annotated[list[str] | None, typer.Argument(help="Cases (p...) or files (f...).")] = None,
) -> None:
    """Tell on the terminal which patient or file a name in a report stands for. Identifies patients."""
    from crossover.sources.whois import whois

    for line in whois(source, names or []):
        typer.echo(line)


def _stop(message: str) -> None:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)
