"""The planner: what would settle a difference, a score or a crossover, and what further cases would buy.

A plan is for a new study that is judged by itself, as every study is here. What is integrated over to get its
assurance stands in `assurance` (differences), `planned_crossing` and `extrapolation`. Numbers of test cases are of the
test set's patients; numbers of labelled cases, n, of those trained on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossover.core.wording import counted
from crossover.statistics.estimates.chance import METHODS, MODELS
from crossover.statistics.estimates.effects import Spreads, TrainedScores, contrasted
from crossover.statistics.estimates.resampling import Panel, Resampled, in_own_sign, turned
from crossover.statistics.learning_curves.crossing import OPEN, SECOND_DRAW, SIZE_BETWEEN, crossover, lacking
from crossover.statistics.learning_curves.curves import ONE_CASE, several_cases
from crossover.statistics.learning_curves.extrapolation import FARTHEST, Curve
from crossover.statistics.scores.scales import unit
from crossover.statistics.study_planning.assurance import (
    MOST,
    Pilot,
    assurance,
    can_be_judged,
    draw_components,
    fewest_cases,
    pilot_of,
)
from crossover.statistics.study_planning.planned_crossing import cases_that_settle, crossing_pilot

DIFFERENCE, CROSSOVER, SCORE, NEXT = "difference", "crossover", "score", "next cases"
"""What is asked, as the column `question` says."""
ONE_DRAW = "of this draw"
"""What a learning curve is about whose sizes were drawn once (the column `about`): other draws may lie higher."""
TWO_SIZES = "two sizes don't show what the curves do between them"
ONE_DRAW_EACH = "one draw of the labelled cases gives no verdict"
UNKNOWN = "nothing shows how much another training differs"
ADVICE = {
    ONE_CASE: "test on more patients first",
    TWO_SIZES: f"add {SIZE_BETWEEN} first",
    ONE_DRAW_EACH: "ask for 2 trainings or more",
    UNKNOWN: "train on a second draw of the subsets first",
}
"""Why no plan settles a crossover, and what to do about it."""
PLANNING = [
    "question", "test_set", "structure", "metric", "a", "b", "n_train", "about", "difference", "given", "target",
    "trainings", "per_draw", "cases", "there", "assurance", "reached", "estimate", "ci_low", "ci_high", "gain",
    "gain_low", "gain_high", "confidence", "hours", "refused", "statement",
]  # fmt: skip
TRAININGS = (1, 3, 5, 10)
MOST_TRAININGS = 100
DRAWS = 400
"""The number of resamples of a learning curve."""


@dataclass(frozen=True)
class Rules:
    """How plans are judged and counted.

    Attributes:
        assurance: the probability that a planned study settles what is asked.
        alpha: significance level. confidence: of intervals.
        trainings: numbers of trainings of each model that are tried.
        minutes: of annotation for a case, None where they aren't given.
    """

    assurance: float = 0.8
    alpha: float = 0.05
    confidence: float = 0.95
    trainings: Sequence[int] = TRAININGS
    minutes: float | None = None

    def hours(self, cases: float | None) -> float:
        """Return the hours of annotation of this number of cases."""
        if self.minutes is None or cases is None:
            return np.nan
        return cases * self.minutes / 60 if np.isfinite(cases) else np.nan


def pilot_of_pair(
    scores: TrainedScores, spreads: Spreads, structure: str, a: tuple[str, int], b: tuple[str, int]
) -> Pilot | None:
    """Return what two models' scores of the same cases tell; None with fewer than two cases in common.

    Args:
        a, b: (family, n_train).
    """
    (of_a, runs_a), (of_b, runs_b) = (scores.of((*model, structure)) for model in (a, b))
    both = ~np.isnan(of_a).all(1) & ~np.isnan(of_b).all(1)
    strata = scores.strata[both]
    if len(strata) - len(np.unique(strata)) < 1:
        return None
    contrasts, _, known = contrasted([of_a[both], of_b[both]], [runs_a, runs_b], [1, -1], spreads.of(structure))
    return pilot_of(contrasts, strata, known)


def differences(pilot: Pilot, place: dict, difference: float | None, rules: Rules) -> list[dict]:
    """Return the test cases that settle a difference, a row for each number of trainings; of trained models one row.

    Where none of these settles it, their number is doubled until it does, or is beyond `MOST_TRAININGS`.

    Args:
        pilot: the pair's scores.
        place: test_set, structure, metric, a, b and n_train of the pair.
        difference: the true one that is asked about; None for the pilot's own, whose uncertainty then counts.
        rules: how the new study is judged.
    """
    components = draw_components(pilot, difference)
    about = METHODS if pilot.training else MODELS
    place = {"question": DIFFERENCE, **place, "about": about, "given": difference is not None}
    place |= {"difference": pilot.estimate if difference is None else difference}
    place |= {"assurance": rules.assurance}

    def row(trainings: int) -> dict:
        if not can_be_judged(pilot, trainings):
            why = "nothing would show how much another training differs"
            return place | {"trainings": trainings, "refused": why}
        cases = fewest_cases(pilot, components, trainings, rules.assurance, rules.alpha)
        reached = assurance(pilot, components, cases or MOST, trainings, rules.alpha)
        own = {"trainings": trainings, "cases": cases or MOST, "reached": reached}
        return place | own | {"hours": rules.hours(cases)}

    rows = [row(trainings) for trainings in (rules.trainings if pilot.training else (1,))]
    more = rules.trainings[-1] * 2
    while pilot.training and not any(map(reaches_assurance, rows)) and more <= MOST_TRAININGS:
        rows += filter(reaches_assurance, [row(more)])
        more *= 2
    return rows


def reaches_assurance(row: dict) -> bool:
    """Return whether a row's test cases reach the assurance asked for; else they are the most that were tried."""
    return not row.get("refused") and row["reached"] >= row["assurance"]


