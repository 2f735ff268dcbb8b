"""Commands that give studies to other tools and take what these predicted: `crossover export`, `score`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.runs import export_rocrate
from crossover.cli.shared import RESULTS, MadeAt, Results, stop_on, stop_where_not_writable
from crossover.core.configuration import ConfigError

Study = Annotated[str, typer.Argument(help="The study, whose cases and splits are there from a run.")]
Out = Annotated[Path, typer.Argument(help="The folder to write; it must not exist.")]
Structure = Annotated[
    list[str] | None, typer.Option(help="Only this structure; may be repeated. By default all of the study's.")
]

export = typer.Typer(no_args_is_help=True, help="Give a study to another tool, or its results as an RO-Crate.")


@export.command()
@in_workflow_folder
def nnunet(
    study: Study, out: Out, structure: Structure = None, scale: MadeAt = "demo", results: Results = None
) -> None:
    """Write a study as a raw data set of nnU-Net 2, with the training cases of every training as folds.

    OUT is called DatasetNNN_Name, as nnU-Net asks. Exit status: 0, or 2 with all that is wrong.
    """
    from crossover.exchange.nnunet import export

    _export(export, study, out, structure, scale, results)


@export.command()
@in_workflow_folder
def monai(study: Study, out: Out, structure: Structure = None, scale: MadeAt = "demo", results: Results = None) -> None:
    """Write a study as datalists for MONAI (Decathlon's form), one for the cases of every training.

    Exit status: 0, or 2 with all that is wrong.
    """
    from crossover.exchange.monai import export

    _export(export, study, out, structure, scale, results)


def _export(
    write: Callable[..., str], study: str, out: Path, structure: list[str] | None, scale: str, results: Path | None
) -> None:
    from crossover.core.paths import CONFIG
    from crossover.study.config import load_study
    from crossover.study.splits import SplitError

    with stop_where_not_writable(out), stop_on(ConfigError, SplitError):
        typer.echo(write(load_study(study, scale, CONFIG), results or RESULTS, out, structure or []))


export.command("rocrate")(export_rocrate)
