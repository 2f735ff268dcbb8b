"""The planner for people: what a call may ask, plans by a paper's printed numbers, and the answers on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.text import Text

from crossover.core.terminal import Table
from crossover.statistics.scores.metrics_table import MEAN_NAME, ONLY_STRUCTURE, POOLED
from crossover.statistics.scores.scales import scale
from crossover.statistics.study_planning.assurance import MeanSquare, Pilot, assurance, draw_components
from crossover.statistics.study_planning.planning import (
    CROSSOVER,
    DIFFERENCE,
    NEXT,
    SCORE,
    Rules,
    as_table,
    differences,
    reaches_assurance,
)
from crossover.statistics.study_planning.plans import Question

CORRELATION = 0.5
"""The correlation of two models' scores of a case: the low end of what the audit assumes of overlaps, where a plan
needs most cases."""
HEADINGS = {
    DIFFERENCE: "Test cases and trainings with which a new study settles a difference",
    CROSSOVER: "Test cases and trainings with which a new study settles the crossover",
    SCORE: "Labelled cases that reach a score",
    NEXT: "What further labelled cases buy",
}


@dataclass(frozen=True)
class PrintedPair:
    """A paper's numbers of two models on the same cases, in the metric's unit.

    Attributes:
        means: of both, or none. sds: between cases, of both or one for both.
        cases: behind them; 0 where the SDs are taken as known.
        correlation: of the two models' scores of a case.
        between_runs: SD of a model's mean between its trainings; None where nothing tells it.
    """

    means: Sequence[float] = ()
    sds: Sequence[float] = ()
    cases: int = 0
    correlation: float = CORRELATION
    between_runs: float | None = None


def wrong(question: Question, printed: PrintedPair | None) -> list[str]:
    """Return everything that is wrong with a call, except for its table, a sentence each."""
    rules, lowest, highest = question.rules, *scale(question.metric)
    checks = [
        (0 < rules.assurance < 1, "--assurance must be a probability between 0 and 1, such as 0.8"),
        (0 < rules.alpha < 0.5, "--alpha must be a significance level between 0 and 0.5, such as 0.05"),
        (all(t >= 1 for t in rules.trainings), "--trainings must be at least 1"),
        (rules.minutes is None or rules.minutes > 0, "--minutes-per-case must be more than 0"),
        (question.more is None or question.more >= 1, "--next must be at least 1 case"),
        (question.difference is None or question.difference >= 0,
         "--difference is a size, whichever model is ahead: the same cases settle it in either direction, so write it "
         f"without its sign, {abs(question.difference or 0):g}"),
        (question.difference is None or 0 < abs(question.difference) < highest - lowest,
         f"--difference must be more than 0 and less than the whole scale of {question.metric}"),
        (question.reach is None or lowest < question.reach < highest,
         f"--reach must lie inside the scale of {question.metric}"),
    ]  # fmt: skip
    if printed:
        count = len(printed.means)
        checks += [
            (len(printed.sds) in (1, 2) and all(s > 0 for s in printed.sds),
             "without files, give --sd once for both models, or twice: their SD between cases, more than 0"),
            (question.difference is not None or (count == 2 and printed.means[0] != printed.means[1]),
             "without files, give --difference, or --mean twice with different values"),
            (question.difference is not None or printed.cases > 0,
             "a difference of two printed means is uncertain: give --cases, the number of cases of each mean"),
            (count in (0, 2), "--mean must be given twice, or not at all"),
            (printed.cases == 0 or printed.cases > 1, "--cases must be at least 2"),
            (-1 < printed.correlation < 1, "--correlation must lie between -1 and 1"),
            (printed.between_runs is None or printed.between_runs >= 0, "--between-runs must be 0 or more"),
            (question.reach is None, "--reach needs a table with several sizes: give its file"),
        ]  # fmt: skip
    return [text for fine, text in checks if not fine]


def design_from_printed(question: Question, printed: PrintedPair) -> tuple[pd.DataFrame, list[str]]:
    """Plan by printed numbers (`wrong` finds nothing in them): the table, and what is assumed."""
    pilot = _printed_pilot(printed)
    place = {"metric": question.metric, "a": "two models", "n_train": 0}
    notes = [f"the scores of a case are taken to correlate by {printed.correlation:g}"]
    if not printed.cases:
        notes.append("the SDs are taken as exact, since --cases does not give their number of cases")
    return as_table(differences(pilot, place, question.difference, question.rules)), notes


def _printed_pilot(printed: PrintedPair) -> Pilot:
    first, second = printed.sds[0], printed.sds[-1]
    variance = first**2 + second**2 - 2 * printed.correlation * first * second
    spread = printed.between_runs
    return Pilot(
        estimate=printed.means[0] - printed.means[1] if printed.means else np.nan,
        cases=MeanSquare(variance, printed.cases - 1 if printed.cases else np.inf),
        training=None if spread is None else MeanSquare(spread**2, np.inf),
        rest=MeanSquare(0.0, np.inf),
        shares=2.0,
        count=printed.cases or np.inf,
    )


def smallest_settled(cases: int, trainings: int, printed: PrintedPair, rules: Rules) -> float | None:
    """Return the smallest difference of two models that a study settles with the assurance of the rules.

    Args:
        cases, trainings: of the study: test cases, and trainings of each model.
        printed: the SDs that are assumed, between cases and between trainings.
        rules: how the study is judged.

    Returns:
        The difference to a thousandth, rounded up; None where not even one of 1 is settled.
    """
    pilot = _printed_pilot(printed)
    low, high = 0, 1000

    def reached(step: int) -> bool:
        components = draw_components(pilot, step / 1000)
        return bool(assurance(pilot, components, cases, trainings, rules.alpha) >= rules.assurance)

    if not reached(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high / 1000


def show(table: pd.DataFrame, notes: Sequence[str], console: Console) -> None:
    """Print the answers, question by question, in sentences; numbers of differences as a table too."""
    for question, heading in HEADINGS.items():
        own = table[table["question"] == question]
        if own.empty:
            continue
        console.print(Text(heading, "bold"))
        if question in (DIFFERENCE, CROSSOVER):
            console.print(_grid(own))
        for structure, said in zip(own["structure"], own["statement"]):
            named = structure not in ("", ONLY_STRUCTURE)
            text = f"{_named(structure)}: {said}" if named else f"{said[:1].upper()}{said[1:]}"
            console.print(Text(f"- {text}."))
        console.print()
    for note in notes:
        console.print(Text(f"Note: {note}."))


def _named(structure: object) -> str:
    return MEAN_NAME if structure == POOLED else str(structure)


def _grid(own: pd.DataFrame) -> Table:
    grid = Table("Structure", "Models", "Trainings of each", "Test cases", "Hours of annotation")
    for row in own.to_dict("records"):
        cases = "–" if row["refused"] else f"{row['cases']:,.0f}"
        if not row["refused"] and not reaches_assurance(row):
            cases = f"> {cases}"
        hours = "" if pd.isna(row["hours"]) else f"{row['hours']:.1f}"
        pair = ", ".join(filter(None, (str(row["a"]), str(row["b"]))))
        each = str(row["trainings"] or "")
        each += f" draws x {row['per_draw']}" if row["per_draw"] > 1 else ""
        grid.add_row(_named(row["structure"]), pair, each, cases, hours)
    return grid