def crossings(panel: Panel, resampled: Resampled, pair: tuple[int, int], place: dict, rules: Rules) -> list[dict]:
    """Return the test cases that settle the crossover of a pair at its sizes.

    There is a row for each number of trainings from 2, or one that says why there is no plan; none where the pilot's
    own verdict settles it already.
    """
    row = crossover(panel, resampled, pair, rules.confidence, rules.alpha)
    if not row or row["verdict"] != OPEN:
        return []
    place = {
        "question": CROSSOVER,
        **place,
        "a": row["ahead"],
        "b": row["overtakes"],
        "about": METHODS,
    }
    place |= {"assurance": rules.assurance}
    pilot = crossing_pilot(panel, resampled, pair)
    several = [trainings for trainings in rules.trainings if trainings > 1]
    why = {
        ONE_CASE: not several_cases(panel),
        TWO_SIZES: SIZE_BETWEEN in lacking(row),
        ONE_DRAW_EACH: not several,
        UNKNOWN: pilot is None,
    }
    if pilot is None or any(why.values()):
        return [place | {"refused": next(text for text, is_so in why.items() if is_so)}]
    rows = []
    for trainings in several:
        cases, reached = cases_that_settle(pilot, trainings, rules.assurance, rules.confidence, rules.alpha)
        row = place | {"trainings": trainings, "cases": cases, "reached": reached}
        rows.append(row | {"hours": rules.hours(cases if reaches_assurance(row) else None)})
    return rows


def scores_reached(resampled: Resampled, place: dict, target: float, rules: Rules) -> list[dict]:
    """Return the labelled cases from which each family has a score; hours are of cases beyond its largest size."""
    rows = []
    score = -target if turned(place["metric"]) else target
    for f, curve in _curves(resampled):
        told = curve.refused != ONE_CASE
        n, low, high = curve.reaches(score, rules.confidence, rules.assurance) if told else (np.nan, np.nan, np.nan)
        more = max(n - curve.sizes[-1], 0)
        rows.append(
            _of_curve(SCORE, place, resampled.panel.families[f], curve, rules)
            | {"target": target, "cases": n, "ci_low": low, "ci_high": high}
            | {"assurance": rules.assurance, "hours": rules.hours(more)}
        )
    return rows


