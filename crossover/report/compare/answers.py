"""The answers of a comparison in sentences: which model is better, and what decides it."""

import math
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crossover.core.wording import counted
from crossover.report.compare.run import CONFIDENCE, CROSSOVER, PAIRS, ScoreComparison, comparisons, verdict
from crossover.report.formats import interval, listed, p_value, signed
from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.scores.failed import PLACE, in_place_of, in_words, of_pair, without
from crossover.statistics.scores.metrics_table import (
    ALL_SETS_NAME,
    MEAN_NAME,
    POOLED,
    TableError,
    of_cohorts,
    pooled_in_words,
    tested,
)
from crossover.statistics.scores.missing import AS_WORST
from crossover.statistics.scores.scales import SHARE, direction, scale

PROGRAM = "crossover"
MOST_ANSWERS, SPELT = 12, 3
"""How many differences the terminal shows, and how many pairs of curves that can't be told each in a line."""


def answers(found: ScoreComparison, test_set: str = "") -> list[str]:
    """Say in a sentence from how many cases on which model is ahead, and how each pair differs by the first metric.

    All structures together come first, and the largest n. By every other metric, how often which model is better.

    Args:
        test_set: the one that is shown; all by default. What is tested, and corrected for, stays the same.
    """
    (metric, pairs), *others = found.pairs.items()
    test_set = _in_words(test_set, list(pairs["test_set"].unique()))
    crossed = [row for row in _whole_first(of_cohorts(found.crossover)) if test_set in ("", row.test_set)]
    lines = [*_first(_crossings(crossed), "pairs of curves", CROSSOVER), *_how_sure(crossed)]
    rows = [row for row in _whole_first(of_cohorts(pairs)) if test_set in ("", row.test_set)]
    again = _WithoutFailed(found, metric)
    shown = _shown_first(rows)[:MOST_ANSWERS]
    said = [_answer(row, again, metric) for row in shown]
    lines += _first(said, f"differences by {metric}", PAIRS, len(rows))
    lines += _without_change(shown, again, metric)
    lines += [_counted(list(of_cohorts(own).itertuples()), metric) for metric, own in others]
    known = [row for row in rows if direction(metric) and np.isfinite([row.ci_low, row.ci_high]).all()]
    lines += _would_tell(found, again, metric, [row for row in known if not verdict(row, metric)[0]])
    if any(note.endswith(AS_WORST) for note in found.notes):
        lines.append(
            "a missing prediction counts here as the worst; for the cases of every model alone: --missing exclude"
        )
    return lines


def _in_words(test_set: str, known: list[str]) -> str:
    """Return a test set as tables in words name it; "" for all of one.

    Raises:
        TableError: there is no such test set.
    """
    if test_set in (POOLED, ALL_SETS_NAME):
        return ALL_SETS_NAME if len(known) > 2 else ""
    if test_set and test_set not in known:
        raise TableError(f"--test-set: there is no test set {test_set}; the test sets are {listed(known)}")
    return test_set


def _whole_first(table: pd.DataFrame) -> list[Any]:
    """Return a table's rows in words, those of all structures together first."""
    whole = table["structure"] == POOLED
    return list(pooled_in_words(pd.concat([table[whole], table[~whole]])).itertuples())


def _shown_first(rows: list[Any]) -> list[Any]:
    """Return the differences in the order in which they are shown.

    All structures together come before each alone; of these, the largest n of every test set before smaller ones.
    """
    whole = any(row.structure == MEAN_NAME for row in rows)
    return sorted(rows, key=lambda row: (whole and row.structure != MEAN_NAME, -row.n_train))


def _without_change(rows: Sequence[Any], again: "_WithoutFailed", metric: str) -> list[str]:
    """Return a sentence for each group of failed cases without which the verdicts of the rows stay the same."""
    same: dict[str, list[bool]] = {}
    for row in rows:
        failed = again.failed(row)
        if len(failed):
            named = (
                f"{row.test_set}, {row.structure}: without {in_place_of(failed)}, "
                f"{in_words(failed, row.structure == MEAN_NAME)}"
            )
            same.setdefault(named, []).append(_changes(row, again, metric))
    return [f"{named}: {'no' if not any(changed) else 'no other'} verdict changes" for named, changed in same.items()]


def _changes(row: Any, again: "_WithoutFailed", metric: str) -> bool:
    """Return whether another model, or none, is better without the failed cases, or none of the cases is left."""
    other = again.compared(row)
    return not (other and other.cases) or verdict(other, metric)[0] != verdict(row, metric)[0]


