"""From how many cases on is one family ahead of another? The crossover, with its interval.

Of two families the one that gains on the other as n grows (by the slope of their difference over log2 n) is
the one that may overtake. n* is the n from which it stays ahead: the last at which the difference of the
fitted curves turns its sign, on a straight line over log2 n between the sizes. Nothing is extrapolated: n* is
0 where the difference has its sign at the smallest size already, and inf where it hasn't at the largest. Its
interval is the middle of the n* of all resamples (`resampling`), 0 and inf among them.

The fits are monotone. A power law can be closer where the curves are such, but where they aren't it is wrong
by more than its interval says (`benchmarks/crossover_coverage.py` measures both); its n* stands beside.

A crossover is called one only where the data show both sides of it:

* "crosses": the first family is ahead at some size and the other at a larger one, each beyond chance at
  alpha over all sizes together: (difference / SE) beyond the 1 - alpha quantile of the resamples' largest
  (deviation / SE) (Romano & Wolf 2005). By means, not fits: nothing hangs on a form. Where curves don't cross one of
  the two is false, so that this is said with probability alpha at most. n* must lie in the range as well.
* "leads change more than once": beyond chance in the same sense, the first, then the other, then the first again.
* "no crossover within the range": the interval of n* lies below the smallest or beyond the largest size, and the family
  that falls behind is ahead beyond chance at no size.
* "can't tell": all else; and wherever nothing tells how much another training differs (three sizes or fewer with one
  training each), since then neither an interval nor a lead is more than one of these trainings.

Each pair is judged for itself; with many pairs some verdict may still be chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from crossover.statistics.curves import interval
from crossover.statistics.forms import FEWEST, MONOTONE, monotone, power_curve, power_law
from crossover.statistics.resampling import DRAWS, PATIENTS, Panel, Resampled, panels, resample

CROSSES, CHANGES = "crosses", "leads change more than once"
NONE, OPEN = "no crossover within the range", "can't tell"
CROSSOVER = [
    "test_set", "structure", "metric", "ahead", "overtakes", "verdict", "n", "ci_low", "ci_high",
    "confidence", "form", "n_power", "sizes", "n_smallest", "n_largest", "patients", "replicates",
    "resampled", "statement",
]  # fmt: skip
NEEDED = [
    "test_set", "structure", "metric", "family", "target", "n", "ci_low", "ci_high", "confidence", "form",
    "n_smallest", "n_largest", "statement",
]  # fmt: skip
TARGETS = tuple(round(0.1 * i, 1) for i in range(1, 10))
GRID = 65  # points of a power law's curve


def crossovers(
    table: pd.DataFrame, metric: str, confidence: float, alpha: float, draws: int = DRAWS
) -> pd.DataFrame:
    """Every pair of families with sizes on every test set and structure, with the columns `CROSSOVER`.

    Args:
        table: of `metrics_table.check_metrics`.
        confidence: of the interval of n*. alpha: of the verdict "crosses".

    Returns:
        One row for each pair with two or more sizes in common: `overtakes` gains on `ahead` as n grows.
        `n`, `ci_low` and `ci_high` are numbers of labelled cases, 0 for "below `n_smallest`" and inf for
        "beyond `n_largest`"; n is NaN where two curves are the same. `n_power` is n* of the two power
        laws. `patients` and `replicates` are the fewest behind any mean of the two curves.

    Raises:
        ValueError: no such metric, or one whose lower values are the better ones.
    """
    rows = []
    for test_set, structure, panel in panels(table, metric):
        found = resample(panel, draws)
        place = {"test_set": test_set, "structure": structure, "metric": metric}
        for pair in combinations(range(len(panel.families)), 2):
            if row := crossover(panel, found, pair, confidence, alpha):
                rows.append(place | row)
    return pd.DataFrame(rows, columns=CROSSOVER)


def crossover(
    panel: Panel, found: Resampled, pair: tuple[int, int], confidence: float, alpha: float
) -> dict[str, object]:
    """The row of one pair of families; empty with fewer than two sizes in common."""
    here = ~np.isnan(found.means[list(pair)]).any(0)
    n = panel.sizes[here]
    if len(n) < 2:
        return {}
    apart = found.means[pair[0], here] - found.means[pair[1], here]
    x = np.log2(n)
    first, second = pair if (x - x.mean()) @ apart <= 0 else pair[::-1]
    means = found.means[[first, second]][:, here]
    draws = found.draws[:, [first, second]][:, :, here]
    at, (low, high) = float(_stays(_apart(monotone(means)), n)), (0.0, np.inf)
    enough = len(panel.strata) > len(np.unique(panel.strata))
    if enough and not np.isnan(at):
        low, high = _interval(_stays(_apart(monotone(draws)), n), confidence)
    signs = leads(_apart(means), _apart(draws), alpha) if enough else []
    judged = found.resampled != PATIENTS
    verdict = _verdict(signs, at, (low, high)) if judged else OPEN
    row = {
        "ahead": panel.families[first], "overtakes": panel.families[second], "verdict": verdict,
        "n": at, "ci_low": low, "ci_high": high, "confidence": confidence, "form": MONOTONE,
        "n_power": _by_power_law(means, n), "sizes": len(n), "n_smallest": int(n[0]),
        "n_largest": int(n[-1]), "patients": panel.patients[[first, second]][:, here].min(),
        "replicates": panel.trainings[[first, second]][:, here].min(),
        "resampled": found.resampled,
    }  # fmt: skip
    return row | {"statement": _statement(row)}


def leads(apart: np.ndarray, draws: np.ndarray, alpha: float) -> list[int]:
    """Return who leads beyond chance as n grows: 1 for the first family, -1 for the other, without repetition.

    Args:
        apart: differences by size, shape (K,). draws: resampled, shape (draws, K).
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


