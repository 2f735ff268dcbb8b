"""Commands about the papers: their printed numbers, and whether their findings hold in our results."""

import json
from typing import Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import RESULTS, Json, MadeAt, Results, stop, stop_on
from crossover.core.configuration import ConfigError
from crossover.core.terminal import stdout_console

EXAMPLE = """\
# A paper's printed numbers, for `crossover audit FILE`. Replace them by those of your paper, with the digits that it
# prints (0.70 is not 0.7). Parts that it doesn't print may be left out, except for the first three keys and `values`.
# docs/audit.md explains more parts (gains, tests, differences, statements); docs/paper-keys.md lists every key.
study: submission
citation: "Submission 17"
sizes: []  # numbers of training cases that tell models apart, such as [10, 50]; [] if there are none: then n_train: 0
# confidence: 0.95  # of the printed intervals: needed with `ci`
test_sets:
  internal: {cases: 40, where: Methods}
  external: {cases: 25, where: Methods}
# The table of scores. `family` is the model's name. Beside or instead of `sd`: se, ci: [low, high], iqr: [q1, q3]
values:
  - {model: {family: A, n_train: 0}, test_set: internal, metric: dsc, mean: 0.91, sd: 0.04, where: Table 2}
  - {model: {family: B, n_train: 0}, test_set: internal, metric: dsc, mean: 0.89, sd: 0.05, where: Table 2}
  - {model: {family: C, n_train: 0}, test_set: internal, metric: dsc, mean: 0.88, sd: 0.06, where: Table 2}
  - {model: {family: A, n_train: 0}, test_set: external, metric: dsc, mean: 0.85, sd: 0.08, where: Table 2}
  - {model: {family: B, n_train: 0}, test_set: external, metric: dsc, mean: 0.84, sd: 0.09, where: Table 2}
  - {model: {family: C, n_train: 0}, test_set: external, metric: dsc, mean: 0.95, sd: 0.31, where: Table 2}
# p values of two models on the same cases; "p < 0.001" is p: 0.001, p_below: true. `test`: t, wilcoxon, anova, other ...
paired:
  - {a: {family: A, n_train: 0}, b: {family: B, n_train: 0}, test_set: external, metric: dsc, p: 0.0001, test: t, where: Results}
# Sentences such as "A outperformed B"; with "(p < 0.05)" also p_below: 0.05
orderings:
  - {metric: dsc, test_set: external, n_train: [0], better: [A], worse: [B], where: Abstract}
# Sums of the text, with the whole expression in single quotes and names in double ones
statements:
  - {about: All cases, left: '65', relation: equals, right: {both sets: 'cases("internal") + cases("external")'}, where: Methods}
"""  # noqa: E501 (a line of YAML)
"""The file that `crossover audit --example` prints: the example of docs/audit.md, with comments."""


def audit(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of studies that have a paper, by default all; or a YAML file with the numbers of any paper."
        ),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example of such a file, with comments, and stop.")
    ] = False,
    results: Results = None,
    as_json: Json = False,
) -> None:
    """Check the numbers that a paper prints against each other: which of them agree, and which don't.

    To check a paper that you read: `crossover audit --example > paper.yaml`, replace the numbers in this file by those
    of the paper, and `crossover audit paper.yaml`.

    The audit needs no data. If there are results of the study, the correlation between the scores of two models is
    taken from them; it is used for the probability that a claim of superiority is false.

    Exit status: 0 whatever the audit finds; 2 if the paper or file does not exist or is invalid.
    """
    from crossover.core.paths import CONFIG
    from crossover.statistics.papers.audit import audit_table
    from crossover.statistics.papers.audit.false_claims import false_claims
    from crossover.statistics.papers.audit.show import for_machines, show
    from crossover.statistics.papers.audit.statements import wrong_statements
    from crossover.statistics.papers.published import load_published, published_path
    from crossover.statistics.scores.metrics_table import TableError, read_metrics

    if example:
        typer.echo(EXAMPLE, nl=False)
        return
    names = studies or sorted(path.stem for path in (CONFIG / "published").glob("*.yaml"))
    with stop_on(ConfigError, TableError):
        papers = [load_published(name, CONFIG) for name in names]
        wrong = [
            f"{published_path(name, CONFIG)}: {said}"
            for name, paper in zip(names, papers)
            for said in wrong_statements(paper)
        ]
        if wrong:
            stop("\n".join(wrong))
        paths = [(results or RESULTS) / paper.study / "metrics.csv" for paper in papers]
        scores = [read_metrics(path) if path.exists() else None for path in paths]
    tables = [(audit_table(p), false_claims(p, own)) for p, own in zip(papers, scores)]
    if as_json:
        found = [for_machines(paper, *both) for paper, both in zip(papers, tables)]
        typer.echo(json.dumps({"studies": found}, indent=1))
        return
    for paper, both in zip(papers, tables):
        show(paper, *both, stdout_console())


@in_workflow_folder
def claims(
    studies: Annotated[
        list[str] | None, typer.Argument(help="Names of studies; by default all that have claims and results.")
    ] = None,
    results: Results = None,
    scale: MadeAt = "",
    as_json: Json = False,
) -> None:
    """Print which of the papers' findings hold in the available results.

    Exit status: 0, whatever the verdicts are; 2 if a file is missing or wrong.
    """
    from crossover.core.paths import CONFIG
    from crossover.statistics.papers.claims.verdict_table import records, show, verdicts
    from crossover.statistics.scores.metrics_table import TableError

    with stop_on(ConfigError, TableError):
        found = verdicts(studies or [], results or RESULTS, scale, CONFIG)
    if as_json:
        rows = [row for name, table in found.items() for row in records(table.assign(study=name))]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for name, table in found.items():
        show(table, name, stdout_console())