def _would_tell(found: ScoreComparison, again: "_WithoutFailed", metric: str, undecided: Sequence[Any]) -> list[str]:
    """Return a sentence with the command that plans a study which would tell an undecided pair apart.

    Of several it is one at the largest size, of the first structure that has one, with the smallest p.
    """
    if not undecided:
        return []
    largest = [row for row in undecided if row.n_train == max(own.n_train for own in undecided)]
    place = ("test_set", "structure")
    same = [row for row in largest if all(getattr(row, c) == getattr(largest[0], c) for c in place)]
    row = min(same, key=lambda own: math.inf if math.isnan(own.p) else own.p)
    at = f" at the largest n, {row.n_train}," if row.n_train else ""
    p = f" with the smallest p, {p_value(row.p)}" if len(same) > 1 else ""
    of = f" (of {len(undecided)} differences that can't be told the one{at} of {row.structure}{p})"
    chosen = of if len(undecided) > 1 else ""
    words = [_program(), "design", *found.again, "--metric", metric, "--model", row.family_a, "--model", row.family_b]
    words += ["--size", str(row.n_train)] if row.n_train else []
    failed = again.failed(row)
    counts = f"; it counts {in_place_of(failed)}, and a note has the plan without" if len(failed) else ""
    difference = "0.03" if scale(metric) == SHARE else f"{abs(row.difference):.1g}"
    several = found.table["cohort"].nunique() > 1 and row.test_set != ALL_SETS_NAME
    words += ["--test-set", row.test_set] if several else []
    return [
        f"how many test cases and trainings would tell {row.family_a} and {row.family_b} apart{chosen}, if they differ "
        f"by {difference} (write the smallest difference that matters to you{counts}): "
        f"{shlex.join([*words, '--difference', difference])}"
    ]


def _program() -> str:
    """Return the program as it was called: ".venv/bin/crossover", or "crossover" where the shell finds it so."""
    called = Path(sys.argv[0])
    if called.name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found and called.exists() and Path(found).samefile(called):
        return PROGRAM
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def _crossings(rows: list[Any]) -> list[str]:
    """Say from how many cases on which model is ahead; of more than `SPELT` pairs that can't be told, how many."""
    from crossover.statistics.learning_curves.crossing import OPEN

    whole = [row for row in rows if row.structure == MEAN_NAME] or rows
    left = [row for row in whole if row.verdict == OPEN]
    spelt = whole if len(left) <= SPELT else [row for row in whole if row.verdict != OPEN]
    said = [f"{row.metric}, {row.test_set}, {row.structure}: {row.statement}" for row in spelt]
    if len(left) > SPELT:
        of = f"for {len(left)} of {counted(len(whole), 'pair')} of models"
        said.append(f"{of}, these scores can't tell whether one overtakes the other ({CROSSOVER})")
    single = len(rows) - len(whole)
    alone = f"for each structure alone, {CROSSOVER} has {counted(single, 'statement')} on pairs of models"
    return [*said, alone] if single else said


def _how_sure(crossed: list[Any]) -> list[str]:
    """Return a sentence on the tests behind the statements on curves, where one of these is more than "can't tell"."""
    from crossover.statistics.learning_curves.crossing import OPEN

    if all(row.verdict == OPEN for row in crossed):
        return []
    pairs = f", not corrected for the {len(crossed)} pairs of curves" if len(crossed) > 1 else ""
    return [
        f"statements about n: each pair is tested separately, by one-sided tests at {1 - CONFIDENCE:.0%} at its sizes"
        f"{pairs}; intervals of n end at sizes that were trained"
    ]


def _first(lines: list[str], what: str, where: str, count: int = 0) -> list[str]:
    """Return the first of many lines, and how many more of them, or of `count`, stand where."""
    more = (count or len(lines)) - MOST_ANSWERS
    return [*lines[:MOST_ANSWERS], *([f"{more} more {what}: {where}"] if more > 0 else [])]


def _answer(row: Any, again: "_WithoutFailed", metric: str) -> str:
    """Say which of two models is better, by the interval and, of several tests, Holm's p; or that it can't be told.

    If it is otherwise without the cases that failed, since one of them may decide it, that follows, and why ranks say
    otherwise.
    """
    of = f"{row.test_set}, {row.structure}" + (f", n = {row.n_train}" if row.n_train else "")
    scope = f" ({row.scope})" if row.scope else ""
    lines = [f"{metric}, {of}: {row.family_a} minus {row.family_b} {_found(row, metric)}{scope}"]
    failed = again.failed(row)
    if len(failed) and _changes(row, again, metric):
        other = again.compared(row)
        found = _found(other, metric) if other and other.cases else "no case is left"
        lines.append(f"Without {in_place_of(failed)}: {found}")
    return ". ".join([*lines, *_ranks_say(row, metric)])


