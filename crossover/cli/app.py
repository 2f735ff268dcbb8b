"""The command line: a function for each command, which imports what it needs when it runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crossover.cli.clone import in_workflow_folder
from crossover.core.configuration import ConfigError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


Results = Annotated[
    Path | None, typer.Option(help="Where the studies' results are, by default the clone's.")
]
RESULTS = Path("results")


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
    from crossover.core.incremental import warm

    warm("crossover.sources.cases")
    from crossover.core.files import read_json
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
@in_workflow_folder
def segment(
    source: Annotated[Path, typer.Argument(help="Folder or zip archive with examinations.")],
    out: Annotated[Path, typer.Argument(help="Folder for the masks, pictures and scores.")],
    study: Annotated[str, typer.Option(help="Whose model and preparation.")],
    model: Annotated[str, typer.Option(help="One of its trained models, as b_a-f0.")],
    scale: Annotated[str, typer.Option(help="At which it was trained.")] = "demo",
    series: Annotated[
        Path | None, typer.Option(help="Rules of this YAML file instead of the study's.")
    ] = None,
    results: Results = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Segment examinations with a trained model: masks, a picture of each, scores where there are manual masks.

    Manual masks are those that the file of rules names; the study's own rules take images alone. Exit status: 0
    where all was done, 1 where some was not (scores.csv has why), 2 where the call is wrong.
    """
    from crossover.core.disk import DiskFull
    from crossover.core.paths import CONFIG
    from crossover.execution.segment import segment, stage_of
    from crossover.sources.cases import IngestError
    from crossover.sources.ingest import load_rules, study_rules
    from crossover.sources.ingest_report import TEXT
    from crossover.study.config import load_study

    logging.basicConfig(level=logging.ERROR)
    try:
        known = load_study(study, scale, CONFIG)
        stage = stage_of(known, model, results or RESULTS)
        rules = load_rules(series) if series else study_rules(study)
        rules = rules if series else rules.model_copy(update={"structures": {}})
        table = segment(source, out, known, stage, rules, workers)
    except IngestError as caught:
        typer.echo(f"error: {caught}", err=True)
        raise typer.Exit(1) from None
    except (ConfigError, ValueError, DiskFull) as caught:
        _stop(str(caught))
    except OSError as caught:  # without the path, which may hold a name
        _stop(f"{out} can't be written: {caught.strerror}")
    table.to_csv(out / "scores.csv", index=False)
    shown = table.dropna(subset="structure").drop(columns="not_done")
    typer.echo(
        shown.round(3).to_string(index=False) if len(shown) else "no case could be segmented"
    )
    typer.echo(
        f"masks: {out / 'predictions'}, pictures: {out / 'pictures'}, scores: {out / 'scores.csv'}"
    )
    left = table[table.not_done != ""].drop_duplicates("case")
    for row in left.itertuples():
        unscored = isinstance(row.structure, str)
        what = "its manual masks were not all compared with" if unscored else "not segmented"
        typer.echo(f"{row.case}: {what}: {row.not_done}", err=True)
    if len(left):
        typer.echo(
            f"error: {len(left)} cases were not done in full: see {out / 'cases' / TEXT}", err=True
        )
        raise typer.Exit(1)


@app.command()
@in_workflow_folder
def plan(
    studies: Annotated[str, typer.Option(help="Comma-separated; else those of config.yaml.")] = "",
    scale: Annotated[str, typer.Option(help="smoke, demo or paper; else config.yaml's.")] = "",
    data: Annotated[str, typer.Option(help="Folder with the real data.")] = "",
    cores: Annotated[int, typer.Option(help="To estimate the time on.")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="Every job, for machines.")] = False,
) -> None:
    """Tell what a run would make, why, how long it will take and what memory and disk, before anything runs.

    Exit status: 0, also where nothing is to be done; 2 where a run would be refused.
    """
    import json

    from crossover.execution import requirements
    from crossover.execution.forecast import forecast, wall_seconds
    from crossover.execution.forecast_table import show
    from crossover.execution.requirements_table import for_machines, show_needs
    from crossover.execution.workflow import read_workflow

    config = {"studies": studies, "scale": scale, "data": data}
    try:
        workflow = read_workflow({k: v for k, v in config.items() if v}, cores)
        rows = forecast(workflow)
    except ConfigError as caught:
        _stop(str(caught))
    disk = requirements.disk(workflow.jobs, workflow.studies, workflow.plans, cores)
    memory = requirements.memory(workflow.studies, workflow.plans, cores)
    if as_json:
        jobs = {"jobs": rows, "cores": cores, "expected_wall_s": wall_seconds(rows, cores)}
        typer.echo(json.dumps(jobs | for_machines(disk, memory), indent=1))
    else:
        show(rows, cores, Console())
        if rows:
            show_needs(disk, memory, workflow, Console())
    if refused := requirements.refusal(disk):
        _stop(refused) if workflow.disk_check else typer.echo(refused, err=True)


