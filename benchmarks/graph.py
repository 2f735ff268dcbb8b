"""How long Snakemake takes to read a large study and to build its graph, and the memory of that: a dry run.

    python -m benchmarks.graph [--patients 1000] [--sizes 10] [--draws 5] [--parts]

Takes the nasopharynx study (12 structures, a network for each) at the paper's scale in a temporary copy, with these
numbers of patients in both centers together, of training sizes and of draws of the training patients. Prints a row of
Markdown: the seconds until the graph is built, imports included, and until the dry run has listed its jobs. With
`--parts` it runs once more under cProfile, and tells how many seconds were in this project's code; the rest is
Snakemake's.
"""

from __future__ import annotations

import argparse
import pstats
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


def timed(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Seconds until the graph is built, and until the end, and what was said; exits where the run failed."""
    begun, built, said = perf_counter(), 0.0, []
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for line in run.stdout or ():
            said.append(line)
            built = built or (perf_counter() - begun if line.startswith("Job stats") else 0.0)
    if run.returncode:
        sys.exit("".join(said)[-5000:])
    return built, perf_counter() - begun, "".join(said)


def in_our_code(profile: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds of reading the Snakefile with its imports, of the rules' functions, and of everything."""
    stats = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]
    reading = next(own[3] for (file, *_), own in stats.items() if file == str(folder / "Snakefile"))
    called = (edge for (file, *_), own in stats.items() if file.startswith(str(folder)) for edge in own[4].items())
    functions = sum(edge[3] for (*_, name), edge in called if name == "apply_func")
    return reading, functions, sum(own[2] for own in stats.values())


def main() -> None:
    """Print jobs, seconds and memory of the dry run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("patients", 1000), ("sizes", 10), ("draws", 5)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--parts", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        copy_workflow(folder)
        enlarge(folder / STUDY, given.patients, given.sizes, given.draws)
        words = ["-m", "snakemake", "-n", "--config", "studies=nasopharynx", "scale=paper"]
        timed([sys.executable, *words], folder)  # reads and compiles the sources, as a clone's first run
        built, whole, said = timed([sys.executable, *words], folder)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        jobs = next(line.split()[-1] for line in said.splitlines() if line.startswith("total"))
        print("| patients | sizes | draws | jobs | graph, s | dry run, s | MB |\n|---|---|---|---|---|---|---|")
        print(f"| {given.patients} | {given.sizes} | {given.draws} | {jobs} | {built:.1f} | {whole:.1f} | {peak:.0f} |")
        if given.parts:
            timed([sys.executable, "-m", "cProfile", "-o", str(folder / "profile"), *words], folder)
            reading, functions, all_of_it = in_our_code(folder / "profile", folder)
            print(f"with cProfile {all_of_it:.1f} s: Snakefile {reading:.1f} s, functions of rules {functions:.1f} s")


if __name__ == "__main__":
    main()
