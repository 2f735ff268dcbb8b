"""How often is the interval of n* right, and how often is a crossover found where there is none?

    python -m benchmarks.crossover_coverage [--simulations 300] [--draws 400]

Simulated tables with known answers (`tests/simulated.py`), for designs of patients, draws of the nested subsets and
sizes. Nominal: 95% covered; "crosses" where curves don't cross once, and "no crossover" where they cross, 5% at
most. `power_covered` is the coverage that the power law's n* would have in the same resamples. A second table is of
draws that are taken from one pool of training patients (`--pools` alone).

With --claims: how often a claim of the kinds `crossover` and `rises` gets the wrong verdict. Curves that cross at 50,
just below a size, and curves that meet at the largest; families that gain nothing, which is where the level of
`rises` is.

With --choice: how often "what a wrong choice costs" is too small (`report.best_by_size.most_apart`), of three
strategies that cross or that are the same distance apart at all sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from crossover.report.best_by_size import left_behind
from crossover.statistics.estimates.chance import Effect
from crossover.statistics.estimates.effects import effect_of
from crossover.statistics.estimates.resampling import Panel, resample, roughness
from crossover.statistics.learning_curves import crossing
from crossover.statistics.learning_curves.forms import FEWEST, power_curve, power_law
from crossover.statistics.papers.claims.from_statistics import crossovers
from crossover.statistics.papers.claims.parts import FAILS, HOLDS, OPEN, verdict
from crossover.statistics.papers.claims.statements import Crossover
from tests.simulated import (
    CLAIMED,
    CROSSING,
    NOT_CROSSING,
    NOT_SHELF,
    PRETRAINED,
    SCRATCH,
    SHELF,
    SIZES,
    TRANSFER,
    TWICE,
    Curve,
    Design,
    outcomes,
    power,
    shares,
    simulated_panel,
    true_crossover,
)

DESIGNS = {
    "64 patients, 1 draw": Design(),
    "64 patients, 1 draw, half the luck shared by sizes": Design(shared=0.5),
    "16 patients, 2 draws": Design(patients=16, replicates=2),
    "64 patients, 2 draws": Design(replicates=2),
    "16 patients, 3 draws": Design(patients=16, replicates=3),
    "64 patients, 3 draws": Design(replicates=3),
    "64 patients, 3 draws, luck x4 at the smallest n": Design(replicates=3, steep=4),
    "64 patients, 3 draws, luck SD 0.04": Design(replicates=3, luck=0.04),
    "64 patients, 3 draws, half the luck shared by sizes": Design(replicates=3, shared=0.5),
    "64 patients, 5 draws": Design(replicates=5),
    "64 patients, 3 draws, n = 5, 26, 51, 256": Design(replicates=3, sizes=(5, 26, 51, 256)),
    "64 patients, 3 draws, n = 5, 26, 256": Design(replicates=3, sizes=(5, 26, 256)),
    "64 patients, 3 draws, n = 5, 256": Design(replicates=3, sizes=(5, 256)),
}
SHELF_DESIGNS = {
    "a model off the shelf, 64 patients, 2 draws": Design(replicates=2),
    "a model off the shelf, 16 patients, 3 draws": Design(patients=16, replicates=3),
    "a model off the shelf, 64 patients, 3 draws": Design(replicates=3),
    "a model off the shelf, 64 patients, 3 draws, n = 5, 26, 256": Design(replicates=3, sizes=(5, 26, 256)),
}
POOLS = [
    Design(replicates=draws, luck=luck, taught=0.08, pool=pool)
    for luck in (0.01, 0.02) for draws in (2, 3, 5) for pool in (256, 512, 4096)
]  # fmt: skip
COLUMNS = ["covered", "covered where crosses", "crosses", "RMS", "power_covered"]
HEADS = [
    *COLUMNS,
    "crosses where none",
    "none where one",
    "of two crossings: changes, crosses, none",
]
FEW = [
    Design(patients=patients, replicates=draws, luck=luck)
    for patients in (10, 30, 60) for draws in (1, 3, 5) for luck in (0.01, 0.02, 0.04)
]  # fmt: skip
ALL = "aggregated"
FLAT, LATE, GAINS = "flat", "flat from 128 on", "gains 0.05"
RISING: dict[str, Curve] = {
    FLAT: lambda n: 0.70 + 0 * n,
    LATE: lambda n: 0.50 + 0.05 * np.log2(np.minimum(n, 128) / 5),
    GAINS: lambda n: 0.65 + 0.05 * np.log2(n / 5) / np.log2(256 / 5),
}
CHOICES: dict[str, dict[str, Curve]] = {
    "that cross": {TRANSFER: power(0.72, 0.5, 0.9), SCRATCH: power(0.85, 1.39, 0.5), ALL: power(0.80, 0.6, 0.4)},
    "0.02 and 0.05 apart": {
        TRANSFER: power(0.80, 0.6, 0.4),
        SCRATCH: power(0.75, 0.6, 0.4),
        ALL: power(0.78, 0.6, 0.4),
    },
}


def main() -> None:
    """Print a table as it stands in benchmarks/results/crossover.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=300)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--pools", action="store_true", help="only draws of one pool of training patients")
    parser.add_argument("--claims", action="store_true", help="only verdicts on claims")
    parser.add_argument("--choice", action="store_true", help="only what a wrong choice costs")
    given = parser.parse_args()
    if given.claims or given.choice:
        designs = FEW if given.claims else [design for design in FEW if design.replicates == 3]
        return print_few(claim_rates if given.claims else choice_rates, designs, given.simulations, given.draws)
    if given.pools:
        return print_pools(given.simulations, given.draws)
    print("|".join(["", "design", *HEADS, ""]), "|---" * (len(HEADS) + 1) + "|", sep="\n")
    size = given.simulations, given.draws
    for name, design in DESIGNS.items():
        print(row(name, design, (CROSSING, NOT_CROSSING, TWICE), *size), flush=True)
    for name, design in SHELF_DESIGNS.items():
        print(row(name, design, (SHELF, NOT_SHELF, {}), *size), flush=True)
    print_pools(*size)


