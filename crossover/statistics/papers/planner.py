"""The planner for people: what a call may ask, plans by a paper's printed numbers, and the answers on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.text import Text

from crossover.core.terminal import Table
from crossover.core.wording import counted
from crossover.statistics.learning_curves.extrapolation import FARTHEST
from crossover.statistics.scores.metrics_table import MEAN_NAME, ONLY_STRUCTURE, POOLED
from crossover.statistics.scores.scales import scale, unit
from crossover.statistics.study_planning.assurance import MeanSquare, Pilot, assurance, draw_components
from crossover.statistics.study_planning.planning import (
    CROSSOVER,
    DIFFERENCE,
    NEXT,
    ONE_DRAW,
    SCORE,
    Rules,
    as_table,
    differences,
    models_text,
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
    """Print the answers, question by question: several in a table, and in a sentence what each structure takes.

    Of plans with several numbers of trainings the sentence is of the fewest that suffice. Rows have all sentences.
    """
    for question, heading in HEADINGS.items():
        own = table[table["question"] == question]
        if own.empty:
            continue
        planned = question in (DIFFERENCE, CROSSOVER)
        console.print(Text(heading if len(own) == 1 else f"{heading}{_about(own)}", "bold"))
        if own["trainings"].nunique() > 1 if planned else len(own) > 1:
            console.print(_plans(own) if planned else _by_model(own))
        for row in _said(own):
            named = row["structure"] not in ("", ONLY_STRUCTURE)
            text = row["statement"]
            text = f"{_named(row['structure'])}: {text}" if named else f"{text[:1].upper()}{text[1:]}"
            console.print(Text(f"- {text}."))
        console.print()
    for note in notes:
        console.print(Text(f"Note: {note}."))


def _named(structure: object) -> str:
    return MEAN_NAME if structure == POOLED else str(structure)


def _about(own: pd.DataFrame) -> str:
    """Return what all rows of a question have in common, for its heading."""
    row = own.iloc[0].to_dict()
    if row["question"] == SCORE:
        return f" of {row['target']:g}, with an assurance of {row['assurance']:.0%} ({row['confidence']:.0%} interval)"
    if row["question"] == NEXT:
        return (
            f": the score with {row['cases']:.0f} more, extrapolated ({row['confidence']:.0%} interval), and its gain "
            "over the fitted curve"
        )
    return f": {models_text(row)}, assurance of {row['assurance']:.0%}"


def _said(own: pd.DataFrame) -> list[dict]:
    """Return the rows whose sentence is printed: one for each structure and, of curves in a table, each obstacle."""
    rows = own.to_dict("records")
    if len(rows) == 1:
        return rows
    if rows[0]["question"] in (DIFFERENCE, CROSSOVER):
        by_structure = {row["structure"]: [r for r in rows if r["structure"] == row["structure"]] for row in rows}
        return [
            next(filter(reaches_assurance, of), next((r for r in reversed(of) if not r["refused"]), of[-1]))
            for of in by_structure.values()
        ]
    obstacles = {(row["refused"], row["about"] == ONE_DRAW): row for row in reversed(rows)}
    return [row for (refused, once), row in reversed(obstacles.items()) if refused or once]


def _plans(own: pd.DataFrame) -> Table:
    """Return the test cases by structure and number of trainings."""
    names = {row["trainings"]: _each(row) for row in own.to_dict("records")}
    grid = Table("Test cases", *names.values(), box=SIMPLE_HEAD, show_edge=False)
    for structure, of in own.groupby("structure", sort=False):
        cells = {row["trainings"]: _test_cases(row) for row in of.to_dict("records")}
        grid.add_row(_named(structure), *(cells.get(trainings, "") for trainings in names))
    return grid


def _each(row: dict) -> str:
    if row["per_draw"] > 1:
        return f"{row['trainings']} draws x {row['per_draw']}"
    return counted(row["trainings"], "training") if row["trainings"] else "no plan"


def _test_cases(row: dict) -> str:
    cases = "–" if row["refused"] else f"{row['cases']:,.0f}"
    if not row["refused"] and not reaches_assurance(row):
        cases = f"> {cases}"
    return cases if pd.isna(row["hours"]) else f"{cases} ({row['hours']:.1f} h)"


def _by_model(own: pd.DataFrame) -> Table:
    """Return the labelled cases, or what more of them bring, by structure and model."""
    models = list(dict.fromkeys(own["a"]))
    grid = Table("Structure", *models, box=SIMPLE_HEAD, show_edge=False)
    for structure, of in own.groupby("structure", sort=False):
        cells = {row["a"]: _reached(row) if row["question"] == SCORE else _gained(row) for row in of.to_dict("records")}
        grid.add_row(_named(structure), *(cells.get(model, "") for model in models))
    return grid


def _reached(row: dict) -> str:
    if pd.isna(row["cases"]):
        return "–"
    largest = row["n_train"]
    if np.isinf(row["cases"]):
        return f"none up to {largest * (1 if row['refused'] else FARTHEST):.0f}"
    ends = [f"{end:.0f}" if np.isfinite(end) else "?" for end in (row["ci_low"], row["ci_high"])]
    more = row["cases"] - largest
    beside = f"{more:.0f} more" if more > 0 else "reached already"
    return f"{row['cases']:.0f} ({ends[0]} to {ends[1]}), {beside}"


def _gained(row: dict) -> str:
    if row["refused"]:
        return "–"
    places = 2 if unit(row["metric"]) else 3
    estimate, low, high, gain = (f"{row[name]:.{places}f}" for name in ("estimate", "ci_low", "ci_high", "gain"))
    return f"{estimate} ({low} to {high}), {'' if gain.startswith('-') else '+'}{gain}"
