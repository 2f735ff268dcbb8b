"""Commands that give studies to other tools and take what these predicted: `crossover export`, `score`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.runs import export_rocrate
from crossover.cli.shared import (
    CORES,
    RESULTS,
    Commands,
    MadeAt,
    Results,
    Workers,
    stop,
    stop_on,
    stop_where_not_writable,
)
from crossover.core.configuration import ConfigError

Study = Annotated[str, typer.Argument(help="Name of the study; a run must have made its cases and splits.")]
Out = Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")]
Structure = Annotated[
    list[str] | None, typer.Option(help="Structure to export; may be repeated. By default all structures of the study.")
]

export = Commands(help="Export a study for another tool, or its results as an RO-Crate.")


@export.command()
@in_workflow_folder
def nnunet(study: Study, out: Out, structure: Structure = None, scale: MadeAt = "", results: Results = None) -> None:
    """Write a study as a raw dataset for nnU-Net 2, with the training cases of every training as a fold.

    OUT must be named DatasetNNN_Name, as nnU-Net requires.

    Exit status: 0 if the dataset was written, 2 if anything is wrong; all errors are listed.
    """
    from crossover.exchange.nnunet_raw import export

    _export(export, study, out, structure, scale, results)


@export.command()
@in_workflow_folder
def monai(study: Study, out: Out, structure: Structure = None, scale: MadeAt = "", results: Results = None) -> None:
    """Write a study as datalists for MONAI (in the Decathlon format), one for the cases of each training.

    Exit status: 0 if the datalists were written, 2 if anything is wrong; all errors are listed.
    """
    from crossover.exchange.monai_datalist import export

    _export(export, study, out, structure, scale, results)


@export.command()
@in_workflow_folder
def bids(study: Study, out: Out, structure: Structure = None, scale: MadeAt = "", results: Results = None) -> None:
    """Write a study as a BIDS dataset, with the manual masks as a derivative.

    Exit status: 0 if the dataset was written, 2 if anything is wrong; all errors are listed.
    """
    from crossover.exchange.bids import export

    _export(export, study, out, structure, scale, results)


def _export(
    write: Callable[..., str], study: str, out: Path, structure: list[str] | None, scale: str, results: Path | None
) -> None:
    from crossover.core.paths import CONFIG
    from crossover.study.config import load_made
    from crossover.study.splits import SplitError

    with stop_where_not_writable(out), stop_on(ConfigError, SplitError):
        typer.echo(write(load_made(study, results or RESULTS, CONFIG, scale), results or RESULTS, out, structure or []))


@in_workflow_folder
def score(
    predictions: Annotated[
        Path, typer.Argument(help="Folder with a label map for each case, or a file for each case and structure.")
    ],
    study: Annotated[str, typer.Option(help="Name of the study on whose test cases the masks are scored.")],
    model: Annotated[str, typer.Option(help="Name of the model; by default the name of the folder.")] = "",
    n: Annotated[
        int | None, typer.Option(help="Number of the target's patients that the model was trained on.")
    ] = None,
    trained_on: Annotated[
        Path | None, typer.Option(help="splits_final.json (with --fold) or a MONAI datalist, instead of --n.")
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(help="Number of the fold that the model was trained on, in splits_final.json if that is given."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Table to write; by default results/STUDY/external/MODEL.csv.")
    ] = None,
    scale: MadeAt = "",
    results: Results = None,
    workers: Workers = CORES,
) -> None:
    """Score the masks that another tool predicted for a study's test cases, with the study's metrics.

    The table that the command writes is an input of `crossover compare`. The masks are NIfTI, NRRD or MetaImage files
    named after the cases. Missing and extra files are listed.

    Exit status: 0 if the masks were scored; 2 if files are wrong, all of which are listed, if the model was trained
    on test patients, or if the table exists with scores of other predictions. With status 2, nothing is written.
    """
    from crossover.core.paths import CONFIG
    from crossover.exchange.external_scores import score_predictions
    from crossover.exchange.external_tables import keep
    from crossover.study.config import load_made
    from crossover.study.splits import SplitError

    if n is not None and trained_on is not None:
        stop("give either --n or --trained-on")
    results = results or RESULTS
    with stop_on(ConfigError, SplitError):
        known = load_made(study, results, CONFIG, scale)
        name = model or re.sub(r"\W", "_", predictions.resolve().name)
        found = score_predictions(predictions, known, results, name, n, trained_on, fold, workers)
    home = results / study / "external"
    out = out or home / f"{found.table.model[0]}.csv"
    with stop_where_not_writable(out), stop_on(ConfigError):
        out.parent.mkdir(parents=True, exist_ok=True)
        keep(found.table, found.record, out)
    means = found.table.groupby(["cohort", "structure"], sort=False)[["dsc", "hd95_mm", "nsd"]].mean().round(3)
    typer.echo("\n".join([means.to_string(), *found.notes]))
    joins = "; it takes part in the study from its next run on" if out.parent == home else ""
    typer.echo(f"{out}: {len(found.table)} rows{joins}")
    typer.echo(f"crossover compare {results / study / 'metrics.csv'} {out}")


@in_workflow_folder
def package(
    model: Annotated[str, typer.Argument(help="Name of one of the study's trained models, such as b_a-f0.")],
    study: Annotated[str, typer.Option(help="Name of the study that trained the model.")],
    out: Annotated[Path, typer.Option(help="Zip archive (.zip) or folder to write.")],
    licence: Annotated[str, typer.Option(help="Licence under which you share the model, such as CC-BY-4.0.")],
    scale: MadeAt = "",
    results: Results = None,
) -> None:
    """Pack a trained model with its study, its scores and a model card, for `crossover segment --package`.

    The scores have confidence intervals.

    Exit status: 0 if the package was written, 2 if the model is not trained or its study has no statistics yet.
    """
    from crossover.core.files import read_json
    from crossover.core.incremental import RECORD
    from crossover.core.paths import CONFIG
    from crossover.exchange.packages import WEIGHTS, pack
    from crossover.execution.segment import stage_of
    from crossover.study.config import load_made
    from crossover.study.plan import plan

    results = results or RESULTS
    with stop_where_not_writable(out), stop_on(ConfigError):
        known = load_made(study, results, CONFIG, scale)
        stage = stage_of(known, model, results)
        record = read_json(stage / RECORD)
        digest = pack(known, plan(known).models[model], stage / WEIGHTS, record, results, out, licence)
    typer.echo(f"{out}: SHA-256 of its list of digests {digest}")


export.command("rocrate")(export_rocrate)
