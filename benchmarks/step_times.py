"""Seconds of an optimisation step of every network and level that the studies train at paper scale.

    python -m benchmarks.step_times [--threads 2] [--out config/step_times.csv] [study ...]

What `crossover.execution.estimate` multiplies with the number of steps. Each is the median of three steps after
the first, at the published size; a batch above 2 is measured at 2 and scaled, since it is linear in it on
a processor. Rows of other studies and of GPUs in the file stay; those are `benchmarks.gpu`'s.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from crossover.execution.estimate import CPU, TIMES
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.sections import Network
from crossover.training.step_time import measured


def kinds(study: Study) -> Iterator[tuple[Network, str | None, int]]:
    """Yield the networks and levels that a study's stages have, and how many structures each segments."""
    seen = set()
    for stage in plan(study).stages.values():
        cells = [stage.cell] if stage.cell else []
        if study.selection and not stage.cell:
            cells = study.selection.cells
        for cell in cells or [None]:
            network = study.network.cell(*cell) if cell else study.network
            key = (cell, stage.level, len(stage.structures))
            if key not in seen:
                seen.add(key)
                yield network, stage.level, len(stage.structures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=["uterus", "nasopharynx", "prostate"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=TIMES)
    given = parser.parse_args()
    rows = []
    for name in given.studies:
        study = load_study(name, "paper")
        for network, level, structures in kinds(study):
            found = measured(study, network, level, structures, given.threads)
            rows.append({
                "study": name, "scale": "paper", "architecture": network.architecture,
                "encoder": network.settings.get("encoder", ""), "level": level or "",
                "seconds": round(found.seconds, 3), "threads": given.threads, "machine": platform.machine(),
                "engine": network.engine, "device": CPU,
            })  # fmt: skip
            print(*rows[-1].values(), flush=True)
    write(given.out, rows)


def write(path: Path, rows: list[dict]) -> None:
    """Put rows in the place of those of the same studies, on a GPU or not."""
    new = pd.DataFrame(rows)
    if path.exists():
        before = pd.read_csv(path, keep_default_na=False)
        same = (before["device"] == CPU) == (new["device"].iloc[0] == CPU)
        new = pd.concat([before[~(same & before["study"].isin(new["study"]))], new])
    new.to_csv(path, index=False)


if __name__ == "__main__":
    main()
