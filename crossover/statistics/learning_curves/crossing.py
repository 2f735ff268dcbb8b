"""From how many cases on is one family ahead of another? The crossover, with its interval (docs/crossover.md).

Of two families the one that gains on the other as n grows (by the slope of their difference over log2 n) is the one
that may overtake. A family without sizes, a model off the shelf, has one score at all n and is the first of its pairs.
n* is the n from which the other stays ahead: the last at which the difference of the monotone fits turns its sign, on a
straight line over log2 n between the sizes; 0 where it has turned at the smallest size already, inf where it hasn't at
the largest. Its interval is the middle of the n* of all resamples (`resampling`), up to the next sizes.

Verdicts are tests of the means at single sizes, one-sided at alpha each, by the model of chance of all verdicts
(`chance`): a claim about several sizes needs the test of every one, and then no correction (intersection-union test,
Berger 1982). "leads change more than once" goes before the others, by the 1 - alpha quantile of the resamples' largest
(deviation / SE) over all sizes (Romano & Wolf 2005). `lacking` says what to add where there can be no verdict.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from crossover.statistics.estimates.chance import DECIMALS, METHODS, Effect, effect
from crossover.statistics.estimates.resampling import (
    DRAWS,
    REPLICATES,
    Panel,
    Resampled,
    draws_as_trainings,
    panels,
    resample,
    turned,
)
from crossover.statistics.learning_curves.curves import ONE_CASE, interval, several_cases
from crossover.statistics.learning_curves.forms import FEWEST, MONOTONE, monotone, power_curve, power_law
from crossover.statistics.scores.scales import Scale, unit

CROSSES, CHANGES = "crosses", "leads change more than once"
NONE, OPEN = "no crossover within the range", "can't tell"
SECOND_DRAW = "trainings on a second draw of the labelled cases (in a study: splits.replicates.draws)"
SIZE_BETWEEN = "a size between"
SECOND_CASE = "a second test case"
CROSSOVER = [
    "test_set", "structure", "metric", "ahead", "overtakes", "verdict", "n", "ci_low", "ci_high",
    "confidence", "form", "n_power", "sizes", "n_smallest", "n_largest", "patients", "replicates",
    "resampled", "off_the_shelf", "statement",
]  # fmt: skip
NEEDED = [
    "test_set", "structure", "metric", "family", "target", "n", "ci_low", "ci_high", "confidence", "form",
    "n_smallest", "n_largest", "replicates", "statement",
]  # fmt: skip
TARGETS = tuple(round(0.1 * i, 1) for i in range(1, 10))
TARGETS_MM = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
GRID = 65  # points of a power law's curve


def crossovers(
    table: pd.DataFrame,
    metric: str,
    confidence: float,
    alpha: float,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Estimate the crossover of every pair of families with sizes, on every test set and structure.

    Args:
        table: of `metrics_table.check_metrics`.
        metric: one whose higher values are better, or one whose lower values are.
        confidence: of the interval of n*. alpha: of the verdicts.
        draws: the number of resamples.

    Returns:
        One row with the columns `CROSSOVER` for each pair with two or more sizes in common: `overtakes` gains
            on `ahead` as n grows; and for each family with sizes against each without (`off_the_shelf`),
            which is `ahead`. `n`, `ci_low` and `ci_high` are numbers of labelled cases, 0 for "below
            `n_smallest`" and inf for "beyond `n_largest`"; n is NaN where two curves are the same. `n_power`
            is n* of the two power laws. `patients` and `replicates`, the draws of the nested subsets, are the
            fewest behind any mean of the two curves (of a model off the shelf its draws don't count).

    Raises:
        ValueError: the table has no such metric, or neither its higher nor its lower values are better throughout.
    """
    rows = []
    for test_set, structure, panel in panels(draws_as_trainings(table), metric, unsized=True):
        panels_of = {b"": (panel, resample(panel, draws))}
        place = {"test_set": test_set, "structure": structure, "metric": metric}
        sized = range(panel.sized)
        shelf = range(panel.sized, len(panel.families))
        for pair in [*combinations(sized, 2), *((m, f) for m in shelf for f in sized)]:
            key, common = _of_both(panel, pair)
            if key not in panels_of:  # as of test sets that one of the two was not tested on
                panels_of[key] = common, resample(common, draws)
            if row := crossover(*panels_of[key], pair, confidence, alpha):
                rows.append(place | row)
    return pd.DataFrame(rows, columns=CROSSOVER)