def print_pools(simulations: int, draws: int) -> None:
    """Print how often curves that meet at the largest size get a verdict, with all draws of one pool of patients."""
    heads = ["SD of trainings", "draws", "training patients", "crosses", "no crossover"]
    print("|".join(["", *heads, ""]), "|---" * len(heads) + "|", sep="\n")
    for design in POOLS:
        found = rates(NOT_CROSSING["meeting at the largest"], design, simulations, draws)
        cells = [str(design.luck), str(design.replicates), str(design.pool)]
        print("|".join(["", *cells, _told(found["crosses"]), _told(found["no crossover"]), ""]), flush=True)


def print_few(
    rates_of: Callable[[Design, int, int], dict[str, float]], designs: list[Design], simulations: int, draws: int
) -> None:
    """Print rates, in per cent, of studies with few test patients."""
    for i, design in enumerate(designs):
        found = rates_of(design, simulations, draws)
        if not i:
            print("|".join(["", "patients", "draws", "SD of trainings", *found, ""]))
            print("|---" * (len(found) + 3) + "|")
        about = map(str, (design.patients, design.replicates, design.luck))
        print("|".join(["", *about, *(f"{100 * rate:.1f}" for rate in found.values()), ""]), flush=True)


def claim_rates(design: Design, simulations: int, draws: int) -> dict[str, float]:
    """Return how often claims get which verdict."""
    found = [
        crossover_claims(design, seed, draws) | rises_claims(simulated_panel(RISING, design, seed))
        for seed in range(simulations)
    ]
    return pd.DataFrame(found).mean().to_dict()


def crossover_claims(design: Design, seed: int, draws: int) -> dict[str, bool]:
    """Return whether claims about curves that cross at 50, and about curves that only meet, get a wrong verdict.

    With one draw there is no verdict.
    """
    whole = (SIZES[0], SIZES[-1])
    names = "true, fails, 5 to 256", "26 to 51", "true, holds", "false, holds, 51 to 256", "turned", "where they meet"
    if design.replicates < 2:
        return dict.fromkeys(names, False)
    once, meet = (_claimed(curves, design, seed, draws) for curves in (CLAIMED, NOT_CROSSING["meeting at the largest"]))
    wide, narrow = (once(TRANSFER, SCRATCH, between) for between in (whole, (26, 51)))
    false = once(TRANSFER, SCRATCH, (51, 256)), once(SCRATCH, TRANSFER, whole), meet(TRANSFER, SCRATCH, whole)
    verdicts = (wide == FAILS, narrow == FAILS, wide == HOLDS, *(found == HOLDS for found in false))
    return dict(zip(names, verdicts, strict=True))


