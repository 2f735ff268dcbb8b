"""Learning curves whose crossover is known, and how often the estimate finds it.

A score is the family's curve at n, plus the patient's ease (the same under every model), plus the luck of the
training (the same for all patients), plus noise of patient and training together. Scores aren't clipped to 0..1:
the curves stay far enough from both for it to matter little, and the means stay those of the curves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossover.statistics.estimates.resampling import Panel, resample
from crossover.statistics.learning_curves.crossing import CHANGES, CROSSES, NONE, crossover

SIZES = (5, 13, 26, 51, 128, 256)
Curve = Callable[[np.ndarray], np.ndarray]
TRANSFER, SCRATCH, PRETRAINED = "transfer-L1", "scratch", "pretrained"


def power(a: float, b: float, c: float) -> Curve:
    return lambda n: a - b * np.asarray(n, float) ** -c


def logistic(top: float, slope: float, middle: float) -> Curve:
    """No power law: an S over log2 n."""
    return lambda n: top / (1 + np.exp(-slope * (np.log2(n) - middle)))


CROSSING: dict[str, dict[str, Curve]] = {
    "power laws that cross at 101": {TRANSFER: power(0.72, 0.5, 0.9), SCRATCH: power(0.85, 1.39, 0.5)},
    "other curves that cross at 41": {
        TRANSFER: logistic(0.70, 1.0, 0.5), SCRATCH: logistic(0.80, 0.8, 3.0),
    },
    "a steep one that crosses at 62": {
        TRANSFER: logistic(0.70, 1.0, 0.5), SCRATCH: logistic(0.80, 2.0, 5.0),
    },
}  # fmt: skip
CLAIMED: dict[str, Curve] = {
    TRANSFER: lambda n: 0.70 + 0 * n, SCRATCH: lambda n: 0.70 + 0.05 * np.log2(n / 50),
}  # fmt: skip
"""They cross at 50, just below a size."""
NOT_CROSSING: dict[str, dict[str, Curve]] = {
    "equal": {TRANSFER: power(0.80, 0.6, 0.4), SCRATCH: power(0.80, 0.6, 0.4)},
    "parallel": {TRANSFER: power(0.80, 0.6, 0.4), SCRATCH: power(0.77, 0.6, 0.4)},
    "meeting at infinity": {TRANSFER: power(0.80, 0.4, 0.4), SCRATCH: power(0.80, 0.8, 0.4)},
    "meeting at the largest": {
        TRANSFER: lambda n: 0.70 + 0 * n, SCRATCH: lambda n: 0.70 - 0.05 * np.log2(256 / n),
    },
}  # fmt: skip
TWICE: dict[str, dict[str, Curve]] = {
    "two crossings": {
        TRANSFER: lambda n: 0.6 + 0.05 * np.cos(np.log2(n / 5) * 1.1), SCRATCH: lambda n: 0.6 + 0 * n,
    },
    "two crossings about 40": {
        TRANSFER: power(0.80, 0.6, 0.4),
        SCRATCH: lambda n: 0.75 - 0.6 * n**-0.4 + 0.08 * np.exp(-((np.log2(n / 40) / 0.9) ** 2)),
    },
    "two crossings of curves that rise": {
        TRANSFER: lambda n: 0.60 + 0.03 * np.log2(n / 5),
        SCRATCH: lambda n: 0.55 + 0.2 / (1 + np.exp(-3 * (np.log2(n) - 4))),
    },
}  # fmt: skip
SHELF: dict[str, dict[str, Curve]] = {
    "one that is overtaken at 31": {
        PRETRAINED: lambda n: 0.6 + 0 * n, SCRATCH: power(0.85, 1.39, 0.5),
    },
}  # fmt: skip
NOT_SHELF: dict[str, dict[str, Curve]] = {
    "one that is as good as 5 cases": {
        PRETRAINED: lambda n: 0.7 + 0 * n, SCRATCH: lambda n: 0.70 + 0.05 * np.log2(n / 5),
    },
    "one that is as good as 256": {
        PRETRAINED: lambda n: 0.7 + 0 * n, SCRATCH: lambda n: 0.70 - 0.05 * np.log2(256 / n),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Design:
    """How a table is made: patients, replicates, and the SD of what differs between scores.

    Attributes:
        replicates: draws of the nested subsets, each with one training.
        shared: the share of the luck's variance that all sizes of a replicate have in common.
        steep: luck at the smallest size as a multiple of that at the largest.
        pool: the training patients of whom all draws are taken; 0 for draws that share none.
        taught: the SD of a mean at the smallest size by the patients who were drawn, where there is a pool.
    """

    patients: int = 64
    replicates: int = 1
    ease: float = 0.10
    luck: float = 0.02
    noise: float = 0.06
    shared: float = 0.0
    steep: float = 1.0
    sizes: tuple[int, ...] = SIZES
    pool: int = 0
    taught: float = 0.0


def simulated_panel(curves: Mapping[str, Curve], design: Design, seed: int) -> Panel:
    rng, n = np.random.default_rng(seed), np.array(design.sizes, float)
    families, runs, patients = len(curves), design.replicates, design.patients
    means = np.array([curve(n) for curve in curves.values()])[:, :, None, None]
    ease = rng.normal(0, design.ease, patients)
    luck = np.sqrt(1 - design.shared) * rng.standard_normal((families, len(n), runs, 1))
    luck = luck + np.sqrt(design.shared) * rng.standard_normal((families, 1, runs, 1))
    scale = np.geomspace(np.sqrt(design.steep), 1 / np.sqrt(design.steep), len(n))
    luck = luck * design.luck * scale[None, :, None, None]
    noise = rng.normal(0, design.noise, (families, len(n), runs, patients))
    scores = means + ease + luck + noise
    if design.pool:
        scores += _of_a_pool(design, families, rng)
    return Panel(list(curves), n, scores, np.zeros(patients, int))


def skewed_distances(curves: Mapping[str, Curve], design: Design, seed: int) -> Panel:
    """Distances, 30 mm where a curve is 0, with the other sign: what differs between them multiplies, and is skewed.

    Patients, trainings and the rest have factors with SDs of about 0.5, 0.08 and 0.3, and a mean of 1.
    """
    rng, n = np.random.default_rng(seed), np.array(design.sizes, float)
    families, runs, patients = len(curves), design.replicates, design.patients
    means = 30 * (1 - np.array([curve(n) for curve in curves.values()]))[:, :, None, None]

    def factors(sd: float, *shape: int) -> np.ndarray:
        return np.exp(rng.normal(-(sd**2) / 2, sd, shape))

    scores = means * factors(0.5, patients) * factors(0.08, families, len(n), runs, 1)
    scores = scores * factors(0.3, families, len(n), runs, patients)
    return Panel(list(curves), n, -scores, np.zeros(patients, int), scale=(-np.inf, 0.0))


def _of_a_pool(design: Design, families: int, rng: np.random.Generator) -> np.ndarray:
    """What the patients of each nested subset add to a mean: the mean of what each of them adds, for each family."""
    each = rng.normal(0, design.taught * np.sqrt(design.sizes[0]), (families, 1, design.pool))
    ranks = rng.permuted(np.tile(np.arange(design.pool), (1, design.replicates, 1)), axis=2)
    drawn = np.take_along_axis(each, ranks, 2)
    return np.stack([drawn[..., :n].mean(2) for n in design.sizes], axis=1)[..., None]


def on_the_shelf(panel: Panel) -> Panel:
    """The first of two families as a model without sizes, with the scores that it has at the smallest."""
    scores = panel.scores[::-1].copy()
    scores[1] = scores[1, :1]
    return Panel(panel.families[::-1], panel.sizes, scores, panel.strata, unsized=1)


def table_of(panel: Panel, cohort: str = "uterus") -> pd.DataFrame:
    """A panel as a metrics table."""
    places = [(f, k, r, c) for f, k, r, c in np.ndindex(panel.scores.shape)]
    rows = []
    for f, k, r, c in places:
        n, dsc = int(panel.sizes[k]), float(np.clip(panel.scores[f, k, r, c], 0, 1))
        family = panel.families[f]
        rows.append({
            "model": f"{family}-n{n}" + (f"-r{r}" if r else ""), "family": family,
            "strategy": family.removesuffix("-L1"), "level": "L1" if family.endswith("-L1") else "",
            "n_train": n, "replicate": r, "fold": None, "cohort": cohort, "case": f"case-{c:03d}",
            "structure": "tumour", "dsc": dsc, "iou": dsc / (2 - dsc), "hd95_mm": 1.0, "nsd": dsc,
        })  # fmt: skip
    return pd.DataFrame(rows)


def true_crossover(curves: Mapping[str, Curve], sizes: tuple[int, ...]) -> float:
    """n at which the second of two curves becomes the higher; inf where it doesn't inside the sizes."""
    n = np.geomspace(sizes[0], sizes[-1], 20001)
    first, second = (curve(n) for curve in curves.values())
    above = np.flatnonzero(first - second > 1e-12)
    if not len(above):
        return np.nan
    return float(n[above[-1] + 1]) if above[-1] + 1 < len(n) else np.inf


def outcomes(curves: Mapping[str, Curve], design: Design, simulations: int, draws: int, first: int = 0) -> pd.DataFrame:
    """One row for each simulated table: verdict, n, ci_low, ci_high, n_power, covered (of the true n*)."""
    true = true_crossover(curves, design.sizes)
    rows = []
    for seed in range(first, first + simulations):
        panel, pair = simulated_panel(curves, design, seed), (0, 1)
        if PRETRAINED in curves:
            panel, pair = on_the_shelf(panel), (1, 0)
        row = crossover(panel, resample(panel, draws, seed), pair, 0.95, 0.05)
        turned = row["overtakes"] != SCRATCH  # the other way round: no interval for this question
        row["covered"] = not turned and row["ci_low"] <= true <= row["ci_high"]
        rows.append(row)
    return pd.DataFrame(rows)


def shares(found: pd.DataFrame) -> dict[str, float]:
    verdicts = found["verdict"]
    return {
        "covered": found["covered"].mean(),
        "crosses": (verdicts == CROSSES).mean(),
        "no crossover": (verdicts == NONE).mean(),
        "changes": (verdicts == CHANGES).mean(),
    }