@app.command()
@in_workflow_folder
def verify(
    studies: Annotated[str, typer.Option(help="Comma-separated; else those of config.yaml.")] = "",
    scale: Annotated[str, typer.Option(help="smoke, demo or paper; else config.yaml's.")] = "",
    data: Annotated[
        str, typer.Option(help="Folder with the real data, if they were made of such.")
    ] = "",
    recompute: Annotated[
        str, typer.Option(help="Train this stage again too, <study>/<stage>; `any` takes one.")
    ] = "",
) -> None:
    """Check results against their manifests, the lock, the configuration, the code and the data.

    Exit status: 0 where all is as recorded, 1 where not.
    """
    from crossover.execution.integrity import describe
    from crossover.execution.verify import check_plan, verify
    from crossover.execution.workflow import read_workflow

    config = {"studies": studies, "scale": scale, "data": data}
    try:
        workflow = read_workflow({k: v for k, v in config.items() if v}, 1, checked=False)
        checks = [*verify([p for job in workflow.jobs for p in job.outputs]), check_plan(workflow)]
        again = None
        if recompute:  # imports what trains, slowly
            from crossover.execution.recompute import recompute as train_again
            from crossover.execution.recompute import sample

            study, _, stage = recompute.partition("/")
            again = train_again(*(sample() if recompute == "any" else (study, stage)))
    except (ConfigError, ValueError) as caught:
        _stop(str(caught))
    for check in checks:
        typer.echo(f"{check.name}: {check.count} checked, {len(check.findings) or 'nothing'} wrong")
        if check.findings:
            typer.echo(describe(check.findings, most=None))
    if again:
        for name, value in again.items():
            typer.echo(f"{name}: {value}")
    if any(check.findings for check in checks) or (again and again["verdict"] == "different"):
        raise typer.Exit(1)


@app.command()
def trace(
    output: Annotated[Path, typer.Argument(help="A table, figure or other result.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every file, for machines.")] = False,
) -> None:
    """Print the way from a result back to the files that came from the scanner."""
    import json

    from crossover.execution.trace import draw, locate, summarise
    from crossover.execution.trace import trace as steps_of

    try:
        root, output = locate(output)
        steps = steps_of(output, root)
    except ValueError as caught:
        _stop(str(caught))
    if as_json:
        typer.echo(json.dumps(steps, indent=1))
        return
    Console().print(draw(output, steps), soft_wrap=True)
    typer.echo(f"{output} comes from {len(steps) - 1} files; at the beginning: {summarise(steps)}")


@app.command()
def audit(
    studies: Annotated[list[str] | None, typer.Argument(help="Else all with a paper.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every finding, for machines.")] = False,
) -> None:
    """Check a paper's printed numbers against each other: which follow from others, and which don't.

    Needs no data. Exit status: 0, whatever is found; 2 where there is no such paper.
    """
    import json

    from crossover.core.paths import CONFIG
    from crossover.findings.audit.show import for_machines, show
    from crossover.findings.audit.table import audit_table
    from crossover.findings.published import load_published

    folder = CONFIG
    names = studies or sorted(path.stem for path in (folder / "published").glob("*.yaml"))
    try:
        papers = [load_published(name, folder) for name in names]
    except ConfigError as caught:
        _stop(str(caught))
    tables = [audit_table(paper) for paper in papers]
    if as_json:
        found = [for_machines(paper, table) for paper, table in zip(papers, tables)]
        typer.echo(json.dumps({"studies": found}, indent=1))
        return
    for paper, table in zip(papers, tables):
        show(paper, table, Console())


@app.command()
@in_workflow_folder
def claims(
    studies: Annotated[
        list[str] | None, typer.Argument(help="By default all with claims and results.")
    ] = None,
    results: Results = None,
    scale: Annotated[str, typer.Option(help="At which they were made.")] = "demo",
    as_json: Annotated[bool, typer.Option("--json", help="Every row, for machines.")] = False,
) -> None:
    """Tell which of the papers' findings hold in the results that are there.

    Exit status: 0 whatever the verdicts are; 2 where a file is missing or wrong.
    """
    import json

    from crossover.core.paths import CONFIG
    from crossover.findings.claims.table import records, show, verdicts
    from crossover.statistics.metrics_table import TableError

    try:
        found = verdicts(studies or [], results or RESULTS, scale, CONFIG)
    except (ConfigError, TableError) as caught:
        _stop(str(caught))
    if as_json:
        rows = [row for name, table in found.items() for row in records(table.assign(study=name))]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    console = Console()
    for name, table in found.items():
        show(table, name, console)


