"""Commands on a PACS by DICOMweb: find series, retrieve them, store objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossover.cli.shared import Commands, stop, stop_on
from crossover.core.wording import printable

if TYPE_CHECKING:
    from crossover.exchange.dicomweb import Found, Pacs, ServerSeries

Url = Annotated[str, typer.Argument(help="Address of the DICOMweb services, such as https://pacs.example/dicom-web.")]
Wanted = Annotated[
    list[str], typer.Argument(help="Attributes that the series must match, such as PatientID=123 Modality=MR.")
]

app = Commands()


@app.callback()
def pacs() -> None:
    """Find, retrieve and store series on a PACS through DICOMweb.

    Credentials are read from CROSSOVER_PACS_USER and CROSSOVER_PACS_PASSWORD, from CROSSOVER_PACS_TOKEN, or from
    ~/.netrc.
    """


@app.command()
def find(url: Url, wanted: Wanted) -> None:
    """Print the series that match. The output identifies patients.

    The command writes to the terminal only.

    Exit status: 0 if series match, 1 if none does, 2 if the query fails.
    """
    from crossover.exchange.dicomweb import PacsError

    with stop_on(PacsError):
        found = _told(_connected(url).find(_filters(wanted)))
    for s in found:
        about = f"series {s.number}, {s.modality}, {s.instances or '?'} instances: {s.description}"
        typer.echo(printable(f"{s.patient}  {s.date}  {s.study_description}  {about}  SeriesInstanceUID={s.uid}"))
    _some(len(found))


@app.command()
def retrieve(
    url: Url,
    out: Annotated[Path, typer.Argument(help="Folder to write the files to, which identify patients.")],
    wanted: Wanted,
) -> None:
    """Download the series that match to a folder, as input for `segment` and `ingest`.

    Exit status: 0 if all series were retrieved, 1 if none matches or some are incomplete, 2 if the query fails, or the
    server can no longer be reached or refuses the credentials.
    """
    from crossover.exchange.dicomweb import NoAccess, PacsError

    with stop_on(PacsError):
        server = _connected(url)
        found = _told(server.find(_filters(wanted)))
    failed = 0
    for s in found:
        try:
            typer.echo(printable(f"series {s.number} of {s.patient}: {server.retrieve(s, out)} files"))
        except NoAccess as error:
            stop(printable(f"series {s.number} of {s.patient} and those after it: {error}"))
        except (PacsError, OSError) as error:
            failed += 1
            what = f"{out} can't be written: {error.strerror}" if isinstance(error, OSError) else error
            typer.echo(printable(f"error: series {s.number} of {s.patient}: {what}"), err=True)
    _some(len(found))
    if failed:
        raise typer.Exit(1)


@app.command()
def store(
    url: Url,
    source: Annotated[
        Path, typer.Argument(help="DICOM file, or folder of DICOM files such as `segment --dicom` writes.")
    ],
) -> None:
    """Store a DICOM file, or all DICOM files in a folder, on the server.

    The server keeps one copy of a file that is stored more than once. Hidden files and files called *.part, which are
    those of a command that is writing or was killed, are left out.

    Exit status: 0 if all files were stored, 1 if one could not be stored, 2 if there is no DICOM file, or the server
    cannot be reached or refuses the credentials, after which no other file is tried.
    """
    from crossover.exchange.dicomweb import NoAccess, PacsError

    files = [p for p in sorted(source.rglob("*")) if _is_stored(p, source)] if source.is_dir() else [source]
    if not files or not source.exists():
        stop(f"{source}: no DICOM file found")
    with stop_on(PacsError):
        server = _connected(url)
    failed = 0
    for k, path in enumerate(files):
        try:
            server.store(path)
        except NoAccess as error:
            stop(f"{path}: {error}; {k - failed} of {len(files)} files are stored")
        except (PacsError, OSError) as error:
            failed += 1
            typer.echo(f"error: {path}: {error}", err=True)
    typer.echo(f"{len(files) - failed} of {len(files)} files are stored")
    if failed:
        raise typer.Exit(1)


def _connected(url: str) -> Pacs:
    from crossover.exchange.dicomweb import Pacs

    server = Pacs(url)
    if server.unprotected:
        typer.echo("warning: http sends patients' data and the password unencrypted: use an https address", err=True)
    return server


def _filters(wanted: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in wanted]
    if wrong := [key for key, _, value in pairs if not key or not value]:
        stop(f"{', '.join(wrong)}: give a keyword and its value, as PatientID=123")
    return {key: value for key, _, value in pairs}


def _told(found: Found) -> list[ServerSeries]:
    """Return the series, after saying which others the server did not say enough of."""
    for key, count in found.left_out.items():
        advice = "" if key == "StudyInstanceUID" else ", search by StudyInstanceUID"
        typer.echo(f"warning: {count} series left out, whose {key} the server does not return{advice}", err=True)
    if found.unconfirmed:
        what = ", ".join(found.unconfirmed)
        typer.echo(f"warning: the server does not return {what} and may have ignored it", err=True)
    return found.series


def _some(count: int) -> None:
    if not count:
        typer.echo("no series matches", err=True)
        raise typer.Exit(1)


def _is_stored(path: Path, folder: Path) -> bool:
    """Return whether a file in a folder is DICOM, or may be as it can't be opened: `Pacs.store` says why."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    if hidden or path.suffix == ".part" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return True
