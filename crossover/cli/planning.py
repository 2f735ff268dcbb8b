"""The command that plans: how many cases and trainings a new study needs."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from crossover.cli.shared import Json, Missing, stop, stop_on

Files = Annotated[
    list[str] | None,
    Argument(help="The pilot's scores, as `crossover compare` reads them; none for printed numbers."),
]
Difference = Annotated[
    float | None,
    Option(help="The difference to settle, by default that of the pilot or of the means."),
]
Models = Annotated[list[str] | None, Option(help="A model to compare; give it twice.")]
Size = Annotated[int | None, Option(help="The n_train of both models; by default the largest that both have.")]
Metric = Annotated[str, Option(help="The metric by which models are compared.")]
TestSet = Annotated[str, Option(help="The cohort whose cases are tested.")]
Structure = Annotated[str, Option(help="The structure; by default each in turn.")]
Columns = Annotated[list[str] | None, Option(help="ROLE=NAME, as for `crossover compare`.")]
Reach = Annotated[float | None, Option(help="A score: estimate how many labelled cases reach it.")]
Next = Annotated[int, Option("--next", help="Number of further labelled cases whose benefit is estimated.")]
Assurance = Annotated[float, Option(help="Probability with which the planned study is to settle the difference.")]
Alpha = Annotated[float, Option(help="Significance level of the planned study.")]
Trainings = Annotated[
    list[int] | None,
    Option(help="Trainings of each model; may be repeated. By default 1, 3, 5 and 10."),
]
Minutes = Annotated[float | None, Option(help="Minutes that the annotation of a case takes, to count hours.")]
Means = Annotated[list[float] | None, Option(help="A model's mean, as printed; give it twice.")]
Sds = Annotated[list[float] | None, Option(help="The SD between cases, as printed; give it once or twice.")]
Cases = Annotated[int, Option(help="Number of cases behind the printed SDs. By default the SDs are taken as known.")]
Correlation = Annotated[float, Option(help="Correlation of two models' scores, which papers don't print.")]
BetweenRuns = Annotated[float | None, Option(help="SD of a model's mean between its trainings; else it is unknown.")]
Out = Annotated[Path | None, Option(help="Write the rows to this CSV too.")]


def design(
    files: Files = None, difference: Difference = None, model: Models = None, size: Size = None,
    metric: Metric = "dsc", test_set: TestSet = "all", structure: Structure = "", column: Columns = None,
    reach: Reach = None, more: Next = 10, assurance: Assurance = 0.8, alpha: Alpha = 0.05,
    trainings: Trainings = None, minutes_per_case: Minutes = None, mean: Means = None, sd: Sds = None,
    cases: Cases = 0, correlation: Correlation = 0.5, between_runs: BetweenRuns = None, missing: Missing = "worst",
    as_json: Json = False, out: Out = None,
) -> None:  # fmt: skip
    """Plan a study: test cases and trainings that settle a difference or the crossover, labelled cases for a score.

    From a pilot's scores, or from a paper's SDs (--sd, --difference). A study is planned for the test by which it will
    be judged, with an assurance that counts what the pilot leaves uncertain. Exit status: 0, or 2 where the call or a
    file is wrong.
    """
    from crossover.report.compare.complete import read_all
    from crossover.report.compare.roles import Said
    from crossover.statistics.papers.planner import PrintedPair, design_from_printed, show, wrong
    from crossover.statistics.scores.metrics_table import TableError
    from crossover.statistics.study_planning.planning import TRAININGS, Rules
    from crossover.statistics.study_planning.plans import Question
    from crossover.statistics.study_planning.plans import design as design_from_table

    chosen = sorted(set(trainings or TRAININGS))
    rules = Rules(assurance, alpha, 1 - alpha, chosen, minutes_per_case)
    with stop_on(TableError):
        said = Said(column or (), [metric])
    asked = Question(said.metrics[0], difference, reach, more, model or (), size, test_set, structure, missing, rules)
    printed = None if files else PrintedPair(mean or (), sd or (), cases, correlation, between_runs)
    findings = wrong(asked, printed)
    if files and (mean or sd or cases or between_runs is not None):
        findings.append("give files, or printed numbers (--mean, --sd, --cases, --between-runs), not both")
    findings += [
        f"{name} holds settings or a paper's numbers, no scores. To plan by printed numbers, give them without a file: "
        "--sd (once, or for each model), and --mean twice or --difference"
        for name in files or []
        if Path(name).suffix.lower() in (".yaml", ".yml")
    ]
    if findings:
        stop("\n".join(findings))
    with stop_on(TableError, OSError):
        if printed:
            table, notes = design_from_printed(asked, printed)
        else:
            scores, read = read_all(files or [], said)
            table, notes = design_from_table(scores, asked)
            notes = [*notes, *read]
        if out:
            table.to_csv(out, index=False)
    if as_json:
        typer.echo(json.dumps(json.loads(table.to_json(orient="records")), indent=1))
        return
    show(table, notes, Console())