def _claimed(curves: Mapping[str, Curve], design: Design, seed: int, draws: int) -> Callable[..., str]:
    """Return the function that judges claims (ahead, overtakes, between) about one simulated table."""
    panel = simulated_panel(curves, design, seed)
    found = crossing.crossover(panel, resample(panel, draws, seed), (0, 1), 0.95, 0.05)
    place = {"test_set": "target", "structure": "tumour", "metric": "dsc"}
    table, sizes = pd.DataFrame([place | found]), {n: n for n in SIZES}

    def judge(ahead: str, overtakes: str, between: tuple[int, int]) -> str:
        about = {"kind": "crossover", "metric": "dsc", "test_set": "target", "between": between}
        return verdict(*crossovers(Crossover(ahead=ahead, overtakes=overtakes, **about), table, sizes), 0.95)

    return judge


def rises_claims(panel: Panel) -> dict[str, bool]:
    """Return the verdicts on claims that families rise.

    Of a family that gains nothing both verdicts are at their level: the claim is false, and true of one that gains
    next to nothing.
    """
    ends = [0, len(panel.sizes) - 1]
    flat, late, gains = (list(RISING).index(name) for name in (FLAT, LATE, GAINS))
    return {
        "rises, equal, holds": rises(panel, flat, ends) == HOLDS,
        "equal, fails": rises(panel, flat, ends) == FAILS,
        "last step equal, holds": rises(panel, late) == HOLDS,
        "all steps equal, fails": rises(panel, flat) == FAILS,
        "by 0.05, holds": rises(panel, gains, ends) == HOLDS,
    }


def rises(panel: Panel, family: int, at: list[int] | None = None) -> str:
    """Return the verdict of `score_parts.rises` on a family's rise over sizes, all by default.

    By p instead of intervals, which is the same, in a quarter of the time.
    """
    steps = list(pairwise(range(len(panel.sizes)) if at is None else at))
    effects = [panel_effect(panel, (family, more), (family, fewer)) for fewer, more in steps]
    if all(found.p_above(0) < 0.025 for found in effects):
        return HOLDS
    return FAILS if any(found.p_below(0) < 0.025 / len(steps) for found in effects) else OPEN


def panel_effect(panel: Panel, *models: tuple[int, int]) -> Effect:
    """Return the mean of one model (family, size) minus that of another by the model of chance."""
    scores = [panel.scores[model].T for model in models]
    runs = [[f"{run}/" for run in range(own.shape[1])] for own in scores]
    return effect_of(scores, runs, (1, -1), panel.strata, lambda: roughness(panel))


def choice_rates(design: Design, simulations: int, draws: int) -> dict[str, float]:
    """Return how often what a wrong choice costs is told, and how often it is too small, of each kind of curves."""
    out = {}
    for name, curves in CHOICES.items():
        rows = [
            row for seed in range(simulations) for row in choices(simulated_panel(curves, design, seed), draws, seed)
        ]
        sizes = pd.DataFrame(rows, columns=["seed", "n", "left", "limit"])
        sizes["told"] = sizes["limit"].notna()
        true = [{family: float(curves[family](np.float64(n))) for family in curves} for n in sizes["n"]]
        least = np.array([min(of[f] for f in left) for of, left in zip(true, sizes["left"], strict=True)])
        own = np.array([max(of[f] for f in left) for of, left in zip(true, sizes["left"], strict=True)]) - least
        best = np.array([max(of.values()) for of in true]) - least
        missed = {
            "too small": own > sizes["limit"],
            "rounded": own > sizes["limit"].round(2),
            "for the best of all": sizes["told"] & (best > sizes["limit"]),
        }
        sizes = sizes.assign(**missed)
        rates = {"told": sizes["told"].mean()} | {what: sizes[what].mean() for what in missed}
        rates |= {
            "at the worst size": sizes.groupby("n")["too small"].mean().max(),
            "where told": sizes.loc[sizes["told"], "too small"].mean(),
            "at any size": sizes.groupby("seed")["too small"].any().mean(),
        }
        out |= {f"{name}: {what}": rate for what, rate in rates.items()}
    return out