def _of_both(panel: Panel, pair: tuple[int, int]) -> tuple[bytes, Panel]:
    """Return the panel of the cases that both families were tested on, and what names these cases: b"" for all."""
    there = (~np.isnan(panel.scores[list(pair)])).any((1, 2))
    both = there.all(0)
    if not both.any() or (both == there.any(0)).all():
        return b"", panel
    common = replace(panel, scores=panel.scores[..., both], strata=panel.strata[both])
    return both.tobytes(), common


def crossover(
    panel: Panel, resampled: Resampled, pair: tuple[int, int], confidence: float, alpha: float
) -> dict[str, object]:
    """Return the row of one pair of families; empty where fewer than two sizes have cases that both were tested on.

    Args:
        panel: its trainings are draws of the nested subsets, one each (`draws_as_trainings`).
        resampled: the panel's resampled means.
        pair: numbers of families; one without sizes comes first.
        confidence, alpha: see `crossovers`.
    """
    scored = (~np.isnan(panel.scores[list(pair)])).any(2)
    here = np.flatnonzero(scored.all(0).any(1))
    n = panel.sizes[here]
    if len(n) < 2:
        return {}
    shelf = pair[0] >= panel.sized
    apart = resampled.means[pair[0], here] - resampled.means[pair[1], here]
    x = np.log2(n)
    first, second = pair if shelf or (x - x.mean()) @ apart <= 0 else pair[::-1]
    means = resampled.means[[first, second]][:, here]
    draws = resampled.draws[:, [first, second]][:, :, here]
    counted = [second] if shelf else [first, second]
    at, (low, high) = float(_stays(_apart(monotone(means)), n)), (0.0, np.inf)
    row = {
        "ahead": panel.families[first], "overtakes": panel.families[second], "verdict": OPEN,
        "n": at, "ci_low": low, "ci_high": high, "confidence": confidence, "form": MONOTONE,
        "n_power": _by_power_law(means, n, panel.scale), "sizes": len(n), "n_smallest": int(n[0]),
        "n_largest": int(n[-1]), "patients": panel.patients[[first, second]][:, here].min(),
        "replicates": panel.trainings[counted][:, here].min(),
        "resampled": resampled.resampled, "off_the_shelf": shelf,
    }  # fmt: skip
    if several_cases(panel) and not np.isnan(at):
        low, high = _interval(_stays(_apart(monotone(draws)), n), n, confidence)
        if not lacking(row) and resampled.resampled == REPLICATES:
            difference, sizes = partial(_difference, panel, first, second), here.tolist()
            row["verdict"] = _verdict(difference, sizes, leads(_apart(means), _apart(draws), alpha), at, alpha)
        row["ci_low"], row["ci_high"] = _within(row["verdict"], at, (low, high), n)
    return row | {"statement": _statement(row)}


def lacking(row: Mapping) -> str:
    """Return what a study must add before a row of the table can have a verdict; "" where nothing is lacking."""
    lacks = {SECOND_DRAW: row["replicates"] < 2, SIZE_BETWEEN: row["sizes"] < 3, SECOND_CASE: row["patients"] < 2}
    return " and ".join(what for what, is_so in lacks.items() if is_so)


def _difference(panel: Panel, first: int, second: int, k: int) -> Effect | None:
    """Estimate the first family's mean minus the second's at size k, on the cases that all trainings of both have.

    None without such cases. A mean of some of a case's trainings would tell nothing of how trainings differ.
    """
    scores = panel.scores[[first, second], k]
    models = [own[~np.isnan(own).all(1)].T for own in scores]  # (cases, trainings) each
    both = ~np.isnan(np.hstack(models)).any(1)
    if not both.any():
        return None
    return effect([model[both] for model in models], (1, -1), panel.strata[both])


def leads(apart: np.ndarray, draws: np.ndarray, alpha: float) -> list[int]:
    """Return who leads beyond chance as n grows: 1 for the first family, -1 for the other, without repetition.

    Args:
        apart: differences by size, shape (K,). draws: the resampled ones, shape (draws, K).
        alpha: see `crossovers`.
    """
    deviations = draws - apart
    se = deviations.std(axis=0)
    if not (se > 0).all():
        return []
    t = apart / se
    above, below = (np.quantile((s * deviations / se).max(1), 1 - alpha) for s in (1, -1))
    signs = np.select([t > above, -t > below], [1, -1], 0)
    signs = signs[signs != 0]
    return [int(s) for i, s in enumerate(signs) if i == 0 or s != signs[i - 1]]