def _verdict(signs: list[int], at: float, interval: tuple[float, float]) -> str:
    if len(signs) > 2:
        return CHANGES
    if signs == [1, -1] and 0 < at < np.inf:
        return CROSSES
    first_stays, other_stays = interval[0] == np.inf, interval[1] == 0
    none = (first_stays and -1 not in signs) or (other_stays and 1 not in signs)
    return NONE if none else OPEN


def cases_needed(
    table: pd.DataFrame, metric: str, confidence: float, draws: int = DRAWS
) -> pd.DataFrame:
    """How many labelled cases does each family need for a given score? With the columns `NEEDED`.

    Returns:
        One row for each test set, structure, family with sizes and target of `TARGETS` that lies between
        the lowest and highest mean of all families there. n is where the monotone fit reaches the target
        for good; 0, inf and the interval as in `crossovers`.

    Raises:
        ValueError: as `crossovers`.
    """
    rows = []
    for test_set, structure, panel in panels(table, metric):
        found = resample(panel, draws)
        low, high = np.nanmin(found.means), np.nanmax(found.means)
        for (f, family), target in _each(panel, [t for t in TARGETS if low <= t <= high]):
            here = ~np.isnan(found.means[f])
            n = panel.sizes[here]
            at = float(_stays(target - monotone(found.means[f, here]), n))
            bounds = _interval(_stays(target - monotone(found.draws[:, f, here]), n), confidence)
            row = {
                "test_set": test_set, "structure": structure, "metric": metric, "family": family,
                "target": target, "n": at, "ci_low": bounds[0], "ci_high": bounds[1],
                "confidence": confidence, "form": MONOTONE, "n_smallest": int(n[0]),
                "n_largest": int(n[-1]),
            }  # fmt: skip
            rows.append(row | {"statement": _needs(row)})
    return pd.DataFrame(rows, columns=NEEDED)