class _WithoutFailed:
    """Differences without the cases that failed, of all models and structures at once: one family of tests.

    Holm's p is then that of the comparison without these cases, and not of some tests with them and some without.
    """

    def __init__(self, found: ScoreComparison, metric: str) -> None:
        self._found, self._metric = found, metric
        self._made: dict[tuple, list[Any]] = {}

    def failed(self, row: Any) -> pd.DataFrame:
        """Return the failed cases that a row of a difference counts and, where there are some, those of other models.

        All of these are left out of the structure at this size.
        """
        failed = self._found.failed[self._metric]
        failed = failed if row.test_set == ALL_SETS_NAME else failed[failed["cohort"] == row.test_set]
        failed = failed if row.structure == MEAN_NAME else failed[failed["structure"] == row.structure]
        own = of_pair(failed, (row.family_a, row.family_b), row.n_train)
        return own if own.empty else of_pair(failed, failed["family"], row.n_train)

    def compared(self, row: Any) -> Any:
        """Return a row without the failed cases, of the mean over the structures without all of their rows; or None."""
        key = row.test_set, row.structure == MEAN_NAME
        if key not in self._made:
            self._made[key] = self._all(*key)
        same = ("test_set", "structure", "n_train", "family_a", "family_b")
        return next((own for own in self._made[key] if all(getattr(own, c) == getattr(row, c) for c in same)), None)

    def _all(self, test_set: str, mean: bool) -> list[Any]:
        """Return all differences of a test set without the cases that failed at their size, or in a model without."""
        place = ["cohort", "case"] if mean else PLACE
        table, failed = tested(self._found.table), self._found.failed[self._metric]
        own = table if test_set == ALL_SETS_NAME else table[table["cohort"] == test_set]
        rows = without(without(own, failed, ["n_train", *place]), failed[failed["n_train"] == 0], place)
        several = rows["family"].nunique() > 1
        made = comparisons(rows, self._metric, table["family"].unique()) if several else pd.DataFrame()
        return list(pooled_in_words(made).itertuples())


def _found(row: Any, metric: str) -> str:
    """Return a difference with its interval, p and verdict."""
    better, why = verdict(row, metric)
    holm = f", Holm {p_value(row.p_holm)}" if row.tests > 1 and not math.isnan(row.p_holm) else ""
    p = f", p {p_value(row.p)}{holm}" if not math.isnan(row.p) else ""
    size = f"{interval(row.difference, row.ci_low, row.ci_high, signed)}{p}, {counted(row.cases, 'case')}"
    return f"{size}: {f'{better} is better' if better else why}"


def _ranks_say(row: Any, metric: str) -> list[str]:
    """Return a sentence where the signed-rank test, corrected in the same way, has another verdict."""
    p = row.p_holm_asymptotic if row.tests > 1 else row.p_wilcoxon_exact
    better, _ = verdict(row, metric)
    differs = p < 1 - CONFIDENCE
    if math.isnan(p) or math.isnan(row.p) or differs == bool(better) or not direction(metric):
        return []
    of_mean = row.p_holm if row.tests > 1 else row.p
    why = "it uses only the rank of a large difference, whereas a few large differences can dominate the mean"
    if row.about != MODELS:
        why = "this test applies only to these trained models and ignores the variation between trainings"
    elif max(p, of_mean) < 2 * (1 - CONFIDENCE) and min(p, of_mean) > (1 - CONFIDENCE) / 2:
        why = f"both p are near {1 - CONFIDENCE:.2f}, on either side of it"
    says = "they differ" if differs else "which is better can't be told"
    return [
        f"By the signed-rank test {says} ({counted(row.higher, 'case')} higher, {row.lower} lower, "
        f"{'Holm' if row.tests > 1 else 'p'} {p_value(p)}): {why}"
    ]


def _counted(rows: Sequence[Any], metric: str) -> str:
    """Say how many of a metric's differences are in favour of which model."""
    wins = Counter(better for better, _ in (verdict(row, metric) for row in rows) if better)
    found = [f"{model} is better in {n}" for model, n in wins.most_common()]
    rest = len(rows) - wins.total()
    found += [f"{rest} can't be told"] if rest else []
    return f"{metric}, of {counted(len(rows), 'difference')}: {', '.join(found)}"