def _verdict(
    difference: Callable[[int], Effect | None], sizes: list[int], signs: list[int], at: float, alpha: float
) -> str:
    """Return the verdict on the differences at all sizes, first minus second; only those that decide are estimated."""
    if len(signs) > 2:
        return CHANGES
    if 0 < at < np.inf:
        at_ends = _ahead(difference(sizes[0]), 1, alpha) and _ahead(difference(sizes[-1]), -1, alpha)
        return CROSSES if at_ends else OPEN
    first = 1 if at == np.inf else -1
    return NONE if all(_ahead(difference(k), first, alpha) for k in sizes) else OPEN


def _ahead(found: Effect | None, sign: int, alpha: float) -> bool:
    """Return whether a difference has this sign beyond the chance of patients and of trainings."""
    if found is None or found.about != METHODS:
        return False
    return (found.p_above(0) if sign > 0 else found.p_below(0)) <= alpha


def _within(verdict: str, at: float, interval: tuple[float, float], n: np.ndarray) -> tuple[float, float]:
    """Return the part of an interval that agrees with the verdict."""
    if verdict == NONE:
        return at, at
    if verdict == CROSSES:
        return max(interval[0], n[0]), min(interval[1], n[-1])
    return interval


def cases_needed(table: pd.DataFrame, metric: str, confidence: float, draws: int = DRAWS) -> pd.DataFrame:
    """Estimate how many labelled cases each family needs for a given score.

    Args:
        table, metric, confidence, draws: as of `crossovers`.

    Returns:
        One row with the columns `NEEDED` for each test set, structure, family with sizes and target of
            `TARGETS`, of a distance `TARGETS_MM`, that lies between the lowest and highest mean of all families there.
            n is where the monotone fit reaches the target for good; 0, inf and the interval are as in `crossovers`.
            `replicates` are the fewest draws of the nested subsets behind any mean of the curve: the interval of one
            is of other patients, and not of other labelled cases. There is no interval where no cohort has two test
            cases.

    Raises:
        ValueError: see `crossovers`.
    """
    rows = []
    sign, targets = -1 if turned(metric) else 1, TARGETS_MM if unit(metric) == "mm" else TARGETS
    for test_set, structure, panel in panels(draws_as_trainings(table), metric):
        found = resample(panel, draws)
        low, high = np.nanmin(found.means), np.nanmax(found.means)
        for (f, family), target in _each(panel, [t for t in targets if low <= sign * t <= high]):
            here = ~np.isnan(found.means[f])
            n = panel.sizes[here]
            curves = (found.means[f, here], found.draws[:, f, here])
            # NaN: a flat curve at the target, which the smallest size reaches
            at, drawn = (np.nan_to_num(_stays(sign * target - monotone(c), n), nan=0.0, posinf=np.inf) for c in curves)
            bounds = _interval(drawn, n, confidence) if several_cases(panel) else (np.nan, np.nan)
            row = {
                "test_set": test_set, "structure": structure, "metric": metric, "family": family,
                "target": target, "n": float(at), "ci_low": bounds[0], "ci_high": bounds[1],
                "confidence": confidence, "form": MONOTONE, "n_smallest": int(n[0]),
                "n_largest": int(n[-1]), "replicates": panel.trainings[f, here].min(),
            }  # fmt: skip
            rows.append(row | {"statement": _needs(row)})
    return pd.DataFrame(rows, columns=NEEDED)


def _each(panel: Panel, targets: list[float]) -> Iterator[tuple[tuple[int, str], float]]:
    return ((family, target) for family in enumerate(panel.families) for target in targets)


def _apart(curves: np.ndarray) -> np.ndarray:
    """Return the first curve minus the second, of shape (..., 2, K)."""
    return curves[..., 0, :] - curves[..., 1, :]


