"""How often verdicts on two methods are wrong, and how often right, with a known truth.

    python -m benchmarks.chance [--tables 2000] [--quick] [--draws | --unequal]

Tables of scores are drawn from the model of `statistics.estimates.chance`: patients SD 0.10, residual SD 0.06 (all
of it between the trainings of a case, or half its variance tied to case and model), and a between-run SD of 0 to
0.04, for 1, 2, 3 and 5 trainings of each method on 10, 16 and 64 cases. For each the table tells

* type I: how often two equal methods differ at 5%, by the effect's p and by the signed-rank test of the cases'
  means over the trainings, which is what a paper would compute;
* holds: how often "A is better than B" is found to hold (one-sided, 2.5%) of two equal methods;
* coverage of the 95% interval, which is 1 - type I of the true difference, by one inversion;
* power: how often a difference of 0.05 is found at 5%;
* four: how often four equal methods differ at 5% by the analysis of variance over cases and trainings
  (`statistics.differences.omnibus`), and by that for repeated measures of the cases' means, in every fifth table.

With one training the between-run SD comes from the study's other models, with 12 degrees of freedom; without
these, `holds` is 0 by definition and no method is judged.

With --draws: for 2, 3 and 5 draws of the training cases with 2 or 3 trainings each (between-run SD 0.02), and an SD
between draws of 0 to 0.04, how often two equal methods differ at 5%, and the power, where draws are the unit as in
`metrics_table.with_runs`, and where all trainings count as independent of each other.

With --unequal: how often two equal methods differ at 5% where the trainings of one vary 1, 4 or 10 times as much as
those of the other, with a mean variance of 0.03 squared. The model of chance pools the two variances.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product

import numpy as np
import pandas as pd

from crossover.statistics.differences.omnibus import models_differ
from crossover.statistics.differences.paired import DECIMALS, exact_p
from crossover.statistics.differences.stability import repeated_measures
from crossover.statistics.estimates.chance import Spread, effect
from crossover.statistics.estimates.effects import TrainedScores, effect_of
from crossover.statistics.scores.metrics_table import with_runs

METHODS, PATIENTS, RESIDUAL, DIFFERENCE, OTHERS_DF = 4, 0.10, 0.06, 0.05, 12
TRAININGS, SPREADS, CASES, TIED = (1, 2, 3, 5), (0.0, 0.01, 0.02, 0.04), (10, 16, 64), (0.0, 0.5)
DRAWS, OF_DRAWS, BETWEEN_DRAWS, RUN = (2, 3, 5), (2, 3), (0.0, 0.02, 0.04), 0.02
RATIOS, UNEQUAL = (1, 4, 10), 0.03
FIFTH = 5
BAND = 0.015
"""What an error rate may be above its nominal level."""


def main() -> None:
    """Print the table; exit with 1 where an error rate leaves its band by more than chance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=2000, help="of each setting")
    parser.add_argument("--quick", action="store_true", help="few tables, few settings")
    parser.add_argument("--draws", action="store_true", help="of several draws with several trainings each")
    parser.add_argument("--unequal", action="store_true", help="of methods whose trainings vary unequally")
    asked = parser.parse_args()
    if asked.unequal:
        rows = [
            {"cases": n, "trainings": k, "ratio of SDs": r, "type I": rate_of_unequal(n, k, r, asked.tables)}
            for n, k, r in product((16, 64), TRAININGS[1:], RATIOS)
        ]
        print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f"))
        return
    if asked.draws:
        rows = [
            {"cases": n, "draws": d, "trainings": k, "between-draw SD": s} | rates_of_draws(n, d, k, s, asked.tables)
            for n, d, k, s in product((16, 64), DRAWS, OF_DRAWS, BETWEEN_DRAWS)
        ]
        print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f"))
        return
    tables = 400 if asked.quick else asked.tables
    spreads, cases, tied = ((0.0, 0.04), (16,), (0.0,)) if asked.quick else (SPREADS, CASES, TIED)
    rows = [
        {"residual tied": t, "cases": n, "trainings": k, "between-run SD": s} | rates(n, k, s, t, tables)
        for t, n, k, s in product(tied, cases, TRAININGS, spreads)
    ]
    found = pd.DataFrame(rows)
    print(found.to_markdown(index=False, floatfmt=".3f") if not asked.quick else found.to_string())
    allowed = {"type I": (0.05, 1), "holds": (0.025, 1), "four": (0.05, FIFTH)}
    for column, (level, every) in allowed.items():
        noise = 3 * np.sqrt(level * (1 - level) / (tables / every))
        if (found[column] > level + BAND + noise).any():
            sys.exit(f"{column} leaves its band")


