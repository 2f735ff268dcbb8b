"""How often equal methods are found different in designs that the model of chance does not describe.

    python -m benchmarks.equal_methods [--tables 800] [--only folds]

Each table prints the share of simulated tables in which p of the difference of two equal methods is below 5%.

* folds: five folds of 60 training patients, all tested on the same 40 cases (patients SD 0.10, method x patient 0.04,
  residual 0.04). Which 48 patients a fold is trained on moves its mean by `pool SD`, its run by `run SD`.
  With the folds' variance by Nadeau and Bengio, as Crossover has it, and with folds as independent trainings; and how
  often a difference of 0.05 is found.
* draws: a method with three draws of one training each, and one with a single draw of some seeds (30 cases, SD 0.03
  between draws and 0.01 between seeds): the seeds as one training, as Crossover has it, and as trainings.
* numbers: methods with unequal numbers of trainings that vary unequally (30 cases).
* answers: studies of equal strategies with three trainings each and an off-the-shelf model, compared at each size in
  all pairs: how often any p is below 5%, and how often any is after Holm's correction.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from crossover.statistics.differences.paired import holm
from crossover.statistics.estimates.chance import Effect, effect
from crossover.statistics.estimates.effects import effect_of

DIFFERENCE, ALPHA = 0.05, 0.05
FOLDS, POOL = 5, 60


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=800, help="of each setting")
    made = {"folds": of_folds, "draws": of_draws, "numbers": of_numbers, "answers": of_answers}
    parser.add_argument("--only", choices=made, action="append", help="by default all")
    asked = parser.parse_args()
    for name in asked.only or made:
        rows = pd.DataFrame(made[name](asked.tables))
        print(f"{name}\n{rows.to_markdown(index=False, floatfmt='.3f')}\n", flush=True)


def scores(rng: np.random.Generator, cases: int, trainings: Sequence[np.ndarray], sds: Sequence[float]) -> list:
    """Return scores (cases, trainings) of methods whose trainings deviate by so much from an equal mean.

    Args:
        sds: between patients, of method x patient, and of the rest.
    """
    patients = rng.normal(0.8, sds[0], (cases, 1))
    return [
        patients + rng.normal(0, sds[1], (cases, 1)) + own + rng.normal(0, sds[2], (cases, len(own)))
        for own in trainings
    ]


def difference(models: Sequence[np.ndarray], runs: Sequence[Sequence[str]]) -> Effect:
    """Return the difference of two models as a comparison has it."""
    return effect_of(models, runs, [1, -1], np.zeros(len(models[0])), lambda: None)


def names(count: int) -> list[str]:
    """Return names of trainings outside folds."""
    return [f"{i}/" for i in range(count)]


def of_folds(tables: int) -> list[dict]:
    """Compare equal methods in folds of one pool of patients."""
    rng, rows = np.random.default_rng(5), []
    fold = np.arange(POOL) % FOLDS
    for pool_sd, run_sd in ((0, 0.02), (0.01, 0.02), (0.01, 0.01), (0.02, 0.02), (0.02, 0.01), (0.03, 0.01)):
        hits = np.zeros(4)
        for _ in range(tables):
            trained = []
            for _ in range(2):
                brings = rng.normal(0, pool_sd * np.sqrt(POOL * (FOLDS - 1) / FOLDS), POOL)
                trained.append([brings[fold != j].mean() + rng.normal(0, run_sd) for j in range(FOLDS)])
            models = scores(rng, 40, np.array(trained), (0.10, 0.04, 0.04))
            folded = difference(models, [[f"0/{j}" for j in range(FOLDS)]] * 2)
            independent = effect([models[0] - models[1]], [1.0])
            hits += [
                e.p(null) < ALPHA for null in (0, -DIFFERENCE) for e in (folded, independent)
            ]  # a p of -DIFFERENCE is that of 0 where the methods differ by it
        found = dict(zip(("equal", "equal, independent", "power", "power, independent"), hits / tables, strict=True))
        rows.append({"pool SD": pool_sd, "run SD": run_sd} | found)
    return rows


def of_draws(tables: int) -> list[dict]:
    """Compare a method with three draws and one with seeds of a single draw."""
    rng, rows = np.random.default_rng(1), []
    for seeds in (1, 3, 5):
        hits = np.zeros(2)
        for _ in range(tables):
            drawn = rng.normal(0, 0.03, 3) + rng.normal(0, 0.01, 3)
            seeded = rng.normal(0, 0.03) + rng.normal(0, 0.01, seeds)
            a, b = scores(rng, 30, [drawn, seeded], (0.08, 0.03, 0.03))
            once = difference([a, b.mean(1, keepdims=True)], [names(3), names(1)])
            hits += [e.p() < ALPHA for e in (once, difference([a, b], [names(3), names(seeds)]))]
        rows.append({"seeds of one draw": seeds} | dict(zip(("as one", "as trainings"), hits / tables, strict=True)))
    return rows


def of_numbers(tables: int) -> list[dict]:
    """Compare methods that vary unequally between trainings, with unequal numbers of them."""
    rng, rows = np.random.default_rng(2), []
    for numbers, sds in (
        ((5, 5), (0.005, 0.03)), ((5, 2), (0.005, 0.03)), ((5, 1), (0.005, 0.03)),
        ((5, 1), (0.03, 0.03)), ((5, 1), (0.03, 0.005)),
    ):  # fmt: skip
        hits = 0
        for _ in range(tables):
            trained = [rng.normal(0, sd, number) for number, sd in zip(numbers, sds, strict=True)]
            hits += difference(scores(rng, 30, trained, (0.08, 0.03, 0.03)), [*map(names, numbers)]).p() < ALPHA
        rows.append({"trainings": f"{numbers[0]}, {numbers[1]}", "SDs": f"{sds[0]}, {sds[1]}", "equal": hits / tables})
    return rows


def of_answers(tables: int) -> list[dict]:
    """Look in studies of equal strategies for any difference at any size."""
    rng, rows = np.random.default_rng(7), []
    for cases, sizes, strategies in ((10, 3, 2), (40, 6, 3)):
        hits = np.zeros(2)
        for _ in range(tables):
            patients = rng.normal(0.7, 0.1, (cases, 1))
            shelf, *others = (
                patients + rng.normal(0, 0.04, (cases, 1)) + rng.normal(0, 0.02, 3) + rng.normal(0, 0.04, (cases, 3))
                for _ in range(1 + sizes * strategies)
            )
            ps = [
                difference(pair, [names(3)] * 2).p()
                for n in range(sizes)
                for pair in combinations([shelf, *others[n * strategies : (n + 1) * strategies]], 2)
            ]
            hits += min(ps) < ALPHA, holm(np.array(ps)).min() < ALPHA
        found = dict(zip(("any p", "any after Holm"), hits / tables, strict=True))
        rows.append({"cases": cases, "sizes": sizes, "strategies beside": strategies} | found)
    return rows


if __name__ == "__main__":
    main()