def choices(panel: Panel, draws: int, seed: int) -> Iterator[tuple[int, int, list[str], float]]:
    """Yield (seed, n, strategies that are left, limit of what a wrong choice costs), as the first page has them.

    As `best_by_size` and `most_apart` of `report.best_by_size`, without their tables.
    """
    pairs, names = list(combinations(range(len(panel.families)), 2)), panel.families
    resampled = resample(panel, draws, seed)
    crossed = [crossing.crossover(panel, resampled, pair, 0.95, 0.05) for pair in pairs]
    for k, n in enumerate(panel.sizes.astype(int)):
        found = {pair: panel_effect(panel, *((family, k) for family in pair)) for pair in pairs}
        worse = {names[pair[of.estimate > 0]] for pair, of in found.items() if of.p() < 0.05}
        worse |= set(left_behind(crossed, n))
        left = [name for name in names if name not in worse] or names
        limits = [of.interval(0.95) for pair, of in found.items() if {names[f] for f in pair} <= set(left)]
        yield seed, int(n), left, np.abs(limits).max() if limits else np.nan


def row(name: str, design: Design, curves: tuple[dict, dict, dict], simulations: int, draws: int) -> str:
    """Return a line of the table, of curves that cross once, not at all, and twice."""
    one = [crossing_rates(c, design, simulations, draws) for c in curves[0].values()]
    none, two = ([rates(c, design, simulations, draws) for c in own.values()] for own in curves[1:])
    cells = [" / ".join(_told(found[column], column) for found in one) for column in COLUMNS]
    cells += [_most(none, "crosses"), _most(one, "no crossover")]
    cells.append(", ".join(_most(two, verdict) for verdict in ("changes", "crosses", "no crossover")))
    return "|".join(["", name, *cells, ""])


def _most(found: list[dict[str, float]], verdict: str) -> str:
    return _told(max((rates[verdict] for rates in found), default=np.nan))


def rates(curves, design: Design, simulations: int, draws: int) -> dict[str, float]:
    """Shares of the verdicts, and how often the interval covers."""
    return shares(outcomes(curves, design, simulations, draws))


def crossing_rates(curves, design: Design, simulations: int, draws: int) -> dict[str, float]:
    """Return the rates of curves that cross once, and how far n* is from the truth."""
    found = outcomes(curves, design, simulations, draws)
    true = true_crossover(curves, design.sizes)
    octaves = np.log2(found.loc[found["n"].between(1, 1e9), "n"] / true)
    called = found.loc[found["verdict"] == crossing.CROSSES, "covered"]
    return shares(found) | {
        "RMS": np.sqrt((octaves**2).mean()),
        "covered where crosses": called.mean(),
        "power_covered": power_covered(curves, design, true, simulations // 3),
    }


def power_covered(curves, design: Design, true: float, simulations: int, draws: int = 200) -> float:
    """Coverage of the interval that the power law's n* would have; NaN where there is none."""
    if len(design.sizes) < FEWEST or PRETRAINED in curves:
        return np.nan
    grid = np.geomspace(design.sizes[0], design.sizes[-1], crossing.GRID)
    hits = 0
    for seed in range(simulations):
        panel = simulated_panel(curves, design, seed)
        fits = power_law(resample(panel, draws, seed).draws, panel.sizes)
        roots = crossing._stays(crossing._apart(power_curve(fits, grid)), grid)
        low, high = crossing._interval(roots, grid, 0.95)
        hits += low <= true <= high
    return hits / simulations


def _told(value: float, column: str = "") -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.2f}" if column == "RMS" else f"{100 * value:.0f}"


if __name__ == "__main__":
    main()