def _stays(apart: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return n from which a difference is 0 or below for good, shape (...); NaN where it is 0 everywhere."""
    x, size = np.log2(n), apart.shape[-1]
    rounded = np.round(apart, DECIMALS)
    above = rounded > 0
    last = np.where(above.any(-1), size - 1 - np.argmax(above[..., ::-1], -1), -1)
    i = np.clip(last, 0, size - 2)
    left, right = (np.take_along_axis(apart, (i + k)[..., None], -1)[..., 0] for k in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 2 ** (x[i] + (x[i + 1] - x[i]) * np.clip(left / (left - right), 0, 1))
    out = np.where(last < 0, 0.0, np.where(last == size - 1, np.inf, root))
    return np.where((rounded == 0).all(-1), np.nan, out)


def _interval(roots: np.ndarray, n: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the ends of an interval, up to the next sizes; a resample without an answer counts as any answer."""
    low, _ = interval(np.nan_to_num(roots, nan=0.0, posinf=np.inf), confidence)
    _, high = interval(np.nan_to_num(roots, nan=np.inf, posinf=np.inf), confidence)
    ends = np.array([0.0, *n, np.inf])
    return float(ends[ends <= low].max()), float(ends[ends >= high].min())


def _by_power_law(means: np.ndarray, n: np.ndarray, scale: Scale) -> float:
    if len(n) < FEWEST:
        return np.nan
    grid = np.geomspace(n[0], n[-1], GRID)
    return float(_stays(_apart(power_curve(power_law(means, n, scale), grid)), grid))


def _statement(row: dict) -> str:
    ahead, overtakes = row["ahead"], row["overtakes"]
    sizes = f"from n = {row['n_smallest']} to {row['n_largest']}"
    if row["verdict"] == CROSSES:
        if row["off_the_shelf"]:
            return (
                f"with {size_text(row['n'], row)} cases or more {overtakes} is ahead of {ahead} ({_bounds(row)}); "
                f"with {row['n_smallest']}, {ahead} is"
            )
        return f"{overtakes} overtakes {ahead} at n = {size_text(row['n'], row)} ({_bounds(row)})"
    if row["verdict"] == CHANGES:
        return f"{CHANGES}: {ahead} and {overtakes} {sizes}"
    if row["verdict"] == NONE:
        first, second = stays_ahead(row)
        if row["off_the_shelf"] and first == overtakes:
            return f"with {row['n_smallest']} cases already {overtakes} is ahead of {ahead}, and at each larger size"
        return f"no crossover at the sizes {sizes}: {first} is ahead of {second} at each"
    text = f"can't tell whether {overtakes} overtakes {ahead}: estimate {size_text(row['n'], row)} ({_bounds(row)})"
    return f"{text}; add {lacking(row)}" if lacking(row) else text


def stays_ahead(row: Mapping) -> tuple[str, str]:
    """Return the family that is ahead at all sizes, and the other one, of a row with the verdict `NONE`."""
    pair = row["ahead"], row["overtakes"]
    return pair if row["n"] == np.inf else pair[::-1]


def _needs(row: dict) -> str:
    """Return a row as a sentence."""

    def cases(n: float) -> str:
        if n == 0:
            return f"{row['n_smallest']} or fewer"
        return f"more than {row['n_largest']}" if n == np.inf else whole_cases(n)

    if np.isnan(row["ci_low"]):
        return f"can't tell how many cases {row['family']} needs for {row['target']:g}: {ONE_CASE}"
    low, high = cases(row["ci_low"]), cases(row["ci_high"])
    bounds = low if low == high else f"{low} to {high}"
    text = f"{row['family']} needs {cases(row['n'])} cases for {row['target']:g} {unit(row['metric'])}".rstrip()
    text = f"{text} ({row['confidence']:.0%} CI {bounds})"
    return text if row["replicates"] > 1 else f"{text} of this draw of the labelled cases; add {SECOND_DRAW}"


def _bounds(row: dict) -> str:
    return f"{row['confidence']:.0%} CI {interval_text(row)}"


def interval_text(row: dict) -> str:
    """Return the interval of a row's n in words: "51 to beyond 256"; one end where both are the same."""
    low, high = size_text(row["ci_low"], row), size_text(row["ci_high"], row)
    return low if low == high else f"{low} to {high}"


def size_text(n: float, row: dict) -> str:
    """Return an n of a row in words: "90", "below 5", "beyond 256", "none" where two curves are the same."""
    if np.isnan(n):
        return "none"
    if n == 0:
        return f"below {row['n_smallest']}"
    return f"beyond {row['n_largest']}" if n == np.inf else whole_cases(n)


def whole_cases(n: float) -> str:
    """Return an n in words; cases are whole, so that 12.3 of them are 13, and 8 but for rounding are 8."""
    return f"{np.ceil(np.round(n, 6)):.0f}"
