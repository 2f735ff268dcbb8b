"""A run of thousands of jobs that sleep, through a real Slurm on this machine: are any lost, and what limits first?

    python -m benchmarks.slurm [--jobs 2000] [--slots 64] [--seconds 5] [--at-once 2500] [--arrays]

Snakemake, its executor, `sbatch`, slurmctld and slurmd are those of a cluster. On the nodes each job would start
Snakemake twice, some seconds of a processor each, which a cluster has and this machine has not: here a module that
Python reads at its start makes the job sleep and write its output instead, so that what is measured is the submitting
side. Needs what `tests/test_slurm.py` needs. Prints a row of Markdown.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep

import psutil

from tests.slurm_cluster import cluster, missing

SNAKEFILE = """
rule all:
    input: [f"out/{{k}}" for k in range({jobs})]

rule nap:
    output: "out/{{k}}"
    resources: mem_mb=10, runtime=10
    shell: "touch {{output}}"
"""
INSTEAD = """
import os, re, sys, time
words = " ".join(sys.orig_argv)
if "SLURM_JOB_ID" in os.environ and "-m snakemake" in words:
    own = re.search(r"nap:k=(\\d+)", words).group(1)
    task, (_, *rest) = os.environ.get("SLURM_ARRAY_TASK_ID", ""), words.split("--slurm-jobstep-array-execs=")
    if rest and task not in ("", os.environ.get("SLURM_ARRAY_TASK_MIN")):
        import base64, json, zlib
        calls = json.loads(base64.b64decode(rest[0].split()[0]))
        call = zlib.decompress(bytes.fromhex(calls[task])).decode()
        own = re.search(r"nap:k=(\\d+)", call).group(1)
    time.sleep({seconds})
    os.makedirs("out", exist_ok=True)
    open(f"out/{{own}}", "a").write("x")
    os._exit(0)
"""


def run(folder: Path, given: argparse.Namespace) -> dict[str, float]:
    """Run all jobs; returns what is measured."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(jobs=given.jobs))
    (folder / "sitecustomize.py").write_text(INSTEAD.format(seconds=given.seconds))
    command = [
        sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", str(given.at_once),
        "--cores", "100000", "--slurm-status-command", "squeue", "--slurm-no-account", "--latency-wait", "60",
        "--slurm-init-seconds-before-status-checks", "10", "--nolock",
        *(["--slurm-array-jobs", "all"] if given.arrays else []),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    begun, peak, submitted, cpu = perf_counter(), 0, 0.0, 0.0
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        watched, log_text = psutil.Process(head.pid), folder / "log"
        while head.poll() is None:
            sleep(1)
            try:
                peak, cpu = max(peak, watched.memory_info().rss), sum(watched.cpu_times()[:2])
            except psutil.Error:
                break
            if not submitted and submissions(log_text.read_text())[1] == given.jobs:
                submitted = perf_counter() - begun
    print(log_text.read_text()[-300:] if head.wait() else "", file=sys.stderr)
    written = [file.read_text() for file in (folder / "out").glob("*")]
    return {
        "submissions": submissions(log_text.read_text())[0], "all submitted after, s": submitted,
        "whole run, s": perf_counter() - begun, "done": len(written), "done twice": sum(t != "x" for t in written),
        "CPU of Snakemake, s": cpu, "Snakemake, MB": peak / 1e6, "slurmctld, CPU s": slurmctld_seconds(),
    }  # fmt: skip


def submissions(log: str) -> tuple[int, int]:
    """How many calls of `sbatch` succeeded, and the jobs in them."""
    arrays = re.findall(r"Submitted array job with Snakemake IDs (\S+)", log)
    single = len(re.findall(r"has been submitted with SLURM jobid", log))
    return single + len(arrays), single + sum(len(ids.split(",")) for ids in arrays)


def slurmctld_seconds() -> float:
    """Processor seconds of Slurm's controller so far."""
    return sum(sum(p.cpu_times()[:2]) for p in psutil.process_iter(["name"]) if p.info["name"] == "slurmctld")


def main() -> None:
    """Print a table of one row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("jobs", 2000), ("slots", 64), ("seconds", 5), ("at-once", 2500)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--arrays", action="store_true")
    given = parser.parse_args()
    if why := missing():
        sys.exit(why)
    with tempfile.TemporaryDirectory() as name:
        for part in ("cluster", "run"):
            (Path(name) / part).mkdir()
        with cluster(Path(name) / "cluster", cores=given.slots // 2):
            found = run(Path(name) / "run", given)
    cells = {"jobs": given.jobs, "arrays": given.arrays, **found}
    print(f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}")
    print(f"| {' | '.join(f'{v:.1f}' if isinstance(v, float) else str(v) for v in cells.values())} |")
    sys.exit(found["done"] != given.jobs or found["done twice"] > 0)


if __name__ == "__main__":
    main()
