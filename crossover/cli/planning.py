"""The command that plans: how many cases and trainings a new study needs."""

import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from crossover.cli.shared import Json, Missing, stop, stop_on
from crossover.core.terminal import stdout_console

Files = Annotated[
    list[str] | None,
    Argument(
        help="Files with the pilot's scores, as `crossover compare` reads them; none to plan from printed numbers."
    ),
]
Difference = Annotated[
    float | None,
    Option(
        help="Size of the difference to settle, whichever model is ahead; by default that of the pilot or of the means."
    ),
]
Models = Annotated[
    list[str] | None,
    Option(help="Model to compare; give the option twice. By default the two models, or the two with the best means."),
]
Size = Annotated[int | None, Option(help="Value of n_train of both models; by default the largest that both have.")]
Metric = Annotated[str, Option(help="Metric by which models are compared.")]
TestSet = Annotated[str, Option(help="Cohort whose cases are tested.")]
Structures = Annotated[
    list[str] | None,
    Option(
        help="Structure, or `all` for each case's mean over the structures; by default all of these in turn. As "
        "NEW=OLD, a structure's new name, as for `crossover compare`; may be repeated."
    ),
]
Columns = Annotated[
    list[str] | None, Option(help="Role of a column, as ROLE=NAME, as for `crossover compare`; may be repeated.")
]
Reach = Annotated[float | None, Option(help="Score for which the required number of labelled cases is estimated.")]
Next = Annotated[
    int | None,
    Option(
        "--next",
        help="Number of further labelled cases whose benefit is estimated; by default 10, or all there are, if fewer.",
    ),
]
Assurance = Annotated[float, Option(help="Probability with which the planned study should settle the difference.")]
Alpha = Annotated[float, Option(help="Significance level of the planned study.")]
Trainings = Annotated[
    list[int] | None,
    Option(
        help="Number of trainings of each model; may be repeated. By default 1, 3, 5 and 10. If none is enough, larger "
        "numbers are tried, up to 100."
    ),
]
Minutes = Annotated[
    float | None, Option(help="Minutes needed to annotate a case, from which the hours of annotation are computed.")
]
Means = Annotated[list[float] | None, Option(help="Mean of a model, as printed; give the option twice.")]
Sds = Annotated[
    list[float] | None, Option(help="SD between cases, as printed; give the option once, or once for each model.")
]
Cases = Annotated[int, Option(help="Number of cases behind the printed SDs. By default the SDs are taken as known.")]
Correlation = Annotated[float, Option(help="Correlation between the two models' scores, which papers don't print.")]
BetweenRuns = Annotated[float | None, Option(help="SD of a model's mean between its trainings; unknown if not given.")]
Out = Annotated[Path | None, Option(help="CSV file to write the rows to as well.")]


def design(
    files: Files = None, difference: Difference = None, model: Models = None, size: Size = None,
    metric: Metric = "dsc", test_set: TestSet = "all", structure: Structures = None, column: Columns = None,
    reach: Reach = None, more: Next = None, assurance: Assurance = 0.8, alpha: Alpha = 0.05,
    trainings: Trainings = None, minutes_per_case: Minutes = None, mean: Means = None, sd: Sds = None,
    cases: Cases = 0, correlation: Correlation = 0.5, between_runs: BetweenRuns = None, missing: Missing = "worst",
    as_json: Json = False, out: Out = None,
) -> None:  # fmt: skip
    """Plan a study: how many test cases and trainings settle a difference or the crossover.

    With --reach, the command also estimates how many labelled cases a score requires. The plan is based on the scores
    of a pilot, or on the SDs that a paper prints (--sd, --difference). It is made for the test that will be applied to
    the study, and its assurance accounts for the uncertainty of the pilot.

    Exit status: 0 if the plan was made, 2 if the call or a file is wrong.
    """
    from crossover.report.compare.complete import read_all
    from crossover.report.compare.roles import Said
    from crossover.statistics.papers.planner import CORRELATION, PrintedPair, design_from_printed, show, wrong
    from crossover.statistics.scores.metrics_table import POOLED, TableError
    from crossover.statistics.study_planning.planning import TRAININGS, Rules
    from crossover.statistics.study_planning.plans import Question
    from crossover.statistics.study_planning.plans import design as design_from_table

    chosen = sorted(set(trainings or TRAININGS))
    rules = Rules(assurance, alpha, 1 - alpha, chosen, minutes_per_case)
    with stop_on(TableError):
        said = Said(column or (), [metric])
        renamed, chosen_structure = _structures(structure or [])
    asked = Question(
        said.metrics[0], difference, reach, more, model or (), size, test_set, chosen_structure, missing, rules
    )
    printed = None if files else PrintedPair(mean or (), sd or (), cases, correlation, between_runs)
    findings = wrong(asked, printed)
    if files and (mean or sd or cases or between_runs is not None):
        findings.append("give files, or printed numbers (--mean, --sd, --cases, --between-runs), not both")
    if files and correlation != CORRELATION:
        findings.append("--correlation applies only to printed numbers; with files it is estimated from the scores")
    of_files = {"--model": model, "--size": size is not None, "--structure": structure, "--column": column,
                "--next": more is not None, "--test-set": test_set != POOLED}  # fmt: skip
    findings += [f"{name} needs scores: give their files" for name, given in of_files.items() if given and not files]
    findings += _no_scores(files or [])
    if findings:
        stop("\n".join(findings))
    with stop_on(TableError, OSError):
        if printed:
            table, notes = design_from_printed(asked, printed)
        else:
            scores, read = read_all(files or [], said, renamed)
            table, notes = design_from_table(scores, asked)
            notes = [*notes, *read]
        if out:
            table.to_csv(out, index=False)
    if as_json:
        typer.echo(json.dumps(json.loads(table.to_json(orient="records")), indent=1))
        return
    show(table, notes, stdout_console())


def _structures(given: list[str]) -> tuple[dict[str, str], str]:
    """Return a structure's name in the files -> its new name, and the structure that is asked about, "" for all.

    Raises:
        TableError: several are asked about, or a new name is incomplete.
    """
    from crossover.report.compare.run import renamed_structures
    from crossover.statistics.scores.metrics_table import TableError

    chosen = [text for text in given if "=" not in text]
    if len(chosen) > 1:
        raise TableError(
            f"--structure names {len(chosen)} structures ({', '.join(chosen)}), and a plan is for one of them: "
            "give one, or none for the plans of all structures"
        )
    return renamed_structures([text for text in given if "=" in text]), "".join(chosen)


def _no_scores(files: list[str]) -> list[str]:
    return [
        f"{name} contains settings or a paper's numbers, but no scores. To plan from printed numbers, give them as "
        "options and no file: --sd (once, or for each model), and --mean twice or --difference"
        for name in files
        if Path(name).suffix.lower() in (".yaml", ".yml")
    ]
