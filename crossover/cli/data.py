"""Commands on patients' data: ingest an export, segment examinations, and reidentify cases."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import (
    CORES,
    RESULTS,
    MadeAt,
    Results,
    Workers,
    stop,
    stop_on,
    stop_where_not_writable,
)
from crossover.core.configuration import ConfigError
from crossover.core.terminal import stdout_console
from crossover.core.wording import counted, first_few

if TYPE_CHECKING:
    import pandas as pd

    from crossover.study.schema import Study


def ingest(
    source: Annotated[Path, typer.Argument(help="Folder or zip archive with the export of the PACS.")],
    out: Annotated[Path, typer.Argument(help="Folder to write the cases and the report to.")],
    study: Annotated[str | None, typer.Option(help="Name of the study whose rules are used.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML file whose rules are used, instead of a study's.")] = None,
    workers: Workers = CORES,
) -> None:
    """Convert a hospital's DICOM export into checked, pseudonymised cases, and report everything wrong with it.

    Exit status: 0 if every case was made, 1 if some have errors, 2 if the call is wrong.
    """
    # These take a second to import: in no other command.
    from crossover.sources.cases import IngestError
    from crossover.sources.ingest import ingest, load_rules, study_rules
    from crossover.sources.ingest_report import JSON, TEXT, read, show

    if (study is None) == (rules is None):
        stop("give either --study NAME or --rules FILE")
    logging.basicConfig(level=logging.ERROR)
    error = None
    with stop_where_not_writable(out), stop_on(ConfigError, ValueError):
        try:
            ingest(source, out, load_rules(rules) if rules else study_rules(study or ""), workers)
        except IngestError as caught:
            error = caught
    show(read(out), stdout_console())
    typer.echo(f"report: {out / TEXT} (for people), {out / JSON} (for machines)")
    if error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1)


@in_workflow_folder
def segment(
    source: Annotated[Path, typer.Argument(help="Folder or zip archive with the DICOM examinations.")],
    out: Annotated[Path, typer.Argument(help="Folder to write the masks, pictures and scores to.")],
    study: Annotated[str, typer.Option(help="Name of the study whose model and preparation are used.")] = "",
    model: Annotated[str, typer.Option(help="Name of one of the study's trained models, such as b_a-f0.")] = "",
    package: Annotated[
        Path | None,
        typer.Option(help="Package that `crossover package` wrote, instead of --study and --model."),
    ] = None,
    scale: MadeAt = "",
    rules: Annotated[Path | None, typer.Option(help="YAML file whose rules are used, instead of the study's.")] = None,
    dicom: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write a DICOM SEG and an RTSTRUCT of each examination to as well. They contain the "
            "patient's name and identifiers, as the images do: keep them where the images are kept."
        ),
    ] = None,
    results: Results = None,
    workers: Workers = CORES,
) -> None:
    """Segment examinations with a trained model; write masks and pictures, and scores if there are manual masks.

    The files in OUT do not identify the patients. The DICOM objects, which can be stored with the images, do; they
    are written only with --dicom, to a folder of their own.

    The manual masks are those that the file given with --rules names; without it, only the images are read.

    Exit status: 0 if every case was done in full, 1 if some were not (scores.csv gives the reasons), 2 if the call is
    wrong.
    """
    from crossover.core.disk import DiskFull
    from crossover.execution.segment import dicom_results, rules_of, segment
    from crossover.execution.written_files import WrittenFiles
    from crossover.sources.cases import IngestError
    from crossover.sources.ingest import load_rules
    from crossover.study.config import SCALES

    if bool(study and model) == (package is not None) or bool(study) != bool(model):
        stop("give either --study NAME and --model NAME, or --package PATH")
    logging.basicConfig(level=logging.ERROR)
    with stop_where_not_writable(out), stop_on(ConfigError, ValueError, DiskFull):
        try:
            with _trained(study, model, scale, results, package) as (known, name, stage):
                own = load_rules(rules) if rules else rules_of(known)
                own = own.model_copy(update={"blank_ends": "keep"})  # a mask is of the whole series
                with stop_where_not_writable(dicom or out):
                    objects = dicom_results(dicom, out, source, known, name, stage, own) if dicom else None
                written = WrittenFiles(out, f"{known.study}/{name}")
                table = segment(source, out, known, stage, own, workers, written, objects)
        except IngestError as caught:
            typer.echo(f"error: {caught}", err=True)
            raise typer.Exit(1) from None
    table.to_csv(out / "scores.csv", index=False)
    if known.scale == SCALES[0]:
        what = f"check: the model was trained at the scale {known.scale}, which only checks that every step runs"
        typer.echo(f"{what}: its masks mean nothing", err=True)
    _report_segmented(table, out, dicom, written.left)


@contextlib.contextmanager
def _trained(
    study: str, model: str, scale: str, results: Path | None, package: Path | None
) -> Iterator[tuple[Study, str, Path]]:
    """Yield the study, the model's name and the folder of the weights: of a package, or of a model in the results."""
    from crossover.core.paths import CONFIG
    from crossover.exchange.packages import open_package
    from crossover.execution.segment import stage_of
    from crossover.study.config import load_made

    if package is None:
        known = load_made(study, results or RESULTS, CONFIG, scale)
        yield known, model, stage_of(known, model, results or RESULTS)
        return
    with open_package(package) as taken:
        typer.echo(f"{package}: model {taken.about.model} of study {taken.about.study}, digest {taken.digest}")
        yield taken.study, taken.about.model, taken.stage