def next_cases(resampled: Resampled, place: dict, more: int, rules: Rules) -> list[dict]:
    """Return what `more` cases beyond its largest size would bring to each family, a row for each.

    Score and gain are in the metric's unit: of a distance, a gain is below 0.
    """
    rows = []
    for f, curve in _curves(resampled):
        row = _of_curve(NEXT, place, resampled.panel.families[f], curve, rules)
        row |= {"cases": more, "hours": rules.hours(more)}
        n = curve.sizes[-1] + more
        if not curve.refused and n <= curve.farthest:
            to = curve.continued(n, rules.confidence)
            row |= {"estimate": to.estimate, "ci_low": to.low, "ci_high": to.high}
            row |= {"gain": to.gain, "gain_low": to.gain_low, "gain_high": to.gain_high}
            row = in_own_sign(
                row, row["metric"], ("estimate", "gain"), (("ci_low", "ci_high"), ("gain_low", "gain_high"))
            )
        elif not curve.refused:
            row["refused"] = f"n = {n:.0f} is beyond twice its largest size"
        rows.append(row)
    return rows


def as_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return rows as a table with the columns `PLANNING`, each with its statement.

    `trainings` is 0 where none are asked about. `per_draw` says how often each draw of the labelled cases has to be
    trained, as in the pilot, where `trainings` are draws; 1 where each training counts for itself. `there` are the
    pilot's test cases; empty where only a new study is asked about.
    """
    table = completed(pd.DataFrame(rows).reindex(columns=PLANNING))
    table["statement"] = [statement(row) for row in table.to_dict("records")]
    return table


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of these columns, also one that was written and read again, with its empty cells as they were."""
    words = ("test_set", "structure", "b", "refused")
    return (
        table.astype(dict.fromkeys(words, object))
        .fillna(dict.fromkeys(words, "") | {"trainings": 0, "per_draw": 1})
        .astype({"trainings": int, "per_draw": int})
    )


def statement(row: dict) -> str:
    """Return a row of the table in a sentence without its full stop."""
    say = {
        DIFFERENCE: _settles,
        CROSSOVER: _settles_crossover,
        SCORE: _reaches,
        NEXT: _brings,
    }[row["question"]]
    hours = row["hours"]
    more = _more(row)
    of_more = f", {hours / row['cases'] * more:.1f} of these for the {more} more" if more and pd.notna(hours) else ""
    cost = f" ({hours:.1f} hours of annotation{of_more})" if pd.notna(hours) and hours else ""
    once = row["about"] == ONE_DRAW and pd.notna(row["ci_low"])
    draw = f"; {ONE_DRAW} of the labelled cases: add {SECOND_DRAW}" if once else ""
    return say(row) + _beside_pilot(row) + cost + draw


def _more(row: dict) -> int:
    """Return how many test cases a plan of a given difference needs beyond the pilot's; 0 where it isn't known."""
    there = row.get("there", np.nan)
    if row["question"] != DIFFERENCE or pd.isna(there) or not row["given"] or not reaches_assurance(row):
        return 0
    return max(int(row["cases"] - there), 0)


def _beside_pilot(row: dict) -> str:
    """Return what the pilot's own test cases are in a plan that settles a difference; "" where nothing tells."""
    there = row.get("there", np.nan)
    if row["question"] != DIFFERENCE or pd.isna(there) or not reaches_assurance(row):
        return ""
    if not row["given"]:
        return f", of a new study: the {there:.0f} here, which found it, can't count for it"
    more = _more(row)
    return f": {more} more than the {there:.0f} here" if more else f": no more than the {there:.0f} here"


def models_text(row: dict) -> str:
    """Return the models that a row is about in words: "transfer-L1 and scratch at n = 32"."""
    pair = f"{row['a']} and {row['b']}" if row["b"] else str(row["a"])
    return f"{pair} at n = {row['n_train']:.0f}" if row["n_train"] > 0 else pair


def _curves(found: Resampled) -> list[tuple[int, Curve]]:
    curves = [(f, Curve(found, f)) for f in range(len(found.panel.families))]
    return [(f, curve) for f, curve in curves if len(curve.sizes) > 1]


def _of_curve(question: str, place: dict, family: str, curve: Curve, rules: Rules) -> dict:
    about = METHODS if curve.trainings > 1 else ONE_DRAW
    of = {"a": family, "n_train": curve.sizes[-1], "about": about, "refused": curve.refused}
    return {"question": question, **place, **of, "confidence": rules.confidence}


