"""Commands that lead from a folder of images to a study of one's own: inspect, new, check and run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import (
    CORES,
    Data,
    Json,
    Workers,
    check_words,
    recorded_call,
    run_words,
    stop,
    stop_on,
    stop_where_not_writable,
    workflow_settings,
)
from crossover.core.configuration import ConfigError
from crossover.core.terminal import Table, stdout_console

if TYPE_CHECKING:
    from crossover.sources.inspection.inventory import Inventory
    from crossover.study.draft import Draft, StartingModel
    from crossover.study.schema import Study

MOST_LEFT_OUT = 10
"""The number of patients left out whom the terminal lists; the page and --json have all."""


def inspect(
    export: Annotated[Path, typer.Argument(help="Folder, archive or DICOMDIR that contains the images.")],
    page: Annotated[
        Path | None, typer.Option(help="HTML page to write as well, with a picture of each kind of image.")
    ] = None,
    as_json: Json = False,
    workers: Workers = CORES,
) -> None:
    """Show the images and structures in a folder, and propose rules that select them.

    The folder is a DICOM export in any layout, a tree of NIfTI, NRRD or MetaImage files, an nnU-Net or
    Decathlon dataset, or a MONAI datalist. The output quotes the files and may identify patients.

    Exit status: 0 if the folder was read, 2 if it contains nothing that can be read.
    """
    from crossover.sources.inspection import folder_of
    from crossover.sources.inspection import inspect as inspected

    with stop_on(ValueError):
        found = inspected(folder_of(export), workers)
    if as_json:
        typer.echo(json.dumps(found.for_machines(), indent=1))
    else:
        _show(found, stdout_console())
    if page:
        from crossover.report.inspection_page import inspection_page

        with stop_where_not_writable(page):
            page.write_text(inspection_page(found, export.name or str(export)))
        typer.echo(f"page: {page}", err=as_json)


def _show(found: Inventory, console: Console) -> None:
    from crossover.report.inspection_page import pasted

    console.print(f"{found.form}: {found.counted}", highlight=False)
    images = Table("image", "what it is", "patients", "voxels", "mm")
    for kind in found.channels:
        several = f"; of {kind.several} several match" if kind.several else ""
        about = "\n".join([kind.about, *(kind.quoted[:2] if found.dicom else [])])
        images.add_row(kind.name, escape(about), f"{kind.patients}{several}", kind.size, kind.spacing_mm)
    console.print(images)
    structures = Table("structure", "as the files call it", "patients", "median ml")
    for s in found.structures:
        called = s.called + (f"; alike: {', '.join(s.alike)}" if s.alike else "")
        ml = "" if s.median_ml is None else f"{s.median_ml:.3g}"
        structures.add_row(s.name, escape(called), str(found.count_having(s.name)), ml)
    console.print(structures if found.structures else "no structure: no RTSTRUCT, SEG or label map")
    console.print("To paste under series:" if found.dicom else "To paste under a cohort's channels:")
    for kind in found.channels:
        console.print(f"  {pasted(kind.name, kind.rule)}", highlight=False, markup=False, soft_wrap=True)
    for column, values in found.columns.items():
        listed = ", ".join(f"{value} ({len(patients)})" for value, patients in values.items())
        console.print(f"{column}: {listed}", highlight=False, markup=False)
    for what in found.odd:
        console.print(f"check: {what}", highlight=False, markup=False, soft_wrap=True)
    _show_proposal(found, console)


def _show_proposal(found: Inventory, console: Console) -> None:
    chosen = found.proposed
    left = found.left_out(chosen)
    line = f"With {', '.join(chosen)}, which most patients have: {found.taken(chosen)}"
    line += "; with fewer structures there may be more." if found.left_out(chosen) else "."
    console.print(line, highlight=False, soft_wrap=True)
    told = {patient for group in found.apart() for patient in found.columns["group"][group]}
    left = {patient: why for patient, why in left.items() if patient not in told}
    for line in found.about_left_out(left, MOST_LEFT_OUT):
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


Cohort = Annotated[
    str,
    typer.Option(
        help="Folder or archive with the target's patients. PATH:COLUMN=VALUE takes only the patients that have this "
        "value in this column of their table."
    ),
]


@in_workflow_folder
def new(
    name: Annotated[str, typer.Argument(help="Name of the study; its file is config/studies/NAME.yaml.")],
    target: Cohort,
    source: Annotated[
        str,
        typer.Option(
            help="Folder or archive with the source's patients, in the form of --target; or a model to begin with: "
            "imagenet, or the folder of a trained stage, such as results/STUDY/stages/MODEL."
        ),
    ] = "",
    channels: Annotated[
        list[str] | None,
        typer.Option(
            help="Comma-separated channels, by the names that `crossover inspect` prints; NAME=FOUND takes FOUND and "
            "calls it NAME; NAME=FOUND+FOUND takes whichever of them a patient has. May be repeated."
        ),
    ] = None,
    structures: Annotated[
        list[str] | None,
        typer.Option(
            help="Comma-separated structures, by the names that `crossover inspect` prints. NAME=FOUND takes FOUND and "
            "calls it NAME; a cohort without FOUND contributes its NAME. NAME=FOUND+FOUND takes whichever of them a "
            "patient has; it does not merge masks. May be repeated."
        ),
    ] = None,
    workers: Workers = CORES,
) -> None:
    """Write the file of a study of your own patients, and list its assumptions.

    The file contains cohorts, channels, structures, sizes and strategies; all other keys come from config/bases/.

    Exit status: 0 if the file was written, 2 if the folders can't make a study; the message lists what they lack.
    """
    path = Path("config/studies") / f"{name}.yaml"
    if path.exists():
        stop(f"{path} already exists: choose another name, or delete the file")
    from crossover.study.given_model import model_of

    with stop_on(ValueError):
        model = model_of(source)
        texts = {"source": "" if model else source, "target": target}
        asked = {cohort: _parsed(text) for cohort, text in texts.items() if text}
        notes = _written(path, name, asked, (_listed(channels), _listed(structures)), model, workers)
    typer.echo("\n".join([*notes, f"written: {path} (all other keys: config/bases/)"]))
    called = "crossover" if which("crossover") else sys.argv[0]
    typer.echo(f"next: {called} {check_words(name)}; {called} {run_words(name, 'smoke')}")


class _CohortArgument(NamedTuple):
    """A cohort of a call."""

    path: Path
    column: str
    value: str


def _parsed(text: str) -> _CohortArgument:
    """Return what "folder:center=A" asks for; a path that is there is a path, whatever signs it has."""
    path, mark, rest = text.rpartition(":")
    column, equals, value = rest.partition("=")
    if Path(text).exists() or not (mark and equals):
        return _CohortArgument(Path(text), "", "")
    return _CohortArgument(Path(path), column, value)


def _listed(texts: list[str] | None) -> list[str]:
    return [part.strip() for text in texts or [] for part in text.split(",") if part.strip()]


def _written(
    path: Path,
    name: str,
    asked: dict[str, _CohortArgument],
    chosen: tuple[list[str], list[str]],
    model: StartingModel | None,
    workers: int,
) -> list[str]:
    """Write the study and put its folder on record; return what was assumed.

    Args:
        chosen: channels and structures.

    Raises:
        ValueError: what is wrong with the call or the folders; nothing is written then.
    """
    from crossover.sources.inspection import folder_of, inspect_cohorts
    from crossover.study.config import keep_folder, load_study
    from crossover.study.draft import draft
    from crossover.study.draft_names import FoundCohort

    paths = {cohort: folder_of(of.path) for cohort, of in asked.items()}
    found = dict(zip(paths, inspect_cohorts([*paths.values()], workers)))
    if len({(p.resolve(), *asked[c][1:]) for c, p in paths.items()}) < len(paths):
        groups = "; ".join(f"{c}: {', '.join(values)}" for c, values in found["target"].columns.items()) or "nothing"
        raise ValueError(f"source and target are the same patients; divide them with :COLUMN=VALUE, from: {groups}")
    for cohort, of in asked.items():
        if of.column == "group" and (apart := found[cohort].about_apart(paths[cohort])):
            raise ValueError("\n".join(apart))
    labels = {cohort: of.value or paths[cohort].resolve().name for cohort, of in asked.items()}
    if len({*labels.values()}) < len(labels):  # as of site_a/images and site_b/images
        labels = {cohort: f"{label} ({cohort})" for cohort, label in labels.items()}
    cohorts = {
        cohort: FoundCohort(
            paths[cohort],
            found[cohort].of_patients_with(of.column, of.value) if of.column else found[cohort],
            labels[cohort],
        )
        for cohort, of in asked.items()
    }
    drafted = draft(name, cohorts, *chosen, model)
    path.write_text(drafted.text)
    try:
        study = load_study(name, "smoke")
    except ConfigError as error:
        path.unlink()
        raise ValueError(
            f"these folders make no valid study, and nothing was written; choose others with --channels NAME=FOUND "
            f"and --structures NAME=FOUND\n{error}"
        ) from None
    try:
        notes = _otherwise(study, drafted, workers)
    except ValueError:
        path.unlink()
        raise
    keep_folder(name, drafted.data)
    return [*drafted.notes, *notes, *_trained_before(model, cohorts["target"].found)]


def _trained_before(model: StartingModel | None, target: Inventory) -> list[str]:
    """Return a warning where the model that the study begins with was trained on patients of the target."""
    from crossover.core.wording import counted
    from crossover.study.given_model import trained_on

    patients = sorted(target.patients_of(target.cases))
    if not model or not (known := trained_on(model, patients)):
        return []
    return [
        f"check: {counted(len(known), 'patient')} of the target were training patients of the study that trained "
        f"{model.label}, and might be used for testing: remove them from the target, or begin with another model"
    ]


def _otherwise(study: Study, drafted: Draft, workers: int) -> list[str]:
    """Return what an ingest would refuse of the cohorts' files and tables, a sentence each.

    Raises:
        ValueError: the study's rules for files find other patients than the inspection did, or none.
    """
    from crossover.core.wording import counted
    from crossover.sources.inspection.would_take import would_take
    from crossover.sources.settings import IngestRules, VolumesSource

    notes = []
    for cohort, found in drafted.patients.items():
        source = study.cohorts[f"{study.study}_{cohort}"].source
        if not isinstance(source, VolumesSource):
            continue
        try:
            taken = len(would_take(source, IngestRules(), drafted.data, workers).patients)
        except ValueError as error:
            if not source.table:
                raise
            notes += [f"check: {line.strip()}" for line in str(error).splitlines()]
            continue
        if taken != found:
            raise ValueError(
                f"{cohort}: the files seem to belong to {counted(found, 'patient')}, but no rule selects exactly "
                f"these; the rule for their names would select {taken}. Possible reasons: patients in several "
                "folders have the same name, only some names contain a date, or a datalist omits files whose names "
                "fit the rule. Nothing was written. Put a table with a row for each patient, or each scan, into "
                "the folder (docs/own-data.md), or move the files that the datalist omits to another folder"
            )
    return notes


@in_workflow_folder
def check(
    name: Annotated[str, typer.Argument(help="Name of the study.")],
    scale: Annotated[str, typer.Option(help="Scale: smoke, demo or paper.")] = "demo",
    data: Data = "",
    cores: Workers = CORES,
    no_measure: Annotated[
        bool,
        typer.Option("--no-measure", help="Skip trying the networks and measuring their training time."),
    ] = False,
) -> None:
    """Check a study before it runs: report what is wrong with it, what it costs, and what it can settle.

    The command reads the configuration, the headers or the table of the patients, and the plan. Errors that only
    the pixels show are reported when the cases are made. It then tries each network and measures some of its steps,
    which may take minutes. Cores, memory and times are those of this machine: on the login node of a cluster, leave
    them out with --no-measure.

    Exit status: 0 if the study can run, 1 if it can't, 2 if its file is wrong.
    """
    load = os.getloadavg()[0]  # before this command's own work adds to it
    from crossover.execution import slurm_site
    from crossover.execution.readiness import costs, measure, readiness

    settings = workflow_settings(name, scale, data)
    with stop_on(ConfigError):
        found = readiness(name, settings, cores)
        typer.echo(f"{name} at scale {found.study.scale}")
        for line in found.notes:
            typer.echo(line)
        for line in found.wrong:
            typer.echo(f"wrong: {line}", err=True)
        if found.wrong:
            raise typer.Exit(1)
        typer.echo("No errors were found in the study's file, patients or plan.")
        for line in found.settles:
            typer.echo(line)
        if slurm_site.answers():
            typer.echo(
                "Cores, memory and times below are those of this machine, not of the nodes to which Slurm submits"
                f"{'' if no_measure else ' (--no-measure leaves the measurements out)'}."
            )
        costs(found.study, settings, cores, typer.echo)
        if not no_measure:
            measure(found.study, settings, cores, typer.echo, load)


@in_workflow_folder
def run(
    name: Annotated[str, typer.Argument(help="Name of the study.")],
    scale: Annotated[
        str,
        typer.Option(
            help="Scale: smoke (a check that every step runs), demo (small networks) or paper (the full study); by "
            "default that of the study's last run, or demo."
        ),
    ] = "",
    data: Data = "",
    cores: Annotated[
        int | None,
        typer.Option(help="Number of cores that the run may use; by default all of this machine, or the profile's."),
    ] = None,
    workflow_profile: Annotated[
        str,
        typer.Option(
            help="Folder of a Snakemake profile; profiles/slurm submits the jobs to Slurm. By default that of the "
            "study's last run, or profiles/default, which runs the jobs on this machine."
        ),
    ] = "",
    plain: Annotated[bool, typer.Option("--plain", help="Print plain lines instead of the live view.")] = False,
) -> None:
    """Run a study, from its patients to the report; outputs that are up to date are not made again.

    On a terminal, the command shows a live view of the run.

    The command runs `snakemake --config studies=NAME scale=SCALE data=FOLDER` and ends with its exit status. Scale,
    folder and profile that are left out are those of the study's last run.
    """
    from crossover.execution import live
    from crossover.execution.made import PROFILE, config_words, settings_of

    call = {"scale": "demo"} | recorded_call(name, scale, data, workflow_profile)
    profile = [f"--{PROFILE}", call[PROFILE]] if PROFILE in call else []
    given = ["--cores", str(cores or CORES)] if cores or not profile else []  # a profile has its own
    command = [sys.executable, "-m", "snakemake", *profile, *given, "--config", *config_words(settings_of(call))]
    raise typer.Exit(live.run(command, plain))
