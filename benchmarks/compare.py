"""How long `crossover compare` takes, from its start to its end, by the number of models, cases and structures.

    python -m benchmarks.compare [--models 10] [--cases 500] [--structures 10] [--runs 3]

Scores are drawn: a case's and a structure's difficulty, a model's mean, and what is left. Prints a row for each run:
seconds, processor seconds and peak memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd


def scores(models: int, cases: int, structures: int) -> pd.DataFrame:
    """Draw the DSC of every model, case and structure."""
    rng = np.random.default_rng(0)
    shape = models, cases, structures
    mean = 0.75 + 0.01 * np.arange(models)[:, None, None]
    case = rng.normal(0, 0.08, (1, cases, 1)) + rng.normal(0, 0.05, (1, cases, structures))
    drawn = np.clip(mean + case + rng.normal(0, 0.03, shape), 0, 1)
    index = pd.MultiIndex.from_product(
        [[f"{kind}{i}" for i in range(n)] for kind, n in zip("mcs", shape, strict=True)],
        names=["model", "case", "structure"],
    )
    return pd.Series(drawn.ravel(), index, name="dsc").reset_index()


def main() -> None:
    """Time the command on a table of the size that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("models", 10), ("cases", 500), ("structures", 10), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "scores.csv")
        scores(given.models, given.cases, given.structures).to_csv(table, index=False)
        command = [
            sys.executable,
            "-m",
            "crossover",
            "compare",
            str(table),
            "--out",
            f"{folder}/to",
        ]
        for _ in range(given.runs):
            begun, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            seconds, peak = perf_counter() - begun, after.ru_maxrss / 1e6
            print(f"{seconds:.1f} s, {spent:.1f} processor seconds, {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
