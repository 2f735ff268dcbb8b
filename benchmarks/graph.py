"""How long Snakemake takes to read a large study and to build its graph, and the memory of that: a dry run.

    python -m benchmarks.graph [--patients 1000] [--sizes 10] [--draws 5]

Takes the nasopharynx study (12 structures, a network for each) at the paper's scale in a temporary copy, with these
numbers of patients in both centers together, of training sizes and of draws of the training patients. Prints a row of
Markdown.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import yaml

from benchmarks.overhead import copy_workflow

STUDY = Path("config/studies/nasopharynx.yaml")


def enlarge(study: Path, patients: int, sizes: int, draws: int) -> None:
    """Change the study's file."""
    values = yaml.safe_load(study.read_text())
    for cohort in values["cohorts"].values():
        cohort["source"]["patients"] = patients // 2
    largest = patients // 2 - 10 - round(0.2 * patients / 2)
    values["sizes"] = sorted({int(n) for n in np.geomspace(2, largest, sizes).round()})
    values["splits"]["replicates"] = {"draws": draws, "trainings": 1}
    values["figures"]["overlays"]["sizes"] = [values["sizes"][-1]]
    values.pop("published", None)
    study.write_text(yaml.safe_dump(values, sort_keys=False))
    (study.parents[1] / "claims" / study.name).unlink()  # they name the paper's sizes


def main() -> None:
    """Print jobs, seconds and memory of the dry run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("patients", 1000), ("sizes", 10), ("draws", 5)):
        parser.add_argument(f"--{name}", type=int, default=number)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy_workflow(Path(folder))
        enlarge(Path(folder) / STUDY, given.patients, given.sizes, given.draws)
        command = [sys.executable, "-m", "snakemake", "-n", "--config", "studies=nasopharynx", "scale=paper"]
        begun = perf_counter()
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        seconds = perf_counter() - begun
    if run.returncode:
        sys.exit(run.stdout[-2000:] + run.stderr[-3000:])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    said = run.stdout + run.stderr
    jobs = next(line.split()[-1] for line in said.splitlines() if line.startswith("total"))
    print("| patients | sizes | draws | jobs | seconds | MB |\n|---|---|---|---|---|---|")
    print(f"| {given.patients} | {given.sizes} | {given.draws} | {jobs} | {seconds:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
