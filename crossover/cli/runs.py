"""Commands about runs of the workflow: plan one, verify and trace its results, export them, and write dvc.yaml."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import (
    CORES,
    RESULTS,
    Data,
    Json,
    Scale,
    Studies,
    recorded_call,
    stop,
    stop_on,
)
from crossover.core.configuration import ConfigError
from crossover.core.terminal import stdout_console
from crossover.core.wording import counted, duration, first_few

if TYPE_CHECKING:
    from crossover.execution.recompute import Recomputed
    from crossover.execution.workflow import GraphJob


@in_workflow_folder
def plan(
    name: Annotated[str, typer.Argument(help="Name of one study; the same as --studies NAME.")] = "",
    studies: Studies = "",
    scale: Scale = "",
    data: Data = "",
    cores: Annotated[int, typer.Option(help="Number of cores for which the time is estimated.")] = CORES,
    as_json: Json = False,
) -> None:
    """Print what a run would make and why, and estimate its time, memory and disk space; nothing is run.

    Studies, scale and folder that are left out are those of the last run; before the first one, those of
    config/config.yaml.

    Exit status: 0, also if there is nothing to do; 2 if a run would be refused.
    """
    from crossover.execution import at_stake, requirements
    from crossover.execution.estimate import estimates_text
    from crossover.execution.forecast import forecast, wall_seconds
    from crossover.execution.forecast_table import show
    from crossover.execution.made import settings_of
    from crossover.execution.preflight import check_folders
    from crossover.execution.requirements_table import for_machines, show_needs
    from crossover.execution.workflow import read_workflow

    if name and studies:
        stop("give a study by its name, or several by --studies, not both")
    with stop_on(ConfigError):
        call = recorded_call(name or studies, scale, data)
        workflow = read_workflow(settings_of(call), cores)
        rows = forecast(workflow)
    disk = requirements.disk(workflow.jobs, workflow.studies, workflow.plans, cores)
    memory = requirements.memory(workflow.studies, workflow.plans, cores)
    if as_json:
        jobs = {
            "jobs": [asdict(row) for row in rows],
            "cores": cores,
            "expected_wall_s": wall_seconds(rows, cores),
        }
        typer.echo(json.dumps(jobs | for_machines(disk, memory), indent=1))
    else:
        show(rows, cores, stdout_console())
        if any(row.stages for row in rows):
            typer.echo(estimates_text(workflow.studies, workflow.plans))
        if rows:
            show_needs(disk, memory, workflow, stdout_console())
    with stop_on(ConfigError):
        check_folders(workflow.jobs, workflow.studies)
    if lost := at_stake.refusal(workflow, call):
        stop(lost)
    if refused := requirements.refusal(disk):
        stop(refused) if workflow.disk_check else typer.echo(refused, err=True)


@in_workflow_folder
def status(
    name: Annotated[str, typer.Argument(help="Name of one study; by default all of the last run.")] = "",
    as_json: Json = False,
) -> None:
    """Print the progress of the last run: trainings done, running (and where), waiting and failed, and the time left.

    The command works on any machine that has access to the run's folder, also while the run continues on another
    machine, and shows whether a run is active and which files its jobs make. If the Slurm commands are available, it
    also lists the queued jobs of this folder and why they wait.
    """
    from crossover.core import locks
    from crossover.execution import progress, slurm_site

    queued = slurm_site.queue(Path.cwd())
    numbers = None if queued is None else {job.number for job in queued}
    everything = progress.statuses(numbers, of_all_users=numbers is None or slurm_site.tells_of_all_users())
    studies = {own.study for own in everything}
    found = [own for own in everything if name in ("", own.study)]
    failed, making = progress.failures(but=studies - {own.study for own in found}), progress.in_the_making()
    runs = {own.study: locks.holder(RESULTS / own.study) for own in found}
    if as_json:
        rows = [s._asdict() | {"running": [each._asdict() for each in s.running], "run": runs[s.study]} for s in found]
        slurm = [job._asdict() for job in queued or ()]
        jobs = [{"file": str(path), "by": by} for path, by in making]
        told = {"studies": rows, "making": jobs, "slurm": slurm, "failed": failed.splitlines()}
        typer.echo(json.dumps(told, indent=1))
        return
    if not found:
        typer.echo(f"no run{f' of {name}' if name else ''} was begun in this folder")
    for own in found:
        running = sum(not each.ended for each in own.running)
        waiting = own.stages - own.done - running
        left = f"; about {duration(own.seconds_left)} of training left" if own.seconds_left else ""
        counts = f"{own.done} of {own.stages} trainings done, {running} running, {waiting} waiting"
        at_work = {each.job for each in own.running if not each.ended}
        begin = slurm_site.about_to_train(queued or (), own.study, studies, at_work)
        soon = f" ({counted(begin, 'job')} in Slurm about to begin one)" if begin else ""
        typer.echo(f"{own.study}: {counts}{soon}{left}")
        by = runs[own.study]
        typer.echo(f"  a run is active: {by}" if by else "  no run is active, as far as this machine can see")
        for each in own.running:
            heard = f"on {each.host}, last update {duration(each.seconds_ago)} ago"
            end = "; its process has ended, and the next attempt continues from its checkpoint, if there is one"
            typer.echo(f"  {each.stage}: {each.course}, {heard}{end if each.ended else ''}")
    for path, by in making:
        typer.echo(f"{path} is being made by {by}")
    for job in queued or ():
        typer.echo(f"Slurm's job {job.number}, {job.about}: {', '.join(filter(None, (job.state.lower(), job.reason)))}")
    typer.echo(failed, nl=False)


@in_workflow_folder
def verify(
    studies: Annotated[
        str, typer.Option(help="Comma-separated names of studies; by default all that have results.")
    ] = "",
    scale: Annotated[
        str, typer.Option(help="Scale: smoke, demo or paper; by default that of each study's results.")
    ] = "",
    data: Data = "",
    recompute: Annotated[
        str, typer.Option(help="Stage to train again and compare, as STUDY/STAGE; `any` picks one at random.")
    ] = "",
) -> None:
    """Check results against their provenance records, the lock file, the configuration, the code and the data.

    By default, the command checks every study that has results, at the scale at which they were made, and the report.

    Exit status: 0 if every file exists and agrees with its record, 1 otherwise.
    """
    from crossover.core import locks
    from crossover.execution.made import command, made, runs_of, settings_of, unfinished
    from crossover.execution.verify import check_plan, told, verify
    from crossover.execution.workflow import read_workflow

    with stop_on(ConfigError, ValueError):
        named = studies.replace(",", " ").split()
        there, lost = made(RESULTS)
        if lost and not named:
            why = "config/studies/ has no such file: they, and a report that has them, are not checked"
            typer.echo(f"{RESULTS}/ has results of {first_few(lost)}, and {why}", err=True)
        begun = [study for study in unfinished(RESULTS) if not named or study in named]
        jobs: dict[Path, GraphJob] = {}
        commands: dict[Path, str] = {}
        for run in runs_of(there, named, scale, RESULTS):
            call = recorded_call(",".join(run.studies), run.scale, data)
            for job in read_workflow(settings_of(call), 1, run.targets, checked=False).jobs:
                jobs[job.outputs[0]] = job
                commands |= dict.fromkeys(job.outputs, command(call))
        runs = {study: locks.holder(RESULTS / study) for study in [*there, *begun] if not named or study in named}
        checks = [*verify(commands), check_plan(jobs.values(), commands)]
        again = _trained_again(recompute) if recompute else None
    for line in told(checks, runs):
        typer.echo(line)
    for name, value in asdict(again).items() if again else ():
        typer.echo(f"{name}: {value}")
    if begun:
        typer.echo(f"not complete: {first_few(begun)}, whose first run has not ended: start it again, or wait for it")
    if begun or any(check.findings for check in checks) or (again and again.verdict == "different"):
        raise typer.Exit(1)


def _trained_again(which: str) -> Recomputed:
    """Train a stage again and compare it; `which` is <study>/<stage>, or `any` for one that is taken by chance."""
    from crossover.execution.recompute import recompute, sample

    study, _, stage = which.partition("/")
    return recompute(*(sample() if which == "any" else (study, stage)))


def trace(
    output: Annotated[Path, typer.Argument(help="Table, figure or other result.")],
    as_json: Json = False,
) -> None:
    """Trace a result back to the input files that it was made from, and print every step between them.

    Exit status: 0, or 1 if a file on the way, or its provenance record, is not what its job wrote.
    """
    from crossover.execution.trace import draw, locate, summarise
    from crossover.execution.trace import trace as steps_of

    with stop_on(ValueError):
        root, output = locate(output)
        steps = steps_of(output, root)
    if as_json:
        typer.echo(json.dumps({path: asdict(step) for path, step in steps.items()}, indent=1))
    else:
        Console(width=1000).print(draw(output, steps))  # a tree is cut at the width, not wrapped
        typer.echo(f"{output} comes from {len(steps) - 1} files; at the beginning: {summarise(steps)}")
    if any(step.altered for step in steps.values()):
        raise typer.Exit(1)


@in_workflow_folder
def export_rocrate(
    out: Annotated[Path, typer.Argument(help="Folder or zip archive (.zip) to write.")],
    studies: Annotated[
        str, typer.Option(help="Comma-separated names of studies; by default all that have results.")
    ] = "",
) -> None:
    """Export results, and how each was made, as an RO-Crate.

    Images of patients are left out, and so are the figures and the report that show them, and the study's file, which
    names their folders: params.json has its settings. Results whose records do not say that they are of phantoms count
    as results of patients.
    """
    from crossover.execution.ro_crate import write_crate

    with stop_on(ValueError):
        about = write_crate(out, studies.replace(",", " ").split())
    typer.echo(f"{out}: {about}")


@in_workflow_folder
def dvc() -> None:
    """Write dvc.yaml, with a DVC stage for each study that config/config.yaml names and one for the report."""
    from crossover.analyses.registry import analyses
    from crossover.execution.dvc_file import dvc_file
    from crossover.execution.workflow import read_workflow

    with stop_on(ConfigError):
        workflow = read_workflow({}, 1)
    drawn = {analysis.rule for analysis in analyses() if analysis.kind == "figures"}
    figures = [job.outputs[1] for job in workflow.jobs if job.rule in drawn]
    Path("dvc.yaml").write_text(dvc_file(workflow.studies, figures))
    typer.echo(f"dvc.yaml: {', '.join(workflow.studies)}")