def _report_segmented(table: pd.DataFrame, out: Path, dicom: Path | None, kept: Sequence[str]) -> None:
    """Print the scores, where the files are, and which older ones stay. Exit status 1 where a case was not done."""
    from crossover.execution.segment import NOT_WRITTEN
    from crossover.sources.ingest_report import TEXT

    shown = table.dropna(subset="structure").drop(columns="not_done")
    scores = shown.round(3).to_string(index=False) if len(shown) else "no case could be segmented"
    masks, pictures, file = out / "predictions", out / "pictures", out / "scores.csv"
    typer.echo(f"{scores}\nmasks: {masks}, pictures: {pictures}, scores: {file}")
    if kept:
        what = f"check: {first_few(kept, 4)} do not belong to this call; they were kept because they have been changed"
        typer.echo(what, err=True)
    if dicom:
        ours = sorted(path.name for path in dicom.glob(f"p{12 * '[0-9a-f]'}*_*.dcm"))
        written = any(name.partition("_")[0] in {*table.case} for name in ours)
        what = "DICOM objects, which identify the patients:" if written else "no DICOM object was written to"
        typer.echo(f"{what} {dicom}")
        if other := [name for name in ours if name.partition("_")[0] not in {*table.case}]:
            what = f"check: {dicom} also contains {counted(len(other), 'object')} of cases that are not in this call: "
            typer.echo(f"{what}{first_few(other, 4)}. Remove them unless they are to be stored", err=True)
    left = table[table.not_done != ""].drop_duplicates("case")
    for row in left.itertuples():
        unscored = isinstance(row.structure, str)
        if NOT_WRITTEN in row.not_done:
            what = "no DICOM object of it could be written"
        else:
            what = "not all of its manual masks could be compared" if unscored else "not segmented"
        typer.echo(f"{row.case}: {what}: {row.not_done}", err=True)
    if len(left):
        report = out / "cases" / TEXT
        typer.echo(f"error: {len(left)} cases were not done in full: see {report}", err=True)
        raise typer.Exit(1)


def reidentify(
    source: Annotated[Path, typer.Argument(help="Folder, archive or table of patients that was ingested.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Pseudonyms of cases (p...) or files (f...); by default all.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="YAML file with the rules of the ingest; needed if it has `patients: folder`.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Value of `prefix` in the cohort's source, if it has one.")] = "",
) -> None:
    """Print the patient or file behind a pseudonym in a report. The output identifies patients.

    The command writes to the terminal only.

    Exit status: 0 if every name was found; 1 if one was not, for example because it was made with another secret; 2 if
    the call is wrong.
    """
    from crossover.sources.ingest import load_rules
    from crossover.sources.reidentify import Unknown, reidentify
    from crossover.sources.settings import Export

    with stop_on(ConfigError, ValueError):
        try:
            given = load_rules(rules) if rules else Export()
            given = given.model_copy(update={"prefix": prefix or given.prefix})
            for line in reidentify(source, names or [], given):
                typer.echo(line)
        except Unknown as caught:
            typer.echo(str(caught), err=True)
            raise typer.Exit(1) from None