def _each(panel: Panel, targets: list[float]) -> Iterator[tuple[tuple[int, str], float]]:
    return ((family, target) for family in enumerate(panel.families) for target in targets)


def _apart(curves: np.ndarray) -> np.ndarray:
    """Of shape (..., 2, K): the first minus the second."""
    return curves[..., 0, :] - curves[..., 1, :]


def _stays(apart: np.ndarray, n: np.ndarray) -> np.ndarray:
    """n from which a difference is 0 or below for good, shape (...); NaN where it is 0 everywhere."""
    x, size = np.log2(n), apart.shape[-1]
    above = apart > 0
    last = np.where(above.any(-1), size - 1 - np.argmax(above[..., ::-1], -1), -1)
    i = np.clip(last, 0, size - 2)
    left, right = (np.take_along_axis(apart, (i + k)[..., None], -1)[..., 0] for k in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 2 ** (x[i] + (x[i + 1] - x[i]) * np.clip(left / (left - right), 0, 1))
    out = np.where(last < 0, 0.0, np.where(last == size - 1, np.inf, root))
    return np.where((apart == 0).all(-1), np.nan, out)


def _interval(roots: np.ndarray, confidence: float) -> tuple[float, float]:
    """A resample without an answer counts as any answer."""
    low, _ = interval(np.nan_to_num(roots, nan=0.0, posinf=np.inf), confidence)
    _, high = interval(np.nan_to_num(roots, nan=np.inf, posinf=np.inf), confidence)
    return float(low), float(high)


def _by_power_law(means: np.ndarray, n: np.ndarray) -> float:
    if len(n) < FEWEST:
        return np.nan
    grid = np.geomspace(n[0], n[-1], GRID)
    return float(_stays(_apart(power_curve(power_law(means, n), grid)), grid))


def _statement(row: dict) -> str:
    ahead, overtakes = row["ahead"], row["overtakes"]
    text = f"{overtakes} overtakes {ahead}"
    if row["verdict"] == CROSSES:
        return f"{text} at n = {number(row['n'], row)} ({_bounds(row)})"
    if row["verdict"] == CHANGES:
        return (
            f"{CHANGES}: {ahead} and {overtakes} from n = {row['n_smallest']} to {row['n_largest']}"
        )
    if row["verdict"] == NONE:
        first, second = (ahead, overtakes) if row["ci_low"] == np.inf else (overtakes, ahead)
        sizes = f"from n = {row['n_smallest']} to {row['n_largest']}"
        return f"no crossover {sizes}: {first} stays ahead of {second} ({_bounds(row)})"
    return f"can't tell whether {text}: estimate {number(row['n'], row)} ({_bounds(row)})"


def _needs(row: dict) -> str:
    """Cases are whole: 12.3 of them are 13."""

    def cases(n: float) -> str:
        if n == 0:
            return f"{row['n_smallest']} or fewer"
        return f"more than {row['n_largest']}" if n == np.inf else f"{np.ceil(n):.0f}"

    low, high = cases(row["ci_low"]), cases(row["ci_high"])
    bounds = low if low == high else f"{low} to {high}"
    text = f"{row['family']} needs {cases(row['n'])} cases for {row['target']:g}"
    return f"{text} ({row['confidence']:.0%} CI {bounds})"


def _bounds(row: dict) -> str:
    return f"{row['confidence']:.0%} CI {bounds(row)}"


def bounds(row: dict) -> str:
    """The interval of a row's n: "51 to beyond 256"; one end where both are the same."""
    low, high = number(row["ci_low"], row), number(row["ci_high"], row)
    return low if low == high else f"{low} to {high}"


def number(n: float, row: dict) -> str:
    """An n of a row of the table: "90", "below 5", "beyond 256", "none" where two curves are the same."""
    if np.isnan(n):
        return "none"
    if n == 0:
        return f"below {row['n_smallest']}"
    return f"beyond {row['n_largest']}" if n == np.inf else f"{n:.0f}"
