"""The command that downloads public cohorts; nothing else in a run does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import check_words, run_words, stop, stop_on
from crossover.core.configuration import ConfigError
from crossover.core.terminal import Table, stdout_console

if TYPE_CHECKING:
    from crossover.sources.fetching.cohort_registry import BucketSeries, PublicCohort
    from crossover.sources.fetching.records import FetchRecords

PUBLIC = Path("data/public")


@in_workflow_folder
def fetch(
    name: Annotated[str, typer.Argument(help="Name of the cohort; without it, the command lists all cohorts.")] = "",
    folder: Annotated[
        Path, typer.Argument(help="Folder of the public cohorts; the files go to its subfolder NAME.")
    ] = PUBLIC,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence without being asked.")
    ] = False,
) -> None:
    """Download a public cohort, verify its files and record its licence next to them.

    Files that are already complete are not downloaded again.

    Exit status: 0 if the cohort is complete, 1 if a file could not be fetched or verified, 2 if the call is wrong or
    the licence was not accepted.
    """
    from crossover.core.disk import as_disk_full
    from crossover.sources.fetching.cohort import fetch as fetched
    from crossover.sources.fetching.cohort_registry import load, series_of
    from crossover.sources.fetching.errors import FetchError
    from crossover.sources.fetching.records import FetchRecords

    if not name:
        return _list()
    with stop_on(ConfigError):
        cohort = load(name)
        series = series_of(name) if cohort.bucket else []
    beside = FetchRecords(folder, name)
    _agree(name, cohort, series, beside, accept_licence)
    try:
        done = fetched(name, cohort, series, folder, typer.echo)
    except (FetchError, OSError) as error:
        said = error if isinstance(error, FetchError) else as_disk_full(error, beside.data) or error
        typer.echo(f"error: {said}", err=True)
        raise typer.Exit(1) from None
    what = f"{done.parts} parts fetched" if done.parts else "nothing to download"
    typer.echo(f"{beside.data}: {done.files:,} files, {done.bytes / 1e9:.2f} GB, all as in {beside.lock_path}; {what}")
    for line in _next(name, cohort, folder):
        typer.echo(line)


def _list() -> None:
    from crossover.sources.fetching.cohort_registry import load, names

    table = Table("cohort", "what", "patients", "licence", "tried")
    with stop_on(ConfigError):
        for name in names():
            cohort = load(name)
            tried = "yes" if cohort.confirmed else "no"
            table.add_row(name, cohort.title, str(cohort.patients), cohort.licence.name, tried)
    stdout_console().print(table)
    typer.echo(
        'column "tried": whether the cohort was downloaded from the real servers by this entry (docs/public-cohorts.md)'
    )


def _agree(name: str, cohort: PublicCohort, series: list[BucketSeries], beside: FetchRecords, accept: bool) -> None:
    """Show the licence where it was not accepted before, and end the command where it is not accepted now."""
    if beside.accepted(cohort.licence):
        return
    for line in _shown(cohort, series):
        typer.echo(line)
    if not accept and at_a_terminal():
        accept = typer.prompt("Type yes to accept the licence", default="no").strip().lower() == "yes"
    if not accept:
        stop(f"the licence of {name} is not accepted, and nothing was downloaded: read it, then add --accept-licence")
    beside.accept(cohort.licence)


def at_a_terminal() -> bool:
    """Return whether somebody can answer a question."""
    return sys.stdin.isatty()


def _shown(cohort: PublicCohort, series: list[BucketSeries]) -> list[str]:
    from crossover.sources.fetching.cohort import size, unverified

    licence = cohort.licence
    known = size(cohort, series)
    lines = [
        f"{cohort.title}, {cohort.patients} patients",
        f"licence: {licence.name}, {licence.url}{f'. {licence.note}' if licence.note else ''}",
        f"cite: {cohort.citation}",
        f"download: {f'{known / 1e9:.2f} GB' if known else 'its size is not known before it begins'}",
    ]
    lines += [
        f"not verified at the first download, since nobody publishes a checksum: {url}" for url in unverified(cohort)
    ]
    if not cohort.confirmed:
        lines.append(f"not tried against the real servers; known from: {cohort.known_from}")
    return lines


def _next(name: str, cohort: PublicCohort, folder: Path) -> list[str]:
    """Return what is left to do by hand, and the commands that follow; put a study's folder on record."""
    from crossover.sources.fetching.cohort_registry import of_study
    from crossover.sources.fetching.records import FetchRecords
    from crossover.study.config import keep_folder

    lines = [
        f"by hand: {each.what}: get it at {each.page} and put it into {folder / name / each.into}"
        for each in cohort.by_hand
    ]
    if not cohort.study:
        return [*lines, f"next: crossover inspect {folder / name}"]
    keep_folder(cohort.study, folder.resolve())
    others = [other for other in of_study(cohort.study) if not FetchRecords(folder, other).is_complete]
    if others:
        return [
            *lines,
            *(f"next: crossover fetch {other} {folder} (study {cohort.study} needs it too)" for other in others),
        ]
    run = run_words(cohort.study, "smoke", "--data", str(folder))
    return [*lines, f"next: crossover {check_words(cohort.study)}; crossover {run}"]