def _settles(row: dict) -> str:
    size = "a difference of " + _with_unit(f"{abs(row['difference']):.3g}", row)
    what = f"{size if row['given'] else f'{size}, as found,'} between {models_text(row)}"
    if row["difference"] == 0:
        return f"no plan settles {what}: the two are equal here; give the difference that matters"
    if row["about"] == MODELS:
        text = _plan(row, "", what)
        return f"{text} (of these trained models: nothing shows how much another training differs)"
    each = _trainings(row["trainings"], row["per_draw"])
    if row["refused"]:
        return f"{each} can't settle {what}: {row['refused']}"
    text = _plan(row, f" with {each}", what)
    return text if row["trainings"] > 1 else f"{text}, if other models show again how much a training differs"


def _settles_crossover(row: dict) -> str:
    what = f"whether {row['b']} overtakes {row['a']}"
    if row["refused"]:
        return f"no plan settles {what}: {row['refused']}; {ADVICE[row['refused']]}"
    draws = f" with {row['trainings']:.0f} draws of the subsets, each trained {_times(row['per_draw'])},"
    return _plan(row, draws, f"{what} at the same sizes")


def _plan(row: dict, with_: str, what: str) -> str:
    """Return a plan in words: "46 test cases with 3 trainings of each settle ... with an assurance of 80%"."""
    tested = row.get("tested", "test cases")
    if reaches_assurance(row):
        return f"{row['cases']:.0f} {tested}{with_} settle {what} with an assurance of {row['assurance']:.0%}"
    below = math.floor(100 * row["reached"] + 1e-9)  # rounded, 79.6 would read as the 80 that it doesn't reach
    return f"even {row['cases']:,.0f} {tested}{with_} would settle {what} with an assurance of only {below}%"


def _reaches(row: dict) -> str:
    """Return what a family needs for a score, with how the curve goes on said where that matters."""
    largest, target = row["n_train"], _with_unit(f"{row['target']:g}", row)
    if row["refused"] == ONE_CASE:
        return f"it can't be estimated with how many labelled cases {row['a']} reaches {target}: {ONE_CASE}"
    if np.isinf(row["cases"]):
        farthest = largest if row["refused"] else FARTHEST * largest
        why = f", and its curve is not continued: {row['refused']}" if row["refused"] else ""
        return (
            f"no number of labelled cases up to {farthest:.0f} brings {row['a']} to {target} with an "
            f"assurance of {row['assurance']:.0%}, and beyond it nothing is said{why}"
        )
    more = row["cases"] - largest
    beside = f"{more:.0f} more than its {largest:.0f}" if more > 0 else f"already reached with its {largest:.0f}"
    text = f"{row['a']} reaches {target} with {row['cases']:.0f} labelled cases ({beside}), with an "
    text += f"assurance of {row['assurance']:.0%}"
    ends = [
        f"{end:.0f}" if np.isfinite(end) else "more than can be estimated" for end in (row["ci_low"], row["ci_high"])
    ]
    text += f" ({row['confidence']:.0%} interval {ends[0]} to {ends[1]})"
    return text + (", an extrapolation beyond its largest size" if row["cases"] > largest else "")


def _brings(row: dict) -> str:
    text = f"{row['cases']:.0f} labelled cases more than {row['n_train']:.0f}"
    if row["refused"]:
        return f"what {text} would bring {row['a']} isn't extrapolated: {row['refused']}"
    names = ("estimate", "ci_low", "ci_high", "gain", "gain_low", "gain_high")
    estimate, low, high, gain, gain_low, gain_high = (
        _decimals(row[name], 2 if unit(row["metric"]) else 3) for name in names
    )
    return (
        f"{text} would bring {row['a']} to about {_with_unit(estimate, row)}, an extrapolation "
        f"({row['confidence']:.0%} interval {low} to {high}): a {'change' if turned(row['metric']) else 'gain'} of "
        f"{_with_unit(gain, row)} ({gain_low} to {gain_high}) over the fitted curve"
    )


def _decimals(value: float, digits: int) -> str:
    """Return a number with a true minus sign, and none before 0."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _with_unit(number: str, row: dict) -> str:
    return f"{number} {unit(row['metric'])}".rstrip()


def _trainings(count: float, per_draw: int) -> str:
    """Return the trainings of a plan in words; of a pilot whose draws were trained several times they are draws."""
    if per_draw == 1:
        return f"{counted(count, 'training')} of each"
    return f"{counted(count, 'draw')} of the labelled cases, each trained {_times(per_draw)},"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
