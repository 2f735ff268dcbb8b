"""How often is the interval of n* right, and how often is a crossover found where there is none?

    python -m benchmarks.crossover_coverage [--simulations 400] [--draws 400] [--out coverage.csv]

Simulated tables with known answers (`tests/simulated.py`). Nominal: 95% covered; "crosses" where curves
don't cross, 5% at most. `power_covered` is the coverage that the power law's n* would have in the same resamples.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from crossover.statistics import crossing
from crossover.statistics.forms import power_curve, power_law
from crossover.statistics.resampling import resample
from tests.simulated import (
    CROSSING,
    NOT_CROSSING,
    Design,
    outcomes,
    shares,
    simulated_panel,
    true_crossover,
)

DESIGNS = {
    "64 patients, 1 replicate": Design(),
    "16 patients, 1 replicate": Design(patients=16),
    "64 patients, 1 replicate, no luck": Design(luck=0.0),
    "64 patients, 1 replicate, luck x4 at the smallest n": Design(steep=4),
    "64 patients, 1 replicate, half the luck shared by sizes": Design(shared=0.5),
    "64 patients, 3 replicates": Design(replicates=3),
    "16 patients, 2 replicates": Design(patients=16, replicates=2),
    "64 patients, 3 replicates, luck x4 at the smallest n": Design(replicates=3, steep=4),
    "64 patients, 3 replicates, half the luck shared by sizes": Design(replicates=3, shared=0.5),
    "64 patients, 5 replicates": Design(replicates=5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--out")
    given = parser.parse_args()
    rows = []
    for name, design in DESIGNS.items():
        for curves_name, curves in {**CROSSING, **NOT_CROSSING}.items():
            found = outcomes(curves, design, given.simulations, given.draws)
            true, inside = true_crossover(curves, design.sizes), found["n"].between(1, 1e9)
            row = {"design": name, "curves": curves_name, **shares(found)}
            if np.isfinite(true):
                octaves = np.log2(found.loc[inside, "n"] / true)
                row |= {
                    "bias_octaves": octaves.mean(),
                    "rmse_octaves": np.sqrt((octaves**2).mean()),
                }
                row["covered_where_crosses"] = found.loc[
                    found["verdict"] == crossing.CROSSES, "covered"
                ].mean()
                row["power_covered"] = power_covered(curves, design, true, given.simulations // 2)
            else:
                row["covered"] = np.nan  # which of the two gains is chance, where both gain alike
            rows.append(row)
            print(
                pd.DataFrame([row]).round(3).to_string(index=False, header=len(rows) == 1),
                flush=True,
            )
    if given.out:
        pd.DataFrame(rows).to_csv(given.out, index=False)


def power_covered(curves, design: Design, true: float, simulations: int, draws: int = 200) -> float:
    grid = np.geomspace(design.sizes[0], design.sizes[-1], crossing.GRID)
    hits = 0
    for seed in range(simulations):
        panel = simulated_panel(curves, design, seed)
        fits = power_law(resample(panel, draws, seed).draws, panel.sizes)
        roots = crossing._stays(crossing._apart(power_curve(fits, grid)), grid)
        low, high = crossing._interval(roots, 0.95)
        hits += low <= true <= high
    return hits / simulations


if __name__ == "__main__":
    main()