@app.command()
def compare(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Tables of scores, nnU-Net's summary.json or MONAI's raw.csv: PATH or NAME=PATH."
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="What models are compared by; may be repeated. By default all that are known."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=NAME: the column NAME is the model, case, structure, cohort, n_train, "
            "replicate, fold, level or metric; ROLE= for none. May be repeated."
        ),
    ] = None,
    structure: Annotated[
        list[str] | None,
        typer.Option(help="NEW=OLD: the structure OLD of any file is called NEW. May be repeated."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("comparison"),
) -> None:
    """Compare models on the same cases by scores that any tool made: tables, tests, figures and a page.

    A table (CSV, TSV, semicolons, Excel) needs the columns model, case and one or more metrics; structure, cohort,
    n_train, replicate, fold and level may be there. What was taken for what is printed. Exit status: 0, or 2
    where files are wrong.
    """
    from crossover.report.compare.run import comparison, write
    from crossover.statistics.metrics_table import TableError

    try:
        found = comparison(files, metric or [], column or [], structure or [])
        typer.echo("\n".join([*found.notes, write(found, out)]))
    except (TableError, OSError) as caught:
        _stop(str(caught))


@app.command()
@in_workflow_folder
def figures(
    studies: Annotated[
        list[str] | None, typer.Argument(help="By default all with results.")
    ] = None,
    results: Results = None,
    scale: Annotated[
        str, typer.Option(help="At which they were made; else what params.json says, or demo.")
    ] = "",
    out: Annotated[
        Path, typer.Option(help="Folder for <study>/<figure>.svg, .png and .pdf.")
    ] = Path("figures"),
) -> None:
    """Draw all figures but those that show images again, from metrics.csv and the small tables beside it.

    What a figure can't be drawn without is said. Exit status: 0, or 2 where there are no such results.
    """
    from crossover.core.paths import CONFIG
    from crossover.report.redraw import redraw, studies_in
    from crossover.statistics.metrics_table import TableError

    results = results or RESULTS
    try:
        for study in studies_in(results, studies or [], scale, CONFIG):
            folder = out / study.study
            for outcome in redraw(study, results / study.study, folder):
                told = f"not drawn: {outcome.because}" if outcome.because else "drawn"
                typer.echo(f"{folder / outcome.figure}: {told}")
    except (ConfigError, TableError) as caught:
        _stop(str(caught))


@app.command()
@in_workflow_folder
def crate(
    out: Annotated[Path, typer.Argument(help="The folder, or the .zip, to write.")],
    studies: Annotated[str, typer.Option(help="Comma-separated; else all with results.")] = "",
) -> None:
    """Export results with how each was made as an RO-Crate. Images of patients stay, also those in figures."""
    from crossover.execution.ro_crate import write_crate

    try:
        about = write_crate(out, [s for s in studies.replace(",", " ").split() if s])
    except ValueError as caught:
        _stop(str(caught))
    typer.echo(f"{out}: {about}")


@app.command()
@in_workflow_folder
def dvc() -> None:
    """Write dvc.yaml for the studies that config/config.yaml names: a stage for each, and the report."""
    from crossover.execution.dvc_file import dvc_file
    from crossover.execution.workflow import read_workflow

    try:
        workflow = read_workflow({}, 1)
    except ConfigError as caught:
        _stop(str(caught))
    figures = [p.outputs[1] for p in workflow.jobs if p.rule == "figure"]
    Path("dvc.yaml").write_text(dvc_file(workflow.studies, figures))
    typer.echo(f"dvc.yaml: {', '.join(workflow.studies)}")


@app.command()
def weights(
    encoders: Annotated[
        list[str], typer.Argument(help="As efficientnet-b3; see `selection:` of a study.")
    ],
) -> None:
    """Download encoders' ImageNet weights to the Hugging Face hub's cache, at the revision a study begins with."""
    from crossover.networks.hub import fetch

    for encoder in encoders:
        try:
            typer.echo(f"{encoder}: {fetch(encoder)}")
        except (ValueError, OSError) as caught:
            _stop(f"{encoder}: {caught}")


@app.command()
@in_workflow_folder
def clean() -> None:
    """Remove kept activations of frozen parts that no training uses now; they are computed again when needed."""
    from crossover.training.cache import Cache

    typer.echo(f"{Cache(0).clear() / 1e9:.2f} GB removed")


@app.command()
def whois(
    source: Annotated[
        Path, typer.Argument(help="The folder, archive or table of patients that was ingested.")
    ],
    names: Annotated[list[str] | None, typer.Argument(help="Cases (p...) or files (f...).")] = None,
    series: Annotated[
        Path | None, typer.Option(help="The rules of the ingest, if folders tell patients apart.")
    ] = None,
) -> None:
    """Tell on the terminal which patient or file a name in a report stands for. Identifies patients.

    Exit status: 0; 1 where a name stands for nothing there, as under another secret; 2 where the call is wrong.
    """
    from crossover.sources.ingest import load_rules
    from crossover.sources.settings import Export
    from crossover.sources.whois import Unknown, whois

    try:
        rules = load_rules(series) if series else Export()
        for line in whois(source, names or [], rules):
            typer.echo(line)
    except Unknown as caught:
        typer.echo(str(caught), err=True)
        raise typer.Exit(1) from None
    except (ConfigError, ValueError) as caught:
        _stop(str(caught))


def _stop(message: str) -> None:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)
