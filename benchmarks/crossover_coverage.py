"""How often is the interval of n* right, and how often is a crossover found where there is none?

    python -m benchmarks.crossover_coverage [--simulations 300] [--draws 400]

Simulated tables with known answers (`tests/simulated.py`), for designs of patients, draws of the nested subsets and
sizes. Nominal: 95% covered; "crosses" where curves don't cross once, and "no crossover" where they cross, 5% at
most. `power_covered` is the coverage that the power law's n* would have in the same resamples. A second table is of
draws that are taken from one pool of training patients (`--pools` alone).
"""

from __future__ import annotations

import argparse

import numpy as np

from crossover.statistics.estimates.resampling import resample
from crossover.statistics.learning_curves import crossing
from crossover.statistics.learning_curves.forms import FEWEST, power_curve, power_law
from tests.simulated import (
    CROSSING,
    NOT_CROSSING,
    NOT_SHELF,
    PRETRAINED,
    SHELF,
    TWICE,
    Design,
    outcomes,
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


def main() -> None:
    """Print a table as it stands in docs/crossover.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=300)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--pools", action="store_true", help="only draws of one pool of training patients")
    given = parser.parse_args()
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