def rates(n: int, trainings: int, spread: float, tied: float, tables: int) -> dict[str, float]:
    """Error rates and power of one setting."""
    rng = np.random.default_rng([n, trainings, round(1000 * spread), round(10 * tied)])
    hits, together = np.zeros(4), np.zeros(2)
    for i in range(tables):
        a, b, *others = draw(rng, n, trainings, spread, tied)
        known = None
        if trainings == 1:
            luck = rng.normal(0, np.hypot(spread, RESIDUAL * np.sqrt((1 - tied) / n)), OTHERS_DF)
            known = Spread(float((luck**2).mean()), OTHERS_DF)
        if i % FIFTH == 0:
            four = [a, b, *others]
            means = pd.DataFrame(np.column_stack([s.mean(1) for s in four]))
            together += models_differ(four, known)["p"] < 0.05, repeated_measures(means)["p"] < 0.05
        found = effect([a, b], [1, -1], spread=known)
        signed = exact_p((a - b).mean(1).round(DECIMALS))
        hits += (
            found.p() < 0.05,
            found.p_above(0) < 0.025,
            signed < 0.05,
            found.p(-DIFFERENCE) < 0.05,
        )
    wrong, holds, signed, power = hits / tables
    four, repeated = together / len(range(0, tables, FIFTH))
    return {
        "type I": wrong,
        "type I, signed rank": signed,
        "holds": holds,
        "coverage": 1 - wrong,
        "power": power,
        "four": four,
        "four, cases alone": repeated,
    }


def rates_of_draws(n: int, draws: int, trainings: int, between: float, tables: int) -> dict[str, float]:
    """Error rate and power of the difference of two methods, with draws as the unit and with all trainings."""
    rng = np.random.default_rng([n, draws, trainings, round(1000 * between)])
    replicates = draws * trainings
    keys = {"family": ["a", "b"], "case": range(n), "replicate": range(replicates)}
    table = pd.MultiIndex.from_product(keys.values(), names=keys).to_frame(index=False)
    table = table.assign(draw=table["replicate"] // trainings, cohort="", structure="", n_train=8, fold=pd.NA)
    table, hits = with_runs(table), np.zeros(4)
    for _ in range(tables):
        luck = np.repeat(rng.normal(0, between, (2, 1, draws)), trainings, axis=2)
        a, b = draw(rng, n, replicates, RUN, 0.0)[:2] + luck
        scores = TrainedScores(table.assign(dsc=np.concatenate([a, b], axis=None)), "dsc")
        (of_a, runs), (of_b, _) = (scores.of((family, 8, "")) for family in "ab")
        by_draw = effect_of([of_a, of_b], [runs, runs], [1, -1], scores.strata, lambda: None)
        for i, found in enumerate((by_draw, effect([a, b], [1, -1]))):
            hits[2 * i : 2 * i + 2] += found.p() < 0.05, found.p(-DIFFERENCE) < 0.05
    names = "type I", "power", "type I, all trainings", "power, all trainings"
    return dict(zip(names, hits / tables, strict=True))


def rate_of_unequal(n: int, trainings: int, ratio: float, tables: int) -> float:
    """How often two equal methods differ of which one varies `ratio` times as much between trainings as the other."""
    rng = np.random.default_rng([n, trainings, round(ratio)])
    spread = UNEQUAL * np.array([1, ratio]) / np.sqrt((1 + ratio**2) / 2)
    hits = 0
    for _ in range(tables):
        luck = spread[:, None, None] * rng.standard_normal((2, 1, trainings))
        hits += effect(list(draw(rng, n, trainings, 0.0, 0.0)[:2] + luck), [1, -1]).p() < 0.05
    return hits / tables


def draw(rng: np.random.Generator, n: int, trainings: int, spread: float, tied: float) -> np.ndarray:
    """Scores of equal methods, shape (METHODS, cases, trainings)."""
    patients = rng.normal(0, PATIENTS, (1, n, 1))
    own = rng.normal(0, RESIDUAL * np.sqrt(tied), (METHODS, n, 1))
    rest = rng.normal(0, RESIDUAL * np.sqrt(1 - tied), (METHODS, n, trainings))
    return patients + own + rng.normal(0, spread, (METHODS, 1, trainings)) + rest


if __name__ == "__main__":
    main()
