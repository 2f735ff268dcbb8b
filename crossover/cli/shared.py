"""What several commands share: options, and how a command ends when the call or a file is wrong."""

import contextlib
import os
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperArgument, TyperCommand

Results = Annotated[
    Path | None, typer.Option(help="Folder with the results of the studies; by default `results` in the clone.")
]
RESULTS = Path("results")
Studies = Annotated[str, typer.Option(help="Comma-separated names of studies; by default those of the last run.")]
Scale = Annotated[str, typer.Option(help="Scale: smoke, demo or paper; by default that of the last run.")]
MadeAt = Annotated[
    str, typer.Option(help="Scale at which the results were made; by default the one recorded in their params.json.")
]
Data = Annotated[str, typer.Option(help="Folder with the data of real patients.")]
Workers = Annotated[int, typer.Option(help="Number of parallel processes.")]
Missing = Annotated[
    Literal["worst", "exclude", "error"],
    typer.Option(
        help="How to treat missing predictions: worst scores them with the worst value of each metric, exclude leaves "
        "their cases out for all models, and error stops the command."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print all rows as JSON instead of a table.")]
CORES = os.cpu_count() or 1


class Command(TyperCommand):
    """A command that refuses an option given twice of which it would take the last value and say nothing.

    Its help shows an argument as NAME if it is required, and as [NAME] if not. Typer shows {name} and [name]; braces
    usually stand for a choice.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        """Make the command, with the names of its arguments in capitals, also in errors."""
        super().__init__(*args, **settings)
        for each in self.params:
            if isinstance(each, TyperArgument) and each.metavar is None and each.name:
                each.metavar = each.name.upper()

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words after the command's name in the line "Usage"."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a call; end it with exit status 2 where an option that has one value is given several times."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in dict.fromkeys(given):
            once = not (option.multiple or getattr(option, "is_flag", False)) if hasattr(option, "multiple") else False
            if once and given.count(option) > 1:
                stop(f"{option.opts[0]} is given {given.count(option)} times, and takes one value")
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """A group of such commands; as Markdown, the paragraphs of their help fill the terminal's width."""

    def __init__(self, **settings: Any) -> None:
        """Make the group, whose help is printed where no command is given; `settings` are `typer.Typer`'s."""
        super().__init__(no_args_is_help=True, rich_markup_mode="markdown", **settings)

    def command(self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **settings: Any) -> Any:
        """Return the decorator that adds a command; without `cls`, it is a `Command`."""
        return super().command(name, cls=cls or Command, **settings)


def stop(message: str) -> NoReturn:
    """End the command with exit status 2 and this message on standard error."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


@contextlib.contextmanager
def stop_on(*errors: type[Exception]) -> Iterator[None]:
    """End the command with exit status 2 where one of these errors is raised, with the error's message."""
    try:
        yield
    except errors as caught:
        stop(str(caught))


@contextlib.contextmanager
def stop_where_not_writable(out: Path) -> Iterator[None]:
    """End the command where `out` can't be written, without the failed path, which may hold a patient's name."""
    try:
        yield
    except OSError as caught:
        stop(f"{out} can't be written: {caught.strerror}")


def recorded_call(studies: str, scale: str, data: str, profile: str = "") -> dict[str, str]:
    """Return a call's settings and profile, with what it leaves out as the run was told that made the results."""
    from crossover.execution.made import PROFILE, completed_call

    given = workflow_settings(studies, scale, data) | ({PROFILE: profile} if profile else {})
    return completed_call(given, RESULTS)


def run_words(study: str, scale: str, *words: str) -> str:
    """Return how `crossover` is called to run a study for the first time: as the last run of this clone was."""
    from crossover.execution.made import PROFILE

    profile = _profile_of_first_run()
    return shlex.join(["run", study, "--scale", scale, *words, *([f"--{PROFILE}", profile] if profile else [])])


def check_words(study: str) -> str:
    """Return how `crossover` is called to check a study: without measuring on a machine whose runs are elsewhere."""
    elsewhere = _profile_of_first_run() not in ("", "profiles/default")
    return shlex.join(["check", study, *(["--no-measure"] if elsewhere else [])])


def _profile_of_first_run() -> str:
    """Return the profile of the last run of this clone; "" for the default one.

    Without a run, a machine that can submit to Slurm is a login node, which is no place for trainings.
    """
    from crossover.execution import slurm_site
    from crossover.execution.made import PROFILE, last_call

    if last := last_call(RESULTS):
        return last.get(PROFILE, "")
    slurm = find_spec("snakemake_executor_plugin_slurm") and slurm_site.answers()
    return "profiles/slurm" if slurm else ""


def workflow_settings(studies: str, scale: str, data: str) -> dict[str, str]:
    """Return the settings that a call overrides; the others are those of config/config.yaml."""
    given = {"studies": studies, "scale": scale, "data": data}
    return {name: value for name, value in given.items() if value}
