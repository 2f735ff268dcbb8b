"""How often do 95% intervals hold what they are of? Of means of scores, and of ICC(A,1).

    python -m benchmarks.interval_coverage          # half a minute; rows: benchmarks/results/intervals.md

Means: n cases drawn 20,000 times from beta (like DSC) and gamma or log-normal (like HD95) distributions. Student's
interval, mean ± t sd / √n, beside ours (`scores.intervals.mean_interval`); how often Student's leaves the scale.
ICC(A,1): two raters, normal cases, bias and error, 20,000 tables of n cases.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from crossover.statistics.estimates.agreement import intraclass
from crossover.statistics.scores.intervals import half_width, mean_interval
from crossover.statistics.scores.scales import DISTANCE, SHARE, Scale

TABLES = 20_000
CASES = (2, 3, 4, 6, 8, 16, 32, 64)
ICCS = ((0.0, 0.0), (0.3, 0.0), (0.3, 0.5), (0.8, 0.0), (0.8, 0.5), (0.95, 0.5))
"""(ICC without bias, bias of one rater in SD of the error)."""

Draw = Callable[[tuple[int, int]], np.ndarray]


def scores(rng: np.random.Generator) -> dict[str, tuple[Draw, float, Scale]]:
    """Name -> (draws values of a shape, their mean, their scale)."""
    shapes = ((18, 2), (9, 1), (30, 1), (47, 3), (8, 3), (2, 2), (1, 4))
    betas = {f"beta({a}, {b})": (a, b) for a, b in shapes}
    out = {name: (lambda shape, ab=ab: rng.beta(*ab, shape), ab[0] / sum(ab), SHARE) for name, ab in betas.items()}
    out["beta(18, 2), 5% failures"] = (
        lambda shape: rng.beta(18, 2, shape) * (rng.random(shape) >= 0.05), 0.9 * 0.95, SHARE
    )  # fmt: skip
    out["gamma(2, 3) mm"] = (lambda shape: rng.gamma(2, 3, shape), 6.0, DISTANCE)
    out["log-normal(1, 0.5) mm"] = (
        lambda shape: rng.lognormal(1, 0.5, shape), float(np.exp(1.125)), DISTANCE
    )  # fmt: skip
    return out


def of_means() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for name, (draw, true, scale) in scores(rng).items():
        for n in CASES:
            values = draw((TABLES, n))
            mean, sd = values.mean(1), values.std(1, ddof=1)
            half = half_width(sd, n, 0.95)
            student = (mean - half, mean + half)
            ours = mean_interval(mean, sd, n, 0.95, scale)
            rows.append({
                "scores": name, "mean": true, "n": n,
                "Student": _holds(student, true), "ours": _holds(ours, true),
                "Student beyond the scale": ((student[0] < scale[0]) | (student[1] > scale[1])).mean(),
                "width, Student": np.median(2 * half), "width, ours": np.median(ours[1] - ours[0]),
            })  # fmt: skip
    return pd.DataFrame(rows)


def of_icc() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for without, bias in ICCS:
        cases, error = np.sqrt(without), np.sqrt(1 - without)
        for n in (4, 8, 16, 64):
            size = rng.normal(0, cases, (TABLES, n, 1))
            offset = error * rng.normal(0, bias, (TABLES, 1, 2))  # of raters drawn at random
            values = size + offset + rng.normal(0, error, (TABLES, n, 2))
            true = cases**2 / (1 + (error * bias) ** 2)
            middle, apart = values.mean(2), values[..., 0] - values[..., 1]
            squares = (
                2 * middle.var(1, ddof=1),
                n * apart.mean(1) ** 2 / 2,
                apart.var(1, ddof=1) / 2,
            )
            icc, *found = intraclass(*squares, np.full(TABLES, float(n)), 2, "ICC(A,1)", 0.95)
            at_end = (np.array([icc, *found]) == -1).any(0).mean()
            rows.append(
                {
                    "ICC": true,
                    "bias": bias,
                    "n": n,
                    "ours": _holds(found, true),
                    "ends at -1": at_end,
                }
            )
    return pd.DataFrame(rows)


def _holds(interval, true: float) -> float:
    low, high = interval
    return float(((low <= true) & (true <= high)).mean())


if __name__ == "__main__":
    for table in (of_means(), of_icc()):
        print(table.round(3).to_string(index=False), "\n")
